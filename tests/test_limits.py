"""One rule is another in a limit: `eps -> 0`, `b2 -> 1`, proved and checked again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

import thetaprime as tp
from thetaprime.bounds import INF
from thetaprime.compare.approached import approached
from thetaprime.compare.ends import continuous, put
from thetaprime.compare.limits import Limit
from thetaprime.compare.norms import Broken, rooted
from thetaprime.compare.operands import operand
from thetaprime.compare.orders import regular
from thetaprime.compare.pairs import Pair
from thetaprime.compare.result import Comparison
from thetaprime.compare.verify import Rejected, verify
from thetaprime.expr import Num, Sym
from thetaprime.ir import Step
from thetaprime.render import spec_text
from thetaprime.steptext import body_lines


def spec(name: str, hypers: str, states: str, *lines: str) -> str:
    """`lr in (0, inf)`, those in [0, 1) by name, states that start at 0, equations."""
    head = [f"optimizer {name}", "hyper lr = 1e-3 in (0, inf)"]
    head += [f"hyper {h} = 0.9 in [0, 1)" for h in hypers.split() if h.startswith("b")]
    head += [f"hyper {h} = 1e-8 in (0, inf)" for h in hypers.split() if h.startswith("eps")]
    head += [f"state {s} = 0" for s in states.split()]
    return "\n  ".join([*head, *lines]) + "\n"


BARE = spec("AdamBare", "b1 b2", "m v", "m' = b1*m + (1 - b1)*g", "v' = b2*v + (1 - b2)*g^2",
            "x' = x - lr*m'/(1 - b1^t)/sqrt(v'/(1 - b2^t))")
BARE_DEFAULT = BARE.replace("x' = x - lr*m'/(1 - b1^t)/sqrt(v'/(1 - b2^t))",
                            "d = m'/(1 - b1^t)/sqrt(v'/(1 - b2^t)) default 0\n  x' = x - lr*d")
RMS = spec("Rms", "b2", "v", "v' = b2*v + (1 - b2)*g^2", "x' = x - lr*g/sqrt(v')")
RMS_EPS = spec("RmsEps", "b2 eps", "v", "v' = b2*v + (1 - b2)*g^2",
               "x' = x - lr*g/(sqrt(v') + eps)")
SUMS = spec("Sums", "", "s", "s' = s + g^2", "x' = x - lr*g/sqrt(s')")
FADING = spec("Fading", "b2", "v", "v' = b2*v + (1 - b2)*g^2",
              "x' = x - lr/sqrt(t)*g/sqrt(v'/(1 - b2^t))")
MEAN = spec("Mean", "", "s", "s' = s + g", "x' = x - lr*s'/t")
DEBIASED = spec("Debiased", "b1", "m", "m' = b1*m + (1 - b1)*g", "x' = x - lr*m'/(1 - b1^t)")
SUGAR = spec("Sugar", "b1", "m", "m' = ema(m, g, b1)", "x' = x - lr*debias(m', b1)")

SIGNS = spec("Signs", "", "", "x' = x - lr*sign(g)")


def compared(a: str, b: str) -> Comparison:
    return tp.compare(*(tp.loads(t) if t.startswith("optimizer") else t for t in (a, b)))


def step(text: str) -> Step:
    return operand(tp.loads(text) if text.startswith("optimizer") else text).step({})


# Open ends.


def test_adam_goes_to_adam_without_eps() -> None:
    found = compared("adam", BARE)
    assert (found.verdict, found.conditions) == ("specialises", ("eps -> 0",))
    assert str(found).startswith("adam with eps -> 0 is AdamBare\n")
    assert any("after every fixed number of steps" in n and "`vhat` is not 0" in n
               for n in found.notes)
    assert found.to_json()["map"] == {}


def test_the_second_rule_may_be_the_one_that_goes() -> None:
    found = compared(BARE, "adam")
    assert (found.verdict, found.conditions) == ("specialises", ("eps of adam -> 0",))
    assert str(found).startswith("adam with eps -> 0 is AdamBare\n")


def test_the_value_where_a_quotient_is_undefined_does_not_matter() -> None:
    assert compared("adam", BARE_DEFAULT).conditions == ("eps -> 0",)


def test_others_may_have_to_be_set() -> None:
    found = compared("adam", SIGNS)
    assert (found.verdict, found.conditions) == (
        "specialises", ("b1 = 0 and b2 = 0 and eps -> 0",))


def test_an_average_that_forgets_nothing_stays_where_it_starts() -> None:
    averaged = spec("Averaged", "b1", "m", "m' = b1*m + (1 - b1)*g", "x' = x - lr*(sign(g) + m')")
    found = compared(averaged, SIGNS)
    assert (found.verdict, found.conditions) == ("specialises", ("b1 -> 1",))


@pytest.mark.parametrize(("a", "b"), [
    ("adam", RMS), ("rmsprop", BARE), (RMS_EPS, SUMS), (RMS, SUMS), (BARE, SUMS),
    (RMS_EPS, "Signum")])
def test_false_limits_are_not_told(a: str, b: str) -> None:
    found = compared(a, b)
    assert found.verdict == "different"
    assert not any("->" in c for c in found.conditions)


def test_hyperparameters_may_have_other_names() -> None:
    renamed = BARE.replace("b2 = 0.9 ", "b2 = 0.99 ").replace("b2", "rho")
    rule = spec("Own", "b1 eps", "m v", "hyper b2 = 0.99 in [0, 1)", "m' = b1*m + (1 - b1)*g",
                "v' = b2*v + (1 - b2)*g^2",
                "x' = x - lr*m'/(1 - b1^t)/(sqrt(v'/(1 - b2^t)) + eps)")
    found = compared(rule, renamed)
    assert (found.verdict, found.conditions, found.map) == (
        "specialises", ("eps -> 0",), {"rho": "b2"})
    assert str(found).startswith("Own with eps -> 0 is AdamBare\n  rho of AdamBare = b2\n")
    assert compared(renamed, rule).inverse == {"rho": "b2"}


def test_a_value_for_what_is_undefined_may_be_all_that_is_seen_before_the_end() -> None:
    rule = spec("Hidden", "eps", "", "d = sqrt(max(g, 0) - eps*max(g, 0)^2) default 5",
                "x' = x - lr*d")
    made = continuous(step(rule), {"eps": Fraction(0)})
    assert [spec_text(e) for e in made.off] == ["max(g, 0)"]


def test_an_equality_is_told_before_a_limit() -> None:
    assert compared("adamw", "adam").conditions == ("wd = 0",)
    eps_inside = BARE.replace("sqrt(v'/(1 - b2^t))", "(sqrt(v'/(1 - b2^t)) + eps)").replace(
        "optimizer AdamBare", "optimizer Inside\n  hyper eps = 0 in [0, inf)")
    assert compared(eps_inside, BARE).conditions == ("eps = 0",)


# 0/0 at the end.


@pytest.mark.parametrize("rule", [DEBIASED, SUGAR])
def test_a_debiased_average_goes_to_the_mean(rule: str) -> None:
    found = compared(rule, MEAN)
    assert (found.verdict, found.conditions) == ("specialises", ("b1 -> 1",))


def test_adam_with_a_falling_rate_goes_to_adagrad() -> None:
    found = compared(FADING, SUMS)
    assert (found.verdict, found.conditions) == ("specialises", ("b2 -> 1",))


def test_adam_goes_to_adagrad_along_a_schedule() -> None:
    found = compared("adam", SUMS)
    assert found.verdict == "different"
    assert ("adam with b1 = 0 goes to Sums with lr = lr*sqrt(t) as b2 -> 1 and eps -> 0 (proved)"
            in found.notes)


def test_states_become_sums() -> None:
    made = regular(step("adam"), "b2", Fraction(1)).new
    assert list(body_lines(made.body)) == [
        "n' = b2*n + 1", "m' = b1*m + (1 - b1)*g", "v' = b2*v + g^2", "mhat = m'/(1 - b1^t)",
        "vhat = v'/n'", "x' = x - lr*mhat/(sqrt(vhat) + eps)"]


def test_a_hyperparameter_without_effect_goes_nowhere() -> None:
    idle = spec("Idle", "eps", "", "x' = x - lr*sign(g) - 0*eps*x")
    assert not any("->" in c for c in compared(idle, SIGNS).conditions)
    assert approached(Pair(step(idle), step(SIGNS))) is None


def test_a_power_of_the_distance_may_stand_before_a_choice() -> None:
    rule = spec("Choice", "b2", "v", "v' = b2*v + (1 - b2)*g^2",
                "x' = x - lr*(sqrt(1 - b2)*(g/sqrt(v') default 0))")
    found = compared(rule, SUMS)
    assert (found.verdict, found.conditions) == ("specialises", ("b2 -> 1",))


def test_without_bias_correction_steps_grow_without_bound() -> None:
    with pytest.raises(Broken):
        regular(step(RMS), "b2", Fraction(1))


def test_what_jumps_is_not_continuous() -> None:
    jumps = spec("Jumps", "eps", "", "x' = x - lr*floor(g + eps)")
    with pytest.raises(Broken, match="floor"):
        continuous(step(jumps), {"eps": Fraction(0)})
    signs = spec("Signs", "eps", "", "x' = x - lr*sign(eps)*g")
    with pytest.raises(Broken):
        continuous(step(signs), {"eps": Fraction(0)})


# Norms.


NORM = spec("AdamNorm", "b1 b2", "m v", "hyper p = 2 in [1, inf)", "m' = b1*m + (1 - b1)*g",
            "v' = b2^p*v + (1 - b2^p)*abs(g)^p", "x' = x - lr/(1 - b1^t)*m'/v'^(1/p)")


def test_adamax_is_adam_with_a_norm_that_grows_without_bound() -> None:
    found = compared(NORM, "adamax")
    assert (found.verdict, found.conditions) == ("specialises", ("p -> inf",))
    assert isinstance(found.proof, Limit)
    assert "v' = max(b2*v, abs(g))" in list(body_lines(found.proof.pair.a.body))
    verify(found.proof)
    with pytest.raises(Rejected):
        verify(replace(found.proof, rescaled=()))


def test_a_norm_of_the_gradient_goes_to_its_largest_entry() -> None:
    norm = spec("Normed", "", "", "hyper p = 2 in [1, inf)",
                "x' = x - lr*g/sum(abs(g)^p over model)^(1/p)")
    largest = spec("Largest", "", "", "x' = x - lr*g/max(abs(g) over model)")
    found = compared(norm, largest)
    assert (found.verdict, found.conditions) == ("specialises", ("p -> inf",))


@pytest.mark.parametrize("line", [
    "v' = b2^p*v - b2^p*v/2 + abs(g)^p", "v' = b2*v + (1 - b2)*abs(g)^p",
    "v' = b2^p*v + abs(g)^p/p", "v' = b2^p*v + (1 - b2^p)*g^p"])
def test_norms_of_other_forms_are_not_taken_for_granted(line: str) -> None:
    text = NORM.replace("v' = b2^p*v + (1 - b2^p)*abs(g)^p", line)
    with pytest.raises(Broken):
        continuous(rooted(step(text), "p").new, {"p": INF})


def test_a_comparison_holds_nearby_where_its_sides_differ() -> None:
    above = spec("Above", "eps", "", "x' = x - lr*(if g > eps then g else 0)")
    found = compared(above, spec("Positive", "", "", "x' = x - lr*(if g > 0 then g else 0)"))
    assert (found.verdict, found.conditions) == ("specialises", ("eps -> 0",))
    assert any("where `g` is not 0" in n for n in found.notes)
    jumps = spec("Jumps", "eps", "", "x' = x - lr*(if eps > 0 then g else 2*g)")
    assert approached(Pair(step(jumps), step(spec("Twice", "", "", "x' = x - 2*lr*g")))) is None
    with pytest.raises(Broken):
        continuous(step(jumps), {"eps": Fraction(0)})


# Certificates.


@pytest.fixture(scope="module")
def proof() -> Limit:
    found = compared(FADING, SUMS).proof
    assert isinstance(found, Limit)
    return found


def test_a_limit_is_checked_again(proof: Limit) -> None:
    assert verify(proof).points > 0
    assert any("n' = b2*n + 1" in line for line in proof.lines())


def _another_end(proof: Limit) -> Limit:
    return replace(proof, toward=replace(proof.toward, ends={"b2": Fraction(0)}))


def _another_rule(proof: Limit) -> Limit:
    return replace(proof, rule=step(RMS))


def _another_rule_at_the_end(proof: Limit) -> Limit:
    pair = replace(proof.pair, a=put(step(RMS), {"b2": Fraction(1)}))
    return replace(proof, shown=replace(proof.shown, pair=pair))


def _without_the_change_of_states(proof: Limit) -> Limit:
    return replace(proof, rescaled=())


def _another_change_of_states(proof: Limit) -> Limit:
    (one,) = proof.rescaled
    orders: dict[Sym, Any] = {**one.orders, Sym("v"): Fraction(2), Sym("v", True): Fraction(2)}
    return replace(proof, rescaled=(replace(one, orders=orders),))


def _nothing_that_must_not_be_0(proof: Limit) -> Limit:
    return replace(proof, off=())


def _everything_undefined(proof: Limit) -> Limit:
    return replace(proof, off=(*proof.off, Num("0", type=proof.rule.hypers[0].type)))


@pytest.mark.parametrize("corrupt", [
    _another_end, _another_rule, _another_rule_at_the_end, _without_the_change_of_states,
    _another_change_of_states, _nothing_that_must_not_be_0, _everything_undefined])
def test_a_corrupted_proof_is_rejected(proof: Limit, corrupt: Any) -> None:
    with pytest.raises(Rejected):
        verify(corrupt(proof))
