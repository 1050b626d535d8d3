"""Powers of whole numbers are real ones, whatever an array library makes of its integers."""

from __future__ import annotations

import numpy as np
import pytest

import thetaprime as tp
from tests.beyond import run_interpreter
from tests.test_first import PROGRAMS
from tests.tree import compare

SPEC = """\
optimizer Falling
  hyper lr = 0.1 in (0, inf)
  hyper k : int = 3 in [1, inf)
  hyper p : int = 2 in [1, inf)
  losses tasks[k]

  G = grads(x)
  n = index(tasks) + 1
  w = (WEIGHTS)/n^p
  total = fold i over tasks from total = 0*x:
    total' = total + (WEIGHT)*G[i]
  x' = x - lr*(sum(w*G over tasks) + total)
"""
# Of each task in an array, and of task i in a loop.
WEIGHTS = {
    "an index to a negative number": ("(index(tasks) + 1)^(-2)", "(i + 1)^(-2)"),
    "a number to an index": ("2^(-index(tasks))", "2^(-i)"),
    "an index to a hyperparameter": ("(index(tasks) + 1)^(-p)", "(i + 1)^(-p)"),
    "a hyperparameter to an index": ("p^(-index(tasks))", "p^(-i)"),
    "a hyperparameter to a hyperparameter": ("index(tasks)*p^(-k)", "i*p^(-k)"),
    "a named index": ("n^(-2)", "n[i]^(-2)"),
    "an index to itself": ("n^(1 - n)", "(i + 1)^(-i)"),
    "an index to the number of the step": ("n^(-t)", "(i + 1)^(1 - t)"),
}

BACKWARDS = """\
optimizer Fading
  hyper lr = 0.1 in (0, inf)
  hyper k : int = 3 in [1, inf)
  state W : window[k] = 0

  W' = push(W, g)
  d = fold i over oldest..newest from d = 0*x:
    n = i + 1
    d' = d/2 + (2^(-i) + n^(-2))*W'[i]
  x' = x - lr*d
"""


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("power", WEIGHTS)
def test_a_whole_number_has_a_negative_power(power: str, program: str) -> None:
    spec = SPEC.replace("WEIGHTS", WEIGHTS[power][0]).replace("WEIGHT", WEIGHTS[power][1])
    assert tp.loads(spec).check().ok
    compare(PROGRAMS[program](spec), run_interpreter(spec))


@pytest.mark.parametrize("program", PROGRAMS)
def test_so_has_the_place_of_a_fold_that_goes_backwards(program: str) -> None:
    assert not tp.loads(BACKWARDS).check().diagnostics  # n^(-2): n is positive
    compare(PROGRAMS[program](BACKWARDS), run_interpreter(BACKWARDS))


def test_a_whole_hyperparameter_may_be_an_integer_of_numpy() -> None:
    spec = "optimizer Small\n  hyper p : int = 2 in [1, inf)\n  x' = x - 10^(-p)*g\n"
    params = {"w": np.ones(3)}
    program = tp.loads(spec).to_numpy(p=np.int64(3))
    state = program.init(params)
    program.step(params, {"w": np.ones(3)}, state)
    np.testing.assert_allclose(params["w"], 1 - 1e-3)
