"""That a rule and the same in other states are one: every quantity of the first is d^k times that
of the second, d the distance of a hyperparameter to an end of its range.

Shown statement by statement, which is an induction on t: the states are so related at the start,
and if what a statement reads is, then so is what it defines. Powers b^t that a rule keeps, and the
sum n = 1 + b + ... + b^(t - 1) that the second has beside, are known in closed form; that they
follow their recurrences is shown in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from thetaprime.check.ranges import ranges
from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.symbolic import Split, Symbolic, Undefined, Unknown, varies
from thetaprime.compare.ends import ONE, ZERO
from thetaprime.compare.norms import Broken
from thetaprime.expr import Apply, Expr, Num, Sym, symbols, walk
from thetaprime.intervals import Interval, defined, of_range
from thetaprime.ir import Draw, Equation, First, Statement, Step, reads
from thetaprime.types import Type

T = Sym("t")
FAILED = (Split, Undefined, Unknown, ArithmeticError, ValueError, KeyError, RecursionError)
# c*f(a, b) = f(c*a, c*b) for c > 0.
ALIKE = frozenset({"+", "-", "neg", "abs", "max", "min", "sum", "mean"})
BEFORE = Interval(Fraction(0), low_in=True, whole=True)


@dataclass(frozen=True)
class Rescaled:
    """``old`` and ``new``, the same rule: a quantity of the old one is d^k of the new one, with the
    ``distance`` d of the hyperparameter ``name`` b to its end and k from ``orders`` (0 for those
    not there). ``count``: the state n; ``powers``: the states b^t."""

    old: Step
    new: Step
    name: str
    distance: Expr
    orders: Mapping[Sym, Fraction]
    count: str = ""
    powers: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises Broken."""
        sides = _Sides(self)
        own = [s for s in self.new.states if s.name != self.count]
        if len(own) != len(self.old.states):
            raise Broken("other states")
        for one, other in zip(self.old.states, own, strict=True):
            if (one.name, one.type, one.guard, one.constant) != (
                    other.name, other.type, other.guard, other.constant):
                raise Broken(f"another state `{one.name}`")
            if isinstance(one.start, Draw) or isinstance(other.start, Draw):
                if one.start != other.start or self._order(Sym(one.name)):
                    raise Broken(f"`{one.name}` starts elsewhere")
                continue
            sides.agree(one.start, other.start, self._order(Sym(one.name)))
        self._closed(sides)
        body = [s for s in self.new.body if _target(s) != Sym(self.count, True) or not self.count]
        if len(body) != len(self.old.body):
            raise Broken("other statements")
        for mine, theirs in zip(self.old.body, body, strict=True):
            self._statement(sides, mine, theirs)
        if (self.old.evaluate is None) != (self.new.evaluate is None):
            raise Broken("another point to evaluate")
        if self.old.evaluate is not None and self.new.evaluate is not None:
            sides.agree(self.old.evaluate, self.new.evaluate, Fraction(0))
        if self._order(Sym(self.old.point)) or self._order(Sym(self.old.point, True)):
            raise Broken("another point")

    def _order(self, symbol: Sym) -> Fraction:
        """The k of a quantity."""
        own = Sym(symbol.name) if symbol not in self.orders else symbol
        return self.orders.get(own, Fraction(0))

    def _statement(self, sides: _Sides, mine: Statement, theirs: Statement) -> None:
        if isinstance(mine, Equation | First) and type(mine) is type(theirs):
            assert isinstance(theirs, Equation | First)
            if (mine.target, mine.guard) == (theirs.target, theirs.guard):
                for state in self.old.states:  # before and after a step alike
                    if mine.target.name == state.name and self._order(mine.target) != self._order(
                            Sym(state.name)):
                        raise Broken(f"`{mine.target}` has two orders")
                sides.agree(mine.value, theirs.value, self._order(mine.target))
                return
        moved = {s for e in reads(mine) for s in symbols(e)
                 if self._order(s) or s == Sym(self.name)}
        if mine != theirs or moved:
            raise Broken("a statement of another kind")

    def _closed(self, sides: _Sides) -> None:
        """What is known in closed form starts so and goes on so."""
        old = Sym(self.name)
        for name in self.powers:
            values = _values(self.old, name)
            start = self.old.state(name).start
            if start != ONE or values not in ([Apply("*", (Sym(name), old))],
                                              [Apply("*", (old, Sym(name)))]):
                raise Broken(f"`{name}` is no power")
        if self.count:
            values, state = _values(self.new, self.count), self.new.state(self.count)
            if state.start != ZERO or len(values) != 1 or state.guard is not None:
                raise Broken(f"`{self.count}` starts elsewhere")
            if self.count in {s.name for s in self.old.states}:
                raise Broken(f"`{self.count}` is something else")
            sides.equal(sides.new.of(values[0]), sides.new.of(Sym(self.count, True)))


def _values(step: Step, name: str) -> list[Expr]:
    return [s.value for s in step.body if isinstance(s, Equation) and s.target == Sym(name, True)]


def _plain(expr: Expr) -> bool:
    """Whether nothing is chosen in it."""
    return not any(isinstance(n, Apply) and n.op in ("if", "default", "case") for n in walk(expr))


def _target(statement: Statement) -> Sym | None:
    return statement.target if isinstance(statement, Equation) else None


