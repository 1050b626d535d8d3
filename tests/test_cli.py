"""The command line: what it prints, and what it must never do to a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import thetaprime as tp
from tests.cli_calls import GOOD, UNTIDY, Call, Called, call, folder
from thetaprime.describe import reads_point
from thetaprime.library import modules
from thetaprime.steptext import expanded

__all__ = ["call", "folder"]  # fixtures


# list, check, show


def test_list_names_every_shipped_spec(call: Call) -> None:
    done = call("list")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines() if line.startswith("  ")]
    assert [row[0] for row in rows] == [*tp.shipped(), *modules()]
    adamw = next(line for line in done.out.splitlines() if line.split()[0] == "adamw")
    assert tp.load("adamw").doc in adamw
    assert tp.load("adamw").cites[0] in adamw
    assert "adam/" in done.out.splitlines()


def test_check_tells_what_is_wrong(call: Call) -> None:
    good = call("check", "good.opt")
    assert (good.code, good.err) == (0, "")
    assert good.out.splitlines()[0] == "good.opt: ok, 1 claim: 1 proved"
    assert good.out.splitlines()[1].startswith("  PROVED   ")
    wrong = call("check", "wrong.opt", "good.opt")
    assert wrong.code == 1
    assert "error[undefined-name]" in wrong.out
    assert "--> wrong.opt:3:15" in wrong.out
    assert "wrong.opt: 1 error" in wrong.out.splitlines()
    assert wrong.out.splitlines()[-1] == "2 specs: 1 ok, 1 wrong"


def test_check_without_specs_takes_this_folder_or_else_the_shipped_ones(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = call("check")
    assert here.code == 2  # one of them is no text
    assert here.out.splitlines()[-1] == "5 specs: 3 ok, 1 wrong, 1 not read"
    assert "latin.opt is not UTF-8 text" in here.err
    monkeypatch.chdir(folder / "inside")
    monkeypatch.setattr("thetaprime.library.shipped", lambda: {"adamw": None})
    shipped = call("check", "--no-claims")
    assert shipped.code == 0
    assert shipped.out.startswith("adamw.opt: ok")


def test_a_claim_that_a_run_contradicts_is_an_error(call: Call) -> None:
    Path("false.opt").write_text("optimizer False1\n  hyper lr = 0.1 in (0, inf)\n"
                                 "  x' = x - lr*g\n  claim x' = x\n")
    done = call("check", "false.opt")
    assert done.code == 1
    assert "error[refuted]" in done.out
    assert "= note: g = 1 at t = 1" in done.out
    assert "false.opt: 1 error, 1 claim: 1 refuted" in done.out
    assert call("check", "--no-claims", "false.opt").out == "false.opt: ok\n"


def test_a_claim_about_a_spec_that_there_is_not_is_told(call: Call) -> None:
    Path("lost.opt").write_text("optimizer Lost\n  hyper lr = 0.1 in (0, inf)\n"
                                "  x' = x - lr*g\n  claim equals Nowhere\n")
    done = call("check", "lost.opt")
    assert done.code == 1
    assert "error[unknown-spec]" in done.out


def test_check_tells_machines_all_that_it_found(call: Call) -> None:
    (found,) = json.loads(call("check", "--json", "good.opt").out)
    assert (found["spec"], found["ok"], found["diagnostics"]) == ("good.opt", True, [])
    assert [c["verdict"] for c in found["claims"]] == ["PROVED"]


def test_check_explains_a_code(call: Call) -> None:
    done = call("check", "--explain", "needs-over")
    assert done.code == 0
    assert done.out.startswith("error[needs-over]\n\nPapers and libraries disagree")
    assert "did you mean `needs-over`?" in call("check", "--explain", "need-over").err


def test_show_tells_hyperparameters_states_and_needs(call: Call) -> None:
    done = call("show", "good.opt")
    assert done.code == 0
    assert done.out.startswith(GOOD.strip())
    lines = [" ".join(line.split()) for line in done.out[len(GOOD):].splitlines()]
    assert "lr 1e-3 in (0, inf) also learning_rate, alpha" in lines
    assert "n 2 in [1, 9] whole number" in lines
    assert "scope model in {model, tensor}" in lines
    assert "m per entry 4 bytes a parameter in float32" in lines
    assert "c per tensor 4 bytes a tensor in float32" in lines
    assert "together 4 bytes a parameter in float32" in lines
    assert "parameters not read, only changed" in lines
    assert "loss value not read" in lines
    assert "draws none" in lines


def test_show_tells_how_a_spec_that_takes_others_is_written(call: Call) -> None:
    lines = [" ".join(line.split()) for line in call("show", "sam").out.splitlines()]
    assert lines[0] == "optimizer SAM(base)"
    assert any(line.startswith("rho 0.05 in [0, inf)") for line in lines)
    assert "takes base" in lines
    assert "written `SAM(AdamW)`" in lines
    assert "written `AdamW on clip_norm`" in " ".join(call("show", "clip-norm").out.split())
    assert "written `AdamW with lr = warmup_cosine`" in " ".join(
        call("show", "warmup-cosine").out.split())


MATRICES = """\
optimizer Matrices
  hyper lr = 0.1 in (0, inf)
  state m = 0
  m' = m + g
  case rank == 2:
    view x as matrix[rows, cols]
    state u : vector[rows] = 0
    state w = 0
    u' = u + sum(g over cols)
    w' = w + u'
    d = w'
  otherwise:
    state a = 0
    state b = 0
    a' = a + g
    b' = b + a'
    d = b'
  for axis k of x:
    state L : matrix[k, k] = 0
    L' = L + unfold(g, k) @ unfold(g, k).T
  r = fold k over axes from r : per tensor = 0:
    r' = r + tr(L')
  x' = x - lr*(m' + d)/(1 + r)
