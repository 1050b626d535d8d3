"""`case`: what holds for some tensors only, from what the user wrote to statements with guards.

Each arm is lowered by itself; what several arms define goes by a name of its own in each of them
and is joined after them: ``u = case(P, u_case, not P, u_case2)``. A state or the point that an arm
leaves alone holds there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from thetaprime.coverage import both, neither, witness
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.guards import conjoined, either, implies
from thetaprime.ir import Draw, EachAxis, Equation, First, Loop, Statement, When
from thetaprime.scopes import free, inside, outputs, renamed, surely
from thetaprime.source import Source, Span
from thetaprime.tables import CaseArm, Cases, Tables
from thetaprime.types import REST, ranks

RANK = Sym("rank")


@dataclass(frozen=True)
class Arm:
    """An arm of a case: its statements and the states declared in it; ``guard`` says which tensors
    take it."""

    guard: Expr
    body: list[Statement]
    states: frozenset[str]
    arm: CaseArm


@dataclass(frozen=True)
class Join:
    """Puts arms together. ``fresh`` gives names that are not in use; ``new`` is told what a symbol
    is called now, ``group`` what the symbols of an arm are."""

    tables: Tables
    kept: frozenset[str]  # all states, and the parameter
    around: Expr | None
    fresh: Callable[[str], str]
    new: Callable[[Sym, Sym], None]
    group: Callable[[Mapping[Sym, Expr]], None]
    problems: list[Diagnostic]

    def arms(self, arms: list[Arm], source: Source) -> list[Statement]:
        """The statements of all arms, each under its guard, and what joins them."""
        makers: dict[Sym, list[int]] = {}
        for k, arm in enumerate(arms):
            for symbol in dict.fromkeys(o for s in arm.body for o in outputs(s)):
                if symbol.name not in arm.states:
                    makers.setdefault(symbol, []).append(k)
        sure = [surely(tuple(arm.body)) for arm in arms]
        names: list[dict[Sym, Expr]] = [{} for _ in arms]
        joins: list[Statement] = []
        for symbol, where in makers.items():
            held = symbol.prime and symbol.name in self.kept
            if not held and len(where) == 1:
                continue
            for k in where:
                stem = f"{symbol.name}_{'next' if symbol.prime else 'case'}"
                inner = Sym(self.fresh(stem), span=symbol.span, spelled=str(symbol))
                self.new(symbol, inner)
                names[k][symbol] = inner
                if not symbol.prime:  # a value of a loop has a next one
                    names[k].setdefault(replace(symbol, prime=True), replace(inner, prime=True))
            if symbol.prime or all(symbol in sure[k] for k in where):
                joins.append(self._joined(symbol, where, arms, names, source))
        for renaming in names:
            self.group(renaming)
        body = [guarded(renamed(s, names[k]), arm.guard)
                for k, arm in enumerate(arms) for s in arm.body]
        return [*body, *joins]

    def _joined(
        self, symbol: Sym, where: list[int], arms: list[Arm], names: list[dict[Sym, Expr]],
        source: Source,
    ) -> Statement:
        """One equation for what several arms define."""
        guards = [arms[k].guard for k in where]
        parts = [part for k in where for part in (arms[k].guard, names[k][symbol])]
        other = neither(guards)
        lost = witness(other if self.around is None else both(self.around, other))
        if lost is None:
            return Equation(symbol, Apply("case", tuple(parts), span=symbol.span), source)
        if not (symbol.prime and symbol.name in self.kept):
            value = Apply("case", tuple(parts), span=symbol.span)
            return Equation(symbol, value, source, either(guards))
        if symbol.name in (self.tables.point, self.tables.parameter):
            self.problems.append(report("case-gap", source, symbol.span, name=str(symbol),
                                        why=f"not for {lost}"))
        parts += [_without(other, guards), replace(symbol, prime=False)]
        return Equation(symbol, Apply("case", tuple(parts), span=symbol.span), source)


def _without(other: Expr, guards: list[Expr]) -> Expr:
    """``not P`` for the tensors that take none of the guards."""
    return Apply("not", (either(guards),), span=other.span)


def guarded(statement: Statement, guard: Expr) -> Statement:
    """The statement for the tensors that satisfy the guard; a block's insides are."""
    if isinstance(statement, When):
        return replace(statement, among=conjoined(guard, statement.among),
                       then=tuple(guarded(s, guard) for s in statement.then),
                       otherwise=tuple(guarded(s, guard) for s in statement.otherwise))
    return replace(statement, guard=conjoined(guard, statement.guard))


def guards_of(
    cases: Cases, ready: Callable[[Expr], Expr], tables: Tables, source: Source,
    around: Expr | None, problems: list[Diagnostic],
) -> list[Expr]:
    """The guard of every arm; conditions that exclude each other, of which `otherwise` is the
    rest, and under which tensors can be seen as the arm says."""
    guards: list[Expr] = []
    for arm in cases.arms:
        if arm.condition is None:
            guard: Expr = Apply("not", (either(guards),), span=arm.span)
        else:
            guard = ready(arm.condition)
            problems += _not_facts(guard, arm, tables, source)
            for before in guards:
                twice = witness(conjoined(around, both(before, guard)) or guard)
                if twice is not None:
                    problems.append(report("case-overlap", source, arm.span, example=twice))
        if witness(guard) is None:
            problems.append(report("case-never", source, arm.span, why="never true" if
                                   arm.condition is not None else "nothing is left for it"))
        if arm.view != tables.view:  # as which the spec sees all tensors that it takes
            problems += check_view(arm.view, conjoined(around, guard), source, arm.view_span)
        guards.append(guard)
    return guards


