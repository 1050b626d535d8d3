"""Relations of two linear systems beyond equality: shifts, repetitions, other iterates.

Shift: with D = diag(z^m1, z^m2, ...) and P a permutation of equal oracles, H2 = D^-1 P^T H1 P D:
the second asks the same questions in another order, some of them m steps later. Of one oracle the
shift is nothing but equality. It is about oracles that are the same function at every step.
Repetition: a step of one is several steps of the other.
Another iterate: a row of constants that reads the iterates of one rule off the states of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from thetaprime.compare.linear.transfer import (
    Element,
    LinearForm,
    Maps,
    Matrix,
    Output,
    Vector,
    applied,
    columns,
    dense,
    dot,
    product,
)

# Oracle calls of a step whose orders are all tried.
MOST_QUERIES = 5


@dataclass(frozen=True)
class Shift:
    """Query ``order[j]`` of the first rule is query j of the second, which asks it ``later[j]``
    steps later than the first does (the first query that is connected to it: 0)."""

    order: tuple[int, ...]
    later: tuple[int, ...]

    @property
    def trivial(self) -> bool:
        return self.order == tuple(range(len(self.order))) and not any(self.later)


def shift(
    one: Matrix, two: Matrix, kinds: Sequence[str], others: Sequence[str]
) -> Shift | None:
    """How the transfer functions are equal up to order and delays of queries, if they are."""
    size = len(kinds)
    if size != len(others) or sorted(kinds) != sorted(others) or size > MOST_QUERIES:
        return None
    for order in permutations(range(size)):
        if all(kinds[k] == other for k, other in zip(order, others, strict=True)):
            moved = tuple(tuple(one[i][j] for j in order) for i in order)
            later = _delays(moved, two)
            if later is not None:
                return Shift(order, later)
    return None


def _delays(one: Matrix, two: Matrix) -> tuple[int, ...] | None:
    """m with two[i][j] = z^(m_j - m_i) * one[i][j]."""
    size = len(one)
    between: dict[tuple[int, int], int] = {}
    for i in range(size):
        for j in range(size):
            if bool(one[i][j]) != bool(two[i][j]):
                return None
            if one[i][j]:
                power = _power(two[i][j] / one[i][j])
                if power is None:
                    return None
                between[i, j], between[j, i] = power, between.get((j, i), -power)
    later: dict[int, int] = {}
    for root in range(size):
        pending = [] if root in later else [root]
        later.setdefault(root, 0)
        while pending:
            i = pending.pop()
            for j in range(size):
                if (i, j) in between and j not in later:
                    later[j] = later[i] + between[i, j]
                    pending.append(j)
    right = all(later[j] - later[i] == power for (i, j), power in between.items())
    return tuple(later[k] for k in range(size)) if right else None


def _power(element: Element) -> int | None:
    """k of z^k, if an element is that."""
    if len(element.numer) != 1 or len(element.denom) != 1:
        return None
    ((top, a),), ((bottom, b),) = element.numer.terms(), element.denom.terms()
    return top[0] - bottom[0] if a == b and not any(top[1:]) and not any(bottom[1:]) else None


def reading(one: LinearForm, two: LinearForm, wanted: Output) -> Vector | None:
    """The row that reads an output of the second rule off the states of the first after the same
    step, given the same answers; None where there is none.

    Both are sums of terms A^k v: one equation for each term up to k = n1 + n2, for x0, for the
    answers of the first step, for those of a later one.
    """
    if one.queries != two.queries:
        return None
    (c1, d1), (c, d) = wanted.first, wanted.later
    starts = [(applied(one.first.a, one.start), dot(c1, two.start),
               applied(two.first.a, two.start))]
    starts += zip(columns(one.first.b), d1, columns(two.first.b), strict=True)
    starts += zip(columns(one.later.b), d, columns(two.later.b), strict=True)
    rows: list[list[Element]] = []
    for mine, value, theirs in starts:
        for _ in range(one.size + two.size + 1):
            rows.append([*mine, value])
            mine, value = applied(one.later.a, mine), dot(c, theirs)
            theirs = applied(two.later.a, theirs)
    return _solved(one, rows)


def _solved(form: LinearForm, rows: list[list[Element]]) -> Vector | None:
    """x of rows[:, :-1] @ x = rows[:, -1]; what is free is 0. As many rows as the rank are solved,
    the others verified; which, is seen at a point where the rank is the general one."""
    field, size = form.field, form.size
    lifted = [[field(entry) for entry in row] for row in rows]
    somewhere = [[_at_a_point(entry) for entry in row[:size]] for row in lifted]
    places = dense_rationals(somewhere, size).rref()[1]
    lines = dense_rationals([list(r) for r in zip(*somewhere, strict=True)], len(rows)).rref()[1]
    square = dense(field, [[lifted[k][p] for p in places] for k in lines], len(places))
    right = dense(field, [[lifted[k][size]] for k in lines], 1)
    solution = square.lu_solve(right) if places else right
    found = [field(0)] * size
    for line, place in enumerate(places):
        found[place] = solution[line, 0].element
    row = tuple(found)
    held = all(dot(row, tuple(one[:size])) == one[size] for one in lifted)
    return row if held else None


# Where ranks are looked at: large primes, so that no polynomial of an optimizer is 0 there.
PRIMES = (1009, 2003, 3001, 4001, 5003, 6007, 7001, 8009, 9001, 10007, 11003, 12007)


def _at_a_point(element: Element) -> Any:
    count = element.field.ring.ngens
    point = [(PRIMES[k % len(PRIMES)] + 2 * (k // len(PRIMES))) for k in range(count)]
    top, below = (poly.evaluate(list(zip(poly.ring.gens, point, strict=True)))
                  for poly in (element.numer, element.denom))
    return top / below


def dense_rationals(rows: list[list[Any]], width: int) -> Any:
    from sympy import QQ
    from sympy.polys.matrices import DomainMatrix

    return DomainMatrix([[QQ.convert(e) for e in row] for row in rows], (len(rows), width), QQ)


# Several steps as one.


def repeated(form: LinearForm, count: int) -> LinearForm:
    """The rule whose step is ``count`` steps of this one."""
    first, later = form.first, form.later
    for _ in range(count - 1):
        first, later = _then(first, form.later), _then(later, form.later)
    return replace(form, first=first, later=later, queries=form.queries * count)


def _then(one: Maps, two: Maps) -> Maps:
    """The second step after the first: its answers come after those of the first."""
    height, width = len(two.d), len(one.d)
    zero: Vector = tuple(0 for _ in range(height))
    cross = product(two.c, one.b)
    upper = tuple((*row, *zero) for row in one.d)
    lower = tuple((*cross[k], *two.d[k]) for k in range(height))
    assert all(len(row) == width + height for row in (*upper, *lower))
    return Maps(
        product(two.a, one.a),
        tuple((*x, *y) for x, y in zip(product(two.a, one.b), two.b, strict=True)),
        (*one.c, *product(two.c, one.a)),
        (*upper, *lower))
