"""The plainest problem there is, |x|^2/2, with an answer to every oracle: lists of tensors in and
out, the same for every batch. Its outputs are the entries themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

Tensors = list[Any]


class Bowl:
    """``tasks`` equal losses, where a spec asks for several; two examples with the
    gradients 3x/2 and x/2, so that their mean is the gradient."""

    def __init__(self, tasks: int = 2) -> None:
        self.tasks = tasks

    def loss(self, x: Tensors, batch: Any, name: str = "") -> Any:
        """|x|^2/2."""
        return sum(np.sum(p * p) for p in x) / 2

    def grad(self, x: Tensors, batch: Any, name: str = "") -> Tensors:
        """x."""
        return list(x)

    def hvp(self, x: Tensors, v: Tensors, batch: Any, name: str = "") -> Tensors:
        """v."""
        return list(v)

    def hess(self, x: Tensors, batch: Any, name: str = "") -> Any:
        """The identity."""
        return np.identity(sum(np.size(p) for p in x))

    def slope(self, x: Tensors, v: Tensors, batch: Any, name: str = "") -> Any:
        """x.v."""
        return sum(np.sum(p * d) for p, d in zip(x, v, strict=True))

    def rows(self, x: Tensors, batch: Any) -> Tensors:
        """3x/2, then x/2."""
        return [np.stack([p + p / 2, p / 2]) for p in x]

    def losses(self, x: Tensors, batch: Any) -> Any:
        """|x|^2/2, for each task."""
        return np.stack([self.loss(x, batch)] * self.tasks)

    def grads(self, x: Tensors, batch: Any) -> Tensors:
        """x, for each task."""
        return [np.stack([p] * self.tasks) for p in x]

    def out(self, x: Tensors, batch: Any) -> Any:
        """All entries in one row."""
        return np.concatenate([np.ravel(p) for p in x])

    def push(self, x: Tensors, v: Tensors, batch: Any) -> Any:
        """v in one row."""
        return self.out(v, batch)

    def pull(self, x: Tensors, w: Any, batch: Any) -> Tensors:
        """w in the shapes of the tensors."""
        cuts = np.cumsum([np.size(p) for p in x])[:-1]
        return [part.reshape(np.shape(p)) for part, p in zip(np.split(w, cuts), x, strict=True)]

    def dell(self, outputs: Any, batch: Any) -> Any:
        """The outputs: the loss of outputs o is |o|^2/2."""
        return outputs

    def hess_ell(self, outputs: Any, w: Any, batch: Any) -> Any:
        """w."""
        return w

    def ggn(self, x: Tensors, v: Tensors, batch: Any) -> Tensors:
        """v."""
        return list(v)
