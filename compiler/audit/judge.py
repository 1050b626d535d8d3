"""Where an implementation parts from a spec, and the edit of the spec that explains it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thetaprime.audit.drivers import History
from thetaprime.audit.sequences import Array, Sequence
from thetaprime.audit.settings import Setting
from thetaprime.audit.table import Rate
from thetaprime.edits import Edit
from thetaprime.guards import holds
from thetaprime.interpret import advance, start
from thetaprime.ir import Step

TOLERANCE = 1e-12


@dataclass(frozen=True)
class Difference:
    """The first step at which a tensor differs, and its entry that differs most."""

    sequence: str
    step: int
    tensor: str
    entry: tuple[int, ...]
    theirs: float
    ours: float
    gap: float  # relative to the largest number that the tensor has held, and to 1


@dataclass(frozen=True)
class Recorded:
    """What the implementation made of a sequence."""

    sequence: Sequence
    history: History


def fitting(step: Step, names: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """The tensors that a rule is for."""
    return tuple(n for n, shape in names.items() if holds(step.takes, {"rank": len(shape)}, n))


def walk(step: Step, values: Mapping[str, Any], sequence: Sequence) -> Iterator[list[Array]]:
    """The tensors that have gradients after each step, by the meaning of the spec. A tensor
    without a gradient takes no part."""
    names = sequence.moving
    params: list[Array] = [sequence.start[n] for n in names]
    given = dict(values)
    if "lr" in given:
        rate, last = float(given["lr"]), len(sequence.rates) - 1
        ahead = {"lr": 0, **{n: v.steps for n, v in given.items() if isinstance(v, Rate)}}
        given |= {n: lambda k, later=later: rate*sequence.rates[min(k + later, last)]
                  for n, later in ahead.items()}
    memory = start(step, params, given, paths=names)
    for grads, loss in zip(sequence.gradients, sequence.losses, strict=True):
        params, memory = advance(step, memory, params, [grads[n] for n in names], given, loss,
                                 paths=names)
        yield params


def first_difference(
    step: Step, values: Mapping[str, Any], recorded: Recorded, tolerance: float = TOLERANCE
) -> Difference | None:
    """Where the implementation parts from the step; None where it does what the step says."""
    sequence = recorded.sequence
    held = {n: max(1.0, _largest(x)) for n, x in sequence.start.items()}
    ours = walk(step, values, sequence)
    for k, theirs in enumerate(recorded.history):
        found = dict(zip(sequence.moving, next(ours), strict=True))
        for name, x in sequence.start.items():
            expected = found.get(name, x)
            got = theirs[name]
            held[name] = max(held[name], _largest(expected))
            gap = _gap(got, expected)
            worst = float(np.max(gap, initial=0.0))/held[name]
            if not worst <= tolerance:
                entry = tuple(int(i) for i in np.unravel_index(int(np.argmax(gap)), gap.shape))
                return Difference(sequence.name, k + 1, name, entry, float(got[entry]),
                                  float(expected[entry]), worst)
    return None


def _gap(got: Array, expected: Array) -> Array:
    """How far apart two arrays are; what is not finite in both in the same way is no gap."""
    with np.errstate(all="ignore"):
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
        gap = np.where(same, 0.0, np.abs(got - expected))
        return np.asarray(np.where(np.isnan(gap), np.inf, gap))


def _largest(x: Array) -> float:
    finite = x[np.isfinite(x)]
    return float(np.max(np.abs(finite), initial=0.0))


Explanation = tuple[Edit, ...]  # edits one after another, nearly always one


def explanations(
    some: Iterable[Edit], setting: Setting, recorded: list[Recorded], first: str,
    tolerance: float = TOLERANCE,
) -> Iterator[Edit]:
    """Those of some edits that do what the implementation does on every sequence; that with the
    difference comes ``first``, as it rejects the others soonest."""
    order = sorted(recorded, key=lambda r: r.sequence.name != first)
    for edit in some:
        if does(edit.step, setting.values, order, tolerance):
            yield edit


def does(step: Step, values: Mapping[str, Any], recorded: list[Recorded],
         tolerance: float = TOLERANCE) -> bool:
    """Whether a step does what the implementation does on every sequence."""
    try:
        return all(first_difference(step, values, r, tolerance) is None for r in recorded)
    except (ArithmeticError, np.linalg.LinAlgError, KeyError):
        return False
