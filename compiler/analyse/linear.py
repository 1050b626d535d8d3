"""A step linearised on a quadratic of curvature h: the iteration matrix.

A state is linear when its new value is a linear combination of the point and of linear states;
all others are frozen: their new value is the old one, a symbol. Which states those are is found by
starting from all and freezing, one after the other, what does not stay linear.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
import sympy

from thetaprime.analyse.limit import Atom, Limit, Model, lane_name
from thetaprime.analyse.limit import exact as exact_number
from thetaprime.analyse.vectors import Bent, Coordinate, Linear
from thetaprime.diagnostics import SpecError, report
from thetaprime.expr import Expr, Sym
from thetaprime.interpret import hyperparameters
from thetaprime.ir import Draw, Equation, Hyper, Range, State, Step, reads, statements
from thetaprime.expr import symbols as symbols_of
from thetaprime.render import spec_text
from thetaprime.source import NOWHERE, Span
from thetaprime.types import Extent

# A matrix for each step of a longer period would be a formula that nobody reads.
MOST_PERIOD = 12
# Names for the curvature, of which the first that the spec does not use is taken.
CURVATURES = ("h", "curvature", "kappa")


@dataclass(frozen=True)
class Linearised:
    """One step, or ``period`` of them: coordinates after = matrix @ coordinates before.

    ``start`` are the coordinates before the first step, for a point 1. ``names`` says what a
    symbol stands for; ``frozen`` are the opaque symbols in the matrix; ``assumed`` are the
    conditions under which it is this one.
    """

    step: Step
    coordinates: tuple[Coordinate, ...]
    matrix: Any
    period: int
    start: tuple[Any, ...]
    h: Any
    hypers: Mapping[str, Any]
    ranges: Mapping[Any, Range | None]
    frozen: Mapping[Any, Atom]
    assumed: tuple[str, ...]

    @property
    def names(self) -> dict[Any, Expr]:
        shown: dict[Any, Expr] = {s: a.shown for s, a in self.frozen.items()}
        spelled = {h.name: h.spelled for h in self.step.hypers}
        shown |= {s: Sym(name, spelled=spelled[name]) for name, s in self.hypers.items()
                  if isinstance(s, sympy.Symbol)}
        return shown


def linearise(step: Step, given: Mapping[str, Any], free: Sequence[str] | None = None) -> Linearised:
    """The linear map of a step. ``given`` are values of hyperparameters; all others are symbols, or
    only those in ``free`` and the rest at their defaults. Raises SpecError where there is none."""
    model = _model(step, given, free)
    lengths = {a.name: a.length if isinstance(a.length, int) else int(model.hypers[a.length])
               for a in step.axes if isinstance(a.length, int) or a.length in model.hypers}
    linear = [s.name for s in step.states if not s.constant and s.type.extent is Extent.ENTRY]
    _freeze_scalars(model, lengths, linear)
    walks = _settled(model, lengths, linear)
    point = Sym(step.point, True)
    for walk in walks:
        value = walk.values[point, ()]
        if not isinstance(value, Linear) or not any(value.parts.values()):
            raise SpecError([_refusal(step, walk, value)])
    return _assemble(model, walks, linear, lengths)


def _model(step: Step, given: Mapping[str, Any], free: Sequence[str] | None) -> Model:
    """The model, with symbols for the hyperparameters that are not fixed."""
    fixed = {n: v for n, v in given.items() if not callable(v)}
    known = {s.name: v for s, v in _numbers(step, fixed).items()}
    hypers: dict[str, Any] = {}
    ranges: dict[Any, Range | None] = {}
    typical: dict[Any, Any] = {}
    for hyper in step.hypers:
        value = known.get(hyper.name)
        if hyper.type.kind == "function":
            continue
        loose = hyper.name not in given if free is None else hyper.name in free
        if hyper.type.axes and value is not None:
            hypers[hyper.name] = [exact_number(float(v)) for v in value]
        elif value is not None and (hyper.static or not loose or hyper.type.axes):
            hypers[hyper.name] = exact_number(int(value) if hyper.static else float(value))
        else:
            symbol = _symbol(hyper)
            hypers[hyper.name] = symbol
            ranges[symbol] = hyper.range
            typical[symbol] = _typical(hyper, value)
    used = {*hypers, step.point, *(s.name for s in step.states)}
    name = next(n for n in CURVATURES if n not in used)
    return Model(step, hypers, ranges, typical, sympy.Symbol(name, positive=True))


def _numbers(step: Step, given: Mapping[str, Any]) -> dict[Sym, Any]:
    """The numbers of all hyperparameters that have one."""
    known: dict[str, Any] = {h.name: 1.0 for h in step.hypers
                             if h.default is None and h.name not in given}
    return hyperparameters(step, {**known, **given}, 1)


def _symbol(hyper: Hyper) -> Any:
    low = hyper.range.low if hyper.range else None
    positive = low is not None and low >= 0
    return sympy.Symbol(hyper.name, positive=True) if positive else sympy.Symbol(
        hyper.name, real=True)


def _typical(hyper: Hyper, value: Any) -> Any:
    """The default where it lies inside of the range, not at its end; else a number that does."""
    bounds = hyper.range
    ends = (bounds.low, bounds.high) if bounds else (None, None)
    if value is not None and Fraction(float(value)) not in ends:
        return exact_number(float(value))
    low, high = ends
    if low is not None and high is not None:
        return exact_number((low + high) / 2)
    return exact_number(low + 1 if low is not None else high - 1 if high is not None else 1)


def typical_values(found: Linearised, exact: bool = False) -> dict[Any, Any]:
    """The defaults of the hyperparameters that are symbols; 1 where there is none."""
    numbers = {s.name: v for s, v in _numbers(found.step, {}).items()}
    values = {s: float(np.asarray(numbers[name])) for name, s in found.hypers.items()
              if isinstance(s, sympy.Symbol)}
    return {s: exact_number(v) for s, v in values.items()} if exact else values


# States.


def _walk(model: Model, lengths: Mapping[str, int], linear: Sequence[str], phase: int) -> Limit:
    """One pass, with linear states as coordinates and the others frozen."""
    walk = Limit(model, lengths, phase)
    step = model.step
    values = walk.values
    values[Sym("t"), ()] = model.t
    values[Sym(step.point), ()] = Linear({(step.point, ()): sympy.Integer(1)})
    values[Sym(step.gradient), ()] = values[Sym(step.point), ()] * model.h
    for name, value in model.hypers.items():
        if isinstance(value, list):
            for k, one in enumerate(value):
                values[Sym(name), (k,)] = one
        else:
            values[Sym(name), ()] = value
    for state in sorted(step.states, key=lambda s: not s.constant):
        for lane in walk.lanes(state.type):
            values[Sym(state.name), lane] = _before(model, walk, state, lane, linear)
    walk.execute(step.body)
    return walk


def _before(
    model: Model, walk: Limit, state: State, lane: tuple[int, ...], linear: Sequence[str]
) -> Any:
    """The value of a state before the step."""
    if state.name in linear:
        return Linear({(state.name, lane): sympy.Integer(1)})
    if state.name in model.limits:
        return model.limits[state.name]
    name = Sym(state.name)
    if state.constant and not isinstance(state.start, Draw):
        at = dict(zip(walk.axes(state.type), lane, strict=True))
        value = walk.value(state.start, at)
        if not walk.is_vector(value):
            return value
        model.assumed[f"the constant `{state.name}` moves the fixed point only"] = None
        return Linear({})
    cause = model.frozen.get(state.name)
    atom = Atom(name, name, cause.expr if isinstance(cause, Bent) else
                cause.cause if cause else name, cause.source if cause else state.source,
                cause.why if cause else "is a state that is not linear")
    return model.symbol(lane_name(state.name, lane), (state.name, lane), atom)


def _freeze_scalars(model: Model, lengths: Mapping[str, int], linear: Sequence[str]) -> None:
    """Limits of the states that follow a recursion of their own, s' = a*s + b with |a| < 1; the
    others of them are frozen."""
    step = model.step
    own = [s.name for s in step.states if not s.constant and s.name not in linear]
    for _ in own:
        model.frozen = {}
        walk = _walk(model, lengths, linear, 0)
        found = len(model.limits)
        for name in own:
            if name in model.limits:
                continue
            after = walk.values.get((Sym(name, True), ()))
            before = walk.values.get((Sym(name), ()))
            limit = None if before is None else _recursion(model, before, after)
            if limit is not None:
                model.limits[name] = limit
        if len(model.limits) == found:
            break
    model.frozen = {name: None for name in own if name not in model.limits}


def _recursion(model: Model, before: Any, after: Any) -> Any:
    """The limit of s' = a*s + b, or None."""
    if not isinstance(after, sympy.Expr) or set(model.opaque(after)) - {before}:
        return None
    rate = sympy.diff(after, before)
    rest = sympy.simplify(after - rate * before)
    if rate.has(before) or rest.has(before):
        return None
    rate, rest = model.settle(rate), model.settle(rest) if rest != 0 else rest
    if rate is None or rest is None or rate == 1:
        return None
    inside = model.low(rate) or all(
        abs(complex(rate.subs(model.typical).subs({s: v for s in rate.free_symbols}))) < 1
        for v in (0.01, 0.3, 0.9))
    return sympy.simplify(rest / (1 - rate)) if inside else None


