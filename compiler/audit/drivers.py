"""Other people's optimizers, run on a sequence: torch, optax, keras, and programs of ours.

A driver gives the tensors after each step, in float64, whatever dtype it ran in.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from typing import Any, Literal
from unittest import mock

import numpy as np

from thetaprime.audit.sequences import Sequence, Tree

Kind = Literal["torch", "optax", "keras"]
Dtype = Literal["float64", "float32", "bfloat16", "float16"]
Make = Callable[..., Any]
Rate = tuple[str, float | None]
History = list[Tree]


Run = Callable[[Sequence], History]


def runner(kind: Kind, make: Make, arguments: Mapping[str, Any], rate: Rate,
           dtype: Dtype = "float64", widened: bool = False) -> Run:
    """What gives the tensors after each step of a sequence. ``rate`` is the argument that is the
    learning rate, and its value, which a sequence may change; ``widened``: what the optimizer
    computes in bfloat16 it does in float64. A run raises whatever the optimizer raises."""
    match kind:
        case "torch":
            one = partial(_torch, make, arguments, rate, dtype)
        case "optax":
            one = partial(_optax, make, arguments, rate, dtype, {})
        case "keras":
            one = partial(_keras, make, arguments, rate, dtype)

    def run(sequence: Sequence) -> History:
        with warnings.catch_warnings(), _widened() if widened else ExitStack():
            warnings.simplefilter("ignore")
            return one(sequence)

    return run


def changes(sequence: Sequence) -> bool:
    """Whether the learning rate changes."""
    return any(r != 1 for r in sequence.rates)


def _rate(rate: Rate) -> float:
    assert rate[1] is not None, "no learning rate to change"
    return rate[1]


def _torch(make: Make, arguments: Mapping[str, Any], rate: Rate, dtype: Dtype, sequence: Sequence
           ) -> History:
    import torch

    kind = getattr(torch, dtype)
    before = torch.get_default_dtype()
    # What an optimizer keeps beside its tensors takes the default type.
    torch.set_default_dtype(torch.float64 if dtype == "float64" else torch.float32)
    try:
        params = {n: torch.nn.Parameter(torch.tensor(x, dtype=kind))
                  for n, x in sequence.start.items()}
        optimizer = make(list(params.values()), **arguments)
        if hasattr(optimizer, "train"):
            optimizer.train()
        history = []
        for grads, factor in zip(sequence.gradients, sequence.rates, strict=True):
            for name, grad in grads.items():
                params[name].grad = torch.tensor(grad, dtype=kind)
            if changes(sequence):
                for group in optimizer.param_groups:
                    group["lr"] = _rate(rate)*factor
            optimizer.step()
            history.append({n: p.detach().to(torch.float64).numpy().copy()
                            for n, p in params.items()})
    finally:
        torch.set_default_dtype(before)
    return history


@contextmanager
def _widened() -> Iterator[None]:
    """Casts to float32 and bfloat16 are to float64 instead."""
    import torch

    def cast(tensor: Any) -> Any:
        return tensor.to(dtype=torch.float64, copy=True)

    with ExitStack() as stack:
        for name in ("float", "bfloat16"):
            stack.enter_context(mock.patch.object(torch.Tensor, name, cast))
        for name in ("float32", "bfloat16"):
            stack.enter_context(mock.patch.object(torch, name, torch.float64))
        yield


def _optax(make: Make, arguments: Mapping[str, Any], rate: Rate, dtype: Dtype,
           made: dict[tuple[float, ...], tuple[Any, Any]], sequence: Sequence) -> History:
    """``made`` keeps what was compiled for other sequences with the same learning rates."""
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(dtype == "float64"):
        if sequence.rates not in made:
            made[sequence.rates] = _transform(make, arguments, rate, sequence)
        transform, step = made[sequence.rates]
        # A leaf that is None is none of the tree: so are tensors without gradients left out.
        params = {n: jnp.asarray(x, dtype) if n in sequence.moving else None
                  for n, x in sequence.start.items()}
        state = transform.init(params)
        history = []
        for grads, loss in zip(sequence.gradients, sequence.losses, strict=True):
            given_grads = {n: jnp.asarray(grads[n], dtype) if n in grads else None for n in params}
            updates, state = step(params, given_grads, state, jnp.asarray(loss, dtype))
            params = jax.tree.map(lambda p, u: (p + u).astype(p.dtype), params, updates)
            history.append({n: np.asarray(sequence.start[n] if p is None else p, np.float64)
                            for n, p in params.items()})
    return history


def _transform(make: Make, arguments: Mapping[str, Any], rate: Rate, sequence: Sequence
               ) -> tuple[Any, Any]:
    """The transformation, and its update, compiled."""
    import jax
    import jax.numpy as jnp
    import optax

    given = dict(arguments)
    if changes(sequence):
        table = jnp.asarray(sequence.rates)*_rate(rate)
        given[rate[0]] = lambda count: table[jnp.minimum(count, len(sequence.rates) - 1)]
    transform = optax.with_extra_args_support(make(**given))
    return transform, jax.jit(lambda p, g, s, v: transform.update(g, s, p, value=v))


def _keras(make: Make, arguments: Mapping[str, Any], rate: Rate, dtype: Dtype, sequence: Sequence
           ) -> History:
    jax, keras = keras_on_jax()
    before = keras.config.floatx()
    with jax.enable_x64(dtype == "float64"):
        try:
            keras.config.set_floatx(dtype)
            variables = {n: keras.Variable(x, dtype=dtype) for n, x in sequence.start.items()}
            optimizer = make(**arguments)
            optimizer.build(list(variables.values()))
            history = []
            for grads, factor in zip(sequence.gradients, sequence.rates, strict=True):
                if changes(sequence):
                    optimizer.learning_rate = _rate(rate)*factor
                optimizer.apply([
                    keras.ops.convert_to_tensor(grads[n], dtype=dtype) if n in grads else None
                    for n in variables])
                history.append({n: np.asarray(v.value, np.float64) for n, v in variables.items()})
        finally:
            keras.config.set_floatx(before)
    return history


def keras_on_jax() -> tuple[Any, Any]:
    """jax, and keras on it: keras reads its backend when it is first imported."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import jax

    # keras has no types: it is imported by name.
    keras = import_module("keras")
    return jax, keras
