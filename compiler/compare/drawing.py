"""The graph of rules as an SVG: from left to right, plainer rules first.

Layers are the longest ways along special cases; within a layer nodes stand where their neighbours
do (barycentres, swept to and fro). Nothing but text is needed to write it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from thetaprime.compare.graph import Edge, Graph

LETTER, LINE, PAD = 7.0, 16.0, 6.0
GAP, BETWEEN, MARGIN, SWEEPS = 14.0, 30.0, 24.0, 24
LONGEST = 30
STROKES = {"special": "stroke='#345'", "map": "stroke='#a50' stroke-width='2'",
           "when": "stroke='#a50' stroke-dasharray='7 3'",
           "up-to": "stroke='#a50' stroke-dasharray='1 4' stroke-width='2'",
           "edit": "stroke='#999' stroke-dasharray='5 4'"}
WORDS = {"special": "is a special case of", "map": "equal under a map of hyperparameters",
         "when": "equal at a setting of both", "up-to": "equal up to another iterate",
         "edit": "one edit of the spec apart"}


@dataclass(frozen=True)
class Box:
    """Where a node is drawn."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def svg(graph: Graph) -> str:
    """The picture; rules without an edge stand below the others."""
    boxes = placed(graph)
    width = max((b.x + b.width for b in boxes.values()), default=0.0) + MARGIN
    height = max((b.y + b.height for b in boxes.values()), default=0.0) + MARGIN
    drawn = [e for e in graph.edges if {e.start, e.end} <= boxes.keys()]
    return "\n".join([
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
        f"width='{width:.0f}' height='{height:.0f}' font-family='Helvetica, Arial, sans-serif' "
        "font-size='12'>",
        "<defs><marker id='to' viewBox='0 0 8 8' refX='8' refY='4' markerWidth='7' "
        "markerHeight='7' orient='auto'><path d='M0 0L8 4L0 8z' fill='#345'/></marker></defs>",
        f"<rect width='{width:.0f}' height='{height:.0f}' fill='white'/>",
        *_legend(), *(_line(e, boxes) for e in drawn), *(_label(e, boxes) for e in drawn),
        *map(_box, boxes.values()), "</svg>", ""])


# Layout.


def placed(graph: Graph) -> dict[str, Box]:
    """Where each node stands."""
    level = graph.layers()
    columns: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in sorted(level):
        columns[level[name]].append(name)
    ordered = ordered_columns(columns, graph.edges)
    lines = {n: _lines(names) for n, names in graph.nodes.items()}
    middle = _heights(ordered, graph.edges, lines)
    found: dict[str, Box] = {}
    x, top = MARGIN, MARGIN + 3 * LINE
    lowest = min((middle[n] - _tall(lines[n]) / 2 for n in middle), default=0.0)
    for number, column in enumerate(ordered):
        width = max(_wide(lines[n]) for n in column)
        for name in column:
            y = middle[name] - _tall(lines[name]) / 2 - lowest + top
            found[name] = Box(x, y, _wide(lines[name]), _tall(lines[name]), lines[name])
        inside = [len(_short(e.text)) for e in graph.edges
                  if {level.get(e.start), level.get(e.end)} & {number}
                  and {level.get(e.start), level.get(e.end)} & {number + 1}]
        x += width + 2 * BETWEEN + LETTER * max(inside, default=0) * 0.85
    return found | _alone(graph, found, lines)


def _alone(
    graph: Graph, found: Mapping[str, Box], lines: Mapping[str, tuple[str, ...]]
) -> dict[str, Box]:
    """Rules without an edge, in rows below."""
    wide = max((b.x + b.width for b in found.values()), default=900.0)
    x, y = MARGIN, max((b.y + b.height for b in found.values()), default=MARGIN + LINE) + 3 * LINE
    boxes: dict[str, Box] = {}
    tallest = 0.0
    for name in graph.nodes:
        if name in found:
            continue
        if x > MARGIN and x + _wide(lines[name]) > wide:
            x, y, tallest = MARGIN, y + tallest + GAP, 0.0
        boxes[name] = Box(x, y, _wide(lines[name]), _tall(lines[name]), lines[name])
        x, tallest = x + _wide(lines[name]) + GAP, max(tallest, _tall(lines[name]))
    return boxes


def ordered_columns(columns: Sequence[Sequence[str]], edges: Sequence[Edge]) -> list[list[str]]:
    """Nodes of each layer in the order of the mean places of their neighbours."""
    near = _neighbours(edges)
    found = [list(c) for c in columns]
    place = {n: k / max(1, len(c)) for c in found for k, n in enumerate(c)}
    for sweep in range(SWEEPS):
        for column in found if sweep % 2 == 0 else reversed(found):
            column.sort(key=lambda n: (_mean([place[o] for o in near.get(n, ())], place[n]), n))
            place |= {n: (k + 0.5) / len(column) for k, n in enumerate(column)}
    return found


