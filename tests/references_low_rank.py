"""Li's preconditioner (I + U V^T) diag(d) of low rank, in plain float64 NumPy: the form is that of
`tests.flat_problem`, the model is one vector."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.flat_problem import SIZE, Ask, Vector


def psgd_low_rank(ask: Ask, x: Vector, steps: int, lr: float, lp: float, b: float, tiny: float,
                  u: Vector, v: Vector, coins: list[float]) -> Iterator[Vector]:
    """arXiv:2402.04553 and psgd_torch, class LRA, on pairs (z, H z): with a = Q h and c = Q^-T z,
    d and one of U and V take a relative step down on h.P h + z.P^-1 z, P = Q^T Q.

    ``u`` and ``v`` are the first factors, a column for each rank; ``coins`` are uniform draws,
    which of the factors moves in a step.
    """
    m, d, eye = np.zeros(SIZE), np.ones(SIZE), np.eye(u.shape[1])
    for t, coin in zip(range(1, steps + 1), coins, strict=True):
        batch = ask.this(t)
        g, z = ask.grad(x, batch), ask.draw("normal", "z", t)
        h = ask.hvp(x, z, batch)
        if t == 1:
            d = d * (np.sum(z**2) / np.sum(h**2)) ** 0.25
        q = (np.eye(SIZE) + u @ v.T) * d
        a, c = q @ h, np.linalg.solve(q.T, z)
        ph, pz = q.T @ a, np.linalg.solve(q, c)
        slope = ph * h - z * pz
        size = lp * np.min(1 / np.sqrt((ph**2 + z**2 + tiny) * (h**2 + pz**2 + tiny)))
        inner = eye + v.T @ u
        if coin < 0.5:
            scale = _lengths(a, v @ (v.T @ a)) + _lengths(c, v @ (v.T @ c)) + tiny
            move = np.outer(a, a @ v @ inner) - np.outer(c, c @ v @ inner)
            u = u - lp / scale * move
        else:
            scale = _lengths(a, u @ (u.T @ a)) + _lengths(c, u @ (u.T @ c)) + tiny
            move = np.outer(a + v @ (u.T @ a), a @ u) - np.outer(c + v @ (u.T @ c), c @ u)
            v = v - lp / scale * move
        d = d - size * d * slope
        q = (np.eye(SIZE) + u @ v.T) * d
        m = b * m + (1 - b) * g
        x = x - lr * q.T @ (q @ m) / (1 - b**t)
        yield x


def _lengths(a: Vector, b: Vector) -> float:
    return float(np.linalg.norm(a) * np.linalg.norm(b))
