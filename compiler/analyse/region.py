"""The stability region of a linearised step, as inequalities in the user's notation.

Modes that the start never excites, and modes that the point never shows, are left out: the region
is about the point. Simplifications are judged on random points, and the whole region is then
verified on others against the spectral radius; one that fails is not given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from thetaprime.analyse.jury import Points, Sampler, conditions, numeric, radius
from thetaprime.analyse.linear import Linearised

# Points that simplifications are judged on, and points of the verification.
JUDGED, VERIFIED = 20_000, 20_000
# How near to the boundary a spectral radius may be without being told apart.
MARGIN = 1e-7
# Jury's table of more than this, in this many symbols, is no formula that anybody reads.
MOST_DEGREE, MOST_SYMBOLS, MOST_TERMS = 4, 5, 30


@dataclass(frozen=True)
class Inequality:
    """left < right."""

    left: Any
    right: Any

    @property
    def gap(self) -> Any:
        return self.right - self.left


@dataclass(frozen=True)
class Region:
    """Where the spectral radius is below 1. ``kind``: ``some`` where the inequalities hold,
    ``all`` for every setting, ``none`` for none, ``long`` where a formula would be too long to
    read, ``failed`` where it did not pass its verification. ``points``: how many verified it,
    ``inside`` how many of them lie inside."""

    kind: str
    inequalities: tuple[Inequality, ...]
    points: int = 0
    inside: int = 0


def characteristic(found: Linearised) -> tuple[Any, list[Any]]:
    """(z, the factors of the characteristic polynomial that the point shows), each a Poly in z of
    degree at least 1, with multiplicities left out."""
    z = sympy.Symbol("z")
    matrix = found.matrix
    whole = matrix.charpoly(z).as_expr()
    top, _ = sympy.fraction(sympy.together(whole))
    factors = [f for f, _ in sympy.factor_list(top)[1] if f.has(z) and f != z]
    shown = [f for f in factors if _shows(found, z, whole, f)]
    return z, [sympy.Poly(f, z) for f in shown]


def _shows(found: Linearised, z: Any, whole: Any, factor: Any) -> bool:
    """Whether the modes of a factor are excited by the start and seen at the point: not all of
    c M^k q(M) b vanish, for q the rest of the polynomial; exact, at a random rational point."""
    free = sorted(whole.free_symbols - {z}, key=str)
    rng = np.random.default_rng(7)
    at = {s: sympy.Rational(int(n), 997) for s, n in zip(free, rng.integers(100, 900, len(free)),
                                                        strict=True)}
    matrix = found.matrix.subs(at)
    start = sympy.Matrix([sympy.sympify(s).subs(at) for s in found.start])
    polynomial = sympy.Poly(matrix.charpoly(z).as_expr(), z)
    part = sympy.Poly(sympy.together(factor.subs(at)), z)
    rest = polynomial
    while True:
        quotient, left = sympy.div(rest, part)
        if not left.is_zero:
            break
        rest = quotient
    vector = start
    total = sympy.zeros(*start.shape)
    for coefficient in reversed(rest.all_coeffs()):
        total += coefficient * vector
        vector = matrix * vector
    size = matrix.shape[0]
    for _ in range(size):
        if total[0] != 0:
            return True
        total = matrix * total
    return False


def region(found: Linearised) -> Region:
    """The region of a linear map."""
    z, factors = characteristic(found)
    symbols = sorted(set().union(*(f.as_expr().free_symbols for f in factors)) - {z}, key=str)
    if any(f.degree() > MOST_DEGREE or (f.degree() > 2 and len(symbols) > MOST_SYMBOLS)
           or len(f.as_expr().expand().args) > MOST_TERMS for f in factors):
        return Region("long", ())
    sampler = Sampler(found.ranges, symbols)
    points = _points(sampler, JUDGED, 1, found.h, ())
    wanted: list[Any] = []
    for factor in factors:
        lead = np.sign(np.median(numeric(factor.LC(), symbols)(points)))
        signed = sympy.Poly(factor.as_expr() * int(lead or 1), z)
        wanted += [_stripped(c, symbols, points) for c in conditions(signed)]
    kept = _needed(list(dict.fromkeys(wanted)), symbols, points)
    if kept is None:
        return _verified(Region("none", ()), found, z, factors, sampler)
    if any(len(c.expand().args) > MOST_TERMS for c in kept):
        return Region("long", ())
    inequalities = tuple(_solved(c, found, symbols, points) for c in kept)
    kind = "some" if inequalities else "all"
    return _verified(Region(kind, inequalities), found, z, factors, sampler)


def _points(
    sampler: Sampler, count: int, seed: int, h: Any, bounds: Sequence[Any]
) -> dict[Any, np.ndarray[Any, Any]]:
    """Random points; where bounds on h are known, half of them close to one of these."""
    points = sampler.draw(count, seed)
    rng = np.random.default_rng(seed + 100)
    for k, bound in enumerate(bounds):
        value = numeric(bound, sampler.symbols)(points)
        part = slice(k * count // (2 * len(bounds)), (k + 1) * count // (2 * len(bounds)))
        near = value[part] * (1 + 10.0 ** rng.uniform(-4, -1, len(value[part]))
                              * rng.choice([-1, 1], len(value[part])))
        points[h][part] = np.where((near > 0) & np.isfinite(near), near, points[h][part])
    return points


def _stripped(condition: Any, symbols: Sequence[Any], points: Points) -> Any:
    """A condition without the factors that have one sign at all points; 1 for one that always
    holds, -1 for one that never does."""
    top, bottom = sympy.fraction(sympy.together(condition))
    number, factors = sympy.factor_list(top)
    sign = np.sign(float(number))
    kept: list[Any] = []
    for factor, power in (*factors, *((f, -p) for f, p in sympy.factor_list(bottom)[1])):
        values = numeric(factor, symbols)(points)
        values = values[np.isfinite(values)]
        if power % 2 == 0:
            continue
        if (values > 0).all() or (values < 0).all():
            sign *= np.sign(values[0]) if len(values) else 1
        else:
            kept.append(factor)
    if not kept:
        return sympy.Integer(int(sign) or -1)
    return int(sign) * sympy.Mul(*kept)


def _needed(
    wanted: list[Any], symbols: Sequence[Any], points: Points
) -> list[Any] | None:
    """The conditions that the others do not imply, simple ones first; None: they never hold."""
    wanted = [c for c in wanted if c != 1]
    holds = {c: np.nan_to_num(numeric(c, symbols)(points), nan=-1) > 0 for c in wanted}
    if wanted and not np.logical_and.reduce(list(holds.values())).any():
        return None
    kept = sorted(wanted, key=sympy.count_ops)
    for condition in sorted(wanted, key=sympy.count_ops, reverse=True):
        others = [holds[c] for c in kept if c is not condition]
        rest = np.logical_and.reduce(others) if others else np.ones(len(holds[condition]), bool)
        if not (rest & ~holds[condition]).any():
            kept = [c for c in kept if c is not condition]
    return kept


def _solved(
    condition: Any, found: Linearised, symbols: Sequence[Any], points: Points
) -> Inequality:
    """``lr*h < bound`` where that is possible: the condition is linear in h and its slope has one
    sign; else the negative terms on the left."""
    h = found.h
    slope, rest = sympy.diff(condition, h), condition.subs(h, 0)
    if condition.has(h) and not slope.has(h):
        values = numeric(slope, symbols)(points)
        if (values < 0).all():
            return _scaled(h, sympy.factor(-rest / slope), found)
        if (values > 0).all():
            return _flipped(_scaled(h, sympy.factor(-rest / slope), found))
    whole = sympy.expand(condition).primitive()[1]
    terms = sympy.Add.make_args(whole)
    negative = [t for t in terms if t.as_coeff_Mul()[0] < 0]
    return Inequality(-sympy.Add(*negative), sympy.Add(*(t for t in terms if t not in negative)))


def _flipped(bound: Inequality) -> Inequality:
    return Inequality(bound.right, bound.left)


def _scaled(h: Any, bound: Any, found: Linearised) -> Inequality:
    """h < bound, with what divides the bound on the left: lr*h < ..., lr*(h + wd) < ..."""
    left, factor = h, sympy.Integer(1)
    for symbol in sorted((*found.ranges, *found.frozen), key=lambda s: (str(s) != "lr", str(s))):
        moved = sympy.cancel(bound * symbol)
        if not (symbol.is_positive and bound.has(symbol)):
            continue
        rest = sympy.diff(moved, symbol)
        simple = rest.is_Symbol or (-rest).is_Symbol
        if not moved.has(symbol) or (simple and left == h):
            left, factor = left - rest if simple else left, factor * symbol
            bound = sympy.cancel(moved - rest * symbol if simple else moved)
    if bound.has(h) or (left == h and factor == 1):
        lr = next((s for s in found.ranges if str(s) == "lr" and bound.has(s)), None)
        if lr is not None and not sympy.fraction(sympy.cancel(bound * lr))[1].has(lr):
            factor, bound = lr, sympy.cancel(bound * lr)
    return Inequality(sympy.Mul(factor, left), _shown(bound, set(found.frozen)))


def _shown(bound: Any, frozen: set[Any]) -> Any:
    """A quotient of expanded sums, times the frozen factors."""
    top, bottom = sympy.fraction(sympy.factor(bound))
    outside = [f for f in sympy.Mul.make_args(top) if f.free_symbols and f.free_symbols <= frozen]
    top = sympy.expand(top / sympy.Mul(*outside))
    bottom = sympy.expand(bottom)
    if _minus(bottom):
        top, bottom = sympy.expand(-top), sympy.expand(-bottom)
    ratio = [top] if bottom == 1 else [top, sympy.Pow(bottom, -1)]
    return sympy.Mul(*ratio, *outside, evaluate=False) if outside else top / bottom


def _minus(formula: Any) -> bool:
    """Whether the term of lowest degree has a minus."""
    terms = sympy.Add.make_args(formula)
    first = min(terms, key=lambda t: (sympy.Poly(t).total_degree() if t.free_symbols else 0,
                                      str(t)))
    return bool(first.as_coeff_Mul()[0] < 0)


def _verified(
    claim: Region, found: Linearised, z: Any, factors: Sequence[Any], sampler: Sampler
) -> Region:
    """The region with the number of points that agree; `failed` where one does not."""
    bounds = [b for i in claim.inequalities for b in [_edge(i, found.h)] if b is not None]
    points = _points(sampler, VERIFIED, 2, found.h, bounds)
    largest = np.zeros(VERIFIED)
    for factor in factors:
        largest = np.maximum(largest, radius(companion(factor), sampler.symbols)(points))
    stable = largest < 1
    clear = np.isfinite(largest) & (np.abs(largest - 1) > MARGIN)
    said = np.full(VERIFIED, claim.kind != "none")
    for one in claim.inequalities:
        said &= numeric(one.gap, sampler.symbols)(points) > 0
    if (said != stable)[clear].any():
        return Region("failed", ())
    return Region(claim.kind, claim.inequalities, int(clear.sum()), int((stable & clear).sum()))


def _edge(inequality: Inequality, h: Any) -> Any:
    """The h at which an inequality linear in it becomes an equality."""
    gap = inequality.gap
    slope = sympy.diff(gap, h)
    return None if slope == 0 or slope.has(h) else -gap.subs(h, 0) / slope


def companion(polynomial: Any) -> Any:
    """The matrix whose characteristic polynomial this is, up to a factor."""
    monic = [c / polynomial.LC() for c in polynomial.all_coeffs()[1:]]
    size = len(monic)
    return sympy.Matrix(size, size, lambda i, j: -monic[j] if i == 0 else int(i == j + 1))


def rational(value: float) -> Any:
    """A float as the decimal number that it prints."""
    exact = Fraction(repr(float(value)))
    return sympy.Rational(exact.numerator, exact.denominator)
