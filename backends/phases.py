"""ir -> phases: where a step must stop and wait for a reduction.

A reduction over the model needs every tensor before its value can be used (on several devices it
is a collective), so a step falls into phases: in each, first the scalars that are known by then,
then one walk over the tensors, which also gathers the partial results of the model reductions that
the next phase reads. `split` works for any barrier, so that a backend may cut a phase again at
reductions over one tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from thetaprime.expr import Apply, Expr, Sym, rewrite, symbols
from thetaprime.ir import Draw, Equation, First, Statement, Step, When, reads
from thetaprime.types import Extent

Plain = Equation | First | Draw


@dataclass(frozen=True, slots=True)
class Phase:
    """``scalars`` once, then ``leaves`` for each tensor, whose ``partials`` are combined after.

    Every target of ``partials`` is a scalar and every value one reduction over the model.
    """

    scalars: tuple[Plain, ...]
    leaves: tuple[Plain, ...]
    partials: tuple[Equation, ...]


def over_model(expr: Expr) -> bool:
    return isinstance(expr, Apply) and expr.over == ("model",)


def hoist(
    body: Iterable[Statement], barrier: Callable[[Expr], bool], taken: set[str]
) -> tuple[Plain, ...]:
    """The body with every barrier a whole right-hand side: ``a = 1 + sum(b over model)`` becomes
    ``sum_b = sum(b over model)`` and ``a = 1 + sum_b``; equal reductions share one name."""
    out: list[Plain] = []
    known: dict[Expr, Sym] = {}
    fresh = set(taken)

    def name(expr: Apply) -> str:
        inner = sorted(s.name for s in symbols(expr))
        stem = "_".join([expr.op, *inner[:2]])
        number = 1
        candidate = stem
        while candidate in fresh:
            number += 1
            candidate = f"{stem}_{number}"
        fresh.add(candidate)
        return candidate

    def lift(expr: Expr) -> Expr:
        if not (isinstance(expr, Apply) and barrier(expr)):
            return expr
        if expr not in known:
            known[expr] = Sym(name(expr), type=expr.type)
            out.append(Equation(known[expr], expr))
        return known[expr]

    for statement in body:
        match statement:
            case Equation(target, Apply(op, args, over, kind, span) as value, _) if barrier(value):
                inner = Apply(op, tuple(rewrite(a, lift) for a in args), over, kind, span)
                known.setdefault(inner, target)
                out.append(Equation(target, inner))
            case Equation(target, value, _):
                out.append(Equation(target, rewrite(value, lift)))
            case First(target, value, _):
                out.append(First(target, rewrite(value, lift)))
            case Draw(target, distribution, args, _):
                out.append(Draw(target, distribution, tuple(rewrite(a, lift) for a in args)))
            case When():
                raise AssertionError("blocks are flattened before phases")
    return tuple(out)


def split(body: tuple[Plain, ...], barrier: Callable[[Expr], bool]) -> list[list[Plain]]:
    """Cut a hoisted body at its barriers: stage k reads only barriers of stages before k.

    A statement stands in the first stage in which something needs it: a barrier of that stage, or
    a statement there; what only the end needs stands in the last one.
    """
    level: dict[Sym, int] = {}
    depth: list[int] = []
    for statement in body:
        used = max((level.get(s, 0) for e in reads(statement) for s in symbols(e)), default=0)
        depth.append(used)
        stops = isinstance(statement, Equation) and barrier(statement.value)
        level[statement.target] = used + 1 if stops else used
    last = max(level.values(), default=0)
    last = max([*depth, *level.values()], default=last)
    place = [last] * len(body)
    wanted: dict[Sym, int] = {}
    for index in range(len(body) - 1, -1, -1):
        statement = body[index]
        if isinstance(statement, Equation) and barrier(statement.value):
            place[index] = depth[index]
        else:
            place[index] = max(depth[index], min(wanted.get(statement.target, last), last))
        for expr in reads(statement):
            for symbol in symbols(expr):
                wanted[symbol] = min(wanted.get(symbol, last), place[index])
    stages: list[list[Plain]] = [[] for _ in range(last + 1)]
    for statement, where in zip(body, place, strict=True):
        stages[where].append(statement)
    return stages


def phases(step: Step) -> list[Phase]:
    """The phases of a step without blocks, in order. Every phase but the last has partials."""
    taken = {s.name for st in step.body for e in reads(st) for s in symbols(e)}
    taken |= {st.target.name for st in step.body if not isinstance(st, When)}
    body = hoist(step.body, over_model, taken)
    result = []
    for stage in split(body, over_model):
        partials = tuple(s for s in stage if isinstance(s, Equation) and over_model(s.value))
        rest = [s for s in stage if s not in partials]
        scalars = tuple(s for s in rest if extent(s) is Extent.SCALAR)
        leaves = tuple(s for s in rest if extent(s) is not Extent.SCALAR)
        result.append(Phase(scalars, leaves, partials))
    return result


def extent(statement: Plain) -> Extent:
    """What the statement's target varies along."""
    assert statement.target.type is not None
    return statement.target.type.extent
