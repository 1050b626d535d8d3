"""How a NumPy program shares its work: threads, small tensors together, what a state remembers."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest

from tests.numpy_specs import ADAMW, ALL, CLIPPED, LAMB, NOISY, module


def run(code: Any, shapes: list[tuple[int, ...]], steps: int = 3, **more: Any) -> list[Any]:
    """Some steps on float64 tensors of these shapes; where they end."""
    rng = np.random.default_rng(0)
    params = [rng.normal(size=shape) for shape in shapes]
    state = code.init(params)
    for _ in range(steps):
        code.step(params, [rng.normal(size=x.shape) for x in params], state, value=1.0, **more)
    return params


@pytest.mark.parametrize("name", ["AdamW", "Clipped", "LAMB", "Late", "Noisy", "AggMo"])
def test_the_number_of_threads_changes_nothing(name: str) -> None:
    code = module(ALL[name])
    shapes = [(300_001,), (7, 11), (50, 60), ()]
    one, *others = (run(code, shapes, threads=n) for n in (1, 2, 5))
    for other in others:
        assert all(map(np.array_equal, one, other))


def test_threads_share_large_tensors_and_not_the_gathering_of_small_ones(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    code, asked = module(ADAMW), []
    pool = code._pool
    monkeypatch.setattr(code, "_pool", lambda *given: asked.append(given) or pool(*given))
    run(code, [(500,)]*400, threads=2)
    assert not asked
    run(code, [(2_000_000,), *[(500,)]*3], steps=1, threads=2)
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["AdamW", "AggMo", "Rprop"])
def test_gathered_tensors_are_as_if_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = module(ALL[name])
    shapes = [(k % 7, 3) for k in range(100)] + [(20_000,)]
    together = run(code, shapes)
    monkeypatch.setattr(code, "SMALL", 0)
    alone = run(code, shapes)
    monkeypatch.setattr(code, "SMALL", 8192)
    monkeypatch.setattr(code, "BLOCK", 6*8*50)  # some fifty entries
    few = run(code, shapes)
    for one, two, three in zip(alone, together, few, strict=True):
        np.testing.assert_array_equal(two, one)
        np.testing.assert_array_equal(three, one)


def test_a_norm_over_gathered_tensors() -> None:
    code = module(CLIPPED)
    params = {n: np.zeros(3) for n in "abc"}
    grads = {n: np.full(3, k + 1.0) for k, n in enumerate("abc")}
    code.step(params, grads, code.init(params), lr=1, c=1)
    np.testing.assert_allclose(params["c"], -3/np.sqrt(3*(1 + 4 + 9)))


def test_few_python_steps_for_many_small_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    code = module(ADAMW)
    calls = 0
    kernel = code._update

    def counted(*given: Any) -> None:
        nonlocal calls
        calls += 1
        kernel(*given)

    monkeypatch.setattr(code, "_update", counted)
    run(code, [(10, 10)]*1000, steps=1)
    assert calls <= 100_000*8*6//code.BLOCK + 2


def test_nothing_is_allocated_after_the_first_step() -> None:
    code = module(ADAMW)
    params = [np.ones(1000, np.float32) for _ in range(200)] + [np.ones(500_000, np.float32)]
    grads = [x.copy() for x in params]
    state = code.init(params)
    code.step(params, grads, state, threads=1)
    tracemalloc.start()
    code.step(params, grads, state, threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000  # the dicts and views of 201 tensors


def test_a_step_sees_what_is_new_since_the_last_one() -> None:
    code = module(ADAMW)
    one, two = {"a": np.ones(3), "b": np.ones(2)}, {"a": np.ones(3), "b": np.ones(2)}
    grads = {"a": np.ones(3), "b": np.ones(2)}
    state = code.init(one)
    code.step(one, grads, state)
    code.step(two, grads, state)  # other parameters
    assert (two["a"] < 1).all()
    state["m"] = {"a": np.zeros(3), "b": np.zeros(2)}
    code.step(two, {"b": np.ones(2), "a": np.zeros(3)}, state)
    assert not state["m"]["a"].any()
    np.testing.assert_allclose(state["m"]["b"], 0.1)
    one["c"] = np.ones(1)
    with pytest.raises(ValueError, match="grads is unlike params"):
        code.step(one, grads, state)
    with pytest.raises(ValueError, match="grads is unlike params"):
        code.step(two, [np.ones(3), np.ones(2)], state)
    with pytest.raises(ValueError, match=r"shape \(3,\), its gradient \(4,\)"):
        code.step(two, {"a": np.ones(4), "b": np.ones(2)}, state)
    before = two["a"].copy()
    code.step(two, {"a": None, "b": np.ones(2)}, state)
    assert np.array_equal(two["a"], before)
    wide = np.ones((3, 2))[:, 0]  # strided
    code.step(two, {"a": wide, "b": np.ones(2, np.float32)}, state)
    assert (two["a"] < before).all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copied_state_is_a_plain_dict_that_works(copied: Any) -> None:
    code = module(LAMB)
    x, g = np.ones(4), np.full(4, 0.5)
    state = code.init(x)
    code.step(x, g, state)
    y, other = x.copy(), copied(state)
    assert type(other) is dict
    code.step(x, g, state)
    code.step(y, g, other)
    assert np.array_equal(x, y)


def test_draws_of_a_tensor_do_not_depend_on_its_neighbours() -> None:
    code = module(NOISY)
    start = np.zeros(5)
    alone, first = start.copy(), start.copy()
    code.step([alone], [start], code.init([alone], seed=1), seed=1)
    code.step([first, np.zeros(9)], [start, np.ones(9)], code.init([first, np.zeros(9)], seed=1),
              seed=1)
    assert np.array_equal(alone, first)
