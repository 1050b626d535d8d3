"""One line of a spec as statements: blocks opened, loops with what they carry, draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from thetaprime.axes import fold_axes, over_axes, several
from thetaprime.check.names import bad_call
from thetaprime.collect import constant, read_type
from thetaprime.decide import FALSE, TRUE
from thetaprime.diagnostics import report
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ir import Draw, Equation, Statement, When
from thetaprime.loops import Loops
from thetaprime.oracles import FULL, Scope
from thetaprime.program import Program
from thetaprime.scopes import outputs
from thetaprime.source import NOWHERE, Source, Span
from thetaprime.syntax import (
    Accept,
    BatchLine,
    DrawLine,
    EquationLine,
    EveryBlock,
    Hold,
    IfBlock,
    LoopBlock,
    Many,
    StatementLine,
    Until,
)
from thetaprime.tables import Tables
from thetaprime.types import PER_ENTRY

Ready = Callable[..., Expr]  # (expression, source, scope = that of the step)
TOP = Scope()


def lowered(
    line: StatementLine, source: Source, ready: Ready, tables: Tables, program: Program,
    under: Expr = TRUE, *, scope: Scope, loops: Loops,
) -> list[Statement]:
    """The statements of a line; ``under`` is the condition of the blocks around it, which a
    `hold` inside of them shares."""
    match line:
        case EquationLine(target, value):
            return [Equation(target, ready(value, source, scope), source)]
        case Many(targets, value):
            program.together.append(frozenset(targets))
            return several(targets, value, ready(value, source, scope), source, tables,
                           program.problems)
        case BatchLine():
            return []
        case Until() | Accept():
            program.problems.append(report("stray-end", source, line.span))
            return []
        case LoopBlock():
            return _loop(line, source, ready, tables, program, scope, loops)
        case DrawLine(name, value, kind, span):
            call = ready(value, source, scope)
            assert isinstance(call, Apply)
            target = Sym(name, span=span, spelled=line.spelled)
            if call.op == "perm":
                return loops.permutation(target, call, source)
            program.draw_types[target] = read_type(tables, kind, source, PER_ENTRY)
            if call.op == "sphere":
                if call.args:
                    program.problems.append(bad_call("sphere", (0, 0), len(call.args), source,
                                                     value.span, "sphere"))
                return _on_sphere(target, Sym(loops.fresh_name(f"{name}_normal"), span=span),
                                  source, program)
            return [Draw(target, call.op, call.args, source)]  # type: ignore[arg-type]
        case Hold(condition):
            program.holds.append((_both(under, ready(condition, source, scope)), source))
            return []
        case IfBlock(condition, then, otherwise):
            chosen = ready(condition, source, scope)
        case EveryBlock(period, start, then, otherwise):
            number = constant(period)
            if number is not None and number < 1:
                program.problems.append(report("bad-period", source, period.span))
            chosen = fires(ready(period, source, scope), ready(start, source, scope), line.span)
    if chosen in (TRUE, FALSE):
        taken = then if chosen == TRUE else otherwise
        return [s for inner in taken
                for s in lowered(inner, source, ready, tables, program, under, scope=scope,
                                    loops=loops)]
    first, second = (
        [s for inner in side
         for s in lowered(inner, source, ready, tables, program, _both(under, when),
                             scope=scope, loops=loops)]
        for side, when in ((then, chosen), (otherwise, Apply("not", (chosen,), span=chosen.span))))
    if not first and not second:
        return []
    block = _balanced(chosen, first, second, source, tables)
    return [replace(block, rare=isinstance(line, EveryBlock))]


def _loop(
    line: LoopBlock, source: Source, ready: Ready, tables: Tables, program: Program,
    scope: Scope, loops: Loops,
) -> list[Statement]:
    """A loop; the batches that its body names are new in each turn."""
    if over_axes(line, tables.axes):
        turns = [s for one in line.body for s in lowered(
            one, source, ready, tables, program, scope=scope, loops=loops)]
        return [fold_axes(line, source, lambda e: ready(e, source, scope), turns,
                          loops.fresh_name, program.problems)]
    named = [one for one in line.body if isinstance(one, BatchLine)]
    taken: dict[str, Expr] = {}

    def inner(one: StatementLine, within: Scope) -> list[Statement]:
        return lowered(one, source, ready, tables, program, scope=around(within), loops=loops)

    def around(within: Scope) -> Scope:
        for batch in named:
            if batch.name not in taken:
                taken[batch.name] = (loops.fresh.take(within) if batch.how == "new" else FULL)
        return replace(within, batches={**within.batches, **taken})

    known = set(loops.types)
    found = loops.lower(line, source, scope,
                        lambda e, s: ready(e, source, around(s) if s.turn != scope.turn else s),
                        inner)
    for symbol in set(loops.types) - known:
        program.carried[symbol] = read_type(tables, loops.types[symbol], source, PER_ENTRY)
    return found


def _on_sphere(target: Sym, normal: Sym, source: Source, program: Program) -> list[Statement]:
    """A direction of length one, every one alike likely: ``z = n/|n|`` with n normal."""
    program.draw_types[normal] = program.draw_types.pop(target)
    squares = Apply("sum", (Apply("^", (normal, Num("2"))),), ("model",))
    value = Apply("/", (normal, Apply("sqrt", (squares,))), span=target.span)
    return [Draw(normal, "normal", (), source), Equation(target, value, source)]


def _both(one: Expr, other: Expr) -> Expr:
    return other if one == TRUE else Apply("and", (one, other), span=other.span)


def fires(period: Expr, start: Expr, span: Span = NOWHERE) -> Expr:
    """t = start, start + period, ...: ``t >= s and mod(t - s, k) == 0``."""
    t = Sym("t", span=span)
    since = Apply("-", (t, start), span=span)
    phase = Apply("mod", (since, period), span=span)
    return Apply("and", (Apply(">=", (t, start), span=span),
                         Apply("==", (phase, Num("0", span=span)), span=span)), span=span)


def _balanced(
    condition: Expr, then: list[Statement], otherwise: list[Statement], source: Source,
    tables: Tables,
) -> When:
    """Both branches with an equation for every state that either defines: it holds elsewhere."""
    held = {*tables.states, tables.point, tables.parameter}

    def missing(branch: list[Statement], other: list[Statement]) -> list[Statement]:
        own = {o for s in branch for o in outputs(s)}
        lacking = dict.fromkeys(
            o for s in other for o in outputs(s) if o.prime and o not in own and o.name in held)
        return [Equation(o, replace(o, prime=False), source) for o in lacking]

    return When(condition, (*then, *missing(then, otherwise)),
                (*otherwise, *missing(otherwise, then)), source)
