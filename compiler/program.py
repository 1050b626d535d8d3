"""The statements and states of a spec while they are gathered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from thetaprime.diagnostics import Diagnostic
from thetaprime.expr import Expr, Num, Sym
from thetaprime.ir import Draw, EachAxis, Loop, Statement, When, reads
from thetaprime.source import Source, Span
from thetaprime.types import Type


@dataclass(frozen=True)
class RawState:
    """A state before typing; ``type`` None: not declared. ``local``: brought by a function."""

    name: str
    type: Type | None
    start: Expr | Draw
    constant: bool
    local: bool
    span: Span
    source: Source
    guard: Expr | None = None


@dataclass
class Program:
    """The statements and states of one choice, untyped and unsorted."""

    body: list[Statement] = field(default_factory=list)
    states: list[RawState] = field(default_factory=list)
    evaluate: tuple[Expr, Source] | None = None
    draw_types: dict[Sym, Type] = field(default_factory=dict)
    inherited: set[Sym] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    holds: list[tuple[Expr, Source]] = field(default_factory=list)
    fresh: Expr = field(default_factory=lambda: Num("0"))
    carried: dict[Sym, Type] = field(default_factory=dict)
    together: list[frozenset[Sym]] = field(default_factory=list)  # results of one operation
    problems: list[Diagnostic] = field(default_factory=list)

    def expressions(self) -> Iterator[tuple[Expr, Source]]:
        """Every expression of the step and of `eval`, with the source of its spans."""
        for statement in self.body:
            yield from _expressions(statement)
        if self.evaluate is not None:
            yield self.evaluate


def _expressions(statement: Statement) -> Iterator[tuple[Expr, Source]]:
    if isinstance(statement, When):
        yield statement.condition, statement.source
        for inner in (*statement.then, *statement.otherwise):
            yield from _expressions(inner)
    elif isinstance(statement, Loop | EachAxis):
        for carry in statement.carries:
            yield carry.start, statement.source
        if isinstance(statement, Loop):
            yield statement.turns, statement.source
        for inner in statement.body:
            yield from _expressions(inner)
    else:
        for expr in reads(statement):
            yield expr, statement.source
