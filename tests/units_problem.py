"""A small problem in any units: the answer to every oracle, with the loss times ``loss`` and the
parameters times ``point``.

With entries x (flattened, divided by ``point``) a batch has outputs o = z + z^2/5 of z = A x, and
the loss of outputs is sum(w*o^2)/2 + 1. Lists of tensors in and out, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thetaprime.asking import Asked

EXAMPLES = 3
# Entries of several sizes; some zeros, since rules treat them apart.
MATRIX = np.array([[0.75, 1.5], [0.5, 2.0]])
VECTOR, ZEROS = np.array([0.625, 1.25, 0.875]), np.zeros(2)
CUBE = np.array([[[0.75, 1.5], [0.5, 2.0]], [[1.25, 0.625], [0.875, 0.375]]])

Tensors = list[Any]


@dataclass(frozen=True)
class Scaled:
    """The problem in units; ``tasks`` losses that differ in the weights w."""

    loss_scale: float
    point_scale: float
    tasks: int

    def _entries(self, x: Tensors) -> Any:
        return np.concatenate([np.ravel(p) for p in x])

    def _like(self, x: Tensors, flat: Any) -> Tensors:
        cuts = np.cumsum([np.size(p) for p in x])[:-1]
        parts = np.split(flat, cuts, axis=-1)
        lead = np.shape(flat)[:-1]
        return [part.reshape(*lead, *np.shape(p)) for part, p in zip(parts, x, strict=True)]

    def _model(self, x: Tensors, batch: int) -> tuple[Any, Any, Any]:
        """A, the outputs and their Jacobian, for entries in their own units."""
        flat = self._entries(x) / self.point_scale
        a = np.random.default_rng((5, batch)).normal(size=(EXAMPLES, flat.size))
        z = a @ flat / flat.size
        return a / flat.size, z + z**2 / 5, (1 + 0.4 * z)[:, None] * a / flat.size

    def _weights(self, task: int) -> Any:
        return 1 + np.cos(np.arange(EXAMPLES) + 2 * task) / 2

    def _task(self, name: str) -> int:
        return len(name) % 4

    def loss(self, x: Tensors, batch: int, name: str = "") -> Any:
        """A number that is not negative."""
        return self.losses(x, batch)[0] if not name else self._one(x, batch, self._task(name))

    def _one(self, x: Tensors, batch: int, task: int) -> Any:
        _, o, _ = self._model(x, batch)
        return self.loss_scale * (np.sum(self._weights(task) * o**2) / 2 + 1)

    def grad(self, x: Tensors, batch: int, name: str = "") -> Tensors:
        """J.T (w o)."""
        return self._like(x, self._slopes(x, batch, self._task(name) if name else 0))

    def _slopes(self, x: Tensors, batch: int, task: int) -> Any:
        _, o, j = self._model(x, batch)
        return self.loss_scale / self.point_scale * (self._weights(task) * o) @ j

    def hvp(self, x: Tensors, v: Tensors, batch: int, name: str = "") -> Tensors:
        """J.T (w J v) + 2/5 A.T (w o A v)."""
        w = self._weights(self._task(name) if name else 0)
        a, o, j = self._model(x, batch)
        flat = self._entries(v)
        second = (w * (j @ flat)) @ j + 0.4 * (w * o * (a @ flat)) @ a
        return self._like(x, self.loss_scale / self.point_scale**2 * second)

    def hess(self, x: Tensors, batch: int, name: str = "") -> Any:
        """The columns H e for each entry of all tensors in one row."""
        size = sum(p.size for p in x)
        columns = [self._entries(self.hvp(x, self._like(x, e), batch, name))
                   for e in np.identity(size)]
        return np.stack(columns, 1)

    def slope(self, x: Tensors, v: Tensors, batch: int, name: str = "") -> Any:
        """gradient.v."""
        return self._entries(self.grad(x, batch, name)) @ self._entries(v)

    def rows(self, x: Tensors, batch: int) -> Tensors:
        """One gradient for each example, of which the gradient is the mean."""
        _, o, j = self._model(x, batch)
        each = EXAMPLES * (self._weights(0) * o)[:, None] * j
        return self._like(x, self.loss_scale / self.point_scale * each)

    def losses(self, x: Tensors, batch: int) -> Any:
        """One for each task."""
        return np.array([self._one(x, batch, task) for task in range(self.tasks)])

    def grads(self, x: Tensors, batch: int) -> Tensors:
        """One gradient for each task."""
        return self._like(x, np.stack([self._slopes(x, batch, k) for k in range(self.tasks)]))

    def out(self, x: Tensors, batch: int) -> Any:
        """The outputs."""
        return self._model(x, batch)[1]

    def push(self, x: Tensors, v: Tensors, batch: int) -> Any:
        """J v."""
        return self._model(x, batch)[2] @ self._entries(v) / self.point_scale

    def pull(self, x: Tensors, w: Any, batch: int) -> Tensors:
        """J.T w."""
        return self._like(x, w @ self._model(x, batch)[2] / self.point_scale)

    def dell(self, outputs: Any, batch: int) -> Any:
        """w o."""
        return self.loss_scale * self._weights(0) * outputs

    def hess_ell(self, outputs: Any, w: Any, batch: int) -> Any:
        """The weights times w."""
        return self.loss_scale * self._weights(0) * w

    def ggn(self, x: Tensors, v: Tensors, batch: int) -> Tensors:
        """J.T (w J v)."""
        return self.pull(x, self.hess_ell(None, self.push(x, v, batch), batch), batch)


def asked(problem: Scaled, t: int) -> Asked:
    """What step t asks: its own batch, fresh ones, all data."""
    return Asked(problem, 100 * t, range(100 * t + 1, 100 * t + 100), 0)
