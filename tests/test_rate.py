"""Worst cases over classes of functions: published closed forms, and what is refused."""

from __future__ import annotations

import json
import math

import pytest

import thetaprime as tp
from tests.cli_calls import Call, call

__all__ = ["call"]  # a fixture

pytest.importorskip("PEPit", reason="the extra `rate` is not installed")
pytest.importorskip("clarabel", reason="the extra `rate` is not installed")


def descent(steps: int, lr: float) -> float:
    """f(x_N) - f* of gradient descent for L = 1 (Drori and Teboulle 2014; Rotaru et al. 2024)."""
    return max(1 / (2 * steps * lr + 1), (1 - lr) ** (2 * steps)) / 2


@pytest.mark.parametrize("lr", [0.5, 1.0, 1.5, 1.9])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_gradient_descent_on_smooth_convex_functions(steps: int, lr: float) -> None:
    found = tp.rate("sgd", "smooth-convex", L=1, steps=steps, lr=lr)
    assert found.value == pytest.approx(descent(steps, lr), abs=1e-4)


@pytest.mark.parametrize(("steps", "lr"), [(1, 0.5), (1, 2 / 1.1), (1, 1.9), (3, 1.0)])
def test_gradient_descent_contracts_strongly_convex_functions(steps: int, lr: float) -> None:
    found = tp.rate("sgd", "smooth-strongly-convex", mu=0.1, L=1, steps=steps, lr=lr)
    contraction = max((1 - 0.1 * lr) ** 2, (1 - lr) ** 2)
    assert found.value == pytest.approx(contraction**steps, abs=1e-4)
    assert found.per_step == pytest.approx(contraction, abs=1e-4)


@pytest.mark.parametrize(("start", "wanted"), [("descent", 4 / 15), ("function", 4 / 17)])
def test_gradients_of_functions_that_are_not_convex(start: str, wanted: float) -> None:
    """4/(3N) for f(x_0) - f(x_N), 4/(3N + 2) for f(x_0) - f* (Abbaszadehpeivasti et al. 2022)."""
    found = tp.rate("sgd", "smooth", L=1, steps=5, lr=1.0, start=start)
    assert found.value == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_subgradients_reach_the_best_rate(steps: int) -> None:
    found = tp.rate("sgd", "lipschitz-convex", M=1, steps=steps, lr=1 / math.sqrt(steps + 1))
    assert found.value == pytest.approx(1 / math.sqrt(steps + 1), abs=1e-4)


@pytest.mark.parametrize(("steps", "wanted"), [
    (1, 0.166667), (2, 0.1), (3, 0.066107), (4, 0.046833), (5, 0.034894)])
def test_nesterovs_first_method(steps: int, wanted: float) -> None:
    found = tp.rate("nesterov-1983", "smooth-convex", L=1, steps=steps, lr=1.0)
    assert found.value == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(("steps", "wanted"), [(1, 0.9025), (2, 0.753493), (5, 0.306846)])
def test_the_heavy_ball_of_ghadimi(steps: int, wanted: float) -> None:
    found = tp.rate("heavy-ball", "smooth-strongly-convex", mu=0.1, L=1, steps=steps,
                    measure="function", start="function", lr=0.5,
                    hyper_mu=math.sqrt(0.95 * 0.5))
    assert found.value == pytest.approx(wanted, abs=1e-4)


def test_triple_momentum_written_as_a_spec() -> None:
    """Van Scoy, Freeman and Lynch 2018; after 4 steps 0.238925 by PEPit's own example."""
    triple = tp.loads("""optimizer TripleMomentum
  hyper lr = 1 in (0, inf)
  hyper b = 0.5, c = 0.1, d = 0.5 in [0, inf)
  state p = x

  y = x + c*(x - p)
  p' = x
  x' = x + b*(x - p) - lr*grad(y)
  eval x + d*(x - p)
""")
    mu, smooth = 0.1, 1.0
    rho = 1 - math.sqrt(mu / smooth)
    found = tp.rate(triple, "smooth-strongly-convex", mu=mu, L=smooth, steps=4, measure="function",
                    lr=(1 + rho) / smooth, b=rho**2 / (2 - rho),
                    c=rho**2 / ((1 + rho) * (2 - rho)), d=rho**2 / (1 - rho**2))
    assert found.value == pytest.approx(0.238925, abs=1e-4)


def test_on_quadratics_it_is_the_spectral_radius() -> None:
    """Gradient descent: the square of the largest |1 - lr*h|, which `stability` knows too."""
    found = tp.rate("sgd", "quadratic", mu=0.1, L=1, steps=2, lr=1.5)
    slowest = tp.stability("sgd", mu=0, wd=0).radius([0.1, 1.0], lr=1.5).max()
    assert found.value == pytest.approx(slowest ** 4, abs=1e-4)


@pytest.mark.parametrize("spec", ["sgd", "heavy-ball", "heavy-ball-inside", "heavy-ball-outside",
                                  "nesterov", "nesterov-lookahead", "qhm", "aggmo",
                                  "optimistic-gradient", "schedule-free-sgd", "Extragradient(SGD)",
                                  "Lookahead(SGD)"])
def test_rules_that_are_linear_in_gradients_have_a_rate(spec: str) -> None:
    found = tp.rate(spec, "smooth-convex", L=1, steps=3, lr=0.1)
    assert 0 < found.value < 0.5
    assert found.gap < 1e-5


@pytest.mark.parametrize(("spec", "what"), [
    ("adam", "`g^2` is no linear combination"), ("lion", "`sign("),
    ("adahessian", "is drawn at random"), ("polyak", "is no linear combination"),
    ("muon", "is no linear combination"), ("svrg", "")])
def test_other_rules_say_which_operation_prevents_it(spec: str, what: str) -> None:
    if spec == "svrg":
        assert tp.rate(spec, "smooth-convex", L=1, steps=2, lr=0.1).value < 0.5
        return
    with pytest.raises(tp.SpecError) as error:
        tp.rate(spec, "smooth-convex", L=1, steps=2)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "not-estimated"
    assert what in diagnostic.label


def test_a_rule_without_a_worst_case_says_so() -> None:
    with pytest.raises(tp.SpecError, match="no finite worst case"):
        tp.rate("sgd", "smooth-convex", L=1, steps=2, lr=0.3, wd=0.1)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--class", "smooth-konvex"], "did you mean `smooth-convex`?"),
    (["--class", "smooth-convex"], "`smooth-convex` needs `L`"),
    (["--class", "convex", "--mu", "1"], "`convex` has no `mu`"),
    (["--class", "smooth", "--L", "1", "--measure", "distance"], "that are not convex"),
    (["--class", "smooth-strongly-convex", "--L", "1", "--mu", "2"], "mu < L"),
])
def test_wrong_calls_are_messages(call: Call, arguments: list[str], message: str) -> None:
    done = call("rate", "sgd", "--steps", "1", *arguments)
    assert done.code == 2
    assert message in done.err


def test_the_command_takes_a_momentum_that_is_called_mu(call: Call) -> None:
    done = call("rate", "heavy-ball", "--class", "smooth-strongly-convex", "--mu", "0.1",
                "--L", "1", "--steps", "2", "--set", "lr=0.5", "--set", "mu=0.2", "--json")
    plain = json.loads(done.out)
    assert plain["constants"] == {"mu": 0.1, "L": 1.0}
    assert plain["settings"] == {"lr": 0.5, "mu": 0.2}
