"""An optimizer written into another one: ``optimizer SAM(base)`` and ``base(q)``.

What the base defines keeps its names where they are free, else they get the parameter's name in
front. Its gradient is q, its point the one that the outer optimizer trains, its new value the one
that the outer equation defines: the result reads as if one person had written both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from thetaprime.calls import Call, find_calls
from thetaprime.change import plainly
from thetaprime.diagnostics import SpecError, report
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, substitute, walk
from thetaprime.flat import Flat, Part
from thetaprime.inner import Inner, inner
from thetaprime.library import prelude
from thetaprime.made import CHANGE, DECAY, DESCENT, NEW, Made, made
from thetaprime.naming import Names, joined, own_names, point_names
from thetaprime.ops import ORACLES
from thetaprime.renaming import Renaming, defined, mapped, respanned
from thetaprime.source import Span
from thetaprime.syntax import (
    Answered,
    BatchLine,
    CaseBlock,
    EquationLine,
    Evaluate,
    EveryBlock,
    Extern,
    ForAxis,
    Function,
    IfBlock,
    Item,
    Losses,
    Param,
    StateDecl,
    TypeName,
    expressions,
)

# The oracles whose answer an outer optimizer can give: those of a point.
ANSWERED = ("grad", "loss")


def answered(node: Expr, answer: Answered) -> Expr:
    """``grad(p; B)`` as ``base with grad(y) := e`` says: e at p, on the batch B where e says none.
    """
    if not isinstance(node, Apply) or node.op.partition(";")[0] != answer.oracle:
        return node
    _, semicolon, batch = node.op.partition(";")
    value = substitute(answer.value, {Sym(answer.point): node.args[0]})
    if semicolon:
        value = rewrite(value, lambda n: replace(n, op=f"{n.op};{batch}") if isinstance(n, Apply)
                        and n.op in ORACLES else n)
    return respanned(value, node.span)


def composed(outer: Flat, parameter: str, base: Flat, span: Span) -> Flat:
    """The outer optimizer with ``base`` written in for its parameter. Raises SpecError."""
    name, point = point_names([p.item for p in outer.parts])
    calls = find_calls(outer, parameter, point, "G" if name.isupper() else "g", span)
    wrong = [report("base-answer", p.source, p.item.span, name=p.item.oracle, base=parameter)
             for p in outer.parts if isinstance(p.item, Answered) and p.item.name == parameter
             and p.item.oracle not in ANSWERED]
    if wrong:
        raise SpecError(wrong)
    one = inner(base)
    if calls[0].conditional or len(calls) > 1:
        _plainly_called(one, calls[0])
    handles = {c.after for c in calls} - {parameter}
    taken = own_names(outer.parts) - handles
    writer = Writer(outer, parameter, one, Names(parameter, taken), calls)
    return joined(outer, base, writer.parts(), writer.shared)


def _plainly_called(one: Inner, call: Call) -> None:
    """What only an optimizer can have that takes one step in each step of the whole."""
    kept = {f.name for f, _ in prelude() if f.items} | {
        i.name for i in one.items() if isinstance(i, Function) and i.items}
    called = {n.op for i in one.items() for e in expressions(i) for n in walk(e)
              if isinstance(n, Apply)}
    what = ""
    if kept & called:
        what = f"`{min(kept & called)}(...)`, which keeps states, in an optimizer"
    if any(isinstance(p.item, CaseBlock | ForAxis) for p in one.statements):
        what = "an optimizer with states for some tensors"
    if what:
        raise SpecError([report("not-yet", call.source, call.span, what=(
            f"{what} that is called in a block or twice is"))])


@dataclass
class Writer:
    """Writes the statements of one base into the outer optimizer, once for each call."""

    outer: Flat
    parameter: str
    one: Inner
    names: Names
    calls: list[Call]
    counter: Sym | None = None
    extra: list[Part] = field(default_factory=list)
    told: dict[int, Made] = field(default_factory=dict)
    parts_made: dict[str, Expr] = field(default_factory=dict)
    replaced: dict[int, Expr] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name, self.point = point_names([p.item for p in self.outer.parts])
        self.shared = self.names.shared(self.one.items(), self.one.point)
        self.answers = [p.item for p in self.outer.parts
                        if isinstance(p.item, Answered) and p.item.name == self.parameter]
        self.states = [p.item.name for p in self.one.declarations
                       if isinstance(p.item, StateDecl)]

    def parts(self) -> list[Part]:
        """The parts of the composed optimizer."""
        self.told = {id(c): made(self.one, c.wanted) for c in self.calls}
        maps = [self._symbols(c) for c in self.calls]
        written = [self._written(c, m) for c, m in zip(self.calls, maps, strict=True)]
        found = [p for c, lines in zip(self.calls, written, strict=True)
                 if c.line is None for p in lines]
        for part in self.outer.parts:
            if part.item not in self.answers:
                found += self._spliced(part, written)
        declared = self._declarations(Renaming(maps[0], self.shared.functions))
        return [*found, *declared, *self.extra]

    # Names.

    def _symbols(self, call: Call) -> dict[Sym, Sym]:
        """What the symbols of the base are for one call."""
        last = call.after == self.parameter
        first = call.before == self.parameter
        found = dict(self.shared.symbols)
        for name in {*self.states, *defined(p.item for p in self.one.statements)}:
            new = self.shared.name(name)
            if not last and name != self.one.point:
                found |= {Sym(name, prime): Sym(f"{new}_{call.after}") for prime in (False, True)}
            if name in self.states:
                found[Sym(name)] = Sym(new if first else f"{new}_{call.before}")
        found[Sym(self.one.point)] = Sym(self.point)
        found[Sym(self.one.gradient)] = self._gradient(call)
        if (clock := self._clock(call)) is not None:
            found[Sym("t")] = clock
        ending = "" if last else f"_{call.after}"
        given = {NEW: call.target if call.new else None,
                 CHANGE: None if call.new else call.target}
        spare = {NEW: f"{self.point}_new", CHANGE: "change", DESCENT: "descent", DECAY: "decay"}
        told = self.told[id(call)]
        for symbol in told.defines():
            found[symbol] = given.get(symbol) or Sym(self.names.free(spare[symbol] + ending))
        return found

    def _gradient(self, call: Call) -> Sym:
        """The symbol of what the base is given for its gradient; a formula gets an equation."""
        if isinstance(call.q, Sym):
            return replace(call.q, type=None)
        target = Sym(self.names.free("q"), span=call.q.span)
        call.ahead.append(Part(EquationLine(target, call.q, call.q.span), call.source))
        return target

    def _clock(self, call: Call) -> Sym | None:
        """The number of the base's own step, where that is not the number of the outer one."""
        reads = any(Sym("t") in walk(e) for i in self.one.items() for e in expressions(i))
        if not reads or (call.length == 1 and not call.conditional):
            return None
        span, last = call.span, call.after == self.parameter
        if call.conditional:
            counted = self._count(call)
            if last:
                return replace(counted, prime=True)
            value = Apply("+", (counted, Num(str(call.depth))), span=span)
        else:
            value = Apply("*", (Num(str(call.length)), Sym("t")), span=span)
            if call.depth < call.length:
                left = Num(str(call.length - call.depth))
                value = Apply("-", (value, left), span=span)
        name = f"{self.parameter}_t" + (f"_{call.after}" if not last else "")
        target = Sym(self.names.free(name), span=span)
        call.ahead.append(Part(EquationLine(target, value, span), call.source, True))
        return target

    def _count(self, call: Call) -> Sym:
        """The state that counts the base's steps, where they are not those of the whole."""
        if self.counter is None:
            span = call.span
            name = self.names.free(f"{self.parameter}_t")
            state = StateDecl(name, TypeName("scalar", span=span), "=", Num("0", span=span), span)
            more = Apply("+", (Sym(name), Num(str(call.length))), span=span)
            self.counter = Sym(name, span=span)
            self.extra.append(Part(state, call.source, True))
            self.calls[-1].ahead.append(
                Part(EquationLine(Sym(name, True, span=span), more, span), call.source, True))
        return self.counter

    # Statements.

    def _written(self, call: Call, symbols: dict[Sym, Sym]) -> list[Part]:
        """The statements of the base for one call."""
        told = self.told[id(call)]
        firsts = [self._first(p.item, call, symbols) for p in self.one.declarations
                  if call.conditional and call.before == self.parameter
                  and isinstance(p.item, StateDecl) and p.item.how == "first"]
        names = Renaming(symbols, self.shared.functions)
        if call.after == self.parameter:
            self.parts_made = {"descent": names.expr(told.descent), "decay": names.expr(told.decay)}
        if call.node is not None:
            self.replaced[id(call.node)] = symbols[NEW if call.new else CHANGE]
        found = [Part(self._answered(names.item(p.item)), p.source, True)
                 for p in told.statements]
        if not call.conditional:
            return [*call.ahead, *found]
        self.extra += [p for p in found if isinstance(p.item, BatchLine)]
        lines = [p for p in found if not isinstance(p.item, BatchLine)]
        return [Part(respanned(p.item, call.span), call.source, True)
                for p in (*call.ahead, *firsts, *lines)]

    def _answered(self, item: Item) -> Item:
        """An item of the base with what the outer optimizer answers where it asks."""
        for answer in self.answers:
            change = partial(answered, answer=answer)
            item = mapped(item, partial(rewrite, change=change))
        return item

    def _first(self, state: StateDecl, call: Call, symbols: dict[Sym, Sym]) -> Part:
        """``state m = first e`` where the first call may come late: its old value, by name."""
        old = Sym(self.shared.name(state.name))
        was = Sym(self.names.free(f"{old.name}_was"))
        value = Renaming(symbols, self.shared.functions).expr(state.value)
        early = Apply("==", (self._count(call), Num("0")))
        symbols[Sym(state.name)] = was
        return Part(EquationLine(was, Apply("if", (early, value, old)), call.span), call.source,
                    True)

    def _declarations(self, names: Renaming) -> Iterator[Part]:
        """What the base declares, under its new names; `first` as its first call has it."""
        said = {p.item for p in self.outer.parts if isinstance(p.item, Losses | Extern)}
        for part in self.one.declarations:
            if part.item not in said:
                yield Part(self._declared(part.item, names), part.source, True)
        if self.one.shape is not None and not any(
                isinstance(p.item, Param) and p.item.type for p in self.outer.parts):
            item, source = self.one.shape
            yield Part(replace(item, name=self.name), source, True)
        if self.one.evaluate is not None and not any(
                isinstance(p.item, Evaluate) for p in self.outer.parts):
            assert isinstance(self.one.evaluate.item, Evaluate)
            shown = replace(names.item(self.one.evaluate.item), name=None)
            yield Part(shown, self.one.evaluate.source, True)

    def _declared(self, item: Item, names: Renaming) -> Item:
        """A declaration: what it reads before the first step is the outer point."""
        start = Renaming({**self.shared.symbols, Sym(self.one.point): Sym(self.point)},
                         self.shared.functions)
        if isinstance(item, Function):
            return names.item(item)
        found = start.item(item)
        if isinstance(item, StateDecl) and item.how == "first":
            late = self.calls[0].conditional
            assert isinstance(found, StateDecl)
            return replace(found, how="=" if late else "first",
                           value=Num("0", span=item.span) if late else names.expr(item.value))
        return found

    # The outer optimizer.

    def _spliced(self, part: Part, written: list[list[Part]]) -> list[Part]:
        """A part of the outer optimizer with its calls written out, the base's lines first."""
        line = part.item
        ahead = [p for c, lines in zip(self.calls, written, strict=True) if c.line is line
                 for p in lines]
        if any(c.line is line and c.target is not None for c in self.calls):
            return ahead
        if isinstance(line, IfBlock | EveryBlock):
            sides = (tuple(p.item for s in side
                           for p in self._spliced(replace(part, item=s), written))
                     for side in (line.then, line.otherwise))
            then, otherwise = sides
            head = self._head(replace(line, then=(), otherwise=()))
            line = replace(head, then=then, otherwise=otherwise)  # type: ignore[arg-type]
            return [*ahead, replace(part, item=line)]
        return [*ahead, replace(part, item=self._head(line))]

    def _head(self, item: Item) -> Item:
        """An item with calls, and parts of the base's step, replaced by what they are."""
        return mapped(item, self._node)

    def _node(self, node: Expr) -> Expr:
        if id(node) in self.replaced:
            return replace(self.replaced[id(node)], span=node.span)
        if not isinstance(node, Apply):
            return node
        base, _, part = node.op.partition(".")
        if base == self.parameter and part in self.parts_made:
            return replace(self.parts_made[part], span=node.span)
        args = tuple(map(self._node, node.args))
        same = all(new is old for new, old in zip(args, node.args, strict=True))
        return node if same else plainly(replace(node, args=args))
