"""What the documentation shows is true: its specs pass, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import thetaprime as tp
from thetaprime.bowl import Bowl
from thetaprime.check.names import LATER
from thetaprime.collect import RESERVED
from thetaprime.diagnostics import render
from thetaprime.feed import Batches
from thetaprime.library import prelude
from thetaprime.messages import CODES
from thetaprime.ops import (
    ALONG,
    DISTRIBUTIONS,
    LINEAR,
    MANY,
    OPS,
    ORACLES,
    ORACLES_LATER,
    REDUCTIONS,
    STRUCTURE,
)
from thetaprime.pipeline import check
from thetaprime.signature import asks_more
from thetaprime.source import Source

ROOT = Path(__file__).parent.parent
LANGUAGE = (ROOT / "docs" / "language.md").read_text("utf-8")
BLOCKS = [(path.name, match[1], match[2])
          for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
          for match in re.finditer(r"^```(\w[\w-]*)\n(.*?)^```", path.read_text("utf-8"),
                                   re.MULTILINE | re.DOTALL)]
SPECS = [text for _, language, text in BLOCKS if language == "opt"]
NAMES = [text.split()[1].partition("(")[0] for text in SPECS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All specs that are shown, one beside the other."""
    found = tmp_path_factory.mktemp("shown")
    for name, text in zip(NAMES, SPECS, strict=True):
        (found / f"{name.lower()}.opt").write_text(text, "utf-8")
    return found


def test_no_two_specs_that_are_shown_have_a_name() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_spec_that_is_shown_passes(name: str, folder: Path) -> None:
    path = folder / f"{name.lower()}.opt"
    found = check(Source(str(path), path.read_text("utf-8")))
    assert not found, "\n\n".join(map(render, found))


def usable(text: str) -> str:
    """A program's spec: what takes an optimizer around one, a module at its place."""
    kind, name, parameters = re.match(r"(\w+) (\w+)(\(.*?\))?", text).groups()
    if parameters:
        return f"optimizer Row = {name}({', '.join('AdamW' for _ in parameters.split(','))})\n"
    return {"optimizer": text, "transform": f"optimizer Row = AdamW on {name}\n",
            "schedule": f"optimizer Row = AdamW with lr = {name}(1e-3)\n"}[kind]


@pytest.mark.parametrize("text", SPECS, ids=NAMES)
def test_every_spec_that_is_shown_takes_a_step(text: str, folder: Path) -> None:
    optimizer = tp.loads(usable(text), str(folder / "row.opt"))
    missing = {h.name: 0.01 for h in optimizer.hypers if h.default is None}
    program = optimizer.to_numpy(**missing)
    params = [np.array([[1.0, -2.0], [0.5, 3.0]])]
    if "matrix[" not in text.partition("hyper")[0]:
        params += [np.array(0.5), np.array([1.0, 2.0]), np.linspace(-1, 1, 12).reshape(2, 3, 2)]
    before = [p.copy() for p in params]
    state = program.init(params)
    for _ in range(2):
        if asks_more(optimizer.step()):
            batches = Batches(None, [None] * 9, None)
            state = program.ask(params, state, batches, Bowl(tasks=3))
        else:
            state = program.step(params, [v.copy() for v in params], state, value=1.0)
    assert all(np.isfinite(v).all() for v in params)
    assert all((v != w).any() for v, w in zip(params, before, strict=True))


