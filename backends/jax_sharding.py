"""State spread over devices where the parameters are whole on each of them (ZeRO, stage 1).

Each array of a state is cut along its longest axis whose length the devices divide; one that has
no such axis stays whole. A step then computes each piece of the state on the device that holds it,
and the change of the parameters is put together on all of them: one all-gather of it.
"""

from __future__ import annotations

from typing import Any

import jax
from jax import sharding
from jax.sharding import Mesh

from thetaprime.arguments import CallError

# jax does not type these.
_PartitionSpec: Any = sharding.PartitionSpec
_constrained: Any = jax.lax.with_sharding_constraint


def spread(optimizer: Any, over: tuple[Mesh, str]) -> Any:
    """An optimizer (``init`` and ``update`` or ``step``) whose state is cut along an axis of a
    mesh. Its parameters must be whole on every device of the mesh. Raises CallError."""
    if not isinstance(over, tuple) or len(over) != 2 or not isinstance(over[0], Mesh):
        raise CallError("wrong-call", f"`shard_state` is a mesh and one of its axes, not `{over}`",
                        '`shard_state=(jax.sharding.Mesh(jax.devices(), ("data",)), "data")`')
    mesh, axis = over
    if axis not in mesh.shape:
        raise CallError("wrong-call", f"the mesh has no axis `{axis}`",
                        f"it has {', '.join(mesh.shape)}")
    init, advance = optimizer.init, optimizer[1]

    def placed(a: jax.Array, cut: int | None) -> Any:
        spec = _PartitionSpec() if cut is None else _PartitionSpec(*[None] * cut, axis)
        return _constrained(a, sharding.NamedSharding(mesh, spec))

    def cut(tree: Any) -> Any:
        return jax.tree.map(lambda a: placed(a, _longest(a.shape, mesh.shape[axis])), tree)

    def whole(tree: Any) -> Any:
        return jax.tree.map(lambda a: placed(a, None), tree)

    def start(params: Any) -> Any:
        return cut(init(params))

    def step(*args: Any, **extra: Any) -> Any:
        result, state = advance(*args, **extra)
        return whole(result), cut(state)

    return optimizer._replace(**dict(zip(optimizer._fields, (start, step), strict=True)))


def _longest(shape: tuple[int, ...], devices: int) -> int | None:
    """The longest axis of those that the devices divide."""
    fits = [i for i, length in enumerate(shape) if length and length % devices == 0]
    return max(fits, key=lambda i: shape[i], default=None)
