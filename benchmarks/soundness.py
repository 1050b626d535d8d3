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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from lanes import Batch, batch, constants_in, runs, value_of
from recording import entries, machine, record, where, write_part

from thetaprime.arguments import draws
from thetaprime.claims.equality import Rival
from thetaprime.claims.kept import verdicts
from thetaprime.claims.questions import Question, Relation, Unasked, questions
from thetaprime.claims.refute import Counterexample, judged
from thetaprime.claims.rivals import rival
from thetaprime.claims.runs import Trial, run
from thetaprime.claims.same_runs import judged_changed, judged_equal, rival_hypers
from thetaprime.claims.verdicts import told
from thetaprime.diagnostics import SpecError
from thetaprime.evaluate import Run
from thetaprime.expr import Apply, Expr, Num, Sym, substitute
from thetaprime.guards import holds
from thetaprime.ir import Step
from thetaprime.numbers import FLOAT
from thetaprime.pipeline import checked
from thetaprime.signature import asks_more
from thetaprime.source import Source

LANES, STEPS = 2048, (3, 2, 5, 1)
TREES = (((2,), (1,)), ((2, 3), (3,)), ((1,),), ((4,),), ((3, 2),), ((2, 2, 2),))
LARGE = (((40,), (3, 4)), ((6, 5),), ((2, 3, 2), (4,)))  # for runs that go one after another
MARGIN = 1e-9  # of the larger side: below this a difference may be rounding
CONFIRMED = 12  # at most so many suspects of a round are run in exact numbers
Judge = Callable[[Question, Any], Counterexample | int]
HOLDS: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater,
    ">=": np.greater_equal}
SAME = Relation("==", Sym("one"), Sym("two"))


@dataclass
class Attack:
    """What an attack on one claim came to."""

    spec: str
    claim: str
    how: str
    points: int = 0
    runs: int = 0
    engine: str = ""
    suspects: int = 0  # beyond rounding in float64, but not so in exact numbers
    fall: list[str] = field(default_factory=list)
    trouble: str = ""
    seconds: float = 0.0


# Comparing, lane by lane.


def broken_by(op: str, left: Any, right: Any) -> tuple[Any, Any]:
    """How far each pair is from what a relation says, as a share of the larger side (0 where it
    holds to rounding), and which pairs are defined."""
    with np.errstate(all="ignore"):
        scale = np.maximum(abs(left), abs(right))
        defined = np.isfinite(left) & np.isfinite(right)
        share = np.where(scale > 0, abs(left - right)/scale, 0)
        if op in ("<", ">", "!="):
            bad = ~HOLDS[op](left, right) if op == "!=" else HOLDS[op[0] + "="](right, left)
            share = np.where(op == "!=", 1.0, np.maximum(share, 2*MARGIN))
        else:
            bad = ~HOLDS[op](left, right)
    return np.where(defined & bad & (share > MARGIN), share, 0.0), defined


