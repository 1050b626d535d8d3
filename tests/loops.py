"""Run as a program, in whose environment XLA is told to make one loop of several results.

`python -m tests.loops SPEC ...` prints for each spec, as JSON, the largest gap between the steps of
its programs with and without ``fuse="loop"``, and the loops that XLA makes of a tensor in both.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import thetaprime as tp
from tests.jax_helpers import LOSS, required

ENTRIES = 1000
STEPS = 4


def loops(tx: Any) -> int:
    """How many loops over the entries XLA makes of one step of one tensor."""
    params = {"w": jnp.ones(ENTRIES)}
    update = jax.jit(lambda p, s, g: tx.update(g, s, p, value=LOSS))
    text = update.lower(params, tx.init(params), params).compile().as_text() or ""
    entry = text[text.index("\nENTRY"):]
    return sum(bool(re.search(rf"\[{ENTRIES}\].* fusion\(", line)) for line in entry.splitlines())


def steps(tx: Any) -> list[Any]:
    """The changes of four steps, of tensors of any rank."""
    random = np.random.default_rng(0)
    trees: Any = [{n: random.normal(size=s) for n, s in (("w", (3, 4)), ("v", (5,)), ("s", ()))}
                  for _ in range(STEPS + 1)]
    params, *grads = jax.tree.map(jnp.asarray, trees)
    state, found = tx.init(params), []
    update = jax.jit(tx.update)
    for g in grads:
        change, state = update(g, state, params, value=LOSS)
        params = jax.tree.map(jnp.add, params, change)
        found.append(params)
    return jax.tree.leaves((found, state))


def main(names: list[str]) -> None:
    jax.config.update("jax_enable_x64", True)
    found = {}
    for name in names:
        optimizer = tp.load(name)
        given = required(optimizer.step())
        one, other = (optimizer.to_jax(fuse=fuse, **given) for fuse in ("loop", None))
        gap = max(float(jnp.max(jnp.abs(a - b)/jnp.maximum(1, jnp.abs(b)), initial=0))
                  for a, b in zip(steps(one), steps(other), strict=True))
        found[name] = {"gap": gap, "loops": loops(one), "before": loops(other)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
