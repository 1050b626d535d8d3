"""What the documentation shows is true: its specs pass, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import thetaprime as tp
from thetaprime.bowl import Bowl
from thetaprime.collect import RESERVED
from thetaprime.diagnostics import render
from thetaprime.feed import Batches
from thetaprime.library import prelude
from thetaprime.messages import CODES
from thetaprime.ops import DISTRIBUTIONS, OPS, ORACLES, REDUCTIONS
from thetaprime.pipeline import check
from thetaprime.signature import asks_more
from thetaprime.source import Source

ROOT = Path(__file__).parent.parent
LANGUAGE = (ROOT / "docs" / "language.md").read_text("utf-8")
BLOCKS = [(path.name, match[1], match[2])
          for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
          for match in re.finditer(r"^```(\w[\w-]*)\n(.*?)^```", path.read_text("utf-8"),
                                   re.MULTILINE | re.DOTALL)]
SPECS = [(name, text) for name, language, text in BLOCKS if language == "opt"]


@pytest.mark.parametrize(("name", "text"), SPECS,
                         ids=[f"{n}:{t.split()[1]}" for n, t in SPECS])
def test_every_spec_that_is_shown_passes(name: str, text: str) -> None:
    found = check(Source(name, text))
    assert not found, "\n\n".join(map(render, found))


@pytest.mark.parametrize(("name", "text"), SPECS,
                         ids=[f"{n}:{t.split()[1]}" for n, t in SPECS])
def test_every_spec_that_is_shown_takes_a_step(name: str, text: str) -> None:
    optimizer = tp.loads(text)
    missing = {h.name: 0.01 for h in optimizer.hypers if h.default is None}
    program = optimizer.to_numpy(**missing)
    params = [np.array([[1.0, -2.0]]), np.array(0.5)]
    state = program.init(params)
    for _ in range(2):
        if asks_more(optimizer.step()):
            batches = Batches(None, [None] * 9, None)
            state = program.ask(params, state, batches, Bowl(tasks=3))
        else:
            state = program.step(params, [v.copy() for v in params], state, value=1.0)
    assert all(np.isfinite(v).all() for v in params)


def rows(heading: str) -> list[str]:
    """The first cells of every table under a heading."""
    section = LANGUAGE.split(f"# {heading}\n", 1)[1]
    section = re.split(r"^#+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    return [line.split(" | ")[0].strip("| ") for line in section.split("\n")
            if line.startswith("| `")]


def calls(cells: list[str]) -> dict[str, int]:
    """Function -> number of arguments, from cells like `clip(a, low, high)`."""
    found = {}
    for cell in cells:
        match = re.match(r"`(\w+)\((.*?)(?: over .*)?\)`", cell)
        if match:
            found[match[1]] = len(match[2].split(",")) if match[2] else 0
    return found


def test_the_tables_of_functions_are_complete() -> None:
    shown = calls(rows("Functions"))
    expected = {name: op.arity[0] for name, op in OPS.items()
                if op.fix == "call"}
    expected |= {f.name: len(f.parameters) for f, _ in prelude()}
    assert shown == expected


def test_the_table_of_reductions_is_complete() -> None:
    assert set(calls(rows("Reductions"))) == set(REDUCTIONS)


def test_the_table_of_distributions_is_complete() -> None:
    shown = calls(rows("Random draws"))
    made = {"perm": 1}  # made of uniform numbers
    assert shown == {name: most for name, (_, most) in DISTRIBUTIONS.items()} | made


def test_the_table_of_oracles_is_complete() -> None:
    shown = calls(rows("Asking the problem for more"))
    assert shown == {name: len(row.takes) for name, row in ORACLES.items()}


def test_the_table_of_operators_has_the_order_of_the_language() -> None:
    names = [[n.split()[0] for n in re.findall(r"`([^`]*)`", cell)] for cell in rows("Operators")]
    names[-2] = ["neg"]
    precedence = [{OPS[n].precedence for n in line} for line in names]
    assert all(len(levels) == 1 for levels in precedence)
    assert precedence == sorted(precedence, key=min)
    infix = {n for n, op in OPS.items() if op.fix in ("infix", "prefix")}
    assert {n for line in names for n in line} == infix


def test_the_reserved_names_are_told() -> None:
    sentence = LANGUAGE.split("Names of the language\n(", 1)[1].split(")", 1)[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == set(RESERVED)


def test_the_links_of_the_page_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", LANGUAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
    for target in re.findall(r"\]\(#([^)]*)\)", LANGUAGE):
        assert target in anchors, target


def test_codes_that_the_documentation_names_exist() -> None:
    for text in (LANGUAGE, (ROOT / "README.md").read_text("utf-8")):
        assert set(re.findall(r"(?:error|warning)\[([\w-]+)\]", text)) <= set(CODES)


def test_what_does_not_work_yet_says_so() -> None:
    head = "optimizer A\n  hyper lr = 1 in (0, inf)\n"
    for text in ("optimizer A(base)\n  u = base(g)\n  x' = x + u\n",
                 head + "  x' = prox(x - lr*g, lr)\n", head + "  x' = x - lr*(g @ g)\n",
                 "optimizer A\n  param X : matrix[rows, cols]\n  X' = X - G\n",
                 "optimizer A = AdamW on clip_norm(1.0)\n",
                 head + "  x' = x - lr*sum(hess(x) over model)\n", "transform A\n  x' = x\n",
                 head + "  x' = x - lr*polar(g)\n",
                 head + "  case rank >= 2:\n    x' = x - lr*g\n"):
        assert {d.code for d in check(Source("a.opt", text))} == {"not-yet"}, text
