"""Edits of one node: each yields what could stand in its place.

A rule takes the facts and a site and matches what it is about; most sites are nothing to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from thetaprime.edits.facts import (
    ONE,
    ZERO,
    Facts,
    T,
    complement,
    corrected,
    correction,
    factors,
    minus,
    over,
    plus,
    terms,
    times,
)
from thetaprime.edits.places import Site
from thetaprime.expr import Apply, Expr, Num, Sym

Found = Iterator[Expr]


# eps and roots


def eps_inside(facts: Facts, site: Site) -> Found:
    """sqrt(a) + e  ->  sqrt(a + e)."""
    match site.node:
        case Apply("+", (Apply("sqrt", (a,)), e)) | Apply("+", (e, Apply("sqrt", (a,)))):
            if _number(facts, e):
                yield Apply("sqrt", (plus(a, e),))


def eps_outside(facts: Facts, site: Site) -> Found:
    """sqrt(a + e)  ->  sqrt(a) + e."""
    match site.node:
        case Apply("sqrt", (Apply("+", (a, e)),)) if _number(facts, e):
            yield plus(Apply("sqrt", (a,)), e)


def eps_floor(facts: Facts, site: Site) -> Found:
    """a + e  ->  max(a, e), and back."""
    match site.node:
        case Apply("+", (a, Sym(name) as e)) if name in facts.hypers and _below(site):
            yield Apply("max", (a, e))
        case Apply("max", (a, Sym(name) as e)) if name in facts.hypers:
            yield plus(a, e)


def eps_before_correction(facts: Facts, site: Site) -> Found:
    """sqrt(v/(1 - b^t)) + e  ->  sqrt(v/(1 - b^t)) + e/sqrt(1 - b^t): e is added to sqrt(v)."""
    match site.node:
        case Apply("+", (Apply("sqrt", (a,)) as root, Sym(name) as e)) if name in facts.hypers:
            b = _corrected_by(facts, a)
            if b is not None:
                yield plus(root, over(e, Apply("sqrt", (correction(b),))))


def eps_after_correction(facts: Facts, site: Site) -> Found:
    """sqrt(v) + e  ->  sqrt(v) + e*sqrt(1 - b^t), where v is not corrected under its root."""
    match site.node:
        case Apply("+", (Apply("sqrt", (a,)) as root, Sym(name) as e)) if name in facts.hypers:
            for way in facts.ways(a):
                weight = facts.weight(way.name) if isinstance(way, Sym) and way.prime else None
                if weight is not None:
                    yield plus(root, times(e, Apply("sqrt", (correction(weight),))))


def _number(facts: Facts, expr: Expr) -> bool:
    """Whether an expression is made of hyperparameters alone, as eps is."""
    names = {n.name for n in [expr] if isinstance(n, Sym)}
    return bool(names) and names <= facts.hypers


def _below(site: Site) -> bool:
    return site.parent is not None and site.parent.op == "/" and site.place == 1


def _corrected_by(facts: Facts, expr: Expr) -> Expr | None:
    for way in facts.ways(expr):
        match way:
            case Apply("/", (_, below)):
                return corrected(below)
            case Apply("debias", (_, b)):
                return b
    return None


# bias corrections


def no_correction(facts: Facts, site: Site) -> Found:
    """a/(1 - b^t)  ->  a."""
    match site.node:
        case Apply("/", (a, below)) if corrected(below) is not None:
            yield a
        case Apply("debias", (a, _)):
            yield a
        case node if corrected(node) is not None and not _below(site):
            yield ONE


def correction_late(facts: Facts, site: Site) -> Found:
    """1 - b^t  ->  1 - b^(t + 1)."""
    yield from _shifted(site, plus(T, ONE))


def correction_early(facts: Facts, site: Site) -> Found:
    """1 - b^t  ->  1 - b^(t - 1)."""
    yield from _shifted(site, minus(T, ONE))


def _shifted(site: Site, t: Expr) -> Found:
    match site.node:
        case Apply("debias", (a, b)):
            yield over(a, correction(b, t))
        case node if (weight := corrected(node)) is not None:
            yield correction(weight, t)


def new_correction(facts: Facts, site: Site) -> Found:
    """m'  ->  m'/(1 - b^t), where m is an average."""
    match site.node:
        case Sym(name, True) if name in facts.tables.states and name != facts.point.name:
            b = facts.weight(name)
            if b is not None and isinstance(b, Sym):
                yield over(site.node, correction(b))


# weights of averages


def one_complement(facts: Facts, site: Site) -> Found:
    """b  ->  1 - b, and back, at one place."""
    match site.node:
        case Sym(name) if name in facts.averaging and not _powered(site) and not _in_one(site):
            yield complement(site.node)
        case Apply("-", (Num("1"), Sym(name) as b)) if name in facts.averaging:
            yield b


def other_weight(facts: Facts, site: Site) -> Found:
    """b1  ->  b2: another hyperparameter with the same range."""
    match site.node:
        case Sym(name) if name in facts.averaging:
            own = facts.tables.hypers[name].range
            for other in sorted(facts.averaging - {name}):
                if facts.tables.hypers[other].range == own:
                    yield Sym(other)


def _powered(site: Site) -> bool:
    return site.parent is not None and site.parent.op == "^" and site.place == 0


def _in_one(site: Site) -> bool:
    """Whether the node is the b of 1 - b."""
    parent = site.parent
    return parent is not None and parent.op == "-" and site.place == 1 and parent.args[0] == ONE


# states


def delayed(facts: Facts, site: Site) -> Found:
    """v'  ->  v."""
    match site.node:
        case Sym(name, True) if name in facts.tables.states:
            yield replace(site.node, prime=False)


def hurried(facts: Facts, site: Site) -> Found:
    """v  ->  v'."""
    match site.node:
        case Sym(name, False) if name in facts.tables.states and site.target != Sym(name, True):
            yield replace(site.node, prime=True)


def old_gradient(facts: Facts, site: Site) -> Found:
    """g  ->  prev(g, 0)."""
    if site.node == facts.gradient and site.target is not None:
        yield Apply("prev", (site.node, ZERO))


def undamped_first(facts: Facts, site: Site) -> Found:
    """b*m + c*e  ->  if t == 1 then e else b*m + c*e."""
    state = site.target
    if site.above or state is None or not state.prime or state.name not in facts.tables.states:
        return
    own = Sym(state.name)
    match site.node:
        case Apply("ema", (m, e, _)) if m == own:
            yield _first(e, site.node)
            return
    rest = [term for _, term in terms(site.node) if own not in set(factors(term))]
    parts = list(terms(site.node))
    if len(parts) == 2 and len(rest) == 1:
        match rest[0]:
            case Apply("*", (_, e)):
                yield _first(e, site.node)
            case e:
                yield _first(e, site.node)


def _first(value: Expr, later: Expr) -> Expr:
    return Apply("if", (Apply("==", (T, ONE)), value, later))
