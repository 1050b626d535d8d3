"""Expressions: a number, a symbol, an application.

One vocabulary serves both ends. In `syntax` an `Apply` carries whatever name the user wrote and
``type`` is None; in `ir` every ``op`` is a row of `ops` and every node carries its type. Types and
spans stand outside equality, so that two expressions are equal when they say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from thetaprime.source import NOWHERE, Span
from thetaprime.types import Type


@dataclass(frozen=True, slots=True)
class Num:
    """A literal; exact until code is generated, so it keeps its text (``1e-8``). ``named``: the
    hyperparameter that somebody gave this value."""

    text: str
    type: Type | None = field(default=None, compare=False)
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    named: str = field(default="", compare=False, repr=False)

    @property
    def value(self) -> Fraction:
        return Fraction(self.text)


@dataclass(frozen=True, slots=True)
class Sym:
    """A quantity before the step (``m``) or after it (``m'``); ``spelled`` as the user wrote it."""

    name: str
    prime: bool = False
    type: Type | None = field(default=None, compare=False)
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    spelled: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return (self.spelled or self.name) + ("'" if self.prime else "")


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on arguments; ``over`` names what a reduction runs over."""

    op: str
    args: tuple[Expr, ...] = ()
    over: tuple[str, ...] = ()
    type: Type | None = field(default=None, compare=False)
    span: Span = field(default=NOWHERE, compare=False, repr=False)


Expr = Num | Sym | Apply


def walk(expr: Expr) -> Iterator[Expr]:
    """Every node, parents first, left to right (an explicit stack: depth is no limit)."""
    stack = [expr]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, Apply):
            stack.extend(reversed(node.args))


# Passes over expressions are recursive, two frames a level: this stays clear of Python's limit.
MOST_LEVELS = 200


def levels(expr: Expr) -> int:
    """How many applications stand inside of one another (without recursion)."""
    count = 0
    level: list[Expr] = [expr]
    while level:
        level = [arg for node in level if isinstance(node, Apply) for arg in node.args]
        count += 1
    return count


def size(expr: Expr) -> int:
    """How many nodes the expression has when it is written out; shared ones count each time."""
    known: dict[int, int] = {}
    stack: list[tuple[Expr, bool]] = [(expr, False)]
    while stack:
        node, ready = stack.pop()
        args = node.args if isinstance(node, Apply) else ()
        if ready:
            known[id(node)] = 1 + sum(known[id(arg)] for arg in args)
        elif id(node) not in known:
            stack.append((node, True))
            stack.extend((arg, False) for arg in args)
    return known[id(expr)]


def symbols(expr: Expr) -> set[Sym]:
    """The symbols that an expression reads."""
    return {node for node in walk(expr) if isinstance(node, Sym)}


def rewrite(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The expression with ``change`` applied to every node, arguments first."""
    if isinstance(expr, Apply) and expr.args:
        args = tuple(rewrite(arg, change) for arg in expr.args)
        if any(new is not old for new, old in zip(args, expr.args, strict=True)):
            expr = replace(expr, args=args)
    return change(expr)


def substitute(expr: Expr, values: Mapping[Sym, Expr]) -> Expr:
    """The expression with symbols replaced by values, all at once."""
    return rewrite(expr, lambda node: values.get(node, node) if isinstance(node, Sym) else node)
