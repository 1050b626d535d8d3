"""What a step makes of its point: the new point, the change, or the change in its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from thetaprime.change import ZERO, change_of, descent_and_decay
from thetaprime.expr import Apply, Expr, Sym, symbols
from thetaprime.inner import Inner, targets
from thetaprime.renaming import Renaming, defined
from thetaprime.resolve import Part
from thetaprime.syntax import (
    CaseBlock,
    EquationLine,
    EveryBlock,
    ForAxis,
    HyperLine,
    IfBlock,
    Item,
    expressions,
)

# The new point and the change of an inner optimizer, and the parts of the change: no user's names.
NEW, CHANGE, DESCENT, DECAY = (Sym(f"*{n}") for n in ("new", "change", "descent", "decay"))
PARTS = ("descent", "decay")


@dataclass(frozen=True)
class Wanted:
    """What is asked of a step: its new point, its change, the parts of the change."""

    new: bool
    change: bool
    parts: bool


@dataclass(frozen=True)
class Made:
    """Statements in which the new point, if they have it, is ``NEW``, the change ``CHANGE``."""

    statements: tuple[Part, ...]
    descent: Expr
    decay: Expr


def made(one: Inner, wanted: Wanted) -> Made:
    """The statements of a step that give what is wanted of it."""
    point, result = Sym(one.point), Sym(one.point, True)
    places = [p for p in one.statements if result in _all_targets(p.item)]
    read = any(result in symbols(e) for p in one.statements for e in _read(p.item))
    simple = len(places) == 1 and isinstance(places[0].item, EquationLine)
    if wanted.parts and simple and (found := _parts(one, places[0])) is not None:
        return _from_parts(one, places[0], found, wanted, read)
    rename = Renaming({result: NEW}, {})
    if not (wanted.change or wanted.parts):
        return Made(_finished(one, NEW, point, rename), CHANGE, ZERO)
    last = one.statements[-1]
    if all(_in_equations(p.item, result) for p in places):
        changes = [replace(p, item=_as_change(p.item, result, point)) for p in one.statements]
        made = replace(one, statements=tuple(changes))
        sums = [_equation(NEW, Apply("+", (point, CHANGE)), last)] if wanted.new or read else []
        return Made((*_finished(made, CHANGE, ZERO, rename), *sums), CHANGE, ZERO)
    difference = _equation(CHANGE, Apply("-", (NEW, point)), last)
    return Made((*_finished(one, NEW, point, rename), difference), CHANGE, ZERO)


def _equation(target: Sym, value: Expr, near: Part) -> Part:
    span = near.item.span
    return Part(EquationLine(replace(target, span=span), value, span), near.source, True)


def _all_targets(item: Item) -> list[Sym]:
    found = list(targets(item))
    if isinstance(item, CaseBlock | ForAxis):
        found += [t for inside in item.items for t in _all_targets(inside)]
    return found


def _read(item: Item) -> Iterator[Expr]:
    """The expressions of a statement but for the targets of its equations."""
    match item:
        case EquationLine(_, value):
            yield value
        case IfBlock(condition, then, otherwise):
            yield condition
            for line in (*then, *otherwise):
                yield from _read(line)
        case EveryBlock(period, start, then, otherwise):
            yield from (period, start)
            for line in (*then, *otherwise):
                yield from _read(line)
        case CaseBlock(_, items) | ForAxis(_, _, items):
            for inside in items:
                yield from _read(inside)
        case _:
            own = set(getattr(item, "targets", ()))
            yield from (e for e in expressions(item) if e not in own)


def _in_equations(item: Item, result: Sym) -> bool:
    """Whether all that defines ``result`` in an item are plain equations."""
    match item:
        case EquationLine():
            return True
        case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise):
            return all(_in_equations(line, result) for line in (*then, *otherwise))
        case CaseBlock(_, items) | ForAxis(_, _, items):
            return all(_in_equations(inside, result) for inside in items)
    return result not in targets(item)


def _as_change(item: Item, result: Sym, point: Sym) -> Item:
    """The item with ``x' = x + e`` as ``change = e``."""
    def inside(items: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(_as_change(i, result, point) for i in items)

    match item:
        case EquationLine(target, value) if target == result:
            return replace(item, target=replace(CHANGE, span=target.span),
                           value=change_of(value, point))
        case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise):
            return replace(item, then=inside(then),  # type: ignore[arg-type]
                           otherwise=inside(otherwise))  # type: ignore[arg-type]
        case CaseBlock(_, items) | ForAxis(_, _, items):
            return replace(item, items=inside(items))
    return item


