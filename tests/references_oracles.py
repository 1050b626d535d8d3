"""Rules that ask for gradients elsewhere, in plain float64 NumPy from the papers' formulas:
sharpness, variance reduction, diagonals of the Hessian, two losses of one model.

The model is one flat vector (`tests.flat_problem`). What a rule wraps is an ``inner`` optimizer of
`tests.references_wrappers`: a function of the point and a gradient that returns two parts of the
change it would make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.linalg import norm

from tests.flat_problem import SIZE, Ask, Path, Vector
from tests.problem import CLASSES
from tests.references_wrappers import Maker


def stepping(
    gradient: Callable[[int, Vector], Vector], x: Vector, steps: int, inner: Maker
) -> Path:
    """What ``inner`` makes of ``gradient(t, x)``."""
    change = inner()
    for t in range(1, steps + 1):
        x = x + sum(change(x, gradient(t, x)))
        yield x


def unit(v: Vector) -> Vector:
    """v at length one; nothing stays nothing."""
    return v / norm(v) if norm(v) else v


# Sharpness.


def sam(ask: Ask, x: Vector, steps: int, inner: Maker, rho: float) -> Path:
    """The gradient at the point of the ball |e| <= rho where the linearised loss is largest."""
    def gradient(t: int, x: Vector) -> Vector:
        b = ask.this(t)
        return ask.grad(x + rho * unit(ask.grad(x, b)), b)

    return stepping(gradient, x, steps, inner)


def asam(ask: Ask, x: Vector, steps: int, inner: Maker, rho: float, eta: float) -> Path:
    """SAM in the coordinates e/T, where T = |x| + eta in weights and 1 in biases."""
    def gradient(t: int, x: Vector) -> Vector:
        b, T = ask.this(t), np.ones(SIZE)
        for part, rank in zip(ask.slices, ask.ranks, strict=True):
            if rank >= 2:
                T[part] = np.abs(x[part]) + eta
        return ask.grad(x + T * rho * unit(T * ask.grad(x, b)), b)

    return stepping(gradient, x, steps, inner)


def off(v: Vector, axis: Vector) -> Vector:
    """The part of v at a right angle to ``axis``."""
    return v - axis * np.linalg.lstsq(axis[:, None], v, rcond=None)[0]


def gsam(ask: Ask, x: Vector, steps: int, inner: Maker, rho: float, al: float) -> Path:
    """SAM's gradient, and ascent along the part of the plain one that it does not see."""
    def gradient(t: int, x: Vector) -> Vector:
        b = ask.this(t)
        g = ask.grad(x, b)
        sharp = ask.grad(x + rho * unit(g), b)
        return sharp - al * off(g, sharp)

    return stepping(gradient, x, steps, inner)


def gam(
    ask: Ask, x: Vector, steps: int, inner: Maker, r1: float, r2: float, b0: float, b1: float,
    gam: float,
) -> Path:
    """SAM at x and at the point near by where the gradient is longest, put together."""
    def gradient(t: int, x: Vector) -> Vector:
        b = ask.this(t)

        def both(y: Vector) -> tuple[Vector, Vector]:
            here = ask.grad(y, b)
            return here, ask.grad(y + r1 * unit(here), b)

        g0, g1 = both(x)
        g2, g3 = both(x + r2 * unit(g1 - g0))
        q = b1 * g1 + (1 - b1) * g3
        return q - gam * off(g0 + (1 - b0) * g2, q)

    return stepping(gradient, x, steps, inner)


def amp(
    ask: Ask, x: Vector, steps: int, inner: Maker, r: float, il: float, n: int, scope: str,
) -> Path:
    """n steps of ascent in a ball of radius r, one for the model or one for each tensor."""
    def gradient(t: int, x: Vector) -> Vector:
        b, d = ask.this(t), np.zeros(SIZE)
        for _ in range(n):
            d = d + il * ask.grad(x + d, b)
            for part in ask.slices if scope == "tensor" else [slice(None)]:
                if norm(d[part]) > r:
                    d[part] *= r / norm(d[part])
        return ask.grad(x + d, b)

    return stepping(gradient, x, steps, inner)


