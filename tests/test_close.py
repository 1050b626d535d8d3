"""Rules that differ by where `eps` stands are equal up to a term in it, with a proved bound."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import thetaprime as tp
from tests.test_claims import HEAD as ADAM
from thetaprime.compare.damped import Damped
from thetaprime.compare.operands import operand
from thetaprime.compare.pairs import Pair
from thetaprime.compare.result import Comparison
from thetaprime.compare.together import together
from thetaprime.compare.verify import Rejected, verify
from thetaprime.expr import Num
from thetaprime.interpret import after, executed, start
from thetaprime.types import SCALAR

HEAD = ADAM.partition("  x' =")[0]  # all but what becomes of the point
INSIDE = f"{HEAD}  x' = x - lr*mhat/sqrt(vhat + eps^2)\n"
NOT_SQUARED = f"{HEAD}  d = sqrt(vhat + eps)\n  u = mhat/d\n  x' = x - lr*u\n"
FLOOR = f"{HEAD}  x' = x - lr*mhat/max(sqrt(vhat), eps)\n"
KEPT = HEAD.replace("ema(v, g^2, b2)", "ema(v, g^2 + eps, b2)") + "  x' = x - lr*mhat/sqrt(vhat)\n"
NUMERATOR = f"{HEAD}  x' = x - lr*(mhat + eps)/(sqrt(vhat) + eps)\n"
NOT_SMALL = f"{HEAD}  x' = x - lr*mhat/(sqrt(vhat + 1) + eps)\n"


@cache
def compared(a: str, text: str) -> Comparison:
    return tp.compare(a, tp.loads(text))


def proof(a: str, text: str) -> Damped:
    found = compared(a, text).proof
    assert isinstance(found, Damped)
    return found


def bound(found: Comparison) -> str:
    return next(n for n in found.notes if "at most" in n).partition("at most ")[2]


@pytest.mark.parametrize(("text", "most"), [
    (INSIDE, "abs(x' - x)*eps/sqrt(vhat + eps^2)"),
    (NOT_SQUARED, "abs(x' - x)*max(eps, sqrt(eps))/d"),
    (FLOOR, "abs(x' - x)*eps/max(sqrt(vhat), eps)"),
])
def test_another_place_of_eps_makes_a_gap_with_this_bound(text: str, most: str) -> None:
    found = compared("adam", text)
    assert found.verdict == "equal-up-to"
    assert found.conditions == ("a term in `eps`",)
    assert bound(found) == most
    assert found.counterexample is not None
    assert found.first_difference_step == 1


def test_decay_stays_out_of_the_bound() -> None:
    decayed = INSIDE.replace("  state m", "  hyper wd = 0 in [0, inf)\n  state m").replace(
        "x' = x -", "x' = (1 - lr*wd)*x -")
    found = compared("adamw", decayed)
    assert found.verdict == "equal-up-to"
    assert bound(found) == "abs(x' - (x - x*lr*wd))*eps/sqrt(vhat + eps^2)"


@pytest.mark.parametrize("text", [KEPT, NUMERATOR, NOT_SMALL])
def test_what_is_not_a_small_term_beside_the_divisor_is_different(text: str) -> None:
    assert compared("adam", text).verdict == "different"


def test_what_a_schedule_explains_is_told_by_the_schedule() -> None:
    assert tp.compare("adam-keras", "adam-torch").verdict == "different"


def test_conditions_that_are_not_needed_are_not_told() -> None:
    found = tp.compare("adagrad-torch", "adagrad-optax")
    assert found.conditions == ("a term in `eps`, when wd = 0 and lr_decay = 0",)


@pytest.mark.parametrize("text", [INSIDE, NOT_SQUARED, FLOOR])
@pytest.mark.parametrize("turned", [False, True])
def test_no_run_goes_beyond_the_bound(text: str, turned: bool) -> None:
    found = tp.compare(tp.loads(text), "adam").proof if turned else proof("adam", text)
    assert isinstance(found, Damped)
    both = together(found.pair, "eps")
    assert both is not None
    rng = np.random.default_rng(0)
    hypers = {"eps": 1e-2, "b1": 0.7, "b2": 0.8, "lr": 0.5}
    x = rng.normal(size=500)
    memory = start(both.step, [x], hypers)
    for _ in range(6):
        g = rng.normal(size=500)*10.0**rng.integers(-6, 2, 500)
        done = executed(both.step, memory, [x], [g], hypers)
        one, other, ours, theirs = (done.value(e)[0] for e in (
            both.one, both.other, both.ours, both.theirs))
        most = done.value(found.bound)
        gap = abs(other - one)
        assert np.all(gap <= abs(one - x)*most/theirs*(1 + 1e-9))
        assert np.any(gap > 0)
        assert np.all(ours > 0)
        (x,), memory = after(done)


def test_the_proof_is_checked_again_and_a_smaller_bound_is_rejected() -> None:
    found = proof("adam", INSIDE)
    verify(found)
    zero = Num("0", SCALAR)
    with pytest.raises(Rejected, match="other facts"):
        verify(replace(found, bounds=(zero, zero)))
    shown = tuple((replace(one, right=zero) if one.op == "<=" else one, certificate)
                  for one, certificate in found.shown)
    with pytest.raises(Rejected):
        verify(replace(found, bounds=(zero, zero), shown=shown))


def test_a_proof_of_other_rules_is_rejected() -> None:
    found = proof("adam", INSIDE)
    other = operand(tp.loads(NOT_SQUARED)).step({})
    with pytest.raises(Rejected):
        verify(replace(found, pair=Pair(found.pair.a, other)))


def test_states_that_are_not_the_same_are_not_taken_as_one() -> None:
    found = proof("adam", INSIDE)
    swapped = tuple((replace(one, right=other.right), certificate)
                    for (one, certificate), (other, _) in zip(
                        found.states, reversed(found.states), strict=True))
    with pytest.raises(Rejected):
        verify(replace(found, states=swapped))


def test_steps_with_blocks_or_without_a_quotient_are_not_put_together() -> None:
    sgd, muon, adam = (operand(n).step({}) for n in ("sgd", "muon", "adam"))
    assert together(Pair(adam, sgd), "eps") is None
    assert together(Pair(muon, muon), "eps") is None


def test_a_proof_that_is_rejected_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: Damped) -> int:
        raise Rejected("never")

    monkeypatch.setattr(Damped, "verify", never)
    assert compared.__wrapped__("adam", INSIDE).verdict == "different"
