"""`case` and `for axis`: each line of a spec, and each block with its own states, as statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thetaprime.cases import Arm, Join, guards_of, seen, seen_in
from thetaprime.expand import Expander
from thetaprime.expr import Expr, Sym
from thetaprime.guards import conjoined
from thetaprime.ir import Draw, EachAxis, Statement
from thetaprime.source import Source
from thetaprime.syntax import ConstDecl, StateDecl, StatementLine
from thetaprime.tables import Axes, CaseArm, Cases, Line, Tables
from thetaprime.types import REST

if TYPE_CHECKING:
    from thetaprime.program import Program, RawState

Kept = StateDecl | ConstDecl


@dataclass(frozen=True)
class Blocks:
    """Lowers lines. ``line`` lowers one that is no block, ``state`` adds a state of which some axes
    are known, ``brought`` gives what functions have brought along."""

    tables: Tables
    program: Program
    expander: Expander
    fresh: Callable[[str], str]
    ready: Callable[[Expr, Source], Expr]
    line: Callable[[StatementLine, Source], list[Statement]]
    state: Callable[[Kept, Source, tuple[str, ...]], None]
    brought: Callable[[], list[Statement]]

    def lower(self, line: Line, source: Source, guard: Expr | None = None) -> list[Statement]:
        """The statements of a line; ``guard``: of the case around it."""
        match line:
            case Cases():
                return self._cases(line, source, guard)
            case Axes(axis, states, lines):
                body = self._alone(states, lines, source, (axis, REST), None)
                return [EachAxis(axis, (), tuple(body), source)]
            case _:
                return self.line(line, source)

    def _cases(self, cases: Cases, source: Source, around: Expr | None) -> list[Statement]:
        program = self.program
        guards = guards_of(cases, lambda e: self.ready(e, source), self.tables, source, around,
                           program.problems)
        arms = []
        for arm, guard in zip(cases.arms, guards, strict=True):
            before = len(program.states)
            body = self._alone(arm.states, arm.lines, source, arm.view, conjoined(around, guard))
            new = program.states[before:]
            program.states[before:] = [self._for_some(s, arm, guard) for s in new]
            arms.append(Arm(guard, [seen_in(s, arm.view) for s in body],
                            frozenset(s.name for s in new), arm))
        kept = {*self.tables.states, self.tables.point, self.tables.parameter}
        join = Join(self.tables, frozenset(kept), around, self.fresh, self._called,
                    self._grouped, program.problems)
        return join.arms(arms, source)

    def _alone(
        self, states: tuple[Kept, ...], lines: tuple[Line, ...], source: Source,
        own: tuple[str, ...], guard: Expr | None,
    ) -> list[Statement]:
        """The statements of a block and of all that its states and functions bring."""
        expander, program = self.expander, self.program
        outside = (program.body, expander.states, expander.equations, expander.known)
        program.body, expander.states, expander.equations = [], [], []
        expander.known = dict(expander.known)
        for kept in states:
            self.state(kept, source, own)
        for line in lines:
            program.body += self.lower(line, source, guard)
        body = [*program.body, *self.brought()]
        program.body, expander.states, expander.equations, expander.known = outside
        return body

    def _for_some(self, state: RawState, arm: CaseArm, guard: Expr) -> RawState:
        """A state that only the tensors of an arm have, starting as they are seen there."""
        start = state.start if isinstance(state.start, Draw) else seen(state.start, arm.view)
        return replace(state, start=start, guard=conjoined(guard, state.guard))

    def _grouped(self, names: Mapping[Sym, Expr]) -> None:
        """Results of one operation are so under their new names."""
        for some in [s for s in self.program.together if any(n in names for n in s)]:
            new = frozenset(n for s in some if isinstance(n := names.get(s, s), Sym))
            self.program.together.append(new)

    def _called(self, old: Sym, new: Sym) -> None:
        """What is known of a symbol is known of it under its new name."""
        for known in (self.program.draw_types, self.program.carried):
            if old in known:
                known[new] = known[old]
        if old in self.program.inherited:
            self.program.inherited.add(new)
        # What is read inside of its case only is used all the same.
        self.program.together.append(frozenset((old, new)))
