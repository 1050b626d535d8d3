"""An arm of a route does what its optimizer does alone on the tensors of the arm, while the others
stay where training holds them; both programs follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests import problem
from tests.beyond import batches, run_interpreter, run_jax, run_numpy
from tests.tree import LEAVES, Tree, compare
from thetaprime.asking import Asked
from thetaprime.interpret import advance, start

STEPS = 4
ARM = ["cube", "matrix"]
OTHER = "otherwise -> SignSGD(lr = 0.01)"
BLOCKS = """
optimizer Blocks
  state n : scalar = 1 + norm(x over model)
  state anchor = x
  n' = n + norm(g over model)
  if norm(g over model) > 0.05 and max(abs(g) over model) < 0.5:
    d = g/norm(g over model)
  else:
    d = 2*g
  every 2 from 2:
    anchor' = x
    q = grad(anchor + 0.1*d)
    w = q
  else:
    w = hvp(x, d)
  x' = x - 0.1*w/n' - 0.01*d
"""
# What is an arm; none of them draws, since a draw depends on the number of a tensor.
ARMS = [
    "SAM(SGD(lr = 0.1), rho = 0.5)", "AdaBelief(lr = 0.1)", "NovoGrad(lr = 0.1)", "Polyak", "DoG",
    "NonlinearCGPR(lr = 3, most = 5)", "LBFGS(lr = 1, m = 3, most = 5)", "SVRG(k = 2, lr = 0.1)",
    "GaussNewton(turns = 3)", "CAGrad(k = 3, turns = 3, lr = 0.1)", "MFAC(k = 2, lam = 0.1)",
]


class Inside:
    """The oracles for the tensors of the arm: points are completed by ``outside``, directions by
    zeros."""

    def __init__(self, outside: Tree) -> None:
        self._outside = outside

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*args: Any) -> Any:
            rests = iter([self._outside, *({n: 0 * p for n, p in LEAVES.items()} for _ in args)])
            given = [next(rests) | dict(zip(ARM, a, strict=True)) if isinstance(a, list) else a
                     for a in args]
            answer = getattr(problem.Oracles(), name)(*given)
            return [answer[n] for n in ARM] if isinstance(answer, dict) else answer

        return ask


def _check_alone(alone: tp.Optimizer, path: list[Tree]) -> None:
    """The tensors of the arm move as they do alone, beside the others as they moved in the route.
    """
    step = alone.step()
    params: Any = [LEAVES[n] for n in ARM]
    memory = start(step, params)
    for t, found in enumerate(path, 1):
        outside = LEAVES if t == 1 else path[t - 2]
        b = batches(t, step)
        asked = Asked(Inside(outside), b.this, b.fresh, b.full)
        params, memory = advance(step, memory, params, asked=asked)
        for name, wanted in zip(ARM, params, strict=True):
            np.testing.assert_allclose(found[name], wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("arm", ARMS)
def test_an_arm_is_its_optimizer_alone(arm: str) -> None:
    route = tp.load(f"route(rank == 2 or rank == 3 -> {arm}, {OTHER})")
    path = run_interpreter(route, STEPS)
    _check_alone(tp.load(arm), path)
    compare(run_numpy(route, STEPS), path, 1e-9)
    compare(run_jax(route, STEPS), path, 1e-9)


def test_blocks_of_an_arm_reduce_over_its_tensors() -> None:
    """Its numbers too, from their start on; and what is asked in a block."""
    lines = BLOCKS.split("\n")[2:-1]
    states = [line for line in lines if line.startswith("  state")]
    body = [line for line in lines if line not in states]
    inner = "\n".join(f"  {line}" for line in (*states, *body))
    case = f"optimizer Cases\n  case rank == 2 or rank == 3:\n{inner}\n  otherwise:\n"
    case += "    x' = x - 0.01*sign(g)\n"
    path = run_interpreter(case, STEPS)
    _check_alone(tp.loads(BLOCKS), path)
    compare(run_numpy(case, STEPS), path, 1e-9)
    compare(run_jax(case, STEPS), path, 1e-9)
