"""Values of exact algebra: quotients of polynomials in atoms, each with an interval around it.

An atom is a symbol, or an operation that is not rational, of values in normal form. What operations
have in common is written out, so that equal values meet in one form:

    max(a, b) = (a + b + |a - b|)/2        |p| = p*sign(p)         [p > 0] = (sign(p)^2 + sign(p))/2
    sqrt(c^2*p) = |c|*sqrt(p)              b^(t + 1) = b*b^t       sum(c*p) = c*sum(p)

Identities hold where both sides are defined. ``shifted`` holds the bases b of b^(t - k), k > 0, in
which b was divided by: they are not 0 in what follows.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import isqrt

from thetaprime.claims.polynomials import (
    ONE,
    UNIT,
    Monomial,
    Poly,
    Ratio,
    common,
    number,
    over,
    ratio,
    scaled,
    variable,
)
from thetaprime.forward import FORWARD
from thetaprime.intervals import NONNEGATIVE, REAL, Interval, meet, point

# A product of polynomials with more terms than this is not written out.
MOST_PRODUCTS, MOST_INSIDE = 600, 60
NONZERO = Interval(hole=True)
# Along what a value varies: the entries of a tensor, the tensors of a model, named axes.
Varies = frozenset[str]


@dataclass(frozen=True)
class Atom:
    """``key`` says what it is; ``varies`` along what; its values lie in ``interval``."""

    key: tuple[Hashable, ...]
    varies: Varies
    interval: Interval

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True)
class Value:
    """A quotient of polynomials in atoms, and an interval that it lies in."""

    ratio: Ratio
    interval: Interval

    def __bool__(self) -> bool:
        return bool(self.ratio)


@dataclass
class Algebra:
    """Numbers atoms and knows what is known of their signs. ``numbers`` are the same for all that
    is compared; ``atoms`` and what is known of them belong to one algebra. ``signs``: intervals of
    polynomials whose leading coefficient is 1 or -1; ``known``: intervals of atoms that are
    assumed. ``base``: the algebra in which assumptions were found; what it knows holds here too;
    ``assumed``: these assumptions; ``split``: along what they vary."""

    numbers: dict[tuple[Hashable, ...], int] = field(default_factory=dict)
    atoms: dict[int, Atom] = field(default_factory=dict)
    signs: dict[Poly, Interval] = field(default_factory=dict)
    known: dict[int, Interval] = field(default_factory=dict)
    base: Algebra | None = None
    assumed: tuple[tuple[Poly, Interval], ...] = ()
    split: Varies = frozenset()
    depth: int = 0
    monomials: dict[Monomial, Interval] = field(default_factory=dict)
    learned: list[Poly] = field(default_factory=list)
    shifted: set[Ratio] = field(default_factory=set)

    def narrowed(self, poly: Poly, interval: Interval) -> Algebra:
        """An algebra for the part of all cases in which a polynomial lies in an interval."""
        found = Algebra(self.numbers, signs=dict(self.signs), known=dict(self.known), base=self,
                        assumed=(*self.assumed, (poly, interval)),
                        split=self.split | self.varies(Ratio(poly)), depth=self.depth + 1)
        found.assume(poly, interval)
        return found

    # Atoms.

    def atom(self, key: tuple[Hashable, ...], varies: Varies, interval: Interval) -> Value:
        """The atom of a key, the same whenever it is asked for."""
        number = self.numbers.setdefault(key, len(self.numbers))
        if number not in self.atoms:
            self.atoms[number] = Atom(key, varies, meet(interval, self.known.get(number, REAL)))
        found = self.atoms[number].interval
        if found.single:
            assert isinstance(found.low, Fraction)
            return self.number(found.low)
        return Value(Ratio(variable(number)), found)

    def assume(self, poly: Poly, interval: Interval) -> None:
        """Takes a polynomial to lie in an interval around or beside 0, with what follows from it.
        Called before any atom of it is asked for."""
        if poly.constant is not None:
            return
        scale = poly.terms[poly.leading]
        self._keep(scaled(poly, 1 / scale), FORWARD["*"](interval, point(1 / scale)))
        parts = list(poly.terms.items())
        if len(parts) > 1:
            sides = {self._monomial_known(m, c).nonnegative for m, c in parts}
            if interval.single and interval.low == 0 and sides == {True}:
                for monomial, coefficient in parts:  # nonnegative terms with the sum 0
                    self.assume(Poly({monomial: coefficient}), interval)
            return
        ((monomial, coefficient),) = parts
        if 0 not in interval and monomial != ((monomial[0][0], 1),):
            for atom, _ in monomial:  # a product that is not 0 has no factor that is
                self._about(atom, NONZERO)
                sign = self.numbers.get(("sign", variable(atom)))
                if sign is not None:
                    self._about(sign, NONZERO)
            return
        if (inside := self._absolute(monomial)) is not None and interval.single:
            self.assume(variable(inside), interval)
            return
        if len(monomial) != 1:
            if interval.single and interval.low == 0:
                left = [a for a, _ in monomial if not self._interval_known(a).positive]
                if len(left) == 1:
                    self.assume(variable(left[0]), interval)
            return
        ((atom, exponent),) = monomial
        if exponent == 1:
            self._about(atom, FORWARD["*"](interval, point(1 / coefficient)))
        elif interval.single and interval.low == 0:
            self.assume(variable(atom), interval)

    def _absolute(self, monomial: Monomial) -> int | None:
        """a, where a monomial is a*sign(a)."""
        for atom, _ in monomial:
            if dict(monomial) == {atom: 1, self.numbers.get(("sign", variable(atom))): 1}:
                return atom
        return None

    def _about(self, atom: int, interval: Interval) -> None:
        """What lies in an interval for an atom that does."""
        self.known[atom] = meet(self.known.get(atom, REAL), interval)
        zero = interval.single and interval.low == 0
        match self.key(atom):
            case ("root", int(), Poly() as inside) if zero or interval.positive:
                self.assume(inside, interval if zero else _sign_only(interval))
            case ("sum", _, Ratio() as inside) if zero and self._ratio_known(inside).nonnegative:
                self.assume(inside.num, interval)

    def known_atom(self, atom: int) -> Atom:
        """An atom of this algebra or of those in which its assumptions were found."""
        if atom in self.atoms or self.base is None:
            return self.atoms[atom]
        found = self.base.known_atom(atom)
        return replace(found, interval=meet(found.interval, self.known.get(atom, REAL)))

    def key(self, atom: int) -> tuple[Hashable, ...]:
        """What an atom is."""
        return self.known_atom(atom).key

    def _interval_known(self, atom: int) -> Interval:
        """Where an atom lies, asked for already or not."""
        found = self.known.get(atom, REAL)
        if self.base is None:
            return meet(found, self.atoms[atom].interval) if atom in self.atoms else found
        return meet(found, self.base._interval_known(atom))

    def _monomial_known(self, monomial: Monomial, coefficient: Fraction) -> Interval:
        found = point(coefficient)
        for atom, exponent in monomial:
            found = FORWARD["*"](found, FORWARD["^"](self._interval_known(atom),
                                                     point(Fraction(exponent))))
        return found

    def _ratio_known(self, found: Ratio) -> Interval:
        if len(found.num.terms) != 1 or len(found.den.terms) != 1:
            return REAL
        ((top, one),), ((bottom, other),) = found.num.terms.items(), found.den.terms.items()
        return FORWARD["/"](self._monomial_known(top, one), self._monomial_known(bottom, other))

    def _keep(self, poly: Poly, interval: Interval) -> None:
        self.signs[poly] = meet(self.signs.get(poly, REAL), interval)

    def varies(self, found: Ratio) -> Varies:
        """Along what a quotient varies."""
        return frozenset().union(*(self.known_atom(a).varies for a in found.atoms))

    # Arithmetic.

    def number(self, value: Fraction | int) -> Value:
        return Value(Ratio(number(value)), point(Fraction(value)))

    def value(self, found: Ratio, interval: Interval = REAL) -> Value:
        """A value of which more is known than its operations say."""
        constant = found.constant
        if constant is not None:
            return self.number(constant)
        known = replace(meet(interval, self.interval_of(found)), nan=False)
        if known.single:
            assert isinstance(known.low, Fraction)
            return self.number(known.low)
        self._learn(found, known)
        return Value(found, known)

    def add(self, a: Value, b: Value) -> Value:
        one, two = a.ratio, b.ratio
        if one.den == two.den:
            found = ratio(one.num + two.num, one.den)
        elif _large(one.num, two.den) or _large(one.den, two.num):
            return self._opaque("+", a, b)
        else:
            found = ratio(self.settled(one.num * two.den + two.num * one.den),
                          self.settled(one.den * two.den))
        return self.value(found, FORWARD["+"](a.interval, b.interval))

    def negative(self, a: Value) -> Value:
        return Value(Ratio(-a.ratio.num, a.ratio.den), FORWARD["neg"](a.interval))

    def subtract(self, a: Value, b: Value) -> Value:
        return replace(self.add(a, self.negative(b)))

    def _opaque(self, op: str, a: Value, b: Value) -> Value:
        """What is too large to be written out: the same for the same operands."""
        one, other = sorted((a.ratio, b.ratio), key=hash)
        return self.call(op, [Value(one, a.interval), Value(other, b.interval)],
                         self.varies(one) | self.varies(other),
                         replace(FORWARD[op](a.interval, b.interval), nan=False))

    def multiply(self, a: Value, b: Value) -> Value:
        if _large(a.ratio.num, b.ratio.num) or _large(a.ratio.den, b.ratio.den):
            return self._opaque("*", a, b)
        found = ratio(self.settled(a.ratio.num * b.ratio.num),
                      self.settled(a.ratio.den * b.ratio.den))
        return self.value(found, FORWARD["*"](a.interval, b.interval))

    def divide(self, a: Value, b: Value) -> Value:
        """Raises ZeroDivisionError where b is 0 in every point."""
        if not b.ratio:
            raise ZeroDivisionError
        return self.multiply(a, Value(ratio(b.ratio.den, b.ratio.num),
                                      FORWARD["/"](point(Fraction(1)), b.interval)))

    def power(self, a: Value, exponent: int) -> Value:
        """A whole power."""
        if exponent < 0:
            return self.divide(self.number(1), self.power(a, -exponent))
        found = self.number(1)
        for _ in range(exponent):
            found = self.multiply(found, a)
        interval = FORWARD["^"](a.interval, point(Fraction(exponent)))
        return self.value(found.ratio, meet(found.interval, interval)) if exponent else found

    def settled(self, poly: Poly) -> Poly:
        """The polynomial with powers of roots and signs reduced: r^n = p, s^3 = s, s*|..."""
        while True:
            changed = False
            total = number(0)
            for monomial, coefficient in poly.terms.items():
                term = self._reduced(monomial)
                changed |= term is not None
                total = total + scaled(Poly({monomial: Fraction(1)}) if term is None else term,
                                       coefficient)
            poly = total
            if not changed:
                return poly

    def _reduced(self, monomial: Monomial) -> Poly | None:
        for place, (atom, exponent) in enumerate(monomial):
            key = self.known_atom(atom).key
            rest = Poly({monomial[:place] + monomial[place + 1:]: Fraction(1)})
            match key:
                case ("root", int(degree), Poly() as inside) if exponent >= degree:
                    return rest * inside.power(exponent // degree) * variable(
                        atom, exponent % degree)
                case ("sign", Poly() as inside):
                    single = _single(inside)
                    if single is not None and exponent >= 2 and over(rest.leading, (
                            (single, 1),)) is not None:
                        return rest * variable(atom, exponent - 2)  # s^2*a = a
                    if exponent >= 3:
                        return rest * variable(atom, exponent - 2)
                    if exponent == 2 and self.known_atom(atom).interval.low >= 0:
                        return rest * variable(atom)  # s is 0 or 1
                    if exponent == 2 and 0 not in self.known_atom(atom).interval:
                        return rest  # s is -1 or 1
        return None

    # Signs.

    def interval_of(self, found: Ratio) -> Interval:
        """An interval that a quotient lies in, from those of its polynomials."""
        num = self.interval(found.num)
        return num if found.den == ONE else FORWARD["/"](num, self.interval(found.den))

    def interval(self, poly: Poly) -> Interval:
        constant = poly.constant
        if constant is not None:
            return point(constant)
        scale = abs(poly.terms[poly.leading])
        known = self.signs.get(scaled(poly, 1 / scale), REAL)
        if (other := self.signs.get(scaled(poly, -1 / scale))) is not None:
            known = meet(known, FORWARD["neg"](other))
        known = FORWARD["*"](known, point(scale))
        shared = common([poly])
        if shared and len(poly.terms) > 1:
            rest = _over(poly, shared)
            return meet(known, FORWARD["*"](self._monomial(shared), self.interval(rest)))
        total = point(Fraction(0))
        for monomial, coefficient in poly.terms.items():
            total = FORWARD["+"](total, FORWARD["*"](point(coefficient), self._monomial(monomial)))
        return meet(known, total)

    def _monomial(self, monomial: Monomial) -> Interval:
        known = self.monomials.get(monomial)
        if known is not None:
            return known
        found = point(Fraction(1))
        for atom, exponent in monomial:
            found = FORWARD["*"](found, FORWARD["^"](self.known_atom(atom).interval,
                                                     point(Fraction(exponent))))
        self.monomials[monomial] = found
        return found

    def learn(self, a: Value) -> None:
        """Keeps that a value is not negative."""
        if a.ratio.constant is None and not a.interval.nonnegative:
            self._learn(a.ratio, NONNEGATIVE)
            den = self.interval(a.ratio.den)
            if den.nonzero:
                self.learned.append(a.ratio.num if den.positive else -a.ratio.num)

    def _learn(self, found: Ratio, interval: Interval) -> None:
        """Keeps the sign of the numerator, where that of the denominator is known."""
        if not (interval.nonnegative or FORWARD["neg"](interval).nonnegative):
            return
        den = self.interval(found.den)
        if den.nonzero:
            side = interval if den.positive else FORWARD["neg"](interval)
            num = found.num
            if found.den != ONE:
                side = _sign_only(side)
            scale = abs(num.terms[num.leading])
            self._keep(scaled(num, 1 / scale), FORWARD["*"](side, point(1 / scale)))

    def sign(self, a: Value) -> Value:
        """-1, 0 or 1: the product of the signs of its factors."""
        return self.multiply(self._sign(a.ratio.num), self._sign(a.ratio.den))

    def _sign(self, poly: Poly) -> Value:
        interval = self.interval(poly)
        if not poly or interval.nonzero:
            return self.number(0 if not poly else 1 if interval.positive else -1)
        shared = common([poly])
        rest = _over(poly, shared)
        found = self.number(1)
        for atom, exponent in shared:
            for _ in range(2 - exponent % 2):
                found = self.multiply(found, self._sign_of_one(variable(atom)))
        if rest.constant is not None:
            return found if rest.constant > 0 else self.negative(found)
        return self.multiply(found, self._sign_of_one(rest))

    def _sign_of_one(self, poly: Poly) -> Value:
        """The sign of a polynomial without common factors; those of p and -p go together."""
        lead = poly.terms[poly.leading]
        interval = self.interval(poly)
        if interval.nonzero:
            return self.number(1 if interval.positive else -1)
        own = scaled(poly, 1 / lead)
        signed = FORWARD["sign"](interval if lead > 0 else FORWARD["neg"](interval))
        found = self.atom(("sign", own), self.varies(Ratio(poly)), signed)
        return found if lead > 0 else self.negative(found)

    def absolute(self, a: Value) -> Value:
        """|a| = a*sign(a)."""
        found = self.multiply(a, self.sign(a))
        return self.value(found.ratio, FORWARD["abs"](a.interval))

    # Roots.

    def root(self, a: Value, degree: int = 2) -> Value:
        """The root of a value that is nowhere negative: factors leave it one by one."""
        from thetaprime.claims.factors import factors

        found, kept = self.number(1), ONE
        den = a.ratio.den
        if len(a.ratio.num.terms) * len(den.terms) ** (degree - 1) > MOST_INSIDE:
            return self._root_whole(a, degree)
        # root(p/q) = root(p*q^(n - 1))/|q|
        constant, above = factors(a.ratio.num)
        scale, under = factors(den)
        constant *= scale ** (degree - 1)
        parts = dict(above)
        for part, exponent in under:
            parts[part] = parts.get(part, 0) + exponent * (degree - 1)
        for part, exponent in parts.items():
            down = FORWARD["neg"](self.interval(part)).nonnegative
            factor = -part if down else part
            constant = -constant if down and exponent % 2 else constant
            outside, left = divmod(exponent, degree)
            if outside:
                one = self.value(Ratio(factor))
                one = self.absolute(one) if degree % 2 == 0 else one
                found = self.multiply(found, self.power(one, outside))
            if left and self.interval(factor).nonnegative:
                found = self.multiply(found, self._root_of(factor.power(left), degree))
            elif left:
                kept = kept * factor.power(left)
        left_out, constant = _roots_of(constant, degree)
        kept = scaled(kept, constant)
        if kept != ONE:
            found = self.multiply(found, self._root_of(kept, degree))
        found = self.multiply(found, self.number(left_out))
        below = Value(Ratio(den), self.interval(den))
        found = self.divide(found, self.absolute(below) if degree % 2 == 0 else below)
        interval = FORWARD["sqrt"](a.interval) if degree == 2 else FORWARD["^"](
            a.interval, point(Fraction(1, degree)))
        return self.value(found.ratio, replace(interval, nan=False))

    def _root_whole(self, a: Value, degree: int) -> Value:
        """The root of what is too large to be taken apart; what all terms share leaves it."""
        num, den = a.ratio.num, a.ratio.den
        top, low = common([num]), common([den])
        outside = self.value(ratio(Poly({top: Fraction(1)}), Poly({low: Fraction(1)})))
        if (top or low) and outside.interval.nonnegative:
            rest = self.value(ratio(_over(num, top), _over(den, low)))
            return self.multiply(self.root(outside, degree), self.root(rest, degree))
        interval = FORWARD["^"](a.interval, point(Fraction(1, degree)))
        return self.call("root of", [a], self.varies(a.ratio), replace(interval, nan=False), degree)

    def _root_of(self, poly: Poly, degree: int) -> Value:
        inner = self.interval(poly)
        interval = FORWARD["^"](inner, point(Fraction(1, degree)))
        return self.atom(("root", degree, poly), self.varies(Ratio(poly)),
                         replace(interval, nan=False))

    # Powers with an exponent that is no number.

    def raised(self, base: Value, exponent: Value) -> Value:
        """base^exponent: a product of powers, one for each term of the exponent."""
        constant = exponent.ratio.constant
        if constant is not None:
            return self._to_number(base, constant)
        interval = FORWARD["^"](base.interval, exponent.interval)
        if not base.ratio and exponent.interval.positive:
            return base
        if exponent.ratio.den != ONE or not base.ratio:
            return self._opaque_power(base.ratio, exponent.ratio, interval)
        found = self.number(1)
        for monomial, coefficient in exponent.ratio.num.terms.items():
            if monomial == UNIT:
                if coefficient < 0 and not base.interval.positive:
                    self.shifted.add(base.ratio)
                found = self.multiply(found, self._to_number(base, coefficient))
                continue
            whole = coefficient.denominator == 1
            one = Poly({monomial: Fraction(1) if whole else coefficient})
            part = self._opaque_power(base.ratio, Ratio(one), FORWARD["^"](
                base.interval, self.interval(one)))
            if whole and coefficient < 0 and not base.interval.positive:
                self.shifted.add(base.ratio)
            found = self.multiply(found, self.power(part, int(coefficient) if whole else 1))
        return self.value(found.ratio, interval)

    def _to_number(self, base: Value, exponent: Fraction) -> Value:
        if exponent.denominator == 1:
            return self.power(base, int(exponent))
        return self.power(self.root(base, exponent.denominator), exponent.numerator)

    def _opaque_power(self, base: Ratio, exponent: Ratio, interval: Interval) -> Value:
        if base.constant == 1:
            return self.number(1)
        return self.atom(("power", base, exponent), self.varies(base) | self.varies(exponent),
                         replace(interval, nan=False))

    def call(self, op: str, args: Sequence[Value], varies: Varies, interval: Interval,
             *more: Hashable) -> Value:
        """An operation of which nothing is known but that equal arguments give equal results."""
        return self.atom((op, *(a.ratio for a in args), *more), varies, interval)


def _over(poly: Poly, monomial: Monomial) -> Poly:
    return Poly({over(m, monomial) or UNIT: c for m, c in poly.terms.items()})


def _large(one: Poly, other: Poly) -> bool:
    return len(one.terms) * len(other.terms) > MOST_PRODUCTS


def _single(poly: Poly) -> int | None:
    """The atom that a polynomial is."""
    if len(poly.terms) == 1 and len(poly.leading) == 1 and poly.leading[0][1] == 1:
        return poly.leading[0][0]
    return None


def _sign_only(interval: Interval) -> Interval:
    """All numbers with a sign that the interval has."""
    return Interval(Fraction(0), low_in=not interval.positive) if interval.nonnegative else (
        Interval(high=Fraction(0), high_in=not interval.negative))


def _roots_of(value: Fraction, degree: int) -> tuple[Fraction, Fraction]:
    """What leaves the root of a number, and what stays: sqrt(8/9) = 2/3*sqrt(2)."""
    inside = value.numerator * value.denominator ** (degree - 1)
    outside = Fraction(1, value.denominator)
    candidate = 2
    size = abs(inside)
    if degree == 2 and isqrt(size) ** 2 == size:
        return outside * isqrt(size), Fraction(1 if inside > 0 else -1)
    while candidate**degree <= size and candidate < 1000:
        while size % candidate**degree == 0:
            size //= candidate**degree
            outside *= candidate
        candidate += 1
    return outside, Fraction(size if inside > 0 else -size)
