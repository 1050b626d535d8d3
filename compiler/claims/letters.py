"""Letters of words: functions of singular values of one matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.polynomials import ONE, Ratio
from thetaprime.intervals import POSITIVE

# The place of a singular value among what quantities vary along.
SPECTRUM = frozenset({"singular value"})
# Higher powers of a sum stay powers.
MOST_OPENED = 4
# Of a letter with equal sides: it is 0 beside the vectors of U, there is nothing beside them, or
# it is h(0) there.
Reach = Literal["thin", "full", "whole"]
Powers = tuple[tuple[Ratio, Ratio], ...]


@dataclass(frozen=True)
class Letter:
    """``h(base)``: ``sides`` say which singular vectors stand left and right of h(s); ``QQ``: a
    power of a positive definite base = Q @ diag(s) @ Q.T. h is the product of ``powers``, each a
    function of s and its exponent. ``axes`` are those of the base; a vector has one."""

    base: Ratio
    axes: tuple[str, ...]
    sides: str
    powers: Powers
    reach: Reach = "thin"

    @property
    def odd(self) -> bool:
        """Whether it maps between the sides, as the base does."""
        return self.sides in ("UV", "VU")

    @property
    def square(self) -> bool:
        return len(self.axes) == 2 and self.axes[0] == self.axes[1]

    @property
    def ends(self) -> tuple[str, ...]:
        """Its own axes."""
        if len(self.axes) == 1:
            return self.axes
        return tuple(self.axes[side == "V"] for side in self.sides)


Word = tuple[Letter, ...]
Sum = list[tuple[Value, Word]]


@dataclass(frozen=True)
class Functions:
    """Functions of singular values as products of powers."""

    algebra: Algebra

    @property
    def s(self) -> Value:
        """A singular value."""
        return self.algebra.atom(("singular value",), SPECTRUM, POSITIVE)

    def itself(self, exponent: int = 1) -> Powers:
        """h(s) = s^exponent."""
        return ((self.s.ratio, self.algebra.number(exponent).ratio),) if exponent else ()

    def raised(self, powers: Powers, by: Value) -> Powers:
        """h^by; where a function of s may be negative only its first power has one meaning."""
        algebra = self.algebra
        return tuple((f, algebra.multiply(algebra.value(e), by).ratio) for f, e in powers)

    def together(self, one: Powers, two: Powers) -> Powers:
        """The product of two functions."""
        algebra, found = self.algebra, dict(one)
        for f, e in two:
            known = algebra.value(found.get(f, algebra.number(0).ratio))
            found[f] = algebra.add(known, algebra.value(e)).ratio
        kept = ((f, e) for f, e in found.items() if e)
        return tuple(sorted(kept, key=lambda p: order(p[0])))

    def whole_power(self, letter: Letter) -> int | None:
        """n of a letter that is the product of n factors A and A.T in turn, n >= 1."""
        match letter.powers:
            case ((f, exponent),) if f == self.s.ratio and letter.sides != "QQ":
                n = exponent.constant
                if n is not None and n.denominator == 1 and 1 <= n <= MOST_OPENED and (
                        (n % 2 == 1) == letter.odd):
                    return int(n)
        return None


def single(value: Ratio) -> int | None:
    """The atom that a value is."""
    match list(value.num.terms.items()):
        case [(((int(atom), 1),), c)] if c == 1 and value.den == ONE:
            return atom
    return None


def order(value: Ratio) -> tuple[object, ...]:
    """Puts values in an order."""
    return (len(value.num.terms), sorted(value.num.terms), sorted(value.num.terms.values()),
            sorted(value.den.terms), sorted(value.den.terms.values()))
