"""A rule that is in no list, as a newcomer writes it, against plain NumPy, in both programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests.tree import LEAVES, Tree, compare, gradients

PID = """\
optimizer PID
  "Momentum with a derivative term, each tensor's gradient clipped."
  hyper lr = 0.01, kd = 0.5, c = 1 in (0, inf)
  hyper b = 0.9 in [0, 1)
  state v = 0
  state d = 0

  n = norm(g over tensor)
  u = if n > c then g*c/n else g
  v' = b*v - lr*u
  d' = b*d + (1 - b)*(u - prev(u, 0))
  x' = x + v' - kd*d'
"""


def by_hand(steps: int) -> list[Tree]:
    """The rule as one would write it in NumPy."""
    lr, kd, c, b = 0.01, 0.5, 1.0, 0.9
    x = {n: np.array(p) for n, p in LEAVES.items()}
    v, d, last = ({n: np.zeros_like(p) for n, p in LEAVES.items()} for _ in range(3))
    history = []
    for grads in gradients(steps):
        for name, g in grads.items():
            size = np.sqrt(np.sum(g**2))
            u = g*c/size if size > c else g
            v[name] = b*v[name] - lr*u
            d[name] = b*d[name] + (1 - b)*(u - last[name])
            x[name] = x[name] + v[name] - kd*d[name]
            last[name] = u
        history.append(dict(x))
    return history


def test_it_has_fewer_than_fifteen_lines_and_nothing_to_complain_about() -> None:
    assert len(PID.splitlines()) < 15
    assert not tp.loads(PID).check(claims=False).diagnostics


def test_the_numpy_program_does_what_the_hand_does() -> None:
    program = tp.loads(PID).to_numpy()
    params = {n: np.array(p) for n, p in LEAVES.items()}
    state = program.init(params)
    history = []
    for grads in gradients(20):
        state = program.step(params, grads, state)
        history.append({n: p.copy() for n, p in params.items()})
    compare(history, by_hand(20))


def test_the_jax_program_does_what_the_hand_does() -> None:
    jax = pytest.importorskip("jax", reason="jax is not installed")
    with jax.enable_x64(True):
        transform = tp.loads(PID).to_jax()
        params: Any = jax.tree.map(jax.numpy.asarray, LEAVES)
        state = transform.init(params)
        history = []
        for grads in gradients(20):
            updates, state = transform.update(grads, state, params)
            params = jax.tree.map(lambda p, u: p + u, params, updates)
            history.append(params)
    compare(history, by_hand(20))
