"""For which hyperparameters two linear rules agree: polynomial equations, solved exactly.

`solve` splits the zeros of a system into branches. An equation is split into its factors; a factor
c*u + r that is linear in an unknown u gives u = -r/c where c is not 0, and c = r = 0 elsewhere. So
the branches together are all zeros, but for those that `Known` says cannot be (a learning rate of
0). What no factor is linear in is put through a Groebner basis once, and then left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod
from typing import Any

from thetaprime.compare.linear.exact import rational
from thetaprime.compare.linear.transfer import Element, LinearForm, substituted
from thetaprime.forward import FORWARD
from thetaprime.intervals import REAL, Interval, of_range, point

# A polynomial of the ring of the field that both rules share, without z and t.
Poly = Any
# Branches that are followed before a search is given up.
MOST_BRANCHES = 200
# Terms of a system of which a Groebner basis is looked for.
MOST_TERMS = 60


class TooMany(Exception):
    """More branches than are followed."""


@dataclass(frozen=True)
class Known:
    """Where hyperparameters lie, by the number of their generator; z is anything."""

    ranges: Mapping[int, Interval]

    def nonzero(self, poly: Poly) -> bool:
        """Whether a polynomial cannot be 0 within the ranges."""
        found = self.interval(poly)
        return found.positive or found.negative

    def interval(self, poly: Poly) -> Interval:
        total = point(Fraction(0))
        for monomial, coefficient in poly.terms():
            term = point(Fraction(int(coefficient.numerator), int(coefficient.denominator)))
            for place, exponent in enumerate(monomial):
                if exponent:
                    base = self.ranges.get(place, REAL)
                    power = FORWARD["^"](base, point(Fraction(exponent)))
                    term = FORWARD["*"](term, power)
            total = FORWARD["+"](total, term)
        return total

    def outside(self, place: int, value: Element) -> bool:
        """Whether a value of a hyperparameter is never in its range."""
        return self.nonzero(value.numer - value.denom * value.field.ring.gens[place]) or (
            (number := rational(value)) is not None and number not in self.ranges[place])


def known(*forms: LinearForm) -> Known:
    found = {}
    for form in forms:
        for (name, _), element in form.hypers.items():
            hyper = form.step.hyper(name)
            found[generator(element)] = of_range(hyper.range, hyper.static)
    return Known(found)


def generator(symbol: Element) -> int:
    """The number of the generator that a symbol is."""
    (monomial,) = symbol.numer.monoms()
    return int(monomial.index(1))


@dataclass(frozen=True)
class Zero:
    """A branch of the zeros of a system: ``values`` of generators, in terms of those that have
    none; ``left`` are polynomials that are 0 too, and not solved; ``outside`` are generators whose
    value is never in their range. What was split off on the way needs no mention: the system
    vanishes for these values identically, wherever they are finite."""

    values: Mapping[int, Element]
    left: tuple[Poly, ...] = ()
    outside: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Branch:
    system: tuple[Poly, ...]
    values: tuple[tuple[int, Element], ...] = ()
    nonzero: tuple[Poly, ...] = ()
    based: bool = False


@dataclass
class _Search:
    """``order``: the generators to solve for, in the order of preference; the first ``own`` of
    them belong to the rule that is solved for."""

    order: Sequence[int]
    own: int
    known: Known
    ring: Any
    branches: int = 0
    pending: list[_Branch] = field(default_factory=list)
    seen: dict[Poly, list[Poly]] = field(default_factory=dict)  # the factors that may be 0


def equations(gaps: Iterable[Element]) -> tuple[Poly, ...]:
    """Polynomials in hyperparameters that vanish together where all elements do: the coefficients
    of the powers of z in their numerators; and what follows, the numerators at the rational poles,
    which fall into more factors."""
    found: dict[Poly, None] = {}
    for gap in gaps:
        for poly in coefficients(gap.numer, 0).values():
            found[poly.monic()] = None
        for factor, _ in gap.denom.factor_list()[1]:
            if factor.degree(0) == 1:
                slope, base = (coefficients(factor, 0).get(k, factor.ring.zero) for k in (1, 0))
                at_pole = replaced(gap.numer, 0, -base, slope)
                found |= {at_pole.monic(): None} if at_pole else {}
    return tuple(sorted(found, key=len))


def coefficients(poly: Poly, place: int) -> dict[int, Poly]:
    """What stands before the powers of a generator."""
    parts: dict[int, dict[tuple[int, ...], Any]] = {}
    for monomial, coefficient in poly.terms():
        rest = (*monomial[:place], 0, *monomial[place + 1:])
        parts.setdefault(monomial[place], {})[rest] = coefficient
    return {exponent: poly.ring.from_dict(terms) for exponent, terms in parts.items()}


def solve(
    system: Sequence[Poly], own: Sequence[int], rest: Sequence[int], about: Known,
    nonzero: Sequence[Poly] = (),
) -> tuple[Zero, ...]:
    """All zeros, solved for the generators ``own`` before the ``rest``; none of them is part of
    another; the fewer equations are left and the less is asked of the rest, the earlier. Raises
    TooMany."""
    if not system:
        return (Zero({}),)
    search = _Search((*own, *rest), len(own), about, system[0].ring)
    search.pending.append(_Branch(tuple(system), (), tuple(nonzero)))
    found: list[Zero] = []
    while search.pending:
        search.branches += 1
        if search.branches > MOST_BRANCHES:
            raise TooMany
        found += _followed(search, search.pending.pop())
    found.sort(key=lambda s: (len(s.outside), sum(p in rest for p in s.values), len(s.left),
                              len(s.values)))
    kept: list[Zero] = []
    for zero in found:
        if not any(_within(zero, other) for other in kept):
            kept.append(zero)
    return tuple(kept)


def _within(zero: Zero, other: Zero) -> bool:
    """Whether a zero is one for which the other's equations hold too."""
    ring = next((v.field.ring for v in other.values.values()), None)
    if ring is None:
        return not other.left
    field = ring.to_field()
    return not other.left and not any(
        substituted(field(ring.gens[p]) - v, zero.values) for p, v in other.values.items()
        if substituted(field(v.denom), zero.values)) and all(
        substituted(field(v.denom), zero.values) for v in other.values.values())


