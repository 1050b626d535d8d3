"""Matrices on which rules for rank 2 run, and ways to run optimizers of libraries on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np

from tests import references, tree
from tests.libraries import Made, library
from tests.tree import Tree

_RANDOM = np.random.default_rng(20241)
MATRICES: Tree = {
    "square": _RANDOM.normal(size=(3, 3)),
    "tall": _RANDOM.normal(size=(5, 2)),
    "wide": _RANDOM.normal(size=(3, 4)),
}


def matrix_gradients(steps: int = 20) -> list[Tree]:
    """Scales from 1e-3 to 1e1; one matrix rests at two steps."""
    random = np.random.default_rng(8)
    found = []
    for k in range(steps):
        scale = 10.0 ** random.uniform(-3, 1)
        grads = {n: np.asarray(scale * random.normal(size=p.shape)) for n, p in MATRICES.items()}
        if k in (2, 3):
            grads["tall"] = np.zeros((5, 2))
        found.append(grads)
    return found


@contextmanager
def on_matrices() -> Iterator[None]:
    """Everything that runs on the tree of `tests.tree` runs on MATRICES instead."""
    with ExitStack() as stack:
        for module in (tree, references):
            stack.enter_context(mock.patch.multiple(
                module, LEAVES=MATRICES, gradients=matrix_gradients))
        yield


@contextmanager
def _double() -> Iterator[None]:
    import torch

    def cast(tensor: Any) -> Any:
        return tensor.to(dtype=torch.float64, copy=True)

    with ExitStack() as stack:
        for name in ("float", "bfloat16"):
            stack.enter_context(mock.patch.object(torch.Tensor, name, cast))
        for name in ("float32", "bfloat16"):
            stack.enter_context(mock.patch.object(torch, name, torch.float64))
        yield


def in_double(made: Made) -> Made:
    """A torch optimizer whose own casts to float32 and bfloat16 are to float64 instead."""
    kind, run = made

    def run_in_double(evaluate: bool = False) -> list[Tree]:
        library("torch")
        with _double():
            return run(evaluate=evaluate)

    return kind, run_in_double


def keras_(make: Callable[[Any], Any]) -> Made:
    """``make(keras.optimizers)`` is an optimizer."""
    def run(evaluate: bool = False) -> list[Tree]:
        optimizers = library("keras").optimizers
        return tree.run_keras(lambda: make(optimizers))

    return "keras", run
