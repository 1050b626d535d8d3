"""How long `compare` takes for a verdict: the published facts and library pairs of
`tests/fact_rows.py`, one after another in one process.

    python benchmarks/verdicts.py [--limit 300] [--only ID ...]

Prints each verdict with its seconds, then the median, the 95th percentile and the share of
`unknown`; writes benchmarks/results/verdicts.json and its part of docs/comparing.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import Any

from recording import ROOT, limit, machine, quantile, record, where, write_part

sys.path.insert(0, str(ROOT))

from tests.fact_rows import DIFFERENT, EQUAL, LIBRARIES, Row, operand
from thetaprime.compare import compare


def judged(row: Row, seconds: float) -> dict[str, Any]:
    """The verdict on a row, `late` after so many seconds."""
    begun = time.perf_counter()
    try:
        with limit(seconds):
            verdict = compare(operand(row.a), operand(row.b)).verdict
    except TimeoutError:
        verdict = "late"
    spent = time.perf_counter() - begun
    right = verdict in row.verdicts
    return {"id": row.id, "a": row.a, "b": row.b, "verdict": verdict, "right": right,
            "seconds": round(spent, 3)}


def part(report: dict[str, Any]) -> list[str]:
    """What was found, in Markdown."""
    told = Counter(row["verdict"] for row in report["rows"])
    slow = sorted(report["rows"], key=lambda row: -row["seconds"])[:5]
    return [
        f"{report['verdicts']} pairs: {report['wrong']} verdicts are wrong, "
        f"{100*report['unknown']:.1f} percent are `unknown`. {where(report)}", "",
        "| verdicts | median | 95th percentile | slowest |", "| -: | -: | -: | -: |",
        f"| {report['verdicts']} | {report['median']:.2f} s | {report['p95']:.1f} s | "
        f"{report['slowest']:.1f} s |", "",
        ", ".join(f"{count} `{verdict}`" for verdict, count in told.most_common()) + ". Slowest: "
        + ", ".join(f"`{row['a']}` and `{row['b']}` ({row['seconds']:.1f} s)" for row in slow)
        + "."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--limit", type=float, default=300.0)
    parser.add_argument("--only", nargs="*", metavar="ID", default=[])
    options = parser.parse_args()
    report = machine()
    compare("sgd", "sgd")  # imports, the parser
    rows = [r for r in (*EQUAL, *DIFFERENT, *LIBRARIES)
            if not options.only or r.id in options.only]
    found = []
    for row in rows:
        one = judged(row, options.limit)
        found.append(one)
        mark = " " if one["right"] else "?" if one["verdict"] == "unknown" else "!"
        print(f"{mark} {one['seconds']:7.2f} s  {one['verdict']:16} {row.id}: {row.a} | {row.b}",
              flush=True)
    seconds = [one["seconds"] for one in found]
    unknown = sum(one["verdict"] == "unknown" for one in found) / len(found)
    summary = {"verdicts": len(found), "median": quantile(seconds, 0.5),
               "p95": quantile(seconds, 0.95), "slowest": max(seconds), "unknown": unknown,
               "wrong": sum(not o["right"] and o["verdict"] not in ("unknown", "late")
                            for o in found)}
    print(f"{len(found)} verdicts: median {summary['median']:.2f} s, 95th percentile "
          f"{summary['p95']:.1f} s, slowest {summary['slowest']:.1f} s, "
          f"{100*unknown:.1f} percent unknown, {summary['wrong']} wrong")
    if not options.only:
        whole = {**report, **summary, "rows": found}
        record("verdicts", whole)
        write_part("verdicts", part(whole), ROOT / "docs" / "comparing.md")


if __name__ == "__main__":
    main()
