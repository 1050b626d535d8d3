"""What each operation makes of values: rational ones are carried out, comparisons and choices are
signs, the rest are operations on normal forms, with what leaves them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from typing import Any

from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.functions import MATRIX, again
from thetaprime.claims.terms import taken, terms
from thetaprime.expr import Apply
from thetaprime.forward import FORWARD, MATRICES
from thetaprime.intervals import REAL, Interval, defined, meet
from thetaprime.ops import ORACLES, WHOLE

Operation = Callable[..., Value]
HALF = Fraction(1, 2)


def maximum(algebra: Algebra, *args: Value) -> Value:
    """max(a, b) = (a + b + |a - b|)/2."""
    return reduce(lambda a, b: _chosen(algebra, a, b, 1), args)


def minimum(algebra: Algebra, *args: Value) -> Value:
    return reduce(lambda a, b: _chosen(algebra, a, b, -1), args)


def _chosen(algebra: Algebra, a: Value, b: Value, side: int) -> Value:
    apart = algebra.absolute(algebra.subtract(a, b))
    if side < 0:
        apart = algebra.negative(apart)
    made = algebra.multiply(algebra.add(algebra.add(a, b), apart), algebra.number(HALF))
    interval = FORWARD["max" if side > 0 else "min"](a.interval, b.interval)
    found = algebra.value(made.ratio, interval)
    for one in (a, b):
        above, below = (found, one) if side > 0 else (one, found)
        algebra.learn(algebra.subtract(above, below))
    return found


def magnitude(algebra: Algebra, a: Value) -> Value:
    """|a| = a*sign(a), and neither a nor -a is above it."""
    found = algebra.absolute(a)
    algebra.learn(algebra.subtract(found, a))
    algebra.learn(algebra.add(found, a))
    return found


def above(algebra: Algebra, a: Value, b: Value) -> Value:
    """[a > b] = (s^2 + s)/2 with s = sign(a - b)."""
    s = algebra.sign(algebra.subtract(a, b))
    return algebra.multiply(algebra.add(algebra.multiply(s, s), s), algebra.number(HALF))


def equal(algebra: Algebra, a: Value, b: Value) -> Value:
    """[a = b] = 1 - sign(a - b)^2."""
    s = algebra.sign(algebra.subtract(a, b))
    return opposite(algebra, algebra.multiply(s, s))


def opposite(algebra: Algebra, a: Value) -> Value:
    return algebra.subtract(algebra.number(1), a)


def either(algebra: Algebra, a: Value, b: Value) -> Value:
    return algebra.subtract(algebra.add(a, b), algebra.multiply(a, b))


def power(algebra: Algebra, a: Value, b: Value) -> Value:
    return algebra.raised(a, b)


def call(op: str, fixed: dict[int, int] | None = None, odd: bool = False) -> Operation:
    """An operation that only its argument's normal form says: with values at some numbers."""

    def forward(algebra: Algebra, *args: Value) -> Value:
        constant = args[0].ratio.constant
        if fixed is not None and constant in fixed:
            return algebra.number(fixed[int(constant)])
        lead = args[0].ratio.num
        if odd and lead and lead.terms[lead.leading] < 0:
            return algebra.negative(forward(algebra, algebra.negative(args[0])))
        kind = frozenset().union(*(algebra.varies(a.ratio) for a in args))
        return algebra.call(op, args, kind, defined(FORWARD[op](*(a.interval for a in args))))

    return forward


def rounded(op: str, whole: Callable[[Fraction], int]) -> Operation:
    """floor and round: numbers are carried out."""

    def forward(algebra: Algebra, a: Value) -> Value:
        constant = a.ratio.constant
        if constant is not None:
            return algebra.number(whole(constant))
        return algebra.value(a.ratio) if a.interval.whole else call(op)(algebra, a)

    return forward


def modulo(algebra: Algebra, a: Value, b: Value) -> Value:
    one, other = a.ratio.constant, b.ratio.constant
    if one is not None and other:
        return algebra.number(one % other)
    if other == 1 and a.interval.whole:
        return algebra.number(0)
    return call("mod")(algebra, a, b)