def _settled(model: Model, lengths: Mapping[str, int], linear: list[str]) -> list[Limit]:
    """The passes, one for each phase, when ``linear`` has shrunk to the states that are."""
    reading = _reading(model.step)
    while True:
        model.restart()
        walks = [_walk(model, lengths, linear, 0)]
        period = lcm(*model.periods) if model.periods else 1
        if period > MOST_PERIOD:
            expr, source = model.periods[max(model.periods)]
            raise SpecError([report("long-period", source, expr.span, name=model.step.name,
                                    period=period, most=MOST_PERIOD)])
        walks = [_walk(model, lengths, linear, k + 1) for k in range(period)]
        bent: dict[str, Any] = {}
        for walk in walks:
            for name in linear:
                for lane in walk.lanes(model.step.state(name).type):
                    value = walk.values[Sym(name, True), lane]
                    if not isinstance(value, Linear):
                        bent.setdefault(name, value)
        if not bent:
            return walks
        first = min(bent, key=lambda n: (len(reading[n] & set(linear)), linear.index(n)))
        linear.remove(first)
        model.frozen[first] = _cause(model, bent[first])


def _cause(model: Model, value: Any) -> Bent | Atom | None:
    if isinstance(value, Bent):
        return value
    opaque = model.opaque(value)
    return model.atoms[opaque[0]] if opaque else None


