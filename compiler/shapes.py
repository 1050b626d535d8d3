"""How a spec sees tensors: views, matrix types, and the blocks for some tensors or for each axis,
as tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from thetaprime.diagnostics import report
from thetaprime.flat import Part
from thetaprime.separate import SEEN, sees, view_of
from thetaprime.source import Source, Span
from thetaprime.syntax import (
    Accept,
    BatchLine,
    CaseBlock,
    ConstDecl,
    Doc,
    ForAxis,
    Hold,
    Item,
    Note,
    Param,
    StateDecl,
    StatementLine,
    TypeName,
    Until,
    View,
)
from thetaprime.tables import Axes, CaseArm, Cases, Line, Named, Tables
from thetaprime.types import PER_TENSOR, REST, Type

Claim = Callable[[str, Named, Source], bool]


def top_view(tables: Tables, parts: tuple[Part, ...]) -> None:
    """How the whole spec sees tensors: by `param X : matrix[rows, cols]`, or by `view`."""
    for part in parts:
        item = part.item
        if not isinstance(item, View | Param) or item.type is None:
            continue
        if not _check_view(tables, item, part.source):
            continue
        if tables.view:
            tables.problems.append(report("view-twice", part.source, item.span))
        tables.view, tables.view_span = item.type.axes, item.span
        tables.view_source = part.source


def _check_view(tables: Tables, item: View | Param, source: Source) -> bool:
    assert item.type is not None
    if isinstance(item, View):
        _is_parameter(tables, item.name, source, item.span)
    wanted = {"matrix": 2, "vector": 1}.get(item.type.base, len(item.type.axes))
    if sees(item.type) and len(item.type.axes) == wanted:
        return True
    if (item.type.base, item.type.axes) != ("per entry", ()):
        hint = ("a parameter is `per entry`, or a matrix: `param X : matrix[rows, cols]`"
                if isinstance(item, Param) else
                "`matrix[rows, rest]`, `tensor[rest, rows, cols]`: each axis once, `rest` for all "
                "that are not named")
        tables.problems.append(report("unknown-type", source, item.type.span, name=item.type.base,
                                      hints=(hint,)))
    return False


def _is_parameter(tables: Tables, name: str, source: Source, span: Span) -> None:
    if name not in (tables.parameter, tables.point):
        at = source.text.find(name, span.start, span.end)
        place = Span(at, at + len(name)) if at >= 0 else span
        tables.problems.append(report("not-the-parameter", source, place, name=name,
                                      point=tables.parameter))


def add_block(tables: Tables, part: Part, claim: Claim) -> None:
    """A `case`, `otherwise` or `for axis` of the spec itself; arms side by side belong together."""
    line = _line(tables, part.item, part, claim, tables.view)
    last = tables.statements[-1] if tables.statements else None
    together = _together([last[0]] if last else [], line)
    if last is not None and together is not None:
        tables.statements[-1] = (together, last[1])
    elif line is not None:
        _starts(tables, line, part.source)
        tables.statements.append((line, part))


def _together(before: list[Line], line: Line | None) -> Cases | None:
    """The cases with one more arm, if the arm goes on with them."""
    last = before[-1] if before else None
    if isinstance(last, Cases) and isinstance(line, Cases) and (
            last.arms[-1].condition is not None):
        return Cases((*last.arms, *line.arms))
    return None


def _starts(tables: Tables, line: Line, source: Source) -> None:
    if isinstance(line, Cases) and line.arms[0].condition is None:
        tables.problems.append(report("stray-otherwise", source, line.arms[0].span))


def _line(
    tables: Tables, item: Item, part: Part, claim: Claim, view: tuple[str, ...], axis: str = ""
) -> Line | None:
    """A line of a block, and the blocks inside of it; what cannot stand there is told."""
    source = part.source
    match item:
        case CaseBlock(condition, items) if not axis:
            own = next((i for i in items if isinstance(i, View)), None)
            if own is not None and _check_view(tables, own, source):
                view = view_of(items)
            tables.seen |= {*view}
            states, lines = _inside(tables, items, part, claim, view, axis, "case")
            place = item.span if own is None else own.span
            return Cases((CaseArm(condition, view, states, lines, item.span, place),))
        case ForAxis(name, of, items):
            _is_parameter(tables, of, source, item.span)
            if axis:
                tables.problems.append(report("axis-nested", source, item.span))
            tables.seen |= {name, REST}
            states, lines = _inside(tables, items, part, claim, (name, REST), name, "for axis")
            return Axes(name, states, lines, item.span)
        case BatchLine() | Hold() | Until() | Accept():
            pass
        case _ if isinstance(item, StatementLine):
            return item
    tables.problems.append(report("case-item", source, item.span,
                                  where="for axis" if axis else "case"))
    return None


def _inside(
    tables: Tables, items: tuple[Item, ...], part: Part, claim: Claim, own: tuple[str, ...],
    axis: str, where: str,
) -> tuple[tuple[StateDecl | ConstDecl, ...], tuple[Line, ...]]:
    """The states and the lines of a block."""
    states: list[StateDecl | ConstDecl] = []
    lines: list[Line] = []
    for item in items:
        if isinstance(item, StateDecl | ConstDecl):
            if claim(item.name, item, part.source):
                tables.states[item.name] = (item, replace(part, item=item))
                tables.homes.add(item.name)
                states.append(item)
        elif not isinstance(item, View | Doc | Note):
            line = _line(tables, item, part, claim, own if where == "case" else (), axis)
            together = _together(lines, line)
            if together is not None:
                lines[-1] = together
            elif line is not None:
                _starts(tables, line, part.source)
                lines.append(line)
    return tuple(states), tuple(lines)


def read_matrix(
    tables: Tables, name: TypeName, source: Source, otherwise: Type, own: tuple[str, ...] | None
) -> Type:
    """``matrix[rows, cols]``, ``vector[a]``, ``matrix[cols, k]`` with a whole hyperparameter k.
    ``own`` are the axes that tensors have here; None: all that the spec gives them somewhere."""
    wanted = {"matrix": 2, "vector": 1}.get(name.base, len(name.axes))
    if len(name.axes) != wanted or not name.axes:
        tables.problems.append(report("unknown-type", source, name.span, name=name.base, hints=(
            "a vector has one axis, `vector[rows]`, a matrix two, `matrix[rows, cols]`",)))
        return otherwise
    known = {*tables.axes, *(tables.seen if own is None else own)}
    for axis in name.axes:
        whole = axis in tables.hypers and tables.hypers[axis].type.kind == "int"
        if axis in known:
            continue
        if whole or axis.isdigit():
            tables.sized[axis] = axis if whole else int(axis)
            continue
        tables.problems.append(report("unknown-type", source, name.span, name=axis, hints=(
            f"`param X : matrix[{axis}, cols]` or `view x as matrix[{axis}, rest]` gives tensors "
            "such an axis",)))
        return otherwise
    return replace(PER_TENSOR, axes=name.axes)


def is_matrix(name: TypeName) -> bool:
    """Whether a type is that of a matrix, a vector or a stack of them."""
    return name.base in SEEN
