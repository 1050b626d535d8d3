"""Polynomials with rational coefficients in numbered atoms, and quotients of them. Exact: two
polynomials are the same function of independent atoms if and only if they are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

# Atoms by number, each with its exponent, sorted.
Monomial = tuple[tuple[int, int], ...]
UNIT: Monomial = ()


@dataclass(frozen=True)
class Poly:
    """A sum of monomials; no coefficient is 0."""

    terms: Mapping[Monomial, Fraction]

    @cached_property
    def _hash(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __hash__(self) -> int:
        return self._hash

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __add__(self, other: Poly) -> Poly:
        found = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            found[monomial] = found.get(monomial, Fraction(0)) + coefficient
        return Poly({m: c for m, c in found.items() if c})

    def __neg__(self) -> Poly:
        return Poly({m: -c for m, c in self.terms.items()})

    def __sub__(self, other: Poly) -> Poly:
        return self + -other

    def __mul__(self, other: Poly) -> Poly:
        found: dict[Monomial, Fraction] = {}
        for one, a in self.terms.items():
            for two, b in other.terms.items():
                monomial = times(one, two)
                found[monomial] = found.get(monomial, Fraction(0)) + a * b
        return Poly({m: c for m, c in found.items() if c})

    def power(self, exponent: int) -> Poly:
        """The power with an exponent of at least 0."""
        found = ONE
        for _ in range(exponent):
            found = found * self
        return found

    @property
    def constant(self) -> Fraction | None:
        """The number that it is, if it is one."""
        if not self.terms:
            return Fraction(0)
        return self.terms.get(UNIT) if len(self.terms) == 1 else None

    @property
    def atoms(self) -> frozenset[int]:
        return frozenset(atom for monomial in self.terms for atom, _ in monomial)

    @cached_property
    def leading(self) -> Monomial:
        """The largest monomial in a lexicographic order of the atoms."""
        return max(self.terms, key=_order)


ZERO, ONE = Poly({}), Poly({UNIT: Fraction(1)})


def number(value: Fraction | int) -> Poly:
    """A constant polynomial."""
    return Poly({UNIT: Fraction(value)}) if value else ZERO


def variable(atom: int, exponent: int = 1) -> Poly:
    """A power of an atom."""
    return Poly({((atom, exponent),): Fraction(1)}) if exponent else ONE


def times(one: Monomial, two: Monomial) -> Monomial:
    """The product of two monomials."""
    if not one or not two:
        return one or two
    found = dict(one)
    for atom, exponent in two:
        found[atom] = found.get(atom, 0) + exponent
    return tuple(sorted((a, e) for a, e in found.items() if e))


def over(one: Monomial, two: Monomial) -> Monomial | None:
    """The quotient of two monomials, if it is one."""
    found = dict(one)
    for atom, exponent in two:
        left = found.get(atom, 0) - exponent
        if left < 0:
            return None
        found[atom] = left
    return tuple(sorted((a, e) for a, e in found.items() if e))


def common(polys: Iterable[Poly]) -> Monomial:
    """The largest monomial that divides every term."""
    found: dict[int, int] | None = None
    for poly in polys:
        for monomial in poly.terms:
            own = dict(monomial)
            found = own if found is None else {
                a: min(e, own[a]) for a, e in found.items() if a in own}
            if not found:
                return UNIT
    return tuple(sorted((found or {}).items()))


def divided(poly: Poly, divisor: Poly) -> Poly | None:
    """The quotient, if the division leaves nothing."""
    rest, quotient = dict(poly.terms), dict[Monomial, Fraction]()
    lead, by = divisor.leading, divisor.terms[divisor.leading]
    while rest:
        first = max(rest, key=_order)
        monomial = over(first, lead)
        if monomial is None:
            return None
        factor = rest[first] / by
        quotient[monomial] = factor
        for own, coefficient in divisor.terms.items():
            place = times(monomial, own)
            value = rest.get(place, Fraction(0)) - factor * coefficient
            if value:
                rest[place] = value
            else:
                rest.pop(place, None)
    return Poly(quotient)


def _order(monomial: Monomial) -> tuple[tuple[int, int], ...]:
    """Lexicographic: a lower atom counts first, with its exponent."""
    return tuple((-atom, exponent) for atom, exponent in monomial)


@dataclass(frozen=True)
class Ratio:
    """A quotient of polynomials whose denominator has the leading coefficient 1."""

    num: Poly
    den: Poly = ONE

    def __bool__(self) -> bool:
        return bool(self.num)

    @property
    def atoms(self) -> frozenset[int]:
        return self.num.atoms | self.den.atoms

    @property
    def constant(self) -> Fraction | None:
        """The number that it is, if it is one."""
        return self.num.constant if self.den == ONE else None


def ratio(num: Poly, den: Poly = ONE) -> Ratio:
    """The quotient in lower terms: common monomials are gone, and factors that divide exactly."""
    if not num:
        return Ratio(ZERO)
    shared = common((num, den))
    if shared:
        num, den = _without(num, shared), _without(den, shared)
    if len(den.terms) > 1:
        whole = divided(num, den)
        if whole is not None:
            return Ratio(whole)
        if len(num.terms) > 1 and (inverse := divided(den, num)) is not None:
            num, den = ONE, inverse
    scale = 1 / den.terms[den.leading]
    return Ratio(scaled(num, scale), scaled(den, scale))


def scaled(poly: Poly, factor: Fraction) -> Poly:
    """The polynomial times a number other than 0."""
    return poly if factor == 1 else Poly({m: c * factor for m, c in poly.terms.items()})


def _without(poly: Poly, monomial: Monomial) -> Poly:
    found = {over(m, monomial): c for m, c in poly.terms.items()}
    return Poly({m: c for m, c in found.items() if m is not None})


def replaced(poly: Poly, change: Callable[[int], Poly | None]) -> Poly:
    """The polynomial with atoms replaced by polynomials."""
    total = ZERO
    for monomial, coefficient in poly.terms.items():
        term = number(coefficient)
        for atom, exponent in monomial:
            new = change(atom)
            term = term * (variable(atom, exponent) if new is None else new.power(exponent))
        total = total + term
    return total


def coefficients(poly: Poly, atom: int) -> dict[int, Poly]:
    """The polynomials that stand before the powers of an atom."""
    found: dict[int, dict[Monomial, Fraction]] = {}
    for monomial, coefficient in poly.terms.items():
        exponent = dict(monomial).get(atom, 0)
        rest = tuple((a, e) for a, e in monomial if a != atom)
        found.setdefault(exponent, {})[rest] = coefficient
    return {e: Poly(terms) for e, terms in found.items()}
