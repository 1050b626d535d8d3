"""Rules with norms, estimates and averages in plain NumPy, written from the papers' formulas.

As in `tests.references`: a rule takes the first point and the gradients and yields the point after
each step, or a pair, the point of training and the point to evaluate. `tests.test_specs_b` says
whether its norms are those of a tensor or of the whole model. Hyperparameters and their defaults
are those of the spec of the same name; the forms are others where two forms are known.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from tests.references import Grads, Steps, Vector


def size(a: Vector) -> float:
    return float(np.linalg.norm(np.ravel(a)))


def ratio(a: float, b: float) -> float:
    return a / b if a > 0 and b > 0 else 1.0


# Clipped gradients.


def sgd_clip_value(x: Vector, grads: Grads, lr: float = 1e-2, mu: float = 0.0,
                   c: float = 1.0) -> Steps:
    past: list[Vector] = []
    for g in grads:
        past = [mu * h for h in past] + [np.clip(g, -c, c)]
        x = x - lr * sum(past)
        yield x


def adamw_clip_norm(x: Vector, grads: Grads, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.999,
                    eps: float = 1e-8, wd: float = 1e-2, clip: float = 1.0) -> Steps:
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, given in enumerate(grads, 1):
        g = given * min(1.0, clip / max(size(given), 1e-300))
        m, v = m + (1 - b1) * (g - m), v + (1 - b2) * (g * g - v)
        x = x * (1 - lr * wd) - lr * m / (1 - b1**t) / (np.sqrt(v) / math.sqrt(1 - b2**t) + eps)
        yield x


# A scale for each tensor.


def lars(x: Vector, grads: Grads, lr: float = 0.1, mu: float = 0.9, wd: float = 1e-4,
         eta: float = 1e-3) -> Steps:
    past: list[Vector] = []
    for g in grads:
        nx, ng = size(x), size(g)
        local = eta * nx / (ng + wd * nx) if nx > 0 and ng > 0 else 1.0
        past = [mu * h for h in past] + [local * (g + wd * x)]
        x = x - lr * sum(past)
        yield x


def lamb(x: Vector, grads: Grads, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.999,
         eps: float = 1e-6, wd: float = 0.0) -> Steps:
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        m, v = m + (1 - b1) * (g - m), v + (1 - b2) * (g * g - v)
        step = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps) + wd * x
        x = x - lr * ratio(size(x), size(step)) * step
        yield x


def fromage(x: Vector, grads: Grads, lr: float = 0.01) -> Steps:
    for g in grads:
        x = math.cos(math.atan(lr)) * (x - lr * ratio(size(x), size(g)) * g)
        yield x


def novograd(x: Vector, grads: Grads, lr: float = 1e-3, b1: float = 0.95, b2: float = 0.98,
             eps: float = 1e-8, wd: float = 0.0) -> Steps:
    m, v = np.zeros_like(x), None
    for g in grads:
        square = size(g) ** 2
        v = square if v is None else b2 * v + (1 - b2) * square
        m = b1 * m + (g / (math.sqrt(v) + eps) + wd * x)
        x = x - lr * m
        yield x


def stable_adamw(x: Vector, grads: Grads, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.99,
                 eps: float = 1e-8, wd: float = 1e-2) -> Steps:
    """With averages from zero and their corrections."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        mhat, vhat = m / (1 - b1**t), v / (1 - b2**t)
        rate = lr / max(1.0, math.sqrt(np.mean(g * g / np.maximum(vhat, eps * eps))))
        x = x - rate * wd * x - rate * mhat / (np.sqrt(vhat) + eps)
        yield x


def cautious_adamw(x: Vector, grads: Grads, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.999,
                   eps: float = 1e-8, wd: float = 1e-2) -> Steps:
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        m, v = m + (1 - b1) * (g - m), v + (1 - b2) * (g * g - v)
        agree = np.sign(m) * np.sign(g) == 1
        scaled = np.where(agree, m, 0.0) * np.size(g) / max(np.count_nonzero(agree),
                                                            1e-3 * np.size(g))
        x = x - lr * wd * x - lr * scaled / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)
        yield x


