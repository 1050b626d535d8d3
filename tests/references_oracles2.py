"""Rules that search, look back or try, in plain float64 NumPy from the papers' formulas: step
sizes, line searches, conjugate directions, quasi-Newton, differences of losses, extrapolation.

The model is one flat vector (`tests.flat_problem`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.linalg import norm

from tests.flat_problem import SIZE, Ask, Path, Vector
from tests.references_oracles import stepping
from tests.references_wrappers import Maker

# Step sizes.


def polyak(ask: Ask, x: Vector, steps: int, least: float) -> Path:
    """To where the linearised loss is the least one."""
    for t in range(1, steps + 1):
        b = ask.this(t)
        g = ask.grad(x, b)
        x = x - np.linalg.lstsq(g[None, :], [ask.loss(x, b) - least], rcond=None)[0]
        yield x


def sps_max(ask: Ask, x: Vector, steps: int, c: float, least: float, most: float) -> Path:
    """Polyak's step of this batch, over c and at most ``most``."""
    for t in range(1, steps + 1):
        b = ask.this(t)
        g = ask.grad(x, b)
        x = x - min((ask.loss(x, b) - least) / (c * norm(g) ** 2), most) * g
        yield x


def barzilai_borwein(ask: Ask, x: Vector, steps: int, lr: float, kind: str) -> Path:
    """The multiple of the identity that fits the last move best, in one sense or the other."""
    moves: list[Vector] = []
    gs: list[Vector] = []
    for t in range(1, steps + 1):
        gs.append(ask.grad(x, ask.this(t)))
        a = lr
        if t > 1:
            s, y = moves[-1], gs[-1] - gs[-2]
            if s @ y > 0:
                a = (s @ s) / (s @ y) if kind == "long" else (s @ y) / (y @ y)
        moves.append(-a * gs[-1])
        x = x + moves[-1]
        yield x


def dal(ask: Ask, x: Vector, steps: int, p: float, most: float) -> Path:
    """The step shrinks where the gradient's own direction is curved: the drift stays small."""
    for t in range(1, steps + 1):
        b = ask.this(t)
        g = ask.grad(x, b)
        curvature = norm(ask.hvp(x, g / norm(g), b))
        x = x - min(2 / curvature**p, most) * g
        yield x


# Line searches.


def backtrack(
    ask: Ask, x: Vector, d: Vector, b: Any, s: float, c: float, shrink: float, most: int
) -> tuple[float, bool]:
    """The first of s, s*shrink, ... (``most`` of them) that meets Armijo's condition, or the
    last; and whether it does."""
    for trial in s * shrink ** np.arange(most):
        if ask.loss(x + trial * d, b) <= ask.loss(x, b) + c * trial * (ask.grad(x, b) @ d):
            return float(trial), True
    return float(trial), False


def armijo(
    ask: Ask, x: Vector, steps: int, top: float, c: float, shrink: float, grow: float, most: int
) -> Path:
    """SGD with a search on its own batch, which starts a little above the last step."""
    s = np.inf
    for t in range(1, steps + 1):
        b = ask.this(t)
        d = -ask.grad(x, b)
        s, found = backtrack(ask, x, d, b, min(grow * s, top), c, shrink, most)
        x = x + (s if found else 0.0) * d
        yield x


def conjugate(
    ask: Ask, x: Vector, steps: int, form: str, lr: float, c: float, shrink: float, most: int
) -> Path:
    """Nonlinear conjugate gradients; a direction that does not descend is started anew."""
    forms = {"fr": lambda g, y, d, old: g @ g / (old @ old),
             "pr": lambda g, y, d, old: max(0.0, g @ y / (old @ old)),
             "hs": lambda g, y, d, old: g @ y / (d @ y)}
    old = d = np.zeros(0)
    for t in range(1, steps + 1):
        b = ask.this(t)
        g = ask.grad(x, b)
        d = -g if t == 1 else -g + forms[form](g, g - old, d, old) * d
        if d @ g >= 0:
            d = -g
        s, found = backtrack(ask, x, d, b, lr, c, shrink, most)
        x, old = x + (s if found else 0.0) * d, g
        yield x


def lbfgs(
    ask: Ask, x: Vector, steps: int, k: int, lr: float, c: float, shrink: float, most: int
) -> Path:
    """BFGS from a multiple of the identity through the last k pairs, as a whole matrix."""
    pairs: list[tuple[Vector, Vector]] = []
    for t in range(1, steps + 1):
        b = ask.this(t)
        g, H = ask.grad(x, b), np.eye(SIZE)
        if pairs:
            s, y = pairs[-1]
            H *= (s @ y) / (y @ y)
        for s, y in pairs:
            V = np.eye(SIZE) - np.outer(y, s) / (s @ y)
            H = V.T @ H @ V + np.outer(s, s) / (s @ y)
        a, found = backtrack(ask, x, -H @ g, b, lr, c, shrink, most)
        new = x - (a if found else 0.0) * H @ g
        s, y = new - x, ask.grad(new, b) - g
        if s @ y > 0:
            pairs = [*pairs, (s, y)][-k:]
        x = new
        yield x


