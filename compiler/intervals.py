"""Sets of numbers for sound reasoning: intervals of the extended reals with exact ends.

An `Interval` holds every value that a quantity can have. Its ends are rational or infinite, open or
closed; an infinite end is closed only if the value can be infinite itself (the constant `inf`).
``whole``: every value is a whole number. ``hole``: 0 is not among them, though it may lie between
the ends. ``nan``: the value may be undefined. Conditions are intervals in {0, 1}.

`EMPTY` is the interval of what cannot happen; it stays empty through every operation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from thetaprime.bounds import INF, ONE, ZERO, End
from thetaprime.ir import Range

# An end and whether it belongs to the interval.
Mark = tuple[End, bool]


@dataclass(frozen=True, slots=True)
class Interval:
    """Values from ``low`` to ``high``; ``low_in`` and ``high_in``: the ends belong to it."""

    low: End = -INF
    high: End = INF
    low_in: bool = False
    high_in: bool = False
    whole: bool = False
    hole: bool = False
    nan: bool = False

    @property
    def empty(self) -> bool:
        """Whether no value is left (the value may still be undefined)."""
        if self.low < self.high:
            return False
        return self.low > self.high or not (self.low_in and self.high_in) or (
            self.hole and self.low == 0)

    @property
    def single(self) -> bool:
        """Whether one finite value is left."""
        return self.low == self.high and not self.empty and not math.isinf(self.low)

    @property
    def finite(self) -> bool:
        """Whether every value is finite."""
        return not ((self.low_in and self.low == -INF) or (self.high_in and self.high == INF))

    @property
    def positive(self) -> bool:
        """Every value is above 0."""
        return self.low > 0 or (self.low == 0 and (self.hole or not self.low_in))

    @property
    def negative(self) -> bool:
        """Every value is below 0."""
        return self.high < 0 or (self.high == 0 and (self.hole or not self.high_in))

    @property
    def nonzero(self) -> bool:
        """Every value is above 0, or every value is below."""
        return self.positive or self.negative

    @property
    def nonnegative(self) -> bool:
        """No value is below 0."""
        return self.low >= 0

    def __contains__(self, value: Fraction | int | float) -> bool:
        """Whether a number lies in the interval."""
        if value != value:
            return self.nan
        above = value >= self.low if self.low_in else value > self.low
        below = value <= self.high if self.high_in else value < self.high
        fits = not self.whole or math.isinf(value) or value == math.floor(value)
        return above and below and fits and not (self.hole and value == 0)

    def within(self, other: Interval) -> bool:
        """Whether every value, undefined ones too, is one of the other's."""
        if self.nan and not other.nan:
            return False
        if self.empty:
            return True
        low = self.low > other.low or (self.low == other.low and (other.low_in or not self.low_in))
        high = self.high < other.high or (
            self.high == other.high and (other.high_in or not self.high_in))
        return low and high and self.whole >= other.whole and not (other.hole and 0 in self)

    def __str__(self) -> str:
        if self.empty:
            return "nothing"
        if self.single:
            return str(self.low)
        return (f"{'[' if self.low_in else '('}{self.low}, {self.high}"
                f"{']' if self.high_in else ')'}")


EMPTY = Interval(ZERO, ZERO)
REAL = Interval()
TRUE = Interval(ONE, ONE, True, True, True)
FALSE = Interval(ZERO, ZERO, True, True, True)
EITHER = Interval(ZERO, ONE, True, True, True)
UNIT = Interval(-ONE, ONE, True, True)
NONNEGATIVE = Interval(ZERO, INF, True)
POSITIVE = Interval(ZERO, INF)
COUNT = Interval(ONE, INF, True, whole=True)


def point(value: End) -> Interval:
    """One value."""
    whole = isinstance(value, Fraction) and value.denominator == 1
    return Interval(value, value, True, True, whole)


def of_range(bounds: Range | None, whole: bool = False) -> Interval:
    """The declared range of a hyperparameter."""
    if bounds is None:
        return Interval(whole=whole)
    low = -INF if bounds.low is None else bounds.low
    high = INF if bounds.high is None else bounds.high
    found = Interval(low, high, bounds.low_closed and low != -INF,
                     bounds.high_closed and high != INF, whole)
    return tidy(found)


def tidy(a: Interval) -> Interval:
    """The same set, its ends as near as they can be: whole numbers have closed ends."""
    if a.empty:
        return replace(EMPTY, nan=a.nan)
    if a.whole:
        if isinstance(a.low, Fraction):
            up = math.floor(a.low) + 1 if not a.low_in else math.ceil(a.low)
            a = replace(a, low=Fraction(up), low_in=True)
        if isinstance(a.high, Fraction):
            down = math.ceil(a.high) - 1 if not a.high_in else math.floor(a.high)
            a = replace(a, high=Fraction(down), high_in=True)
        if a.hole and a.low == 0:
            a = replace(a, low=ONE)
        if a.hole and a.high == 0:
            a = replace(a, high=-ONE)
    if a.hole and a.low == 0:
        a = replace(a, low_in=False)
    if a.hole and a.high == 0:
        a = replace(a, high_in=False)
    if a.empty:
        return replace(EMPTY, nan=a.nan)
    if a.single and not a.whole:
        return replace(a, whole=point(a.low).whole)
    return a


def make(low: Mark, high: Mark, *sources: Interval, **flags: bool) -> Interval:
    """An interval of two ends, undefined where one of its sources may be."""
    nan = flags.pop("nan", False) or any(s.nan for s in sources)
    return tidy(Interval(low[0], high[0], low[1], high[1], nan=nan, **flags))


def least(marks: Iterable[Mark]) -> Mark:
    """The lowest end; a closed one before an open one at the same place."""
    return min(marks, key=lambda m: (m[0], not m[1]))


def most(marks: Iterable[Mark]) -> Mark:
    """The highest end."""
    return max(marks, key=lambda m: (m[0], m[1]))


def hull(*parts: Interval) -> Interval:
    """The least interval around all of them."""
    nan = any(p.nan for p in parts)
    some = [p for p in parts if not p.empty]
    if not some:
        return replace(EMPTY, nan=nan)
    return make(least((p.low, p.low_in) for p in some), most((p.high, p.high_in) for p in some),
                whole=all(p.whole for p in some), hole=all(0 not in p for p in some), nan=nan)


def meet(a: Interval, b: Interval) -> Interval:
    """What lies in both."""
    if a.empty or b.empty:
        return replace(EMPTY, nan=a.nan and b.nan)
    low = most((x.low, not x.low_in) for x in (a, b))
    high = least((x.high, not x.high_in) for x in (a, b))
    return tidy(Interval(low[0], high[0], not low[1], high[0] != high[0] or not high[1],
                         a.whole or b.whole, a.hole or b.hole, a.nan and b.nan))


def defined(a: Interval) -> Interval:
    """The same without the undefined."""
    return replace(a, nan=False) if a.nan else a
