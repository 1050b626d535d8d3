"""What a step asks while it is interpreted: the problem, and the batches of this step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from thetaprime.expr import Apply
from thetaprime.ops import ORACLES


class MissingOracle(Exception):
    """The problem lacks an oracle that the step asks for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the problem has no `{name}`: pass {ORACLES[name].passed}")
        self.name = name


@dataclass(frozen=True)
class Asked:
    """``problem`` has a method for each oracle (`ops.ORACLES`): it takes and gives a list of
    tensors where the oracle is about entries, then the batch. ``this`` is the batch of the step,
    ``fresh`` gives new ones by number, ``full`` is all data. ``outputs`` are flattened: an oracle
    of output space sees them in the shape that ``out`` gave."""

    problem: Any
    this: Any = None
    fresh: Sequence[Any] = ()
    full: Any = None
    shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def answer(self, expr: Apply, args: list[Any]) -> Any:
        """The value of an oracle; ``args`` are its points and directions, then, for a fresh batch,
        its number."""
        name, (which, *loss) = expr.op, expr.over
        if which == "fresh":
            *args, number = args
            batch = self.fresh[int(number)]
        else:
            batch = self.full if which == "full" else self.this
        row = ORACLES[name]
        method = getattr(self.problem, name, None)
        if method is None:
            raise MissingOracle(name)
        given = [self._shaped(a, batch) if space == "outputs" else a
                 for space, a in zip(row.takes, args, strict=True)]
        answer = method(*given, batch, *loss)
        if row.gives == "outputs":
            self.shapes[id(batch)] = np.shape(answer)
            return np.ravel(np.asarray(answer))
        return answer

    def _shaped(self, flat: Any, batch: Any) -> Any:
        shape = self.shapes.get(id(batch))
        return flat if shape is None else np.reshape(flat, shape)
