"""Rules that are one but for a small number that both add to what they divide by: `eps` outside of
the root or inside. How far a step of one is from that of the other, proved.

Both are put into one step (`together`). Where D1 and D2 are the divisors, and x0 is the next point
of the first rule without the quotient, three facts say all:

    (x2' - x0)*D2 = (x1' - x0)*D1        D1 - D2 <= c1        D2 - D1 <= c2

so x2' - x1' = (x1' - x0)*(D1 - D2)/D2, which is |x1' - x0|*max(c1, c2)/D2 at most. The c are what
the divisors are at rest, where states and gradients are 0, and go to 0 with the hyperparameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from thetaprime.check.ranges import ranges
from thetaprime.claims.algebra import Algebra
from thetaprime.claims.context import Rejected
from thetaprime.claims.facts import EVERY_STEP, Certificate, kinds, prove
from thetaprime.claims.questions import Question, Relation
from thetaprime.claims.recheck import recheck
from thetaprime.claims.refute import Counterexample, attack, judged, same, sampled
from thetaprime.claims.runs import run
from thetaprime.claims.symbolic import Split, Undefined, inputs
from thetaprime.claims.written import Writer
from thetaprime.compare.pairs import FAILED, Pair
from thetaprime.compare.together import Together, together
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, substitute
from thetaprime.ir import Step
from thetaprime.render import spec_text
from thetaprime.syntax import Claim
from thetaprime.types import SCALAR, join

QUICK, RUNS, RECHECKED = 8, 6, 17
ZERO = Num("0", SCALAR)
Known = tuple[tuple[Relation, Certificate], ...]
STOPS = (*FAILED, Undefined, Split, TypeError)


@dataclass(frozen=True)
class Damped:
    """A proof that steps differ by little: the pair, the hyperparameter, how much a divisor is
    above the other at most, each way; what was shown on the way, and first of all which states are
    the same in both."""

    pair: Pair
    name: str
    bounds: tuple[Expr, Expr]
    shown: Known
    states: Known

    how = "how far the divisors of both are apart"

    @property
    def bound(self) -> Expr:
        """The larger of both bounds."""
        one, other = self.bounds
        if one == other or other == ZERO:
            return one
        return other if one == ZERO else _op("max", one, other)

    def largest(self) -> Expr:
        """The bound on the gap, the divisor as the second rule says it."""
        both = together(self.pair, self.name)
        turned = together(Pair(self.pair.b, self.pair.a), self.name)
        assert both is not None
        assert turned is not None
        rest = [one.left.name for one in self.pair.when if one.right == ZERO
                and isinstance(one.left, Sym)]
        moved = _op("abs", _op("-", both.one, _written(both.step, both.still, rest)))
        return _op("/", _op("*", moved, self.bound), turned.ours)

    def lines(self) -> list[str]:
        """The proof for people."""
        found: list[str] = []
        for one, certificate in (*self.states, *self.shown):
            found.append(f"{spec_text(one.left)} {one.op} {spec_text(one.right)}")
            found += (f"  {line}" for line in certificate.text().split("\n"))
        return found

    def verify(self) -> int:
        """Every fact again, and that the step is both rules, on exact runs: how many steps were
        compared. Raises Rejected."""
        whole = together(self.pair, self.name)
        both = whole and whole.joined(_joined(self.states))
        if not whole or not both or tuple(one for one, _ in self.shown) != _facts(
                both, self.bounds):
            raise Rejected("other facts than those that are needed")
        for question, known in ((_question(self.pair, whole.step), self.states),
                                (_question(self.pair, both.step), self.shown)):
            for one, certificate in known:
                _complete(question.step, one, certificate)
                recheck(certificate, replace(question, facts=(one,)))
        return _both(self.pair, whole)


# The proof.


def shown(pair: Pair, name: str) -> Damped | None:
    """The proof for a hyperparameter that both rules have."""
    whole = together(pair, name)
    if whole is None:
        return None
    with suppress(Rejected, *STOPS):
        rests = [_at_rest(whole.step, d) for d in (whole.ours, whole.theirs)]
        if any(_at_rest(whole.step, d, name) != ZERO for d in (whole.ours, whole.theirs)):
            return None
        states = tuple(_same_states(_question(pair, whole.step), whole))
        both = whole.joined(_joined(states))
        known = _question(pair, both.step)
        exact = _proved(known, _identity(both))
        if exact is None:
            return None
        positive = _proved(known, Relation(">", both.theirs, ZERO))
        gap = _op("-", both.ours, both.theirs)
        limits = tuple(dict.fromkeys((ZERO, *rests)))
        above = _least(known, gap, limits)
        below = _least(known, _op("-", both.theirs, both.ours), limits)
        if positive is None or above is None or below is None:
            return None
        found = Damped(pair, name, (above[0], below[0]),
                       (exact, positive, above[1], below[1]), states)
        found.verify()
        return found
    return None


def _facts(both: Together, bounds: tuple[Expr, Expr]) -> tuple[Relation, ...]:
    return (_identity(both), Relation(">", both.theirs, ZERO),
            Relation("<=", _op("-", both.ours, both.theirs), bounds[0]),
            Relation("<=", _op("-", both.theirs, both.ours), bounds[1]))


def _identity(both: Together) -> Relation:
    ours, theirs = (_op("-", x, both.still) for x in (both.one, both.other))
    return Relation("==", _op("*", theirs, both.theirs), _op("*", ours, both.ours))


def _op(op: str, *args: Expr) -> Expr:
    return Apply(op, args, type=join(tuple(a.type or SCALAR for a in args)))


def _question(pair: Pair, step: Step) -> Question:
    claim = Claim("fact", pair.question.claim.subject)
    return Question(claim, pair.question.source, step, when=pair.when)


def _joined(states: Known) -> dict[str, str]:
    """States of the second rule and those of the first that they are the same as."""
    return {one.left.name: one.right.name for one, _ in states
            if isinstance(one.left, Sym) and isinstance(one.right, Sym)}


def _least(
    question: Question, gap: Expr, limits: Sequence[Expr]
) -> tuple[Expr, tuple[Relation, Certificate]] | None:
    for limit in limits:
        found = _proved(question, Relation("<=", gap, limit))
        if found is not None:
            return limit, found
    return None


def _proved(question: Question, one: Relation) -> tuple[Relation, Certificate] | None:
    """A certificate, where exact runs do not contradict it."""
    asked = replace(question, facts=(one,))
    if isinstance(attack(asked, QUICK, judged), Counterexample):
        return None
    with suppress(*STOPS):
        return one, prove(asked)
    return None


def _same_states(question: Question, both: Together) -> Iterator[tuple[Relation, Certificate]]:
    """The second rule's states that are states of the first, with proofs."""
    own = [s for s in question.step.states if s not in both.states.values()]
    for name, state in both.states.items():
        for mine in sorted(own, key=lambda s: s.name != name):
            if (mine.type, mine.start, mine.constant) == (state.type, state.start, state.constant):
                found = _proved(question, Relation(
                    "==", Sym(state.name, False, state.type), Sym(mine.name, False, mine.type)))
                if found is not None:
                    yield found
                    break


