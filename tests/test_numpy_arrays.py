"""The NumPy backend on every kind of array: layouts, dtypes, empty and missing ones; and what it
says of those that it cannot take."""

from __future__ import annotations

import tracemalloc
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.numpy_specs import ADAMW, ALL, CLIPPED, HEAVY, LAMB, NOISY, close, module


@pytest.mark.parametrize("name", ["AdamW", "LAMB", "Noisy", "Late"])
@pytest.mark.parametrize("layout", ["strided", "fortran", "reversed", "transposed"])
def test_other_layouts_in_place(name: str, layout: str) -> None:
    code = module(ALL[name])
    rng = np.random.default_rng(2)
    start, grad = rng.normal(size=(600, 500)), rng.normal(size=(600, 500))
    base = np.zeros((1200, 1500))
    x = {"strided": base[::2, ::3], "fortran": np.zeros((600, 500), order="F"),
         "reversed": base[600:0:-1, 500:0:-1], "transposed": base[:500, :600].T}[layout]
    x[...] = start
    plain = start.copy()
    one, two = code.init(x), code.init(plain)
    g = np.asfortranarray(grad)
    g.flags.writeable = False
    for _ in range(2):
        code.step(x, g, one)
        code.step(plain, grad, two)
    np.testing.assert_allclose(x, plain, rtol=1e-13, atol=1e-15)
    if layout == "strided":
        assert not base[1::2].any()
        assert not base[:, 1::3].any()


@pytest.mark.parametrize(("name", "dtype", "tolerance"), [
    ("AdamW", np.float32, 1e-6), ("AdamW", np.float16, 2e-3), ("AdamW", ml_dtypes.bfloat16, 2e-2),
    ("LAMB", np.float32, 1e-6), ("LAMB", ml_dtypes.bfloat16, 5e-2), ("AggMo", np.float32, 1e-6),
    ("AggMo", np.float16, 2e-3), ("AggMo", ml_dtypes.bfloat16, 2e-2)])
def test_narrow_dtypes(name: str, dtype: Any, tolerance: float) -> None:
    code = module(ALL[name])
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 30)).astype(dtype)
    y = x.astype(np.float64)
    grads = [rng.normal(size=x.shape).astype(dtype) for _ in range(5)]
    one, two = code.init(x), code.init(y)
    entry = next(n for n in ("m", "v") if n in one)
    for g in grads:
        code.step(x, g, one)
        code.step(y, g.astype(np.float64), two)
    assert x.dtype == dtype
    assert one[entry].dtype == dtype
    assert close(x.astype(np.float64), y, tolerance)


def test_float16_and_gradients_of_another_dtype_are_computed_in_float32() -> None:
    code = module(ADAMW)
    x = np.ones(5, np.float16)
    code.step(x, np.full(5, 1e-5), code.init(x))  # 1e-10 is no float16, and 1e-8 neither
    assert x[0] == np.float16(1 - 1e-3*(1/(1 + 1e-3) + 1e-2))


def test_complex_leaves_are_pairs() -> None:
    code = module(LAMB)
    rng = np.random.default_rng(4)
    pairs, grads = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 4, 2))
    base = np.zeros((3, 8), complex)
    z = base[:, ::2]
    z[...] = pairs[..., 0] + 1j*pairs[..., 1]
    one, two = code.init(z), code.init(pairs)
    assert one["m"].dtype == np.complex128
    for _ in range(3):
        code.step(z, grads[..., 0] + 1j*grads[..., 1], one)
        code.step(pairs, grads, two)
    np.testing.assert_allclose(np.stack([z.real, z.imag], -1), pairs, rtol=1e-14)
    assert not base[:, 1::2].any()


def test_reductions_of_float32_are_accurate_and_blocks_join() -> None:
    code = module(CLIPPED)
    rng = np.random.default_rng(5)
    g = rng.lognormal(0, 2, size=3_000_001).astype(np.float32)
    x = np.zeros_like(g)
    code.step(x, g, code.init(x), lr=1, c=1)
    exact = g/np.sqrt(np.sum(g.astype(np.float64)**2))
    np.testing.assert_allclose(-x, exact, rtol=1e-6)


def test_results_do_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    start, grad = rng.normal(size=(2, 3_001))
    found = []
    for block in (1 << 20, 1 << 12, 100):
        code = module(NOISY)
        monkeypatch.setattr(code, "BLOCK", block)
        x = start.copy()
        state = code.init(x, seed=3)
        code.step(x, grad, state, seed=3)
        found.append(x)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


@pytest.mark.parametrize("name", ["AdamW", "LAMB", "Sync", "Rprop"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_nothing_of_the_size_of_a_parameter_is_allocated(
    name: str, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thread has scratch of the size of a block."""
    code = module(ALL[name])
    monkeypatch.setattr(code, "BLOCK", 1 << 19)
    monkeypatch.setattr(code, "THREADS", 2)
    x = np.ones((2000, 2000), np.float32, order)
    g = np.ones((2000, 2000), np.float32)
    state = code.init(x)
    code.step(x, g, state)
    tracemalloc.start()
    code.step(x, g, state)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


def test_empty_and_scalar_arrays() -> None:
    code = module(LAMB)
    params = {"none": np.zeros((0, 3)), "one": np.array(2.0)}
    state = code.init(params)
    code.step(params, {"none": np.zeros((0, 3)), "one": 0.5}, state)
    assert params["one"] < 2
    empty = np.zeros(0)
    state = code.init(empty)
    assert code.step(empty, empty, state)["t"] == 1


def test_a_parameter_without_gradient_holds() -> None:
    code = module(CLIPPED)
    params: dict[str, Any] = {"a": np.ones(3), "b": np.ones(2), "c": None}
    code.step(params, {"a": np.full(3, 2.0), "b": None, "c": None}, code.init(params), c=100)
    np.testing.assert_allclose(params["a"], 0.8)
    assert np.array_equal(params["b"], np.ones(2))


@pytest.mark.parametrize(("params", "grads", "words"), [
    (np.float64(1.0), 1.0, "params cannot be updated in place.*float64"),
    ({"w": [1.0]}, {"w": [1.0]}, r"params\['w'\]\[0\].*float"),
    (np.zeros(2, int), np.zeros(2), "int64, which is not floating"),
    ({"w": np.zeros(2)}, {"w": np.zeros(3)}, r"params\['w'\] has shape \(2,\), its gradient"),
    ({"w": np.zeros(2)}, {"v": np.zeros(2)}, "grads is unlike params"),
    ([np.zeros(2)], {"w": np.zeros(2)}, "grads is unlike params"),
    (np.zeros(2), np.zeros(2, complex), "is real, its gradient complex"),
    (np.broadcast_to(np.zeros(1), (2,)), np.zeros(2), "it is read-only"),
])
def test_wrong_calls_say_what_is_wrong(params: Any, grads: Any, words: str) -> None:
    code = module(ADAMW)
    with pytest.raises(ValueError, match=words):
        code.step(params, grads, code.init(params))


def test_a_wrong_state_and_a_missing_loss() -> None:
    code = module(ADAMW)
    with pytest.raises(ValueError, match=r"state\['m'\] does not fit params"):
        code.step(np.zeros(2), np.zeros(2), code.init(np.zeros(3)))
    heavy = module(HEAVY)
    x = np.zeros(2)
    with pytest.raises(ValueError, match="Heavy reads the loss"):
        heavy.step(x, x, heavy.init(x))
