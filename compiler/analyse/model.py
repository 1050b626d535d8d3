"""What all passes through a linearised step share: symbols, opaque ones, and limits in t."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import sympy

from thetaprime.analyse.vectors import Bent
from thetaprime.expr import Expr, Sym
from thetaprime.ir import Range, Step
from thetaprime.source import Source


@dataclass(frozen=True)
class Atom:
    """What an opaque symbol stands for, and the part of the spec that made it opaque.

    ``fast``: made of this step's vectors alone, so that it follows the gradient at once;
    ``drawn``: a random number is in it; ``vanishes``: it goes to 0 with the vectors."""

    shown: Expr
    cause: Expr
    source: Source
    why: str
    fast: bool = False
    drawn: bool = False
    vanishes: bool = False


@dataclass
class Model:
    """What all passes through a step share."""

    step: Step
    hypers: Mapping[str, Any]  # name -> symbol or number; a list for those along an axis
    ranges: Mapping[Any, Range | None]
    typical: Mapping[Any, Any]  # symbol -> a number inside of its range
    h: Any
    t: Any = field(default_factory=lambda: sympy.Symbol("t", integer=True, positive=True))
    atoms: dict[Any, Atom] = field(default_factory=dict)
    made: dict[object, Any] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    frozen: dict[str, Bent | Atom | None] = field(default_factory=dict)  # state -> why
    limits: dict[str, Any] = field(default_factory=dict)  # scalar state -> its limit
    assumed: dict[str, None] = field(default_factory=dict)
    periods: dict[int, tuple[Expr, Source]] = field(default_factory=dict)

    def restart(self) -> None:
        """Forgets what earlier passes found, but for the states that they froze."""
        self.atoms.clear()
        self.made.clear()
        self.taken.clear()
        self.assumed.clear()

    def opaque(self, formula: Any) -> list[Any]:
        """The opaque symbols in a formula, in a fixed order."""
        return sorted((s for s in formula.free_symbols if s in self.atoms), key=str)

    def symbol(self, name: str, key: object, atom: Atom) -> Any:
        """The positive symbol of a key, by the first name that no other has."""
        if key not in self.made:
            self.taken = self.taken or {str(s) for s in (*self.ranges, self.h)}
            shown, count = name, 1
            while shown in self.taken:
                count += 1
                shown = f"{name}_{count}"
            self.taken.add(shown)
            self.made[key] = sympy.Symbol(shown, positive=True)
            if count > 1 and isinstance(atom.shown, Sym):
                atom = replace(atom, shown=Sym(shown))
            self.atoms[self.made[key]] = atom
        return self.made[key]

    def settle(self, formula: Any) -> Any:
        """The limit of a scalar as t goes to infinity; None where it is not known or trivial."""
        if not formula.has(self.t):
            return formula
        t = self.t

        def vanishes(power: Any) -> bool:
            if not (power.is_Pow and power.exp.has(t) and not power.base.has(t)):
                return False
            rate = sympy.diff(power.exp, t)
            low = self.low(power.base)
            return bool(low and not rate.has(t) and rate.is_positive)

        formula = formula.replace(vanishes, lambda power: sympy.Integer(0))
        if not formula.has(t):
            return formula
        if formula.is_rational_function(t):
            found = sympy.limit(formula, t, sympy.oo)
            if found.is_finite and found != 0:
                return found
        return None

    def low(self, base: Any) -> bool:
        """Whether a scalar lies in [0, 1) for all hyperparameters in their ranges."""
        if base.is_number:
            return bool(0 <= base < 1)
        bounds = self.ranges.get(base)
        if base.is_Pow and base.exp.is_positive and base.exp.is_number:
            return self.low(base.base)
        return bounds is not None and bounds.low is not None and bounds.low >= 0 and (
            bounds.high is not None and bounds.high <= 1)


def exact(value: Fraction | float | int) -> Any:
    """A number of a spec, or what a user typed, as an exact one: 0.1 is one tenth."""
    found = value if isinstance(value, Fraction) else Fraction(repr(value))
    return sympy.Rational(found.numerator, found.denominator)