def _heights(
    columns: Sequence[Sequence[str]], edges: Sequence[Edge], lines: Mapping[str, tuple[str, ...]]
) -> dict[str, float]:
    """The middles of nodes: as near to those of their neighbours as their order allows."""
    near = _neighbours(edges)
    middle: dict[str, float] = {}
    for column in columns:
        y = 0.0
        for name in column:
            middle[name] = y + _tall(lines[name]) / 2
            y += _tall(lines[name]) + GAP
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted = [_mean([middle[o] for o in near.get(n, ())], middle[n]) for n in column]
            middle |= dict(zip(column, _spread(
                wanted, [_tall(lines[n]) + GAP for n in column]), strict=True))
    return middle


def _spread(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """The places nearest to the wanted ones (in squares) that keep the order and do not overlap:
    with w_i = wanted_i - (sizes before i), the nearest rising sequence, by pooling neighbours."""
    offsets = [0.0]
    for one, other in pairwise(sizes):
        offsets.append(offsets[-1] + (one + other) / 2)
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        value, count = want - offset, 1
        while pools and pools[-1][0] > value:
            last, many = pools.pop()
            value, count = (value * count + last * many) / (count + many), count + many
        pools.append((value, count))
    flat = [value for value, count in pools for _ in range(count)]
    return [value + offset for value, offset in zip(flat, offsets, strict=True)]


def _neighbours(edges: Sequence[Edge]) -> dict[str, list[str]]:
    near: dict[str, list[str]] = {}
    for e in edges:
        near.setdefault(e.start, []).append(e.end)
        near.setdefault(e.end, []).append(e.start)
    return near


def _mean(some: Sequence[float], other: float) -> float:
    return sum(some) / len(some) if some else other


def _lines(names: Sequence[str]) -> tuple[str, ...]:
    """Equal rules below each other."""
    return tuple(n if k == 0 else f"= {n}" for k, n in enumerate(names))


def _wide(lines: Sequence[str]) -> float:
    return max(map(len, lines)) * LETTER + 2 * PAD


def _tall(lines: Sequence[str]) -> float:
    return len(lines) * LINE + PAD


# Text.


def _ends(edge: Edge, boxes: Mapping[str, Box]) -> tuple[float, float, float, float]:
    """Where an edge starts and ends: on the sides that face each other."""
    one, other = boxes[edge.start], boxes[edge.end]
    if other.x >= one.x + one.width:
        return one.x + one.width, one.middle, other.x, other.middle
    if one.x >= other.x + other.width:
        return one.x, one.middle, other.x + other.width, other.middle
    return one.x + one.width, one.middle, other.x + other.width, other.middle


def _line(edge: Edge, boxes: Mapping[str, Box]) -> str:
    x1, y1, x2, y2 = _ends(edge, boxes)
    bend = (x2 - x1) / 2 if abs(x2 - x1) > BETWEEN else BETWEEN
    c2 = x2 - bend if abs(x2 - x1) > BETWEEN else x2 + bend
    head = " marker-end='url(#to)'" if edge.kind == "special" else ""
    return (f"<path d='M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {c2:.1f} {y2:.1f} "
            f"{x2:.1f} {y2:.1f}' fill='none' {STROKES[edge.kind]}{head}>"
            f"<title>{escape(_said(edge))}</title></path>")


def _label(edge: Edge, boxes: Mapping[str, Box]) -> str:
    """The condition, near the end of its edge, where no two edges of one start overlap."""
    x1, y1, x2, y2 = _ends(edge, boxes)
    text = _short(edge.text)
    width = len(text) * LETTER * 0.85
    x, y = x1 + 0.6 * (x2 - x1), y1 + 0.65 * (y2 - y1)
    return (f"<g><title>{escape(_said(edge))}</title>"
            f"<rect x='{x - width / 2 - 2:.1f}' y='{y - 7:.1f}' width='{width + 4:.1f}' "
            "height='13' fill='white' fill-opacity='0.85'/>"
            f"<text x='{x:.1f}' y='{y + 3.5:.1f}' font-size='10' text-anchor='middle' "
            f"fill='{'#345' if edge.kind == 'special' else '#a50'}'>{escape(text)}</text></g>")


def _said(edge: Edge) -> str:
    """The edge in words."""
    if edge.kind == "special":
        return f"{edge.end} with {edge.text} is {edge.start}"
    return f"{edge.start}, {edge.end}: {WORDS[edge.kind]}, {edge.text}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST - 3]}..."


def _box(box: Box) -> str:
    texts = "".join(
        f"<text x='{box.x + PAD:.1f}' y='{box.y + LINE * (k + 0.85):.1f}'>{escape(line)}</text>"
        for k, line in enumerate(box.lines))
    return (f"<rect x='{box.x:.1f}' y='{box.y:.1f}' width='{box.width:.1f}' "
            f"height='{box.height:.1f}' rx='4' fill='#eef3f8' stroke='#345'/>{texts}")


def _legend() -> list[str]:
    """What the lines mean."""
    found = []
    x = MARGIN
    for kind, words in WORDS.items():
        head = " marker-end='url(#to)'" if kind == "special" else ""
        found.append(f"<path d='M{x:.0f} {MARGIN}H{x + 40:.0f}' fill='none' {STROKES[kind]}{head}/>"
                     f"<text x='{x + 46:.0f}' y='{MARGIN + 4}'>{words}</text>")
        x += 46 + len(words) * LETTER + 20
    return found
