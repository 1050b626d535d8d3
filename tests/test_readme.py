"""What the README shows is what the program prints."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thetaprime as tp
from thetaprime.cli import main
from thetaprime.diagnostics import render
from thetaprime.pipeline import check
from thetaprime.signature import signature
from thetaprime.source import Source

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
FOUND = re.findall(r"^```(opt|python|text)\n(.*?)^```", README, re.S | re.M)
BLOCKS = dict(reversed(FOUND))
COMPOSED = [text for language, text in FOUND if language == "opt"][1]


def test_the_first_spec_is_the_shipped_rule() -> None:
    assert tp.loads(BLOCKS["opt"]).step().body == tp.load("adamw").step().body


def test_the_code_is_what_the_spec_becomes() -> None:
    assert indented(BLOCKS["python"]) in tp.loads(BLOCKS["opt"]).code("jax")


def test_the_code_of_a_composed_spec_is_what_it_becomes() -> None:
    (shown,) = [text for _, text in FOUND if text.startswith("def leaf_3")]
    assert indented(shown) in tp.loads(COMPOSED).code("jax")


def indented(code: str) -> str:
    """Code as it stands in a factory."""
    return textwrap.indent(code, " " * 8, lambda line: bool(line.strip()))


def test_the_calls_of_a_program_that_asks_the_problem_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In JAX from the loss alone, in NumPy from the gradient: the same trajectory."""
    (tmp_path / "mine.opt").write_text(COMPOSED, "utf-8")
    monkeypatch.chdir(tmp_path)
    start = {"embed": np.linspace(-1, 1, 6).reshape(2, 3), "head": np.array([[0.5, -1], [2, 1]])}
    batches = [0.1, -0.2, 0.3]

    def loss_fn(params: Any, batch: Any) -> Any:
        return sum((batch - p) @ (batch - p) for p in map(jnp.ravel, params.values())) / 2

    problem = SimpleNamespace(grad=lambda params, batch: {k: p - batch for k, p in params.items()})
    in_jax, in_numpy = (text for _, text in FOUND if 'tp.load("mine.opt")' in text)
    with jax.enable_x64(True):
        names = {"params": jax.tree.map(jnp.asarray, start), "batches": batches,
                 "loss_fn": loss_fn}
        exec(in_jax, names)
    given = {"params": {k: p.copy() for k, p in start.items()}, "batches": batches,
             "problem": problem, "tp": tp}
    exec(in_numpy, given)
    for key, value in start.items():
        assert abs(given["params"][key] - value).max() > 1e-4
        np.testing.assert_allclose(names["params"][key], given["params"][key], rtol=1e-9)


def test_what_a_composed_spec_asks_for_is_what_is_told() -> None:
    asked = " and ".join(map(str, signature(tp.loads(COMPOSED).step(), {})))
    assert f"`{asked}`" in README


def test_the_message_is_what_the_wrong_spec_gets() -> None:
    message = BLOCKS["text"]
    wrong = [m[1] for m in re.finditer(r"^ ?\d+ \| (.*)$", message, re.M)]
    text = ("optimizer Mine\n  hyper lr = 1e-3 in (0, inf)\n  hyper b1 = 0.9 in [0, 1)\n"
            "  state m = 0\n\n  m' = b1*m + (1 - b1)*g\n" + wrong[0] + "\n")
    shown = "\n\n".join(map(render, check(Source("mine.opt", text))))
    assert shown == message.rstrip("\n")


# A command with what it prints: `    $ thetaprime ...`, then lines indented alike.
PRINTED = re.findall(r"^    \$ thetaprime (.*)\n((?:    .+\n)+)", README, re.M)


@pytest.mark.parametrize(("command", "printed"), PRINTED, ids=[c for c, _ in PRINTED])
def test_a_command_prints_what_is_shown(
    command: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == textwrap.dedent(printed)


def test_the_commands_that_are_shown_exist() -> None:
    from thetaprime.cli import cli

    shown = set(re.findall(r"^    thetaprime (\w+)", README, re.M))
    assert shown == set(cli.commands) - {"new"}


def test_the_loop_of_few_arrays_that_are_donated_works() -> None:
    """It takes the steps of a plain loop, and the old arrays are gone."""
    (shown,) = [text for _, text in FOUND if "donate_argnums" in text]
    tree = {"w": jnp.ones((2, 3)), "b": jnp.arange(3.0)}

    def loss_fn(params: Any, batch: Any) -> Any:
        return jnp.sum((batch @ params["w"] + params["b"]) ** 2)

    found: dict[str, Any] = {"params": tree, "loss_fn": loss_fn}
    exec(shown, found)
    batch = jnp.ones((4, 2))
    before = found["params"]
    params, state = found["step"](before, found["state"], batch)
    params, state = found["step"](params, state, batch)
    assert all(a.is_deleted() for a in jax.tree.leaves(before))
    plain = tp.load("adamw").to_jax(lr=3e-4)
    kept = plain.init(tree)
    for _ in range(2):
        change, kept = plain.update(jax.grad(loss_fn)(tree, batch), kept, tree)
        tree = jax.tree.map(jnp.add, tree, change)
    for name, expected in tree.items():
        np.testing.assert_allclose(found["tx"].unpack(params)[name], expected, rtol=1e-6)
