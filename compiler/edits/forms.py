"""Edits of one node, about its form alone: terms, factors, functions, conditions, extents.

Each yields what could stand in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from thetaprime.edits.facts import ONE, Facts, T, minus, plus, times
from thetaprime.edits.places import Site
from thetaprime.expr import Apply, Expr, Num
from thetaprime.ops import OPS

Found = Iterator[Expr]


# terms, factors, functions


def flipped(facts: Facts, site: Site) -> Found:
    """a + b  ->  a - b, and back."""
    match site.node:
        case Apply("+", args):
            yield Apply("-", args)
        case Apply("-", args):
            yield Apply("+", args)
        case Apply("neg", (a,)):
            yield a


def no_term(facts: Facts, site: Site) -> Found:
    """a + b  ->  a, b."""
    match site.node:
        case Apply("+", (a, b)):
            yield from (a, b)
        case Apply("-", (a, b)):
            yield from (a, Apply("neg", (b,)))


def no_factor(facts: Facts, site: Site) -> Found:
    """a*b  ->  a, b;  a/b  ->  a."""
    match site.node:
        case Apply("*", (a, b)):
            yield from (a, b)
        case Apply("/", (a, _)):
            yield a


def inverted(facts: Facts, site: Site) -> Found:
    """a/b  ->  a*b."""
    match site.node:
        case Apply("/", (a, b)):
            yield times(a, b)


def no_clamp(facts: Facts, site: Site) -> Found:
    """max(a, b)  ->  a, b;  clip(a, low, high)  ->  a."""
    match site.node:
        case Apply("max" | "min", (a, b), ()):
            yield from (a, b)
        case Apply("clip", (a, _, _)):
            yield a


def other_clamp(facts: Facts, site: Site) -> Found:
    """max(a, b)  ->  min(a, b), and back."""
    match site.node:
        case Apply("max" | "min" as op, _):
            yield replace(site.node, op="min" if op == "max" else "max")


def no_function(facts: Facts, site: Site) -> Found:
    """sqrt(a)  ->  a, and any other operation of one argument."""
    match site.node:
        case Apply(op, (a,), ()) if op in OPS and OPS[op].fix == "call":
            yield a


def no_power(facts: Facts, site: Site) -> Found:
    """a^n  ->  a."""
    match site.node:
        case Apply("^", (a, _)):
            yield a


def other_number(facts: Facts, site: Site) -> Found:
    """n  ->  n + 1."""
    match site.node:
        case Num() as n:
            yield Num(str(n.value.numerator + 1) if n.value.denominator == 1
                      else str(float(n.value + 1)))


def other_time(facts: Facts, site: Site) -> Found:
    """t  ->  t + 1, t - 1."""
    if site.node == T:
        yield from (plus(T, ONE), minus(T, ONE))


# conditions and extents


def other_condition(facts: Facts, site: Site) -> Found:
    """a < b  ->  a >= b, a <= b."""
    turned = {"<": (">=", "<="), "<=": (">", "<"), ">": ("<=", ">="), ">=": ("<", ">"),
              "==": ("!=",), "!=": ("==",), "and": ("or",), "or": ("and",)}
    match site.node:
        case Apply(op, args) if op in turned:
            for new in turned[op]:
                yield Apply(new, args)


def no_condition(facts: Facts, site: Site) -> Found:
    """if c then a else b  ->  a, b."""
    match site.node:
        case Apply("if", (_, a, b)):
            yield from (a, b)


def swapped_branches(facts: Facts, site: Site) -> Found:
    """if c then a else b  ->  if c then b else a."""
    match site.node:
        case Apply("if", (c, a, b)):
            yield Apply("if", (c, b, a))


def other_extent(facts: Facts, site: Site) -> Found:
    """over tensor  ->  over model, and back."""
    match site.node:
        case Apply(_, _, ("tensor",)):
            yield replace(site.node, over=("model",))
        case Apply(_, _, ("model",)):
            yield replace(site.node, over=("tensor",))
