"""The JAX backend keeps the contract of an optax transformation."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thetaprime as tp
from tests.jax_helpers import (
    LOSS,
    close,
    factory,
    forms,
    random_trees,
    required,
    transformation,
)
from tests.jax_specs import ADAMW, CONTRACT, LAMB, SPECS
from thetaprime.backends.to_jax import emit
from thetaprime.pipeline import compile_text


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


@pytest.mark.parametrize("name", CONTRACT)
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


@pytest.mark.parametrize("name", CONTRACT)
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


@pytest.mark.parametrize("fuse", [None, "flat"])
@pytest.mark.parametrize("whole", ["params", "grads"])
def test_integers_take_no_steps(whole: str, fuse: Any) -> None:
    opt = tp.load("adamw").to_jax(fuse=fuse)
    given = {name: {"a": jnp.ones(3, int if name == whole else float)}
             for name in ("params", "grads")}
    with pytest.raises(ValueError, match="a tensor has dtype int32: no step fits into that"):
        opt.update(given["grads"], opt.init(given["params"]), given["params"])


@pytest.mark.parametrize("fuse", [None, "flat"])
def test_integers_without_a_gradient_are_held(fuse: Any) -> None:
    opt = tp.load("adamw").to_jax(fuse=fuse)
    params = {"a": jnp.ones(3), "table": jnp.arange(4)}
    state = opt.init(params)
    for _ in range(2):
        updates, state = opt.update({"a": jnp.ones(3), "table": None}, state, params)
    assert updates["table"] is None
    assert bool(jnp.all(updates["a"] < 0))


@pytest.mark.parametrize("name", CONTRACT)
def test_trees_without_tensors(name: str) -> None:
    opt = transformation(name)
    for params in ({}, {"a": None}, [optax.MaskedNode()]):
        state = opt.init(params)
        updates, new = opt.update(params, state, params, value=LOSS)
        assert jax.tree.leaves(updates) == []
        assert forms(new) == forms(state)


@pytest.mark.parametrize("name", CONTRACT)
def test_masked(name: str) -> None:
    params = {"a": jnp.ones(3), "b": jnp.full(2, 2.0)}
    opt = optax.masked(transformation(name), {"a": True, "b": False})
    state = opt.init(params)
    updates, _ = jax.jit(opt.update)(params, state, params, value=LOSS)
    close(updates["b"], params["b"], 0)
    alone = {"a": params["a"]}
    bare = transformation(name)
    close(updates["a"], bare.update(alone, bare.init(alone), alone, value=LOSS)[0]["a"], 1e-6)


@pytest.mark.parametrize("name", CONTRACT)
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


@pytest.mark.parametrize("name", CONTRACT)
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
