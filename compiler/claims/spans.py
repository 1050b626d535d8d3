"""Where numbers lie, for `recheck`: an arithmetic of ranges that shares nothing with the one that
the prover uses."""

from __future__ import annotations

from fractions import Fraction
from math import inf
from typing import NamedTuple

from thetaprime.intervals import Interval

End = Fraction | float


class Span(NamedTuple):
    """Numbers from ``low`` to ``high``, finite; the ends belong to it or not; 0 may be left out."""

    low: End
    high: End
    low_in: bool
    high_in: bool
    nonzero: bool = False

    @property
    def positive(self) -> bool:
        """All are above 0."""
        return self.low > 0 or (self.low == 0 and (self.nonzero or not self.low_in))

    @property
    def negative(self) -> bool:
        """All are below 0."""
        return self.high < 0 or (self.high == 0 and (self.nonzero or not self.high_in))

    @property
    def nonnegative(self) -> bool:
        """None is below 0."""
        return self.low >= 0

    def has(self, value: Fraction | int) -> bool:
        """Whether a number is among them."""
        if value == 0 and self.nonzero:
            return False
        above = self.low <= value if self.low_in else self.low < value
        return above and (value <= self.high if self.high_in else value < self.high)


ANYWHERE = Span(-inf, inf, False, False)
ABOVE, BELOW = Span(Fraction(0), inf, True, False), Span(-inf, Fraction(0), False, True)


def one(value: Fraction) -> Span:
    """One number."""
    return Span(value, value, True, True, value != 0)


def span_of(interval: Interval) -> Span:
    """The numbers of an interval."""
    return Span(interval.low, interval.high, interval.low_in, interval.high_in, interval.hole)


def total(a: Span, b: Span) -> Span:
    """a + b."""
    return Span(_add(a.low, b.low), _add(a.high, b.high), a.low_in and b.low_in,
                a.high_in and b.high_in)


def _add(a: End, b: End) -> End:
    return a if isinstance(a, float) else b if isinstance(b, float) else a + b


def product(a: Span, b: Span) -> Span:
    """a*b: its ends are products of ends."""
    ends = [(_times(x, y), (x_in and y_in) or (x == 0 and x_in) or (y == 0 and y_in))
            for x, x_in in ((a.low, a.low_in), (a.high, a.high_in))
            for y, y_in in ((b.low, b.low_in), (b.high, b.high_in))]
    low, high = min(e for e, _ in ends), max(e for e, _ in ends)
    return Span(low, high, any(i for e, i in ends if e == low),
                any(i for e, i in ends if e == high), _nonzero(a) and _nonzero(b))


def _times(a: End, b: End) -> End:
    if a == 0 or b == 0:
        return Fraction(0)
    if isinstance(a, float) or isinstance(b, float):
        return inf if (a > 0) == (b > 0) else -inf
    return a * b


def _nonzero(a: Span) -> bool:
    return a.nonzero or a.positive or a.negative


def raised(a: Span, exponent: int) -> Span:
    """a^exponent, for a whole exponent of at least 1."""
    ends = [(_raised(a.low, exponent), a.low_in), (_raised(a.high, exponent), a.high_in)]
    if exponent % 2:
        return Span(ends[0][0], ends[1][0], a.low_in, a.high_in, a.nonzero)
    top = max(e for e, _ in ends)
    high_in = any(i for e, i in ends if e == top)
    if a.low > 0 or a.high < 0 or a.low == 0 or a.high == 0:
        bottom = min(e for e, _ in ends)
        return Span(bottom, top, any(i for e, i in ends if e == bottom), high_in, a.nonzero)
    return Span(Fraction(0), top, not a.nonzero, high_in, a.nonzero)


def _raised(end: End, exponent: int) -> End:
    if isinstance(end, float):
        return -inf if end < 0 and exponent % 2 else inf
    return end**exponent


def both(a: Span, b: Span) -> Span:
    """What lies in both."""
    low, high = max(a.low, b.low), min(a.high, b.high)
    return Span(low, high, all(s.low_in for s in (a, b) if s.low == low),
                all(s.high_in for s in (a, b) if s.high == high), a.nonzero or b.nonzero)
