"""Programs for CuPy arrays, on a stand-in for CuPy: they follow the interpreter, and what they do
entry by entry is one kernel for each tensor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import thetaprime as tp
from tests.array_specs import ALL as ARRAYS
from tests.beyond import run_interpreter, run_numpy
from tests.cupy_stand_in import LOG, WAITS, back, cupy, place
from tests.test_backends import CASES, follows
from tests.test_beyond import CASES as BEYOND
from tests.test_beyond import _run, _tol
from tests.tree import LEAVES, compare
from thetaprime.arguments import CallError

FOLDER = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy)


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_text(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(FOLDER / f"{name}.cupy.txt", tp.load(name).code("numpy", engine="cupy"))


@pytest.mark.parametrize(("name", "choice"), CASES)
def test_program_follows_the_interpreter(name: str, choice: dict[str, str]) -> None:
    follows(name, choice, "cupy", place, back)


@pytest.mark.parametrize(("name", "choice"), BEYOND)
def test_program_that_does_more_follows_the_interpreter(name: str, choice: dict[str, str]) -> None:
    spec, given_to_it = _run(name, choice)
    compare(run_numpy(spec, engine="cupy", place=place, back=back, **given_to_it),
            run_interpreter(spec, **given_to_it), _tol(name))


@pytest.mark.parametrize("name", ARRAYS)
def test_all_that_a_spec_can_say(name: str) -> None:
    compare(run_numpy(ARRAYS[name], engine="cupy", place=place, back=back),
            run_interpreter(ARRAYS[name]))
