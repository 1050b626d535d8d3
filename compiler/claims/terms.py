"""Values as sums of products, and what can be taken out of them: factors that do not vary along
what an operation sees."""

from __future__ import annotations

from fractions import Fraction

from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.factors import factors
from thetaprime.claims.polynomials import ONE, UNIT, Monomial, Poly, Ratio, common, over, ratio


def terms(algebra: Algebra, value: Ratio, kind: frozenset[str]) -> list[tuple[Ratio, Ratio]]:
    """A value as a sum of products: a factor that does not vary along ``kind``, and the rest."""
    whole = bool(algebra.varies(Ratio(value.den)) & kind)
    found: dict[Ratio, Poly] = {}
    for monomial, coefficient in value.num.terms.items():
        out, own = split(algebra, monomial, kind)
        part = ratio(Poly({own: Fraction(1)}), value.den if whole else ONE)
        found[part] = found.get(part, Poly({})) + Poly({out: coefficient})
    return [(ratio(outside, ONE if whole else value.den), part)
            for part, outside in found.items()]


def split(algebra: Algebra, monomial: Monomial, kind: frozenset[str]) -> tuple[Monomial, Monomial]:
    """The atoms of a monomial that do not vary along ``kind``, and those that do."""
    out = tuple((a, e) for a, e in monomial if not algebra.known_atom(a).varies & kind)
    return out, tuple((a, e) for a, e in monomial if algebra.known_atom(a).varies & kind)


def content(algebra: Algebra, value: Ratio, kind: frozenset[str]) -> tuple[Ratio, Ratio]:
    """The factor common to all terms that does not vary along ``kind``, and the rest."""
    if not value.num:
        return Ratio(ONE), value
    top = split(algebra, common([value.num]), kind)[0]
    number = abs(value.num.terms[value.num.leading])
    num = Poly({over(m, top) or UNIT: c / number for m, c in value.num.terms.items()})
    if algebra.varies(Ratio(value.den)) & kind:
        low = split(algebra, common([value.den]), kind)[0]
        den = Poly({over(m, low) or UNIT: c for m, c in value.den.terms.items()})
        return ratio(Poly({top: number}), Poly({low: Fraction(1)})), ratio(num, den)
    return ratio(Poly({top: number}), value.den), Ratio(num)


def divided(algebra: Algebra, value: Ratio, kind: frozenset[str]) -> tuple[Poly, Ratio]:
    """The polynomial common to all terms that does not vary along ``kind``, and the rest:
    1 - mu^2 and G of G - mu^2*G."""
    groups: dict[Monomial, Poly] = {}
    for monomial, coefficient in value.num.terms.items():
        out, own = split(algebra, monomial, kind)
        groups[own] = groups.get(own, Poly({})) + Poly({out: coefficient})
    if all(len(p.terms) == 1 for p in groups.values()):
        return ONE, value
    found = {own: factors(p) for own, p in groups.items()}
    first, *others = (dict(parts) for _, parts in found.values())
    least = {p: min(e, *(o.get(p, 0) for o in others), e) for p, e in first.items()}
    rest, shared = Poly({}), ONE
    for own, (number, parts) in found.items():
        one = Poly({own: number})
        for part, exponent in parts:
            one = one * part.power(exponent - least.get(part, 0))
        rest = rest + one
    for part, exponent in least.items():
        shared = shared * part.power(exponent)
    return shared, ratio(rest, value.den)


def taken(algebra: Algebra, value: Ratio, kind: frozenset[str]) -> tuple[Value, Ratio]:
    """A positive factor that does not vary along ``kind``, the same for all positive multiples of
    a value, and the rest; 1 where the sign of the factor is not known."""
    outside, rest = content(algebra, value, kind)
    shared, rest = divided(algebra, rest, kind)
    factor = algebra.multiply(algebra.value(outside), algebra.value(Ratio(shared)))
    sign = algebra.sign(factor).ratio.constant
    if sign == -1:
        return algebra.negative(factor), Ratio(-rest.num, rest.den)
    return (factor, rest) if sign == 1 else (algebra.number(1), value)
