"""The problem of `tests.problem` for a reference: the model is one flat float64 vector.

Entries are in the order of the tensors' names. ``ask.slices`` are the tensors for rules that treat
each by itself; outputs of the model are one flat vector too. Step t counts from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tests import problem
from tests.tree import LEAVES, Tree
from thetaprime.draws import draw

Vector = np.ndarray[Any, np.dtype[np.float64]]
Path = Iterator[Vector]
Rule = Callable[..., Path]

NAMES = sorted(LEAVES)
ENDS = np.cumsum([np.size(LEAVES[n]) for n in NAMES])
SIZE = int(ENDS[-1])


def flat(tree: Tree) -> Vector:
    """All entries of a tree; an axis in front of every tensor (examples, tasks) stays in front."""
    lead = np.shape(tree["scalar"])
    return np.concatenate([np.reshape(tree[n], (*lead, -1)) for n in NAMES], axis=-1)


def tree(vector: Vector) -> Tree:
    """The inverse of `flat` for one vector."""
    parts = np.split(vector, ENDS[:-1])
    return {n: p.reshape(np.shape(LEAVES[n])) for n, p in zip(NAMES, parts, strict=True)}


class Ask:
    """Answers of the problem at flat points, and the batches and draws of a step."""

    slices = tuple(slice(int(e) - np.size(LEAVES[n]), int(e)) for n, e in zip(NAMES, ENDS,
                                                                              strict=True))
    ranks = tuple(np.ndim(LEAVES[n]) for n in NAMES)

    def __init__(self, pull: float = 0.0) -> None:
        self._oracles = problem.Oracles()
        self._batch = partial(problem.batch, pull=pull)
        self.full = self._batch(0)

    def this(self, t: int) -> Any:
        """The batch of step t."""
        return self._batch(100 * t)

    def fresh(self, t: int, number: int) -> Any:
        """A fresh batch of step t, the first has number 0."""
        return self._batch(100 * t + 1 + number)

    def loss(self, x: Vector, batch: Any) -> float:
        return float(self._oracles.loss(tree(x), batch))

    def grad(self, x: Vector, batch: Any) -> Vector:
        return flat(self._oracles.grad(tree(x), batch))

    def hvp(self, x: Vector, v: Vector, batch: Any) -> Vector:
        return flat(self._oracles.hvp(tree(x), tree(v), batch))

    def slope(self, x: Vector, v: Vector, batch: Any) -> float:
        return float(self._oracles.slope(tree(x), tree(v), batch))

    def hess(self, x: Vector, batch: Any) -> Vector:
        """The whole Hessian, a column for each entry."""
        return np.stack([self.hvp(x, e, batch) for e in np.eye(SIZE)], axis=1)

    def out(self, x: Vector, batch: Any) -> Vector:
        return np.ravel(self._oracles.out(tree(x), batch))

    def push(self, x: Vector, v: Vector, batch: Any) -> Vector:
        return np.ravel(self._oracles.push(tree(x), tree(v), batch))

    def pull(self, x: Vector, w: Vector, batch: Any) -> Vector:
        return flat(self._oracles.pull(tree(x), _outputs(w), batch))

    def jacobian(self, x: Vector, batch: Any) -> Vector:
        """The Jacobian of the outputs, a row for each."""
        count = problem.EXAMPLES * problem.CLASSES
        return np.stack([self.pull(x, e, batch) for e in np.eye(count)])

    def dell(self, outputs: Vector, batch: Any) -> Vector:
        return np.ravel(self._oracles.dell(_outputs(outputs), batch))

    def hess_ell(self, outputs: Vector, w: Vector, batch: Any) -> Vector:
        return np.ravel(self._oracles.hess_ell(_outputs(outputs), _outputs(w), batch))

    def ggn(self, x: Vector, v: Vector, batch: Any) -> Vector:
        return flat(self._oracles.ggn(tree(x), tree(v), batch))

    def ggn_matrix(self, x: Vector, batch: Any) -> Vector:
        """The whole generalised Gauss-Newton matrix, from the Jacobian."""
        jacobian, outputs = self.jacobian(x, batch), self.out(x, batch)
        curve = np.stack([self.hess_ell(outputs, e, batch) for e in np.eye(len(outputs))], axis=1)
        return jacobian.T @ curve @ jacobian

    def rows(self, x: Vector, batch: Any) -> Vector:
        """One gradient for each example, (examples, entries)."""
        return flat(self._oracles.rows(tree(x), batch))

    def grads(self, x: Vector, batch: Any) -> Vector:
        """One gradient for each task, (tasks, entries)."""
        return flat(self._oracles.grads(tree(x), batch))

    def named(self, loss: str, x: Vector, batch: Any) -> Vector:
        """The gradient of the first task, `main`, or the second one, `aux`."""
        return self.grads(x, batch)[("main", "aux").index(loss)]

    def draw(self, distribution: str, name: str, t: int, turn: int = 0) -> Vector:
        """A draw for each entry, as a spec with seed 0 makes it under this name."""
        return np.concatenate([
            np.ravel(draw(distribution, (), 0, name, t, leaf, np.shape(LEAVES[n]), turn))
            for leaf, n in enumerate(NAMES)])

    def normal_window(self, name: str, t: int, count: int) -> Vector:
        """A normal draw for each entry and place of a window, (entries, places)."""
        return np.concatenate([
            draw("normal", (), 0, name, t, leaf, (count, *np.shape(LEAVES[n]))).reshape(count, -1)
            for leaf, n in enumerate(NAMES)], axis=1).T

    def sphere(self, name: str, t: int, turn: int = 0) -> Vector:
        """A direction of length one: a spec draws it as a normal vector under ``name_normal``."""
        z = self.draw("normal", f"{name}_normal", t, turn)
        return z / np.linalg.norm(z)

    def order(self, name: str, t: int, count: int, turn: int = 0) -> list[int]:
        """The order that `fold name over perm(axis)` takes."""
        u = draw("uniform", (), 0, f"{name}_order_drawn", t, 0, (count,), turn)
        return [int(k) for k in np.argsort(u)]


def _outputs(flat_outputs: Vector) -> Vector:
    return np.reshape(flat_outputs, (problem.EXAMPLES, problem.CLASSES))


def history(rule: Rule, steps: int, pull: float = 0.0, **hypers: Any) -> list[Tree]:
    """The tensors after each step of a rule; ``pull`` is the weight of |x|^2/2 in the loss."""
    path = rule(Ask(pull), flat(LEAVES), steps, **hypers)
    return [tree(point) for point in path]
