"""Operations on matrices mean what NumPy and SciPy make of them: in the interpreter and in both
programs, in float64; and exactly, where they have exact values."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import numpy as np
import pytest

import thetaprime as tp
from tests.tree import LEAVES
from thetaprime.interpret import advance, start
from thetaprime.numbers import EXACT
from thetaprime.ops import LINEAR, STRUCTURE

HEAD = "optimizer A\n  param X : matrix[rows, cols]\n"
RANDOM = np.random.default_rng(5)
SHAPES = ((3, 4), (4, 2), (3, 3))
POINTS = [RANDOM.normal(size=shape) for shape in SHAPES]
GRADS = [RANDOM.normal(size=shape) for shape in SHAPES]


def expm(a: Any) -> Any:
    """By the eigenvalues of a symmetric matrix."""
    values, vectors = np.linalg.eigh(a)
    return (vectors * np.exp(values)) @ vectors.T


def power(a: Any, p: float) -> Any:
    values, vectors = np.linalg.eigh(a)
    return (vectors * values**p) @ vectors.T


def first(a: Any, k: int) -> Any:
    """A in its k largest singular directions."""
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return (u[:, :k] * s[:k]) @ vt[:k]


def nearest(g: Any) -> Any:
    u, _, vt = np.linalg.svd(g, full_matrices=False)
    return u @ vt


# An operation -> lines after which U is `matrix[rows, cols]`, and U in NumPy, of G and X. S is
# symmetric and positive definite, of the rows.
S = "  S = G @ G.T + 2*I\n"
TABLE: dict[str, tuple[str, Callable[..., Any]]] = {
    "@": ("  U = G @ X.T @ G\n", lambda g, x: g @ x.T @ g),
    "@ vector": ("  U = outer(G @ mean(X over rows), mean(G over cols) @ X)\n",
                 lambda g, x: np.outer(g @ x.mean(0), g.mean(1) @ x)),
    "T": ("  U = (G.T).T\n", lambda g, x: g),
    "outer": ("  U = outer(mean(G over cols), sum(X over rows))\n",
              lambda g, x: np.outer(g.mean(1), x.sum(0))),
    "tr": (S + "  U = tr(S)*G\n", lambda s, g: np.trace(s) * g),
    "diag": ("  U = diag(mean(X over cols)) @ G\n", lambda g, x: x.mean(1)[:, None] * g),
    "diagonal": (S + "  U = diagonal(S)*G\n", lambda s, g: np.diag(s)[:, None] * g),
    "triu": ("  U = triu(G)\n", lambda g: np.triu(g)),
    "solve": (S + "  U = solve(S, G)\n", lambda s, g: np.linalg.inv(s) @ g),
    "solve vector": (S + "  U = solve(S, mean(G over cols))*X\n",
                     lambda s, g, x: (np.linalg.inv(s) @ g.mean(1))[:, None] * x),
    "inv": (S + "  U = inv(S) @ G\n", lambda s, g: np.linalg.solve(s, g)),
    "chol": (S + "  U = chol(S) @ G\n", lambda s, g: np.linalg.cholesky(s) @ g),
    "tri_solve": (S + "  U = tri_solve(chol(S), G)\n",
                  lambda s, g: np.linalg.solve(np.linalg.cholesky(s), g)),
    "polar": ("  U = polar(G)\n", nearest),
    "mpow": (S + "  U = mpow(S, -1/4) @ G\n", lambda s, g: power(s, -0.25) @ g),
    "expm": ("  U = expm(G @ G.T/9) @ X\n", lambda g, x: expm(g @ g.T / 9) @ x),
    "norm2": ("  U = G/norm2(G)\n", lambda g: g / np.linalg.norm(g, 2)),
    "qr.q": ("  Q, R = qr(G)\n  U = Q @ Q.T @ X\n",
             lambda g, x: (q := np.linalg.qr(g)[0]) @ q.T @ x),
    "qr.r": ("  Q, R = qr(G)\n  U = Q @ R\n", lambda g: g),
    "eigh.values": (S + "  e, Q = eigh(S)\n  U = Q @ diag(e^3) @ Q.T @ G\n",
                    lambda s, g: power(s, 3) @ g),
    "eigh.vectors": (S + "  e, Q = eigh(S)\n  U = Q @ Q.T @ G\n", lambda g: g),
    "svd.u": ("  L, s, V = svd(G)\n  U = L @ L.T @ X\n",
              lambda g, x: nearest(g) @ nearest(g).T @ x),
    "svd.s": ("  L, s, V = svd(G)\n  U = L @ diag(s^2) @ V.T\n",
              lambda g: (u := np.linalg.svd(g, full_matrices=False))[0] * u[1] ** 2 @ u[2]),
    "svd.v": ("  L, s, V = svd(G)\n  U = X @ V @ V.T\n",
              lambda g, x: x @ nearest(g).T @ nearest(g)),
    "svd k": ("  L, s, V = svd(G, 1)\n  U = L @ diag(s) @ V.T\n", lambda g: first(g, 1)),
    "eye": ("  U = (G @ G.T + 3*I) @ X\n", lambda g, x: g @ g.T @ x + 3 * x),
    "take": (S + "  p = argsort(-diagonal(S) over rows)\n  U = take(S, p over rows) @ G\n",
             lambda s, g: s[:, np.argsort(-np.diag(s))] @ g),
    "axes": ("  U = G*sqrt(rows/cols) + rank*X\n",
             lambda g, x: g * math.sqrt(g.shape[0] / g.shape[1]) + 2 * x),
    "means": ("  U = G - mean(G over rows) - mean(G over cols) + mean(G over tensor)\n",
              lambda g: g - g.mean(0) - g.mean(1)[:, None] + g.mean()),
}
# Of tensors of any rank from 2 on, seen as stacks of matrices.
STACKED = """\
optimizer Stacked
  hyper lr = 1e-2 in (0, inf)
  case rank >= 2:
    view x as tensor[rest, rows, cols]
    R = mean(g^2 over cols)
    C = mean(g^2 over rows)
    x' = x - lr*U
  otherwise:
    x' = x - lr*g