def _followed(search: _Search, branch: _Branch) -> Iterator[Zero]:
    """The zero that a branch is, if nothing is left to solve; else its parts are pending."""
    split = []
    for poly in branch.system:
        if poly:
            factors = _factors(search, poly, branch.nonzero)
            if not factors:
                return
            split.append(factors)
    if not split:
        yield _zero(search, branch)
        return
    chosen = min((c for c in (_chosen(search, f) for f in split) if c is not None),
                 key=lambda c: c[0], default=None)
    if chosen is not None:
        _branched(search, branch, chosen[1])
    elif not branch.based:
        search.pending.append(replace(branch, system=_basis(search, branch), based=True))
    elif (place := next((k for k, f in enumerate(split) if len(f) > 1), None)) is not None:
        for factor in split[place]:
            system = [prod(f, start=search.ring.one) for f in split]
            system[place] = factor
            search.pending.append(replace(branch, system=tuple(system)))
    else:
        yield replace(_zero(search, branch), left=tuple(dict.fromkeys(f[0] for f in split)))


def _factors(search: _Search, poly: Poly, nonzero: Sequence[Poly]) -> list[Poly]:
    """The factors of a polynomial that may be 0."""
    if poly not in search.seen:
        parts = [factor.monic() for factor, _ in poly.factor_list()[1]]
        search.seen[poly] = [p for p in parts if not search.known.nonzero(p)]
    return [p for p in search.seen[poly] if p not in nonzero]


# A factor, the unknown that it is linear in, and what stands before the unknown.
_Step = tuple[Poly, int, Poly]


def _chosen(search: _Search, factors: Sequence[Poly]) -> tuple[Any, list[_Step]] | None:
    """How to solve each of the factors of an equation, and what speaks against that; None: one is
    not linear in any unknown."""
    found: list[_Step] = []
    against: Any = (False, 0)
    for factor in factors:
        options = [(place, factor.diff(place)) for place in search.order
                   if factor.degree(place) == 1]
        if not options:
            return None
        costs = [(k >= search.own, not search.known.nonzero(before), k)
                 for k, (_, before) in ((search.order.index(o[0]), o) for o in options)]
        best = min(range(len(options)), key=costs.__getitem__)
        found.append((factor, *options[best]))
        against = max(against, costs[best][:2])
    return (against[1], sum(map(len, factors)), len(factors), against[0]), found


def _branched(search: _Search, branch: _Branch, chosen: Sequence[_Step]) -> None:
    nonzero = branch.nonzero
    for factor, place, before in chosen:
        rest = factor - before * search.ring.gens[place]
        if not search.known.nonzero(before) and not before.is_ground:
            search.pending.append(replace(
                branch, system=(before, rest, *branch.system), nonzero=nonzero))
        after = _put(branch, place, -rest, before, (*nonzero, before))
        if after is not None:
            search.pending.append(after)
        nonzero = (*nonzero, factor)


def _put(
    branch: _Branch, place: int, top: Poly, below: Poly, nonzero: Sequence[Poly]
) -> _Branch | None:
    """The branch with an unknown replaced by top/below; None where what is not 0 would be."""
    kept = []
    for poly in nonzero:
        changed = replaced(poly, place, top, below)
        if not changed:
            return None
        if not changed.is_ground:
            kept.append(changed.monic())
    system = tuple(replaced(p, place, top, below) for p in branch.system)
    value = top.ring.to_field()(top) / below
    return replace(branch, system=tuple(p for p in system if p), nonzero=tuple(kept),
                   values=(*branch.values, (place, value)))


def replaced(poly: Poly, place: int, top: Poly, below: Poly) -> Poly:
    """The numerator of the polynomial with a generator replaced by top/below."""
    degree = max(poly.degree(place), 0) if poly else 0
    tops, belows = [poly.ring.one], [poly.ring.one]
    for _ in range(degree):
        tops.append(tops[-1] * top)
        belows.append(belows[-1] * below)
    return sum((c * tops[e] * belows[degree - e]
                for e, c in coefficients(poly, place).items()), poly.ring.zero)


def _basis(search: _Search, branch: _Branch) -> tuple[Poly, ...]:
    """A Groebner basis for an order in which unknowns come first."""
    from sympy.polys.groebnertools import groebner

    if sum(map(len, branch.system)) > MOST_TERMS:
        raise TooMany
    places = [*search.order, *(k for k in range(search.ring.ngens) if k not in search.order)]
    symbols = [search.ring.symbols[k] for k in places]
    ring = search.ring.clone(symbols=symbols)
    system = [p.set_ring(ring) for p in branch.system]
    return tuple(p.set_ring(search.ring) for p in groebner(system, ring))


def _zero(search: _Search, branch: _Branch) -> Zero:
    """Values in terms of generators that have none."""
    final: dict[int, Element] = {}
    for place, value in reversed(branch.values):
        final[place] = substituted(value, final)
    values = {place: final[place] for place, _ in branch.values}
    outside = tuple(p for p, v in values.items() if search.known.outside(p, v))
    return Zero(values, (), outside)


