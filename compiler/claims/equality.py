"""Proofs that two rules make the same iterates from the same gradients: by a relation of their
states, which is found and then verified by induction.

Candidates: a state of the second rule is one of the first, times a number that may depend on
hyperparameters and t (read off the first two steps); or the value for which the next points agree,
where these are affine in it. The relation holds at the start, and if before a step, then after it;
and wherever it holds the new points are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice, product

from thetaprime.check.ranges import Ranges, ranges
from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.facts import (
    Certificate,
    Settled,
    Unproved,
    World,
    atoms_inside,
    certificate,
    show,
    solved,
    worlds,
)
from thetaprime.claims.polynomials import ONE, Poly, Ratio, coefficients, ratio
from thetaprime.claims.questions import Question, Relation
from thetaprime.claims.symbolic import Symbolic, Undefined, Unknown, inputs, varies
from thetaprime.claims.turned import Turned, seen
from thetaprime.expr import Expr, Num, Sym
from thetaprime.intervals import REAL, Interval, of_range
from thetaprime.ir import Step
from thetaprime.types import Type

T = Sym("t")
OTHER = "other"
NEW = ("symbol", "the next gradient")
MOST_CHOICES = 24


@dataclass(frozen=True)
class Rival:
    """The second rule. ``hypers`` are its hyperparameters as expressions in the first rule's; those
    not named are its own."""

    step: Step
    hypers: Mapping[str, Expr] = field(default_factory=dict)


@dataclass(frozen=True)
class Related:
    """``state`` of the second rule in terms of the first rule's: ``source`` times ``factor``, or
    zero; ``turned``: what the source is seen as; ``solved``: the value for which the next points
    agree; ``free``: both are 0 in the cases seen so far, so that any factor is right."""

    state: str
    source: str = ""
    factor: Ratio = field(default_factory=lambda: Ratio(ONE))
    solved: bool = False
    free: bool = False
    turned: Turned | None = None


def prove_equality(question: Question, rival: Rival) -> tuple[Certificate, tuple[Related, ...]]:
    """A certificate that the rule of a question and its rival agree. Raises Unproved."""
    known = ranges(rival.step, widened(question, rival))
    point = Sym(question.step.point, True)
    wanted = [Relation("==", Sym(s.name, True), Num("0"))
              for s in question.step.states if not s.constant]
    wanted.append(Relation("==", point, Num("0")))
    related: dict[str, list[Related]] = {}

    def at_first(world: World) -> Iterator[Settled]:
        other = beside(world, rival, known, {})
        yield same_point(question, rival, world, other)
        for name, found in _candidates(question, rival, world, other).items():
            old = related.get(name)
            related[name] = found if old is None else list(_in_both(old, found))

    worlds(question, at_first, (), True, wanted, (rival.step,))
    related = {n: [replace(r, free=False) for r in found] for n, found in related.items()}
    last: Exception = Unproved("no relation of the states was found")
    for picked in _choices(rival, related):
        followed = partial(_followed, question, rival, known, picked)
        try:
            settled = worlds(question, followed, (), None, wanted, (rival.step,))
        except (Unproved, Unknown) as error:
            last = error
            continue
        return certificate("induction on t", settled), tuple(picked.values())
    raise Unproved(str(last))


def _in_both(old: Sequence[Related], new: Sequence[Related]) -> Iterator[Related]:
    """What is right in the cases of both."""
    free = {r.source for r in new if r.free}
    yield from (r for r in old if r in new or r.source in free)
    free = {r.source for r in old if r.free}
    yield from (r for r in new if r.source in free and r not in old)


def widened(question: Question, rival: Rival) -> dict[str, Interval]:
    """The ranges of the rival's hyperparameters that get their values from the rule's."""
    own = {h.name: of_range(h.range, h.type.kind == "int") for h in question.step.hypers}
    return {h.name: REAL if h.name in rival.hypers else own[h.name]
            for h in rival.step.hypers if h.name in rival.hypers or h.name in own}


def _choices(rival: Rival, related: Mapping[str, list[Related]]) -> Iterator[dict[str, Related]]:
    """Which states are related and how: none of them first, then all, then some."""
    names = [s.name for s in rival.step.states if related.get(s.name)]
    yield {}
    for chosen in islice(product(*([*related[n], None] for n in names)), MOST_CHOICES):
        picked = {r.state: r for r in chosen if r is not None}
        if picked:
            yield picked


# The rival's step beside the first rule's.


def beside(
    world: World, rival: Rival, known: Ranges, states: Mapping[str, Value]
) -> Symbolic:
    """The rival's step in the same case, executed."""
    return placed(world, rival, known, states).run()


