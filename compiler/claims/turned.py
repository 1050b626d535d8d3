"""A state seen as another one is kept: a tensor as a matrix, a matrix as its transpose."""

from __future__ import annotations

from dataclasses import dataclass, replace

from thetaprime.claims.algebra import Value
from thetaprime.claims.symbolic import Symbolic
from thetaprime.expr import Apply, Expr, Sym
from thetaprime.ir import Step
from thetaprime.types import PER_ENTRY, PER_TENSOR, Extent, Type


@dataclass(frozen=True)
class Turned:
    """A state of type ``kind`` after the operations ``ops``, each with the type that it gives."""

    kind: Type
    ops: tuple[tuple[str, tuple[str, ...], Type], ...]

    def expr(self, name: str, prime: bool) -> Expr:
        """The state as it is seen."""
        found: Expr = Sym(name, prime, self.kind)
        for op, over, kind in self.ops:
            found = Apply(op, (found,), over, type=kind)
        return found

    def of(self, run: Symbolic, name: str, prime: bool) -> Value:
        """Its value in an executed step."""
        return run.of(self.expr(name, prime))


def seen(step: Step, mine: Type, theirs: Type) -> Turned | None:
    """How a state of the first type may be kept as one of the other."""
    views = [v for v in step.views if len(v) == 2]
    matrix = replace(PER_TENSOR, axes=theirs.axes)
    back = theirs.axes[::-1]
    if mine.extent is Extent.ENTRY and theirs.extent is Extent.TENSOR and not mine.axes:
        if theirs.axes in views:
            return Turned(mine, (("view", theirs.axes, matrix),))
        if back in views:
            return Turned(mine, (("view", back, replace(PER_TENSOR, axes=back)),
                                 ("T", (), matrix)))
    if mine.extent is Extent.TENSOR and theirs == PER_ENTRY:
        if mine.axes in views:
            return Turned(mine, (("unview", mine.axes, PER_ENTRY),))
        if mine.axes[::-1] in views:
            over = mine.axes[::-1]
            return Turned(mine, (("T", (), replace(PER_TENSOR, axes=over)),
                                 ("unview", over, PER_ENTRY)))
    if mine.extent is theirs.extent is Extent.TENSOR and mine.axes == back != theirs.axes and (
            len(back) == 2):
        return Turned(mine, (("T", (), matrix),))
    return None
