"""Guarantees: a tensor that is seen as a matrix goes back to one number per entry, by the shortest
way: what works entry by entry needs no view at all."""

from __future__ import annotations

from thetaprime.expr import Apply, Expr, walk
from thetaprime.ops import OPS
from thetaprime.types import Extent, Type


def is_seen(kind: Type, view: tuple[str, ...]) -> bool:
    """Whether a type is that of a tensor seen along the axes of a view."""
    return kind.extent is Extent.TENSOR and kind.axes[max(0, len(kind.axes) - len(view)):] == view


def spread(expr: Expr, view: tuple[str, ...]) -> Expr:
    """The tensor that is seen along a view, one number per entry."""
    kind = expr.type
    assert kind is not None
    entries = Type(Extent.ENTRY, kind.axes[: len(kind.axes) - len(view)], kind.kind)
    if isinstance(expr, Apply) and expr.op == "view":
        return expr.args[0]
    if isinstance(expr, Apply) and expr.op in OPS and expr.args and not expr.over and all(
            is_seen(a.type, view) or not set(a.type.axes) & set(view)
            for a in expr.args if a.type is not None):
        args = tuple(spread(a, view) if a.type is not None and is_seen(a.type, view) else a
                     for a in expr.args)
        return Apply(expr.op, args, type=entries, span=expr.span)
    return Apply("unview", (expr,), view, entries, expr.span)


def without_views(expr: Expr, view: tuple[str, ...]) -> Expr:
    """The same, if no view is left in it; else the matrix as it is."""
    kind = expr.type
    if kind is None or not view or not is_seen(kind, view):
        return expr
    flat = spread(expr, view)
    left = any(isinstance(n, Apply) and n.op == "unview" for n in walk(flat))
    return expr if left else flat