"""
OUTER: dict[str, Callable[..., Any]] = {
    "g/outer(R, C)": lambda g, r, c: g / (r[..., None] * c[..., None, :]),
    "outer(R/mean(R over rows), C)": lambda g, r, c: (
        r / r.mean(-1, keepdims=True))[..., None] * c[..., None, :],
    "outer(R + R^2, 1 + C)*g": lambda g, r, c: (r + r**2)[..., None] * (1 + c)[..., None, :] * g,
}


@pytest.mark.parametrize("formula", OUTER)
def test_an_outer_product_of_each_matrix_of_a_stack(formula: str) -> None:
    rng = np.random.default_rng(3)
    points, grads = ([rng.normal(size=s) for s in ((3, 4), (2, 3, 4), (2, 2, 2, 3))] for _ in "xg")
    made = [OUTER[formula](g, (g**2).mean(-1), (g**2).mean(-2)) for g in grads]
    text = STACKED.replace("    x' = x - lr*U", f"    U = {formula}\n    x' = x - lr*U")
    for found in programs(text, points, grads):
        for x, moved, u in zip(points, found, made, strict=True):
            np.testing.assert_allclose(moved, x - 1e-2 * u, rtol=1e-11, atol=1e-11)


# Those of `STRUCTURE` that are not for matrices of a whole spec, and where they are tested.
ELSEWHERE = {"unfold", "refold", "along", "case", "~"}  # below
MADE = {"view", "unview", "seen"}  # the compiler makes them


def by_numpy(name: str) -> list[Any]:
    function = TABLE[name][1]
    found = []
    for g, x in zip(GRADS, POINTS, strict=True):
        known = {"g": g, "x": x, "s": g @ g.T + 2 * np.identity(len(g))}
        found.append(function(*(known[p] for p in inspect.signature(function).parameters)))
    return found


def programs(text: str, points: list[Any], grads: list[Any]) -> list[list[Any]]:
    """The tensors after one step by the interpreter, the NumPy and the JAX program."""
    spec = tp.loads(text)
    step = spec.step()
    meant, _ = advance(step, start(step, points), points, grads)
    program = spec.to_numpy()
    params = [np.array(p) for p in points]
    program.step(params, grads, program.init(params))
    with jax.enable_x64(True):
        optimizer = spec.to_jax()
        given = [jax.numpy.asarray(p) for p in points]
        updates, _ = optimizer.update(
            [jax.numpy.asarray(g) for g in grads], optimizer.init(given), given)
        moved = [np.asarray(p + u) for p, u in zip(given, updates, strict=True)]
    return [meant, params, moved]


@pytest.mark.parametrize("name", TABLE)
def test_an_operation_is_what_numpy_makes_of_it(name: str) -> None:
    for found in programs(f"{HEAD}{TABLE[name][0]}  X' = U\n", POINTS, GRADS):
        for ours, theirs in zip(found, by_numpy(name), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)


def test_every_operation_is_tested() -> None:
    tested = {name.split(" ")[0] for name in TABLE}
    assert set(LINEAR) <= tested
    assert set(STRUCTURE) <= tested | ELSEWHERE | MADE


# Any rank.

EACH = """\
optimizer Each
  for axis a of x:
    state H : matrix[a, a] = 0
    state s : vector[a] = 0
    H' = H + unfold(g, a) @ unfold(g, a).T
    s' = max(abs(unfold(g, a)) over rest)
  u = fold a over axes from u = g:
    u' = refold(H' @ unfold(u, a), a)/(1 + s')
  x' = u
"""


def test_one_factor_for_each_axis_of_a_tensor_of_any_rank() -> None:
    points = [np.asarray(p, float) for p in LEAVES.values()]
    grads = [RANDOM.normal(size=p.shape) for p in points]
    letters = "ijkl"
    for found in programs(EACH, points, grads):
        for g, ours in zip(grads, found, strict=True):
            u = g
            for a in range(g.ndim):
                rest = tuple(b for b in range(g.ndim) if b != a)
                h = np.tensordot(g, g, axes=(rest, rest))
                s = np.abs(g).max(axis=rest) if rest else np.abs(g)
                own = letters[: g.ndim]
                u = np.einsum(f"z{own[a]},{own}->{own.replace(own[a], 'z')}", h, u)
                u = u / (1 + s.reshape([-1 if b == a else 1 for b in range(g.ndim)]))
            np.testing.assert_allclose(ours, u, rtol=1e-11, atol=1e-11)


CASES = """\
optimizer Cases
  case rank >= 2 and not path ~ "1":
    view x as matrix[rows, rest]
    u = g - mean(g over rest)
  otherwise:
    case rank == 0:
      u = 3*g
    otherwise:
      u = rank*g
  x' = u
"""


def test_each_tensor_goes_by_its_own_case() -> None:
    points = [np.ones((2, 3, 4)), np.ones((2, 3)), np.ones(3), np.array(1.0), np.ones((2, 3))]
    grads = [RANDOM.normal(size=p.shape) for p in points]
    wanted = [g - g.mean(axis=tuple(range(1, g.ndim)), keepdims=True) if k in (0, 4) else f*g
              for k, (g, f) in enumerate(zip(grads, (0, 2, 1, 3, 0), strict=True))]
    for found in programs(CASES, points, grads):
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# In exact numbers.

@pytest.mark.parametrize("name", ["@", "T", "outer", "tr", "diag", "diagonal", "triu", "solve",
                                  "inv", "eye", "means"])
def test_what_needs_no_roots_is_exact(name: str) -> None:
    step = tp.loads(f"{HEAD}{TABLE[name][0]}  X' = U\n").step()
    points = [EXACT.array(np.vectorize(Fraction, [object])(p.round(1))) for p in POINTS]
    grads = [EXACT.array(np.vectorize(Fraction, [object])(g.round(1))) for g in GRADS]
    moved, _ = advance(step, start(step, points, numbers=EXACT), points, grads, numbers=EXACT)
    floats, _ = advance(step, start(step, points), [np.asarray(p, float) for p in points],
                        [np.asarray(g, float) for g in grads])
    for exact, near in zip(moved, floats, strict=True):
        assert all(isinstance(v, Fraction | int) for v in np.ravel(exact).tolist())
        np.testing.assert_allclose(np.asarray(exact, float), near, rtol=1e-12, atol=1e-12)


def test_a_fold_over_axes_has_a_value_for_each_tensor() -> None:
    """Tensors differ in how many axes they have, though the body reads none."""
    step = tp.loads(
        "optimizer Halved\n  hyper lr = 1 in (0, inf)\n  case rank >= 1:\n"
        "    low = fold a over axes from low = 1:\n      low' = low/2\n"
        "  otherwise:\n    low = 1\n  x' = x - lr*g*low\n").step()
    params = [np.zeros((2, 3)), np.zeros(3)]
    grads = [np.ones_like(p) for p in params]
    moved, _ = advance(step, start(step, params), params, grads)
    assert [float(p.flat[0]) for p in moved] == [-0.25, -0.5]
