"""Two steps executed one beside the other, statement by statement, in all that can be told apart:
the first step and a later one, each kind of tensors. Both see the same point, gradient, loss, t and
hyperparameters of equal names; states of the second that are related to states of the first have
their values.

What two statements that play the same role make of different things counts as the same after them:
so only those lines differ in which a difference arises, not all that follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from thetaprime.cases import guard_of
from thetaprime.check.ranges import ranges
from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.equality import Related, placed, widened
from thetaprime.claims.facts import World, kinds
from thetaprime.claims.polynomials import ONE as UNIT
from thetaprime.claims.polynomials import Poly, replaced, variable
from thetaprime.claims.symbolic import Symbolic, Undefined, inputs
from thetaprime.claims.written import Writer
from thetaprime.compare.pairs import FAILED, Pair, equal, real
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, substitute
from thetaprime.ir import Range, Statement, Step
from thetaprime.scopes import outputs
from thetaprime.types import SCALAR

QUICK, MOST_KINDS = 8, 4
T = Sym("t")
ONE, ZERO = Num("1", SCALAR), Num("0")
EVERY = Range(None, None, False, False)


@dataclass(frozen=True)
class Link:
    """``state`` of the second rule is ``factor`` (in the first's hyperparameters and t, the number
    of the last step) times ``source`` of the first."""

    state: str
    source: str
    factor: Expr = ONE


@dataclass
class Sides:
    """Both steps in one case; ``started``: what the states of both are before the step."""

    mine: Symbolic
    theirs: Symbolic
    first: bool
    started: tuple[dict[Sym, Value | None], dict[Sym, Value | None]]

    def factor(self, one: Link, after: bool) -> Value:
        """By what a related state is a multiple, before the step or after it."""
        algebra, t = self.mine.algebra, self.mine.env[T]
        assert t is not None
        last = t if after else algebra.subtract(t, algebra.number(1))
        env = {s: v for s, v in self.started[0].items() if not s.prime}
        return replace(self.mine, env={**env, T: last}).of(one.factor)


def related(pair: Pair) -> dict[str, Link]:
    """States of the second rule by states of the first: as in a proof that the rules agree where
    what only one of them has, and what is 0 if nothing is said, is 0; else those of equal names."""
    own = {s.name for s in pair.a.states}
    found = {link.state: link for link in _proved(pair) if link.source in own}
    for state in pair.b.states:
        if state.name not in found and state.name in own and state.name not in {
                link.source for link in found.values()}:
            found[state.name] = Link(state.name, state.name)
    return found


def _proved(pair: Pair) -> Sequence[Link]:
    """Of the first proof that relates states: as they are, then with ever more at rest."""
    zeros: dict[str, Expr] = {h.name: ZERO for h in pair.missing() if 0 in (h.range or EVERY)}
    given = pair.given(**zeros)
    for names in _at_rest(pair):
        with suppress(*FAILED, TypeError):
            at = given.assuming(*(equal(n, ZERO) for n in names))
            shown = at.proved() if not at.missing() and at.agrees(QUICK) else None
            links = shown and [
                Link(r.state, r.source, _factor(shown.certificate.settled[0].algebra, r))
                for r in shown.related if not r.solved and r.turned is None]
            if links:
                return links
    return ()


def _at_rest(pair: Pair) -> Iterator[tuple[str, ...]]:
    """Hyperparameters of the first rule that may be 0: none, those that it alone has, with each of
    the others whose default is 0, all of them."""
    free = [h for h in real(pair.a) if 0 in (h.range or EVERY)]
    alone = {h.name for h in pair.turned.missing()}
    only = tuple(h.name for h in free if h.name in alone)
    resting = tuple(h.name for h in free if h.default == ZERO and h.name not in alone)
    yield from dict.fromkeys([(), only, *((*only, n) for n in resting), (*only, *resting)])


def _factor(algebra: Algebra, one: Related) -> Expr:
    """A factor as an expression; -1 - b in it stands for the atom b to the t."""
    write = Writer(algebra)

    def whole(poly: Poly) -> Expr:
        marks = {-1 - a: a for a in poly.atoms if a < 0}
        plain = replaced(poly, lambda a: variable(-1 - a) if a < 0 else None)
        powers: dict[Sym, Expr] = {}
        for atom in marks:
            symbol = write.atom(atom)
            if isinstance(symbol, Sym):
                powers[symbol] = Apply("^", (symbol, T))
        return substitute(write.sum(plain), powers)

    top, bottom = whole(one.factor.num), whole(one.factor.den)
    made = top if one.factor.den == UNIT else Apply("/", (top, bottom))
    return rewrite(made, lambda node: replace(node, type=SCALAR))


def sides(pair: Pair, algebra: Algebra, states: Mapping[str, Link]) -> list[Sides]:
    """Every case, before the first statement. Raises Split, Unknown, Undefined."""
    known, theirs = ranges(pair.a), ranges(pair.b, widened(pair.question, pair.rival))
    found = []
    for first in (True, False):
        for truths in islice(kinds(pair.a, pair.b), MOST_KINDS):
            run = inputs(pair.a, known.cases[not first], first, algebra, {}, truths)
            at = Sides(run, run, first, (dict(run.env), {}))
            world = World(run, first, "", ())
            own = placed(world, pair.rival, theirs, {})
            other = placed(world, pair.rival, theirs, dict(_given(at, states)))
            found.append(replace(at, theirs=other, started=(at.started[0], dict(own.env))))
    return found


def _given(at: Sides, states: Mapping[str, Link]) -> Iterator[tuple[str, Value]]:
    algebra = at.mine.algebra
    for name, one in states.items():
        source = at.mine.env.get(Sym(one.source))
        with suppress(Undefined, ZeroDivisionError):  # as a multiple by 1/(1 - b^0) at the start
            if source is not None:
                yield name, algebra.multiply(at.factor(one, False), source)


def executed(step: Step, runs: Sequence[Symbolic]) -> None:
    """The whole step in every case. Raises Split, Unknown."""
    for run in runs:
        run.execute(step.body)


def same(cases: Sequence[Sides], a: Statement, b: Statement, one: Link | None = None) -> bool:
    """Whether the statements give equal values in every case in which they are executed; the
    second's may be a multiple of the first's."""
    compared = [_same(at, a, b, one) for at in cases]
    return False not in compared and True in compared


def _same(at: Sides, a: Statement, b: Statement, one: Link | None) -> bool | None:
    skipped = [g is not None and not at.mine.truths[g] for g in (guard_of(a), guard_of(b))]
    if any(skipped):
        return None if all(skipped) else False
    algebra = at.mine.algebra
    if len(outputs(a)) != len(outputs(b)):
        return False
    for left, right in zip(outputs(a), outputs(b), strict=True):
        ours, theirs = at.mine.env.get(left), at.theirs.env.get(right)
        if ours is None or theirs is None:
            return ours is theirs
        if one is not None:
            ours = algebra.multiply(at.factor(one, True), ours)
        if ours.ratio != theirs.ratio:
            return False
    return True


def multiple(cases: Sequence[Sides], a: Statement, b: Statement) -> bool:
    """Whether the second statement gives a multiple of the first's by one number for the model."""
    def one_number(at: Sides) -> bool:
        ours, theirs = at.mine.env.get(outputs(a)[0]), at.theirs.env.get(outputs(b)[0])
        if ours is None or theirs is None or not ours.ratio:
            return False
        return not at.mine.algebra.varies(at.mine.algebra.divide(theirs, ours).ratio)

    return all(map(one_number, cases))


def taken(cases: Sequence[Sides], a: Statement, b: Statement, one: Link | None) -> None:
    """What the second statement made counts as what the first one did."""
    for at in cases:
        for left, right in zip(outputs(a), outputs(b), strict=False):
            if left in at.mine.env:
                value = at.mine.env[left]
                if value is not None and one is not None:
                    value = at.mine.algebra.multiply(at.factor(one, True), value)
                at.theirs.env[right] = value


def equal_start(cases: Sequence[Sides], one: Link) -> bool:
    """Whether related states start from related values."""
    for at in cases:
        if at.first:
            source, state = at.started[0].get(Sym(one.source)), at.started[1].get(Sym(one.state))
            if source is None or state is None:
                return source is state
            if at.mine.algebra.multiply(at.factor(one, False), source).ratio != state.ratio:
                return False
    return True


def valued(at: Symbolic, expr: Expr) -> Value | None:
    """The value of an expression after the step."""
    with suppress(Undefined):
        return at.of(expr)
    return None
