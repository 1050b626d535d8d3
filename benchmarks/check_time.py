"""How long `thetaprime check` takes, the start of the program included.

    python benchmarks/check_time.py [--rounds 15] [SPEC ...]

Whole processes, in turn; the table gives medians. Python itself, which starts and ends doing
nothing, is the limit.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("specs", nargs="*", metavar="SPEC", default=["adamw", "rmsprop", "prodigy"])
    options = parser.parse_args()
    commands = {"python, doing nothing": [sys.executable, "-c", ""]}
    for spec in options.specs:
        commands[f"check {spec}"] = [sys.executable, "-m", "thetaprime", "check", spec]
    times: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        seconds(command)  # byte code and file cache
    for _ in range(options.rounds):
        for name, command in commands.items():
            times[name].append(seconds(command))
    print(f"{'':28}{'ms':>8}{'fastest':>9}{'slowest':>9}")
    for name, values in times.items():
        print(f"{name:28}{1e3*statistics.median(values):8.0f}{1e3*min(values):9.0f}"
              f"{1e3*max(values):9.0f}")


if __name__ == "__main__":
    main()
