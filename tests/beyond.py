"""Rules that ask for more than the gradient, on the small problem of `tests.problem`: the meaning
of a spec and both programs, step by step in float64.

Step t sees batch 100 t as its own, batches 100 t + 1, 100 t + 2, ... as fresh ones, and batch 0 as
all data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np

from tests import problem
from tests.tree import LEAVES, Move, Tree, here, load
from thetaprime.asking import Asked
from thetaprime.backends.array_plan import calls
from thetaprime.engines import Engine
from thetaprime.feed import Batches
from thetaprime.interpret import advance, evaluation, start
from thetaprime.ops import ORACLES
from thetaprime.signature import asks_more, oracles_of

STEPS = 10
FRESH = 64  # more than any step takes
NAMES = list(LEAVES)


def batches(t: int, step: Any = None) -> Any:
    """The batches of step t of a rule: its own, fresh ones, all data."""
    batch = partial(problem.batch, pull=problem.PULL.get(step.name, 0.0) if step else 0.0)
    fresh = [batch(100 * t + 1 + i) for i in range(FRESH)]
    return SimpleNamespace(this=batch(100 * t), fresh=fresh, full=batch(0))


class Lists:
    """The oracles on lists of tensors, as the interpreter asks them."""

    def __init__(self, oracles: Any) -> None:
        self._oracles = oracles

    def __getattr__(self, name: str) -> Any:
        def ask(*args: Any) -> Any:
            given = [dict(zip(NAMES, a, strict=True)) if isinstance(a, list) else a for a in args]
            answer = getattr(self._oracles, name)(*given)
            return [answer[n] for n in NAMES] if isinstance(answer, dict) else answer

        return ask


def run_interpreter(
    spec: Any, steps: int = STEPS, evaluate: bool = False, **hypers: Any
) -> list[Tree]:
    """The tensors after each step (or the points to evaluate) by the meaning of the spec."""
    step, given = _step(spec, hypers)
    params: Any = list(LEAVES.values())
    memory = start(step, params, given)
    oracles = Lists(problem.Oracles())
    history = []
    for t in range(1, steps + 1):
        b = batches(t, step)
        asked = Asked(oracles, b.this, b.fresh, b.full)
        params, memory = advance(step, memory, params, given=given, asked=asked)
        shown = evaluation(step, memory, params, given) if evaluate else params
        history.append(dict(zip(NAMES, map(np.array, shown), strict=True)))
    return history


class Placed:
    """The oracles on arrays that ``place`` moves and ``back`` fetches."""

    def __init__(self, oracles: Any, place: Move, back: Move) -> None:
        self._oracles, self._place, self._back = oracles, place, back

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self._place(getattr(self._oracles, name)(*map(self._back, args)))


def run_numpy(
    spec: Any, steps: int = STEPS, evaluate: bool = False, engine: Engine = "numpy",
    place: Move = here, back: Move = here, **hypers: Any,
) -> list[Tree]:
    """The same by the NumPy program."""
    optimizer = load(spec)
    program = optimizer.to_numpy(engine=engine, **hypers)
    step, _ = _step(spec, hypers)
    oracles = Placed(problem.Oracles(), place, back)
    params = place({n: np.array(v) for n, v in LEAVES.items()})
    state = program.init(params)
    history = []
    for t in range(1, steps + 1):
        b = batches(t, step)
        if asks_more(step):
            state = program.ask(params, state, b if _several(step) else b.this, oracles)
        else:
            loss = oracles.loss(params, b.this)
            state = program.step(params, oracles.grad(params, b.this), state, value=loss)
        shown = program.evaluate(params, state) if evaluate else params
        history.append({n: np.array(v) for n, v in back(shown).items()})
    return history


def run_jax(
    spec: Any, steps: int = STEPS, placed: Callable[[Any], Any] = lambda tree: tree,
    options: Mapping[str, Any] | None = None, **hypers: Any,
) -> list[Tree]:
    """The same by the JAX program, made with ``options``, where ``placed`` puts the parameters."""
    optimizer = load(spec)
    step, _ = _step(spec, hypers)
    with jax.enable_x64(True):
        transform = optimizer.to_jax(**(options or {}), **hypers)
        params = placed(jax.tree.map(jax.numpy.asarray, LEAVES))
        state = transform.init(params)
        asking = asks_more(step)
        # Where the loss is all that a rule needs, it is given a loss function.
        needs = {ORACLES[name].needs for name in oracles_of(step)}
        asked: Any = problem.loss if needs <= {"loss"} and not step.losses else SimpleNamespace(
            loss=problem.loss, out=problem.out, ell=problem.ell, losses=_losses_of(step))
        several = _several(step)

        @jax.jit
        def move(params: Any, state: Any, batch: Any) -> Any:
            if asking:
                return transform.step(params, state, batch, asked)
            value, grads = jax.value_and_grad(problem.loss)(params, batch)
            updates, state = transform.update(grads, state, params, value=value)
            return jax.tree.map(lambda p, u: p + u, params, updates), state

        history = []
        for t in range(1, steps + 1):
            b = batches(t, step)
            given = b.this
            if several:
                fresh = jax.tree.map(lambda *a: np.stack(a), *b.fresh)
                given = Batches(b.this, fresh, b.full)
            params, state = move(params, state, given)
            history.append({n: np.array(v) for n, v in params.items()})
    return history


def _step(spec: Any, hypers: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    optimizer = load(spec)
    choices, given = optimizer.split(hypers)
    return optimizer.step(**choices), given


def _losses_of(step: Any) -> Callable[[Any, Any], Any]:
    """All tasks of the problem, or as many as the step names."""
    count = len(step.losses) or problem.TASKS
    return lambda params, batch: problem.tasks(params, batch)[:count]


def _several(step: Any) -> bool:
    """Whether a step sees more than its own batch."""
    return any(call.over[0] != "this" for call in calls(step))