def placed(
    world: World, rival: Rival, known: Ranges, states: Mapping[str, Value]
) -> Symbolic:
    """The rival before its step in the same case: the same point, gradient, loss and t; its states
    (and hyperparameters that are not the rule's) where they are given, else atoms of its own."""
    run, algebra = world.run, world.run.algebra
    mine, theirs = run.step, rival.step
    given: dict[Sym, Value] = {Sym(n): v for n, v in states.items()}
    for own, other in ((mine.point, theirs.point), (mine.gradient, theirs.gradient),
                       ("loss", "loss"), ("t", "t")):
        value = run.env.get(Sym(own))
        if value is not None:
            given[Sym(other)] = value
    before = replace(run, env={s: v for s, v in run.env.items() if not s.prime})
    for hyper in theirs.hypers:
        symbol = Sym(hyper.name)
        if symbol in given:
            continue
        expr = rival.hypers.get(hyper.name)
        if expr is not None:
            given[symbol] = before.of(expr)
        elif run.env.get(symbol) is not None and symbol.name in {h.name for h in mine.hypers}:
            value = run.env[symbol]
            assert value is not None
            given[symbol] = value
        elif hyper.type.kind != "function":  # its own, whatever the first rule calls so
            given[symbol] = algebra.atom(("symbol", OTHER, hyper.name), frozenset(),
                                         of_range(hyper.range, hyper.type.kind == "int"))
    case = known.cases[0 if world.first else 1]
    return inputs(theirs, case, world.first, algebra, given, run.truths, tag=OTHER)


def same_point(question: Question, rival: Rival, world: World, other: Symbolic) -> Settled:
    """The proof that the next points agree. Raises Unproved, Undefined."""
    one = world.run.env.get(Sym(question.step.point, True))
    two = other.env.get(Sym(rival.step.point, True))
    if one is None or two is None:
        raise Undefined
    return show(world, Relation("==", Sym(question.step.point, True),
                                Sym(rival.step.point, True)), one, two)


# Candidates.


def _candidates(
    question: Question, rival: Rival, world: World, other: Symbolic
) -> dict[str, list[Related]]:
    """For each state of the rival, what it may be, from its value after the first step."""
    found: dict[str, list[Related]] = {}
    for state in rival.step.states:
        theirs = other.env.get(Sym(state.name, not state.constant))
        if theirs is None:
            continue
        options: list[Related] = []
        for own in question.step.states:
            mine = world.run.env.get(Sym(own.name, not own.constant))
            if mine is not None and varies(own.type) == varies(state.type):
                options += _multiples(world.run.algebra, state.name, own.name, theirs, mine)
            if mine is not None and (turned := seen(question.step, own.type, state.type)):
                options += [replace(r, turned=turned) for r in _multiples(
                    world.run.algebra, state.name, own.name, theirs,
                    turned.of(world.run, own.name, not own.constant))]
        point = world.run.env.get(Sym(question.step.point, True))
        if point is not None and not world.run.algebra.subtract(theirs, point).ratio:
            options.append(Related(state.name, question.step.point))
        options.sort(key=lambda r: (r.source != state.name, len(r.factor.atoms)))
        found[state.name] = [*options, Related(state.name, solved=True)]
    return found


def _multiples(
    algebra: Algebra, name: str, source: str, theirs: Value, mine: Value
) -> Iterator[Related]:
    """theirs = factor*mine, with a factor that is one number for the model; each power b of the
    first step may be b or b^t in it."""
    if not mine.ratio:
        if not theirs.ratio:
            yield Related(name, source, free=True)
        return
    factor = algebra.divide(theirs, mine).ratio
    if algebra.varies(factor):
        return
    yield Related(name, source, factor)
    for atom in sorted(factor.atoms):
        if algebra.key(atom)[0] == "symbol":
            yield Related(name, source, _raised(factor, atom))


def _raised(factor: Ratio, atom: int) -> Ratio:
    """The factor with b^t in the place of b: marked by the atom -1 - b."""
    def put(poly: Poly) -> Poly:
        total = Poly({})
        for exponent, rest in coefficients(poly, atom).items():
            mark = Poly({((-1 - atom, exponent),) if exponent else (): ONE.terms[()]})
            total = total + rest * mark
        return total

    return ratio(put(factor.num), put(factor.den))


def _at(algebra: Algebra, factor: Ratio, t: Value) -> Value:
    """A factor at a step: its marks are powers of hyperparameters."""
    top, bottom = (_written(algebra, poly, t) for poly in (factor.num, factor.den))
    return algebra.divide(top, bottom)


