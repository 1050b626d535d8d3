"""Linear algebra on the values of the interpreter: NumPy's in float64, mpmath's in many digits; in
exact numbers what needs no roots, by elimination."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from thetaprime.numbers import FLOAT, SINGLE, Array, Field, NotRational

SURE = 1e-30  # of the largest: eigenvalues below are taken as 0


def linear(op: str, args: list[Array], numbers: Field, length: int | None = None) -> Array:
    """The value of an operation of `ops.LINEAR`; ``length`` is that of the axis that a truncated
    decomposition keeps. A singular system has no number for a solution, as in JAX. Raises
    NotRational where an operation has no exact value."""
    function = _EXACT.get(op)
    if numbers in (FLOAT, SINGLE) and op in _FLOAT:
        function = _FLOAT[op]
    elif op in _PRECISE and numbers.name == "mpmath":
        function = partial(_PRECISE[op], numbers.pi.context)
    if function is None:
        raise NotRational(op)
    try:
        result = function(*args)
    except np.linalg.LinAlgError:
        regular = (np.eye(*a.shape) if a.ndim == 2 else np.ones_like(a) for a in args)
        result = np.full_like(function(*regular), np.nan)
    if length is not None:
        result = _resized(result, length)
    return numbers.array(result)


def _resized(result: Array, length: int) -> Array:
    """The first places of the last axis; zeros where there are fewer."""
    missing = length - result.shape[-1]
    if missing > 0:
        return np.pad(result, [(0, 0)] * (result.ndim - 1) + [(0, missing)])
    return result[..., :length]


def _outer(r: Array, c: Array) -> Array:
    return r[..., :, None] * c[..., None, :]


def _solve(a: Array, b: Array) -> Array:
    """Gauss elimination; the first pivot that is not zero will do in exact numbers."""
    n = len(a)
    rows = np.concatenate([a, b.reshape(n, -1)], axis=1).astype(object)
    for k in range(n):
        pivot = next((i for i in range(k, n) if rows[i, k] != 0), None)
        if pivot is None:
            raise NotRational("solve with a singular matrix")
        rows[[k, pivot]] = rows[[pivot, k]]
        rows[k] = rows[k] / rows[k, k]
        for i in range(n):
            if i != k:
                rows[i] = rows[i] - rows[i, k] * rows[k]
    return np.asarray(rows[:, n:].reshape(b.shape))


def _inv(a: Array) -> Array:
    return _solve(a, np.identity(len(a), int).astype(object))


def _triangular(a: Array, b: Array) -> Array:
    """Forward substitution in the lower triangle."""
    out = np.zeros(b.shape, a.dtype)
    for i in range(len(a)):
        out[i] = (b[i] - a[i, :i] @ out[:i]) / a[i, i]
    return out


def _thin_svd(a: Array) -> Any:
    return np.linalg.svd(a, full_matrices=False)


def _polar(a: Array) -> Array:
    u, _, vt = _thin_svd(a)
    return np.asarray(u @ vt)


def _mpow(a: Array, p: Array) -> Array:
    """The power of each eigenvalue of a positive definite matrix; none is smaller than what
    rounding makes of the largest."""
    values, vectors = np.linalg.eigh(a)
    values = np.maximum(values, np.finfo(values.dtype).eps * values[-1])
    return np.asarray((vectors * values**p) @ vectors.T)


def _expm(a: Array) -> Array:
    """Scaling and squaring of the Taylor series."""
    size = float(np.abs(a).sum(axis=0).max(initial=0.0))
    halvings = max(0, int(np.ceil(np.log2(size))) + 4) if size > 0 and np.isfinite(size) else 0
    scaled = a / 2.0**halvings
    term = total = np.identity(len(a))
    for k in range(1, 19):
        term = term @ scaled / k
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return np.asarray(total)


def _given(context: Any, a: Array) -> Any:
    """A matrix for mpmath. Raises LinAlgError where a number is none: nothing converges there."""
    if not all(context.isfinite(v) for v in a.ravel()):
        raise np.linalg.LinAlgError("not a number")
    return context.matrix(a.tolist())


def _precise_svd(context: Any, a: Array) -> Any:
    """U, the singular values and V.T to all digits that the numbers have; not a number where the
    smallest is 0 but for rounding, so that its vectors are any."""
    u, s, vt = (np.array(part.tolist(), object) for part in context.svd_r(_given(context, a)))
    return (u, s.ravel(), vt) if min(s.ravel()) > SURE * max(s.ravel()) else (
        u * context.nan, s.ravel(), vt)


def _precise_polar(context: Any, a: Array) -> Array:
    u, _, vt = _precise_svd(context, a)
    return np.asarray(u @ vt)


def _precise_mpow(context: Any, a: Array, p: Array) -> Array:
    """Of a matrix that is positive definite beyond rounding."""
    values, vectors = context.eigsy(_given(context, a))
    found, q = np.array(list(values), object), np.array(vectors.tolist(), object)
    power = p.item()
    sure = min(found) > SURE * max(found) and max(found) > 0
    raised = np.array([context.power(v, power) if sure else context.nan for v in found], object)
    return np.asarray((q * raised) @ q.T)


_PRECISE: dict[str, Callable[..., Any]] = {
    "polar": _precise_polar, "mpow": _precise_mpow,
    "norm2": lambda context, a: np.asarray(_precise_svd(context, a)[1].max()),
}
_EXACT: dict[str, Callable[..., Any]] = {
    "@": np.matmul, "T": np.transpose, "outer": _outer, "tr": np.trace, "diag": np.diag,
    "diagonal": np.diagonal, "triu": np.triu, "solve": _solve, "inv": _inv,
    "tri_solve": _triangular,
}
_FLOAT: dict[str, Callable[..., Any]] = {
    "solve": np.linalg.solve, "inv": np.linalg.inv, "chol": np.linalg.cholesky, "polar": _polar,
    "mpow": _mpow, "expm": _expm, "norm2": lambda a: np.linalg.norm(a, 2),
    "qr.q": lambda a: np.linalg.qr(a)[0], "qr.r": lambda a: np.linalg.qr(a)[1],
    "eigh.values": lambda a: np.linalg.eigh(a)[0], "eigh.vectors": lambda a: np.linalg.eigh(a)[1],
    "svd.u": lambda a: _thin_svd(a)[0], "svd.s": lambda a: _thin_svd(a)[1],
    "svd.v": lambda a: _thin_svd(a)[2].T,
}
