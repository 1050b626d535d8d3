"""What a spec reads and what yet has no effect: ``x' = x - lr*(g + m - m)``, ``lr*h/h``.

What is found is true: normal forms without a quantity do not depend on it (`effects`). Of large
steps only what cancels inside of one statement is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from thetaprime.check.ranges import ranges
from thetaprime.claims.effects import STOPS, reached_by_lines, reached_written_out
from thetaprime.claims.facts import Unproved
from thetaprime.claims.recurrent import driven
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Sym, walk
from thetaprime.flat import Flat
from thetaprime.ir import Equation, Step, reads
from thetaprime.lower import Lowered
from thetaprime.ops import LINEAR
from thetaprime.scopes import free, outputs
from thetaprime.tables import name_span

# Steps with more operations, and those with products of matrices, are not written out.
MOST_WRITTEN_OUT = 100


def check_dead(lowered: Sequence[Lowered], optimizer: Flat) -> list[Diagnostic]:
    """Hyperparameters, states and equations of the spec's own text that are read without effect,
    whatever the choices of static hyperparameters are."""
    dead = _dead(lowered[0].step)
    for one in lowered[1:]:
        if not dead:
            break
        dead &= _dead(one.step)
    return list(_reports(lowered[0], optimizer, dead)) if dead else []


def _dead(step: Step) -> frozenset[Sym]:
    """The quantities of a step that the result does not depend on."""
    known = ranges(step)
    try:
        by_lines = reached_by_lines(known)
    except (Unproved, *STOPS):
        return frozenset()
    hypers = {Sym(h.name) for h in step.hypers if h.type.kind != "function"}
    states = {Sym(s.name) for s in step.states} - set(map(Sym, driven(step)))
    made = {s.target for s in step.body if isinstance(s, Equation) and not s.target.prime}
    dead = (hypers | states | made) - by_lines
    if _small(step):
        with suppress(Unproved, *STOPS):
            dead |= (hypers | states) - reached_written_out(known)
    return frozenset(dead)


def _small(step: Step) -> bool:
    nodes = [n for s in step.body for e in reads(s) for n in walk(e)]
    return len(nodes) <= MOST_WRITTEN_OUT and not any(
        isinstance(n, Apply) and n.op in LINEAR for n in nodes)


def _reports(one: Lowered, optimizer: Flat, dead: frozenset[Sym]) -> Iterator[Diagnostic]:
    step, tables = one.step, one.tables
    for name, info in tables.hypers.items():
        if Sym(name) in dead and not info.inherited:
            yield report("dead-hyperparameter", info.source, name_span(info.item, info.source),
                         name=name, point=step.point, notes=_where(step, Sym(name)))
    for name, (declared, part) in tables.states.items():
        if Sym(name) in dead and not part.inherited and _cancels(step, Sym(name), dead):
            yield report("dead-value", part.source, name_span(declared, part.source), name=name,
                         point=step.point, notes=_where(step, Sym(name)))
    for statement in step.body:
        if (isinstance(statement, Equation) and statement.source is optimizer.source
                and statement.target in dead and statement.target.name not in tables.states
                and _cancels(step, statement.target, dead)):
            yield report("dead-value", statement.source, statement.target.span,
                         name=str(statement.target), point=step.point,
                         notes=_where(step, statement.target))


def _readers(step: Step, symbol: Sym) -> list[Sym]:
    """What is computed from a symbol, or from a state's new value; not the state itself."""
    return list(dict.fromkeys(
        target for s in step.body if {symbol.name} & {f.name for f in free(s)}
        for target in outputs(s) if target.name != symbol.name))


def _cancels(step: Step, symbol: Sym, dead: frozenset[Sym]) -> bool:
    """Whether it gets lost itself, and not only with what is computed from it."""
    return any(Sym(target.name) not in dead or target.name == step.point
               for target in _readers(step, symbol))


def _where(step: Step, symbol: Sym) -> tuple[str, ...]:
    names = ", ".join(f"`{target}`" for target in _readers(step, symbol))
    return (f"it is read by the equation for {names}",) if names else ()
