"""A step linearised on a quadratic of curvature h: the iteration matrix.

A state is linear when its new value is a linear combination of the point and of linear states;
all others are frozen: their new value is the old one, a symbol. Which states those are is found by
starting from all and freezing, one after the other, what does not stay linear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from thetaprime.analyse.limit import Limit
from thetaprime.analyse.model import Atom, Model, exact
from thetaprime.analyse.states import cause_of, freeze_scalars, make_model, numbers, settled
from thetaprime.analyse.vectors import Bent, Coordinate, Linear
from thetaprime.analyse.walk import quoted
from thetaprime.diagnostics import SpecError, report
from thetaprime.expr import Expr, Sym
from thetaprime.ir import Draw, Equation, Range, Step
from thetaprime.source import NOWHERE, Span
from thetaprime.types import Extent


@dataclass(frozen=True)
class Linearised:
    """One step, or ``period`` of them: coordinates after = matrix @ coordinates before.

    ``start`` are the coordinates before the first step, for a point 1. ``names`` says what a
    symbol stands for; ``frozen`` are the opaque symbols in the matrix; ``assumed`` are the
    conditions under which it is this one.
    """

    step: Step
    coordinates: tuple[Coordinate, ...]
    matrix: Any
    period: int
    start: tuple[Any, ...]
    h: Any
    hypers: Mapping[str, Any]
    ranges: Mapping[Any, Range | None]
    frozen: Mapping[Any, Atom]
    assumed: tuple[str, ...]

    @property
    def names(self) -> dict[Any, Expr]:
        shown: dict[Any, Expr] = {s: a.shown for s, a in self.frozen.items()}
        spelled = {h.name: h.spelled for h in self.step.hypers}
        shown |= {s: Sym(name, spelled=spelled[name]) for name, s in self.hypers.items()
                  if isinstance(s, sympy.Symbol)}
        return shown


def linearise(
    step: Step, given: Mapping[str, Any], free: Sequence[str] | None = None
) -> Linearised:
    """The linear map of a step. ``given`` are values of hyperparameters; all others are symbols, or
    only those in ``free`` and the rest at their defaults. Raises SpecError where there is none."""
    model = make_model(step, given, free)
    lengths = {a.name: a.length if isinstance(a.length, int) else int(model.hypers[a.length])
               for a in step.axes if isinstance(a.length, int) or a.length in model.hypers}
    linear = [s.name for s in step.states if not s.constant and s.type.extent is Extent.ENTRY]
    freeze_scalars(model, lengths, linear)
    walks = settled(model, lengths, linear)
    point = Sym(step.point, True)
    for walk in walks:
        value = walk.values[point, ()]
        if not isinstance(value, Linear) or not any(value.parts.values()):
            raise SpecError([_refusal(step, walk, value)])
    return _assemble(model, walks, linear, lengths)


def typical_values(found: Linearised, rational: bool = False) -> dict[Any, Any]:
    """The defaults of the hyperparameters that are symbols; 1 where there is none."""
    known = {s.name: v for s, v in numbers(found.step, {}).items()}
    values = {s: float(np.asarray(known[name])) for name, s in found.hypers.items()
              if isinstance(s, sympy.Symbol)}
    return {s: exact(v) for s, v in values.items()} if rational else values


def _refusal(step: Step, walk: Limit, value: Any) -> Any:
    """Why the step has no linear map."""
    cause: Any = None if isinstance(value, Linear) else cause_of(walk.model, value)
    expr = cause.expr if isinstance(cause, Bent) else cause.cause if cause else Sym(step.point)
    source = cause.source if cause else step.source
    why = cause.why if cause else "does not depend on the point near it"
    return report("not-linear", source, expr.span, name=step.name, what=quoted(expr, source),
                  why=why)


# The matrix.


def _matrix(walk: Limit, keys: Sequence[Coordinate]) -> Any:
    rows = [walk.values[Sym(name, True), lane].parts for name, lane in keys]
    return sympy.Matrix([[sympy.cancel(row.get(key, 0)) for key in keys] for row in rows])


def _span(step: Step) -> Span:
    """Where the spec says what the new point is."""
    return next((s.target.span for s in step.body if isinstance(s, Equation)
                 and s.target == Sym(step.point, True)), NOWHERE)


def _assemble(
    model: Model, walks: Sequence[Limit], linear: Sequence[str], lengths: Mapping[str, int]
) -> Linearised:
    step = model.step
    point: Coordinate = (step.point, ())
    keys = [point]
    for key in keys:  # grows: what the point reads, and what that reads
        for walk in walks:
            for other, coefficient in walk.values[Sym(key[0], True), key[1]].parts.items():
                if coefficient != 0 and other not in keys:
                    keys.append(other)
    each = [_matrix(walk, keys) for walk in walks]
    if all(one == each[0] for one in each):
        each = each[:1]
    matrix = each[0]
    for one in each[1:]:
        matrix = (one * matrix).applyfunc(sympy.cancel)
    starts = []
    for name, lane in keys:
        start = None if (name, lane) == point else step.state(name).start
        value = (Linear({point: sympy.Integer(1)}) if start is None or isinstance(start, Draw)
                 else walks[0].value(start, dict(zip(walks[0].axes(step.state(name).type), lane,
                                                    strict=True))))
        starts.append(value.parts.get(point, 0) if isinstance(value, Linear) else sympy.Integer(0))
    free = matrix.free_symbols
    if model.h not in free:
        raise SpecError([report("no-curvature", step.source, _span(step), name=step.name)])
    return Linearised(
        step, tuple(keys), matrix, len(each), tuple(starts), model.h, model.hypers, model.ranges,
        {s: a for s, a in model.atoms.items() if s in free}, tuple(model.assumed))
