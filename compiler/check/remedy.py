"""The smallest change that avoids a fault in few bits: a state stored in float32, or one
hyperparameter moved as little as possible. Every proposal has been tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

from thetaprime.expr import Num
from thetaprime.few_bits import FORMATS, Trial
from thetaprime.ir import Hyper

Fault = Callable[[Trial], object]  # what is wrong; something false where nothing is
# Hyperparameters move by a factor of at most 2^4; distances from 1, as of 0.9999, by 2^6.
NEAR, FAR = (2, 4), (2, 4, 6)
HALVINGS = 8


def stored(here: Trial, name: str, fault: Fault, random: bool = False) -> Iterator[str]:
    """A state may be stored in float32, or rounded at random so that it is right on average."""
    form = here.formats[name]
    if form is None:
        return
    if not fault(here.storing(name, FORMATS["float32"])):
        yield f"store it in float32: `numerics:`, and below it `store {name} as float32`"
    if random and form.name == "bfloat16":
        yield f"or `store {name} as bfloat16 stochastic`, which is right on average"


def moved(here: Trial, fault: Fault) -> Iterator[str]:
    """Hyperparameters whose nearest other values, one at a time, take the fault away; as many as
    patience allows."""
    for hyper in here.step.hypers:
        for down, word in ((False, "at least"), (True, "at most")):
            value = _moved(here, fault, hyper, down) if here.patience.left > 0 else None
            if value is not None:
                yield f"`{hyper.spelled or hyper.name}` {word} {value}"


def _moved(here: Trial, fault: Fault, hyper: Hyper, down: bool) -> str | None:
    """The nearest value, above or below the default, with which the fault is gone."""
    if not isinstance(hyper.default, Num) or hyper.type.kind != "real" or hyper.type.axes:
        return None
    default, bounds = hyper.default.value, hyper.range
    if default <= 0:
        return None
    # What must stay below 1 and is near to it is measured by its distance from 1.
    from_one = bounds is not None and bounds.high == 1 and default > Fraction(1, 2)
    scale = float(1 - default if from_one else default)
    away = 1 if down == from_one else -1  # whether that measure grows

    def at(power: float) -> float:
        measure = scale * math.exp2(away * power)
        return 1 - measure if from_one else measure

    def right(value: float) -> bool:
        inside = bounds is None or value in bounds
        return inside and not fault(here.setting(hyper.name, value))

    good: float | None = next((float(p) for p in (FAR if from_one else NEAR) if right(at(p))), None)
    if good is None:
        return None
    bad = good - 2
    for _ in range(HALVINGS):
        middle = (bad + good) / 2
        bad, good = (bad, middle) if right(at(middle)) else (middle, good)
    return _short(at(good), at(good + 0.14), right)


def _short(start: float, end: float, right: Callable[[float], bool]) -> str:
    """The number with the fewest decimals between two, a tenth apart, that is right as well."""
    low, high = sorted((Fraction(start), Fraction(end)))
    for places in range(16):
        unit = Fraction(1, 10 ** places)
        first, last = -(-low // unit), high // unit
        ends = (first, last) if start < end else (last, first)
        for value in (float(n * unit) for n in ends if first <= last):
            if value > 0 and right(value):
                return f"{value:.12g}"
    return f"{start:.12g}"
