"""The NumPy backend: what its text says, that it means what the interpreter says, and that it works
in place, block by block, on every kind of array."""

from __future__ import annotations

import tracemalloc
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings

from tests.random_specs import specs
from thetaprime import interpret
from thetaprime.backends.module import load
from thetaprime.backends.to_numpy import emit
from thetaprime.pipeline import compile_text

ADAMW = """
optimizer AdamW
  "Adam with decoupled weight decay."
  cite "arXiv:1711.05101, algorithm 2"
  hyper lr = 1e-3 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in [0, 1)
  hyper eps = 1e-8 in (0, inf)
  hyper wd = 1e-2 in [0, inf)
  state m = 0
  state v = 0
  m' = b1*m + (1 - b1)*g
  v' = b2*v + (1 - b2)*g^2
  mhat = m' / (1 - b1^t)
  vhat = v' / (1 - b2^t)
  x' = x - lr*(mhat/(sqrt(vhat) + eps) + wd*x)
"""
SGD = """
optimizer SGD
  hyper lr in (0, inf)
  hyper mu = 0.9 in [0, 1)
  state m = first g
  m' = mu*m + g
  x' = x - lr*m'
"""
CLIPPED = """
optimizer Clipped
  hyper lr = 0.1 in (0, inf)
  hyper c = 1 in (0, inf)
  x' = x - lr*(if norm(g over model) > c then c*g/norm(g over model) else g)
"""
LAMB = """
optimizer LAMB
  hyper lr = 1e-2 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in [0, 1)
  hyper eps = 1e-6 in (0, inf)
  hyper wd = 1e-2 in [0, inf)
  state m = 0
  state v = 0
  m' = ema(m, g, b1)
  v' = ema(v, g^2, b2)
  u = debias(m', b1)/(sqrt(debias(v', b2)) + eps) + wd*x
  nx = norm(x over tensor)
  nu = norm(u over tensor)
  q = if nx > 0 and nu > 0 then nx/nu else 1
  x' = x - lr*q*u
"""
DADAPT = """
optimizer DAdaptAdam
  hyper lr = 1 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in (0, 1)
  hyper eps = 1e-8 in (0, inf)
  hyper d0 = 1e-3 in (0, inf)
  state m = 0
  state v = 0
  state s = 0
  state d : scalar = d0
  state nw : scalar = 0
  sb = sqrt(b2)
  m' = b1*m + (1 - b1)*d*lr*g
  v' = b2*v + (1 - b2)*g^2
  s' = sb*s + (1 - sb)*d*lr*g
  nw' = sb*nw + (1 - sb)*d*lr*dot(g, s/(sqrt(v) + eps) over model)
  d' = max(d, nw'/((1 - sb)*norm1(s' over model)) default d)
  x' = x - m'/(sqrt(v') + eps)
"""
AGGMO = """
optimizer AggMo
  axis lanes
  hyper lr = 0.1 in (0, inf)
  hyper b : lanes = [0, 0.9, 0.99] in [0, 1)
  state v : per entry[lanes] = 0
  state h : per tensor[lanes] = b
  v' = b*v + g
  h' = h + b*max(abs(v) over tensor)
  x' = x - lr*mean(v' over lanes) + 1e-3*sum(h' over lanes)
"""
RPROP = """
optimizer Rprop
  hyper lr = 0.01 in (0, inf)
  hyper em = 0.5, ep = 1.2 in (0, inf)
  state gp = 0
  state s = lr
  c = g*gp
  s' = clip(s*(if c > 0 then ep else if c < 0 then em else 1), 1e-6, 50)
  gz = if c < 0 then 0 else g
  gp' = gz
  x' = x - s'*sign(gz)
"""
HEAVY = """
optimizer Heavy
  hyper lr = 0.1 in (0, inf)
  hyper mu = 0.9 in [0, 1)
  state xp = x
  state best : scalar = inf
  xp' = x
  best' = min(best, loss)
  x' = x - lr*g*min(1, best') + mu*(x - xp)
"""
SYNC = """
optimizer Sync
  hyper lr = 0.1 in (0, inf)
  hyper k : int = 3 in [1, inf)
  hyper a = 0.5, c = sqrt(a) in (0, 1]
  const x0 = x
  state slow = x
  state n : per tensor = 1
  n' = n + size(g over tensor)/size(g over model)
  y = x - lr*g/norm(x0 - 2 over model)*n'
  every k from k:
    slow' = slow + a*(y - slow)
    x' = slow'*c + y*(1 - c)
  else:
    x' = y
  eval (x + slow)/2
"""
LATE = """
optimizer Late
  hyper lr = 0.1 in (0, inf)
  state m = 0
  state w = 0
  m' = 0.9*m + g
  w' = w + m/(1 + norm(m' over model)) + norm(x over tensor)
  x' = x - lr*m'*max(abs(w' - m) over model)
"""
NOISY = """
optimizer Noisy
  hyper lr = 0.1 in (0, inf)
  hyper sd = 0.01 in [0, inf)
  state r ~ normal(0, 1)
  z ~ normal(0.5, sd)
  w ~ rademacher()
  u ~ uniform(0.5, 1.5) : scalar
  q ~ normal(0, 1) : per tensor
  k ~ bernoulli(0.5)
  r' = 0.9*r + z
  x' = x - lr*u*(g + r' + 0.1*w*k + 0.1*q)
"""
ALL = {"AdamW": ADAMW, "SGD": SGD, "Clipped": CLIPPED, "LAMB": LAMB, "DAdaptAdam": DADAPT,
       "AggMo": AGGMO, "Rprop": RPROP, "Heavy": HEAVY, "Sync": SYNC, "Late": LATE, "Noisy": NOISY}
