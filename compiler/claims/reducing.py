"""Reductions of values: sums are taken apart, and what is one number for all leaves them.

    sum(c*p + q) = c*sum(p) + sum(q)        max(c*p) = c*max(p) for c >= 0
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.polynomials import Poly, Ratio
from thetaprime.claims.risks import anywhere
from thetaprime.claims.terms import content, terms
from thetaprime.expr import Apply
from thetaprime.forward import REDUCED
from thetaprime.intervals import COUNT, EITHER, defined, meet, point
from thetaprime.types import Type, own_axes

if TYPE_CHECKING:
    from thetaprime.claims.symbolic import Symbolic


def reduced(run: Symbolic, expr: Apply, kind: Type, over: str) -> Value:
    """A reduction of a quantity of type ``kind``."""
    from thetaprime.claims.symbolic import Unknown

    gone = removed(run, kind, over)
    if gone & run.split:
        raise Unknown("cases that differ from entry to entry, inside of a reduction")
    algebra = run.algebra
    extent = (over, kind.extent.name, kind.axes)
    if expr.op == "size":
        return _size(run, kind, over, gone)
    outer, run.risky = run.risky, set()
    value = run.of(expr.args[0])
    run.risky = outer | {anywhere(algebra, poly, gone, extent) for poly in run.risky}
    match expr.op:
        case "sum":
            return summed(algebra, value, gone, extent, _size(run, kind, over, gone))
        case "mean":
            size = _size(run, kind, over, gone)
            return algebra.divide(summed(algebra, value, gone, extent, size), size)
    if not algebra.varies(value.ratio) & gone:
        return value
    kept = algebra.varies(value.ratio) - gone
    if expr.op in ("all", "any"):
        return algebra.call(expr.op, [value], kept, EITHER, extent)
    outside, rest = content(algebra, value.ratio, gone)
    factor = algebra.value(outside)
    if not factor.interval.nonnegative:
        factor, rest = algebra.number(1), value.ratio
    inner = algebra.value(rest)
    found = algebra.call(expr.op, [inner], kept, defined(REDUCED[expr.op](inner.interval)), extent)
    return algebra.multiply(factor, found)


def removed(run: Symbolic, kind: Type, over: str) -> frozenset[str]:
    """Along what the result no longer varies."""
    if over not in ("model", "tensor"):
        return frozenset({over})
    own = frozenset(own_axes(kind, {a.name for a in run.step.axes}))
    return own | ({"entry", "tensor"} if over == "model" else {"entry"})


def _size(run: Symbolic, kind: Type, over: str, gone: frozenset[str]) -> Value:
    """How many there are: over an axis, of a tensor, of the model."""
    for axis in run.step.axes:
        if axis.name == over and isinstance(axis.length, int):
            return run.algebra.number(axis.length)
    own = frozenset(kind.axes) & gone
    varies = frozenset({"tensor"}) if over != "model" and (
        over == "tensor" or over not in {a.name for a in run.step.axes}) else frozenset()
    key = ("size", over, kind.extent.name if over == "model" else "", tuple(sorted(own)))
    return run.algebra.atom(key, varies, COUNT)


def summed(
    algebra: Algebra, value: Value, gone: frozenset[str], extent: tuple[object, ...], size: Value
) -> Value:
    """A sum of terms, each with what leaves it."""
    total = algebra.number(0)
    for outside, part in terms(algebra, value.ratio, gone):
        if part.constant is not None:
            one = algebra.multiply(algebra.value(outside), algebra.multiply(
                algebra.number(part.constant), size))
        else:
            inner = algebra.value(part)
            interval = defined(REDUCED["sum"](inner.interval))
            atom = algebra.atom(("sum", extent, part), algebra.varies(part) - gone, interval)
            one = algebra.multiply(algebra.value(outside), atom)
        total = algebra.add(total, one)
    interval = defined(REDUCED["sum"](value.interval))
    return algebra.value(total.ratio, meet(total.interval, interval))


def gathered(algebra: Algebra, poly: Poly) -> list[tuple[int, Ratio]]:
    """The sums in a polynomial that stand for it in single terms."""
    found = []
    for monomial in poly.terms:
        for atom, exponent in monomial:
            match algebra.key(atom):
                case ("sum", _, Ratio() as inside) if exponent == 1:
                    found.append((atom, inside))
    return found


ZERO = point(Fraction(0))
