"""State spread over devices where the parameters are whole on each of them (ZeRO, stage 1).

Each array of a state is cut along its longest axis whose length the devices divide; one that has
no such axis stays whole. A step then computes each piece of the state on the device that holds it,
and the change of the parameters is put together on all of them: one all-gather of it.
"""

from __future__ import annotations

from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def spread(optimizer: Any, mesh: Mesh, axis: str) -> Any:
    """An optimizer (``init`` and ``update`` or ``step``) whose state is cut along an axis of a
    mesh. Its parameters must be whole on every device of the mesh."""
    init, advance = optimizer.init, optimizer[1]

    def cut(tree: Any) -> Any:
        return jax.tree.map(lambda a: _placed(a, NamedSharding(mesh, _cut(a, mesh, axis))), tree)

    def whole(tree: Any) -> Any:
        return jax.tree.map(lambda a: _placed(a, NamedSharding(mesh, PartitionSpec())), tree)

    def start(params: Any) -> Any:
        return cut(init(params))

    def step(*args: Any, **extra: Any) -> Any:
        result, state = advance(*args, **extra)
        return whole(result), cut(state)

    return optimizer._replace(**dict(zip(optimizer._fields, (start, step), strict=True)))


def _placed(a: jax.Array, where: NamedSharding) -> jax.Array:
    return jax.lax.with_sharding_constraint(a, where)


def _cut(a: jax.Array, mesh: Mesh, axis: str) -> PartitionSpec:
    """Where an array is cut: along the longest of its axes that the devices divide."""
    devices = mesh.shape[axis]
    fits = [i for i, length in enumerate(a.shape) if length and length % devices == 0]
    if not fits:
        return PartitionSpec()
    longest = max(fits, key=lambda i: a.shape[i])
    return PartitionSpec(*[None] * longest, axis)
