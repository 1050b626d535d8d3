"""What a condition says of the quantities in it: intervals of expressions, told backwards.

From ``a < b`` follow bounds of a, of b and of a - b, and from those bounds of what they are made
of. A comparison that is false says the opposite only of what is defined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from thetaprime.arithmetic import add, divide, multiply, negative, subtract, without_zero
from thetaprime.bounds import INF
from thetaprime.check.valuation import TWO, Facts, Valuation
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.forward import power
from thetaprime.intervals import (
    FALSE,
    NONNEGATIVE,
    POSITIVE,
    TRUE,
    Interval,
    defined,
    meet,
    tidy,
)

OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
SWAPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_ANY = Interval(-INF, INF, True, True)


class _Never(Exception):
    """The condition cannot hold."""


def assume(values: Valuation, condition: Expr, truth: bool = True) -> Facts | None:
    """What holds beside where a condition is true (or false); None where it never is."""
    teller = _Teller(values, {})
    try:
        teller.condition(condition, truth)
        if any(map(teller.narrowed, teller.found)):
            # What is known of a hyperparameter now says more of all that it stands in.
            teller.again = True
            teller.condition(condition, truth)
    except _Never:
        return None
    return teller.found


class _Teller:
    def __init__(self, values: Valuation, found: dict[Expr, Interval]) -> None:
        self.values, self.found = replace(values, watch=None, memo={}), found
        self.again = False
        # With what was found up to now.
        self.inside: Valuation | None = None
        self.known: dict[Expr, Interval] = {}

    def now(self, expr: Expr) -> Interval:
        """The interval of an expression with what has been found."""
        if self.inside is None or self.known != self.found:
            self.known = dict(self.found)
            self.inside = self.values.knowing(self.known)
            assert self.inside is not None
        return self.inside.of(expr)

    def narrowed(self, expr: Expr) -> bool:
        """Whether an expression is a quantity that nothing defines, with finite ends."""
        if not isinstance(expr, Sym) or expr in self.values.equations:
            return False
        kept = self.values.of(expr)
        return not isinstance(kept.low, float) and not isinstance(kept.high, float)

    def condition(self, expr: Expr, truth: bool) -> None:
        self.tell(expr, TRUE if truth else FALSE)

    def tell(self, expr: Expr, bound: Interval) -> None:
        """The value of an expression lies in ``bound`` (which is defined)."""
        old = self.now(expr)
        new = meet(old, bound)
        if new.empty:
            raise _Never
        decided = isinstance(expr, Apply) and expr.op in _LOGIC
        if isinstance(expr, Num) or (
                new == old and not decided and not (self.again and expr in self.found)):
            return
        self.found[expr] = new
        if isinstance(expr, Sym):
            equation = self.values.equations.get(expr)
            if equation is not None:
                self.tell(equation, new)
        elif expr.op == "sum":
            self._product(expr, new)
        elif expr.op in _LOGIC:
            if new.single:
                _LOGIC[expr.op](self, expr, new == TRUE)
        elif expr.op in _BACKWARD and not expr.over:
            args = [self.now(a) for a in expr.args]
            if not any(a.nan for a in args):
                for arg, told in zip(expr.args, _BACKWARD[expr.op](new, *args), strict=True):
                    self.tell(arg, told)


    def _product(self, expr: Apply, value: Interval) -> None:
        """Where sum(a*b) is not 0, neither is sum(a^2)."""
        match expr:
            case Apply("sum", (Apply("*", factors),)) if 0 not in value:
                for a in factors:
                    for square in (Apply("*", (a, a), type=a.type),
                                   Apply("^", (a, Num("2")), type=a.type)):
                        self.found[replace(expr, args=(square,))] = POSITIVE


def _and(teller: _Teller, expr: Apply, truth: bool) -> None:
    if truth:
        for arg in expr.args:
            teller.condition(arg, True)


def _or(teller: _Teller, expr: Apply, truth: bool) -> None:
    if not truth:
        for arg in expr.args:
            teller.condition(arg, False)


def _not(teller: _Teller, expr: Apply, truth: bool) -> None:
    teller.condition(expr.args[0], not truth)


def _compare(teller: _Teller, expr: Apply, truth: bool) -> None:
    """Bounds of both sides, and of their difference."""
    left, right = expr.args
    a, b = teller.now(left), teller.now(right)
    if (a.nan or b.nan) and truth == (expr.op == "!="):
        return  # it may hold because a side is undefined
    op = expr.op if truth else OPPOSITE[expr.op]
    sides = ((left, right, a, b, op), (right, left, b, a, SWAPPED[op]))
    for one, other, own, bound, which in sides:
        teller.tell(one, _bounded(defined(own), which, defined(bound)))
        if a.finite and b.finite:
            difference = Apply("-", (one, other), type=expr.type)
            teller.found[difference] = _bounded(teller.now(difference), which, FALSE)


def _bounded(own: Interval, op: str, other: Interval) -> Interval:
    """All a of its own interval with ``a op b`` for some b."""
    match op:
        case "<" | "<=":
            return meet(own, Interval(-INF, other.high, True, other.high_in and op == "<="))
        case ">" | ">=":
            return meet(own, Interval(other.low, INF, other.low_in and op == ">=", True))
        case "==":
            return meet(own, other)
    if not other.single:
        return own
    if other.low == 0:
        return without_zero(own)
    return tidy(replace(own, low_in=own.low_in and own.low != other.low,
                        high_in=own.high_in and own.high != other.low))


# From the value of an operation back to its arguments.


def _product(value: Interval, a: Interval, b: Interval) -> tuple[Interval, Interval]:
    if 0 not in value:
        a, b = without_zero(a), without_zero(b)
    return (_ANY if 0 in b else divide(value, b)), (_ANY if 0 in a else divide(value, a))


def _quotient(value: Interval, a: Interval, b: Interval) -> tuple[Interval, Interval]:
    b = without_zero(b)
    return multiply(value, b), (b if 0 in value else meet(b, divide(a, value)))


def _magnitude(value: Interval, a: Interval) -> tuple[Interval]:
    both = Interval(-value.high, value.high, value.high_in, value.high_in)
    return (without_zero(both) if 0 not in value else both,)


def _power(value: Interval, base: Interval, by: Interval) -> tuple[Interval, Interval]:
    """A power that is not 0 has a base that is not, unless the exponent is 0."""
    plain = by.low > 0 and 0 not in value
    return (without_zero(base) if plain else base), by


def _smallest(value: Interval, *args: Interval) -> tuple[Interval, ...]:
    return (Interval(value.low, INF, value.low_in, True),) * len(args)


def _largest(value: Interval, *args: Interval) -> tuple[Interval, ...]:
    return (Interval(-INF, value.high, True, value.high_in),) * len(args)


_BACKWARD: dict[str, Callable[..., tuple[Interval, ...]]] = {
    "+": lambda r, a, b: (subtract(r, b), subtract(r, a)),
    "-": lambda r, a, b: (add(r, b), subtract(a, r)),
    "neg": lambda r, a: (negative(r),),
    "*": _product, "/": _quotient, "abs": _magnitude, "^": _power,
    "sqrt": lambda r, a: (power(meet(r, NONNEGATIVE), TWO),),
    "min": _smallest, "max": _largest}
_LOGIC: dict[str, Callable[[_Teller, Apply, bool], None]] = {
    "and": _and, "or": _or, "not": _not,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), _compare)}
