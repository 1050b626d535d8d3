"""Where a step must stop and wait: what is known only after all tensors were seen.

A reduction over the model needs every tensor before its value can be used (on several devices it
is a collective), so a step falls into phases: in each, first the scalars that are known by then,
then one walk over the tensors, which also gathers the partial results of the model reductions that
the next phase reads. `hoist` and `split` work for any barrier: for questions to the problem too,
and a backend may cut a phase again at reductions over one tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from thetaprime.expr import Apply, Expr, Sym, rewrite, symbols
from thetaprime.guards import conjoined
from thetaprime.ir import Carry, Draw, EachAxis, Equation, First, Loop, Statement, When
from thetaprime.ops import ORACLES
from thetaprime.scopes import free, inside, outputs
from thetaprime.types import Extent

Plain = Equation | First | Draw


@dataclass(frozen=True, slots=True)
class Phase:
    """``scalars`` once, then ``leaves`` for each tensor, whose ``partials`` are combined after.

    Every target of ``partials`` is a scalar and every value one reduction over the model.
    """

    scalars: tuple[Statement, ...]
    leaves: tuple[Statement, ...]
    partials: tuple[Equation, ...]


def over_model(expr: Expr) -> bool:
    return isinstance(expr, Apply) and expr.over == ("model",)


Known = dict[tuple[Expr, Expr | None], Sym]
S = TypeVar("S", bound=Statement)


def fresh_name(stem: str, taken: set[str]) -> str:
    """A name that is not taken yet; from now on it is."""
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name)
    return name


def hoist(
    body: Iterable[S], barrier: Callable[[Expr], bool], taken: set[str],
    known: Known | None = None,
) -> tuple[S | Equation, ...]:
    """The body with every barrier a whole right-hand side: ``a = 1 + sum(b over model)`` becomes
    ``sum_b = sum(b over model)`` and ``a = 1 + sum_b``; equal ones share one name, those before
    the body (``known``) too. The insides of blocks and loops only share; theirs stay there."""
    out: list[Any] = []  # statements of the kinds in the body, and equations
    known = {} if known is None else known

    def name(expr: Apply) -> str:
        inner = sorted(s.name for s in symbols(expr))[:2]
        if expr.op in ORACLES:
            point = expr.args[0]
            inner = [word for word in expr.over if word != "this"]
            inner += [point.name + "_new" * point.prime if isinstance(point, Sym) else "there"]
        return fresh_name("_".join([expr.op, *inner]), taken)

    def lift(expr: Expr, guard: Expr | None = None) -> Expr:
        if not (isinstance(expr, Apply) and barrier(expr)):
            return expr
        guard = guard if over_model(expr) else None
        if (expr, guard) not in known:
            known[expr, guard] = Sym(name(expr), type=expr.type)
            out.append(Equation(known[expr, guard], expr, guard=guard))
        return known[expr, guard]

    for statement in body:
        match statement:
            case Equation(target, Apply(_, args) as value) if barrier(value):
                guard = statement.guard
                lifted = tuple(rewrite(a, partial(lift, guard=guard)) for a in args)
                inner = replace(value, args=lifted)
                first = known.setdefault((inner, guard), target)
                out.append(replace(statement, value=inner if first == target else first))
            case Equation() | First() | Draw():
                change = partial(lift, guard=statement.guard)
                out.append(each(statement, partial(rewrite, change=change)))
            case When(condition):
                change = partial(lift, guard=statement.among)
                out.append(_share(replace(statement, condition=rewrite(condition, change)), known))
            case Loop(carries, turns):
                change = partial(lift, guard=statement.guard)
                out.append(_share(replace(statement, carries=_starts(carries, change),
                                          turns=rewrite(turns, change)), known))
            case EachAxis(_, carries):
                change = partial(lift, guard=statement.guard)
                out.append(replace(statement, carries=_starts(carries, change)))
    return tuple(out)


def _starts(carries: tuple[Carry, ...], change: Callable[[Expr], Expr]) -> tuple[Carry, ...]:
    return tuple(replace(c, start=rewrite(c.start, change)) for c in carries)


def _share(statement: Statement, known: Known, around: Expr | None = None) -> Statement:
    """The statement with what is known already in the place of it, inside of blocks and loops;
    ``around`` is the guard of the loop in which it stands. What reduces over the model is known
    for the tensors of its guard only."""
    guard = conjoined(around, statement.among if isinstance(statement, When) else statement.guard)

    def change(expr: Expr) -> Expr:
        if not isinstance(expr, Apply):
            return expr
        return known.get((expr, guard if over_model(expr) else None), expr)

    match statement:
        case When(condition, then, otherwise):
            sides = [tuple(_share(s, known, around) for s in side) for side in (then, otherwise)]
            return replace(statement, condition=rewrite(condition, change), then=sides[0],
                           otherwise=sides[1])
        case Loop(carries, turns, body):
            own = inside(statement)
            visible = {k: s for k, s in known.items() if not symbols(k[0]) & own}
            return replace(statement, carries=_starts(carries, change),
                           turns=rewrite(turns, change),
                           body=tuple(_share(s, visible, guard) for s in body))
    return each(statement, lambda e: rewrite(e, change))


def each(statement: Statement, change: Callable[[Expr], Expr]) -> Statement:
    """The statement with every expression that it evaluates changed, inside of blocks too."""

    def carry(value: Carry) -> Carry:
        return replace(value, start=change(value.start))

    def all_of(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(each(s, change) for s in body)

    match statement:
        case Equation(_, value) | First(_, value):
            return replace(statement, value=change(value))
        case Draw(_, _, args):
            return replace(statement, args=tuple(map(change, args)))
        case When(condition, then, otherwise):
            return replace(statement, condition=change(condition), then=all_of(then),
                           otherwise=all_of(otherwise))
        case Loop(carries, turns, body):
            return replace(statement, carries=tuple(map(carry, carries)), turns=change(turns),
                           body=all_of(body))
        case EachAxis(_, carries, body):
            return replace(statement, carries=tuple(map(carry, carries)), body=all_of(body))


def split(
    body: tuple[Statement, ...], stops: Callable[[Statement], bool]
) -> list[list[Statement]]:
    """Cut a hoisted body at the statements that stop it: stage k reads only those of stages
    before k.

    A statement stands in the first stage in which something needs it: one that stops, or another
    one there; what only the end needs stands in the last one.
    """
    level: dict[Sym, int] = {}
    depth: list[int] = []
    for statement in body:
        used = max((level.get(s, 0) for s in free(statement)), default=0)
        depth.append(used)
        for symbol in outputs(statement):
            level[symbol] = used + 1 if stops(statement) else used
    last = max([*depth, *level.values()], default=0)
    place = [last] * len(body)
    wanted: dict[Sym, int] = {}
    for index in range(len(body) - 1, -1, -1):
        statement = body[index]
        if stops(statement):
            place[index] = depth[index]
        else:
            needed = min((wanted.get(s, last) for s in outputs(statement)), default=last)
            place[index] = max(depth[index], min(needed, last))
        for symbol in free(statement):
            wanted[symbol] = min(wanted.get(symbol, last), place[index])
    stages: list[list[Statement]] = [[] for _ in range(last + 1)]
    for statement, where in zip(body, place, strict=True):
        stages[where].append(statement)
    return stages


def extent(statement: Plain) -> Extent:
    """What the statement's target varies along."""
    assert statement.target.type is not None
    return statement.target.type.extent
