"""How a spec sees tensors: views, matrix types, and the blocks for some tensors or for each axis,
as tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from thetaprime.axes import over_axes
from thetaprime.diagnostics import closest, report
from thetaprime.expr import Sym
from thetaprime.flat import Part
from thetaprime.separate import SEEN, view_of
from thetaprime.source import Source, Span
from thetaprime.syntax import (
    Accept,
    BatchLine,
    CaseBlock,
    ConstDecl,
    Doc,
    EquationLine,
    EveryBlock,
    ForAxis,
    Hold,
    IfBlock,
    Item,
    LoopBlock,
    Note,
    Param,
    StateDecl,
    StatementLine,
    TypeName,
    Until,
    View,
)
from thetaprime.tables import Axes, CaseArm, Cases, Line, Named, Tables
from thetaprime.types import PARAMS, REST, Extent, Type

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
    """Whether an item says how tensors are seen; a wrong way to say it is told."""
    kind = item.type
    assert kind is not None
    if isinstance(item, View):
        _is_parameter(tables, item.name, source, item.span)
    if not kind.axes and isinstance(item, Param):
        if kind.base != "per entry":
            tables.problems.append(report(
                "unknown-type", source, kind.span, name=kind.base, hints=(
                    "a parameter is `per entry`, or a matrix: `param X : matrix[rows, cols]`",)))
        return False
    twice = next((a for a in kind.axes if kind.axes.count(a) > 1), None)
    number = next((a for a in kind.axes if a.isdigit()), None)
    taken = next((a for a in kind.axes if a in tables.axes), None)
    wanted = _NUMBER.get(kind.base, len(kind.axes))
    if kind.base not in SEEN:
        why = "not a matrix, a vector or a tensor with named axes"
    elif len(kind.axes) != wanted or not kind.axes:
        why = f"a {kind.base} has {_axes(wanted or 3)}"
    elif twice is not None:
        why = f"`{twice}` stands twice"
    elif taken is not None:
        why = f"`{taken}` is another axis already"
    elif number is not None:
        why = "lengths differ from tensor to tensor: an axis has a name"
    else:
        return True
    shown = f"{kind.base}[{', '.join(kind.axes)}]" if kind.axes else kind.base
    tables.problems.append(report("view-form", source, kind.span, type=f"`{shown}`", why=why))
    return False


# How many axes have a name.
_NUMBER = {"matrix": 2, "vector": 1}


def _axes(number: int) -> str:
    return {1: "one axis", 2: "two axes"}.get(number, "named axes")


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
        _starts(tables, line, part.source, last[0] if last else None)
        tables.statements.append((line, part))


def _together(before: list[Line], line: Line | None) -> Cases | None:
    """The cases with one more arm, if the arm goes on with them."""
    last = before[-1] if before else None
    if isinstance(last, Cases) and isinstance(line, Cases) and (
            last.arms[-1].condition is not None):
        return Cases((*last.arms, *line.arms))
    return None


def _starts(tables: Tables, line: Line, source: Source, before: Line | None) -> None:
    """The first arm of a case has a condition; ``before`` is the line before it."""
    taken = isinstance(before, Cases)
    if isinstance(line, Cases) and line.arms[0].condition is None:
        tables.problems.append(report("stray-otherwise", source, line.arms[0].span,
                                      why="nothing is left" if taken else "otherwise than what?"))


def _line(
    tables: Tables, item: Item, part: Part, claim: Claim, view: tuple[str, ...], axis: str = ""
) -> Line | None:
    """A line of a block, and the blocks inside of it; what cannot stand there is told."""
    source = part.source
    match item:
        case CaseBlock(condition, items) if not axis:
            views = [i for i in items if isinstance(i, View)]
            tables.problems += [report("view-twice", source, i.span) for i in views[1:]]
            own = views[0] if views else None
            if own is not None and _check_view(tables, own, source):
                view = view_of(items)
            tables.seen |= {*view}
            states, lines = _inside(tables, items, part, claim, view, axis, "case")
            place = item.span if own is None else own.span
            return Cases((CaseArm(condition, view, states, lines, item.span, place),))
        case ForAxis(name, of, items):
            _is_parameter(tables, of, source, item.span)
            if name in tables.axes:
                tables.problems.append(report("duplicate-name", source, item.span, name=name))
            if axis:
                tables.problems.append(report("axis-nested", source, item.span))
            tables.seen |= {name, REST}
            states, lines = _inside(tables, items, part, claim, (name, REST), name, "for axis")
            return Axes(name, states, lines, item.span)
        case BatchLine() | Hold() | Until() | Accept():
            pass
        case EquationLine(Sym(name, True)) if axis and name in (tables.point, tables.parameter):
            pass
        case _ if isinstance(item, StatementLine):
            tables.problems += [report("axis-nested", source, span)
                                for span in _nested(item, tables, bool(axis))]
            return item
    what = re.match(r"\w*'?", source.text[item.span.start :])
    assert what is not None
    fix = ("put the `for axis` into the case" if isinstance(item, CaseBlock) else
           "`unfold(g, a)` sees a tensor as a matrix here" if isinstance(item, View) else
           "a tensor makes one step: `d = fold a over axes from d = g:`, and the step outside"
           if isinstance(item, EquationLine) else
           "put it outside, beside the other lines of the spec")
    tables.problems.append(report("case-item", source, item.span, what=what[0], fix=fix,
                                  where="for axis" if axis else "case"))
    return None


def _nested(item: Item, tables: Tables, inside: bool) -> Iterator[Span]:
    """The folds over axes that stand inside of something else over axes."""
    match item:
        case LoopBlock(body=body):
            over = over_axes(item, tables.axes)
            if over and inside:
                yield item.span
            for line in body:
                yield from _nested(line, tables, inside or over)
        case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise):
            for line in (*then, *otherwise):
                yield from _nested(line, tables, inside)


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
        elif not isinstance(item, Doc | Note) and (axis or not isinstance(item, View)):
            line = _line(tables, item, part, claim, own if where == "case" else (), axis)
            together = _together(lines, line)
            if together is not None:
                lines[-1] = together
            elif line is not None:
                _starts(tables, line, part.source, lines[-1] if lines else None)
                lines.append(line)
    return tuple(states), tuple(lines)


def read_matrix(
    tables: Tables, name: TypeName, source: Source, otherwise: Type, own: tuple[str, ...] | None
) -> Type:
    """``matrix[rows, cols]``, ``vector[a]``, ``matrix[cols, k]`` with a whole hyperparameter k.
    ``own`` are the axes that tensors have here; None: all that the spec gives them somewhere."""
    wanted = _NUMBER.get(name.base, len(name.axes))
    if len(name.axes) != wanted or not name.axes:
        tables.problems.append(report("unknown-type", source, name.span, name=name.base, hints=(
            "a vector has one axis, `vector[rows]`, a matrix two, `matrix[rows, cols]`",)))
        return otherwise
    known = {*tables.axes, *(tables.seen if own is None else own)}
    for axis in name.axes:
        if axis in known:
            continue
        own_axes = ", ".join(f"`{a}`" for a in sorted(own or ()))
        if axis in tables.whole or axis.isdigit():
            tables.sized[axis] = axis if axis in tables.whole else int(axis)
            continue
        near = closest(axis, sorted(known))
        at = source.text.find(axis, name.span.start + len(name.base), name.span.end)
        tables.problems.append(report(
            "unknown-axis", source, Span(at, at + len(axis)) if at >= 0 else name.span, name=axis,
            hints=(f"`hyper {axis} : int = ...`: a length is a whole number",)
            if axis in tables.hypers else (f"did you mean `{near}`?",) if near
            else (f"here they have {own_axes}",) if own_axes
            else ("`view x as matrix[rows, rest]` gives them one",) if axis == REST else ()))
        return otherwise
    return Type(Extent.SCALAR if PARAMS in name.axes and PARAMS in tables.axes else Extent.TENSOR,
                name.axes)


def add_row(tables: Tables, asked: bool) -> None:
    """The axis `params`, where a type names it too; no other axis has its name beside it."""
    if not asked and PARAMS not in {*tables.axes, *tables.seen}:
        named = (kind for declared, _ in tables.states.values() if (kind := declared.type))
        if any(PARAMS in kind.axes for kind in named):
            tables.axes[PARAMS] = PARAMS
    elif asked and (PARAMS in {*tables.seen, *tables.hypers} or tables.axes[PARAMS] != PARAMS):
        part = next((p for p in tables.flat.parts if PARAMS in p.source.text), tables.flat.parts[0])
        at = part.source.text.find(PARAMS, part.item.span.start)
        span = Span(at, at + len(PARAMS)) if at >= 0 else part.item.span
        tables.problems.append(report("reserved-name", part.source, span, name=PARAMS,
                                      why="`flat` and `hess` give it to all entries of the model"))


def is_matrix(name: TypeName) -> bool:
    """Whether a type is that of a matrix, a vector or a stack of them."""
    return name.base in SEEN
