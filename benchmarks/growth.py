"""How the cost of a step grows with parameters, tensors and devices, with the limit drawn in.

    python benchmarks/growth.py [--rounds 11] [--page]

AdamW in float32 on this machine's CPU. The limit is a copy of the 28 bytes a parameter that a step
must move, with a thread for each core, measured beside the others. Devices are simulated: they
share the cores, so that the best that can be is a level line. Results go to
benchmarks/results/growth.json; with --page a picture to docs/growth.svg, and a section of
docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from adamw_cpu import HYPERS, copy_limit, generated_numpy, measure
from pages import machine, table, where, write_section

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "growth.svg"
TITLE = "How cost grows"
PARAMETERS = (10**3, 10**4, 10**5, 10**6, 10**7)
TENSORS = (1, 10, 100, 1000, 2000)
DEVICES = (1, 2, 4, 8)
TOTAL = 2_000_000  # parameters, where tensors or devices grow
LIMIT = "copy of 28 bytes a parameter"
Step = Callable[[], object]


def generated_jax(xs: list[Any], gs: list[Any], fuse: Any = None, packed: bool = False,
                  devices: int = 1) -> Step:
    """The JAX program under jit, everything donated; tensors are cut over the devices."""
    import jax
    import numpy as np
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    import thetaprime as tp

    mesh = Mesh(np.array(jax.devices()[:devices]), ("a",))
    place = NamedSharding(mesh, PartitionSpec("a"))
    tx = tp.load("adamw").to_jax(fuse=fuse, **HYPERS)
    params, grads = ([jax.device_put(a, place) if devices > 1 else jax.numpy.array(a)
                      for a in arrays] for arrays in (xs, gs))
    if packed:
        params, grads = tx.pack(params), tx.pack(grads)

    def update(params: Any, state: Any, grads: Any) -> Any:
        change, state = tx.update(grads, state, params)
        return jax.tree.map(jax.numpy.add, params, change), state

    own = [params, jax.jit(tx.init)(params)]
    del params
    compiled = jax.jit(update, donate_argnums=(0, 1)).lower(*own, grads).compile()

    def step() -> None:
        own[:] = compiled(*own, grads)
        jax.block_until_ready(own)

    return step


CONTENDERS: dict[str, Callable[[list[Any], list[Any]], Step]] = {
    "NumPy": generated_numpy,
    "numba": partial(generated_numpy, engine="numba"),
    "JAX": generated_jax,
    "JAX, flat": partial(generated_jax, fuse="flat"),
    "JAX, flat, packed": partial(generated_jax, fuse="flat", packed=True),
    LIMIT: copy_limit,
}


def medians(makers: dict[str, Callable[[list[Any], list[Any]], Step]], count: int, size: int,
            rounds: int) -> dict[str, float]:
    """Median seconds a step, in turn."""
    found = measure(count, size, rounds, makers)
    return {name: statistics.median(values) for name, values in found.items()}


def on_devices(count: int, rounds: int) -> dict[str, float]:
    """`medians` in a process of its own, which has as many simulated devices."""
    flags = f"--xla_force_host_platform_device_count={count}"
    done = subprocess.run(
        [sys.executable, __file__, "--devices", str(count), "--rounds", str(rounds)], text=True,
        check=True, capture_output=True,
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"})
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(rounds: int) -> list[dict[str, Any]]:
    """What grows, how far, and seconds a step."""
    found = []
    plain = {n: m for n, m in CONTENDERS.items() if "flat" not in n}
    for n in PARAMETERS:
        found.append({"axis": "parameters", "at": n, "seconds": medians(plain, 1, n, rounds)})
        print(found[-1], flush=True)
    for n in TENSORS:
        found.append({"axis": "tensors", "at": n,
                      "seconds": medians(CONTENDERS, n, TOTAL//n, rounds)})
        print(found[-1], flush=True)
    for n in DEVICES:
        found.append({"axis": "devices", "at": n, "seconds": on_devices(n, rounds)})
        print(found[-1], flush=True)
    return found


def draw(report: dict[str, Any], path: Path) -> None:
    """Three plots side by side, both axes logarithmic; the limit is dashed."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), layout="constrained")
    FigureCanvasSVG(figure)
    names = list(CONTENDERS)
    shapes = "osD^v"
    for axes, axis in zip(figure.subplots(1, 3), ("parameters", "tensors", "devices"), strict=True):
        here = [row for row in report["rows"] if row["axis"] == axis]
        for number, name in enumerate(names):
            points = [(r["at"], 1e3*r["seconds"][name]) for r in here if name in r["seconds"]]
            style = ({"linestyle": "--", "color": "black"} if name == LIMIT else
                     {"marker": shapes[number], "color": f"C{number}"})
            if points:
                axes.plot(*zip(*points, strict=True), label=name, linewidth=1.2, markersize=4,
                          **style)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(axis if axis == "parameters" else f"{axis}, {TOTAL:,} parameters")
        axes.grid(alpha=0.3)
        if axis != "parameters":
            ticks = [row["at"] for row in here]
            axes.set_xticks(ticks, [f"{t:,}" for t in ticks])
            axes.minorticks_off()
    first, second = figure.axes[:2]
    first.set_ylabel("ms a step of AdamW, float32")
    second.legend(fontsize=8)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "thetaprime"}):
        figure.savefig(path, metadata={"Date": None})
    path.write_text("\n".join(map(str.rstrip, path.read_text().splitlines())) + "\n")


def lines(report: dict[str, Any]) -> list[str]:
    """The section of the page."""
    def cell(row: dict[str, Any], name: str) -> str:
        return f"{1e3*row['seconds'][name]:.3g}" if name in row["seconds"] else ""

    noisy = "" if report["quiet"] else "Other programs were running. "
    return [
        "Written by `python benchmarks/growth.py --page`; not edited by hand. "
        f"{where(report)} {noisy}Milliseconds of a step of AdamW in float32, medians of "
        f"{report['rounds']} in turn:", "",
        f"![Time against parameters, tensors and devices]({PICTURE.name})", "",
        *table(["", "", *CONTENDERS],
               [[row["axis"], f"{row['at']:,}", *(cell(row, name) for name in CONTENDERS)]
                for row in report["rows"]]), "",
        f"Tensors and devices share {TOTAL:,} parameters. The devices are simulated on the same "
        "cores, so that a level line is the best that can be; on devices of their own the time of "
        "a step is that of one share.", ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--page", action="store_true", help="write the picture and the page")
    parser.add_argument("--devices", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.devices:
        makers = {"JAX": partial(generated_jax, devices=options.devices), LIMIT: copy_limit}
        print(json.dumps(medians(makers, 1, TOTAL, options.rounds)))
        return
    here = machine("numpy", "numba", "jax")
    report = {**here, "quiet": (here["load"] or 0) <= 1, "rounds": options.rounds,
              "rows": rows(options.rounds)}
    (ROOT / "benchmarks" / "results" / "growth.json").write_text(
        json.dumps(report, indent=1) + "\n", "utf-8")
    if options.page:
        draw(report, PICTURE)
        write_section(ROOT / "docs" / "performance.md", TITLE, lines(report))


if __name__ == "__main__":
    main()
