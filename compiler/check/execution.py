"""The statements of a step, executed on intervals.

A branch is executed with what its condition says, and what both define is joined. A loop is
executed until another turn adds nothing: `settled` finds an invariant and verifies it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction

from thetaprime.bounds import INF, ONE, ZERO
from thetaprime.cases import guard_of
from thetaprime.check.narrow import assume
from thetaprime.check.valuation import Facts, Seen, Valuation
from thetaprime.expr import Apply, Expr, Num, Sym, symbols
from thetaprime.intervals import (
    COUNT,
    EITHER,
    EMPTY,
    POSITIVE,
    REAL,
    TRUE,
    Interval,
    hull,
    meet,
    point,
)
from thetaprime.ir import (
    Draw,
    EachAxis,
    Equation,
    First,
    Loop,
    Statement,
    Step,
    When,
    begun,
    statements,
)
from thetaprime.ir import defined as made
from thetaprime.loops import from_the_end
from thetaprime.types import SCALAR

Known = dict[Sym, Interval]
RANK = Sym("rank")
# Turns of the induction that only collect, that go from threshold to threshold, and all of them.
PLAIN, STEPPED, MOST = 3, 24, 40
FORGOTTEN = replace(REAL, nan=True)
_SIGNS = Interval(-ONE, ONE, True, True, True, True)


def execute(body: Iterable[Statement], values: Valuation, shown: frozenset[Sym]) -> None:
    """Runs statements; the symbols that they define are in ``values.env``. What ``shown`` names is
    read outside of the body, so that it has to be defined wherever it is."""
    before = values.here, values.some
    for statement in body:
        values.memo.clear()
        values.here, values.some = _place(values, statement, before)
        match statement:
            case Equation(target, value):
                _equation(values, target, value, shown)
            case First(target, value):
                _first(values, target, value)
            case Draw(target):
                values.env[target] = drawn(statement, values)
                values.always = {**values.always, **_scattered(statement, values)}
            case When():
                _when(values, statement)
            case Loop():
                _loop(values, statement)
            case EachAxis():
                _each_axis(values, statement)
    values.here, values.some = before
    values.memo.clear()


def _place(
    values: Valuation, statement: Statement, outside: tuple[Expr | None, bool]
) -> tuple[Expr | None, bool]:
    """Where a statement is computed, see `Valuation`."""
    if isinstance(statement, Equation) and statement.guard is not None:
        at = replace(values, some=outside[1]).at(statement.guard, statement.target)
        return at.here, at.some
    guarded = any(guard_of(s) is not None for s in statements((statement,)))
    return None, outside[1] or guarded


def _equation(values: Valuation, target: Sym, value: Expr, shown: frozenset[Sym]) -> None:
    """What may be undefined is judged where it is read: a branch may read it only where it is."""
    told: list[Seen] = []
    watch = values.watch
    if watch is None:
        values.env[target] = values.of(value)
    else:
        inside = replace(values, memo={}, watch=lambda *seen: told.append(seen))
        values.env[target] = inside.of(value)
        if target in shown or all(safe for _, _, safe in told):
            for seen in told:
                watch(*seen)
        else:
            values.later[target] = told
    values.equations[target] = value


def _first(values: Valuation, target: Sym, value: Expr) -> None:
    """At t = 1 the value, later what was kept."""
    t = values.of(Sym("t"))
    kept = values.env[target]
    if 1 in t:
        first = values.of(value)
        kept = first if t.single else hull(first, kept)
    values.env[target] = kept


def drawn(draw: Draw, values: Valuation) -> Interval:
    """Where the values of a draw lie."""
    args = [values.of(a) for a in draw.args]
    nan = any(a.nan for a in args)
    match draw.distribution:
        case "normal":
            return replace(REAL, nan=nan)
        case "uniform":
            low, high = args if len(args) == 2 else (point(ZERO), *(args or [point(ONE)]))
            return replace(hull(low, high), whole=False, hole=low.positive and high.positive)
        case "rademacher":
            return _SIGNS
    return replace(EITHER, nan=nan)


def _scattered(draw: Draw, values: Valuation) -> Facts:
    """Normal numbers are not 0 in every entry of a model."""
    if draw.distribution != "normal" or 0 in (
            values.of(draw.args[-1]) if len(draw.args) == 2 else TRUE):
        return {}
    square = Apply("^", (draw.target, Num("2")), type=draw.target.type)
    return {Apply("sum", (square,), ("model",), type=SCALAR): POSITIVE}


def _when(values: Valuation, block: When) -> None:
    decided = values.of(block.condition)
    shown = frozenset(made((block,))) | begun((block,))
    ends = []
    for truth, body in ((True, block.then), (False, block.otherwise)):
        told = assume(values, block.condition, truth) if int(truth) in decided else None
        if told is not None:
            inside = branch(values, {**values.always, **told})
            execute(body, inside, shown)
            ends.append(inside.env)
    for target in shown:
        values.env[target] = hull(*(env[target] for env in ends)) if ends else EMPTY


def branch(values: Valuation, always: Mapping[Expr, Interval] | None = None) -> Valuation:
    """A copy whose definitions stay its own."""
    return replace(values, env=dict(values.env), equations=dict(values.equations),
                   later=dict(values.later), memo={},
                   always=values.always if always is None else always)


def _turn(values: Valuation, loop: Loop | EachAxis, carried: Known) -> Valuation:
    """One turn from the carried values; facts about them are those of before the loop."""
    inside = branch(values, {e: i for e, i in values.always.items()
                             if not symbols(e) & carried.keys()})
    inside.env.update(carried)
    shown = frozenset(replace(c.value, prime=True) for c in loop.carries)
    if isinstance(loop, Loop):
        turns = values.of(loop.turns)
        place = Interval(ZERO, turns.high - 1, True, turns.high != INF, whole=True)
        inside.env[loop.turn] = place
        inside.always = {**inside.always, from_the_end(loop.turns, loop.turn): place}
        if loop.until is not None:
            shown |= {loop.until}
    else:
        shown |= frozenset(made(loop.body))
        inside.always = {**inside.always, RANK: COUNT}
    execute(loop.body, inside, shown)
    return inside


def _carried(values: Valuation, loop: Loop | EachAxis) -> tuple[Known, Valuation]:
    """What the carried values are before any turn, and the last turn."""
    start = {c.value: values.of(c.start) for c in loop.carries}
    silent = replace(values, watch=None, memo={})

    def turn(known: Known) -> Known:
        inside = _turn(silent, loop, known)
        return {c.value: inside.env[replace(c.value, prime=True)] for c in loop.carries}

    known = settled(turn, start, values.thresholds)
    return start, _turn(values, loop, known)


def _loop(values: Valuation, loop: Loop) -> None:
    turns = values.of(loop.turns)
    if turns.high < 1:
        values.env.update({c.value: values.of(c.start) for c in loop.carries})
        return
    start, last = _carried(values, loop)
    for carry in loop.carries:
        end = last.env[replace(carry.value, prime=True)]
        values.env[carry.value] = end if turns.low >= 1 else hull(start[carry.value], end)


def _each_axis(values: Valuation, loop: EachAxis) -> None:
    """A number has no axis, so that there may be no turn at all."""
    start, last = _carried(values, loop)
    for target in made(loop.body):
        values.env[target] = last.env[target]
    for carry in loop.carries:
        end = last.env[replace(carry.value, prime=True)]
        values.env[carry.value] = hull(start[carry.value], end)


# Induction.


def settled(
    advance: Callable[[Known], Known], start: Known, thresholds: tuple[Fraction, ...]
) -> Known:
    """An invariant: it holds of ``start``, and what ``advance`` makes of it lies in it."""
    known = start
    for turn in range(MOST):
        new = advance(known)
        if all(new[s].within(known[s]) for s in known):
            return _tightened(advance, start, known)
        known = {s: known[s] if new[s].within(known[s])
                 else _widened(known[s], hull(known[s], new[s]), turn, thresholds) for s in known}
    return dict.fromkeys(start, FORGOTTEN)


def _tightened(advance: Callable[[Known], Known], start: Known, known: Known) -> Known:
    """A smaller invariant: what follows from one is one, which another step verifies."""
    for _ in range(2):
        new = advance(known)
        smaller = {s: meet(known[s], hull(start[s], new[s])) for s in known}
        if smaller == known:
            break
        after = advance(smaller)
        if not all(after[s].within(smaller[s]) for s in known):
            break
        known = smaller
    return known


def _widened(
    old: Interval, new: Interval, turn: int, thresholds: tuple[Fraction, ...]
) -> Interval:
    """An interval around both whose moving ends stand at thresholds."""
    if turn < PLAIN or new.empty:
        return new
    low, low_in, high, high_in = new.low, new.low_in, new.high, new.high_in
    near = thresholds if turn < STEPPED else ()
    if old.empty or (low, not low_in) != (old.low, not old.low_in):
        below = max((t for t in near if t <= low), default=-INF)
        low_in, low = low_in and low == below, below
    if old.empty or (high, high_in) != (old.high, old.high_in):
        above = min((t for t in near if t >= high), default=INF)
        high_in, high = high_in and high == above, above
    return replace(new, low=low, low_in=low_in, high=high, high_in=high_in)


def start_values(step: Step, values: Valuation) -> Known:
    """The states before the first step."""
    found: Known = {}
    inside = branch(values)
    for state in sorted(step.states, key=lambda s: not s.constant):
        start = state.start
        value = drawn(start, inside) if isinstance(start, Draw) else inside.of(start)
        found[Sym(state.name)] = inside.env[Sym(state.name)] = value
    return found
