"""The NumPy program with compiled loops means what the interpreter says, on every kind of array."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import thetaprime as tp
from tests.numpy_specs import ALL, CLIPPED, NOISY, close, module
from tests.test_backends import CASES, follows
from tests.test_to_numpy import compare
from thetaprime.arguments import CallError

pytest.importorskip("numba", reason="numba is not installed")

FOLDER = Path(__file__).parent / "golden"
# A first value, reductions over tensors and the model, lanes, a choice by a number, a draw.
SHORT = ("AdamW", "SGD", "LAMB", "DAdaptAdam", "AggMo", "Rprop", "Sync", "Late", "Noisy")


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_compiled_text(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(FOLDER / f"{name}.numba.txt", tp.load(name).code("numpy", engine="numba"))


def test_the_loop_in_the_docs_is_the_one_that_is_made() -> None:
    page = (FOLDER.parents[1] / "docs" / "numpy.md").read_text("utf-8")
    loop = page.partition("```python\n")[2].partition("```")[0]
    assert loop in tp.load("adamw").code("numpy", engine="numba")


@pytest.mark.parametrize("name", SHORT)
def test_agrees_with_the_interpreter(name: str) -> None:
    compare(ALL[name], 20, 1e-13, engine="numba", **({"lr": 0.01} if name == "SGD" else {}))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "choice"), CASES)
def test_every_shipped_spec_follows_the_interpreter(name: str, choice: dict[str, str]) -> None:
    follows(name, choice, engine="numba")


@pytest.mark.parametrize("name", ["AdamW", "LAMB", "AggMo"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.complex64])
def test_the_same_as_numpy_to_rounding(name: str, dtype: Any) -> None:
    one, two = module(ALL[name]), module(ALL[name], engine="numba")
    rng = np.random.default_rng(3)
    base = rng.normal(size=(40, 60)).astype(dtype)
    params = {"plain": base[:, :30].copy(), "strided": base[:, ::2].copy().T, "one": base[0, :1],
              "empty": base[:0].copy()}
    others = {name: np.array(x) for name, x in params.items()}
    states = one.init(params), two.init(others)
    for _ in range(5):
        grads = {n: rng.normal(size=x.shape).astype(dtype) for n, x in params.items()}
        one.step(params, grads, states[0])
        two.step(others, grads, states[1])
    wide = np.complex128 if np.dtype(dtype).kind == "c" else np.float64
    digits = float(ml_dtypes.finfo(dtype).eps) if wide is np.float64 else 1.2e-7
    for key, x in params.items():
        assert others[key].dtype == dtype
        assert close(others[key].astype(wide), x.astype(wide), 8*digits)


def test_numbers_of_a_float32_loop_are_float32() -> None:
    """A literal of Python's would make a loop compute in float64, and at half the speed."""
    code = module("""
optimizer Halved
  hyper lr = 0.1 in (0, inf)
  x' = x - lr*(if g > 0.5 then 0.5 else min(g, 0.25) + 3^g)
""", engine="numba")
    x = np.ones(3, np.float32)
    code.step(x, x.copy(), code.init(x))
    (text,) = code._update.inspect_llvm().values()
    arithmetic = [line for line in text.splitlines()
                  if re.search(r" (fadd|fsub|fmul|fdiv|fcmp) |@llvm.pow", line)]
    assert arithmetic
    assert not [line for line in arithmetic if "double" in line]


def test_sums_of_float32_are_accurate() -> None:
    code = module(CLIPPED, engine="numba")
    rng = np.random.default_rng(5)
    g = rng.lognormal(0, 2, size=3_000_001).astype(np.float32)
    x = np.zeros_like(g)
    code.step(x, g, code.init(x), lr=1, c=1)
    np.testing.assert_allclose(-x, g/np.sqrt(np.sum(g.astype(np.float64)**2)), rtol=3e-7)


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    code = module(CLIPPED, engine="numba")
    start, g = np.random.default_rng(6).normal(size=(2, 2_000_003)).astype(np.float32)
    found = []
    for threads in (1, 2, 5):
        x = start.copy()
        code.step(x, g, code.init(x), threads=threads)
        found.append(x)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_what_numba_cannot_do_is_the_numpy_program() -> None:
    for optimizer in (tp.loads(NOISY), tp.load("muon")):
        assert optimizer.code("numpy", engine="numba") == optimizer.code("numpy")


def test_without_numba_a_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thetaprime.engines.find_spec", lambda name: None)
    with pytest.raises(CallError, match=r"needs numba.*thetaprime\[numba\]"):
        tp.load("adamw").to_numpy(engine="numba")
    with pytest.raises(CallError, match="there is no engine `fortran`"):
        tp.load("adamw").code("numpy", engine="fortran")  # type: ignore[arg-type]
    with pytest.raises(CallError, match="a jax program has no engine"):
        tp.load("adamw").code("jax", engine="numba")


@pytest.mark.parametrize("threads", [0, -2, "two", 1.5, True])
def test_what_is_no_number_of_threads_is_told(threads: Any) -> None:
    with pytest.raises(CallError, match="`threads` is a whole number from 1 on, not"):
        tp.load("adamw").to_numpy(threads=threads)


def test_a_program_takes_its_number_of_threads() -> None:
    x = np.ones((5, 3))
    for name in ("adamw", "muon"):
        program = tp.load(name).to_numpy(threads=1)
        assert program.step(x, x.copy(), program.init(x))["t"] == 1
