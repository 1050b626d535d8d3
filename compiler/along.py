"""Operations along one named axis, on the values of the interpreter: ``G[j]``, windows, orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from thetaprime.expr import Apply


def along(expr: Apply, args: list[Any], lengths: Mapping[str, int]) -> Any:
    """The value of an operation of `ops.ALONG`; a quantity is one array or one for each tensor."""
    (axis,) = expr.over
    if expr.op == "index":
        return np.arange(lengths[axis])
    assert expr.args[0].type is not None
    place = expr.args[0].type.axes.index(axis)
    rest = args[1:]
    if not isinstance(args[0], list):
        return _ONE[expr.op](args[0], place, *rest)
    return [None if a is None else
            _ONE[expr.op](a, place, *(r[k] if isinstance(r, list) else r for r in rest))
            for k, a in enumerate(args[0])]


def _at(a: Any, place: int, index: Any) -> Any:
    return np.moveaxis(a, place, 0)[int(index), ...]


def _put(a: Any, place: int, index: Any, value: Any) -> Any:
    new = np.array(a)
    np.moveaxis(new, place, 0)[int(index)] = value
    return new


def _shift(a: Any, place: int, value: Any) -> Any:
    moved = np.moveaxis(a, place, 0)
    newest = np.broadcast_to(value, moved.shape[1:])[None]
    return np.moveaxis(np.concatenate([newest, moved[:-1]]), 0, place)


def _argsort(a: Any, place: int) -> Any:
    return np.argsort(a, axis=place, kind="stable")


_ONE: dict[str, Callable[..., Any]] = {
    "at": _at, "put": _put, "shift": _shift, "argsort": _argsort}
