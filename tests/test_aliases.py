"""Hyperparameters go by the spec's names and by the ecosystem's."""

from __future__ import annotations

import pytest

import thetaprime as tp


def test_the_names_of_the_ecosystem_are_understood() -> None:
    optimizer = tp.load("adamw")
    _, values = optimizer.split({"learning_rate": 1e-2, "weight_decay": 0.1, "betas": (0.5, 0.6),
                                 "epsilon": 1e-4})
    assert values == {"lr": 1e-2, "wd": 0.1, "b1": 0.5, "b2": 0.6, "eps": 1e-4}


def test_a_name_that_could_mean_two_means_none() -> None:
    with pytest.raises(tp.CallError, match="lr or rho"):
        tp.load("rmsprop").split({"alpha": 0.9})


@pytest.mark.parametrize(("given", "told"), [
    ({"lrr": 1.0}, "did you mean lr"),
    ({"b1": 1.0}, r"in the range \[0, 1\)"),
    ({"lr": float("inf")}, r"in the range \(0, inf\)"),
    ({"lr": "fast"}, "a number"),
    ({"seed": 1}, "no hyperparameter `seed`"),
])
def test_a_wrong_value_is_told(given: dict[str, object], told: str) -> None:
    with pytest.raises(tp.CallError, match=told):
        tp.load("adamw").split(given)


def test_a_required_hyperparameter_that_is_missing_is_told() -> None:
    with pytest.raises(tp.CallError, match="needs `lr`"):
        tp.load("adam-optax").to_numpy()


def test_a_spec_made_of_another_one_can_be_loaded() -> None:
    made = tp.load("AdamW with wd = 0, b1 = 0.8")
    assert [h.name for h in made.hypers] == ["lr", "b2", "eps"]
    assert made.to_numpy(lr=0.1).hyperparameters == {"lr": 0.1}
    with pytest.raises(tp.SpecError, match="did you mean `wd`"):
        tp.load("AdamW with wdd = 0").step()


def test_a_name_that_python_needs_reaches_both_programs() -> None:
    text = "optimizer A\n  hyper lambda = 0.5, index = 2 in (0, inf)\n  x' = x - lambda*g/index\n"
    optimizer = tp.loads(text)
    import numpy as np

    params = np.ones(2)
    program = optimizer.to_numpy(**{"lambda": 1.0, "index": 4.0})
    program.step(params, np.ones(2), program.init(params))
    np.testing.assert_allclose(params, 0.75)
    jax = pytest.importorskip("jax")
    transform = optimizer.to_jax(**{"lambda": 1.0, "index": 4.0})
    start = jax.numpy.ones(2)
    updates, _ = transform.update(jax.numpy.ones(2), transform.init(start), start)
    np.testing.assert_allclose(updates, -0.25)
