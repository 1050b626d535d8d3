"""Training: the problems, the loop, and what `run` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import thetaprime as tp
from thetaprime.cli import main
from thetaprime.problems import PROBLEMS, Problem
from thetaprime.trial import Result, run_jax, run_numpy

SPECS = {
    "descent": """
optimizer Descent
  hyper lr = 0.1 in (0, inf)
  x' = x - lr*g
""",
    "momentum": """
optimizer Momentum
  hyper lr = 0.02 in (0, inf)
  hyper b = 0.9 in [0, 1)
  state m = 0
  m' = b*m + g
  x' = x - lr*m'
""",
    "averaged": """
optimizer Averaged
  hyper lr = 0.1 in (0, inf)
  hyper b = 0.9 in [0, 1)
  state a = x
  x' = x - lr*g
  a' = ema(a, x', b)
  eval a
""",
    "polyak": """
optimizer Polyak
  hyper lr = 1 in (0, inf)
  x' = x - lr*loss(x)/(dot(g, g over model) + 1e-12)*g
""",
    "noisy": """
optimizer Noisy
  hyper lr = 0.1 in (0, inf)
  hyper n : int = 3 in [1, inf)
  hyper scope = model in {model, tensor}
  z ~ normal(0, 1)
  every n from 1:
    u = g/norm(g over scope)
  else:
    u = g + 0.01*z
  x' = x - lr*u
""",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the specs above, and the one that the test works in."""
    for name, text in SPECS.items():
        (tmp_path / f"{name}.opt").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(*arguments: str) -> dict[str, Any]:
    assert main(["run", *arguments, "--json", "out.json"]) == 0
    data: dict[str, Any] = json.loads(Path("out.json").read_text())
    return data


# Problems


@pytest.mark.parametrize("name", ["digits", "rosenbrock", "quadratic",
                                  pytest.param("text", marks=pytest.mark.slow)])
