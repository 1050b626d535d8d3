"""What few bits do to a rule: each fault measured in a `Trial`, None where there is none."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from thetaprime.few_bits import FORMATS, Frame, Trial

NOISE = 1e-12  # relative changes below this are rounding errors of float64
LONG, SHORT = 16, 6  # steps of a run
POINT = ""  # the name under which faults find the parameters, beside those of the states


def too_large(here: Trial, name: str, size: float) -> tuple[int, float] | None:
    """The first step after which a state exceeds its format, and how large it is then, where what
    is stored of it is no number in the end."""
    form, sizes = here.formats[name], [size] * here.steps(LONG)
    if form is None:
        return None
    at = next(((k, f.size(name)) for k, f in enumerate(here.run(sizes))
               if f.finite and f.size(name) > form.largest), None)
    stored = here.run(sizes, exact=False)[-1].values[name] if at is not None else []
    return at if any(not np.all(np.isfinite(a)) for a in stored) else None


def too_small(here: Trial, name: str, size: float) -> tuple[int, float] | None:
    """The first step after which a state is not 0, and how large it is then, where it is so small
    that all that is ever stored of it is 0."""
    form, sizes = here.formats[name], [size] * here.steps(LONG)
    if form is None:
        return None
    exact = [f.size(name) for f in here.run(sizes)]
    subnormal = 0 < exact[-1] < form.smallest * 2.0 ** form.digits
    if not subnormal or here.run(sizes, exact=False)[-1].size(name) > 0:
        return None
    return next((k, value) for k, value in enumerate(exact) if value > 0)


def no_number(here: Trial, size: float) -> bool:
    """Whether a run leaves the numbers in few bits alone."""
    sizes = [size] * here.steps(LONG)
    return here.run(sizes)[-1].finite and not here.run(sizes, exact=False)[-1].finite


def stalls(here: Trial, name: str) -> float | None:
    """By what part a state shrinks in a late step without gradient, where it does so steadily and
    by less than its format can follow."""
    form, steps = here.formats[name], here.steps(SHORT)
    if form is None:
        return None
    frames = here.run([1.0] * steps + [0.0] * 3, late=steps + 1)[-3:]
    if not frames[2].size(name) < frames[1].size(name) < frames[0].size(name):
        return None
    first, second = (_relative(a.values[name], b.values[name]) for a, b in pairwise(frames))
    steady = abs(first - second) <= 0.01 * first
    return second if steady and NOISE < second < form.unit else None


def adds_up(here: Trial, name: str) -> bool:
    """Whether a state in few bits grows by the same at each step with a gradient, and by nothing
    without: in time what it grows by is too little beside what it is."""
    form = here.formats[name]
    if form is None or form.digits >= FORMATS["float32"].digits:
        return False
    sizes = [f.size(name) for f in here.run([1.0] * here.steps(SHORT) + [0.0])]
    growth = [b - a for a, b in pairwise(sizes[2:-1])]
    return (len(growth) > 2 and min(growth) > NOISE and sizes[-1] == sizes[-2]
            and max(growth) - min(growth) <= 1e-6 * max(growth))


def step_lost(here: Trial, name: str) -> float | None:
    """The largest step of a point for gradients of any size, where none can move an entry of the
    stated size."""
    form, (low, high) = _format(here, name), here.conditions.gradients
    most = max(_largest(_early_and_late(here, size), name) for size in (low, 1.0, high))
    limit = form.unit * here.conditions.size
    return most if NOISE * here.conditions.size < most < limit else None


def moves(here: Trial, name: str) -> bool:
    """Whether a point moves in few bits, with gradients of any size, or stops being a number."""
    low, high = here.conditions.gradients
    runs = (here.run([size] * here.steps(SHORT), exact=False) for size in (low, 1.0, high))
    return any(not np.array_equal(a, b) for frames in runs for one in frames
               for a, b in zip(_arrays(frames[0], name), _arrays(one, name), strict=True))


def decay_lost(here: Trial) -> float | None:
    """By what part parameters shrink without any gradient, where it is too little."""
    points = [f.point for f in _early_and_late(here, 0.0)]
    most = max(_relative(a, b) for a, b in pairwise(points))
    shrinks = all(np.all(np.abs(b) < np.abs(a)) for one, other in pairwise(points)
                  for a, b in zip(one, other, strict=True))
    return most if shrinks and NOISE < most < here.format.unit else None


def _early_and_late(here: Trial, size: float) -> list[Frame]:
    """The first steps, and some when a warm-up is over."""
    steps = here.steps(SHORT)
    return here.run([size] * (steps + 2), late=steps + 1)


def _format(here: Trial, name: str) -> Any:
    return here.format if name == POINT else here.formats[name]


def _arrays(frame: Frame, name: str) -> list[Any]:
    return frame.point if name == POINT else frame.values[name]


def _largest(frames: list[Frame], name: str) -> float:
    """The largest change of an entry in one step."""
    pairs = ((a, b) for one, other in pairwise(frames)
             for a, b in zip(_arrays(one, name), _arrays(other, name), strict=True))
    with np.errstate(all="ignore"):  # inf - inf: an overflow, told by its own message
        return max((float(np.max(np.abs(b - a), initial=0.0)) for a, b in pairs), default=0.0)


def _relative(before: list[Any], after: list[Any]) -> float:
    """The largest change of an entry, as a part of it; infinite for what was 0."""
    most = 0.0
    for a, b in zip(before, after, strict=True):
        with np.errstate(all="ignore"):
            part = np.where(a == b, 0.0, np.abs(b - a) / np.abs(a))
        most = max(most, float(np.max(np.where(np.isnan(part), np.inf, part), initial=0.0)))
    return most
