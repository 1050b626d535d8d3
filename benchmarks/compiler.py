"""The compiler's own speed: start-up, parsing, and how check and code generation grow.

    python benchmarks/compiler.py [--rounds 3] [--sizes 10 100 1000 5000] [--page]

Start-up is that of whole processes; python itself, which starts and ends doing nothing, is what
can be reached. Generated specs (`generated.py`) show how the stages grow with the number of
equations; medians of runs in turn, in one process. Results go to benchmarks/results/compiler.json,
and with --page into docs/performance.md.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from generated import FAMILIES, NESTED, averages, wrappers
from pages import table, write_section
from recording import ROOT, as_users, entries, machine, record, where

import thetaprime as tp
from thetaprime.optimizer import Optimizer
from thetaprime.parse import parse
from thetaprime.source import Source

TITLE = "The compiler's own speed"
SIZES = (10, 100, 1000, 5000)
LARGEST_CHECK = 1000  # equations of the families other than the first, and of all checks beyond it
STARTS = {
    "python, doing nothing": ["-c", ""],
    "import thetaprime": ["-c", "import thetaprime"],
    "import thetaprime; thetaprime.load": ["-c", "import thetaprime; thetaprime.load"],
    "thetaprime --help": ["-m", "thetaprime", "--help"],
    "thetaprime check adamw": ["-m", "thetaprime", "check", "adamw"],
    "thetaprime compile adamw --to jax": ["-m", "thetaprime", "compile", "adamw", "--to", "jax"],
}
STAGES: dict[str, Callable[[Optimizer], object]] = {
    "parse": lambda optimizer: parse(optimizer.source),
    "lower": lambda optimizer: optimizer.step(),
    "jax": lambda optimizer: optimizer.code("jax"),
    "numpy": lambda optimizer: optimizer.code("numpy"),
    "numba": lambda optimizer: optimizer.code("numpy", engine="numba"),
    "check": lambda optimizer: optimizer.check(claims=False),
}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def starts(rounds: int) -> dict[str, list[float]]:
    """Wall time of whole processes, in turn."""
    def run(arguments: list[str]) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *arguments], check=True, env=as_users(),
                                      stdout=subprocess.DEVNULL)

    found: dict[str, list[float]] = {name: [] for name in STARTS}
    for arguments in STARTS.values():
        run(arguments)()  # byte code and file cache
    for _ in range(rounds):
        for name, arguments in STARTS.items():
            found[name].append(seconds(run(arguments)))
    return found


def shipped(rounds: int) -> dict[str, list[float]]:
    """Every spec of the package, parsed; the first time with the making of the parser."""
    sources = [Source(name, entry.read_text("utf-8")) for name, entry in entries().items()]
    times = [seconds(lambda: [parse(s) for s in sources]) for _ in range(rounds + 1)]
    return {f"parse all {len(sources)} shipped specs, first": times[:1],
            "parse them again": times[1:]}


def stages(text: str, chosen: list[str]) -> dict[str, float]:
    """Seconds of each stage, from the text on: an optimizer keeps what it has computed."""
    return {name: seconds(lambda name=name: STAGES[name](tp.loads(text))) for name in chosen}


def loaded(text: str) -> float:
    """Seconds to read and lower a spec from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generated.opt"
        path.write_text(text, "utf-8")
        return seconds(lambda: tp.load(path).step())


def growth(sizes: list[int], rounds: int) -> list[dict[str, Any]]:
    """A row for each family and size; checks of large specs are run once."""
    stages(averages(10), list(STAGES))  # what is imported and cached at first use
    rows = []
    for family, make in FAMILIES.items():
        for size in sizes:
            text = make(size)
            chosen = [s for s in STAGES
                      if s != "check" or size <= LARGEST_CHECK or make is averages]
            turns = [stages(text, chosen) for _ in range(rounds if size <= LARGEST_CHECK else 1)]
            row = {name: [t[name] for t in turns] for name in chosen}
            rows.append({"family": family, "equations": size, "file": [loaded(text)], **row})
            print(*_row(rows[-1]), flush=True)
    return rows


def nested(rounds: int) -> list[dict[str, Any]]:
    rows = []
    for name in ("Lookahead", "SAM"):
        turns = [stages(wrappers(name), list(STAGES)) for _ in range(rounds)]
        rows.append({"family": f"{NESTED} times {name}", "equations": None,
                     **{stage: [t[stage] for t in turns] for stage in STAGES}})
        print(*_row(rows[-1]), flush=True)
    return rows


def _row(row: dict[str, Any]) -> list[str]:
    def shown(stage: str) -> str:
        return f"{statistics.median(row[stage]):.2f}" if stage in row else ""

    count = f"{row['equations']:,}" if row["equations"] else ""
    return [row["family"], count, *map(shown, (*STAGES, "file"))]


def lines(report: dict[str, Any]) -> list[str]:
    """The section of the page."""
    head = [["", "ms"], *([name, f"{1e3*statistics.median(values):.0f}"]
                          for name, values in {**report["starts"], **report["shipped"]}.items())]
    return [
        "Written by `python benchmarks/compiler.py --page`; not edited by hand. "
        f"{where(report)} {'' if report['quiet'] else 'Other programs were running. '}"
        "Medians, whole processes:", "",
        *table(head[0], head[1:]), "",
        "Generated specs (`benchmarks/generated.py`), seconds for each stage from the text on; "
        "`lower` ends with the typed equations, `jax`, `numpy` and `numba` with the text of a "
        "program, `check` without claims, `file` reads and lowers a file:", "",
        *table(["", "equations", *STAGES, "file"], [_row(row) for row in report["rows"]]), ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--page", action="store_true", help="write docs/performance.md")
    options = parser.parse_args()
    here = machine()
    report = {**here, "quiet": (here["load"] or 0) <= 1, "rounds": options.rounds,
              "starts": starts(5 * options.rounds), "shipped": shipped(options.rounds),
              "rows": [*growth(options.sizes, options.rounds), *nested(options.rounds)]}
    record("compiler", report)
    if options.page:
        write_section(ROOT / "docs" / "performance.md", TITLE, lines(report))


if __name__ == "__main__":
    main()
