"""Where all roots of a polynomial lie inside of the unit circle, as inequalities (Jury, 1962).

For p(z) = a_0 + a_1 z + ... + a_n z^n with a_n > 0: p(1) > 0, (-1)^n p(-1) > 0, |a_0| < a_n, and
for n > 2 the same kind of condition on the ends of each row of Jury's table,
b_k = a_0 a_k - a_n a_{n-k}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from thetaprime.ir import Range

Points = Mapping[Any, np.ndarray[Any, Any]]


def conditions(polynomial: Any) -> list[Any]:
    """Expressions that are all positive exactly where every root is inside of the unit circle;
    the leading coefficient is taken to be positive."""
    rising = list(reversed(polynomial.all_coeffs()))
    degree = polynomial.degree()
    z = polynomial.gen
    whole = polynomial.as_expr()
    found = [whole.subs(z, 1), (-1) ** degree * whole.subs(z, -1)]
    if degree == 1:
        return found
    found += [rising[-1] - rising[0]] + [rising[-1] + rising[0]] * (degree > 2)
    row, sign = rising, -1
    while len(row) > 3:
        n = len(row) - 1
        row = [row[0] * row[k] - row[n] * row[n - k] for k in range(n)]
        found += [sign * row[0] - row[-1], sign * row[0] + row[-1]]
        sign = 1
    return found


@dataclass(frozen=True)
class Sampler:
    """Random values of symbols: hyperparameters in their ranges, all others positive."""

    ranges: Mapping[Any, Range | None]
    symbols: Sequence[Any]

    def draw(self, count: int, seed: int) -> dict[Any, np.ndarray[Any, Any]]:
        rng = np.random.default_rng(seed)
        return {s: self._one(self.ranges.get(s), s.is_positive, rng, count) for s in self.symbols}

    def _one(self, bounds: Range | None, positive: bool | None, rng: np.random.Generator,
             count: int) -> np.ndarray[Any, Any]:
        low = None if bounds is None else bounds.low
        high = None if bounds is None else bounds.high
        if low is not None and high is not None:
            return rng.uniform(float(low), float(high), count)
        size = 10.0 ** rng.uniform(-2, 1.5, count)
        if low is not None:
            return float(low) + size
        if high is not None:
            return float(high) - size
        return size if positive else size * rng.choice([-1.0, 1.0], count)


def numeric(formula: Any, symbols: Sequence[Any]) -> Any:
    """A function of sampled points -> the values of a formula, one for each point."""
    function = sympy.lambdify(list(symbols), formula, "numpy", cse=True)

    def values(points: Points) -> np.ndarray[Any, Any]:
        columns = [points[s] for s in symbols]
        count = len(columns[0])
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(function(*columns), float), (count,)).copy()

    return values


def radius(matrix: Any, symbols: Sequence[Any]) -> Any:
    """A function of sampled points -> the spectral radius of a matrix, one for each point."""
    entries = [numeric(e, symbols) for e in matrix]
    size = matrix.shape[0]

    def values(points: Points) -> np.ndarray[Any, Any]:
        table = np.stack([entry(points) for entry in entries], axis=-1)
        good = np.isfinite(table).all(axis=-1)
        found = np.full(len(table), np.inf)
        roots = np.linalg.eigvals(table[good].reshape(-1, size, size))
        found[good] = np.abs(roots).max(axis=-1)
        return found

    return values
