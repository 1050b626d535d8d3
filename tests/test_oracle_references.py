"""Every shipped spec that asks the problem for more against an independent rule, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests.beyond import run_interpreter
from tests.flat_problem import history
from tests.oracle_rows import OTHER, ROWS, UNSEEN, Row
from tests.problem import PULL
from tests.tree import Tree, compare
from thetaprime.expr import Num
from thetaprime.ir import Hyper


def _id(number: int) -> str:
    row = ROWS[number]
    same = [k for k, r in enumerate(ROWS) if r.spec == row.spec]
    return row.spec + ("" if len(same) == 1 else f"-{same.index(number) + 1}")


def _ours(row: Row, **changed: Any) -> list[Tree]:
    given = {**row.hypers, **row.only, **changed}
    return run_interpreter(_around(row.spec, row.base), row.steps, **given)


def _around(spec: str, base: str) -> str:
    """A spec by its name, or the text of that spec around another one."""
    return f"optimizer Row = {spec.replace('-', '')}({base})\n" if base else spec


@pytest.mark.parametrize("number", range(len(ROWS)), ids=_id)
def test_reference(number: int) -> None:
    row = ROWS[number]
    pull = 0.0 if row.base else PULL.get(tp.load(row.spec).name, 0.0)
    theirs = history(row.rule, row.steps, pull, **row.hypers, **row.extra)
    compare(_ours(row), theirs, row.tol)


def _gap(a: list[Tree], b: list[Tree]) -> float:
    return max(float(np.max(np.abs(p[n] - q[n]))) for p, q in zip(a, b, strict=True) for n in q)


@pytest.mark.parametrize("spec", sorted({row.spec for row in ROWS}))
def test_rows_show_every_hyperparameter(spec: str) -> None:
    """A change of any hyperparameter by 1 %, or by 1 if it counts, leaves some row far behind."""
    rows = [row for row in ROWS if row.spec == spec]
    for hyper in _hypers(rows[0]):
        if (spec, hyper.name) in UNSEEN:
            continue
        assert any(_shows(row, hyper) for row in rows), f"no row shows {hyper.name}"


def _hypers(row: Row) -> list[Hyper]:
    """Those of the spec itself, not of what it is around."""
    if not row.base:
        return list(tp.load(row.spec).step().hypers)
    inner = {hyper.name for hyper in tp.load("sgd").step().hypers}
    every = tp.loads(_around(row.spec, "SGD")).step().hypers
    return [hyper for hyper in every if hyper.name not in inner]


def _shows(row: Row, hyper: Any) -> bool:
    given = {**row.hypers, **row.only}
    default = float(hyper.default.value) if isinstance(hyper.default, Num) else None
    value = given.get(hyper.name, default)
    assert value is not None
    other = OTHER.get((row.spec, hyper.name)) or _near(value, hyper)
    return _gap(_ours(row, **{hyper.name: other}), _ours(row)) > 100 * row.tol


def _near(value: float, hyper: Hyper) -> float:
    return (value - 1 or 2) if hyper.static else value * 0.99 or 0.01


def test_looser_rows_say_why() -> None:
    assert all(bool(row.why) == (row.tol > 1e-12) for row in ROWS)
