"""What holds where a node of a proof stands, for `recheck`: polynomials as plain dictionaries, and
where they lie.

Two polynomials are the same where they are after r^n = p for roots r of p, s^3 = s for signs s,
s^2*a = a where s = sign(a), and the values that a case gives to atoms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from thetaprime.claims.algebra import Algebra, Atom
from thetaprime.claims.polynomials import Monomial, Poly
from thetaprime.claims.spans import (
    ABOVE,
    ANYWHERE,
    Span,
    both,
    one,
    product,
    raised,
    span_of,
    total,
)
from thetaprime.intervals import Interval

Terms = Mapping[Monomial, Fraction]


class Rejected(Exception):
    """A proof that does not prove; the message says where."""


@dataclass
class Book:
    """What holds in a world beside the ranges of atoms: intervals of polynomials, by the monic
    polynomial; ``used`` are the premises that proofs rest on, for a test at points."""

    signs: Mapping[Poly, Interval]
    used: dict[Poly, Interval] = field(default_factory=dict)
    index: dict[frozenset[tuple[Monomial, Fraction]], tuple[Poly, Interval]] | None = None

    def known(self, terms: Terms) -> Span:
        """The span of a polynomial, from that of a multiple of it."""
        if self.index is None:
            self.index = {_monic(p.terms)[0]: (p, i) for p, i in self.signs.items() if p.terms}
        key, lead = _monic(terms)
        found = self.index.get(key)
        if found is None:
            return ANYWHERE
        poly, interval = found
        self.used[poly] = interval
        return product(span_of(interval), one(lead / _monic(poly.terms)[1]))


@dataclass(frozen=True)
class Context:
    """Where a node of a proof stands. ``ranges`` of atoms where they are narrower than known,
    ``values`` that a case gives to atoms, ``slacks`` and what they are, ``root``: what is known in
    every entry."""

    algebra: Algebra
    book: Book
    facts: tuple[Terms, ...]
    ranges: Mapping[int, Span] = field(default_factory=dict)
    values: Mapping[int, Fraction] = field(default_factory=dict)
    slacks: Mapping[int, Terms] = field(default_factory=dict)
    root: Context | None = None

    def key(self, atom: int) -> tuple[object, ...]:
        """What an atom is."""
        return ("slack",) if atom in self.slacks else self._known(atom).key

    def _known(self, atom: int) -> Atom:
        """Raises Rejected for an atom that there is not."""
        try:
            return self.algebra.known_atom(atom)
        except KeyError:
            raise Rejected("an atom that there is not") from None

    def range(self, atom: int) -> Span:
        """Where it lies."""
        own = self.ranges.get(atom, ANYWHERE)
        if atom in self.slacks:
            return both(own, ABOVE)
        known = self._known(atom).interval
        self.book.used[Poly(letter(atom))] = known
        return both(own, span_of(known))

    def varies(self, terms: Terms) -> frozenset[str]:
        """Along what a polynomial varies."""
        found: frozenset[str] = frozenset()
        for atom in {a for m in terms for a, _ in m}:
            found |= self.varies(self.slacks[atom]) if atom in self.slacks else (
                self._known(atom).varies)
        return found

    def span(self, terms: Terms, premises: bool = False) -> Span:
        """Where a polynomial lies, by the ranges of its atoms, and by what is known of it."""
        found = one(Fraction(0))
        for monomial, coefficient in terms.items():
            found = total(found, product(one(coefficient), self._monomial(monomial)))
        if premises:
            found = both(found, self.book.known(terms))
        shared = _shared(terms)
        if shared and len(terms) > 1:
            rest = {_cut(m, shared): c for m, c in terms.items()}
            found = both(found, product(self._monomial(shared), self.span(rest, premises)))
        return found

    def _monomial(self, monomial: Monomial) -> Span:
        found = one(Fraction(1))
        for atom, exponent in monomial:
            found = product(found, raised(self.range(atom), exponent))
        return found

    def says(self, terms: Terms, what: Callable[[Span], bool]) -> bool:
        """Whether the ranges, or else what is known, say it of a polynomial; also of its form
        after the values of the case at hand."""
        forms = [terms] if not self.values else [terms, self.normal(terms)]
        return any(what(self.span(f, premises)) for premises in (False, True) for f in forms)

    def normal(self, terms: Terms) -> Terms:
        """The polynomial after what is known of roots and signs, and the values of a case."""
        pending, found = [(m, c) for m, c in terms.items()], dict[Monomial, Fraction]()
        while pending:
            monomial, coefficient = pending.pop()
            changed = self._rewritten(monomial)
            if changed is None:
                found[monomial] = found.get(monomial, Fraction(0)) + coefficient
            else:
                pending += [(m, c * coefficient) for m, c in changed.items()]
        return {m: c for m, c in found.items() if c}

    def _rewritten(self, monomial: Monomial) -> Terms | None:
        for place, (atom, exponent) in enumerate(monomial):
            rest: Terms = {monomial[:place] + monomial[place + 1:]: Fraction(1)}
            if atom in self.values:
                return scaled(rest, self.values[atom] ** exponent)
            if exponent < 2:
                continue
            match self.key(atom):
                case ("root", int(degree), Poly() as inside) if exponent >= degree:
                    return times(times(rest, power(inside.terms, exponent // degree)),
                                 letter(atom, exponent % degree))
                case ("sign", Poly() as inside):
                    own = single(inside.terms)
                    least = 1 if self.range(atom).low >= 0 else 2
                    if own is not None and any(a == own for a, _ in monomial):
                        return times(rest, letter(atom, exponent - 2))
                    if exponent > least:
                        return times(rest, letter(atom, exponent - 2 if least == 2 else 1))
        return None


# Polynomials as dictionaries.


def plus(a: Terms, b: Terms, factor: Fraction | int = 1) -> Terms:
    """a + factor*b."""
    found = dict(a)
    for monomial, c in b.items():
        found[monomial] = found.get(monomial, Fraction(0)) + factor * c
    return {m: c for m, c in found.items() if c}


def scaled(a: Terms, factor: Fraction | int) -> Terms:
    return {m: c * factor for m, c in a.items()} if factor else {}


def times(a: Terms, b: Terms) -> Terms:
    found: dict[Monomial, Fraction] = {}
    for m, c in a.items():
        for n, d in b.items():
            exponents = dict(m)
            for atom, exponent in n:
                exponents[atom] = exponents.get(atom, 0) + exponent
            key = tuple(sorted((k, e) for k, e in exponents.items() if e))
            found[key] = found.get(key, Fraction(0)) + c * d
    return {m: c for m, c in found.items() if c}


def power(a: Terms, exponent: int) -> Terms:
    found: Terms = {(): Fraction(1)}
    for _ in range(exponent):
        found = times(found, a)
    return found


def letter(atom: int, exponent: int = 1) -> Terms:
    return {((atom, exponent),) if exponent else (): Fraction(1)}


def by_powers(terms: Terms, atom: int | None) -> dict[int, Terms]:
    """What stands before each power of an atom."""
    found: dict[int, dict[Monomial, Fraction]] = {}
    for monomial, c in terms.items():
        rest = tuple(p for p in monomial if p[0] != atom)
        found.setdefault(dict(monomial).get(atom, 0) if atom is not None else 0, {})[rest] = c
    return dict(found)


def single(terms: Terms) -> int | None:
    """The atom of which a polynomial is a multiple."""
    match list(terms):
        case [((atom, 1),)]:
            return atom
    return None


def _shared(terms: Terms) -> Monomial:
    atoms = {a for m in terms for a, _ in m}
    least = {a: min(dict(m).get(a, 0) for m in terms) for a in atoms}
    return tuple(sorted((a, e) for a, e in least.items() if e))


def _cut(monomial: Monomial, shared: Monomial) -> Monomial:
    left = dict(shared)
    return tuple((a, e - left.get(a, 0)) for a, e in monomial if e > left.get(a, 0))


def _monic(terms: Terms) -> tuple[frozenset[tuple[Monomial, Fraction]], Fraction]:
    lead = terms[max(terms)]
    return frozenset((m, c / lead) for m, c in terms.items()), lead
