"""Loops and searches: from what the user wrote to `ir.Loop`.

A search is a loop too. With s the value that it varies, d what a turn makes, c what accepts it:

    (d, s, ok) = search at most n from s = a:        turn k of n:  d_turn = ..., c = ...
                   d = ...                              s' = if c or k is the last then s else e
                   accept c else s' = e                 d' = d_turn, ok' = c, until c
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from thetaprime.diagnostics import Diagnostic, closest, report
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ir import Carry, Draw, Equation, Loop, Statement
from thetaprime.lengths import WINDOW
from thetaprime.oracles import Fresh, Scope
from thetaprime.scopes import outputs, renamed
from thetaprime.source import Source
from thetaprime.syntax import (
    Accept,
    EquationLine,
    FoldRange,
    LoopBlock,
    StatementLine,
    TypeName,
    Until,
)

Inner = Callable[[StatementLine, Scope], list[Statement]]
Ready = Callable[[Expr, Scope], Expr]
ZERO, ONE, FALSE = Num("0"), Num("1"), Apply("false")
WORDS = ("last", "hold")


@dataclass
class Loops:
    """Lowers loops: ``lengths`` are those of the axes, ``taken`` the names that are in use;
    ``types`` gathers what a value was declared to be, ``holds`` the conditions under which a
    search that ran out leaves everything as it was; ``fresh`` counts the batches of the step."""

    lengths: dict[str, Expr]
    taken: set[str]
    fresh: Fresh
    types: dict[Sym, TypeName] = field(default_factory=dict)
    drawn: dict[Sym, str] = field(default_factory=dict)
    holds: list[tuple[Expr, Source]] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)

    def lower(
        self, line: LoopBlock, source: Source, scope: Scope, ready: Ready, inner: Inner
    ) -> list[Statement]:
        """The statements of a loop, and those that prepare and end it."""
        turn = Sym(self.fresh_name("turn"), span=line.span)
        before: list[Statement] = []
        index: Expr = turn
        if line.over is not None:
            found = self._range(line, line.over, source, turn, before)
            if found is None:  # its names are known all the same: the fold is the only error
                return [Equation(t, ZERO, source) for t in line.targets]
            turns, index, axis = found
            scope = replace(scope, indices={**scope.indices, line.index: axis})
        else:
            assert line.count is not None
            turns = ready(line.count, scope)
        within = scope.inside(turn, turns)
        body: list[Statement] = []
        if line.over is not None:
            place = Sym(line.index, span=line.over.span)
            self.types[place] = TypeName("int")
            body.append(Equation(place, index, source))
        lines, ends = _ends(line.body)
        for one in lines:
            body += inner(one, within)
        carries = [Carry(Sym(s.name, span=s.span), ready(s.value, scope)) for s in line.starts]
        self.types |= {Sym(s.name): s.type for s in line.starts if s.type is not None}
        stop: Expr = FALSE
        for end in ends:
            stop = end.condition if stop == FALSE else Apply("or", (stop, end.condition))
        self._misplaced(line, ends, source)
        after: list[Statement] = []
        until: Sym | None = None
        if stop != FALSE:
            word = "accepted" if line.kind == "search" else "stop"
            until = Sym(self.fresh_name(word), span=stop.span)
            body.append(Equation(until, ready(stop, within), source))
        if line.kind == "search" and until is not None:
            last = Apply("==", (turn, _less(turns)))
            for end in ends:
                if isinstance(end, Accept):
                    body += _next(end.otherwise, until, last, source,
                                  lambda e: ready(e, within))
        carries += self._exported(line, body, until, source)
        self._check_values(line, carries, body, source)
        if line.kind == "search":
            after = self._exhausted(line, carries, body, until, source, scope, ready)
        loop = Loop(tuple(carries), turns, tuple(body), turn, until, source)
        return [*before, loop, *after]

    def fresh_name(self, stem: str) -> str:
        """A name that is not in use yet."""
        name, number = stem, 1
        while name in self.taken:
            number += 1
            name = f"{stem}{number}"
        self.taken.add(name)
        return name

    def _range(
        self, line: LoopBlock, over: FoldRange, source: Source, turn: Sym, before: list[Statement]
    ) -> tuple[Expr, Expr, str] | None:
        """Turns, the place on the axis in each, and the axis of a fold."""
        names = over.names
        axis = WINDOW if over.form == "range" else names[-1]
        known = (over.form != "perm" or names[0] == "perm") and (
            over.form != "range" or names in (("newest", "oldest"), ("oldest", "newest")))
        if not known or axis not in self.lengths:
            near = closest(axis, list(self.lengths))
            hints = (f"did you mean `{near}`?",) if near else ()
            self.problems.append(report("fold-range", source, over.span, name=", ".join(names),
                                        hints=hints))
            return None
        turns = self.lengths[axis]
        if over.form == "perm":
            order = Sym(self.fresh_name(f"{line.index}_order"), span=over.span)
            before += self._permuted(order, axis, source)
            return turns, Apply("at", (order, turn), (axis,)), axis
        if names == ("oldest", "newest"):
            return turns, from_the_end(turns, turn), axis
        return turns, turn, axis

    def permutation(self, target: Sym, call: Apply, source: Source) -> list[Statement]:
        """``p ~ perm(tasks)``: the places of an axis in an order drawn here."""
        axis = call.args[0] if len(call.args) == 1 else None
        if not isinstance(axis, Sym) or axis.name not in self.lengths:
            self.problems.append(report("fold-range", source, target.span, name="perm"))
            return [Equation(target, ZERO, source)]
        return self._permuted(target, axis.name, source)

    def _permuted(self, order: Sym, axis: str, source: Source) -> list[Statement]:
        """The order of uniform numbers, one for each place."""
        drawn = Sym(self.fresh_name(f"{order.name}_drawn"), span=order.span)
        self.drawn[drawn] = axis
        return [Draw(drawn, "uniform", (), source),
                Equation(order, Apply("argsort", (drawn,), (axis,)), source)]

    def _exported(
        self, line: LoopBlock, body: list[Statement], until: Sym | None, source: Source
    ) -> list[Carry]:
        """Names on the left that are no loop values: what a turn makes is carried out, and the one
        name of a search that nothing defines says whether a turn was accepted."""
        values = {s.name for s in line.starts}
        made = {o.name for s in body for o in outputs(s) if not o.prime}
        extra: list[Carry] = []
        given: list[Statement] = []
        inner_names: dict[Sym, Expr] = {}
        for target in line.targets:
            name = target.name
            if target.prime:
                self.problems.append(report("loop-target", source, target.span, name=str(target)))
            elif name in values:
                continue
            elif name in made:
                inside = Sym(self.fresh_name(f"{name}_{line.kind}"), span=target.span)
                inner_names[Sym(name)] = inside
                inner_names[Sym(name, True)] = replace(inside, prime=True)
                given.append(Equation(Sym(name, True, span=target.span), inside, source))
                extra.append(Carry(Sym(name, span=target.span), ZERO))
            elif line.kind == "search" and until is not None and target is line.targets[-1]:
                body.append(Equation(Sym(name, True, span=target.span), until, source))
                extra.append(Carry(Sym(name, span=target.span), FALSE))
            else:
                self.problems.append(report("loop-target", source, target.span, name=name))
                body.append(Equation(Sym(name, True, span=target.span), ZERO, source))
                extra.append(Carry(target, ZERO))
        if inner_names:
            body[:] = [*(renamed(s, inner_names) for s in body), *given]
        return extra

    def _check_values(
        self, line: LoopBlock, carries: list[Carry], body: list[Statement], source: Source
    ) -> None:
        """Every value of a loop has a next one; in a search those without hold."""
        made = {o for s in body for o in outputs(s)}
        for carry in carries:
            new = replace(carry.value, prime=True)
            if new in made:
                continue
            if line.kind == "search":
                body.append(Equation(new, carry.value, source))
            else:
                self.problems.append(report("loop-holds", source, carry.value.span,
                                            name=carry.value.name))

    def _exhausted(
        self, line: LoopBlock, carries: list[Carry], body: list[Statement], until: Sym | None,
        source: Source, scope: Scope, ready: Ready,
    ) -> list[Statement]:
        """What stands after a search for the case that no turn was accepted."""
        end = line.exhaustion
        if end is None:
            self.problems.append(report("needs-exhaustion", source, line.span))
            return []
        if until is None or (not end.settings and end.word == "last"):
            return []
        if end.word and end.word not in WORDS:
            self.problems.append(report("exhaustion-word", source, end.span, name=end.word))
            return []
        found = next((c.value for c in carries if Sym(c.value.name, True) in {
            s.target for s in body if isinstance(s, Equation) and s.value == until}), None)
        if found is None:
            found = Sym(self.fresh_name("found"), span=end.span)
            carries.append(Carry(found, FALSE))
            body.append(Equation(replace(found, prime=True), until, source))
        if end.word == "hold":
            self.holds.append((Apply("not", (found,), span=end.span), source))
            return []
        after: list[Statement] = []
        for setting in end.settings:
            name = setting.target
            place = next((i for i, c in enumerate(carries) if c.value == name), None)
            if place is None:
                self.problems.append(report("loop-target", source, name.span, name=str(name)))
                continue
            inside = Sym(self.fresh_name(f"{name.name}_{line.kind}"), span=name.span)
            names: dict[Sym, Expr] = {name: inside, replace(name, prime=True): replace(
                inside, prime=True)}
            body[:] = [renamed(s, names) for s in body]
            carries[place] = replace(carries[place], value=inside)
            value = Apply("if", (found, inside, ready(setting.value, scope)), span=setting.span)
            after.append(Equation(name, value, source))
        return after

    def _misplaced(self, line: LoopBlock, ends: list[Until | Accept], source: Source) -> None:
        for end in ends:
            if isinstance(end, Accept) != (line.kind == "search"):
                self.problems.append(report(
                    "loop-end", source, end.span,
                    name="accept" if isinstance(end, Accept) else "until", kind=line.kind))
        if line.kind == "search" and not ends:
            self.problems.append(report("needs-accept", source, line.span))


def _ends(body: tuple[StatementLine, ...]) -> tuple[list[StatementLine], list[Until | Accept]]:
    """The lines of a body, and those that end the loop."""
    ends = [line for line in body if isinstance(line, Until | Accept)]
    return [line for line in body if not isinstance(line, Until | Accept)], ends


def _next(
    settings: tuple[EquationLine, ...], accepted: Sym, last: Expr, source: Source,
    ready: Callable[[Expr], Expr],
) -> Iterator[Statement]:
    """``s' = if accepted or this is the last turn then s else e``."""
    for setting in settings:
        keep = Apply("or", (accepted, last), span=setting.span)
        old = replace(setting.target, prime=False)
        yield Equation(setting.target, Apply("if", (keep, old, ready(setting.value)),
                                             span=setting.span), source)


def from_the_end(turns: Expr, turn: Expr) -> Expr:
    """The place of a fold that goes backwards, from turns - 1 to 0."""
    return Apply("-", (_less(turns), turn))


def _less(turns: Expr) -> Expr:
    """turns - 1."""
    if isinstance(turns, Num):
        return Num(str(turns.value - 1))
    return Apply("-", (turns, ONE), span=turns.span)


