"""Reductions of many float32 numbers lose no more than 1e-6 in any program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import thetaprime as tp

SPEC = """\
optimizer Measured
  state n : scalar = 0
  state k : per tensor = 0
  state a : scalar = 0
  n' = norm(g over model)
  k' = norm(g over tensor)
  a' = sum(abs(g) over model)
  x' = x - (n + k + a)*g
"""
ENTRIES = 10_000_000
# Equal numbers are the hardest: every addition to a large sum is rounded in the same direction.
NUMBERS: dict[str, Callable[[], Any]] = {
    "equal": lambda: np.full(ENTRIES, 0.1, np.float32),
    "random": lambda: np.random.default_rng(0).standard_normal(ENTRIES, np.float32),
    "growing": lambda: np.linspace(1e-6, 1, ENTRIES, dtype=np.float32),
}


def by_numpy(shapes: list[Any], engine: Any = "numpy") -> dict[str, Any]:
    if engine == "numba":
        pytest.importorskip("numba")
    program = tp.loads(SPEC).to_numpy(engine=engine)
    params = [np.zeros_like(g) for g in shapes]
    return program.step(params, shapes, program.init(params))


def by_jax(shapes: list[Any], fuse: Any = None) -> dict[str, Any]:
    import jax

    tx = tp.loads(SPEC).to_jax(fuse=fuse)
    grads = [jax.numpy.asarray(g) for g in shapes]
    state = tx.init(grads)
    _, state = jax.jit(tx.update)(grads, state, grads)
    return {"n": state.n, "k": jax.tree.leaves(state.k), "a": state.a}


PROGRAMS: dict[str, Callable[[list[Any]], dict[str, Any]]] = {
    "numpy": by_numpy, "numba": lambda gs: by_numpy(gs, "numba"), "jax": by_jax,
    "jax flat": lambda gs: by_jax(gs, "flat")}


@pytest.mark.parametrize("shape", ["vector", "matrix", "two"])
@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_ten_million_numbers_are_summed_to_a_millionth(
    program: str, numbers: str, shape: str
) -> None:
    g = NUMBERS[numbers]()
    tensors = {"vector": [g], "matrix": [g.reshape(2500, 4000)],
               "two": [g[:ENTRIES // 4], g[ENTRIES // 4:]]}[shape]
    found = PROGRAMS[program](tensors)
    exact = [float(np.sqrt(np.sum(np.square(t, dtype=np.float64)))) for t in tensors]
    assert float(found["n"]) == pytest.approx(float(np.hypot.reduce(exact)), rel=1e-6)
    assert [float(k) for k in np.ravel(found["k"])] == pytest.approx(exact, rel=1e-6)
    assert float(found["a"]) == pytest.approx(float(np.sum(np.abs(g), dtype=np.float64)), rel=1e-6)
