"""Audits of implementations: where they part from a spec, and which edit explains it."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests.cli_calls import Call, call, folder
from thetaprime.audit import Audit, audit, conformance, judge, report
from thetaprime.audit.judge import Recorded
from thetaprime.audit.sequences import SHAPES, STEPS, sequences
from thetaprime.audit.settings import Setting, links, plan
from thetaprime.audit.table import LIBRARIES, ROWS, Row, row_for
from thetaprime.audit.target import Target
from thetaprime.edits import edits
from thetaprime.library import prelude
from thetaprime.lower import lower

__all__ = ["call", "folder"]  # fixtures

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "conformance.md"


def needs(library: str) -> None:
    """Skips by name where a library is missing."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


def audited(spec: str, against: str, **chosen: Any) -> Audit:
    needs(against.partition(".")[0])
    return audit(tp.load(spec), row_for(against, spec), chosen=chosen, dtypes=False)


def explained(found: Audit) -> dict[str, list[str]]:
    """Each differing setting with the names of the edits that explain it best."""
    return {f.setting.name: [e.name for e in f.explanations[0]] if f.explanations else []
            for f in found.differing}


# The three wrong rules of optax 0.2.8, against the rules of the papers.


def test_optax_rprop_lags_a_step() -> None:
    found = audited("rprop", "optax.rprop")
    lag = ["the step lags: it is that of the time before"]
    assert explained(found) == {"the library's defaults": lag, "other values": lag}
    first = found.findings[0].difference
    assert first is not None
    assert (first.step, first.theirs) == (1, sequences()[0].start[first.tensor][first.entry])


def test_optax_adan_swaps_b2_and_its_complement() -> None:
    found = audited("adan", "optax.adan", wd=0.0)
    swap = ["b and 1 - b swapped wherever b is a factor"]
    assert explained(found) == {"the library's defaults": swap, "other values": swap}
    assert found.findings[0].explanations[0][0].after == (
        "n' = ema(n, (g + (1 - b2)*d)^2, b3)\n"
        "u = (debias(m', b1) + (1 - b2)*debias(v', b2))/(sqrt(debias(n', b3)) + eps)")


@pytest.mark.slow
def test_two_edits_are_named_where_one_explains_another_setting() -> None:
    swap = "b and 1 - b swapped wherever b is a factor"
    assert explained(audited("adan", "optax.adan")) == {
        "the library's defaults": [swap],
        "other values": [swap, "weight decay decoupled, on the old parameter"],
        "other values, wd = 0": [swap]}


def test_optax_adadelta_without_a_learning_rate_ascends() -> None:
    found = audited("adadelta", "optax.adadelta")
    assert explained(found) == {"the library's defaults": ["a sign flipped"]}
    edit = found.findings[0].explanations[0][0]
    assert (edit.before, edit.after) == ("x' = x - lr*d", "x' = x + lr*d")
    assert found.plan.defaults == {"rho": (0.9, 0.95)}


# Others.


@pytest.mark.parametrize(("spec", "against"), [
    ("adam", "torch.optim.Adam"), ("adamw-torch", "torch.optim.AdamW"),
    ("rprop-torch", "torch.optim.Rprop"), ("lion-optax", "optax.lion")])
def test_what_agrees_conforms(spec: str, against: str) -> None:
    found = audited(spec, against)
    assert found.conforms, report.text(found)
    assert all(f.sequences >= 7 for f in found.findings)


def test_keras_adds_eps_before_the_bias_correction() -> None:
    found = audited("adam", "keras.optimizers.Adam")
    assert set(map(tuple, explained(found).values())) == {("eps before the bias correction",)}


def test_every_dtype_is_run_and_what_is_lost_is_told() -> None:
    needs("torch")
    found = audit(tp.load("adam"), row_for("torch.optim.Adam", "adam"))
    by_dtype = {r.dtype: r for r in found.roundings}
    assert list(by_dtype) == ["float32", "bfloat16", "float16"]
    assert by_dtype["float32"].lost is None
    assert 0 < by_dtype["float32"].units < 64
    # eps = 1e-8 is zero in float16.
    assert by_dtype["float16"].lost is not None


