"""What follows from the units of a step: how its hyperparameters go with the loss and the
parameters.

With gradients and losses times c, and every hyperparameter of unit X^a*L^b times c^b, a step makes
the same points; with the parameters times c and every hyperparameter times c^a, c times the points.
This holds where `Units.complete`.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from thetaprime.infer_units import Units
from thetaprime.units import L, Unit, X

TITLE = "units, with parameters in X and the loss in L"
_DEPENDS = "depends on a value"


def exponents(units: Units, base: Unit) -> dict[str, Fraction]:
    """The hyperparameters that have the unit X, or L, to some power: that power."""
    found = {name: unit.power(base) for name, unit in (units.hypers | units.bound).items()}
    return {name: power for name, power in found.items() if power}


def unit_rows(units: Units) -> Iterator[tuple[str, ...]]:
    """Hyperparameters and states with their units."""
    for name, unit in (units.hypers | units.bound | units.states).items():
        yield (name, str(unit) if unit.settled else _DEPENDS)


def scaling_rows(units: Units) -> Iterator[tuple[str, ...]]:
    """What to do with the hyperparameters in other units."""
    if not units.complete:
        why = ("`thetaprime check` tells what has no single unit" if units.clashes or units.hidden
               else "units depend on values")
        yield ("unknown", why)
        return
    for what, base in (("the loss times c", L), ("parameters times c", X)):
        changes = [f"{name} times {_factor(power)}"
                   for name, power in exponents(units, base).items()]
        yield (what, ", ".join(changes) or "nothing changes")


def _factor(power: Fraction) -> str:
    """``c^2``, ``1/c``, ``sqrt(c)``."""
    size = abs(power)
    text = ("c" if size == 1 else "sqrt(c)" if size == Fraction(1, 2)
            else f"c^{size}" if size.denominator == 1 else f"c^({size})")
    return text if power > 0 else f"1/{text}"
