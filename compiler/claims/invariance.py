"""Proofs of invariance: with g -> c*g at every step, c > 0, the same iterates.

Each state is found to scale by a power of c (its degree, read off the first step), or to stay; by
induction the next step then scales in the same way, and the point does not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.facts import (
    Certificate,
    Settled,
    Unproved,
    World,
    certificate,
    needed,
    show,
    worlds,
)
from thetaprime.claims.questions import Question, Relation
from thetaprime.claims.symbolic import Symbolic, Undefined, inputs
from thetaprime.expr import Num, Sym, symbols
from thetaprime.intervals import POSITIVE

# How a state may scale: by a sign and a power of c.
Scale = tuple[int, Fraction]
SAME: Scale = (1, Fraction(0))
SCALES: tuple[Scale, ...] = tuple((sign, Fraction(v)) for v in (
    "0", "1", "2", "-1", "1/2", "-2", "3", "4") for sign in (1, -1))


def prove_invariance(question: Question) -> Certificate:
    """A certificate for a claim `invariant under`. Raises Unproved."""
    step = question.step
    point = Relation("==", Sym(step.point, True), Sym(step.point, True))
    kept = [Relation("==", Sym(s.name, True), Sym(s.name, True))
            for s in step.states if not s.constant]
    degrees: dict[str, Scale] = {}

    def at_first(world: World) -> Iterator[Settled]:
        changed = _changed(question, world, {})
        degrees.update(_degrees(question, world.run, changed, degrees))
        return later(world)

    def later(world: World) -> Iterator[Settled]:
        changed = _changed(question, world, degrees)
        yield _same_point(question, world, changed)
        yield from _scaled(question, world, changed, degrees)

    settled = worlds(question, at_first, (), True, [point, *kept])
    settled += worlds(question, later, (), False, [point, *kept])
    return certificate("induction with states that scale", settled)


def factor(question: Question, algebra: Algebra) -> Value:
    """The number that the claim brings: c > 0."""
    known = {h.name for h in question.step.hypers} | {s.name for s in question.step.states}
    for target, value in question.changes:
        for symbol in symbols(value):
            if symbol.name not in known and symbol.name not in (
                    target.name, question.step.point, question.step.gradient, "t"):
                return algebra.atom(("factor", symbol.name), frozenset(), POSITIVE)
    return algebra.number(1)


def _changed(question: Question, world: World, degrees: Mapping[str, Scale]) -> Symbolic:
    """The step where what the claim changes is changed, and states before it scale."""
    run, algebra, step = world.run, world.run.algebra, question.step
    c, changes = factor(question, algebra), question.changes
    before = replace(run, env={s: v for s, v in run.env.items() if not s.prime}, tag="changed")
    for symbol in {s for _, e in changes for s in symbols(e)}:
        before.env.setdefault(symbol, c)
    given: dict[Sym, Value] = {}
    for symbol in (Sym(step.point), Sym(step.gradient), Sym("loss"), Sym("t"),
                   *(Sym(h.name) for h in step.hypers)):
        value = run.env.get(symbol)
        if value is not None:
            given[symbol] = value
    for target, expr in changes:
        given[Sym(target.name)] = before.of(expr)
    if not run.first:
        for state in step.states:
            value = run.env.get(Sym(state.name))
            if value is not None:
                given[Sym(state.name)] = _by(algebra, c, degrees.get(state.name, SAME), value)
    found = inputs(step, run.case, run.first, algebra, given, run.truths, tag="changed")
    found.execute(needed(question, [Relation("==", Sym(step.point, True), Num("0")), *(
        Relation("==", Sym(s.name, True), Num("0")) for s in step.states if not s.constant)]))
    return found


def _same_point(question: Question, world: World, changed: Symbolic) -> Settled:
    point = Sym(question.step.point, True)
    targets = {target.name for target, _ in question.changes}
    one, other = world.run.env.get(point), changed.env.get(point)
    if one is None or other is None:
        raise Undefined
    if question.step.point in targets:
        moved = replace(changed, env={**world.run.env, Sym(question.step.point): one})
        for target, expr in question.changes:
            if target.name == question.step.point:
                moved.env.setdefault(target, one)
                one = moved.of(expr)
    return show(world, Relation("==", point, point), one, other)


def _scaled(
    question: Question, world: World, changed: Symbolic, degrees: Mapping[str, Scale]
) -> Iterator[Settled]:
    algebra = world.run.algebra
    c = factor(question, algebra)
    for state in question.step.states:
        symbol = Sym(state.name, not state.constant)
        one, other = world.run.env.get(symbol), changed.env.get(symbol)
        if one is None or other is None:
            continue
        scaled = _by(algebra, c, degrees.get(state.name, SAME), one)
        yield show(world, Relation("==", symbol, symbol), scaled, other)


def _by(algebra: Algebra, c: Value, scale: Scale, value: Value) -> Value:
    """A value times a sign and a power of c."""
    sign, degree = scale
    found = algebra.multiply(algebra.raised(c, algebra.number(degree)), value)
    return found if sign > 0 else algebra.negative(found)


def _degrees(
    question: Question, run: Symbolic, changed: Symbolic, known: Mapping[str, Scale]
) -> dict[str, Scale]:
    """With which power of c each state scales in the first step."""
    algebra = run.algebra
    c = factor(question, algebra)
    found: dict[str, Scale] = {}
    for state in question.step.states:
        symbol = Sym(state.name, not state.constant)
        one, other = run.env.get(symbol), changed.env.get(symbol)
        if one is None or other is None or not one.ratio or state.name in known:
            continue
        for scale in SCALES:
            if not algebra.subtract(_by(algebra, c, scale, one), other).ratio:
                found[state.name] = scale
                break
        else:
            raise Unproved(f"`{state.name}` does not scale")
    return found