SHAPES = ((), (3,), (2, 3), (2, 1, 2), (1, 2, 2, 2))


class Pair(NamedTuple):
    first: Any
    second: Any


def module(text: str, name: str = "numpy_test") -> Any:
    return load(emit(compile_text(text)), name)


def tree(leaves: list[Any]) -> Any:
    """Five leaves as a dict, a list, a NamedTuple and a tuple, in the order of a walk."""
    a, b, c, d, e = leaves
    return {"a": [a, (b,)], "b": Pair(c, {"w": d}), "c": e}


def untree(nested: Any) -> list[Any]:
    (a, (b,)), pair, e = nested["a"], nested["b"], nested["c"]
    return [a, b, pair.first, pair.second["w"], e]


def close(a: Any, b: Any, tolerance: float) -> bool:
    scale = max(1e-3, float(np.max(np.abs(b), initial=0)))
    return bool(np.shape(a) == np.shape(b)
                and np.max(np.abs(np.subtract(a, b)), initial=0) <= tolerance*scale)


def compare(text: str, steps: int, tolerance: float, **hypers: Any) -> None:
    """Runs the generated code beside the interpreter and compares parameters and states."""
    step = compile_text(text)
    code = load(emit(step), "compared")
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
    assert "def step(params, grads, state, *, value=None, lr=1e-3," in text
    assert "import thetaprime" not in text
    assert "from thetaprime" not in text
    assert all(len(line) <= 100 for line in lines)


def test_a_sweep_less_when_nothing_waits_for_the_reduction() -> None:
    text = emit(compile_text(DADAPT))
    assert text.count("_sweep(") == 2  # in step and where it is defined
    assert emit(compile_text(CLIPPED)).count("_sweep(") == 3


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


def test_results_do_not_depend_on_threads_or_blocks() -> None:
    rng = np.random.default_rng(6)
    start, grad = rng.normal(size=(2, 300_001))
    found = []
    for threads, block in ((1, 1 << 20), (2, 1 << 20), (2, 1 << 14)):
        code = module(NOISY)
        code.THREADS, code.BLOCK = threads, block
        x = start.copy()
        state = code.init(x, seed=3)
        code.step(x, grad, state, seed=3)
        found.append(x)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


@pytest.mark.parametrize("name", ["AdamW", "LAMB", "Sync", "Rprop"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_nothing_of_the_size_of_a_parameter_is_allocated(name: str, order: Any) -> None:
    code = module(ALL[name])
    code.THREADS = 1
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
    params = {"a": np.ones(3), "b": np.ones(2), "c": None}
    code.step(params, {"a": np.full(3, 2.0), "b": None, "c": None}, code.init(params), c=100)
    np.testing.assert_allclose(params["a"], 0.8)
    assert np.array_equal(params["b"], np.ones(2))


def test_schedules_and_computed_defaults() -> None:
    code = module(SGD)
    x, seen = np.zeros(2), []
    state = code.init(x)
    for _ in range(3):
        code.step(x, np.ones(2), state, lr=lambda n: seen.append(n) or 10.0**-n, mu=0)
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


def test_the_branch_not_taken_has_no_effect() -> None:
    code = module("""
optimizer Guarded
  hyper lr = 1 in (0, inf)
  x' = x - lr*(if g > 0 then ln(g) else if t > 5 then 1/(t - t) else g)
""")
    x = np.zeros(3)
    code.step(x, np.array([1.0, -1.0, 0.0]), code.init(x))
    assert np.array_equal(x, [0, 1, 0])


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


def test_draws_depend_on_the_seed_and_the_step() -> None:
    code = module(NOISY)
    x, y = np.zeros(4), np.zeros(4)
    one, two = code.init(x, seed=1), code.init(y, seed=2)
    assert not np.array_equal(one["r"], two["r"])
    first = one["r"].copy()
    code.step(x, np.zeros(4), one, seed=1)
    assert not np.allclose(one["r"], 0.9*first)


def test_state_can_be_saved_and_loaded(tmp_path: Any) -> None:
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