def _written(algebra: Algebra, poly: Poly, t: Value) -> Value:
    total = algebra.number(0)
    for monomial, coefficient in poly.terms.items():
        term = algebra.number(coefficient)
        for atom, exponent in monomial:
            own = atom if atom >= 0 else -1 - atom
            kept = algebra.known_atom(own)
            base = algebra.atom(kept.key, kept.varies, kept.interval)
            one = base if atom >= 0 else algebra.raised(base, t)
            term = algebra.multiply(term, algebra.power(one, exponent))
        total = algebra.add(total, term)
    return total


# Verification.


def _followed(
    question: Question, rival: Rival, known: Ranges, picked: Mapping[str, Related], world: World
) -> Iterator[Settled]:
    """The next points agree, and every relation holds after the step: from the starting states at
    t = 1, from any states so related later."""
    run, algebra = world.run, world.run.algebra
    t = run.env[T]
    assert t is not None
    given: dict[str, Value] = {}
    if not world.first:
        earlier = algebra.subtract(t, algebra.number(1))
        for name, one in picked.items():
            if not one.solved:
                source = run.env.get(Sym(one.source))
                if source is None:
                    raise Unproved(f"`{one.source}` is not kept")
                source = one.turned.of(run, one.source, False) if one.turned else source
                given[name] = algebra.multiply(_at(algebra, one.factor, earlier), source)
        for name, one in picked.items():
            if one.solved:
                given[name] = _agreeing(question, rival, known, world, given, name)
        if not all(algebra.value(b).interval.positive for b in algebra.shifted):
            raise Unproved("a power of what may be 0")
    other = beside(world, rival, known, given)
    yield same_point(question, rival, world, other)
    after: dict[str, Value] = {}
    for name, one in picked.items():
        mine = run.env.get(Sym(one.source, True))
        if not one.solved:
            if mine is None:
                raise Unproved(f"`{one.source}` is undefined")
            mine = one.turned.of(run, one.source, True) if one.turned else mine
            after[name] = algebra.multiply(_at(algebra, one.factor, t), mine)
    for name, one in picked.items():
        if one.solved:
            after[name] = _agreeing(question, rival, known, _next(question, world), after, name)
        theirs = other.env.get(Sym(name, not rival.step.state(name).constant))
        if theirs is None:
            raise Unproved(f"`{name}` is undefined")
        yield show(world, Relation("==", Sym(one.source or name, True), Sym(name, True)),
                   after[name], theirs)


def _next(question: Question, world: World) -> World:
    """The step after: from the states and the point that this one leaves, a new gradient."""
    run, algebra, step = world.run, world.run.algebra, question.step
    given = {s: v for s, v in run.env.items() if v is not None and s in {
        *(Sym(h.name) for h in step.hypers), *(Sym(k.name) for k in step.states if k.constant)}}
    for state in step.states:
        value = run.env.get(Sym(state.name, not state.constant))
        if value is not None:
            given[Sym(state.name)] = value
    t, moved = run.env[T], run.env.get(Sym(step.point, True))
    if moved is None or t is None:
        raise Undefined
    given[Sym(step.point)] = moved
    given[T] = algebra.add(t, algebra.number(1))
    given[Sym(step.gradient)] = algebra.atom(NEW, varies(Type()), REAL)
    later = inputs(step, run.case, False, algebra, given, run.truths, tag="next").run()
    return replace(world, run=later, first=False)


def _agreeing(
    question: Question, rival: Rival, known: Ranges, world: World, given: Mapping[str, Value],
    name: str,
) -> Value:
    """The value of a state for which the next points agree."""
    algebra = world.run.algebra
    other = beside(world, rival, known, given)
    one = world.run.env.get(Sym(question.step.point, True))
    two = other.env.get(Sym(rival.step.point, True))
    state = other.env.get(Sym(name))
    if one is None or two is None or state is None:
        raise Undefined
    apart = algebra.subtract(one, two).ratio.num
    found = solved(algebra, apart, state)
    gradient = world.run.env.get(Sym(question.step.gradient))
    if found is None or gradient is None or inside(algebra, found.ratio) & gradient.ratio.atoms:
        raise Unproved(f"`{name}` does not follow")
    return found


def inside(algebra: Algebra, value: Ratio) -> frozenset[int]:
    """The atoms that a value is made of, at any depth."""
    return value.atoms.union(*(atoms_inside(algebra, a) for a in value.atoms))
