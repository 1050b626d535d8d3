"""Every shipped spec that asks for more than the gradient, loops or has matrices, in every choice
of its static hyperparameters: the generated NumPy and JAX programs follow the interpreter. All
other specs are those of `tests.test_backends`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import thetaprime as tp
from tests.beyond import STEPS, run_interpreter, run_jax, run_numpy
from tests.test_backends import CASES as PLAIN
from tests.test_backends import beyond, choices_of, given_to
from tests.tree import compare
from thetaprime.expr import Num
from thetaprime.ir import Hyper


def _cases() -> Iterator[Any]:
    for name in tp.shipped():
        if beyond(name):
            for choice in choices_of(tp.load(name)):
                shown = "-".join([name, *(f"{k}={v}" for k, v in choice.items())])
                yield pytest.param(name, choice, id=shown)


CASES = list(_cases())
# Directions that follow a random start by orthogonal iteration: rounding grows from step to step.
LOOSE = {"saddle-free-newton": 1e-6}


def tolerance(name: str) -> float:
    return LOOSE.get(name, 1e-10)


def test_every_shipped_spec_is_tested() -> None:
    tested = [{case.values[0] for case in cases} for cases in (CASES, PLAIN)]
    assert tested[0] | tested[1] == set(tp.shipped())
    assert not tested[0] & tested[1]


def _large(hyper: Hyper) -> bool:
    """Whether a whole number is beyond what the tensors and steps of a test show."""
    return (hyper.static and isinstance(hyper.default, Num) and hyper.default.value > STEPS
            and (hyper.range is None or 2 in hyper.range))


def prepared(name: str, choice: dict[str, str]) -> tuple[tp.Optimizer, dict[str, Any]]:
    """What runs on tensors of all ranks, and its hyperparameters: the spec, beside another one for
    the tensors that it is not for."""
    optimizer = tp.load(name)
    step = optimizer.step(**choice)
    given = choice | given_to(optimizer, choice) | {h.name: 2 for h in step.hypers if _large(h)}
    if step.takes is None:
        return optimizer, given
    beside = tp.load(f"route(rank == 2 -> {optimizer.name}, otherwise -> SignSGD(lr = 0.01))")
    names = [n for n in beside.tables.hypers if n not in beside.flat.bound]
    return beside, {next(m for m in names if m in (n, f"{optimizer.name.lower()}_{n}")): value
                    for n, value in given.items()}


@pytest.mark.parametrize(("name", "choice"), CASES)
def test_numpy_code_follows_the_interpreter(name: str, choice: dict[str, str]) -> None:
    spec, given = prepared(name, choice)
    compare(run_numpy(spec, **given), run_interpreter(spec, **given), tolerance(name))


@pytest.mark.parametrize(("name", "choice"), CASES)
def test_jax_code_follows_the_interpreter(name: str, choice: dict[str, str]) -> None:
    spec, given = prepared(name, choice)
    compare(run_jax(spec, **given), run_interpreter(spec, **given), tolerance(name))


@pytest.mark.slow
@pytest.mark.parametrize("fuse", ["flat", "loop"])
@pytest.mark.parametrize(("name", "choice"), CASES)
def test_fused_jax_code_follows_the_interpreter(
    name: str, choice: dict[str, str], fuse: str
) -> None:
    spec, given = prepared(name, choice)
    compare(run_jax(spec, options={"fuse": fuse}, **given), run_interpreter(spec, **given),
            tolerance(name))


@pytest.mark.parametrize(("name", "choice"), CASES)
def test_points_to_evaluate_follow_the_interpreter(name: str, choice: dict[str, str]) -> None:
    spec, given = prepared(name, choice)
    if spec.tables.evaluate is not None:
        compare(run_numpy(spec, evaluate=True, **given),
                run_interpreter(spec, evaluate=True, **given), tolerance(name))
