"""The graph of rules: what is a special case of what, what is equal, what is one edit away.

Nodes are sets of rules that are proved equal. An edge `special` goes from a rule to one that has
it as a special case, `map` joins rules that are equal under a map of hyperparameters, `when` those
that are equal at a setting of both, `up-to` those that are equal up to another iterate or a small
term, `edit` those that one edit of a spec makes equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from thetaprime.compare.result import second_is_wider

Kind = Literal["special", "map", "when", "up-to", "edit"]


@dataclass(frozen=True)
class Edge:
    """``start`` and ``end`` are the first names of nodes; ``text`` says under which setting the
    end is the start, which map, or which edit."""

    kind: Kind
    start: str
    end: str
    text: str


@dataclass(frozen=True)
class Graph:
    """``nodes``: first name -> all names, sorted; only edges that do not follow from others."""

    nodes: Mapping[str, tuple[str, ...]]
    edges: tuple[Edge, ...]

    def to_json(self) -> dict[str, Any]:
        """What machines read."""
        return {"nodes": [list(n) for n in self.nodes.values()],
                "edges": [asdict(e) for e in self.edges]}

    def layers(self) -> dict[str, int]:
        """How many special cases a rule has below it in a row; what has no edge is in none."""
        return layers(self)


@dataclass(frozen=True)
class Link:
    """What one comparison says of two rules; `equal` ones share a node."""

    kind: Kind | Literal["equal"]
    start: str
    end: str
    text: str = ""


def link(found: Mapping[str, Any], defaults: Mapping[str, str]) -> Link | None:
    """What the JSON of a comparison says; ``defaults`` of static hyperparameters are not told."""
    a, b = found["a"], found["b"]
    choices = [f"{n} = {v}" for n, v in found["choices"].items() if defaults.get(n) != v]
    match found["verdict"]:
        case "equal" if not choices:
            return Link("equal", a, b)
        case "equal":
            return Link("special", b, a, ", ".join(choices))
        case "equal-under-map":
            told = [f"{n} = {v}" for n, v in found["map"].items()]
            return Link("map", a, b, ", ".join((*told, *choices)))
        case "specialises":
            turned = second_is_wider(found["map"], found["conditions"], b)
            wider, narrower = (b, a) if turned else (a, b)
            settings = found["map"] or found["inverse"]
            told = [c.replace(f" of {b}", "") for c in found["conditions"]] or [
                f"{n} = {v}" for n, v in settings.items()]
            return Link("special", narrower, wider, ", ".join((*told, *choices)))
        case "equal-when":
            return Link("when", a, b, ", or ".join((*found["conditions"], *choices)))
        case "equal-up-to":
            return Link("up-to", a, b, ", ".join((found["conditions"] or [""])[:1]))
    return None


def graph(names: Iterable[str], links: Sequence[Link], first: Sequence[str] = ()) -> Graph:
    """Equal rules in one node, edges that do not follow from others. ``first``: names that go
    before all others in their nodes."""
    order = {name: k for k, name in enumerate(first)}
    parts = joined(names, (one for one in links if one.kind == "equal"))
    nodes: dict[str, tuple[str, ...]] = {}
    called: dict[str, str] = {}
    for part in parts:
        some = tuple(sorted(part, key=lambda n: (order.get(n, len(order)), len(n), n)))
        nodes[some[0]] = some
        called |= dict.fromkeys(some, some[0])
    best: dict[tuple[str, str, str], Edge] = {}
    for one in links:
        start, end = called[one.start], called[one.end]
        if one.kind == "equal" or start == end:
            continue
        if one.kind != "special":
            start, end = sorted((start, end))
        place = one.kind, start, end
        known = best.get(place)
        if known is None or len(one.text) < len(known.text):
            best[place] = Edge(one.kind, start, end, one.text)
    kept = _reduced([e for e in best.values() if e.kind == "special"])
    for kind in KINDS[1:]:
        alike = [e for e in best.values() if e.kind == kind]
        kept += _linking(alike, kept, kind in ("when", "edit"))
    return Graph(dict(sorted(nodes.items())), tuple(
        sorted(kept, key=lambda e: (KINDS.index(e.kind), e.start, e.end))))


KINDS: tuple[Kind, ...] = ("special", "map", "when", "up-to", "edit")


def joined(names: Iterable[str], links: Iterable[Link]) -> list[set[str]]:
    """The names, those that are linked together."""
    parts = {name: {name} for name in names}
    for one in links:
        if parts[one.start] is not parts[one.end]:
            parts[one.start] |= parts[one.end]
            for name in parts[one.end]:
                parts[name] = parts[one.start]
    return list({id(part): part for part in parts.values()}.values())


def _reduced(edges: Sequence[Edge]) -> list[Edge]:
    """Without the edges that follow from others one after another."""
    left = list(edges)
    for edge in sorted(edges, key=lambda e: (-e.text.count("="), e.start, e.end)):
        rest = [e for e in left if e is not edge]
        if edge.end in reached(edge.start, rest):
            left = rest
    return left


def reached(start: str, edges: Iterable[Edge | Link]) -> set[str]:
    """Where edges lead from a node."""
    after: dict[str, list[str]] = {}
    for e in edges:
        after.setdefault(e.start, []).append(e.end)
    found: set[str] = set()
    pending = [start]
    while pending:
        for end in after.get(pending.pop(), ()):
            if end not in found:
                found.add(end)
                pending.append(end)
    return found


def _linking(edges: Sequence[Edge], known: Sequence[Edge], forest: bool) -> list[Edge]:
    """Edges between nodes that no special case links; of a ``forest`` only those that link what is
    in different parts, the shortest texts first."""
    if not forest:
        return [e for e in edges if e.end not in reached(e.start, known)
                and e.start not in reached(e.end, known)]
    parts = joined({n for e in (*edges, *known) for n in (e.start, e.end)},
                    (Link("equal", e.start, e.end) for e in known))
    place = {name: k for k, part in enumerate(parts) for name in part}
    found = []
    for edge in sorted(edges, key=lambda e: (len(e.text), e.start, e.end)):
        one, other = place[edge.start], place[edge.end]
        if one != other:
            found.append(edge)
            place = {n: one if k == other else k for n, k in place.items()}
    return found


def layers(found: Graph) -> dict[str, int]:
    """The longest way to each node along special cases; what other edges link follows its
    neighbour."""
    before: dict[str, list[str]] = {}
    for e in found.edges:
        if e.kind == "special":
            before.setdefault(e.end, []).append(e.start)
    level: dict[str, int] = {}

    def of(name: str, above: frozenset[str]) -> int:
        if name not in level:
            some = [s for s in before.get(name, ()) if s not in above]
            level[name] = max((of(s, above | {name}) + 1 for s in some), default=0)
        return level[name]

    special = {n for e in found.edges if e.kind == "special" for n in (e.start, e.end)}
    for name in sorted(special):
        of(name, frozenset())
    others = [e for e in found.edges if e.kind != "special"]
    while True:
        new = dict(_beside(others, level))
        if not new:
            left = next((e.start for e in others if e.start not in level), None)
            if left is None:
                return level
            new = {left: 0}
        level |= new


def _beside(edges: Iterable[Edge], level: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for e in edges:
        for one, other in ((e.start, e.end), (e.end, e.start)):
            if one in level and other not in level:
                yield other, level[one] + 1
