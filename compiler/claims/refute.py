"""Counterexamples to claims: exact runs, the simplest first, shrunk to the smallest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import wraps
from typing import Any

import numpy as np

from thetaprime.claims.questions import Question, Relation
from thetaprime.claims.runs import Trial, posed, run, smaller, trials, with_digits
from thetaprime.evaluate import Run
from thetaprime.expr import Expr, Num, Sym
from thetaprime.interpret import Tensors
from thetaprime.ir import Step
from thetaprime.numbers import FLOAT
from thetaprime.signature import asked_of

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
# Numbers of 50 digits that are this close are taken as equal.
CLOSE = Fraction(1, 10**25)
# A counterexample of inexact numbers is the same with so many digits, to one part in STEADY.
MORE_DIGITS = (57, 68, 83)
STEADY = 10**20
STEPS = (1, 2, 1, 3)
MOST_SHRINKS = 60


@dataclass(frozen=True)
class Counterexample:
    """A run after whose last step two quantities do not relate as a claim says."""

    trial: Trial
    step: int
    left: Any
    right: Any
    relation: str
    replayed: bool = False


@dataclass(frozen=True)
class Tested:
    """How many points agreed."""

    points: int


def attack(
    question: Question, count: int, judge: Judge, seed: int = 0,
) -> Counterexample | Tested:
    """A counterexample, or the number of points at which the claim held."""
    points = 0
    for trial in sampled(question, count, seed):
        found = judge(question, trial)
        if isinstance(found, Counterexample):
            return shrunk(question.step, found, lambda t: judge(question, t))
        points += found
    return Tested(points)


def sampled(question: Question, count: int, seed: int) -> Iterator[Trial]:
    """Trials that meet the conditions of a question, as far as these give numbers."""
    step = question.step
    hypers = {h.name for h in step.hypers}
    fixed: dict[str, Any] = {}
    last: Fraction | None = None
    steps: Sequence[int] = STEPS
    for one in question.when:
        if one.op != "==" or not isinstance(one.left, Sym) or not isinstance(one.right, Num):
            continue
        if one.left.name in hypers:
            fixed[one.left.name] = one.right.value
        elif one.left == Sym(step.gradient):
            last = one.right.value
        elif one.left == Sym("t"):
            steps = (int(one.right.value),)
    same = [(one.left.name, one.right.name) for one in question.when if one.op == "==" and (
        isinstance(one.left, Sym) and isinstance(one.right, Sym)) and (
        {one.left.name, one.right.name} <= hypers)]
    resting = any(isinstance(one.left, Sym) and not isinstance(one.left, Num) and (
        one.left.name in {s.name for s in step.states}) for one in question.when)
    for index, trial in enumerate(trials(
            step, fixed, steps, count, seed, bool(question.constant))):
        for left, right in same:
            if right in trial.hypers:
                trial = replace(trial, hypers={**trial.hypers, left: trial.hypers[right]})
        if last is not None:
            quiet = tuple(np.full(g.shape, last, object) for g in trial.gradients[-1])
            before = tuple(quiet for _ in trial.gradients[:-1]) if (
                resting and index % 2) else trial.gradients[:-1]
            trial = replace(trial, gradients=(*before, quiet))
        yield trial


Judge = Callable[[Question, Trial], Counterexample | int]


def steady(judge: Judge) -> Judge:
    """A judge whose counterexamples do not depend on rounding. A number that is 0 but for rounding
    may be on either side of a threshold at 0: in inexact numbers it says nothing."""

    @wraps(judge)
    def looked(question: Question, trial: Trial) -> Counterexample | int:
        found = judge(question, trial)
        if isinstance(found, Counterexample) and not (
                isinstance(found.left, Fraction | int) and isinstance(found.right, Fraction | int)):
            for count in MORE_DIGITS:
                with with_digits(count):
                    again = judge(question, trial)
                if not isinstance(again, Counterexample) or not _alike(found, again):
                    return 0
        return found

    return looked


def _alike(one: Counterexample, other: Counterexample) -> bool:
    pairs = [(_like(a, b), _like(b, a)) for a, b in (
        (one.left, other.left), (one.right, other.right))]
    return one.step == other.step and all(
        abs(a - b)*STEADY <= max(abs(a), abs(b)) for a, b in pairs)


@steady
def judged(question: Question, trial: Trial) -> Counterexample | int:
    """The first step of a trial that contradicts a claim; else at how many points it held."""
    points = 0
    try:
        for done in run(question.step, trial):
            if not all(everywhere(done, one) for one in question.when):
                continue
            for one in question.facts:
                found = _apart(done, one)
                if found is not None:
                    short = replace(trial, gradients=trial.gradients[:done.t])
                    return Counterexample(short, done.t, *found, one.op)
            points += 1
    except (ArithmeticError, ValueError, KeyError, np.linalg.LinAlgError, TypeError):
        return points
    return points


def everywhere(done: Run, one: Relation) -> bool:
    """Whether a relation holds in all entries."""
    pairs = list(compared(done, one.left, one.right))
    return bool(pairs) and all(_defined(a, b) and related(one.op, a, b) for a, b in pairs)


def _apart(done: Run, one: Relation) -> tuple[Any, Any] | None:
    """The first entries that do not relate so."""
    for a, b in compared(done, one.left, one.right):
        if _defined(a, b) and not related(one.op, a, b):
            return a, b
    return None


def same(a: Any, b: Any) -> bool:
    """Equal, or of 50 digits and as good as equal."""
    return related("==", a, b)


def related(op: str, a: Any, b: Any) -> bool:
    """Whether two numbers relate so; of 50 digits, nearly so."""
    if isinstance(a, Fraction | int) and isinstance(b, Fraction | int):
        return COMPARE[op](a, b)
    a, b = _like(a, b), _like(b, a)
    scale = max(abs(a), abs(b))
    near = scale == 0 or abs(a - b) <= scale * float(CLOSE) or abs(a - b) < float(CLOSE)
    if op in ("==", "<=", ">="):
        return near or COMPARE[op](a, b)
    return not near and COMPARE[op](a, b)


def _like(value: Any, other: Any) -> Any:
    """A rational as a number of the other's 50 digits."""
    if isinstance(value, Fraction) and not isinstance(other, Fraction | int | float):
        return type(other)(value.numerator) / value.denominator
    return value


