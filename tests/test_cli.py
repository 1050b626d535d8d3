"""The command line: what it prints, its exit codes, and what it must never do to a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import thetaprime as tp
from thetaprime import usage
from thetaprime.cli import main
from thetaprime.describe import expanded, reads_point

GOOD = """\
optimizer Good
  "A rule that is right."
  cite "arXiv:0000.00000, equation 1"
  hyper lr = 1e-3 in (0, inf)
  hyper b1 = 0.9 in [0, 1)
  hyper n : int = 2 in [1, 9]
  hyper scope = model in {model, tensor}
  state m = 0
  state c : per tensor = 0
  m' = ema(m, g, b1)
  every n from 1:
    c' = c + 1
  x' = x - lr*debias(m', b1)*min(1, norm(g over scope))*(1 + 0*c')
  claim x' = x when g = 0 and m = 0
"""
LANES = """\
optimizer Lanes
  axis lanes
  hyper lr = 0.1 in (0, inf)
  hyper b : lanes = [0, 0.9] in [0, 1)
  state m : per entry[lanes] = 0
  m' = b*m + g
  x' = x - lr*mean(m' over lanes)
"""
WRONG = "optimizer Wrong\n  hyper lr = 1e-3 in (0, inf)\n  x' = x - lr*h\n"
UNTIDY = "optimizer   Untidy\n  hyper lr=1e-3   in (0,inf)  # kept\n  x'=x-lr * g\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a test works in, with a good, a wrong and an untidy spec."""
    for name, text in (("good", GOOD), ("lanes", LANES), ("wrong", WRONG), ("untidy", UNTIDY)):
        (tmp_path / f"{name}.opt").write_text(text)
    (tmp_path / "latin.opt").write_bytes("optimizer Gr\xf6\xdfe\n".encode("latin-1"))
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Called:
    """One call in this process: its exit code and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> None:
        capsys.readouterr()
        self.code = main(arguments)
        self.out, self.err = capsys.readouterr()


Call = Callable[..., Called]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return lambda *arguments: Called(capsys, arguments)


def _program(
    *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "thetaprime", *arguments], text=True,
                          capture_output=True, timeout=120, env=env)


# list, check, show


def test_list_names_every_shipped_spec(call: Call) -> None:
    done = call("list")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines() if line.startswith("  ")]
    assert [row[0] for row in rows] == tp.shipped()
    adamw = next(line for line in done.out.splitlines() if line.split()[0] == "adamw")
    assert tp.load("adamw").doc in adamw
    assert tp.load("adamw").cites[0] in adamw
    assert "adam/" in done.out.splitlines()


def test_check_tells_what_is_wrong(call: Call) -> None:
    good = call("check", "good.opt")
    assert (good.code, good.err) == (0, "")
    assert good.out == "good.opt: ok, 1 claim not proved (this version proves none yet)\n"
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
    shipped = call("check")
    assert shipped.code == 0
    assert shipped.out.startswith("adamw.opt: ok")


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
def test_compile_writes_the_program(call: Call, target: str) -> None:
    shown = call("compile", "good.opt", "--to", target)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == tp.load("good.opt").code(target)
    compile(shown.out, "good.py", "exec")
    written = call("compile", "good.opt", "--to", target, "-o", "good.py")
    assert (written.code, written.out) == (0, "")
    assert Path("good.py").read_text() == shown.out


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


# Calls that are wrong


RUN = ("--on", "digits", "--steps", "3")


@pytest.mark.parametrize(("arguments", "told"), [
    (("lst",), "there is no command `lst`\n  = hint: did you mean `list`?"),
    (("check", "--exlain", "a"), "there is no option `--exlain`\n  = hint: did you mean"),
    (("show", "adamm"), "there is no shipped spec `adamm`\n  = hint: did you mean `adam`?"),
    (("show", "good"), "there is no shipped spec `good`\n  = hint: did you mean the file `good."),
    (("show", "none.opt"), "there is no file none.opt"),
    (("show", "inside"), "inside is a folder"),
    (("show", "inside/"), "is a folder"),
    (("check", "latin.opt"), "latin.opt is not UTF-8 text"),
    (("show",), "missing argument 'SPEC'"),
    (("compile", "adamw"), "missing option '--to'"),
    (("compile", "adamw", "--to", "torch"), "'torch' is not one of 'jax', 'numpy'"),
    (("compile", "adamw", "--to", "jax", "-o", "inside"), "`inside` is a folder"),
    (("compile", "adamw", "--to", "jax", "-o", "no/a.py"), "there is no folder `no`"),
    (("compile", "adamw", "--to", "jax", "--set", "lr"), "cannot read `--set lr`"),
    (("run", *RUN), "missing argument 'SPEC...'"),
    (("run", "adamw", "--on", "mnist", "--steps", "3"), "'mnist' is not one of 'digits'"),
    (("run", "adamw", "--on", "digits", "--steps", "0"), "0 is not in the range"),
    (("run", "adamw", "--on", "digits", "--steps", "-4"), "-4 is not in the range"),
    (("run", "adamw", "--on", "digits", "--steps", "ten"), "'ten' is not a valid int"),
    (("run", "adamw", *RUN, "--backend", "torch"), "'torch' is not one of"),
    (("run", "adamw", *RUN, "--set", "lr=fast"), "`lr` of `AdamW` must be a number, not `fast`"),
    (("run", "adamw", *RUN, "--set", "lr=1e--3"), "the value `1e--3` of `lr` is not a number"),
    (("run", "adamw", *RUN, "--set", "lr=1/0"), "the value `1/0` of `lr` is not a number"),
    (("run", "adamw", *RUN, "--set", "lr=-1"), "must be in the range (0, inf)"),
    (("run", "adamw", *RUN, "--set", "b1=1"), "must be in the range [0, 1)"),
    (("run", "adamw", *RUN, "--set", "lr=[1, 2]"), "must be one number, not `[1, 2]`"),
    (("run", "adamw", *RUN, "--set", "lr=10^999"), "the value `10^999` of `lr` is not a number"),
    (("run", "lanes.opt", *RUN, "--set", "b=[0.5]"), "must be a list of 2, as in `[0.5, 0.5]`"),
    (("run", "lanes.opt", *RUN, "--set", "b=0.5"), "must be a list of 2, as in `[0.5, 0.5]`"),
    (("run", "lanes.opt", *RUN, "--set", "b=[0.5, 1]"), "must be in the range [0, 1), not"),
    (("run", "adamw", *RUN, "--set", "beta3=0"), "no hyperparameter `beta3`"),
    (("run", "adamw", *RUN, "--set", "seed=1"), "no hyperparameter `seed`"),
    (("run", "adamw", "good.opt", *RUN, "--set", "bb1=0"), "did you mean `b1`?"),
    (("run", "adamw", *RUN, "--set", "sgd.lr=1"), "`--set sgd.lr` is for no spec of this call"),
    (("run", "good.opt", *RUN, "--set", "n=2.5"), "`n` of `Good` must be a whole number below"),
    (("run", "good.opt", *RUN, "--set", "n=10"), "must be in the range [1, 9]"),
    (("run", "good.opt", *RUN, "--set", "scope=all"), "one of model, tensor, not `all`"),
    (("run", "adamw", *RUN, "--plot", "good.opt"), "`--plot` writes .png"),
    (("run", "adamw", *RUN, "--json", "good.opt"), "`good.opt` exists and is no json file"),
    (("run", "adamw", *RUN, "--json", "no/a.json"), "there is no folder `no`"),
])
def test_a_wrong_call_is_told_and_changes_nothing(
    call: Call, folder: Path, arguments: tuple[str, ...], told: str
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = call(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("error[")
    assert told in done.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_wrong_spec_does_not_train(call: Call) -> None:
    done = call("run", "adamw", "wrong.opt", *RUN, "--json", "out.json")
    assert (done.code, done.out) == (1, "")
    assert "error[undefined-name]" in done.err
    assert not Path("out.json").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_without_permission_is_told(call: Call, folder: Path) -> None:
    (folder / "inside").chmod(0o500)
    done = call("compile", "adamw", "--to", "jax", "-o", "inside/a.py")
    assert done.code == 2
    assert "permission denied" in done.err


def test_help_and_version_are_no_errors(call: Call) -> None:
    assert call("--help").code == 0
    assert "Exit" not in call("run", "--help").err
    assert call("--version").out.startswith("thetaprime ")
    nothing = call()
    assert nothing.code == 2
    assert "Commands:" in nothing.out


@pytest.mark.parametrize("module", ["jax", "sklearn", "matplotlib"])
def test_a_missing_package_is_told(
    call: Call, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    for name in [n for n in sys.modules
                 if n.split(".")[0] == module or n in ("thetaprime.run", "thetaprime.trial",
                                                       "thetaprime.problems", "thetaprime.plot")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    for cached in ("run", "trial", "problems", "plot"):
        monkeypatch.delattr(tp, cached, raising=False)
    done = call("run", "adamw", *RUN, "--plot", "a.png")
    assert done.code == 2
    assert usage.EXTRAS[module] in done.err
    assert "pip install 'thetaprime[run]'" in done.err


def test_ctrl_c_is_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("thetaprime.library.shipped", stop)
    done = call("list")
    assert (done.code, done.out, done.err) == (130, "", "interrupted\n")


def test_our_own_faults_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("thetaprime.library.shipped", fail)
    with pytest.raises(ZeroDivisionError):
        main(["list"])


# As a program of its own


def test_the_program_answers_with_its_exit_code() -> None:
    assert _program("check", "good.opt").returncode == 0
    assert _program("check", "wrong.opt").returncode == 1
    assert _program("show", "none.opt").returncode == 2


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as nobody:
        done = subprocess.run([sys.executable, "-m", "thetaprime", "show", "good.opt"],
                              stdout=nobody, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 141
    assert done.stderr == ""


def test_any_terminal_can_show_any_spec() -> None:
    Path("greek.opt").write_text("optimizer A\n  hyper η = 0.1 in (0, inf)\n  x' = x - η*g\n",
                                 "utf-8")
    done = _program("show", "greek.opt", env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0
    assert "\\u03b7" in done.stdout


def test_check_answers_at_once() -> None:
    _program("check", "adamw")  # byte code and file cache
    times = []
    for _ in range(4):
        before = os.times()
        assert _program("check", "adamw").returncode == 0
        after = os.times()
        # On a busy machine its own time on the processor is what it would take on an idle one.
        own = (after.children_user + after.children_system
               - before.children_user - before.children_system)
        times.append(min(own, after.elapsed - before.elapsed))
    assert min(times) < 0.5


def test_commands_import_only_what_they_need() -> None:
    code = ("import sys; from thetaprime.cli import main; main(['check', 'adamw']); "
            "main(['show', 'adamw']); main(['compile', 'adamw', '--to', 'numpy']); "
            "heavy = {'jax', 'rich', 'sympy', 'sklearn', 'matplotlib'} & set(sys.modules); "
            "assert not heavy, heavy")
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
