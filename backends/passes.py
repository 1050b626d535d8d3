"""ir -> passes: which sweep over the arrays computes what, and where each state is written.

A reduction is a barrier: one over a tensor ends a pass over that tensor, one over the model ends a
phase. The level of a quantity, (phase, pass), is the first sweep that may compute it. Reductions
are computed at their level. A state may be written at its level or in any later sweep; between
sweeps nothing of the size of a parameter is kept, so what a later sweep needs it recomputes from
the states, or reads back where the new value is already written. The invariant: an old value is
never overwritten while a later sweep still needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from thetaprime.backends.phases import Plain, hoist, over_model
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, substitute, symbols
from thetaprime.ir import Draw, Equation, First, Statement, reads
from thetaprime.ops import REDUCTIONS
from thetaprime.types import Extent

Level = tuple[int, int]

# The changes that a round of a descent may try, times the statements that each of them is judged
# by; what people write has a tenth.
MOST_WORK = 50_000


@dataclass(frozen=True)
class Pass:
    """One sweep: reductions whose argument varies per entry, and states whose value is stored."""

    level: Level
    reductions: tuple[Equation, ...]
    writes: tuple[Sym, ...]


@dataclass(frozen=True)
class Program:
    """A body ready for code. ``stored`` are the arrays that exist between sweeps, by name."""

    body: tuple[Plain, ...]
    values: Mapping[Sym, Equation | Draw]
    firsts: Mapping[Sym, Expr]
    extents: Mapping[Sym, Extent]
    levels: Mapping[Sym, Level]
    stored: frozenset[str]
    passes: tuple[Pass, ...]
    written: Mapping[Sym, int]

    def back(self, symbol: Sym, sweep: int) -> bool:
        """Whether sweep number ``sweep`` reads this new value back from its array."""
        return symbol in self.written and self.written[symbol] < sweep


def over_tensor(expr: Expr) -> bool:
    return isinstance(expr, Apply) and expr.over == ("tensor",)


def extent_of(expr: Expr, extents: Mapping[Sym, Extent]) -> Extent:
    """What the value of an expression varies along."""
    match expr:
        case Num():
            return Extent.SCALAR
        case Sym():
            return extents[expr]
        case Apply(_, args, over):
            inside = max((extent_of(a, extents) for a in args), default=Extent.SCALAR)
            if over == ("model",):
                return Extent.SCALAR
            return min(inside, Extent.TENSOR) if over == ("tensor",) else inside


def sizes(expr: Expr) -> bool:
    """Whether this is a count of entries, which no sweep is needed for."""
    return isinstance(expr, Apply) and expr.op in REDUCTIONS and REDUCTIONS[expr.op].array == "size"


def _means(expr: Expr) -> Expr:
    if isinstance(expr, Apply) and expr.over and REDUCTIONS[expr.op].array == "mean":
        total = Apply("sum", expr.args, expr.over, expr.type)
        return Apply("/", (total, Apply("size", expr.args, expr.over, expr.type)), type=expr.type)
    return expr


def _change(statement: Plain, change: Mapping[Sym, Expr]) -> Plain:
    inside = [substitute(rewrite(e, _means), dict(change)) for e in reads(statement)]
    if isinstance(statement, Draw):
        return replace(statement, args=tuple(inside))
    return replace(statement, value=inside[0])


def _prepared(body: Iterable[Statement], inputs: Iterable[Sym]) -> tuple[Plain, ...]:
    """Reductions are whole right-hand sides; means are sums over sizes; ``m' = m`` is gone."""
    plain = [s for s in body if isinstance(s, Equation | First | Draw)]
    firsts = {s.target for s in plain if isinstance(s, First)}
    held: dict[Sym, Expr] = {
        s.target: s.value for s in plain
        if isinstance(s, Equation) and isinstance(s.value, Sym) and s.value not in firsts
        and s.target.prime and s.value.name == s.target.name and not s.value.prime}
    kept = tuple(_change(s, held) for s in plain if s.target not in held)
    taken = {s.name for s in inputs} | {s.target.name for s in kept}
    kept = hoist(kept, over_model, taken)
    return hoist(kept, over_tensor, taken | {s.target.name for s in kept})


