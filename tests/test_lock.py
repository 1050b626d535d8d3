"""A lock holds what a rule means: what changes the meaning is told, what does not passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli_calls import Call, call, folder
from thetaprime.codes_lock import LOCK_CODES
from thetaprime.compare import locked
from thetaprime.compare.canonical import canonical
from thetaprime.compare.fingerprint import fingerprint
from thetaprime.library import modules, shipped
from thetaprime.optimizer import load, loads
from thetaprime.source import Source

__all__ = ["call", "folder"]  # fixtures
RULE = """\
optimizer Rule
  "A rule."
  cite "none"
  hyper lr = 0.1 in (0, inf)
  hyper b = 0.9 in [0, 1)
  hyper eps = 1e-8 in (0, inf)
  hyper twice : bool = false
  state m = 0
  state v = 0

  m' = b*m + (1 - b)*g
  v' = b*v + (1 - b)*g^2
  d = m'/(sqrt(v') + eps)
  x' = x - lr*(if twice then 2*d else d)
"""
SAME = {
    "another name of a state": [("state m", "state n"), ("m' = b*m", "n' = b*n"), ("m'/", "n'/")],
    "another name of a quantity": [("d = m'", "u = m'"), ("2*d else d", "2*u else u")],
    "another order": [("  state m = 0\n  state v = 0\n", "  state v = 0\n  state m = 0\n"),
                      ("  m' = b*m + (1 - b)*g\n", ""), ("  d =", "  m' = b*m + (1 - b)*g\n  d =")],
    "other spaces and comments": [("lr*(", "lr * ("), ("\n\n", "\n\n  # the step\n")],
    "a quantity written out": [("  d = m'/(sqrt(v') + eps)\n", ""),
                               ("2*d else d", "2*m'/(sqrt(v') + eps) else m'/(sqrt(v') + eps)")],
    "algebra": [("b*m + (1 - b)*g", "g - b*(g - m)"), ("if twice then 2*d else d",
                                                      "d*(if twice then 2 else 1)")],
    "another doc and citation": [('"A rule."', '"The rule."'), ("none", "arXiv:1412.6980")],
    "a state that is a multiple": [("b*m + (1 - b)*g", "b*m + lr*(1 - b)*g"),
                                   ("x - lr*(", "x - (")],
}
OTHER = {
    "a sign": ("x - lr*", "x + lr*"),
    "where eps stands": ("sqrt(v') + eps", "sqrt(v' + eps)"),
    "a start": ("state v = 0", "state v = 1"),
    "a choice that is not the default": ("2*d else", "3*d else"),
    "the first step alone": ("b*v + (1 - b)*g^2", "if t == 1 then g^2 else b*v + (1 - b)*g^2"),
    "the evaluated point": ("  x' =", "  eval x - m\n  x' ="),
}


def edited(*edits: tuple[str, str], text: str = RULE) -> str:
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def codes(text: str, then: str = RULE) -> list[str]:
    entry = locked.entry("rule.opt", Source("rule.opt", then))
    return [d.code for d in locked.changes("rule.opt", Source("rule.opt", text), entry)]


@pytest.mark.parametrize("what", SAME)
def test_what_is_the_same_rule_passes(what: str) -> None:
    assert codes(edited(*SAME[what])) == []


@pytest.mark.parametrize("what", list(SAME)[:-1])
def test_no_proof_is_needed_for_names_order_and_plain_algebra(what: str) -> None:
    for choice in (False, True):
        assert fingerprint(loads(edited(*SAME[what])).step(twice=choice)) == fingerprint(
            loads(RULE).step(twice=choice))


@pytest.mark.parametrize("what", OTHER)
def test_what_is_another_rule_is_told(what: str) -> None:
    assert codes(edited(OTHER[what])) == ["rule-changed"]


@pytest.mark.parametrize(("old", "new"), [
    ("b = 0.9 in", "b = 0.95 in"), ("b = 0.9 in [0, 1)", "b = 0.9 in [0, 1]"),
    ("bool = false", "bool = true")])
def test_defaults_and_ranges_are_told(old: str, new: str) -> None:
    assert codes(edited((old, new))) == ["hyper-changed"]


def test_a_number_written_otherwise_is_the_same() -> None:
    assert codes(edited(("lr = 0.1", "lr = 1e-1"))) == []


def test_hyperparameters_that_come_and_go_are_told() -> None:
    more = edited(("  state m", "  hyper wd = 0 in [0, inf)\n  state m"),
                  ("2*d else d", "2*d + wd*x else d + wd*x"))
    assert codes(more) == ["rule-changed", "hyper-changed"]
    assert codes(RULE, more) == ["rule-changed", "hyper-changed"]


def test_the_message_says_how_the_rule_changed() -> None:
    entry = locked.entry("rule.opt", Source("rule.opt", RULE))
    (found,) = locked.changes("rule.opt", Source("rule.opt", edited(OTHER["where eps stands"])),
                              entry)
    assert found.message == "`rule.opt` is no longer the locked rule"
    assert "with twice = false" in found.notes
    assert any("eps inside the root" in note for note in found.notes)


def test_what_is_bound_is_locked(tmp_path: Path) -> None:
    """A text that does not say that `lr` is set keeps the texts that do."""
    (tmp_path / "rule.opt").write_text(RULE, "utf-8")
    text = "optimizer Mine = Rule with lr = 0.5\n"
    path = str(tmp_path / "mine.opt")
    entry = locked.entry("mine.opt", Source(path, text))
    assert "lr" not in entry.hypers
    assert locked.changes("mine.opt", Source(path, text), entry) == []
    found = locked.changes("mine.opt", Source(path, text.replace("0.5", "0.6")), entry)
    assert [d.code for d in found] == ["rule-changed"]


def test_what_another_file_says_counts(tmp_path: Path) -> None:
    (tmp_path / "rule.opt").write_text(RULE, "utf-8")
    mine = Source(str(tmp_path / "mine.opt"),
                  "optimizer Mine extends Rule\n  override hyper lr = 0.5 in (0, 1)\n")
    entry = locked.entry("mine.opt", mine)
    assert locked.changes("mine.opt", mine, entry) == []
    (tmp_path / "rule.opt").write_text(edited(OTHER["a sign"]), "utf-8")
    assert [d.code for d in locked.changes("mine.opt", mine, entry)] == ["rule-changed"]


def test_random_numbers_depend_on_what_is_drawn() -> None:
    noisy = edited(("  x' = x", "  z ~ normal(0, 1)\n  x' = x + z"))
    assert codes(noisy, noisy) == []
    assert codes(edited(("z ~", "w ~"), ("x + z", "x + w"), text=noisy), noisy) == ["rule-changed"]


# The form of a step.


@pytest.mark.parametrize("name", ["adamw", "nesterov-lookahead", "soap", "adafactor"])
def test_the_canonical_form_is_its_own(name: str) -> None:
    once = canonical(load(name).step())
    assert canonical(once) == once


@pytest.mark.parametrize("one", ["adam", "sgd", "lamb", "muon"])
def test_rules_that_differ_have_other_digests(one: str) -> None:
    others = [fingerprint(load(n).step()) for n in ("adam", "sgd", "lamb", "muon", "lion")]
    assert others.count(fingerprint(load(one).step())) == 1


def test_equal_rules_of_several_libraries_have_one_digest() -> None:
    assert fingerprint(load("adamw").step()) == fingerprint(load("adamw-torch").step())


@pytest.mark.slow
@pytest.mark.parametrize("name", [*shipped(), *modules()])
def test_every_shipped_spec_is_as_it_is_locked(name: str) -> None:
    source = load(name).source
    assert locked.changes(name, source, locked.entry(name, source)) == []


# The commands.


@pytest.fixture
def rule(call: Call) -> Path:
    """A spec in the folder of the calls, locked."""
    path = Path("rule.opt")
    path.write_text(RULE, "utf-8")
    assert call("lock", "rule.opt").code == 0
    return path


def test_check_locked(call: Call, rule: Path) -> None:
    assert call("check", "--locked").out == "rule.opt: ok\n"
    rule.write_text(edited(OTHER["a sign"]).replace("x + lr", "x - 2*lr"), "utf-8")
    done = call("check", "--locked")
    assert done.code == 1
    assert "error[rule-changed]: `rule.opt` is no longer the locked rule" in done.out
    assert call("check", "rule.opt").code == 0
    found = json.loads(call("check", "--locked", "--json").out)
    assert [d["code"] for d in found[0]["diagnostics"]] == ["rule-changed"]


def test_a_lock_is_not_overwritten_silently(call: Call, rule: Path) -> None:
    before = Path("thetaprime.lock").read_text("utf-8")
    rule.write_text(edited(("2*d else d", "2*d else 4*d")), "utf-8")
    done = call("lock", "rule.opt")
    assert done.code == 1
    assert "error[rule-changed]" in done.err
    assert "thetaprime.lock stays as it is" in done.err
    assert Path("thetaprime.lock").read_text("utf-8") == before
    assert call("lock", "rule.opt", "--update").code == 0
    assert call("check", "--locked").code == 0


def test_a_lock_keeps_the_other_specs(call: Call, rule: Path) -> None:
    assert call("lock", "AdamW").code == 0
    assert list(locked.read()) == ["adamw", "rule.opt"]


def test_a_lock_says_what_it_locks(rule: Path) -> None:
    found = json.loads(Path("thetaprime.lock").read_text("utf-8"))
    one = found["specs"]["rule.opt"]
    assert one["hyperparameters"]["b"] == {"default": "0.9", "range": "[0, 1)"}
    assert set(one["fingerprints"]) == {"twice = false", "twice = true"}
    assert one["texts"]["rule.opt"][0] == "optimizer Rule"


def test_wrong_calls_are_messages(call: Call) -> None:
    assert "error[wrong-call]: there is no thetaprime.lock" in call("check", "--locked").err
    assert call("check", "--locked").code == 2
    assert "neither a file nor a shipped spec" in call("lock", "SAM(SGD)").err
    assert "error[wrong-call]" in call("lock", "no.opt").err
    Path("thetaprime.lock").write_text("{}", "utf-8")
    done = call("lock", "adam")
    assert (done.code, "is no lock" in done.err) == (2, True)
    assert Path("thetaprime.lock").read_text("utf-8") == "{}"


def test_a_spec_that_is_not_locked_is_told(call: Call, rule: Path) -> None:
    done = call("check", "--locked", "adam")
    assert (done.code, "`adam` is not in thetaprime.lock" in done.err) == (2, True)


def test_a_wrong_spec_is_not_locked(call: Call) -> None:
    Path("wrong.opt").write_text(edited(("d = m'", "d = n'")), "utf-8")
    assert call("lock", "wrong.opt").code == 1
    assert not Path("thetaprime.lock").exists()


def test_every_message_of_a_lock_is_tested() -> None:
    assert set(LOCK_CODES) == {"rule-changed", "hyper-changed"}
