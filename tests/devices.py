"""Run as a program with eight devices: `python -m tests.devices WHAT SPEC...`; it prints a line for
each spec. See `tests.test_devices`."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import thetaprime as tp
from tests import beyond
from tests.test_backends import given_to
from tests.test_composed_programs import FUNCTIONS, used
from thetaprime.library import modules

STEPS = 5
LENGTH = 8 * 512
COLLECTIVE = re.compile(
    r" (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\(")


def mesh(*shape: int) -> Mesh:
    return Mesh(np.array(jax.devices()).reshape(shape), ("a", "b")[:len(shape)])


def cut(tree: Any, devices: Mesh) -> Any:
    """The tensors cut along their first axes that the devices divide, whole where there are
    none."""
    def placed(a: Any) -> Any:
        names: list[str | None] = []
        left = list(devices.axis_names)
        for length in np.shape(a):
            fits = [n for n in left if length % devices.shape[n] == 0]
            names.append(fits[0] if fits else None)
            left = [n for n in left if n not in fits[:1]]
        return jax.device_put(a, NamedSharding(devices, PartitionSpec(*names)))

    found = jax.tree.map(placed, tree)
    assert not all(a.sharding.is_fully_replicated for a in jax.tree.leaves(found))
    return found


def counted(function: Any, *args: Any) -> Counter[str]:
    """The collectives in the program that XLA makes of a function."""
    return Counter(COLLECTIVE.findall(jax.jit(function).lower(*args).compile().as_text()))


def text(name: str) -> str:
    """A spec for a tree of tensors of all ranks: rules for matrices alone get them, those around
    another one have it."""
    if name in modules():
        return used(name)
    step = tp.load(name).step()
    if step.takes is None:
        return name
    return f"optimizer Routed = route(rank == 2 -> {step.name}, otherwise -> SGD(lr = 0.1))\n"


def gap(name: str, options: dict[str, Any], **placed: Any) -> float:
    """How far the parameters of all steps are from those on one device, relative to the larger of
    1 and their size."""
    spec = beyond.load(text(name))
    given = given_to(spec, {}) | {
        h.name: FUNCTIONS[h.name] for h in spec.hypers if h.name in FUNCTIONS}
    one = beyond.run_jax(spec, STEPS, **given)
    many = beyond.run_jax(spec, STEPS, options=options, **placed, **given)
    return max(float(np.max(np.abs(p[n] - q[n])) / max(1, np.max(np.abs(p[n]))))
               for p, q in zip(one, many, strict=True) for n in p)


def same(name: str) -> str:
    """Parameters cut over a mesh of four by two."""
    return f"{gap(name, {}, placed=lambda tree: cut(tree, mesh(4, 2))):.3g}"


def fused(name: str) -> str:
    """The same in few arrays."""
    return f"{gap(name, {'fuse': 'flat'}, placed=lambda tree: cut(tree, mesh(4, 2))):.3g}"


def spread(name: str) -> str:
    """Whole parameters, and states that are cut."""
    return f"{gap(name, {'shard_state': (mesh(8), 'a')}):.3g}"


def collectives(name: str) -> str:
    """In a step on two vectors that are cut into eight, with the loss that it may need."""
    tx = tp.load(name).to_jax()
    params = cut({n: jnp.ones(LENGTH) for n in ("a", "b")}, mesh(8))
    update = partial(tx.update, value=jnp.ones(()))
    found = counted(update, params, tx.init(params), params)
    return ",".join(f"{n}={c}" for n, c in sorted(found.items())) or "none"


def zero(name: str) -> str:
    """Bytes of the state on one device over those of all of it, and the collectives of a step, of
    parameters that are whole on each of eight devices."""
    tx = tp.load(name).to_jax(shard_state=(mesh(8), "a"))
    params = {"a": jnp.ones((64, 16)), "b": jnp.ones(64)}
    state = jax.jit(tx.init)(params)
    leaves = [a for a in jax.tree.leaves(state) if a.ndim]
    here = sum(a.addressable_shards[0].data.nbytes for a in leaves)
    change, _ = jax.jit(tx.update)(params, state, params)
    assert all(a.sharding.is_fully_replicated for a in jax.tree.leaves(change))
    found = counted(tx.update, params, state, params)
    return f"{here / sum(a.nbytes for a in leaves)} {','.join(sorted(found))}"


def memory(name: str) -> str:
    """Bytes of parameters and of states, counters aside, on one of eight devices."""
    tx = tp.load(name).to_jax()
    params = cut({n: jnp.ones(LENGTH) for n in ("a", "b")}, mesh(8))

    def here(tree: Any) -> int:
        return sum(a.addressable_shards[0].data.nbytes for a in jax.tree.leaves(tree) if a.ndim)

    return f"{here(params)} {here(jax.jit(tx.init)(params))}"


def shards(name: str) -> str:
    """How the states of a matrix that is cut as P(a, b) are cut after a step, whose start too is
    one program."""
    tx = tp.load(name).to_jax()
    params = cut({"w": jnp.ones((64, 32))}, mesh(4, 2))
    params["w"] = jax.device_put(params["w"], NamedSharding(mesh(4, 2), PartitionSpec("a", "b")))
    state = jax.jit(tx.init)(params)
    step = jax.jit(tx.update)
    for _ in range(2):
        _, state = step(params, state, params)
    fields = {f: jax.tree.leaves(getattr(state, f)) for f in state._fields if f != "count"}
    return " ".join(f"{f}:{'/'.join(_shown(a) for a in found)}"
                    for f, found in fields.items() if found)


def _shown(a: Any) -> str:
    return ",".join(str(n or "-") for n in a.sharding.spec) or "whole"


WHAT: dict[str, Callable[[str], str]] = {
    f.__name__: f for f in (same, fused, spread, collectives, zero, memory, shards)}

if __name__ == "__main__":
    assert jax.device_count() == 8
    what, *names = sys.argv[1:]
    for spec in names:
        print(spec, WHAT[what](spec), flush=True)
