"""A step as a linear system, where it is one: exact matrices over the field of hyperparameters.

Linear are the rules whose iterate, states and query points are linear combinations of states,
iterate and answers before them, with coefficients that are rational in the hyperparameters and the
same at every step but the first. Hyperparameters are constant here, whole numbers among them at
their defaults. The oracle is `grad`, on any batch, of any loss; equal questions get one answer.
(There is no `prox` in the language yet, so that what Linnaeus calls conjugation, f to its
conjugate, has nothing to be about.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thetaprime.analyse.vectors import Bent, Coordinate, Linear
from thetaprime.analyse.walk import Value, quoted
from thetaprime.compare.linear.exact import GENERATORS, MOVES, Exact, answered, trimmed
from thetaprime.compare.linear.transfer import Element, LinearForm, Maps, Matrix, Vector
from thetaprime.expr import Sym
from thetaprime.interpret import hyperparameters
from thetaprime.ir import Draw, Step
from thetaprime.types import Extent


class NotLinear(Exception):
    """Why a rule is no linear system: one sentence."""


@dataclass(frozen=True)
class Names:
    """A field, and the elements of it that stand for the hyperparameters of each of its steps."""

    field: Any
    hypers: tuple[dict[Coordinate, Element], ...]


def names(*steps: Step) -> Names:
    """One field for several steps; all traced hyperparameters are symbols of their own."""
    from sympy import QQ, Symbol
    from sympy.polys.fields import field

    keys = [(k, key) for k, step in enumerate(steps) for key in _traced(step)]
    spelled = [*GENERATORS, *(f"{k}:{name}{list(lane) or ''}" for k, (name, lane) in keys)]
    made = field([Symbol(name) for name in spelled], QQ)
    found: tuple[dict[Coordinate, Element], ...] = tuple({} for _ in steps)
    for (k, key), element in zip(keys, made[1 + len(GENERATORS):], strict=True):
        found[k][key] = element
    return Names(made[0], found)


def _traced(step: Step) -> list[Coordinate]:
    lengths = _lengths(step)
    found: list[Coordinate] = []
    for hyper in step.hypers:
        axes = [a for a in hyper.type.axes if a in lengths]
        if hyper.static and (hyper.type.kind == "function" or hyper.default is not None):
            continue
        lanes = range(lengths[axes[0]]) if axes else None
        found += [(hyper.name, ())] if lanes is None else [(hyper.name, (k,)) for k in lanes]
    return found


def _numbers(step: Step) -> dict[str, Any]:
    """Whole numbers that are known before a step runs, and lists at their defaults."""
    missing = {h.name: 1 for h in step.hypers if h.default is None}
    known = {s.name: v for s, v in hyperparameters(step, missing, 1).items()}
    return {h.name: known[h.name] for h in step.hypers
            if h.name in known and h.type.kind != "function" and h.default is not None}


def _fixed(step: Step) -> dict[str, int]:
    known = _numbers(step)
    return {h.name: int(known[h.name]) for h in step.hypers if h.static and h.name in known}


def _lengths(step: Step) -> dict[str, int]:
    known = _numbers(step)
    return {a.name: a.length if isinstance(a.length, int) else int(known[a.length])
            for a in step.axes if isinstance(a.length, int) or a.length in known}


def linear_form(step: Step) -> LinearForm | str:
    """The linear system of a step, its hyperparameters the symbols; else the reason why not."""
    try:
        return form_of(step, names(step), 0)
    except NotLinear as why:
        return str(why)


def form_of(step: Step, known: Names, which: int) -> LinearForm:
    """`linear_form` in a field that other steps share. Raises NotLinear."""
    first, later = (_walked(step, known, which, first=first) for first in (True, False))
    point = Sym(step.point, True)
    seen = [_vector(walk.values[point, ()], walk) for walk in (first, later)]
    ends = {s.name: Sym(s.name, not s.constant) for s in step.states}
    reported = Linear({(step.point, ()): 1})
    if step.evaluate is not None:
        reported = _vector(_fresh(step, known, which).value(step.evaluate, {}), later)
    keys = _closure([*seen, reported, *first.points, *later.points], (first, later), ends)
    if first.kinds != later.kinds:
        raise NotLinear(f"its first step asks {', '.join(first.kinds) or 'nothing'}, later ones "
                        f"{', '.join(later.kinds) or 'nothing'}")
    start = _fresh(step, known, which)
    return LinearForm(
        step, known.field, known.hypers[which], keys,
        _maps(first, keys, ends), _maps(later, keys, ends),
        tuple(_start(start, step, key) for key in keys),
        _row(Linear({(step.point, ()): 1}), keys), _row(reported, keys), tuple(later.kinds),
        tuple(dict.fromkeys([*first.nonzero, *later.nonzero])), _fixed(step))


def _walked(step: Step, known: Names, which: int, first: bool) -> Exact:
    walk = _fresh(step, known, which, first)
    walk.execute(step.body)
    return walk


def _fresh(step: Step, known: Names, which: int, first: bool = False) -> Exact:
    """A walk before its first statement."""
    walk = Exact(step, _lengths(step), known.field, first)
    field, values = known.field, walk.values
    values[Sym("t"), ()] = field(1) if first else field.gens[1]
    values[Sym(step.point), ()] = Linear({(step.point, ()): field(1)})
    for name, number in _fixed(step).items():
        values[Sym(name), ()] = field(number)
    for (name, lane), element in known.hypers[which].items():
        values[Sym(name), lane] = element
    for state in sorted(step.states, key=lambda s: not s.constant):
        for lane in walk.lanes(state.type):
            at = dict(zip(walk.axes(state.type), lane, strict=True))
            value: Value = Linear({(state.name, lane): field(1)})
            if state.type.extent is not Extent.ENTRY:
                value = Bent(Sym(state.name), state.source, MOVES)
                if state.constant and not isinstance(state.start, Draw):
                    value = walk.value(state.start, at)
            values[Sym(state.name), lane] = value
    return walk


# Matrices.


def _vector(value: Value, walk: Exact) -> Linear:
    """A value as a vector. Raises NotLinear."""
    if isinstance(value, Bent):
        raise NotLinear(f"`{quoted(value.expr, value.source)}` {value.why}")
    if not isinstance(value, Linear):
        if value != 0:
            raise NotLinear("a constant is a value of its vectors")
        return Linear({})
    return trimmed(value)


def _closure(
    outputs: Sequence[Linear], walks: Sequence[Exact], ends: Mapping[str, Sym]
) -> tuple[Coordinate, ...]:
    """The states that outputs read, and those that these read. Raises NotLinear."""
    point = walks[0].step.point
    keys: dict[Coordinate, None] = {(point, ()): None}
    pending = [key for one in outputs for key in one.parts]
    for walk in walks:
        pending += list(_vector(walk.values[Sym(point, True), ()], walk).parts)
    while pending:
        name, lane = key = pending.pop(0)
        if key in keys or name.startswith("answer "):
            continue
        keys[key] = None
        for walk in walks:
            pending += list(_vector(walk.values[ends[name], lane], walk).parts)
    return tuple(keys)


def _row(vector: Linear, keys: Sequence[Coordinate]) -> Vector:
    return tuple(vector.parts.get(key, 0) for key in keys)


def _maps(walk: Exact, keys: Sequence[Coordinate], ends: Mapping[str, Sym]) -> Maps:
    answers = [answered(k) for k in range(len(walk.kinds))]
    point = walk.step.point

    def both(vectors: Sequence[Linear]) -> tuple[Matrix, Matrix]:
        return tuple(_row(v, keys) for v in vectors), tuple(_row(v, answers) for v in vectors)

    after = [_vector(walk.values[Sym(point, True) if name == point else ends[name], lane], walk)
             for name, lane in keys]
    a, b = both(after)
    c, d = both(walk.points)
    return Maps(a, b, c, d)


def _start(walk: Exact, step: Step, key: Coordinate) -> Element:
    """The value of a state before the first step, for x0 = 1. Raises NotLinear."""
    name, lane = key
    field = walk.field
    if name == step.point:
        return field(1)
    state = step.state(name)
    if isinstance(state.start, Draw):
        raise NotLinear(f"`{name}` starts at random")
    at = dict(zip(walk.axes(state.type), lane, strict=True))
    found = walk.value(state.start, at)
    if not isinstance(found, Linear):
        found = Linear({}) if found == 0 else Bent(state.start, state.source, "is a constant")
    return _origin(_vector(found, walk), walk, step)


def _origin(vector: Linear, walk: Exact, step: Step) -> Element:
    """A combination of the point and constants at the start."""
    total = walk.field(0)
    for key, factor in vector.parts.items():
        total += factor * (1 if key[0] == step.point else _start(walk, step, key))
    return total



