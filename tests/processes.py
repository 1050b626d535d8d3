"""Run as a program: one of several processes that take steps together.

`python -m tests.processes SPEC NUMBER COUNT PORT` prints the parameters after the steps, as process
NUMBER of COUNT, each with ``8 / COUNT`` devices.
"""

from __future__ import annotations

import sys
from typing import Any

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import thetaprime as tp

SHAPES = {"w": (8, 6), "v": (16,), "s": (3,)}


def placed(tree: dict[str, np.ndarray], devices: Mesh) -> dict[str, Any]:
    """The tensors cut along their first axis over all devices of all processes, where they can."""
    def spec(a: np.ndarray) -> PartitionSpec:
        return PartitionSpec("d" if len(a) % 8 == 0 else None)

    return {n: jax.make_array_from_callback(a.shape, NamedSharding(devices, spec(a)), a.__getitem__)
            for n, a in tree.items()}


def main(name: str, number: int, count: int, port: str) -> None:
    jax.config.update("jax_enable_x64", True)
    if count > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(f"127.0.0.1:{port}", count, number)
    devices = Mesh(np.array(jax.devices()), ("d",))
    assert devices.size == 8
    tx = tp.load(name).to_jax()
    random = np.random.default_rng(0)

    def drawn() -> dict[str, Any]:
        return placed({n: random.normal(size=s) for n, s in SHAPES.items()}, devices)

    params = drawn()
    state = jax.jit(tx.init)(params)

    @jax.jit
    def step(params: Any, state: Any, grads: Any) -> Any:
        change, state = tx.update(grads, state, params)
        return jax.tree.map(lambda p, u: p + u, params, change), state

    for _ in range(4):
        params, state = step(params, state, drawn())
    for leaf in SHAPES:
        whole = process_allgather(params[leaf], tiled=True)
        print(leaf, " ".join(float(v).hex() for v in np.ravel(whole)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