def rows(heading: str, cell: int = 0) -> list[str]:
    """The first cells, or others, of every table under a heading."""
    section = LANGUAGE.split(f"# {heading}\n", 1)[1]
    section = re.split(r"^#+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    return [line.split(" | ")[cell].strip("| ") for line in section.split("\n")
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
    expected = {name: op.arity[0] for name, op in OPS.items() if op.fix == "call"}
    expected |= {f.name: len(f.parameters) for f, _ in prelude()}
    assert shown == expected


def test_the_table_of_reductions_is_complete() -> None:
    assert set(calls(rows("Reductions"))) == set(REDUCTIONS)


def test_the_table_of_distributions_is_complete() -> None:
    drawn = {name: most for name, (_, most) in DISTRIBUTIONS.items()}
    assert calls(rows("Random draws")) == drawn | {"perm": 1}  # made of uniform numbers


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
    sentence = re.split(r"Names of the language\s+\(", LANGUAGE)[1].split(")", 1)[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == set(RESERVED)


def test_the_links_of_the_page_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", LANGUAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
    for target in re.findall(r"\]\(#([^)]*)\)", LANGUAGE):
        assert target in anchors, target


def test_codes_that_the_documentation_names_exist() -> None:
    for text in (LANGUAGE, (ROOT / "README.md").read_text("utf-8")):
        assert set(re.findall(r"(?:error|warning)\[([\w-]+)\]", text)) <= set(CODES)


def linear() -> dict[str, tuple[str, str]]:
    """Row of the op table -> what the page says it takes and gives."""
    found: dict[str, tuple[str, str]] = {}
    for cell, takes, gives in zip(*(rows("Linear algebra", k) for k in range(3)), strict=True):
        names = {"`A @ B`": "@", "`A.T`": "T"}
        call = re.fullmatch(r"`(?:(.*) = )?(\w+)\(([^()]*)\)`", cell)
        name = names.get(cell) or call[2]
        if call is None or call[1] is None:
            found[name] = takes, gives
        elif call[3] == "A":  # several results: one type for each, in order
            types = re.findall(r"`([^`]*)`", gives)
            assert len(types) == len(call[1].split(", ")) == len(MANY[name])
            found |= {part: (takes, f"`{one}`")
                      for part, one in zip(MANY[name], types, strict=True)}
    return found


def test_the_table_of_linear_algebra_is_complete() -> None:
    assert set(linear()) == set(LINEAR)


@pytest.mark.parametrize("name", LINEAR)
def test_the_shapes_of_linear_algebra_are_those_of_the_compiler(name: str) -> None:
    kinds = {0: "a number", 1: "`vector[{}]`", 2: "`matrix[{}]`"}
    takes, gives = linear()[name]
    wanted, _, result = LINEAR[name].shapes[0].partition("->")
    shown = [kinds[len(letters)].format(", ".join(letters)) for letters in wanted.split(",")]
    places = [takes.find(one) for one in shown]
    assert -1 not in places, (takes, shown)
    assert len(re.findall("`|number", takes)) == len(re.findall("`|number", "".join(shown))) or (
        len(LINEAR[name].shapes) > 1)
    assert gives.startswith(kinds[len(result)].format(", ".join(result)))


def test_the_table_of_structure_is_complete() -> None:
    made = {"unview", "along", "seen"}  # by the compiler
    forms = {"view": "`view x as", "eye": "`I` is", "case": "`case CONDITION:`", "~": "`path ~ "}
    shown = set(calls(rows("One factor for each axis"))) - set(ALONG)
    assert shown | set(forms) | made == set(STRUCTURE)
    assert all(form in LANGUAGE for form in forms.values())


def test_operations_along_an_axis_are_told() -> None:
    forms = {"at": "`G[j]`", "put": "`put(a, j, v)`", "shift": "`S' = push(S, v)`",
             "index": "`index(tasks)`", "argsort": "`argsort(v over a)`"}
    assert set(forms) == set(ALONG)
    assert [name for name, form in forms.items() if form not in LANGUAGE] == []


HEAD = "optimizer A\n  hyper lr = 1 in (0, inf)\n"
LATER_LINES = {"axes": "axes largest 2 of x", "player": "player x minimizes",
               "level": "level w minimizes inner"}


def not_yet() -> list[str]:
    """The constructs that the page says are answered by `not-yet`."""
    return [name for cell in rows("What does not work yet")
            for name in re.findall(r"`(\w+)`", cell)]


def test_what_does_not_work_yet_is_told() -> None:
    draws = {"perm", "sphere"}  # as draws they work
    assert sorted(not_yet()) == sorted({*LATER, *ORACLES_LATER, *LATER_LINES} - draws)
    grammar = (ROOT / "grammar" / "thetaprime.lark").read_text("utf-8")
    assert f"LATER.3: /({'|'.join(LATER_LINES)})" in grammar


@pytest.mark.parametrize("name", not_yet())
def test_what_does_not_work_yet_says_so(name: str) -> None:
    line = LATER_LINES.get(name)
    rest = f"  {line}\n  x' = x - lr*g\n" if line else f"  x' = x - lr*{name}(g, x)\n"
    assert {d.code for d in check(Source("a.opt", HEAD + rest))} == {"not-yet"}


BLOCKED = "optimizer B(base)\n  every 2 from 1:\n    x' = x + base(g)\n"
HELD = """\
optimizer A
  hyper lr = 1 in (0, inf)
  if norm(g over model) > 1:
    hold when t > 3
    x' = x - lr*g
  else:
    x' = x - 2*lr*g
"""


@pytest.mark.parametrize(("inner", "row"), [
    (HEAD, "route(rank == 2 -> ScheduleFreeSGD, otherwise -> SGD)"),
    (HEAD, "B(SGD on centralize)"),
    (HEAD + "  x' = x - lr*(g + prev(g, 0))\n", "B(A)"),
    (HELD, "SAM(A)"),
], ids=["eval", "cases", "prev", "hold"])
def test_what_composition_does_not_do_yet_says_so(inner: str, row: str, tmp_path: Path) -> None:
    (tmp_path / "a.opt").write_text(inner, "utf-8")
    (tmp_path / "b.opt").write_text(BLOCKED, "utf-8")
    source = Source(str(tmp_path / "row.opt"), f"optimizer Row = {row}\n")
    assert {d.code for d in check(source)} == {"not-yet"}


MATRIX = "optimizer A\n  param X : matrix[rows, cols]\n  hyper lr = 1 in (0, inf)\n"
CASE, USED = HEAD + "  case rank >= 2:\n    u = g\n", "  x' = x - lr*u\n"
WRONG = {  # what the page says is refused -> a spec
    "base-twice": "optimizer A(base)\n  x' = x + base(g) + base(g)\n",
    "base-in-loop": "optimizer A(base)\n  y = iterate 3 from y = x:\n    y' = y + base(g)\n"
                    "  x' = y\n",
    "base-thread": "optimizer A(base)\n  u, b1 = base.step(g)\n  x' = x + u\n",
    "base-unused": HEAD.replace("A", "A(base)") + "  x' = x - lr*g\n",
    "base-oracle": "optimizer A(base)\n  b with grad(y) := 2*grad(y)\n  x' = x + base(g)\n",
    "base-answer": "optimizer A(base)\n  base with hvp(y) := y\n  x' = x + base(g)\n",
    "spec-count": "optimizer A = AdamW(SGD)\n",
    "wrong-kind": "optimizer A = AdamW on SGD\n",
    "too-many-numbers": "optimizer A = AdamW(1, 2, 3, 4, 5, 6)\n",
    "not-in-module": "transform A\n  g' = g\n  x' = x - g\n",
    "route-gap": "optimizer A = route(rank == 2 -> SGD)\n",
    "route-overlap": 'optimizer A = route(path ~ "*embed*" -> SGD, rank == 2 -> Lion)\n',
    "route-shape": "optimizer A = route(rank >= 2 -> MuonExact, otherwise -> AdamW)\n",
    "case-overlap": CASE + "  case rank >= 3:\n    u = 2*g\n  otherwise:\n    u = 3*g\n" + USED,
    "case-gap": CASE + USED,
    "view-rank": CASE + "    view x as matrix[rows, cols]\n  otherwise:\n    u = 2*g\n" + USED,
    "shape-mismatch": MATRIX + "  X' = X - lr*(G @ G)\n",
    "needs-matrix": HEAD + "  x' = x - lr*(g @ g)\n",
    "needs-outer": MATRIX + "  r = mean(G over cols)\n  c = mean(G over rows)\n"
                            "  X' = X - lr*(r*c)\n",
    "ambiguous-axis": MATRIX + "  S = G @ G.T\n  v = diagonal(S)\n  X' = X - lr*(S*v) @ G\n",
    "over-twice": MATRIX + "  S = G @ G.T\n  X' = X - lr*mean(S over rows)*G\n",
    "identity-size": MATRIX + "  P = inv(2*I)\n  X' = X - lr*P @ G\n",
}


@pytest.mark.parametrize("code", WRONG)
def test_what_is_refused_is_refused_so(code: str, folder: Path) -> None:
    """The message that the page names, word for word where it shows one."""
    found = {d.code: render(d) for d in check(Source(str(folder / "a.opt"), WRONG[code]))}
    assert code in found
    shown = [line for line in LANGUAGE.split("\n") if line.startswith(f"error[{code}]")]
    assert all(found[code].startswith(line) for line in shown)
    assert shown or f"| `{code}` |" in LANGUAGE


def test_every_message_that_is_shown_is_tried() -> None:
    section = LANGUAGE.split("## Matrices and tensors of any rank\n")[1]
    assert set(re.findall(r"^error\[([\w-]+)\]", section, re.MULTILINE)) <= set(WRONG)
    assert {cell.strip("`") for cell in rows("What composition refuses", -1)} <= set(WRONG)
