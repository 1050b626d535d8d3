"""Relations between states that intervals cannot see, found by the form of their equations.

An average and an average of squares with the same decay b from 0 to 1, of the same q:

    m' = b*m + (1 - b)*q        v' = b*v + (1 - b)*q^2        v' - m'^2 = b*(v - m^2)
                                                                        + b*(1 - b)*(m - q)^2

so that v >= m^2 holds after a step if it held before: it does where m starts at 0 and v at no
less.
"""

from __future__ import annotations

from collections.abc import Mapping

from thetaprime.check.valuation import FRACTION, Facts, Valuation
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.intervals import NONNEGATIVE, Interval
from thetaprime.ir import Equation, Step, begun

_ONE, _TWO = Num("1"), Num("2")
# A state, its decay and what it averages.
Average = tuple[Sym, Expr, Expr]


def variances(step: Step, inputs: Mapping[Sym, Interval], start: Mapping[Sym, Interval]) -> Facts:
    """``v - m^2 >= 0`` for all such pairs of states, before and after a step."""
    values = Valuation(dict(inputs))
    given = begun(step.body)
    averages = [a for s in step.body if isinstance(s, Equation) and s.guard is None
                and (a := _average(s)) is not None
                and a[0] in start and a[0] not in given]
    squares: dict[tuple[Expr, Expr], list[Sym]] = {}
    for square, decay, squared in averages:
        if start[square].nonnegative:
            squares.setdefault((decay, squared), []).append(square)
    found: dict[Expr, Interval] = {}
    for mean, decay, of in averages:
        if not (start[mean].single and start[mean].low == 0 and values.of(decay).within(FRACTION)):
            continue
        for squared in (Apply("^", (of, _TWO)), Apply("*", (of, of))):
            for square in squares.get((decay, squared), ()):
                for prime in (False, True):
                    v, m = Sym(square.name, prime), Sym(mean.name, prime)
                    for power in (Apply("^", (m, _TWO)), Apply("*", (m, m))):
                        found[Apply("-", (v, power), type=square.type)] = NONNEGATIVE
    return found


def _average(equation: Equation) -> Average | None:
    """``m' = b*m + (1 - b)*q``."""
    match equation:
        case Equation(Sym(name, True), Apply("+", (Apply("*", (b, Sym(old, False) as m)),
                                                   Apply("*", (Apply("-", (one, c)), q))))):
            if name == old and one == _ONE and b == c:
                return m, b, q
    return None
