"""The JAX backend: what its text says, that it means what the interpreter says, and that it keeps
the contract of an optax transformation."""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from thetaprime import interpret
from thetaprime.backends.module import load
from thetaprime.backends.to_jax import emit, factory_name, parameter_names
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
  state m = 0
  m' = mu*m + g
  x' = x - lr*m'
"""
CLIPPED = """
optimizer Clipped
  hyper lr = 0.1 in (0, inf)
  hyper c = 1 in (0, inf)
  s = min(1, c/norm(g over model))
  x' = x - lr*s*g
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
  q = if norm(x over tensor) > 0 then norm(x over tensor)/norm(u over tensor) default 1 else 1
  x' = x - lr*q*u
"""
AGGMO = """
optimizer AggMo
  axis lanes
  hyper lr = 0.1 in (0, inf)
  hyper b : lanes = [0, 0.9, 0.99] in [0, 1)
  state v : per entry[lanes] = 0
  v' = b*v + g
  x' = x - lr*mean(v' over lanes)
"""
DOG = """
optimizer DoG
  hyper reps = 1e-3 in (0, inf)
  hyper lr = 1 in (0, inf)
  const x0 = x
  state r : scalar = reps*(1 + norm(x over model))
  state s : scalar = 0
  r' = max(r, norm(x - x0 over model))
  s' = s + norm(g over model)^2
  x' = x - lr*r'/sqrt(s' + 1e-8)*g
  eval (x + x0)/2
"""
POLYAK = """
optimizer Polyak
  hyper fstar = 0 in (-inf, inf)
  hyper cap = 1 in (0, inf)
  hyper b = 0.5 in [0, 1)
  state m = first g
  m' = b*m + (1 - b)*g
  s = (loss - fstar)/dot(g, g over model) default 0
  x' = x - min(s, cap)*m'
"""
NOISY = """
optimizer Noisy
  hyper lr = 0.1 in (0, inf)
  hyper sd = 0.01 in [0, inf)
  state r ~ normal(0, 1)
  z ~ normal(0, sd)
  w ~ rademacher()
  u ~ uniform(0.5, 1.5) : scalar
  k ~ bernoulli(0.5)
  r' = 0.9*r + z
  x' = x - lr*u*(g + r' + 0.1*w*k)
"""
LOOKAHEAD = """
optimizer Lookahead
  hyper lr = 0.1 in (0, inf)
  hyper k : int = 3 in [1, inf)
  hyper a = 0.5, c = sqrt(a) in (0, 1]
  state slow = x
  y = x - lr*g
  every k from k:
    slow' = slow + a*(y - slow)
    x' = slow'*c + y*(1 - c)
  else:
    x' = y
"""
AXES = """
optimizer Axes
  axis lanes
  axis two
  hyper lr = 0.1 in (0, inf)
  hyper b : lanes = [0, 0.9, 0.99] in [0, 1)
  hyper c : two = [1, 0.5] in [0, 1]
  hyper lambda = 0.5 in [0, 1]
  state v : per entry[two, lanes] = 0
  state w : per tensor[lanes] = b
  state q : scalar[lanes] = b
  state z : per entry[lanes] = x
  v' = b*v + c*g
  w' = w + lambda*norm(g over tensor)*b
  q' = q + 0.1*max(abs(z*b) over model)
  z' = 0.5*z + b
  k = sum(q' over lanes) + sum(sum(v' over tensor) over two, lanes)
  x' = x - lr*(mean(mean(v' over lanes)*c over two) + sum(w'*b over lanes) + 0.01*k)
"""
REDUCTIONS = """
optimizer Reductions
  hyper lr = 0.1 in (0, inf)
  state p : per tensor = 2
  state c : scalar = 0
  p' = 0.5*p + max(abs(g) over tensor) + min(g over tensor) + rms(x over model)
  n = sum(p' over model)/size(p' over model) + size(g over tensor) + size(g over model)
  c' = if all(finite(g) over model) and any(g > 1 over model) then c + 1 else c
  u = n*g + sin(t)*cos(g) + atan2(g, x) + floor(3*g) + round(2*g) + mod(x, 2) + max(g, x, 0) + pi
  w = exp(-abs(g)) + ln(1 + g^2) + tanh(g) - (x - (g - 1))/2 - 2^-1
  x' = if c' > 2 then x else x - lr*(u + w)
"""
TRAINED = """
optimizer ScheduleFree
  hyper lr = 0.1 in (0, inf)
  hyper b = 0.9 in (0, 1)
  state z = x
  train y = (1 - b)*z + b*x
  z' = z - lr*g
  x' = (1 - 1/t)*x + z'/t
  eval x
"""
NAMES = """
optimizer Names
  hyper grads = 0.1, params = 2, leaf = 3, count = 0.5, dtype = 1, max = 1 in (0, inf)
  state state = 0
  state index = first g
  state sum : scalar = 1
  dx = grads*g
  state' = 0.1*state + leaf*dx
  index' = index*count
  sum' = 0.5*sum + norm(state' over model)
  x' = x - params*dx*dtype - 0.01*state' - max*sum'*index'
