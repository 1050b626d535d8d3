"""Rules that are linear in their oracle, as linear systems, and what they answer with.

One step is s' = A s + B u, with queries y = C s + D u: s are the states and the iterate, u the
oracle's answers to the queries y. D is strictly lower triangular, a query may read the answers
before it. The first step may have matrices of its own. Entries are rational in hyperparameters.

From the starting point x0 and the answers, an output (a query, an iterate) is a sum of responses,
each a rational function of z, in which z^-k stands for k steps later:

    to x0:                      c1 S + c (z - A)^-1 A1 S
    to answers of the first step:  d1 + c (z - A)^-1 B1
    to answers of a later step:     d + c (z - A)^-1 B

Two outputs are the same for all answers if and only if these are. A rational function whose
numerator and denominator have degree at most n is fixed by its first 2n + 1 terms, so that
unrolling n1 + n2 + 2 steps proves the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from thetaprime.analyse.vectors import Coordinate
from thetaprime.ir import Step

# An element of the field of fractions of polynomials in z and the hyperparameters.
Element = Any
Vector = tuple[Element, ...]
Matrix = tuple[Vector, ...]
# Terms of an unrolled output by (step, query) of the answer that they multiply; (0, 0): by x0.
Terms = dict[tuple[int, int], Element]


@dataclass(frozen=True)
class Maps:
    """One step: s' = A s + B u, y = C s + D u."""

    a: Matrix
    b: Matrix
    c: Matrix
    d: Matrix


@dataclass(frozen=True)
class LinearForm:
    """A rule that is linear in its oracle.

    ``coordinates`` name the entries of s; ``start`` is s before the first step, for x0 = 1.
    ``point`` and ``reported`` are rows that read the point that training holds, and the one to
    evaluate, off s after a step. ``queries`` says what each oracle call asks (``grad this``).
    ``nonzero`` are polynomials that the form takes not to be 0: a rule that says `if mu == 0`
    is another one there. ``hypers`` are the symbols of hyperparameters; ``fixed`` are those that
    are static, whole numbers at their defaults.
    """

    step: Step
    field: Any
    hypers: dict[Coordinate, Element]
    coordinates: tuple[Coordinate, ...]
    first: Maps
    later: Maps
    start: Vector
    point: Vector
    reported: Vector
    queries: tuple[str, ...]
    nonzero: tuple[Element, ...]
    fixed: dict[str, int]

    @property
    def size(self) -> int:
        return len(self.coordinates)

    @property
    def steady(self) -> bool:
        """Whether the first step is like all others."""
        return self.first == self.later


@dataclass(frozen=True)
class Output:
    """Rows that read an output of a step off the state before it and its answers."""

    first: tuple[Vector, Vector]
    later: tuple[Vector, Vector]


def asked(form: LinearForm) -> list[Output]:
    """The queries, in the order in which they are asked."""
    return [Output((form.first.c[j], form.first.d[j]), (form.later.c[j], form.later.d[j]))
            for j in range(len(form.queries))]


def made(form: LinearForm, row: Vector) -> Output:
    """What a row reads off the state after a step."""
    return Output((times(row, form.first.a), times(row, form.first.b)),
                  (times(row, form.later.a), times(row, form.later.b)))


# Linear algebra.


def dot(row: Vector, column: Vector) -> Element:
    return sum(r * c for r, c in zip(row, column, strict=True) if r and c)


def times(row: Vector, matrix: Matrix) -> Vector:
    """row @ matrix."""
    return tuple(dot(row, column) for column in zip(*matrix, strict=True))


def product(one: Matrix, two: Matrix) -> Matrix:
    return tuple(times(row, two) for row in one)


def applied(matrix: Matrix, column: Vector) -> Vector:
    """matrix @ column."""
    return tuple(dot(row, column) for row in matrix)


def columns(matrix: Matrix) -> list[Vector]:
    return list(zip(*matrix, strict=True))


def plus(one: Matrix, two: Matrix) -> Matrix:
    return tuple(tuple(a + b for a, b in zip(r, s, strict=True))
                 for r, s in zip(one, two, strict=True))


def dense(form_field: Any, rows: Sequence[Sequence[Element]], width: int) -> Any:
    """A matrix of sympy over the field."""
    from sympy.polys.matrices import DomainMatrix

    lifted = [[form_field(entry) for entry in row] for row in rows]
    return DomainMatrix(lifted, (len(lifted), width), form_field.to_domain())


# Responses.


def characteristic(form: LinearForm) -> Vector:
    """det(z - A) as coefficients, of z^0 first."""
    if not form.size:
        return (form.field(1),)
    found = dense(form.field, form.later.a, form.size).charpoly()
    return tuple(reversed(found))


