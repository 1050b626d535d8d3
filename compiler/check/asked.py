"""Guarantees: what an oracle is asked at has the shape of what it takes, and operations along an
axis (``G[j]``, windows, orders) have that axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from thetaprime.diagnostics import report
from thetaprime.expr import Apply, Expr
from thetaprime.ops import ORACLES, Space
from thetaprime.render import spec_text
from thetaprime.source import Source
from thetaprime.types import INTEGER, PARAMS, PER_ENTRY, SCALAR, Extent, Type, of_model

if TYPE_CHECKING:
    from thetaprime.check.types import Typing

_SPACES: dict[Space, Type] = {
    "entry": PER_ENTRY, "scalar": SCALAR, "outputs": Type(Extent.SCALAR, ("outputs",)),
    "params": Type(Extent.SCALAR, (PARAMS,))}
_WORDS: dict[Space, str] = {
    "entry": "a point or direction, one number per entry", "scalar": "a number",
    "outputs": "outputs of the model, as `out(x)` gives them", "params": "a vector[params]"}


def infer_asked(typing: Typing, expr: Apply, source: Source) -> Expr | None:
    """The typed expression, for oracles and operations along an axis; None for all others."""
    if expr.op in ORACLES:
        return typing.see(_oracle(typing, expr, source))
    rule = _ALONG.get(expr.op)
    return rule(typing, expr, source) if rule is not None and expr.over else None


def _oracle(typing: Typing, expr: Apply, source: Source) -> Expr:
    row = ORACLES[expr.op]
    args = tuple(
        typing.into(PER_ENTRY, arg, source) if space == "entry" else arg
        for arg, space in zip_longest((typing.infer(a, source) for a in expr.args), row.takes))
    for space, arg in zip(row.takes, args, strict=False):
        kind = typing.kind(arg)
        wanted = _SPACES[space]
        if kind.extent is not wanted.extent or kind.axes != wanted.axes or kind.kind == "bool":
            typing.problems.append(report(
                "oracle-argument", source, arg.span, name=expr.op, text=spec_text(arg),
                type=typing.shown(kind), wanted=_WORDS[space],
                hints=(f"`unflat({spec_text(arg)})`",) if of_model(kind) else ()))
    given = _SPACES[row.gives]
    axes = (row.axis, *given.axes) if row.axis else given.axes
    if row.needs == "losses" and row.axis:
        axis = next((a for a in typing.axes if a == typing.tasks), None)
        if axis is None:
            typing.problems.append(report("no-losses", source, expr.span, name=expr.op))
        axes = tuple(axis or row.axis for _ in axes[:1]) + axes[1:]
    return replace(expr, args=args, type=Type(given.extent, axes))


def _at(typing: Typing, expr: Apply, source: Source) -> Expr:
    """``G[j]``: G without the axis of j."""
    what, index = (typing.infer(a, source) for a in expr.args)
    kind, (axis,) = typing.kind(what), expr.over
    if axis not in kind.axes:
        typing.problems.append(report("no-axis", source, what.span, text=spec_text(what),
                                      type=str(kind), axis=axis))
    rest = tuple(a for a in kind.axes if a != axis)
    return replace(expr, args=(what, index), type=Type(kind.extent, rest, kind.kind))


def _put(typing: Typing, expr: Apply, source: Source) -> Expr:
    """``put(a, i, v)``: a with v in the place i."""
    what, index, value = (typing.infer(a, source) for a in expr.args)
    kind, (axis,) = typing.kind(what), expr.over
    _has_axis(typing, what, axis, source)
    rest = Type(kind.extent, tuple(a for a in kind.axes if a != axis), kind.kind)
    typing.fits(f"{spec_text(what)}[{spec_text(index)}]", rest, value, source)
    return replace(expr, args=(what, index, value), type=kind)


def _shift(typing: Typing, expr: Apply, source: Source) -> Expr:
    """``push(W, v)``: v is the newest value, the oldest is gone."""
    what, value = (typing.infer(a, source) for a in expr.args)
    kind, (axis,) = typing.kind(what), expr.over
    _has_axis(typing, what, axis, source)
    rest = Type(kind.extent, tuple(a for a in kind.axes if a != axis), kind.kind)
    typing.fits(spec_text(what), rest, value, source)
    return replace(expr, args=(what, value), type=kind)


def _index(typing: Typing, expr: Apply, source: Source) -> Expr:
    """``index(tasks)``: 0, 1, 2, ... along the axis."""
    (axis,) = expr.over
    if axis not in typing.axes:
        typing.problems.append(report("over-unknown", source, expr.span, name=axis))
    return replace(expr, type=replace(INTEGER, axes=(axis,)))


def _argsort(typing: Typing, expr: Apply, source: Source) -> Expr:
    """The order that sorts along the axis."""
    (what,) = (typing.infer(a, source) for a in expr.args)
    _has_axis(typing, what, expr.over[0], source)
    return replace(expr, args=(what,), type=typing.kind(what).of_kind("int"))


def _has_axis(typing: Typing, what: Expr, axis: str, source: Source) -> None:
    kind = typing.kind(what)
    if axis not in kind.axes:
        typing.problems.append(report("no-axis", source, what.span, text=spec_text(what),
                                      type=str(kind), axis=axis))


def _extern(typing: Typing, expr: Apply, source: Source) -> Expr:
    """A function that the user passes has the types that the spec declares."""
    (name,) = expr.over
    wanted, result = typing.externs[name]
    args = tuple(typing.infer(a, source) for a in expr.args)
    if len(args) != len(wanted):
        given = f"{len(wanted)} argument{'s' * (len(wanted) != 1)}"
        typing.problems.append(report("bad-call", source, expr.span, name=name, given=len(args),
                                      wanted=given))
    for arg, kind in zip(args, wanted, strict=False):
        typing.fits(name, kind, arg, source)
    return replace(expr, args=args, type=result)


_ALONG: dict[str, Callable[[Typing, Apply, Source], Expr]] = {
    "at": _at, "put": _put, "shift": _shift, "index": _index, "argsort": _argsort,
    "extern": _extern}
