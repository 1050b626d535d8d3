"""Optimizers around other optimizers, in plain float64 NumPy, from the papers' formulas.

What is inside is a function of a tensor and its gradient that returns the two parts of the change
it would make, ``(descent, decay)``, and keeps its own state from call to call. A rule here takes a
maker of such functions, ``inner``, so that every tensor has a state of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.flat_problem import Ask
from tests.references import Grads, Steps, Vector

Inner = Callable[[Vector, Vector], tuple[Vector, Vector]]
Maker = Callable[[], Inner]


# What is inside.


def sgd(lr: float, mu: float = 0.0) -> Maker:
    """b = mu b + g, x = x - lr b; everything is descent."""
    def make() -> Inner:
        b = np.zeros(())

        def change(x: Vector, g: Vector) -> tuple[Vector, Vector]:
            nonlocal b
            b = mu * b + g
            return -lr * b, np.zeros_like(x)

        return change

    return make


def adamw(lr: float, b1: float, b2: float, eps: float, wd: float) -> Maker:
    """The descent is Adam's step, the decay -lr wd x."""
    def make() -> Inner:
        m, v, t = np.zeros(()), np.zeros(()), 0

        def change(x: Vector, g: Vector) -> tuple[Vector, Vector]:
            nonlocal m, v, t
            t += 1
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
            return -lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps), -lr * wd * x

        return change

    return make


def lion(lr: float, b1: float, b2: float, wd: float) -> Maker:
    """The descent is the sign of one average, another one is kept."""
    def make() -> Inner:
        m = np.zeros(())

        def change(x: Vector, g: Vector) -> tuple[Vector, Vector]:
            nonlocal m
            c = b1 * m + (1 - b1) * g
            m = b2 * m + (1 - b2) * g
            return -lr * np.sign(c), -lr * wd * x

        return change

    return make


def radam(lr: float, b1: float, b2: float, eps: float, threshold: float) -> Maker:
    """Liu et al., algorithm 2, with eps beside the root of the raw second moment."""
    def make() -> Inner:
        m, v, t = np.zeros(()), np.zeros(()), 0
        most = 2 / (1 - b2) - 1

        def change(x: Vector, g: Vector) -> tuple[Vector, Vector]:
            nonlocal m, v, t
            t += 1
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
            mean = m / (1 - b1**t)
            length = most - 2 * t * b2**t / (1 - b2**t)
            if length <= threshold:
                return -lr * mean, np.zeros_like(x)
            r = np.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
            return -lr * r * mean * np.sqrt(1 - b2**t) / (np.sqrt(v) + eps), np.zeros_like(x)

        return change

    return make


# What is around it.


def lookahead(x: Vector, grads: Grads, inner: Maker, k: int, alpha: float) -> Steps:
    """Zhang et al., algorithm 1: after k fast steps, slow = slow + alpha (fast - slow)."""
    change, slow = inner(), x
    for t, g in enumerate(grads, 1):
        descent, decay = change(x, g)
        x = x + descent + decay
        if t % k == 0:
            slow = slow + alpha * (x - slow)
            x = slow
        yield x


def cautious(x: Vector, grads: Grads, inner: Maker, floor: float) -> Steps:
    """Liang et al., algorithm 1: entries whose descent goes uphill rest, the others are scaled by
    one over their share, which is at least ``floor``. The decay is not masked."""
    change = inner()
    for g in grads:
        descent, decay = change(x, g)
        agree = (descent * g < 0).astype(float)
        x = x + descent * agree / max(agree.mean(), floor) + decay
        yield x


def grams(x: Vector, grads: Grads, inner: Maker) -> Steps:
    """Cao et al., algorithm 1: the magnitude of the descent, the sign of minus the gradient."""
    change = inner()
    for g in grads:
        descent, decay = change(x, g)
        x = x - np.sign(g) * np.abs(descent) + decay
        yield x


def centralized(x: Vector, grads: Grads, inner: Maker) -> Steps:
    """Yong et al.: minus the mean over all axes but the first, where there are two or more."""
    change = inner()
    for g in grads:
        descent, decay = change(x, centralize(g))
        x = x + descent + decay
        yield x


def centralize(g: Vector) -> Vector:
    return g - g.mean(axis=tuple(range(1, g.ndim)), keepdims=True) if g.ndim > 1 else g


def ranger(x: Vector, grads: Grads, inner: Maker, k: int, alpha: float) -> Steps:
    """Lookahead on centralised gradients."""
    return lookahead(x, [centralize(g) for g in grads], inner, k, alpha)


def xgrad(ask: Ask, x: Vector, steps: int, inner: Maker, s: float) -> Steps:
    """Guan et al.: the gradient is taken s times the last descent ahead, the change is made where
    x is. The whole model is one vector."""
    change, last = inner(), np.zeros_like(x)
    for t in range(1, steps + 1):
        last, decay = change(x, ask.grad(x + s * last, ask.this(t)))
        x = x + last + decay
        yield x
