"""A learning rate that changes: where a rule has lr shows; step t reads the schedule at t - 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest

import thetaprime as tp
from tests.libraries import library
from tests.tree import LEAVES, compare, gradients, run_interpreter, run_keras, run_optax, run_torch

Schedule = Callable[[Any], Any]


def smooth(count: Any) -> Any:
    """Warms up and falls: no two steps of the first twenty are equal."""
    return 0.1 * (count + 1) / (1 + 0.2 * count**2)


def drop(count: Any) -> Any:
    """Tenfold at step 3."""
    return 0.1 * 0.1 ** (count >= 2)


CASES: dict[str, tuple[dict[str, Any], Callable[[Schedule], Any]]] = {
    "sgd": ({}, lambda lr: optax.sgd(lr)),
    "heavy-ball-outside": ({"mu": 0.8}, lambda lr: optax.sgd(lr, momentum=0.8)),
    "nesterov": ({"mu": 0.8}, lambda lr: optax.sgd(lr, momentum=0.8, nesterov=True)),
    "adam": ({"eps": 1e-2}, lambda lr: optax.adam(lr, eps=1e-2)),
    "adamw": ({"wd": 0.3}, lambda lr: optax.adamw(lr, weight_decay=0.3)),
    "lion": ({"wd": 0.3}, lambda lr: optax.lion(lr, weight_decay=0.3)),
}


@pytest.mark.parametrize("schedule", [smooth, drop])
@pytest.mark.parametrize("spec", CASES)
def test_schedule_agrees_with_optax(spec: str, schedule: Schedule) -> None:
    hypers, make = CASES[spec]
    expected = run_optax(lambda: make(schedule))
    compare(run_interpreter(spec, lr=schedule, **hypers), expected)
    compare(run_optax(lambda: tp.load(spec).to_jax(lr=schedule, **hypers)), expected)


def test_a_schedule_is_its_numbers() -> None:
    """Twenty steps with a schedule are twenty single steps with its numbers, in NumPy."""
    optimizer = tp.load("heavy-ball-inside")
    params = {n: np.array(x) for n, x in LEAVES.items()}
    state = optimizer.to_numpy(lr=smooth(0)).init(params)
    history = []
    for k, grads in enumerate(gradients()):
        state = optimizer.to_numpy(lr=smooth(k)).step(params, grads, state)
        history.append({n: x.copy() for n, x in params.items()})
    compare(run_interpreter("heavy-ball-inside", lr=smooth), history)


def test_lr_outside_is_that_of_torch() -> None:
    torch = library("torch")
    made = []

    def make(params: list[Any]) -> Any:
        optimizer = torch.optim.SGD(params, lr=1.0, momentum=0.9)
        optimizer.register_step_pre_hook(
            lambda opt, *_: opt.param_groups[0].update(lr=float(drop(len(made)))))
        optimizer.register_step_post_hook(lambda *_: made.append(None))
        return optimizer

    compare(run_interpreter("heavy-ball-outside", lr=drop, mu=0.9), run_torch(make))


def test_lr_inside_is_that_of_keras() -> None:
    keras = library("keras")

    class Drop(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return keras.ops.where(step >= 2, jax.numpy.float64(drop(2)), jax.numpy.float64(0.1))

    expected = run_keras(lambda: keras.optimizers.SGD(Drop(), momentum=0.9))
    compare(run_interpreter("heavy-ball-inside", lr=drop, mu=0.9), expected)


def test_inside_and_outside_part_when_lr_drops() -> None:
    """Equal until lr changes; Polyak's form goes with the inside one."""
    inside = run_interpreter("heavy-ball-inside", 5, lr=drop, mu=0.9)
    outside = run_interpreter("heavy-ball-outside", 5, lr=drop, mu=0.9)
    polyak = run_interpreter("heavy-ball", 5, lr=drop, mu=0.9)
    compare(inside[:2], outside[:2])
    compare(inside, polyak)
    gap = max(float(np.max(np.abs(inside[-1][n] - outside[-1][n]))) for n in LEAVES)
    assert gap > 0.01


def test_nesterov_parts_from_its_lookahead_point_when_lr_drops() -> None:
    plain = run_interpreter("nesterov", 5, lr=drop, mu=0.9)
    lookahead = run_interpreter("nesterov-lookahead", 5, lr=drop, mu=0.9)
    compare(plain[:2], lookahead[:2])
    assert max(float(np.max(np.abs(plain[-1][n] - lookahead[-1][n]))) for n in LEAVES) > 0.01


LAPROP_INSIDE = """
optimizer LaPropInside
  "LaProp as its authors wrote it: lr is averaged with the steps."
  cite "arXiv:2002.04839; github.com/Z-T-WANG/LaProp-Optimizer, laprop.py"
  hyper lr = 4e-4 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in [0, 1)
  hyper eps = 1e-15 in (0, inf)
  state m = 0
  state v = 0
  state e : scalar = 0

  v' = ema(v, g^2, b2)
  e' = ema(e, lr, b1)
  m' = ema(m, lr*g/(sqrt(debias(v', b2)) + eps), b1)
  x' = x - lr/e'*m'
"""


def laprop_inside(lr: Schedule) -> list[dict[str, Any]]:
    """The past steps with their own lr, relative to the mean of these lr, times the lr of now."""
    history: list[dict[str, Any]] = []
    recorded = gradients()
    for t in range(1, len(recorded) + 1):
        rates = [lr(k) * 0.9 ** (t - 1 - k) for k in range(t)]
        point = history[-1] if history else LEAVES
        change = {n: 0 * x for n, x in LEAVES.items()}
        for k in range(t):
            for n in LEAVES:
                v = sum(0.001 * 0.999 ** (k - i) * recorded[i][n] ** 2 for i in range(k + 1))
                step = recorded[k][n] / (np.sqrt(v / (1 - 0.999 ** (k + 1))) + 1e-2)
                change[n] = change[n] + rates[k] / sum(rates) * step
        history.append({n: point[n] - lr(t - 1) * change[n] for n in LEAVES})
    return history


def test_laprop_parts_from_that_of_its_authors_when_lr_drops() -> None:
    ours = run_interpreter("laprop", lr=drop, eps=1e-2)
    theirs = run_interpreter(LAPROP_INSIDE, lr=drop, eps=1e-2)
    compare(theirs, laprop_inside(drop))
    compare(ours[:2], theirs[:2])
    assert max(float(np.max(np.abs(ours[4][n] - theirs[4][n]))) for n in LEAVES) > 1e-3


def test_laprop_is_that_of_its_authors_while_lr_stays() -> None:
    compare(run_interpreter("laprop", lr=0.1), run_interpreter(LAPROP_INSIDE, lr=0.1))
