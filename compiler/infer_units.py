"""The units of a step: every equation of it as an equation of units.

`infer` gives the unit of every hyperparameter and state, what does not fit together (`Clash`) and
the literals that stand for a quantity with a unit (`Hidden`). Where a unit depends on a value, as
that of a^p for a hyperparameter p, it is rigid: nothing is concluded from it but what holds for
every p. A state of which nothing can be concluded is opaque.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from thetaprime.expr import Apply, Expr, Num, Sym, symbols
from thetaprime.ir import (
    Carry,
    Draw,
    EachAxis,
    Equation,
    First,
    Hyper,
    Loop,
    State,
    Statement,
    Step,
    When,
)
from thetaprime.unit_formulas import Clash, Formulas, Hidden, Place
from thetaprime.unit_rules import is_number
from thetaprime.units import GRADIENT, ONE, L, Unit, X


@dataclass(frozen=True)
class Units:
    """What is known of the units of a step. ``complete``: every equation holds with these units,
    so that the step means the same in all units of parameters and loss. ``said`` is what gave a
    hyperparameter its unit. ``bound`` are the units of values that hyperparameters were given."""

    hypers: dict[str, Unit]
    states: dict[str, Unit]
    clashes: tuple[Clash, ...]
    hidden: tuple[Hidden, ...]
    said: dict[str, Place]
    complete: bool
    bound: dict[str, Unit]


def infer(step: Step) -> Units:
    """The units of a step: passes over it, until one finds nothing that the next could use."""
    plain: frozenset[Expr] = frozenset()
    opaque: frozenset[Sym] = frozenset()
    while True:
        run = _Pass(plain, step=step, given=opaque)
        run.execute()
        if not run.bases() <= plain:
            plain |= run.bases()
        elif not run.opaque <= opaque:
            opaque |= run.opaque
        else:
            return run.result()


@dataclass
class _Pass(Formulas):
    """One pass, with what the ones before have found."""

    step: Step = field(kw_only=True)
    given: frozenset[Sym] = field(kw_only=True)
    opaque: set[Sym] = field(default_factory=set)
    carried: dict[Sym, bool] = field(default_factory=dict)
    # What each turn of a loop multiplies a carried value by; whether it turns for each axis.
    turned: list[tuple[Sym, Unit, bool]] = field(default_factory=list)

    def execute(self) -> None:
        """All equations of the step. Literals come last, so that they never decide a unit which
        something else decides."""
        step = self.step
        self.env = {Sym(step.point): X, Sym(step.gradient): GRADIENT, Sym("loss"): L}
        for hyper in step.hypers:
            symbol = Sym(hyper.name)
            self.env[symbol] = ONE if hyper.static else self.quantity(symbol)
        self.unsaid = [Sym(h.name) for h in step.hypers if not h.static]
        for state in step.states:
            self.env[Sym(state.name)] = self.quantity(Sym(state.name))
        certain = [s for s in step.states if _certain(s.start, Sym(step.point))]
        for state in certain:
            self.start(state)
        self.body(step.body)
        self.turns()
        for state in step.states:
            if state not in certain:
                self.start(state)
        if step.evaluate is not None:
            self.source = step.source
            self.fit("state", step.point, step.evaluate, self.term(step.evaluate), X)
        for hyper in step.hypers:
            self.ranged(hyper)
        self.pending.clear()
        self.settle()
        quantities = (*self.env.values(), *self.bound.values())
        for atom in {a for u in quantities for a in self.solver.known(u).of("unknown")}:
            self.solver.equate(Unit({atom: Fraction(1)}), ONE)

    def result(self) -> Units:
        """What the equations say."""
        unit = self.solver.known
        hypers = {h.name: unit(self.env[Sym(h.name)]) for h in self.step.hypers
                  if not h.static}
        states = {s.name: unit(self.env[Sym(s.name)]) for s in self.step.states}
        hidden = self.hidden()
        rigid = any(True for u in hypers.values() for _ in u.of("rigid"))
        functions = any(h.type.kind == "function" for h in self.step.hypers)
        whole = not (self.clashes or hidden or self.dropped or rigid or functions)
        return Units(hypers, states, tuple(self.clashes),
                     tuple(h for h in hidden if h.unit.settled),
                     {s.name: place for s, place in self.said.items()}, whole,
                     {name: unit(own) for name, own in self.bound.items()})

    def bases(self) -> frozenset[Expr]:
        """Powers whose bases have no unit if those of the others among them have none: the largest
        such set."""
        found = {power: self.solver.known(base) for power, base in self.powers}
        while True:
            own = {a for power in found for a in self.rigid(power).powers}
            some = {power: base for power, base in found.items()
                    if all(a.free or a in own for a in base.powers)}
            if len(some) == len(found):
                return frozenset(found)
            found = some

    def quantity(self, symbol: Sym) -> Unit:
        """The unit of what is given, kept or carried: to be found, or opaque."""
        if symbol in self.given:
            self.dropped = True
            return self.rigid(symbol)
        unit = self.fresh(str(symbol))
        self.pending.update(unit.powers)
        return unit

    # Statements.

    def body(self, body: Iterable[Statement]) -> None:
        for statement in body:
            self.source = statement.source
            self.statement(statement)
            self.settle()

    def statement(self, statement: Statement) -> None:
        match statement:
            case Equation(target, value, _, guard):
                if guard is not None:
                    self.cases[target] = value
                self.define(target, value, self.term(value))
            case First(target, value):
                self.fit("start", str(target), value, self.term(value), self.env[target])
            case Draw(target):
                self.define(target, target, self.drawn(statement))
            case When(condition, then, otherwise):
                self.unit(condition)
                self.branches(then, otherwise)
            case Loop(carries, turns, inner, turn):
                self.unit(turns)
                self.env[turn] = ONE
                self.loop(carries, inner, False)
            case EachAxis(_, carries, inner):
                self.loop(carries, inner, True)

    def define(self, target: Sym, value: Expr, unit: Unit) -> None:
        """``target = value``. What the step makes of a state has the unit of the state."""
        old = Sym(target.name)
        if not target.prime or old not in self.env:
            self.env[target] = unit
            return
        kept = self.env[old]
        if old in self.carried and old in symbols(value):
            self.turned.append((old, unit / kept, self.carried[old]))
            self.env[target] = unit
            self.pending.difference_update(kept.powers)
            return
        fits = self.fit("state", str(target), value, unit, kept)
        if not fits and any(self.solver.known(kept / unit).of("rigid")):
            self.opaque.add(old)
        self.env[target] = kept if fits else unit
        self.pending.difference_update(kept.powers)

    def branches(self, *sides: Sequence[Statement]) -> None:
        """What both branches define has one unit."""
        before = self.env
        after: list[dict[Sym, Unit]] = []
        for side in sides:
            self.env = dict(before)
            self.body(side)
            after.append(self.env)
        self.env = after[0] | after[1]
        for symbol in after[0].keys() & after[1].keys() - before.keys():
            if symbol.prime and Sym(symbol.name) in before:
                continue  # both have been compared with the old value
            left, right = (found[symbol] for found in after)
            rest = self.solver.equate(left, right)
            if any(rest.of("rigid")):
                self.dropped = True
                self.env[symbol] = self.rigid(symbol)
            elif rest != ONE:
                one, other = (_defining(side, symbol) for side in sides)
                self.clash("terms", "branches", one, other, left, right, one.span)

    def loop(self, carries: Sequence[Carry], inner: Sequence[Statement], axes: bool) -> None:
        """A value that is carried has one unit in all turns, unless they multiply it."""
        for carry in carries:
            start = self.term(carry.start, carry.value, starts=True)
            self.carried[carry.value] = axes
            self.env[carry.value] = self.quantity(carry.value)
            self.fit("start", str(carry.value), carry.start, start, self.env[carry.value])
        self.body(inner)

    def turns(self) -> None:
        """After n turns that multiply it by u, a value has the unit u^n. Nothing is concluded of
        it but for u = 1; where the turns are not those of a tensor's axes, an unknown in u makes it
        so."""
        for carry, change, axes in self.turned:
            rest = self.solver.known(change) if axes else self.solver.equate(change, ONE)
            if rest != ONE:
                self.opaque.add(carry)

    def start(self, state: State) -> None:
        symbol = Sym(state.name)
        self.source = state.source
        if isinstance(state.start, Draw):
            self.fit("start", state.name, symbol, self.drawn(state.start), self.env[symbol],
                     state.span)
        else:
            self.fit("start", state.name, state.start,
                     self.term(state.start, symbol, starts=True), self.env[symbol])
        if state.constant:
            self.pending.difference_update(self.env[symbol].powers)

    def ranged(self, hyper: Hyper) -> None:
        """A hyperparameter is compared with the ends of its range."""
        ends = (hyper.range.low, hyper.range.high) if hyper.range is not None else ()
        end = next((e for e in ends if e), None)
        if end is not None and not hyper.static:
            symbol = Sym(hyper.name)
            number = Hidden("range", Num(str(end)), symbol, ONE, hyper.source, hyper.span)
            self.solver.equate(self.literal(number), self.env[symbol])

    def drawn(self, draw: Draw) -> Unit:
        """A draw has the unit of what scales it; a standard one has none."""
        if all(is_number(a) for a in draw.args):
            return ONE
        if draw.distribution == "bernoulli" or len(draw.args) == 1:
            self.plainly(draw.distribution, *draw.args)
            return ONE
        return self.alike(Apply(draw.distribution, draw.args, span=draw.target.span), draw.args)


def _defining(side: Sequence[Statement], symbol: Sym) -> Expr:
    """What a branch makes a symbol, or the symbol where no single equation of it does."""
    return next((s.value for s in reversed(side)
                 if isinstance(s, Equation) and s.target == symbol), symbol)


def _certain(start: Expr | Draw, point: Sym) -> bool:
    """Whether a start has its unit by itself: it is drawn, or made of the point."""
    return isinstance(start, Draw) or point in symbols(start)
