"""Which names a statement brings in, which it reads from outside, and how they are renamed.

Loops have names of their own: what their body defines is known inside only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from thetaprime.expr import Expr, Sym, substitute, walk
from thetaprime.ir import (
    Carry,
    Draw,
    EachAxis,
    Equation,
    First,
    Loop,
    Statement,
    When,
    begun,
    reads,
)


def outputs(statement: Statement) -> tuple[Sym, ...]:
    """The symbols that a statement gives to those outside of it (a block's: of either branch)."""
    match statement:
        case When(_, then, otherwise):
            inner = (s for st in (*then, *otherwise) for s in outputs(st))
            return tuple(dict.fromkeys(inner))
        case Loop(carries):
            return tuple(c.value for c in carries)
        case EachAxis(_, carries, body):
            carried = {replace(c.value, prime=True) for c in carries}
            inner = (s for st in body for s in outputs(st) if s not in carried)
            return tuple(dict.fromkeys((*(c.value for c in carries), *inner)))
        case _:
            return (statement.target,)


def inside(statement: Statement) -> set[Sym]:
    """The symbols that the insides of a loop define for themselves."""
    if not isinstance(statement, Loop | EachAxis):
        return set()
    own = {o for s in statement.body for o in outputs(s)} | {c.value for c in statement.carries}
    return own | ({statement.turn} if isinstance(statement, Loop) else set())


def free(statement: Statement) -> tuple[Sym, ...]:
    """The symbols that a statement reads and does not define inside of itself, in order."""
    match statement:
        case When(condition, then, otherwise):
            found = _symbols(condition)
            for branch in (then, otherwise):
                found |= _read(branch, {o for s in branch for o in outputs(s)})
            return tuple(found)
        case Loop(carries, turns, body):
            found = _symbols(*(c.start for c in carries), turns)
            return tuple(found | _read(body, inside(statement)))
        case EachAxis(_, carries, body):
            return tuple(_symbols(*(c.start for c in carries)) | _read(body, inside(statement)))
        case _:
            return tuple(_symbols(*reads(statement)))


def _read(body: tuple[Statement, ...], own: set[Sym]) -> dict[Sym, None]:
    """A state that `First` starts comes from outside: after the first step it is what was kept."""
    own = own - begun(body)
    return {s: None for statement in body for s in free(statement) if s not in own}


def _symbols(*exprs: Expr) -> dict[Sym, None]:
    return {node: None for e in exprs for node in walk(e) if isinstance(node, Sym)}


def renamed(statement: Statement, names: Mapping[Sym, Expr]) -> Statement:
    """The statement with symbols replaced wherever they stand; targets by symbols only."""

    def target(symbol: Sym) -> Sym:
        new = names.get(symbol, symbol)
        assert isinstance(new, Sym)
        return replace(new, span=symbol.span, type=symbol.type)

    def read(expr: Expr) -> Expr:
        return substitute(expr, names)

    def carry(value: Carry) -> Carry:
        return Carry(target(value.value), read(value.start))

    def all_of(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(renamed(s, names) for s in body)

    match statement:
        case Equation(symbol, value) | First(symbol, value):
            return replace(statement, target=target(symbol), value=read(value))
        case Draw(symbol, _, args):
            return replace(statement, target=target(symbol), args=tuple(map(read, args)))
        case When(condition, then, otherwise):
            return replace(statement, condition=read(condition), then=all_of(then),
                           otherwise=all_of(otherwise))
        case Loop(carries, turns, body):
            return replace(statement, carries=tuple(map(carry, carries)), turns=read(turns),
                           body=all_of(body), turn=target(statement.turn),
                           until=None if statement.until is None else target(statement.until))
        case EachAxis(_, carries, body):
            return replace(statement, carries=tuple(map(carry, carries)), body=all_of(body))


def surely(body: tuple[Statement, ...]) -> frozenset[Sym]:
    """What a body defines whichever way its blocks go."""
    found: set[Sym] = set()
    for s in body:
        found |= (surely(s.then) & surely(s.otherwise)) if isinstance(s, When) else {*outputs(s)}
    return frozenset(found)
