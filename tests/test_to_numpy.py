"""The NumPy backend: what its text says, and that it means what the interpreter says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import thetaprime as tp
from tests.numpy_specs import (
    ADAMW,
    AGGMO,
    ALL,
    CLIPPED,
    DADAPT,
    NOISY,
    SGD,
    SHAPES,
    SYNC,
    close,
    module,
    tree,
    untree,
)
from tests.random_specs import specs
from thetaprime import interpret
from thetaprime.backends.module import load
from thetaprime.backends.to_numpy import emit
from thetaprime.engines import Engine
from thetaprime.pipeline import compile_text


def compare(
    text: str, steps: int, tolerance: float, engine: Engine = "numpy", **hypers: Any
) -> None:
    """Runs the generated code beside the interpreter and compares parameters and states."""
    step = compile_text(text)
    code = load(emit(step, engine), "compared")
    rng = np.random.default_rng(0)
    reference: list[Any] = [np.array(rng.normal(size=s)) for s in SHAPES]
    params = tree([x.copy() for x in reference])
    memory, state = interpret.start(step, reference, hypers), code.init(params, **hypers)
    for number in range(steps):
        grads = [np.asarray(rng.normal(size=s))*(number % 5 != 3) for s in SHAPES]
        loss = 1 + rng.normal()**2
        reference, memory = interpret.advance(step, memory, reference, grads, hypers, loss)
        assert code.step(params, tree(grads), state, value=loss, **hypers) is state
        for ours, theirs in zip(untree(params), reference, strict=True):
            assert close(ours, theirs, tolerance), number
        for name, value in memory.values.items():
            both = (untree(state[name]), value) if isinstance(value, list) else (
                [state[name]], [value])
            for ours, theirs in zip(*both, strict=True):
                assert close(ours, theirs, tolerance), (number, name)
    if step.evaluate is not None:
        found = untree(code.evaluate(params, state, **hypers))
        for ours, theirs in zip(found, interpret.evaluation(step, memory, reference, hypers),
                                strict=True):
            assert close(ours, theirs, tolerance)


@pytest.mark.parametrize("name", ALL)
def test_agrees_with_the_interpreter(name: str) -> None:
    compare(ALL[name], 20, 1e-13, **({"lr": 0.01} if name == "SGD" else {}))


@settings(max_examples=40, deadline=None)
@given(specs())
def test_random_specs_agree_with_the_interpreter(text: str) -> None:
    compare(text, 4, 1e-8)


def test_adamw_agrees_with_the_expression_to_rounding() -> None:
    code = module(ADAMW)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(7, 11))
    y, m, v = x.copy(), np.zeros((7, 11)), np.zeros((7, 11))
    state = code.init(x)
    for t in range(1, 21):
        g = rng.normal(size=x.shape)
        state = code.step(x, g, state)
        m = 0.9*m + (1 - 0.9)*g
        v = 0.999*v + (1 - 0.999)*g**2
        y = y - 1e-3*(m/(1 - 0.9**t)/(np.sqrt(v/(1 - 0.999**t)) + 1e-8) + 1e-2*y)
    np.testing.assert_allclose(x, y, rtol=5e-15, atol=1e-17)
    np.testing.assert_allclose(state["v"], v, rtol=5e-15)
    assert state["t"] == 20


def test_text_is_stable_and_says_the_equations() -> None:
    text = emit(compile_text(ADAMW))
    assert text == emit(compile_text(ADAMW))
    assert "arXiv:1711.05101, algorithm 2" in text
    lines = [line.strip() for line in text.split("\n")]
    at = lines.index("# m' = b1*m + (1 - b1)*g")
    assert lines[at + 1:at + 4] == [
        "multiply(m, b1, out=m)", "multiply(g, one_minus_b1, out=a)", "add(m, a, out=m)"]
    assert "def init(params, *, lr=1e-3, b1=0.9," in text
    assert "import thetaprime" not in text
    assert "from thetaprime" not in text
    assert all(len(line) <= 100 for line in lines)


def test_a_sweep_less_when_nothing_waits_for_the_reduction() -> None:
    text = emit(compile_text(DADAPT))
    assert text.count("_sweep(") == 2  # in step and where it is defined
    assert emit(compile_text(CLIPPED)).count("_sweep(") == 3


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("rest", ["", "  eval x\n"])
def test_a_step_that_changes_nothing_is_a_program(engine: Engine, rest: str) -> None:
    program = tp.loads(f"optimizer Stays\n  x' = x\n{rest}").to_numpy(engine=engine)
    params = {"w": np.arange(3.0)}
    state = program.step(params, {"w": np.ones(3)}, program.init(params))
    assert params["w"].tolist() == [0, 1, 2]
    assert state["t"] == 1


def test_schedules_and_computed_defaults() -> None:
    code = module(SGD)
    x = np.zeros(2)
    seen: list[int] = []

    def schedule(steps: int) -> float:
        seen.append(steps)
        return 10.0**-steps

    state = code.init(x)
    for _ in range(3):
        code.step(x, np.ones(2), state, lr=schedule, mu=0)
    assert seen == [0, 1, 2]
    np.testing.assert_allclose(x, -1.11)
    step = compile_text(SYNC)
    assert "c=None" in emit(step)
    compare(SYNC, 4, 1e-13, a=lambda n: 1/(n + 2), k=2)
    compare(SYNC, 4, 1e-13, c=0.25)


def test_lists_are_checked() -> None:
    code = module(AGGMO)
    x = np.zeros(2)
    with pytest.raises(ValueError, match="b has 2 entries"):
        code.step(x, x, code.init(x), b=[0, 0.5])
    compare(AGGMO, 3, 1e-13, b=[0.1, 0.2, 0.3])


def test_division_by_zero_is_ieee() -> None:
    code = module("""