def test_a_problem_is_a_function_of_its_seed(name: str) -> None:
    first, again, other = (PROBLEMS[name](seed) for seed in (0, 0, 1))
    batch = first.batch(3)
    for a, b in zip(batch, again.batch(3), strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(not np.array_equal(a, b)
               for a, b in zip(batch, other.batch(3), strict=True))
    assert all(not np.array_equal(a, b)
               for a, b in zip(batch, first.batch(4), strict=True))
    a, b = first.init(), again.init()
    assert jax.tree.all(jax.tree.map(np.array_equal, a, b))
    assert {leaf.dtype for leaf in jax.tree.leaves(a)} == {np.dtype(np.float32)}
    assert first.loss(a, batch).dtype == np.float32


def test_digits_are_learned_from_their_train_set_alone() -> None:
    problem = PROBLEMS["digits"](0)
    images, labels = problem.batch(1)
    assert images.shape == (128, 64)
    assert labels.shape == (128,)
    seen = {problem.batch(step)[0].tobytes() for step in range(1, 12)}
    assert len(seen) == 11
    loss, accuracy = problem.final(problem.init())
    assert 2 < loss < 3.5  # about ln 10 before training
    assert accuracy is not None
    assert accuracy < 0.4


def test_rosenbrock_and_the_quadratic_have_their_minimum_at_zero() -> None:
    loss = PROBLEMS["rosenbrock"](0).loss
    assert float(loss({"point": np.float32([1, 1])}, ())) == 0
    assert float(loss({"point": np.float32([-1.2, 1])}, ())) == pytest.approx(24.2)
    quadratic = PROBLEMS["quadratic"](0).loss
    curvature = jax.hessian(lambda x: quadratic({"point": x}, ()))
    hessian = np.asarray(curvature(np.zeros(100, np.float32)))
    eigenvalues = np.linalg.eigvalsh(hessian.astype(float))
    assert eigenvalues[0] == pytest.approx(1e-3, rel=1e-2)
    assert eigenvalues[-1] == pytest.approx(1, rel=1e-4)
    assert np.abs(hessian - np.diag(np.diag(hessian))).max() > 0.01


@pytest.mark.slow
def test_text_is_the_standard_library() -> None:
    problem = PROBLEMS["text"](0)
    symbols, following = problem.batch(1)
    assert symbols.shape == following.shape == (32, 64)
    np.testing.assert_array_equal(symbols[:, 1:], following[:, :-1])
    text = "".join(chr(s + 31) if 0 < s < 96 else "\n" for s in np.concatenate(
        [problem.batch(step)[0].ravel() for step in range(1, 20)]))
    assert "self." in text
    assert "return" in text


@pytest.mark.slow
def test_text_is_causal_and_learned() -> None:
    from thetaprime.problems import _transformer

    problem = PROBLEMS["text"](0)
    params = problem.init()
    symbols = problem.batch(1)[0][:1]
    changed = np.array(symbols)
    changed[0, 40:] = 5
    a, b = (_transformer(params, s) for s in (symbols, changed))
    np.testing.assert_array_equal(a[0, :40], b[0, :40])
    assert not np.array_equal(a[0, 40:], b[0, 40:])
    result = run_jax("adamw", {}, tp.load("adamw").to_jax(lr=3e-3), None, problem, 60, _quiet)
    assert result.final_loss is not None
    assert result.final_loss < 3.2
    assert result.losses[0] > 4.3  # about ln 97 before training


# The loop


def _quiet(step: int, loss: float) -> None:
    pass


def _both(name: str, problem: Problem, steps: int, **hypers: Any) -> tuple[Result, Result]:
    optimizer = tp.loads(SPECS[name])
    return (run_jax(name, hypers, optimizer.to_jax(**hypers), None, problem, steps, _quiet),
            run_numpy(name, hypers, optimizer.to_numpy(**hypers), problem, steps, _quiet))


def test_the_loop_takes_the_steps_of_the_rule() -> None:
    problem = PROBLEMS["quadratic"](0)
    x = np.asarray(problem.init()["point"])
    gradient = jax.grad(problem.loss)
    expected = []
    for _ in range(5):
        expected.append(float(problem.loss({"point": x}, ())))
        x = x - np.float32(0.1) * np.asarray(gradient({"point": x}, ())["point"])
    for result in _both("descent", problem, 5):
        np.testing.assert_allclose(result.losses, expected, rtol=1e-6)
        assert result.final_loss == pytest.approx(float(problem.loss({"point": x}, ())), rel=1e-6)


@pytest.mark.parametrize("name", ["momentum", "polyak"])
def test_both_backends_train_alike(name: str) -> None:
    jax_result, numpy_result = _both(name, PROBLEMS["digits"](0), 20)
    np.testing.assert_allclose(jax_result.losses, numpy_result.losses, rtol=1e-3)
    assert jax_result.losses[-1] < 0.8 * jax_result.losses[0]
    assert jax_result.seconds_per_step is not None
    assert 0 < jax_result.seconds_per_step < 1


def test_divergence_stops_the_run() -> None:
    problem = PROBLEMS["rosenbrock"](0)
    for result in _both("descent", problem, 50, lr=1.0):
        assert result.diverged_at == len(result.losses) < 10
        assert not np.isfinite(result.losses[-1])
        assert np.isfinite(result.losses[:-1]).all()
        assert result.final_loss is None
        data = result.to_json()
        assert data["losses"][-1] is None
        assert data["diverged_at"] == result.diverged_at


def test_one_step_alone_has_no_time() -> None:
    for result in _both("descent", PROBLEMS["rosenbrock"](0), 1, lr=1e-4):
        assert result.seconds_per_step is None
        assert len(result.losses) == 1


# The command


def test_run_compares_in_the_order_given(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _run("momentum.opt", "adamw", "descent.opt", "--on", "digits", "--steps", "20")
    assert {k: data[k] for k in ("problem", "steps", "backend", "seed")} == {
        "problem": "digits", "steps": 20, "backend": "jax", "seed": 0}
    assert [r["optimizer"] for r in data["results"]] == ["momentum", "adamw", "descent"]
    for result in data["results"]:
        assert set(result) == {"optimizer", "hyperparameters", "final_loss", "final_accuracy",
                               "seconds_per_step", "diverged_at", "losses"}
        assert len(result["losses"]) == 20
        assert result["losses"][-1] < result["losses"][0]
        assert 0 <= result["final_accuracy"] <= 1
        assert result["diverged_at"] is None
    assert len({r["losses"][0] for r in data["results"]}) == 1  # the same start, the same batch
    assert data["results"][0]["hyperparameters"] == {"lr": 0.02, "b": 0.9}
    output = capsys.readouterr()
    assert output.err == ""  # no progress bar where there is no terminal
    lines = output.out.splitlines()
    assert lines[0].split() == ["optimizer", "final", "loss", "accuracy", "time", "per", "step"]
    assert [line.split()[0] for line in lines[1:]] == ["momentum", "adamw", "descent"]


def test_settings_reach_the_specs_that_they_name(folder: Path) -> None:
    data = _run("momentum.opt", "descent.opt", "--on", "quadratic", "--steps", "3", "--set",
                "learning_rate=0.1/8", "--set", "momentum.lr=1e-3", "--set", "b=1/2")
    momentum, descent = (r["hyperparameters"] for r in data["results"])
    assert momentum == {"lr": 1e-3, "b": 0.5}
    assert descent == {"lr": 0.0125}


def test_the_seed_decides(folder: Path) -> None:
    call = ("noisy.opt", "--on", "quadratic", "--steps", "6")
    first, again, other = (_run(*call, "--seed", seed) for seed in "001")
    losses = [data["results"][0]["losses"] for data in (first, again, other)]
    assert losses[0] == losses[1] != losses[2]
    draws = _run(*call, "--set", "seed=7")["results"][0]["losses"]
    assert draws[:2] == losses[0][:2]  # the first step draws nothing that counts
    assert draws != losses[0]


def test_static_hyperparameters_can_be_set(folder: Path) -> None:
    call = ("noisy.opt", "--on", "digits", "--steps", "4")
    plain, tensor, often = (
        _run(*call, *more)["results"][0]
        for more in ((), ("--set", "scope=tensor"), ("--set", "n=1")))
    assert tensor["hyperparameters"]["scope"] == "tensor"
    assert often["hyperparameters"]["n"] == 1
    assert plain["losses"] != tensor["losses"]
    assert plain["losses"] != often["losses"]


def test_a_list_can_be_set(folder: Path) -> None:
    Path("lanes.opt").write_text("""
optimizer Lanes
  axis lanes
  hyper lr = 0.1 in (0, inf)
  hyper b : lanes = [0, 0.9] in [0, 1)
  state m : per entry[lanes] = 0
  m' = b*m + g
  x' = x - lr*mean(m' over lanes)
""")
    call = ("lanes.opt", "descent.opt", "--on", "quadratic", "--steps", "5")
    lanes, descent = _run(*call, "--set", "b=[0, 0]")["results"]
    assert lanes["hyperparameters"] == {"lr": 0.1, "b": [0, 0]}
    assert lanes["losses"] == pytest.approx(descent["losses"], rel=1e-5)
    assert _run(*call)["results"][0]["losses"] != lanes["losses"]


@pytest.mark.parametrize("backend", ["jax", "numpy"])
def test_the_point_to_evaluate_is_judged(folder: Path, backend: str) -> None:
    data = _run("averaged.opt", "descent.opt", "--on", "quadratic", "--steps", "10", "--backend",
                backend)
    averaged, descent = data["results"]
    assert averaged["losses"] == pytest.approx(descent["losses"], rel=1e-6)
    # The average lags behind the point that training holds.
    assert averaged["final_loss"] > descent["final_loss"] * 1.05
    assert averaged["final_loss"] < averaged["losses"][0]


def test_divergence_is_told_in_the_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _run("descent.opt", "--on", "rosenbrock", "--steps", "50", "--set", "lr=1")
    (result,) = data["results"]
    assert result["final_loss"] is None
    assert result["final_accuracy"] is None
    assert f"diverged at step {result['diverged_at']}" in capsys.readouterr().out


def test_the_plot_is_a_picture(folder: Path) -> None:
    call = ["run", "descent.opt", "--on", "rosenbrock", "--steps", "50", "--set", "lr=1e-3"]
    assert main([*call, "--plot", "loss.png"]) == 0
    first = Path("loss.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert main([*call, "--plot", "loss.svg"]) == 0
    assert Path("loss.svg").read_text().startswith("<?xml")
    assert main([*call, "--plot", "loss.png", "--set", "lr=1e-4"]) == 0
    assert Path("loss.png").read_bytes() != first


def test_the_axes_of_the_plot_say_what_they_are(tmp_path: Path) -> None:
    from thetaprime.plot import draw

    def result(name: str, *losses: float) -> Result:
        return Result(name, {}, losses, None, None, None)

    (axes,) = draw([result("a", 3.0, 2.0), result("b", 4.0, 1.0)], "digits").axes
    assert axes.get_xlabel() == "step"
    assert axes.get_ylabel() == "training loss of the batch"
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    assert list(axes.lines[1].get_xdata()) == [1, 2]
    assert list(axes.lines[1].get_ydata()) == [4, 1]
    (linear,) = draw([result("a", 3.0, -2.0, float("nan"))], "digits").axes
    assert linear.get_yscale() == "linear"
