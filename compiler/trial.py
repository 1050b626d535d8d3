"""One optimizer on one problem: a training loop, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from thetaprime.answers import Answers
from thetaprime.feed import Batches, Feed
from thetaprime.problems import Params, Problem

# Called after each step with the number of the step and the loss of its batch.
Tick = Callable[[int, float], None]
# (params, state, batch) -> (params, state, loss of the batch before the step)
Advance = Callable[[Any, Any, Any], tuple[Any, Any, Any]]
# (params, state) -> the point to judge
Evaluate = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Result:
    """``losses[k]`` is the loss of batch k + 1 before step k + 1. A run stops at its first loss
    that is not finite: ``diverged_at`` is that step, and the final values are None."""

    optimizer: str
    hyperparameters: Mapping[str, Any]
    losses: tuple[float, ...]
    final_loss: float | None
    final_accuracy: float | None
    seconds_per_step: float | None
    diverged_at: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data; numbers that are not finite are None."""
        return {
            "optimizer": self.optimizer,
            "hyperparameters": {k: _plain(v) for k, v in self.hyperparameters.items()},
            "final_loss": self.final_loss,
            "final_accuracy": self.final_accuracy,
            "seconds_per_step": self.seconds_per_step,
            "diverged_at": self.diverged_at,
            "losses": [_plain(loss) for loss in self.losses],
        }


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def train(
    name: str, hyperparameters: Mapping[str, Any], problem: Problem, steps: int, params: Params,
    state: Any, advance: Advance, evaluate: Evaluate, tick: Tick, feed: Callable[[int], Any],
) -> Result:
    """The loop: `steps` batches, each timed from its arrival to the new parameters.

    The time per step is the median without the first step, which compiles; it is None for one
    step alone.
    """
    losses: list[float] = []
    seconds: list[float] = []
    for number in range(1, steps + 1):
        batch = feed(number)
        start = perf_counter()
        params, state, value = advance(params, state, batch)
        loss = float(value)
        _wait(params)
        seconds.append(perf_counter() - start)
        losses.append(loss)
        tick(number, loss)
        if not math.isfinite(loss):
            break
    time = median(seconds[1:]) if len(seconds) > 1 else None
    if not math.isfinite(losses[-1]):
        return Result(name, hyperparameters, tuple(losses), None, None, time, len(losses))
    final, accuracy = problem.final(evaluate(params, state))
    if not math.isfinite(final):
        return Result(name, hyperparameters, tuple(losses), None, None, time, steps)
    return Result(name, hyperparameters, tuple(losses), final, accuracy, time)


def run_jax(
    name: str, hyperparameters: Mapping[str, Any], transform: Any, evaluate: Evaluate | None,
    problem: Problem, steps: int, tick: Tick,
) -> Result:
    """Train with an optax-style transform; gradient and step are one jitted program that reuses
    the buffers of parameters and state."""

    def advance(params: Any, state: Any, batch: Any) -> tuple[Any, Any, Any]:
        value, grads = jax.value_and_grad(problem.loss)(params, batch)
        updates, state = transform.update(grads, state, params, value=value)
        new = jax.tree.map(lambda p, u: p + jnp.asarray(u, p.dtype), params, updates)
        return new, state, value

    # A state that starts as a copy of the parameters must not share the buffers that are reused.
    params = jax.tree.map(jnp.copy, problem.init())
    state = jax.tree.map(jnp.copy, transform.init(params))
    point = jax.jit(evaluate) if evaluate is not None else _same
    step = jax.jit(advance, donate_argnums=(0, 1))
    return train(name, hyperparameters, problem, steps, params, state, step, point, tick,
                 Feed(problem))


def ask_jax(
    name: str, hyperparameters: Mapping[str, Any], optimizer: Any, evaluate: Evaluate | None,
    problem: Problem, steps: int, tick: Tick, feed: Feed,
) -> Result:
    """Train with a program that asks the problem itself: ``optimizer.init(params)`` and
    ``optimizer.step(params, state, batch, problem)``; the loss of the batch is told beside."""

    def advance(params: Any, state: Any, batch: Any) -> tuple[Any, Any, Any]:
        this = batch.this if hasattr(batch, "this") else batch
        value = problem.loss(params, this)
        new, state = optimizer.step(params, state, batch, problem)
        return new, state, value

    def stacked(number: int) -> Any:
        batch = feed(number)
        if not isinstance(batch, Batches):
            return batch
        fresh = jax.tree.map(lambda *a: np.stack(a), *batch.fresh) if batch.fresh else None
        return batch._replace(fresh=fresh)

    params = jax.tree.map(jnp.copy, problem.init())
    state = jax.tree.map(jnp.copy, optimizer.init(params))
    point = jax.jit(evaluate) if evaluate is not None else _same
    step = jax.jit(advance, donate_argnums=(0, 1))
    return train(name, hyperparameters, problem, steps, params, state, step, point, tick, stacked)


def ask_numpy(
    name: str, hyperparameters: Mapping[str, Any], program: Any, problem: Problem, steps: int,
    tick: Tick, feed: Feed,
) -> Result:
    """Train NumPy arrays in place with a program that asks the problem itself; the answers come
    from JAX."""
    answers = Answers(problem, feed.losses)

    def advance(params: Any, state: Any, batch: Any) -> tuple[Any, Any, Any]:
        value = answers.loss(params, batch.this if isinstance(batch, Batches) else batch)
        with _no_solution(params):
            state = program.ask(params, state, batch, answers)
        return params, state, value

    params = jax.tree.map(np.array, problem.init())
    state = program.init(params)
    return train(name, hyperparameters, problem, steps, params, state, advance,
                 program.evaluate, tick, feed)


def run_numpy(
    name: str, hyperparameters: Mapping[str, Any], program: Any, problem: Problem, steps: int,
    tick: Tick,
) -> Result:
    """Train NumPy arrays in place; gradients come from JAX.

    ``program`` has ``init(params)``, ``step(params, grads, state, value)`` and
    ``evaluate(params, state)``.
    """
    gradient = jax.jit(jax.value_and_grad(problem.loss))

    def advance(params: Any, state: Any, batch: Any) -> tuple[Any, Any, Any]:
        value, grads = gradient(params, batch)
        loss = np.asarray(value)
        with _no_solution(params):
            state = program.step(params, jax.tree.map(np.asarray, grads), state, loss)
        return params, state, loss

    params = jax.tree.map(np.array, problem.init())
    state = program.init(params)
    return train(name, hyperparameters, problem, steps, params, state, advance,
                 program.evaluate, tick, Feed(problem))


@contextmanager
def _no_solution(params: Any) -> Iterator[None]:
    """Where NumPy's linear algebra raises, as for a singular system, parameters become NaN, as they
    do in JAX."""
    with np.errstate(all="ignore"):
        try:
            yield
        except np.linalg.LinAlgError:
            for array in jax.tree.leaves(params):
                array.fill(np.nan)


def _wait(tree: Any) -> None:
    """Until the arrays of a tree have been computed; those of NumPy always are."""
    for array in jax.tree.leaves(tree):
        if isinstance(array, jax.Array):
            array.block_until_ready()


def _same(params: Any, state: Any) -> Any:
    return params
