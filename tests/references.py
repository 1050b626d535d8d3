"""Update rules in plain float64 NumPy, written from the papers' formulas and not from our specs.

They stand in where no library has the right rule. A rule is a generator: ``rule(x, grads,
**hypers)`` takes the first point and the gradients and yields the point after each step, or a
pair, the point of training and the point to evaluate. `per_tensor` runs it on every tensor by
itself, `whole` on the vector of all entries, where a norm is that of the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tests.tree import LEAVES, Tree, gradients

Vector = np.ndarray[Any, np.dtype[np.float64]]
Steps = Iterator[Any]
Rule = Callable[..., Steps]


def per_tensor(rule: Rule, steps: int = 20, **hypers: Any) -> list[Any]:
    """Each tensor has a run of its own; the history has one tree for each step."""
    grads = gradients(steps)
    runs = {n: rule(x, [g[n] for g in grads], **hypers) for n, x in LEAVES.items()}
    return [{n: next(run) for n, run in runs.items()} for _ in range(steps)]


def whole(rule: Rule, steps: int = 20, **hypers: Any) -> list[Any]:
    """One run on the concatenation of all tensors."""
    def flat(tree: Tree) -> Vector:
        return np.concatenate([np.ravel(tree[n]) for n in LEAVES])

    def split(vector: Vector) -> Tree:
        sizes = np.cumsum([np.size(x) for x in LEAVES.values()])[:-1]
        parts = np.split(vector, sizes)
        return {n: p.reshape(np.shape(x)) for (n, x), p in zip(LEAVES.items(), parts, strict=True)}

    run = rule(flat(LEAVES), [flat(g) for g in gradients(steps)], **hypers)
    return [tuple(map(split, point)) if isinstance(point, tuple) else split(point) for point in run]


Grads = Sequence[Vector]


# Momentum.


def heavy_ball_inside(x: Vector, grads: Grads, lr: float, mu: float) -> Steps:
    """Sutskever et al.: v = mu v - lr g, x = x + v; the sum is written out."""
    for t in range(1, len(grads) + 1):
        x = x - lr * sum(mu**(t - 1 - k) * grads[k] for k in range(t))
        yield x


def nesterov_1983(x: Vector, grads: Grads, lr: float) -> Steps:
    """FISTA: y_k = x_(k-1) - lr g, x_k = y_k + (a_k - 1)/a_(k+1) (y_k - y_(k-1)); (x, y)."""
    answer, a = x, 1.0
    for g in grads:
        nearer = x - lr * g
        following = (1 + math.sqrt(1 + 4 * a * a)) / 2
        x = nearer + (a - 1) / following * (nearer - answer)
        answer, a = nearer, following
        yield x, answer


def nesterov_lookahead(x: Vector, grads: Grads, lr: float, mu: float) -> Steps:
    """Sutskever et al., equations 3 and 4: g is taken at x + mu v; (x + mu v, x)."""
    v = np.zeros_like(x)
    for g in grads:
        v = mu * v - lr * g
        x = x + v
        yield x + mu * v, x


def signum(x: Vector, grads: Grads, lr: float, b: float, wd: float) -> Steps:
    m = np.zeros_like(x)
    for g in grads:
        m = b * m + (1 - b) * g
        x = x - lr * np.sign(m) - lr * wd * x
        yield x


def normalized_gd(x: Vector, grads: Grads, lr: float, beta: float) -> Steps:
    for g in grads:
        size = np.sqrt(np.sum(g**2))
        if size > 0:
            x = x - lr * g / size**beta
        yield x


def sgd_clip_norm(x: Vector, grads: Grads, lr: float, mu: float, clip: float) -> Steps:
    b = np.zeros_like(x)
    for g in grads:
        b = mu * b + g * min(1.0, clip / np.sqrt(np.sum(g**2)))
        x = x - lr * b
        yield x


# Adam's family.


def adabound(x: Vector, grads: Grads, lr: float, final: float, b1: float, b2: float,
             gam: float, eps: float) -> Steps:
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        size = lr * math.sqrt(1 - b2**t) / (1 - b1**t) / (np.sqrt(v) + eps)
        size = np.minimum(size, final * (1 + 1 / (gam * t)))
        x = x - np.maximum(size, final - final / (gam * t + 1)) * m
        yield x


def adamomentum(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float) -> Steps:
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * m * m + eps
        x = x - lr * (m / (1 - b1**t)) / np.sqrt(v / (1 - b2**t))
        yield x


def ademamix(x: Vector, grads: Grads, lr: float, b1: float, b2: float, b3: float, alpha: float,
             warm: float, eps: float, wd: float) -> Steps:
    """The half-life of the slow average grows linearly: its inverse logarithm is interpolated."""
    m, slow, v = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        part = min(t / warm, 1.0)
        decay = math.exp(1 / ((1 - part) / math.log(b1) + part / math.log(b3)))
        m, slow = b1 * m + (1 - b1) * g, decay * slow + (1 - decay) * g
        v = b2 * v + (1 - b2) * g * g
        top = m / (1 - b1**t) + alpha * part * slow
        x = x - lr * (top / (np.sqrt(v / (1 - b2**t)) + eps) + wd * x)
        yield x


def amsgrad(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float) -> Steps:
    m, v, largest = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for g in grads:
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        largest = np.maximum(largest, v)
        x = x - lr * m / (np.sqrt(largest) + eps)
        yield x


def diffgrad(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float) -> Steps:
    m, v, before = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        friction = 1 / (1 + np.exp(-np.abs(before - g)))
        x = x - lr * friction * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        before = g
        yield x


def nadam(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float,
          psi: float) -> Steps:
    """Dozat, algorithm 2, with mu_t = b1 (1 - 0.96^(t psi)/2)."""
    def mu(t: int) -> float:
        return b1 * (1 - 0.5 * math.pow(0.96, t * psi))

    m, n = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        product = math.prod(mu(k) for k in range(1, t + 1))
        m = mu(t) * m + (1 - mu(t)) * g
        n = b2 * n + (1 - b2) * g * g
        mhat = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        x = x - lr / (np.sqrt(b2 * n / (1 - b2**t)) + eps) * mhat
        yield x


def qhadam(x: Vector, grads: Grads, lr: float, b1: float, b2: float, n1: float, n2: float,
           eps: float) -> Steps:
    """The debiased averages are kept themselves: g weighs 1/(1 + b + ... + b^(t-1))."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        w1, w2 = 1 / sum(b1**k for k in range(t)), 1 / sum(b2**k for k in range(t))
        m, v = (1 - w1) * m + w1 * g, (1 - w2) * v + w2 * g * g
        x = x - lr * ((1 - n1) * g + n1 * m) / (np.sqrt((1 - n2) * g * g + n2 * v) + eps)
        yield x