"""
DEFAULTS = """
optimizer Defaults
  hyper b = c^2 in (0, 1)
  hyper c = 0.5 in (0, 1)
  hyper d = 1/3 in (0, 1)
  hyper n : int = 2 in [1, inf)
  hyper lr = -ln(d)/n in (0, inf)
  hold when norm(g over model) > 4
  state m = d
  m' = b*m + c*g
  x' = x - lr*m'
"""
BLOCK = """
optimizer Block
  hyper lr = 0.1 in (0, inf)
  state m = 0
  state best : scalar = inf
  if loss < best:
    best' = loss
    x' = x - lr*g
    m' = m + g
  else:
    x' = x - 2*lr*m
"""
MOVED = """
optimizer Moved
  hyper lr = 0.1 in (0, inf)
  state s = 0
  state q : per tensor = 1
  x' = x - lr*g
  s' = 0.5*s + x'*norm(x' - x over model)
  q' = q + mean(x' over tensor)
"""
SPECS = {
    "adamw": ADAMW, "sgd": SGD, "clipped": CLIPPED, "lamb": LAMB, "aggmo": AGGMO, "dog": DOG,
    "polyak": POLYAK, "noisy": NOISY, "lookahead": LOOKAHEAD, "axes": AXES,
    "reductions": REDUCTIONS, "trained": TRAINED, "names": NAMES, "defaults": DEFAULTS,
    "block": BLOCK, "moved": MOVED,
}
SHAPES: list[tuple[int, ...]] = [(), (3,), (2, 3), (2, 1, 2)]
LOSS = 2.0


def required(step: Any) -> dict[str, float]:
    return {h.name: 0.1 for h in step.hypers if h.default is None}


def module(text: str) -> ModuleType:
    step = compile_text(text)
    return load(emit(step), factory_name(step.name))


def factory(text: str) -> Any:
    return getattr(module(text), factory_name(compile_text(text).name))


def transformation(name: str, **hypers: Any) -> Any:
    return factory(SPECS[name])(**{**required(compile_text(SPECS[name])), **hypers})


def random_trees(count: int, dtype: Any = np.float64) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(3)
    return [[np.asarray(rng.standard_normal(s), dtype) for s in SHAPES] for _ in range(count)]


def close(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(left), np.asarray(right), tolerance, tolerance)


def forms(tree: Any) -> Any:
    """Structure, shapes, dtypes and weak types of a tree."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(a.shape, a.dtype, getattr(a, "weak_type", False)) for a in leaves]


@pytest.fixture
def x64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


# The text.


@pytest.mark.parametrize("name", SPECS)
def test_text_is_stable_and_short_and_free_of_this_package(name: str) -> None:
    text = emit(compile_text(SPECS[name]))
    assert text == emit(compile_text(SPECS[name]))
    assert "import thetaprime" not in text
    assert "from thetaprime" not in text
    code = text.split("\nfrom collections", 1)[1]  # the docstring holds the spec as it is
    assert max(map(len, code.splitlines())) <= 100
    assert all(line == line.rstrip() for line in text.splitlines())


def test_text_reads_as_written_by_hand() -> None:
    text = emit(compile_text(ADAMW))
    for line in (
        "            m_new = b1 * m + (1 - b1) * g\n",
        "            v_new = b2 * v + (1 - b2) * g**2\n",
        "            mhat = m_new / (1 - b1**t)\n",
        "            dx = -lr * (mhat / (jnp.sqrt(vhat) + eps) + wd * x)\n",
        "            return dx, m_new, v_new\n",
        "    eps: ScalarOrSchedule = 1e-8,\n",
    ):
        assert line in text
    doc = module(ADAMW).__doc__ or ""
    assert "arXiv:1711.05101, algorithm 2" in doc
    assert "    m' = b1*m + (1 - b1)*g" in doc


