"""Slips of the pen in the shipped specs: who notices them.

    python benchmarks/mutants.py [--count 450] [--seed 0] [--seconds 15] [--workers 2] [SPEC ...]

Of every shipped spec some single edits (`thetaprime.edits`) are drawn, kinds of edits with equal
chances, the places of a kind too. Each mutant goes through three judges: `check` (an error or a
warning more than the spec has), the spec's own claims (REFUTED, or no longer PROVED), and exact
runs beside the spec on corners and random numbers. What no run tells apart is proved equal or left
open. A mutant has a process of its own and a limit of time; what was found until then counts.
Writes benchmarks/results/mutants.json and its part of docs/checker.md.
"""

from __future__ import annotations

import argparse
import random
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from recording import LONGEST, entries, limit, machine, record, where, write_part

from thetaprime.claims.equality import Rival, prove_equality
from thetaprime.claims.facts import Unproved
from thetaprime.claims.kept import verdicts
from thetaprime.claims.questions import Question
from thetaprime.claims.refute import Counterexample
from thetaprime.claims.runs import trials
from thetaprime.claims.same_runs import judged_equal
from thetaprime.claims.symbolic import Unknown
from thetaprime.claims.verdicts import Verdict, judge
from thetaprime.diagnostics import Diagnostic, SpecError
from thetaprime.edits import ROWS, Edit, opened
from thetaprime.edits.facts import Facts
from thetaprime.edits.places import changed, lines_of
from thetaprime.flat import Flat
from thetaprime.ir import Step
from thetaprime.library import prelude
from thetaprime.lower import lower
from thetaprime.pipeline import check_flat, checked
from thetaprime.source import Source

RUNS, STEPS = 48, (2, 1, 4, 6)
QUICK = 2.0  # seconds


def drawn(flat: Flat, count: int, rng: random.Random) -> Iterator[Edit]:
    """So many single edits that type-check and change the step, no two of which mean the same."""
    known = {_meaning(lower(flat, prelude(), {}).step)}
    views = [flat, opened(flat)]
    facts = [Facts(view) for view in (views if views[1] != flat else views[:1])]
    kinds: dict[str, list[Any]] = {}
    for row in ROWS:
        for one in facts:
            kinds.setdefault(row.name, []).extend(
                (one, change) for change in row.changes(one) if change)
    own = {name: [(one, change) for one, change in changes if all(
        flat.parts[site.part].source == flat.source for site, _ in change)]
        for name, changes in kinds.items()}
    kinds = own if any(own.values()) else kinds  # not in the base that a wrapper is shown with
    kinds = {name: changes for name, changes in kinds.items() if changes}
    while kinds and count:
        name = rng.choice(sorted(kinds))
        one, change = kinds[name].pop(rng.randrange(len(kinds[name])))
        if not kinds[name]:
            del kinds[name]
        mutant = changed(one.flat, change)
        try:
            step = lower(mutant, prelude(), {}).step
        except SpecError:
            continue
        if _meaning(step) not in known:
            known.add(_meaning(step))
            count -= 1
            site = change[0][0]
            yield Edit(name, flat.source, getattr(site.node, "span", flat.span),
                       lines_of(flat, change), lines_of(mutant, change), mutant, step)


def _meaning(step: Step) -> object:
    return step.point, step.states, step.body, step.evaluate


# The three judges.


def by_check(edit: Edit, before: Counter[str]) -> list[str]:
    """The codes of which the mutant has more than the spec."""
    return sorted((_codes(check_flat(edit.flat)) - before).elements())


def _codes(found: Sequence[Diagnostic]) -> Counter[str]:
    return Counter(d.code for d in found)


