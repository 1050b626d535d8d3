"""Vectors of a linearised step: coefficients in the point and the states before the step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thetaprime.expr import Expr
from thetaprime.source import Source

# A quantity before the step: its name, and its lane along named axes.
Coordinate = tuple[str, tuple[int, ...]]


def lane_name(name: str, lane: tuple[int, ...]) -> str:
    """``v``, or ``v[2]`` for one lane of it."""
    return name + "".join(f"[{k}]" for k in lane)


@dataclass(frozen=True, slots=True)
class Linear:
    """sum of coefficient * coordinate; the coefficients are sympy expressions."""

    parts: Mapping[Coordinate, Any]

    def __add__(self, other: Linear | Bent) -> Linear | Bent:
        if isinstance(other, Bent):
            return other
        keys = dict.fromkeys([*self.parts, *other.parts])
        return Linear({k: self.parts.get(k, 0) + other.parts.get(k, 0) for k in keys})

    def __sub__(self, other: Linear | Bent) -> Linear | Bent:
        return self + (-other)

    def __neg__(self) -> Linear:
        return self * -1

    def __mul__(self, factor: Any) -> Linear:
        return Linear({k: c * factor for k, c in self.parts.items()})

    def __truediv__(self, divisor: Any) -> Linear:
        return Linear({k: c / divisor for k, c in self.parts.items()})


@dataclass(frozen=True, slots=True)
class Bent:
    """A vector that is not linear, because of ``expr`` in ``source``. It stays so."""

    expr: Expr
    source: Source
    why: str

    def __add__(self, other: Linear | Bent) -> Bent:
        return self

    __sub__ = __add__

    def __neg__(self) -> Bent:
        return self

    def __mul__(self, factor: Any) -> Bent:
        return self

    __truediv__ = __mul__
