"""``hold when c``: a step that leaves everything as it was.

The condition may read what the step computes, so the body is split: what the condition needs is
computed first, the rest only where the condition is false.
"""

from __future__ import annotations

from dataclasses import replace

from thetaprime.expr import Expr, Sym, substitute, symbols
from thetaprime.ir import Equation, First, Statement, When
from thetaprime.scopes import free, outputs, renamed
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
            wanted += free(made)
    names: dict[Sym, Expr] = {
        o: Sym(f"{o.name}_step", span=o.span) for s in before for o in outputs(s) if o.prime}
    rest = [s for s in body if s not in before]
    ahead = [renamed(s, names) for s in before]
    after = [Equation(o, new, source) for o, new in names.items()]
    then = [Equation(o, replace(o, prime=False), source)
            for s in (*rest, *after) for o in outputs(s) if o.prime]
    firsts = [s for s in rest if isinstance(s, First)]
    rest = [s for s in rest if not isinstance(s, First)]
    return [*ahead, *firsts, When(substitute(condition, names), tuple(then), (*rest, *after),
                                    source)]

