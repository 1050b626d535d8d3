"""``hold when c``: a step that leaves everything as it was.

The condition may read what the step computes, so the body is split: what the condition needs is
computed first, the rest only where the condition is false.
"""

from __future__ import annotations

from dataclasses import replace

from thetaprime.check.names import outputs
from thetaprime.expr import Expr, Sym, substitute, symbols
from thetaprime.ir import Draw, Equation, First, Statement, When, reads
from thetaprime.source import Source


def held(body: list[Statement], condition: Expr, source: Source) -> list[Statement]:
    """The body under ``hold when c``: where c, every state and the parameter are what they were.

    What c reads is computed before; a new value that it reads goes by the name ``m_step`` there.
    """
    maker = {o: s for s in body for o in outputs(s)}
    wanted = list(symbols(condition))
    before: list[Statement] = []
    while wanted:
        made = maker.get(wanted.pop())
        if made is not None and made not in before:
            before.append(made)
            wanted += [s for e in reads(made) for s in symbols(e)]
    renamed: dict[Sym, Expr] = {
        o: Sym(f"{o.name}_step", span=o.span) for s in before for o in outputs(s) if o.prime}
    rest = [s for s in body if s not in before]
    ahead = [_renamed(s, renamed) for s in before]
    after = [Equation(o, new, source) for o, new in renamed.items()]
    then = [Equation(o, replace(o, prime=False), source)
            for s in (*rest, *after) for o in outputs(s) if o.prime]
    firsts = [s for s in rest if isinstance(s, First)]
    rest = [s for s in rest if not isinstance(s, First)]
    return [*ahead, *firsts, When(substitute(condition, renamed), tuple(then),
                                          (*rest, *after), source)]


def _renamed(statement: Statement, names: dict[Sym, Expr]) -> Statement:
    match statement:
        case Equation(target, value, source):
            new = names.get(target, target)
            assert isinstance(new, Sym)
            return Equation(new, substitute(value, names), source)
        case First(target, value, source):
            return First(target, substitute(value, names), source)
        case Draw(target, distribution, args, source):
            return Draw(target, distribution, tuple(substitute(a, names) for a in args), source)
        case When(condition, then, otherwise, source):
            return When(substitute(condition, names), tuple(_renamed(s, names) for s in then),
                        tuple(_renamed(s, names) for s in otherwise), source)
