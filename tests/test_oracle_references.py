"""Every shipped spec that asks the problem for more against an independent rule, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests.beyond import run_interpreter
from tests.flat_problem import history
from tests.oracle_rows import OTHER, ROWS, UNSEEN, Row
from tests.tree import Tree, compare
from thetaprime.expr import Num


def _id(number: int) -> str:
    row = ROWS[number]
    same = [k for k, r in enumerate(ROWS) if r.spec == row.spec]
    return row.spec + ("" if len(same) == 1 else f"-{same.index(number) + 1}")


def _ours(row: Row, **changed: Any) -> list[Tree]:
    given = {**row.hypers, **row.only, **changed}
    if not row.base:
        return run_interpreter(row.spec, row.steps, **given)
    outer = tp.load(row.spec).name
    functions = {name: value for name, value in given.items() if callable(value)}
    bindings = ", ".join(f"{n} = {v}" for n, v in given.items() if n not in functions)
    text = f"optimizer Row = {outer}({row.base})" + f" with {bindings}" * bool(bindings) + "\n"
    return run_interpreter(text, row.steps, **functions)


@pytest.mark.parametrize("number", range(len(ROWS)), ids=_id)
def test_reference(number: int) -> None:
    row = ROWS[number]
    compare(_ours(row), history(row.rule, row.steps, **row.hypers, **row.extra), row.tol)


def _gap(a: list[Tree], b: list[Tree]) -> float:
    return max(float(np.max(np.abs(p[n] - q[n]))) for p, q in zip(a, b, strict=True) for n in q)


@pytest.mark.parametrize("spec", sorted({row.spec for row in ROWS}))
def test_rows_show_every_hyperparameter(spec: str) -> None:
    """A change of any hyperparameter by 1 %, or by 1 if it counts, leaves some row far behind."""
    rows = [row for row in ROWS if row.spec == spec]
    for hyper in tp.load(spec).step().hypers:
        if (spec, hyper.name) in UNSEEN:
            continue
        assert any(_shows(row, hyper) for row in rows), f"no row shows {hyper.name}"


def _shows(row: Row, hyper: Any) -> bool:
    given = {**row.hypers, **row.only}
    default = float(hyper.default.value) if isinstance(hyper.default, Num) else None
    value = given.get(hyper.name, default)
    assert value is not None
    less: Any = (value - 1 or 2) if hyper.static else value * 0.99 or 0.01
    other = OTHER.get((row.spec, hyper.name), less)
    return _gap(_ours(row, **{hyper.name: other}), _ours(row)) > 100 * row.tol


def test_looser_rows_say_why() -> None:
    assert all(bool(row.why) == (row.tol > 1e-12) for row in ROWS)
