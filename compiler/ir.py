"""What a spec means: one step as typed equations, on one screen.

A `Step` is flat: nothing is inherited, no function is left to expand, every name is defined once
and before its use. Expressions are those of `expr`; every op is a row of `ops`, every node has its
type. Inputs of a step are the point that training holds (``Sym(step.point)``), its gradient
(``Sym("g")``), the loss there (``Sym("loss")``), the number of the step ``Sym("t")`` (1 at the
first), the hyperparameters and the states before the step. Outputs are the primed symbols of the
point and of every state.

What a step asks the problem for beyond that is an application of a row of `ops.ORACLES`:
``Apply("grad", (y,), ("this",))`` is the gradient at y on this step's batch. ``over`` names the
batch: ``this``, ``full``, or ``fresh`` (then the last argument is the whole number of the fresh
batch of this step, from 0), and after it the loss, where the problem has several. An oracle with a
point takes a quantity with the shape of the parameters.

A model is a tree of tensors, and some statements are for some of them only: ``guard`` is a
condition on what is known of a tensor before anything runs (``rank``, the lengths of named axes,
its ``path``). Every target is still defined once: what two guards define differently is joined by
one ``Apply("case", (guard, value, guard, value, ...))``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from thetaprime.expr import Expr, Num, Sym, walk
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
    that a `Step` holds them only as ``fixed``. Kind ``function``: an `extern` that the user passes,
    which ``Apply("extern", args, (name,))`` calls; tensor by tensor where an argument varies so.
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
        return self.type.kind in ("int", "function")


@dataclass(frozen=True, slots=True)
class State:
    """A quantity kept between steps. ``start`` gives the value before the first step: an
    expression in the starting point ``Sym(point)`` and the hyperparameters, or a `Draw`.
    A constant has no primed equation in the body. ``guard``: tensors that have none keep nothing.
    ``storage`` is the dtype that it is kept in between steps, and how it is rounded to it."""

    name: str
    type: Type
    start: Expr | Draw
    constant: bool = False
    guard: Expr | None = None
    storage: tuple[str, str] | None = None
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Equation:
    """``target = value``; the type of the target is that of ``target.type``."""

    target: Sym
    value: Expr
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)
    guard: Expr | None = None


@dataclass(frozen=True, slots=True)
class First:
    """At t = 1 the old value of the state ``target`` is ``value``; later it is what was kept."""

    target: Sym
    value: Expr
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)
    guard: Expr | None = None


@dataclass(frozen=True, slots=True)
class Draw:
    """A random draw; its key depends on (seed, t, target.name) only, inside of loops on their
    turns too."""

    target: Sym
    distribution: Literal["normal", "uniform", "rademacher", "bernoulli"]
    args: tuple[Expr, ...]
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)
    guard: Expr | None = None


@dataclass(frozen=True, slots=True)
class When:
    """A block under a scalar condition. Both branches define the same outputs; a state that a
    branch leaves alone holds there by an explicit equation ``m' = m``. ``rare``: written as
    `every`, so that the steps between should not pay for it. ``among``: the tensors over which the
    condition reduces; the insides have guards of their own."""

    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)
    rare: bool = False
    among: Expr | None = None


@dataclass(frozen=True, slots=True)
class Carry:
    """A value of a loop: ``value`` is ``start`` in the first turn, later what the body made
    ``value'`` in the turn before; after the loop, ``value`` is what the last turn made it."""

    value: Sym
    start: Expr


@dataclass(frozen=True, slots=True)
class Loop:
    """At most ``turns`` turns of ``body`` (a whole number known before the step runs: numbers,
    integer hyperparameters, lengths of axes). ``turn`` is 0 in the first. After a turn in which
    ``until``, a condition that the body defines, is true no other follows. Only the carried values
    are known outside; names of the body are its own."""

    carries: tuple[Carry, ...]
    turns: Expr
    body: tuple[Statement, ...]
    turn: Sym
    until: Sym | None = None
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)
    guard: Expr | None = None


@dataclass(frozen=True, slots=True)
class EachAxis:
    """``body`` once for each axis of each tensor, in order, before which ``carries`` are passed on
    as in a `Loop`. Inside, the axis has the name ``axis``; quantities whose type has that axis are
    a family, one for each, and what the body makes of them is such a family outside."""

    axis: str
    carries: tuple[Carry, ...]
    body: tuple[Statement, ...]
    source: Source = field(default=NO_SOURCE, compare=False, repr=False)
    guard: Expr | None = None


Statement = Equation | First | Draw | When | Loop | EachAxis


@dataclass(frozen=True, slots=True)
class Axis:
    """A named axis; its length is that of the list-valued hyperparameters along it, or the value of
    an integer hyperparameter (its name), or known to the problem alone (``examples``)."""

    name: str
    length: int | str


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
    fresh: Expr = field(default_factory=lambda: Num("0"))  # how many fresh batches a step may take
    losses: tuple[str, ...] = ()  # their names, where the problem has several
    tasks: str = ""  # the axis of a family of losses
    views: tuple[tuple[str, ...], ...] = ()  # how tensors are seen; an axis means the same in all
    takes: Expr | None = None  # the tensors that the step is for; None: all

    def hyper(self, name: str) -> Hyper:
        return next(h for h in self.hypers if h.name == name)

    def state(self, name: str) -> State:
        return next(s for s in self.states if s.name == name)


def asks_gradient(step: Step) -> bool:
    """Whether the step reads the gradient at the point that training holds."""
    gradient = Sym(step.gradient)
    exprs = [e for s in step.body for e in reads(s)]
    return any(node == gradient for e in exprs for node in walk(e))


def statements(body: Iterable[Statement]) -> Iterator[Statement]:
    """Every statement, those inside of blocks and loops too."""
    for statement in body:
        yield statement
        if isinstance(statement, When):
            yield from statements(statement.then)
            yield from statements(statement.otherwise)
        elif isinstance(statement, Loop | EachAxis):
            yield from statements(statement.body)


def begun(body: Iterable[Statement]) -> set[Sym]:
    """The states that `First` starts, inside of blocks and loops too."""
    return {s.target for s in statements(body) if isinstance(s, First)}


def defined(body: tuple[Statement, ...]) -> tuple[Sym, ...]:
    """The symbols that a body defines, in order; those of a block are what both branches define."""
    names: dict[Sym, None] = {}
    for statement in body:
        if isinstance(statement, When):
            inner = set(defined(statement.otherwise))
            names.update(dict.fromkeys(s for s in defined(statement.then) if s in inner))
        elif isinstance(statement, Loop | EachAxis):
            names.update(dict.fromkeys(carry.value for carry in statement.carries))
            if isinstance(statement, EachAxis):
                names.update(dict.fromkeys(defined(statement.body)))
        else:
            names[statement.target] = None
    return tuple(names)


def reads(statement: Statement) -> tuple[Expr, ...]:
    """The expressions that a statement itself evaluates (a block's: those of its insides too)."""
    match statement:
        case Equation(_, value) | First(_, value):
            return (value,)
        case Draw(_, _, args):
            return args
        case When(condition, then, otherwise):
            inner = (e for s in (*then, *otherwise) for e in reads(s))
            return (condition, *inner)
        case Loop(carries, turns, body):
            inner = (e for s in body for e in reads(s))
            return (*(c.start for c in carries), turns, *inner)
        case EachAxis(_, carries, body):
            inner = (e for s in body for e in reads(s))
            return (*(c.start for c in carries), *inner)
