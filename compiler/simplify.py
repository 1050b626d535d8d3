"""ir -> ir: rewrites that keep the meaning of a step, each with its equation."""

from __future__ import annotations

from dataclasses import replace

from thetaprime.check.names import in_order
from thetaprime.diagnostics import Diagnostic
from thetaprime.expr import Apply, Expr, Sym
from thetaprime.ir import Draw, Equation, First, Statement, Step, When
from thetaprime.types import join


def flatten(step: Step) -> Step:
    """The step without blocks.

    ``if c: a = p`` ``else: a = q``  becomes  ``a = if c then p else q``; what one branch alone
    defines is computed either way and read only where its branch was taken.
    """
    flat: list[Statement] = []
    for statement in step.body:
        flat += _open(statement)
    problems: list[Diagnostic] = []
    body = in_order(flat, problems)
    assert not problems, "branches of a block define each other in a circle"
    return replace(step, body=body)


def _open(statement: Statement) -> list[Statement]:
    if not isinstance(statement, When):
        return [statement]
    sides = [[inner for s in branch for inner in _open(s)]
             for branch in (statement.then, statement.otherwise)]
    values: list[dict[Sym, Equation]] = [
        {s.target: s for s in side if isinstance(s, Equation)} for side in sides]
    done: list[Statement] = [s for side in sides for s in side if isinstance(s, Draw | First)]
    for target in dict.fromkeys((*values[0], *values[1])):
        pair = [v.get(target) for v in values]
        if pair[0] is not None and pair[1] is not None:
            chosen = _choose(statement.condition, pair[0].value, pair[1].value)
            done.append(Equation(pair[0].target, chosen, pair[0].source))
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
