"""Rules for matrices and tensors of any rank, in plain float64 NumPy, from the papers' formulas.

The form is that of `tests.references`: a rule takes one tensor and its gradients. Where a
factorization leaves a sign or an order open, the rule does not depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tests.references import Grads, Steps, Vector
from tests.tree import Tree
from thetaprime.draws import draw

Coefficients = Sequence[tuple[float, float, float]]
QUINTIC = ((3.4445, -4.7750, 2.0315),) * 5


# Orthogonalization.


def newton_schulz(m: Vector, coefficients: Coefficients) -> Vector:
    """X = a X + b (X X^T) X + c (X X^T)^2 X for each (a, b, c): by the singular values alone.

    An odd polynomial acts on the singular values; the singular vectors stay.
    """
    u, s, vt = np.linalg.svd(m, full_matrices=False)
    for a, b, c in coefficients:
        s = a * s + b * s**3 + c * s**5
    return np.asarray((u * s) @ vt)


def _norm(m: Vector) -> float:
    return float(np.sqrt(np.sum(m**2)))


def muon(x: Vector, grads: Grads, lr: float, mu: float, eps: float = 1e-7, wd: float = 0.0,
         nesterov: bool = True, coefficients: Coefficients = QUINTIC[:1], n: int = 5,
         safety: float = 1.0) -> Steps:
    """Jordan's post: heavy ball, Nesterov, n quintic steps from M/(|M| + eps); the step is times
    sqrt(max(1, rows/cols)). Conv kernels are matrices (rows, rest)."""
    b = np.zeros_like(x)
    wide = x.reshape(x.shape[0], -1).shape
    for g in grads:
        b = mu * b + (1 - mu) * g
        m = ((1 - mu) * g + mu * b if nesterov else b).reshape(wide)
        o = newton_schulz(m / (safety * _norm(m) + eps), [*coefficients] * n).reshape(x.shape)
        x = x - lr * wd * x - lr * math.sqrt(max(1, wide[0] / wide[1])) * o
        yield x


def muon_polynomials(x: Vector, grads: Grads, lr: float, mu: float, eps: float, wd: float,
                     safety: float, a: Vector, b: Vector, c: Vector) -> Steps:
    """Amsel et al., algorithm 1: a polynomial for each turn, from M/(safety |M| + eps)."""
    coefficients = list(zip(a, b, c, strict=True))
    return muon(x, grads, lr, mu, eps, wd, coefficients=coefficients, n=1, safety=safety)


def muon_torch(x: Vector, grads: Grads, lr: float, mu: float, eps: float, wd: float,
               nesterov: bool = True, match: bool = False) -> Steps:
    """As `muon`, but the norm is floored by eps; ``match`` scales by 0.2 sqrt(max(rows, cols))."""
    b = np.zeros_like(x)
    rows, cols = x.shape
    scale = 0.2 * math.sqrt(max(rows, cols)) if match else math.sqrt(max(1, rows / cols))
    for g in grads:
        b = mu * b + (1 - mu) * g
        m = (1 - mu) * g + mu * b if nesterov else b
        x = (1 - lr * wd) * x - lr * scale * newton_schulz(m / max(_norm(m), eps), QUINTIC)
        yield x


def muon_optax(x: Vector, grads: Grads, lr: float, b: float, eps: float, wd: float,
               nesterov: bool = True) -> Steps:
    """The average is bias-corrected, by the next step's product where it looks ahead; the scale is
    sqrt(max(1, cols/rows)), as rows are inputs."""
    m = np.zeros_like(x)
    rows, cols = x.shape
    for t, g in enumerate(grads, 1):
        m = b * m + (1 - b) * g
        ahead = b * m / (1 - b**(t + 1)) + (1 - b) * g / (1 - b**t) if nesterov else m / (1 - b**t)
        o = newton_schulz(ahead / (_norm(ahead) + eps), QUINTIC)
        x = x - lr * (math.sqrt(max(1, cols / rows)) * o + wd * x)
        yield x


def muon_keras(x: Vector, grads: Grads, lr: float, mu: float, wd: float, rate: float = 0.2,
               nesterov: bool = True) -> Steps:
    """The momentum is not averaged: m = mu m + g; the scale is rate sqrt(max(rows, cols))."""
    m = np.zeros_like(x)
    for g in grads:
        m = mu * m + g
        ahead = g + mu * m if nesterov else m
        o = newton_schulz(ahead / (_norm(ahead) + 1e-7), QUINTIC)
        x = (1 - lr * wd) * x - lr * rate * math.sqrt(max(x.shape)) * o
        yield x


def mars_shampoo(x: Vector, grads: Grads, lr: float, b1: float, gam: float, eps: float,
                 wd: float) -> Steps:
    """Yuan et al., algorithm 4: c = g + gam b1/(1 - b1) (g - last), no longer than 1, averaged,
    then the orthogonal factor of m/(1 - b1)."""
    last, m = np.zeros_like(x), np.zeros_like(x)
    for g in grads:
        c = g + gam * b1 / (1 - b1) * (g - last)
        m = b1 * m + (1 - b1) * c / max(1, _norm(c))
        u = m / (1 - b1)
        o = newton_schulz(u / (_norm(u) + eps), QUINTIC)
        x = x - lr * (math.sqrt(max(1, x.shape[0] / x.shape[1])) * o + wd * x)
        last = g
        yield x


# Kronecker factors, one for each axis.


def unfold(x: Vector, axis: int) -> Vector:
    """The matrix whose rows are the slices of ``x`` along ``axis``."""
    return np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)


def along(matrix: Vector, x: Vector, axis: int) -> Vector:
    """``x`` with ``axis`` multiplied by ``matrix``: unfold(result) = matrix unfold(x)."""
    return np.moveaxis(np.tensordot(matrix, x, axes=(1, axis)), 0, axis)


def power(matrix: Vector, p: float) -> Vector:
    """A positive definite matrix to the power p."""
    values, q = np.linalg.eigh(matrix)
    return np.asarray((q * values**p) @ q.T)


def shampoo(x: Vector, grads: Grads, lr: float, eps: float, k: int = 1) -> Steps:
    """Gupta et al., algorithm 2: H_a = eps I + sum G_a G_a^T, G times H_a^(-1/2d) along every axis;
    the roots are taken at t = 1, k + 1, ... A scalar is not preconditioned."""
    factors = [eps * np.eye(n) for n in x.shape]
    roots = [np.eye(n) for n in x.shape]
    for t, g in enumerate(grads, 1):
        factors = [h + unfold(g, a) @ unfold(g, a).T for a, h in enumerate(factors)]
        if (t - 1) % k == 0:
            roots = [power(h, -1 / (2 * x.ndim)) for h in factors]
        u = g
        for a, root in enumerate(roots):
            u = along(root, u, a)
        x = x - lr * u
        yield x


def soap(x: Vector, grads: Grads, lr: float, b1: float, b2: float, bs: float, eps: float, wd: float,
         f: int) -> Steps:
    """Vyas et al., algorithm 3, as their code runs it: the first gradient makes the bases and moves
    nothing; then Adam in the old bases, decay of what it moved, and every f steps one power step
    with QR on bases ordered by their estimated eigenvalues. Vectors are not rotated.

    The gradients at t = 1 must have distinct singular values along every axis, or its eigenvectors
    are not defined; their signs do not matter.
    """
    rotated = x.ndim > 1
    axes = range(x.ndim) if rotated else ()
    stats = [np.zeros((n, n)) for n in x.shape]
    bases: list[Vector] = []
    m, v = np.zeros_like(x), np.zeros_like(x)
    for s, g in enumerate(grads):
        if s > 0:
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * _rotate(g, bases)**2
            u = _rotate(_rotate(m, bases) / (np.sqrt(v) + eps), [q.T for q in bases])
            x = (1 - lr * wd) * (x - lr * math.sqrt(1 - b2**s) / (1 - b1**s) * u)
        stats = [bs * h + (1 - bs) * unfold(g, a) @ unfold(g, a).T for a, h in enumerate(stats)]
        if s == 0:
            bases = [np.linalg.eigh(stats[a])[1][:, ::-1] for a in axes]
        elif s % f == 0:
            for a in axes:
                moved = stats[a] @ bases[a]
                order = np.argsort(-np.sum(bases[a] * moved, axis=0), kind="stable")
                v = np.take(v, order, axis=a)
                bases[a] = np.linalg.qr(moved[:, order])[0]
        yield x


def _rotate(g: Vector, bases: list[Vector]) -> Vector:
    for a, q in enumerate(bases):
        g = along(q.T, g, a)
    return g


def psgd_kron(x: Vector, grads: Grads, probes: Grads, lr: float, lp: float, b: float,
              tiny: float) -> Steps:
    """Li, arXiv:1512.04202, section IV, on gradients (h = g): for every axis a triangular Q with
    A = Q..Q h, B = Q^-T..Q^-T z and dQ = -lp triu(A A^T - B B^T) Q over the largest entry of that
    triangle; the step is Q^T Q along every axis of the average. ``probes`` are the z."""
    factors, m = [np.eye(n) for n in x.shape], np.zeros_like(x)
    for t, (g, z) in enumerate(zip(grads, probes, strict=True), 1):
        left, right = g, z
        for a, q in enumerate(factors):
            left, right = along(q, left, a), along(np.linalg.inv(q).T, right, a)
        for a, q in enumerate(factors):
            e = np.triu(unfold(left, a) @ unfold(left, a).T - unfold(right, a) @ unfold(right, a).T)
            factors[a] = q - lp * e @ q / (np.abs(e).max() + tiny)
        m = b * m + (1 - b) * g
        u = m / (1 - b**t)
        for a, q in enumerate(factors):
            u = along(q.T @ q, u, a)
        x = x - lr * u
        yield x


def normals(leaves: Tree, name: str, steps: int, seed: int = 0) -> list[Tree]:
    """What ``name ~ normal`` draws for each tensor at t = 1, 2, ..."""
    return [{n: draw("normal", (), seed, name, t, k, np.shape(x))
             for k, (n, x) in enumerate(leaves.items())} for t in range(1, steps + 1)]


def lanton(leaves: Tree, grads: Sequence[Tree], lr: float, b1: float, b2: float, alpha: float,
           eps: float) -> list[Tree]:
    """arXiv:2510.14009 for matrices, as its pages and reviews give it: h averages the squared
    nuclear norm of the change of the gradient; a = alpha/sqrt(alpha^2 + h); the orthogonal step of
    a matrix is times sqrt(a/max a)."""
    x, last = dict(leaves), grads[0]
    m = {n: np.zeros_like(v) for n, v in leaves.items()}
    h = dict.fromkeys(leaves, 0.0)
    history = []
    for g in grads:
        for n in leaves:
            m[n] = b1 * m[n] + (1 - b1) * g[n]
            noise = np.linalg.svd(g[n] - last[n], compute_uv=False).sum()
            h[n] = b2 * h[n] + (1 - b2) * noise**2
        a = {n: alpha / math.sqrt(alpha**2 + h[n]) for n in leaves}
        for n in leaves:
            o = newton_schulz(m[n] / (_norm(m[n]) + eps), QUINTIC)
            x[n] = x[n] - lr * math.sqrt(a[n] / max(a.values())) * o
        last = g
        history.append(dict(x))
    return history