def test_a_docstring_survives_quotes_and_backslashes() -> None:
    text = SGD.replace("SGD\n", 'SGD\n  note "say \\beta"\n')
    source = compile_text(text + '\n# """ and \\n\n')
    doc = load(emit(source), "quoted").__doc__ or ""
    assert '# """ and \\n' in doc
    assert "say \\beta" in doc


def test_names_of_python_are_escaped() -> None:
    text = SGD.replace("mu", "lambda").replace("m'", "state'").replace("m =", "state =")
    text = text.replace("*m +", "*state +")
    assert parameter_names(compile_text(text)) == {"lr": "lr", "lambda": "lambda_"}
    opt = factory(text)(lr=0.1, lambda_=0.5)
    params = jnp.ones(2)
    updates, state = opt.update(params, opt.init(params))
    close(updates, -0.1 * jnp.ones(2), 1e-6)
    close(state.state_, jnp.ones(2))


def test_works_without_optax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optax", None)
    text = emit(compile_text(SGD))
    opt = load(text, "without_optax").sgd(lr=0.1)
    assert type(opt).__module__.startswith("thetaprime.generated")
    updates, _ = opt.update(jnp.ones(2), opt.init(jnp.ones(2)))
    close(updates, -0.1 * jnp.ones(2), 1e-6)


def test_one_text_is_one_module() -> None:
    text = emit(compile_text(SGD))
    assert load(text, "sgd").SGDState is load(text, "sgd").SGDState
    state = load(text, "sgd").sgd(0.1).init(jnp.ones(2))
    close(pickle.loads(pickle.dumps(state)), state, 0)


# The meaning.


@pytest.mark.parametrize("name", SPECS)
def test_agrees_with_the_interpreter(name: str, x64: None) -> None:
    step = compile_text(SPECS[name])
    given = required(step)
    made = load(emit(step), name)
    opt = getattr(made, factory_name(step.name))(**given)
    start, *grads = random_trees(8)
    params = [jnp.asarray(p) for p in start]
    state, memory, expected = opt.init(params), interpret.start(step, start, given), start
    update = jax.jit(opt.update)
    for g in grads:
        updates, state = update([jnp.asarray(a) for a in g], state, params, value=LOSS)
        params = optax.apply_updates(params, updates)
        expected, memory = interpret.advance(step, memory, expected, g, given, loss=LOSS)
        close(params, expected)
        for s in step.states:
            close(getattr(state, s.name), memory.values[s.name])
    if step.evaluate is not None:
        close(made.evaluate(params, state), interpret.evaluation(step, memory, expected, given))


@pytest.mark.parametrize(("name", "ours", "theirs"), [
    ("adamw", {"lr": 0.1, "wd": 0.1}, lambda: optax.adamw(0.1, weight_decay=0.1)),
    ("sgd", {"lr": 0.1}, lambda: optax.sgd(0.1, momentum=0.9)),
    ("lamb", {"lr": 0.1, "wd": 0.1}, lambda: optax.lamb(0.1, weight_decay=0.1)),
    ("clipped", {}, lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1))),
])
def test_agrees_with_optax(name: str, ours: Any, theirs: Any, x64: None) -> None:
    opt, other = transformation(name, **ours), theirs()
    start, *grads = random_trees(21)
    a = b = [jnp.asarray(p) for p in start]
    state, reference = opt.init(a), other.init(b)
    for i, g in enumerate(grads):
        tree = [jnp.asarray(v) * (0.0 if i == 7 else 1.0) for v in g]
        if name == "clipped" and i == 7:
            continue
        u, state = opt.update(tree, state, a)
        w, reference = other.update(tree, reference, b)
        a, b = optax.apply_updates(a, u), optax.apply_updates(b, w)
        close(a, b)


def test_draws_depend_on_seed_step_name_and_tensor_only() -> None:
    params = [jnp.zeros(1000), jnp.zeros(1000)]
    opt, other = transformation("noisy", sd=1.0), transformation("noisy", seed=1, sd=1.0)
    state = opt.init(params)
    first, after = opt.update(params, state)
    again, _ = jax.jit(opt.update)(params, state)
    close(first, again, 1e-6)
    assert not np.allclose(first[0], first[1])
    assert not np.allclose(first[0], opt.update(params, after)[0][0])
    assert not np.allclose(first[0], other.update(params, state)[0][0])
    noise = np.asarray(jax.tree.leaves(state.r))
    assert abs(noise.mean()) < 0.1
    assert abs(noise.std() - 1) < 0.1


