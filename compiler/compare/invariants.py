"""What holds of a rule's own states at every step, and is needed to compare it: copies of the
point, and the point as a formula in states, x = x0 - lr*z."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from thetaprime.check.ranges import ranges
from thetaprime.claims.algebra import Algebra
from thetaprime.claims.equality import OTHER, Rival, beside, inside, widened
from thetaprime.claims.facts import Certificate, Unproved, World, given_by, kinds, prove, solved
from thetaprime.claims.questions import Question, Relation
from thetaprime.claims.symbolic import Split, Undefined, Unknown, inputs
from thetaprime.claims.written import Writer
from thetaprime.expr import Expr, Sym, rewrite
from thetaprime.ir import Step

Shown = tuple[Relation, Certificate]
FAILED = (Unproved, Unknown, Undefined, Split, ArithmeticError, ValueError, KeyError,
          RecursionError)


def copies(question: Question) -> Iterator[Shown]:
    """The states that are the point before every step, with proofs."""
    step = question.step
    for state in step.states:
        if state.start == Sym(step.point) and not state.constant and state.guard is None:
            yield from _proved(question, Sym(state.name, type=state.type), Sym(step.point))


def needed(question: Question, rival: Rival) -> Iterator[Shown]:
    """The value of the point for which the next points of both rules agree, where it is one of
    states and the first rule always has it, with the proof."""
    with suppress(*FAILED):
        value = _agreeing(question, rival)
        if value is not None:
            yield from _proved(question, Sym(question.step.point), value)


def _agreeing(question: Question, rival: Rival) -> Expr | None:
    """The point before a later step, solved for. Raises one of FAILED."""
    step, algebra = question.step, Algebra()
    truths = next(iter(kinds(step, rival.step)))
    own = ranges(step)
    given = given_by(question, own, False, algebra, truths)
    run = inputs(step, own.cases[1], False, algebra, given, truths).run()
    known = ranges(rival.step, widened(question, rival))
    other = beside(World(run, False, "t > 1", ()), rival, known, {})
    one, two = run.of(Sym(step.point, True)), other.of(Sym(rival.step.point, True))
    found = solved(algebra, algebra.subtract(one, two).ratio.num, run.env[Sym(step.point)])
    states = {s.name for s in step.states}
    hypers = {h.name for h in step.hypers}
    if found is None:
        return None
    keys = [algebra.key(a) for a in inside(algebra, found.ratio)]
    names = {k[-1] for k in keys if k[0] == "symbol"}
    if any(OTHER in k for k in keys) or not names <= states | hypers or not names & states:
        return None
    return _typed(step, Writer(algebra).quotient(found.ratio))


def _typed(step: Step, expr: Expr) -> Expr:
    """With the types of the step's symbols."""
    types = {**{s.name: s.type for s in step.states}, **{h.name: h.type for h in step.hypers}}
    return rewrite(expr, lambda n: replace(n, type=types[n.name]) if isinstance(n, Sym) else n)


def _proved(question: Question, left: Sym, right: Expr) -> Iterator[Shown]:
    one = Relation("==", left, right)
    with suppress(*FAILED):
        yield one, prove(replace(question, facts=(one,), claim=replace(
            question.claim, form="fact")))
