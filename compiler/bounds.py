"""Rational bounds of roots, powers and elementary functions of rational numbers.

`below` and `above` bracket the true value; where it is rational and cheap to find, both are it.
An end of an interval is a `Fraction` or an infinite float; no other float is one.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from fractions import Fraction

End = Fraction | float
INF = math.inf
ZERO, ONE = Fraction(0), Fraction(1)
# Beyond these an exact power is no longer cheap, and a float bound is taken.
_LARGEST_POWER, _LARGEST_BASE = 64, 10**12
# Functions of math are right to a few units in the last place, about 2e-16; this is more.
_SLACK = Fraction(1, 10**12)
_DIGITS = 2**80


def rounded(value: float) -> tuple[Fraction, End]:
    """A bracket of a nonnegative number that a function of math gave."""
    if math.isinf(value):
        return Fraction(sys.float_info.max), INF
    near = Fraction(value)
    # Below the normal numbers a float has no relative precision.
    tiny = Fraction(sys.float_info.min)
    return max(ZERO, near * (1 - _SLACK) - tiny), near * (1 + _SLACK) + tiny


def root(value: Fraction, degree: int) -> tuple[Fraction, Fraction]:
    """A bracket of the root of a nonnegative number."""
    top, bottom = _whole_root(value.numerator, degree), _whole_root(value.denominator, degree)
    if top**degree == value.numerator and bottom**degree == value.denominator:
        return (exact := Fraction(top, bottom)), exact
    # floor(d*(a/b)^(1/n)) with d large in proportion: d such that the root has many digits.
    size = max(1, value.denominator.bit_length() - value.numerator.bit_length())
    scale = _DIGITS * 2 ** (size // degree + 1)
    floor = _whole_root(value.numerator * scale**degree // value.denominator, degree)
    return Fraction(floor, scale), Fraction(floor + 1, scale)


def _whole_root(value: int, degree: int) -> int:
    """The largest whole number whose power is no more than ``value`` (Newton from above)."""
    if value < 2 or degree == 1:
        return value
    if degree == 2:
        return math.isqrt(value)
    guess = 1 << -(-value.bit_length() // degree)
    while True:
        better = ((degree - 1) * guess + value // guess ** (degree - 1)) // degree
        if better >= guess:
            return guess
        guess = better


def power(base: Fraction, exponent: Fraction) -> tuple[Fraction, End]:
    """A bracket of ``base^exponent`` for a nonnegative base and a nonnegative exponent."""
    if base in (ZERO, ONE) or exponent == 0:
        value = ONE if exponent == 0 else base
        return value, value
    small = max(base.numerator, base.denominator) < _LARGEST_BASE
    if small and exponent.numerator <= _LARGEST_POWER and exponent.denominator <= _LARGEST_POWER:
        return root(base**exponent.numerator, exponent.denominator)
    try:
        log = float(exponent) * (math.log(base.numerator) - math.log(base.denominator))
        low, high = rounded(math.exp(log)) if abs(log) < 700 else (
            (ZERO, Fraction(1, 10**300)) if log < 0 else rounded(INF))
    except OverflowError:
        low, high = (ZERO, ONE) if base < 1 else (ONE, INF)
    # The error of the exponent counts as often as the exponent is large.
    low, high = low * (1 - 700 * _SLACK), high * (1 + 700 * _SLACK) if high != INF else INF
    return (low, min(high, ONE)) if base < 1 else (max(low, ONE), high)


def bracket(function: Callable[[float], float], value: End) -> tuple[End, End]:
    """A bracket of an increasing function of `math` whose values are of moderate size."""
    try:
        near = function(float(value))
    except OverflowError:
        return (Fraction(sys.float_info.max), INF) if value > 0 else (-INF, INF)
    if math.isinf(near):
        return near, near
    slack = _SLACK * (1 + abs(Fraction(near)))
    return Fraction(near) - slack, Fraction(near) + slack


def exponential(value: End) -> tuple[End, End]:
    """A bracket of exp; it is never negative."""
    if value == -INF:
        return ZERO, ZERO
    if value in (0, INF):
        return (ONE, ONE) if value == 0 else (INF, INF)
    if value > 700:
        return Fraction(sys.float_info.max), INF
    if value < -700:
        return ZERO, Fraction(1, 10**300)
    low, high = rounded(math.exp(float(value)))
    return low * (1 - 700 * _SLACK), high * (1 + 700 * _SLACK)


def logarithm(value: End) -> tuple[End, End]:
    """A bracket of ln of a positive number; of 0 it is -inf."""
    if value in (0, INF):
        near = -INF if value == 0 else INF
        return near, near
    if value == 1:
        return ZERO, ZERO
    assert isinstance(value, Fraction)
    near = math.log(value.numerator) - math.log(value.denominator)
    slack = _SLACK * (1 + abs(Fraction(near)))
    return Fraction(near) - slack, Fraction(near) + slack