def _at_rest(step: Step, divisor: Expr, *names: str) -> Expr:
    """What a divisor is where states, point and gradient are 0, and hyperparameters of these names.
    Raises one of STOPS."""
    return _written(step, divisor, (
        step.point, step.gradient, *(s.name for s in step.states), *names))


def _written(step: Step, expr: Expr, zero: Iterable[str] = ()) -> Expr:
    """A quantity of a later step in terms of its states, some of which are 0. Raises one of
    STOPS."""
    algebra, known = Algebra(), ranges(step)
    given = {Sym(n): algebra.number(0) for n in zero}
    run = inputs(step, known.cases[1], False, algebra, given, next(iter(kinds(step)))).run()
    found = Writer(algebra).quotient(run.of(expr).ratio)
    return rewrite(found, lambda node: replace(node, type=SCALAR))


# Checked again, and told.


def _complete(step: Step, one: Relation, certificate: Certificate) -> None:
    """That a certificate is about this fact, in all cases. Raises Rejected."""
    after = {Sym(s.name): Sym(s.name, True, s.type) for s in step.states}
    later = Relation(one.op, substitute(one.left, after), substitute(one.right, after))
    told = [s for s in certificate.settled if s.relation in (one, later)]
    every = any(s.world == EVERY_STEP for s in told)
    cases = {(s.first, frozenset(s.truths.items())) for s in told}
    wanted = {(first, frozenset(truths.items()))
              for first in (True, False) for truths in kinds(step)}
    if len(told) < len(certificate.settled) or not (every or wanted <= cases):
        raise Rejected("a certificate of another fact")


def _both(pair: Pair, both: Together) -> int:
    """On how many steps of exact runs the step gave the points of both rules. Raises Rejected."""
    steps = 0
    for trial in islice(sampled(pair.question, 4*RUNS, RECHECKED), 3*RUNS, None):
        with suppress(*STOPS), np.errstate(all="ignore"):
            made = list(run(both.step, trial))
            ours = list(run(pair.a, trial))
            theirs = next(run(pair.b, trial))
            for one, mine in zip(made, ours, strict=True):
                _require(one.env[both.one], mine.env[Sym(pair.a.point, True)])
                steps += 1
            _require(made[0].env[both.other], theirs.env[Sym(pair.b.point, True)])
    if not steps:
        raise Rejected("no exact run could be made")
    return steps


def _require(left: Any, right: Any) -> None:
    for a, b in zip(left, right, strict=True):
        for u, v in zip(np.ravel(np.asarray(a, object)), np.ravel(np.asarray(b, object)),
                        strict=True):
            if u == u and v == v and not same(u, v):
                raise Rejected("the step is not both rules")


