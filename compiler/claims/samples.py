"""Numbers against which a polynomial is tried before a proof that it is not negative is looked for.

A sample has a number for each atom: symbols and powers in their intervals, roots and signs of what
they are made of. The rules of `positive` know no more of atoms than this, so that a polynomial
which is negative on a sample where all that is known holds has no proof, and none is looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from thetaprime.claims.algebra import Algebra
from thetaprime.claims.polynomials import Poly
from thetaprime.intervals import NONNEGATIVE, Interval

COUNT = 48
SURE = 1e-9  # of the size of its terms: below this a polynomial may be 0
FREE = ("symbol", "power", "draw", "drawn", "factor")
Array = Any


class Beyond(Exception):
    """An atom of which rules know what a number does not tell."""


class Samples:
    """Numbers for the atoms of an algebra; those count where all ``facts`` hold."""

    def __init__(self, algebra: Algebra, facts: Sequence[Poly]) -> None:
        self._algebra = algebra
        self._random = np.random.default_rng(0)
        self._atoms: dict[int, Array] = {}
        self._good: Array = np.ones(COUNT, bool)
        self._facts = facts
        self._told = False

    def negative(self, poly: Poly) -> bool:
        """Whether a polynomial is below 0 on a sample that counts."""
        try:
            with np.errstate(all="ignore"):
                value, size = self._of(poly)
                below = value < -SURE * size
                if not np.any(below & self._good):
                    return False
                self._tell()
                return bool(np.any(below & self._good))
        except Beyond:
            return False

    def _tell(self) -> None:
        """What is known, once it is asked for."""
        if self._told:
            return
        self._told = True
        known = [(f, NONNEGATIVE) for f in (*self._facts, *self._algebra.learned)]
        for poly, interval in (*known, *self._algebra.signs.items()):
            try:
                self._good = self._good & _within(self._of(poly)[0], interval)
            except Beyond:  # what holds there cannot be told
                self._good = np.zeros(COUNT, bool)

    def _of(self, poly: Poly) -> tuple[Array, Array]:
        """The values of a polynomial, and the sizes of its terms."""
        value = size = np.zeros(COUNT)
        for monomial, coefficient in poly.terms.items():
            term = np.full(COUNT, float(coefficient))
            for atom, exponent in monomial:
                term = term * self._atom(atom)**exponent
            value, size = value + term, size + np.abs(term)
        return value, size

    def _atom(self, atom: int) -> Array:
        found = self._atoms.get(atom)
        if found is None:
            known = self._algebra.known_atom(atom)
            match known.key:
                case ("root", int(degree), Poly() as inside):
                    found = self._of(inside)[0]**(1/degree)
                case ("sign", Poly() as inside):
                    value, size = self._of(inside)
                    found = np.where(np.abs(value) > SURE * size, np.sign(value), np.nan)
                case (kind, *_) if kind in FREE:
                    found = self._drawn(known.interval)
                case _:
                    raise Beyond
            self._atoms[atom] = found
            self._good = self._good & _within(found, known.interval)
        return found

    def _drawn(self, interval: Interval) -> Array:
        """Numbers of an interval: near its ends, between them, small and large."""
        low, high = float(interval.low), float(interval.high)
        share = self._random.beta(0.7, 0.7, COUNT)
        size = np.exp(self._random.normal(0, 2, COUNT))
        if np.isfinite(low) and np.isfinite(high):
            found = low + (high - low)*share
        elif np.isfinite(low):
            found = low + size
        elif np.isfinite(high):
            found = high - size
        else:
            found = size*self._random.choice([-1.0, 1.0], COUNT)
        return np.floor(found) if interval.whole else found


def _within(value: Array, interval: Interval) -> Array:
    """Where numbers lie in an interval, an end of which counts only if it belongs to it."""
    low = value >= float(interval.low) if interval.low_in else value > float(interval.low)
    high = value <= float(interval.high) if interval.high_in else value < float(interval.high)
    return low & high & ((value != 0) | (not interval.hole))