# The contract.


def test_params_are_needed_only_where_the_rule_reads_them() -> None:
    grads = [jnp.ones(2)]
    sgd = transformation("sgd")
    close(sgd.update(grads, sgd.init(grads))[0], [-0.1 * jnp.ones(2)], 1e-6)
    adamw = transformation("adamw")
    with pytest.raises(ValueError, match="adamw needs the parameters"):
        adamw.update(grads, adamw.init(grads))


def test_a_missing_loss_says_so() -> None:
    opt = transformation("polyak")
    params = [jnp.ones(2)]
    with pytest.raises(ValueError, match="value=loss"):
        opt.update(params, opt.init(params), params)


def test_unknown_extra_arguments_are_swallowed() -> None:
    opt = transformation("adamw")
    params = [jnp.ones(2)]
    opt.update(params, opt.init(params), params, value=1.0, something=object())


def test_new_hyperparameters_do_not_recompile() -> None:
    traces = 0
    make = factory(ADAMW)

    @jax.jit
    def step(lr: Any, b1: Any, state: Any, params: Any) -> Any:
        nonlocal traces
        traces += 1
        return make(lr=lr, b1=b1).update(params, state, params)

    params = [jnp.ones(3), jnp.ones((2, 2))]
    state = make().init(params)
    for lr, b1 in ((0.1, 0.9), (0.2, 0.5), (1e-3, 0.0)):
        _, state = step(lr, b1, state, params)
    assert traces == 1


@pytest.mark.parametrize("name", SPECS)
def test_update_traces_once_and_scans(name: str) -> None:
    opt = transformation(name)
    traces = 0

    def body(carry: Any, g: Any) -> Any:
        nonlocal traces
        traces += 1
        params, state = carry
        updates, state = opt.update(g, state, params, value=LOSS)
        return (optax.apply_updates(params, updates), state), None

    start, *grads = random_trees(5, np.float32)
    params = jax.tree.map(jnp.asarray, start)
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *grads)
    scanned, _ = jax.lax.scan(body, (params, opt.init(params)), stacked)
    step = jax.jit(body)
    traces = 0
    carry = (params, opt.init(params))
    for g in grads:
        carry, _ = step(carry, g)
    assert traces == 1
    close(scanned, carry, 1e-5)


def test_vmap_over_a_hyperparameter() -> None:
    make = factory(LAMB)
    params, grads = random_trees(2, np.float32)
    rates = jnp.array([1e-3, 1e-2, 0.1])

    def first(lr: Any) -> Any:
        opt = make(lr=lr)
        return opt.update(grads, opt.init(params), params)[0]

    together = jax.vmap(first)(rates)
    for i, lr in enumerate((1e-3, 1e-2, 0.1)):
        close(jax.tree.map(lambda a, i=i: a[i], together), first(lr), 1e-6)


def test_schedules_are_evaluated_at_the_steps_before() -> None:
    seen = [0.1, 0.01, 0.001]
    opt = transformation(
        "sgd", lr=lambda count: jnp.array(seen)[count], mu=optax.constant_schedule(0))
    params = jnp.ones(2)
    state = opt.init(params)
    for lr in seen:
        updates, state = jax.jit(opt.update)(params, state)
        close(updates, -lr * params, 1e-6)


def test_the_step_count_saturates() -> None:
    opt = transformation("adamw")
    params = jnp.ones(2)
    state = opt.init(params)._replace(count=jnp.asarray(2**31 - 1, jnp.int32))
    _, state = opt.update(params, state, params)
    assert int(state.count) == 2**31 - 1


def test_whole_steps_are_counted_exactly() -> None:
    """float32 cannot tell 2**24 from 2**24 + 1."""
    opt = transformation("lookahead", k=2)
    params = jnp.ones(2)
    for before, fires in ((2**24 - 1, True), (2**24, False)):
        state = opt.init(params)._replace(count=jnp.asarray(before, jnp.int32))
        _, after = opt.update(params, state, params)
        assert bool(jnp.any(after.slow != state.slow)) == fires