def program(body: Iterable[Statement], inputs: Mapping[Sym, Extent], outputs: set[Sym]) -> Program:
    """Schedule a body. ``inputs`` are the symbols that stand for themselves, ``outputs`` the
    primed symbols that must be stored."""
    ready = _prepared(body, inputs)
    extents, levels = dict(inputs), dict.fromkeys(inputs, (0, 0))
    values: dict[Sym, Equation | Draw] = {}
    firsts: dict[Sym, Expr] = {}
    reductions: dict[Level, list[Equation]] = {}
    for statement in ready:
        used = [s for e in reads(statement) for s in symbols(e)]
        target = statement.target
        level = max((levels[s] for s in used), default=(0, 0))
        if isinstance(statement, First):
            firsts[target] = statement.value
            levels[target] = max(level, levels[target])
            continue
        values[target] = statement
        if isinstance(statement, Draw):
            assert target.type is not None
            extents[target] = target.type.extent
        else:
            extents[target] = extent_of(statement.value, extents)
            stop = isinstance(statement.value, Apply) and statement.value.over
            if stop and isinstance(statement.value, Apply):
                inside = extent_of(statement.value.args[0], extents)
                if inside is Extent.ENTRY and not sizes(statement.value):
                    reductions.setdefault(level, []).append(statement)
                level = (level[0] + 1, 0) if stop == ("model",) else (level[0], level[1] + 1)
        if target in outputs and target.type is not None:
            extents[target] = target.type.extent
        levels[target] = level
    stored = frozenset(s.name for s, e in inputs.items() if e is Extent.ENTRY)
    arrays = [s for s in values if s in outputs and extents[s] is Extent.ENTRY]
    sweeps = sorted({*reductions, *(levels[s] for s in arrays)})
    draft = Program(ready, values, firsts, extents, levels, stored, (), {})
    written = _place(draft, sweeps, reductions, arrays)
    passes = [Pass(level, tuple(reductions.get(level, ())),
                   tuple(s for s in arrays if written[s] == k)) for k, level in enumerate(sweeps)]
    keep = [k for k, p in enumerate(passes) if p.reductions or p.writes]
    renumbered = {s: keep.index(k) for s, k in written.items()}
    return Program(ready, values, firsts, extents, levels, stored,
                   tuple(passes[k] for k in keep), renumbered)


def needs(
    prog: Program, roots: Iterable[Expr], sweep: int, written: Mapping[Sym, int]
) -> tuple[set[Sym], int]:
    """The stored values that a sweep reads to compute ``roots`` (unprimed: the old one, primed:
    read back), and the number of operations it spends."""
    found: set[Sym] = set()
    seen: set[Expr] = set()
    stack = list(roots)
    while stack:
        expr = stack.pop()
        if expr in seen or extent_of(expr, prog.extents) is not Extent.ENTRY:
            continue
        seen.add(expr)
        if isinstance(expr, Apply):
            stack.extend(expr.args)
        elif isinstance(expr, Sym):
            if expr in prog.values and not (expr in written and written[expr] < sweep):
                stack.extend(reads(prog.values[expr]))
            else:
                found.add(expr)
                if expr in prog.firsts:
                    stack.append(prog.firsts[expr])
    return found, sum(isinstance(e, Apply) for e in seen)


def _cost(
    prog: Program, levels: list[Level], reductions: Mapping[Level, list[Equation]],
    written: Mapping[Sym, int],
) -> tuple[int, int] | None:
    """Arrays moved and operations spent; None when an old value would be lost."""
    moved = spent = 0
    for k, level in enumerate(levels):
        writes = [s for s, w in written.items() if w == k]
        roots: list[Expr] = [e for r in reductions.get(level, ()) for e in _argument(r)]
        roots += [e for s in writes for e in reads(prog.values[s])]
        found, operations = needs(prog, roots, k, written)
        if any(written.get(Sym(s.name, True), k) < k for s in found if not s.prime):
            return None
        moved += len(found) + len(writes)
        spent += operations
    return moved, spent


def _argument(reduction: Equation) -> tuple[Expr, ...]:
    assert isinstance(reduction.value, Apply)
    return reduction.value.args


def _place(
    prog: Program, levels: list[Level], reductions: Mapping[Level, list[Equation]],
    arrays: list[Sym],
) -> dict[Sym, int]:
    """The sweep that writes each array: the least traffic that a descent finds, one array at a
    time, from all as early as possible and from all as late as possible (which is always valid:
    then every sweep sees old values only). Where there is too much to try, the better of the two.
    """
    first = {s: levels.index(prog.levels[s]) for s in arrays}
    last = dict.fromkeys(arrays, len(levels) - 1)
    tries = sum(len(levels) - 1 - k for k in first.values())
    little = 0 < tries*len(prog.body) <= MOST_WORK
    best: tuple[tuple[int, int], dict[Sym, int]] | None = None
    for start in (first, last):
        choice, cost = dict(start), _cost(prog, levels, reductions, start)
        better = little
        while better:
            better = False
            for s in arrays:
                for k in range(first[s], len(levels)):
                    trial = {**choice, s: k}
                    price = _cost(prog, levels, reductions, trial)
                    if price is not None and (cost is None or price < cost):
                        choice, cost, better = trial, price, True
        if cost is not None and (best is None or cost < best[0]):
            best = cost, choice
    assert best is not None
    return best[1]
