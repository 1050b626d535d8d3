"""Certificates of equality checked again, by other means than those that found them.

Two rules make the same iterates if a relation of their states holds at the start, if every step
keeps it, and if wherever it holds the new points agree. Checked here: every case of the first step
and of a later one is there, each says that the new points and all related states agree; every
polynomial identity in it (`recheck`: on its own algebra, and on exact runs of the interpreter);
and the relation of states itself on exact runs.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np

from thetaprime.claims.context import Rejected
from thetaprime.claims.equality import Related
from thetaprime.claims.facts import Settled, kinds
from thetaprime.claims.questions import Relation
from thetaprime.claims.recheck import Rechecked, recheck
from thetaprime.claims.refute import same, sampled
from thetaprime.claims.runs import run
from thetaprime.claims.same_runs import rival_hypers
from thetaprime.compare import verify_limits
from thetaprime.compare.alike import Alike
from thetaprime.compare.damped import Damped
from thetaprime.compare.limits import Limit
from thetaprime.compare.lti import Unrolled
from thetaprime.compare.pairs import FAILED, Shown
from thetaprime.expr import Sym

RUNS = 6


def verify(shown: Shown | Unrolled | Alike | Limit | Damped) -> Rechecked:
    """Raises Rejected."""
    if isinstance(shown, Unrolled | Alike | Damped):
        return Rechecked(shown.verify(), 0)
    if isinstance(shown, Limit):
        verify_limits.check(shown)
        return verify(shown.shown)
    pair = shown.pair
    _complete(shown)
    for fact, certificate in shown.invariants:
        recheck(certificate, replace(pair.question, facts=(fact,)))
    points = recheck(shown.certificate, pair.question, pair.rival)
    for one in shown.related:
        _kept(shown, one)
    return points


def _complete(shown: Shown) -> None:
    """That the cases are there, and what each has to say."""
    pair = shown.pair
    point = Relation("==", Sym(pair.a.point, True), Sym(pair.b.point, True))
    states = {Relation("==", Sym(r.source or r.state, True), Sym(r.state, True))
              for r in shown.related}
    by_case: dict[tuple[bool, frozenset[object]], set[Relation]] = {}
    for one in shown.certificate.settled:
        by_case.setdefault(_case(one), set()).add(one.relation)
    for first in (True, False):
        for truths in kinds(pair.a, pair.b):
            told = by_case.get((first, frozenset(truths.items())))
            if told is None:
                raise Rejected(f"{'t = 1' if first else 't > 1'} is missing")
            if point not in told or not states <= told:
                raise Rejected("a relation is missing in a case")


def _case(one: Settled) -> tuple[bool, frozenset[object]]:
    return one.first, frozenset(one.truths.items())


def _kept(shown: Shown, one: Related) -> None:
    """That a relation without powers of hyperparameters holds on exact runs."""
    if one.solved or one.factor.atoms:
        return
    pair = shown.pair
    factor = one.factor.constant
    if factor is None:
        raise Rejected("a factor that is none")
    for trial in islice(sampled(pair.question, 4 * RUNS, 11), 3 * RUNS, None):
        try:
            other = replace(trial, hypers=rival_hypers(pair.question, pair.rival, trial))
            both = list(zip(run(pair.a, trial), run(pair.b, other), strict=True))
        except (*FAILED, TypeError, np.linalg.LinAlgError):
            continue
        for mine, theirs in both:
            a = mine.env.get(Sym(one.source, True)) if one.turned is None else mine.value(
                one.turned.expr(one.source, True))
            b = theirs.env.get(Sym(one.state, True))
            for left, right in zip(*map(_flat, (a, b)), strict=False):
                if left == left and right == right and not same(left * _of(left, factor), right):
                    raise Rejected(f"`{one.state}` is not {factor} times `{one.source}`")


def _of(value: Any, factor: Fraction) -> Any:
    """A factor as a number like a value."""
    return factor if isinstance(value, Fraction | int) else type(value)(
        factor.numerator) / factor.denominator


def _flat(value: Any) -> list[Any]:
    if value is None or isinstance(value, tuple):
        return []
    arrays = value if isinstance(value, list) else [value]
    return [v for a in arrays if a is not None and not isinstance(a, tuple)
            for v in np.ravel(np.asarray(a, object)).tolist()]


__all__ = ["Rejected", "verify"]
