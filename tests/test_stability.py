"""Linear stability on a quadratic: published closed forms, and an answer for every spec."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import thetaprime as tp
from tests.cli_calls import Call, call
from thetaprime.analyse.jury import conditions
from thetaprime.library import shipped

__all__ = ["call"]  # a fixture

# Published regions: gradient descent, Polyak's heavy ball, Nesterov, QHM (Gitman et al. 2019),
# optimistic gradient, Adam with its preconditioner frozen (Cohen et al. 2022), RMSProp.
CLOSED_FORMS = [
    ("sgd", {"mu": 0, "wd": 0}, ["lr*h < 2"]),
    ("heavy-ball", {}, ["lr*h < 2 + 2*mu"]),
    ("heavy-ball-outside", {}, ["lr*h < 2 + 2*mu"]),
    ("heavy-ball-inside", {}, ["lr*h < 2 + 2*mu"]),
    ("nesterov", {}, ["lr*h < (2 + 2*mu)/(1 + 2*mu)"]),
    ("nesterov-lookahead", {}, ["lr*h < (2 + 2*mu)/(1 + 2*mu)"]),
    ("qhm", {}, ["lr*h < (2 + 2*b)/(1 + b - 2*b*nu)"]),
    ("optimistic-gradient", {}, ["lr*h < 2/3"]),
    ("adam", {}, ["lr*h < (sqrt(vhat) + eps)*(2 + 2*b1)/(1 - b1)"]),
    ("amsgrad", {}, ["lr*h < (sqrt(vmax') + eps)*(2 + 2*b1)/(1 - b1)"]),
    ("rmsprop", {"mu": 0}, ["lr*h < 2*(sqrt(s) + eps)"]),
    ("Extragradient(SGD)", {"mu": 0, "wd": 0, "a": 0.1, "lr": 0.1}, ["h < 10"]),
]


@pytest.mark.parametrize(("spec", "given", "wanted"), CLOSED_FORMS, ids=lambda v: str(v)[:40])
def test_published_regions(spec: str, given: dict[str, float], wanted: list[str]) -> None:
    answer = tp.stability(spec, **given)
    assert list(answer.inequalities) == wanted
    assert answer.points > 15_000
    assert 0 < answer.inside < answer.points


@pytest.mark.parametrize(("spec", "given", "edge"), [
    ("heavy-ball", {"lr": 0.1, "mu": 0.9}, 38.0),
    ("nesterov", {"lr": 1.0, "mu": 0.9}, 19 / 14),
    ("schedule-free-sgd", {"lr": 1.0, "b": 0.9, "wd": 0.0, "c": 1e-9}, 20.0),
    ("adam", {"lr": 1.0, "b1": 0.9}, 38.0),
])
def test_the_spectral_radius_crosses_one_at_the_edge(
    spec: str, given: dict[str, float], edge: float
) -> None:
    known = {n: v for n, v in given.items() if n != "c"}
    answer = tp.stability(spec, free=["lr"], **{n: v for n, v in known.items() if n != "lr"})
    values = {n: v for n, v in given.items() if n in ("lr", "c")}
    below, above = answer.radius(np.array([edge * 0.999, edge * 1.001]), **values)
    assert below < 1 < above


def test_the_radius_is_what_the_program_does() -> None:
    """Steps of the NumPy program on h*x^2/2 shrink as the spectral radius says."""
    h, lr, mu = 3.0, 0.05, 0.8
    program = tp.load("nesterov").to_numpy(lr=lr, mu=mu)
    x = np.ones(1)
    state = program.init(x)
    sizes = []
    for _ in range(300):
        state = program.step(x, h * x, state)
        sizes.append(abs(float(x[0])))
    measured = (max(sizes[200:]) / max(sizes[100:200])) ** (1 / 100)
    assert measured == pytest.approx(tp.stability("nesterov").radius(h, lr=lr, mu=mu), rel=2e-3)


def test_gradient_descent_is_fastest_at_two_over_the_sum() -> None:
    best = tp.stability("sgd", best=True, mu=0, wd=0).best
    assert best is not None
    assert best.settings == {"lr": "2/(L + l)"}
    assert best.rate == "(L - l)/(L + l)"


def test_polyaks_heavy_ball_is_found() -> None:
    best = tp.stability("heavy-ball", best=True).best
    assert best is not None
    assert best.settings == {"lr": "4/(sqrt(L) + sqrt(l))^2",
                             "mu": "(sqrt(l) - sqrt(L))^2/(sqrt(L) + sqrt(l))^2"}
    assert best.rate == "(sqrt(L) - sqrt(l))/(sqrt(L) + sqrt(l))"


def test_nesterov_tuned_for_quadratics_is_found() -> None:
    """Lessard, Recht and Packard 2016: lr = 4/(3L + l), rate 1 - 2/sqrt(3 L/l + 1)."""
    best = tp.stability("nesterov", best=True).best
    assert best is not None
    assert best.settings["lr"] == "4/(3*L + l)"
    rate = eval(best.rate.replace("^", "**"), {"sqrt": np.sqrt, "l": 1.0, "L": 16.0})
    assert rate == pytest.approx(5 / 7)


def test_what_happens_every_k_steps_is_taken_over_k_steps() -> None:
    answer = tp.stability("Lookahead(SGD)", mu=0, wd=0, alpha=0.5, lr=0.1, k=3)
    assert answer.period == 3
    h = 4.0
    assert answer.radius(h) == pytest.approx(abs(0.5 + 0.5 * (1 - 0.1 * h) ** 3))


def test_a_long_period_is_refused_and_a_short_one_is_not() -> None:
    with pytest.raises(tp.SpecError, match="repeats itself only after 100 steps"):
        tp.stability("svrg")
    assert tp.stability("svrg", k=2, lr=0.1).period == 2


def test_states_that_are_not_linear_are_frozen_and_said() -> None:
    (frozen,) = tp.stability("adam").frozen
    assert frozen.factor == "sqrt(vhat) + eps"
    assert frozen.because == "`g^2` is not linear in the gradient"


def test_gradients_asked_elsewhere_count() -> None:
    """Two gradients of half the weight, one of them a step ahead: 1 - lr*h + (lr*h)^2/2."""
    heun = tp.loads("optimizer Heun\n  hyper lr = 1 in (0, inf)\n"
                    "  x' = x - lr/2*(g + grad(x - lr*g))\n")
    assert tp.stability(heun).inequalities == ("lr*h < 2",)


def test_a_rule_that_does_not_see_the_curvature_is_refused() -> None:
    shrink = tp.loads("optimizer Shrink\n  hyper c = 0.5 in (0, 1)\n  hyper lr = 1 in (0, inf)\n"
                      "  x' = c*x - 0*lr*g\n")
    with pytest.raises(tp.SpecError, match="does not see the curvature"):
        tp.stability(shrink)


@pytest.mark.parametrize(("spec", "cause"), [
    ("lion", "`sign(b1*m + (1 - b1)*g)` is not linear in the gradient"),
    ("signsgd", "`sign(g)` is not linear in the gradient"),
    ("muon", "comes from a loop that is not linear in the gradient"),
    ("spsa", "`z ~ rademacher` is drawn at random"),
    ("ranger", "`mean(g over rest)` mixes the entries of a tensor"),
    ("Cautious(Lion)", "is not linear in the gradient"),
])
def test_rules_without_a_linear_map_say_why(spec: str, cause: str) -> None:
    with pytest.raises(tp.SpecError) as error:
        tp.stability(spec)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "not-linear"
    assert cause in diagnostic.label


@pytest.mark.slow
@pytest.mark.parametrize("spec", shipped())
def test_every_spec_has_an_answer_or_a_reason(spec: str) -> None:
    try:
        answer = tp.stability(spec)
    except tp.SpecError as error:
        (diagnostic,) = error.diagnostics
        assert diagnostic.code in ("not-linear", "long-period", "no-curvature")
        assert diagnostic.label
    else:
        assert str(answer)
        assert answer.stable != "failed"
        json.dumps(answer.to_json())


def test_jury_holds_exactly_where_all_roots_are_inside() -> None:
    import sympy

    z = sympy.Symbol("z")
    coefficients = sympy.symbols("a:5")
    rng = np.random.default_rng(0)
    for degree in (1, 2, 3, 4):
        general = sympy.Poly(sum(c * z**k for k, c in enumerate(coefficients[:degree])) + z**degree,
                             z)
        found = sympy.lambdify(coefficients[:degree], conditions(general), "numpy")
        for _ in range(400):
            values = rng.uniform(-1.5, 1.5, degree)
            inside = np.abs(np.roots([1, *values[::-1]])).max() < 1
            assert all(c > 0 for c in found(*values)) == inside


def test_the_command_prints_the_answer_and_its_json(call: Call) -> None:
    done = call("stability", "heavy-ball")
    assert done.code == 0
    assert "  lr*h < 2 + 2*mu\n" in done.out
    plain = json.loads(call("stability", "heavy-ball", "--json").out)
    assert plain["inequalities"] == ["lr*h < 2 + 2*mu"]
    assert plain["matrix"] == [["1 + mu - lr*h", "-mu"], ["1", "0"]]


def test_the_command_draws_the_spectral_radius(call: Call, tmp_path: Path) -> None:
    picture = tmp_path / "radius.svg"
    assert call("stability", "adam", "--free", "lr", "--plot", str(picture)).code == 0
    assert "spectral radius" in picture.read_text() or picture.stat().st_size > 1000


def test_the_readme_shows_what_the_command_prints(call: Call) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    assert call("stability", "adam").out in readme


@pytest.mark.parametrize(("arguments", "message"), [
    (["--set", "bb=1"], "`Adam` has no hyperparameter `bb`"),
    (["--free", "bb"], "`Adam` has no hyperparameter `bb` to keep free"),
    (["--set", "b1=2"], "`b1` of `Adam` must be in the range [0, 1)"),
])
def test_wrong_calls_are_messages(call: Call, arguments: list[str], message: str) -> None:
    done = call("stability", "adam", *arguments)
    assert done.code == 2
    assert message in done.err
