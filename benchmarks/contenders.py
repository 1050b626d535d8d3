"""The optimizers that benchmarks put side by side, each as a step that can be repeated.

A contender is made for a list of shapes and a dtype and gives `Job`: ``step()`` queues one step,
``wait()`` returns when all that is queued is done. Parameters and state are donated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LR, WD = 1e-3, 1e-2
# The rule: our spec, the states that are float32 beside narrow parameters, and our settings.
OURS: dict[str, tuple[str, tuple[str, ...], dict[str, float]]] = {
    "SGD momentum": ("sgd-torch", ("b",), {"lr": LR, "mu": 0.9}),
    "AdamW": ("adamw", ("m", "v"), {"lr": LR, "wd": WD}),
    "Lion": ("lion", ("m",), {"lr": LR, "wd": WD}),
    "Adafactor": ("adafactor", ("R", "C", "V"), {"lr": LR}),
    "Muon": ("muon", ("M",), {"lr": LR}),
    "Shampoo": ("shampoo", ("H", "R"), {"lr": LR}),
}
MATRIX_RULES = ("Muon", "Shampoo")


@dataclass(frozen=True)
class Job:
    """``bytes`` are those that a step must move: it reads and writes parameters and state, and
    reads the gradients."""

    step: Callable[[], None]
    wait: Callable[[], None]
    bytes: int
    compile_seconds: float


Contender = Callable[[str, Sequence[tuple[int, ...]], str], Job | None]


def arrays(shapes: Sequence[tuple[int, ...]], seed: int) -> list[np.ndarray]:
    """Small random numbers; large arrays repeat a block of them."""
    block = np.random.default_rng(seed).normal(size=1 << 16).astype(np.float32) * 1e-2
    return [np.resize(block, shape) for shape in shapes]


def _jax(transformation: Any, shapes: Sequence[tuple[int, ...]], dtype: str,
         wide: bool = False, packed: bool = False) -> Job:
    """An optax transformation under jit. ``wide``: it sees narrow parameters and gradients as
    float32, so that all of its state is that; ``packed``: it keeps parameters in few arrays, and
    gets gradients so."""
    import jax
    import jax.numpy as jnp
    import optax

    params, grads = ({f"w{i:05}": jnp.asarray(a, dtype) for i, a in enumerate(arrays(shapes, s))}
                     for s in (0, 1))
    if packed:
        params, grads = transformation.pack(params), transformation.pack(grads)

    def seen(tree: Any) -> Any:
        return jax.tree.map(lambda a: a.astype(jnp.float32), tree) if wide else tree

    def update(params: Any, state: Any, grads: Any) -> tuple[Any, Any]:
        change, state = transformation.update(seen(grads), state, seen(params))
        return optax.apply_updates(params, change), state

    state = jax.jit(lambda p: transformation.init(seen(p)))(params)
    own = [params, state]
    sizes = [sum(a.nbytes for a in jax.tree.leaves(t)) for t in (params, state, grads)]
    start = time.perf_counter()
    compiled = jax.jit(update, donate_argnums=(0, 1)).lower(params, state, grads).compile()
    seconds = time.perf_counter() - start
    del params, state

    def step() -> None:
        own[:] = compiled(*own, grads)

    return Job(step, lambda: jax.block_until_ready(own), 2 * (sizes[0] + sizes[1]) + sizes[2],
               seconds)


def _ours(rule: str, dtype: str, fuse: str | None) -> Any:
    import thetaprime as tp

    name, states, settings = OURS[rule]
    optimizer = tp.load(name)
    if dtype != "float32":
        text = optimizer.source.text.rstrip("\n")
        kept = "".join(f"    store {state} as float32\n" for state in states)
        optimizer = tp.loads(f"{text}\n  numerics:\n{kept}", name)
    return optimizer.to_jax(fuse=fuse, **settings)


def thetaprime_trees(rule: str, shapes: Sequence[tuple[int, ...]], dtype: str) -> Job:
    return _jax(_ours(rule, dtype, None), shapes, dtype)


def thetaprime_flat(rule: str, shapes: Sequence[tuple[int, ...]], dtype: str) -> Job:
    return _jax(_ours(rule, dtype, "flat"), shapes, dtype)


def thetaprime_packed(rule: str, shapes: Sequence[tuple[int, ...]], dtype: str) -> Job:
    return _jax(_ours(rule, dtype, "flat"), shapes, dtype, packed=True)


def thetaprime_cupy(rule: str, shapes: Sequence[tuple[int, ...]], dtype: str) -> Job | None:
    """The NumPy text on CuPy arrays; in float32 alone, as torch's own."""
    import cupy

    import thetaprime as tp

    if dtype != "float32":
        return None
    name, _, settings = OURS[rule]
    program = tp.load(name).to_numpy(engine="cupy", **settings)
    params, grads = ({f"w{i:05}": cupy.asarray(a) for i, a in enumerate(arrays(shapes, s))}
                     for s in (0, 1))
    state = program.init(params)
    wait = cupy.cuda.get_current_stream().synchronize

    def step() -> None:
        program.step(params, grads, state)

    start = time.perf_counter()
    step()
    wait()
    seconds = time.perf_counter() - start
    sizes = [_bytes(tree) for tree in (params, state, grads)]
    return Job(step, wait, 2 * (sizes[0] + sizes[1]) + sizes[2], seconds)


