"""Every shipped spec, in every choice of its static hyperparameters, means the same everywhere:
the generated NumPy and JAX programs follow the interpreter. Specs that do more than rules of the
gradient, entry by entry, are those of `tests.test_beyond`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import filterfalse, product
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests import problem
from tests.tree import LEAVES, Move, gradients, here
from thetaprime.backends.array_plan import works_on_arrays
from thetaprime.engines import Engine
from thetaprime.interpret import advance, evaluation, start

STEPS = 6
NAMES = list(LEAVES)
LOSSES = [2.0 / (1 + k) for k in range(STEPS)]
# Tensors that start at zero stay special in rules that scale by the parameter's own size.
REQUIRED = 0.01


def beyond(name: str) -> bool:
    """Whether a shipped spec does more than rules of the gradient, entry by entry."""
    return works_on_arrays(tp.load(name).step())


def choices_of(optimizer: tp.Optimizer) -> Iterator[dict[str, str]]:
    names = list(optimizer.choices)
    for values in product(*optimizer.choices.values()):
        yield dict(zip(names, values, strict=True))


def _cases() -> Iterator[Any]:
    for name in filterfalse(beyond, tp.shipped()):
        for choice in choices_of(tp.load(name)):
            shown = "-".join([name, *(f"{k}={v}" for k, v in choice.items())])
            yield pytest.param(name, choice, id=shown)


CASES = list(_cases())


# v - m^2 of a bias-corrected average that starts at zero cancels to nothing at the first step: its
# last digits, which depend on the order of a sum, would decide the step.
CONDITIONED = {"RMSPropOptax": {"v0": 1.0}}


def halved(a: Any, *_: Any) -> Any:
    """Stands for any function that a spec leaves to the caller."""
    return a / 2


def given_to(optimizer: tp.Optimizer, choice: dict[str, str]) -> dict[str, Any]:
    """What a step needs to run: hyperparameters without a default, as many losses as there are."""
    step = optimizer.step(**choice)
    needed = {h.name: halved if h.type.kind == "function" else REQUIRED
              for h in step.hypers if h.default is None}
    needed |= {str(a.length): problem.TASKS for a in step.axes if a.name == step.tasks}
    return needed | CONDITIONED.get(optimizer.name, {})


def _expected(optimizer: tp.Optimizer, choice: dict[str, str]) -> list[tuple[list[Any], list[Any]]]:
    """After each step: the tensors, and the point to evaluate."""
    step, given = optimizer.step(**choice), given_to(optimizer, choice)
    params = list(LEAVES.values())
    memory = start(step, params, given)
    history = []
    for grads, loss in zip(gradients(STEPS), LOSSES, strict=True):
        params, memory = advance(step, memory, params, [grads[n] for n in NAMES], given, loss)
        history.append((params, evaluation(step, memory, params, given)))
    return history


def _agree(ours: Any, theirs: list[Any], where: str) -> None:
    for name, expected in zip(NAMES, theirs, strict=True):
        scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
        np.testing.assert_allclose(np.asarray(ours[name]), expected, rtol=1e-11,
                                   atol=1e-12 * scale, err_msg=f"{where}, {name}")


@pytest.mark.parametrize(("name", "choice"), CASES)
def test_numpy_code_follows_the_interpreter(name: str, choice: dict[str, str]) -> None:
    follows(name, choice, "numpy")


def follows(
    name: str, choice: dict[str, str], engine: Engine, place: Move = here, back: Move = here,
) -> None:
    """A NumPy program beside the interpreter; ``place`` and ``back`` move trees of arrays."""
    optimizer = tp.load(name)
    program = optimizer.to_numpy(engine=engine, **choice, **given_to(optimizer, choice))
    params = place({n: np.array(v) for n, v in LEAVES.items()})
    state = program.init(params)
    expected = _expected(optimizer, choice)
    for k, (grads, loss) in enumerate(zip(gradients(STEPS), LOSSES, strict=True)):
        state = program.step(params, place(grads), state, value=loss)
        _agree(back(params), expected[k][0], f"step {k + 1}")
        _agree(back(program.evaluate(params, state)), expected[k][1], f"eval after step {k + 1}")


@pytest.mark.parametrize(("name", "choice"), CASES)
def test_jax_code_follows_the_interpreter(name: str, choice: dict[str, str]) -> None:
    jax = pytest.importorskip("jax", reason="jax is not installed")
    optimizer = tp.load(name)
    with jax.enable_x64(True):
        transform = optimizer.to_jax(**choice, **given_to(optimizer, choice))

        @jax.jit
        def step(params: Any, grads: Any, state: Any, loss: Any) -> Any:
            updates, state = transform.update(grads, state, params, value=loss)
            return jax.tree.map(lambda p, u: p + u, params, updates), state

        params = jax.tree.map(jax.numpy.asarray, LEAVES)
        state = transform.init(params)
        expected = _expected(optimizer, choice)
        for k, (grads, loss) in enumerate(zip(gradients(STEPS), LOSSES, strict=True)):
            params, state = step(params, grads, state, loss)
            _agree(params, expected[k][0], f"step {k + 1}")
