"""The interval of every quantity of a step: hyperparameters anywhere in their ranges, every step,
all gradients and answers of the problem, all t.

States are found by induction. The first step starts from their starting values; what it makes of
them, and what every later step makes of that, is widened until a step leaves it inside of itself:
an inductive invariant, which one more step verifies. Values are real numbers (the interpreter's
exact ones); of floating point and of storage in few bits nothing is said here.

    known = ranges(step)
    known.of(expr)            # an expression over the step's symbols: x, g, t, states v and v'
    known.within([cond])      # the same where conditions hold, as `g == 0` does in every entry
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from thetaprime.bounds import INF, ONE, ZERO
from thetaprime.cases import guard_of
from thetaprime.check.execution import Known, execute, settled, start_values
from thetaprime.check.lemmas import variances
from thetaprime.check.narrow import assume
from thetaprime.check.valuation import TWO, Facts, Valuation, Watch
from thetaprime.expr import Expr, Num, Sym, walk
from thetaprime.intervals import EMPTY, REAL, Interval, hull, of_range, point
from thetaprime.ir import Step, reads, statements
from thetaprime.ir import defined as made

T = Sym("t")
FIRST = point(ONE)
LATER = Interval(TWO.low, INF, True, whole=True)


@dataclass(frozen=True)
class Case:
    """Some of the steps: what is known before them, and at their end."""

    before: Known
    after: Valuation


@dataclass(frozen=True)
class Ranges:
    """What is known of a step: at t = 1 from the starting values, and at all later t."""

    step: Step
    cases: tuple[Case, ...]

    def of(self, expr: Expr) -> Interval:
        """The values of a typed expression at the end of any step; states without prime are those
        before it. ``nan``: some value may be undefined."""
        return hull(*(c.after.of(expr) for c in self.cases)) if self.cases else EMPTY

    def within(self, conditions: Iterable[Expr]) -> Ranges:
        """The same for the steps in which conditions hold, in every entry where they vary. They
        say nothing of the steps before; for hyperparameters see ``given`` of `ranges`."""
        told = list(conditions)
        cases = ((case, _all(case.after, told)) for case in self.cases)
        return replace(self, cases=tuple(
            _case(self.step, case.before, replace(_blank(self.step), always=facts))
            for case, facts in cases if facts is not None))


def ranges(
    step: Step, given: Mapping[str, Interval] | None = None, watch: Watch | None = None
) -> Ranges:
    """The ranges of a step. ``given`` are ranges of hyperparameters in place of the declared ones,
    at every step; ``watch`` is told of the operations that have a domain."""
    blank = _blank(step)
    inputs = _inputs(step, given or {})
    start = start_values(step, replace(blank, env=dict(inputs), watch=watch))
    blank = replace(blank, always=variances(step, inputs, start))
    first = _case(step, {**inputs, T: FIRST, **start}, blank)

    def advance(known: Known) -> Known:
        return _kept(step, _case(step, {**inputs, T: LATER, **start, **known}, blank))

    known = settled(advance, _kept(step, first), blank.thresholds)
    watching = replace(blank, watch=watch)
    return Ranges(step, (
        _case(step, {**inputs, T: FIRST, **start}, watching) if watch is not None else first,
        _case(step, {**inputs, T: LATER, **start, **known}, watching)))


def _all(values: Valuation, conditions: list[Expr]) -> Facts | None:
    """What follows from all of the conditions together; None where they cannot hold."""
    found = dict(values.always)
    for condition in conditions:
        told = assume(replace(values, always=found, memo={}), condition)
        if told is None:
            return None
        found = {**found, **told}
    return found


def _blank(step: Step) -> Valuation:
    """A valuation that knows no symbol."""
    partly = {o: guard for s in statements(step.body) for o in made((s,))
              if (guard := guard_of(s)) is not None}
    partly |= {Sym(s.name, prime): s.guard for s in step.states if s.guard is not None
               for prime in (False, True)}
    lengths = {a.name: a.length for a in step.axes if isinstance(a.length, int)}
    return Valuation({}, lengths=lengths, partly=partly, thresholds=_thresholds(step))


def _inputs(step: Step, given: Mapping[str, Interval]) -> Known:
    """What a step is given: its point, gradient, loss and hyperparameters."""
    found = {Sym(step.point): REAL, Sym(step.gradient): REAL, Sym("loss"): REAL}
    for hyper in step.hypers:
        found[Sym(hyper.name)] = of_range(hyper.range, hyper.type.kind == "int")
    return found | {Sym(name): value for name, value in given.items()}


def _case(step: Step, before: Known, blank: Valuation) -> Case:
    """A step from what is known before it."""
    after = replace(blank, env=dict(before), equations={}, later={}, memo={})
    kept = {Sym(s.name, True) for s in step.states if not s.constant}
    execute(step.body, after, frozenset({*kept, Sym(step.point, True)}))
    if step.evaluate is not None and after.watch is not None:
        ends = {Sym(s.name): after.env[Sym(s.name, True)] for s in kept}
        replace(after, env={**after.env, **ends}, equations={}, memo={}).of(step.evaluate)
    return Case(before, replace(after, watch=None, memo={}))


def _kept(step: Step, case: Case) -> Known:
    """The states after a step."""
    return {Sym(s.name): case.after.env[Sym(s.name, True)]
            for s in step.states if not s.constant}


def _thresholds(step: Step) -> tuple[Fraction, ...]:
    """Where ranges of states tend to end: 0, 1, -1, and the numbers that the spec names."""
    found = {ZERO, ONE, -ONE}
    for hyper in step.hypers:
        if hyper.range is not None:
            found |= {e for e in (hyper.range.low, hyper.range.high) if e is not None}
    for statement in statements(step.body):
        found |= {n.value for e in reads(statement) for n in walk(e) if isinstance(n, Num)}
    return tuple(sorted(found))
