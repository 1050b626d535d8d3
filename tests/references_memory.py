"""Rules that keep less than one number per entry, or move less than every direction, in plain
float64 NumPy, from the papers' formulas; the form is that of `tests.references`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tests.references import Grads, Steps, Vector


def _rms(a: Vector) -> float:
    return float(np.sqrt(np.mean(np.asarray(a)**2)))


# Adafactor: rows and columns of the last two axes, leading axes apart; vectors keep every entry.


def adafactor(x: Vector, grads: Grads, lr: float, decay: float, eps1: float, eps2: float,
              d: float) -> Steps:
    """Shazeer and Stern, algorithms 4 and 5 with the hyperparameters of algorithm 6."""
    rows = cols = full = np.zeros(())
    for t, g in enumerate(grads, 1):
        share, square = t**-decay, g**2 + eps1
        if x.ndim > 1:
            rows = (1 - share) * rows + share * square.sum(axis=-1)
            cols = (1 - share) * cols + share * square.sum(axis=-2)
            v = rows[..., :, None] * cols[..., None, :] / rows.sum(axis=-1)[..., None, None]
        else:
            full = (1 - share) * full + share * square
            v = full
        u = g / np.sqrt(v)
        alpha = max(eps2, _rms(x)) * min(lr, 1 / math.sqrt(t))
        x = x - alpha * u / max(1, _rms(u) / d)
        yield x


def adafactor_torch(x: Vector, grads: Grads, lr: float, decay: float, eps1: float, eps2: float,
                    d: float, wd: float) -> Steps:
    """Nothing is added to the squares; the mean of the rows and the root are floored instead."""
    rows = cols = full = np.zeros(())
    for t, g in enumerate(grads, 1):
        share = t**-decay
        if x.ndim > 1:
            rows = rows + share * ((g**2).mean(axis=-1) - rows)
            cols = cols + share * ((g**2).mean(axis=-2) - cols)
            level = np.maximum(rows.mean(axis=-1), eps1)[..., None, None]
            v = rows[..., :, None] * cols[..., None, :] / level
        else:
            full = full + share * (g**2 - full)
            v = full
        u = g / np.sqrt(np.maximum(v, eps1**2))
        alpha = max(eps2, _rms(x)) * min(lr, 1 / math.sqrt(t))
        x = (1 - lr * wd) * x - alpha * u / max(1, _rms(u) / d)
        yield x


def adafactor_optax(x: Vector, grads: Grads, lr: float, decay: float, eps: float, d: float,
                    mu: float, wd: float, least: int) -> Steps:
    """lr as it is given, an average after it, decay not times lr. Only matrices with both sides
    of ``least`` or more are factored here (optax: the two largest axes of any tensor)."""
    rows = cols = full = np.zeros(())
    m = np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        share, square = t**-decay, g**2 + eps
        if x.ndim == 2 and min(x.shape) >= least:
            rows = (1 - share) * rows + share * square.mean(axis=1)
            cols = (1 - share) * cols + share * square.mean(axis=0)
            v = np.outer(rows / rows.mean(), cols)
        else:
            full = (1 - share) * full + share * square
            v = full
        u = g / np.sqrt(v)
        m = mu * m + (1 - mu) * lr * max(_rms(x), 1e-3) * u / max(1, _rms(u) / d)
        x = x - m - wd * x
        yield x


# SM3: one number for each slice along each axis.


def sm3(x: Vector, grads: Grads, lr: float, mu: float, eps: float) -> Steps:
    """Anil et al., SM3-II: v is the least over the slices of an entry plus g^2, a slice keeps the
    largest v in it; then an average of the steps. A number is a vector of one."""
    shape, x = x.shape, np.atleast_1d(x)
    axes = range(x.ndim)
    slices = [np.zeros([n if a == b else 1 for b in axes]) for a, n in enumerate(x.shape)]
    m = np.zeros_like(x)
    for g in (np.atleast_1d(g) for g in grads):
        v = g**2 + np.min(np.broadcast_arrays(*slices), axis=0)
        slices = [v.max(axis=tuple(b for b in axes if b != a), keepdims=True) for a in axes]
        m = mu * m + (1 - mu) * g / np.sqrt(v + eps)
        x = x - lr * m
        yield x.reshape(shape)


# Projections.


def galore(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float, wd: float, r: int,
           k: int, scale: float) -> Steps:
    """Zhao et al., algorithm 2: Adam on the gradient in its r largest singular directions of the
    shorter side, taken anew at t = 1, k + 1, ...; the moments are not turned. The decay follows
    the step. Only matrices are projected."""
    if x.ndim != 2:
        yield from _adam_then_decay(x, grads, lr, b1, b2, eps, wd, lambda g, t: (g, lambda u: u))
        return
    right, p = x.shape[0] >= x.shape[1], np.zeros(())

    def project(g: Vector, t: int) -> tuple[Vector, Callable[[Vector], Vector]]:
        nonlocal p
        if (t - 1) % k == 0:
            u, _, vt = np.linalg.svd(g, full_matrices=False)
            p = vt[:r].T if right else u[:, :r]
        if right:
            return g @ p, lambda a: scale * a @ p.T
        return p.T @ g, lambda a: scale * p @ a

    yield from _adam_then_decay(x, grads, lr, b1, b2, eps, wd, project)


def _adam_then_decay(
    x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float, wd: float,
    project: Callable[[Vector, int], tuple[Vector, Callable[[Vector], Vector]]],
) -> Steps:
    m = v = np.zeros(())
    for t, g in enumerate(grads, 1):
        low, back = project(g, t)
        m = b1 * m + (1 - b1) * low
        v = b2 * v + (1 - b2) * low**2
        size = lr * math.sqrt(1 - b2**t) / (1 - b1**t)
        x = (1 - lr * wd) * (x - size * back(m / (np.sqrt(v) + eps)))
        yield x


def apollo(x: Vector, grads: Grads, normal: Callable[[int, tuple[int, int]], Vector], lr: float,
           b1: float, b2: float, eps: float, wd: float, r: int, k: int, scale: float,
           grow: float) -> Steps:
    """Zhu et al., algorithm 1: Adam on the gradient seen in r random directions of the shorter side
    says how far each channel of the whole gradient goes; its norm grows by ``grow`` at most.
    ``normal(t, shape)`` draws the directions at t = 1, k + 1, ..."""
    if x.ndim != 2 or min(x.shape) < r:
        yield from _adam_then_decay(x, grads, lr, b1, b2, eps, wd, lambda g, t: (g, lambda u: u))
        return
    tall, before = x.shape[0] >= x.shape[1], 0.0
    p = m = v = np.zeros(())
    for t, g in enumerate(grads, 1):
        if (t - 1) % k == 0:
            p = normal(t, (x.shape[1], r) if tall else (r, x.shape[0])) / math.sqrt(r)
        low = g @ p if tall else p @ g
        m = b1 * m + (1 - b1) * low
        v = b2 * v + (1 - b2) * low**2
        lengths = [np.sqrt(np.sum(a**2, axis=int(tall), keepdims=True))
                   for a in (m / (np.sqrt(v) + eps), low)]
        step = g * lengths[0] / (lengths[1] + 1e-8)
        size = math.sqrt(float(np.sum(step**2)))
        if t > 1 and size > grow * (before + 1e-8):
            step, size = step / size * grow * (before + 1e-8), grow * (before + 1e-8)
        before = size
        size = lr * math.sqrt(1 - b2**t) / (1 - b1**t) * math.sqrt(scale)
        x = (1 - lr * wd) * (x - size * step)
        yield x


def adamp(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float, wd: float,
          delta: float, ratio: float, nesterov: bool = False) -> Steps:
    """Heo et al., algorithm 2: Adam's step without its radial part where x is scale-invariant."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(grads, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        step = (b1 * m + (1 - b1) * g if nesterov else m) / (np.sqrt(v / (1 - b2**t)) + eps)
        step, less = tangent(x, g, step, delta, ratio, eps)
        x = (1 - lr * wd * less) * x - lr / (1 - b1**t) * step
        yield x


