"""Programs for CuPy arrays, on a stand-in for CuPy: they follow the interpreter, and what they do
entry by entry is one kernel for each tensor."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import thetaprime as tp
from tests.array_specs import ALL as ARRAYS
from tests.beyond import run_interpreter, run_numpy
from tests.cupy_stand_in import LOG, WAITS, Trace, back, cupy, place
from tests.numpy_specs import ALL, SHAPES
from tests.random_specs import specs
from tests.test_backends import CASES, follows
from tests.test_beyond import CASES as BEYOND
from tests.test_beyond import prepared, tolerance
from tests.test_matrices import GRADS, HEAD, POINTS, TABLE, by_numpy
from tests.tree import LEAVES, compare
from thetaprime import interpret
from thetaprime.arguments import CallError
from thetaprime.backends.array_plan import make_plan
from thetaprime.backends.module import load
from thetaprime.backends.segments import Phase
from thetaprime.expr import Apply, walk
from thetaprime.ir import Equation, First
from thetaprime.ops import OPS

FOLDER = Path(__file__).parent / "golden"
REAL = find_spec("cupy") is not None


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy)


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_text(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(FOLDER / f"{name}.cupy.txt", tp.load(name).code("numpy", engine="cupy"))


def test_the_kernel_in_the_docs_is_the_one_that_is_made() -> None:
    page = (FOLDER.parents[1] / "docs" / "numpy.md").read_text("utf-8")
    kernel = page.partition("```python\n@fuse\n")[2].partition("```")[0]
    assert kernel
    assert f"@fuse\n{kernel}" in tp.load("adamw").code("numpy", engine="cupy")


# What it computes.


@pytest.mark.parametrize(("name", "choice"), CASES)
def test_program_follows_the_interpreter(name: str, choice: dict[str, str]) -> None:
    follows(name, choice, "cupy", place, back)


@pytest.mark.parametrize(("name", "choice"), BEYOND)
def test_program_that_does_more_follows_the_interpreter(name: str, choice: dict[str, str]) -> None:
    spec, hypers = prepared(name, choice)
    compare(run_numpy(spec, engine="cupy", place=place, back=back, **hypers),
            run_interpreter(spec, **hypers), tolerance(name))


@pytest.mark.parametrize("name", ARRAYS)
def test_all_that_a_spec_can_say(name: str) -> None:
    compare(run_numpy(ARRAYS[name], engine="cupy", place=place, back=back),
            run_interpreter(ARRAYS[name]))


@pytest.mark.parametrize("made", [
    'route(rank == 2 and not path ~ "*ke*" -> Muon(lr = 0.02), otherwise -> AdamW)',
    'Lookahead(SAM(route(rank == 2 -> Muon(lr = 0.02), otherwise -> AdamW)))',
    "AdamW on clip_norm(1.0)"])
def test_optimizers_made_of_others(made: str) -> None:
    spec = f"optimizer Mine = {made}\n"
    compare(run_numpy(spec, engine="cupy", place=place, back=back), run_interpreter(spec))


@pytest.mark.parametrize("name", TABLE)
def test_operations_on_matrices(name: str) -> None:
    program = tp.loads(f"{HEAD}{TABLE[name][0]}  X' = U\n").to_numpy(engine="cupy")
    params, grads = ({str(i): a for i, a in enumerate(row)} for row in (POINTS, GRADS))
    params = place(params)
    program.step(params, place(grads), program.init(params))
    for ours, theirs in zip(back(params).values(), by_numpy(name), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)


def agrees(text: str, steps: int, tol: float, **hypers: Any) -> None:
    """Parameters after each step of a spec, from the program and from the interpreter."""
    optimizer, rng = tp.loads(text), np.random.default_rng(0)
    step, program = optimizer.step(), optimizer.to_numpy(engine="cupy", **hypers)
    meant = [np.array(rng.normal(size=shape)) for shape in SHAPES]
    memory = interpret.start(step, meant, hypers)
    params = place(dict(enumerate(meant)))
    state = program.init(params)
    for number in range(steps):
        grads = [np.asarray(rng.normal(size=shape))*(number % 5 != 3) for shape in SHAPES]
        loss = 1 + rng.normal()**2
        meant, memory = interpret.advance(step, memory, meant, grads, hypers, loss)
        program.step(params, place(dict(enumerate(grads))), state, value=loss)
        compare([back(params)], [dict(enumerate(meant))], tol)


@settings(max_examples=40, deadline=None)
@given(specs())
def test_random_specs_agree_with_the_interpreter(text: str) -> None:
    agrees(text, 4, 1e-8)


@pytest.mark.parametrize("name", ALL)
def test_small_specs_agree_with_the_interpreter(name: str) -> None:
    agrees(ALL[name], 12, 1e-12, **({"lr": 0.01} if name == "SGD" else {}))


@pytest.mark.parametrize("lines", [
    "  p' = g\n  q' = p\n  x' = x - lr*q\n",
    "  p' = q\n  q' = p + g\n  x' = x - lr*(p - q')\n",
    "  p' = x\n  q' = p\n  x' = x - lr*(g + q)\n",
    "  p' = x - lr*g\n  q' = x\n  x' = p + q/8\n",
    "  d = x\n  p' = d\n  q' = 0*p\n  n = norm(p over model)\n  x' = x - lr*(g + d/(1 + n))\n",
    "  p' = g + p/2\n  q' = max(p', q)\n  n = norm(q over tensor)\n  x' = x - lr*g/(1 + n)\n",
])
@pytest.mark.parametrize("start", ["0", "first g"])
def test_values_that_are_moved_from_state_to_state(lines: str, start: str) -> None:
    """What stands in an array is read before a kernel puts another thing there."""
    agrees("optimizer Moved\n  hyper lr = 0.1 in (0, inf)\n"
           f"  state p = {start}\n  state q = 1\n{lines}", 5, 1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64])
def test_computes_as_numpy_does_in_other_dtypes(dtype: Any) -> None:
    rng = np.random.default_rng(3)
    values, grads = ({n: rng.normal(size=np.shape(v)).astype(dtype) for n, v in LEAVES.items()}
                     for _ in "xg")
    ours, theirs = place(values), {n: np.array(v) for n, v in values.items()}
    program, other = tp.load("adamw").to_numpy(engine="cupy"), tp.load("adamw").to_numpy()
    states = program.init(ours), other.init(theirs)
    for _ in range(4):
        program.step(ours, place(grads), states[0])
        other.step(theirs, grads, states[1])
    for name, value in back(ours).items():
        assert value.dtype == dtype
        wide = np.complex128 if dtype is np.complex64 else np.float64
        np.testing.assert_allclose(value.astype(wide), theirs[name].astype(wide),
                                   rtol=8*np.finfo(dtype).eps, atol=8*np.finfo(dtype).eps)


@pytest.mark.parametrize("name", ["adamw", "lamb", "dog", "muon", "adafactor", "sm3", "galore"])
def test_the_same_text_runs_on_numpy_arrays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line `import cupy as cp` is all that says what arrays are."""
    text = tp.load(name).code("numpy", engine="cupy")
    monkeypatch.setitem(sys.modules, "cupy", np)
    module, other, rng = load(text, "on_numpy"), tp.load(name).to_numpy(), np.random.default_rng(4)
    values, grads = ({n: rng.normal(size=(3, 4)) for n in "xy"} for _ in "xg")
    ours, theirs = ({n: v.copy() for n, v in values.items()} for _ in "ab")
    states = module.init(ours), other.init(theirs)
    for _ in range(3):
        module.step(ours, grads, states[0])
        other.step(theirs, grads, states[1])
    compare([ours], [theirs])
    assert all(isinstance(v, np.ndarray) for v in ours.values())


