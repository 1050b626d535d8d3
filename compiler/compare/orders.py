"""A rule with the powers of the distance d of a hyperparameter to its end taken out of all that
shares them, so that 0/0 becomes a quotient that is continuous there.

Every quantity q is d^k*Q with Q of order 0, and what the rule keeps is Q instead of q. Averages
`v' = b*v + (1 - b)*g^2` become sums `V' = b*V + g^2` with v = (1 - b)*V, and with them goes what
corrects them, as `1 - b^t = (1 - b)*n` for n = 1 + b + ... + b^(t - 1), a state `n' = b*n + 1`. The
new rule is the same for every value below the end; `compare` proves it as it does of any two rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from thetaprime.compare.ends import ONE, ZERO, folded
from thetaprime.compare.norms import Broken
from thetaprime.compare.pairs import numeral
from thetaprime.compare.rescaled import Rescaled
from thetaprime.expr import Apply, Expr, Num, Sym, symbols
from thetaprime.ir import Draw, Equation, First, Hyper, State, Statement, Step, reads
from thetaprime.types import SCALAR, Type, join

MOST_ROUNDS = 8
T = Sym("t")
# d^k leaves these as it is, whatever d > 0 is; products add the orders of both arguments.
HOMOGENEOUS = frozenset({"neg", "abs", "sum", "mean", "max", "min", "T", "tr", "diag", "diagonal",
                         "triu", "view", "unview", "unfold", "refold", "along", "flat", "unflat",
                         "default", "+", "-"})
PRODUCTS = frozenset({"*", "@", "outer"})
COMPARED = frozenset({"<", "<=", ">", ">=", "==", "!="})


@dataclass(frozen=True)
class Scaled:
    """d^order*expr; order None: 0."""

    order: Fraction | None
    expr: Expr


NOTHING = Scaled(None, ZERO)


def regular(step: Step, name: str, end: Fraction) -> Rescaled:
    """The same rule in states that stay finite where a hyperparameter goes to its end. Raises
    Broken, also where it is not shown to be the same."""
    made = _Orders(step, step.hyper(name), end)
    made.settle()
    new = made.rewritten()
    found = Rescaled(step, new, name, made.distance, made.orders, made.terms if made.counts else "",
                     tuple(sorted({s.name for s in made.powers})))
    found.check()
    return found


@dataclass
class _Orders:
    """``kept``: the orders of states; ``env``: quantities that the step has computed so far."""

    step: Step
    hyper: Hyper
    end: Fraction
    kept: dict[str, Fraction | None] = field(default_factory=dict)
    env: dict[Sym, Scaled] = field(default_factory=dict)
    orders: dict[Sym, Fraction] = field(default_factory=dict)
    counts: bool = False

    def __post_init__(self) -> None:
        name = Sym(self.hyper.name, type=SCALAR)
        bounds = self.hyper.range
        self.name = name
        self.above = bounds is not None and bounds.high == self.end
        self.distance: Expr = name if self.end == 0 and not self.above else _typed(
            "-", *((numeral(self.end), name) if self.above else (name, numeral(self.end))))
        taken = {s.name for s in self.step.states} | {
            s.name for one in self.step.body for e in reads(one) for s in symbols(e)}
        self.terms = next(n for n in ("n", "terms", *(f"terms{k}" for k in range(99)))
                          if n not in taken)
        self.powers = {Sym(s.name, prime): prime for s in self.step.states
                       if self._is_power(s) for prime in (False, True)}

    def _is_power(self, state: State) -> bool:
        """Whether a state is b^t: it starts at 1 and is multiplied by b at each step."""
        old = Sym(state.name)
        values = [s.value for s in self.step.body
                  if isinstance(s, Equation) and s.target == Sym(state.name, True)]
        return state.start == ONE and values in (
            [Apply("*", (old, self.name))], [Apply("*", (self.name, old))])

    # The orders of states.

    def settle(self) -> None:
        """The least order that each state has at any step. Raises Broken."""
        for state in self.step.states:
            self.kept[state.name] = None
        for _ in range(MOST_ROUNDS):
            before = dict(self.kept)
            starts = {s.name: self._start(s).order for s in self.step.states}
            made = self._made()
            for name in before:
                self.kept[name] = _least((before[name], starts[name], *made.get(name, ())))
            if self.kept == before:
                return
        raise Broken("orders that do not settle")

    def _start(self, state: State) -> Scaled:
        if isinstance(state.start, Draw):
            return Scaled(Fraction(0), ZERO)
        self.env = {}
        return self.of(state.start)

    def _made(self) -> dict[str, list[Fraction | None]]:
        found: dict[str, list[Fraction | None]] = {}
        self.env = {}
        for statement in self.step.body:
            for target, value in self._values(statement):
                self.env[target] = Scaled(value.order, target)
                found.setdefault(target.name, []).append(value.order)
        return found

    def _values(self, statement: Statement) -> list[tuple[Sym, Scaled]]:
        match statement:
            case Equation(target, value) | First(target, value):
                return [(target, self.of(value))]
            case Draw():
                return []
        every = {s for e in reads(statement) for s in symbols(e)}
        if self.name in every or any(self._symbol(s).order != 0 for s in every):
            raise Broken("a block or a loop moves")
        return []

    # The rule.

    def rewritten(self) -> Step:
        """The rule in the new states. Raises Broken."""
        states = tuple(replace(s, start=self._scaled_start(s)) for s in self.step.states)
        self.env, body = {}, list[Statement]()
        self.orders = {Sym(n): _sure(k) for n, k in self.kept.items()}
        for statement in self.step.body:
            values = self._values(statement)
            if not values:
                body.append(statement)
                continue
            ((target, value),) = values
            assert isinstance(statement, Equation | First)
            order = self._order_of(target, value)
            self.env[target] = Scaled(order, target)
            self.orders[target] = _sure(order)
            body.append(replace(statement, value=self._less(value, order)))
        evaluate = self.step.evaluate
        if evaluate is not None:
            self.env = {}
            evaluate = self._whole(self.of(evaluate))
        if self.counts:
            count = State(self.terms, SCALAR, ZERO)
            states = (*states, count)
            one_more = _typed("+", _typed("*", self.name, self._term(False)), ONE)
            body.insert(0, Equation(self._term(True), one_more))
        return replace(self.step, states=states, body=tuple(body), evaluate=evaluate)

    def _scaled_start(self, state: State) -> Expr | Draw:
        if isinstance(state.start, Draw):
            return state.start
        return self._less(self._start(state), self.kept[state.name])

    def _order_of(self, target: Sym, value: Scaled) -> Fraction | None:
        """The order that is kept out of what a statement defines."""
        if target.name in self.kept:
            return self.kept[target.name]
        return Fraction(0) if target == Sym(self.step.point, True) else value.order

    def _term(self, prime: bool) -> Sym:
        self.counts = True
        return Sym(self.terms, prime, type=SCALAR)

    # Expressions.

    def of(self, expr: Expr) -> Scaled:
        """An expression as d^k*E. Raises Broken."""
        if expr == ZERO:
            return NOTHING
        if isinstance(expr, Num):
            return Scaled(Fraction(0), expr)
        if expr == self.distance:
            return Scaled(Fraction(1), ONE)
        if isinstance(expr, Sym):
            return self._symbol(expr)
        corrected = self._correction(expr)
        if corrected is not None:
            return Scaled(Fraction(1), corrected)
        return self._applied(expr, [self.of(a) for a in expr.args])

    def _symbol(self, symbol: Sym) -> Scaled:
        if symbol in self.env:
            return self.env[symbol]
        order = self.kept[symbol.name] if symbol.name in self.kept else Fraction(0)
        return NOTHING if order is None else Scaled(order, symbol)

    def _correction(self, expr: Apply) -> Expr | None:
        """n, where an expression is (1 - b)*n."""
        if not (self.above and self.end == 1):
            return None
        match expr:
            case Apply("-", (one, Apply("^", (base, exponent)))) if (
                    one == ONE and base == self.name):
                if exponent == T:
                    return self._term(True)
                if exponent == Apply("-", (T, ONE)):
                    return self._term(False)
                if exponent == Apply("+", (T, ONE)):
                    return _typed("+", _typed("*", self.name, self._term(True)), ONE)
            case Apply("-", (one, Sym() as power)) if one == ONE and power in self.powers:
                return self._term(self.powers[power])
        return None

    def _applied(self, expr: Apply, args: Sequence[Scaled]) -> Scaled:
        orders = [a.order for a in args]
        match expr.op:
            case op if op in PRODUCTS:
                if None in orders:
                    return NOTHING
                return self._made_of(expr, _sum(orders), [a.expr for a in args])
            case "/":
                if None in orders:
                    if orders[1] is None:
                        raise Broken("a division by 0")
                    return NOTHING
                top, bottom = _sure(orders[0]), _sure(orders[1])
                return self._made_of(expr, top - bottom, [a.expr for a in args])
            case op if op in HOMOGENEOUS:
                return self._alike(expr, args)
            case "if":
                least = _least(orders[1:])
                return self._made_of(expr, least, [
                    self._whole(args[0]), *(self._less(a, least) for a in args[1:])])
            case "case":
                least = _least(orders[1::2])
                return self._made_of(expr, least, [
                    self._less(a, least) if k % 2 else expr.args[k] for k, a in enumerate(args)])
            case "sqrt":
                return self._power(expr, args[0], Fraction(1, 2))
            case "^" if isinstance(expr.args[1], Num) and expr.args[1].value > 0:
                return self._power(expr, args[0], expr.args[1].value)
            case "sign":
                return NOTHING if orders[0] is None else self._made_of(
                    expr, Fraction(0), [args[0].expr])
            case op if op in COMPARED:
                least = _least(orders)
                return self._made_of(expr, Fraction(0), [self._less(a, least) for a in args])
        return self._made_of(expr, Fraction(0), [self._whole(a) for a in args])

    def _power(self, expr: Apply, base: Scaled, exponent: Fraction) -> Scaled:
        if base.order is None:
            return NOTHING
        return self._made_of(expr, base.order * exponent, [base.expr, *expr.args[1:]])

    def _alike(self, expr: Apply, args: Sequence[Scaled]) -> Scaled:
        """d^k common to all arguments leaves."""
        least = _least(a.order for a in args)
        return self._made_of(expr, least, [self._less(a, least) for a in args])

    def _made_of(self, expr: Apply, order: Fraction | None, args: Sequence[Expr]) -> Scaled:
        if order is None:
            return NOTHING
        return Scaled(order, folded(replace(expr, args=tuple(args))))

    def _whole(self, value: Scaled) -> Expr:
        return self._less(value, Fraction(0))

    def _less(self, value: Scaled, order: Fraction | None) -> Expr:
        """d^(k - order)*E."""
        if value.order is None:
            return replace(ZERO)
        left = value.order - _sure(order)
        if left == 0:
            return value.expr
        if left < 0:
            raise Broken("a power that goes beyond all bounds")
        power = self.distance if left == 1 else (
            _typed("sqrt", self.distance) if 2*left == 1 else
            _typed("^", self.distance, numeral(left)))
        return folded(_typed("*", power, value.expr))


def _typed(op: str, *args: Expr) -> Apply:
    return Apply(op, args, type=join(tuple(a.type or Type() for a in args)).of_kind("real"))


def _least(orders: Iterable[Fraction | None]) -> Fraction | None:
    return min((o for o in orders if o is not None), default=None)


def _sum(orders: Sequence[Fraction | None]) -> Fraction:
    return sum(map(_sure, orders), Fraction(0))


def _sure(order: Fraction | None) -> Fraction:
    return Fraction(0) if order is None else order