def check_view(
    view: tuple[str, ...], guard: Expr | None, source: Source, span: Span
) -> Iterator[Diagnostic]:
    """Every tensor that takes an arm has the axes that its view names."""
    if not view:
        return
    least, most = ranks(view)
    wanted = rank_guard(view)
    if not implies(guard, wanted):
        kind = "matrix" if len(view) == 2 else "tensor"
        words = f"{least}" if most is not None else f"{least} and more"
        yield report("view-rank", source, span, type=f"{kind}[{', '.join(view)}]",
                     wanted=words, hints=(
                         f"let the condition of the case say `rank "
                         f"{'>=' if most is None else '=='} {least}`" + (
                             "" if most is None else f"; `{kind}[{', '.join(view[:-1])}, rest]` "
                             "sees all further axes as one"),))


def rank_guard(view: tuple[str, ...]) -> Expr:
    """The tensors that can be seen so."""
    least, most = ranks(view)
    return Apply(">=" if most is None else "==", (RANK, Num(str(least))))


def _not_facts(guard: Expr, arm: CaseArm, tables: Tables, source: Source) -> Iterator[Diagnostic]:
    """A condition reads the rank, lengths, the path, and whole hyperparameters."""
    known = {"rank", "path", *arm.view, *tables.whole}
    globs = [n for n in walk(guard) if isinstance(n, Apply) and n.op == "~"]
    for glob in globs:
        if glob.args != (Sym("path"),):
            yield report("case-condition", source, glob.args[0].span, text=str(glob.args[0]),
                         hints=(f'`path ~ "{glob.over[0]}"` asks for the name of the tensor',))
    told = {glob.args[0].span for glob in globs}
    for node in walk(guard):
        if isinstance(node, Sym) and node.name not in known and node.span not in told:
            yield report("case-condition", source, node.span, text=str(node),
                         hints=_known_before(node.name, tables))


def _known_before(name: str, tables: Tables) -> tuple[str, ...]:
    """What to write so that a condition is known before anything runs."""
    if name in tables.hypers:
        return (f"`hyper {name} : int = ...`: whole numbers do not change while training",)
    if name in ("t", "loss", tables.gradient, tables.point) or name in tables.states:
        return ("`if c:` is the block for what changes while training; a case asks for `rank`, "
                "an axis of its `view`, or the path",)
    return ()


def seen(expr: Expr, view: tuple[str, ...]) -> Expr:
    """The expression where tensors are seen along the axes of a view."""
    return Apply("seen", (expr,), view, span=expr.span) if view else expr


def seen_in(statement: Statement, view: tuple[str, ...]) -> Statement:
    """The statement where tensors are seen so."""
    if not view:
        return statement
    match statement:
        case Equation(_, Apply("case")):  # what joins arms sees nothing
            return statement
        case Equation(_, value) | First(_, value):
            return replace(statement, value=seen(value, view))
        case When(condition, then, otherwise):
            return replace(statement, condition=seen(condition, view),
                           then=tuple(seen_in(s, view) for s in then),
                           otherwise=tuple(seen_in(s, view) for s in otherwise))
        case Loop(carries, _, body) | EachAxis(_, carries, body):
            return replace(
                statement, body=tuple(seen_in(s, view) for s in body),
                carries=tuple(replace(c, start=seen(c.start, view)) for c in carries))
        case Draw():
            return statement


def check_guards(
    body: list[Statement], states: Mapping[str, Expr | None], tables: Tables
) -> Iterator[Diagnostic]:
    """What only some tensors have is read for those only."""
    guards: dict[Sym, Expr] = {}
    for view in sorted(tables.views - {tables.view}):
        for axis in {*view} - {*tables.view}:
            others = [guards[Sym(axis)]] if Sym(axis) in guards else []
            guards[Sym(axis)] = either([*others, rank_guard(view)])
    for statement in body:
        for symbol in outputs(statement):
            guard = _guard_at(statement, symbol)
            if guard is not None:
                guards[symbol] = guard
    for name, guard in states.items():
        if guard is not None:
            guards |= {Sym(name): guard, Sym(name, True): guard}
    if guards:
        for statement in body:
            yield from _read_elsewhere(statement, guards)


def _outside(guard: Expr | None, wanted: Expr) -> Expr:
    """Of the tensors that satisfy a guard those that do not satisfy another."""
    return neither([wanted]) if guard is None else both(guard, neither([wanted]))


def guard_of(statement: Statement) -> Expr | None:
    """The tensors that a statement is for; a block's insides say it for themselves."""
    return None if isinstance(statement, When) else statement.guard


def _guard_at(statement: Statement, symbol: Sym) -> Expr | None:
    """The guard under which a statement defines a symbol."""
    if not isinstance(statement, When):
        return statement.guard
    inner = (s for s in (*statement.then, *statement.otherwise) if symbol in outputs(s))
    return next((_guard_at(s, symbol) for s in inner), None)


def _read_elsewhere(
    statement: Statement, guards: Mapping[Sym, Expr]
) -> Iterator[Diagnostic]:
    if isinstance(statement, When):
        for inner in (*statement.then, *statement.otherwise):
            yield from _read_elsewhere(inner, guards)
        return
    rows: list[tuple[Expr | None, Sym]] = [(statement.guard, s) for s in free(statement)]
    match statement:
        case Equation(_, Apply("case", args)):
            rows = [(conjoined(statement.guard, g), n)
                    for g, v in zip(args[::2], args[1::2], strict=True)
                    for n in walk(v) if isinstance(n, Sym)]
    own = inside(statement)
    for guard, symbol in rows:
        if symbol.name == REST and isinstance(statement, EachAxis):
            continue
        if symbol in guards and symbol not in own and not implies(guard, guards[symbol]):
            lost = witness(_outside(guard, guards[symbol]))
            yield report("case-gap", statement.source, symbol.span, name=str(symbol),
                         why=f"not for {lost}")
