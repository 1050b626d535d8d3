"""Guarantees: every statement has its types, and blocks give one type from both sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from heapq import heappop, heappush
from typing import TypeVar

from thetaprime.check.loops import infer_axes, infer_loop
from thetaprime.check.misfits import apart
from thetaprime.check.types import Typing, typed
from thetaprime.diagnostics import report
from thetaprime.expr import Expr, Sym, symbols
from thetaprime.ir import Draw, EachAxis, Equation, First, Loop, Statement, When
from thetaprime.scopes import free, outputs
from thetaprime.source import Source
from thetaprime.types import SCALAR, Extent, Type, join

T = TypeVar("T")


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
                    kind = typing.carried.get(target, typed(value))  # places of folds are whole
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

    A fixed point from below: every state without a declared type begins as a scalar and grows. A
    round looks at what reads something that has grown in the one before.
    """
    kinds = {name: declared or SCALAR for name, (declared, _) in starts.items()}
    typing = replace(typing, env={**typing.env, **{Sym(n): k for n, k in kinds.items()}},
                     hidden=set(), problems=[])
    begun = {name: exprs for name, (declared, exprs) in starts.items() if declared is None}
    readers = _readers((place, free(s)) for place, s in enumerate(body))
    begin = _readers((n, {s for e in exprs for s in symbols(e)}) for n, exprs in begun.items())
    places: Iterable[int] = range(len(body))
    names: Iterable[str] = begun
    while places or names:
        grown: dict[str, Type] = {}
        for statement in _inferred_again(body, places, readers, typing, point, draws):
            for target, value in _definitions(statement):
                if target.name in begun:
                    kind = typed(typing.spread(value)).of_kind("real")
                    grown[target.name] = join((grown.get(target.name, kinds[target.name]), kind))
        for name in names:
            inferred = (typing.spread(typing.infer(e, source)) for e in begun[name])
            found = tuple(typed(e).of_kind("real") for e in inferred)
            grown[name] = join((grown.get(name, kinds[name]), *found)).of_kind("real")
        grown = {name: kind for name, kind in grown.items() if kind != kinds[name]}
        kinds |= grown
        typing.env |= {Sym(n): k for n, k in grown.items()}
        places = {place for n in grown for place in readers.get(Sym(n), ())}
        names = dict.fromkeys(other for n in grown for other in begin.get(Sym(n), ()))
    return kinds


def _readers(read: Iterable[tuple[T, Iterable[Sym]]]) -> dict[Sym, list[T]]:
    """What reads a symbol, from what each reads."""
    found: dict[Sym, list[T]] = {}
    for reader, names in read:
        for symbol in names:
            found.setdefault(symbol, []).append(reader)
    return found


def _inferred_again(
    body: tuple[Statement, ...], places: Iterable[int], readers: Mapping[Sym, list[int]],
    typing: Typing, point: str, draws: Mapping[Sym, Type],
) -> Iterator[Statement]:
    """The statements at these places with their types, and in order all others of which the types
    depend on theirs."""
    todo = sorted(places)
    last = -1
    while todo:
        place = heappop(todo)
        if place == last:
            continue
        last = place
        before = {symbol: typing.env.get(symbol) for symbol in outputs(body[place])}
        yield from infer_statements((body[place],), typing, {}, point, draws)
        for symbol, kind in before.items():
            for reader in readers.get(symbol, ()) if typing.env.get(symbol) != kind else ():
                heappush(todo, reader)


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