def pairs(left: list[Any], right: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Both sides tensor by tensor, in equal shapes; lanes are the first axis."""
    count = max(len(left), len(right))
    if {len(left), len(right)} - {1, count}:
        raise ValueError("sides on different tensors")
    for k in range(count):
        a, b = left[k % len(left)], right[k % len(right)]
        rank = max(a.ndim, b.ndim)
        a, b = (v.reshape(v.shape[0], *(1,)*(rank - v.ndim), *v.shape[1:]) for v in (a, b))
        yield tuple(np.broadcast_arrays(a, b))


def everywhere(one: Relation, sides: Callable[[Expr], list[Any]], lanes: int) -> Any:
    """In which lanes a condition holds in all entries."""
    found = np.ones(lanes, bool)
    for a, b in pairs(sides(one.left), sides(one.right)):
        with np.errstate(all="ignore"):
            true = HOLDS[one.op](a, b) & np.isfinite(a) & np.isfinite(b)
        found &= true.reshape(len(true), -1).all(1)
    return found


def compared(
    facts: Sequence[Relation], sides: Callable[[Expr], list[Any]], active: Any
) -> tuple[Any, int]:
    """By how much each lane breaks the facts, and how many comparisons were made."""
    worst, points = np.zeros(len(active)), 0
    for one in facts:
        for a, b in pairs(sides(one.left), sides(one.right)):
            share, defined = broken_by(one.op, a, b)
            worst = np.maximum(worst, share.reshape(len(share), -1).max(1, initial=0))
            points += int(defined[active].sum())
    return np.where(active, worst, 0), points


def side_of(values: dict[Expr, list[Any]], lanes: int) -> Callable[[Expr], list[Any]]:
    def side(expr: Expr) -> list[Any]:
        if isinstance(expr, Num):
            return [np.full(lanes, float(expr.value))]
        if isinstance(expr, Apply) and expr.op == "true":
            return [np.ones(lanes)]
        return values[expr]

    return side


# Rounds of many runs.


def round_of_facts(question: Question, given: Batch) -> tuple[Any, int]:
    watched = [e for r in (*question.facts, *question.when) for e in (r.left, r.right)
               if not (isinstance(e, Apply) and e.op == "true")]
    worst, points = np.zeros(given.lanes), 0
    for _, values in runs(question.step, given, watched):
        sides = side_of(values, given.lanes)
        active = np.ones(given.lanes, bool)
        for one in question.when:
            active &= everywhere(one, sides, given.lanes)
        found, count = compared(question.facts, sides, active)
        worst, points = np.maximum(worst, found), points + count
    return worst, points


def round_of_pair(
    question: Question, given: Batch, step: Step, other: Batch
) -> tuple[Any, int]:
    """Two runs that a claim says are the same."""
    watched = [e for r in question.when for e in (r.left, r.right)
               if not (isinstance(e, Apply) and e.op == "true")]
    worst, points = np.zeros(given.lanes), 0
    active = np.ones(given.lanes, bool)
    for (mine, values), (theirs, _) in zip(
            runs(question.step, given, watched), runs(step, other, ()), strict=True):
        sides = side_of({**values, SAME.left: mine, SAME.right: theirs}, given.lanes)
        for one in question.when:
            active &= everywhere(one, sides, given.lanes)
        found, count = compared([SAME], sides, active)
        worst, points = np.maximum(worst, found), points + count
    return worst, points


def rival_batch(rule: Rival, given: Batch) -> Any:
    """The same runs with the hyperparameters of the other rule."""
    hypers = {}
    for hyper in rule.step.hypers:
        if hyper.name in rule.hypers:
            value = value_of(rule.hypers[hyper.name], given.hypers)
            hypers[hyper.name] = int(value) if hyper.type.kind == "int" else np.broadcast_to(
                np.asarray(value, float), (given.lanes,)).copy()
        elif hyper.name in given.hypers:
            hypers[hyper.name] = given.hypers[hyper.name]
    return replace(given, hypers=hypers)


def changed_batch(question: Question, given: Batch, factor: float) -> tuple[Question, Any]:
    """The same runs with the gradients that an invariance speaks of, and the claim with a number
    in the place of c. Raises Unasked where something else changes."""
    put: dict[Sym, Expr] = {Sym(n): Num(repr(factor)) for n in constants_in(question)}
    changes = tuple((t, substitute(e, put)) for t, e in question.changes)
    gradients = given.gradients
    for target, expr in changes:
        if target.name != question.step.gradient:
            raise Unasked(f"a change of `{target.name}`")
        gradients = tuple(tuple(value_of(expr, {target.name: a}) for a in g) for g in gradients)
    return replace(question, changes=changes), replace(given, gradients=gradients)


# Attacks.


def attack(question: Question, found: Attack, points: int, seconds: float) -> None:
    """Rounds until so many points agreed, a claim falls, or the time is over."""
    other = rival(question) if question.claim.form == "equals" else None
    slow = asks_more(question.step) or bool(draws(question.step)) or (
        other is not None and (asks_more(other.step) or bool(draws(other.step))))
    found.engine = "interpreter" if slow else "program"
    rng = np.random.default_rng([ord(c) for c in found.spec + found.claim])
    begun, before = time.perf_counter(), found.points
    trees = [t for t in (LARGE if slow else TREES) if all(
        holds(question.step.takes, {"rank": len(s)}, "") for s in t)] or [((2, 2, 2),)]
    one_round = slow_round if slow else fast_round
    number = 0
    while not found.fall and (number < len(trees) or found.points - before < points):
        one_round(question, other, found, trees[number % len(trees)], STEPS[number % 4], rng)
        number += 1
        if time.perf_counter() - begun > seconds:
            return


def fast_round(
    question: Question, other: Rival | None, found: Attack, tree: Any, steps: int,
    rng: np.random.Generator,
) -> None:
    steps = next((int(r.right.value) for r in question.when if r.op == "==" and r.left == Sym("t")
                  and isinstance(r.right, Num)), steps)
    given = batch(question, tree, LANES, steps, rng)
    judge: Judge
    if other is not None:
        worst, points = round_of_pair(question, given, other.step, rival_batch(other, given))
        judge = judged_equal(other)
    elif question.claim.form == "invariant":
        factor = float(rng.choice([3.0, 0.25, 1.5, 1024.0]))
        question, changed = changed_batch(question, given, factor)
        worst, points = round_of_pair(question, given, question.step, changed)
        judge = judged_changed
    else:
        worst, points = round_of_facts(question, given)
        judge = judged
    found.points += points
    found.runs += given.lanes
    for k in suspects(worst, rng):
        if confirmed(question, given.lane(int(k)), judge, found):
            break


def suspects(worst: Any, rng: np.random.Generator) -> list[int]:
    """Lanes to run again: those that break a claim most, and some of the others that do, since
    cancellation can make the most of what is nothing."""
    order = [int(k) for k in np.argsort(-worst) if worst[k] > 0]
    others = order[CONFIRMED//2:]
    return order[:CONFIRMED//2] + [
        int(k) for k in rng.permutation(others)[:CONFIRMED - CONFIRMED//2]]


def confirmed(question: Question, trial: Any, judge: Judge, found: Attack) -> bool:
    """Whether a run breaks the claim in exact numbers too; then it is written down."""
    broken = judge(question, trial)
    if not isinstance(broken, Counterexample):
        found.suspects += 1
        return False
    found.fall = told(question, broken, False)
    return True


def slow_round(
    question: Question, other: Rival | None, found: Attack, tree: Any, steps: int,
    rng: np.random.Generator,
) -> None:
    """Some runs of the interpreter in float64, on a problem that answers all questions."""
    given = batch(question, tree, 24, steps, rng)
    for k in range(given.lanes):
        trial = given.lane(k)
        found.runs += 1
        if other is not None:
            theirs = replace(trial, hypers=rival_hypers(question, other, trial))
            worst, points = run_pair(question, trial, other.step, theirs)
            judge: Judge = judged_equal(other)
        elif question.claim.form == "invariant":
            raise Unasked("invariance of a step that asks its problem more")
        else:
            worst, points = run_of_facts(question, trial)
            judge = judged
        found.points += points
        if worst > 0 and confirmed(question, trial, judge, found):
            return


def run_of_facts(question: Question, trial: Trial) -> tuple[float, int]:
    worst, points = 0.0, 0
    for done in run(question.step, trial, FLOAT):
        sides = partial(one_lane, done)
        if all(everywhere(one, sides, 1)[0] for one in question.when):
            share, count = compared(question.facts, sides, np.ones(1, bool))
            worst, points = max(worst, float(share[0])), points + count
    return worst, points


def run_pair(question: Question, trial: Trial, step: Step, other: Trial) -> tuple[float, int]:
    worst, points = 0.0, 0
    for one, two in zip(run(question.step, trial, FLOAT), run(step, other, FLOAT), strict=True):
        if not all(everywhere(r, partial(one_lane, one), 1)[0] for r in question.when):
            break
        mine, theirs = Sym(question.step.point, True), Sym(step.point, True)
        known = {SAME.left: one_lane(one, mine), SAME.right: one_lane(two, theirs)}
        share, count = compared([SAME], known.__getitem__, np.ones(1, bool))
        worst, points = max(worst, float(share[0])), points + count
    return worst, points


def one_lane(done: Run, expr: Expr) -> list[Any]:
    """The value of an expression, as of a single lane."""
    value = done.value(expr)
    return [np.asarray(v, float)[None] for v in (value if isinstance(value, list) else [value])
            if v is not None]


# All claims.


def attacked(name: str, path: str, points: int, seconds: float) -> list[Attack]:
    """Every claim of a spec that is proved, attacked."""
    source = Source(name, Path(path).read_text("utf-8"))
    flat = checked(source)
    found = []
    for verdict, (claim, its) in zip(verdicts(flat), flat.claims, strict=True):
        if verdict.status != "PROVED":
            continue
        one = Attack(name, verdict.claim, verdict.how)
        found.append(one)
        begun = time.perf_counter()
        try:
            if claim.form == "cost":
                raise Unasked("a number of questions: counted, not computed")
            asked = questions(flat, claim, its)
            for question in asked:
                attack(question, one, -(-points//len(asked)), seconds/len(asked))
        except (Unasked, SpecError) as why:
            one.trouble = str(why)
        except Exception as why:  # the attack itself fails: said, never counted as survived
            one.trouble = f"{type(why).__name__}: {why}"
        one.seconds = round(time.perf_counter() - begun, 2)
    return found


def work(item: tuple[str, str], points: int, seconds: float) -> list[Attack]:
    warnings.simplefilter("ignore")
    return attacked(*item, points, seconds)


def summary(rows: Sequence[Attack], points: int) -> dict[str, Any]:
    return {
        "proved": len(rows), "fallen": sum(bool(r.fall) for r in rows),
        "points": sum(r.points for r in rows), "runs": sum(r.runs for r in rows),
        "reached": sum(r.points >= points for r in rows),
        "fewest": min((r.points for r in rows if not r.trouble), default=0),
        "not attacked": sum(bool(r.trouble) for r in rows),
        "suspects": sum(r.suspects for r in rows)}


def table(report: dict[str, Any]) -> list[str]:
    """What was found, in Markdown."""
    found, rows = report["summary"], report["rows"]
    lines = [
        f"{found['proved']} claims of the shipped specs are PROVED. {where(report)}", "",
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
              "summary": summary(rows, options.points), "rows": [asdict(r) for r in rows]}
    print("\n".join(table(report)))
    if not options.specs:
        record("soundness", report)
        write_part("soundness", table(report))
    sys.exit(report["summary"]["fallen"] > 0)


if __name__ == "__main__":
    main()