optimizer Ratio
  hyper lr = 1 in (0, inf)
  s = 1/norm(g over model)
  x' = x - lr*(g*s default 0)
""")
    x = np.ones(3)
    code.step(x, np.zeros(3), code.init(x))
    assert np.array_equal(x, np.ones(3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", ["sign(g)", "sign(2*g)"])  # of another array, and in place
def test_sign(dtype: Any, value: str) -> None:
    code = module(f"""
optimizer Signed
  hyper lr = 1 in (0, inf)
  x' = x - lr*{value}
""")
    tiny = np.finfo(dtype).smallest_subnormal
    g = np.array([-np.inf, -2, -tiny, -0.0, 0, tiny, 3, np.inf, np.nan], dtype)
    x = np.zeros_like(g)
    code.step(x, g, code.init(x))
    assert np.array_equal(-x, np.sign(g), equal_nan=True)


def test_the_branch_not_taken_has_no_effect() -> None:
    code = module("""
optimizer Guarded
  hyper lr = 1 in (0, inf)
  x' = x - lr*(if g > 0 then ln(g) else if t > 5 then 1/(t - t) else g)
""")
    x = np.zeros(3)
    code.step(x, np.array([1.0, -1.0, 0.0]), code.init(x))
    assert np.array_equal(x, [0, 1, 0])


def test_draws_depend_on_the_seed_and_the_step() -> None:
    code = module(NOISY)
    x, y = np.zeros(4), np.zeros(4)
    one, two = code.init(x, seed=1), code.init(y, seed=2)
    assert not np.array_equal(one["r"], two["r"])
    first = one["r"].copy()
    code.step(x, np.zeros(4), one, seed=1)
    assert not np.allclose(one["r"], 0.9*first)


def test_state_can_be_saved_and_loaded(tmp_path: Path) -> None:
    code = module(DADAPT)
    rng = np.random.default_rng(7)
    x, g = rng.normal(size=(2, 9))
    y = x.copy()
    state = code.init(x)
    code.step(x, g, state)
    np.savez(tmp_path / "state.npz", x=x, **state)
    code.step(x, g, state)
    with np.load(tmp_path / "state.npz") as saved:
        loaded = {name: saved[name] for name in saved.files}
    y = loaded.pop("x")
    code.step(y, g, loaded)
    assert np.array_equal(x, y)
