"""Normal forms beside the interpreter: at points of real runs, in 50 digits, the sides of a proved
relation come to what the interpreter computes, and what a proof takes as known holds.

An atom is computed from what its key says it is: a symbol of the run, a root, a sign, a power, a
sum, a product of matrices. What no key tells (decompositions, answers of a problem) is `Beyond`
this: such a relation has no points, and its proof rests on the prover's own algebra.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from thetaprime.claims.arrays import Beyond
from thetaprime.claims.context import Rejected
from thetaprime.claims.equality import Rival
from thetaprime.claims.evaluation import Place, axes_of, kinds
from thetaprime.claims.facts import Settled
from thetaprime.claims.polynomials import Poly
from thetaprime.claims.questions import Question
from thetaprime.claims.refute import compared, everywhere, related, sampled
from thetaprime.claims.runs import DIGITS, Trial, run
from thetaprime.claims.same_runs import changed, rival_hypers
from thetaprime.evaluate import Run
from thetaprime.expr import Expr, Sym
from thetaprime.intervals import NONNEGATIVE, Interval
from thetaprime.matrices import takers
from thetaprime.numbers import mpmath_field

# Numbers of 50 digits that are this close, relative to the terms that they are sums of, are equal.
CLOSE = Fraction(1, 10**25)
ENOUGH, MOST_TRIALS, MOST_BEYOND = 20, 40, 4
FAILED = (ArithmeticError, ValueError, KeyError, TypeError, AssertionError, IndexError,
          np.linalg.LinAlgError)


@dataclass
class Points:
    """Steps of random runs in which the conditions of a question hold, made as they are asked for;
    beside each the step of the rule (or the changed run) that it is compared with."""

    question: Question
    other: Rival | None = None
    places: list[Place] = field(default_factory=list)

    @cached_property
    def _source(self) -> Iterator[Place]:
        return self._made()

    def _each(self) -> Iterator[Place]:
        yield from self.places
        for place in self._source:
            self.places.append(place)
            yield place

    def _made(self) -> Iterator[Place]:
        question, numbers = self.question, mpmath_field(DIGITS)
        steps = (question.step, self.other.step if self.other else question.step)
        axes, types = axes_of(*steps), tuple(map(kinds, steps))
        for trial in islice(self._trials(), MOST_TRIALS):
            try:
                pair = self._beside(trial)
                mine = list(run(question.step, trial, numbers))
                theirs = list(run(*pair, numbers)) if pair else [None] * len(mine)
            except FAILED:
                continue
            for done, beside in zip(mine, theirs, strict=True):
                if _met(question, done):
                    yield Place(numbers, done, beside, axes, types)

    def _beside(self, trial: Trial) -> tuple[Any, Trial] | None:
        if self.other is not None:
            return self.other.step, replace(
                trial, hypers=rival_hypers(self.question, self.other, trial))
        if self.question.claim.form == "invariant":
            other = changed(self.question, trial)
            if other is None or any(t.name == self.question.step.point
                                    for t, _ in self.question.changes):
                raise ValueError("no run beside it that gives the same iterates")
            return self.question.step, other
        return None

    def _trials(self) -> Iterator[Trial]:
        """Random numbers in the place of plain ones, where no condition is about them."""
        question = self.question
        rng = random.Random(question.text)
        told = {one.left for one in question.when} | {one.right for one in question.when}
        free = Sym(question.step.gradient) not in told and not question.constant
        trials = islice(sampled(question, 2 * MOST_TRIALS, 1), MOST_TRIALS, None)  # of any shapes
        for index, trial in enumerate(trials):
            if index % 3 and free:
                trial = replace(trial, point=_random(trial.point, rng),
                                gradients=tuple(_random(g, rng) for g in trial.gradients))
            yield trial

    def tested(self, one: Settled, premises: Mapping[Poly, Interval]) -> int:
        """At how many points a relation was computed, 0 where that is beyond this. Raises
        Rejected."""
        with np.errstate(all="ignore"):
            return self._tested(one, premises)

    def _tested(self, one: Settled, premises: Mapping[Poly, Interval]) -> int:
        counted = beyond = 0
        known = {**premises, **dict.fromkeys(one.facts, NONNEGATIVE)}
        for place in self._each():
            if one.sides is not None and one.first != (place.run.t == 1):
                continue
            for leaf in _leaves(place, one.truths):
                agreed = self._compared(place, leaf, one)
                beyond += agreed is None
                counted += agreed or 0
                for poly, interval in known.items():
                    _within(place, leaf, one, poly, interval)
            if counted >= ENOUGH or beyond >= MOST_BEYOND > counted:
                break
        return counted

    def _compared(self, place: Place, leaf: int, one: Settled) -> int | None:
        """At how many entries the sides are what they come to. Raises Rejected."""
        left, right = one.relation.left, one.relation.right
        if one.sides is None:
            return _related(place, one)
        pairs: list[tuple[Any, Any, Any]] = []
        try:
            normal = [place.ratio(r, leaf, one.algebra) for r in one.sides]
            diff, size = place.ratio(one.diff, leaf, one.algebra)
            mask = place.holds(one.algebra.assumed, leaf, one.algebra)
            apart = normal[1][0] - normal[0][0]
            sides = -apart if one.relation.op in (">", ">=") else apart
            pairs.append((diff, sides, size + normal[0][1] + normal[1][1]))
            paired = place.beside is not None
            if not paired or (left, right) == self._points:
                pairs.append((place.given(False, left, leaf), *normal[0]))
            pairs.append((place.given(paired, right, leaf), *normal[1]))
        except (Beyond, *FAILED):
            return None
        return min(self._agree(p, mask, one) for p in pairs)

    @cached_property
    def _points(self) -> tuple[Sym, Sym]:
        """The new points of both. What else is said of a rival is of its states, one of which may
        have the name of the rule's point."""
        step = self.question.step
        return Sym(step.point, True), Sym((self.other.step if self.other else step).point, True)

    def _agree(self, pair: tuple[Any, Any, Any], mask: Any, one: Settled) -> int:
        count = 0
        for a, b, size, here in zip(*map(np.ravel, np.broadcast_arrays(*pair, mask)), strict=True):
            if not here or a != a or b != b or abs(a) == np.inf or abs(b) == np.inf:
                continue
            if abs(a - b) > float(CLOSE) * (1 + size + abs(a)):
                raise Rejected(f"the normal form of {one.world} is {float(b):.10g}, "
                               f"the interpreter's number {float(a):.10g}")
            count += 1
        return count