def apollo_ma(x: Vector, grads: Grads, lr: float = 0.01, b: float = 0.9, eps: float = 1e-4,
              least: float = 0.01, wd: float = 0.0) -> Steps:
    """The paper's algorithm 1: B <- B - (d.y + d.B d)/|d|^4 d^2, d scaled to length one in l4."""
    m, hessian, d = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        weight = (1 - b) / (1 - b**t)
        before, m = m, m + weight * (g + wd * x - m)
        length = float(np.sum(d**4)) ** 0.25 + eps / least
        unit, change = d / length, (m - before) / length
        hessian = hessian - (np.sum(unit * change) + np.sum(unit * hessian * unit)) * unit**2
        d = m / np.maximum(np.abs(hessian), least)
        x = x - lr * d
        yield x


def powersign(x: Vector, grads: Grads, lr: float = 0.1, b: float = 0.9, alpha: float = math.e,
              f: float = 1.0) -> Steps:
    m = np.zeros_like(x)
    for g in grads:
        m = m + (1 - b) * (g - m)
        x = x - lr * np.exp(math.log(alpha) * f * np.sign(g * m)) * g
        yield x


def addsign(x: Vector, grads: Grads, lr: float = 0.1, b: float = 0.9, alpha: float = 1.0,
            f: float = 1.0) -> Steps:
    m = np.zeros_like(x)
    for g in grads:
        m = m + (1 - b) * (g - m)
        same = (g > 0) & (m > 0) | (g < 0) & (m < 0)
        other = (g > 0) & (m < 0) | (g < 0) & (m > 0)
        x = x - lr * np.where(same, alpha + f, np.where(other, alpha - f, alpha)) * g
        yield x


# Scales that are estimated: norms of the model, but for L-DoG.


def dog(x: Vector, grads: Grads, lr: float = 1.0, reps: float = 1e-6, eps: float = 1e-8) -> Steps:
    points, squares = [x], [eps]
    radius = reps * (1 + size(x))
    for g in grads:
        squares.append(size(g) ** 2)
        furthest = max([radius, *(size(p - points[0]) for p in points)])
        x = x - lr * furthest / math.sqrt(sum(squares)) * g
        points.append(x)
        yield x


ldog = dog


def dadapt_sgd(x: Vector, grads: Grads, lr: float = 1.0, mu: float = 0.0, d0: float = 1e-6,
               wd: float = 0.0) -> Steps:
    start, total, d, products = x, np.zeros_like(x), d0, 0.0
    first = next(size(g) for g in grads if np.any(g))
    for g in grads:
        rate = d * lr / first
        products += rate * float(np.sum((g + wd * x) * total))
        total = total + rate * (g + wd * x)
        d = max(d, 2 * products / size(total))
        x = x + (1 - mu) * (start - total - x)
        yield x


def dadapt_adam(x: Vector, grads: Grads, lr: float = 1.0, b1: float = 0.9, b2: float = 0.999,
                eps: float = 1e-8, wd: float = 0.0, d0: float = 1e-6) -> Steps:
    m, v, s, d, r, root = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x), d0, 0.0, b2**0.5
    for g in grads:
        rate = lr * d
        r = root * r + (1 - root) * rate * float(np.sum(g * s / (np.sqrt(v) + eps)))
        m = b1 * m + (1 - b1) * rate * g
        v = b2 * v + (1 - b2) * g * g
        s = root * s + (1 - root) * rate * g
        x = x * (1 - rate * wd) - m / (np.sqrt(v) + eps)
        d = max(d, r / (1 - root) / float(np.sum(np.abs(s))))
        yield x


def dadapt_adagrad(x: Vector, grads: Grads, lr: float = 1.0, mu: float = 0.0, eps: float = 1e-6,
                   d0: float = 1e-6, wd: float = 0.0) -> Steps:
    start, total, squares, d, spent = x, np.zeros_like(x), np.full_like(x, 1e-6), d0, 0.0
    for given in grads:
        g = given + wd * x
        squares = squares + g * g
        inverse = 1 / (np.sqrt(squares) + eps)
        total = total + d * lr * g
        spent += (d * lr) ** 2 * float(np.sum(g * g * inverse))
        d = max(d, (float(np.sum(total**2 * inverse)) - spent) / float(np.sum(np.abs(total))))
        x = mu * x + (1 - mu) * (start - total * inverse)
        yield x


