"""Hyperparameters as a caller gives them: checked against what the spec declares."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from thetaprime.collect import range_text
from thetaprime.ir import Draw, Hyper, Range, Step, statements
from thetaprime.storage import STOCHASTIC
from thetaprime.types import INTEGER

MOST_WHOLE = 2**31  # programs count in int32
SEED = Hyper("seed", None, Range(Fraction(0), None, True, False), INTEGER)


class CallError(ValueError):
    """A call that is wrong: an unknown spec or hyperparameter, a value that does not fit."""

    def __init__(self, code: str, headline: str, *hints: str) -> None:
        super().__init__("; ".join([headline, *hints]))
        self.code = code
        self.headline = headline
        self.hints = hints


def draws(step: Step) -> bool:
    """Whether a program of the step takes a seed."""
    return (any(isinstance(s, Draw) for s in statements(step.body))
            or any(isinstance(s.start, Draw) or (s.storage and s.storage[1] == STOCHASTIC)
                   for s in step.states))


def taken(step: Step) -> tuple[Hyper, ...]:
    """What programs of a step take: its hyperparameters, and a seed where it draws."""
    return (*step.hypers, SEED) if draws(step) else step.hypers


def check_values(spec: str, step: Step, values: Mapping[str, Any]) -> None:
    """Numbers and lists must fit; arrays and schedules are taken as they are. Raises CallError."""
    lengths = {axis.name: axis.length for axis in step.axes}
    for hyper in taken(step):
        value = values.get(hyper.name)
        if hyper.type.kind == "function" and not callable(value):
            raise CallError("missing-hyper", f"`{spec}` needs the function `{hyper.name}`",
                            f"pass one to the program: `to_jax({hyper.name}=...)`")
        if value is None:
            if hyper.default is None and hyper is not SEED:
                raise CallError("missing-hyper", f"`{spec}` needs `{hyper.name}`",
                                f"it has no default: `{hyper.name}=...`")
        elif isinstance(value, int | float | str | tuple | list):
            known = lengths[hyper.type.axes[0]] if hyper.type.axes else None
            length = known if isinstance(known, int) else None
            wanted = _misfit(hyper, length, value)
            if wanted:
                shown = f"[{', '.join(map(str, value))}]" if not isinstance(
                    value, int | float | str) else value
                raise CallError("bad-setting", f"`{hyper.name}` of `{spec}` must be {wanted}, "
                                               f"not `{shown}`")


def _misfit(hyper: Hyper, length: int | None, value: Any) -> str:
    """What a hyperparameter wants where ``value`` does not fit; empty where it does."""
    many = isinstance(value, tuple | list)
    items = value if many else (value,)
    if length is not None and (not many or len(value) != length):
        return f"a list of {length}, as in `[{', '.join(['0.5'] * length)}]`"
    if length is None and many:
        return "one number"
    if hyper.static and not all(type(v) is int and abs(v) < MOST_WHOLE for v in items):
        return f"a whole number below {MOST_WHOLE}"
    if any(isinstance(v, str | bool) for v in items):
        return "a number"
    if hyper.range is not None and not all(v in hyper.range for v in items):
        return f"in the range {range_text(hyper.range)}"
    return ""
