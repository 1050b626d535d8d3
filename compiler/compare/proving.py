"""Proofs that the verdicts rest on, and what is told beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from thetaprime.compare import gaps
from thetaprime.compare.alike import Alike, alike
from thetaprime.compare.differing import term
from thetaprime.compare.pairs import FAILED, Pair, Shown
from thetaprime.compare.probe import Probe
from thetaprime.compare.verify import Rejected, verify

# Exact runs before a proof is looked for, and beside one; proofs looked for in one way to be equal.
QUICK, THOROUGH = 8, 60
MOST_PROOFS = 4
Proof = Shown | Alike


def proved(pair: Pair) -> Proof | None:
    """A proof that exact runs do not contradict, and that `verify` accepts."""
    if alike(pair):
        return Alike(pair)
    if not Probe(pair).passes({}):
        return None
    try:
        shown = pair.proved()
        verify(shown)
    except (Rejected, *FAILED):
        return None
    return shown if pair.agrees(THOROUGH, 7) else None


def over_time(pair: Pair) -> tuple[str, ...]:
    """Hyperparameters that must not change from step to step."""
    from thetaprime.compare.schedules import only_constant

    return tuple(only_constant(pair))


def differs(pair: Pair) -> Iterator[str]:
    """The term that differs, and the gap."""
    yield from term(pair)
    with suppress(*FAILED, TypeError):
        yield from list(gaps.notes(pair))
