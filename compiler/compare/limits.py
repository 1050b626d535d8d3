"""One rule goes to another where hyperparameters go to ends of their ranges: `eps -> 0`.

Proved in three parts: the rule is the same in states that stay finite there (`orders`, where that
is needed), its step is continuous at the end (`ends`), and the rule at the end is the other one
(`pairs`). Then after every fixed number of steps, from the same start and gradients, the iterates
go to those of the other rule. Numbers near the end come first (`nearing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from thetaprime.bounds import End
from thetaprime.claims.questions import Relation
from thetaprime.claims.runs import run
from thetaprime.compare.alike import Alike
from thetaprime.compare.ends import ZERO, Continuity, continuous
from thetaprime.compare.nearing import Numbers, Toward
from thetaprime.compare.norms import Broken, Rooted, rooted
from thetaprime.compare.orders import regular
from thetaprime.compare.pairs import FAILED, Pair, Shown
from thetaprime.compare.rescaled import Rescaled
from thetaprime.expr import Expr
from thetaprime.ir import Step
from thetaprime.numbers import FLOAT
from thetaprime.render import spec_text

SMALL = 1e-9


@dataclass(frozen=True)
class Limit:
    """``rule`` with some hyperparameters at ``toward.settings`` and others on their way to
    ``toward.ends`` goes to the second rule of ``shown.pair``, whose first is the rule at the end.
    ``rescaled``: the same rule in other states, one after another; ``off``: what must not be 0 at
    the end."""

    rule: Step
    toward: Toward
    rescaled: tuple[Rescaled | Rooted, ...]
    off: tuple[Expr, ...]
    shown: Shown | Alike

    @property
    def pair(self) -> Pair:
        """The rule at the end, and the other one."""
        return self.shown.pair

    @property
    def how(self) -> str:
        """The method in words."""
        return f"continuity at the end of the range, and there by {self.shown.how}"

    def lines(self) -> list[str]:
        """The proof for people."""
        from thetaprime.steptext import body_lines

        told = [f"{one.name}: in other states the rule is" for one in self.rescaled[-1:]]
        told += [f"  {line}" for one in self.rescaled[-1:] for line in body_lines(one.new.body)]
        apart = " and ".join(f"{spec_text(e)} != 0" for e in self.off)
        told.append(f"every operation is continuous at the end{' where ' + apart if apart else ''}")
        return [*told, "the rule at the end:", *self.shown.lines()]


def at_end(
    step: Step, ends: Mapping[str, End]
) -> Iterator[tuple[tuple[Rescaled | Rooted, ...], Continuity]]:
    """Ways to see that a rule is continuous at ends: as it is, and after a change of states."""
    with suppress(Broken):
        yield (), continuous(step, ends)
    made: list[Rescaled | Rooted] = []
    for name, end in ends.items():
        with suppress(Broken):
            last = made[-1].new if made else step
            one = regular(last, name, end) if isinstance(end, Fraction) else rooted(last, name)
            if one.new != one.old:
                made.append(one)
    if made:
        with suppress(Broken):
            yield tuple(made), continuous(made[-1].new, ends)


def apart(off: Sequence[Expr], pair: Pair) -> Pair:
    """A pair where what must not be 0 is not."""
    return pair.assuming(*(Relation("!=", e, ZERO) for e in off))


def met(found: Continuity, pair: Pair, salt: int = 1) -> bool:
    """Whether what must not be 0 is not, on a run of the rule at the end from plain numbers."""
    trial = Numbers(pair, salt).trial
    with suppress(*FAILED, TypeError), np.errstate(all="ignore"):
        for done in run(found.end, trial, FLOAT):
            for expr in found.off:
                value = done.value(expr)
                for array in value if isinstance(value, list) else [value]:
                    if not np.all(np.abs(np.asarray(array, float)) > SMALL):
                        return False
        return True
    return False