"""


def test_show_tells_what_each_kind_of_tensor_keeps(call: Call) -> None:
    Path("matrices.opt").write_text(MATRICES)
    lines = [" ".join(line.split()) for line in call("show", "matrices.opt").out.splitlines()]
    assert "u vector[rows] 4*rows bytes a tensor in float32 where rank == 2" in lines
    assert "b per entry 4 bytes a parameter in float32 where not rank == 2" in lines
    assert "L matrix[k, k] 4*k*k bytes a tensor in float32 for each axis k" in lines
    assert "together at most 12 bytes a parameter in float32" in lines


def test_show_expanded_is_the_same_rule_written_out(call: Call) -> None:
    done = call("show", "good.opt", "--expanded")
    assert done.code == 0
    assert "m' = b1*m + (1 - b1)*g" in done.out
    assert "sqrt(sum(g^2 over model))" in done.out
    again = tp.loads(done.out)
    assert again.check().ok, again.check()
    assert again.step().body == tp.load("good.opt").step().body


@pytest.mark.parametrize("name", tp.shipped())
def test_every_spec_written_out_is_a_spec(name: str) -> None:
    optimizer = tp.load(name)
    if optimizer.tables.train is None:
        again = tp.loads(expanded(optimizer))
        assert again.step().body == optimizer.step().body


@pytest.mark.parametrize(("rule", "reads"), [
    ("x - lr*g", False), ("-lr*g + x", False), ("x - lr*(g + x)", True), ("(1 - lr)*x - g", True),
    ("lr*g - x", True)])
def test_a_rule_reads_the_parameters_or_only_changes_them(rule: str, reads: bool) -> None:
    text = f"optimizer A\n  hyper lr = 0.1 in (0, 1)\n  x' = {rule}\n"
    assert reads_point(tp.loads(text).step()) is reads


# fmt, new


def test_fmt_rewrites_what_is_untidy_and_nothing_else(call: Call, folder: Path) -> None:
    assert call("fmt", "--check", "untidy.opt").code == 1
    assert Path("untidy.opt").read_text() == UNTIDY
    done = call("fmt", "untidy.opt")
    assert (done.code, done.out) == (0, "untidy.opt rewritten\n")
    text = Path("untidy.opt").read_text()
    assert "hyper lr = 1e-3 in (0, inf)  # kept" in text
    assert "x' = x - lr*g" in text
    again = call("fmt", "--check", "untidy.opt")
    assert (again.code, again.out) == (0, "")


def test_fmt_leaves_a_file_with_an_error_alone(call: Call) -> None:
    text = UNTIDY + "  y = (\n"
    Path("untidy.opt").write_text(text)
    done = call("fmt", "untidy.opt")
    assert done.code == 1
    assert "error[unclosed]" in done.err
    assert Path("untidy.opt").read_text() == text
    before = Path("latin.opt").read_bytes()
    several = call("fmt", "latin.opt", "inside", "none.opt")
    assert several.code == 2
    assert several.err.count("error[no-access]") == 3
    assert Path("latin.opt").read_bytes() == before


def test_new_writes_a_spec_that_is_right_and_tidy(call: Call) -> None:
    assert call("new", "my-rule").code == 0
    report = tp.load("my-rule.opt").check()
    assert report.ok
    assert report.diagnostics == ()
    assert tp.load("my-rule.opt").name == "MyRule"
    assert call("fmt", "--check", "my-rule.opt").code == 0
    Path("my-rule.opt").write_text("mine")
    again = call("new", "my-rule")
    assert again.code == 2
    assert "exists already" in again.err
    assert Path("my-rule.opt").read_text() == "mine"


@pytest.mark.parametrize("name", ["1st", "a/b", "../up", "a b", "", ".opt"])
def test_new_refuses_what_cannot_be_a_name(call: Call, name: str, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    done = call("new", name)
    assert done.code == 2
    assert done.err.startswith("error[bad-name]")
    assert sorted(folder.rglob("*")) == before


# compile


@pytest.mark.parametrize("target", ["jax", "numpy"])
def test_compile_writes_theprogram(call: Call, target: str) -> None:
    shown = call("compile", "good.opt", "--to", target)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == tp.load("good.opt").code(target)
    compile(shown.out, "good.py", "exec")
    written = call("compile", "good.opt", "--to", target, "-o", "good.py")
    assert (written.code, written.out) == (0, "")
    assert Path("good.py").read_text() == shown.out


def test_compile_for_another_engine(call: Call) -> None:
    done = call("compile", "good.opt", "--to", "numpy", "--engine", "numba")
    assert done.out == tp.load("good.opt").code("numpy", engine="numba")
    assert "@njit(" in done.out
    refused = call("compile", "good.opt", "--to", "jax", "--engine", "numba")
    assert (refused.code, refused.out) == (2, "")
    assert "a jax program has no engine `numba`" in refused.err


def test_compile_set_changes_defaults_and_static_choices(call: Call) -> None:
    done = call("compile", "good.opt", "--to", "numpy", "--set", "learning_rate=3e-4", "--set",
                "scope=tensor")
    assert "lr=0.0003" in done.out
    assert done.out != call("compile", "good.opt", "--to", "numpy", "--set", "lr=3e-4").out


def test_compile_replaces_only_what_it_wrote(call: Call) -> None:
    def write(*more: str) -> Called:
        return call("compile", "good.opt", "--to", "numpy", "-o", "out.py", *more)

    assert write().code == 0
    assert write("--set", "lr=0.5").code == 0
    assert "lr=0.5" in Path("out.py").read_text()
    for mine in ("print('mine')\n", "# Generated by thetaprime\n", '"""Mine.\n\nNot generated by '
                 'thetaprime.\n"""\n'):
        Path("out.py").write_text(mine)
        refused = write()
        assert refused.code == 2
        assert "--force" in refused.err
        assert Path("out.py").read_text() == mine
    assert write("--force").code == 0
    assert "optimizer Good" in Path("out.py").read_text()
    Path("out.py").write_text("")
    assert write().code == 0
    spec = call("compile", "good.opt", "--to", "numpy", "-o", "good.opt")
    assert spec.code == 2
    assert Path("good.opt").read_text() == GOOD


def test_compile_writes_nothing_for_a_wrong_spec(call: Call) -> None:
    done = call("compile", "wrong.opt", "--to", "jax", "-o", "out.py")
    assert (done.code, done.out) == (1, "")
    assert "error[undefined-name]" in done.err
    assert not Path("out.py").exists()
