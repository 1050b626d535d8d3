"""What claims compare, lane by lane in float64: by how much it is broken, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from thetaprime.claims.questions import Relation
from thetaprime.expr import Apply, Expr, Num, Sym

MARGIN = 1e-9  # of the larger side: below this a difference may be rounding
HOLDS: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater,
    ">=": np.greater_equal}
SAME = Relation("==", Sym("one"), Sym("two"))
Sides = Callable[[Expr], list[Any]]


def broken_by(op: str, left: Any, right: Any) -> tuple[Any, Any]:
    """How far each pair is from what a relation says, as a share of the larger side (0 where it
    holds to rounding), and which pairs are defined."""
    with np.errstate(all="ignore"):
        scale = np.maximum(abs(left), abs(right))
        defined = np.isfinite(left) & np.isfinite(right)
        share = np.where(scale > 0, abs(left - right)/scale, 0)
        if op in ("<", ">", "!="):
            bad = ~HOLDS[op](left, right) if op == "!=" else HOLDS[op[0] + "="](right, left)
            share = np.where(op == "!=", 1.0, np.maximum(share, 2*MARGIN))
        else:
            bad = ~HOLDS[op](left, right)
    return np.where(defined & bad & (share > MARGIN), share, 0.0), defined


def pairs(left: list[Any], right: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Both sides tensor by tensor, in equal shapes; lanes are the first axis. Nothing where no
    tensor has the one or the other."""
    if not left or not right:
        return
    count = max(len(left), len(right))
    if {len(left), len(right)} - {1, count}:
        raise ValueError("sides on different tensors")
    for k in range(count):
        a, b = left[k % len(left)], right[k % len(right)]
        rank = max(a.ndim, b.ndim)
        a, b = (v.reshape(v.shape[0], *(1,)*(rank - v.ndim), *v.shape[1:]) for v in (a, b))
        yield tuple(np.broadcast_arrays(a, b))


def everywhere(one: Relation, sides: Sides, lanes: int) -> Any:
    """In which lanes a condition holds in all entries."""
    found = np.ones(lanes, bool)
    for a, b in pairs(sides(one.left), sides(one.right)):
        with np.errstate(all="ignore"):
            true = HOLDS[one.op](a, b) & np.isfinite(a) & np.isfinite(b)
        found &= true.reshape(len(true), -1).all(1)
    return found


def compared(
    facts: Sequence[Relation], sides: Sides, active: Any
) -> tuple[Any, int]:
    """By how much each lane breaks the facts, and how many comparisons were made."""
    worst, points = np.zeros(len(active)), 0
    for one in facts:
        for a, b in pairs(sides(one.left), sides(one.right)):
            share, defined = broken_by(one.op, a, b)
            worst = np.maximum(worst, share.reshape(len(share), -1).max(1, initial=0))
            points += int(defined[active].sum())
    return np.where(active, worst, 0), points


def side_of(values: dict[Expr, list[Any]], lanes: int) -> Sides:
    def side(expr: Expr) -> list[Any]:
        if isinstance(expr, Num):
            return [np.full(lanes, float(expr.value))]
        if isinstance(expr, Apply) and expr.op == "true":
            return [np.ones(lanes)]
        return values[expr]

    return side
