"""The family of Adam for one tensor in plain NumPy, written as `tests.references_a` is."""

from __future__ import annotations

import numpy as np

from tests.references_a import Gradients, Points, Tensor, moments


def adam(x: Tensor, gs: Gradients, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.999,
         eps: float = 1e-8) -> Points:
    return adamw(x, gs, lr, b1, b2, eps, wd=0.0)


def adamw(x: Tensor, gs: Gradients, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.999,
          eps: float = 1e-8, wd: float = 1e-2) -> Points:
    for t, _, m, v in moments(gs, b1, b2):
        x = x * (1 - lr * wd) - lr * m / (1 - b1 ** t) / (np.sqrt(v / (1 - b2 ** t)) + eps)
        yield x


def adamax(x: Tensor, gs: Gradients, lr: float = 2e-3, b1: float = 0.9,
           b2: float = 0.999) -> Points:
    largest = np.zeros_like(x)
    for t, g, m, _ in moments(gs, b1, b2):
        largest = np.maximum(b2 * largest, np.abs(g))
        x = x - lr / (1 - b1 ** t) * np.where(largest > 0, m / np.where(largest > 0, largest, 1), 0)
        yield x


def nadam(x: Tensor, gs: Gradients, lr: float = 2e-3, b1: float = 0.9, b2: float = 0.999,
          eps: float = 1e-8, psi: float = 4e-3) -> Points:
    def momentum(t: int) -> float:
        return float(b1 * (1 - 0.5 * 0.96 ** (psi * t)))

    m = n = np.zeros_like(x)
    for t, g in enumerate(gs, 1):
        m = momentum(t) * m + (1 - momentum(t)) * g
        n = b2 * n + (1 - b2) * g * g
        until = np.prod([momentum(i) for i in range(1, t + 1)])
        beyond = until * momentum(t + 1)
        mean = momentum(t + 1) * m / (1 - beyond) + (1 - momentum(t)) * g / (1 - until)
        x = x - lr / (np.sqrt(b2 * n / (1 - b2 ** t)) + eps) * mean
        yield x


def amsgrad(x: Tensor, gs: Gradients, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.999,
            eps: float = 1e-8) -> Points:
    largest = np.zeros_like(x)
    for _, _, m, v in moments(gs, b1, b2):
        largest = np.maximum(largest, v)
        x = x - lr * m / (np.sqrt(largest) + eps)
        yield x


def radam(x: Tensor, gs: Gradients, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.999,
          eps: float = 1e-8, threshold: float = 4.0) -> Points:
    longest = 2 / (1 - b2) - 1
    for t, _, m, v in moments(gs, b1, b2):
        mean = m / (1 - b1 ** t)
        length = longest - 2 * t * b2 ** t / (1 - b2 ** t)
        if length > threshold:
            top = (length - 4) * (length - 2) * longest
            mean = mean * np.sqrt(top / ((longest - 4) * (longest - 2) * length))
            mean = mean * np.sqrt(1 - b2 ** t) / (np.sqrt(v) + eps)
        x = x - lr * mean
        yield x


def adabelief(x: Tensor, gs: Gradients, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.999,
              eps: float = 1e-16, wd: float = 0.0) -> Points:
    s = np.zeros_like(x)
    for t, g, m, _ in moments(gs, b1, b2):
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps
        x = x * (1 - lr * wd)
        x = x - lr * m / (1 - b1 ** t) / (np.sqrt(s / (1 - b2 ** t)) + eps)
        yield x


def yogi(x: Tensor, gs: Gradients, lr: float = 1e-2, b1: float = 0.9, b2: float = 0.999,
         eps: float = 1e-3, m0: float = 0.0, v0: float = 1e-6) -> Points:
    v = np.full_like(x, v0)
    for t, g, m, _ in moments(gs, b1, b2):
        square = g * g
        v = np.where(v > square, v - (1 - b2) * square, v + (1 - b2) * square)
        mean = (m + b1 ** t * m0) / (1 - b1 ** t)
        x = x - lr * mean / (np.sqrt(v / (1 - b2 ** t)) + eps)
        yield x


