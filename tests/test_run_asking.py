"""`run` trains with rules that ask the problem themselves: the same on both backends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thetaprime.cli import main

SPECS = {
    "sharp": """
optimizer Sharp
  hyper lr = 0.1 in (0, inf)
  x' = x - lr*grad(x + 0.05*g/norm(g over model))
""",
    "fresh": """
optimizer Fresh
  hyper lr = 0.1 in (0, inf)
  hyper n : int = 2 in [1, inf)
  y = iterate n from y = x:
    y' = y - lr*grad(y; fresh)
  x' = y - lr*0.1*grad(x; full)
""",
    "search": """
optimizer Search
  (d, s) = search at most 20 from s = 1:
             d = -s*g
             accept loss(x + d) <= loss(x) - 0.1*s*dot(g, g over model) else s' = s/2
           on exhaustion hold
  x' = x + d
""",
    "curved": """
optimizer Curved
  hyper lr = 0.1 in (0, inf)
  z ~ rademacher
  c = dot(z, hvp(x, z) over model)/size(x over model)
  n = dot(g, ggn(x, g) over model)/dot(g, g over model)
  x' = x - lr*g/(1 + abs(c) + n)
""",
    "tasks": """
optimizer Tasks
  losses tasks[k]
  hyper lr = 0.1 in (0, inf)
  hyper k : int = 3 in [1, inf)
  x' = x - lr*mean(grads(x) over tasks)
""",
    "named": """
optimizer Named
  losses main, aux
  hyper lr = 0.1 in (0, inf)
  x' = x - lr*(grad[main](x) + 0.3*grad[aux](x))
""",
    "rows": """
optimizer Rows
  hyper lr = 0.1 in (0, inf)
  R = rows(x)
  clipped = R*min(1, 1/sqrt(sum(R^2 over model)))
  x' = x - lr*mean(clipped over examples)
""",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the specs above, and the one that the test works in."""
    for name, text in SPECS.items():
        (tmp_path / f"{name}.opt").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _losses(*arguments: str) -> Any:
    assert main(["run", *arguments, "--json", "out.json"]) == 0
    (result,) = json.loads(Path("out.json").read_text())["results"]
    return result["losses"]


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_rule_that_asks_trains_alike_on_both_backends(folder: Path, name: str) -> None:
    call = (f"{name}.opt", "--on", "digits", "--steps", "6")
    losses = _losses(*call)
    np.testing.assert_allclose(losses, _losses(*call, "--backend", "numpy"), rtol=2e-4)
    assert losses[-1] < losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["curved", "fresh", "search", "sharp", "tasks"])
def test_a_rule_that_asks_trains_alike_on_text(folder: Path, name: str) -> None:
    call = (f"{name}.opt", "--on", "text", "--steps", "3")
    np.testing.assert_allclose(_losses(*call), _losses(*call, "--backend", "numpy"), rtol=1e-3)


def test_integers_that_are_set_reach_the_batches(folder: Path) -> None:
    call = ("fresh.opt", "--on", "digits", "--steps", "3")
    assert _losses(*call) != _losses(*call, "--set", "n=4")
    assert _losses("tasks.opt", *call[1:]) != _losses("tasks.opt", *call[1:], "--set", "k=5")


@pytest.mark.parametrize("backend", ["jax", "numpy"])
def test_a_tensor_that_a_rule_is_not_for_is_named(
    folder: Path, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "Muon", "--on", "digits", "--steps", "3", "--backend", backend]) == 2
    error = capsys.readouterr().err
    assert "error[wrong-tensor]: `Muon` sees tensors along [rows, cols], and hidden/b" in error
    hint = error.split("`")[-2]
    assert hint == "route(rank == 2 -> Muon, otherwise -> AdamW)"
    assert main(["run", hint, "--on", "digits", "--steps", "3", "--backend", backend]) == 0


@pytest.mark.parametrize(("name", "lacks"), [("tasks", "one loss"), ("rows", "no examples")])
def test_a_problem_without_the_oracle_is_named(
    folder: Path, name: str, lacks: str, capsys: pytest.CaptureFixture[str]
) -> None:
    oracle = "grads" if name == "tasks" else "rows"
    assert main(["run", f"{name}.opt", "--on", "rosenbrock", "--steps", "3"]) == 2
    error = capsys.readouterr().err
    assert "missing-oracle" in error
    assert f"asks for `{oracle}`" in error
    assert f"`rosenbrock` has {lacks}" in error
    assert "digits or text" in error


@pytest.mark.parametrize("problem", ["rosenbrock", "quadratic"])
def test_newton_steps_train_small_models_alike_on_both_backends(folder: Path, problem: str) -> None:
    (folder / "newton.opt").write_text("""
optimizer Newton
  d = solve(hess(x) + 1e-3*I, flat(g))
  x' = x - unflat(d)
""")
    call = ("newton.opt", "--on", problem, "--steps", "6")
    losses = _losses(*call)
    np.testing.assert_allclose(losses, _losses(*call, "--backend", "numpy"), rtol=1e-2, atol=1e-6)
    assert losses[-1] < 1e-2 * losses[0]


@pytest.mark.parametrize("backend", ["jax", "numpy"])
@pytest.mark.parametrize(("spec", "problem", "size"), [
    ("filtered-newton", "digits", 4810), ("Lookahead(FilteredNewton)", "text", 115136)])
def test_a_model_that_is_too_large_for_a_hessian_is_refused(
    backend: str, spec: str, problem: str, size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", spec, "--on", problem, "--steps", "3", "--backend", backend]) == 2
    error = capsys.readouterr().err
    assert "error[too-large]" in error
    assert f"`{problem}` has {size} of them" in error


@pytest.mark.parametrize("backend", ["jax", "numpy"])
def test_a_singular_system_diverges_on_both_backends(
    folder: Path, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "flat.opt").write_text("""
optimizer Level
  hyper c = 1 in [0, inf)
  d = solve(c*hess(x), flat(g))
  e, Q = eigh(outer(d, d))
  x' = x - (1 + 0*max(e over params))*unflat(d)
""")
    assert main(["run", "flat.opt", "--on", "quadratic", "--steps", "5", "--backend", backend,
                 "--set", "c=0"]) == 0
    assert "diverged at step 2" in capsys.readouterr().out