# The judge needs no library: an edited spec is an implementation.


SETTING = Setting("other values", {}, {
    "lr": 0.1, "b1": 0.8, "b2": 0.95, "eps": 1e-2, "wd": 0.3}, {})


def recorded(step: Any) -> list[Recorded]:
    """What a step makes of some sequences, as if a library had."""
    found = []
    for sequence in sequences(("scalar", "matrix"))[:4]:
        history = [{**sequence.start, **dict(zip(sequence.moving, params, strict=True))}
                   for params in judge.walk(step, SETTING.values, sequence)]
        found.append(Recorded(sequence, history))
    return found


@pytest.mark.parametrize("name", [
    "eps inside the root", "eps before the bias correction", "no bias correction",
    "b and 1 - b swapped in a line", "weight decay not times lr", "first step undamped",
    "weight decay in the gradient (L2), not decoupled", "a sign flipped"])
def test_an_edited_rule_is_explained_by_its_edit(name: str) -> None:
    flat = tp.load("adamw").flat
    edit = next(e for e in edits(flat) if e.name == name)
    histories = recorded(edit.step)
    own = lower(flat, prelude(), {}).step
    differences = [judge.first_difference(own, SETTING.values, r) for r in histories]
    first = next(d for d in differences if d is not None)
    found = judge.explanations(edits(flat), SETTING, histories, first.sequence)
    assert next(found).after == edit.after


def test_an_unedited_rule_has_no_difference_and_no_edit_explains_it() -> None:
    step = tp.load("adamw").step()
    histories = recorded(step)
    assert all(judge.first_difference(step, SETTING.values, r) is None for r in histories)
    wrong = next(e for e in edits(tp.load("adamw").flat) if e.name == "eps inside the root")
    assert not judge.does(wrong.step, SETTING.values, histories)


def test_a_difference_below_the_tolerance_is_none() -> None:
    step = tp.load("adamw").step()
    (plain, *_) = recorded(step)
    moved = [{n: x*(1 + 1e-15) for n, x in tree.items()} for tree in plain.history]
    assert judge.first_difference(step, SETTING.values, Recorded(plain.sequence, moved)) is None
    moved[3]["matrix"] = moved[3]["matrix"] + 1e-9
    found = judge.first_difference(step, SETTING.values, Recorded(plain.sequence, moved))
    assert found is not None
    assert (found.step, found.tensor) == (4, "matrix")


def test_a_number_that_is_not_finite_on_one_side_is_a_difference() -> None:
    step = tp.load("adamw").step()
    (plain, *_) = recorded(step)
    plain.history[1]["scalar"] = np.asarray(np.nan)
    found = judge.first_difference(step, SETTING.values, plain)
    assert found is not None
    assert (found.step, found.tensor) == (2, "scalar")


def test_sequences_are_what_they_say() -> None:
    named = {s.name: s for s in sequences()}
    assert {len(shape) for shape in SHAPES.values()} == {0, 1, 2, 3, 4}
    assert all(len(s.gradients) == STEPS for s in named.values())
    same = named["the same gradient at every step"].gradients
    assert all(np.array_equal(same[0]["cube"], step["cube"]) for step in same)
    assert not any(g.any() for g in named["gradients with zeros"].gradients[0].values())
    assert "vector" not in named["one tensor without a gradient"].moving
    assert set(named["a learning rate that changes"].rates) > {1.0, 0.1}
    flips = [np.sign(s["matrix"][0, 0]) for s in named["gradients that flip their sign"].gradients]
    assert {-1.0, 1.0} == set(flips)
    assert named["huge gradients"].gradients[0]["matrix"].max() > 1e7
    assert np.abs(named["tiny gradients"].gradients[0]["matrix"]).max() < 1e-6


