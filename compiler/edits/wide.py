"""Edits of several places that are one change of the algebra.

Each yields the sites with what comes there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from thetaprime.edits.facts import (
    ONE,
    ZERO,
    Facts,
    added,
    complement,
    factors,
    minus,
    plus,
    terms,
)
from thetaprime.edits.places import Change, Site
from thetaprime.expr import Apply, Expr, Num, Sym, substitute, symbols, walk
from thetaprime.syntax import StateDecl

Changes = Iterator[Change]


def one(site: Site, new: Expr) -> Change:
    return ((site, new),)


def everywhere(facts: Facts, change: Callable[[Expr], Expr]) -> Change:
    """What ``change`` makes of every whole right side, where it makes another of it."""
    found = []
    for wholes in facts.equations.values():
        for site in wholes:
            new = change(site.node)
            if new != site.node:
                found.append((site, new))
    return tuple(found)


# weights of averages


def _complemented(b: Sym, expr: Expr, averages: bool = True) -> Expr:
    """b and 1 - b exchanged; without ``averages`` not where they weigh one, ``b*m + (1 - b)*g``
    or the last argument of ``ema`` and ``debias``, and not in powers of b."""
    match expr:
        case Apply() if not averages and _averages(b, expr):
            return expr
        case Apply("ema" | "debias", (*args, weight)) if not averages:
            return replace(expr, args=(*(_complemented(b, a, averages) for a in args), weight))
        case Apply("-", (Num("1"), inner)) if inner == b:
            return b
        case Sym() if expr == b:
            return complement(b)
        case Apply():
            return replace(expr, args=tuple(_complemented(b, a, averages) for a in expr.args))
    return expr


def _averages(b: Sym, expr: Apply) -> bool:
    """Whether an expression is an average with the weights b and 1 - b, or a power."""
    parts = [set(factors(term)) for _, term in terms(expr)] if expr.op in ("+", "-") else []
    return (expr.op == "^" and expr.args[0] == b) or (
        any(b in p for p in parts) and any(complement(b) in p for p in parts))


def complement_in_line(facts: Facts) -> Changes:
    """b*m + (1 - b)*g  ->  (1 - b)*m + b*g, in one line."""
    for wholes in facts.equations.values():
        for site in wholes:
            for name in sorted({s.name for s in symbols(site.node)} & facts.averaging):
                yield one(site, _complemented(Sym(name), site.node))


def complement_outside_averages(facts: Facts) -> Changes:
    """b  ->  1 - b wherever it is a factor, but for averages and bias corrections."""
    for name in sorted(facts.averaging):
        yield everywhere(facts, partial(_complemented, Sym(name), averages=False))


def complement_everywhere(facts: Facts) -> Changes:
    """b  ->  1 - b, all over the spec."""
    for name in sorted(facts.averaging):
        yield everywhere(facts, partial(
            substitute, values={Sym(name): complement(Sym(name))}))


# lags


def lagged_change(facts: Facts) -> Changes:
    """x' = x - d  ->  x' = x - prev(d, 0): the change of the step before; also where what is left
    out at this step, ``if c then 0``, stays left out."""
    site = facts.moved
    if site is None:
        return
    kept: list[tuple[int, Expr]] = [(s, e) for s, e in terms(site.node) if e == facts.point]
    rest = [(s, e) for s, e in terms(site.node) if e != facts.point]
    if kept and rest:
        sign = rest[0][0]
        change = added([(s*sign, e) for s, e in rest])
        join = plus if sign > 0 else minus
    else:
        kept, change, join = [(1, facts.point)], minus(site.node, facts.point), plus
    late = Apply("prev", (change, ZERO))
    yield one(site, join(added(kept), late))
    for condition in _masks(facts, change):
        yield one(site, join(added(kept), Apply("if", (condition, ZERO, late))))


def _masks(facts: Facts, expr: Expr) -> Iterator[Expr]:
    """The conditions under which what an expression reads is zero."""
    seen: dict[Expr, None] = {}
    pending = [expr]
    done: set[Sym] = set()
    while pending:
        for node in walk(pending.pop()):
            match node:
                case Apply("if", (c, Num() as n, _)) if n.value == 0:
                    seen[c] = None
                case Sym() if node not in done and (site := facts.whole(node)) is not None:
                    done.add(node)
                    pending.append(site.node)
    yield from seen


def lagged_quantity(facts: Facts) -> Changes:
    """u = e  ->  u = prev(e, 0)."""
    for target, wholes in facts.equations.items():
        if not target.prime and len(wholes) == 1:
            yield one(wholes[0], Apply("prev", (wholes[0].node, ZERO)))


def delayed_everywhere(facts: Facts) -> Changes:
    """v'  ->  v, wherever the state is read."""
    for name in facts.tables.states:
        yield everywhere(facts, partial(substitute, values={Sym(name, True): Sym(name)}))


# starts


def other_start(facts: Facts) -> Changes:
    """state m = 0  ->  state m = 1; one that starts elsewhere starts at 0."""
    for site in _starts(facts):
        line = site.line
        assert isinstance(line, StateDecl)
        if line.how == "=":
            zero = isinstance(site.node, Num) and site.node.value == 0
            yield one(site, ONE if zero else ZERO)
        elif line.how == "first":
            yield ((replace(site, path=site.way),
                    replace(line, how="=", value=ZERO)),)


def first_start(facts: Facts) -> Changes:
    """state m = 0  ->  state m = first e, where m' = b*m + c*e or ema(m, e, b)."""
    for site in _starts(facts):
        line = site.line
        assert isinstance(line, StateDecl)
        whole = facts.whole(Sym(line.name, True))
        if line.how != "=" or whole is None or Sym(line.name) not in symbols(whole.node):
            continue
        match whole.node:
            case Apply("ema", (_, e, _)):
                value: Expr | None = e
            case _:
                rest = [e for _, e in terms(whole.node) if Sym(line.name) not in symbols(e)]
                value = rest[0] if len(rest) == 1 else None
                match value:
                    case Apply("*", (_, e)):
                        value = e
        if value is not None:
            yield ((replace(site, path=site.way), replace(line, how="first", value=value)),)


def _starts(facts: Facts) -> Iterator[Site]:
    for site in facts.sites:
        if isinstance(site.line, StateDecl) and not site.above and site.way == site.path[:-1]:
            yield site
