"""Expressions and plain statements as NumPy text.

NumPy and jax.numpy share the names of what a `Writer` calls, so its text is taken over; this file
holds what differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from thetaprime.backends.jax_align import typed
from thetaprime.backends.jax_expr import Plain, Writer
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ir import First
from thetaprime.render import ATOM
from thetaprime.types import Extent

# What jax.numpy has beside NumPy.
CALLS = {"tri_solve": "np.linalg.solve({0}, {1})", "expm": "_expm({0})"}


@dataclass(frozen=True)
class ArrayWriter(Writer):
    """A writer of NumPy text."""

    def show(self, expr: Expr, least: int = 0) -> str:
        return numpy_text(super().show(expr, least))

    def fact(self, expr: Expr, least: int = 0) -> str:
        return numpy_text(super().fact(expr, least))

    def number(self, text: str) -> str:
        """A number of the model of what the caller gives."""
        return f"dtype({text})"

    def real(self, text: str) -> str:
        return self.number(text)

    def statement(self, statement: Plain) -> list[str]:
        if isinstance(statement, First):
            name = self.name(statement.target)
            value = self.filled(statement.target, statement.value)
            return [f"{name} = {value} if count == 1 else {name}"]
        return [numpy_text(line) for line in super().statement(statement)]

    def _special(
        self, expr: Apply, show: Callable[[Expr, int], str]
    ) -> tuple[str, int] | None:
        if expr.op == "put":
            what, index, value = expr.args
            place = typed(what).axes.index(expr.over[0])
            more = f", {place}" if place else ""
            return f"_put({show(what, 0)}, {show(index, 0)}, {show(value, 0)}{more})", ATOM
        return super()._special(expr, show)

    def _call(self, expr: Apply, args: list[str]) -> str:
        if expr.op in CALLS:
            return CALLS[expr.op].format(*args)
        return super()._call(expr, args)

    def filled(self, target: Sym, value: Expr) -> str:
        kind = typed(target)
        zero = isinstance(value, Num) and value.value == 0
        if not zero or (kind.extent is not Extent.ENTRY and not kind.axes):
            return numpy_text(super().filled(target, value))
        dims = [self.length(a) for a in kind.axes]
        dtype = "dtype"
        if self.like is not None:
            like = self.name(self.like)
            if kind.extent is Extent.ENTRY and not dims:
                return f"np.zeros_like({like})"
            dims += [f"*{like}.shape"] * (kind.extent is Extent.ENTRY)
            dtype = f"{like}.dtype"
        shape = f"({', '.join(dims)}{',' * (len(dims) == 1)})"
        return f"np.zeros({shape}, {dtype})"


def numpy_text(text: str) -> str:
    return re.sub(r"\bjnp\.", "np.", text)
