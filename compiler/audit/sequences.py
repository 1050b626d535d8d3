"""Gradient sequences that bring differences to light, on tensors of ranks 0 to 4.

Random numbers come from fixed seeds: an audit is the same every time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Tree = dict[str, Array]

STEPS = 8
SHAPES: dict[str, tuple[int, ...]] = {
    "cube": (2, 3, 2), "kernel": (2, 1, 3, 2), "matrix": (3, 4), "scalar": (), "tall": (5, 2),
    "vector": (5,)}
WITHOUT = "vector"  # the tensor that has no gradient in the sequence about that


@dataclass(frozen=True)
class Sequence:
    """Tensors, and for each step their gradients, the loss, and what the learning rate is
    multiplied by. A tensor that is not among the gradients has none."""

    name: str
    start: Tree
    gradients: tuple[Tree, ...]
    losses: tuple[float, ...]
    rates: tuple[float, ...] = (1.0,) * STEPS

    @property
    def moving(self) -> tuple[str, ...]:
        """The tensors that have gradients."""
        return tuple(self.gradients[0])


def sequences(names: tuple[str, ...] = tuple(SHAPES), largest: float = 1e8) -> list[Sequence]:
    """Every sequence on these tensors, the plainest first; ``largest`` is that of a huge
    gradient."""
    plain = _sequence("random gradients", names, _random)
    switched = (1.0, 1.0, 0.1, 0.1, 0.1, 2.0, 2.0, 0.5)
    found = [
        plain,
        _sequence("the same gradient at every step", names, _constant),
        _sequence("gradients that flip their sign", names, _flipping),
        _sequence("gradients with zeros", names, _zeros),
        _sequence("huge gradients", names, lambda r, k, s: largest*_random(r, k, s)),
        _sequence("tiny gradients", names, lambda r, k, s: 1e-7*_random(r, k, s)),
        replace(plain, name="a learning rate that changes", rates=switched),
    ]
    if len(names) > 1:
        last = WITHOUT if WITHOUT in names else names[-1]
        kept = tuple({n: g for n, g in step.items() if n != last} for step in plain.gradients)
        found.append(replace(plain, name="one tensor without a gradient", gradients=kept))
    return found


Draw = Callable[[np.random.Generator, int, tuple[int, ...]], Array]


def _sequence(name: str, names: tuple[str, ...], draw: Draw) -> Sequence:
    start = {n: np.asarray(np.random.default_rng((1, k)).normal(size=SHAPES[n]))
             for k, n in enumerate(SHAPES) if n in names}
    gradients = tuple(
        {n: np.asarray(draw(np.random.default_rng((2, k, step if draw is not _constant else 0)),
                            step, SHAPES[n])) for k, n in enumerate(SHAPES) if n in names}
        for step in range(STEPS))
    losses = tuple(2.0/(1 + step) for step in range(STEPS))
    return Sequence(name, start, gradients, losses)


def _random(random: np.random.Generator, step: int, shape: tuple[int, ...]) -> Array:
    return np.asarray(random.normal(size=shape))


def _constant(random: np.random.Generator, step: int, shape: tuple[int, ...]) -> Array:
    return np.asarray(random.normal(size=shape))


def _flipping(random: np.random.Generator, step: int, shape: tuple[int, ...]) -> Array:
    sign = -1.0 if step % 3 == 1 else 1.0
    return np.asarray(sign*random.uniform(0.5, 2.0, size=shape))


def _zeros(random: np.random.Generator, step: int, shape: tuple[int, ...]) -> Array:
    """All zero at the first step and two later ones, else zero in about half of the entries."""
    if step in (0, 3, 4):
        return np.zeros(shape)
    return np.asarray(random.normal(size=shape)*(random.uniform(size=shape) < 0.5))
