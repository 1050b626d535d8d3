"""Vectors and matrices over all entries of the model, the axis `params`: their meaning against
plain NumPy on one flat vector, and both programs against the meaning."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thetaprime as tp
from tests import problem
from tests.beyond import run_interpreter, run_jax, run_numpy
from tests.flat_problem import SIZE, Ask, flat
from tests.tree import LEAVES, compare
from thetaprime.signature import signature

SPECS = {
    "a Newton step": """
  hyper damp = 0.5 in [0, inf)
  d = solve(hess(x) + damp*I, flat(g))
  x' = x - unflat(d)
""",
    "states along the row": """
  state S : matrix[params, params] = 0.5*I
  state v : vector[params] = flat(x)
  const start = unflat(2*flat(x))
  S' = 0.9*S + outer(flat(g), flat(g))
  v' = v - 0.1*solve(S' + I, flat(g))
  x' = 0.9*x + 0.1*unflat(v') - 0.01*(x - start)
""",
    "first values, and a block that is rarely due": """
  state H : matrix[params, params] = first hess(x)
  every 3 from 2:
    H' = hess(x) + 0.1*I
  e, Q = eigh(H')
  x' = x - 0.1*unflat(Q @ ((Q.T @ flat(g))/(abs(e) + 0.3)))/(1 + max(abs(e) over params))
""",
    "axes of the spec in front": """
  state W : window[3] = 0
  W' = push(W, g)
  J = flat(rows(x))
  F = J.T @ J/4 + flat(W').T @ flat(W')
  mean_row = mean(J over examples)
  x' = x - 0.1*unflat(solve(F + 0.5*I, mean_row)) - 0.01*mean(unflat(J) over examples)
""",
    "a Hessian in a loop, on fresh batches": """
  y = iterate 3 from y = x:
    y' = y - 0.2*unflat(solve(hess(y; fresh) + I, flat(grad(y; fresh))))
  x' = y
""",
    "a vector that a loop carries": """
  H = hess(x) + 2*I
  (d, r) = iterate 4 from d = 0*flat(g), r = flat(g):
    d' = d + 0.2*r
    r' = flat(g) - H @ d'
    until norm(r' over params) < 1e-3
  x' = x - unflat(d)
""",
    "a block of the step": """
  if norm(flat(g) over params) > 0.3 and t > 2:
    d = unflat(solve(hess(x) + I, flat(g)))
  else:
    d = 0.1*g
  x' = x - d
""",
    "a draw for the row": """
  z ~ rademacher : vector[params]
  H = hess(x)
  x' = x - 0.1*unflat(flat(g)/(0.5 + abs(z*(H @ z)))) - 0.01*tr(H)*g
""",
    "kept as bfloat16, and more linear algebra": """
  state S : matrix[params, params] = I
  numerics:
    store S as bfloat16
  S' = 0.9*S + 0.1*(hess(x).T @ hess(x))
  x' = x - 0.1*unflat(chol(S' + I) @ flat(g)) - 0.01*unflat(triu(S') @ diagonal(S'))
""",
}


def _spec(name: str) -> str:
    return f"optimizer Row{SPECS[name]}"


@pytest.mark.parametrize("name", SPECS)
def test_both_programs_follow_the_meaning(name: str) -> None:
    wanted = run_interpreter(_spec(name), 5)
    assert not np.array_equal(wanted[-1]["matrix"], wanted[0]["matrix"])
    compare(run_numpy(_spec(name), 5), wanted, 1e-10)
    compare(run_jax(_spec(name), 5), wanted, 1e-10)


def test_a_newton_step_is_that_of_the_whole_model() -> None:
    ask = Ask()
    x = flat(LEAVES)
    for t, found in enumerate(run_interpreter(_spec("a Newton step"), 3), 1):
        b = ask.this(t)
        x = x - np.linalg.solve(ask.hess(x, b) + 0.5 * np.eye(SIZE), ask.grad(x, b))
        np.testing.assert_allclose(flat(found), x, rtol=1e-12, atol=1e-13)


def test_axes_of_the_spec_stay_in_front() -> None:
    ask = Ask()
    x, window = flat(LEAVES), np.zeros((3, SIZE))
    for t, found in enumerate(run_interpreter(_spec("axes of the spec in front"), 4), 1):
        b = ask.this(t)
        J = ask.rows(x, b)
        window = np.concatenate([ask.grad(x, b)[None], window[:-1]])
        F = J.T @ J / 4 + window.T @ window
        step = np.linalg.solve(F + 0.5 * np.eye(SIZE), J.mean(axis=0))
        x = x - 0.1 * step - 0.01 * J.mean(axis=0)
        np.testing.assert_allclose(flat(found), x, rtol=1e-12, atol=1e-13)


ROWS_ONLY = """optimizer Long
  state S : matrix[params, params] = I
  S' = S + outer(flat(g), flat(g))
  x' = x - 0.1*unflat(solve(S', flat(g)))
