"""What each operation makes of intervals: the tables of the analysis, and the powers.

`FORWARD` has a row for each of `ops.OPS` but those that are control (``if``, ``default``),
`REDUCED` for reductions (over at least one entry), `MATRICES` for linear algebra and for what only
moves entries. `SAFE` says for the operations with a domain whether the arguments lie in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from thetaprime import bounds
from thetaprime.arithmetic import (
    Forward,
    add,
    angle,
    bounded,
    divide,
    exponent,
    increasing,
    inverse,
    least_of,
    magnitude,
    modulo,
    most_of,
    multiply,
    natural_log,
    negative,
    sign,
    square_root,
    stepped,
    subtract,
)
from thetaprime.bounds import INF, ONE, ZERO
from thetaprime.intervals import (
    COUNT,
    EITHER,
    EMPTY,
    FALSE,
    NONNEGATIVE,
    REAL,
    TRUE,
    UNIT,
    Interval,
    Mark,
    hull,
    make,
    meet,
    point,
    tidy,
)

# Powers.

MOST_EXACT = 64  # beyond this exponent a power is bracketed, not computed
_BELOW_ONE = Interval(ZERO, ONE, True, True, nan=True)
_ABOVE_ONE = Interval(ONE, INF, True, True, nan=True)
_ANY_SIZE = Interval(ZERO, INF, True, True, nan=True)


def power(base: Interval, by: Interval) -> Interval:
    """base^by; undefined for 0 to a negative power and for a negative base to a fractional one."""
    if base.empty or by.empty:
        return replace(EMPTY, nan=base.nan or by.nan)
    if by.single and by.whole and -MOST_EXACT <= by.low <= MOST_EXACT:
        return _whole_power(base, int(by.low))
    nan = base.nan or by.nan or not in_domain_of_power(base, by)
    parts = [_size(meet(base, _ANY_SIZE), by)]
    if base.low < 0:  # whole powers of it are numbers
        below = _size(negative(meet(base, negative(_ANY_SIZE))), by)
        parts += [below, negative(below)]
    found = replace(hull(*parts), nan=nan, whole=base.whole and by.whole and by.low >= 0)
    return tidy(replace(found, hole=found.hole or (not found.empty and 0 not in base)))


def in_domain_of_power(base: Interval, by: Interval) -> bool:
    """Whether every power is a number."""
    if base.empty or by.empty:
        return True
    return (base.low >= 0 or by.whole) and (0 not in base or by.low >= 0)


def _whole_power(base: Interval, by: int) -> Interval:
    """A power with a known whole exponent."""
    if by < 0:
        return inverse(_whole_power(base, -by))
    if by == 0:
        return replace(point(ONE), nan=base.nan)
    even = by % 2 == 0
    size = magnitude(base) if even else base
    low, high = ((_signed_power(end, by), closed)
                 for end, closed in ((size.low, size.low_in), (size.high, size.high_in)))
    return make(low, high, base, whole=base.whole, hole=0 not in base)


def _signed_power(end: bounds.End, by: int) -> bounds.End:
    if isinstance(end, float):
        return -INF if end < 0 and by % 2 else INF
    return end**by


def _size(base: Interval, by: Interval) -> Interval:
    """The power of a nonnegative base: increasing in it, and for exponents of one sign monotone."""
    up, down = meet(by, _ANY_SIZE), negative(meet(by, negative(_ANY_SIZE)))
    low, high = meet(base, _BELOW_ONE), meet(base, _ABOVE_ONE)
    rising = hull(_shrinking(low, up), _growing(high, up))
    falling = hull(_shrinking(low, down), _growing(high, down))
    return hull(rising, inverse(falling) if not falling.empty else EMPTY)


def _shrinking(base: Interval, by: Interval) -> Interval:
    """base in [0, 1], by >= 0: the larger the exponent, the smaller."""
    if base.empty or by.empty:
        return EMPTY
    top: Mark = (_one_power(base.high, by.low)[1],
                 (base.high_in and by.low_in) or (by.low == 0 and by.low_in)
                 or (base.high in (ZERO, ONE) and base.high_in))
    if base.low == 0 and by.high > 0:
        bottom: Mark = (ZERO, base.low_in or (by.high == INF and by.high_in))
    else:
        reached = (base.low_in and by.high_in) or (base.low == 1 and base.low_in)
        bottom = (_one_power(base.low, by.high)[0], reached or (by.high == 0 and by.high_in))
    return make(bottom, top)


def _growing(base: Interval, by: Interval) -> Interval:
    """base >= 1, by >= 0: the larger the exponent, the larger."""
    if base.empty or by.empty:
        return EMPTY
    ends = []
    for b, b_in, e, e_in in ((base.low, base.low_in, by.low, by.low_in),
                             (base.high, base.high_in, by.high, by.high_in)):
        reached = (b_in and e_in) or (b == 1 and b_in) or (e == 0 and e_in)
        ends.append((_one_power(b, e), reached))
    return make((ends[0][0][0], ends[0][1]), (ends[1][0][1], ends[1][1]))


def _one_power(base: bounds.End, by: bounds.End) -> tuple[bounds.End, bounds.End]:
    """A bracket of one power of base >= 0, by >= 0, limits for infinite ones."""
    if by == 0 or base == 1:
        return ONE, ONE
    if isinstance(by, float):
        return (ZERO, ZERO) if base < 1 else (INF, INF)
    if isinstance(base, float):
        return INF, INF
    return bounds.power(base, by)


# Comparisons: an undefined value is neither less, nor more, nor equal.


def _verdict(surely: bool, never: bool, *args: Interval) -> Interval:
    if any(a.empty and not a.nan for a in args):
        return EMPTY
    if never:
        return FALSE
    return TRUE if surely and not any(a.nan for a in args) else EITHER


def less(a: Interval, b: Interval) -> Interval:
    """a < b."""
    some = not (a.empty or b.empty)
    apart = a.high < b.low or (a.high == b.low and not (a.high_in and b.low_in))
    return _verdict(some and apart, some and a.low >= b.high, a, b)


def at_most(a: Interval, b: Interval) -> Interval:
    """a <= b."""
    some = not (a.empty or b.empty)
    apart = a.low > b.high or (a.low == b.high and not (a.low_in and b.high_in))
    return _verdict(some and a.high <= b.low, some and apart, a, b)


def equal(a: Interval, b: Interval) -> Interval:
    """a == b."""
    same = a.single and b.single and a.low == b.low
    return _verdict(same, meet(a, b).empty, a, b)


def opposite(a: Interval) -> Interval:
    """not a."""
    return a if a.empty else subtract(TRUE, a)


# Sums over some number of entries, matrices.


def total(a: Interval, count: Interval = COUNT) -> Interval:
    """The sum of ``count`` values."""
    found = multiply(hull(a), count)
    return replace(found, whole=a.whole, hole=a.positive or a.negative)


def some_of(a: Interval) -> Interval:
    """One of the values: a maximum, a minimum."""
    return a


def mean(a: Interval) -> Interval:
    """A mean lies between the values."""
    between = replace(a, whole=False, hole=False)
    return replace(between, nan=a.nan or not a.finite)


def or_zero(a: Interval) -> Interval:
    """The value or 0."""
    return hull(a, FALSE)


def _constant(value: Interval) -> Forward:
    return lambda *args: value


def _undefined_too(value: Interval) -> Forward:
    return lambda *args: replace(value, nan=any(a.nan for a in args))


def _folded(function: Forward) -> Forward:
    def forward(*args: Interval) -> Interval:
        found = args[0]
        for arg in args[1:]:
            found = function(found, arg)
        return found

    return forward


_PI = Interval(Fraction(math.pi), Fraction(math.pi) + Fraction(1, 10**15))
FORWARD: dict[str, Forward] = {
    "or": most_of, "and": least_of, "not": opposite,
    "<": less, "<=": at_most, ">": lambda a, b: less(b, a), ">=": lambda a, b: at_most(b, a),
    "==": equal, "!=": lambda a, b: opposite(equal(a, b)),
    "+": add, "-": subtract, "*": multiply, "/": divide, "neg": negative, "^": power,
    "abs": magnitude, "sign": sign, "sqrt": square_root, "exp": exponent, "ln": natural_log,
    "sin": bounded, "cos": bounded, "tanh": increasing(math.tanh, UNIT),
    "atan": increasing(math.atan, REAL), "atan2": angle, "floor": stepped(math.floor),
    "round": stepped(round), "mod": modulo, "min": _folded(least_of), "max": _folded(most_of),
    # Numbers of a machine may overflow where real ones do not: either is possible.
    "finite": _constant(EITHER),
    "pi": _constant(_PI), "inf": _constant(point(INF)), "true": _constant(TRUE),
    "false": _constant(FALSE),
}
REDUCED: dict[str, Forward] = {
    "sum": total, "mean": mean, "max": some_of, "min": some_of, "size": _constant(COUNT),
    "all": some_of, "any": some_of}
SAFE: dict[str, Callable[..., bool]] = {
    "second != 0": lambda a, b: 0 not in b,
    "first >= 0": lambda a: a.empty or a.low >= 0,
    "first > 0": lambda a: a.empty or a.positive,
    "power": in_domain_of_power,
}
_ANY = _undefined_too(REAL)
_PARTS = _undefined_too(UNIT)  # columns of length 1, products of such matrices
MATRICES: dict[str, Forward] = {
    "@": lambda a, b: total(multiply(a, b)), "T": some_of, "outer": multiply, "tr": total,
    "diag": or_zero, "diagonal": some_of, "triu": or_zero, "solve": _ANY, "inv": _ANY,
    "chol": _ANY, "tri_solve": _ANY, "polar": _PARTS, "mpow": _ANY, "expm": _ANY,
    "norm2": _undefined_too(NONNEGATIVE), "qr.q": _PARTS, "qr.r": _ANY, "eigh.values": _ANY,
    "eigh.vectors": _PARTS, "svd.u": _PARTS, "svd.s": _undefined_too(NONNEGATIVE),
    "svd.v": _PARTS,
    # What only moves entries, and what puts some in the place of others.
    "view": some_of, "unview": some_of, "unfold": some_of, "refold": some_of, "along": some_of,
    "seen": some_of, "flat": some_of, "unflat": some_of, "eye": _constant(EITHER),
    "~": _constant(EITHER),
    "take": lambda a, p: a, "at": lambda a, i: a, "put": lambda a, i, v: hull(a, v),
    "shift": hull, "index": _constant(Interval(ZERO, INF, True, whole=True)),
    "argsort": _constant(Interval(ZERO, INF, True, whole=True)),
    "case": lambda *args: hull(*args[1::2]),
}
