"""An inner optimizer in the form in which it is written into another one.

Its new point is one equation like all others: what `train` makes of it, and what `hold` leaves of
it, is written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from thetaprime.diagnostics import SpecError, report
from thetaprime.expr import Apply, Expr, Num, Sym, substitute
from thetaprime.flat import Flat, Part
from thetaprime.renaming import Renaming
from thetaprime.source import Source
from thetaprime.syntax import (
    AxisDecl,
    CaseBlock,
    ConstDecl,
    EquationLine,
    Evaluate,
    EveryBlock,
    Extern,
    ForAxis,
    Function,
    Hold,
    HyperLine,
    IfBlock,
    Item,
    Losses,
    Numerics,
    Param,
    StateDecl,
    Train,
    View,
)

DECLARED = (AxisDecl, HyperLine, StateDecl, ConstDecl, Function, Losses, Numerics, Extern, Param,
            Train, View)


@dataclass(frozen=True)
class Inner:
    """An optimizer whose statements say what becomes of ``point'``."""

    point: str
    gradient: str
    declarations: tuple[Part, ...]
    statements: tuple[Part, ...]
    evaluate: Part | None
    shape: tuple[Param, Source] | None

    def items(self) -> Iterator[Item]:
        """Everything that it says."""
        yield from (p.item for p in (*self.declarations, *self.statements))


def inner(flat: Flat) -> Inner:
    """The optimizer with `train` and `hold` written out."""
    shape = next(((p.item, p.source) for p in flat.parts if isinstance(p.item, Param)), None)
    train = next((p for p in flat.parts if isinstance(p.item, Train)), None)
    evaluate = next((p for p in flat.parts if isinstance(p.item, Evaluate)), None)
    name = shape[0].name if shape is not None else "x"
    declarations = [p for p in flat.parts if isinstance(p.item, DECLARED)
                    and not isinstance(p.item, Param | Train)]
    statements = [p for p in flat.parts if not isinstance(p.item, (*DECLARED, Evaluate))]
    point = name
    if train is not None:
        assert isinstance(train.item, Train)
        point = train.item.name
        declarations = _trained(declarations, name, train.item)
        statements.append(_train(declarations, train))
    statements = _held(statements, None, point)
    return Inner(point, "G" if name.isupper() else "g", tuple(declarations), tuple(statements),
                 evaluate, shape if shape is not None and shape[0].type is not None else None)


def _trained(declarations: list[Part], name: str, train: Train) -> list[Part]:
    """The parameter is a state, which starts where training does; so does all that reads it."""
    start = Renaming({Sym(name): Sym(train.name)}, {})
    found = [replace(p, item=start.item(p.item)) if isinstance(p.item, StateDecl | ConstDecl)
             and name not in (p.item.name,) else p for p in declarations]
    source = next((p.source for p in declarations), None)
    state = StateDecl(name, None, "=", Sym(train.name, span=train.span), train.span)
    return [*found, Part(state, source, True)] if source is not None else found


def _train(declarations: list[Part], part: Part) -> Part:
    """``train y = f(x, z)`` says that y' = f(x', z') in the next step."""
    assert isinstance(part.item, Train)
    states = {p.item.name for p in declarations if isinstance(p.item, StateDecl)}
    after: dict[Sym, Expr] = {Sym(s): Sym(s, True) for s in states}
    after[Sym("t")] = Apply("+", (Sym("t"), Num("1")))
    target = Sym(part.item.name, True, span=part.item.span)
    value = substitute(part.item.value, after)
    return Part(EquationLine(target, value, part.item.span), part.source, True)


def _held(parts: list[Part], above: Expr | None, point: str) -> list[Part]:
    """``hold when c`` as equations: m' = if c then m else m_step, for each m' of the step."""
    rest = [p for p in parts if not isinstance(p.item, Hold)]
    condition = above
    for part in parts:
        if isinstance(part.item, Hold):
            new = part.item.condition
            condition = new if condition is None else Apply("or", (condition, new), span=new.span)
        for hold in _blocked_holds(part.item):
            raise SpecError([report("not-yet", part.source, hold.span, what=(
                "`hold when` in a block of an optimizer inside of another one is"))])
    rest = [replace(p, item=_deeper(p, condition, point)) for p in rest]
    if condition is None:
        return rest
    kept: dict[Sym, Part] = {}
    for part in rest:
        for target in targets(part.item):
            if target.prime:
                kept.setdefault(target, part)
    moved = kept.pop(Sym(point, True), None) if _is_line(rest, Sym(point, True)) else None
    steps = Renaming({s: Sym(f"{s.name}_step") for s in kept}, {})
    condition = steps.expr(condition)

    def unless(symbol: Sym, value: Expr, near: Part) -> Part:
        held = Apply("if", (condition, Sym(symbol.name), value), span=near.item.span)
        target = replace(symbol, span=near.item.span)
        return Part(EquationLine(target, held, near.item.span), near.source, True)

    found: list[Part] = []
    for part in rest:
        item = steps.item(part.item)
        for symbol in kept:
            item = completed(item, steps.symbols[symbol], Sym(symbol.name))
        found.append(unless(item.target, item.value, part)
                     if part is moved and isinstance(item, EquationLine)
                     else replace(part, item=item))
    return [*found, *(unless(s, steps.symbols[s], p) for s, p in kept.items())]


def _is_line(parts: list[Part], target: Sym) -> bool:
    """Whether one plain equation is all that defines a symbol."""
    places = [p.item for p in parts if target in targets(p.item)]
    return len(places) == 1 and isinstance(places[0], EquationLine)


def _deeper(part: Part, condition: Expr | None, point: str) -> Item:
    """An item with the holds in it written out: those of tensors of one kind."""
    item = part.item
    if isinstance(item, CaseBlock | ForAxis):
        inside = _held([Part(i, part.source, True) for i in item.items], condition, point)
        return replace(item, items=tuple(p.item for p in inside))
    return item


def _blocked_holds(item: Item) -> Iterator[Hold]:
    if isinstance(item, IfBlock | EveryBlock):
        for line in (*item.then, *item.otherwise):
            if isinstance(line, Hold):
                yield line
            yield from _blocked_holds(line)


def targets(item: Item) -> Iterator[Sym]:
    """The symbols that a statement defines, not those that cases and axes keep to themselves."""
    match item:
        case EquationLine(target):
            yield target
        case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise):
            for line in (*then, *otherwise):
                yield from targets(line)
        case _:
            yield from getattr(item, "targets", ())


def all_targets(item: Item) -> list[Sym]:
    """The symbols that an item defines, those in its cases too."""
    found = list(targets(item))
    if isinstance(item, CaseBlock | ForAxis):
        found += [t for inside in item.items for t in all_targets(inside)]
    return found


def completed(item: Item, target: Sym, rest: Expr) -> Item:
    """The item with ``target`` defined in every branch: as ``rest`` where it was not."""
    def whole(items: tuple[Item, ...]) -> tuple[Item, ...]:
        done = tuple(completed(i, target, rest) for i in items)
        if any(target in all_targets(i) for i in items):
            return done
        return (*done, EquationLine(replace(target, span=item.span), rest, item.span))

    match item:
        case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise) if (
                target in all_targets(item)):
            return replace(item, then=whole(then),  # type: ignore[arg-type]
                           otherwise=whole(otherwise))  # type: ignore[arg-type]
        case CaseBlock(_, items):
            return replace(item, items=whole(items))
    return item
