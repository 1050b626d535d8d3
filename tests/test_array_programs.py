"""NumPy programs on whole arrays: rules that ask the problem, loop or branch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, product
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

import thetaprime as tp
from tests import problem
from tests.array_specs import ALL, ARMIJO, CURVED, HELD, INSIDE, OUTPUTS, SAM, STORED, SVRG, WINDOW
from tests.beyond import batches, run_interpreter, run_numpy
from tests.tree import LEAVES, compare, load
from thetaprime.backends import to_jax
from thetaprime.backends.array_text import helpers_for
from thetaprime.backends.module import load as execute
from thetaprime.backends.to_numpy import emit
from thetaprime.expr import Apply, Num, Sym
from thetaprime.ir import Carry, EachAxis, Equation, State, Step
from thetaprime.source import NO_SOURCE
from thetaprime.types import BOOLEAN, INTEGER, PER_ENTRY, SCALAR, Extent, Type


@pytest.mark.parametrize("name", ALL)
def test_program_follows_the_interpreter(name: str) -> None:
    compare(run_numpy(ALL[name]), run_interpreter(ALL[name]))


@pytest.mark.parametrize("emit", [emit, to_jax.emit])
def test_what_no_result_needs_is_not_computed(emit: Callable[[Step], str]) -> None:
    """A step that a claim is asked of has quantities that the next point does not need."""
    step = tp.loads("optimizer Added\n  losses tasks[2]\n  G = grads(x)\n"
                    "  y = sum(G over tasks)\n  x' = x - y\n").step()
    still = Equation(Sym("x", True, PER_ENTRY), Sym("x", type=PER_ENTRY))
    text = emit(replace(step, body=(*step.body[:-1], still)))
    compile(text, "still", "exec")
    assert "def leaf(" not in text


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
    for name in (SVRG, "microadam"):
        text = load(name).code("numpy").partition("import numpy")[2]
        assert max(map(len, text.split("\n"))) < 100


def test_states_are_stored_in_half_the_bytes() -> None:
    program, params = tp.loads(STORED).to_numpy(seed=3), _params()
    state = program.init(params)
    program.step(params, LEAVES, state)
    assert state["m"]["cube"].dtype == np.uint16
    assert state["n"]["cube"].dtype == np.float16
    words = state["m"]["cube"].astype(np.uint32) << 16
    np.testing.assert_allclose(words.view(np.float32), 0.1*LEAVES["cube"], rtol=2**-8)


def test_rounding_keeps_what_is_not_finite() -> None:
    scope: dict[str, Any] = {"np": np}
    exec("\n".join(helpers_for("_bfloat16( _from_bfloat16(", turns=False)), scope)
    odd = np.array([np.inf, -np.inf, np.nan, 3.4e38, 1 + 2**-8, 1 + 3*2**-8], np.float32)
    rounded, nothing = scope["_bfloat16"]([odd, None])
    np.testing.assert_array_equal(
        scope["_from_bfloat16"](rounded), [np.inf, -np.inf, np.nan, np.inf, 1, 1 + 2**-6])
    assert nothing is None


def test_functions_that_the_caller_passes() -> None:
    """One that sees entries is called for each tensor, one of scalars once."""
    spec = """
optimizer Passed
  hyper lr = 0.1 in (0, inf)
  extern compress(a: per entry, b: scalar) -> per entry
  x' = x - compress(g, lr)
"""
    seen: list[Any] = []

    def compress(a: Any, b: Any) -> Any:
        seen.append(np.shape(a))
        return b*np.round(a)

    program, params = tp.loads(spec).to_numpy(compress=compress), _params()
    program.step(params, LEAVES, program.init(params))
    assert seen == [v.shape for v in LEAVES.values()]
    np.testing.assert_allclose(params["cube"], LEAVES["cube"] - 0.1*np.round(LEAVES["cube"]))


RANK = Apply(">=", (Sym("rank", type=INTEGER), Num("2", INTEGER)), type=BOOLEAN)
EMBEDDED = Apply("~", (Sym("path"),), ("*cu*",), type=BOOLEAN)


def _not(guard: Apply) -> Apply:
    return Apply("not", (guard,), type=BOOLEAN)


def test_what_holds_for_some_tensors_only() -> None:
    """``case rank >= 2: x' = x - m'`` with a state of its own, ``case path ~ "*cu*"``."""
    g, x, m, k, w = (Sym(n, type=PER_ENTRY) for n in "gxmkw")
    new = replace(m, prime=True)
    moved = Apply("-", (x, new), type=PER_ENTRY)
    step = Step(
        "Cases", "", (), (), NO_SOURCE, "x", (), (),
        (State("m", PER_ENTRY, Num("1", SCALAR), guard=RANK),),
        (Equation(new, Apply("+", (m, g), type=PER_ENTRY), guard=RANK),
         Equation(k, Apply("case", (EMBEDDED, g, _not(EMBEDDED), Num("0", SCALAR)),
                           type=PER_ENTRY)),
         Equation(w, Apply("case", (RANK, moved, _not(RANK), x), type=PER_ENTRY)),
         Equation(Sym("x", True, PER_ENTRY), Apply("-", (w, k), type=PER_ENTRY))),
        None)
    code = emit(step)
    assert "        if x.ndim >= 2:\n" in code
    program = execute(code, "cases")
    params, start = _params(), _params()
    state = program.init(params)
    assert state["m"]["vector"] is None
    for _ in range(2):
        program.step(params, start, state)
    for name, value in start.items():
        expected = value - (3*value + 2 if value.ndim >= 2 else 0) - 2*value*("cu" in name)
        np.testing.assert_allclose(params[name], expected, rtol=1e-14)


def test_a_statement_for_each_axis() -> None:
    """``for axis a of x: u' = u/2``, and a state of one vector for each axis."""
    g, x, u = (Sym(n, type=PER_ENTRY) for n in "gxu")
    family = Sym("L", type=Type(Extent.TENSOR, ("a",)))
    half = Apply("*", (Num("0.5", SCALAR), u), type=PER_ENTRY)
    more = Apply("+", (family, Num("1", SCALAR)), type=family.type)
    step = Step(
        "Axes", "", (), (), NO_SOURCE, "x", (), (),
        (State("L", Type(Extent.TENSOR, ("a",)), Num("0", SCALAR)),),
        (EachAxis("a", (Carry(u, g),), (Equation(replace(u, prime=True), half),
                                        Equation(replace(family, prime=True), more))),
         Equation(Sym("x", True, PER_ENTRY), Apply("-", (x, u), type=PER_ENTRY))), None)
    program = execute(emit(step), "axes")
    params, start = _params(), _params()
    state = program.init(params)
    for _ in range(2):
        program.step(params, start, state)
    for name, value in start.items():
        np.testing.assert_allclose(params[name], value*(1 - 2*0.5**value.ndim), rtol=1e-14)
        assert [v.tolist() for v in state["L"][name]] == [[2.0]*n for n in value.shape]


