"""The specs with norms, estimates, averages and flows do what independent implementations do.

Twenty steps in float64 on one tree of tensors, to 1e-12. `ROWS` compares with the rules of
`tests.references_b`, the papers' defaults included; libraries are in `tests.reference_rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests import references_b as ref
from tests.references import Rule, per_tensor, whole
from tests.tree import LEAVES, Tree, compare, gradients, run_interpreter
from thetaprime.signature import asks_more

FOLDERS = ("averaging", "cautious", "clipping", "dynamics", "layerwise", "mirror", "parameterfree",
           "variance")
SPECS = {p.stem: p for f in FOLDERS
         for p in sorted((Path(__file__).parent.parent / "specs" / f).glob("*.opt"))}
LOSSES = [2.0 + 0.3 * ((7 * k) % 5) for k in range(20)]
LR = {"lr": 0.1}
FAR = LR | {"b1": 0.8, "b2": 0.95, "eps": 1e-2}
DECAYED = FAR | {"wd": 0.3}
FREE = {"lr": 0.5, "d0": 0.1, "wd": 0.3}

# Spec, rule, hyperparameters; every row is tried with the defaults, too. Its norms are those of a
# tensor, or of the model.
Rules = list[tuple[str, Rule, dict[str, Any]]]
TENSOR: Rules = [
    ("addsign", ref.addsign, LR | {"b": 0.6, "alpha": 1.5, "f": 0.3}),
    ("apollo-ma", ref.apollo_ma, {"b": 0.7, "eps": 3e-2, "least": 0.2, "wd": 0.3}),
    ("c-adamw", ref.cautious_adamw, DECAYED),
    ("fromage", ref.fromage, LR),
    ("lamb", ref.lamb, DECAYED),
    ("lars", ref.lars, {"lr": 1.0, "mu": 0.8, "wd": 0.3, "eta": 0.01}),
    ("ldog", ref.ldog, {"lr": 0.5, "reps": 1e-3, "eps": 1e-2}),
    ("madgrad", ref.madgrad, LR | {"mu": 0.8, "eps": 1e-2}),
    ("novograd", ref.novograd, DECAYED),
    ("powersign", ref.powersign, LR | {"b": 0.6, "alpha": 1.5, "f": 0.3}),
    ("sgd-clip-value", ref.sgd_clip_value, LR | {"mu": 0.8, "c": 0.5}),
    ("stable-adamw", ref.stable_adamw, DECAYED),
]
MODEL: Rules = [
    ("adamw-clip-norm", ref.adamw_clip_norm, DECAYED | {"clip": 2.0}),
    ("dadapt-adagrad", ref.dadapt_adagrad, FREE | {"mu": 0.8, "eps": 1e-2}),
    ("dadapt-adam", ref.dadapt_adam, FREE | {"b1": 0.8, "b2": 0.9995, "eps": 1e-2}),
    ("dadapt-sgd", ref.dadapt_sgd, FREE | {"mu": 0.8}),
    ("dog", ref.dog, {"lr": 0.5, "reps": 1e-3, "eps": 1e-2}),
    ("induced-rms", ref.induced_rms,
     LR | {"mu": 0.8, "b": 0.7, "b2": 0.9, "xi": 0.3, "eps": 1e-2, "wd": 0.3}),
    ("prodigy", ref.prodigy, FREE | {"b1": 0.8, "b2": 0.9995, "eps": 1e-2, "coef": 2.0}),
]
Run = Callable[..., list[Any]]
RUNS: tuple[tuple[Run, Rules], ...] = ((per_tensor, TENSOR), (whole, MODEL))
ROWS: list[tuple[str, dict[str, Any], Rule, Run]] = [
    (name, hypers, rule, run) for run, rules in RUNS for name, rule, given in rules
    for hypers in ({}, given)]

# Trained and evaluated points.
AVERAGED: Rules = [
    ("schedule-free-sgd", ref.schedule_free_sgd, {}),
    ("schedule-free-sgd", ref.schedule_free_sgd,
     LR | {"b": 0.8, "wd": 0.3, "warm": 5.0, "r": 0.5, "p": 1.5}),
    ("schedule-free-adamw", ref.schedule_free_adamw, {}),
    ("schedule-free-adamw", ref.schedule_free_adamw,
     DECAYED | {"warm": 5.0, "r": 0.5, "p": 1.5}),
]


@pytest.mark.parametrize(("spec", "hypers", "rule", "run"), ROWS, ids=lambda value: (
    value if isinstance(value, str) else "" if callable(value) else " ".join(
        f"{k}={v}" for k, v in value.items()) or "defaults"))
def test_a_spec_follows_the_formulas_of_its_paper(
    spec: str, hypers: dict[str, Any], rule: Rule, run: Run
) -> None:
    compare(run_interpreter(spec, **hypers), run(rule, **hypers))


@pytest.mark.parametrize("point", [0, 1], ids=["trained", "evaluated"])
@pytest.mark.parametrize(("spec", "rule", "hypers"), AVERAGED)
def test_both_points_of_an_average(
    spec: str, rule: Rule, hypers: dict[str, Any], point: int
) -> None:
    theirs = [{n: v[point] for n, v in tree.items()} for tree in per_tensor(rule, **hypers)]
    compare(run_interpreter(spec, evaluate=point == 1, **hypers), theirs)


@pytest.mark.parametrize("hypers", [{}, LR | {"mu": 0.8, "b": 0.7, "xi": 0.3, "wd": 0.3}])
def test_the_metric_of_the_logarithm(hypers: dict[str, Any]) -> None:
    compare(run_interpreter("induced-log", loss=LOSSES, **hypers),
            whole(ref.induced_log, losses=LOSSES, **hypers))


# Specs, and what their claims say that they are the same as.
SAME: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("addsign", LR | {"f": 0.0}, "sgd", LR),
    ("powersign", LR | {"f": 0.0}, "sgd", LR),
    ("normalized-gd", LR | {"beta": 0.0}, "sgd", LR),
    ("induced-sgd", LR | {"mu": 0.0, "xi": 0.0}, "sgd", LR),
    ("induced-rms", LR | {"mu": 0.8, "b2": 0.95, "eps": 1e-2, "xi": 0.0}, "adam", FAR),
    ("mirror-p-norm", LR | {"mu": 0.8, "p": 2.0}, "heavy-ball-outside", LR | {"mu": 0.8}),
    ("aegdm", {"mu": 0.0}, "aegd", {}),
    ("ldog", {}, "dog", {"scope": "tensor"}),
]


@pytest.mark.parametrize(("one", "first", "other", "second"), SAME)
def test_specs_that_claim_to_be_equal_are(
    one: str, first: dict[str, Any], other: str, second: dict[str, Any]
) -> None:
    compare(run_interpreter(one, loss=2.0, **first), run_interpreter(other, loss=2.0, **second))


def after(spec: str, grads: list[Tree], **hypers: Any) -> Tree:
    """Where the generated NumPy program ends, in float32 as in training."""
    program = tp.load(spec).to_numpy(**hypers)
    params = {n: np.array(x, np.float32) for n, x in LEAVES.items()}
    state = program.init(params)
    for tree in grads:
        grads32 = {n: np.asarray(g, np.float32) for n, g in tree.items()}
        state = program.step(params, grads32, state, value=2.0)
    return params


# A shrink that gradients do not cause, and a velocity that starts at random.
MOVING: dict[str, dict[str, Any]] = {"fromage": {}, "gravity": {"alpha": 0.0}}


@pytest.mark.parametrize("name", [n for n in SPECS if not asks_more(tp.load(n).step())])
def test_no_gradient_no_step_and_no_nan(name: str) -> None:
    """Three steps with zero gradients from the start, then real ones: 0/0 would stay for ever."""
    hypers = MOVING.get(name, {})
    if "wd" in {h.name for h in tp.load(name).hypers}:
        hypers = hypers | {"wd": 0.0}
    rest = [{n: np.zeros_like(g) for n, g in tree.items()} for tree in gradients(3)]
    still = after(name, rest, **hypers)
    for n, x in LEAVES.items():
        scale = (1 + 0.01**2) ** -1.5 if name == "fromage" else 1.0
        np.testing.assert_allclose(still[n], x * scale, rtol=1e-6)
    moved = after(name, [*rest, *gradients(3)], **hypers)
    assert all(np.isfinite(x).all() for x in moved.values())
    assert any((moved[n] != still[n]).any() for n in LEAVES)


@pytest.mark.parametrize("name", ["schedule-free-sgd", "schedule-free-adamw", "prodigy"])
def test_a_rate_that_warms_up_from_zero(name: str) -> None:
    """At lr = 0 the weights of an average, or the sums of an estimate, are all zero."""
    moved = after(name, gradients(5), lr=lambda count: 0.1 * count)
    assert all(np.isfinite(x).all() for x in moved.values())


@pytest.mark.parametrize(("name", "hypers"), [
    ("dadapt-sgd", {"d0": 0.1}),
    ("prodigy", {"d0": 0.1, "eps": 1e-300}),
    ("stable-adamw", LR | {"eps": 1e-150, "wd": 0.3}),
])
def test_the_scale_of_the_loss_does_not_matter(name: str, hypers: dict[str, Any]) -> None:
    optimizer = tp.load(name)
    ends = []
    for scale in (1.0, 3.0):
        params = {n: np.array(x) for n, x in LEAVES.items()}
        program = optimizer.to_numpy(**hypers)
        state = program.init(params)
        for tree in gradients():
            state = program.step(params, {n: scale * g for n, g in tree.items()}, state)
        ends.append(params)
    compare([ends[0]], [ends[1]], tol=1e-10)
    assert any(np.max(np.abs(ends[0][n] - x)) > 1e-2 for n, x in LEAVES.items())
