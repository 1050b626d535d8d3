"""Steps of optimizers on a GPU against how fast it copies memory, side by side.

    python benchmarks/gpu.py [--sizes 1e6 1e7 1e8 1e9] [--rules AdamW Lion] [--dtypes float32]
                             [--leaves few many] [--rounds 15]

Needs no network. Rows go to benchmarks/results/gpu.json, where they replace those of the same
measurement before, and from there as a table into docs/performance.md. Without a GPU it says so,
runs small sizes on the CPU to show that it works, and writes nothing.

Times are of steps that are queued one after the other until the device has done them all, medians
over rounds in which the contenders take turns; the time to compile stands apart. The limit is a
kernel that reads half of the bytes that the step must move, and writes as many.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # torch needs memory too

from contenders import CONTENDERS, MATRIX_RULES, ON_A_GPU, OURS, Job, copy, measure
from pages import machine, table, where, write_section

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "benchmarks/results/gpu.json", ROOT / "docs/performance.md"
FEW, MANY = 8, 2000
LARGEST_SIDE = 1024  # of a matrix, for rules of matrices
LARGEST = {"Shampoo": 1e7}  # what takes its time is roots of matrices
QUEUED = 10
CUPY = ("cupy-cuda12x", "cupy-cuda13x", "cupy")  # its names by CUDA
KEY = ("rule", "size", "leaves", "dtype", "contender")


def shapes(rule: str, size: float, many: bool) -> list[tuple[int, int]]:
    """About ``size`` entries in square matrices, not fewer than 16 in each."""
    count = min(MANY, max(1, int(size) // 16)) if many else FEW
    side = max(1, math.isqrt(int(size) // count))
    if rule in MATRIX_RULES and side > LARGEST_SIDE:
        side = LARGEST_SIDE
        count = max(1, int(size) // side**2)
    return [(side, side)] * count


def contenders_of(many: bool) -> list[str]:
    """Few arrays for many tensors make sense for many tensors only."""
    return [n for n in CONTENDERS | ON_A_GPU
            if many or n not in ("thetaprime, flat", "thetaprime, packed")]


def row(rule: str, size: float, many: bool, dtype: str, rounds: int) -> list[dict[str, Any]]:
    """What every contender takes for a step."""
    tensors = shapes(rule, size, many)
    jobs: dict[str, Job] = {}
    for name in contenders_of(many):
        try:
            job = (CONTENDERS | ON_A_GPU)[name](rule, tensors, dtype)
        except (ImportError, AttributeError, RuntimeError, MemoryError) as error:
            # too large, or not there
            print(f"  {name} left out: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        if job is not None:
            jobs[name] = job
    if not jobs:
        return []
    jobs["copy"] = copy(next(iter(jobs.values())).bytes)
    seconds = {n: statistics.median(s) for n, s in measure(jobs, rounds, QUEUED).items()}
    rate = {n: jobs[n].bytes / s for n, s in seconds.items()}
    return [{"rule": rule, "size": sum(a * b for a, b in tensors), "leaves": len(tensors),
             "dtype": dtype, "contender": name, "ms": 1e3 * seconds[name],
             "compile_s": job.compile_seconds, "bytes": job.bytes, "GB/s": rate[name] / 1e9,
             "of_copy": rate[name] / rate["copy"]}
            for name, job in jobs.items()]


def device() -> str:
    """The name of the GPU, or nothing."""
    import jax

    found = jax.devices()[0]
    return "" if found.platform == "cpu" else str(found.device_kind)


def merged(report: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The report with new rows in the place of those of the same measurements."""
    known = {tuple(r[k] for k in KEY): r for r in report.get("rows", [])}
    known |= {tuple(r[k] for k in KEY): r for r in rows}
    return {**report, "rows": list(known.values())}


def page_lines(report: dict[str, Any]) -> list[str]:
    """The section of the page."""
    rows = [[f"{r['rule']}, {r['leaves']:,} tensors, {r['dtype']}", f"{r['size']:.3g}",
             r["contender"], f"{r['ms']:.3g}", f"{r['GB/s']:.0f}", f"{r['of_copy']:.2f}",
             f"{r['compile_s']:.1f}"]
            for r in sorted(report["rows"], key=lambda r: (
                list(OURS).index(r["rule"]), r["dtype"], r["leaves"], r["size"]))]
    return [
        "Written by `python benchmarks/gpu.py`; not edited by hand.", "", where(report), "",
        *table(["rule", "parameters", "by", "ms a step", "GB/s", "of a copy", "s to compile"],
               rows), "",
        "bfloat16: parameters and gradients, beside a float32 state. GB/s counts what a step must "
        "move: parameters and state in and out, gradients in. Muon and Shampoo are bound by their "
        "products and roots, not by memory."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sizes", type=float, nargs="+", default=[1e6, 1e7, 1e8, 1e9])
    parser.add_argument("--rules", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--dtypes", nargs="+", choices=["float32", "bfloat16"],
                        default=["float32", "bfloat16"])
    parser.add_argument("--leaves", nargs="+", choices=["few", "many"], default=["few", "many"])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    gpu = device()
    if not gpu:
        print("no GPU here: small sizes on the CPU, to show that this runs; nothing is written")
        options.sizes, options.rounds, options.leaves = [500], 2, ["few", "many"]
    rows = []
    for rule in options.rules:
        for size in [s for s in options.sizes if s <= LARGEST.get(rule, math.inf)]:
            for dtype in options.dtypes:
                for leaves in options.leaves:
                    found = row(rule, size, leaves == "many", dtype, options.rounds)
                    rows += found
                    for r in found:
                        print(f"{rule:13}{r['size']:12.3g}{r['leaves']:6}  {dtype:9}"
                              f"{r['contender']:20}{r['ms']:10.3f} ms{r['GB/s']:9.1f} GB/s"
                              f"{r['of_copy']:7.2f} of a copy", flush=True)
                    if gpu:  # a run that is cut short leaves what it has measured
                        write(gpu, rows)


def write(gpu: str, rows: list[dict[str, Any]]) -> None:
    """The rows into the file of results and the table into the page."""
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    here = {**machine("jax", "optax", "torch", *CUPY), "device": gpu}
    if known.get("device") != gpu or known.get("versions") != here["versions"]:
        known = {}  # of another machine
    report = merged({**known, **here}, rows)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    write_section(PAGE, "On a GPU", page_lines(report))


if __name__ == "__main__":
    main()
