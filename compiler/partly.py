"""ir -> ir: questions about some tensors only, as questions about the whole model.

What an arm of a route or of a case asks, it asks for its own tensors: the others stay where
training holds them, and directions are 0 there. ``grad(y)`` under the guard P becomes
``grad(case(P, y, not P, x))``. An answer is about all tensors; where it is one side of a block, it
is cut down to those of the guard, ``case(P, grad(...))``, since the other side has no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from thetaprime.expr import Apply, Expr, Num, Sym, rewrite
from thetaprime.guards import conjoined
from thetaprime.ir import Carry, Draw, EachAxis, Equation, First, Loop, Statement, When
from thetaprime.ops import ORACLES
from thetaprime.types import PER_ENTRY, SCALAR, Extent


def completed(
    body: Iterable[Statement], point: str, around: Expr | None = None, side: bool = False
) -> tuple[Statement, ...]:
    """The statements with every question about the whole model; ``around`` is the guard of the loop
    in which they stand, ``side``: they are one side of a block."""
    return tuple(_one(s, Sym(point, type=PER_ENTRY), around, side) for s in body)


def _one(statement: Statement, point: Sym, around: Expr | None, side: bool) -> Statement:
    own = statement.among if isinstance(statement, When) else statement.guard
    guard = conjoined(around, own)

    def whole(expr: Expr) -> Expr:
        return expr if guard is None else _asked(expr, guard, point)

    def inside(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        block = isinstance(statement, When)
        return completed(body, point.name, around if block else guard, block)

    match statement:
        case Equation(target, Apply(op) as value) if side and op in ORACLES and guard is not None \
                and target.type is not None and target.type.extent is Extent.ENTRY:
            answer = Apply("case", (guard, whole(value)), type=value.type, span=value.span)
            return replace(statement, value=answer)
        case Equation(_, value) | First(_, value):
            return replace(statement, value=whole(value))
        case Draw(_, _, args):
            return replace(statement, args=tuple(map(whole, args)))
        case When(condition, then, otherwise):
            return replace(statement, condition=whole(condition), then=inside(then),
                           otherwise=inside(otherwise))
        case Loop(carries, turns, inner):
            begun = tuple(Carry(c.value, whole(c.start)) for c in carries)
            return replace(statement, carries=begun, turns=whole(turns), body=inside(inner))
        case EachAxis():  # goes through one tensor, and asks nothing
            return statement


def _asked(expr: Expr, guard: Expr, point: Sym) -> Expr:
    """The expression with the points and directions of its questions completed."""

    def change(node: Expr) -> Expr:
        if not isinstance(node, Apply) or node.op not in ORACLES:
            return node
        takes = ORACLES[node.op].takes
        rest: list[Expr] = [point, _zero(point)]
        args = tuple(
            _with(arg, guard, rest[min(place, 1)]) if takes[place:place + 1] == ("entry",) else arg
            for place, arg in enumerate(node.args))
        return replace(node, args=args)

    return rewrite(expr, change)


def _with(arg: Expr, guard: Expr, rest: Expr) -> Expr:
    """A quantity of the tensors that satisfy the guard, and of all others ``rest``."""
    assert arg.type is not None
    assert arg.type.extent is Extent.ENTRY
    if arg == rest:
        return arg
    other = Apply("not", (guard,), span=guard.span)
    return Apply("case", (guard, arg, other, rest), type=PER_ENTRY, span=arg.span)


def _zero(point: Sym) -> Expr:
    return Apply("*", (Num("0", SCALAR), point), type=PER_ENTRY)