# Names and settings.


def made(**arguments: Any) -> Target:
    return Target("made.up", lambda **given: None, "optax", arguments)


def test_arguments_go_by_their_own_names_and_those_of_the_ecosystem() -> None:
    found = made(learning_rate=0.1, betas=(0.9, 0.99), epsilon=1e-8, weight_decay=0.1)
    assert list(map(str, links(tp.load("adamw"), found, {}))) == [
        "lr = learning_rate", "b1 = betas[0]", "b2 = betas[1]", "eps = epsilon",
        "wd = weight_decay"]


def test_a_map_says_what_names_do_not() -> None:
    found = made(step=0.1, etas=(0.5, 1.2))
    given = {"step0": "step", "down": "etas[0]", "up": "etas[1]"}
    planned = plan(tp.load("rprop"), found, given, {}, {"up": 1.4})
    assert [s.arguments for s in planned.settings] == [
        {"etas": (0.5, 1.4)}, {"step": 0.1, "etas": (0.8, 1.4)}]
    assert planned.alone == ("least", "most")


def test_settings_try_the_defaults_other_values_and_every_choice() -> None:
    found = made(lr=0.5, momentum=None, dampening=0.0, weight_decay=0.0, nesterov=False)
    names = [s.name for s in plan(tp.load("sgd-torch"), found, {}, {}, {}).settings]
    assert names == ["the library's defaults", "other values", "other values, wd = 0",
                     "nesterov = true"]


# The user's own factory.


MINE = """
import torch

class EpsInside(torch.optim.Optimizer):
    def __init__(self, params, speed=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, {"lr": speed, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state, (b1, b2) = self.state[p], group["betas"]
                t = state["t"] = state.get("t", 0) + 1
                state["m"] = b1*state.get("m", 0.0) + (1 - b1)*p.grad
                state["v"] = b2*state.get("v", 0.0) + (1 - b2)*p.grad**2
                p -= group["lr"]*state["m"]/(1 - b1**t)/torch.sqrt(
                    state["v"]/(1 - b2**t) + group["eps"])

def broken(learning_rate=1e-3):
    raise RuntimeError("no luck")
"""


def test_a_factory_of_the_user_is_audited(tmp_path: Path, call: Call) -> None:
    needs("torch")
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    done = call("audit", "adam", "--against", f"{path}:EpsInside", "--map", "lr=speed", "--json")
    assert done.code == 1
    found = json.loads(done.out)
    assert found["verdict"] == "differs"
    assert found["map"] == {"lr": "speed", "b1": "betas[0]", "b2": "betas[1]", "eps": "eps"}
    for setting in found["settings"]:
        assert setting["explanations"][0][0]["edit"] == "eps inside the root"
        assert setting["difference"]["step"] == 1
        assert setting["sequences"] == 8


@pytest.mark.parametrize(("arguments", "message"), [
    (["adam"], "an audit needs a spec and what to run against it"),
    (["adam", "--against", "nowhere.Adam"], "this needs nowhere, which is not installed"),
    (["adam", "--against", "Adam"], "`Adam` names no optimizer"),
    (["adam", "--against", "json.Adam"], "`json` has no `Adam`"),
    (["adam", "--against", "json.__doc__"], "`json.__doc__` is no optimizer"),
    (["adam", "--against", "none.py:make"], "there is no file none.py"),
    (["adam", "--against", "mine.py"], "`mine.py` names a file, and no factory in it"),
    (["adam", "--against", "json.dumps", "--map", "lr"], "cannot read `--map lr`"),
    (["adam", "--against", "json.dumps", "--map", "rate=obj"],
     "`Adam` has no hyperparameter `rate`"),
    (["adam", "--against", "json.dumps", "--map", "lr=speed"],
     "`json.dumps` has no argument `speed`"),
    (["adam", "--against", "json.dumps", "--set", "speed=1"],
     "`Adam` has no hyperparameter `speed`"),
    (["adam", "--against", "json.dumps", "-o", "x.md"], "-o is for the table of --all"),
    (["--all", "tensor"], "there is no table for the library `tensor`"),
    (["adam", "--all", "torch"], "--all takes no spec and none of its options"),
    (["l-bfgs", "--against", "json.dumps"], "asks the problem for more than the gradient"),
])
def test_a_wrong_call_is_told(call: Call, arguments: list[str], message: str) -> None:
    done = call("audit", *arguments)
    assert done.code == 2
    assert done.out == ""
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_factory_that_raises_is_told(tmp_path: Path, call: Call) -> None:
    needs("torch")
    needs("optax")
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    done = call("audit", "adam", "--against", f"{path}:broken")
    assert done.code == 2
    assert "raised RuntimeError: no luck" in done.err
    none = call("audit", "adam", "--against", f"{path}:other")
    assert "has no function `other`" in none.err
    path.write_text("1/0\n")
    raises = call("audit", "adam", "--against", f"{path}:adam")
    assert "cannot be run: ZeroDivisionError" in raises.err