def _defined(*values: Any) -> bool:
    return all(v == v and abs(v) != float("inf") for v in values)


def compared(done: Run, left: Expr, right: Expr) -> Iterator[tuple[Any, Any]]:
    """Both sides, entry by entry."""
    one, other = done.value(left), done.value(right)
    if isinstance(one, list) or isinstance(other, list):
        leaves = max(len(v) for v in (one, other) if isinstance(v, list))
        pairs = [(one[k] if isinstance(one, list) else one,
                  other[k] if isinstance(other, list) else other) for k in range(leaves)]
    else:
        pairs = [(one, other)]
    for a, b in pairs:
        if a is None or b is None or isinstance(a, tuple) or isinstance(b, tuple):
            continue
        first, second = np.broadcast_arrays(np.asarray(a), np.asarray(b))
        yield from zip(map(_number, first.ravel()), map(_number, second.ravel()), strict=True)


def _number(value: Any) -> Any:
    return Fraction(int(value)) if isinstance(value, bool | np.bool_) else value


def shrunk(
    step: Step, found: Counterexample, judge: Callable[[Trial], Counterexample | int]
) -> Counterexample:
    """The smallest counterexample that simpler and simpler trials lead to."""
    for _ in range(MOST_SHRINKS):
        for trial in smaller(step, found.trial):
            if trial.size >= found.trial.size:
                continue
            other = judge(trial)
            if isinstance(other, Counterexample):
                found = other
                break
        else:
            return found
    return found


def in_float(found: Counterexample) -> tuple[dict[str, Any], Tensors, list[Tensors]]:
    """The trial in float64, as programs take it."""
    trial = found.trial
    return (floats(trial.hypers), _floats(trial.point), [_floats(g) for g in trial.gradients])


def floats(hypers: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters as programs take them."""
    return {k: float(v) if isinstance(v, Fraction) else v for k, v in hypers.items()}


def _floats(tree: Sequence[Any]) -> Tensors:
    return [np.asarray(a, np.float64) for a in tree]


def replay(step: Step, found: Counterexample) -> bool:
    """Whether the generated NumPy program makes the run of a counterexample too: the same point
    after every step, to rounding. False where it asks for other batches than this step's, for one
    of several losses, or for functions."""
    from thetaprime.backends.module import load
    from thetaprime.backends.to_numpy import emit

    asks = asked_of(step)
    if any(n.over != ("this",) for n in asks) or any(map(callable, found.trial.hypers.values())):
        return False
    hypers, point, gradients = in_float(found)
    whole = {h.name for h in step.hypers if h.type.kind == "int"}
    hypers = {k: int(v) if k in whole else v for k, v in hypers.items()}
    program = load(emit(step), f"replay_{step.name}")
    params = [p.copy() for p in point]
    with np.errstate(all="ignore"):
        state = program.init(params, **hypers)
        for gradient, done in zip(gradients, run(step, found.trial), strict=True):
            if asks:
                problem = posed(step, found.trial, FLOAT, [p.copy() for p in params], gradient)
                state = program.step(params, state, 0, problem, **hypers)
            else:
                state = program.step(params, [g.copy() for g in gradient], state, value=1.5,
                                     **hypers)
            moved = done.env[Sym(step.point, True)]
            for ours, theirs in zip(params, moved, strict=True):
                if not np.allclose(ours, np.asarray(theirs, np.float64), 1e-9, 1e-12,
                                   equal_nan=True):
                    return False
    return True
