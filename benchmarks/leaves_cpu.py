"""AdamW on many small tensors, side by side on this machine's CPU.

    python benchmarks/leaves_cpu.py [--tensors 1000] [--entries 1000] [--rounds 25]
                                    [--page docs/performance.md] [--json FILE]

The contenders take turns, one step each in every round; the table gives medians. The last rows are
a whole step of training on a loss that reads every tensor, gradient and all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from contenders import CONTENDERS, LR, WD, Job, arrays, measure
from pages import machine, table, where, write_section

import thetaprime as tp

BASE = "optax (jit)"


def training(make: Callable[[], Any], packed: bool) -> Callable[[int, int], Job]:
    """Steps of training as one program: the loss, its gradient, and the step."""
    def job(tensors: int, entries: int) -> Job:
        tx = make()
        goal = {f"w{i:05}": jnp.asarray(a) for i, a in enumerate(arrays([(entries,)] * tensors, 2))}
        params = {n: jnp.asarray(a) for n, a in zip(
            goal, arrays([(entries,)] * tensors, 0), strict=True)}
        params = tx.pack(params) if packed else params

        def loss(p: Any, goal: Any) -> Any:
            tree = tx.unpack(p) if packed else p
            return sum(jnp.sum((tree[n] - goal[n]) ** 2) for n in goal)

        def update(params: Any, state: Any, goal: Any) -> Any:
            grads = jax.grad(loss)(params, goal)
            change, state = tx.update(grads, state, params)
            return optax.apply_updates(params, change), state

        own = [params, tx.init(params)]
        start = time.perf_counter()
        compiled = jax.jit(update, donate_argnums=(0, 1)).lower(*own, goal).compile()
        seconds = time.perf_counter() - start
        del params

        def step() -> None:
            own[:] = compiled(*own, goal)

        return Job(step, lambda: jax.block_until_ready(own), 28 * tensors * entries, seconds)

    return job


TRAINED = {
    "training, thetaprime, packed": training(
        lambda: tp.load("adamw").to_jax(fuse="flat", lr=LR, wd=WD), True),
    "training, thetaprime": training(lambda: tp.load("adamw").to_jax(lr=LR, wd=WD), False),
    "training, optax (jit)": training(lambda: optax.adamw(LR, weight_decay=WD), False),
}


def handed_over(tensors: int, entries: int) -> Job:
    """A program that takes the trees of parameters and gradients and gives the parameters back:
    what a step between trees costs before it computes anything."""
    params, grads = ({f"w{i:05}": jnp.asarray(a) for i, a in enumerate(
        arrays([(entries,)] * tensors, seed))} for seed in (0, 1))
    start = time.perf_counter()
    compiled = jax.jit(lambda params, grads: params, donate_argnums=0, keep_unused=True).lower(
        params, grads).compile()
    seconds = time.perf_counter() - start
    own = [params]

    def step() -> None:
        own[0] = compiled(own[0], grads)

    del params
    return Job(step, lambda: jax.block_until_ready(own), 8 * tensors * entries, seconds)


def run(tensors: int, entries: int, rounds: int) -> dict[str, Any]:
    jobs: dict[str, Job] = {}
    for name, make in CONTENDERS.items():
        job = make("AdamW", [(entries,)] * tensors, "float32")
        if job is not None:
            jobs[name] = job
    jobs["trees in and out, no step"] = handed_over(tensors, entries)
    jobs |= {name: make(tensors, entries) for name, make in TRAINED.items()}
    return {**machine("jax", "optax", "torch"), "tensors": tensors, "entries": entries,
            "rounds": rounds, "compile_s": {n: j.compile_seconds for n, j in jobs.items()},
            "seconds": measure(jobs, rounds, 1)}


def rows(report: dict[str, Any]) -> list[list[str]]:
    """Each contender with its medians, and how much faster than optax it is."""
    median = {n: statistics.median(s) for n, s in report["seconds"].items()}
    return [[name, f"{1e3 * value:.2f}", f"{1e3 * min(report['seconds'][name]):.2f}",
             f"{median[f'training, {BASE}' if name.startswith('training') else BASE] / value:.1f}",
             f"{report['compile_s'][name]:.1f}"] for name, value in median.items()]


HEAD = ["", "ms a step", "fastest", "times as fast as optax", "s to compile"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tensors", type=int, default=1000)
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table as Markdown")
    options = parser.parse_args()
    report = run(options.tensors, options.entries, options.rounds)
    print("\n".join(table(HEAD, rows(report))))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if options.page:
        write_section(options.page, "Many small tensors", [
            "Written by `python benchmarks/leaves_cpu.py --page docs/performance.md`; not edited "
            "by hand.", "",
            f"AdamW on {report['tensors']:,} float32 tensors of {report['entries']:,} entries, all "
            f"contenders in turn in one run, medians of {report['rounds']} rounds.",
            where(report), "", *table(HEAD, rows(report)), "",
            "`flat`: parameters and gradients are trees, the state is one array. `packed`: "
            "parameters and gradients are one array too. `trees in and out, no step`: a program "
            "that takes both trees and returns the parameters as they are, the least that a step "
            "between trees costs. Training rows differentiate a loss that reads every tensor and "
            "take the step, in one program."])


if __name__ == "__main__":
    main()
