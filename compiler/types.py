"""What a quantity varies along: extents and named axes.

A model is a tree of tensors and a tensor has entries. A `Type` says along which of these a
quantity varies: ``scalar`` (one number for the model), ``per tensor``, ``per entry`` (the
parameter's own shape), and named axes beside them. A matrix ``matrix[rows, cols]`` is
``per tensor`` with the two axes ``rows`` and ``cols``.
"""

from __future__ import annotations

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


def join(types: tuple[Type, ...]) -> Type:
    """The smallest type that all of these broadcast into; axes go by name, in first-seen order."""
    extent = max((t.extent for t in types), default=Extent.SCALAR)
    axes = tuple(dict.fromkeys(axis for t in types for axis in t.axes))
    kinds = {t.kind for t in types}
    kind: Kind = "bool" if kinds == {"bool"} else "int" if kinds == {"int"} else "real"
    return Type(extent, axes, kind)


def reduced(argument: Type, over: str) -> Type:
    """The type left after a reduction of ``argument`` over ``model``, ``tensor`` or an axis.

    What a reduction runs over is gone from the type; all else stays. ``model`` removes entries
    and tensors, ``tensor`` removes the entries (and a matrix's own axes are entries of it).
    """
    if over == "model":
        return Type(Extent.SCALAR, argument.axes)
    if over == "tensor":
        return Type(min(argument.extent, Extent.TENSOR), argument.axes)
    return Type(argument.extent, tuple(axis for axis in argument.axes if axis != over))
