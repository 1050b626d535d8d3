"""Rules that solve a small problem in each step, in plain float64 NumPy from the papers' formulas:
damped Newton steps, the empirical Fisher matrix, several losses of one model.

Where a rule iterates, its reference solves: by a whole matrix, an active set, a Krylov basis.
The model is one flat vector (`tests.flat_problem`).
"""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
from numpy.linalg import inv, norm, solve
from scipy.optimize import minimize

from tests.flat_problem import SIZE, Ask, Path, Vector
from tests.references_oracles import average, off
from tests.references_wrappers import Maker

# Curvature.


def gauss_newton(ask: Ask, x: Vector, steps: int, lr: float, lam: float, turns: int) -> Path:
    """The damped model's least point in the Krylov space of ``turns`` dimensions."""
    for t in range(1, steps + 1):
        b = ask.this(t)
        g, A = ask.grad(x, b), ask.ggn_matrix(x, b) + lam * np.eye(SIZE)
        basis = g[:, None] / norm(g)
        for _ in range(turns - 1):
            new = A @ basis[:, -1]
            for _ in range(2):
                new = new - basis @ (basis.T @ new)
            basis = np.column_stack([basis, new / norm(new)])
        x = x - lr * basis @ solve(basis.T @ A @ basis, basis.T @ g)
        yield x


def egn(ask: Ask, x: Vector, steps: int, lr: float, lam: float, mu: float) -> Path:
    """The same step in the space of outputs: J.T c with (b lam I + Q J J.T) c = residuals."""
    ds: list[Vector] = []
    for t in range(1, steps + 1):
        b = ask.this(t)
        examples = len(b[1])
        J, outputs = ask.jacobian(x, b), ask.out(x, b)
        every = np.eye(len(outputs))
        Q = examples * np.stack([ask.hess_ell(outputs, e, b) for e in every], axis=1)
        residuals = -examples * ask.dell(outputs, b)
        ds.append(J.T @ solve(examples * lam * every + Q @ J @ J.T, residuals))
        x = x + lr * average(ds, mu, t)
        yield x


def filtered_newton(
    ask: Ask, x: Vector, steps: int, al: float, be: float, ridge: float, c: float, most: int
) -> Path:
    """The discriminative Kalman filter in information form: what is known of the gradient before
    the observation has precision inv(al^2 S + be), the observation inv(Q), and the prior, the
    covariance be/(1 - al^2) that the state has at rest, is counted once too often."""
    one = np.eye(SIZE)
    rest = be / (1 - al**2) * one
    mean = cover = None
    for t in range(1, steps + 1):
        b = ask.this(t)
        g, H = ask.grad(x, b), ask.hess(x, b)
        if mean is None or cover is None:
            mean, cover = g, H
        else:
            if not np.all(np.linalg.eigvals(inv(H) - inv(rest)).real > 1e-6):
                H = rest @ solve(H + rest, H)  # inv(inv(H) + inv(rest))
            before = al**2 * cover + be * one
            precision = inv(before) + inv(H) - inv(rest)
            mean = solve(precision, solve(before, al * mean) + solve(H, g))
            cover = inv(precision)
        d = -solve(cover + ridge * one, mean)
        lengths = [0.5**k for k in range(most)]
        gains = [ask.loss(x + a * d, b) - ask.loss(x, b) for a in lengths]
        found = [a for a, gain in zip(lengths, gains, strict=True) if gain <= c * a * (d @ g)]
        x = x + (found or lengths[-1:])[0] * d
        yield x


def levenberg_marquardt(ask: Ask, x: Vector, steps: int, lam0: float) -> Path:
    """Nielsen's damping, which follows how well the model foretold the loss."""
    lam, nu = lam0, 2.0
    for t in range(1, steps + 1):
        b = ask.this(t)
        g, A = ask.grad(x, b), ask.ggn_matrix(x, b)
        d = -solve(A + lam * np.eye(SIZE), g)
        foretold = -g @ d - d @ A @ d / 2
        gain = (ask.loss(x, b) - ask.loss(x + d, b)) / foretold
        if gain > 0:
            x, lam, nu = x + d, lam * max(1 / 3, 1 - (2 * gain - 1) ** 3), 2.0
        else:
            lam, nu = lam * nu, 2 * nu
        yield x


def gns_newton(ask: Ask, x: Vector, steps: int, gam0: float, least: float, most: int) -> Path:
    """Newton with the damping |g|/gamma, the first gamma of a halving search that pays off."""
    gam = gam0
    for t in range(1, steps + 1):
        b = ask.this(t)
        g, A = ask.grad(x, b), ask.ggn_matrix(x, b)
        for q in gam * 0.5 ** np.arange(most):
            lam = norm(g) / q
            d = -solve(A + lam * np.eye(SIZE), g)
            ahead = ask.grad(x + d, b)
            if ask.loss(x, b) - ask.loss(x + d, b) >= ahead @ ahead / (8 * lam):
                gam = max(2 * q, least)
                break
        else:
            gam = q
        x = x + d
        yield x


