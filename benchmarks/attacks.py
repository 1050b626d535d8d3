"""Attacks on one claim: rounds of runs until enough points agreed, or it falls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from comparing import SAME, compared, everywhere, side_of
from lanes import Batch, batch, runs, tensors, value_of, vectorised

from thetaprime.asking import Asked
from thetaprime.claims.equality import Rival
from thetaprime.claims.problem import Curved
from thetaprime.claims.questions import Question, Unasked
from thetaprime.claims.refute import Counterexample, Judge, judged
from thetaprime.claims.rivals import rival
from thetaprime.claims.runs import Trial, run
from thetaprime.claims.same_runs import judged_changed, judged_equal, rival_hypers
from thetaprime.claims.verdicts import told
from thetaprime.evaluate import Run
from thetaprime.expr import Apply, Expr, Num, Sym, substitute, symbols
from thetaprime.guards import holds
from thetaprime.interpret import after, executed, start
from thetaprime.ir import Step, asks_gradient
from thetaprime.numbers import FLOAT

LANES, STEPS = 2048, (3, 2, 5, 1)
TREES = (((2,), (1,)), ((2, 3), (3,)), ((1,),), ((4,),), ((3, 2), ()), ((2, 2, 2),))
LARGE = (((40,), (3, 4)), ((6, 5), ()), ((2, 3, 2), (4,)))  # for runs that go one after another
CONFIRMED = 12  # at most so many suspects of a round are run in exact numbers
Move = Callable[[Any], tuple[Any, ...]]


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
    question: Question, given: Batch, step: Step, other: Batch, move: Move = tuple
) -> tuple[Any, int]:
    """Two runs that a claim says are the same, but for a move of the tensors."""
    watched = [e for r in question.when for e in (r.left, r.right)
               if not (isinstance(e, Apply) and e.op == "true")]
    worst, points = np.zeros(given.lanes), 0
    active = np.ones(given.lanes, bool)
    for (mine, values), (theirs, _) in zip(
            runs(question.step, given, watched), runs(step, other, ()), strict=True):
        sides = side_of({**values, SAME.left: move(mine), SAME.right: theirs}, given.lanes)
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


def changed_batch(question: Question, given: Batch, factor: float) -> tuple[Question, Any, Move]:
    """The same runs with the tensors and gradients that an invariance speaks of, the claim with a
    number in the place of c, and what becomes of the iterate. Raises Unasked where something else
    changes."""
    put: dict[Sym, Expr] = {Sym(n): Num(repr(factor)) for n in constants_in(question)}
    changes = tuple((t, substitute(e, put)) for t, e in question.changes)
    moves: dict[str, Move] = {question.step.point: tuple, question.step.gradient: tuple}
    for target, expr in changes:
        if target.name not in moves:
            raise Unasked(f"a change of `{target.name}`")
        moves[target.name] = partial(_changed, target.name, expr)
    of_point, of_gradient = moves.values()
    changed = replace(given, point=of_point(given.point),
                      gradients=tuple(map(of_gradient, given.gradients)))
    return replace(question, changes=changes), changed, of_point


def _changed(name: str, expr: Expr, tree: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value_of(expr, {name: a}) for a in tree)


def mover(words: str, rng: np.random.Generator) -> Move:
    """What a symmetry does to tensors that have the lanes as their first axis. Raises Unasked."""
    def permuted(flat: Any) -> Any:
        return flat[:, order[flat.shape[1]]]

    def turned(flat: Any) -> Any:
        if flat.shape[1] < 2:
            return flat
        one, two = flat[:, :1], flat[:, 1:2]
        return np.concatenate([c*one - s*two, s*one + c*two, flat[:, 2:]], axis=1)

    order = {n: rng.permutation(n) for n in range(100)}
    angle = rng.uniform(0, 2*np.pi)
    c, s = np.cos(angle), np.sin(angle)
    moves = {"permutation of entries": permuted, "rotation": turned}
    if words not in moves:
        raise Unasked(f"invariance under {words}")
    return lambda tree: tuple(
        moves[words](a.reshape(a.shape[0], -1)).reshape(a.shape) for a in map(np.asarray, tree))


def constants_in(question: Question) -> set[str]:
    """The symbols that an invariance brings: c in `g -> c*g`."""
    step = question.step
    known = {step.point, step.gradient, "t", *(h.name for h in step.hypers)}
    return {s.name for _, e in question.changes for s in symbols(e)} - known


# Attacks.


def answerable(step: Step) -> None:
    """Raises Unasked for a step that calls functions of the user's."""
    for hyper in step.hypers:
        if hyper.type.kind == "function":
            raise Unasked(f"the user passes `{hyper.name}`")