def _met(question: Question, done: Run) -> bool:
    try:
        return all(everywhere(done, one) for one in question.when)
    except FAILED:
        return False


def _related(place: Place, one: Settled) -> int:
    """At how many points a relation without a normal form holds. Raises Rejected."""
    try:
        pairs = [p for p in compared(place.run, one.relation.left, one.relation.right)
                 if all(v == v and abs(v) != np.inf for v in p)]
        wrong = next((p for p in pairs if not related(one.relation.op, *p)), None)
    except FAILED:
        return 0
    if wrong is not None:
        raise Rejected(f"{one.world}: {wrong[0]} {one.relation.op} {wrong[1]} does not hold")
    return len(pairs)


def _random(tree: tuple[Any, ...], rng: random.Random) -> tuple[Any, ...]:
    found = []
    for array in tree:
        new = np.empty(array.shape, object)
        for index in np.ndindex(array.shape):
            new[index] = Fraction(rng.randint(-40, 40), rng.randint(1, 9))
        found.append(new)
    return tuple(found)


def _leaves(place: Place, truths: Mapping[Expr, bool]) -> list[int]:
    """The tensors of the kind that a world is about."""
    found = []
    for leaf in range(len(place.run.shapes)):
        if all((leaf in takers(place.run, guard)) == truth for guard, truth in truths.items()):
            found.append(leaf)
    return found


def _within(place: Place, leaf: int, one: Settled, poly: Poly, interval: Interval) -> None:
    """Raises Rejected where a premise does not hold."""
    try:
        value, size = place.poly(poly.terms, leaf, one.algebra)
        mask = place.holds(one.algebra.assumed, leaf, one.algebra)
    except (Beyond, *FAILED):
        return
    low, high = float(interval.low), float(interval.high)
    for v, s, here in zip(*map(np.ravel, np.broadcast_arrays(value, size, mask)), strict=True):
        if here and v == v:
            room = float(CLOSE) * (1 + s)
            if float(v) < low - room or float(v) > high + room:
                raise Rejected(f"{one.world}: what was taken as known does not hold")
