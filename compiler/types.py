"""What a quantity varies along: extents and named axes.

A model is a tree of tensors and a tensor has entries. A `Type` says along which of these a
quantity varies: ``scalar`` (one number for the model), ``per tensor``, ``per entry`` (the
parameter's own shape), and named axes beside them. A matrix ``matrix[rows, cols]`` is
``per tensor`` with the two axes ``rows`` and ``cols``; an axis may stand twice, ``matrix[a, a]``.

All entries of the model in one row lie along the axis ``params``: ``vector[params]`` and
``matrix[params, params]`` are ``scalar`` with these axes, one array for the whole model.

A `view` names the axes of a tensor: ``matrix[rows, rest]`` keeps the first and flattens all others,
``tensor[rest, rows, cols]`` keeps the last two; ``rest`` is the product of the axes not named.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Extent(IntEnum):
    """Ordered by size: a smaller extent broadcasts into a larger one, never the other way."""

    SCALAR = 0
    TENSOR = 1
    ENTRY = 2


Kind = Literal["real", "int", "bool", "function"]


@dataclass(frozen=True, slots=True)
class Type:
    """An array of this type has shape ``(*axes, *entry shape)``; the latter only for ENTRY."""

    extent: Extent = Extent.ENTRY
    axes: tuple[str, ...] = ()
    kind: Kind = "real"

    def __str__(self) -> str:
        words = {Extent.SCALAR: "scalar", Extent.TENSOR: "per tensor", Extent.ENTRY: "per entry"}
        axes = f"[{', '.join(self.axes)}]" if self.axes else ""
        return words[self.extent] + axes

    def fits(self, target: Type) -> bool:
        """Whether a value of this type broadcasts into ``target``."""
        return self.extent <= target.extent and set(self.axes) <= set(target.axes)

    def of_kind(self, kind: Kind) -> Type:
        return Type(self.extent, self.axes, kind)


SCALAR = Type(Extent.SCALAR)
INTEGER = Type(Extent.SCALAR, kind="int")
BOOLEAN = Type(Extent.SCALAR, kind="bool")
FUNCTION = Type(Extent.SCALAR, kind="function")
PER_TENSOR = Type(Extent.TENSOR)
PER_ENTRY = Type(Extent.ENTRY)


REST = "rest"
# All entries of the model, tensor after tensor in the order of the tree.
PARAMS = "params"
# Outputs of the model, which programs keep in the shape that the model gives them.
OUTPUTS = "outputs"
# The axis of an identity whose size nothing has said yet.
ANY = "I"
# One number for each tensor that is known before anything runs: its rank, the length of an axis.
LENGTH = Type(Extent.TENSOR, kind="int")


def join(types: tuple[Type, ...]) -> Type:
    """The smallest type that all of these broadcast into. Axes go by name: the type with most of
    them says their order, those that only others have stand before it."""
    extent = max((t.extent for t in types), default=Extent.SCALAR)
    longest = max((t.axes for t in types), key=len, default=())
    others = (axis for t in types for axis in t.axes if axis not in longest)
    kinds = {t.kind for t in types}
    kind: Kind = "bool" if kinds == {"bool"} else "int" if kinds == {"int"} else "real"
    return Type(extent, (*dict.fromkeys(others), *longest), kind)


def own_axes(kind: Type, named: Collection[str]) -> tuple[str, ...]:
    """The axes of a matrix or vector: those that the spec does not name; of one for the whole
    model, ``params``."""
    if kind.extent is Extent.SCALAR:
        return tuple(axis for axis in kind.axes if axis in (PARAMS, ANY))
    if kind.extent is Extent.ENTRY:
        return ()
    return tuple(axis for axis in kind.axes if axis not in named)


def of_model(kind: Type) -> bool:
    """Whether a type is that of a vector or matrix of the whole model, along ``params``."""
    return kind.extent is Extent.SCALAR and PARAMS in kind.axes


def is_matrix(kind: Type, whole: bool) -> bool:
    """Whether linear algebra takes a quantity; ``whole``: beside one that lies along ``params``."""
    if kind.extent is not Extent.SCALAR:
        return kind.extent is Extent.TENSOR
    return bool(kind.axes) and OUTPUTS not in kind.axes and (
        whole or PARAMS in kind.axes or ANY in kind.axes)


def type_text(kind: Type, named: Collection[str]) -> str:
    """A type as a spec would write it."""
    if not own_axes(kind, named):
        return str(kind)
    if ANY in kind.axes:
        return "matrix[n, n]"
    words = {1: "vector", 2: "matrix"}
    return f"{words.get(len(kind.axes), 'tensor')}[{', '.join(kind.axes)}]"


def reduced(argument: Type, over: str, named: Collection[str]) -> Type:
    """The type left after a reduction of ``argument`` over ``model``, ``tensor`` or an axis.

    What a reduction runs over is gone from the type; all else stays. ``model`` removes entries
    and tensors, ``tensor`` the entries. All axes but those ``named`` by the spec are a matrix's
    own, and entries of it.
    """
    if over in ("model", "tensor"):
        axes = argument.axes
        if argument.extent is Extent.TENSOR:
            axes = tuple(axis for axis in axes if axis in named)
        extent = Extent.SCALAR if over == "model" else min(argument.extent, Extent.TENSOR)
        return Type(extent, axes)
    return Type(argument.extent, tuple(axis for axis in argument.axes if axis != over))


def places(view: Sequence[str]) -> dict[str, slice]:
    """The axes of a tensor that each axis of a view stands for: ``rest`` for all that are left."""
    if REST not in view:
        return {axis: slice(i, i + 1) for i, axis in enumerate(view)}
    at = view.index(REST)
    after = len(view) - at - 1
    found = {axis: slice(i, i + 1) for i, axis in enumerate(view[:at])}
    found[REST] = slice(at, -after or None)
    for i, axis in enumerate(view[at + 1:]):
        end = i + 1 - after
        found[axis] = slice(end - 1, end or None)
    return found


def viewed(shape: Sequence[int], view: Sequence[str]) -> dict[str, int]:
    """The lengths of the axes of a view of a tensor."""
    return {axis: math.prod(shape[place]) for axis, place in places(view).items()}


def ranks(view: Sequence[str]) -> tuple[int, int | None]:
    """The least and the largest rank of tensors that can be seen so; None: any."""
    own = len([axis for axis in view if axis != REST])
    return own, (None if REST in view else own)
