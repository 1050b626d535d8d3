"""Runs that a claim says are the same: of two rules, of one rule on changed gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from thetaprime.claims.equality import Rival
from thetaprime.claims.questions import Question
from thetaprime.claims.refute import Counterexample, Judge, everywhere, same, steady
from thetaprime.claims.runs import Trial, precise, run
from thetaprime.claims.symmetry import MOVES
from thetaprime.collect import constant
from thetaprime.evaluate import Run
from thetaprime.expr import Expr, Num, Sym, rewrite, substitute, symbols
from thetaprime.interpret import hyperparameters
from thetaprime.ir import Step
from thetaprime.numbers import EXACT, NotRational
from thetaprime.types import SCALAR

Move = Callable[[tuple[Any, ...]], tuple[Any, ...]]
SCALE = Fraction(3)
T = Sym("t")


def judged_equal(rival: Rival) -> Judge:
    """Whether two rules part on a trial."""

    @steady
    def judge(question: Question, trial: Trial) -> Counterexample | int:
        hypers = rival_hypers(question, rival, trial)
        other = replace(trial, hypers=hypers)
        return _parted(question, trial, run(question.step, trial), run(rival.step, other),
                       rival.step.point)

    return judge


def rival_hypers(question: Question, rival: Rival, trial: Trial) -> dict[str, Any]:
    """The rival's hyperparameters in a trial of the rule's; schedules where they follow t, or one
    of the rule's that is a schedule."""
    step, given = question.step, trial.hypers
    own = {h.name for h in step.hypers}
    found: dict[str, Any] = {}
    for hyper in rival.step.hypers:
        expr = rival.hypers.get(hyper.name)
        if expr is None and hyper.name in own:
            expr = Sym(hyper.name)
        if expr is None:
            continue
        if isinstance(expr, Sym) and expr.name in given:
            found[hyper.name] = given[expr.name]
            continue
        if T in symbols(expr) or any(callable(given.get(s.name)) for s in symbols(expr)):
            found[hyper.name] = lambda k, expr=expr: valued(step, expr, given, k + 1)
        else:
            found[hyper.name] = valued(step, expr, given, 1)
    return found


def valued(step: Step, expr: Expr, given: Mapping[str, Any], t: int) -> Any:
    """The number that an expression in hyperparameters and t is, of 50 digits where it is not
    rational. Raises ValueError."""
    if isinstance(expr, Num):
        return expr.value
    for numbers in (EXACT, precise()):
        with suppress(NotRational, TypeError):
            env = hyperparameters(step, given, t, numbers)
            own = env.get(expr) if isinstance(expr, Sym) else None
            if callable(own) or (isinstance(own, np.ndarray) and own.ndim):
                return own
            env[T] = numbers.array(t)
            run = Run(step, numbers, [], env, t)
            return np.asarray(run.value(rewrite(expr, _scalar)))[()]
    raise ValueError(str(expr))


def _scalar(node: Expr) -> Expr:
    return replace(node, type=SCALAR)


@steady
def judged_changed(question: Question, trial: Trial) -> Counterexample | int:
    """Whether the changes of an invariance change the iterates."""
    if question.claim.form == "symmetry":
        return _judged_moved(question, trial)
    step, other = question.step, changed(question, trial)
    if other is None:
        return 0
    put = [(t, e) for t, e in question.changes if t.name == step.point]

    def back(tree: Any) -> Any:
        return tuple(_each(np.asarray(a, object), *put[0], {}) for a in tree) if put else tree

    return _parted(question, trial, run(step, trial), run(step, other), step.point, back)


def changed(question: Question, trial: Trial) -> Trial | None:
    """A trial after the changes of an invariance, where they are of gradients and the point."""
    step, gradients, point = question.step, trial.gradients, trial.point
    for target, expr in question.changes:
        new = {s for s in symbols(expr) if s.name not in (step.point, step.gradient, target.name)}
        known = dict.fromkeys(new, SCALE)
        if target.name == step.gradient:
            gradients = tuple(tuple(_each(a, target, expr, known) for a in g) for g in gradients)
        elif target.name == step.point:
            point = tuple(_each(a, target, expr, known) for a in point)
        else:
            return None
    return replace(trial, gradients=gradients, point=point)


def _judged_moved(question: Question, trial: Trial) -> Counterexample | int:
    words = " ".join(str(w) for w in question.claim.subject)  # type: ignore[union-attr]
    if words == "permutation of tasks":
        other, move = replace(trial, tasks_reversed=True), None
    elif words in MOVES:
        move = MOVES[words]
        other = replace(trial, point=move(trial.point), gradients=tuple(
            move(g) for g in trial.gradients))
    else:
        return 0
    return _parted(question, trial, run(question.step, trial), run(question.step, other),
                   question.step.point, move)


def _each(array: Any, target: Sym, expr: Expr, known: Mapping[Sym, Any]) -> Any:
    found = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        found[index] = put(expr, {**known, Sym(target.name): array[index]})
    return found


def put(expr: Expr, known: Mapping[Sym, Any]) -> Any:
    """The number that an expression is. Raises ValueError."""
    if isinstance(expr, Sym) and expr in known:
        return known[expr]
    put = {s: Num(str(known[s])) for s in symbols(expr) if s in known}
    value = constant(substitute(expr, dict(put)))
    if value is None:
        raise ValueError(str(expr))
    return value


def _parted(
    question: Question, trial: Trial, ours: Any, theirs: Any, their_point: str,
    move: Move | None = None,
) -> Counterexample | int:
    """The first step after which the points differ, ours moved as the claim says; else how many
    steps agreed. What comes after an undefined number says nothing."""
    points = 0
    point = question.step.point
    try:
        for one, other in zip(ours, theirs, strict=True):
            if not all(everywhere(one, r) for r in question.when):
                return points
            pair = _apart(one, other, point, their_point, move)
            if pair is not None:
                short = replace(trial, gradients=trial.gradients[:one.t])
                return Counterexample(short, one.t, *pair, "==")
            points += 1
    except (ArithmeticError, ValueError, KeyError, np.linalg.LinAlgError, TypeError):
        return points
    return points


def _apart(
    one: Run, other: Run, point: str, their_point: str, move: Move | None
) -> tuple[Any, Any] | None:
    mine, theirs = one.env[Sym(point, True)], other.env[Sym(their_point, True)]
    if move is not None:
        mine = list(move(tuple(mine)))
    for a, b in zip(mine, theirs, strict=True):
        for left, right in zip(np.ravel(a), np.ravel(b), strict=True):
            if left != left or right != right:
                raise ArithmeticError("undefined")
            if not same(left, right):
                return left, right
    return None