def by_claims(edit: Edit, before: Sequence[Verdict]) -> Iterator[dict[str, str]]:
    """The claims proved of the spec that are not of the mutant, and those refuted, up to the first
    of these; the quickest claims come first. What was only TESTED of the spec is asked again where
    that was quick."""
    for number in sorted(range(len(before)), key=lambda k: before[k].seconds):
        if before[number].status == "PROVED" or before[number].seconds < QUICK:
            verdict = judge(edit.flat, *edit.flat.claims[number])
            if verdict.status == "REFUTED" or (
                    before[number].status == "PROVED" and verdict.status != "PROVED"):
                yield {"claim": verdict.claim, "verdict": verdict.status}
            if verdict.status == "REFUTED":
                return


def by_runs(edit: Edit, step: Step) -> str:
    """`differs` where an exact run tells the two apart, else `equal` where they are proved to be,
    else `open`."""
    claim, source = None, edit.flat.source
    question = Question(claim, source, edit.step)  # type: ignore[arg-type]
    other = Rival(step)
    parted = judged_equal(other)
    for trial in trials(edit.step, {}, STEPS, RUNS, 1):
        if isinstance(parted(question, trial), Counterexample):
            return "differs"
    try:
        prove_equality(question, other)
    except (Unproved, Unknown):
        return "open"
    return "equal"


def follow(edit: Edit, step: Step, codes: Counter[str], known: Sequence[Verdict], out: Connection
           ) -> None:
    """Everything about one mutant, sent judge by judge."""
    warnings.simplefilter("ignore")
    out.send(("check", by_check(edit, codes)))
    out.send(("runs", by_runs(edit, step)))
    for broken in by_claims(edit, known):
        out.send(("claims", broken))
    out.send(("done", None))


def judged(edit: Edit, step: Step, codes: Counter[str], known: Sequence[Verdict], seconds: float
           ) -> dict[str, Any]:
    """The row of one mutant."""
    row: dict[str, Any] = {"edit": edit.name, "before": edit.before, "after": edit.after,
                           "check": [], "claims": [], "runs": "", "ended": "limit"}
    context = get_context("fork")
    inward, outward = context.Pipe(duplex=False)
    process = context.Process(target=follow, args=(edit, step, codes, known, outward))
    begun = time.perf_counter()
    process.start()
    outward.close()
    try:
        while inward.poll(max(0.0, seconds - (time.perf_counter() - begun))):
            key, value = inward.recv()
            if key == "done":
                row["ended"] = "done"
                break
            row[key] = [*row[key], value] if key == "claims" else value
    except EOFError:
        row["ended"] = "crash"
    process.kill()
    process.join()
    row["seconds"] = round(time.perf_counter() - begun, 2)
    return row


def verdicts_of(flat: Flat) -> list[Verdict]:
    """The verdicts on a spec; what takes too long or cannot be judged has none worth asking for."""
    found = []
    for claim, source in flat.claims:
        try:
            with limit(LONGEST):
                found += verdicts(replace(flat, claims=((claim, source),)))
        except Exception as why:
            found.append(Verdict(f"{why}", source, claim.span, "TESTED", seconds=LONGEST))
    return found


def mutants(item: tuple[str, str, int], seed: int, seconds: float) -> list[dict[str, Any]]:
    """The rows of one spec."""
    warnings.simplefilter("ignore")
    name, path, each = item
    flat = checked(Source(name, Path(path).read_text("utf-8")))
    step = lower(flat, prelude(), {}).step
    codes, known = _codes(check_flat(flat)), verdicts_of(flat)
    rng = random.Random(f"{seed} {name}")
    return [{"spec": name, **judged(edit, step, codes, known, seconds)}
            for edit in drawn(flat, each, rng)]


# What it came to.


def outcome(row: dict[str, Any]) -> str:
    """Who is the first to notice a mutant."""
    if row["check"]:
        return "check"
    if any(c["verdict"] == "REFUTED" for c in row["claims"]):
        return "claim refuted"
    if row["claims"]:
        return "claim no longer proved"
    return {"differs": "runs beside the spec", "equal": "equal, proved",
            "open": "no run differs, no proof", "": "not judged in time"}[row["runs"]]


