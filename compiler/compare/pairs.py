"""Two steps as one question: hyperparameters of equal names are one, all others are either given
by expressions in the first rule's, or free."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import chain, cycle, islice
from typing import Any

from thetaprime.claims.equality import Related, Rival, prove_equality
from thetaprime.claims.facts import Certificate, Unproved
from thetaprime.claims.questions import Question, Relation
from thetaprime.claims.refute import Counterexample, Tested, attack, sampled, shrunk
from thetaprime.claims.runs import Trial
from thetaprime.claims.same_runs import judged_equal
from thetaprime.claims.symbolic import Unknown
from thetaprime.compare import invariants
from thetaprime.compare.axis_names import named_alike
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, symbols
from thetaprime.ir import Hyper, Step
from thetaprime.render import spec_text
from thetaprime.source import NO_SOURCE
from thetaprime.syntax import Claim, SpecRef
from thetaprime.types import SCALAR

FAILED = (Unproved, Unknown, ArithmeticError, ValueError, KeyError, RecursionError)
MOST_HARD = 3
LONG, LONG_RUNS = 12, 4  # rules that change after some steps, like rectification


@dataclass(frozen=True)
class Pair:
    """``a`` beside ``b``. ``hypers``: hyperparameters of b as expressions in a's; ``when``: what is
    assumed of a's hyperparameters."""

    a: Step
    b: Step
    hypers: Mapping[str, Expr] = field(default_factory=dict)
    when: tuple[Relation, ...] = ()

    @cached_property
    def question(self) -> Question:
        claim = Claim("equals", SpecRef(self.b.name))
        return Question(claim, NO_SOURCE, self.a, when=self.when)

    @cached_property
    def rival(self) -> Rival:
        return Rival(self.b, self.hypers)

    def given(self, **hypers: Expr) -> Pair:
        """With more hyperparameters of b given."""
        return replace(self, hypers={**self.hypers, **hypers})

    def assuming(self, *when: Relation) -> Pair:
        """Under more conditions."""
        return replace(self, when=(*self.when, *when))

    @property
    def turned(self) -> Pair:
        """b beside a, with equal names as one."""
        return Pair(self.b, self.a)

    def missing(self) -> tuple[Hyper, ...]:
        """The hyperparameters of b that nothing gives: a has none of the name."""
        own = {h.name for h in self.a.hypers}
        return tuple(h for h in self.b.hypers if h.name not in own and h.name not in self.hypers)

    @property
    def spare(self) -> tuple[Hyper, ...]:
        """The hyperparameters of a that are in nothing of b: it has none of the name, and no map
        reads them."""
        used = names([self.b]) | {s.name for e in self.hypers.values() for s in symbols(e)}
        return tuple(h for h in self.a.hypers if h.name not in used)

    def attacked(self, count: int, seed: int = 0) -> Counterexample | Tested:
        """Exact runs of both, short ones, then some long ones: the smallest counterexample, or how
        many steps agreed."""
        judge = judged_equal(self.rival)
        found = attack(self.question, count, judge, seed)
        if isinstance(found, Counterexample):
            return found
        points = found.points
        for trial in islice(sampled(self.question, 4 * LONG_RUNS, seed + 1), LONG_RUNS):
            gradients = tuple(islice(cycle(list(_varied(trial.gradients))), LONG))
            hypers = {**trial.hypers, **usual(self)}
            one = judge(self.question, replace(trial, gradients=gradients, hypers=hypers))
            if isinstance(one, Counterexample):
                return shrunk(self.a, one, lambda t: judge(self.question, t))
            points += one
        return Tested(points)

    def agrees(
        self, count: int, seed: int = 0, least: int = 1, hard: list[Trial] | None = None
    ) -> bool:
        """Whether no exact run contradicts that they are equal, and ``least`` steps confirm it.
        ``hard``: runs that contradicted it under other maps come first; this one's joins them."""
        judge, points = judged_equal(self.rival), 0
        known = hard if hard is not None else []
        try:
            for trial in chain(tuple(known), sampled(self.question, count, seed)):
                found = judge(self.question, trial)
                if isinstance(found, Counterexample):
                    known[:] = [trial, *(k for k in known if k is not trial)][:MOST_HARD]
                    return False
                points += found
        except FAILED:
            return False
        return points >= least

    def proved(self) -> Shown:
        """That the iterates are the same. Raises one of FAILED."""
        try:
            return self._related()
        except FAILED:
            other = self._other_way
            if other is None:
                raise
            return other._related()

    def _related(self) -> Shown:
        """A proof by the states of b in terms of a's. Raises one of FAILED."""
        known = tuple(invariants.copies(self.question))
        try:
            return self._with(known)
        except FAILED:
            more = tuple(invariants.needed(self.question, self.rival))
            if not more:
                raise
            return self._with((*known, *more))

    def _with(self, known: tuple[tuple[Relation, Certificate], ...]) -> Shown:
        question = replace(self.question, when=(*self.when, *(one for one, _ in known)))
        return Shown(self, *prove_equality(question, self.rival), known)

    @property
    def _other_way(self) -> Pair | None:
        """The same question with a beside b; None where a map gives hyperparameters of b."""
        known = names([self.b])
        own = {one.left.name: one.right for one in self.when
               if one.op == "==" and isinstance(one.left, Sym) and one.left.name not in known}
        when = tuple(one for one in self.when
                     if not (isinstance(one.left, Sym) and one.left.name in own))
        read = {s.name for e in (*own.values(), *(one.right for one in when)) for s in symbols(e)}
        if self.hypers or not read <= known or not _only(self.a, known | set(own)):
            return None
        return Pair(self.b, self.a, own, when)


