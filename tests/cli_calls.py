"""A folder with specs to work in, and calls of the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from thetaprime.cli import main

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
  x' = x - lr*debias(m', b1)*max(1, sign(norm(g over scope)))/(1 + c')
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


def program(
    *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "thetaprime", *arguments], text=True,
                          capture_output=True, timeout=120, env=env)
