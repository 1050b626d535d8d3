"""Factors of polynomials: sympy finds them, exact multiplication confirms them."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from thetaprime.claims.polynomials import ONE, UNIT, Poly, common, number, over, scaled, variable

MOST_TERMS = 40  # longer polynomials are taken as they are


@lru_cache(maxsize=4096)
def factors(poly: Poly) -> tuple[Fraction, tuple[tuple[Poly, int], ...]]:
    """A constant and factors with exponents, the product of which is the polynomial."""
    if poly.constant is not None:
        return poly.constant, ()
    shared = common([poly])
    rest = Poly({over(m, shared) or UNIT: c for m, c in poly.terms.items()})
    found = [(variable(atom), exponent) for atom, exponent in shared]
    if len(rest.terms) > MOST_TERMS:
        lead = rest.terms[rest.leading]
        return lead, (*found, (scaled(rest, 1 / lead), 1))
    if len(rest.terms) == 1:
        return rest.terms[UNIT], tuple(found)
    if _irreducible(rest):
        lead = rest.terms[rest.leading]
        return lead, (*found, (scaled(rest, 1 / lead), 1))
    constant, parts = _split(rest)
    product = number(constant)
    for factor, exponent in parts:
        product = product * factor.power(exponent)
    if product != rest:  # not what was asked for: no factors are better than wrong ones
        lead = rest.terms[rest.leading]
        constant, parts = lead, ((scaled(rest, 1 / lead), 1),)
    return constant, (*found, *parts)


def _irreducible(poly: Poly) -> bool:
    """Whether a polynomial without a common monomial is A*atom + B with one term as A: a factor of
    both would be a monomial, so there is none."""
    counts: dict[int, int] = {}
    for monomial in poly.terms:
        for atom, exponent in monomial:
            counts[atom] = counts.get(atom, 0) + (1 if exponent == 1 else 2)
    return 1 in counts.values()


def _split(poly: Poly) -> tuple[Fraction, tuple[tuple[Poly, int], ...]]:
    """The factors that sympy finds, each with the leading coefficient 1."""
    from sympy import QQ
    from sympy.polys.rings import ring

    atoms = sorted(poly.atoms)
    domain = ring([f"a{i}" for i in atoms], QQ)[0]
    places = {atom: i for i, atom in enumerate(atoms)}
    terms = {}
    for monomial, coefficient in poly.terms.items():
        exponents = [0] * len(atoms)
        for atom, exponent in monomial:
            exponents[places[atom]] = exponent
        terms[tuple(exponents)] = QQ(coefficient.numerator, coefficient.denominator)
    constant, parts = domain.from_dict(terms).factor_list()
    scale = Fraction(int(constant.numerator), int(constant.denominator))
    found = []
    for part, exponent in parts:
        factor = Poly({
            tuple((atoms[i], e) for i, e in enumerate(key) if e):
            Fraction(int(c.numerator), int(c.denominator)) for key, c in part.terms()})
        lead = factor.terms[factor.leading]
        scale *= lead**exponent
        if factor != ONE:
            found.append((scaled(factor, 1 / lead), int(exponent)))
    return scale, tuple(found)
