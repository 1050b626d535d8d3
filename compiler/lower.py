"""syntax -> ir: one flat optimizer, for one choice of its static hyperparameters, as a `Step`.

The way of a spec through this file: its tables (`collect`), functions written out and choices
decided (`statements.gather`), names checked and sorted (`check.names`), types inferred
(`check.types`), what never reaches the step left out (`check.use`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from thetaprime.cases import check_guards, guard_of, rank_guard
from thetaprime.check.bodies import infer_statements, smallest_types
from thetaprime.check.defaults import check_defaults
from thetaprime.check.functions import check_functions
from thetaprime.check.model import check_by_axis, check_whole
from thetaprime.check.names import check_distribution, check_symbols, in_order
from thetaprime.check.targets import check_claims, check_evaluate, check_targets, hidden
from thetaprime.check.types import Typing
from thetaprime.check.use import reached
from thetaprime.collect import collect, read_type
from thetaprime.decide import Decide
from thetaprime.diagnostics import Diagnostic, SpecError, report
from thetaprime.expr import Apply, Expr, Sym, rewrite, substitute, symbols, walk
from thetaprime.flat import Flat
from thetaprime.gather import gather
from thetaprime.ir import (
    Axis,
    Draw,
    EachAxis,
    First,
    Hyper,
    Loop,
    State,
    Statement,
    Step,
    statements,
)
from thetaprime.ops import ORACLES
from thetaprime.partly import completed
from thetaprime.program import Program, RawState
from thetaprime.render import spec_text
from thetaprime.scopes import inside, outputs
from thetaprime.source import Source
from thetaprime.storage import check_stores, with_storage
from thetaprime.syntax import Function
from thetaprime.tables import HyperInfo, Tables
from thetaprime.types import FUNCTION, INTEGER, LENGTH, PER_ENTRY, SCALAR, Extent, Type

Prelude = tuple[tuple[Function, Source], ...]
# Wrong names that are told at once: whoever has more of them has one mistake.
MOST_TOLD = 100


@dataclass(frozen=True)
class Lowered:
    """A step, the warnings about it, and the names of the spec that reach its result."""

    step: Step
    warnings: tuple[Diagnostic, ...]
    tables: Tables
    used: frozenset[str]
    unused: tuple[Sym, ...]


def lower(
    flat: Flat, prelude: Prelude, fixed: Mapping[str, str], also: Iterable[Sym] = ()
) -> Lowered:
    """The step of a flat optimizer. ``fixed`` decides booleans and choices by their names; ``also``
    are names that the step defines beside what reaches its result.

    Raises SpecError with all the diagnostics of the first stage that finds any.
    """
    tables = collect(flat, prelude)
    _stop([*tables.problems, *check_defaults(tables), *check_functions(tables),
           *check_stores(tables.stores, tables.states)])
    decide = Decide(tables, fixed)
    program = gather(tables, decide)
    hypers = {n: i for n, i in tables.hypers.items() if not i.folded and n not in flat.bound}
    problems = [*tables.problems, *program.problems, *decide.problems]
    told = {d.span for d in problems}
    problems += [d for d in _check_names(tables, program, hypers) if d.span not in told]
    _stop(problems)
    body = in_order(program.body, problems)
    _stop(problems)
    typed = _infer(tables, program, body, hypers)
    result = Sym(tables.point, True)
    keep = reached(typed.body, (result, *also), typed.evaluate, typed.states)
    guards = [g for s in statements(typed.body) if (g := guard_of(s)) is not None]
    used = _used(keep, hypers, decide, guards)
    step = Step(
        name=flat.name, doc=flat.doc, cites=flat.cites, notes=flat.notes, source=flat.source,
        point=tables.point,
        hypers=(*(_hyper(i, decide) for n, i in hypers.items() if n in used),
                *(Hyper(n, None, None, FUNCTION, e.span, source=s)
                  for n, (e, s) in tables.externs.items())),
        axes=tuple(Axis(n, tables.length(length))
                   for n, length in {**tables.axes, **tables.sized}.items()),
        states=with_storage(tuple(s for s in typed.states if Sym(s.name) in keep), tables.stores),
        body=completed((s for s in typed.body if set(outputs(s)) & keep), tables.point),
        evaluate=typed.evaluate, fixed=tuple(decide.values.items()), gradient=tables.gradient,
        fresh=program.fresh, losses=tables.losses, tasks=tables.tasks,
        views=tuple(sorted(tables.views)),
        takes=rank_guard(tables.view) if tables.view else None,
    )
    beside = {o for some in program.together if some & keep for o in some}
    unused = tuple(
        o for s in typed.body if not isinstance(s, Loop | EachAxis) for o in outputs(s)
        if o not in keep and o not in program.inherited and not isinstance(s, First)
        and o not in beside)
    return Lowered(step, typed.warnings, tables, used, unused)


def _stop(problems: list[Diagnostic]) -> None:
    if problems:
        raise SpecError(sorted(dict.fromkeys(problems), key=lambda d: d.span.start))


# Names.


def _check_names(
    tables: Tables, program: Program, hypers: Mapping[str, HyperInfo]
) -> list[Diagnostic]:
    point = tables.point
    given = {Sym(n) for n in (*tables.hypers, "t", tables.gradient, point, "loss")}
    given.add(Sym(point, True))
    given |= {Sym(n) for n in ("rank", *tables.seen)}
    states = {Sym(s.name) for s in program.states}
    primed = {Sym(s.name, True) for s in program.states if not s.constant}
    # A primed target that is no state is told where it is defined, not where it is read.
    defined = {o for s in statements(program.body) for o in (*outputs(s), *inside(s))}
    known = given | states | primed | defined
    problems: list[Diagnostic] = []
    for expr, source in program.expressions():
        problems += check_symbols(expr, known, tables.functions, source, point)
        if len(problems) >= MOST_TOLD:
            return problems
    problems += check_claims(tables, known, states | defined - {Sym(point, True)},
                             hidden(program.body))
    problems += check_guards(program.body, {s.name: s.guard for s in program.states}, tables)
    problems += check_whole(tuple(program.body))
    problems += check_by_axis(program.body)
    # A name that `eval` cannot read is told once, whether it is known or not.
    gone = list(check_evaluate(tables, program))
    problems = [d for d in problems if d.span not in {g.span for g in gone}] + gone
    early = {Sym(n) for n in (*hypers, point, "rank", *tables.seen)}
    early |= {Sym(s.name) for s in program.states if s.constant}
    for state in program.states:
        exprs = state.start.args if isinstance(state.start, Draw) else (state.start,)
        for expr in exprs:
            problems += [
                report("start-reads", state.source, node.span, name=str(node), state=state.name,
                       point=point)
                for node in walk(expr)
                if isinstance(node, Sym) and node in known and node not in early]
            problems += [
                report("start-reads", state.source, node.span, name=spec_text(node),
                       state=state.name, point=point)
                for node in walk(expr) if isinstance(node, Apply) and node.op in ORACLES]
            problems += check_symbols(expr, known, tables.functions, state.source, point)
    problems += [d for draw, source in _draws(program) for d in check_distribution(draw, source)]
    return problems + check_targets(tables, program)


def _draws(program: Program) -> list[tuple[Apply, Source]]:
    found = [(s.start, s.source, s.span) for s in program.states if isinstance(s.start, Draw)]
    found += [(s, s.source, s.target.span) for s in statements(program.body) if isinstance(s, Draw)]
    return [(Apply(d.distribution, d.args, span=span), source) for d, source, span in found]


# Types.


@dataclass(frozen=True)
class _Typed:
    body: tuple[Statement, ...]
    states: tuple[State, ...]
    evaluate: Expr | None
    warnings: tuple[Diagnostic, ...]


def _infer(
    tables: Tables, program: Program, body: tuple[Statement, ...], hypers: Mapping[str, HyperInfo]
) -> _Typed:
    point, draws = tables.point, program.draw_types
    env: dict[Sym, Type] = {
        Sym("rank"): LENGTH, **{Sym(a): LENGTH for v in tables.views for a in v},
        Sym("t"): INTEGER, Sym(tables.gradient): PER_ENTRY, Sym(point): PER_ENTRY,
        Sym("loss"): SCALAR, **{Sym(n): i.type for n, i in hypers.items()},
    }
    starts = {s.name: (s.type, s.start.args if isinstance(s.start, Draw) else (s.start,))
              for s in program.states}
    externs = {
        name: (tuple(read_type(tables, kind, source, PER_ENTRY) for _, kind in extern.arguments),
               read_type(tables, extern.result, source, PER_ENTRY))
        for name, (extern, source) in tables.externs.items()}
    typing = Typing(env, tables.axes, tables.tasks, externs, program.carried, tables.views,
                    families=tables.families)
    small = smallest_types(body, starts, typing, point, draws, tables.flat.source)
    kinds = {s.name: s.type or (small[s.name] if s.local else PER_ENTRY) for s in program.states}
    env |= {Sym(n): k for n, k in kinds.items()}
    wanted = {Sym(n, True): k for n, k in kinds.items()} | {Sym(point, True): PER_ENTRY}
    typing = replace(typing, env=env, hidden=set(), warnings=[])
    body = infer_statements(body, typing, wanted, point, draws)
    states = tuple(replace(_state(s, kinds[s.name], typing), guard=s.guard)
                   for s in program.states)
    evaluate = None
    if program.evaluate is not None:
        value, source = program.evaluate
        evaluate = typing.into(PER_ENTRY, typing.infer(value, source), source)
        typing.fits("eval", PER_ENTRY, evaluate, source)
    _stop([*tables.problems, *typing.problems])
    warnings = (*typing.warnings, *_wide_states(program.states, small, typing),
                *_frozen(states, hypers))
    return _Typed(body, states, evaluate, warnings)


def _state(raw: RawState, kind: Type, typing: Typing) -> State:
    start = raw.start
    if isinstance(start, Draw):
        args = tuple(typing.infer(a, raw.source) for a in start.args)
        return State(raw.name, kind, Draw(replace(start.target, type=kind), start.distribution,
                                          args, raw.source), raw.constant, span=raw.span,
                     source=raw.source)
    value = typing.into(kind, _begun(typing, kind).infer(start, raw.source), raw.source)
    typing.fits(raw.name, kind, value, raw.source)
    return State(raw.name, kind, value, raw.constant, span=raw.span, source=raw.source)


def _begun(typing: Typing, kind: Type) -> Typing:
    """The typing in which a state starts: a family does so along its axis."""
    family = next((a for a in kind.axes if a in typing.families), "")
    return replace(typing, view=(), axis=family) if family else typing


def _wide_states(
    states: list[RawState], small: Mapping[str, Type], typing: Typing
) -> list[Diagnostic]:
    words = {Extent.SCALAR: "for the model", Extent.TENSOR: "per tensor"}
    return [
        report("wide-state", s.source, s.span, name=s.name, start=_start_text(s),
               extent=words[small[s.name].extent], type=typing.shown(small[s.name]))
        for s in states
        if s.type is None and not s.local and not isinstance(s.start, Draw)
        and small[s.name].extent is not Extent.ENTRY]


def _start_text(state: RawState) -> str:
    """The start of a state as it was written."""
    text = state.source.text[state.span.start : state.span.end]
    return text.partition("=")[2].strip() or "..."


def _frozen(states: tuple[State, ...], hypers: Mapping[str, HyperInfo]) -> list[Diagnostic]:
    """States that start from a hyperparameter which the equations read too: a schedule for it
    would act there at every step, here only once."""
    found = []
    for state in states:
        exprs = state.start.args if isinstance(state.start, Draw) else (state.start,)
        for symbol in sorted({s for e in exprs for s in symbols(e)}, key=str):
            if symbol.name in hypers and symbol.name in SCHEDULED:
                found.append(report("freezes-schedule", state.source, symbol.span,
                                    name=state.name, hyper=symbol.name))
    return found


# Hyperparameters that people schedule: a start that reads one deserves a word.
SCHEDULED = ("lr", "wd")


# What is used.


def _used(
    keep: frozenset[Sym], hypers: Mapping[str, HyperInfo], decide: Decide, guards: list[Expr]
) -> frozenset[str]:
    used = {s.name for s in keep} | decide.used | set(decide.tables.flat.bound)
    named = (*decide.tables.axes.values(), *decide.tables.sized.values())
    sizes = map(decide.tables.length, named)
    used |= {n for n in sizes if isinstance(n, str)}
    used |= {s.name for guard in guards for s in symbols(guard)}
    pending = list(used)
    while pending:
        info = hypers.get(pending.pop())
        if info is None or info.item.default is None:
            continue
        new = {n.name for n in walk(info.item.default) if isinstance(n, Sym)} - used
        used |= new
        pending += new
    return frozenset(used)


def _hyper(info: HyperInfo, decide: Decide) -> Hyper:
    item = info.item

    def ready(expr: Expr) -> Expr:
        value = substitute(expr, decide.substitution)
        return rewrite(value, lambda node: replace(node, type=SCALAR))

    default: Expr | tuple[Expr, ...] | None = None
    if isinstance(item.default, Apply) and item.default.op == "list":
        default = tuple(map(ready, item.default.args))
    elif item.default is not None:
        default = ready(item.default)
    return Hyper(item.name, default, info.range, info.type, item.span, item.spelled, info.source)
