"""References for flows, energies and other geometries; see `tests.references`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.references import Grads, Steps, Vector


def aegd(x: Vector, grads: Grads, losses: Sequence[float], lr: float, c: float, wd: float,
         mu: float = 0.0) -> Steps:
    """AEGD, and AEGDM where mu is not 0."""
    r = np.full_like(x, np.sqrt(losses[0] + c))
    m = np.zeros_like(x)
    for g, loss in zip(grads, losses, strict=True):
        v = g / (2 * np.sqrt(loss + c)) + wd * x
        r = r / (1 + 2 * lr * v * v)
        m = mu * m + v
        x = x - 2 * lr * r * m
        yield x


def gravity(x: Vector, grads: Grads, lr: float, alpha: float, b: float, lr0: float,
            start: Vector) -> Steps:
    """``start``: a standard normal draw."""
    v = alpha / lr0 * start
    for t, g in enumerate(grads, 1):
        decay = (b * t + 1) / (t + 2)
        v = decay * v + (1 - decay) * g / (1 + (g * np.max(np.abs(g))) ** 2)
        x = x - lr * v
        yield x


def induced_sgd(x: Vector, grads: Grads, lr: float, mu: float, b: float, xi: float,
                wd: float) -> Steps:
    m, q = np.zeros_like(x), 0.0
    for t, g in enumerate(grads, 1):
        q = b * q + (1 - b) * xi * float(np.dot(g, g))
        m = mu * m + (1 - mu) * g
        x = x - lr * (m / (1 - mu**t)) / (1 + q / (1 - b**t)) - lr * wd * x
        yield x


def nag_gs(x: Vector, grads: Grads, lr: float, mu: float, gam0: float) -> Steps:
    v, gam = x, gam0
    for g in grads:
        a = lr * mu / (lr * mu + gam)
        v = (1 - a) * v + a * x - a * g / mu
        gam = (gam + lr * mu) / (1 + lr)
        x = (x + lr * v) / (1 + lr)
        yield x


def nag4(x: Vector, grads: Grads, lr: float, mu: float, gam: float) -> Steps:
    """The implicit step: v' - v = (lr/gam) (mu (x - v') - g)."""
    v, q = x, lr / gam
    for g in grads:
        v = (v + q * mu * x - q * g) / (1 + q * mu)
        x = (x + lr * v) / (1 + lr)
        yield x


def mirror_entropy(x: Vector, grads: Grads, lr: float, mu: float) -> Steps:
    b = np.zeros_like(x)
    for g in grads:
        b = mu * b + g
        x = np.sign(x) * np.exp(np.log(np.abs(x)) - lr * np.sign(x) * b)
        yield x


def mirror_p_norm(x: Vector, grads: Grads, lr: float, mu: float, p: float) -> Steps:
    b = np.zeros_like(x)
    for g in grads:
        b = mu * b + g
        dual = np.sign(x) * np.abs(x) ** (p - 1) - lr * b
        x = np.sign(dual) * np.abs(dual) ** (1 / (p - 1))
        yield x
