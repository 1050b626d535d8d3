"""Single algebraic edits of specs: each changes what the spec means, and says how."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests.beyond import run_interpreter, run_numpy
from tests.test_backends import given_to
from tests.tree import Tree, compare
from thetaprime.edits import ROWS, Edit, edits
from thetaprime.library import prelude
from thetaprime.lower import lower
from thetaprime.pipeline import check_flat

SMALL = ("adam", "adadelta", "amsgrad", "lion", "nesterov", "rprop", "signum", "sgd-torch")


def found(spec: str, name: str) -> list[str]:
    """The lines that edits of this name make of a spec."""
    return [e.after for e in edits(tp.load(spec).flat) if e.name == name]


@pytest.mark.parametrize("spec", SMALL)
def test_every_edit_changes_the_step_and_says_what_it_changes(spec: str) -> None:
    original = tp.load(spec)
    steps = [original.step()]
    for edit in edits(original.flat):
        assert all((edit.step.body, edit.step.states) != (s.body, s.states) for s in steps), edit
        steps.append(edit.step)
        assert edit.before != edit.after
        assert edit.before.split("\n")[0].split("=")[0] in edit.source.text
        assert edit.step == lower(edit.flat, prelude(), {}).step
    assert len(steps) > 5


def test_edits_are_made_lazily_and_always_the_same() -> None:
    flat = tp.load("soap").flat

    def some() -> list[tuple[str, str]]:
        return [(e.name, e.after) for e in islice(edits(flat), 5)]

    assert some() == some()
    assert len(some()) == 5


@pytest.mark.parametrize("name", sorted({row.name for row in ROWS}))
def test_every_row_of_the_table_edits_some_spec(name: str) -> None:
    specs = {"the maximum before the bias correction": "amsgrad-optax",
             "the maximum after the bias correction": "max-of-average",
             "eps outside the root": "adadelta", "a state lags one step, everywhere": "nadam",
             "b and 1 - b swapped wherever b is a factor": "adan",
             "bias corrections of all averages": "amsgrad",
             "a state read one step too early": "adan",
             "the number of the step off by one": "radam",
             "no clamp": "rprop", "max for min": "rprop",
             "a condition changed": "rprop", "branches swapped": "rprop",
             "a branch alone": "rprop", "a bias correction more": "amsgrad",
             "eps after the bias correction": "adam-keras", "a function dropped": "rprop",
             "a reduction over the wrong extent": "lars",
             "the learning rate inside of the momentum": "signed-momentum",
             "the learning rate outside of the momentum": "velocity"}
    assert name in names(specs.get(name, "adamw"))


@cache
def names(spec: str) -> frozenset[str]:
    """The names of all edits of a spec."""
    optimizer = tp.loads(TEXTS[spec]) if spec in TEXTS else tp.load(spec)
    return frozenset(e.name for e in edits(optimizer.flat))


TEXTS = {
    "max-of-average": """optimizer MaxOfAverage
  hyper lr = 0.1 in (0, inf)
  hyper b2 = 0.9 in [0, 1)
  state v = 0
  state w = 0
  v' = ema(v, g^2, b2)
  w' = max(w, v')
  x' = x - lr*g/sqrt(w'/(1 - b2^t))
""",
    "signed-momentum": """optimizer Momentum
  hyper lr = 0.1 in (0, inf)
  hyper mu = 0.9 in [0, 1)
  state b = 0
  b' = mu*b + g
  x' = x - lr*b'
""",
    "velocity": """optimizer Velocity
  hyper lr = 0.1 in (0, inf)
  hyper mu = 0.9 in [0, 1)
  state v = 0
  v' = mu*v - lr*g
  x' = x + v'