@dataclass(frozen=True)
class Shown:
    """A proof that two rules agree: the pair that it is about, with its map and conditions, the
    relation of the states, and what holds of the first rule's own states at every step."""

    pair: Pair
    certificate: Certificate
    related: tuple[Related, ...]
    invariants: tuple[tuple[Relation, Certificate], ...] = ()

    @property
    def how(self) -> str:
        """The method in words."""
        return self.certificate.how

    def lines(self) -> list[str]:
        """The proof for people."""
        return self.certificate.text().split("\n")


def beside(a: Step, b: Step) -> Pair:
    """Two rules that call the axes of their views alike."""
    return Pair(a, named_alike(a, b))


def usual(pair: Pair) -> dict[str, Fraction]:
    """The defaults of hyperparameters between two ends that no condition is about."""
    told = {one.left.name for one in pair.when if isinstance(one.left, Sym)}
    return {h.name: h.default.value for h in real(pair.a) if isinstance(h.default, Num)
            and h.name not in told and bounded(h)}


def bounded(hyper: Hyper) -> bool:
    """Whether a hyperparameter is a real number between two ends, like a decay."""
    return hyper.type.kind == "real" and hyper.range is not None and None not in (
        hyper.range.low, hyper.range.high)


def _varied(gradients: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Gradients, then the same three times as large, then half of them against their sign."""
    for factor in (Fraction(1), Fraction(3), Fraction(-1, 2)):
        yield from (tuple(g * factor for g in tree) for tree in gradients)


def _only(step: Step, known: Container[str]) -> bool:
    return all(h.name in known for h in step.hypers)


def real(step: Step) -> tuple[Hyper, ...]:
    """The hyperparameters that are numbers."""
    return tuple(h for h in step.hypers if h.type.kind in ("real", "int") and not isinstance(
        h.default, tuple))


def equal(name: str, value: Expr) -> Relation:
    """The condition `name = value`."""
    return Relation("==", Sym(name), rewrite(value, lambda n: replace(n, type=SCALAR)))


def condition_text(one: Relation) -> str:
    """`wd = 0`."""
    sign = "=" if one.op == "==" else one.op
    return f"{spec_text(one.left)} {sign} {spec_text(one.right)}"


def texts(hypers: Mapping[str, Expr]) -> dict[str, str]:
    """A map of hyperparameters in the notation of specs."""
    return {name: spec_text(expr) for name, expr in hypers.items()}


def numeral(value: Fraction) -> Expr:
    """A number as a typed expression."""
    text = Num(str(abs(value)), type=SCALAR)
    return text if value >= 0 else Apply("neg", (text,), type=SCALAR)


def names(steps: Iterable[Step]) -> set[str]:
    """The hyperparameters of steps."""
    return {h.name for s in steps for h in s.hypers}