"""


def test_without_questions_it_is_an_optax_transformation() -> None:
    transform = tp.loads(ROWS_ONLY).to_jax()
    params = {"a": jnp.ones((2, 3)), "b": jnp.array(2.0)}
    updates, _ = transform.update(params, transform.init(params), params)
    row = np.array([1.0] * 6 + [2.0])
    wanted = -0.1 * np.linalg.solve(np.eye(7) + np.outer(row, row), row)
    np.testing.assert_allclose(updates["b"], wanted[-1], rtol=1e-5)
    np.testing.assert_allclose(updates["a"].ravel(), wanted[:6], rtol=1e-5)


@pytest.mark.parametrize("backend", ["jax", "numpy"])
def test_a_tensor_without_a_gradient_leaves_no_row(backend: str) -> None:
    params = {"a": np.ones((2, 3)), "b": np.array(2.0)}
    grads = {"a": np.ones((2, 3)), "b": None}
    spec = tp.loads(ROWS_ONLY)
    made: Any = spec.to_jax() if backend == "jax" else spec.to_numpy()
    state = made.init(params)
    with pytest.raises(ValueError, match="needs the gradients of all tensors"):
        made.update(grads, state, params) if backend == "jax" else made.step(params, grads, state)


@pytest.mark.parametrize("backend", ["jax", "numpy"])
def test_a_complex_tensor_has_no_row(backend: str) -> None:
    spec = tp.loads(_spec("a Newton step"))
    made = spec.to_jax() if backend == "jax" else spec.to_numpy()
    with pytest.raises(ValueError, match="real numbers"):
        made.init({"a": np.ones(2, np.complex64)})


def test_a_hessian_of_another_shape_is_refused() -> None:
    class Narrow(problem.Oracles):
        def hess(self, params: Any, data: Any) -> Any:
            return np.eye(3)

    program = tp.loads(_spec("a Newton step")).to_numpy()
    params = {n: np.array(v) for n, v in LEAVES.items()}
    with pytest.raises(ValueError, match=rf"hess has shape \(3, 3\), .* {SIZE} entries"):
        program.ask(params, program.init(params), problem.batch(1), Narrow())


def test_a_problem_without_a_hessian_is_named() -> None:
    class Poor:
        grad = loss = staticmethod(lambda params, batch: params)

    program = tp.loads(_spec("a Newton step")).to_numpy()
    params = {"a": np.ones(2)}
    with pytest.raises(TypeError, match=r"`hess`: pass an object with hess\(params, batch\)"):
        program.ask(params, program.init(params), None, Poor())


def test_answers_from_a_jax_loss_have_the_hessian_in_tree_order() -> None:
    params = {"b": np.array([1.0, 2.0]), "a": np.array(3.0)}
    with jax.enable_x64(True):
        found = tp.Answers(lambda p, _: p["a"] * p["b"][1] ** 2).hess(params, None)
    np.testing.assert_allclose(found, [[0, 0, 4], [0, 0, 0], [4, 0, 6]])


def test_what_a_step_asks_names_the_hessian() -> None:
    calls = [str(call) for call in signature(tp.load("filtered-newton").step())]
    assert "1 Hessian on this step's batch" in calls
