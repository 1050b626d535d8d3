"""Two rules side by side: lines stand together that mean the same, and only those are marked in
which a difference arises."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli_calls import Call, call, folder
from thetaprime.compare.aligned import Diff, aligned
from thetaprime.compare.operands import operand
from thetaprime.optimizer import loads

__all__ = ["call", "folder"]  # fixtures
GOLDEN = Path(__file__).parent / "golden"
PAIRS = (("adam-torch", "adam-keras"), ("adamw", "adam"), ("nadam-torch", "nadam-optax"),
         ("sgd-torch", "sgd-keras"))
RULE = """\
optimizer Rule
  hyper lr = 0.1 in (0, inf)
  hyper b = 0.9 in [0, 1)
  state m = 0
  m' = b*m + (1 - b)*g
  n = m'^2 + g^2
  x' = x - lr*m'/(1 + n)
"""


def beside(one: str, other: str) -> Diff:
    return aligned(operand(loads(one)), operand(loads(other)))


def changed(*edits: tuple[str, str]) -> str:
    text = RULE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def marks(found: Diff) -> dict[str, str]:
    return {(r.a or r.b).partition(" = ")[0]: r.mark for r in found.equations}


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_page(a: str, b: str, call: Call, golden: Callable[[Path, str], None]) -> None:
    done = call("diff", a, b, "--width", "110")
    assert (done.code, done.err) == (1, "")
    golden(GOLDEN / f"diff_{a}_{b}.txt", done.out)


def test_other_names_order_and_algebra_are_no_difference() -> None:
    other = changed(("m' = b*m + (1 - b)*g", "v' = b*v + g - b*g"), ("state m", "state v"),
                    ("  n = m'^2 + g^2\n", ""), ("lr*m'/(1 + n)", "v'*lr/(1 + k)"))
    other += "  k = g^2 + v'^2\n"
    found = beside(RULE, other)
    assert found.same
    assert found.notes == ("`v` of the second is taken as `m` of the first",)
    assert [(r.a.split()[0], r.b.split()[0]) for r in found.equations] == [
        ("m'", "v'"), ("n", "k"), ("x'", "x'")]


def test_only_the_line_in_which_a_difference_arises_is_marked() -> None:
    found = beside(RULE, changed(("(1 - b)*g", "(1 - b)*g^3")))
    assert marks(found) == {"m'": "|", "n": "=", "x'": "="}


def test_a_state_that_is_a_multiple_of_another_is_no_difference() -> None:
    inside = changed(("b*m + (1 - b)*g", "b*m + lr*(1 - b)*g"), ("m'^2", "(m'/lr)^2"),
                     ("lr*m'/", "m'/"))
    found = beside(RULE, inside)
    assert found.same
    assert found.notes == ("`m` of the second is taken as lr*m of the first",)


def test_what_differs_at_the_first_step_alone_is_seen() -> None:
    other = changed(("b*m + (1 - b)*g", "if t == 1 then g else b*m + (1 - b)*g"))
    assert marks(beside(RULE, other))["m'"] == "|"


def test_starts_defaults_and_ranges_are_shown() -> None:
    found = beside(RULE, changed(("state m = 0", "state m = 1"), ("b = 0.9", "b = 0.95"),
                                 ("(0, inf)", "[0, inf)")))
    assert [r.mark for r in (*found.hypers, *found.states)] == ["|", "|", "|"]
    assert {r.mark for r in found.equations} == {"="}


def test_numbers_written_otherwise_are_the_same() -> None:
    assert beside(RULE, changed(("lr = 0.1", "lr = 1e-1"))).same


def test_what_the_algebra_has_no_words_for_is_compared_by_text() -> None:
    one = changed(("m'^2 + g^2", "sum(if g > 0 then 1/g else 0 over model)"))
    found = beside(one, changed(("m'^2 + g^2", "sum(if g > 0 then 1/g else 1 over model)")))
    assert found.notes[0].startswith("compared by text, not by value")
    assert marks(found) == {"m'": "=", "n": "|", "x'": "="}


def test_kinds_of_tensors_are_told_apart(call: Call) -> None:
    found = json.loads(call("diff", "adafactor", "adafactor-torch", "--json").out)
    lines = {r["a"]: r["mark"] for r in found["equations"]}
    assert lines["share = t^(-decay)"] == "="
    assert "V' = (1 - share)*V + share*(g^2 + eps1)  # where not rank >= 2" in lines
    assert not found["same"]


def test_a_rule_is_no_different_from_itself(call: Call) -> None:
    done = call("diff", "adam", "adam", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert set(found) == {"a", "b", "same", "hyperparameters", "states", "equations", "notes"}
    assert found["same"]
    assert found["notes"] == []


def test_a_choice_that_both_have_is_the_first_ones() -> None:
    one = RULE.replace("  state", "  hyper twice : bool = true\n  state").replace(
        "lr*m'", "lr*(if twice then 2 else 1)*m'")
    found = beside(one, one.replace("= true", "= false"))
    assert [r.b for r in found.hypers][-1] == "hyper twice = false in {false, true}, here true"
    assert {r.mark for r in found.equations} == {"="}


def test_wrong_calls_are_messages(call: Call) -> None:
    assert call("diff", "adm", "adam").code == 1
    assert "error[unknown-spec]" in call("diff", "adm", "adam").err
    assert call("diff", "adam").code == 2
    assert "error[no-access]: there is no file `no.opt`" in call("diff", "no.opt", "adam").err
