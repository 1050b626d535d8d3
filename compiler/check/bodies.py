"""Guarantees: every statement has its types, and blocks give one type from both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from thetaprime.check.loops import infer_axes, infer_loop
from thetaprime.check.misfits import apart
from thetaprime.check.types import Typing, typed
from thetaprime.diagnostics import report
from thetaprime.expr import Expr, Sym
from thetaprime.ir import Draw, EachAxis, Equation, First, Loop, Statement, When
from thetaprime.source import Source
from thetaprime.types import SCALAR, Extent, Type, join


def infer_statements(
    body: tuple[Statement, ...], typing: Typing, wanted: Mapping[Sym, Type], point: str,
    draws: Mapping[Sym, Type],
) -> tuple[Statement, ...]:
    """The body with types on every node and target; ``typing.env`` learns what it defines.

    ``wanted`` gives the types of the primed symbols; ``draws`` those of the draws.
    """
    done: list[Statement] = []
    for statement in body:
        match statement:
            case Equation(target, value, source):
                value = typing.infer(value, source)
                typing.apart.pop(target, None)
                misfit = apart(typing, target, value, source)
                if misfit is not None and target.prime:
                    typing.problems.append(misfit)
                elif misfit is not None:
                    typing.apart[target] = misfit
                kind = wanted.get(target, typed(value))
                value = typing.into(kind, value, source)
                if target not in wanted:
                    value = typing.plain(value)
                    kind = typed(value)
                if target in wanted:
                    if target.name == point and not typed(value).fits(kind):
                        typing.fits(str(target), kind, value, source)
                    elif target.name == point and typed(value).extent is not Extent.ENTRY:
                        typing.problems.append(report("scalar-step", source, value.span,
                                                      name=point, type=typing.shown(typed(value))))
                    else:
                        typing.fits(target.name, kind, value, source)
                typing.env[target] = kind
                done.append(replace(statement, target=replace(target, type=kind), value=value))
            case First(target, value, source):
                value = typing.infer(value, source)
                kind = typing.env[target]
                value = typing.into(kind, value, source)
                typing.fits(target.name, kind, value, source)
                done.append(replace(statement, target=replace(target, type=kind), value=value))
            case Draw(target, _, args, source):
                kind = draws[target]
                typed_args = tuple(typing.infer(a, source) for a in args)
                for arg in typed_args:
                    typing.fits(target.name, kind, arg, source)
                typing.env[target] = kind
                done.append(replace(statement, target=replace(target, type=kind), args=typed_args))
            case When(condition, then, otherwise, source):
                condition = typing.block_condition(condition, source)
                sides = [infer_statements(side, typing, wanted, point, draws)
                         for side in (then, otherwise)]
                entries = _per_entry(sides, typing)
                if entries:
                    sides = [infer_statements(side, typing, {**wanted, **entries}, point, draws)
                             for side in (then, otherwise)]
                done.append(_joined(replace(statement, condition=condition, then=sides[0],
                                            otherwise=sides[1]), typing))
            case Loop():
                done.append(infer_loop(
                    typing, statement, lambda body: infer_statements(
                        body, typing, wanted, point, draws)))
            case EachAxis(axis):
                inside = replace(typing, view=(), axis=axis)
                done.append(infer_axes(
                    inside, statement, partial(infer_statements, typing=inside, wanted=wanted,
                                               point=point, draws=draws)))
    return tuple(done)


def _per_entry(sides: list[tuple[Statement, ...]], typing: Typing) -> dict[Sym, Type]:
    """What one side of a block gives for each entry and the other as the matrix that a tensor is
    seen as: for each entry."""
    plain: set[Sym] = set()
    seen: dict[Sym, Type] = {}
    for statement in (s for side in sides for s in side if isinstance(s, Equation)):
        entries = typing.spread(statement.value)
        if typed(entries) != typed(statement.value):
            seen[statement.target] = typed(entries)
        elif typed(entries).extent is Extent.ENTRY:
            plain.add(statement.target)
    return {symbol: kind for symbol, kind in seen.items() if symbol in plain}


def _joined(block: When, typing: Typing) -> When:
    """Both branches give an output its wider type."""
    kinds: dict[Sym, list[Type]] = {}
    for statement in (*block.then, *block.otherwise):
        if isinstance(statement, Equation) and statement.target.type is not None:
            kinds.setdefault(statement.target, []).append(statement.target.type)
    wide = {s: join(tuple(k)) for s, k in kinds.items()}
    typing.env.update(wide)

    def widen(statement: Statement) -> Statement:
        if isinstance(statement, Equation):
            target = replace(statement.target, type=wide[statement.target])
            return replace(statement, target=target)
        return statement

    return replace(block, then=tuple(map(widen, block.then)),
                   otherwise=tuple(map(widen, block.otherwise)))


def smallest_types(
    body: tuple[Statement, ...], starts: Mapping[str, tuple[Type | None, tuple[Expr, ...]]],
    typing: Typing, point: str, draws: Mapping[Sym, Type], source: Source,
) -> dict[str, Type]:
    """The smallest type of each state that its start and its equation fit.

    A fixed point from below: every state without a declared type begins as a scalar and grows.
    """
    kinds = {name: declared or SCALAR for name, (declared, _) in starts.items()}
    env = dict(typing.env)
    while True:
        typing = replace(typing, env={**env, **{Sym(n): k for n, k in kinds.items()}}, hidden=set(),
                         problems=[])
        grown = dict(kinds)
        for statement in infer_statements(body, typing, {}, point, draws):
            for target, value in _definitions(statement):
                if target.name in grown and starts[target.name][0] is None:
                    kind = typed(typing.spread(value)).of_kind("real")
                    grown[target.name] = join((grown[target.name], kind))
        for name, (declared, exprs) in starts.items():
            if declared is None:
                inferred = (typing.spread(typing.infer(e, source)) for e in exprs)
                found = tuple(typed(e).of_kind("real") for e in inferred)
                grown[name] = join((grown[name], *found)).of_kind("real")
        if grown == kinds:
            return kinds
        kinds = grown


def _definitions(statement: Statement) -> Iterator[tuple[Sym, Expr]]:
    match statement:
        case Equation(target, value) | First(target, value):
            yield target, value
        case When(_, then, otherwise):
            for inner in (*then, *otherwise):
                yield from _definitions(inner)
        case Loop(_, _, body) | EachAxis(_, _, body):
            for inner in body:
                yield from _definitions(inner)
        case Draw():
            return
