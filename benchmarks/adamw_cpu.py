"""AdamW side by side on this machine's CPU: one large tensor, and a thousand small ones.

    python benchmarks/adamw_cpu.py --json benchmarks/results/adamw_cpu.json \\
        --page docs/performance.md

The contenders take turns, one step each in every round, so that a slow spell of the machine hits
all of them; before each step the machine rests, so that no thread of the last one still spins. The
tables give medians. What a library is missing for is left out by name. The last row is a
yardstick: a copy of the bytes that a step must move (read x, g, m, v; write x, m, v).

XLA reads its flags once in a process. Contenders whose XLA is told to make one loop of several
results take their steps in processes of their own, and count the seconds there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from pages import CORES, machine, write_head

from thetaprime.backends.jax_loops import TOLD

HYPERS = {"lr": 1e-3, "b1": 0.9, "b2": 0.999, "eps": 1e-8, "wd": 1e-2}
LR, B1, B2, EPS, WD = HYPERS.values()
BYTES = 4*7  # of one parameter, that one step of AdamW reads or writes in float32
REST = 0.005  # seconds before each step
# (tensors, entries of each)
CASES = ((1, 10_000_000), (1000, 1000), (1000, 100))
Arrays = list[Any]
Step = Callable[[], object]


def data(count: int, size: int) -> tuple[Arrays, Arrays]:
    """Parameters and gradients, float32."""
    rng = np.random.default_rng(0)
    return tuple([rng.standard_normal(size, np.float32) for _ in range(count)]
                 for _ in range(2))  # type: ignore[return-value]


def generated_numpy(xs: Arrays, gs: Arrays, **how: Any) -> Step:
    import thetaprime as tp

    if "engine" in how:
        import numba  # noqa: F401  so that a missing one is said by name
    optimizer = tp.load("adamw").to_numpy(**how, **HYPERS)
    state = optimizer.init(xs)
    return lambda: optimizer.step(xs, gs, state)


def plain_numpy(xs: Arrays, gs: Arrays) -> Step:
    """The equations as one would write them by hand."""
    ms, vs = [np.zeros_like(x) for x in xs], [np.zeros_like(x) for x in xs]
    t = 0

    def step() -> None:
        nonlocal t
        t += 1
        for k, g in enumerate(gs):
            ms[k] = B1*ms[k] + (1 - B1)*g
            vs[k] = B2*vs[k] + (1 - B2)*g**2
            mhat = ms[k]/(1 - B1**t)
            vhat = vs[k]/(1 - B2**t)
            xs[k] = xs[k] - LR*(mhat/(np.sqrt(vhat) + EPS) + WD*xs[k])

    return step


def _jitted(transformation: Any, xs: Arrays, gs: Arrays) -> Step:
    """An optax transformation under jit; parameters and state are donated."""
    import jax
    import optax

    params, grads = ([jax.numpy.array(a) for a in arrays] for arrays in (xs, gs))
    state = transformation.init(params)

    def update(params: Any, state: Any, grads: Any) -> tuple[Any, Any]:
        change, state = transformation.update(grads, state, params)
        return optax.apply_updates(params, change), state

    compiled = jax.jit(update, donate_argnums=(0, 1))

    def step() -> None:
        nonlocal params, state
        params, state = compiled(params, state, grads)
        jax.block_until_ready((params, state))

    return step


def optax_adamw(xs: Arrays, gs: Arrays) -> Step:
    import optax

    return _jitted(optax.adamw(LR, B1, B2, EPS, weight_decay=WD), xs, gs)


def generated_jax(xs: Arrays, gs: Arrays, fuse: Any = None) -> Step:
    import thetaprime as tp

    return _jitted(tp.load("adamw").to_jax(fuse=fuse, **HYPERS), xs, gs)


def told(make: Callable[[Arrays, Arrays], Step], xs: Arrays, gs: Arrays) -> Step:
    """The steps of a contender in a process of its own, whose XLA gets `TOLD`, each its seconds."""
    context = get_context("spawn")
    here, there = context.Pipe()
    before = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{before} {TOLD}"
    context.Process(target=_serve, args=(make, len(xs), xs[0].size, there), daemon=True).start()
    os.environ["XLA_FLAGS"] = before
    there.close()

    def step() -> float:
        here.send(None)
        return float(here.recv())

    return step


def _serve(make: Callable[[Arrays, Arrays], Step], count: int, size: int, there: Any) -> None:
    """A step for every message, until there are no more."""
    step = make(*data(count, size))
    with suppress(EOFError):
        while True:
            there.recv()
            there.send(timed(step))


def timed(step: Step) -> float:
    """Seconds of a step; one that counts them itself says so."""
    start = time.perf_counter()
    counted = step()
    return counted if isinstance(counted, float) else time.perf_counter() - start


def torch_fused(xs: Arrays, gs: Arrays) -> Step:
    import torch

    torch.set_num_threads(CORES)
    params = [torch.from_numpy(x).requires_grad_() for x in xs]
    for x, g in zip(params, gs, strict=True):
        x.grad = torch.from_numpy(g)
    return torch.optim.AdamW(params, LR, (B1, B2), EPS, WD, fused=True).step


def copy_limit(xs: Arrays, gs: Arrays) -> Step:
    """Copies, by a thread for each core, that move as many bytes as a step of AdamW does."""
    words = BYTES*sum(x.size for x in xs)//4//2
    source, target = np.ones(words, np.float32), np.empty(words, np.float32)
    cuts = [words*k//CORES for k in range(CORES + 1)]
    parts = [(target[a:b], source[a:b]) for a, b in pairwise(cuts)]
    pool = ThreadPoolExecutor(CORES)

    def step() -> None:
        for done in [pool.submit(np.copyto, *part) for part in parts]:
            done.result()

    return step


OURS, COMPILED, PLAIN = "thetaprime, NumPy", "thetaprime, numba", "plain NumPy expression"
LOOPS = 'thetaprime, JAX, fuse="loop", with the flag'
TORCH, COPY = "torch.optim.AdamW (fused)", "copying as many bytes"
CONTENDERS: dict[str, Callable[[Arrays, Arrays], Step]] = {
    OURS: generated_numpy,
    f"{OURS}, one thread": partial(generated_numpy, threads=1),
    COMPILED: partial(generated_numpy, engine="numba"),
    PLAIN: plain_numpy,
    "thetaprime, JAX (jit)": generated_jax,
    LOOPS: partial(told, partial(generated_jax, fuse="loop")),
    "optax.adamw (jit)": optax_adamw,
    "optax.adamw (jit), with the flag": partial(told, optax_adamw),
    TORCH: torch_fused,
    COPY: copy_limit,
}
# What is to be reached on the large tensor: how many times as fast as the other.
TARGETS = ((OURS, PLAIN, 4.0), (COMPILED, TORCH, 1.0), (COMPILED, COPY, 0.8),
           (LOOPS, TORCH, 1.0), (LOOPS, COPY, 0.8))


def measure(
    count: int, size: int, rounds: int, makers: dict[str, Callable[[Arrays, Arrays], Step]]
) -> dict[str, list[float]]:
    """Seconds of every step of every contender, after three steps to warm up. One that is not
    installed is left out."""
    steps: dict[str, Step] = {}
    for name, make in makers.items():
        try:
            steps[name] = make(*data(count, size))
        except ImportError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
    for step in steps.values():
        for _ in range(3):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            time.sleep(REST)
            seconds[name].append(timed(step))
    return seconds


def table(case: dict[str, Any]) -> list[str]:
    """The rows of one case, in Markdown."""
    seconds = case["seconds"]
    ours = statistics.median(seconds[OURS])
    rows = ["| | ms a step | fastest | GB/s | time/ours |", "| - | -: | -: | -: | -: |"]
    for name, values in seconds.items():
        value = statistics.median(values)
        rate = BYTES*case["tensors"]*case["entries"]/value/1e9
        rows.append(f"| {name} | {1e3*value:.2f} | {1e3*min(values):.2f} | {rate:.1f} | "
                    f"{value/ours:.2f} |")
    return rows


def verdicts(case: dict[str, Any]) -> list[str]:
    """What was to be reached, and what was: ratios of medians, and of the fastest steps."""
    lines = []
    for name, other, wanted in TARGETS:
        if name in case["seconds"] and other in case["seconds"]:
            one, two = case["seconds"][name], case["seconds"][other]
            found = statistics.median(two)/statistics.median(one)
            lines.append(f"- {name} to be {wanted:g} times as fast as {other}: {found:.2f} "
                         f"({min(two)/min(one):.2f} of the fastest steps), "
                         f"{'reached' if found >= wanted else 'not reached'}")
    return lines


def title(case: dict[str, Any]) -> str:
    count, size = case["tensors"], case["entries"]
    return f"{count:,} tensor{'s' if count > 1 else ''} of {size:,} float32 entries"


def page(report: dict[str, Any]) -> str:
    """The tables as a page; written by the benchmark alone."""
    versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items())
    parts = [
        "# Performance", "",
        "Written by `python benchmarks/adamw_cpu.py --page docs/performance.md`; not edited by "
        "hand.", "",
        f"AdamW, all contenders in turn in one run, medians of {report['rounds']} rounds. "
        f"{report['date']}, {report['cores']} cores of {report['cpu']}, Python "
        f"{report['python']}, {versions}. Load of the machine at the start: {report['load']} "
        "(what other programs take is missing here).", ""]
    for number, case in enumerate(report["cases"]):
        parts += [f"## {title(case)}", "", *table(case), ""]
        if not number:
            parts += [*verdicts(case), ""]
    return "\n".join([
        *parts,
        "GB/s counts the 28 bytes a parameter that a step must move. The last row is a copy of as "
        "many bytes with a thread for each core; a step in place can beat it, and small arrays "
        "stay in the caches. A program in NumPy or numba uses as many threads as the process has "
        "processors, `to_numpy(threads=...)` another number; XLA and torch use all. The flag is "
        f"`XLA_FLAGS={TOLD}`.", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the tables as Markdown")
    options = parser.parse_args()
    here, cases = machine("numpy", "numba", "jax", "optax", "torch"), []
    for count, size in CASES:
        case = {"tensors": count, "entries": size,
                "seconds": measure(count, size, options.rounds, CONTENDERS)}
        cases.append(case)
        print("\n".join([title(case), *table(case), ""]), flush=True)
    print("\n".join(verdicts(cases[0])))
    report = {"rounds": options.rounds, **here, "cases": cases}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if options.page:
        write_head(options.page, page(report))


if __name__ == "__main__":
    main()
