"""Every shipped spec against an independent implementation, 20 steps in float64."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests.reference_rows import ROWS, History, Row
from tests.tree import compare, run_interpreter
from thetaprime.expr import Num
from thetaprime.ir import Hyper

# What a hyperparameter is changed to where 1 % does nothing: it acts through a sign or a count.
OTHER: dict[tuple[str, str], Any] = {("c-lion", "b2"): 0.5, ("radam", "threshold"): 4.5}


def _id(number: int) -> str:
    row = ROWS[number]
    same = [k for k, r in enumerate(ROWS) if (r.spec, r.kind) == (row.spec, row.kind)]
    return f"{row.spec}-{row.kind}" + ("" if len(same) == 1 else f"-{same.index(number) + 1}")


@pytest.mark.parametrize("number", range(len(ROWS)), ids=_id)
def test_reference(number: int) -> None:
    row = ROWS[number]
    theirs = row.theirs(evaluate=row.evaluate)
    ours = run_interpreter(row.spec, evaluate=row.evaluate, loss=row.loss, **row.hypers)
    compare(ours, theirs, row.tol)


def test_every_spec_has_a_reference() -> None:
    shipped = {p.stem for p in (Path(__file__).parent.parent / "specs").rglob("*.opt")
               if p.stem != "prelude" and p.parent.name != "libraries"}
    assert {row.spec for row in ROWS} == shipped


def _apart(a: History, b: History) -> float:
    """The largest difference, each tensor relative to the larger of 1 and its own size."""
    return max(float(np.max(np.abs(p[n] - q[n]) / max(1.0, float(np.max(np.abs(q[n]))))))
               for p, q in zip(a, b, strict=True) for n in q)


@pytest.mark.parametrize("spec", sorted({row.spec for row in ROWS}))
def test_rows_show_every_hyperparameter(spec: str) -> None:
    """A change of any hyperparameter by 1 % leaves the tolerance of some row far behind."""
    rows = [row for row in ROWS if row.spec == spec]
    for hyper in {h.name: h for row in rows for h in _hypers(row)}.values():
        assert any(_shows(row, hyper) for row in rows), f"no row shows {hyper.name}"


def _hypers(row: Row) -> Iterable[Hyper]:
    optimizer = tp.load(row.spec)
    return optimizer.step(**optimizer.split(row.hypers)[0]).hypers


def _shows(row: Row, hyper: Hyper) -> bool:
    if hyper.name not in {h.name for h in _hypers(row)}:
        return False
    value = row.hypers.get(hyper.name, _default(hyper))
    if value is None:
        return False
    less = [v * 0.99 for v in value] if isinstance(value, list) else value * 0.99
    other = OTHER.get((row.spec, hyper.name), less)
    shown = {"evaluate": row.evaluate, "loss": row.loss}
    return _apart(run_interpreter(row.spec, **shown, **{**row.hypers, hyper.name: other}),
                  run_interpreter(row.spec, **shown, **row.hypers)) > 100 * row.tol


def _default(hyper: Hyper) -> float | None:
    return float(hyper.default.value) if isinstance(hyper.default, Num) else None


def test_looser_rows_say_why() -> None:
    assert all(bool(row.why) == (row.tol > 1e-12) for row in ROWS)
