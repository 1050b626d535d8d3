"""`compare`: the verdict on two optimizers, its proof checked again, what tells them apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import thetaprime as tp
from tests.cli_calls import Call, call, folder
from thetaprime.claims.equality import Related
from thetaprime.claims.polynomials import Poly, Ratio
from thetaprime.compare.alike import Alike
from thetaprime.compare.operands import operand
from thetaprime.compare.pairs import Pair, Shown
from thetaprime.compare.result import Comparison
from thetaprime.compare.verify import Rejected, verify

__all__ = ["call", "folder"]  # fixtures

HEAVY_BALL = """\
optimizer HeavyBall
  hyper lr = 1e-2 in (0, inf)
  hyper b = 0.9 in [0, 1)
  state last = x
  last' = x
  x' = x - lr*g + b*(x - last)
"""
INSIDE = """\
optimizer Inside
  hyper lr = 1e-2 in (0, inf)
  hyper b = 0.9 in [0, 1)
  state d = 0
  d' = b*d - lr*g
  x' = x + d'
"""
OUTSIDE = """\
optimizer Outside
  hyper lr = 1e-2 in (0, inf)
  hyper b = 0.9 in [0, 1)
  state m = 0
  m' = b*m + g
  x' = x - lr*m'
"""
AVERAGE = """\
optimizer Average
  hyper rate = 1e-2 in (0, inf)
  hyper b = 0.9 in [0, 1)
  state m = 0
  m' = b*m + (1 - b)*g
  x' = x - rate*m'
"""


def compared(a: str, b: str) -> Comparison:
    return tp.compare(*(tp.loads(t) if t.startswith("optimizer") else t for t in (a, b)))


# Verdicts.


def test_the_same_rule_written_twice_is_equal() -> None:
    found = compared("lion-keras", "lion-optax")
    assert found.verdict == "equal"
    assert found.proof is not None
    assert found.certificate


@pytest.mark.parametrize("name", tp.shipped())
def test_every_rule_is_equal_to_itself(name: str) -> None:
    found = tp.compare(name, name)
    assert found.verdict == "equal"


def test_the_same_equations_are_looked_at_again() -> None:
    found = tp.compare("muon-polar-express", "muon-polar-express").proof
    assert isinstance(found, Alike)
    assert verify(found).points > 0
    sgd = operand("sgd").step({})
    with pytest.raises(Rejected):
        verify(replace(found, pair=replace(found.pair, b=sgd)))


def test_states_may_mean_different_things() -> None:
    found = compared(INSIDE, OUTSIDE)
    assert found.verdict == "equal"
    assert any(n.startswith("only at constant `lr`") for n in found.notes)


def test_the_last_step_is_a_momentum() -> None:
    assert compared(HEAVY_BALL, INSIDE).verdict == "equal"


def test_a_map_of_hyperparameters_is_found_both_ways() -> None:
    found = compared(OUTSIDE, AVERAGE)
    assert found.verdict == "equal-under-map"
    assert found.map == {"rate": "lr/(1 - b)"}
    assert found.inverse == {"lr": "rate*(1 - b)"}


def test_a_setting_makes_one_rule_the_other() -> None:
    found = compared("adamw", "adam")
    assert (found.verdict, found.conditions) == ("specialises", ("wd = 0",))
    assert str(found).startswith("adamw with wd = 0 is adam\n")
    assert any(n.startswith("`wd = 0` is needed") for n in found.notes)
    turned = compared("adam", "adamw")
    assert (turned.verdict, turned.map) == ("specialises", {"wd": "0"})


def test_wrappers_compare() -> None:
    assert compared("SAM(SGD) with rho = 0", "SGD").verdict == "equal"
    assert compared("Lookahead(SGD, k = 1, alpha = 0.5)", "SGD").map == {"lr": "lr/2"}


def test_what_differs_is_shown_by_the_smallest_run() -> None:
    found = compared("adam", "yogi")
    assert found.verdict == "different"
    assert found.counterexample is not None
    assert found.counterexample.step == found.first_difference_step
    assert found.counterexample.replayed


def test_a_condition_on_shared_hyperparameters() -> None:
    found = compared("adamax-torch", "adamax-optax")
    assert (found.verdict, found.conditions) == ("equal-when", ("wd = 0",))
    assert found.counterexample is not None


def test_a_file_is_an_operand(tmp_path: Path) -> None:
    path = tmp_path / "mine.opt"
    path.write_text(OUTSIDE)
    assert tp.compare(str(path), f"{path} with b = 0.5").verdict == "specialises"


# Results.


SHAPE = {"a", "b", "verdict", "map", "conditions", "first_difference_step", "counterexample",
         "certificate", "seconds"}


@pytest.mark.parametrize("pair", [("lion-keras", "lion-optax"), ("adam", "yogi")])
def test_machines_read_one_shape(pair: tuple[str, str]) -> None:
    found = json.loads(json.dumps(tp.compare(*pair).to_json()))
    assert set(found) >= SHAPE
    assert found["a"], found["b"] == pair


def test_notebooks_show_it() -> None:
    found = compared("adamw", "adam")
    assert found._repr_latex_() == (
        r"$$\text{adamw} \supset \text{adam}\quad \left(\text{wd = 0}\right)$$")
    assert "<b>adamw with wd = 0 is adam</b>" in found._repr_html_()


def test_the_command(call: Call) -> None:
    done = call("compare", "adamw", "adam")
    assert (done.code, done.out.splitlines()[0]) == (0, "adamw with wd = 0 is adam")
    assert call("compare", "adam", "yogi", "--json").code == 1


@pytest.mark.parametrize(("a", "told"), [
    ("Adamx", "did you mean `adamax`?"), ("nix.opt", "there is no file"), ("adam with", "cannot"),
    ("AdamW with wd = -1", "outside of its range")])
def test_a_wrong_operand_is_told(call: Call, a: str, told: str) -> None:
    done = call("compare", a, "adam")
    assert done.code in (1, 2)
    assert done.err.startswith("error[")
    assert told in done.err


# Certificates.


@pytest.fixture(scope="module")
def shown() -> Shown:
    a, b = operand(tp.loads(INSIDE)), operand(tp.loads(OUTSIDE))
    return Pair(a.step({}), b.step({})).proved()


def test_a_certificate_is_accepted(shown: Shown) -> None:
    assert verify(shown).points > 0


def _without_first(shown: Shown) -> Any:
    settled = tuple(s for s in shown.certificate.settled if not s.first)
    return replace(shown, certificate=replace(shown.certificate, settled=settled))


def _without_states(shown: Shown) -> Any:
    settled = tuple(s for s in shown.certificate.settled if str(s.relation.right) != "m'")
    return replace(shown, certificate=replace(shown.certificate, settled=settled))


def _another_rule(shown: Shown) -> Any:
    other = operand(tp.loads(AVERAGE.replace("rate", "lr"))).step({})
    return replace(shown, pair=replace(shown.pair, b=other))


def _another_difference(shown: Shown) -> Any:
    first, *rest = shown.certificate.settled
    wrong = replace(first, diff=Ratio(Poly({((0, 1),): 1})))  # type: ignore[dict-item]
    return replace(shown, certificate=replace(shown.certificate, settled=(wrong, *rest)))


def _another_relation(shown: Shown) -> Any:
    return replace(shown, related=(Related("m", "d"),))


@pytest.mark.parametrize("corrupt", [
    _without_first, _without_states, _another_rule, _another_difference, _another_relation])
def test_a_corrupted_certificate_is_rejected(shown: Shown, corrupt: Any) -> None:
    with pytest.raises(Rejected):
        verify(corrupt(shown))
