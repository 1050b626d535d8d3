"""What tells two rules apart: the smallest run, and the first terms that differ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from thetaprime.claims.polynomials import Ratio
from thetaprime.claims.refute import Counterexample, replay
from thetaprime.claims.same_runs import rival_hypers
from thetaprime.claims.symbolic import Undefined, Unknown
from thetaprime.claims.verdicts import shown, told
from thetaprime.compare.pairs import FAILED, Pair
from thetaprime.compare.result import Apart
from thetaprime.compare.unroll import Difference, first_difference, generic

STEPS, LONGEST = 3, 100


def counterexample(pair: Pair, count: int) -> Apart | None:
    """The smallest exact run after which the iterates differ."""
    found = pair.attacked(count)
    if not isinstance(found, Counterexample):
        return None
    return Apart(found.step, shown(found.left), shown(found.right),
                 tuple(told(pair.question, found, False)), _replayed(pair, found), found)


def _replayed(pair: Pair, found: Counterexample) -> bool:
    """Whether the generated NumPy programs of both make these runs."""
    from dataclasses import replace

    with suppress(*FAILED, TypeError, AttributeError):
        other = replace(found, trial=replace(found.trial, hypers=rival_hypers(
            pair.question, pair.rival, found.trial)))
        return replay(pair.a, found) and replay(pair.b, other)
    return False


def term(pair: Pair) -> Iterator[str]:
    """The first difference as a formula in the users' notation."""
    try:
        apart = generic(lambda algebra: first_difference(pair, STEPS, algebra))
    except (Unknown, Undefined, *FAILED):
        return
    if apart is None:
        return
    x = pair.a.point
    whole = _text(apart, apart.value.ratio)
    if len(whole) <= LONGEST and " terms" not in whole:
        yield f"at t = {apart.step} the second {x}' is the first plus {whole}"
        return
    ours, theirs = (_text(apart, s.ratio) for s in apart.sides)
    if max(len(ours), len(theirs)) <= 2 * LONGEST and " terms" not in ours + theirs:
        yield f"at t = {apart.step} one {x}' is {ours}"
        yield f"the other {theirs}"


def _text(apart: Difference, ratio: Ratio) -> str:
    text = apart.write.ratio(ratio)
    return text.replace("g1", "g") if apart.step == 1 else text
