"""The step size and momentum that make a rule fastest on all curvatures in [l, L].

For a polynomial of degree 1 the two ends are as slow as one another: z(l) = -z(L). For one of
degree 2 in which one more hyperparameter is free, the root at l is double and -r is a root at L
(Polyak 1964 for the heavy ball, Lessard, Recht and Packard 2016, section 4, for Nesterov): four
equations that sympy solves. What it finds is verified against the spectral radius.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from thetaprime.analyse.jury import radius
from thetaprime.analyse.region import companion

# l = a^2, L = b^2: the roots that come up are those of the ends.
_A, _B = sympy.symbols("a b", positive=True)
# The values of l for L = 1 at which a candidate is verified, and the rivals that it must beat.
_LEAST = (0.3, 0.05, 0.004)
_RIVALS = 4000


@dataclass(frozen=True)
class Best:
    """Hyperparameters in l and L, the rate that they give, and the values of all others."""

    l: Any  # noqa: E741
    L: Any
    settings: Mapping[Any, Any]
    rate: Any
    others: Mapping[Any, Any]


def best(
    factors: Sequence[Any], h: Any, hypers: Sequence[Any], defaults: Mapping[Any, Any],
) -> Best | None:
    """The best ``hypers[0]`` (a step size) and, where a factor is of degree 2, one other; None
    where no closed form is found that passes its verification."""
    if len(factors) != 1 or not hypers:
        return None
    (factor,) = factors
    lr = hypers[0]
    candidates = [(lr,)] if factor.degree() == 1 else [(lr, m) for m in hypers[1:]]
    for free in candidates if factor.degree() <= 2 else []:
        others = {s: defaults[s] for s in hypers if s not in free}
        fixed = sympy.Poly(factor.as_expr().subs(others), factor.gen)
        if not set(free) | {h} <= fixed.as_expr().free_symbols:
            continue
        for solution, rate in _solutions(fixed, h, free):
            if _wins(fixed, h, free, solution, rate):
                return _shown(solution, rate, others)
    return None


def _solutions(polynomial: Any, h: Any, free: Sequence[Any]) -> list[tuple[dict[Any, Any], Any]]:
    """What makes the two ends equally slow: (values of ``free``, the rate)."""
    low = sympy.Poly(polynomial.as_expr().subs(h, _A**2), polynomial.gen)
    high = sympy.Poly(polynomial.as_expr().subs(h, _B**2), polynomial.gen)
    if polynomial.degree() == 1:
        root = [-p.nth(0) / p.nth(1) for p in (low, high)]
        found = sympy.solve(sympy.together(root[0] + root[1]), free[0], dict=True)
        return [(s, sympy.simplify(root[0].subs(s))) for s in found]
    r = sympy.Symbol("r", positive=True)
    one, two = (sympy.together(low.nth(k) / low.nth(2)) for k in (1, 0))
    equations = [sympy.numer(sympy.together(e)) for e in (
        one + 2 * r, two - r**2, high.as_expr().subs(polynomial.gen, -r))]
    found = sympy.solve(equations, [*free, r], dict=True)
    return [({s: sympy.simplify(one[s]) for s in free}, sympy.simplify(one[r]))
            for one in found if set(one) == {*free, r}]


def _wins(polynomial: Any, h: Any, free: Sequence[Any], solution: Mapping[Any, Any],
          rate: Any) -> bool:
    """Whether the candidate has its rate on a grid over [l, L], and no rival has a better one."""
    matrix = companion(polynomial)
    if matrix.free_symbols - {h, *free}:
        return False
    values = radius(matrix, [h, *free])
    rng = np.random.default_rng(3)
    for least in _LEAST:
        ends = {_A: least**0.5, _B: 1.0}
        at = [complex(solution[s].subs(ends)) for s in free]
        claimed = complex(rate.subs(ends))
        if max(abs(v.imag) for v in (*at, claimed)) > 1e-9 or not 0 < claimed.real < 1:
            return False
        curvatures = np.geomspace(least, 1, 60)

        def worst(choice: Sequence[np.ndarray[Any, Any]], grid: np.ndarray[Any, Any] = curvatures,
                  ) -> np.ndarray[Any, Any]:
            count = len(choice[0])
            points = {h: np.tile(grid, count)}
            points |= {s: np.repeat(c, len(grid)) for s, c in zip(free, choice, strict=True)}
            slowest: np.ndarray[Any, Any] = values(points).reshape(count, -1).max(axis=1)
            return slowest

        own = worst([np.array([v.real]) for v in at])[0]
        size = 10.0 ** rng.uniform(-5, 0, _RIVALS)
        rivals = [np.abs(v.real * (1 + size * rng.standard_normal(_RIVALS))) for v in at]
        # A double root is found to half of the digits.
        if abs(own - claimed.real) > 1e-6 or worst(rivals).min() < claimed.real - 1e-6:
            return False
    return True


def _shown(solution: Mapping[Any, Any], rate: Any, others: Mapping[Any, Any]) -> Best:
    """In l and L."""
    low, high = sympy.symbols("l L", positive=True)

    def back(formula: Any) -> Any:
        found = sympy.factor(formula)
        top, bottom = (sympy.expand(part) for part in sympy.fraction(found))
        even = sympy.factor(found).subs({_A: sympy.sqrt(low), _B: sympy.sqrt(high)})
        plain = (top / bottom).subs({_A: sympy.sqrt(low), _B: sympy.sqrt(high)})
        return plain if not plain.has(sympy.sqrt(low)) else even

    return Best(low, high, {s: back(v) for s, v in solution.items()}, back(rate), others)
