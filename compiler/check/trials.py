"""Short runs that may break a rule: hyperparameters, gradients, points and losses, plainest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from thetaprime.bowl import Bowl, Tensors
from thetaprime.ir import Hyper, Step
from thetaprime.numbers import Field
from thetaprime.signature import asks_more

STEPS = 3
ANY = "any"  # the gradient is none in particular
Gradients = tuple[str, ...]


@dataclass(frozen=True)
class Trial:
    """A run: hyperparameters other than the defaults, the names of the gradients of its steps, the
    factor of the point, and the loss: ``offset``, or curvature*|x|^2/2 + offset where the step asks
    for more than its value."""

    given: tuple[tuple[str, float], ...] = ()
    gradients: Gradients = (ANY,) * STEPS
    point: float = 1.0
    curvature: float = 1.0
    offset: float = 1.0


class Quadratic(Bowl):
    """curvature*|x|^2/2 + offset, with an answer to every oracle, the same for every batch."""

    def __init__(self, tasks: int, curvature: float, offset: float, numbers: Field) -> None:
        super().__init__(tasks)
        self.curvature, self.offset = numbers.number(curvature), numbers.number(offset)

    def loss(self, x: Tensors, batch: Any, name: str = "") -> Any:
        return self.curvature * super().loss(x, batch, name) + self.offset

    def grad(self, x: Tensors, batch: Any, name: str = "") -> Tensors:
        return [self.curvature * p for p in x]

    def hvp(self, x: Tensors, v: Tensors, batch: Any, name: str = "") -> Tensors:
        return [self.curvature * p for p in v]

    def slope(self, x: Tensors, v: Tensors, batch: Any, name: str = "") -> Any:
        return self.curvature * super().slope(x, v, batch, name)

    def rows(self, x: Tensors, batch: Any) -> Tensors:
        return [self.curvature * p for p in super().rows(x, batch)]

    def grads(self, x: Tensors, batch: Any) -> Tensors:
        return [self.curvature * p for p in super().grads(x, batch)]

    def dell(self, outputs: Any, batch: Any) -> Any:
        return self.curvature * outputs

    def hess_ell(self, outputs: Any, w: Any, batch: Any) -> Any:
        return self.curvature * w

    def ggn(self, x: Tensors, v: Tensors, batch: Any) -> Tensors:
        return [self.curvature * p for p in v]


# Gradients by the words for them, in every entry; for a gradient like any other None.
FORMS: dict[str, Callable[[Any], Any]] = {
    ANY: lambda p: p * p / 2 - p + 0.3125, "other": lambda p: 0.5 - p * p, "x": lambda p: p,
    "0": lambda p: 0 * p, "1": lambda p: 0 * p + 1, "-1": lambda p: 0 * p - 1,
    "0 in an entry": lambda p: np.where(np.arange(p.size).reshape(p.shape) == 0, 0 * p, p * p),
}
# The plainest first.
GRADIENTS: tuple[Gradients, ...] = (
    (ANY,) * STEPS, ("other",) * STEPS, ("0 in an entry",) * STEPS, ("0",) * STEPS,
    ("1",) * STEPS, ("-1",) * STEPS, ("0", ANY, ANY), (ANY, "0", "0"), (ANY, "other", "-1"),
    ("1", "-1", "1"), ("1", "-1", "-1"), ("x",) * STEPS)
# Problems by curvature, offset and the factor of the point.
PROBLEMS = ((1.0, 0.0, 1.0), (1.0, 1.0, 1.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 1.0),
            (0.0, -2.0, 1.0), (-1.0, 0.0, 1.0), (1.0, -20.0, 1.0), (-4.0, 0.0, 1.0))


def trials(step: Step, hypers: Iterable[Hyper]) -> Iterator[Trial]:
    """Runs in the order of their plainness: the defaults with all gradients, then ``hypers`` at
    the ends of their ranges, one by one."""
    corners = [(), *(((h.name, end),) for h in hypers for end in ends(h))]
    for given in corners:
        if asks_more(step):
            for curvature, offset, point in PROBLEMS:
                yield Trial(given, (ANY,) * STEPS, point, curvature, offset)
        else:
            for gradients in GRADIENTS:
                yield Trial(given, gradients)
            yield Trial(given, point=0.0)
            for loss in (0.0, -1.0, -2.0):
                yield Trial(given, offset=loss)
            yield Trial(given, ("0",) * STEPS, offset=0.0)


def ends(hyper: Hyper) -> tuple[float, ...]:
    """Values at and near the ends of a range."""
    if hyper.type.kind == "function" or hyper.type.axes:
        return ()
    bounds = hyper.range
    if bounds is None:
        near = [0.0, 1.0, -1.0]
    else:
        near = [float(e) for e in (bounds.low, bounds.high) if e is not None]
        near += [v for v in (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 4.0) if v not in near]
    whole = hyper.type.kind == "int"
    inner = [v for v in near if (bounds is None or v in bounds) and (not whole or v % 1 == 0)]
    return tuple(v for v in inner if not whole or abs(v) <= 8)
