"""Floating point: what a dtype loses of a rule, found by running it in few bits and exactly.

Gradients have one size in every entry: the least, 1, and the largest of a stated range. What is
reported happens in such a run; what is not reported may still happen in another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product

import numpy as np

from thetaprime.check.direction import place
from thetaprime.check.remedy import moved, stored
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Expr, Num, Sym, walk
from thetaprime.faults import (
    POINT,
    adds_up,
    decay_lost,
    moves,
    no_number,
    stalls,
    step_lost,
    too_large,
    too_small,
)
from thetaprime.few_bits import FORMATS, Conditions, Format, Trial, trial
from thetaprime.ir import Draw, Equation, State, Step, reads, statements
from thetaprime.types import Extent

LEAST_NORMAL = 2.0 ** -126  # what is smaller in float32 counts as 0 on many devices


def check_floats(steps: Iterable[Step], conditions: Iterable[Conditions]) -> Iterator[Diagnostic]:
    """What goes wrong in the dtype of the parameters, or in what `numerics` names; each fault once
    for all choices of a spec."""
    told = set()
    for step, asked in product(steps, conditions):
        if not any(h.type.kind == "function" for h in step.hypers):
            for found in _check(trial(step, asked)):
                if (found.code, found.message) not in told:
                    told.add((found.code, found.message))
                    yield found


def _check(here: Trial) -> Iterator[Diagnostic]:
    step = here.step
    yield from _constants(step)
    sizes = [d for state, form in _rounded(here) for d in _sizes(here, state, form)]
    yield from sizes
    yield from _broken(here, {d.code for d in sizes})
    for state, form in _rounded(here):
        follows = _follows_point(step, state)
        yield from (_lost(here, state) if follows else _average(here, state, form))
    yield from _lost(here, None)
    yield from _decay(here)


def _rounded(here: Trial) -> Iterator[tuple[State, Format]]:
    """The states that change and hold real numbers, with what they are rounded to."""
    for state in here.step.states:
        form = here.formats[state.name]
        if not state.constant and form is not None and state.type.kind == "real":
            yield state, form


def _follows_point(step: Step, state: State) -> bool:
    """Whether a state is a point as the parameters are: it starts where they do."""
    return (state.type.extent is Extent.ENTRY and not isinstance(state.start, Draw)
            and Sym(step.point) in set(walk(state.start)))


# Constants.


def _constants(step: Step) -> Iterator[Diagnostic]:
    """Numbers that are 0 or 1 where they are computed with, and were not written so."""
    for hyper in step.hypers:
        parts = hyper.default if isinstance(hyper.default, tuple) else (hyper.default,)
        for part in parts:
            if isinstance(part, Num) and (seen := _seen(part)):
                name = hyper.spelled or hyper.name
                yield report("constant-lost", hyper.source, hyper.span, seen=seen,
                             what=f"`{name}` = {part.text}", hints=(f"`{name}` {_kept(part)}",))
    for statement in statements(step.body):
        if isinstance(statement, Equation):
            for node in (n for e in reads(statement) for n in walk(e)):
                if isinstance(node, Num) and (seen := _seen(node)):
                    yield report("constant-lost", statement.source, node.span, seen=seen,
                                 what=f"`{node.text}`", hints=(_kept(node),))


def _seen(node: Expr) -> str:
    """What float32 makes of a number: "0", "1", or nothing worth telling."""
    if not isinstance(node, Num) or node.value in (0, 1):
        return ""
    value = float(node.value)
    return "0" if abs(value) < LEAST_NORMAL else "1" if np.float32(value) == 1 else ""


def _kept(node: Num) -> str:
    """The nearest numbers that are kept apart from 0 and 1."""
    if abs(node.value) < 0.5:
        return "at least 1.2e-38" if node.value > 0 else "at most -1.2e-38"
    return "at most 0.9999999" if node.value < 1 else "at least 1.0000002"


# Sizes.


def _sizes(here: Trial, state: State, form: Format) -> Iterator[Diagnostic]:
    """A state that is too large for its dtype, or so small that it is stored as 0."""
    low, high = here.conditions.gradients
    if at := too_large(here, state.name, high):
        fault = partial(too_large, name=state.name, size=high)
        yield report(
            "state-overflows", state.source, state.span, name=state.name, dtype=form.name,
            gradient=f"{high:g}", step=at[0], value=f"{at[1]:.2g}", most=f"{form.largest:.4g}",
            hints=(*stored(here, state.name, fault),
                   *_scaled(high, False, partial(too_large, here, state.name))))
    if at := too_small(here, state.name, low):
        fault = partial(too_small, name=state.name, size=low)
        yield report(
            "state-vanishes", state.source, state.span, name=state.name, dtype=form.name,
            gradient=f"{low:g}", step=at[0], value=f"{at[1]:.2g}", least=f"{form.smallest:.2g}",
            hints=(*stored(here, state.name, fault),
                   *_scaled(low, True, partial(too_small, here, state.name))))


def _scaled(size: float, up: bool, fault: Callable[[float], object]) -> Iterator[str]:
    """The nearest size of gradients, in powers of ten, that does no harm."""
    for factor in (10.0 ** (power if up else -power) for power in range(1, 9)):
        if not fault(size * factor):
            which = f"of {size * factor:g} and more" if up else f"up to {size * factor:g}"
            other = "" if up else "clip them, or "
            yield f"gradients {which} do no harm: {other}multiply the loss by {factor:g}"
            return


def _broken(here: Trial, told: set[str]) -> Iterator[Diagnostic]:
    """Steps that are no numbers in few bits alone, and not because of a state that is too large or
    too small."""
    low, high = here.conditions.gradients
    sizes = [0.0, *[low] * ("state-vanishes" not in told), 1.0,
             *[high] * ("state-overflows" not in told)]
    if (size := next((s for s in sizes if no_number(here, s)), None)) is not None:
        yield report("no-number", here.step.source, place(here.step), dtype=here.format.name,
                     gradient=f"{size:g}", hints=tuple(moved(here, partial(no_number, size=size))))


# Changes that rounding takes back.


def _average(here: Trial, state: State, form: Format) -> Iterator[Diagnostic]:
    """An average whose decay is lost, or a sum that stops growing."""
    name = state.name
    if change := stalls(here, name):
        fault = partial(stalls, name=name)
        yield report(
            "average-stalls", state.source, state.span,
            what=f"the average `{name}` does not decay in {form.name}",
            label=f"{_part(change)} times it is rounded back to all of it",
            hints=(*stored(here, name, fault, random=True), *moved(here, fault)))
    elif adds_up(here, name):
        yield report(
            "average-stalls", state.source, state.span,
            what=f"the sum `{name}` stops growing in {form.name}",
            label=f"after about {2 ** form.digits} gradients of one size",
            hints=tuple(stored(here, name, partial(adds_up, name=name), random=True)))


def _lost(here: Trial, state: State | None) -> Iterator[Diagnostic]:
    """Steps that are too small for a parameter of the stated size, or for a state like it."""
    name = POINT if state is None else state.name
    form = here.format if state is None else here.formats[name]
    most = step_lost(here, name)
    if most is None or form is None or moves(here, name):
        return
    size, fault = here.conditions.size, partial(step_lost, name=name)
    wider = _master(form) if state is None else stored(here, name, fault, random=True)
    yield report(
        "step-lost", here.step.source if state is None else state.source,
        place(here.step) if state is None else state.span, size=f"{size:g}", dtype=form.name,
        whose="parameters" if state is None else f"entries of `{name}`",
        step=f"{most:.2g}", least=f"{form.unit * size:.2g}",
        hints=(*wider, *moved(here, fault)))


def _decay(here: Trial) -> Iterator[Diagnostic]:
    """A decay that is too slow for the parameters."""
    if change := decay_lost(here):
        yield report("decay-lost", here.step.source, place(here.step), dtype=here.format.name,
                     factor=_part(change), hints=(*_master(here.format), *moved(here, decay_lost)))


def _master(form: Format) -> Iterator[str]:
    if form.digits < FORMATS["float32"].digits:
        yield f"keep the parameters in float32, and cast them to {form.name} for the model alone"


def _part(change: float) -> str:
    """What is left: 0.999."""
    return f"{1 - change:.10g}"
