"""Edits of several places that are one change of the algebra.

Each yields the sites with what comes there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from thetaprime.edits.facts import (
    ONE,
    ZERO,
    Facts,
    T,
    added,
    complement,
    corrected,
    correction,
    factors,
    minus,
    over,
    plus,
    terms,
    tidy,
    times,
)
from thetaprime.edits.places import Change, Site
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, substitute, symbols, walk
from thetaprime.syntax import StateDecl

Changes = Iterator[Change]


def _one(site: Site, new: Expr) -> Change:
    return ((site, new),)


def _everywhere(facts: Facts, change: Callable[[Expr], Expr]) -> Change:
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
                yield _one(site, _complemented(Sym(name), site.node))


def complement_outside_averages(facts: Facts) -> Changes:
    """b  ->  1 - b wherever it is a factor, but for averages and bias corrections."""
    for name in sorted(facts.averaging):
        yield _everywhere(
            facts, lambda e, name=name: _complemented(Sym(name), e, averages=False))


def complement_everywhere(facts: Facts) -> Changes:
    """b  ->  1 - b, all over the spec."""
    for name in sorted(facts.averaging):
        yield _everywhere(
            facts, lambda e, name=name: substitute(e, {Sym(name): complement(Sym(name))}))


# lags


def lagged_change(facts: Facts) -> Changes:
    """x' = x - d  ->  x' = x - prev(d, 0): the change of the step before; also where what is left
    out at this step, ``if c then 0``, stays left out."""
    site = facts.moved
    if site is None:
        return
    kept = [(s, e) for s, e in terms(site.node) if e == facts.point]
    rest = [(s, e) for s, e in terms(site.node) if e != facts.point]
    if kept and rest:
        sign = rest[0][0]
        change = added([(s*sign, e) for s, e in rest])
        join = plus if sign > 0 else minus
    else:
        kept, change, join = [(1, facts.point)], minus(site.node, facts.point), plus
    late = Apply("prev", (change, ZERO))
    yield _one(site, join(added(kept), late))
    for condition in _masks(facts, change):
        yield _one(site, join(added(kept), Apply("if", (condition, ZERO, late))))


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
            yield _one(wholes[0], Apply("prev", (wholes[0].node, ZERO)))


def delayed_everywhere(facts: Facts) -> Changes:
    """v'  ->  v, wherever the state is read."""
    for name in facts.tables.states:
        yield _everywhere(facts, lambda e, name=name: substitute(
            e, {Sym(name, True): Sym(name)}))


# starts


def other_start(facts: Facts) -> Changes:
    """state m = 0  ->  state m = 1; one that starts elsewhere starts at 0."""
    for site in _starts(facts):
        line = site.line
        assert isinstance(line, StateDecl)
        if line.how == "=":
            zero = isinstance(site.node, Num) and site.node.value == 0
            yield _one(site, ONE if zero else ZERO)
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


# maxima and bias corrections


def max_after_correction(facts: Facts) -> Changes:
    """w' = max(w, v'), w'/(1 - b^t)  ->  w' = max(w, v'/(1 - b^t)), w'."""
    for target, value in _maxima(facts):
        match value.node:
            case Apply("max", (w, inner)) if corrected_by(inner) is None:
                for site in facts.sites:
                    b = _correction_of(site.node, target)
                    if b is not None:
                        yield ((value, Apply("max", (w, over(inner, correction(b))))),
                               (site, target))


def max_before_correction(facts: Facts) -> Changes:
    """w' = max(w, v'/(1 - b^t)), w'  ->  w' = max(w, v'), w'/(1 - b^t)."""
    for target, value in _maxima(facts):
        match value.node:
            case Apply("max", (w, inner)):
                found = [c for way in facts.ways(inner) if (c := corrected_by(way)) is not None]
                if not found:
                    continue
                a, b = found[0]
                uses = tuple((site, over(target, correction(b))) for site in facts.sites
                             if site.node == target and site.target != target)
                yield ((value, Apply("max", (w, a))), *uses)


def _maxima(facts: Facts) -> Iterator[tuple[Sym, Site]]:
    for target, wholes in facts.equations.items():
        if target.prime and len(wholes) == 1:
            yield target, wholes[0]


def corrected_by(expr: Expr) -> tuple[Expr, Expr] | None:
    """The a and b of a/(1 - b^t)."""
    match expr:
        case Apply("/", (a, below)) if (b := corrected(below)) is not None:
            return a, b
        case Apply("debias", (a, b)):
            return a, b
    return None


