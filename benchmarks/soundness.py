"""Attacks on every claim of the shipped specs that is PROVED: not one may fall.

    python benchmarks/soundness.py [--points 100000] [--workers 2] [--seconds 60] [SPEC ...]

The runs are drawn here (corners and random numbers; nothing of what looks for counterexamples
inside of `check`) and executed by the generated JAX program in float64, thousands at once, where
the step asks for nothing but its gradient; else by the interpreter, one after another. A point is
one comparison that a claim makes: an entry, at one step of one run in which its conditions hold.
What breaks a claim by more than rounding is run again in exact numbers before it counts as a fall.
Writes benchmarks/results/soundness.json and its part of docs/checker.md.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from attacks import Attack, answerable, attack, counted
from recording import LONGEST, entries, limit, machine, record, where, write_part

from thetaprime.claims.kept import verdicts
from thetaprime.claims.questions import Unasked, questions
from thetaprime.claims.verdicts import COUNTED
from thetaprime.diagnostics import SpecError
from thetaprime.lines import line_text
from thetaprime.pipeline import checked, variants
from thetaprime.source import Source

ADAM = """\
optimizer Planted
  hyper lr = 1e-3 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in [0, 1)
  hyper eps = 1e-8 in (0, inf)
  state m = 0
  state v = 0
  m' = ema(m, g, b1)
  v' = ema(v, g^2, b2)
  mhat = m'/(1 - b1^t)
  vhat = v'/(1 - b2^t)
  x' = x - lr*mhat/(sqrt(vhat) + eps)
"""
# What is false of Adam, some of it narrowly.
FALSE = (
    "dot(x' - x, g over model) <= 0", "equals AMSGrad", "equals Adam with eps = eps + 1e-7",
    "invariant under g -> c*g", "x' = x when g = 0", "x' = x when g = 0 and v = 0",
    "abs(x' - x) <= lr", "v > 0", "v >= m^2", "v < 1000000", "mhat = g", "vhat = c^3 when g = c",
    "max(m, g) = m", "invariant under rotation",
    "norm(m + g over model) = norm(m over model) + norm(g over model)")


def attacked(name: str, path: str, points: int, seconds: float) -> list[Attack]:
    """Every claim of a spec that is proved, attacked."""
    source = Source(name, Path(path).read_text("utf-8"))
    flat = checked(source)
    found = []
    for claim, its in flat.claims:
        one = Attack(name, line_text(claim, 10_000).removeprefix("claim "), "")
        try:
            with limit(LONGEST):
                (verdict,) = verdicts(replace(flat, claims=((claim, its),)))
        except Exception as why:  # without a verdict there is nothing to attack
            found.append(replace(one, trouble=f"no verdict: {type(why).__name__}: {why}"))
            continue
        if verdict.status != "PROVED":
            continue
        one.how = verdict.how
        found.append(one)
        begun = time.perf_counter()
        try:
            if claim.form == "cost":
                most, word = (str(w) for w in claim.subject)
                one.engine = "interpreter"
                for lowered in variants(flat):
                    answerable(lowered.step)
                    counted(lowered.step, int(most), COUNTED[word], one, points, seconds)
                continue
            asked = questions(flat, claim, its)
            for question in asked:
                with limit(4*seconds):
                    attack(question, one, -(-points//len(asked)), seconds/len(asked))
        except (Unasked, SpecError) as why:
            one.trouble = str(why)
        except Exception as why:  # the attack itself fails: said, never counted as survived
            one.trouble = f"{type(why).__name__}: {why}"
        finally:
            one.seconds = round(time.perf_counter() - begun, 2)
    return found


def planted(points: int, seconds: float) -> list[Attack]:
    """The same attack on claims that are false; each of them has to fall."""
    found = []
    for text in FALSE:
        flat = checked(Source("planted.opt", f"{ADAM}  claim {text}\n"))
        one = Attack("planted", text, "false")
        for question in questions(flat, *flat.claims[0]):
            attack(question, one, points, seconds)
        found.append(one)
    return found


def work(item: tuple[str, str], points: int, seconds: float) -> list[Attack]:
    warnings.simplefilter("ignore")
    return attacked(*item, points, seconds)


def summary(rows: Sequence[Attack], points: int) -> dict[str, Any]:
    return {
        "proved": sum(bool(r.how) for r in rows), "fallen": sum(bool(r.fall) for r in rows),
        "points": sum(r.points for r in rows), "runs": sum(r.runs for r in rows),
        "reached": sum(r.points >= points for r in rows),
        "fewest": min((r.points for r in rows if not r.trouble), default=0),
        "not attacked": sum(bool(r.trouble) for r in rows),
        "suspects": sum(r.suspects for r in rows)}


def table(report: dict[str, Any]) -> list[str]:
    """What was found, in Markdown."""
    found, rows = report["summary"], report["rows"]
    lines = [
        f"{found['proved']} claims of the shipped specs are PROVED. Of "
        f"{len(report['planted'])} false claims that are attacked in the same way "
        f"{sum(report['planted'].values())} fall. {where(report)}", "",
        "| PROVED | fallen | points | runs | claims with the points asked for | not attacked |",
        "| -: | -: | -: | -: | -: | -: |",
        f"| {found['proved']} | {found['fallen']} | {found['points']:,} | {found['runs']:,} | "
        f"{found['reached']} (of {report['points']:,} each) | {found['not attacked']} |", ""]
    for row in rows:
        if row["fall"]:
            lines.append(f"- `{row['spec']}`: `{row['claim']}` FALLS: {'; '.join(row['fall'])}")
    lines += [f"- `{row['spec']}`: `{row['claim']}` was not attacked: {row['trouble']}"
              for row in rows if row["trouble"]]
    few = [r for r in rows if not r["trouble"] and r["points"] < report["points"]]
    lines += [f"- `{row['spec']}`: `{row['claim']}` had {row['points']:,} points"
              for row in sorted(few, key=lambda r: r["points"])]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--points", type=int, default=100_000, help="of each claim")
    parser.add_argument("--seconds", type=float, default=60, help="for one claim at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("specs", nargs="*", metavar="SPEC", help="all of them if none is named")
    options = parser.parse_args()
    known = entries()
    chosen = {n: str(known[n]) for n in options.specs or known}
    here, rows = machine(), []
    false = planted(options.points, options.seconds)
    standing = [a.claim for a in false if not a.fall]
    print(f"{len(false)} false claims are attacked first, {len(false) - len(standing)} fall",
          *standing, sep="\n  ", flush=True)
    one = partial(work, points=options.points, seconds=options.seconds)
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        for name, found in zip(chosen, pool.map(one, chosen.items()), strict=True):
            rows += found
            for row in found:
                print(f"{name:28} {row.points:9,} {row.seconds:7.1f} s  {row.claim}"
                      + (f"  ({row.trouble})" if row.trouble else "")
                      + (f"  {row.suspects} suspects" if row.suspects else ""), flush=True)
                if row.fall:
                    print("  FALLS", *row.fall, sep="\n    ", flush=True)
    report = {**here, "points": options.points, "seconds": options.seconds,
              "planted": {a.claim: bool(a.fall) for a in false},
              "summary": summary(rows, options.points), "rows": [asdict(r) for r in rows]}
    print("\n".join(table(report)))
    if not options.specs:
        record("soundness", report)
        write_part("soundness", table(report))
    sys.exit(report["summary"]["fallen"] > 0 or bool(standing))


if __name__ == "__main__":
    main()