def attack(question: Question, found: Attack, points: int, seconds: float) -> None:
    """Rounds until so many points agreed, a claim falls, or the time is over."""
    answerable(question.step)
    other = rival(question) if question.claim.form == "equals" else None
    slow = not all(map(vectorised, [question.step, *([other.step] if other else [])]))
    found.engine = "interpreter" if slow else "program"
    rng = np.random.default_rng([ord(c) for c in found.spec + found.claim])
    begun, before = time.perf_counter(), found.points
    fitting = (tuple(shape for shape in tree if holds(
        question.step.takes, {"rank": len(shape)}, "")) for tree in (LARGE if slow else TREES))
    trees = list(filter(None, fitting))
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
        question, changed, move = changed_batch(question, given, factor)
        worst, points = round_of_pair(question, given, question.step, changed, move)
        judge = judged_changed
    elif question.claim.form == "symmetry":
        move = mover(" ".join(map(str, question.claim.subject)), rng)
        changed = replace(given, point=move(given.point),
                          gradients=tuple(map(move, given.gradients)))
        worst, points = round_of_pair(question, given, question.step, changed, move)
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
        elif question.claim.form in ("invariant", "symmetry"):
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
    return [np.asarray(v, float)[None] for v in tensors(value)]


# Claims of how often a step asks.


class Counting(Curved):
    """The problem, which also writes down what it was asked: equal questions once."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: dict[str, set[bytes]] = {"grad": set(), "loss": set()}

    def grad(self, y: list[Any], batch: Any = 0, name: str = "") -> list[Any]:
        """The gradient."""
        self.asked["grad"].add(_content(y, batch, name))
        return super().grad(y, batch, name)

    def loss(self, y: list[Any], batch: Any = 0, name: str = "") -> Any:
        """The loss."""
        self.asked["loss"].add(_content(y, batch, name))
        return super().loss(y, batch, name)


def _content(y: list[Any], batch: Any, name: str) -> bytes:
    return b"".join(np.asarray(a).tobytes() for a in y) + f"{batch} {name}".encode()


def counted(step: Step, most: int, oracle: str, found: Attack, points: int, seconds: float) -> None:
    """Steps that are run while the questions are counted. A point is a step."""
    rng = np.random.default_rng(most)
    question = Question(None, step.source, step)  # type: ignore[arg-type]
    begun = time.perf_counter()
    while found.points < points and not found.fall and time.perf_counter() - begun < seconds:
        given = batch(question, LARGE[found.runs % len(LARGE)], 24, 3, rng)
        for k in range(given.lanes):
            trial = given.lane(k)
            memory = start(step, trial.point, trial.hypers, FLOAT)
            point: Sequence[Any] = trial.point
            found.runs += 1
            for gradient in trial.gradients:
                problem = Counting(FLOAT, point, gradient)
                if asks_gradient(step):
                    problem.asked["grad"].add(_content(problem.point, 0, ""))
                done = executed(step, memory, point, gradient, trial.hypers, problem.level, FLOAT,
                                asked=Asked(problem, this=0, fresh=range(1, 99), full=-1))
                point, memory = after(done)
                found.points += 1
                asked = len(problem.asked[oracle])
                if asked > most:
                    found.fall = [f"{asked} times {oracle}", *map(str, (trial.hypers, trial.point,
                                                                        trial.gradients))]
                    return