def m_fac(
    ask: Ask, x: Vector, steps: int, lr: float, lam: float, k: int, mu: float, wd: float
) -> Path:
    """The Fisher matrix of the last k gradients, whole; gradients before the first are zero."""
    seen: list[Vector] = []
    v = np.zeros(SIZE)
    for t in range(1, steps + 1):
        seen.append(ask.grad(x, ask.this(t)) + wd * x)
        last = np.stack(seen[-k:])
        v = mu * v + (1 - mu) * solve(lam * np.eye(SIZE) + last.T @ last / k, seen[-1])
        x = x - lr * v
        yield x


def saddle_free(
    ask: Ask, x: Vector, steps: int, lr: float, damp: float, k: int, turns: int
) -> Path:
    """The absolute Hessian in the span that QR iterations follow, damped."""
    V = ask.normal_window("V", 0, k)
    for t in range(1, steps + 1):
        b = ask.this(t)
        H = ask.hess(x, b)
        for _ in range(turns):
            V = np.linalg.qr(H @ V)[0]
        size = np.diag(np.abs(np.diag(V.T @ H @ V)) + damp)
        x = x - lr * V @ solve(size, V.T @ ask.grad(x, b))
        yield x


def fosi(
    ask: Ask, x: Vector, steps: int, inner: Maker, alpha: float, b: float, most: float, k: int,
    every_n: int, turns: int,
) -> Path:
    """Projectors on the span of the k most curved directions, from QR iterations."""
    change = inner()
    V, inverse, scale, r = np.zeros((SIZE, k)), np.zeros(k), 1.0, np.zeros(SIZE)
    for t in range(1, steps + 1):
        batch = ask.this(t)
        if t % every_n == 0:
            H = ask.hess(x, batch)
            V = ask.normal_window("Z", t, k)
            for _ in range(turns):
                V = np.linalg.qr(H @ V)[0]
            curved = np.abs(np.diag(V.T @ H @ V))
            inverse, scale = 1 / curved, np.clip(curved.max() / curved.min(), 1, most)
        inside = V @ V.T
        g = ask.grad(x, batch)
        r = (1 - b) * inside @ g + b * r
        u = sum(change(x, g - inside @ g))
        x = x + scale * (u - inside @ u) - alpha * (V * inverse) @ V.T @ r
        yield x


# Several losses.


def pcgrad(ask: Ask, x: Vector, steps: int, lr: float) -> Path:
    """Each task's gradient is moved off what it conflicts with, in a random order."""
    for t in range(1, steps + 1):
        G = ask.grads(x, ask.this(t))
        total = np.zeros(SIZE)
        for i, v in enumerate(G):
            for j in ask.order("j", t, len(G), turn=i):
                if j != i and v @ G[j] < 0:
                    v = off(v, G[j])
            total += v
        x = x - lr * total
        yield x


def _faces(count: int) -> list[tuple[int, ...]]:
    places = range(count)
    return list(chain.from_iterable(combinations(places, n) for n in range(1, count + 1)))


def mgda(ask: Ask, x: Vector, steps: int, lr: float, turns: int) -> Path:
    """Frank and Wolfe's search for the shortest convex combination, on the products alone."""
    for t in range(1, steps + 1):
        G = ask.grads(x, ask.this(t))
        products, w = G @ G.T, np.ones(len(G)) / len(G)
        for _ in range(turns):
            corner = np.eye(len(G))[np.argmin(products @ w)]
            a, b, c = w @ products @ corner, w @ products @ w, corner @ products @ corner
            share = 1.0 if c <= a else 0.0 if b <= a else (b - a) / (b + c - 2 * a)
            w = (1 - share) * w + share * corner
            if share < 1e-3:
                break
        x = x - lr * w @ G
        yield x


def upgrad(ask: Ask, x: Vector, steps: int, lr: float) -> Path:
    """The mean of every gradient's projection on the cone that no loss objects to."""
    for t in range(1, steps + 1):
        G = ask.grads(x, ask.this(t))
        x = x - lr * np.mean([_on_cone(g, G) for g in G], axis=0)
        yield x


def _on_cone(g: Vector, G: Vector) -> Vector:
    """The nearest u to g with G u >= 0: exact on one of the faces."""
    if np.all(G @ g >= 0):
        return g
    found = []
    for face in _faces(len(G)):
        part = G[list(face)]
        u = g - part.T @ solve(part @ part.T, part @ g)
        if np.all(G @ u >= -1e-12):
            found.append(u)
    return min(found, key=lambda u: float(norm(u - g)))


def cagrad(ask: Ask, x: Vector, steps: int, lr: float, c: float) -> Path:
    """The direction near the mean gradient whose worst rate of decrease is the best."""
    for t in range(1, steps + 1):
        G = ask.grads(x, ask.this(t))
        mean = G.mean(0)
        reach = c * norm(mean)

        def dual(w: Vector, G: Vector = G, mean: Vector = mean, reach: float = reach) -> float:
            return float(w @ G @ mean + reach * norm(w @ G))

        k = len(G)
        w = minimize(dual, np.ones(k) / k, method="SLSQP", bounds=[(0, 1)] * k, tol=1e-14,
                     constraints={"type": "eq", "fun": lambda w: w.sum() - 1}).x
        x = x - lr * (mean + reach * (w @ G) / norm(w @ G))
        yield x
