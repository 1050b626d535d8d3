"""What a flat optimizer declares, by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from thetaprime.diagnostics import Diagnostic
from thetaprime.expr import Expr, Num, Sym
from thetaprime.flat import Flat, Part
from thetaprime.ir import Range
from thetaprime.source import NO_SOURCE, NOWHERE, Source, Span
from thetaprime.syntax import (
    AxisDecl,
    ConstDecl,
    Extern,
    Function,
    HyperItem,
    Param,
    StateDecl,
    StatementLine,
    Store,
    Train,
)
from thetaprime.types import REST, Type


@dataclass(frozen=True)
class HyperInfo:
    """A declared hyperparameter; ``choices`` for one of a set, ``range`` for a number."""

    item: HyperItem
    type: Type
    range: Range | None
    choices: tuple[str, ...]
    source: Source
    inherited: bool

    @property
    def folded(self) -> bool:
        """Booleans and choices are decided when code is generated."""
        return bool(self.choices) or self.type.kind == "bool"


@dataclass(frozen=True)
class CaseArm:
    """What holds for the tensors of one case; ``view``: how they are seen there."""

    condition: Expr | None
    view: tuple[str, ...]
    states: tuple[StateDecl | ConstDecl, ...]
    lines: tuple[Line, ...]
    span: Span
    view_span: Span


@dataclass(frozen=True)
class Cases:
    """Arms one after the other, of which a tensor takes one at most."""

    arms: tuple[CaseArm, ...]


@dataclass(frozen=True)
class Axes:
    """``for axis a of x``."""

    axis: str
    states: tuple[StateDecl | ConstDecl, ...]
    lines: tuple[Line, ...]
    span: Span


Line = StatementLine | Cases | Axes


@dataclass
class Tables:
    """What a spec declares, by name, in the order of the text."""

    flat: Flat
    point: str = "x"
    parameter: str = "x"
    gradient: str = "g"
    hypers: dict[str, HyperInfo] = field(default_factory=dict)
    axes: dict[str, int | str] = field(default_factory=dict)  # or the hyperparameter that says it
    losses: tuple[str, ...] = ()
    tasks: str = ""
    externs: dict[str, tuple[Extern, Source]] = field(default_factory=dict)
    stores: list[tuple[Store, Source]] = field(default_factory=list)
    windows: frozenset[str] = frozenset()
    states: dict[str, tuple[StateDecl | ConstDecl, Part]] = field(default_factory=dict)
    functions: dict[str, tuple[Function, Source]] = field(default_factory=dict)
    statements: list[tuple[Line, Part]] = field(default_factory=list)
    view: tuple[str, ...] = ()  # how every tensor is seen, and where that is said
    view_span: Span = NOWHERE
    view_source: Source = NO_SOURCE
    seen: set[str] = field(default_factory=set)  # every axis that tensors have somewhere
    homes: set[str] = field(default_factory=set)  # states of some tensors, or of axes
    sized: dict[str, int | str] = field(default_factory=dict)  # axes of matrices only: matrix[a, k]
    train: tuple[Train, Source] | None = None
    evaluate: tuple[Expr, Source] | None = None
    problems: list[Diagnostic] = field(default_factory=list)

    @property
    def views(self) -> frozenset[tuple[str, ...]]:
        """Every way in which tensors are seen."""
        arms = [arm for line, _ in self.statements for arm in _arms(line)]
        return frozenset(v for v in (self.view, *(arm.view for arm in arms)) if v)

    @property
    def whole(self) -> frozenset[str]:
        """The hyperparameters that are whole numbers."""
        return frozenset(n for n, info in self.hypers.items() if info.type.kind == "int")

    def length(self, named: int | str) -> int | str:
        """The length of an axis: a number, also where `with` says it, or a hyperparameter."""
        match self.flat.bound.get(str(named)):
            case Num() as number:
                return int(number.value)
            case Sym(name, False):
                return self.length(name)
        return named

    @property
    def families(self) -> frozenset[str]:
        """The name of the axis in blocks over the axes of a tensor."""
        return frozenset(self.seen - {a for view in self.views for a in view} - {REST})


def _arms(line: Line) -> Iterator[CaseArm]:
    if isinstance(line, Cases):
        for arm in line.arms:
            yield arm
            for inner in arm.lines:
                yield from _arms(inner)


Named = HyperItem | StateDecl | ConstDecl | AxisDecl | Param | Train | Function | Extern


def name_span(item: Named, source: Source) -> Span:
    """Where the name that an item declares stands: its keyword, if it has one, goes before."""
    start, end = item.span.start, item.span.end
    match = re.compile(r"(?:(?:state|const|axis|param|train|fn|extern)[ \t]+)?([^\W\d]\w*)").match(
        source.text, start, max(start, end))
    return Span(*match.span(1)) if match else item.span
