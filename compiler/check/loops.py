"""Guarantees: every value of a loop has one type, in every turn and after the last one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from thetaprime.diagnostics import report
from thetaprime.expr import Expr, Sym
from thetaprime.ir import Carry, EachAxis, Equation, Loop, Statement
from thetaprime.scopes import outputs
from thetaprime.types import BOOLEAN, INTEGER, LENGTH, PER_ENTRY, REST, SCALAR, Extent, Type, join

if TYPE_CHECKING:
    from thetaprime.check.types import Typing

Body = tuple[Statement, ...]
# Types only grow from turn to turn: extents and axes are few.
MOST_ROUNDS = 8


def infer_loop(typing: Typing, loop: Loop, inner: Callable[[Body], Body]) -> Loop:
    """The loop with types. The type of a value is what it was declared to be, else the smallest
    that its start and what the body makes of it fit: a fixed point from below."""
    turns = typing.infer(loop.turns, loop.source)
    if typing.kind(turns) != INTEGER and not _whole(turns):
        typing.problems.append(report("loop-count", loop.source, turns.span))
    typing.env[loop.turn] = INTEGER
    carries, body = _carried(typing, loop, inner)
    until = loop.until
    if until is not None:
        condition = next(s for s in body if isinstance(s, Equation) and s.target == until)
        typing.block_condition(condition.value, loop.source)
        until = replace(until, type=BOOLEAN)
    return replace(loop, carries=carries, turns=turns, body=body, until=until,
                   turn=replace(loop.turn, type=INTEGER))


def infer_axes(typing: Typing, loop: EachAxis, inner: Callable[[Body], Body]) -> EachAxis:
    """The block with types: outside of it only what varies along its axis is known."""
    typing.env |= {Sym(loop.axis): LENGTH, Sym(REST): LENGTH}
    made = {o for s in loop.body for o in outputs(s)}
    typing.hidden -= made
    carries, body = _carried(typing, loop, inner)
    values = {replace(c.value, prime=True) for c in loop.carries}
    for s in loop.body:
        for o in outputs(s):
            kind = typing.env[o]
            if o.prime and o not in values and loop.axis not in kind.axes:
                typing.problems.append(report("axis-state", loop.source, o.span, name=o.name,
                                              axis=loop.axis, type=typing.shown(kind)))
    typing.hidden |= {o for o in made if not o.prime and loop.axis not in typing.env[o].axes}
    return replace(loop, carries=carries, body=body)


def _carried(
    typing: Typing, loop: Loop | EachAxis, inner: Callable[[Body], Body]
) -> tuple[tuple[Carry, ...], Body]:
    """The values that are passed from turn to turn, and the body, with types."""
    starts = [typing.infer(c.start, loop.source) for c in loop.carries]
    if isinstance(loop, EachAxis):
        starts = [typing.spread(s) for s in starts]
    kinds = [typing.carried.get(c.value) or typing.kind(s)
             for c, s in zip(loop.carries, starts, strict=True)]
    if isinstance(loop, EachAxis):  # tensors differ in how many axes they have
        kinds = [replace(k, extent=Extent.TENSOR) if k.extent is Extent.SCALAR else k
                 for k in kinds]
    for _ in range(MOST_ROUNDS):
        told = len(typing.problems)
        typing.env |= {c.value: k for c, k in zip(loop.carries, kinds, strict=True)}
        body = inner(loop.body)
        grown = [
            typing.carried.get(c.value) or _join(k, typing.env.get(replace(c.value, prime=True)))
            for c, k in zip(loop.carries, kinds, strict=True)]
        if isinstance(loop, EachAxis):  # what has the axis in one turn has all of them after
            grown = [PER_ENTRY if loop.axis in k.axes else k for k in grown]
        if grown == kinds:
            break
        kinds = grown
        del typing.problems[told:]
    carries = []
    for carry, start, kind in zip(loop.carries, starts, kinds, strict=True):
        start = typing.into(kind, start, loop.source)
        if kind.kind != "bool":
            typing.fits(carry.value.name, kind, start, loop.source)
        carries.append(Carry(replace(carry.value, type=kind), start))
    wanted = {replace(c.value, prime=True): k for c, k in zip(loop.carries, kinds, strict=True)}
    return tuple(carries), tuple(_as_declared(s, wanted, typing) for s in body)


def _as_declared(statement: Statement, wanted: dict[Sym, Type], typing: Typing) -> Statement:
    """The new value of a loop value is of the loop value's type."""
    if not isinstance(statement, Equation) or statement.target not in wanted:
        return statement
    kind = wanted[statement.target]
    value = typing.into(kind, statement.value, statement.source)
    if kind.kind != "bool":
        typing.fits(str(statement.target), kind, value, statement.source)
    return replace(statement, target=replace(statement.target, type=kind), value=value)


def _join(kind: Type, made: Type | None) -> Type:
    if made is None:
        return kind
    grown = join((kind, made))
    # A start 0 that becomes true or false, or a number: what the body makes decides.
    return grown if kind != SCALAR or made.kind == "real" else made


def _whole(turns: Expr) -> bool:
    return getattr(turns, "text", "").isdigit()