DTYPES = ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SPECS)
def test_forms_are_stable(name: str, dtype: str, request: pytest.FixtureRequest) -> None:
    """Shapes, dtypes and weak types of the state survive a step in a branch, and the updates have
    the dtype of the gradients, whatever that of the loss."""
    if dtype in ("float64", "complex128"):
        request.getfixturevalue("x64")
    opt = transformation(name)
    params = {"a": jnp.ones((2, 3), dtype), "b": [jnp.asarray(2, dtype)]}
    grads = jax.tree.map(lambda p: p * 0.5, params)
    state = opt.init(params)

    @jax.jit
    def step(state: Any) -> Any:
        return jax.lax.cond(
            state.count < 5, lambda: opt.update(grads, state, params, value=jnp.float16(1)),
            lambda: (grads, state))

    updates, new = step(state)
    assert forms(updates) == forms(grads)
    assert forms(new) == forms(state)
    if dtype == "bfloat16":
        eager, _ = opt.update(grads, state, params, value=jnp.float16(1))
        close(jax.tree.map(jnp.float32, updates), jax.tree.map(jnp.float32, eager), 1e-2)
    assert all(bool(jnp.all(jnp.isfinite(u))) for u in jax.tree.leaves((updates, new)))


def test_epsilon_does_not_vanish_in_half_precision() -> None:
    opt = transformation("adamw")
    params = jnp.ones(3, jnp.float16)
    updates, _ = opt.update(jnp.zeros_like(params), opt.init(params), params)
    close(updates, jnp.full(3, -1e-5, jnp.float16), 1e-3)


def test_mixed_precision_computes_each_tensor_in_its_own() -> None:
    opt = transformation("adamw")
    params = {"half": jnp.ones(3, jnp.bfloat16), "single": jnp.ones(3)}
    state = opt.init(params)
    updates, state = opt.update(params, state, params)
    assert updates["half"].dtype == state.m["half"].dtype == jnp.bfloat16
    assert updates["single"].dtype == state.m["single"].dtype == jnp.float32


@pytest.mark.parametrize("name", ["adamw", "lamb", "clipped", "aggmo", "dog", "polyak"])
def test_complex_tensors_are_pairs_of_real_ones(name: str, x64: None) -> None:
    opt = transformation(name)
    pairs = [np.random.default_rng(i).standard_normal((2, 3, 2)) for i in range(4)]
    real = [jnp.asarray(p) for p in pairs]
    whole = [jax.lax.complex(p[..., 0], p[..., 1]) for p in real]
    x, z = [real[0]], [whole[0]]
    state, other = opt.init(x), opt.init(z)
    for g, h in zip(real[1:], whole[1:], strict=True):
        u, state = opt.update([g], state, x, value=LOSS)
        w, other = opt.update([h], other, z, value=LOSS)
        x, z = optax.apply_updates(x, u), optax.apply_updates(z, w)
        close([jnp.stack([a.real, a.imag], -1) for a in z], x)


@pytest.mark.parametrize("name", SPECS)
def test_a_missing_gradient_holds_its_tensor(name: str) -> None:
    opt = transformation(name)
    params = {"a": jnp.ones(3), "b": jnp.full(2, 2.0)}
    state = opt.init(params)
    updates, new = opt.update({"a": jnp.ones(3), "b": None}, state, params, value=LOSS)
    assert updates["b"] is None
    assert forms(new) == forms(state)
    for field in new._fields:
        before, after = getattr(state, field), getattr(new, field)
        if isinstance(after, dict):
            close(before["b"], after["b"], 0)
    alone = {"a": params["a"]}
    if name != "dog":  # the reductions of its start run over b too
        expected, _ = opt.update({"a": jnp.ones(3)}, opt.init(alone), alone, value=LOSS)
        close(updates["a"], expected["a"], 1e-6)


@pytest.mark.parametrize("name", SPECS)
def test_trees_without_tensors(name: str) -> None:
    opt = transformation(name)
    for params in ({}, {"a": None}, [optax.MaskedNode()]):
        state = opt.init(params)
        updates, new = opt.update(params, state, params, value=LOSS)
        assert jax.tree.leaves(updates) == []
        assert forms(new) == forms(state)


