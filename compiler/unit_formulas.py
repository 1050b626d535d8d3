"""The units of formulas: each as an equation for the solver, operation by operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import zip_longest
from typing import Literal

from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ops import ORACLES, is_reduction
from thetaprime.source import NO_SOURCE, Source, Span
from thetaprime.unit_rules import (
    ALIKE,
    DEGREES,
    ORACLE_UNITS,
    PLAIN,
    REDUCED,
    exponent,
    fits_every_unit,
    is_number,
)
from thetaprime.units import ONE, Atom, Solver, Unit

# What asks for one unit: the terms of a sum; an operation on plain numbers; a state that keeps
# its unit, or starts with another; the point of an oracle.
Where = Literal["terms", "plain", "state", "start", "oracle"]


@dataclass(frozen=True)
class Place:
    """A formula in a text."""

    expr: Expr
    source: Source


@dataclass(frozen=True)
class Clash:
    """``left`` has the first of two units and should have the second, which is that of ``right``
    or, where that is None, what ``where`` asks for. ``name`` is the operation or the state."""

    where: Where
    name: str
    left: Expr
    right: Expr | None
    units: tuple[Unit, Unit]
    source: Source
    span: Span


@dataclass(frozen=True)
class Hidden:
    """A literal with a unit: that of ``beside``, with which it is added or compared, or of the
    state that starts with it, or of the hyperparameter whose range ends there; or it is the whole
    formula."""

    where: Literal["beside", "start", "range", "alone"]
    literal: Expr
    beside: Expr | None
    unit: Unit
    source: Source
    span: Span


@dataclass
class Formulas:
    """Units of symbols in ``env``; what is found out by formulas goes to ``solver``.

    ``plain`` are powers a^n, n no number, of which a is known to have no unit. ``powers`` are the
    others. ``literals`` are those that stand where a quantity with a unit may stand. ``dropped``:
    some equation was left out because a rigid unit stands in it.
    """

    plain: frozenset[Expr] = frozenset()
    solver: Solver = field(default_factory=Solver)
    env: dict[Sym, Unit] = field(default_factory=dict)
    source: Source = NO_SOURCE
    clashes: list[Clash] = field(default_factory=list)
    literals: dict[Atom, Hidden] = field(default_factory=dict)
    powers: list[tuple[Apply, Unit]] = field(default_factory=list)
    dropped: bool = False
    pending: set[Atom] = field(default_factory=set)  # units of what has no equation yet
    unsaid: list[Sym] = field(default_factory=list)  # hyperparameters without a unit so far
    said: dict[Sym, Place] = field(default_factory=dict)  # what gave a hyperparameter its unit
    open: list[Atom] = field(default_factory=list)  # literals of which nothing is said yet
    cases: dict[Sym, Expr] = field(default_factory=dict)  # what equations for some tensors say
    bound: dict[str, Unit] = field(default_factory=dict)  # of values given to hyperparameters
    names: dict[Expr, str] = field(default_factory=dict)  # of rigid units
    _count: int = 0

    def term(self, expr: Expr, beside: Expr | None = None, starts: bool = False) -> Unit:
        """The unit of a formula that stands by itself, where a literal may stand for anything."""
        if fits_every_unit(expr):
            return self.fresh("zero")
        if is_number(expr) and expr.type is not None and expr.type.kind != "bool":
            where: Literal["start", "alone", "beside"] = (
                "start" if starts else "alone" if beside is None else "beside")
            return self.literal(Hidden(where, expr, beside, ONE, self.source, expr.span))
        return self.unit(expr)

    def unit(self, expr: Expr) -> Unit:
        """The unit of a formula; a literal, as a factor, has none."""
        match expr:
            case Num():
                return self.given_value(expr) if expr.named else ONE
            case Sym():
                return self.env.get(expr, ONE)  # ranks and lengths of axes are numbers
        if expr.op in ORACLES:
            return self.asked(expr)
        if is_reduction(expr):
            found: Unit = self.unit(expr.args[0]) ** REDUCED[expr.op][0]
            return found
        if is_number(expr):
            return ONE
        if expr.op in ALIKE:
            some, kept = ALIKE[expr.op]
            for other in (a for a in expr.args if a not in expr.args[some]):
                self.unit(other)
            one = self.alike(expr, expr.args[some])
            return one if kept else ONE
        if expr.op in DEGREES:
            product = ONE
            for arg, degree in zip(expr.args, DEGREES[expr.op], strict=True):
                product *= self.unit(arg) ** degree
            return product
        if expr.op in ("^", "mpow"):
            return self.power(expr)
        if expr.op in PLAIN:
            self.plainly(expr.op, *expr.args)
            return ONE
        for arg in expr.args:
            self.unit(arg)
        return self.rigid(expr) if expr.op == "extern" else ONE

    def given_value(self, value: Num) -> Unit:
        """The unit of a hyperparameter that has been given a value."""
        return self.bound.setdefault(value.named, self.fresh(value.named))

    def alike(self, expr: Apply, args: Sequence[Expr]) -> Unit:
        """Arguments of one unit: that unit."""
        first = next((a for a in args if not is_number(a) and not fits_every_unit(a)), args[0])
        # Literals come last: their units are free until here.
        order = sorted(range(len(args)), key=lambda number: is_number(args[number]))
        units = {number: self.term(args[number], first) for number in order}
        place = args.index(first)
        one = units[place]
        for number, arg in enumerate(args):
            rest = self.solver.equate(one, units[number])
            if any(rest.of("rigid")):
                self.dropped = True
                return self.rigid(expr)
            if rest != ONE:
                both = ((first, one), (arg, units[number]))
                (left, a), (right, b) = both if place < number else both[::-1]
                self.clash("terms", expr.op, self.named(left), self.named(right), a, b, expr.span)
        self.settle()
        self.learn(expr)
        return one

    def named(self, expr: Expr) -> Expr:
        """What a case makes a name that has one value in each."""
        return self.cases.get(expr, expr) if isinstance(expr, Sym) else expr

    def power(self, expr: Apply) -> Unit:
        """a^n of a number n multiplies exponents. Another exponent wants a plain base; else the
        unit depends on a value."""
        base, by = expr.args
        number = exponent(by)
        if number is not None:
            return self.unit(base) ** number
        self.plainly("an exponent", by)
        unit = self.unit(base)
        if expr in self.plain or self.solver.known(unit) == ONE:
            self.plainly(expr.op, base)
            return ONE
        self.powers.append((expr, unit))
        return self.rigid(expr)

    def asked(self, expr: Apply) -> Unit:
        """An oracle is asked at points; directions go through it linearly."""
        points, found = ORACLE_UNITS[expr.op]
        for arg, wanted in zip_longest(expr.args, points):  # a fresh batch has a number behind
            if wanted is None:
                found *= self.unit(arg)
            else:
                self.fit("oracle", expr.op, arg, self.term(arg), wanted)
        return found

    def plainly(self, name: str, *args: Expr) -> None:
        """The arguments have no unit."""
        for arg in args:
            self.fit("plain", name, arg, self.term(arg), ONE)

    def fit(self, where: Where, name: str, expr: Expr, unit: Unit, wanted: Unit,
            span: Span | None = None) -> bool:
        """Whether a formula has the unit that is wanted of it."""
        rest = self.solver.equate(unit, wanted)
        if rest == ONE:
            self.learn(expr)
            return True
        if any(rest.of("rigid")):
            self.dropped = True
        else:
            self.clash(where, name, expr, None, unit, wanted, span or expr.span)
        return False

    def learn(self, expr: Expr) -> None:
        """Notes which hyperparameters have a unit since this formula."""
        for symbol in [s for s in self.unsaid if self.solver.known(self.env[s]).settled]:
            self.unsaid.remove(symbol)
            self.said[symbol] = Place(expr, self.source)

    def clash(self, where: Where, name: str, left: Expr, right: Expr | None, one: Unit, other: Unit,
              span: Span) -> None:
        units = self.solver.known(one), self.solver.known(other)
        self.clashes.append(Clash(where, name, left, right, units, self.source, span))

    # Units that are not known yet.

    def fresh(self, name: str) -> Unit:
        """A unit to be found."""
        self._count += 1
        return Unit({Atom("unknown", f"{name} {self._count}"): Fraction(1)})

    def rigid(self, expr: Expr) -> Unit:
        """A unit that depends on a value: equal formulas have equal ones."""
        name = self.names.setdefault(expr, str(len(self.names)))
        return Unit({Atom("rigid", name): Fraction(1)})

    def literal(self, found: Hidden) -> Unit:
        """The unit that a literal hides, if it does."""
        self._count += 1
        atom = Atom("number", str(self._count))
        self.literals[atom] = found
        self.open.append(atom)
        return Unit({atom: Fraction(1)})

    def settle(self) -> None:
        """A literal is a plain number as soon as no equation to come can say otherwise."""
        for atom in list(self.open):
            unit = Unit({atom: Fraction(1)})
            if self.pending.isdisjoint(self.solver.known(unit).powers):
                self.solver.equate(unit, ONE)
                self.open.remove(atom)

    def hidden(self) -> tuple[Hidden, ...]:
        """The literals that have a unit."""
        units = ((h, self.solver.known(Unit({a: Fraction(1)}))) for a, h in self.literals.items())
        return tuple(replace(h, unit=unit) for h, unit in units if unit != ONE)
