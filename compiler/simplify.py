"""ir -> ir: rewrites that keep the meaning of a step, each with its equation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from thetaprime.check.names import in_order
from thetaprime.diagnostics import Diagnostic
from thetaprime.expr import Apply, Expr, Sym, walk
from thetaprime.ir import EachAxis, Equation, First, Loop, Statement, Step, When, reads
from thetaprime.ir import statements as all_statements
from thetaprime.ops import OPS, ORACLES, REDUCTIONS
from thetaprime.types import join

# From here on an operation is worth a branch (in flops for each entry; a matrix product has many).
HEAVY = 100


def flatten(step: Step, keep: Callable[[When], bool] = lambda block: False) -> Step:
    """The step without blocks but those to keep.

    ``if c: a = p`` ``else: a = q``  becomes  ``a = if c then p else q``; what one branch alone
    defines is computed either way and read only where its branch was taken.
    """
    return replace(step, body=_flat(step.body, keep))


def costly(block: When) -> bool:
    """Whether a block is better left out where its condition fails than computed and not used:
    one that is rarely due, or that asks the problem, loops, or factors matrices."""
    inner = [*all_statements(block.then), *all_statements(block.otherwise)]
    if any(isinstance(s, Loop | EachAxis) or (isinstance(s, When) and s.rare)
           for s in (block, *inner)):
        return True
    exprs = (e for s in inner for e in reads(s))
    return any(isinstance(n, Apply) and _heavy(n) for e in exprs for n in walk(e))


def _heavy(node: Apply) -> bool:
    if node.op in ORACLES:
        return True
    return node.op not in REDUCTIONS and node.op in OPS and OPS[node.op].flops >= HEAVY


def _flat(body: Iterable[Statement], keep: Callable[[When], bool]) -> tuple[Statement, ...]:
    problems: list[Diagnostic] = []
    flat = in_order([inner for s in body for inner in _open(s, keep)], problems)
    assert not problems, "branches of a block define each other in a circle"
    return flat


def _open(statement: Statement, keep: Callable[[When], bool]) -> list[Statement]:
    match statement:
        case Loop(_, _, body) | EachAxis(_, _, body):
            return [replace(statement, body=_flat(body, keep))]
        case When():
            sides = [[inner for s in branch for inner in _open(s, keep)]
                     for branch in (statement.then, statement.otherwise)]
            return _kept(statement, sides) if keep(statement) else _selected(statement, sides)
    return [statement]


def _kept(block: When, sides: list[list[Statement]]) -> list[Statement]:
    """The block; first values of states stand before it, as both sides may read the state."""
    firsts: list[Statement] = [s for side in sides for s in side if isinstance(s, First)]
    then, otherwise = (tuple(s for s in side if not isinstance(s, First)) for side in sides)
    return [*firsts, replace(block, then=then, otherwise=otherwise)]


def _selected(block: When, sides: list[list[Statement]]) -> list[Statement]:
    """What both sides define chosen between, the rest as it is."""
    values: list[dict[Sym, Equation]] = [
        {s.target: s for s in side if isinstance(s, Equation)} for side in sides]
    done: list[Statement] = [s for side in sides for s in side if not isinstance(s, Equation)]
    for target in dict.fromkeys((*values[0], *values[1])):
        pair = [v.get(target) for v in values]
        if pair[0] is not None and pair[1] is not None:
            chosen = _choose(block.condition, pair[0].value, pair[1].value)
            done.append(replace(pair[0], value=chosen))
        else:
            done += [p for p in pair if p is not None]
    return done


def _choose(condition: Expr, then: Expr, otherwise: Expr) -> Expr:
    if then == otherwise:
        return then
    assert then.type is not None
    assert otherwise.type is not None
    kind = join((then.type, otherwise.type))
    return Apply("if", (condition, then, otherwise), type=kind, span=then.span)
