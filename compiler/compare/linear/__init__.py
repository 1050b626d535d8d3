"""Are two rules that are linear in their oracle the same? A decision procedure.

The notions of the same are those of `notions`, each decided for all hyperparameters and all steps;
where one does not hold, `maps` solves for the hyperparameters for which it does. Hyperparameters
are constant. The first step of a rule may be another one than all later ones (`first g`,
`if t == 1`); rules that change otherwise with t are not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from thetaprime.analyse.formulas import expression
from thetaprime.analyse.vectors import lane_name
from thetaprime.compare.linear.forms import NotLinear, form_of, linear_form, names
from thetaprime.compare.linear.maps import (
    Known,
    Poly,
    TooMany,
    Zero,
    equations,
    generator,
    known,
    solve,
)
from thetaprime.compare.linear.notions import Notion, gaps
from thetaprime.compare.linear.shifts import Shift, reading, repeated, shift
from thetaprime.compare.linear.transfer import (
    Element,
    LinearForm,
    Matrix,
    Terms,
    apart,
    made,
    order,
    renamed,
    substituted,
    transfer,
    unrolled,
)
from thetaprime.expr import Expr, Sym
from thetaprime.ir import Step

# How often one rule may be repeated in a step of the other.
REPEATS = (2, 3)


@dataclass(frozen=True)
class Solution:
    """Hyperparameters for which a notion holds.

    ``values`` are those of the rule that is solved for, ``conditions`` those of the other rule,
    both in terms of what is left; ``left`` are expressions that have to be 0 beside, ``apart`` such
    as must not be 0; ``free`` are hyperparameters of the rule that may be anything; ``outside``
    those whose value is never in the declared range."""

    values: Mapping[str, Expr]
    conditions: Mapping[str, Expr]
    left: tuple[Expr, ...]
    apart: tuple[Expr, ...]
    free: tuple[str, ...]
    outside: tuple[str, ...]
    zero: Zero

    @property
    def general(self) -> bool:
        """Whether it is for all hyperparameters of the other rule, and can be set."""
        return not (self.conditions or self.left or self.outside)


@dataclass(frozen=True)
class Difference:
    """The first step at which two runs part, and the terms by which: of x0, ``(0, 0)``, and of
    answers by step and place, the first rule's less the second's."""

    step: int
    what: str
    gap: Mapping[tuple[int, int], Expr]


@dataclass(frozen=True)
class Repetition:
    """A step of the other rule is ``times`` steps of ``rule`` ("a" or "b"); ``notions`` hold."""

    rule: Literal["a", "b"]
    times: int
    notions: tuple[Notion, ...]


@dataclass(frozen=True)
class Linear:
    """Two linear rules, in one field in which all hyperparameters are symbols of their own. ``b``
    is the second rule with its own symbols, ``named`` the same with those of the first rule where
    hyperparameters have equal names. Everything is computed when it is asked for."""

    a: LinearForm
    b: LinearForm
    named: LinearForm
    known: Known

    # The same for all hyperparameters of equal names.

    @cached_property
    def same(self) -> Mapping[Notion, bool]:
        """Which notions hold where hyperparameters of equal names are equal."""
        return {notion: gaps is not None and not any(gaps) for notion, gaps in self._gaps.items()}

    @property
    def assumed(self) -> tuple[Expr, ...]:
        """What is taken not to be 0: a rule that says `if mu == 0` is another one there."""
        spelled = self._spelled("a")
        return tuple(dict.fromkeys(self._written(self.a.field(p), spelled)
                                   for form in (self.a, self.named) for p in form.nonzero))

    @cached_property
    def orders(self) -> tuple[int, int]:
        """The orders of minimal realisations of both transfer functions."""
        z = self.a.field.gens[0]
        return order(transfer(self.a), z), order(transfer(self.b), z)

    @property
    def steps(self) -> int:
        """So many unrolled steps from the actual starts are a proof that runs are equal."""
        return self.a.size + self.b.size + 2

    def transfer(self, which: Literal["a", "b"]) -> tuple[tuple[Expr, ...], ...]:
        """A transfer function, written in z and the rule's hyperparameters."""
        form = self.a if which == "a" else self.b
        own = self._spelled(which)
        return tuple(tuple(self._written(entry, own) for entry in row) for row in transfer(form))

    @cached_property
    def _gaps(self) -> Mapping[Notion, tuple[Element, ...] | None]:
        return gaps(self.a, self.named)

    @cached_property
    def _own_gaps(self) -> Mapping[Notion, tuple[Element, ...] | None]:
        return gaps(self.a, self.b)

    def difference(self, notion: Literal["queries", "stream", "reported"]) -> Difference | None:
        """Where runs part first, hyperparameters of equal names being equal."""
        if self.a.queries != self.named.queries:
            return None
        pairs = zip(unrolled(self.a, self.steps), unrolled(self.named, self.steps), strict=True)
        for t, (one, two) in enumerate(pairs, 1):
            outputs: list[tuple[str, Terms, Terms]] = {
                "queries": [(f"query {k + 1}", one[0][k], two[0][k]) for k in range(len(one[0]))],
                "stream": [("point", one[1], two[1])],
                "reported": [("reported", one[2], two[2])]}[notion]
            for what, x, y in outputs:
                if gap := apart(x, y):
                    own = self._spelled("a")
                    return Difference(t, what, {k: self._written(v, own) for k, v in gap.items()})
        return None

    # For some hyperparameters.

    def when(self, notion: Notion) -> tuple[Solution, ...] | None:
        """All hyperparameters for which a notion holds, those of equal names being equal."""
        return self._solved(self._gaps[notion], "b", shared=True)

    def maps(self, notion: Notion) -> tuple[Solution, ...] | None:
        """All settings of the second rule's hyperparameters that make it the first."""
        return self._solved(self._own_gaps[notion], "b")

    def inverse(self, notion: Notion) -> tuple[Solution, ...] | None:
        """All settings of the first rule's hyperparameters that make it the second."""
        return self._solved(self._own_gaps[notion], "a")

    def _solved(
        self, found: tuple[Element, ...] | None, which: Literal["a", "b"], shared: bool = False
    ) -> tuple[Solution, ...] | None:
        if found is None:
            return ()
        one, other = (self.a, self.b) if which == "a" else (self.b, self.a)
        taken = set(other.hypers) if shared else set()
        own = {generator(e): lane_name(*k) for k, e in one.hypers.items() if k not in taken}
        rest = {generator(e): lane_name(*k) for k, e in other.hypers.items()}
        nonzero = [p for form in (self.a, self.named if shared else self.b) for p in form.nonzero]
        try:
            zeros = solve(equations(found), tuple(own), tuple(rest), self.known, nonzero)
        except TooMany:
            return None
        return tuple(self._solution(zero, own, rest, which, nonzero) for zero in zeros)

    def _solution(
        self, zero: Zero, own: Mapping[int, str], rest: Mapping[int, str],
        which: Literal["a", "b"], nonzero: Sequence[Poly],
    ) -> Solution:
        spelled = self._spelled("a" if which == "b" else "b")
        values = {p: self._written(v, spelled) for p, v in zero.values.items()}
        lift = self.a.field
        below = [v.denom for v in zero.values.values()]
        below += [substituted(lift(p), zero.values).numer for p in nonzero]
        parts = dict.fromkeys(f for p in below for f, _ in p.factor_list()[1])
        return Solution(
            {own[p]: v for p, v in values.items() if p in own},
            {rest[p]: v for p, v in values.items() if p in rest},
            tuple(self._written(lift(p), spelled) for p in zero.left),
            tuple(self._written(lift(p), spelled) for p in parts if not self.known.nonzero(p)),
            tuple(n for p, n in own.items() if p not in zero.values),
            tuple({**own, **rest}[p] for p in zero.outside), zero)

    # Relations of another kind.

    @cached_property
    def shift(self) -> Shift | None:
        """How the queries are the same in another order and at other steps, if they are."""
        one, two = transfer(self.a), transfer(self.named)
        return shift(one, two, self.a.queries, self.named.queries)

    @cached_property
    def repetition(self) -> Repetition | None:
        """Whether a step of one rule is several steps of the other."""
        for rule, one, other in (("a", self.a, self.named), ("b", self.named, self.a)):
            for times in REPEATS:
                if len(one.queries) * times == len(other.queries):
                    found = gaps(repeated(one, times), other)
                    held = tuple(n for n, g in found.items() if g is not None and not any(g))
                    if held:
                        return Repetition("a" if rule == "a" else "b", times, held)
        return None

    def reading(
        self, which: Literal["a", "b"] = "b", of: Literal["point", "reported"] = "reported",
        solution: Solution | None = None,
    ) -> Mapping[str, Expr] | None:
        """The point of one rule as a sum of factors times primed states of the other, given the
        same answers; None where it is none. ``solution`` is of `maps`, else equal names are."""
        one, two = self.a, self.named
        if solution is not None:
            one, two = (renamed(f, solution.zero.values) for f in (self.a, self.b))
        if which == "a":
            one, two = two, one
        row = reading(one, two, made(two, two.point if of == "point" else two.reported))
        if row is None:
            return None
        spelled = self._spelled("a")
        return {lane_name(*key): self._written(factor, spelled)
                for key, factor in zip(one.coordinates, row, strict=True) if factor}

    # Names.

    def _written(self, element: Any, spelled: Mapping[Any, Expr]) -> Expr:
        """An element in factors, each of them as it is positive in the ranges."""
        import sympy

        found = self.a.field(element)
        total, positive = sympy.Integer(1), True
        for poly, power in ((found.numer, 1), (found.denom, -1)):
            content, factors = poly.factor_list()
            total *= sympy.Rational(int(content.numerator), int(content.denominator)) ** power
            for factor, exponent in factors:
                turned = self.known.interval(factor).high <= 0
                positive ^= turned and exponent % 2 == 1
                total *= (-factor if turned else factor).as_expr() ** (power * exponent)
        return expression(total if positive else -total, spelled)

    def _spelled(self, plain: Literal["a", "b"]) -> dict[Any, Expr]:
        """What symbols are called: those of one rule by their names, those of the other after its
        name."""
        symbols = self.a.field.symbols
        found: dict[Any, Expr] = {}
        for which, form in (("a", self.a), ("b", self.b)):
            name = form.step.name if self.a.step.name != self.b.step.name else which
            for key, element in form.hypers.items():
                text = lane_name(*key)
                found[symbols[generator(element)]] = Sym(
                    text if which == plain else f"{name}.{text}")
        return found


def decide(a: Step, b: Step) -> Linear | None:
    """Everything about two rules that are linear in their oracle; None where one is not, for the
    reason that `why_not` says."""
    try:
        fields = names(a, b)
        one, two = form_of(a, fields, 0), form_of(b, fields, 1)
    except NotLinear:
        return None
    equal = {generator(e): one.hypers[key] for key, e in two.hypers.items() if key in one.hypers}
    return Linear(one, two, renamed(two, equal), known(one, two))


def why_not(*steps: Step) -> str | None:
    """Why `decide` has no answer: the first of the rules that is not linear, and its reason."""
    for step in steps:
        found = linear_form(step)
        if isinstance(found, str):
            return f"{step.name}: {found}"
    return None


__all__ = ["Difference", "Linear", "LinearForm", "Matrix", "Notion", "Repetition",
           "Solution", "decide", "gaps", "linear_form", "why_not"]
