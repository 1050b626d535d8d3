"""Proofs that a polynomial in atoms is not negative, as trees that `recheck` can follow.

Each rule derives it from the same for simpler polynomials:

    interval       the ranges of its atoms say it
    factor         a product of factors, each with a sign of its own
    ends           affine in an atom a within [l, h]: at both ends it is not negative
    slope          affine in an atom a >= l: so are its value at l and its slope
    square         p = A*a^2 + B*a + C: A >= 0, C >= 0 and 4*A*C - B^2 >= 0
    powers         p = A + B*a + C*a^2 + ...: A, B, ... >= 0, where a >= 0 or all powers are even
    sign           for each sign that an unknown quantity can have
    learned        a maximum minus one of its arguments, and the like: p = c*f + rest
    fact           a known f >= 0 with f = A*a + B, A > 0: a = (w - B)/A with some w >= 0
    root           A*r + B with r^2 = p, r >= 0: A >= 0 and either B >= 0 or A^2*p - B^2 >= 0
    above          B - A*r with r^2 = p, r >= 0: A >= 0, B^2 - A^2*p >= 0 and B >= 0
    sum            c*sum(p) + c*sum(q) + r: c*p + c*q is not negative in each entry, nor is r
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

from thetaprime.claims.algebra import Algebra
from thetaprime.claims.factors import factors
from thetaprime.claims.polynomials import (
    ONE,
    ZERO,
    Poly,
    Ratio,
    coefficients,
    number,
    replaced,
    scaled,
    variable,
)
from thetaprime.claims.samples import Samples
from thetaprime.intervals import Interval, meet

SIDES = {-1: Interval(high=Fraction(0)), 0: Interval(Fraction(0), Fraction(0), True, True),
         1: Interval(Fraction(0))}
DEEPEST = 9
MOST_TERMS = 80


@dataclass(frozen=True)
class Proof:
    """``poly >= 0`` by a rule from ``parts``; ``atom`` is the one that the rule treats. ``ends``:

        ends, slope, sign    what is put in the place of the atom
        factor, positive     a number and factors, with ``exponents``, the product of which it is
        learned, fact        what is known; with an atom also what becomes of the polynomial, and
                             the slack w; the first part then says A > 0 (or A < 0)

    A `positive` proof says ``poly > 0``. `recheck` follows it.
    """

    rule: str
    poly: Poly
    parts: tuple[Proof, ...] = ()
    atom: int | None = None
    ends: tuple[Poly, ...] = ()
    exponents: tuple[int, ...] = ()

    def rules(self) -> Iterator[str]:
        """The rules that it uses."""
        yield self.rule
        for part in self.parts:
            yield from part.rules()


@dataclass
class Search:
    """A search for proofs. ``facts`` are polynomials known not to be negative, at the ``root`` of
    the search in every entry; ``tried`` keeps it from asking twice; ``left`` is how many terms it
    may still look at."""

    algebra: Algebra
    facts: Sequence[Poly] = ()
    left: int = 2500
    root: Search | None = None
    tried: dict[Poly, Proof | None] = field(default_factory=dict)

    @cached_property
    def samples(self) -> Samples:
        """Numbers on which what is negative has no proof."""
        return Samples(self.algebra, self.facts)

    def nonnegative(self, poly: Poly, depth: int = 0) -> Proof | None:
        """A proof of ``poly >= 0``."""
        poly = self.algebra.settled(poly)
        if poly in self.tried:
            return self.tried[poly]
        if depth > DEEPEST or len(poly.terms) > MOST_TERMS or self.left <= 0:
            return None
        self.left -= 1 + len(poly.terms)
        self.tried[poly] = None
        if self.samples.negative(poly):
            return None
        found = next((p for rule in RULES if (p := rule(self, poly, depth)) is not None), None)
        self.tried[poly] = found
        return found

    def positive(self, poly: Poly) -> Proof | None:
        """A proof of ``poly > 0`` by the ranges, factor by factor."""
        if self.algebra.interval(poly).positive:
            return Proof("positive", poly)
        constant, parts = factors(poly)
        sign = 1 if constant > 0 else -1
        for part, exponent in parts:
            interval = self.algebra.interval(part)
            if not interval.nonzero:
                return None
            if exponent % 2 and interval.negative:
                sign = -sign
        return _product("positive", poly, constant, parts) if sign > 0 else None


def _product(
    rule: str, poly: Poly, constant: Fraction, found: Sequence[tuple[Poly, int]],
    parts: Sequence[Proof] = (),
) -> Proof:
    return Proof(rule, poly, tuple(parts), None, (number(constant), *(f for f, _ in found)),
                 (1, *(e for _, e in found)))


def _interval(search: Search, poly: Poly, depth: int) -> Proof | None:
    return Proof("interval", poly) if search.algebra.interval(poly).nonnegative else None


def _factor(search: Search, poly: Poly, depth: int) -> Proof | None:
    constant, found = factors(poly)
    odd = [part for part, exponent in found if exponent % 2]
    if len(found) == 1 and found[0][1] == 1 and not found[0][0].constant and abs(constant) == 1:
        return None
    side = constant > 0
    parts = []
    for part in odd:
        up = search.nonnegative(part, depth + 1)
        if up is None:
            up = search.nonnegative(-part, depth + 1)
            if up is None:
                return None
            side = not side
        parts.append(up)
    return _product("factor", poly, constant, found, parts) if side else None


def _ends(search: Search, poly: Poly, depth: int) -> Proof | None:
    for atom, parts in _affine(poly):
        kept = search.algebra.known_atom(atom).interval
        slope, rest = parts[1], parts.get(0, ZERO)
        if kept.empty:
            continue
        low, high = kept.low, kept.high
        if isinstance(low, Fraction) and isinstance(high, Fraction):
            at = [rest + scaled(slope, end) if end else rest for end in (low, high)]
            proofs = [search.nonnegative(p, depth + 1) for p in at]
            rule, ends = "ends", [number(low), number(high)]
        elif isinstance(low, Fraction):
            at = [rest + scaled(slope, low) if low else rest, slope]
            proofs = [search.nonnegative(p, depth + 1) for p in at]
            rule, ends = "slope", [number(low)]
        elif isinstance(high, Fraction):
            at = [rest + scaled(slope, high) if high else rest, -slope]
            proofs = [search.nonnegative(p, depth + 1) for p in at]
            rule, ends = "slope", [number(high)]
        else:
            continue
        if all(proofs):
            return Proof(rule, poly, tuple(p for p in proofs if p is not None), atom, tuple(ends))
    return None


def _affine(poly: Poly) -> Iterator[tuple[int, dict[int, Poly]]]:
    for atom in sorted(poly.atoms):
        parts = coefficients(poly, atom)
        if set(parts) <= {0, 1}:
            yield atom, parts


def _square(search: Search, poly: Poly, depth: int) -> Proof | None:
    for atom in sorted(poly.atoms):
        parts = coefficients(poly, atom)
        if max(parts) != 2 or set(parts) - {0, 1, 2}:
            continue
        a, b, c = parts[2], parts.get(1, ZERO), parts.get(0, ZERO)
        found = _every(search, depth, a, c, scaled(a * c, Fraction(4)) - b * b) if b else ()
        if found:
            return Proof("square", poly, found, atom)
    return None


def _powers(search: Search, poly: Poly, depth: int) -> Proof | None:
    for atom in sorted(poly.atoms):
        parts = coefficients(poly, atom)
        odd = any(exponent % 2 for exponent in parts)
        sure = not odd or search.algebra.known_atom(atom).interval.nonnegative
        if len(parts) < 2 or max(parts) < 2 or not sure:
            continue
        proofs: list[Proof] = []
        for exponent in sorted(parts):
            found = search.nonnegative(parts[exponent], depth + 1)
            if found is None:
                break
            proofs.append(found)
        else:
            return Proof("powers", poly, tuple(proofs), atom)
    return None


def _sign(search: Search, poly: Poly, depth: int) -> Proof | None:
    for atom in sorted(poly.atoms):
        match search.algebra.key(atom):
            case ("sign", Poly() as inside):
                pass
            case _:
                continue
        interval = search.algebra.known_atom(atom).interval
        proofs = []
        ends = []
        for value in (-1, 0, 1):
            if Fraction(value) not in interval:
                continue
            found = _with_sign(search, poly, atom, inside, value, depth)
            if found is None:
                break
            proofs.append(found)
            ends.append(number(value))
        else:
            return Proof("sign", poly, tuple(proofs), atom, tuple(ends))
    return None


def _with_sign(
    search: Search, poly: Poly, atom: int, inside: Poly, value: int, depth: int
) -> Proof | None:
    """The polynomial where ``inside`` has one sign, as one more fact."""
    def put(own: Poly, place: int, new: Poly) -> Poly:
        return replaced(own, lambda a: new if a == place else None)

    at = put(poly, atom, number(value))
    facts = [put(f, atom, number(value)) for f in search.facts]
    algebra = replace(search.algebra, atoms=dict(search.algebra.atoms),
                      signs=dict(search.algebra.signs), monomials={})
    single = only_atom(inside)
    if single is None:
        if value == 0:
            facts += [inside, -inside]
            for gone in vanishing(algebra, inside):
                at, facts = put(at, gone, ZERO), [put(f, gone, ZERO) for f in facts]
        else:
            facts.append(scaled(inside, Fraction(value)))
    else:
        if value == 0:
            at, facts = put(at, single, ZERO), [put(f, single, ZERO) for f in facts]
        old = algebra.known_atom(single)
        algebra.atoms[single] = replace(old, interval=meet(old.interval, SIDES[value]))
    search.left -= 10
    inner = Search(algebra, facts, search.left // 3, root=search.root or search)
    return inner.nonnegative(at, depth + 1)


def vanishing(algebra: Algebra, poly: Poly) -> Iterator[int]:
    """The atoms that are 0 where a sum of terms that are not negative is."""
    for sign in (1, -1):
        parts = [Poly({m: c * sign}) for m, c in poly.terms.items()]
        if all(algebra.interval(p).nonnegative for p in parts):
            for part in parts:
                left = [a for a in part.atoms if not algebra.known_atom(a).interval.positive]
                if len(left) == 1:
                    yield left[0]


def only_atom(poly: Poly) -> int | None:
    """The atom that a polynomial is."""
    if len(poly.terms) == 1 and poly.leading and len(poly.leading) == 1 and (
            poly.leading[0][1] == 1 and poly.terms[poly.leading] == 1):
        return poly.leading[0][0]
    return None


def _learned(search: Search, poly: Poly, depth: int) -> Proof | None:
    """p = c*f + (p - c*f) for what maxima, minima and absolute values are known to be above."""
    for fact in search.algebra.learned:
        scale = poly.terms.get(fact.leading, Fraction(0)) / fact.terms[fact.leading]
        if scale > 0:
            left = poly - scaled(fact, scale)
            if len(left.terms) < len(poly.terms) and (
                    rest := search.nonnegative(left, depth + 1)) is not None:
                return Proof("learned", poly, (rest,), None, (fact,))
    return None


def _fact(search: Search, poly: Poly, depth: int) -> Proof | None:
    for index, fact in enumerate(search.facts):
        rest_facts = [f for i, f in enumerate(search.facts) if i != index]
        if not fact:
            continue
        scale = poly.terms.get(fact.leading, Fraction(0)) / fact.terms[fact.leading]
        if scale > 0:  # p = c*f + (p - c*f)
            left = poly - scaled(fact, scale)
            found = Proof("interval", left) if not left else Search(
                search.algebra, rest_facts, search.left // 4, search.root or search
            ).nonnegative(left, depth + 2) if len(left.terms) < len(poly.terms) else None
            if found is not None:
                return Proof("fact", poly, (found,), None, (fact,))
        for atom, parts in _affine(fact):
            if atom not in poly.atoms:
                continue
            slope, rest = parts[1], parts.get(0, ZERO)
            side = search.positive(slope), search.positive(-slope)
            sure = side[0] or side[1]
            if sure is None:
                continue
            algebra = replace(search.algebra, atoms=dict(search.algebra.atoms),
                              numbers=dict(search.algebra.numbers),
                              signs=dict(search.algebra.signs), monomials={})
            new = algebra.atom(("slack", fact), algebra.varies(Ratio(fact)),
                               Interval(Fraction(0), low_in=True))
            (slack,) = new.ratio.num.atoms
            # a = (w - B)/A; multiplied by a power of |A| that leaves a polynomial.
            up = slope if side[0] else -slope
            put = (variable(slack) - rest) if side[0] else (rest - variable(slack))
            powers = coefficients(poly, atom)
            most = max(powers)
            total = ZERO
            for exponent, coefficient in powers.items():
                total = total + coefficient * put.power(exponent) * up.power(most - exponent)
            inner = Search(algebra, rest_facts, search.left // 3, root=search.root or search)
            found = inner.nonnegative(total, depth + 2)
            search.left -= 50
            if found is not None:
                return Proof("fact", poly, (sure, found), atom, (fact, total, variable(slack)))
    return None


def _roots(search: Search, poly: Poly) -> Iterator[tuple[int, Poly, Poly, Poly]]:
    """The square roots in which a polynomial is affine, what is inside, the slope and the rest."""
    for atom, parts in _affine(poly):
        match search.algebra.key(atom):
            case ("root", 2, Poly() as inside):
                yield atom, inside, parts[1], parts.get(0, ZERO)


def _root(search: Search, poly: Poly, depth: int) -> Proof | None:
    for atom, inside, slope, rest in _roots(search, poly):
        found = _every(search, depth, slope, slope * slope * inside - rest * rest)
        if found:
            return Proof("root", poly, found, atom)
    return None


def _above(search: Search, poly: Poly, depth: int) -> Proof | None:
    for atom, inside, slope, rest in _roots(search, poly):
        if not search.algebra.interval(-slope).nonnegative:
            continue
        found = _every(search, depth, -slope, rest * rest - slope * slope * inside, rest)
        if found:
            return Proof("above", poly, found, atom)
    return None


def _every(search: Search, depth: int, *wanted: Poly) -> tuple[Proof, ...]:
    """Proofs that none of these is negative; nothing where one is missing."""
    found: list[Proof] = []
    for one in wanted:
        proof = search.nonnegative(one, depth + 1)
        if proof is None:
            return ()
        found.append(proof)
    return tuple(found)


def _sum(search: Search, poly: Poly, depth: int) -> Proof | None:
    groups: dict[tuple[object, Poly], Poly] = {}
    rest = ZERO
    # What is known of the entry at hand is not known of those that a sum runs over.
    root, algebra = search.root or search, search.algebra
    for atom in poly.atoms - root.algebra.atoms.keys():
        match algebra.key(atom):
            case ("slack", Poly() as fact) if fact not in root.facts:
                return None
    common = replace(root.algebra, atoms={**algebra.atoms, **root.algebra.atoms},
                     numbers=algebra.numbers, monomials={})
    for monomial, coefficient in poly.terms.items():
        sums = [a for a, e in monomial if algebra.key(a)[0] == "sum" and e == 1]
        if len(sums) != 1:
            rest = rest + Poly({monomial: coefficient})
            continue
        (atom,) = sums
        _, extent, inside = algebra.key(atom)
        assert isinstance(inside, Ratio)
        outside = Poly({tuple(p for p in monomial if p[0] != atom): coefficient})
        if algebra.varies(Ratio(outside)) & _runs_over(extent):
            rest = rest + Poly({monomial: coefficient})
            continue
        # Entries share a divisor, or do not add up to one polynomial.
        key = extent, inside.den
        groups[key] = groups.get(key, ZERO) + outside * inside.num
    if not groups:
        return None
    proofs = []
    for (_, den), inner in groups.items():
        wanted = inner if den == ONE or common.interval(den).nonnegative else inner * den
        found = Search(common, root.facts, search.left // 2).nonnegative(wanted, depth + 1)
        if found is None:
            return None
        proofs.append(found)
    if rest:
        found = search.nonnegative(rest, depth + 1)
        if found is None:
            return None
        proofs.append(found)
    return Proof("sum", poly, tuple(proofs))


def _runs_over(extent: object) -> frozenset[str]:
    """Along what a sum runs: no factor that varies along it moves inside."""
    match extent:
        case (str() as over, str(), tuple() as axes) if over in ("model", "tensor"):
            return frozenset({"entry", *axes, *(["tensor"] if over == "model" else [])})
        case (str() as over, _, _):
            return frozenset({over})
    raise AssertionError(extent)


RULES = (_interval, _learned, _factor, _sum, _above, _ends, _square, _root, _fact, _powers, _sign)