def _correction_of(expr: Expr, target: Sym) -> Expr | None:
    found = corrected_by(expr)
    return found[1] if found is not None and found[0] == target else None


# weight decay


def _undecayed(facts: Facts) -> tuple[Site, Expr, Change] | None:
    """The right side of x', what it is without weight decay, and what other lines are then."""
    site = facts.moved
    if site is None or not facts.decay:
        return None
    gone: dict[Sym, Expr] = {Sym(facts.decay): ZERO}

    def without(expr: Expr) -> Expr:
        return tidy(substitute(expr, gone)) if Sym(facts.decay) in symbols(expr) else expr

    others = tuple((s, new) for s, new in _everywhere(facts, without) if s != site)
    return site, without(site.node), others


def _decayed(form: Callable[[Facts, Expr, Expr], Expr]) -> Callable[[Facts], Changes]:
    """Changes to a weight decay of another form, made of the change without and lr*wd."""
    def changes(facts: Facts) -> Changes:
        found = _undecayed(facts)
        if found is not None and facts.rate:
            site, plain, others = found
            share = times(Sym(facts.rate), Sym(facts.decay))
            yield ((site, form(facts, plain, share)), *others)

    return changes


decay_decoupled = _decayed(lambda f, plain, share: minus(plain, times(share, f.point)))
decay_upward = _decayed(lambda f, plain, share: plus(plain, times(share, f.point)))
decay_alone = _decayed(lambda f, plain, share: minus(plain, times(Sym(f.decay), f.point)))
decay_new = _decayed(lambda f, plain, share: times(complement(share), plain))
decay_proximal = _decayed(lambda f, plain, share: over(plain, plus(ONE, share)))
decay_first = _decayed(
    lambda f, plain, share: substitute(plain, {f.point: times(complement(share), f.point)}))


def decay_in_gradient(facts: Facts) -> Changes:
    """g  ->  g + wd*x in every line, and no other decay."""
    found = _undecayed(facts)
    if found is None:
        return
    site, plain, others = found
    decayed = plus(facts.gradient, times(Sym(facts.decay), facts.point))
    new = {facts.gradient: decayed}
    known = {(*s.path, s.part): value for s, value in ((site, plain), *others)}

    def change(at: Site) -> Expr:
        return substitute(known.get((*at.path, at.part), at.node), new)

    whole = [w for wholes in facts.equations.values() for w in wholes]
    yield tuple((w, change(w)) for w in whole if change(w) != w.node)


def decay_times_rate(facts: Facts) -> Changes:
    """wd  ->  lr*wd."""
    if facts.decay and facts.rate:
        share = times(Sym(facts.rate), Sym(facts.decay))
        yield _everywhere(facts, lambda e: substitute(e, {Sym(facts.decay): share}))


# learning rate and momentum


def rate_inside(facts: Facts) -> Changes:
    """x' = x - lr*m', m' = b*m + e  ->  x' = x - m', m' = b*m + lr*e."""
    site = facts.moved
    if site is None or not facts.rate:
        return
    rate = Sym(facts.rate)
    for term in [e for _, e in terms(site.node)]:
        match term:
            case Apply("*", (lr, Sym(name, True) as m)) if lr == rate:
                whole = facts.whole(m)
                if whole is None:
                    continue
                parts = [(s, e if Sym(name) in symbols(e) else times(rate, e))
                         for s, e in terms(whole.node)]

                def out(node: Expr, term: Expr = term, m: Expr = m) -> Expr:
                    return m if node == term else node

                yield (site, rewrite(site.node, out)), (whole, added(parts))


def rate_outside(facts: Facts) -> Changes:
    """x' = x - m', m' = b*m + lr*e  ->  x' = x - lr*m', m' = b*m + e."""
    site = facts.moved
    if site is None or not facts.rate:
        return
    rate = Sym(facts.rate)
    for _, term in list(terms(site.node)):
        if isinstance(term, Sym) and term.prime and (whole := facts.whole(term)) is not None and (
                rate in symbols(whole.node)):
            def scaled(node: Expr, term: Sym = term) -> Expr:
                return times(rate, term) if node == term else node

            yield ((site, rewrite(site.node, scaled)),
                   (whole, tidy(substitute(whole.node, {rate: ONE}))))


def decay_after_rate(facts: Facts) -> Changes:
    """lr*(u + wd*x)  ->  lr*u + wd*x."""
    for site in facts.sites:
        match site.node:
            case Apply("*", (a, Apply("+", (u, w)))) if facts.decay and (
                    {Sym(facts.decay), facts.point} <= symbols(w)) and T not in symbols(w):
                yield _one(site, plus(times(a, u), w))
