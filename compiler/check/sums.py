"""Sums taken apart: the terms of a formula, what two have in common, numbers folded in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce

from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, substitute, symbols

_ZERO, _ONE = Num("0"), Num("1")


def terms(expr: Expr, less: bool = False) -> Iterator[tuple[bool, Expr]]:
    """The terms of a sum; True for those that are subtracted."""
    match expr:
        case Apply("+", (left, right)):
            yield from terms(left, less)
            yield from terms(right, less)
        case Apply("-", (left, right)):
            yield from terms(left, less)
            yield from terms(right, not less)
        case Apply("neg", (inner,)):
            yield from terms(inner, not less)
        case _:
            yield less, expr


def less_common(left: Expr, right: Expr) -> Expr | None:
    """``left - right`` without the terms of both; None where they have none in common."""
    kept = list(terms(left))
    rest = []
    for less, term in terms(right):
        if (less, term) in kept:
            kept.remove((less, term))
        else:
            rest.append((not less, term))
    if len(kept) == len(list(terms(left))):
        return None
    nothing: Expr = _ZERO
    return reduce(_joined, kept + rest, nothing)


def _joined(total: Expr, term: tuple[bool, Expr]) -> Expr:
    less, expr = term
    if total == _ZERO and not less:
        return expr
    return Apply("-" if less else "+", (total, expr), type=expr.type)


def with_number(expr: Expr, symbol: Sym, value: Num) -> Expr:
    """The expression with a number for a symbol, and 0 and 1 folded in."""
    return rewrite(substitute(expr, {symbol: value}), folded)


def instead(expr: Expr, old: Expr, new: Expr) -> Expr:
    """The expression with one formula in the place of another, wherever that stands."""
    return rewrite(expr, lambda node: new if node == old else node)


def folded(node: Expr) -> Expr:
    """One application with 0 and 1 folded in (of finite quantities)."""
    match node:
        case Apply("-", (Num() as a, Num() as b)):
            return replace(a, text=str(a.value - b.value))
        case Apply("+", (Num() as a, Num() as b)):
            return replace(a, text=str(a.value + b.value))
        case Apply("*", (Num() as a, Num() as b)):
            return replace(a, text=str(a.value * b.value))
        case Apply("+" | "-", (a, Num(text="0"))) | Apply("+", (Num(text="0"), a)):
            return a
        case Apply("*" | "/", (a, Num(text="1"))) | Apply("*", (Num(text="1"), a)):
            return a
        case Apply("*", (_, Num(text="0") as zero)) | Apply("*", (Num(text="0") as zero, _)):
            return replace(zero, type=node.type)
        case Apply("*", (Num(text="-1"), a)) | Apply("*", (a, Num(text="-1"))):
            return Apply("neg", (a,), type=node.type)
        case Apply("-", (a, Apply("neg", (b,)))):
            return Apply("+", (a, b), type=node.type)
        case Apply("-", (a, Apply("*", (Apply("neg", (b,)), c)))):
            return Apply("+", (a, Apply("*", (b, c), type=b.type)), type=node.type)
    return node


def degrees(expr: Expr) -> dict[Sym, int]:
    """The symbols of an expression, with 1 where it is affine in one while all others are fixed."""
    match expr:
        case Num():
            return {}
        case Sym():
            return {expr: 1}
        case Apply("+" | "-", (left, right)):
            return _merged(degrees(left), degrees(right), added=False)
        case Apply("neg", (inner,)):
            return degrees(inner)
        case Apply("*", (left, right)):
            return _merged(degrees(left), degrees(right), added=True)
        case Apply("/", (left, right)):
            return _merged(degrees(left), dict.fromkeys(symbols(right), 2), added=False)
    return dict.fromkeys(symbols(expr), 2)


def _merged(a: dict[Sym, int], b: dict[Sym, int], added: bool) -> dict[Sym, int]:
    return {s: a.get(s, 0) + b.get(s, 0) if added else max(a.get(s, 0), b.get(s, 0))
            for s in {**a, **b}}