ORDER = ("check", "claim refuted", "claim no longer proved", "runs beside the spec",
         "equal, proved", "no run differs, no proof", "not judged in time")


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    wrong = [r for r in rows if r["runs"] != "equal"]
    refuted = [r for r in rows if any(c["verdict"] == "REFUTED" for c in r["claims"])]
    return {
        "mutants": len(rows), "specs": len({r["spec"] for r in rows}),
        "first to notice": {o: sum(outcome(r) == o for r in rows) for o in ORDER},
        "by check": sum(bool(r["check"]) for r in rows), "claims refute": len(refuted),
        "claims no longer proved": sum(bool(r["claims"]) for r in rows) - len(refuted),
        "not proved equal": len(wrong),
        "killed by check or claims": sum(bool(r["check"] or r["claims"]) for r in wrong),
        "equal but noticed": sum(bool(r["check"] or r["claims"]) for r in rows
                                 if r["runs"] == "equal"),
        "ended": dict(Counter(r["ended"] for r in rows)),
        "by edit": {name: dict(Counter(outcome(r) for r in rows if r["edit"] == name))
                    for name in sorted({r["edit"] for r in rows})}}


def table(report: dict[str, Any]) -> list[str]:
    """What was found, in Markdown."""
    found = report["summary"]
    total = found["mutants"]
    lines = [
        f"{total} mutants of {found['specs']} shipped specs, as many of each, drawn with seed "
        f"{report['seed']}, at most {report['seconds']:g} s for one. {where(report)}", "",
        "| first to notice | mutants | share |", "| - | -: | -: |",
        *(f"| {name} | {count} | {count/total:.1%} |"
          for name, count in found["first to notice"].items()), "",
        f"`check` notices {found['by check']} ({found['by check']/total:.1%}); claims refute "
        f"{found['claims refute']} and {found['claims no longer proved']} more lose a proof. Of "
        f"the {found['not proved equal']} that are not proved equal to their spec, check and "
        f"claims together notice {found['killed by check or claims']} "
        f"({found['killed by check or claims']/max(found['not proved equal'], 1):.1%}). "
        f"Of those proved equal they complain of {found['equal but noticed']}. "
        f"{found['ended'].get('limit', 0)} mutants ran out of time before the last judge was "
        f"done, {found['ended'].get('crash', 0)} ended in an error.", "",
        "| edit | mutants | check | refuted | lost proof | runs only | equal | open |",
        "| - | -: | -: | -: | -: | -: | -: | -: |"]
    for name, counts in found["by edit"].items():
        cells = [sum(counts.values()), *(counts.get(o, 0) for o in ORDER[:5]),
                 counts.get(ORDER[5], 0) + counts.get(ORDER[6], 0)]
        lines.append(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=450, help="mutants of all specs together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=15, help="for one mutant at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("specs", nargs="*", metavar="SPEC", help="all of them if none is named")
    options = parser.parse_args()
    known = entries()
    names = options.specs or list(known)
    few, more = divmod(options.count, len(names))
    chosen = [(n, str(known[n]), few + (k < more)) for k, n in enumerate(names)]
    here, rows = machine(), []
    one = partial(mutants, seed=options.seed, seconds=options.seconds)
    with ProcessPoolExecutor(options.workers) as pool:
        for (name, *_), found in zip(chosen, pool.map(one, chosen), strict=True):
            rows += found
            for row in found:
                print(f"{name:26} {row['seconds']:5.1f} s  {outcome(row):24} {row['edit']}: "
                      f"{row['before']}  ->  {row['after']}", flush=True)
    report = {**here, "count": options.count, "seed": options.seed, "seconds": options.seconds,
              "summary": summary(rows), "rows": rows}
    print("\n".join(table(report)))
    if not options.specs:
        record("mutants", report)
        write_part("mutants", table(report))


if __name__ == "__main__":
    main()
