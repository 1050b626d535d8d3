"""How far two rules part, in float64 at the default hyperparameters: on a quadratic over time, and
in single steps by the size of the gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from thetaprime.collect import constant
from thetaprime.compare.pairs import Pair
from thetaprime.expr import Num, symbols
from thetaprime.interpret import advance, start
from thetaprime.ir import Step
from thetaprime.signature import asks_more

STEPS = (1, 10, 100)
SIZES = np.logspace(-12, 4, 321)  # of gradients, twenty a decade
LONG = 200
NOISE = 1e-9


def notes(pair: Pair) -> Iterator[str]:
    """The gap in words; nothing where the rules ask for more than gradients or need values."""
    if asks_more(pair.a) or asks_more(pair.b) or _needs(pair.a) or _needs(pair.b):
        return
    with np.errstate(all="ignore"):
        yield from _on_quadratic(pair)
        yield from _by_size(pair)


def _needs(step: Step) -> bool:
    return any(h.default is None for h in step.hypers) or bool(step.axes)


def _on_quadratic(pair: Pair) -> Iterator[str]:
    """|x_a - x_b| on f = x^2/2 from x = 1."""
    ours = _path(pair.a, {}, lambda x: x, np.ones(1), max(STEPS))
    theirs = _path(pair.b, given(pair), lambda x: x, np.ones(1), max(STEPS))
    found = []
    for k, (one, other) in enumerate(zip(ours, theirs, strict=True), 1):
        if k in STEPS:
            found.append(f"{float(np.abs(one - other)[0]):.3g}")
    if set(found) - {"0"} and not any(f in ("nan", "inf") for f in found):
        steps = ", ".join(map(str, STEPS))
        yield (f"on x^2/2 from x = 1 at default values the iterates are {', '.join(found)} apart "
               f"after {steps} steps")


def _by_size(pair: Pair) -> Iterator[str]:
    """The largest difference between what single steps add, over constant gradients."""
    if any(s.guard is not None for s in (*pair.a.states, *pair.b.states)):
        return
    ours = _changes(pair.a, {})
    theirs = _changes(pair.b, given(pair))
    worst: tuple[float, int, float] = (0.0, 0, 0.0)
    last = 0.0
    for k, (one, other) in enumerate(zip(ours, theirs, strict=True), 1):
        gap = np.abs(one - other)
        if not np.all(np.isfinite(gap)):
            return
        last = float(gap.max())
        if last > worst[0] * (1 + 1e-9):
            worst = (last, k, float(SIZES[int(gap.argmax())]))
    rate = _rate(pair)
    if worst[0] > NOISE * (rate or 1) and SIZES[0] < worst[2] < SIZES[-1]:
        size = f"{worst[0]/rate:.3g}*lr" if rate else f"{worst[0]:.3g}"
        later = f"{last/rate:.3g}*lr" if rate else f"{last:.3g}"
        yield (f"with a constant gradient single steps differ most at t = {worst[1]}: by {size}, "
               f"where g = {worst[2]:.2g}; by {later} at most at t = {LONG}")


def _rate(pair: Pair) -> float | None:
    rates = [h.default for h in pair.a.hypers if h.name == "lr"]
    return float(rates[0].value) if rates and isinstance(rates[0], Num) else None


def given(pair: Pair) -> Mapping[str, Any]:
    """Hyperparameters of b that are numbers, and those that a gives by its defaults."""
    own = {h.name: h.default for h in pair.a.hypers}
    found = {}
    for hyper in pair.b.hypers:
        expr = pair.hypers.get(hyper.name, own.get(hyper.name))
        value = None if expr is None or isinstance(expr, tuple) or symbols(expr) else constant(expr)
        if value is not None:
            found[hyper.name] = value
    return found


def _path(
    step: Step, hypers: Mapping[str, Any], gradient: Any, x: Any, count: int
) -> Iterator[Any]:
    point = [x]
    memory = start(step, point, hypers)
    for _ in range(count):
        g = [gradient(point[0])]
        point, memory = advance(step, memory, point, g, hypers, 0.5)
        yield point[0]


def _changes(step: Step, hypers: Mapping[str, Any]) -> Iterator[Any]:
    """What each step adds to entries with gradients of all sizes."""
    before = np.zeros_like(SIZES)
    for now in _path(step, hypers, lambda x: SIZES, before, LONG):
        yield now - before
        before = now


