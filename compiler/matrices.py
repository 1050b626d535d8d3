"""Matrices, cases and axes of tensors in the interpreter.

A family, one quantity for each axis of a tensor, is a tuple of arrays; a tensor that has none of a
quantity has None.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thetaprime.expr import Apply, Expr, Sym, walk
from thetaprime.guards import holds
from thetaprime.ir import EachAxis, Step, defined, reads, statements
from thetaprime.linalg import linear
from thetaprime.numbers import Array
from thetaprime.ops import LINEAR
from thetaprime.types import LENGTH, REST, Extent, Type, ranks, viewed

if TYPE_CHECKING:
    from thetaprime.evaluate import Run


class WrongTensor(ValueError):
    """A tensor that the step is not for."""


def families(step: Step) -> frozenset[str]:
    """The axes along which there is a quantity for each axis of a tensor."""
    return frozenset(s.axis for s in statements(step.body) if isinstance(s, EachAxis))


def refuse(step: Step, shapes: Sequence[tuple[int, ...]], paths: Sequence[str]) -> None:
    """Raises WrongTensor for one that the step cannot see as it says."""
    for shape, path in zip(shapes, paths, strict=True):
        if not holds(step.takes, {"rank": len(shape)}, path):
            seen = " and ".join(str(list(v)).replace("'", "") for v in step.views)
            raise WrongTensor(f"{step.name} sees tensors along {seen}, and the tensor {path} has "
                              f"the shape {shape}: leave it to another optimizer by a `route`")


def facts(run: Run, leaf: int) -> dict[str, int]:
    """What is known of a tensor before anything runs: rank, lengths of axes, whole numbers."""
    shape = run.shapes[leaf]
    found = {h.name: int(np.asarray(run.env[Sym(h.name)])) for h in run.step.hypers
             if h.type.kind == "int" and Sym(h.name) in run.env}
    found |= {"rank": len(shape), **run.lengths()}
    for view in run.step.views:
        least, most = ranks(view)
        if least <= len(shape) and most in (None, len(shape)):
            found |= viewed(shape, view)
    if run.axis is not None and run.axis[1] < len(shape):
        name, place = run.axis
        found |= {name: shape[place], REST: int(np.prod(shape, dtype=int)) // max(shape[place], 1)}
    return found


def length(axis: str, known: Mapping[str, int]) -> int:
    """The length of an axis, of ``min(rows, cols)`` too."""
    if axis.startswith("min("):
        inner, depth, parts = axis[4:-1], 0, [""]
        for char in inner:
            depth += (char == "(") - (char == ")")
            parts = [*parts, ""] if char == "," and not depth else [*parts[:-1], parts[-1] + char]
        return min(length(part.strip(), known) for part in parts)
    return int(axis) if axis.isdigit() else known[axis]


def fact(run: Run, symbol: Sym) -> list[Any]:
    """The rank of each tensor, or the length of an axis; None for those without it."""
    known = (facts(run, leaf).get(symbol.name) for leaf in range(len(run.shapes)))
    return [None if k is None else run.numbers.array(k) for k in known]


def structure(run: Run, expr: Apply) -> Any:
    """The value of an operation of `ops.LINEAR` or `ops.STRUCTURE`: tensor by tensor, or once for
    the model."""
    if expr.op == "case":
        return _case(run, expr)
    args = [run.value(a) for a in expr.args]
    assert expr.type is not None
    if expr.type.extent is Extent.SCALAR:
        return _of_model(run, expr, args)
    return [
        _one(run, expr, [a[leaf] if isinstance(a, list) else a for a in args], leaf)
        if leaf in run.active else None for leaf in range(len(run.shapes))]


def _of_model(run: Run, expr: Apply, args: list[Any]) -> Array:
    """The value of an operation on vectors and matrices of the whole model."""
    kept = length(expr.over[0], run.lengths()) if expr.over else 0
    if expr.op == "eye":
        return run.numbers.array(np.identity(kept, int))
    return linear(expr.op, args, run.numbers, kept or None)


def whole(op: str, value: Any, shapes: Sequence[tuple[int, ...]]) -> Any:
    """The tensors in one row, or a row cut into tensors; axes of the spec stay in front."""
    if op == "flat":
        lead = value[0].shape[: value[0].ndim - len(shapes[0])]
        return np.concatenate([v.reshape((*lead, -1)) for v in value], axis=-1)
    cuts = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])[:-1]
    return [part.reshape((*part.shape[:-1], *shape))
            for part, shape in zip(np.split(value, cuts, axis=-1), shapes, strict=True)]


def _one(run: Run, expr: Apply, args: list[Array], leaf: int) -> Array:
    if expr.op in LINEAR:
        kept = length(expr.over[0], facts(run, leaf)) if expr.over else None
        return linear(expr.op, args, run.numbers, kept)
    shape = run.shapes[leaf]
    if expr.op == "view":
        known = facts(run, leaf)
        own = tuple(known[a] for a in expr.over)
        return args[0].reshape(args[0].shape[: args[0].ndim - len(shape)] + own)
    if expr.op == "unview":
        return args[0].reshape(args[0].shape[: args[0].ndim - len(expr.over)] + shape)
    if expr.op == "eye":
        return run.numbers.array(np.identity(length(expr.over[0], facts(run, leaf)), int))
    if expr.op == "take":
        kind = expr.args[0].type
        assert kind is not None
        last = len(kind.axes) - 1 - kind.axes[::-1].index(expr.over[0])
        return np.take(args[0], args[1].astype(int), axis=last)
    assert run.axis is not None
    place = run.axis[1]
    if expr.op == "unfold":
        return np.moveaxis(args[0], place, 0).reshape(shape[place], -1)
    if expr.op == "along":
        one = [1] * len(shape)
        one[place] = shape[place]
        return np.broadcast_to(args[0].reshape(one), shape)
    moved = (shape[place], *shape[:place], *shape[place + 1:])
    return np.moveaxis(args[0].reshape(moved), 0, place)


def _case(run: Run, expr: Apply) -> list[Any]:
    """Of each tensor what the case that it takes makes of it."""
    assert expr.type is not None
    found: list[Any] = [None] * len(run.shapes)
    for guard, value in zip(expr.args[::2], expr.args[1::2], strict=True):
        some = run.only(guard)
        assert value.type is not None
        known = some.fitted(some.value(value), value.type, replace(expr.type, kind="real"))
        for leaf in some.active:
            found[leaf] = known[leaf]
    return found


def takers(run: Run, guard: Expr | None) -> frozenset[int]:
    """The tensors that satisfy a guard, of those for which something is computed."""
    if guard is None:
        return run.active
    return frozenset(k for k in run.active if holds(guard, facts(run, k), run.paths[k]))


def each_axis(run: Run, loop: EachAxis) -> None:
    """The body once for each axis of each tensor, with the parts of families that belong to it."""
    for carry in loop.carries:
        assert carry.start.type is not None
        assert carry.value.type is not None
        run.env[carry.value] = run.fitted(run.value(carry.start), carry.start.type,
                                          carry.value.type)
    made = [t for t in defined(loop.body) if t.type is not None and loop.axis in t.type.axes]
    read = {n for s in loop.body for e in reads(s) for n in walk(e)
            if isinstance(n, Sym) and n.type is not None and loop.axis in n.type.axes}
    given = {s: run.env[s] for s in read if s in run.env}
    before, around, turn = run.active, run.axis, run.turn
    parts: dict[Sym, list[list[Any]]] = {s: [[] for _ in run.shapes] for s in made}
    for place in range(max((len(run.shapes[k]) for k in before), default=0)):
        run.active = frozenset(k for k in before if len(run.shapes[k]) > place)
        run.axis, run.turn = (loop.axis, place), turn * 8 + place
        for symbol, family in given.items():
            run.env[symbol] = [family[k][place] if k in run.active else None
                               for k in range(len(run.shapes))]
        run.execute(loop.body)
        for symbol in made:
            for k in run.active:
                parts[symbol][k].append(run.env[symbol][k])
        for carry in loop.carries:
            old, new = run.env[carry.value], run.env[replace(carry.value, prime=True)]
            run.env[carry.value] = [new[k] if k in run.active else old[k]
                                    for k in range(len(run.shapes))]
    run.active, run.axis, run.turn = before, around, turn
    run.env |= given
    run.env |= {s: [tuple(p) if k in before else None for k, p in enumerate(found)]
                for s, found in parts.items()}


def started(run: Run, expr: Expr, kind: Type, along: Collection[str]) -> Any:
    """The start of a state: of a family, for each axis of each tensor."""
    assert expr.type is not None
    axis = next((a for a in kind.axes if a in along), None)
    if axis is None:
        return run.fitted(run.value(expr), expr.type, kind)
    found: list[list[Any]] = [[] for _ in run.shapes]
    before = run.active
    for place in range(max((len(run.shapes[k]) for k in before), default=0)):
        run.active = frozenset(k for k in before if len(run.shapes[k]) > place)
        run.axis = (axis, place)
        values = run.fitted(run.value(expr), expr.type, kind)
        for k in run.active:
            found[k].append(values[k])
    run.active, run.axis = before, None
    return [tuple(p) if k in before else None for k, p in enumerate(found)]


def is_fact(expr: Sym) -> bool:
    """Whether a symbol is known of a tensor before anything runs."""
    return expr.type == LENGTH


def own_axes(argument: Type, result: Type) -> tuple[int, ...]:
    """The places of the axes of a matrix that a reduction over the tensor removes."""
    if argument.extent is not Extent.TENSOR:
        return ()
    return tuple(i for i, axis in enumerate(argument.axes) if axis not in result.axes)
