"""Every shipped spec that asks the problem for more against an independent rule, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests.beyond import run_interpreter
from tests.flat_problem import history
from tests.oracle_rows import ROWS, Row
from tests.tree import Tree, compare


def _id(number: int) -> str:
    row = ROWS[number]
    same = [k for k, r in enumerate(ROWS) if r.spec == row.spec]
    return row.spec + ("" if len(same) == 1 else f"-{same.index(number) + 1}")


def _ours(row: Row, **changed: Any) -> list[Tree]:
    given = {**row.hypers, **row.only, **changed}
    if not row.base:
        return run_interpreter(row.spec, row.steps, **given)
    outer = tp.load(row.spec).name
    bindings = ", ".join(f"{name} = {value}" for name, value in given.items())
    return run_interpreter(f"optimizer Row = {outer}({row.base}) with {bindings}\n", row.steps)


@pytest.mark.parametrize("number", range(len(ROWS)), ids=_id)
def test_reference(number: int) -> None:
    row = ROWS[number]
    compare(_ours(row), history(row.rule, row.steps, **row.hypers, **row.extra), row.tol)


def _gap(a: list[Tree], b: list[Tree]) -> float:
    return max(float(np.max(np.abs(p[n] - q[n]))) for p, q in zip(a, b, strict=True) for n in q)


def test_looser_rows_say_why() -> None:
    assert all(bool(row.why) == (row.tol > 1e-12) for row in ROWS)
