"""What the README shows is what the program prints."""

from __future__ import annotations

import re
from pathlib import Path

import thetaprime as tp
from thetaprime.diagnostics import render
from thetaprime.pipeline import check
from thetaprime.source import Source

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
BLOCKS = dict(reversed(re.findall(r"^```(opt|python|text)\n(.*?)^```", README, re.S | re.M)))


def test_the_first_spec_is_the_shipped_rule() -> None:
    assert tp.loads(BLOCKS["opt"]).step().body == tp.load("adamw").step().body


def test_the_code_is_what_the_spec_becomes() -> None:
    lines = "".join(" " * 8 + line if line.strip() else line
                    for line in BLOCKS["python"].splitlines(keepends=True))
    assert lines in tp.loads(BLOCKS["opt"]).code("jax")


def test_the_message_is_what_the_wrong_spec_gets() -> None:
    message = BLOCKS["text"]
    wrong = [m[1] for m in re.finditer(r"^ ?\d+ \| (.*)$", message, re.M)]
    text = ("optimizer Mine\n  hyper lr = 1e-3 in (0, inf)\n  hyper b1 = 0.9 in [0, 1)\n"
            "  state m = 0\n\n  m' = b1*m + (1 - b1)*g\n" + wrong[0] + "\n")
    shown = "\n\n".join(map(render, check(Source("mine.opt", text))))
    assert shown == message.rstrip("\n")


def test_the_commands_that_are_shown_exist() -> None:
    from thetaprime.cli import cli

    shown = set(re.findall(r"^    thetaprime (\w+)", README, re.M))
    assert shown == set(cli.commands) - {"new"}
