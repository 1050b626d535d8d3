"""Run as a program, with eight devices: the number of collectives in the compiled step of a spec.

Every tensor is cut into eight pieces; the names of specs are the arguments.
"""

from __future__ import annotations

import re
import sys

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import thetaprime as tp

LENGTH = 8 * 512
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


def collectives(spec: str) -> int:
    """How many collective operations one step has."""
    mesh = Mesh(jax.devices(), ("devices",))
    cut, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("devices",), ()))
    transform = tp.load(spec).to_jax()

    def placed(a: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        kind = cut if a.shape == (LENGTH,) else whole
        return jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=kind)

    tree = {n: placed(jax.ShapeDtypeStruct((LENGTH,), jnp.float32)) for n in ("a", "b")}
    state = jax.tree.map(placed, jax.eval_shape(transform.init, tree))
    out = jax.tree.map(lambda a: a.sharding, (tree, state))
    program = jax.jit(transform.update, out_shardings=out).lower(tree, state, tree).compile()
    return len(re.findall(rf" (?:{'|'.join(COLLECTIVES)})(?:-start)?\(", program.as_text()))


if __name__ == "__main__":
    assert jax.device_count() == 8
    for name in sys.argv[1:]:
        print(name, collectives(name))
