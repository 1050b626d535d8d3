"""What a step costs each of many devices, by the cost analysis: a section of docs/devices.md.

    python benchmarks/devices.py --page docs/devices.md

Nothing is measured: bytes and collectives follow from the equations. `tests.test_devices` holds the
page to this script, and the arithmetic to programs on eight simulated devices.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from pages import table, write_section

import thetaprime as tp
from thetaprime.cost import BYTES, cost

PARAMETERS, DEVICES = 70e9, 512
BANDWIDTH = 3.35e12  # bytes a second: what the maker of the H100 (SXM) says of its memory
RULES = ("sgd", "lion", "adamw", "adamw-clip-norm", "lamb")
TITLE = "70 billion parameters on 512 devices"


@dataclass(frozen=True)
class Share:
    """Bytes on one device, and what a step moves there; ``waits``: collectives, of a few numbers
    each, that wait for one another."""

    parameters: float
    gradients: float
    state: float
    moved: float
    waits: int


def share(name: str, parameters: float, devices: int, dtype: str = "float32") -> Share:
    """A rule where every tensor is cut over all devices, its state with it."""
    found = cost(tp.load(name).step(), dtype)
    each = parameters / devices
    return Share(BYTES[dtype] * each, BYTES[dtype] * each, found.state * each,
                 found.moved[1] * each, found.cut)


def spread(name: str, parameters: float, devices: int, dtype: str = "float32") -> Share:
    """Parameters and gradients whole on every device, the state cut: each updates its own piece of
    the parameters, and the change is put together."""
    cut = share(name, parameters, devices, dtype)
    return Share(BYTES[dtype] * parameters, BYTES[dtype] * parameters, cut.state, cut.moved,
                 cut.waits)


def lines() -> list[str]:
    def gigabytes(value: float) -> str:
        return f"{value / 1e9:.2f}"

    rows = []
    for name in RULES:
        one = share(name, PARAMETERS, DEVICES)
        rows.append([name, *map(gigabytes, (one.parameters, one.gradients, one.state, one.moved)),
                     f"{1e3 * one.moved / BANDWIDTH:.2f}", str(one.waits)])
    whole = spread("adamw", PARAMETERS, DEVICES, "bfloat16")
    return [
        "Written by `python benchmarks/devices.py --page docs/devices.md`; not edited by hand.", "",
        "In float32, every tensor cut over all devices; GB on each of them, GB that a step moves "
        f"there, and the milliseconds that this takes at {BANDWIDTH / 1e12:g} TB/s:", "",
        *table(["rule", "parameters", "gradients", "state", "moved", "ms", "all-reduces in a row"],
               rows), "",
        f"{PARAMETERS / 1e9:g} billion parameters are {PARAMETERS * 4 / 1e9:g} GB in float32, and "
        f"{DEVICES} devices have {PARAMETERS / DEVICES / 1e6:.1f} million of them each. With "
        "`shard_state`, parameters in bfloat16 and whole on every device, AdamW has "
        f"{gigabytes(whole.parameters)} GB of parameters, as many of gradients and "
        f"{gigabytes(whole.state)} GB of state on each."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the section of this page")
    options = parser.parse_args()
    print("\n".join(lines()))
    if options.page:
        write_section(options.page, TITLE, lines())


if __name__ == "__main__":
    main()
