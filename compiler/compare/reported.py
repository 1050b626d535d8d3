"""Where rules that train the same points say that these are to be evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from thetaprime.claims.refute import same, sampled
from thetaprime.claims.runs import Trial, run
from thetaprime.claims.same_runs import rival_hypers
from thetaprime.compare.pairs import FAILED, Pair
from thetaprime.compare.result import Comparison
from thetaprime.expr import Sym
from thetaprime.interpret import after, evaluation
from thetaprime.ir import Step
from thetaprime.render import spec_text

RUNS = 6


def said(found: Comparison) -> Comparison:
    """A verdict with what it means for the points to evaluate: rules that are equal but for them
    are equal up to them."""
    pair = found.proof.pair if found.proof is not None else None
    if pair is None or (pair.a.evaluate is None and pair.b.evaluate is None):
        return found
    step = _parted(pair)
    if step is None:
        return replace(found, notes=(*found.notes, "the points to evaluate agree on exact runs"))
    told = f"{_which(pair.a)} of {pair.a.name}, {_which(pair.b)} of {pair.b.name}"
    words = f"the points to evaluate differ after step {step}: {told}"
    if found.verdict in ("different", "equal-up-to"):
        return replace(found, notes=(*found.notes, words))
    when = f" when {', or when '.join(found.conditions)}" if found.conditions else ""
    return replace(
        found, verdict="equal-up-to", conditions=("the point to evaluate", *found.conditions),
        notes=(f"the points to train are equal{when}", words, *found.notes))


def _which(step: Step) -> str:
    return f"`{spec_text(step.evaluate) if step.evaluate is not None else step.point}`"


def _parted(pair: Pair) -> int | None:
    """The first step of an exact run after which the points to evaluate differ."""
    for trial in islice(sampled(pair.question, 8 * RUNS, 9), 7 * RUNS, None):
        try:
            other = replace(trial, hypers=rival_hypers(pair.question, pair.rival, trial))
            both = zip(_points(pair.a, trial), _points(pair.b, other), strict=True)
            for t, (ours, theirs) in enumerate(both, 1):
                for left, right in zip(ours, theirs, strict=True):
                    if not all(map(same, np.ravel(left).tolist(), np.ravel(right).tolist())):
                        return t
        except (*FAILED, TypeError, np.linalg.LinAlgError):
            continue
    return None


def _points(step: Step, trial: Trial) -> Iterator[list[Any]]:
    for done in run(step, trial):
        point, memory = after(done)
        if all(v == v for a in done.env[Sym(step.point, True)] for v in np.ravel(a).tolist()):
            yield evaluation(step, memory, point, trial.hypers, done.numbers)