""",
}


def test_the_fault_of_optax_adan_is_one_edit_of_the_published_rule() -> None:
    assert found("adan", "b and 1 - b swapped wherever b is a factor") == [
        "n' = ema(n, (g + (1 - b2)*d)^2, b3)\n"
        "u = (debias(m', b1) + (1 - b2)*debias(v', b2))/(sqrt(debias(n', b3)) + eps)"]


def test_the_fault_of_optax_rprop_is_a_step_that_lags() -> None:
    assert "x' = x - (if c < 0 then 0 else prev(s'*sign(gp'), 0))" in found(
        "rprop", "the step lags: it is that of the time before")


@pytest.mark.parametrize(("spec", "name", "line"), [
    ("adam", "eps inside the root", "x' = x - lr*mhat/sqrt(vhat + eps)"),
    ("adam", "eps before the bias correction",
     "x' = x - lr*mhat/(sqrt(vhat) + eps/sqrt(1 - b2^t))"),
    ("adam", "no bias correction", "vhat = v'"),
    ("adam", "the bias correction one step behind", "mhat = m'/(1 - b1^(t - 1))"),
    ("adam", "first step undamped", "m' = if t == 1 then g else b1*m + (1 - b1)*g"),
    ("adam", "starts at its first value", "state v = first g^2"),
    ("adam", "wrong initial value", "state m = 1"),
    ("adamw", "weight decay not times lr", "x' = x - (lr*(mhat/(sqrt(vhat) + eps)) + wd*x)"),
    ("adamw", "weight decay proximal: divided by 1 + lr*wd",
     "x' = (x - lr*(mhat/(sqrt(vhat) + eps)))/(1 + lr*wd)"),
    ("adamw", "weight decay in the gradient (L2), not decoupled",
     "m' = b1*m + (1 - b1)*(g + wd*x)\nv' = b2*v + (1 - b2)*(g + wd*x)^2\n"
     "x' = x - lr*(mhat/(sqrt(vhat) + eps))"),
    ("amsgrad-optax", "the maximum before the bias correction",
     "vmax' = max(vmax, v')\nx' = x - lr*mhat/(sqrt(vmax'/(1 - b2^t) + eps_root) + eps)"),
    ("adadelta", "a sign flipped", "x' = x + lr*d"),
    ("rprop", "a state lags one step", "x' = x - s*sign(gp')"),
])
def test_a_known_slip_of_the_pen_is_an_edit(spec: str, name: str, line: str) -> None:
    assert line in found(spec, name)


def test_checking_an_edited_spec_finds_what_is_wrong_with_it() -> None:
    uphill = next(e for e in edits(tp.load("adadelta").flat) if e.after == "x' = x + lr*d")
    assert [d.code for d in check_flat(uphill.flat)] == ["uphill"]
    unused = next(e for e in edits(tp.load("adadelta").flat) if e.after == "x' = x - d")
    assert [d.code for d in check_flat(unused.flat)] == ["unused-hyper"]
    assert not check_flat(tp.load("adadelta").flat)


def test_the_shipped_specs_have_more_than_enough_edits() -> None:
    count = sum(len(list(islice(edits(tp.load(n).flat), 25))) for n in list(tp.shipped())[:40])
    assert count >= 400


def _is_sorted(found: list[Edit]) -> bool:
    order = [row.name for row in ROWS]
    return [order.index(e.name) for e in found] == sorted(order.index(e.name) for e in found)


def test_special_edits_give_a_step_its_name_before_general_ones() -> None:
    assert _is_sorted(list(edits(tp.load("adamw").flat)))


def _made_of(optimizer: tp.Optimizer, edit: Edit) -> tp.Optimizer:
    """The optimizer that an edit makes."""
    mutant = replace(optimizer)
    mutant.__dict__["flat"] = edit.flat
    return mutant


def _sound(history: list[Tree]) -> bool:
    return all(np.max(np.abs(a), initial=0) < 1e6 for tree in history for a in tree.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", tp.shipped())
def test_an_edited_rule_has_programs_that_make_its_steps(name: str) -> None:
    """Three edits, none of which anybody would write: what is not told to be wrong runs."""
    optimizer = tp.load(name)
    some = list(islice(edits(optimizer.flat), 40))
    for edit in random.Random(name).sample(some, min(3, len(some))):
        mutant = _made_of(optimizer, edit)
        programs: Any = [(t, {"engine": e}) for t, e in (
            ("numpy", "numpy"), ("numpy", "numba"), ("numpy", "cupy"))]
        for target, how in [*programs, ("jax", {}), ("jax", {"fuse": "flat"})]:
            compile(mutant.code(target, **how), "program", "exec")
        wrong = any(d.severity == "error" for d in check_flat(edit.flat))
        if wrong or edit.step.takes is not None:
            continue
        given = given_to(mutant, {})
        with np.errstate(all="ignore"):  # some are told to be undefined somewhere
            expected = run_interpreter(mutant, 3, **given)
        if _sound(expected):
            compare(run_numpy(mutant, 3, **given), expected, 1e-6)
