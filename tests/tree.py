"""One tree of tensors, one sequence of gradients, and what every library makes of them.

All run in float64 with the same recorded gradients. Zero gradients are among them: a whole tensor
at some steps (the first too), one tensor always, single entries always.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

import thetaprime as tp
from thetaprime.interpret import advance, evaluation, start

Tree = dict[str, Any]
# What moves a tree of arrays to where a program has its own, or back.
Move = Callable[[Any], Any]


def here(tree: Any) -> Any:
    """Arrays of NumPy stay where they are."""
    return tree


# keras reads its backend when it is first imported.
os.environ.setdefault("KERAS_BACKEND", "jax")

_RANDOM = np.random.default_rng(20240)
# In the order of their names, as backends walk a dict: a draw depends on the tensor's number.
LEAVES: Tree = {
    "cube": _RANDOM.normal(size=(2, 3, 2)),
    "kernel": _RANDOM.normal(size=(2, 1, 3, 2)),
    "matrix": _RANDOM.normal(size=(3, 4)),
    "scalar": np.array(0.7),
    "still": _RANDOM.normal(size=3),
    "vector": _RANDOM.normal(size=5),
}


def gradients(steps: int = 20) -> list[Tree]:
    """The recorded gradients: scales from 1e-3 to 1e1, signs that flip, zeros."""
    random = np.random.default_rng(7)
    found = []
    for k in range(steps):
        scale = 10.0 ** random.uniform(-3, 1)
        grads = {n: np.asarray(scale * random.normal(size=p.shape)) for n, p in LEAVES.items()}
        grads["still"] = np.zeros(3)
        grads["vector"][1] = 0.0
        if k in (0, 3, 4):
            grads["cube"] = np.zeros_like(LEAVES["cube"])
        found.append(grads)
    return found


def load(spec: str | tp.Optimizer) -> tp.Optimizer:
    """A shipped spec by its name, or a spec by its text; one that is loaded stays."""
    if isinstance(spec, tp.Optimizer):
        return spec
    return tp.loads(spec) if "\n" in spec else tp.load(spec)


def run_interpreter(
    spec: str, steps: int = 20, evaluate: bool = False, loss: Any = None, **hypers: Any
) -> list[Tree]:
    """The tensors after each step (or the points to evaluate) by the meaning of the spec."""
    optimizer = load(spec)
    choices, given = optimizer.split(hypers)
    step = optimizer.step(**choices)
    params = list(LEAVES.values())
    memory = start(step, params, given)
    history = []
    for k, grads in enumerate(gradients(steps)):
        value = loss[k] if isinstance(loss, list) else loss
        params, memory = advance(step, memory, params, list(grads.values()), given, value)
        shown = evaluation(step, memory, params, given) if evaluate else params
        history.append(dict(zip(LEAVES, shown, strict=True)))
    return history


def compare(ours: list[Tree], theirs: list[Tree], tol: float = 1e-12) -> None:
    """Every tensor of every step agrees, relative to the larger of 1 and its own size."""
    assert len(ours) == len(theirs)
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        for name, expected in b.items():
            expected = np.asarray(expected)
            scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
            gap = float(np.max(np.abs(np.asarray(a[name]) - expected), initial=0.0))
            assert gap <= tol * scale, f"step {k + 1}, {name}: gap {gap:.3g}"


def run_torch(make: Any, steps: int = 20, evaluate: bool = False) -> list[Tree]:
    """``make(list of parameters)`` is a torch optimizer."""
    import torch

    # Scalars that an optimizer keeps (NAdam's product of momenta) take the default type.
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        params = {n: torch.nn.Parameter(torch.tensor(p)) for n, p in LEAVES.items()}
        optimizer = make(list(params.values()))
        if hasattr(optimizer, "train"):
            optimizer.train()
        history = []
        for grads in gradients(steps):
            for name, param in params.items():
                param.grad = torch.tensor(grads[name])
            optimizer.step()
            if evaluate:
                optimizer.eval()
            history.append({n: p.detach().numpy().copy() for n, p in params.items()})
            if evaluate:
                optimizer.train()
    finally:
        torch.set_default_dtype(before)
    return history


def run_optax(tx: Any, steps: int = 20, value: Any = None, evaluate: Any = None) -> list[Tree]:
    """``tx`` is made by a function without arguments, so that it is made in float64."""
    import jax

    with jax.enable_x64(True):
        transform = tx() if callable(tx) else tx
        extra = {} if value is None else {"value": value}
        params = jax.tree.map(jax.numpy.asarray, LEAVES)
        state = transform.init(params)
        step = jax.jit(lambda p, g, s: transform.update(g, s, p, **extra))
        history = []
        for grads in gradients(steps):
            updates, state = step(params, grads, state)
            params = jax.tree.map(lambda p, u: p + u, params, updates)
            shown = evaluate(state, params) if evaluate else params
            history.append({n: np.asarray(p) for n, p in shown.items()})
    return history


def run_keras(make: Any, steps: int = 20) -> list[Tree]:
    """``make()`` is a keras optimizer; keras runs on jax."""
    import jax
    import keras

    before = keras.config.floatx()
    with jax.enable_x64(True):
        try:
            keras.config.set_floatx("float64")
            variables = {n: keras.Variable(p, dtype="float64") for n, p in LEAVES.items()}
            optimizer = make()
            optimizer.build(list(variables.values()))
            history = []
            for grads in gradients(steps):
                optimizer.apply([keras.ops.convert_to_tensor(grads[n], dtype="float64")
                                 for n in variables])
                history.append({n: np.array(v.value) for n, v in variables.items()})
        finally:
            keras.config.set_floatx(before)
    return history
