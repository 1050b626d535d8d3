"""What is undefined is neither above nor below anything: proofs know it of conditions."""

from __future__ import annotations

import pytest

import thetaprime as tp
from thetaprime.claims.facts import Unproved, prove
from thetaprime.claims.questions import questions
from thetaprime.compare import compare
from thetaprime.pipeline import checked
from thetaprime.source import Source

HEAD = "optimizer Doubtful\n  hyper lr = 0.1 in (0, inf)\n"
# Rules that go on as if their condition held, and would if what it compares were a number. Where
# it is none, they take the other branch.
UNDEFINED = {
    "a quotient": "  x' = if g/g == 1 then x - lr*g else x - lr\n",
    "a quotient of hyperparameters":
        "  hyper a = 1, b = 2 in (0, inf)\n"
        "  x' = if (a - b)/(a - b) == 1 then x - lr*g else x - lr\n",
    "a norm of quotients": "  u = norm(g/abs(g) over tensor)\n"
                           "  x' = if u > 0 then x - lr*g else x - lr\n",
    "a root": "  u = sqrt(g)\n  x' = if u >= 0 then x - lr*g else x - lr\n",
    "a power": "  u = g^0.5\n  x' = if u >= 0 then x - lr*g else x - lr\n",
    "a logarithm": "  u = ln(g)\n  x' = if u^2 >= 0 then x - lr*g else x - lr\n",
    "a state": "  state s = 0\n  s' = g/g\n  x' = if s >= 0 then x - lr*g else x - lr\n",
    "a negation": "  x' = if not (g/g == 1) then x - lr else x - lr*g\n",
    "a question": "  x' = if finite(g/g) then x - lr*g else x - lr\n",
    "a block": "  u = dot(g, g over model)/dot(g, g over model)\n"
               "  if u == 1:\n    x' = x - lr*g\n  else:\n    x' = x - lr\n",
}


@pytest.mark.parametrize("rule", UNDEFINED)
def test_a_condition_on_what_may_be_undefined_does_not_hold_of_itself(rule: str) -> None:
    flat = checked(Source("doubtful", f"{HEAD}{UNDEFINED[rule]}  claim x' = x - lr*g\n"))
    (question,) = questions(flat, *flat.claims[0])
    with pytest.raises(Unproved):
        prove(question)


@pytest.mark.parametrize("rule", UNDEFINED)
def test_it_changes_something(rule: str) -> None:
    """No quantity that it reads is said to be dead."""
    found = tp.loads(HEAD + UNDEFINED[rule]).check()
    assert not [d for d in found.diagnostics if d.code.startswith("dead")]


DEFINED = {
    "neither branch matters": "  x' = if ln(g) > 0 then x - lr*g else x - g*lr\n",
    "it is known to be a number": "  x' = if sqrt(abs(g)) >= 0 then x - lr*g else x - lr\n",
    "it is compared only where it is one":
        "  x' = if g == 0 then x else if g/g == 1 then x - lr*g else x - lr\n",
    "something takes its place":
        "  x' = if (g/g default 1) == 1 then x - lr*g else x - lr\n",
}


@pytest.mark.parametrize("rule", DEFINED)
def test_other_conditions_are_decided(rule: str) -> None:
    (verdict,) = tp.loads(f"{HEAD}{DEFINED[rule]}  claim x' = x - lr*g\n").check().verdicts
    assert verdict.status == "PROVED"


@pytest.mark.parametrize("rule", sorted(UNDEFINED.keys() - {"a state"}))
def test_conditions_that_are_computed_alike_hold_alike(rule: str) -> None:
    one = HEAD + UNDEFINED[rule]
    two = one.replace("Doubtful", "Same").replace("x - lr*g", "x - g*lr")
    assert compare(tp.loads(one), tp.loads(two)).verdict == "equal"


def test_conditions_with_the_same_normal_form_need_not() -> None:
    one = f"{HEAD}  x' = if g/g == 1 then x - lr*g else x - lr\n"
    two = one.replace("Doubtful", "Other").replace("g/g == 1", "finite(lr/lr)")
    for told in (one, one.replace("g/g == 1", "finite(g/g)")):
        found = compare(tp.loads(told), tp.loads(two))
        assert found.verdict == "different"
        assert found.counterexample is not None


def test_a_power_of_0_is_no_failure() -> None:
    """b1 may be 0: b1^(t - 1) is 1 at t = 1, 0 later."""
    late = tp.load("adamw").source.text.replace(
        "mhat = m'/(1 - b1^t)", "mhat = m'/(1 - b1^(t - 1)) default 0")
    found = {v.claim: v.status for v in tp.loads(late).check().verdicts}
    assert found["mhat = c when g = c"] == "REFUTED"
    assert found["vhat = c^2 when g = c"] == "PROVED"
