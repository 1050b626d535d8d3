"""Conditions on hyperparameters under which two rules are equal, and the proof that each is needed.

Candidates: what makes the coefficients of the first difference 0 (`wd = 0`, `b1 = b2`), and the
ends of ranges. A condition `h = v` is needed if for some point and gradients the iterates differ
whatever the hyperparameters are, h beyond v among them: a number that is shown to be above 0 (or
below 0) everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product

from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.factors import factors
from thetaprime.claims.polynomials import Poly, coefficients, ratio
from thetaprime.claims.positive import SIDES, Proof, Search
from thetaprime.claims.questions import Relation
from thetaprime.claims.symbolic import Split, Undefined, Unknown
from thetaprime.compare.maps import neutral
from thetaprime.compare.pairs import FAILED, Pair, condition_text, equal, numeral, real
from thetaprime.compare.unroll import (
    Difference,
    constant_parts,
    first_difference,
    generic,
    unrolled,
)
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.intervals import meet, of_range
from thetaprime.ir import Step

STEPS, MOST_CANDIDATES, MOST_CASES, QUICK = 3, 24, 24, 12
# The numbers that points and gradients of so many steps are made of.
PLACES = {n: tuple(Fraction(v) for v in values)
          for n, values in {1: (1, 0, -1, 2), 2: (1, 0, -1, 2), 3: (1, 0)}.items()}


@dataclass(frozen=True)
class Needed:
    """Why one of these conditions is needed: at this point and for these gradients the iterates
    differ after ``step`` steps wherever none holds; one proof for each case of signs."""

    conditions: tuple[Relation, ...]
    point: Fraction
    gradients: tuple[Fraction, ...]
    step: int
    proofs: tuple[tuple[Proof, Algebra], ...]

    def text(self) -> str:
        """In words."""
        shown = ", ".join(str(g) for g in self.gradients)
        told = " or ".join(f"`{condition_text(one)}`" for one in self.conditions)
        return (f"{told} is needed: from x = {self.point} with the "
                f"gradient{'s' if len(self.gradients) > 1 else ''} {shown} the iterates differ "
                f"after step {self.step} for all other values")


def conditions(pair: Pair) -> Iterator[tuple[Relation, ...]]:
    """Conditions that exact runs do not contradict: single ones, then pairs of such as do not make
    the rules equal alone."""
    found = []
    tried = list(dict.fromkeys(_candidates(pair)))[:MOST_CANDIDATES]
    for one in tried:
        if _holds(pair, one):
            found.append(one)
            yield (one,)
    if found:
        return
    for two in combinations(tried, 2):
        if two[0].left != two[1].left and _holds(pair, *two):
            yield two


def _holds(pair: Pair, *when: Relation) -> bool:
    return pair.assuming(*when).agrees(QUICK)


def _candidates(pair: Pair) -> Iterator[Relation]:
    try:
        apart = generic(lambda algebra: first_difference(pair, STEPS, algebra))
    except (Unknown, Undefined, *FAILED):
        apart = None
    if apart is not None:
        yield from _from_factors(pair.a, apart)
    for hyper in real(pair.a):
        for value in neutral(hyper)[:3]:
            yield equal(hyper.name, value)
    for one, other in combinations(real(pair.a), 2):
        if one.range == other.range and one.type == other.type:
            yield equal(one.name, Sym(other.name))


def _from_factors(step: Step, apart: Difference) -> Iterator[Relation]:
    """h = v for each factor of a coefficient that vanishes there."""
    algebra = apart.algebra
    hypers = {algebra.numbers[("symbol", h.name)]: h for h in real(step)
              if ("symbol", h.name) in algebra.numbers}
    seen = set()
    for part in constant_parts(algebra, apart.value.ratio).values():
        for factor, _ in factors(part)[1]:
            if factor in seen or len(factor.terms) > 6:
                continue
            seen.add(factor)
            for atom, hyper in hypers.items():
                parts = coefficients(factor, atom)
                if set(parts) - {0, 1} or 1 not in parts:
                    continue
                value = ratio(-parts.get(0, Poly({})), parts[1])
                number = value.constant
                if number is None and value.atoms <= set(hypers):
                    yield equal(hyper.name, apart.write.quotient(value))
                elif number is not None and (hyper.range is None or number in hyper.range):
                    yield equal(hyper.name, numeral(number))


# That a condition is needed.


def needed(pair: Pair, *conditions: Relation) -> Needed | None:
    """One of these. ``pair`` has all other conditions. None where no proof is found."""
    for count, places in PLACES.items():
        for point, *gradients in product(places, repeat=count + 1):
            proofs = apart(pair, count, point, gradients, conditions)
            if proofs is not None:
                return Needed(conditions, point, tuple(gradients), count, proofs)
    return None


def apart(
    pair: Pair, count: int, point: Fraction, gradients: Sequence[Fraction],
    without: Sequence[Relation] = (),
) -> tuple[tuple[Proof, Algebra], ...] | None:
    """Proofs, one for each case of signs, that the iterates differ after the last of these steps
    for all hyperparameters (those for which none of ``without`` holds); None where that is not
    shown."""
    found: list[tuple[Proof, Algebra]] = []
    try:
        pending = _beyond(pair, Algebra(), without)
    except Unknown:
        return None
    for _ in range(MOST_CASES):
        if not pending:
            return tuple(found)
        case = pending.pop()
        try:
            shown = _apart_in(pair, case, count, point, gradients)
        except Split as split:
            own = case.interval(split.poly)
            pending += [case.narrowed(split.poly, side) for side in SIDES.values()
                        if not meet(own, side).empty]
            continue
        except (Unknown, Undefined, *FAILED):
            return None
        if shown is None:
            return None
        found.append((shown, case))
    return None


def _beyond(pair: Pair, algebra: Algebra, without: Sequence[Relation]) -> list[Algebra]:
    """The cases h > v and h < v of each, as far as they can be."""
    cases = [algebra]
    for relation in without:
        found = []
        for case in cases:
            one, other = (_side(pair.a, case, e) for e in (relation.left, relation.right))
            poly = case.subtract(one, other).ratio.num
            interval = case.interval(poly)
            found += [case.narrowed(poly, SIDES[side]) for side in (1, -1)
                      if not meet(interval, SIDES[side]).empty]
        cases = found
    return cases


def _side(step: Step, algebra: Algebra, expr: Expr) -> Value:
    match expr:
        case Num():
            return algebra.number(expr.value)
        case Sym(name):
            hyper = step.hyper(name)
            return algebra.atom(("symbol", name), frozenset(),
                                of_range(hyper.range, hyper.type.kind == "int"))
        case Apply("neg", (Num() as number,)):
            return algebra.number(-number.value)
    raise Unknown("a condition of another form")


def _apart_in(
    pair: Pair, algebra: Algebra, count: int, point: Fraction, gradients: Sequence[Fraction]
) -> Proof | None:
    last = None
    for difference in unrolled(pair, count, algebra, point=point, gradients=gradients):
        last = difference
    if last is None or last.step != count or not last.value.ratio:
        return None
    search = Search(algebra, ())
    num = last.value.ratio.num
    return search.positive(num) or search.positive(-num)
