"""Equalities that hold only while a hyperparameter stays the same: momentum with the learning rate
inside and outside of it part as soon as the rate changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np

from thetaprime.claims.refute import same, sampled
from thetaprime.claims.runs import Trial, run
from thetaprime.claims.same_runs import rival_hypers
from thetaprime.compare.pairs import FAILED, Pair, real
from thetaprime.expr import Sym

RUNS, STEPS = 6, 3


def only_constant(pair: Pair) -> Iterator[str]:
    """The hyperparameters that must not change: halved after step 1, the iterates part. Nothing is
    said of maps that hold t."""
    found = {}
    if any(Sym("t") == s for e in pair.hypers.values() for s in _symbols(e)):
        return
    fixed = {one.left.name for one in pair.when if isinstance(one.left, Sym)}
    for hyper in real(pair.a):
        if hyper.name in fixed or hyper.type.kind == "int":
            continue
        step = _parts(pair, hyper.name)
        if step is not None:
            found[hyper.name] = step
    if found:
        names = ", ".join(f"`{n}`" for n in found)
        yield (f"only at constant {names}: halved after step 1, the iterates differ after step "
               f"{max(found.values())}")


def _symbols(expr: object) -> frozenset[Sym]:
    from thetaprime.expr import symbols

    return frozenset(symbols(expr))  # type: ignore[arg-type]


def _parts(pair: Pair, name: str) -> int | None:
    """The first step of an exact run that tells the rules apart."""
    for trial in islice(sampled(pair.question, 8 * RUNS, 5), 7 * RUNS, None):
        value = trial.hypers.get(name)
        if not isinstance(value, Fraction) or value == 0:
            continue
        bounds = pair.a.hyper(name).range
        if bounds is not None and value / 2 not in bounds:
            continue
        gradients = (trial.gradients * STEPS)[:STEPS]
        whole = replace(trial, gradients=gradients)
        half = replace(whole, hypers={**whole.hypers, name: value / 2})
        found = _difference(pair, name, whole, half)
        if found is not None:
            return found
    return None


def _difference(pair: Pair, name: str, whole: Trial, half: Trial) -> int | None:
    try:
        ours, theirs = whole.hypers, rival_hypers(pair.question, pair.rival, whole)
        later, theirs_later = half.hypers, rival_hypers(pair.question, pair.rival, half)
        one = run(pair.a, replace(whole, hypers=_switching(ours, later)))
        other = run(pair.b, replace(whole, hypers=_switching(theirs, theirs_later)))
        for a, b in zip(one, other, strict=True):
            mine, other_point = a.env[Sym(pair.a.point, True)], b.env[Sym(pair.b.point, True)]
            for left, right in zip(mine, other_point, strict=True):
                for p, q in zip(np.ravel(left), np.ravel(right), strict=True):
                    if p == p and q == q and not same(p, q):
                        return int(a.t)
    except (*FAILED, TypeError, np.linalg.LinAlgError):
        return None
    return None


def _switching(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters of step 1, then those of all later ones."""
    return {n: (v if after.get(n) == v else (lambda k, a=v, b=after[n]: a if k == 0 else b))
            for n, v in before.items()}
