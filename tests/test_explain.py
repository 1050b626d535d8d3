"""`check --explain CODE`: each message with a wrong spec and its correction, both as they say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli_calls import Call, call, folder
from thetaprime import loads
from thetaprime.analyse.rate import rate
from thetaprime.analyse.stability import stability
from thetaprime.claims.kept import refutations, verdicts
from thetaprime.compare.locked import changes, entry
from thetaprime.diagnostics import Diagnostic, SpecError
from thetaprime.few_bits import Conditions
from thetaprime.fixes import BOTH, RIGHT, WRONG, example
from thetaprime.messages import CODES
from thetaprime.optimizer import Optimizer
from thetaprime.pipeline import check, checked
from thetaprime.source import Source

__all__ = ["call", "folder"]  # fixtures

FOLDER = Path(__file__).parent.parent / "compiler" / "examples"
FILES = sorted(path.stem for path in FOLDER.glob("*.diff"))
# What the first line of an example may ask for, as the command of that name does.
ANALYSES: dict[str, Callable[[Optimizer], object]] = {
    "stability": stability,
    "rate": lambda optimizer: rate(optimizer, "smooth-convex", L=1, steps=2),
}


def found(text: str, right: str) -> list[Diagnostic]:
    """The messages of `check`, with the claims, or else of the analysis that the text asks for;
    of `check --locked`, where the right one is locked."""
    source = Source("example.opt", text)
    asked = re.match(r"# (?:dtype )?(\w+)", text)
    analyse = ANALYSES.get(asked[1]) if asked else None
    dtype = asked[1] if asked and asked[1] not in {*ANALYSES, "locked"} else "float32"
    told = check(source, [Conditions(dtype)])
    if any(d.severity == "error" for d in told):
        return told
    if asked and asked[1] == "locked":
        return changes("example.opt", source, entry("example.opt", Source("example.opt", right)))
    if "\n  claim " in text:
        return [*told, *refutations(verdicts(checked(source)))]
    if analyse:
        if asked and asked[1] == "rate":
            pytest.importorskip("PEPit", reason="the extra `rate` is not installed")
        try:
            analyse(loads(text))
        except SpecError as error:
            return [*error.diagnostics, *told]
    return told


@pytest.mark.parametrize("code", FILES)
def test_the_wrong_one_has_the_message_and_the_right_one_no_error(code: str) -> None:
    shown = example(code)
    assert shown is not None
    assert found(shown.wrong, shown.right)[0].code == code
    left = found(shown.right, shown.right)
    assert code not in [d.code for d in left]
    assert not [d.code for d in left if d.severity == "error"]


def test_every_code_has_an_example() -> None:
    assert set(FILES) == set(CODES)


@pytest.mark.parametrize("code", FILES)
def test_an_example_is_short_and_differs(code: str) -> None:
    lines = (FOLDER / f"{code}.diff").read_text("utf-8").splitlines()
    assert len(lines) <= 16
    assert {line[:2] for line in lines} <= {WRONG, RIGHT, BOTH}
    assert {WRONG, RIGHT} & {line[:2] for line in lines}


def test_the_command_shows_it(call: Call) -> None:
    done = call("check", "--explain", "uphill")
    assert done.code == 0
    assert done.out.startswith("error[uphill]\n\nA sign slip is the commonest bug of all")
    assert done.out.endswith("-   x' = x + lr*g\n+   x' = x - lr*g\n")
