"""Guarantees: everything that a spec says reaches the step or the point to evaluate."""

from __future__ import annotations

from thetaprime.expr import Expr, Sym, symbols
from thetaprime.ir import Draw, First, State, Statement, When, reads
from thetaprime.scopes import free, outputs


def reached(
    body: tuple[Statement, ...], results: tuple[Sym, ...], evaluate: Expr | None,
    states: tuple[State, ...],
) -> frozenset[Sym]:
    """Every symbol that ``results`` or ``evaluate`` depend on, over any number of steps.

    A state that is read depends on its own new value one step earlier, and on its start.
    """
    makers: dict[Sym, list[Statement]] = {}
    for statement in body:
        for output in outputs(statement):
            makers.setdefault(output, []).append(statement)
    by_name = {s.name: s for s in states}
    wanted = [*results, *(symbols(evaluate) if evaluate is not None else ())]
    seen: set[Sym] = set()
    while wanted:
        symbol = wanted.pop()
        if symbol in seen:
            continue
        seen.add(symbol)
        for made in makers.get(symbol, ()):
            wanted += _read_for(made, symbol)
        state = by_name.get(symbol.name)
        if state is not None and not symbol.prime:
            wanted.append(Sym(symbol.name, True))
            starts = state.start.args if isinstance(state.start, Draw) else (state.start,)
            wanted += [s for e in starts for s in symbols(e)]
    return frozenset(seen)


def _read_for(statement: Statement, output: Sym) -> list[Sym]:
    """What a statement reads to define one of its outputs; a block reads its condition too."""
    if not isinstance(statement, When):
        return list(free(statement))
    found = list(symbols(statement.condition))
    for branch in (statement.then, statement.otherwise):
        for inner in branch:
            if output in outputs(inner):
                found += _read_for(inner, output)
            if isinstance(inner, First):
                found += [s for e in reads(inner) for s in symbols(e)]
    return found