def prodigy(x: Vector, grads: Grads, lr: float = 1.0, b1: float = 0.9, b2: float = 0.999,
            eps: float = 1e-8, wd: float = 0.0, d0: float = 1e-6, coef: float = 1.0) -> Steps:
    start, d, b3 = x, d0, math.sqrt(b2)
    m, v, s, r = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x), 0.0
    for g in grads:
        weight, rate = lr * d * d / d0, lr * d
        r = b3 * r + weight * float(np.sum(g * (start - x)))
        s = b3 * s + weight * g
        m, v = b1 * m + (1 - b1) * (d * g), b2 * v + (1 - b2) * (d * g) ** 2
        d = max(d, coef * r / float(np.sum(np.abs(s))))
        x = x * (1 - rate * wd) - rate * m / (np.sqrt(v) + d * eps)
        yield x


# Averages of points.


def madgrad(x: Vector, grads: Grads, lr: float = 1e-2, mu: float = 0.9,
            eps: float = 1e-6) -> Steps:
    start = x
    weights = [(lr + eps) * math.sqrt(t) for t in range(1, len(grads) + 1)]
    sums = itertools.accumulate(w * g for w, g in zip(weights, grads, strict=True))
    squares = itertools.accumulate(w * g * g for w, g in zip(weights, grads, strict=True))
    for s, v in zip(sums, squares, strict=True):
        x = x + (1 - mu) * (start - s / (np.cbrt(v) + eps) - x)
        yield x


def _schedule_free(x: Vector, directions: Sequence[Vector], lr: float, b: float, wd: float,
                   warm: float, r: float, p: float) -> Steps:
    """z moves, x is the mean of all z with the weights of the paper, y lies between them."""
    points, weights, rates = [x], [], []
    y = x
    for t, u in enumerate(directions, 1):
        rates.append(lr * min(1.0, t / warm) if warm > 0 else lr)
        weights.append(t**r * max(rates) ** p)
        points.append(points[-1] - rates[-1] * (u + wd * y))
        mean = sum(w * z for w, z in zip(weights, points[1:], strict=True)) / sum(weights)
        y = points[-1] + b * (mean - points[-1])
        yield y, mean


def schedule_free_sgd(x: Vector, grads: Grads, lr: float = 1.0, b: float = 0.9, wd: float = 0.0,
                      warm: float = 0.0, r: float = 0.0, p: float = 2.0) -> Steps:
    return _schedule_free(x, grads, lr, b, wd, warm, r, p)


def schedule_free_adamw(x: Vector, grads: Grads, lr: float = 2.5e-3, b1: float = 0.9,
                        b2: float = 0.999, eps: float = 1e-8, wd: float = 0.0, warm: float = 0.0,
                        r: float = 0.0, p: float = 2.0) -> Steps:
    v, directions = np.zeros_like(x), []
    for t, g in enumerate(grads, 1):
        v = b2 * v + (1 - b2) * g * g
        directions.append(g / (np.sqrt(v / (1 - b2**t)) + eps))
    return _schedule_free(x, directions, lr, b1, wd, warm, r, p)


# Metrics that the graph of the loss induces.


def induced_log(x: Vector, grads: Grads, losses: Sequence[float], lr: float = 0.1, mu: float = 0.9,
                b: float = 0.8, xi: float = 0.1, wd: float = 0.0) -> Steps:
    m, q = np.zeros_like(x), 0.0
    for t, (g, loss) in enumerate(zip(grads, losses, strict=True), 1):
        q = b * q + (1 - b) * xi * size(g) ** 2
        m = mu * m + (1 - mu) * g
        x = x - lr / (loss + q / (1 - b**t) / loss) * m / (1 - mu**t) - lr * wd * x
        yield x


def induced_rms(x: Vector, grads: Grads, lr: float = 0.1, mu: float = 0.9, b: float = 0.8,
                b2: float = 0.99, xi: float = 0.1, eps: float = 1e-8, wd: float = 0.0) -> Steps:
    m, v, q = np.zeros_like(x), np.zeros_like(x), 0.0
    for t, g in enumerate(grads, 1):
        v, m = b2 * v + (1 - b2) * g * g, mu * m + (1 - mu) * g
        down = np.sqrt(v / (1 - b2**t)) + eps
        q = b * q + (1 - b) * xi * float(np.sum(g * g / down))
        x = x - lr / (1 + q / (1 - b**t)) * m / (1 - mu**t) / down - lr * wd * x
        yield x
