"""Other people's optimizers, run on a sequence: torch, optax, keras, and programs of ours.

A driver gives the tensors after each step, in float64, whatever dtype it ran in.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Literal
from unittest import mock

import numpy as np

from thetaprime.audit.sequences import Sequence, Tree

Kind = Literal["torch", "optax", "keras"]
Dtype = Literal["float64", "float32", "bfloat16", "float16"]
Make = Callable[..., Any]
History = list[Tree]


def run(kind: Kind, make: Make, arguments: Mapping[str, Any], rate: str, sequence: Sequence,
        dtype: Dtype = "float64", widened: bool = False) -> History:
    """The tensors after each step. ``rate`` is the argument that is the learning rate, where the
    sequence changes it; ``widened``: what the optimizer computes in bfloat16 it does in float64.
    Raises whatever the optimizer raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        match kind:
            case "torch":
                with _widened() if widened else ExitStack():
                    return _torch(make, arguments, rate, sequence, dtype)
            case "optax":
                return _optax(make, arguments, rate, sequence, dtype)
            case "keras":
                return _keras(make, arguments, rate, sequence, dtype)


def changes(sequence: Sequence) -> bool:
    return any(r != 1 for r in sequence.rates)


def _torch(make: Make, arguments: Mapping[str, Any], rate: str, sequence: Sequence, dtype: Dtype
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
                    group["lr"] = float(arguments[rate])*factor
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


def _optax(make: Make, arguments: Mapping[str, Any], rate: str, sequence: Sequence, dtype: Dtype
           ) -> History:
    import jax
    import jax.numpy as jnp
    import optax

    with jax.enable_x64(dtype == "float64"):
        given = dict(arguments)
        if changes(sequence):
            table = jnp.asarray(sequence.rates)*float(given[rate])
            given[rate] = lambda count: table[jnp.minimum(count, len(sequence.rates) - 1)]
        transform = optax.with_extra_args_support(make(**given))
        # A leaf that is None is none of the tree: so are tensors without gradients left out.
        params = {n: jnp.asarray(x, dtype) if n in sequence.moving else None
                  for n, x in sequence.start.items()}
        state = transform.init(params)
        step = jax.jit(lambda p, g, s, v: transform.update(g, s, p, value=v))
        history = []
        for grads, loss in zip(sequence.gradients, sequence.losses, strict=True):
            given_grads = {n: jnp.asarray(grads[n], dtype) if n in grads else None for n in params}
            updates, state = step(params, given_grads, state, jnp.asarray(loss, dtype))
            params = jax.tree.map(lambda p, u: (p + u).astype(p.dtype), params, updates)
            history.append({n: np.asarray(sequence.start[n] if p is None else p, np.float64)
                            for n, p in params.items()})
    return history


def _keras(make: Make, arguments: Mapping[str, Any], rate: str, sequence: Sequence, dtype: Dtype
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
                    optimizer.learning_rate = float(arguments[rate])*factor
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
    import keras

    return jax, keras
