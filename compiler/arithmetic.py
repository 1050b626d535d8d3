"""Interval arithmetic: what each operation of the language makes of intervals.

Every function is sound: for all values in the arguments on which the operation is defined, the
result lies in the interval that it gives, and ``nan`` is set if it may be undefined on some.
`forward` has the tables from operations to these functions, and the powers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from thetaprime.bounds import INF, ONE, ZERO, End, bracket, exponential, logarithm, root
from thetaprime.intervals import (
    EMPTY,
    NONNEGATIVE,
    REAL,
    UNIT,
    Interval,
    Mark,
    least,
    make,
    meet,
    most,
)

Forward = Callable[..., Interval]
MEMORY = 1 << 14  # the same products come again in each round of an induction


@lru_cache(MEMORY)
def add(a: Interval, b: Interval) -> Interval:
    """a + b; infinite values of unlike signs have no sum."""
    if a.empty or b.empty:
        return replace(EMPTY, nan=a.nan or b.nan)
    clash = (_infinite(a, 1) and _infinite(b, -1)) or (_infinite(a, -1) and _infinite(b, 1))
    low = (_plus(a.low, b.low, -INF), _both(a.low, a.low_in, b.low, b.low_in))
    high = (_plus(a.high, b.high, INF), _both(a.high, a.high_in, b.high, b.high_in))
    return make(low, high, a, b, whole=a.whole and b.whole, nan=clash)


def _plus(a: End, b: End, infinite: float) -> End:
    return infinite if infinite in (a, b) else a + b


def _both(a: End, a_in: bool, b: End, b_in: bool) -> bool:
    """Whether the sum of two ends is reached: an infinite one needs no other."""
    if math.isinf(a) or math.isinf(b):
        return (math.isinf(a) and a_in) or (math.isinf(b) and b_in)
    return a_in and b_in


def _infinite(a: Interval, sign: int) -> bool:
    """Whether the value can be infinite."""
    return (a.high == INF and a.high_in) if sign > 0 else (a.low == -INF and a.low_in)


def negative(a: Interval) -> Interval:
    """-a."""
    return replace(a, low=-a.high, high=-a.low, low_in=a.high_in, high_in=a.low_in)


def subtract(a: Interval, b: Interval) -> Interval:
    """a - b."""
    return add(a, negative(b))


@lru_cache(MEMORY)
def multiply(a: Interval, b: Interval) -> Interval:
    """a*b; 0 times an infinite value is undefined."""
    if a.empty or b.empty:
        return replace(EMPTY, nan=a.nan or b.nan)
    clash = (0 in a and not b.finite) or (0 in b and not a.finite)
    ends = [_times(x, y) for x in ((a.low, a.low_in), (a.high, a.high_in))
            for y in ((b.low, b.low_in), (b.high, b.high_in))]
    return make(least(ends), most(ends), a, b, whole=a.whole and b.whole,
                hole=0 not in a and 0 not in b, nan=clash)


def _times(x: Mark, y: Mark) -> Mark:
    """The product of two ends; 0 times anything is 0, reached as soon as the 0 is."""
    if x[0] == 0 or y[0] == 0:
        return ZERO, (x[1] and x[0] == 0) or (y[1] and y[0] == 0)
    if math.isinf(x[0]) or math.isinf(y[0]):
        return INF if (x[0] > 0) == (y[0] > 0) else -INF, x[1] and y[1]
    return x[0] * y[0], x[1] and y[1]


def inverse(a: Interval) -> Interval:
    """1/a, undefined at 0."""
    nan = a.nan or 0 in a
    rest = without_zero(a)
    if rest.empty:
        return replace(EMPTY, nan=nan)
    if rest.low < 0 < rest.high:
        return Interval(hole=rest.finite, nan=nan)
    low, high = (_invert(rest.high, rest.high_in, rest.low < 0),
                 _invert(rest.low, rest.low_in, rest.low < 0))
    return make(low, high, hole=rest.finite, nan=nan)


def without_zero(a: Interval) -> Interval:
    """The same without 0."""
    return meet(a, Interval(-INF, INF, True, True, hole=True, nan=True))


def _invert(end: End, closed: bool, below: bool) -> Mark:
    """1/end; at 0 it has the sign of the interval."""
    if end == 0:
        return (-INF if below else INF), False
    if isinstance(end, float):
        return ZERO, closed
    return 1 / end, closed


def divide(a: Interval, b: Interval) -> Interval:
    """a/b, undefined where b is 0 or both are infinite."""
    found = multiply(a, inverse(b))
    clash = not a.finite and not b.finite
    return replace(found, nan=found.nan or clash)


def magnitude(a: Interval) -> Interval:
    """abs(a)."""
    if a.empty or a.low >= 0:
        return a
    if a.high <= 0:
        return negative(a)
    high = most(((-a.low, a.low_in), (a.high, a.high_in)))
    return make((ZERO, 0 in a), high, a, whole=a.whole, hole=a.hole)


def sign(a: Interval) -> Interval:
    """-1, 0 or 1."""
    if a.empty:
        return a
    low = -ONE if a.low < 0 else ZERO if 0 in a else ONE
    high = ONE if a.high > 0 else ZERO if 0 in a else -ONE
    return make((low, True), (high, True), a, whole=True, hole=a.hole)


def bracketed(a: Interval, function: Callable[[End], tuple[End, End]]) -> tuple[Mark, Mark]:
    """The ends of an increasing function of an interval; inexact ends are outside of it."""
    (low, low_up), (high_down, high) = function(a.low), function(a.high)
    return ((low, a.low_in if low == low_up else not math.isinf(low)),
            (high, a.high_in if high == high_down else not math.isinf(high)))


def _root(value: End) -> tuple[End, End]:
    return (INF, INF) if isinstance(value, float) else root(value, 2)


def square_root(a: Interval) -> Interval:
    """sqrt(a), undefined below 0."""
    rest = meet(a, Interval(ZERO, INF, True, True, nan=True))
    nan = a.nan or (not a.empty and a.low < 0)
    if rest.empty:
        return replace(EMPTY, nan=nan)
    return make(*bracketed(rest, _root), hole=0 not in rest, nan=nan)


def exponent(a: Interval) -> Interval:
    """exp(a) > 0."""
    if a.empty:
        return a
    return make(*bracketed(a, exponential), a, hole=a.low != -INF or not a.low_in)


def natural_log(a: Interval) -> Interval:
    """ln(a), undefined at 0 and below."""
    rest = meet(a, Interval(ZERO, INF, False, True, nan=True))
    nan = a.nan or (not a.empty and not a.positive)
    if rest.empty:
        return replace(EMPTY, nan=nan)
    return make(*bracketed(rest, logarithm), nan=nan)


def increasing(function: Callable[[float], float], limit: Interval) -> Forward:
    """An odd increasing function of `math` with bounded values."""
    def forward(a: Interval) -> Interval:
        if a.empty:
            return a
        side = NONNEGATIVE if a.low >= 0 else negative(NONNEGATIVE) if a.high <= 0 else REAL
        found = meet(make(*bracketed(a, lambda end: bracket(function, end)), a),
                     replace(limit, nan=True))
        return meet(found, replace(side, hole=0 not in a, nan=True))

    return forward


def bounded(a: Interval) -> Interval:
    """sin, cos: undefined for infinite values only."""
    return a if a.empty else replace(UNIT, nan=a.nan or not a.finite)


def angle(a: Interval, b: Interval) -> Interval:
    """atan2."""
    bound = Fraction(math.pi) + Fraction(1, 10**12)
    if a.empty or b.empty:
        return replace(EMPTY, nan=a.nan or b.nan)
    low = ZERO if a.low >= 0 else -bound
    high = ZERO if a.high <= 0 and b.positive else bound
    return Interval(low, high, True, True, nan=a.nan or b.nan)


def stepped(function: Callable[[Fraction], int]) -> Forward:
    """floor and round: increasing, whole."""
    def forward(a: Interval) -> Interval:
        if a.empty:
            return a
        low = a.low if isinstance(a.low, float) else Fraction(function(a.low))
        high = a.high if isinstance(a.high, float) else Fraction(function(a.high))
        return make((low, a.low_in or low != -INF), (high, a.high_in or high != INF), a,
                    whole=True)

    return forward


def modulo(a: Interval, b: Interval) -> Interval:
    """a mod b, with the sign of b; undefined where b is 0."""
    nan = a.nan or b.nan or 0 in b or not a.finite or not b.finite
    rest = without_zero(b)
    if a.empty or rest.empty:
        return replace(EMPTY, nan=nan)
    low = (ZERO, True) if rest.low >= 0 else (rest.low, False)
    high = (ZERO, True) if rest.high <= 0 else (rest.high, False)
    return make(low, high, whole=a.whole and b.whole, nan=nan)


def least_of(a: Interval, b: Interval) -> Interval:
    """min(a, b)."""
    if a.empty or b.empty:
        return replace(EMPTY, nan=a.nan or b.nan)
    high = min((x.high, x.high_in) for x in (a, b))
    low = least((x.low, x.low_in) for x in (a, b))
    return make(low, high, a, b, whole=a.whole and b.whole, hole=0 not in a and 0 not in b)


def most_of(a: Interval, b: Interval) -> Interval:
    """max(a, b)."""
    return negative(least_of(negative(a), negative(b)))
