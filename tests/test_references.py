"""Every shipped spec against an independent implementation, 20 steps in float64."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests import matrix_rows, oracle_rows, wrapper_rows
from tests.reference_rows import ROWS, History, Row
from tests.tree import compare, run_interpreter
from thetaprime.expr import Num
from thetaprime.ir import Hyper
from thetaprime.library import find, modules, shipped
from thetaprime.parse import parse
from thetaprime.source import Source, Span

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
    """In this table or another one; those of libraries are held by `tests.test_libraries`."""
    compared = {file for row in [*ROWS, *matrix_rows.ROWS, *wrapper_rows.ROWS]
                for file in _files(row.spec)}
    compared |= {str((modules() if row.base else shipped())[row.spec]) for row in oracle_rows.ROWS}
    specs = {str(entry) for entry in [*shipped().values(), *modules().values()]}
    assert compared <= specs
    assert {Path(file).parent.name for file in specs - compared} <= {"libraries", "schedules"}


def _files(spec: str) -> list[str]:
    """The files of what a row compares: a shipped spec, or what stands outermost in an expression
    and the transforms in front of it."""
    if "\n" not in spec:
        return [str(shipped()[spec])]
    source = Source("row", spec)
    ref, found = parse(source).definitions[0].value, []
    while ref is not None:
        found.append(find(ref.name, source, Span(0, 0), bool(ref.args))[1].name)
        ref = ref.on
    return found


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