def _finished(one: Inner, target: Sym, rest: Expr, rename: Renaming) -> tuple[Part, ...]:
    """The statements with ``target`` defined in every branch: where a step says nothing, the
    point stays."""
    parts = [replace(p, item=rename.item(p.item)) for p in one.statements]
    found: list[Part] = []
    open_case: Part | None = None
    for part in parts:
        item = part.item
        if open_case is not None and not isinstance(item, CaseBlock):
            found.append(_otherwise(open_case, target, rest))
            open_case = None
        if target in _all_targets(item):
            item = _completed(item, target, rest)
        if isinstance(item, CaseBlock):
            defines = target in _all_targets(item) or open_case is not None
            open_case = replace(part, item=item) if defines and item.condition is not None else None
        found.append(replace(part, item=item))
    if open_case is not None:
        found.append(_otherwise(open_case, target, rest))
    return tuple(found)


def _otherwise(near: Part, target: Sym, rest: Expr) -> Part:
    line = EquationLine(replace(target, span=near.item.span), rest, near.item.span)
    return replace(near, item=CaseBlock(None, (line,), near.item.span))


def _completed(item: Item, target: Sym, rest: Expr) -> Item:
    def whole(items: tuple[Item, ...]) -> tuple[Item, ...]:
        done = tuple(_completed(i, target, rest) for i in items)
        if any(target in _all_targets(i) for i in items):
            return done
        return (*done, EquationLine(replace(target, span=item.span), rest, item.span))

    match item:
        case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise) if (
                target in _all_targets(item)):
            return replace(item, then=whole(then),  # type: ignore[arg-type]
                           otherwise=whole(otherwise))  # type: ignore[arg-type]
        case CaseBlock(_, items):
            return replace(item, items=whole(items))
    return item


def _parts(one: Inner, place: Part) -> tuple[Expr, Expr] | None:
    """``x' = x + descent + decay`` names them; otherwise decay is read from the terms."""
    assert isinstance(place.item, EquationLine)
    point = Sym(one.point)
    own = {p.item.target.name for p in one.statements if isinstance(p.item, EquationLine)}
    named = Apply("+", (Apply("+", (point, Sym("descent"))), Sym("decay")))
    if place.item.value == named and own >= set(PARTS):
        return Sym("descent"), Sym("decay")
    return descent_and_decay(place.item.value, point, _plain(one))


def _plain(one: Inner) -> Callable[[Sym], bool]:
    """Whether a symbol is a hyperparameter, t, or an equation in such symbols alone."""
    free = {"t"} | {n for p in one.declarations if isinstance(p.item, HyperLine)
                    for n in defined((p.item,))}
    equations = {p.item.target: p.item.value for p in one.statements
                 if isinstance(p.item, EquationLine) and not p.item.target.prime}

    def plain(symbol: Sym, above: frozenset[Sym] = frozenset()) -> bool:
        if symbol.name in free:
            return True
        value = equations.get(symbol)
        return value is not None and symbol not in above and all(
            plain(s, above | {symbol}) for s in symbols(value))

    return plain


def _from_parts(
    one: Inner, place: Part, parts: tuple[Expr, Expr], wanted: Wanted, read: bool
) -> Made:
    """The statements with the parts as equations, and what else is wanted as their sum."""
    descent, decay = parts
    rest = [p for p in one.statements if p is not place]
    named = descent == Sym("descent")
    if not named:
        rest.append(_equation(DESCENT, descent, place))
        if decay != ZERO:
            rest.append(_equation(DECAY, decay, place))
    first = descent if named else DESCENT
    second = decay if named or decay == ZERO else DECAY
    total = first if second == ZERO else Apply("+", (first, second))
    if wanted.change:
        rest.append(_equation(CHANGE, total, place))
    if wanted.new or read:
        start: Expr = Apply("+", (Sym(one.point), first))
        value = start if second == ZERO else Apply("+", (start, second))
        rest.append(_equation(NEW, value, place))
    rename = Renaming({Sym(one.point, True): NEW}, {})
    return Made(tuple(replace(p, item=rename.item(p.item)) for p in rest), first, second)
