"""The meaning of a step, executed directly: the referee of every backend.

Tensors are a list of arrays, in any `numbers.Field`: float64, exact rationals, mpmath. Nothing is
in place, nothing is clever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from thetaprime.asking import Asked
from thetaprime.evaluate import Run, Value
from thetaprime.expr import Sym, walk
from thetaprime.ir import Draw, State, Step, asks_gradient
from thetaprime.matrices import families, refuse, started
from thetaprime.numbers import FLOAT, Array, Field
from thetaprime.storage import kept
from thetaprime.types import Type

Tensors = list[Array]
Hyperparameter = Any


@dataclass
class Memory:
    """States by name, and the number of steps done."""

    t: int = 0
    values: dict[str, Value] = field(default_factory=dict)


def hyperparameters(
    step: Step, given: Mapping[str, Hyperparameter], t: int, numbers: Field = FLOAT
) -> dict[Sym, Value]:
    """The values of hyperparameters at step ``t``: schedules are evaluated at t - 1.

    Raises KeyError for a required one that is missing.
    """
    run = Run(step, numbers, [], {}, t)
    pending = []
    for hyper in step.hypers:
        value = given.get(hyper.name)
        if hyper.type.kind == "function" and value is not None:
            run.env[Sym(hyper.name)] = value
            continue
        if callable(value):
            value = value(t - 1)
        if value is not None:
            run.env[Sym(hyper.name)] = numbers.array(value)
        elif hyper.default is None:
            raise KeyError(hyper.name)
        else:
            pending.append(hyper)
    while pending:
        hyper = pending.pop(0)
        default = hyper.default
        assert default is not None
        parts = default if isinstance(default, tuple) else (default,)
        if any(isinstance(n, Sym) and n not in run.env for p in parts for n in walk(p)):
            pending.append(hyper)
        elif isinstance(default, tuple):
            values = [np.asarray(run.value(p))[()] for p in default]
            run.env[Sym(hyper.name)] = np.array(values, numbers.dtype)
        else:
            run.env[Sym(hyper.name)] = run.value(default)
    return run.env


def start(
    step: Step, params: Sequence[Any], given: Mapping[str, Hyperparameter] | None = None,
    numbers: Field = FLOAT, seed: int = 0, paths: Sequence[str] | None = None,
) -> Memory:
    """The states before the first step, for a list of tensors; ``paths`` are their names. Raises
    WrongTensor for one that the step is not for."""
    point = [numbers.array(p) for p in params]
    env = hyperparameters(step, given or {}, 1, numbers)
    env[Sym(step.point)] = point
    run = _run(step, numbers, point, env, 0, seed, paths=paths)
    refuse(step, run.shapes, run.paths)
    along = families(step)
    memory = Memory()
    for state in sorted(step.states, key=lambda s: not s.constant):
        if isinstance(state.start, Draw):
            value = run.only(state.guard).drawn(state.start.target, state.start.distribution,
                                                state.start.args)
        else:
            value = started(run.only(state.guard), state.start, state.type, along)
        memory.values[state.name] = value
        run.env[Sym(state.name)] = value
    return memory


def advance(
    step: Step, memory: Memory, params: Sequence[Any], grads: Sequence[Any] | None = None,
    given: Mapping[str, Hyperparameter] | None = None, loss: Any = None,
    numbers: Field = FLOAT, seed: int = 0, asked: Asked | None = None,
    paths: Sequence[str] | None = None,
) -> tuple[Tensors, Memory]:
    """One step: the new tensors and the new memory; nothing given is changed.

    Without ``grads`` the gradient (and the loss) at the point is asked of the problem, if the step
    reads it. Raises MissingOracle.
    """
    run = executed(step, memory, params, grads, given, loss, numbers, seed, asked, paths)
    return after(run)


def executed(
    step: Step, memory: Memory, params: Sequence[Any], grads: Sequence[Any] | None = None,
    given: Mapping[str, Hyperparameter] | None = None, loss: Any = None,
    numbers: Field = FLOAT, seed: int = 0, asked: Asked | None = None,
    paths: Sequence[str] | None = None,
) -> Run:
    """One step with all that it computed; `advance` takes the same."""
    t = memory.t + 1
    point = [numbers.array(p) for p in params]
    env = hyperparameters(step, given or {}, t, numbers)
    env[Sym("t")] = numbers.array(t)
    env[Sym(step.point)] = point
    if grads is None and asked is not None and asks_gradient(step):
        grads = asked.problem.grad(point, asked.this)
    if grads is not None:
        env[Sym(step.gradient)] = [numbers.array(g) for g in grads]
    if loss is None and asked is not None:
        loss = asked.problem.loss(point, asked.this)
    if loss is not None:
        env[Sym("loss")] = numbers.array(loss)
    env.update({Sym(n): v for n, v in memory.values.items()})
    run = _run(step, numbers, point, env, t, seed, asked, paths)
    with np.errstate(all="ignore"):
        run.execute(step.body)
    return run


def after(run: Run) -> tuple[Tensors, Memory]:
    """The tensors and the memory that a step leaves."""
    values = {s.name: _stored(run, s) for s in run.step.states}
    moved = run.env[Sym(run.step.point, True)]
    assert isinstance(moved, list)
    return moved, Memory(run.t, values)


def _run(
    step: Step, numbers: Field, point: Tensors, env: dict[Sym, Value], t: int, seed: int = 0,
    asked: Asked | None = None, paths: Sequence[str] | None = None,
) -> Run:
    """An evaluation for all tensors; without paths they are called by their numbers."""
    names = paths if paths is not None else [str(k) for k in range(len(point))]
    return Run(step, numbers, [p.shape for p in point], env, t, seed, asked, 0, names,
               frozenset(range(len(point))))


def _stored(run: Run, state: State) -> Value:
    """What is kept of a state when the step ends."""
    value = run.env[Sym(state.name, not state.constant)]
    if state.storage is None or run.numbers is not FLOAT:
        return value
    if isinstance(value, list):
        return [_kept(v, state, run, k) for k, v in enumerate(value)]
    return run.numbers.array(kept(value, state.storage, run.seed, state.name, run.t, 0))


def _kept(value: Any, state: State, run: Run, leaf: int) -> Any:
    """What is kept of one tensor; of a family, of each axis."""
    assert state.storage is not None
    if isinstance(value, tuple):
        return tuple(_kept(v, state, run, leaf) for v in value)
    return None if value is None else kept(value, state.storage, run.seed, state.name, run.t, leaf)


def evaluation(
    step: Step, memory: Memory, params: Sequence[Any],
    given: Mapping[str, Hyperparameter] | None = None, numbers: Field = FLOAT,
) -> Tensors:
    """The point to evaluate and save: `eval`, or what training holds."""
    point = [numbers.array(p) for p in params]
    if step.evaluate is None:
        return point
    env = hyperparameters(step, given or {}, max(memory.t, 1), numbers)
    env[Sym(step.point)] = point
    env[Sym("t")] = numbers.array(memory.t)
    env.update({Sym(n): v for n, v in memory.values.items()})
    run = _run(step, numbers, point, env, memory.t)
    assert step.evaluate.type is not None
    value = run.fitted(run.value(step.evaluate), step.evaluate.type, Type())
    assert isinstance(value, list)
    return value