def sgdp(x: Vector, grads: Grads, lr: float, mu: float, wd: float, delta: float, ratio: float,
         eps: float, damp: float = 0.0, nesterov: bool = False) -> Steps:
    """Heo et al., algorithm 1: the same of SGD; the decay is over 1 - mu."""
    b = np.zeros_like(x)
    for g in grads:
        b = mu * b + (1 - damp) * g
        step, less = tangent(x, g, g + mu * b if nesterov else b, delta, ratio, eps)
        x = (1 - lr * wd * less / (1 - mu)) * x - lr * step
        yield x


def tangent(x: Vector, g: Vector, step: Vector, delta: float, ratio: float,
            eps: float) -> tuple[Vector, float]:
    """The step without its part along x, and the factor of the decay: of every row by itself where
    every row is nearly orthogonal to its gradient, else of the tensor where the whole is."""
    if x.ndim < 2:
        return step, 1.0
    for rows in (x.shape[0], 1):
        p, q, s = x.reshape(rows, -1), g.reshape(rows, -1), step.reshape(rows, -1)
        np_, nq = (np.sqrt(np.sum(a**2, axis=1, keepdims=True)) for a in (p, q))
        cosine = np.abs(np.sum(p * q, axis=1, keepdims=True)) / (
            np.maximum(np_, eps) * np.maximum(nq, eps))
        if cosine.max() < delta / math.sqrt(p.shape[1]):
            n = p / (np_ + eps)
            return (s - n * np.sum(n * s, axis=1, keepdims=True)).reshape(x.shape), ratio
    return step, 1.0


