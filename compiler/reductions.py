"""Reductions in the interpreter: over an axis, over a tensor, over the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from thetaprime.expr import Apply
from thetaprime.matrices import own_axes
from thetaprime.ops import REDUCTIONS

if TYPE_CHECKING:
    from thetaprime.evaluate import Run, Value

REDUCTION: dict[str, Callable[..., Any]] = {
    "sum": lambda v, axes: np.sum(v, axis=axes), "mean": lambda v, axes: np.mean(v, axis=axes),
    "max": lambda v, axes: np.max(v, axis=axes), "min": lambda v, axes: np.min(v, axis=axes),
    "all": lambda v, axes: np.all(v, axis=axes), "any": lambda v, axes: np.any(v, axis=axes),
    "size": lambda v, axes: np.prod([v.shape[a] for a in axes], dtype=int),
}
# A reduction of the model where no tensor is.
EMPTY = {"add": 0, "max": -np.inf, "min": np.inf, "and": True, "or": False}
COMBINE: dict[str, Callable[..., Any]] = {
    "add": REDUCTION["sum"], "max": REDUCTION["max"], "min": REDUCTION["min"],
    "and": REDUCTION["all"], "or": REDUCTION["any"],
}


def reduction(run: Run, expr: Apply) -> Value:
    """The value of a reduction; tensors for which nothing is computed give None."""
    (arg,), (over,) = expr.args, expr.over
    assert arg.type is not None
    value = run.value(arg)
    row = REDUCTIONS[expr.op]
    function = REDUCTION[row.name]
    if over not in ("model", "tensor"):
        where = (arg.type.axes.index(over),)
        if isinstance(value, list):
            return [None if v is None else run.array(function(v, where)) for v in value]
        return run.array(function(value, where))
    if not isinstance(value, list):
        return run.array(function(value, ()))
    assert expr.type is not None
    own, axes = own_axes(arg.type, expr.type), len(arg.type.axes)
    parts = [run.array(function(v, (*own, *range(axes, v.ndim)))) if k in run.active else None
             for k, v in enumerate(value)]
    if over == "tensor":
        return parts
    known = [p for p in parts if p is not None]
    if not known:
        return run.numbers.array(EMPTY[row.combine])
    return run.array(COMBINE[row.combine](np.stack(known), (0,)))
