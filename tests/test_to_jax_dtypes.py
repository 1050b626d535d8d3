"""Half, single, double and complex tensors in generated JAX code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.jax_helpers import LOSS, close, forms, transformation
from tests.jax_specs import CONTRACT


@pytest.fixture
def x64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


DTYPES = ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CONTRACT)
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
