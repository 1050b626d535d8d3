"""Concrete runs of a step in exact numbers: the simplest first, then random ones.

A `Trial` says all that a run is made of: hyperparameters, the starting point, one gradient for each
step. Roots of numbers that are no squares make a trial go to 50 decimal digits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, partial
from typing import Any

import numpy as np

from thetaprime.arguments import draws
from thetaprime.asking import Asked
from thetaprime.check.direction import Everlasting
from thetaprime.claims.problem import Curved
from thetaprime.collect import constant
from thetaprime.evaluate import Run
from thetaprime.expr import Num
from thetaprime.guards import holds
from thetaprime.interpret import after, executed, start
from thetaprime.ir import Hyper, Step
from thetaprime.numbers import BRIEF, Field, NotRational, mpmath_field
from thetaprime.signature import asks_more

SHAPES: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((1,),), ((2,),), ((2,), (1,)), ((2, 2),), ((2, 2), (2,)), ((2, 1, 2),))
SIMPLE = tuple(Fraction(v) for v in ["0", "1", "-1", "2", "1/2", "-1/2", "3"])
INNER = tuple(Fraction(v) for v in ["1/2", "1/4", "9/10", "3/4", "0", "1", "2", "1/10"])
DIGITS = 50


_digits = ContextVar("digits", default=DIGITS)


def precise() -> Field:
    """Numbers of 50 decimal digits, or of as many as `with_digits` says."""
    return _precise(_digits.get())


@contextmanager
def with_digits(count: int) -> Iterator[None]:
    """Inexact runs have so many decimal digits."""
    token = _digits.set(count)
    try:
        yield
    finally:
        _digits.reset(token)


@cache
def _precise(count: int) -> Field:
    return mpmath_field(count)


@dataclass(frozen=True)
class Trial:
    """``hypers`` by name; ``point`` and each of ``gradients`` one array for each tensor."""

    hypers: Mapping[str, Any]
    point: tuple[Any, ...]
    gradients: tuple[tuple[Any, ...], ...]
    tasks_reversed: bool = False

    @property
    def size(self) -> tuple[int, int, int]:
        """Steps, entries, digits: what makes one counterexample smaller than another."""
        arrays = [a for tree in (self.point, *self.gradients) for a in tree]
        numbers = [v for a in arrays for v in np.ravel(a).tolist()]
        scalars = [v for v in self.hypers.values() if isinstance(v, Fraction)]
        return len(self.gradients), sum(a.size for a in arrays), sum(
            len(str(v)) for v in (*numbers, *scalars) if v != 0)


def candidates(hyper: Hyper) -> list[Any]:
    """Values of a hyperparameter to try: the default, the ends of its range, plain ones inside."""
    default = hyper.default
    if isinstance(default, tuple):
        return [None]
    if hyper.type.kind == "function":
        return [_plain_function]
    numbers = [v for v in (constant(default) if default is not None else None,) if v is not None]
    bounds = hyper.range
    ends = [] if bounds is None else [
        e for e, closed in ((bounds.low, bounds.low_closed), (bounds.high, bounds.high_closed))
        if e is not None and closed]
    found = [*ends, *numbers, *INNER]
    if hyper.type.kind == "int":
        found = [Fraction(v) for v in (*ends, *numbers, 1, 2, 3) if v == int(v) and v < 50]
    inside = [Fraction(v) for v in found if bounds is None or v in bounds]
    return list(dict.fromkeys(inside)) or [Fraction(*(0.01).as_integer_ratio())]


def _plain_function(*args: Any) -> Any:
    return args[0]


def shapes(step: Step) -> list[tuple[tuple[int, ...], ...]]:
    """The trees of tensors that a step takes, the smallest first."""
    return [tree for tree in SHAPES if all(
        holds(step.takes, {"rank": len(s)}, "") for s in tree)] or [((2, 2, 2),)]


def trials(
    step: Step, fixed: Mapping[str, Any], steps: Sequence[int], count: int, seed: int = 0,
    still: bool = False,
) -> Iterator[Trial]:
    """Runs to try: corners first, then random ones. ``fixed`` hyperparameters; ``steps`` are the
    lengths that make sense; ``still``: the gradient is the same at every step."""
    rng = random.Random(f"{step.name} {seed}")
    free = {h.name: candidates(h) for h in step.hypers if h.name not in fixed}
    trees = shapes(step)
    for index in range(count):
        simple = index < count // 2
        tree = trees[0] if simple else rng.choice(trees)
        values = SIMPLE[:3] if simple and index % 2 else SIMPLE
        hypers = dict(fixed)
        for name, options in free.items():
            hypers[name] = rng.choice(options)
            if not simple and isinstance(hypers[name], Fraction) and rng.random() < 0.3:
                hypers[name] = _within(step.hyper(name), rng, hypers[name])
        length = steps[index % len(steps)]
        gradients = [_tensors(tree, rng, values) for _ in range(length)]
        if still:
            gradients = [gradients[0]] * length
        yield Trial({k: v for k, v in hypers.items() if v is not None}, _tensors(tree, rng, values),
                    tuple(gradients))


def _within(hyper: Hyper, rng: random.Random, value: Fraction) -> Fraction:
    if hyper.type.kind == "int":
        return value
    tried = Fraction(rng.randint(1, 99), 100)
    return tried if hyper.range is None or tried in hyper.range else value


def _tensors(
    tree: tuple[tuple[int, ...], ...], rng: random.Random, values: Sequence[Fraction]
) -> tuple[Any, ...]:
    found = []
    for shape in tree:
        array = np.empty(shape, object)
        flat = array.reshape(-1)
        for i in range(flat.size):
            flat[i] = rng.choice(values)
        found.append(array)
    return tuple(found)


def run(step: Step, trial: Trial, numbers: Field | None = None) -> Iterator[Run]:
    """The steps of a trial, each with all that it computed."""
    if numbers is None:
        try:
            yield from list(run(step, trial, BRIEF))
        except (NotRational, OverflowError, TypeError, ValueError):
            yield from run(step, trial, precise())
        return
    point: Sequence[Any] = trial.point
    memory = start(step, point, trial.hypers, numbers)
    asks = asks_more(step)
    for gradient in trial.gradients:
        problem = posed(step, trial, numbers, point, gradient)
        asked = Asked(problem, this=0, fresh=_Batches(), full=-1) if asks else None
        done = executed(step, memory, point, gradient, trial.hypers, problem.level, numbers,
                        asked=asked)
        yield done
        point, memory = after(done)


def posed(
    step: Step, trial: Trial, numbers: Field, point: Sequence[Any], gradient: Sequence[Any]
) -> Curved:
    """The problem of one step of a trial."""
    return Curved(numbers, point, gradient, _tasks(step, trial), trial.tasks_reversed)


def _tasks(step: Step, trial: Trial) -> int:
    length = {a.name: a.length for a in step.axes}.get(step.tasks, 2)
    if isinstance(length, int):
        return length
    default = step.hyper(length).default
    return int(trial.hypers.get(length, default.value if isinstance(default, Num) else 2))


class _Batches(Everlasting):
    """Fresh batches are known by their numbers."""

    def __getitem__(self, number: object) -> Any:
        return int(number) + 1 if isinstance(number, int) else 1


def random_free(step: Step) -> bool:
    """Whether nothing is drawn, so that a run is known from its trial."""
    return not draws(step)


def smaller(step: Step, trial: Trial) -> Iterator[Trial]:
    """Simpler trials near one: fewer steps, then simpler numbers within their ranges."""
    for i in range(len(trial.gradients)):
        if len(trial.gradients) > 1:
            yield replace(trial, gradients=trial.gradients[:i] + trial.gradients[i + 1:])
    trees = (trial.point, *trial.gradients)
    for cut in _cuts(trial.point):
        yield replace(trial, point=cut(trial.point), gradients=tuple(map(cut, trial.gradients)))
    for place, tree in enumerate(trees):
        for leaf, array in enumerate(tree):
            for index in np.ndindex(array.shape):
                for value in (Fraction(0), Fraction(1)):
                    if array[index] != value and (value == 0 or array[index] != 0):
                        changed = array.copy()
                        changed[index] = value
                        new = (*tree[:leaf], changed, *tree[leaf + 1:])
                        all_trees = (*trees[:place], new, *trees[place + 1:])
                        yield replace(trial, point=all_trees[0], gradients=all_trees[1:])
    for name, value in trial.hypers.items():
        if isinstance(value, Fraction):
            for simple in (Fraction(0), Fraction(1), Fraction(1, 2), Fraction(1, 10)):
                bounds = step.hyper(name).range
                if len(str(simple)) < len(str(value)) and (bounds is None or simple in bounds):
                    yield replace(trial, hypers={**trial.hypers, name: simple})


def _cuts(tree: tuple[Any, ...]) -> Iterator[Callable[[tuple[Any, ...]], tuple[Any, ...]]]:
    """Ways to make all trees of a trial smaller: without a tensor, half of an axis."""
    for leaf, array in enumerate(tree):
        if len(tree) > 1:
            yield partial(_without, leaf)
        for axis, length in enumerate(array.shape):
            if length > 1:
                for part in (slice(0, 1), slice(1, None)):
                    place = (slice(None),) * axis + (part,)
                    yield partial(_part, leaf, place)


def _without(leaf: int, tree: tuple[Any, ...]) -> tuple[Any, ...]:
    return tree[:leaf] + tree[leaf + 1:]


def _part(leaf: int, place: tuple[slice, ...], tree: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*tree[:leaf], tree[leaf][place], *tree[leaf + 1:])
