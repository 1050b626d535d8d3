"""What the result of a step depends on, by algebra: a quantity that is read and cancels has no
effect, ``x + lr*(m - m)``.

An edge from a symbol to another means that the normal form of its value has the other in it, in
the first step or in a later one, for some kind of tensors. Normal forms that lack a symbol do not
depend on it; the converse is not promised. What cannot be executed depends on all that it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product

from thetaprime.cases import guard_of
from thetaprime.check.ranges import Ranges
from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.facts import atoms_inside, kinds
from thetaprime.claims.symbolic import Split, Symbolic, Undefined, Unknown, inputs, varies
from thetaprime.expr import Expr, Sym, symbols
from thetaprime.intervals import REAL, defined
from thetaprime.ir import Draw, Statement, Step, statements
from thetaprime.scopes import free, outputs

Edges = dict[Sym, set[Sym]]
STOPS = (Split, Undefined, Unknown, ZeroDivisionError)


def reached_by_lines(known: Ranges) -> frozenset[Sym]:
    """What the result depends on where each statement is taken by itself: what cancels inside of
    one. Raises Unproved for too many kinds of tensors, and STOPS for starts of states."""
    return _reached(known.step, _edges(known, _line_by_line))


def reached_written_out(known: Ranges) -> frozenset[Sym]:
    """What of hyperparameters and states the result depends on where all is written out: what
    cancels between statements too. Raises Unproved, STOPS."""
    return _reached(known.step, _edges(known, _written_out))


@dataclass
class _Execution:
    """A step while it is executed: whose value each atom is, and what was found."""

    run: Symbolic
    edges: Edges
    owners: dict[int, Sym] = field(default_factory=dict)

    def owns(self, symbol: Sym, value: Value | None) -> None:
        if value is not None and len(value.ratio.atoms) == 1:
            (atom,) = value.ratio.atoms
            self.owners.setdefault(atom, symbol)

    def depends(self, symbol: Sym, value: Value) -> None:
        """Notes what a value has in it."""
        algebra = self.run.algebra
        found = set(value.ratio.atoms).union(
            *(atoms_inside(algebra, a) for a in value.ratio.atoms))
        self.edges.setdefault(symbol, set()).update(
            self.owners[a] for a in found if a in self.owners)


def _edges(known: Ranges, execute: Callable[[_Execution], None]) -> Edges:
    step, edges = known.step, Edges()
    for (index, case), truths in product(enumerate(known.cases), kinds(step)):
        found = _Execution(inputs(step, case, index == 0, Algebra(), {}, truths), edges)
        for symbol, value in found.run.env.items():
            found.owns(symbol, value)
        execute(found)
    for statement in statements(step.body):
        if isinstance(statement, Draw):
            edges.setdefault(statement.target, set()).update(
                s for a in statement.args for s in symbols(a))
    return edges


def _line_by_line(found: _Execution) -> None:
    """Each statement from values of which nothing is known but their ranges."""
    run = found.run
    for statement in run.step.body:
        guard = guard_of(statement)
        if guard is not None and not run.truths[guard]:
            continue
        try:
            run.execute((statement,))
            values = {s: run.env.get(s) for s in outputs(statement)}
        except STOPS:
            values = dict.fromkeys(outputs(statement))
        for target, value in values.items():
            if value is None:
                found.edges.setdefault(target, set()).update(free(statement))
            else:
                found.depends(target, value)
            interval = REAL if value is None or value.interval.single else value.interval
            run.env[target] = run.algebra.atom(
                ("value", target.name, target.prime), varies(target.type), defined(interval))
            found.owns(target, run.env[target])


def _written_out(found: _Execution) -> None:
    run = found.run.run()
    for statement in run.step.body:
        if isinstance(statement, Draw):
            found.owns(statement.target, run.env.get(statement.target))
    for symbol, value in run.env.items():
        if value is None:
            raise Undefined
        found.depends(symbol, value)


def _reached(step: Step, edges: Edges) -> frozenset[Sym]:
    """Whatever the point after the step, and the one to evaluate, depend on over many steps."""
    wanted = [Sym(step.point, True), *_always(step)]
    starts = {s.name: s.start for s in step.states}
    defaults = {h.name: h.default for h in step.hypers}
    seen: set[Sym] = set()
    while wanted:
        symbol = wanted.pop()
        if symbol in seen:
            continue
        seen.add(symbol)
        wanted += edges.get(symbol, ())
        if symbol.name in starts and not symbol.prime:
            start = starts[symbol.name]
            wanted.append(Sym(symbol.name, True))
            wanted += _read(start.args if isinstance(start, Draw) else start)
        wanted += _read(defaults.get(symbol.name))
    return frozenset(seen)


def _always(step: Step) -> Iterator[Sym]:
    """What decides how a step is taken, and what is drawn inside of blocks."""
    yield from _read(step.evaluate)
    yield from _read(step.fresh)
    yield from (Sym(a.length) for a in step.axes if isinstance(a.length, str))
    for state in step.states:
        yield from _read(state.guard)
    for statement in statements(step.body):
        yield from _read(guard_of(statement))
        yield from _nested_draws(statement)


def _nested_draws(statement: Statement) -> Iterator[Sym]:
    if not isinstance(statement, Draw) and outputs(statement):
        for inner in statements((statement,)):
            if isinstance(inner, Draw):
                yield from _read(inner.args)


def _read(found: Expr | tuple[Expr, ...] | None) -> list[Sym]:
    exprs = found if isinstance(found, tuple) else () if found is None else (found,)
    return [s for e in exprs for s in symbols(e)]