def test_exponential_of_a_matrix() -> None:
    """exp(v diag(w) v.T) = v diag(exp(w)) v.T, and that of a nilpotent matrix ends."""
    scope: dict[str, Any] = {"np": np}
    exec("\n".join(helpers_for("_expm(", turns=False)), scope)
    random = np.random.default_rng(5)
    for scale in (1e-3, 1, 10, 100):
        a = scale*random.normal(size=(4, 4))
        a = (a + a.T)/10
        w, v = np.linalg.eigh(a)
        np.testing.assert_allclose(scope["_expm"](a), (v*np.exp(w)) @ v.T, rtol=1e-11,
                                   atol=1e-12*np.exp(w[-1]))
    np.testing.assert_allclose(scope["_expm"](np.array([[0.0, 1000], [0, 0]])), [[1, 1000], [0, 1]])
    assert np.all(np.isnan(scope["_expm"](np.full((2, 2), np.inf))))


def _params() -> dict[str, Any]:
    return {n: np.array(v) for n, v in LEAVES.items()}


def _least_change(pull: np.ndarray, pulls: np.ndarray) -> np.ndarray:
    """The direction nearest to ``pull`` to which no task objects: some of them do not care."""
    found = []
    for active in product([False, True], repeat=len(pulls)):
        some = pulls[list(active)]
        moved = pull - some.T @ np.linalg.lstsq(some @ some.T, some @ pull, rcond=None)[0]
        if np.all(pulls @ moved >= -1e-9):
            found.append(moved)
    return min(found, key=lambda d: float(np.linalg.norm(d - pull)))


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_tasks_that_pull_apart(engine: str) -> None:
    """Weights of tasks start at whole numbers, and what is put in their place is none."""
    pulls = np.random.default_rng(1).normal(size=(6, 3, 4))
    pulls[:, 1:] -= pulls[:, :1]
    for three in pulls:
        wanted = -np.mean([_least_change(g, three) for g in three], axis=0)
        params = {"w": np.zeros(4)}
        if engine == "numpy":
            program = tp.load("upgrad").to_numpy(lr=1, k=3, turns=1500)
            given = SimpleNamespace(grads=lambda params, batch, three=three: {"w": three})
            program.ask(params, program.init(params), None, given)
            moved = params["w"]
        else:
            with jax.enable_x64(True):
                rule = tp.load("upgrad").to_jax(lr=1, k=3, turns=1500)
                given = SimpleNamespace(losses=lambda p, batch: batch @ p["w"])
                tree = {"w": jax.numpy.zeros(4)}
                moved = np.asarray(rule.step(tree, rule.init(tree), three, given)[0]["w"])
        np.testing.assert_allclose(moved, wanted, atol=1e-6)


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_a_problem_has_as_many_losses_as_the_step_is_for(engine: str) -> None:
    three = SimpleNamespace(grads=lambda params, batch: {"w": np.ones((3, 2))},
                            losses=lambda params, batch: [params["w"].sum()]*3)
    rule = tp.load("mgda")
    params = {"w": jax.numpy.zeros(2) if engine == "jax" else np.zeros(2)}
    program = rule.to_jax(k=2) if engine == "jax" else rule.to_numpy(k=2)
    step = program.step if engine == "jax" else program.ask
    with pytest.raises(ValueError, match="the problem has 3 losses, and the step is for 2"):
        step(params, program.init(params), None, three)
