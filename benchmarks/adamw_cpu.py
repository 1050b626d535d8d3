"""AdamW on one tensor, side by side on this machine's CPU.

    python benchmarks/adamw_cpu.py [--size 10000000] [--rounds 15] [--json FILE]

The contenders take turns, one step each in every round, so that a slow spell of the machine hits
all of them; the table gives medians. What a library is missing for is left out by name. The last
row is a yardstick: a copy of the bytes that a step must move (read x, g, m, v; write x, m, v).
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
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from pages import write_head

LR, B1, B2, EPS, WD = 1e-3, 0.9, 0.999, 1e-8, 1e-2
MOVED = 7  # arrays that one step of AdamW reads or writes
Step = Callable[[], None]


def data(size: int) -> tuple[Any, Any]:
    """Parameters and gradients, float32."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal(size, np.float32), rng.standard_normal(size, np.float32))


def generated_numpy(size: int) -> Step:
    import thetaprime as tp

    x, g = data(size)
    optimizer = tp.load("adamw").to_numpy(lr=LR, b1=B1, b2=B2, eps=EPS, wd=WD)
    state = optimizer.init(x)

    def step() -> None:
        optimizer.step(x, g, state)

    return step


def plain_numpy(size: int) -> Step:
    """The equations as one would write them by hand."""
    x, g = data(size)
    m, v = np.zeros_like(x), np.zeros_like(x)
    t = 0

    def step() -> None:
        nonlocal x, m, v, t
        t += 1
        m = B1*m + (1 - B1)*g
        v = B2*v + (1 - B2)*g**2
        mhat = m/(1 - B1**t)
        vhat = v/(1 - B2**t)
        x = x - LR*(mhat/(np.sqrt(vhat) + EPS) + WD*x)

    return step


def _jitted(transformation: Any, size: int) -> Step:
    """An optax transformation under jit; parameters and state are donated."""
    import jax
    import optax

    params, grads = (jax.numpy.asarray(a) for a in data(size))
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


def optax_adamw(size: int) -> Step:
    import optax

    return _jitted(optax.adamw(LR, B1, B2, EPS, weight_decay=WD), size)


def generated_jax(size: int) -> Step:
    import thetaprime as tp

    return _jitted(tp.load("adamw").to_jax(lr=LR, b1=B1, b2=B2, eps=EPS, wd=WD), size)


def torch_fused(size: int) -> Step:
    import torch

    x, g = (torch.from_numpy(a) for a in data(size))
    x.requires_grad_()
    x.grad = g
    optimizer = torch.optim.AdamW([x], LR, (B1, B2), EPS, WD, fused=True)

    def step() -> None:
        optimizer.step()

    return step


def copy_limit(size: int) -> Step:
    """Copies, by a thread for each core, that move as many bytes as a step of AdamW does."""
    cores = os.cpu_count() or 1
    source, target = np.ones(MOVED*size//2, np.float32), np.empty(MOVED*size//2, np.float32)
    halves = list(zip(np.array_split(target, cores), np.array_split(source, cores), strict=True))
    pool = ThreadPoolExecutor(cores)

    def step() -> None:
        for done in [pool.submit(np.copyto, *half) for half in halves]:
            done.result()

    return step


CONTENDERS: dict[str, Callable[[int], Step]] = {
    "thetaprime, NumPy": generated_numpy,
    "plain NumPy expression": plain_numpy,
    "thetaprime, JAX (jit)": generated_jax,
    "optax.adamw (jit)": optax_adamw,
    "torch.optim.AdamW (fused)": torch_fused,
    "copying as many bytes": copy_limit,
}


def measure(size: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of every step of every contender, after three steps to warm up."""
    steps: dict[str, Step] = {}
    for name, make in CONTENDERS.items():
        try:
            steps[name] = make(size)
        except ImportError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
    for step in steps.values():
        for _ in range(3):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def machine() -> dict[str, Any]:
    """When and where this was measured."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines()
             if line.startswith("model name")] if info.exists() else [platform.processor()]
    versions = {}
    for package in ("numpy", "jax", "optax", "torch"):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {"date": time.strftime("%Y-%m-%d"), "cpu": names[0], "cores": os.cpu_count(),
            "python": platform.python_version(), "versions": versions}


def page(report: dict[str, Any]) -> str:
    """The table as a page; written by the benchmark alone."""
    seconds = report["seconds"]
    ours = statistics.median(seconds["thetaprime, NumPy"])
    rows = []
    for name, values in seconds.items():
        value = statistics.median(values)
        rate = 4*MOVED*report["size"]/value/1e9
        rows.append(f"| {name} | {1e3*value:.1f} | {1e3*min(values):.1f} | {rate:.1f} | "
                    f"{value/ours:.2f} |")
    versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items())
    return "\n".join([
        "# Performance", "",
        "Written by `python benchmarks/adamw_cpu.py --page docs/performance.md`; not edited by "
        "hand.", "",
        f"AdamW on one tensor of {report['size']:,} float32 parameters, all contenders in turn in "
        f"one run, medians of {report['rounds']} rounds.",
        f"{report['date']}, {report['cores']} cores of {report['cpu']}, Python "
        f"{report['python']}, {versions}.", "",
        "| | ms a step | fastest | GB/s | time/ours |", "| - | -: | -: | -: | -: |", *rows, "",
        "GB/s counts the 28 bytes a parameter that a step must move. The last row is a copy of as "
        "many bytes with a thread for each core; a step in place can beat it. The NumPy rows use "
        "one thread; XLA and torch use all cores.", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--size", type=int, default=10_000_000, help="entries of the tensor")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table as Markdown")
    options = parser.parse_args()
    seconds = measure(options.size, options.rounds)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    ours = median["thetaprime, NumPy"]
    print(f"AdamW, {options.size:,} float32 parameters, median of {options.rounds} rounds")
    print(f"{'':28}{'ms/step':>9}{'fastest':>9}{'GB/s':>8}{'time/ours':>11}")
    for name, value in median.items():
        rate = 4*MOVED*options.size/value/1e9
        print(f"{name:28}{1e3*value:9.2f}{1e3*min(seconds[name]):9.2f}{rate:8.1f}"
              f"{value/ours:11.2f}")
    report = {"size": options.size, "rounds": options.rounds, **machine(), "seconds": seconds}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if options.page:
        write_head(options.page, page(report))


if __name__ == "__main__":
    main()
