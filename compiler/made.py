"""What a step makes of its point: the new point, the change, or the change in its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce

from thetaprime.change import ZERO, change_of, descent_and_decay
from thetaprime.expr import Apply, Expr, Sym, symbols
from thetaprime.flat import Part
from thetaprime.inner import Inner, all_targets, completed, targets
from thetaprime.renaming import Renaming, defined
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

    def defines(self) -> list[Sym]:
        """Which of the names of this file the statements define."""
        found = {t for p in self.statements for t in all_targets(p.item)}
        return [s for s in (NEW, CHANGE, DESCENT, DECAY) if s in found]


def made(one: Inner, wanted: Wanted) -> Made:
    """The statements of a step that give what is wanted of it."""
    point, result = Sym(one.point), Sym(one.point, True)
    places = [p for p in one.statements if result in all_targets(p.item)]
    read = any(result in symbols(e) for p in one.statements for e in _read(p.item))
    if wanted.parts and (found := _in_parts(one, places)) is not None:
        return _summed(one, found, wanted, read)
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
        if target in all_targets(item):
            item = completed(item, target, rest)
        if isinstance(item, CaseBlock):
            defines = target in all_targets(item) or open_case is not None
            open_case = replace(part, item=item) if defines and item.condition is not None else None
        found.append(replace(part, item=item))
    if open_case is not None:
        found.append(_otherwise(open_case, target, rest))
    return tuple(found)


def _otherwise(near: Part, target: Sym, rest: Expr) -> Part:
    line = EquationLine(replace(target, span=near.item.span), rest, near.item.span)
    return replace(near, item=CaseBlock(None, (line,), near.item.span))


def _parts(one: Inner, place: Part) -> tuple[Expr, Expr] | None:
    """``x' = x + descent + decay`` names them; otherwise decay is read from the terms."""
    assert isinstance(place.item, EquationLine)
    point = Sym(one.point)
    own = {p.item.target.name for p in one.statements if isinstance(p.item, EquationLine)}
    named = Apply("+", (Apply("+", (point, Sym("descent"))), Sym("decay")))
    match place.item.value:
        case value if value == named and own >= set(PARTS):
            return Sym("descent"), Sym("decay")
        case Apply("if", (condition, still, value)) if still == point:
            # Held: where the condition holds, neither part moves.
            line = replace(place.item, value=value)
            found = _parts(one, replace(place, item=line))
            return found and tuple(  # type: ignore[return-value]
                e if e == ZERO else Apply("if", (condition, ZERO, e)) for e in found)
        case value:
            return descent_and_decay(value, point, _plain(one))


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


@dataclass(frozen=True)
class _Parts:
    """Statements that define the parts of the change, and what they call them."""

    statements: tuple[Part, ...]
    descent: Expr
    decay: Expr


def _in_parts(one: Inner, places: list[Part]) -> _Parts | None:
    """The step in its parts, where one line says it, or one in each case."""
    if len(places) == 1 and isinstance(places[0].item, EquationLine):
        found = _parts(one, places[0])
        if found is None:
            return None
        rest = tuple(p for p in one.statements if p is not places[0])
        if found == (Sym("descent"), Sym("decay")):
            return _Parts(rest, *found)
        lines = [_equation(DESCENT, found[0], places[0]), _equation(DECAY, found[1], places[0])]
        empty = found[1] == ZERO
        return _Parts((*rest, *lines[: 1 if empty else 2]), DESCENT, ZERO if empty else DECAY)
    if not all(isinstance(p.item, CaseBlock) for p in places):
        return None
    whole = replace(one, statements=_finished(one, Sym(one.point, True), Sym(one.point),
                                              Renaming({}, {})))
    statements = []
    for part in whole.statements:
        case = part.item
        if isinstance(case, CaseBlock) and Sym(one.point, True) in all_targets(case):
            inside = _case_in_parts(whole, part, case)
            if inside is None:
                return None
            case = replace(case, items=inside)
        statements.append(replace(part, item=case))
    return _Parts(tuple(statements), DESCENT, DECAY)


def _case_in_parts(one: Inner, part: Part, case: CaseBlock) -> tuple[Item, ...] | None:
    """The items of a case with both parts of its step."""
    around = [p for p in one.statements if p is not part]
    inside = [Part(i, part.source, True) for i in case.items]
    places = [p for p in inside if Sym(one.point, True) in all_targets(p.item)]
    if any(isinstance(p.item, CaseBlock) for p in places):
        return None
    found = _in_parts(replace(one, statements=(*around, *inside)), places)
    if found is None:
        return None
    own = [p for p in found.statements if all(p is not q for q in around)]
    if found.decay == ZERO:
        own.append(_equation(DECAY, ZERO, part))
    names = Renaming({Sym(n): s for n, s in zip(PARTS, (DESCENT, DECAY), strict=True)
                      if found.descent == Sym("descent")}, {})
    return tuple(names.item(p.item) for p in own)


def _summed(one: Inner, parts: _Parts, wanted: Wanted, read: bool) -> Made:
    """The statements with what is wanted beside the parts of the change, as their sum."""
    found, near = list(parts.statements), parts.statements[-1]
    terms = [e for e in (parts.descent, parts.decay) if e != ZERO]

    def total(first: list[Expr]) -> Expr:
        return reduce(lambda a, b: Apply("+", (a, b)), first)

    if wanted.change:
        found.append(_equation(CHANGE, total(terms), near))
    if wanted.new or read:
        found.append(_equation(NEW, total([Sym(one.point), *terms]), near))
    rename = Renaming({Sym(one.point, True): NEW}, {})
    return Made(tuple(replace(p, item=rename.item(p.item)) for p in found), parts.descent,
                parts.decay)
