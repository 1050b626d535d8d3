"""How long `thetaprime check` takes for each shipped spec, and how many of their claims it settles.

    python benchmarks/checking.py [--workers 1] [SPEC ...]

Whole processes, as a user starts them, the start of Python included: without claims, with claims
and an empty cache, with claims and the cache that this left. Each process counts by the clock and
by the processor, which other programs slow down less. Writes benchmarks/results/checking.json and
its part of docs/checker.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Timer
from typing import Any

from recording import as_users, entries, machine, quantile, record, where, write_part

WAYS = {"without claims": "--no-claims", "with claims, cold": "--claims",
        "with claims, cached": "--claims"}
# Seconds: of the median by each way, and of the slowest of all.
AIMS = {"without claims": 1.0, "with claims, cold": 10.0}
SLOWEST = 60.0
LIMIT = 120.0  # then a process is ended, and its claims have no verdicts


def timed(command: Sequence[str], cache: str) -> tuple[float, float, str]:
    """Seconds by the clock, seconds of the processor, and what was printed."""
    environment = {**as_users(), "XDG_CACHE_HOME": cache}
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=environment)
        alarm = Timer(LIMIT, process.kill)
        alarm.start()
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0  # it is waited for
        alarm.cancel()
        seconds = time.perf_counter() - start
        out.seek(0)
        return seconds, used.ru_utime + used.ru_stime, out.read()


def measured(name: str, path: str) -> dict[str, Any]:
    """The row of one spec."""
    row: dict[str, Any] = {"spec": name}
    with tempfile.TemporaryDirectory() as cache:
        for way, option in WAYS.items():
            if "ended" in row:  # there is nothing in the cache
                break
            command = [sys.executable, "-m", "thetaprime", "check", option, "--json", path]
            seconds, processor, text = timed(command, cache)
            row[way] = {"seconds": round(seconds, 3), "processor": round(processor, 3)}
            try:
                (found,) = json.loads(text)
            except ValueError:  # ended by the limit, or by an error of its own
                row["ended"] = "limit" if seconds >= LIMIT else "error"
                found = {"diagnostics": [], "claims": []}
            row.setdefault("diagnostics", [d["code"] for d in found["diagnostics"]])
            if option == "--claims":
                row["claims"] = [{k: c[k] for k in ("claim", "verdict", "how", "points", "seconds")}
                                 for c in found["claims"]]
    return row


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Quantiles of the times, and how many claims have which verdict."""
    found: dict[str, Any] = {}
    for way in WAYS:
        found[way] = {}
        for clock in ("seconds", "processor"):
            done = [row for row in rows if way in row]
            values = [row[way][clock] for row in done]
            found[way][clock] = {"median": quantile(values, 0.5), "95%": quantile(values, 0.95),
                                 "slowest": max(values),
                                 "of": done[values.index(max(values))]["spec"]}
    found["verdicts"] = dict(Counter(c["verdict"] for row in rows for c in row.get("claims", ())))
    found["specs"] = len(rows)
    found["specs without claims"] = [row["spec"] for row in rows
                                     if not row.get("claims") and "ended" not in row]
    return found


def table(report: dict[str, Any]) -> list[str]:
    """What was found, in Markdown."""
    found = report["summary"]
    lines = [f"`check` of {found['specs']} shipped specs, each in a process of its own, the start "
             f"of Python included. {where(report)}", "",
             "| | median | 95% | slowest | its spec | processor: median | 95% | slowest |",
             "| - | -: | -: | -: | - | -: | -: | -: |"]
    for way in WAYS:
        one, two = found[way]["seconds"], found[way]["processor"]
        lines.append(f"| {way} | {one['median']:.2f} s | {one['95%']:.2f} s | "
                     f"{one['slowest']:.2f} s | `{one['of']}` | {two['median']:.2f} s | "
                     f"{two['95%']:.2f} s | {two['slowest']:.2f} s |")
    lines.append("")
    for way, aim in AIMS.items():
        value, used = (found[way][c]["median"] for c in ("seconds", "processor"))
        lines.append(f"- {way} to have a median under {aim:g} s: {value:.2f} s by the clock, "
                     f"{used:.2f} s of the processor, {_reached(value < aim, used < aim)}")
    value, used = (found["with claims, cold"][c]["slowest"] for c in ("seconds", "processor"))
    lines.append(f"- no spec to take more than {SLOWEST:g} s: {value:.2f} s by the clock, "
                 f"{used:.2f} s of the processor, "
                 f"{_reached(value <= SLOWEST, used <= SLOWEST)}")
    words = {"limit": f"by the limit of {LIMIT:g} s", "error": "by an error"}
    lines += [f"- `{row['spec']}` was ended {words[row['ended']]}: its claims are not counted"
              for row in report["rows"] if "ended" in row]
    counts = found["verdicts"]
    total = sum(counts.values())
    lines += ["", "| claims | PROVED | REFUTED | TESTED |", "| -: | -: | -: | -: |",
              f"| {total} | " + " | ".join(
                  f"{counts.get(v, 0)} ({counts.get(v, 0)/total:.1%})"
                  for v in ("PROVED", "REFUTED", "TESTED")) + " |"]
    return lines


def _reached(clock: bool, processor: bool) -> str:
    return ("reached" if clock else "reached on an idle processor only" if processor
            else "not reached")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("specs", nargs="*", metavar="SPEC", help="all of them if none is named")
    options = parser.parse_args()
    known = entries()
    chosen = {n: str(known[n]) for n in options.specs or known}
    here = machine()
    with ThreadPoolExecutor(options.workers) as pool:
        rows = list(pool.map(lambda item: measured(*item), chosen.items()))
    report = {**here, "workers": options.workers, "summary": summary(rows), "rows": rows}
    lines = table(report)
    print("\n".join(lines))
    if not options.specs:
        record("checking", report)
        write_part("checking", lines)


if __name__ == "__main__":
    main()