# One second moment for many entries; delayed and compressed gradients.


def adam_mini(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float,
              wd: float) -> Steps:
    """Zhang et al.: one second moment for each output (row) of a matrix, one for other tensors."""
    axes = tuple(range(1, x.ndim)) if x.ndim > 1 else None
    m, v = np.zeros_like(x), np.zeros(())
    for t, g in enumerate(grads, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * (g**2).mean(axis=axes, keepdims=True)
        u = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        x = (1 - lr * wd) * x - lr * u.reshape(x.shape)
        yield x


def adashift(x: Vector, grads: Grads, lr: float, b1: float, b2: float, n: int,
             eps: float) -> Steps:
    """Zhou et al., max-AdaShift: the mean of the last n gradients weighted by powers of b1, over
    the root of an average of the largest squares of gradients n steps old."""
    weights = b1 ** np.arange(n) / sum(b1**k for k in range(n))
    v = 0.0
    for t in range(1, len(grads) + 1):
        if t > n:
            v = b2 * v + (1 - b2) * float(np.max(grads[t - 1 - n]**2))
            m = sum(w * grads[t - 1 - k] for k, w in enumerate(weights))
            x = x - lr * m / (math.sqrt(v / (1 - b2**(t - n))) + eps)
        yield x


def microadam(x: Vector, grads: Grads, lr: float, b1: float, b2: float, eps: float, wd: float,
              n: int, compress: Callable[[Vector], Vector],
              store: Callable[[Vector], Vector]) -> Steps:
    """Modoranu et al., algorithm 1: both moments from the last n compressed gradients; what the
    compression left goes to the next gradient through a lossy store."""
    e, kept = np.zeros_like(x), []
    for t, g in enumerate(grads, 1):
        a = g + e
        c = compress(a)
        e = store(a - c)
        kept = [c, *kept][:n]
        m = (1 - b1) / (1 - b1**t) * sum(b1**k * c for k, c in enumerate(kept))
        v = (1 - b2) / (1 - b2**t) * sum(b2**k * c**2 for k, c in enumerate(kept))
        x = (1 - lr * wd) * x - lr * m / (eps + np.sqrt(v))
        yield x


def largest(a: Vector) -> Vector:
    """All but the two entries of the largest magnitude, of those that are equal the first, are
    zero."""
    kept = np.argsort(-np.abs(np.ravel(a)), kind="stable")[:2]
    flat = np.zeros(np.size(a))
    flat[kept] = np.ravel(a)[kept]
    return flat.reshape(np.shape(a))


def four_bits(a: Vector) -> Vector:
    """Every entry at the nearest of 16 levels between the least and the largest."""
    low, high = float(np.min(a)), float(np.max(a))
    level = (high - low) / 15 or 1.0
    return np.asarray(low + level * np.round((np.asarray(a) - low) / level))


def mars_lion(x: Vector, grads: Grads, lr: float, b1: float, gam: float, wd: float) -> Steps:
    """Yuan et al., algorithm 3: the sign of the average of g + gam b1/(1 - b1) (g - last), no
    longer than 1."""
    last = m = np.zeros_like(x)
    for g in grads:
        c = g + gam * b1 / (1 - b1) * (g - last)
        m = b1 * m + (1 - b1) * c / max(1, math.sqrt(float(np.sum(c**2))))
        x = x - lr * (np.sign(m) + wd * x)
        last = g
        yield x
