"""What an `every` block costs in the steps in which it is not due, on this machine's CPU.

    python benchmarks/rare_blocks.py [--size 512] [--steps 30] [--json FILE]

Shampoo's roots of every 1000th step beside two rules: the same without the block, and with the
roots of every step. The three take turns, one step each in every round; medians, from the second
step on, so that the block is never due in the first row.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

RULE = """\
optimizer Rule
  hyper lr = 1e-3 in (0, inf)
  for axis a of x:
    state H : matrix[a, a] = 1e-6*I
    state R : matrix[a, a] = I
    H' = H + unfold(g, a) @ unfold(g, a).T
{roots}
  u = fold a over axes from u = g:
    u' = refold(R' @ unfold(u, a), a)
  x' = x - lr*u
"""
ROWS = {
    "roots every 1000 steps": "    every 1000 from 1:\n      R' = mpow(H', -1/(2*rank))",
    "no roots": "    R' = R",
    "roots every step": "    R' = mpow(H', -1/(2*rank))",
}


def numpy_step(roots: str, size: int) -> Callable[[], None]:
    import thetaprime as tp

    program = tp.loads(RULE.format(roots=roots)).to_numpy()
    x, g = _data(size)
    state = program.init([x])

    def step() -> None:
        program.step([x], [g], state)

    return step


def jax_step(roots: str, size: int) -> Callable[[], None]:
    import jax

    import thetaprime as tp

    optimizer = tp.loads(RULE.format(roots=roots)).to_jax()
    x, g = (jax.numpy.asarray(a) for a in _data(size))
    state = optimizer.init(x)

    def update(x: Any, state: Any) -> tuple[Any, Any]:
        change, state = optimizer.update(g, state, x)
        return x + change, state

    move = jax.jit(update, donate_argnums=(0, 1))

    def step() -> None:
        nonlocal x, state
        x, state = jax.block_until_ready(move(x, state))

    return step


def _data(size: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return (rng.standard_normal((size, size), np.float32),
            rng.standard_normal((size, size), np.float32))


def measure(size: int, steps: int) -> list[dict[str, Any]]:
    """Medians in milliseconds, for both backends."""
    found = []
    for backend, make in (("numpy", numpy_step), ("jax", jax_step)):
        contenders = {name: make(roots, size) for name, roots in ROWS.items()}
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(steps + 2):
            for name, step in contenders.items():
                begin = time.perf_counter()
                step()
                if number >= 2:
                    times[name].append(1e3 * (time.perf_counter() - begin))
        bare = statistics.median(times["no roots"])
        found += [{"backend": backend, "rule": name, "ms": round(statistics.median(t), 3),
                   "of_no_roots": round(statistics.median(t) / bare, 3)}
                  for name, t in times.items()]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=512, help="rows and columns of the matrix")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = measure(arguments.size, arguments.steps)
    print(f"{'backend':8} {'rule':24} {'ms a step':>10} {'of no roots':>12}")
    for row in rows:
        print(f"{row['backend']:8} {row['rule']:24} {row['ms']:10.2f} {row['of_no_roots']:12.2f}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({
            "date": time.strftime("%Y-%m-%d"), "machine": platform.machine(),
            "cores": os.cpu_count(), "python": platform.python_version(),
            "numpy": version("numpy"), "jax": version("jax"), "size": arguments.size,
            "steps": arguments.steps, "rows": rows}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
