"""Specs with matrices, for any rank and around other specs, against independent implementations,
20 steps in float64."""

from __future__ import annotations

from typing import Any

import pytest

import thetaprime as tp
from tests import matrix_rows, wrapper_rows
from tests.matrix_rows import Row
from tests.test_references import _apart as apart
from tests.test_references import _default as default
from tests.tree import compare
from thetaprime.ir import Hyper

ROWS = [*matrix_rows.ROWS, *wrapper_rows.ROWS]

# What a hyperparameter is changed to where a little does nothing.
OTHER: dict[tuple[str, str], Any] = {
    ("adafactor-optax", "least"): 3,
    ("muon-polar-express", "safety"): 1.1,
    ("adamp", "delta"): 1.5,
    ("sgdp", "delta"): 1.5,
    ("ranger", "threshold"): 9.0,
    ("microadam", "compress"): lambda a: a,
    ("microadam", "store"): lambda a: 0 * a,
}
SHIPPED = sorted({row.spec for row in ROWS if "\n" not in row.spec})


def _id(number: int) -> str:
    row = ROWS[number]
    name = row.spec.partition("=")[2].strip() if "\n" in row.spec else row.spec
    same = [k for k, r in enumerate(ROWS) if (r.spec, r.kind) == (row.spec, row.kind)]
    return f"{name}-{row.kind}" + ("" if len(same) == 1 else f"-{same.index(number) + 1}")


@pytest.mark.parametrize("number", range(len(ROWS)), ids=_id)
def test_reference(number: int) -> None:
    row = ROWS[number]
    compare(row.ours(row.spec, **row.hypers), row.theirs(), row.tol)


@pytest.mark.parametrize("spec", SHIPPED)
def test_rows_show_every_hyperparameter(spec: str) -> None:
    """A change of any hyperparameter by 1 %, or by one, leaves the tolerance of some row behind."""
    rows = [row for row in ROWS if row.spec == spec]
    for hyper in tp.load(spec).step().hypers:
        assert any(_shows(row, hyper) for row in rows), f"no row shows {hyper.name}"


def _shows(row: Row, hyper: Hyper) -> bool:
    value = row.hypers.get(hyper.name, default(hyper))
    if value is None:
        return False
    other = OTHER.get((row.spec, hyper.name)) or _near(value, hyper)
    return apart(row.ours(row.spec, **{**row.hypers, hyper.name: other}),
                 row.ours(row.spec, **row.hypers)) > 100 * row.tol


def _near(value: Any, hyper: Hyper) -> Any:
    if isinstance(value, list):
        return [v * 0.99 for v in value]
    return int(value) + 1 if hyper.static else value * 0.99


def test_looser_rows_say_why() -> None:
    assert all(bool(row.why) == (row.tol > 1e-12) for row in ROWS)
