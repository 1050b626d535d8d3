"""Guarantees: from rest on the plainest problem, |x|^2/2, the first step goes downhill.

The step is executed, with the defaults, at a point that is no special one. Uphill is an error;
standing still warns, unless the spec says so by ``claim x' = x when t = 1``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from thetaprime.asking import Asked
from thetaprime.bowl import Bowl
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Sym
from thetaprime.flat import Flat
from thetaprime.guards import holds
from thetaprime.interpret import advance, hyperparameters, start
from thetaprime.ir import Equation, Range, Step, statements
from thetaprime.source import Span
from thetaprime.syntax import Fact

# Two tensors whose entries differ in sign and size, and one for rules that take neither.
POINT = (np.array([[0.75, -1.5], [0.5, 2.0]]), np.array([-0.625, 1.25, 0.875]))
LARGER = (np.array([[[0.75, -1.5], [0.5, 2.0]], [[1.25, 0.625], [-0.875, 0.375]]]),)


def check_direction(step: Step, flat: Flat) -> list[Diagnostic]:
    """The first step with the defaults; a required hyperparameter gets a number in its range."""
    if any(h.type.kind == "function" for h in step.hypers):
        return []  # nobody has said what its functions do
    given = {h.name: inside(h.range) for h in step.hypers if h.default is None}
    point = [p for p in POINT if holds(step.takes, {"rank": p.ndim}, "")] or LARGER
    with np.errstate(all="ignore"):
        memory = start(step, point, given)
        moved, _ = advance(step, memory, point, given=given, asked=on_bowl(step, given))
    change = [m - p for m, p in zip(moved, point, strict=True)]
    where = place(step)
    if not all(np.all(np.isfinite(c)) for c in change):
        return [report("not-finite", step.source, where, point=step.point)]
    along = sum(float(np.sum(c * p)) for c, p in zip(change, point, strict=True))
    if along > 0:
        return [report("uphill", step.source, where, point=step.point)]
    if not any(np.any(c) for c in change) and not _says_still(flat):
        return [report("standstill", step.source, where, point=step.point)]
    return []


def on_bowl(step: Step, given: Mapping[str, Any]) -> Asked:
    """|x|^2/2 with as many tasks and fresh batches as the step asks for."""
    numbers = hyperparameters(step, given, 1)
    lengths = {a.name: a.length for a in step.axes}
    length = lengths.get(step.tasks, 2)
    tasks = length if isinstance(length, int) else int(np.asarray(numbers[Sym(length)]))
    return Asked(Bowl(tasks), fresh=Everlasting())


class Everlasting(Sequence[None]):
    """Fresh batches without end; they hold nothing, since the problem needs no data."""

    def __len__(self) -> int:
        return 0

    def __getitem__(self, number: object) -> Any:
        return None


def inside(bounds: Range | None) -> float:
    """A small number inside of a range."""
    if bounds is None or (0.01 in bounds):
        return 0.01
    low = bounds.low if bounds.low is not None else (bounds.high or Fraction(0)) - 2
    high = bounds.high if bounds.high is not None else low + 2
    return float((low + high) / 2)


def place(step: Step) -> Span:
    """The equation of the step, if it stands in the spec's own text; the whole spec otherwise."""
    for statement in statements(step.body):
        if (isinstance(statement, Equation) and statement.target == Sym(step.point, True)
                and statement.source is step.source):
            return statement.target.span
    return Span(0, len(step.source.line(1)))


def _says_still(flat: Flat) -> bool:
    """``claim x' = x when t = 1``."""
    for claim, _ in flat.claims:
        subject = claim.subject
        if isinstance(subject, Fact) and isinstance(subject.left, Sym) and subject.left.prime and (
                subject.right == Sym(subject.left.name)) and any(
                f.left == Sym("t") for f in claim.when):
            return True
    return False