def resolvent(form: LinearForm, poly: Vector, row: Vector, column: Vector) -> Element:
    """row (z - A)^-1 column, from det(z - A) and the terms row A^k column."""
    terms = []
    for _ in range(form.size):
        terms.append(dot(row, column))
        column = applied(form.later.a, column)
    z, size = form.field.gens[0], form.size
    top = sum((sum(poly[j] * terms[j - i - 1] for j in range(i + 1, size + 1)) * z**i
               for i in range(size)), form.field(0))
    return top / sum((c * z**i for i, c in enumerate(poly)), form.field(0))


@dataclass(frozen=True)
class Responses:
    """Of an output: to x0, to each answer of the first step, to each answer of a later step."""

    start: Element
    first: Vector
    later: Vector


def responses(form: LinearForm, outputs: Sequence[Output]) -> list[Responses]:
    poly = characteristic(form)
    after_start = applied(form.first.a, form.start)
    found = []
    for output in outputs:
        (c1, d1), (c, d) = output.first, output.later
        found.append(Responses(
            dot(c1, form.start) + resolvent(form, poly, c, after_start),
            tuple(one + resolvent(form, poly, c, b)
                  for one, b in zip(d1, columns(form.first.b), strict=True)),
            tuple(one + resolvent(form, poly, c, b)
                  for one, b in zip(d, columns(form.later.b), strict=True))))
    return found


def transfer(form: LinearForm) -> Matrix:
    """The transfer function from answers to queries, in reduced fractions."""
    return tuple(one.later for one in responses(form, asked(form)))


def order(matrix: Matrix, z: Element) -> int:
    """The order of a minimal realisation of a transfer function: the degree of the least common
    denominator of all of its minors."""
    least = z.field.ring.one
    for size in range(1, len(matrix) + 1):
        for rows in combinations(range(len(matrix)), size):
            for chosen in combinations(range(len(matrix)), size):
                minor = _determinant([[matrix[r][c] for c in chosen] for r in rows])
                least = least.lcm(minor.denom) if minor else least
    return max((monomial[0] for monomial in least.monoms()), default=0)


def _determinant(rows: list[list[Element]]) -> Element:
    if not rows:
        return 1
    return sum((-1) ** k * rows[0][k] * _determinant([[*r[:k], *r[k + 1:]] for r in rows[1:]])
               for k in range(len(rows)) if rows[0][k])


# Runs.


def unrolled(form: LinearForm, steps: int) -> Iterator[tuple[list[Terms], Terms, Terms]]:
    """The queries, the new point and what is reported, step by step, exact."""
    states: list[Terms] = [{(0, 0): s} if s else {} for s in form.start]
    for t in range(1, steps + 1):
        maps = form.first if t == 1 else form.later
        answers: list[Terms] = [{(t, j): form.field(1)} for j in range(len(form.queries))]
        inputs = [*states, *answers]
        queries = [_combined((*c, *d), inputs) for c, d in zip(maps.c, maps.d, strict=True)]
        states = [_combined((*a, *b), inputs) for a, b in zip(maps.a, maps.b, strict=True)]
        yield queries, _combined(form.point, states), _combined(form.reported, states)


def _combined(row: Vector, terms: Sequence[Terms]) -> Terms:
    found: Terms = {}
    for factor, one in zip(row, terms, strict=True):
        if factor:
            for key, value in one.items():
                found[key] = found.get(key, 0) + factor * value
    return {key: value for key, value in found.items() if value}


def apart(one: Terms, two: Terms) -> Terms:
    """The terms of the first that the second lacks, with their coefficients."""
    keys = dict.fromkeys([*one, *two])
    gaps = {key: one.get(key, 0) - two.get(key, 0) for key in keys}
    return {key: gap for key, gap in gaps.items() if gap}


# Other symbols.


def substituted(element: Element, values: Mapping[int, Element]) -> Element:
    """The element with generators replaced, all at once."""
    made = element.field

    def put(poly: Any) -> Element:
        total = made(0)
        for monomial, coefficient in poly.terms():
            kept = tuple(0 if place in values else e for place, e in enumerate(monomial))
            term = made(made.ring.from_dict({kept: coefficient}))
            for place, exponent in enumerate(monomial):
                if exponent and place in values:
                    term *= values[place] ** exponent
            total += term
        return total

    return put(element.numer) / put(element.denom)


def renamed(form: LinearForm, values: Mapping[int, Element]) -> LinearForm:
    """The rule with hyperparameters replaced, by the number of their generator."""
    if not values:
        return form
    field = form.field

    def vector(row: Vector) -> Vector:
        return tuple(substituted(field(e), values) for e in row)

    def maps(one: Maps) -> Maps:
        return Maps(*(tuple(vector(row) for row in m) for m in (one.a, one.b, one.c, one.d)))

    return replace(
        form, first=maps(form.first), later=maps(form.later), start=vector(form.start),
        point=vector(form.point), reported=vector(form.reported),
        nonzero=tuple(substituted(field(p), values).numer for p in form.nonzero))
