"""Where expressions stand in a flat spec, and the spec with others in their places.

A path leads from an item to a node in it: names of fields and numbers of places, as in
``("then", 0, "value", "args", 1)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.flat import Flat
from thetaprime.lines import head_text, line_text
from thetaprime.syntax import (
    Accept,
    CaseBlock,
    ConstDecl,
    DrawLine,
    EquationLine,
    Evaluate,
    EveryBlock,
    ForAxis,
    Hold,
    IfBlock,
    Item,
    LoopBlock,
    Many,
    StateDecl,
    Train,
    Until,
)

Path = tuple[str | int, ...]
WIDE = 10_000  # lines are printed in one piece

# What holds expressions that mean something, and the fields that hold them or such items.
LINES = (EquationLine, StateDecl, ConstDecl, Train, Evaluate, Many, DrawLine, Hold, Until, Accept)
BLOCKS = (IfBlock, EveryBlock, LoopBlock, CaseBlock, ForAxis)
_FIELDS = ("value", "condition", "then", "otherwise", "body", "items", "starts", "period", "start")


@dataclass(frozen=True)
class Site:
    """One node of an expression. ``above`` are the applications around it, the whole expression
    first; ``line`` is the statement that it stands in, at ``way`` from the item."""

    part: int
    path: Path
    node: Expr
    above: tuple[Apply, ...]
    line: Item
    way: Path

    @property
    def parent(self) -> Apply | None:
        return self.above[-1] if self.above else None

    @property
    def place(self) -> int:
        """Which argument of its parent the node is; 0 where it has none."""
        last = self.path[-1]
        return last if self.above and isinstance(last, int) else 0

    @property
    def target(self) -> Sym | None:
        """What the equation around it defines."""
        return self.line.target if isinstance(self.line, EquationLine) else None


def sites(flat: Flat) -> Iterator[Site]:
    """Every node of every equation, start, condition and draw, in the order of the text."""
    for number, part in enumerate(flat.parts):
        if isinstance(part.item, LINES + BLOCKS):
            yield from _inside(part.item, number, (), part.item, ())


def _inside(node: object, part: int, path: Path, line: Item, way: Path) -> Iterator[Site]:
    if isinstance(node, Num | Sym | Apply):
        yield from _nodes(node, part, path, (), line, way)
    elif isinstance(node, tuple):
        for number, inner in enumerate(node):
            yield from _inside(inner, part, (*path, number), line, way)
    elif is_dataclass(node):
        if isinstance(node, LINES + BLOCKS):
            line, way = node, path
        for field in fields(node):
            if field.name in _FIELDS:
                yield from _inside(getattr(node, field.name), part, (*path, field.name), line, way)


def _nodes(
    node: Expr, part: int, path: Path, above: tuple[Apply, ...], line: Item, way: Path
) -> Iterator[Site]:
    yield Site(part, path, node, above, line, way)
    if isinstance(node, Apply):
        for number, arg in enumerate(node.args):
            yield from _nodes(arg, part, (*path, "args", number), (*above, node), line, way)


def at(node: Any, path: Path) -> Any:
    """The node at a path."""
    for step in path:
        node = node[step] if isinstance(step, int) else getattr(node, step)
    return node


def put(node: Any, path: Path, new: Any) -> Any:
    """The node with another one at a path."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return (*node[:step], put(node[step], rest, new), *node[step + 1:])
    return replace(node, **{step: put(getattr(node, step), rest, new)})


Change = tuple[tuple[Site, Any], ...]  # sites, none inside of another, and what comes there


def changed(flat: Flat, change: Change) -> Flat:
    """The spec with other nodes at sites; for a site without path, another item."""
    parts = list(flat.parts)
    for site, new in change:
        part = parts[site.part]
        parts[site.part] = replace(part, item=put(part.item, site.path, new))
    return replace(flat, parts=tuple(parts))


def lines_of(flat: Flat, change: Iterable[tuple[Site, Any]]) -> str:
    """The lines of a spec in which a change takes place, as the user would write them."""
    ways = dict.fromkeys((site.part, site.way) for site, _ in change)
    return "\n".join(_text(at(flat.parts[part].item, way)) for part, way in ways)


def _text(line: Item) -> str:
    return head_text(line) if isinstance(line, BLOCKS) else line_text(line, WIDE)