def gradient_regularization(
    ask: Ask, x: Vector, steps: int, inner: Maker, gam: float, eps: float, sign: int,
) -> Path:
    """g + gam H g, H g from a difference forward (sign 1) or backward (-1)."""
    def gradient(t: int, x: Vector) -> Vector:
        b = ask.this(t)
        g, e = ask.grad(x, b), sign * eps
        return g + gam / e * (ask.grad(x + e * g, b) - g)

    return stepping(gradient, x, steps, inner)


def entropy_sgd(
    ask: Ask, x: Vector, steps: int, inner: Maker, turns: int, il: float, gam: float, noise: float,
    al: float,
) -> Path:
    """gam (x - mean of a Langevin chain that a spring of strength gam ties to x)."""
    def gradient(t: int, x: Vector) -> Vector:
        chain = [x]
        for turn in range(turns):
            y = chain[-1]
            pull = ask.grad(y, ask.fresh(t, turn)) - gam * (x - y)
            z = ask.draw("normal", "z", t, turn)
            chain.append(y - il * pull + np.sqrt(il) * noise * z)
        weights = [al**turns, *((1 - al) * al ** (turns - 1 - k) for k in range(turns))]
        return gam * (x - sum(w * y for w, y in zip(weights, chain, strict=True)))

    return stepping(gradient, x, steps, inner)


def divergence(old: Vector, new: Vector) -> Any:
    """Mean Kullback-Leibler divergence of the classes that logits give, of new from old."""
    p, q = (np.exp(a) / np.exp(a).sum(1, keepdims=True)
            for a in (np.reshape(o, (-1, CLASSES)) for o in (old, new)))
    return np.sum(p * np.log(p / q)) / len(p)


def tram(ask: Ask, x: Vector, steps: int, inner: Maker) -> Path:
    """SAM with the radius that the outputs moved by since the last step."""
    last = [x]

    def gradient(t: int, x: Vector) -> Vector:
        b = ask.this(t)
        moved = divergence(ask.out(last[0], b), ask.out(x, b))
        last[0] = x
        return ask.grad(x + moved * unit(ask.grad(x, b)), b)

    return stepping(gradient, x, steps, inner)


# Variance reduction.


def svrg(ask: Ask, x: Vector, steps: int, lr: float, k: int, al: float) -> Path:
    """Epochs of k steps around an anchor, whose full gradient is known."""
    t = 0
    while True:
        anchor, whole = x, ask.grad(x, ask.full)
        for _ in range(k):
            t += 1
            b = ask.this(t)
            x = x - lr * (ask.grad(x, b) - al * (ask.grad(anchor, b) - whole))
            yield x
            if t == steps:
                return


def recursive(ask: Ask, x: Vector, steps: int, lr: float, k: int, normalized: bool) -> Path:
    """SARAH, and SPIDER with steps of length lr: v is the full gradient, then adds differences."""
    points, v = [x], np.zeros(SIZE)
    for t in range(1, steps + 1):
        b = ask.this(t)
        if (t - 1) % k == 0:
            v = ask.grad(points[-1], ask.full)
        else:
            v = v + ask.grad(points[-1], b) - ask.grad(points[-2], b)
        points.append(points[-1] - lr * (unit(v) if normalized else v))
        yield points[-1]


def storm(ask: Ask, x: Vector, steps: int, k: float, w: float, c: float) -> Path:
    """Cutkosky and Orabona, algorithm 1, in its own order: the point, then its estimator."""
    d = ask.grad(x, ask.this(1))
    squares = norm(d) ** 2
    for t in range(1, steps + 1):
        eta = k / (w + squares) ** (1 / 3)
        moved = x - eta * d
        yield moved
        b = ask.this(t + 1)
        g = ask.grad(moved, b)
        squares += norm(g) ** 2
        d = g + (1 - c * eta**2) * (d - ask.grad(x, b))
        x = moved


