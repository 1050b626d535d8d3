"""Update rules for one tensor in plain NumPy, written from the papers and not from our specs.

Each takes the first point and the gradients of its steps and yields the point after every step.
Hyperparameters and their defaults are those of the spec of the same name; `lr` may be a schedule,
a function of the number of steps done, where the rule's use of an old lr matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

Tensor = Any
Gradients = Iterable[Tensor]
Points = Iterator[Tensor]
Rate = float | Callable[[int], float]


def rates(lr: Rate, gs: Gradients) -> Iterator[tuple[Tensor, float]]:
    for k, g in enumerate(gs):
        yield g, lr(k) if callable(lr) else lr


def moments(gs: Gradients, b1: float, b2: float) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
    """Step, gradient, and the averages of Adam without their corrections, as weighted sums."""
    seen: list[Tensor] = []
    for t, g in enumerate(gs, 1):
        seen.append(g)
        m = sum((1 - b1) * b1 ** (t - i) * h for i, h in enumerate(seen, 1))
        v = sum((1 - b2) * b2 ** (t - i) * h ** 2 for i, h in enumerate(seen, 1))
        yield t, g, m, v


# Momentum.


def sgd(x: Tensor, gs: Gradients, lr: Rate = 1e-3, mu: float = 0.0, damp: float = 0.0,
        wd: float = 0.0, nesterov: bool = False) -> Points:
    buffer = None
    for g, rate in rates(lr, gs):
        d = g + wd * x
        if mu != 0:
            buffer = d if buffer is None else mu * buffer + (1 - damp) * d
            d = d + mu * buffer if nesterov else buffer
        x = x - rate * d
        yield x


def heavy_ball(x: Tensor, gs: Gradients, lr: Rate = 1e-2, mu: float = 0.9) -> Points:
    before = x
    for g, rate in rates(lr, gs):
        x, before = x - rate * g + mu * (x - before), x
        yield x


def heavy_ball_inside(x: Tensor, gs: Gradients, lr: Rate = 1e-2, mu: float = 0.9) -> Points:
    velocity = np.zeros_like(x)
    for g, rate in rates(lr, gs):
        velocity = mu * velocity - rate * g
        x = x + velocity
        yield x


def heavy_ball_outside(x: Tensor, gs: Gradients, lr: Rate = 1e-2, mu: float = 0.9) -> Points:
    past: list[Tensor] = []
    for g, rate in rates(lr, gs):
        past.append(g)
        x = x - rate * sum(mu ** k * h for k, h in enumerate(reversed(past)))
        yield x


def nesterov(x: Tensor, gs: Gradients, lr: Rate = 1e-2, mu: float = 0.9) -> Points:
    past: list[Tensor] = []
    for g, rate in rates(lr, gs):
        past.append(g)
        x = x - rate * (g + sum(mu ** (k + 1) * h for k, h in enumerate(reversed(past))))
        yield x


def nesterov_lookahead(x: Tensor, gs: Gradients, lr: Rate = 1e-2, mu: float = 0.9) -> Points:
    """Yields the points where the gradients are taken."""
    velocity = np.zeros_like(x)
    for g, rate in rates(lr, gs):
        velocity = mu * velocity - rate * g
        x = x + velocity
        yield x + mu * velocity


def nesterov_lookahead_answer(x: Tensor, gs: Gradients, lr: Rate = 1e-2, mu: float = 0.9) -> Points:
    """Yields the points to evaluate."""
    yield from heavy_ball_inside(x, gs, lr, mu)


def nesterov_1983(x: Tensor, gs: Gradients, lr: float = 1e-2, answer: bool = False) -> Points:
    """Yields the extrapolated points, or with ``answer`` those to evaluate."""
    old, weight = x, 1.0
    for g in gs:
        new = x - lr * g
        following = 0.5 + np.sqrt(0.25 + weight ** 2)
        x = new + (weight - 1) / following * (new - old)
        old, weight = new, following
        yield new if answer else x


def qhm(x: Tensor, gs: Gradients, lr: float = 1e-3, b: float = 0.999, nu: float = 0.7) -> Points:
    buffer = np.zeros_like(x)
    for g in gs:
        buffer = b * buffer + (1 - b) * g
        x = x - lr * ((1 - nu) * g + nu * buffer)
        yield x


def aggmo(x: Tensor, gs: Gradients, lr: float = 0.1, b: Sequence[float] = (0, 0.9, 0.99)) -> Points:
    velocities = [np.zeros_like(x) for _ in b]
    for g in gs:
        velocities = [decay * v - g for decay, v in zip(b, velocities, strict=True)]
        x = x + lr / len(b) * sum(velocities)
        yield x


# Signs.


def signsgd(x: Tensor, gs: Gradients, lr: float = 1e-4, wd: float = 0.0) -> Points:
    for g in gs:
        x = (1 - lr * wd) * x - lr * np.sign(g)
        yield x


def signum(x: Tensor, gs: Gradients, lr: float = 1e-4, b: float = 0.9, wd: float = 0.0) -> Points:
    for _, _, m, _ in moments(gs, b, 0.0):
        x = (1 - lr * wd) * x - lr * np.sign(m)
        yield x


def tiger(x: Tensor, gs: Gradients, lr: float = 1e-4, b: float = 0.965, wd: float = 0.01) -> Points:
    return signum(x, gs, lr, b, wd)


def lion(x: Tensor, gs: Gradients, lr: float = 1e-4, b1: float = 0.9, b2: float = 0.99,
         wd: float = 0.0) -> Points:
    m = np.zeros_like(x)
    for g in gs:
        update = np.sign(b1 * m + (1 - b1) * g)
        x = x - lr * (update + wd * x)
        m = b2 * m + (1 - b2) * g
        yield x


# Steps of their own for every entry.


def rprop(x: Tensor, gs: Gradients, step0: float = 0.01, down: float = 0.5, up: float = 1.2,
          least: float = 1e-6, most: float = 50.0) -> Points:
    size, last = np.full_like(x, step0), np.zeros_like(x)
    for given in gs:
        g = np.array(given)
        same, flipped = last * g > 0, last * g < 0
        size = np.where(same, np.minimum(size * up, most), size)
        size = np.where(flipped, np.maximum(size * down, least), size)
        size = np.clip(size, least, most)
        g[flipped] = 0
        x = x - np.sign(g) * size
        last = g
        yield x


def adagrad(x: Tensor, gs: Gradients, lr: float = 1e-2, eps: float = 1e-10,
            v0: float = 0.0) -> Points:
    total = np.full_like(x, v0)
    for g in gs:
        total = total + g * g
        x = x - lr * g / (eps + np.sqrt(total))
        yield x


def adadelta(x: Tensor, gs: Gradients, lr: float = 1.0, rho: float = 0.95,
             eps: float = 1e-6) -> Points:
    of_gradients, of_steps = np.zeros_like(x), np.zeros_like(x)
    for g in gs:
        of_gradients = rho * of_gradients + (1 - rho) * g * g
        change = -np.sqrt((of_steps + eps) / (of_gradients + eps)) * g
        of_steps = rho * of_steps + (1 - rho) * change * change
        x = x + lr * change
        yield x


def rmsprop(x: Tensor, gs: Gradients, lr: float = 1e-3, rho: float = 0.9, mu: float = 0.0,
            eps: float = 1e-8, centered: bool = False) -> Points:
    buffer = np.zeros_like(x)
    for _, g, mean, square in moments(gs, rho, rho):
        variance = np.maximum(square - mean ** 2, 0) if centered else square
        buffer = mu * buffer + g / (np.sqrt(variance) + eps)
        x = x - lr * buffer
        yield x