def radam(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float,
          threshold: float) -> Steps:
    m, v = np.zeros_like(x), np.zeros_like(x)
    last = 2 / (1 - b2) - 1
    for t, g in enumerate(grads, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        rho = last - 2 * t * b2**t / (1 - b2**t)
        step = m / (1 - b1**t)
        if rho > threshold:
            rect = (rho - 4) * (rho - 2) * last / ((last - 4) * (last - 2) * rho)
            step = step * math.sqrt(rect * (1 - b2**t)) / (np.sqrt(v) + eps)
        x = x - lr * step
        yield x


def yogi(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float, m0: float,
         v0: float) -> Steps:
    m, v = np.full_like(x, m0), np.full_like(x, v0)
    for t, g in enumerate(grads, 1):
        m = b1 * m + (1 - b1) * g
        v = v - (1 - b2) * np.where(v > g * g, 1.0, np.where(v < g * g, -1.0, 0.0)) * g * g
        x = x - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        yield x


def laprop(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float,
           wd: float) -> Steps:
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        v = b2 * v + (1 - b2) * g * g
        m = b1 * m + (1 - b1) * g / (np.sqrt(v / (1 - b2**t)) + eps)
        x = x - lr * m / (1 - b1**t)
        x = x - lr * wd * x
        yield x


def grams(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float,
          wd: float, corrected: bool) -> Steps:
    """``corrected``: eps is added to the debiased root."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        c = math.sqrt(1 - b2**t)
        down = np.sqrt(v) / c + eps if corrected else (np.sqrt(v) + eps) / c
        x = x * (1 - lr * wd) - lr * np.sign(g) * np.abs(m / (1 - b1**t) / down)
        yield x


def cautious_lion(x: Vector, grads: Grads, lr: float, b1: float, b2: float, wd: float) -> Steps:
    m = np.zeros_like(x)
    for g in grads:
        u = np.sign(b1 * m + (1 - b1) * g)
        agree = (u * g > 0).astype(float)
        m = b2 * m + (1 - b2) * g
        x = x * (1 - lr * wd) - lr * u * agree / max(agree.mean(), 1e-5)
        yield x


def mars_adamw(x: Vector, grads: Grads, lr: float, b1: float, b2: float, gam: float, eps: float,
               wd: float) -> Steps:
    m, v, before = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        c = g + gam * b1 / (1 - b1) * (g - before)
        size = np.sqrt(np.sum(c * c))
        if size > 1:
            c = c / size
        m, v, before = b1 * m + (1 - b1) * c, b2 * v + (1 - b2) * c * c, g
        x = x - lr * ((m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps) + wd * x)
        yield x
