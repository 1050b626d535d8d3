"""Wrong calls of the command line: messages and exit codes, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import thetaprime as tp
from tests.cli_calls import Call, call, folder, program
from thetaprime import usage

__all__ = ["call", "folder"]  # fixtures


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


# As a program of its own


def test_the_program_answers_with_its_exit_code() -> None:
    assert program("check", "good.opt").returncode == 0
    assert program("check", "wrong.opt").returncode == 1
    assert program("show", "none.opt").returncode == 2


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
    done = program("show", "greek.opt", env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0
    assert "\\u03b7" in done.stdout


def test_commands_import_only_what_they_need() -> None:
    code = ("import sys; from thetaprime.cli import main; main(['check', '--no-claims', 'adamw']); "
            "main(['show', 'adamw']); main(['compile', 'adamw', '--to', 'numpy']); "
            "heavy = {'jax', 'rich', 'sympy', 'sklearn', 'matplotlib'} & set(sys.modules); "
            "assert not heavy, heavy")
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


# Errors of our own


@pytest.mark.parametrize("arguments", [
    ("check", "good.opt"), ("compile", "good.opt", "--to", "jax"), ("show", "good.opt"),
    ("run", "good.opt", *RUN)])
def test_an_error_of_our_own_is_told_and_asks_for_a_report(
    arguments: tuple[str, ...], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("lanes")

    monkeypatch.setattr("thetaprime.pipeline.lower", broken)
    monkeypatch.setattr("thetaprime.optimizer.lower", broken)
    monkeypatch.delenv(usage.TRACEBACK, raising=False)
    done = call(*arguments)
    assert done.code == 70
    first, *rest = done.err.splitlines()
    assert first == "error[internal]: thetaprime itself failed: KeyError: 'lanes'"
    told = "\n".join(rest)
    assert "please report this message with the spec" in told
    assert f"thetaprime {version('thetaprime')}, Python" in told
    assert f"`thetaprime {' '.join(arguments)}`" in told
    assert "Traceback" not in done.err


def test_the_traceback_of_an_error_of_our_own_is_there_on_demand(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("thetaprime.pipeline.lower", broken)
    monkeypatch.setenv(usage.TRACEBACK, "1")
    done = call("check", "good.opt")
    assert done.code == 70
    assert done.err.startswith("Traceback (most recent call last):")
    assert ", in broken" in done.err
    assert "error[internal]: thetaprime itself failed: RuntimeError\n" in done.err
