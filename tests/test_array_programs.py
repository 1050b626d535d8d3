"""NumPy programs on whole arrays: rules that ask the problem, loop or branch."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests import problem
from tests.array_specs import ALL, ARMIJO, CURVED, HELD, INSIDE, OUTPUTS, SAM, SVRG, WINDOW
from tests.beyond import batches, run_interpreter, run_numpy
from tests.tree import LEAVES, compare


@pytest.mark.parametrize("name", ALL)
def test_program_follows_the_interpreter(name: str) -> None:
    compare(run_numpy(ALL[name]), run_interpreter(ALL[name]))


def test_point_to_evaluate_follows_the_interpreter() -> None:
    spec = ALL["BRANCHES"]
    compare(run_numpy(spec, evaluate=True), run_interpreter(spec, evaluate=True))


def test_both_branches_and_several_turns_are_met() -> None:
    """The specs are such that their control matters."""
    calls: list[str] = []

    class Counted(problem.Oracles):
        def loss(self, *args: Any) -> Any:
            calls.append("loss")
            return super().loss(*args)

    program, params = tp.loads(ARMIJO).to_numpy(), _params()
    state = program.init(params)
    for t in range(1, 5):
        state = program.ask(params, state, batches(t).this, Counted())
    assert len(calls) > 2*4
    moved = run_numpy(HELD)
    stood = [np.array_equal(a["cube"], b["cube"])
             for a, b in pairwise(moved)]
    assert any(stood)
    assert not all(stood)


def test_schedules_and_integers_of_loops() -> None:
    given = {"lr": lambda count: 0.1/(1 + count), "L": 2}
    compare(run_numpy(ALL["ENTROPY"], **given), run_interpreter(ALL["ENTROPY"], **given))


@pytest.mark.parametrize(("spec", "name"), [(SAM, "grad"), (CURVED, "hvp"), (OUTPUTS, "ggn")])
def test_a_missing_oracle_is_named_before_the_first_step(spec: str, name: str) -> None:
    optimizer = tp.loads(spec)
    program, params = optimizer.to_numpy(), _params()
    state = program.init(params)
    given = {n: getattr(problem.Oracles(), n) for n in dir(problem.Oracles)
             if not n.startswith("_") and n != name}
    with pytest.raises(TypeError, match=rf"{optimizer.name} asks the problem for `{name}`: "
                                        rf"pass an object with {name}\(params, "):
        program.ask(params, state, batches(1).this, SimpleNamespace(**given))
    assert state["t"] == 0


def test_an_answer_that_does_not_fit_is_an_error() -> None:
    class Wrong(problem.Oracles):
        def grad(self, *args: Any) -> Any:
            return {**super().grad(*args), "cube": np.zeros(3)}

    program, params = tp.loads(SAM).to_numpy(), _params()
    with pytest.raises(ValueError, match=r"grad at params.'cube'. has shape"):
        program.ask(params, program.init(params), batches(1).this, Wrong())


def test_trees_are_updated_in_place() -> None:
    a, b = np.ones((2, 3)), np.ones(4)
    params = {"layers": [a, (b,)], "none": None}
    program = tp.loads(INSIDE).to_numpy()
    state = program.init(params)
    grads = {"layers": [np.ones((2, 3)), (None,)], "none": None}
    assert program.step(params, grads, state) is state
    assert params["layers"][0] is a
    assert not np.any(a == 1)
    assert np.all(b == 1)  # a parameter without a gradient holds
    assert state["n"]["layers"][0] == 2
    assert state["n"]["layers"][1][0] == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_computes_in_the_dtype_of_the_tensors(dtype: Any) -> None:
    params = {n: np.array(v, dtype) for n, v in LEAVES.items()}
    program = tp.loads(WINDOW).to_numpy()
    state = program.init(params)
    assert state["S"]["cube"].dtype == dtype
    grads = {n: np.asarray(v, dtype) for n, v in LEAVES.items()}
    exact = {n: np.array(v, np.float64) for n, v in params.items()}
    program.step(exact, exact, program.init(exact))
    program.step(params, grads, state)
    for name, value in params.items():
        assert value.dtype == dtype
        np.testing.assert_allclose(value, exact[name], rtol=30*np.finfo(dtype).eps,
                                   atol=30*np.finfo(dtype).eps)


def test_complex_tensors_are_pairs_of_reals() -> None:
    z = np.array([1 + 2j, 3 - 1j])
    pairs = np.array([[1.0, 2.0], [3.0, -1.0]])
    program = tp.loads(WINDOW).to_numpy()
    for point in (z, pairs):
        state = program.init({"z": point})
        for _ in range(3):
            program.step({"z": point}, {"z": np.array(point)}, state)
    np.testing.assert_allclose(z.view(float).reshape(2, 2), pairs)


def test_parameters_must_be_arrays_to_write_to() -> None:
    program = tp.loads(WINDOW).to_numpy()
    with pytest.raises(ValueError, match="cannot be updated in place"):
        program.init({"x": 1.0})
    fixed = np.ones(3)
    state = program.init({"x": fixed})
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        program.step({"x": fixed}, {"x": np.ones(3)}, state)


def test_the_text_reads_as_if_written_by_hand() -> None:
    code = tp.loads(SVRG).code("numpy")
    assert "    if np.logical_and(count >= 1, np.mod(count - 1, k) == 0):\n" \
           "        mu_new = grad(x, batch.full)\n" \
           "        w_new = x\n" \
           "    else:\n" \
           "        w_new, mu_new = w, mu\n" in code
    assert max(map(len, code.split("\n"))) < 100


def _params() -> dict[str, Any]:
    return {n: np.array(v) for n, v in LEAVES.items()}