# How it runs.


def launched(name: str) -> list[str]:
    """What runs on the device in the second step of a rule on two tensors."""
    optimizer = tp.load(name)
    program = optimizer.to_numpy(engine="cupy", **{
        h.name: 0.01 for h in optimizer.step().hypers if h.default is None})
    params, grads = (place({"x": np.ones((3, 4)), "y": np.ones(5)}) for _ in "xg")
    state = program.init(params)
    program.step(params, grads, state, value=1.0)
    LOG.clear()
    WAITS.clear()
    program.step(params, grads, state, value=1.0)
    return list(LOG)


def by_entries(name: str) -> bool:
    """Whether a rule is made of operations on entries and numbers of the model alone."""
    plan = make_plan(tp.load(name).step())
    if len(plan.update) > 1 or not isinstance(plan.update[0], Phase):
        return False
    body = (*plan.update[0].scalars, *plan.update[0].leaves, *plan.update[0].partials)
    return all(
        isinstance(s, Equation | First) and s.guard is None and not s.target.type.axes
        and all(not isinstance(n, Apply) or (n.op in OPS and not n.over) for n in walk(s.value))
        for s in body)


ELEMENT_WISE = [name for name in tp.shipped() if by_entries(name)]


@pytest.mark.parametrize("name", ELEMENT_WISE)
def test_an_element_wise_rule_is_one_kernel_for_each_tensor(name: str) -> None:
    assert [word for word in launched(name) if word.startswith("_")] == ["_kernel"]*2
    assert not WAITS


@pytest.mark.parametrize("name", ["adam", "adamw", "lion", "sgd", "amsgrad", "yogi"])
def test_nothing_else_runs_where_all_state_is_of_entries(name: str) -> None:
    assert launched(name) == ["_kernel"]*2