OPERATIONS: dict[str, Operation] = {
    "+": Algebra.add, "-": Algebra.subtract, "*": Algebra.multiply, "neg": Algebra.negative,
    "^": power, "abs": magnitude, "sign": Algebra.sign, "sqrt": Algebra.root,
    "min": minimum, "max": maximum,
    "and": Algebra.multiply, "or": either, "not": opposite,
    ">": above, "<": lambda algebra, a, b: above(algebra, b, a),
    "<=": lambda algebra, a, b: opposite(algebra, above(algebra, a, b)),
    ">=": lambda algebra, a, b: opposite(algebra, above(algebra, b, a)),
    "==": equal, "!=": lambda algebra, a, b: opposite(algebra, equal(algebra, a, b)),
    "exp": call("exp", {0: 1}), "ln": call("ln", {1: 0}), "cos": call("cos", {0: 1}),
    "sin": call("sin", {0: 0}, odd=True), "tanh": call("tanh", {0: 0}, odd=True),
    "atan": call("atan", {0: 0}, odd=True), "atan2": call("atan2"),
    "floor": rounded("floor", lambda a: a.numerator // a.denominator),
    "round": rounded("round", round), "mod": modulo,
    "true": lambda algebra: algebra.number(1), "false": lambda algebra: algebra.number(0),
    "pi": lambda algebra: algebra.atom(("pi",), frozenset(), FORWARD["pi"]()),
}
CALLS: dict[str, Callable[..., Interval]] = {"finite": FORWARD["finite"], **MATRICES}


# What is linear in some of its arguments: sums are taken apart, and what is one number for all that
# the operation sees leaves it.


def linear(places: tuple[int, ...], square: bool = False) -> Callable[..., Value]:
    """An operation that is linear in the arguments at ``places``."""

    def forward(run: Any, expr: Apply, args: list[Value]) -> Value:
        algebra: Algebra = run.algebra
        kinds = [inner(a, expr) for a in expr.args]
        return _apart(algebra, expr, list(args), list(places), kinds)

    return forward


def inner(arg: Any, expr: Apply) -> frozenset[str]:
    """Along what an argument varies inside of the operation: a factor that does not leaves it."""
    from thetaprime.claims.symbolic import varies

    found = varies(arg.type)
    if expr.op not in ORACLES and expr.op not in WHOLE and "model" not in expr.over:
        found -= {"tensor"}
    return found


def _apart(
    algebra: Algebra, expr: Apply, args: list[Value], places: list[int],
    kinds: list[frozenset[str]],
) -> Value:
    if not places:
        from thetaprime.claims.symbolic import varies

        if expr.op == "unview" and (known := again(algebra, expr, args[0])) is not None:
            return known
        interval = MATRICES[expr.op](*(a.interval for a in args)) if expr.op in MATRICES else REAL
        return algebra.call(expr.op, args, varies(expr.type), defined(interval), *expr.over,
                            str(expr.type))
    place, *rest = places
    total = algebra.number(0)
    for outside, part in terms(algebra, args[place].ratio, kinds[place]):
        one = algebra.value(part)
        given = [*args[:place], one, *args[place + 1:]]
        total = algebra.add(total, algebra.multiply(
            algebra.value(outside), _apart(algebra, expr, given, rest, kinds)))
    return total


def homogeneous(degree: Callable[[Algebra, Value, list[Value]], Value], even: bool = False
                ) -> Callable[..., Value]:
    """An operation that takes a positive factor c of its first argument out as ``degree`` says."""

    def forward(run: Any, expr: Apply, args: list[Value]) -> Value:
        algebra: Algebra = run.algebra
        factor, rest = taken(algebra, args[0].ratio, inner(expr.args[0], expr))
        given = [algebra.value(rest), *args[1:]]
        found = _apart(algebra, expr, given, [], [])
        return algebra.multiply(degree(algebra, factor, args), found)

    return forward


def _same(algebra: Algebra, factor: Value, _: list[Value]) -> Value:
    return factor


def _none(algebra: Algebra, _: Value, __: list[Value]) -> Value:
    return algebra.number(1)


LINEAR_IN: dict[str, Callable[..., Value]] = {
    **dict.fromkeys(("diag", "diagonal", "triu", "view", "unview", "unfold", "refold",
                     "along", "seen", "take", "at", *WHOLE), linear((0,))),
    "outer": linear((0, 1)),
    "tri_solve": linear((1,)), "hvp": linear((1,)), "slope": linear((1,)), "push": linear((1,)),
    "pull": linear((1,)), "hess_ell": linear((1,)), "ggn": linear((1,)), "shift": linear(()),
    "norm2": homogeneous(_same), "qr.q": homogeneous(_none), "qr.r": homogeneous(_same),
    "eigh.values": homogeneous(_same), "eigh.vectors": homogeneous(_none),
    "svd.u": homogeneous(_none), "svd.s": homogeneous(_same), "svd.v": homogeneous(_none),
    **MATRIX,
}


def interval_of(op: str, *args: Interval) -> Interval:
    """What is known of an operation's result."""
    return meet(REAL, defined(FORWARD[op](*args)))