def mars_exact(ask: Ask, x: Vector, steps: int, inner: Maker, b1: float, gam: float) -> Path:
    """The gradient, corrected by what the last move did to it on this batch; clipped."""
    last = [x]

    def gradient(t: int, x: Vector) -> Vector:
        b = ask.this(t)
        g = ask.grad(x, b)
        c = g + gam * b1 / (1 - b1) * (g - ask.grad(last[0], b))
        last[0] = x
        return np.concatenate([c[s] / max(1.0, norm(c[s])) for s in ask.slices])

    return stepping(gradient, x, steps, inner)


# Diagonals of the Hessian from random signs.


def adahessian(
    ask: Ask, x: Vector, steps: int, lr: float, b1: float, b2: float, p: float, eps: float,
    wd: float,
) -> Path:
    """Adam with the squared diagonal; the averages are written out as sums."""
    gs: list[Vector] = []
    hs: list[Vector] = []
    for t in range(1, steps + 1):
        b, z = ask.this(t), ask.draw("rademacher", "z", t)
        gs.append(ask.grad(x, b))
        hs.append(z * ask.hvp(x, z, b))
        m, v = (average(a, beta, t) for a, beta in ((gs, b1), ([h**2 for h in hs], b2)))
        x = x - lr * (m / (np.sqrt(v) ** p + eps) + wd * x)
        yield x


def average(values: list[Vector], beta: float, t: int) -> Vector:
    """The exponential average whose weights sum to one."""
    weights = (1 - beta) * beta ** np.arange(t - 1, -1, -1.0) / (1 - beta**t)
    return np.tensordot(weights, np.stack(values), 1)


def sophia_h(
    ask: Ask, x: Vector, steps: int, lr: float, b1: float, b2: float, rho: float, eps: float,
    wd: float, k: int,
) -> Path:
    """Momentum over a diagonal that is seen every k steps, each entry at most 1."""
    m, h = np.zeros(SIZE), np.zeros(SIZE)
    for t in range(1, steps + 1):
        b = ask.this(t)
        m = b1 * m + (1 - b1) * ask.grad(x, b)
        if t % k == 1 or k == 1:
            u = ask.draw("rademacher", "u", t)
            h = b2 * h + (1 - b2) * u * ask.hvp(x, u, b)
        bound = np.maximum(rho * h, eps)
        x = (1 - lr * wd) * x - lr * np.sign(m) * np.minimum(np.abs(m) / bound, 1)
        yield x


def oasis(ask: Ask, x: Vector, steps: int, eta0: float, b2: float, al: float) -> Path:
    """Steps in the metric of the diagonal, as long as that metric sees the gradient turn."""
    etas = [eta0]
    last, D = x, np.zeros(SIZE)
    for t in range(1, steps + 1):
        b, z = ask.this(t), ask.draw("rademacher", "z", t)
        seen = z * ask.hvp(x, z, b)
        D = seen if t == 1 else b2 * D + (1 - b2) * seen
        M, g = np.maximum(np.abs(D), al), ask.grad(x, b)
        if t > 1:
            s, y = x - last, g - ask.grad(last, b)
            growth = np.sqrt(1 + etas[-1] / etas[-2]) if t > 2 else np.inf
            etas.append(min(growth * etas[-1], norm(np.sqrt(M) * s) / norm(y / np.sqrt(M)) / 2))
        last, x = x, x - etas[-1] * g / M
        yield x


# Two losses.


def bloop(
    ask: Any, x: Vector, steps: int, inner: Maker, rho: float, lam: float, eps: float
) -> Path:
    """The main gradient, and of the other one what is at a right angle to the main average."""
    e: list[Vector] = []

    def gradient(t: int, x: Vector) -> Vector:
        b = ask.this(t)
        main, aux = ask.named("main", x, b), ask.named("aux", x, b)
        e[:] = [(1 - rho) * e[0] + rho * main] if e else [main]
        return main + lam * (aux - aux @ e[0] / (e[0] @ e[0] + eps) * e[0])

    return stepping(gradient, x, steps, inner)
