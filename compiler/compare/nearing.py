"""Numbers before any proof of a limit: a rule with hyperparameters near the ends of their ranges,
beside the rule that it is said to go to. The gap has to shrink with the distance to the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

from thetaprime.bounds import INF, End
from thetaprime.claims.runs import Trial, precise, run, shapes
from thetaprime.claims.same_runs import rival_hypers
from thetaprime.compare.pairs import FAILED, Pair
from thetaprime.compare.probe import plain, points, tensor
from thetaprime.expr import Expr, Sym
from thetaprime.ir import Hyper, Step

STEPS, ENTRIES = 3, 5
CLOSE, NEAR = 1e-2, Fraction(1, 10**7)
FAR = Fraction(1, 100)  # float64 holds powers up to this one over
# Distances to the end in 50 digits, by how much the gap has to shrink from the first to the second
# (a root of the distance would shrink by 1e-6), and what is as good as none.
FIRST, SECOND, SHRINKS, NONE = Fraction(1, 10**12), Fraction(1, 10**24), 1e-5, 1e-18


@dataclass(frozen=True)
class Toward:
    """What is done to a rule: hyperparameters go to ``ends`` of their ranges, others are at
    ``settings``; ``given``: those of the other rule, in the first rule's."""

    ends: Mapping[str, End]
    settings: Mapping[str, Fraction]
    given: Mapping[str, Expr]


def open_ends(hyper: Hyper) -> list[End]:
    """The ends that do not belong to the range of a real hyperparameter."""
    bounds = hyper.range
    if bounds is None or hyper.type.kind != "real" or isinstance(hyper.default, tuple):
        return []
    ends = ((bounds.low, bounds.low_closed), (bounds.high, bounds.high_closed))
    found: list[End] = [e for e, closed in ends if e is not None and not closed]
    return [*found, INF] if bounds.high is None else found


def beside(hyper: Hyper, end: End, distance: Fraction) -> Fraction:
    """A value in the range, this far from an end; for an infinite one, 1 over it."""
    bounds = hyper.range
    if not isinstance(end, Fraction):
        return 1 / distance
    return end - distance if bounds is not None and bounds.high == end else end + distance


@dataclass(frozen=True)
class Numbers:
    """Runs of both rules of a pair from numbers that nothing distinguishes; ``salt`` picks them."""

    pair: Pair
    salt: int = 1

    @cached_property
    def trial(self) -> Trial:
        salts = count(self.salt)
        hypers = {h.name: plain(h, next(salts)) for h in self.pair.a.hypers}
        tree = [(ENTRIES,) if s == (1,) else s for s in shapes(self.pair.a)[0]]
        trees = [tuple(tensor(s, next(salts)) for s in tree) for _ in range(STEPS + 1)]
        known = {name: value for name, value in hypers.items() if value is not None}
        return Trial(known, trees[0], tuple(trees[1:]))

    def near(self, toward: Toward, distance: Fraction) -> Trial:
        """The trial of the first rule at a distance to its ends."""
        moved = {n: beside(self.pair.a.hyper(n), e, distance) for n, e in toward.ends.items()}
        return replace(self.trial, hypers={**self.trial.hypers, **toward.settings, **moved})

    def theirs(self, given: Mapping[str, Expr]) -> Trial:
        """The trial of the second rule. Raises one of FAILED."""
        at = self.pair.given(**given)
        return replace(self.trial, hypers=rival_hypers(at.question, at.rival, self.trial))

    def quickly(self, toward: Toward, wanted: Iterable[Any]) -> int:
        """After how many steps the points in float64 are still close to those wanted."""
        steps, infinite = 0, INF in toward.ends.values()
        near = self.near(toward, FAR if infinite else NEAR)
        for mine, theirs in zip(points(self.pair.a, near), wanted, strict=False):
            if not _gap(mine, theirs) < (10 * CLOSE if infinite else CLOSE):
                break
            steps += 1
        return steps

    def gaps(self, toward: Toward) -> tuple[float, float] | None:
        """The largest gap at both distances, in 50 digits; None where a number is undefined."""
        with suppress(*FAILED, TypeError, np.linalg.LinAlgError):
            wanted = list(_exact(self.pair.b, self.theirs(toward.given)))
            one, other = (max(_gap(a, b) for a, b in zip(
                _exact(self.pair.a, self.near(toward, distance)), wanted, strict=True))
                for distance in (FIRST, SECOND))
            return one, other
        return None

    def agree(self, toward: Toward) -> bool:
        """Whether the gap shrinks as it should."""
        found = self.gaps(toward)
        return found is not None and found[0] < CLOSE and (
            found[1] <= SHRINKS * found[0] or found[1] < NONE)

    def needed(self, toward: Toward) -> bool:
        """Whether each end is needed: with its hyperparameter anywhere the points differ."""
        for name in toward.ends:
            rest = {n: e for n, e in toward.ends.items() if n != name}
            found = self.gaps(replace(toward, ends=rest))
            if found is not None and found[1] <= max(SHRINKS * found[0], NONE):
                return False
        return True


def _exact(step: Step, trial: Trial) -> Iterator[Any]:
    for done in run(step, trial, precise()):
        yield done.env[Sym(step.point, True)]


def _gap(ours: Any, theirs: Any) -> float:
    """The largest difference beside the size of the entry; infinite where one is undefined."""
    worst = 0.0
    for left, right in zip(ours, theirs, strict=True):
        gap = np.abs(left - right) / (np.abs(right) + 1)
        if not np.all(gap == gap):
            return float("inf")
        worst = max(worst, float(gap.max()))
    return worst
