"""Which states of a step are linear, what the others are frozen at, and the passes that say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import sympy

from thetaprime.analyse.limit import Limit
from thetaprime.analyse.model import Atom, Model, exact
from thetaprime.analyse.vectors import Bent, Linear, lane_name
from thetaprime.diagnostics import SpecError, report
from thetaprime.expr import Sym, symbols
from thetaprime.interpret import hyperparameters
from thetaprime.ir import Draw, Hyper, Range, State, Step, reads, statements

# A matrix for each step of a longer period would be a formula that nobody reads.
MOST_PERIOD = 12
# Names for the curvature, of which the first that the spec does not use is taken.
CURVATURES = ("h", "curvature", "kappa")


def make_model(step: Step, given: Mapping[str, Any], free: Sequence[str] | None) -> Model:
    """The model, with symbols for the hyperparameters that are not fixed."""
    fixed = {n: v for n, v in given.items() if not callable(v)}
    known = {s.name: v for s, v in numbers(step, fixed).items()}
    hypers: dict[str, Any] = {}
    ranges: dict[Any, Range | None] = {}
    typical: dict[Any, Any] = {}
    for hyper in step.hypers:
        value = known.get(hyper.name)
        if hyper.type.kind == "function":
            continue
        loose = hyper.name not in given if free is None else hyper.name in free
        if hyper.type.axes and value is not None:
            hypers[hyper.name] = [exact(float(v)) for v in value]
        elif value is not None and (hyper.static or not loose or hyper.type.axes):
            hypers[hyper.name] = exact(int(value) if hyper.static else float(value))
        else:
            symbol = _symbol(hyper)
            hypers[hyper.name] = symbol
            ranges[symbol] = hyper.range
            typical[symbol] = _typical(hyper, value)
    used = {*hypers, step.point, *(s.name for s in step.states)}
    name = next(n for n in CURVATURES if n not in used)
    return Model(step, hypers, ranges, typical, sympy.Symbol(name, positive=True))


def numbers(step: Step, given: Mapping[str, Any]) -> dict[Sym, Any]:
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
        return exact(float(value))
    low, high = ends
    if low is not None and high is not None:
        return exact((low + high) / 2)
    return exact(low + 1 if low is not None else high - 1 if high is not None else 1)


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
    atom = Atom(name, cause.expr if isinstance(cause, Bent) else
                cause.cause if cause else name, cause.source if cause else state.source,
                cause.why if cause else "is a state that is not linear")
    return model.symbol(lane_name(state.name, lane), (state.name, lane), atom)


def freeze_scalars(model: Model, lengths: Mapping[str, int], linear: Sequence[str]) -> None:
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
        abs(complex(rate.subs(model.typical).subs(dict.fromkeys(rate.free_symbols, v)))) < 1
        for v in (0.01, 0.3, 0.9))
    return sympy.simplify(rest / (1 - rate)) if inside else None


def settled(model: Model, lengths: Mapping[str, int], linear: list[str]) -> list[Limit]:
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
        model.frozen[first] = cause_of(model, bent[first])


def cause_of(model: Model, value: Any) -> Bent | Atom | None:
    if isinstance(value, Bent):
        return value
    opaque = model.opaque(value)
    return model.atoms[opaque[0]] if opaque else None


def _reading(step: Step) -> dict[str, set[str]]:
    """The states that the new value of each state depends on."""
    read: dict[Sym, set[Sym]] = {}
    for statement in statements(step.body):
        for target in _targets(statement):
            inner = {s for e in reads(statement) for s in symbols(e)}
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