# The table and the page.


def test_every_spec_of_a_library_has_a_row() -> None:
    own = {p.stem for p in (ROOT / "specs" / "libraries").glob("*.opt")
           if p.stem.rpartition("-")[2] in LIBRARIES}
    assert own == {row.spec for row in ROWS if row.spec.endswith(f"-{row.library}")}
    assert {row.spec for row in ROWS} <= set(tp.shipped())


@pytest.mark.skipif(not PAGE.exists(), reason="the table of all libraries is not committed yet")
def test_the_page_has_every_row_and_says_how_it_was_made() -> None:
    page = PAGE.read_text("utf-8")
    assert "`thetaprime audit --all torch --all optax --all keras -o docs/conformance.md`" in page
    lines = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(tuple(cell.split("`")[1] for cell in line) for line in lines) == (
        sorted((row.target.partition(".")[2], row.spec) for row in ROWS))
    assert "not run" not in page


def test_a_row_of_the_page_says_what_differs() -> None:
    needs("optax")
    row = row_for("optax.adadelta", "adadelta")
    found = audit(tp.load("adadelta"), row, dtypes=False)
    text = conformance.markdown([conformance.Line(row, found)], "the command")
    assert ("| `adadelta` | `adadelta` | differs: **a sign flipped**: `x' = x + lr*d` "
            "(the library's defaults) |") in text


@pytest.mark.slow
@pytest.mark.skipif(not PAGE.exists(), reason="the table of all libraries is not committed yet")
def test_the_page_is_what_the_command_writes() -> None:
    for library in LIBRARIES:
        needs(library)
    lines = conformance.audited(conformance.rows(LIBRARIES))
    command = "thetaprime audit --all torch --all optax --all keras -o docs/conformance.md"
    assert conformance.markdown(lines, command) == PAGE.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("row", [r for r in ROWS if r.spec.endswith(f"-{r.library}")],
                         ids=lambda r: f"{r.spec} {r.target}")
def test_every_optimizer_conforms_to_the_spec_of_its_library(row: Row) -> None:
    needs(row.library)
    found = audit(tp.load(row.spec), row, dtypes=False)
    assert found.conforms, report.text(found)


def test_a_report_reads_well(golden: Callable[[Path, str], None]) -> None:
    found = audited("rprop", "optax.rprop")
    golden(Path(__file__).parent / "golden" / "rprop.audit.txt", report.text(found))


def test_the_readme_and_the_docs_show_what_an_audit_says() -> None:
    for page, spec, against in (("README.md", "adadelta", "optax.adadelta"),
                                ("docs/audit.md", "rprop", "optax.rprop")):
        text = (ROOT / page).read_text("utf-8")
        shown = next(b for b in text.split("```text\n") if " against optax" in b.split("\n")[0])
        assert report.text(audited(spec, against)).startswith(shown.partition("```")[0]), page
