"""Two rules side by side from their starts, step by step, in exact algebra.

The point and the gradients are symbols (or numbers), so that the first difference of the new points
is a formula in them and in the hyperparameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TypeVar

from thetaprime.check.ranges import Ranges, ranges
from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.equality import OTHER, beside, widened
from thetaprime.claims.facts import World, atoms_inside, kinds
from thetaprime.claims.polynomials import Monomial, Poly, Ratio
from thetaprime.claims.positive import SIDES
from thetaprime.claims.symbolic import Split, Symbolic, Unknown, inputs, varies
from thetaprime.claims.written import Writer
from thetaprime.compare.pairs import Pair
from thetaprime.expr import Expr, Num, Sym
from thetaprime.intervals import REAL, meet, of_range
from thetaprime.ir import Step
from thetaprime.types import Type

T = Sym("t")
MOST_SPLITS = 8
Found = TypeVar("Found")


@dataclass(frozen=True)
class Difference:
    """x' of b minus x' of a at a step (``sides`` are both), and the algebra that it is written
    in."""

    step: int
    value: Value
    sides: tuple[Value, Value]
    algebra: Algebra

    @property
    def write(self) -> Writer:
        """The notation of specs."""
        return Writer(self.algebra)


def generic(ask: Callable[[Algebra], Found]) -> Found:
    """An answer in the case in which nothing that decides is 0; above 0 where it can be. Raises
    Unknown, Undefined."""
    algebra = Algebra()
    for _ in range(MOST_SPLITS):
        try:
            return ask(algebra)
        except Split as split:
            interval = algebra.interval(split.poly)
            sign = next((s for s in (1, -1) if not meet(interval, SIDES[s]).empty), 0)
            algebra = algebra.narrowed(split.poly, SIDES[sign])
    raise Unknown("a rule with too many cases")


@cache
def _ranges(step: Step) -> Ranges:
    return ranges(step)


def unrolled(
    pair: Pair, count: int, algebra: Algebra, free: frozenset[str] = frozenset(),
    point: Fraction | None = None, gradients: Sequence[Fraction] = (),
) -> Iterator[Difference]:
    """The differences after each of the first steps, until there is one. ``free``: hyperparameters
    of b that are its own, whatever their names. Raises Split, Unknown, Undefined."""
    step, question = pair.a, pair.question
    mine, theirs = _ranges(step), ranges(pair.b, widened(question, pair.rival))
    truths = next(iter(kinds(step, pair.b)))
    given = _conditions(pair, mine, algebra, truths)
    own = {name: _own(algebra, pair.b, name) for name in free}
    moved = _entry(algebra, "x", point)
    kept: dict[Sym, Value] = {}
    states: dict[str, Value] = {}
    for k in range(1, count + 1):
        g = _entry(algebra, f"g{k}", gradients[k - 1] if gradients else None)
        before = {**given, **kept, Sym(step.point): moved, Sym(step.gradient): g,
                  T: algebra.number(k), Sym("loss"): algebra.atom(
                      ("symbol", f"loss {k}"), frozenset(), REAL)}
        run = inputs(step, mine.cases[k > 1], k == 1, algebra, before, truths).run()
        other = beside(World(run, k == 1, f"t = {k}", ()), pair.rival, theirs, {**states, **own})
        new, beside_it = run.of(Sym(step.point, True)), other.of(Sym(pair.b.point, True))
        found = Difference(k, algebra.subtract(beside_it, new), (new, beside_it), algebra)
        yield found
        if found.value.ratio:
            return
        moved = new
        kept = {Sym(s): v for s, v in _left(run)}
        states = dict(_left(other))


def first_difference(
    pair: Pair, count: int, algebra: Algebra, free: frozenset[str] = frozenset()
) -> Difference | None:
    """None where the first steps agree. Raises Split, Unknown, Undefined."""
    return next((d for d in unrolled(pair, count, algebra, free) if d.value.ratio), None)


def _entry(algebra: Algebra, name: str, number: Fraction | None) -> Value:
    return algebra.number(number) if number is not None else algebra.atom(
        ("symbol", name), varies(Type()), REAL)


def _own(algebra: Algebra, step: Step, name: str) -> Value:
    hyper = step.hyper(name)
    return algebra.atom(("symbol", OTHER, name), frozenset(),
                        of_range(hyper.range, hyper.type.kind == "int"))


def _conditions(
    pair: Pair, known: Ranges, algebra: Algebra, truths: Mapping[Expr, bool]
) -> dict[Sym, Value]:
    """The hyperparameters that conditions give."""
    found: dict[Sym, Value] = {}
    for one in pair.when:
        if one.op == "==" and isinstance(one.left, Sym) and not isinstance(one.left, Num):
            run = inputs(pair.a, known.cases[0], True, algebra, found, truths)
            found[one.left] = run.of(one.right)
    return found


def _left(run: Symbolic) -> Iterator[tuple[str, Value]]:
    """The states that a step leaves."""
    for state in run.step.states:
        value = run.env.get(Sym(state.name, not state.constant))
        if value is not None:
            yield state.name, value


def constant_parts(algebra: Algebra, value: Ratio) -> dict[Monomial, Poly]:
    """What must be 0 for a quotient to be 0 at every point and gradient: its numerator by what is
    no hyperparameter."""
    found: dict[Monomial, dict[Monomial, Fraction]] = {}
    for monomial, coefficient in value.num.terms.items():
        plain = tuple(p for p in monomial if constant(algebra, p[0]))
        rest = tuple(p for p in monomial if p not in plain)
        found.setdefault(rest, {})[plain] = coefficient
    return {rest: Poly(terms) for rest, terms in found.items()}


def constant(algebra: Algebra, atom: int) -> bool:
    """Whether an atom is made of hyperparameters (of either rule) and t alone."""
    inside = {atom, *atoms_inside(algebra, atom)}
    return all(_number(algebra.key(a)) and not algebra.varies(Ratio(Poly({((a, 1),): Fraction(1)})))
               for a in inside)


def _number(key: tuple[object, ...]) -> bool:
    match key:
        case ("symbol", str(name)):
            return not name.startswith("loss")
        case ("symbol", str(tag), str()):
            return tag == OTHER
    return key[0] in ("power", "root", "sign", "factor", "+", "*", "pi", "exp", "ln")