@pytest.mark.parametrize("name", SPECS)
def test_masked(name: str) -> None:
    params = {"a": jnp.ones(3), "b": jnp.full(2, 2.0)}
    opt = optax.masked(transformation(name), {"a": True, "b": False})
    state = opt.init(params)
    updates, _ = jax.jit(opt.update)(params, state, params, value=LOSS)
    close(updates["b"], params["b"], 0)
    alone = {"a": params["a"]}
    bare = transformation(name)
    close(updates["a"], bare.update(alone, bare.init(alone), alone, value=LOSS)[0]["a"], 1e-6)


@pytest.mark.parametrize("name", SPECS)
def test_map_params_and_eval_shape(name: str) -> None:
    opt = transformation(name)
    params = {"a": jnp.ones((2, 3)), "b": jnp.ones(())}
    state = opt.init(params)
    shapes = jax.eval_shape(opt.init, jax.tree.map(
        lambda p: jax.ShapeDtypeStruct(p.shape, p.dtype), params))
    assert forms(shapes) == forms(state)
    mapped = optax.tree.map_params(opt, lambda p: p + 1, state,
                                   transform_non_params=lambda a: a)
    assert forms(mapped) == forms(state)
    trees = [f for f in state._fields if isinstance(getattr(state, f), dict)]
    for field in trees:
        close(getattr(mapped, field), jax.tree.map(lambda a: a + 1, getattr(state, field)), 0)


@pytest.mark.parametrize("name", SPECS)
def test_inject_hyperparams(name: str) -> None:
    hypers = required(compile_text(SPECS[name]))
    bare = transformation(name)
    injected = optax.inject_hyperparams(factory(SPECS[name]))(**hypers)
    params, grads = random_trees(2, np.float32)
    expected = bare.update(grads, bare.init(params), params, value=LOSS)
    updates, state = jax.jit(injected.update)(grads, injected.init(params), params, value=LOSS)
    close(updates, expected[0], 1e-5)
    close(state.inner_state, expected[1], 1e-5)


def test_the_annotation_of_a_hyperparameter_is_optax_s() -> None:
    parameter = inspect.signature(factory(ADAMW)).parameters["lr"]
    assert parameter.annotation == optax.ScalarOrSchedule


def test_multi_steps_and_chain() -> None:
    opt = optax.MultiSteps(
        optax.chain(optax.clip_by_global_norm(1.0), transformation("lamb")), every_k_schedule=2)
    params = [jnp.ones(3), jnp.ones((2, 2))]
    state = opt.init(params)
    step = jax.jit(opt.update)
    first, state = step(params, state, params)
    second, state = step(params, state, params)
    close(first, jax.tree.map(jnp.zeros_like, params), 0)
    assert all(bool(jnp.all(u != 0)) for u in second)


def test_state_has_buffers_of_its_own() -> None:
    """Parameters and state can be donated together."""
    opt = transformation("dog")
    params = [jnp.ones(3)]

    def step(params: Any, state: Any) -> Any:
        updates, state = opt.update(params, state, params)
        return optax.apply_updates(params, updates), state

    params, state = jax.jit(step, donate_argnums=(0, 1))(params, opt.init(params))
    assert bool(jnp.all(jnp.isfinite(params[0])))
    assert int(state.count) == 1


SHARDED = """
import jax, jax.numpy as jnp, sys
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from thetaprime.backends.module import load
mesh = Mesh(jax.devices(), ("d",))
where = NamedSharding(mesh, PartitionSpec("d"))
params = [jax.device_put(jnp.arange(8.0), where), jax.device_put(jnp.ones((4, 2)), where)]
for name, text in eval(sys.stdin.read()).items():
    opt = getattr(load(text, name), name)()
    state = opt.init(params)
    for update in (opt.update, jax.jit(opt.update)):
        updates, new = update(params, state, params)
        for tree in (state, new, updates):
            for a in jax.tree.leaves(tree):
                if a.ndim:
                    assert a.sharding.is_equivalent_to(where, a.ndim), (name, a.shape, a.sharding)
print("sharded", len(jax.devices()))
"""


def test_state_inherits_the_sharding_of_the_parameters() -> None:
    texts = {name: emit(compile_text(SPECS[name])) for name in ("adamw", "lamb", "dog", "clipped")}
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
                   "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SHARDED], input=repr(texts), text=True,
                          capture_output=True, env=environment, check=False)
    assert done.stdout == "sharded 4\n", done.stderr[-2000:]