def adan(x: Tensor, gs: Gradients, lr: float = 1e-3, b1: float = 0.98, b2: float = 0.92,
         b3: float = 0.99, eps: float = 1e-8, wd: float = 0.0) -> Points:
    """With the paper's betas, which are one minus these."""
    beta1, beta2, beta3 = 1 - b1, 1 - b2, 1 - b3
    m = v = n = np.zeros_like(x)
    before = None
    for t, g in enumerate(gs, 1):
        change = g - (g if before is None else before)
        m = (1 - beta1) * m + beta1 * g
        v = (1 - beta2) * v + beta2 * change
        n = (1 - beta3) * n + beta3 * (g + (1 - beta2) * change) ** 2
        step = m / (1 - b1 ** t) + (1 - beta2) * v / (1 - b2 ** t)
        x = (x - lr * step / (np.sqrt(n / (1 - b3 ** t)) + eps)) / (1 + lr * wd)
        before = g
        yield x


def adopt(x: Tensor, gs: Gradients, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.9999,
          eps: float = 1e-6, wd: float = 0.0) -> Points:
    m, v = np.zeros_like(x), None
    for k, g in enumerate(gs):
        if v is None:
            v = g * g
        else:
            x = x - lr * wd * x
            m = b1 * m + (1 - b1) * np.clip(g / np.maximum(np.sqrt(v), eps), -k ** 0.25, k ** 0.25)
            x = x - lr * m
            v = b2 * v + (1 - b2) * g * g
        yield x


def laprop(x: Tensor, gs: Gradients, lr: float = 4e-4, b1: float = 0.9, b2: float = 0.999,
           eps: float = 1e-15, wd: float = 0.0) -> Points:
    m = np.zeros_like(x)
    for t, g, _, v in moments(gs, b1, b2):
        m = b1 * m + (1 - b1) * g / (np.sqrt(v / (1 - b2 ** t)) + eps)
        x = x - lr * m / (1 - b1 ** t)
        x = x - lr * wd * x
        yield x


def adamomentum(x: Tensor, gs: Gradients, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.999,
                eps: float = 1e-8) -> Points:
    v = np.zeros_like(x)
    for t, _, m, _ in moments(gs, b1, b2):
        v = b2 * v + (1 - b2) * m * m + eps
        x = x - lr * np.sqrt(1 - b2 ** t) / (1 - b1 ** t) * m / np.sqrt(v)
        yield x


def diffgrad(x: Tensor, gs: Gradients, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.999,
             eps: float = 1e-8) -> Points:
    before = np.zeros_like(x)
    for t, g, m, v in moments(gs, b1, b2):
        friction = 1 / (1 + np.exp(-np.abs(before - g)))
        x = x - lr * friction * m / (1 - b1 ** t) / (np.sqrt(v / (1 - b2 ** t)) + eps)
        before = g
        yield x


def qhadam(x: Tensor, gs: Gradients, lr: float = 1e-3, b1: float = 0.995, b2: float = 0.999,
           n1: float = 0.7, n2: float = 1.0, eps: float = 1e-8) -> Points:
    for t, g, m, v in moments(gs, b1, b2):
        top = (1 - n1) * g + n1 * m / (1 - b1 ** t)
        x = x - lr * top / (np.sqrt((1 - n2) * g * g + n2 * v / (1 - b2 ** t)) + eps)
        yield x


def adabound(x: Tensor, gs: Gradients, lr: float = 1e-3, final: float = 0.1, b1: float = 0.9,
             b2: float = 0.999, gam: float = 1e-3, eps: float = 1e-8) -> Points:
    for t, _, m, v in moments(gs, b1, b2):
        size = lr * np.sqrt(1 - b2 ** t) / (1 - b1 ** t) / (np.sqrt(v) + eps)
        x = x - np.clip(size, final - final / (gam * t + 1), final + final / (gam * t)) * m
        yield x


def ademamix(x: Tensor, gs: Gradients, lr: float = 1e-3, b1: float = 0.9, b2: float = 0.999,
             b3: float = 0.9999, alpha: float = 5.0, warm: float = 1.0, eps: float = 1e-8,
             wd: float = 0.0) -> Points:
    slow = np.zeros_like(x)
    for t, g, m, v in moments(gs, b1, b2):
        weight, decay = alpha, b3
        if t < warm:
            weight = alpha * t / warm
            # The half-lives, not the decays, are interpolated.
            halves = [np.log(0.5) / np.log(b) for b in (b1, b3)]
            decay = 0.5 ** (1 / ((1 - t / warm) * halves[0] + t / warm * halves[1]))
        slow = decay * slow + (1 - decay) * g
        mean = m / (1 - b1 ** t) + weight * slow
        x = x - lr * (mean / (np.sqrt(v / (1 - b2 ** t)) + eps) + wd * x)
        yield x