def _bytes(tree: Any) -> int:
    """Those of all arrays in a tree of dicts and lists."""
    if isinstance(tree, dict | list):
        return sum(map(_bytes, tree.values() if isinstance(tree, dict) else tree))
    return int(getattr(tree, "nbytes", 0))


def optax_jit(rule: str, shapes: Sequence[tuple[int, ...]], dtype: str) -> Job | None:
    import optax

    makers: dict[str, Callable[[], Any]] = {
        "SGD momentum": lambda: optax.sgd(LR, momentum=0.9),
        "AdamW": lambda: optax.adamw(LR, weight_decay=WD),
        "Lion": lambda: optax.lion(LR, weight_decay=WD),
        "Adafactor": lambda: optax.adafactor(LR),
        "Muon": lambda: optax.contrib.muon(LR),
    }
    if rule not in makers:
        return None
    return _jax(makers[rule](), shapes, dtype, wide=dtype != "float32")


def torch_own(rule: str, shapes: Sequence[tuple[int, ...]], dtype: str) -> Job | None:
    """torch's own, fused where it has that; its state has the dtype of the parameters, so that it
    is measured on float32 alone."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    makers: dict[str, Callable[[Any], Any]] = {
        "SGD momentum": lambda p: torch.optim.SGD(p, LR, momentum=0.9, fused=True),
        "AdamW": lambda p: torch.optim.AdamW(p, LR, weight_decay=WD, fused=True),
        "Adafactor": lambda p: torch.optim.Adafactor(p, LR),
        "Muon": lambda p: torch.optim.Muon(p, LR),
    }
    if rule not in makers or dtype != "float32":
        return None
    params = [torch.tensor(a, device=device, requires_grad=True) for a in arrays(shapes, 0)]
    for param, grad in zip(params, arrays(shapes, 1), strict=True):
        param.grad = torch.tensor(grad, device=device)
    optimizer = makers[rule](params)

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    start = time.perf_counter()
    optimizer.step()
    wait()
    seconds = time.perf_counter() - start
    held = [a for s in optimizer.state.values() for a in s.values()
            if isinstance(a, torch.Tensor) and a.ndim]
    sizes = [sum(a.nbytes for a in group) for group in (params, held)]
    return Job(optimizer.step, wait, 3 * sizes[0] + 2 * sizes[1], seconds)


def copy(moved: int) -> Job:
    """Reads half of the bytes and writes as many, on the device."""
    import jax
    import jax.numpy as jnp

    source = jnp.ones(moved // 8, jnp.float32)
    negated = jax.jit(lambda a: -a).lower(source).compile()
    own = [source]

    def step() -> None:
        own[0] = negated(source)

    return Job(step, lambda: jax.block_until_ready(own), 8 * (moved // 8), 0.0)


CONTENDERS: dict[str, Contender] = {
    "thetaprime": thetaprime_trees,
    "thetaprime, flat": thetaprime_flat,
    "thetaprime, packed": thetaprime_packed,
    "optax (jit)": optax_jit,
    "torch": torch_own,
}


# Those that need a GPU.
ON_A_GPU: dict[str, Contender] = {"thetaprime, CuPy": thetaprime_cupy}


def measure(jobs: dict[str, Job], rounds: int, queued: int) -> dict[str, list[float]]:
    """Seconds a step: in every round each contender, in an order drawn for it, queues some steps
    and waits until the device has done them, so that how they are sent counts only where the device
    waits for it, and none always runs after the same other one."""
    order = np.random.default_rng(0)
    for job in jobs.values():
        for _ in range(2):
            job.step()
        job.wait()
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name in order.permutation(list(jobs)):
            start = time.perf_counter()
            for _ in range(queued):
                jobs[name].step()
            jobs[name].wait()
            seconds[name].append((time.perf_counter() - start) / queued)
    return seconds
