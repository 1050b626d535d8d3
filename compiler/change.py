"""What a step adds to its point, read from the equation of the new point.

``x' = x - lr*(u + wd*x)`` changes x by ``-lr*u`` (its descent) and ``-lr*wd*x`` (its decay): what
is x times a factor of hyperparameters and t shrinks the point by itself, the rest follows the
gradient. No new point is subtracted from the old one, so that nothing cancels in rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from thetaprime.expr import Apply, Expr, Num, Sym, symbols

# A term of a sum: whether it is subtracted, and what.
Term = tuple[bool, Expr]
ZERO = Num("0")


def change_of(value: Expr, point: Sym) -> Expr:
    """``value - point``, with the point taken out of the sum where it stands in it."""
    match value:
        case Apply("if", (condition, then, otherwise)):
            return Apply("if", (condition, change_of(then, point), change_of(otherwise, point)),
                         span=value.span)
    terms = _without_point(list(_terms(value)), point)
    return Apply("-", (value, point), span=value.span) if terms is None else _sum(terms)


def descent_and_decay(
    value: Expr, point: Sym, plain: Callable[[Sym], bool]
) -> tuple[Expr, Expr] | None:
    """The parts of the change; ``plain`` says which symbols a factor of decay may read. None
    where the new point is not the old one plus something."""
    terms = _without_point(list(_terms(value)), point)
    if terms is None:
        return None
    spread = list(chain.from_iterable(_spread(term, point, plain) for term in terms))
    parts = [[t for t in spread if _is_decay(t[1], point, plain) == wanted]
             for wanted in (False, True)]
    # Terms are spread only where that sets decay apart.
    descent = parts[0] if parts[1] else terms
    return _sum(descent), _sum(parts[1])


def _terms(value: Expr, less: bool = False) -> Iterator[Term]:
    match value:
        case Apply("+", (left, right)):
            yield from _terms(left, less)
            yield from _terms(right, less)
        case Apply("-", (left, right)):
            yield from _terms(left, less)
            yield from _terms(right, not less)
        case Apply("neg", (inner,)):
            yield from _terms(inner, not less)
        case _:
            yield less, value


def _without_point(terms: list[Term], point: Sym) -> list[Term] | None:
    """The terms without ``point``; ``(1 - c)*point`` leaves ``- c*point``."""
    for i, (less, term) in enumerate(terms):
        if less:
            continue
        if term == point:
            return terms[:i] + terms[i + 1:]
        match term:
            case Apply("*", (Apply("-", (Num() as one, factor)), last)) if (
                    one.value == 1 and last == point):
                left = Apply("*", (factor, last), span=term.span)
                return [*terms[:i], (True, left), *terms[i + 1:]]
    return None


def _sum(terms: list[Term]) -> Expr:
    """The terms added up again."""
    if not terms:
        return ZERO
    (less, total), *rest = terms
    total = _negated(total) if less else total
    for less, term in rest:
        total = Apply("-" if less else "+", (total, term), span=term.span)
    return total


def _negated(expr: Expr) -> Expr:
    """``-a*b`` for ``a*b``: the sign stands at the first factor."""
    match expr:
        case Apply("*" | "/" as op, (first, second)):
            return Apply(op, (_negated(first), second), span=expr.span)
        case _:
            return Apply("neg", (expr,), span=expr.span)


def _spread(term: Term, point: Sym, plain: Callable[[Sym], bool]) -> list[Term]:
    """``k*(u + c*x)`` as ``k*u + k*c*x``."""
    less, expr = term
    match expr:
        case Apply("*", (factor, inner)):
            inside = [*chain.from_iterable(_spread(t, point, plain) for t in _terms(inner))]
            if len(inside) > 1 and any(_is_decay(e, point, plain) for _, e in inside):
                return [(less != sign, _times(factor, e)) for sign, e in inside]
    return [term]


def _times(factor: Expr, expr: Expr) -> Expr:
    """``k*a*b`` for ``k*(a*b)``: products are read from the left."""
    match expr:
        case Apply("*" | "/" as op, (first, second)):
            return Apply(op, (_times(factor, first), second), span=expr.span)
        case _:
            return Apply("*", (factor, expr), span=expr.span)


def _is_decay(expr: Expr, point: Sym, plain: Callable[[Sym], bool]) -> bool:
    """Whether it is the point times factors that only ``plain`` symbols enter."""
    factors = list(_factors(expr))
    rest = [f for f in factors if f != point]
    return len(factors) - len(rest) == 1 and all(plain(s) for f in rest for s in symbols(f))


def _factors(expr: Expr) -> Iterator[Expr]:
    match expr:
        case Apply("*", (left, right)):
            yield from _factors(left)
            yield from _factors(right)
        case Apply("/", (left, right)):
            yield from _factors(left)
            yield Apply("/", (Num("1"), right))
        case _:
            yield expr


def plainly(expr: Expr) -> Expr:
    """The sums in an expression without zeros: ``x + 0`` is x."""
    match expr:
        case Apply("+", (left, right)) if ZERO in (left, right):
            return left if right == ZERO else right
        case Apply("-", (left, right)) if right == ZERO:
            return left
    return expr