def smb(ask: Ask, x: Vector, steps: int, lr: float, c: float, eta: float) -> Path:
    """A trial step; where it fails, the least point of a model that each tensor makes of it."""
    for t in range(1, steps + 1):
        b = ask.this(t)
        g = ask.grad(x, b)
        tried = x - lr * g
        if ask.loss(tried, b) > ask.loss(x, b) - c * lr * (g @ g):
            change = ask.grad(tried, b) - g
            tried = x + np.concatenate(
                [_modelled(-lr * g[p], change[p], g[p], eta) for p in ask.slices])
        x = tried
        yield x


def _modelled(s: Vector, y: Vector, g: Vector, eta: float) -> Vector:
    """Minus the inverse of SMB's model Hessian, a multiple of I but for rank two, times g."""
    if not s @ s:
        return 0 * s
    sigma = (norm(s) * (norm(y) + norm(g) / eta) - s @ y) / 2
    beta = s @ y + 2 * sigma
    theta = beta**2 - (s @ s) * (y @ y)
    basis = np.stack([s, y])
    # -(s.s/2 sigma) (g - [s y] M [s.g y.g]) with the symmetric M of the paper's inverse.
    M = np.array([[-(y @ y), beta], [beta, -(s @ s)]]) / theta
    return -(s @ s) / (2 * sigma) * (g - basis.T @ M @ basis @ g)


# Differences of losses, and slopes.


def forward_gradient(ask: Ask, x: Vector, steps: int, lr: float) -> Path:
    """One derivative along a normal direction, taken for the gradient."""
    for t in range(1, steps + 1):
        z = ask.draw("normal", "z", t)
        x = x - lr * np.outer(z, z) @ ask.grad(x, ask.this(t))
        yield x


def spsa(
    ask: Ask, x: Vector, steps: int, a: float, A: float, al: float, c: float, ga: float
) -> Path:
    """Spall's gains: two losses at random signs around the point."""
    for t in range(1, steps + 1):
        b, h = ask.this(t), c / t**ga
        z = ask.draw("rademacher", "z", t)
        rise = ask.loss(x + h * z, b) - ask.loss(x - h * z, b)
        x = x - a / (A + t) ** al * rise / (2 * h * z)
        yield x


def gfm_plus(
    ask: Ask, x: Vector, steps: int, lr: float, delta: float, few: int, many: int, k: int
) -> Path:
    """Differences across a small sphere: many directions every k steps, between them few, at
    the last point and at this one."""
    points, v = [x], np.zeros(SIZE)
    for t in range(1, steps + 1):
        b = ask.this(t)

        def mean(y: Vector, us: list[Vector], b: Any = b) -> Vector:
            rises = [ask.loss(y + delta * u, b) - ask.loss(y - delta * u, b) for u in us]
            return SIZE / (2 * delta) * np.mean([r * u for r, u in zip(rises, us, strict=True)], 0)

        if (t - 1) % k == 0:
            v = mean(points[-1], [ask.sphere("u", t, i) for i in range(many)])
        else:
            us = [ask.sphere("w", t, i) for i in range(few)]
            v = v + mean(points[-1], us) - mean(points[-2], us)
        points.append(points[-1] - lr * v)
        yield points[-1]


def zo_frank_wolfe(ask: Ask, x: Vector, steps: int, r: float, m: int) -> Path:
    """Sahu et al., algorithm 2 with m directions, in the box of entries at most r."""
    d = np.zeros(SIZE)
    for t in range(1, steps + 1):
        b = ask.this(t)
        c = 2 * np.sqrt(m) / (SIZE**1.5 * (t + 8) ** (1 / 3))
        us = np.stack([ask.draw("normal", "u", t, i) for i in range(m)])
        rises = np.array([ask.loss(x + c * u, b) - ask.loss(x, b) for u in us]) / c
        rho = 4 / ((1 + SIZE / m) ** (1 / 3) * (t + 8) ** (2 / 3))
        d = (1 - rho) * d + rho * us.T @ rises / m
        corner = np.where(d > 0, -r, np.where(d < 0, r, 0.0))
        x = x + 2 / (t + 8) * (corner - x)
        yield x


# Extrapolation.


def extragradient(ask: Ask, x: Vector, steps: int, inner: Maker, a: float) -> Path:
    """The gradient a step ahead on the same batch."""
    def gradient(t: int, x: Vector) -> Vector:
        b = ask.this(t)
        return ask.grad(x - a * ask.grad(x, b), b)

    return stepping(gradient, x, steps, inner)


def optimistic(ask: Ask, x: Vector, steps: int, lr: float) -> Path:
    """Each step takes the last change of the gradient for the next one."""
    gs: list[Vector] = []
    for t in range(1, steps + 1):
        gs.append(ask.grad(x, ask.this(t)))
        x = x - lr * gs[-1] - lr * (gs[-1] - gs[max(t - 2, 0)])
        yield x


def rolling_ball(
    ask: Ask, x: Vector, steps: int, lr: float, rho: float, gam: float, turns: int
) -> Path:
    """A ball of radius rho on the graph of the loss: its centre moves along the tangent, and the
    graph's nearest point to the new tangent point is sought by gradient descent."""
    for t in range(1, steps + 1):
        b = ask.this(t)
        g = ask.grad(x, b)
        point, tangent = np.append(x, ask.loss(x, b)), np.append(g, g @ g)
        normal = np.append(-g, 1.0) / norm(np.append(g, 1.0))
        goal = point + rho * normal - lr * tangent
        for _ in range(turns):
            gap = np.append(x, ask.loss(x, b)) - goal
            x = x - gam * (gap[:-1] + gap[-1] * ask.grad(x, b))
        yield x
