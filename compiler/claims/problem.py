"""A problem whose gradient at the point of a step is what a trial says, and which curves away from
it: so that rules which ask elsewhere get other answers, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from thetaprime.numbers import Field

Tensors = list[Any]


class Curved:
    """f(y) = level + g.(y - x) + |y - x|^2/2 + sum((y - x)^3)/6, another level and slope for each
    batch and task; ``turned``: the tasks in the opposite order. Outputs are the entries y; the
    loss of outputs o is |o|^2/2."""

    def __init__(
        self, numbers: Field, point: Sequence[Any], gradient: Sequence[Any], tasks: int = 2,
        turned: bool = False,
    ) -> None:
        self.numbers, self.order = numbers, range(tasks)[::-1] if turned else range(tasks)
        self.point = [numbers.array(p) for p in point]
        self.gradient = [numbers.array(g) for g in gradient]
        self.level = numbers.number(Fraction(3, 2))

    def _slope(self, batch: Any, name: str) -> Tensors:
        shift = self.numbers.number(Fraction(int(batch or 0), 4))
        if name:
            shift = shift + self.numbers.number(Fraction(len(name), 8))
        return [g + shift for g in self.gradient]

    def _away(self, y: Tensors) -> Tensors:
        return [p - q for p, q in zip(y, self.point, strict=True)]

    def _number(self, top: int, bottom: int) -> Any:
        return self.numbers.number(Fraction(top, bottom))

    def loss(self, y: Tensors, batch: Any = 0, name: str = "") -> Any:
        """One number."""
        half, sixth = self._number(1, 2), self._number(1, 6)
        return self.level + sum(
            np.sum(g * d + half * d * d + sixth * d * d * d)
            for g, d in zip(self._slope(batch, name), self._away(y), strict=True))

    def grad(self, y: Tensors, batch: Any = 0, name: str = "") -> Tensors:
        """g + d + d^2/2 with d = y - x."""
        half = self._number(1, 2)
        return [g + d + half * d * d
                for g, d in zip(self._slope(batch, name), self._away(y), strict=True)]

    def hvp(self, y: Tensors, v: Tensors, batch: Any = 0, name: str = "") -> Tensors:
        """(1 + d)*v."""
        return [w + d * w for w, d in zip(v, self._away(y), strict=True)]

    def hess(self, y: Tensors, batch: Any = 0) -> Any:
        """1 + d on the diagonal, all entries in one row."""
        row = self.out([1 + d for d in self._away(y)])
        found = np.zeros((row.size, row.size), row.dtype)
        np.fill_diagonal(found, row)
        return self.numbers.array(found)

    def slope(self, y: Tensors, v: Tensors, batch: Any = 0, name: str = "") -> Any:
        """The gradient along v."""
        return sum(np.sum(p * w) for p, w in zip(self.grad(y, batch, name), v, strict=True))

    def rows(self, y: Tensors, batch: Any = 0) -> Tensors:
        """3/2 of the gradient, then half of it: their mean is the gradient."""
        half = self._number(1, 2)
        return [np.stack([g + half * g, half * g]) for g in self.grad(y, batch)]

    def losses(self, y: Tensors, batch: Any = 0) -> Any:
        """Task k: k + 1 times the loss."""
        return np.stack([self.loss(y, batch) * self._number(k + 1, 1) for k in self.order])

    def grads(self, y: Tensors, batch: Any = 0) -> Tensors:
        """The gradient and its reflections: entry i of task k has the sign of (-1)^(the number of
        bits that k and i share), so that all tasks differ."""
        found = []
        for g in self.grad(y, batch):
            flat = np.ravel(g)
            tasks = [np.array([-v if (k & i).bit_count() % 2 else v for i, v in enumerate(flat)],
                              flat.dtype) for k in self.order]
            found.append(np.stack([t.reshape(np.shape(g)) for t in tasks]))
        return found

    def out(self, y: Tensors, batch: Any = 0) -> Any:
        """All entries in one row."""
        return np.concatenate([np.ravel(p) for p in y])

    def push(self, y: Tensors, v: Tensors, batch: Any = 0) -> Any:
        """v in one row."""
        return self.out(v, batch)

    def pull(self, y: Tensors, w: Any, batch: Any = 0) -> Tensors:
        """w in the shapes of the tensors."""
        cuts = np.cumsum([np.size(p) for p in y])[:-1]
        return [part.reshape(np.shape(p)) for part, p in zip(np.split(w, cuts), y, strict=True)]

    def dell(self, outputs: Any, batch: Any = 0) -> Any:
        """The outputs."""
        return outputs

    def hess_ell(self, outputs: Any, w: Any, batch: Any = 0) -> Any:
        """w."""
        return w

    def ggn(self, y: Tensors, v: Tensors, batch: Any = 0) -> Tensors:
        """v."""
        return list(v)
