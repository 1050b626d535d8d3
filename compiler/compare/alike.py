"""Rules that are the same equations but for names and order: one canonical form, no algebra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thetaprime.claims.context import Rejected
from thetaprime.claims.refute import Counterexample
from thetaprime.compare.canonical import canonical
from thetaprime.compare.pairs import Pair
from thetaprime.ir import Step

RUNS = 8


@dataclass(frozen=True)
class Alike:
    """A proof that two rules agree: their canonical forms are the same."""

    pair: Pair
    how = "the same equations"

    def lines(self) -> list[str]:
        """The proof for people."""
        return ["but for names and order the equations are the same"]

    def verify(self) -> int:
        """The forms once more, and exact runs: how many steps agreed. Raises Rejected."""
        if not alike(self.pair):
            raise Rejected("the equations are not the same")
        found = self.pair.attacked(RUNS, 21)
        if isinstance(found, Counterexample):
            raise Rejected("an exact run contradicts it")
        return found.points


def alike(pair: Pair) -> bool:
    """Whether two rules are the same equations in the same hyperparameters."""
    return not pair.hypers and _meaning(pair.a) == _meaning(pair.b)


def _meaning(step: Step) -> Any:
    """All of a canonical step but its texts and the ranges and defaults of hyperparameters."""
    form = canonical(step)
    hypers = [(h.name, h.type) for h in form.hypers]
    return (form.point, form.gradient, form.states, form.body, form.evaluate, form.axes, form.fresh,
            form.losses, form.tasks, form.views, form.takes, hypers)