def test_what_runs_between_kernels() -> None:
    assert launched("lamb") == ["_kernel", "sum", "sum", "sqrt", "sqrt", "_kernel_2"]*2
    assert not WAITS


def test_a_kernel_is_traced_once_and_takes_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedules and the number of the step are no constants of a kernel."""
    made: list[Any] = []
    trace = Trace.__init__
    monkeypatch.setattr(Trace, "__init__", lambda *args: (made.append(args), trace(*args))[1])
    program = tp.load("adamw").to_numpy(engine="cupy", lr=lambda count: 0.1/(1 + count))
    other = tp.load("adamw").to_numpy(lr=lambda count: 0.1/(1 + count))
    ours, theirs = place({"w": np.ones(3)}), {"w": np.ones(3)}
    states = program.init(ours), other.init(theirs)
    for k in range(1, 6):
        program.step(ours, place({"w": np.full(3, 1.0/k)}), states[0])
        other.step(theirs, {"w": np.full(3, 1.0/k)}, states[1])
    compare([back(ours)], [theirs])
    assert len(made) <= 1  # none if another test had this kernel traced


# What is refused.


def test_arrays_of_numpy_are_refused() -> None:
    program = tp.load("adamw").to_numpy(engine="cupy")
    with pytest.raises(ValueError, match=r"params\['w'\] must be an array of cupy, and it is one "
                                         "of numpy: ndarray"):
        program.init({"w": np.ones(3)})


def test_without_cupy_a_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thetaprime.engines.find_spec", lambda name: None)
    with pytest.raises(CallError, match=r"needs cupy, which is not installed.*cupy-cuda12x"):
        tp.load("adamw").to_numpy(engine="cupy")


def test_what_a_program_for_cupy_has_not() -> None:
    with pytest.raises(CallError, match=r"the device shares the work .*leave out `threads`"):
        tp.load("adamw").to_numpy(engine="cupy", threads=2)
    with pytest.raises(CallError, match="a jax program has no engine `cupy`"):
        tp.load("adamw").code("jax", engine="cupy")


# The stand-in itself, and CuPy where it is installed.


def test_the_stand_in_is_as_strict_as_cupy() -> None:
    a = place(np.ones(3))
    for wrong in (lambda: np.asarray(a), lambda: a + np.ones(3), lambda: cupy.sqrt(np.ones(3)),
                  lambda: cupy.max(a, initial=0), lambda: np.linalg.norm(a), lambda: a @ np.ones(3),
                  lambda: cupy.where(True, a, a)):
        with pytest.raises((TypeError, AttributeError)):
            wrong()
    assert isinstance(cupy.sum(a), cupy.ndarray)
    assert isinstance(np.sqrt(a), cupy.ndarray)
    with pytest.raises(AssertionError, match="in every call"):
        cupy.fuse(lambda x: x + a)


@pytest.mark.parametrize("function", [
    lambda x: x if x > 0 else -x, lambda x: cupy.sum(x), lambda x: x.shape, lambda x: 2**x, abs,
    lambda x: cupy.zeros_like(x), lambda x: x + np.ones(3)])
def test_what_cannot_be_fused(function: Any) -> None:
    with pytest.raises((TypeError, AttributeError)):
        cupy.fuse(function)(place(np.ones(3)))


@pytest.mark.skipif(not REAL, reason="cupy is not installed")
def test_what_the_stand_in_has_is_in_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cupy")
    real = importlib.import_module("cupy")
    for ours, theirs in ((cupy, real), (cupy.linalg, real.linalg), (cupy.ndarray, real.ndarray)):
        missing = [n for n in vars(ours) if not n.startswith("_") and not hasattr(theirs, n)]
        assert set(missing) <= {"on_device"}


@pytest.mark.skipif(not REAL, reason="cupy is not installed")
@pytest.mark.parametrize("name", ["adamw", "lamb", "dog", "adafactor", "muon"])
def test_on_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cupy")
    real = importlib.import_module("cupy")
    if not real.is_available():
        pytest.skip("there is no GPU")
    module = load(tp.load(name).code("numpy", engine="cupy"), "on_a_gpu")
    rng = np.random.default_rng(4)
    values, grads = ({n: rng.normal(size=(3, 4)) for n in "xy"} for _ in "xg")
    ours, theirs = {n: real.array(v) for n, v in values.items()}, dict(values)
    other = tp.load(name).to_numpy()
    states = module.init(ours), other.init(theirs)
    for _ in range(3):
        module.step(ours, {n: real.array(v) for n, v in grads.items()}, states[0])
        other.step(theirs, grads, states[1])
    compare([{n: v.get() for n, v in ours.items()}], [theirs], 1e-10)
