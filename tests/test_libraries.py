"""The specs of `specs/libraries` do what the libraries do: 20 steps in float64, to 1e-12."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests import matrix_rows
from tests.libraries import timm_module
from tests.library_rows import BOUND, CONTRIB, KERAS, LR, RENAMED, ROWS, Row, falling, rising
from tests.tree import LEAVES, compare, gradients, run_interpreter, run_keras, run_optax, run_torch
from thetaprime.codes_units import UNIT_CODES

FOLDER = Path(__file__).parent.parent / "specs" / "libraries"
SPECS = sorted(path.stem for path in FOLDER.glob("*.opt"))


def spec_arguments(spec: str, path: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The library's arguments as the spec takes them."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        match RENAMED.get(path, {}).get(name, name):
            case str(new) if new not in BOUND.get(spec, ()):
                found[new] = value
            case tuple(parts):
                found.update(zip(parts, value, strict=True))
    if "schedule_free" in path and given.get("learning_rate") is rising:
        found["weight_lr"] = lambda k: rising(k + 1)
    return found


def of_library(path: str) -> Callable[..., Any]:
    """The optimizer at a dotted path; skips where its library is missing."""
    module, _, name = path.rpartition(".")
    library = module.split(".")[0]
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    if library == "timm":
        pytest.importorskip("torch", reason="torch is not installed")
        return getattr(timm_module(module.rpartition(".")[2]), name)
    return getattr(importlib.import_module(module), name)


def theirs(path: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    """The trajectory of the library's optimizer."""
    factory = of_library(path)
    match path.split(".")[0]:
        case "optax":
            return run_optax(lambda: factory(**given))
        case "keras":
            return run_keras(lambda: factory(**_keras_arguments(given)))
    return run_torch(lambda params: factory(params, **given))


def _keras_arguments(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("learning_rate") is not falling:
        return given
    decay = of_library(KERAS + "schedules.InverseTimeDecay")(0.1, decay_steps=1, decay_rate=1.0)
    return given | {"learning_rate": decay}


def _name(row: Row) -> str:
    shown = (f"{k}={getattr(v, '__name__', v)}" for k, v in row[2].items())
    return " ".join([row[0], row[1].split(".")[-1], *shown])


@pytest.mark.parametrize(("spec", "path", "given"), ROWS, ids=map(_name, ROWS))
def test_the_spec_does_what_the_library_does(spec: str, path: str, given: dict[str, Any]) -> None:
    compare(run_interpreter(spec, **spec_arguments(spec, path, given)), theirs(path, given))


def test_every_spec_of_a_library_has_a_row() -> None:
    """Those with matrices are compared in `tests.test_matrix_references`."""
    compared = {row.spec for row in matrix_rows.ROWS if row.kind == row.spec.rpartition("-")[2]}
    assert {spec for spec, _, _ in ROWS} | compared == set(SPECS)


@pytest.mark.parametrize("spec", SPECS)
def test_the_spec_is_right_and_says_which_library_it_follows(spec: str) -> None:
    optimizer = tp.load(spec)
    # What is told of units is meant: `golden/unit_warnings.txt`.
    assert not [d for d in optimizer.check(claims=False).diagnostics if d.code not in UNIT_CODES]
    library = spec.rsplit("-", 1)[1]
    version = {"torch": "torch 2.13.0", "optax": "optax 0.2.8", "keras": "keras 3.15.1",
               "timm": "timm 1.0.31"}[library]
    assert optimizer.cites[0].startswith(f"{version}, {library}/")


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw"])
def test_schedule_free_evaluates_where_optax_does(name: str) -> None:
    factory, shown = (of_library(CONTRIB + n) for n in (name, "schedule_free_eval_params"))
    expected = run_optax(lambda: factory(**LR, weight_decay=0.3), evaluate=shown)
    spec = f"{name.replace('_', '-')}-optax"
    compare(run_interpreter(spec, evaluate=True, lr=0.1, wd=0.3), expected)


def test_optax_rprop_is_one_step_late() -> None:
    expected = run_interpreter("rprop-torch", step0=0.1)
    found = theirs("optax.rprop", {"learning_rate": 0.1})
    for name, start in LEAVES.items():
        np.testing.assert_array_equal(found[0][name], start)
    # Its second step is the first of the rule, where the gradient keeps its sign.
    same = np.sign(gradients()[0]["matrix"]) == np.sign(gradients()[1]["matrix"])
    assert same.any()
    np.testing.assert_allclose(found[1]["matrix"][same], expected[0]["matrix"][same], rtol=1e-15)


def test_optax_adadelta_without_a_learning_rate_goes_uphill() -> None:
    adadelta = of_library("optax.adadelta")
    transform = adadelta()
    x = np.array([1.0, -2.0, 3.0])
    state = transform.init(x)
    losses = [float(x @ x)]
    for _ in range(50):
        update, state = transform.update(2 * x, state, x)
        x = np.asarray(x + update)
        losses.append(float(x @ x))
    assert all(after > before for before, after in pairwise(losses))


def test_optax_adan_weighs_the_difference_by_one_minus_b2() -> None:
    text = (FOLDER / "adan-optax.opt").read_text("utf-8")
    assert text.count("(1 - b2)*d)^2") == text.count("(1 - b2)*vhat") == 1
    paper = text.replace("(1 - b2)*d)^2", "b2*d)^2").replace("(1 - b2)*vhat", "b2*vhat")
    right = run_interpreter(paper, lr=0.1)
    found = theirs("optax.adan", LR)
    compare(right[:1], found[:1])
    with pytest.raises(AssertionError, match="step 2"):
        compare(right, found, tol=1e-2)