def _reading(step: Step) -> dict[str, set[str]]:
    """The states that the new value of each state depends on."""
    read: dict[Sym, set[Sym]] = {}
    for statement in statements(step.body):
        for target in _targets(statement):
            inner = {s for e in reads(statement) for s in symbols_of(e)}
            read.setdefault(target, set()).update(inner)
    found: dict[str, set[str]] = {}
    names = {s.name for s in step.states}
    for state in step.states:
        seen: set[Sym] = set()
        pending = [Sym(state.name, True)]
        while pending:
            one = pending.pop()
            if one not in seen:
                seen.add(one)
                pending += read.get(one, ())
        found[state.name] = {s.name for s in seen if not s.prime and s.name in names}
    return found


def _targets(statement: Any) -> Iterator[Sym]:
    if hasattr(statement, "target"):
        yield statement.target
    for carry in getattr(statement, "carries", ()):
        yield carry.value


def _refusal(step: Step, walk: Limit, value: Any) -> Any:
    """Why the step has no linear map."""
    cause: Any = None if isinstance(value, Linear) else _cause(walk.model, value)
    expr = cause.expr if isinstance(cause, Bent) else cause.cause if cause else Sym(step.point)
    source = cause.source if cause else step.source
    why = cause.why if cause else "does not depend on the point near it"
    return report("not-linear", source, expr.span, name=step.name, what=spec_text(expr), why=why)


# The matrix.


def _matrix(walk: Limit, keys: Sequence[Coordinate]) -> Any:
    rows = [walk.values[Sym(name, True), lane].parts for name, lane in keys]
    return sympy.Matrix([[sympy.cancel(row.get(key, 0)) for key in keys] for row in rows])


def _span(step: Step) -> Span:
    """Where the spec says what the new point is."""
    return next((s.target.span for s in step.body if isinstance(s, Equation)
                 and s.target == Sym(step.point, True)), NOWHERE)


def _assemble(
    model: Model, walks: Sequence[Limit], linear: Sequence[str], lengths: Mapping[str, int]
) -> Linearised:
    step = model.step
    point: Coordinate = (step.point, ())
    keys = [point]
    for key in keys:  # grows: what the point reads, and what that reads
        for walk in walks:
            for other, coefficient in walk.values[Sym(key[0], True), key[1]].parts.items():
                if coefficient != 0 and other not in keys:
                    keys.append(other)
    each = [_matrix(walk, keys) for walk in walks]
    if all(one == each[0] for one in each):
        each = each[:1]
    matrix = each[0]
    for one in each[1:]:
        matrix = (one * matrix).applyfunc(sympy.cancel)
    starts = []
    for name, lane in keys:
        start = None if (name, lane) == point else step.state(name).start
        value = (Linear({point: sympy.Integer(1)}) if start is None or isinstance(start, Draw)
                 else walks[0].value(start, dict(zip(walks[0].axes(step.state(name).type), lane,
                                                    strict=True))))
        starts.append(value.parts.get(point, 0) if isinstance(value, Linear) else sympy.Integer(0))
    free = matrix.free_symbols
    if model.h not in free:
        raise SpecError([report("no-curvature", step.source, _span(step), name=step.name)])
    return Linearised(
        step, tuple(keys), matrix, len(each), tuple(starts), model.h, model.hypers, model.ranges,
        {s: a for s, a in model.atoms.items() if s in free}, tuple(model.assumed))
