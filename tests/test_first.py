"""A state that the gradient of the first step starts, in every block that it can stand in."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests.beyond import run_interpreter, run_jax, run_numpy
from tests.tree import LEAVES, compare

SPECS = {
    "for each axis": """\
optimizer Started
  hyper lr = 0.1 in (0, inf)
  for axis a of x:
    state H : matrix[a, a] = first unfold(g, a) @ unfold(g, a).T
    state s : vector[a] = first max(abs(unfold(g, a)) over rest)
    H' = H/2 + unfold(g, a) @ unfold(g, a).T
    s' = s/2 + max(abs(unfold(g, a)) over rest)
  u = fold a over axes from u = g:
    u' = refold(H' @ unfold(u, a), a)/(1 + s')
  x' = x - lr*u
""",
    "for each axis, its old value read outside": """\
optimizer Started
  hyper lr = 0.1 in (0, inf)
  for axis a of x:
    state s : vector[a] = first max(abs(unfold(g, a)) over rest)
    s' = s/2 + max(abs(unfold(g, a)) over rest)
  u = fold a over axes from u = g:
    u' = u/(1 + s)
  x' = x - lr*u
""",
    "for each axis of a case": """\
optimizer Started
  hyper lr = 0.1 in (0, inf)
  case rank >= 2:
    for axis a of x:
      state s : vector[a] = first max(abs(unfold(g, a)) over rest)
      s' = s/2 + max(abs(unfold(g, a)) over rest)
    u = fold a over axes from u = g:
      u' = u/(1 + s')
  otherwise:
    u = g
  x' = x - lr*u
""",
    "in a case": """\
optimizer Started
  hyper lr = 0.1 in (0, inf)
  case rank >= 2:
    state m = first g
    m' = m/2 + g
    u = m'
  otherwise:
    state p = first 2*g
    p' = p/3 + g
    u = p'
  x' = x - lr*u
""",
    "every few steps": """\
optimizer Started
  hyper lr = 0.1 in (0, inf)
  state m = first g
  state n = 0
  every 2 from 1:
    m' = m/2 + g
    n' = n + m
  x' = x - lr*(m' + n')
""",
}
PROGRAMS: dict[str, Any] = {
    "numpy": run_numpy, "numba": partial(run_numpy, engine="numba"), "jax": run_jax,
    "flat": partial(run_jax, options={"fuse": "flat"})}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("spec", SPECS)
def test_what_the_first_gradient_starts(spec: str, program: str) -> None:
    assert tp.loads(SPECS[spec]).check().ok
    compare(PROGRAMS[program](SPECS[spec]), run_interpreter(SPECS[spec]))


def test_the_old_value_of_each_axis_is_the_gradients_at_the_first_step_alone() -> None:
    program = tp.loads(SPECS["for each axis"]).to_numpy()
    params = {"w": LEAVES["cube"].copy()}
    state = program.init(params)
    grads = [np.full_like(params["w"], c) for c in (1.0, 3.0)]
    for g in grads:
        program.step(params, {"w": g}, state)
    for s in state["s"]["w"]:
        np.testing.assert_allclose(s, 1.5/2 + 3)
