"""The algebra of units: X^a*L^b with rational exponents, and equations between them.

Parameters have the unit X, the loss L, outputs of the model O; a gradient has L/X. What is not
known yet is an unknown, and an equation of units is a linear one in the exponents, solved exactly
by Gauss elimination over the rationals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True, slots=True)
class Atom:
    """A factor of a unit. ``base``: X, L or O. ``unknown``: solved for. ``number``: the unknown
    unit that a literal hides. ``rigid``: one that depends on a value, as that of a^p does."""

    kind: Literal["base", "unknown", "number", "rigid"]
    name: str

    @property
    def free(self) -> bool:
        """Whether it stands for a unit that equations decide."""
        return self.kind in ("unknown", "number")


@dataclass(frozen=True, slots=True)
class Unit:
    """A product of powers; no exponent is zero."""

    powers: Mapping[Atom, Fraction] = field(default_factory=dict)

    def __mul__(self, other: Unit) -> Unit:
        powers = dict(self.powers)
        for atom, power in other.powers.items():
            powers[atom] = powers.get(atom, Fraction(0)) + power
        return Unit({a: p for a, p in powers.items() if p})

    def __pow__(self, exponent: Fraction | int) -> Unit:
        return Unit({a: p * exponent for a, p in self.powers.items() if exponent})

    def __truediv__(self, other: Unit) -> Unit:
        return self * other**-1

    def of(self, kind: str) -> Iterator[Atom]:
        """The atoms of one kind in it."""
        return (a for a in self.powers if a.kind == kind)

    @property
    def settled(self) -> bool:
        """Whether it is a power of X, L and O and nothing else."""
        return all(a.kind == "base" for a in self.powers)

    def power(self, base: Unit) -> Fraction:
        """The exponent of X, of L or of O."""
        (atom,) = base.powers
        return self.powers.get(atom, Fraction(0))

    def __str__(self) -> str:
        """As people write it: ``L/X``, ``X^2/L``, ``sqrt(L)``, ``1``."""
        order = sorted(self.powers, key=lambda a: (a.kind != "base", a.name))
        top = [_power(a, self.powers[a]) for a in order if self.powers[a] > 0]
        bottom = [_power(a, -self.powers[a]) for a in order if self.powers[a] < 0]
        under = "*".join(bottom)
        under = f"({under})" if len(bottom) > 1 else under
        return "*".join(top or ["1"]) + (f"/{under}" if bottom else "")


def _power(atom: Atom, power: Fraction) -> str:
    name = atom.name if atom.kind == "base" else f"unit({atom.name})"
    if power == 1:
        return name
    if power == Fraction(1, 2):
        return f"sqrt({name})"
    return f"{name}^{power}" if power.denominator == 1 else f"{name}^({power})"


ONE = Unit()
X, L, O = (Unit({Atom("base", name): Fraction(1)}) for name in "XLO")  # noqa: E741
GRADIENT = L / X

# What people call these units.
_WORDS: tuple[tuple[Unit, str], ...] = (
    (ONE, "no unit"), (X, "the unit of the parameters"), (GRADIENT, "the unit of a gradient"),
    (GRADIENT**2, "the unit of a squared gradient"), (L, "the unit of the loss"),
    (X**2, "the unit of a squared parameter"), (O, "the unit of the model's outputs"),
    (L / X**2, "the unit of a second derivative, L/X^2"),
)


def words(unit: Unit) -> str:
    """``the unit of a gradient``; for other units ``the unit X^2/L``."""
    return next((text for known, text in _WORDS if known == unit), f"the unit {unit}")


@dataclass
class Solver:
    """Equations of units, solved as they come.

    Invariant: no unit in ``solved`` has an atom that is itself solved, so that `known` is one
    substitution. A solved atom equals its unit in every solution.
    """

    solved: dict[Atom, Unit] = field(default_factory=dict)
    # Solved atoms whose units have (or had) an atom in them.
    _users: dict[Atom, set[Atom]] = field(default_factory=dict, repr=False)

    def known(self, unit: Unit) -> Unit:
        """The unit with everything put in that the equations say."""
        found = ONE
        for atom, power in unit.powers.items():
            found *= self.solved.get(atom, Unit({atom: Fraction(1)})) ** power
        return found

    def equate(self, left: Unit, right: Unit) -> Unit:
        """Adds left = right. Gives ONE, or left/right if no choice of the unknowns makes it so:
        then nothing was added."""
        rest = self.known(left / right)
        pivot = next(rest.of("number"), None) or next(rest.of("unknown"), None)
        if pivot is None:
            return rest
        power = rest.powers[pivot]
        # pivot^power * others = 1
        others = Unit({a: p for a, p in rest.powers.items() if a != pivot})
        value = others ** (-1 / power)
        for atom in self._users.pop(pivot, ()):
            if pivot in self.solved[atom].powers:
                self._solve(atom, _replaced(self.solved[atom], pivot, value))
        self._solve(pivot, value)
        return ONE

    def _solve(self, atom: Atom, value: Unit) -> None:
        self.solved[atom] = value
        for other in value.powers:
            self._users.setdefault(other, set()).add(atom)


def _replaced(unit: Unit, atom: Atom, value: Unit) -> Unit:
    rest = Unit({a: p for a, p in unit.powers.items() if a != atom})
    return rest * value ** unit.powers[atom]