class _Sides:
    """Both rules in one algebra, each with its own values for what it reads."""

    def __init__(self, which: Rescaled) -> None:
        new, algebra = which.new, Algebra()
        known = ranges(new)
        self.algebra = algebra
        self.base: dict[Sym, Value] = {}
        for hyper in new.hypers:
            if hyper.type.kind != "function":
                self.base[Sym(hyper.name)] = algebra.atom(
                    ("symbol", hyper.name), frozenset(),
                    of_range(hyper.range, hyper.type.kind == "int"))
        before = algebra.atom(("symbol", "t - 1"), frozenset(), BEFORE)
        self.base[T] = algebra.add(before, algebra.number(1))
        case = known.cases[-1]
        self.new = Symbolic(new, case, False, algebra, env=dict(self.base))
        self.distance = self.new.of(which.distance)
        closed = dict(self._closed(which, before))
        named: dict[Sym, Type | None] = {Sym(new.point): Type(), Sym(new.gradient): Type()}
        for state in new.states:
            named |= {Sym(state.name): state.type, Sym(state.name, True): state.type}
        named |= {s.target: s.target.type for s in new.body if isinstance(s, Equation | First)}
        mine, theirs = dict[Sym, Value | None](self.base), dict[Sym, Value | None](self.base)
        for symbol, kind in named.items():
            value = closed.get(symbol)
            if value is None:
                value = algebra.atom(("symbol", str(symbol)), varies(kind),
                                     defined(known.of(Sym(symbol.name, symbol.prime, kind))))
            theirs[symbol] = value
            mine[symbol] = algebra.multiply(self.power(which._order(symbol)), value)
        self.old = Symbolic(which.old, case, False, algebra, env=mine)
        self.new = Symbolic(new, case, False, algebra, env=theirs)

    def _closed(self, which: Rescaled, before: Value) -> Mapping[Sym, Value]:
        algebra, base = self.algebra, self.base[Sym(which.name)]
        found: dict[Sym, Value] = {}
        for prime, exponent in ((False, before), (True, self.base[T])):
            power = algebra.raised(base, exponent)
            found |= {Sym(n, prime): power for n in which.powers}
            if which.count:
                found[Sym(which.count, prime)] = algebra.divide(
                    algebra.subtract(algebra.number(1), power), self.distance)
        return found

    def power(self, order: Fraction) -> Value:
        """d^order."""
        root = self.algebra.root(self.distance, order.denominator)
        return self.algebra.power(root if order.denominator > 1 else self.distance,
                                  order.numerator)

    def agree(self, one: Expr, other: Expr, order: Fraction) -> None:
        """That an expression of the old rule is d^order times one of the new one. Raises Broken."""
        try:
            self._agree(one, other, self.power(order))
        except FAILED as error:
            raise Broken(f"not shown to be the same: {error}") from error

    def _agree(self, one: Expr, other: Expr, factor: Value) -> None:
        match one, other:
            case Apply("default", (a, b)), Apply("default", (c, d)):
                self._agree(a, c, factor)
                self._agree(b, d, factor)
            case Apply("if", (p, a, b)), Apply("if", (q, c, d)):
                self._agree(p, q, self.algebra.number(1))
                self._agree(a, c, factor)
                self._agree(b, d, factor)
            case Apply("and" | "or", (a, b)), Apply(op, (c, d)) if one.op == op:
                self._agree(a, c, factor)
                self._agree(b, d, factor)
            case Apply("default" | "if"), Apply("*", (outside, inside)):
                by = self.new.of(outside)
                self._agree(one, inside, self.algebra.multiply(factor, self._positive(by)))
            case Apply("*", (outside, inside)), Apply("default" | "if"):
                by = self.old.of(outside)
                self._agree(inside, other, self.algebra.divide(factor, self._positive(by)))
            case Apply("case", args), Apply("case", others) if args[::2] == others[::2]:
                for a, c in zip(args[1::2], others[1::2], strict=True):
                    self._agree(a, c, factor)
            case _ if isinstance(other, Num) and one == other == ZERO:
                return
            case _:
                self._equal_or_alike(one, other, factor)

    def _positive(self, factor: Value) -> Value:
        if not factor.interval.positive:
            raise Broken("a factor that may be 0")
        return factor

    def _equal_or_alike(self, one: Expr, other: Expr, factor: Value) -> None:
        """By algebra, or argument by argument: factors are above 0."""
        try:
            self.equal(self.old.of(one), self.algebra.multiply(factor, self.new.of(other)))
            return
        except (Broken, *FAILED):
            if not (isinstance(one, Apply) and isinstance(other, Apply)) or (
                    one.op, one.over, len(one.args)) != (other.op, other.over, len(other.args)):
                raise
        factors = [factor] * len(one.args)
        if one.op == "*":  # all of the factor in the second, or in the first
            factors = [self.algebra.number(1), factor]
            if _plain(one.args[1]):
                factors.reverse()
        elif one.op not in ALIKE:
            raise Broken("not the same")
        for mine, theirs, own in zip(one.args, other.args, factors, strict=True):
            self._agree(mine, theirs, own)

    def equal(self, one: Value, other: Value) -> None:
        if self.algebra.subtract(one, other).ratio:
            raise Broken("not the same")
