"""Runs in float64 that sort out most maps of hyperparameters: numbers that are in no special
relation, so that rules which differ do so at once, and decays as they are by default, for what
happens after some steps. What passes is nothing but a candidate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

from thetaprime.claims.runs import Trial, run, shapes
from thetaprime.claims.same_runs import rival_hypers
from thetaprime.compare.pairs import FAILED, Pair, usual
from thetaprime.expr import Expr, Num, Sym
from thetaprime.ir import Hyper, Step
from thetaprime.numbers import FLOAT

STEPS, WIDE, CLOSE = 12, 64, 1e-9  # signs tell little: many entries


class Probe:
    """The runs of the first rule of a pair, beside which those of the second are held."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Numbers that nothing distinguishes; the same with decays as usual."""
        pair, salt = self.pair, count(1)
        fixed = {one.left.name: one.right.value for one in pair.when if one.op == "==" and (
            isinstance(one.left, Sym) and isinstance(one.right, Num))}
        every = {h.name: fixed.get(h.name, plain(h, next(salt))) for h in pair.a.hypers}
        hypers = {name: value for name, value in every.items() if value is not None}
        tree = [(WIDE,) if s == (1,) else s for s in shapes(pair.a)[0]]
        trees = [tuple(tensor(s, next(salt)) for s in tree) for _ in range(STEPS + 1)]
        even = Trial(hypers, trees[0], tuple(trees[1:]))
        return even, replace(even, hypers={**hypers, **usual(pair)})

    @cached_property
    def ours(self) -> list[list[Any]]:
        """The points of the first rule in each trial; none where it cannot run so."""
        return [list(points(self.pair.a, trial)) for trial in self.trials]

    def passes(self, found: Mapping[str, Expr]) -> bool:
        """Whether a map is not contradicted."""
        at = self.pair.given(**found)
        try:
            theirs = [replace(trial, hypers=rival_hypers(at.question, at.rival, trial))
                      for trial in self.trials]
        except FAILED:
            return False
        return not any(_apart(one, other)
                       for ours, trial in zip(self.ours, theirs, strict=True)
                       for one, other in zip(ours, points(at.b, trial), strict=False))


def points(step: Step, trial: Trial) -> Iterator[Any]:
    with suppress(*FAILED, TypeError, np.linalg.LinAlgError), np.errstate(all="ignore"):
        floats = replace(trial, hypers={n: _float(v) for n, v in trial.hypers.items()})
        for done in run(step, floats, FLOAT):
            yield done.env[Sym(step.point, True)]


def _apart(ours: Any, theirs: Any) -> bool:
    for left, right in zip(ours, theirs, strict=True):
        gap = np.abs(np.asarray(left, float) - np.asarray(right, float))
        if np.any(gap > CLOSE * (np.abs(left) + 1)):
            return True
    return False


def _float(value: Any) -> Any:
    return value if callable(value) or isinstance(value, int) else float(value)


def plain(hyper: Hyper, salt: int) -> Any:
    """A number inside of a range; None: the default."""
    bounds = hyper.range
    if hyper.type.kind != "real" or isinstance(hyper.default, tuple):
        return None
    low = Fraction(0) if bounds is None or bounds.low is None else bounds.low
    high = low + 2 if bounds is None or bounds.high is None else bounds.high
    return low + (high - low) * Fraction(salt * 37 % 101 + 2, 107)


def tensor(shape: tuple[int, ...], salt: int) -> Any:
    """Numbers of both signs and of many sizes."""
    place = np.arange(1, int(np.prod(shape)) + 1)
    sizes = np.exp(3 * np.sin(place * salt * 0.9))
    return (np.sin(place * 1.7 + salt * 2.3) * sizes).reshape(shape)
