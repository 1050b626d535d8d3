"""Specs made of specs, run: both programs do what they mean, whatever is around what; and one line
that puts Muon beside AdamW, SAM around both and Lookahead around that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import thetaprime as tp
from tests import beyond
from tests.tree import LEAVES, compare
from thetaprime.cli import main
from thetaprime.library import definition, modules
from thetaprime.parse import parse
from thetaprime.source import Source

ONE_LINE = ('Lookahead(SAM(route(rank == 2 and not path ~ "*embed*" -> Muon(lr = 0.02), '
            "otherwise -> AdamW)))")
FUNCTIONS = {"divergence": lambda old, new: ((new - old) ** 2).sum()}
INNER = "AdamW with lr = 0.01"


def used(module: str) -> str:
    """The shortest expression that uses a shipped module."""
    text = modules()[module].read_text("utf-8")
    found = definition(parse(Source(module, text)), Source(module, text))
    forms = {"transform": f"{INNER} on {found.name}", "schedule": f"AdamW with lr = {found.name}"}
    return forms.get(found.kind, f"{found.name}({', '.join([INNER] * len(found.parameters))})")


EXPRESSIONS = [
    *map(used, modules()), ONE_LINE, "SAM(Shampoo with k = 2)", "Lookahead(SOAP(lr = 0.01), k = 2)",
    "Cautious(route(rank == 2 -> Muon, otherwise -> Lion))", "SAM(SAM(Adafactor with lr = 0.01))",
    "Extragradient(PSGDKron)", "AdamW with lr = 0.01 on centralize on clip_norm(1)",
    "route(rank == 2 -> Muon on centralize, otherwise -> ASAM(SGD(lr = 0.1)))",
    "route(rank == 2 -> SAM(SGD(lr = 0.1), rho = 0.5), otherwise -> AdamW with lr = 0.01)",
    "route(rank == 2 -> LBFGS(m = 3), otherwise -> Polyak)",
    "route(rank > 2 -> Shampoo, rank == 2 -> SOAP, otherwise -> Lookahead(SGD(lr = 0.1), k = 2))",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_both_programs_do_what_a_composed_spec_means(expression: str) -> None:
    spec = tp.load(expression)
    given = {h.name: FUNCTIONS[h.name] for h in spec.hypers if h.type.kind == "function"}
    meant = beyond.run_interpreter(spec, **given)
    compare(beyond.run_numpy(spec, **given), meant, 1e-9)
    compare(beyond.run_jax(spec, **given), meant, 1e-9)


def test_a_module_is_used_by_every_expression_of_one() -> None:
    assert all(re.search(r"[(]| on | = ", used(module)) for module in modules())
    assert len(modules()) >= 20


# One line.


def test_one_line_keeps_no_state_twice() -> None:
    program = tp.load(ONE_LINE).to_numpy()
    state = program.init({n: np.array(v) for n, v in LEAVES.items()})
    assert sorted(state) == ["M", "m", "slow", "t", "v"]
    for name, shape in ((n, np.shape(v)) for n, v in LEAVES.items()):
        kept = {s for s in ("M", "m", "slow", "v") if state[s][name] is not None}
        assert kept == ({"M", "slow"} if len(shape) == 2 else {"m", "v", "slow"})


def test_one_line_says_what_it_asks_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", ONE_LINE]) == 0
    assert "asks for    2 gradients on this step's batch" in capsys.readouterr().out


def test_one_line_reads_as_if_it_had_been_written_by_hand(
    golden: Callable[[Path, str], None]
) -> None:
    """Its equations stand in the generated step as a person would write them; read the file."""
    text = tp.load(ONE_LINE).code("jax")
    golden(Path(__file__).parent / "golden" / "one-line.jax.txt", text)
    step = text[text.index("    def step("):text.index("    return Optimizer")]
    assert step.count("jax.grad(loss_of)") == 2
    assert step.count("fori_loop") == 1
    assert max(map(len, step.split("\n"))) <= 99


def test_one_line_is_one_compiled_program() -> None:
    """Between two steps nothing leaves the program: one call of the compiler for all steps."""
    optimizer = tp.load(ONE_LINE).to_jax(lr=0.01)
    params = {"w": np.ones((3, 4), np.float32), "b": np.ones(3, np.float32)}
    state = optimizer.init(params)
    traced = []

    def loss(p: Any, batch: Any) -> Any:
        traced.append(1)
        return ((batch @ p["w"].T + p["b"]) ** 2).mean()

    move = jax.jit(lambda p, s, b: optimizer.step(p, s, b, loss))
    batch = np.ones((5, 4), np.float32)
    params, state = move(params, state, batch)
    once = len(traced)
    for _ in range(7):
        params, state = move(params, state, batch)
    assert len(traced) == once


def _losses(folder: Path, backend: str, problem: str, steps: int) -> list[float]:
    out = folder / f"{backend}-{problem}.json"
    assert main(["run", ONE_LINE, "--on", problem, "--steps", str(steps), "--backend", backend,
                 "--set", "lr=0.01", "--json", str(out)]) == 0
    (result,) = json.loads(out.read_text())["results"]
    found: list[float] = result["losses"]
    return found


@pytest.mark.parametrize(("problem", "steps"), [
    ("digits", 12), pytest.param("text", 12, marks=pytest.mark.slow)])
def test_one_line_trains_alike_on_both_backends(problem: str, steps: int, tmp_path: Path) -> None:
    losses = _losses(tmp_path, "jax", problem, steps)
    np.testing.assert_allclose(losses, _losses(tmp_path, "numpy", problem, steps), rtol=2e-3)
    assert losses[-1] < 0.9 * losses[0]
