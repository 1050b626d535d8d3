"""What a spec means: one step as typed equations, on one screen.

A `Step` is flat: nothing is inherited, no function is left to expand, every name is defined once
and before its use. Expressions are those of `expr`; every op is a row of `ops`, every node has its
type. Inputs of a step are the point that training holds (``Sym(step.point)``), its gradient
(``Sym("g")``), the loss there (``Sym("loss")``), the number of the step ``Sym("t")`` (1 at the
first), the hyperparameters and the states before the step. Outputs are the primed symbols of the
point and of every state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from thetaprime.expr import Expr, Sym
from thetaprime.source import NO_SOURCE, NOWHERE, Source, Span
from thetaprime.types import SCALAR, Type


@dataclass(frozen=True, slots=True)
class Range:
    """The declared range of a hyperparameter; None is an infinite end."""

    low: Fraction | None
    high: Fraction | None
    low_closed: bool
    high_closed: bool

    def __contains__(self, value: Fraction | float) -> bool:
        low, high = self.low, self.high
        least = float("-inf") if low is None else low
        most = float("inf") if high is None else high
        above = value >= least if self.low_closed else value > least
        below = value <= most if self.high_closed else value < most
        return above and below


@dataclass(frozen=True, slots=True)
class Hyper:
    """A hyperparameter. ``default`` None: required. It may read other hyperparameters.

    Kind ``real`` is traced and may be a schedule, evaluated at t - 1; ``int`` is static.
    ``bool`` and choices are static too and already folded into the step that is compiled, so
    that a `Step` holds them only as ``fixed``.
    """

    name: str
    default: Expr | tuple[Expr, ...] | None
    range: Range | None = None
    type: Type = SCALAR
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    spelled: str = field(default="", compare=False, repr=False)
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)

    @property
    def static(self) -> bool:
        return self.type.kind == "int"


@dataclass(frozen=True, slots=True)
class State:
    """A quantity kept between steps. ``start`` gives the value before the first step: an
    expression in the starting point ``Sym(point)`` and the hyperparameters, or a `Draw`.
    A constant has no primed equation in the body."""

    name: str
    type: Type
    start: Expr | Draw
    constant: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Equation:
    """``target = value``; the type of the target is that of ``target.type``."""

    target: Sym
    value: Expr
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class First:
    """At t = 1 the old value of the state ``target`` is ``value``; later it is what was kept."""

    target: Sym
    value: Expr
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Draw:
    """A random draw; its key depends on (seed, t, target.name) only."""

    target: Sym
    distribution: Literal["normal", "uniform", "rademacher", "bernoulli"]
    args: tuple[Expr, ...]
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class When:
    """A block under a scalar condition. Both branches define the same outputs; a state that a
    branch leaves alone holds there by an explicit equation ``m' = m``."""

    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)


Statement = Equation | First | Draw | When


@dataclass(frozen=True, slots=True)
class Axis:
    """A named axis; its length is that of the list-valued hyperparameters along it."""

    name: str
    length: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an optimizer. ``fixed`` holds the static choices this step was compiled for."""

    name: str
    doc: str
    cites: tuple[str, ...]
    notes: tuple[str, ...]
    source: Source
    point: str
    hypers: tuple[Hyper, ...]
    axes: tuple[Axis, ...]
    states: tuple[State, ...]
    body: tuple[Statement, ...]
    evaluate: Expr | None
    fixed: tuple[tuple[str, str], ...] = ()
    gradient: str = "g"

    def hyper(self, name: str) -> Hyper:
        return next(h for h in self.hypers if h.name == name)

    def state(self, name: str) -> State:
        return next(s for s in self.states if s.name == name)


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Every statement, those inside of blocks too."""
    for statement in body:
        yield statement
        if isinstance(statement, When):
            yield from statements(statement.then)
            yield from statements(statement.otherwise)


def defined(body: tuple[Statement, ...]) -> tuple[Sym, ...]:
    """The symbols that a body defines, in order; those of a block are what both branches define."""
    names: dict[Sym, None] = {}
    for statement in body:
        if isinstance(statement, When):
            inner = set(defined(statement.otherwise))
            names.update(dict.fromkeys(s for s in defined(statement.then) if s in inner))
        else:
            names[statement.target] = None
    return tuple(names)


def reads(statement: Statement) -> tuple[Expr, ...]:
    """The expressions that a statement itself evaluates (a block's: those of its insides too)."""
    match statement:
        case Equation(_, value, _) | First(_, value, _):
            return (value,)
        case Draw(_, _, args, _):
            return args
        case When(condition, then, otherwise, _):
            inner = (e for s in (*then, *otherwise) for e in reads(s))
            return (condition, *inner)
