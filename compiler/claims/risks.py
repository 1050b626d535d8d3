"""Where a value is undefined, or infinite: polynomials that are 0 there. A normal form does not say
it, 1 is that of ``h/h``; but a comparison is false of what is undefined, and `default` takes over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from thetaprime.claims.algebra import Algebra, Value, Varies
from thetaprime.claims.functions import PARTIAL
from thetaprime.claims.polynomials import Poly, Ratio
from thetaprime.claims.terms import content
from thetaprime.expr import Apply, Expr, Sym
from thetaprime.intervals import REAL, Interval

if TYPE_CHECKING:
    from thetaprime.claims.symbolic import Symbolic

# The risk of what may be undefined where no polynomial says it.
ANYWHERE = Poly({})
UNSURE = replace(REAL, nan=True)


def nowhere(interval: Interval) -> bool:
    """Whether a risk is 0 in all of a case, so that nothing is defined there."""
    return interval.low == interval.high == 0


def inside(op: str, args: Sequence[Value]) -> bool:
    """Whether the arguments of an operation lie where it is defined and finite."""
    match op, args:
        case "sqrt", (a,):
            return a.interval.nonnegative
        case "ln", (a,):
            return a.interval.positive
        case "mod", (_, b):
            return b.interval.nonzero
        case "^", (a, b):
            return a.interval.positive or (
                (a.interval.nonnegative or b.interval.whole) and b.interval.nonnegative)
    return op not in PARTIAL


def likeness(run: Symbolic, expr: Expr, known: dict[Expr, object]) -> object:
    """The same for what is computed in the same way: of what is defined its normal form, of all
    else the operation and its arguments. Quantities of which there is no equation are like none."""
    from thetaprime.claims.symbolic import Split, Undefined, Unknown

    if isinstance(expr, Sym) and expr in known:
        return known[expr]
    outer, run.risky = run.risky, set()
    value, defined = None, False
    try:
        value = run.of(expr)
        defined = all(run.algebra.interval(risk).nonzero for risk in run.risky)
    except (Split, Undefined, Unknown):
        pass
    run.risky = outer
    ratio = None if value is None else value.ratio
    if defined:
        return ratio
    if isinstance(expr, Apply):
        return (expr.op, expr.over, *((str(a.type), likeness(run, a, known)) for a in expr.args))
    if isinstance(expr, Sym):
        known[expr] = ratio, (likeness(run, run.equations[expr], known) if expr in run.equations
                              else len(run.algebra.numbers))
    return known[expr]


def anywhere(algebra: Algebra, risk: Poly, gone: Varies, extent: tuple[object, ...]) -> Poly:
    """The risk of a reduction along ``gone``: least(risk^2), 0 where the risk is in one entry."""
    value = algebra.value(Ratio(risk))
    if value.interval.nonzero or not algebra.varies(value.ratio) & gone:
        return risk
    outside, rest = content(algebra, value.ratio, gone)
    square = algebra.power(algebra.value(rest), 2)
    least = algebra.call(
        "min", [square], algebra.varies(value.ratio) - gone, square.interval, extent)
    return algebra.multiply(algebra.value(outside), least).ratio.num
