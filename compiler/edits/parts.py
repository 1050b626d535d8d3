"""Edits of several places, about maxima and bias corrections, weight decay, and the learning rate.

Each yields the sites with what comes there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from thetaprime.edits.facts import (
    ONE,
    ZERO,
    Facts,
    T,
    added,
    complement,
    corrected,
    correction,
    minus,
    over,
    plus,
    terms,
    tidy,
    times,
)
from thetaprime.edits.places import Change, Site
from thetaprime.edits.wide import Changes, everywhere, one
from thetaprime.expr import Apply, Expr, Sym, rewrite, substitute, symbols

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


def all_corrected(facts: Facts) -> Changes:
    """m', v'  ->  m'/(1 - b1^t), v'/(1 - b2^t): every average, wherever no state is defined."""
    found = []
    for site in facts.sites:
        target = site.target
        if target is None or (target.prime and target.name in facts.tables.states):
            continue
        match site.node:
            case Sym(name, True) if isinstance(b := facts.weight(name), Sym):
                found.append((site, over(site.node, correction(b))))
    if len(found) > 1:
        yield tuple(found)


def rate_corrected(facts: Facts) -> Changes:
    """lr  ->  lr*sqrt(1 - b2^t)/(1 - b1^t): the corrections of both averages, before eps."""
    if facts.rate and {"b1", "b2"} <= facts.averaging:
        root = Apply("sqrt", (correction(Sym("b2")),))
        share = over(times(Sym(facts.rate), root), correction(Sym("b1")))
        yield everywhere(facts, lambda e: substitute(e, {Sym(facts.rate): share}))


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

    others = tuple((s, new) for s, new in everywhere(facts, without) if s != site)
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
        yield everywhere(facts, lambda e: substitute(e, {Sym(facts.decay): share}))


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
                yield one(site, plus(times(a, u), w))
