"""Somebody else's implementation beside a spec: where they part, and by which algebraic edit.

    target --record--> histories --judge--> differences --match--> the edit that explains them

The implementation runs on adversarial gradients (`sequences`) with its defaults, with other values
and with every choice (`settings`); the interpreter runs the spec on the same; where they differ,
the single edits of the spec are tried until one does what the implementation does, to 1e-12.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thetaprime.arguments import CallError, check_values
from thetaprime.audit import drivers, judge
from thetaprime.audit.judge import Difference, Explanation, Recorded
from thetaprime.audit.sequences import SHAPES, Sequence, sequences
from thetaprime.audit.settings import Plan, Setting, plan
from thetaprime.audit.table import Row
from thetaprime.audit.target import Target, raised, target
from thetaprime.diagnostics import SpecError
from thetaprime.edits import Edit, edits
from thetaprime.ir import Step
from thetaprime.library import prelude
from thetaprime.lower import lower
from thetaprime.optimizer import Optimizer
from thetaprime.storage import kept

Tick = Callable[[str], None]
# Dtypes, the spacing of their numbers just above 1, and how large a huge gradient is in them.
DTYPES: dict[drivers.Dtype, tuple[float, float]] = {
    "float32": (2.0**-23, 1e8), "bfloat16": (2.0**-7, 1e8), "float16": (2.0**-10, 1e4)}


@dataclass(frozen=True)
class Finding:
    """One setting: the first difference, or None, and what explains all that differs in it, the
    plainest first. ``trouble``: it could not be run, and why."""

    setting: Setting
    difference: Difference | None = None
    explanations: tuple[Explanation, ...] = ()
    sequences: int = 0
    skipped: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class Rounding:
    """What a dtype does: the first number that is not finite where the exact one is, and else the
    largest gap to the exact step, in units in the last place of the largest entry."""

    dtype: str
    lost: Difference | None = None
    units: float = 0.0
    sequence: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Audit:
    """What an audit found."""

    spec: Optimizer
    target: Target
    plan: Plan
    findings: tuple[Finding, ...]
    roundings: tuple[Rounding, ...]
    seconds: float
    tolerance: float = judge.TOLERANCE
    why: str = ""

    @property
    def differing(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.difference is not None)

    @property
    def conforms(self) -> bool:
        """In every setting that could be run, of which there is one at least."""
        return not self.differing and any(not f.trouble for f in self.findings)


def audit(spec: Optimizer, row: Row, given: Mapping[str, str] | None = None,
          chosen: Mapping[str, Any] | None = None, dtypes: bool = True,
          tick: Tick = lambda what: None) -> Audit:
    """The spec beside what ``row`` names. ``given`` links add to those of the row, ``chosen``
    hyperparameters are what they are in all settings. Raises CallError, SpecError."""
    began = time.perf_counter()
    found = target(row.target)
    planned = plan(spec, found, {**row.given, **(given or {})}, row.extra,
                   {**row.chosen, **(chosen or {})})
    _refuse(spec)
    findings: list[Finding] = []
    recorded: dict[str, list[Recorded]] = {}
    for setting in planned.settings:
        tick(setting.name)
        try:
            step = spec.step(**setting.choices)
            check_values(spec.name, step, {n: v for n, v in setting.values.items()
                                           if n in {h.name for h in step.hypers}})
            histories, skipped = _record(found, row, planned, setting, step)
        except CallError as error:
            if setting is planned.settings[0]:
                raise
            findings.append(Finding(setting, trouble=error.headline))
            continue
        recorded[setting.name] = histories
        differences = (judge.first_difference(step, setting.values, r, row.tolerance)
                       for r in histories)
        first = next((d for d in differences if d is not None), None)
        findings.append(Finding(setting, first, (), len(histories), skipped))
    findings = _explained(spec, findings, recorded, row.tolerance, tick)
    roundings = _rounded(found, row, planned, spec, findings[0], tick) if dtypes else ()
    return Audit(spec, found, planned, tuple(findings), tuple(roundings),
                 time.perf_counter() - began, row.tolerance, row.why)


def _refuse(spec: Optimizer) -> None:
    """Rules that ask the problem for more than gradients and losses have no outside counterpart."""
    from thetaprime.signature import asks_more

    if asks_more(spec.step()):
        raise CallError("wrong-call", f"`{spec.name}` asks the problem for more than the gradient",
                        "an audit gives recorded gradients: a rule that evaluates others cannot "
                        "be audited")


def _tensors(row: Row, step: Step) -> tuple[str, ...]:
    """Those that both sides are for."""
    return judge.fitting(step, {n: s for n, s in SHAPES.items() if n in (row.tensors or SHAPES)})


def _record(found: Target, row: Row, planned: Plan, setting: Setting, step: Step
            ) -> tuple[list[Recorded], tuple[str, ...]]:
    """What the implementation makes of every sequence, and the sequences left out."""
    histories, skipped = [], []
    run = _runner(found, row, planned, setting)
    for sequence in sequences(_tensors(row, step)):
        changing = drivers.changes(sequence)
        if changing and planned.switchable(setting) is None:
            skipped.append(f"{sequence.name} (nothing there is lr)")
            continue
        try:
            histories.append(Recorded(sequence, run(sequence)))
        except CallError as error:
            if not changing:
                raise
            skipped.append(f"{sequence.name} ({error.headline})")
    return histories, tuple(skipped)


def _runner(found: Target, row: Row, planned: Plan, setting: Setting,
            dtype: drivers.Dtype = "float64") -> drivers.Run:
    """A run raises CallError for whatever the implementation raises."""
    inner = drivers.runner(found.kind, found.make, setting.arguments,
                           (planned.rate, planned.switchable(setting)), dtype, row.widened)

    def run(sequence: Sequence) -> drivers.History:
        try:
            return inner(sequence)
        except Exception as error:
            raise raised(found, error) from error

    return run


def _explained(spec: Optimizer, findings: list[Finding], recorded: Mapping[str, list[Recorded]],
               tolerance: float, tick: Tick) -> list[Finding]:
    """The findings with what explains them: single edits, and where none does, one after an edit
    that explains another setting. What explains more settings comes first."""
    done = dict(enumerate(findings))
    known: dict[tuple[str, ...], Explanation] = {}

    made: dict[tuple[object, ...], list[Edit]] = {}  # settings with the same choices share them

    def search(k: int, before: Explanation = ()) -> list[Explanation]:
        finding = findings[k]
        assert finding.difference is not None
        setting = finding.setting
        tick(f"{setting.name}: edits")
        key = (_named(before), *setting.fixed.items())
        if key not in made:
            made[key] = list(edits(before[-1].flat if before else spec.flat, setting.fixed))
        return [(*before, e) for e in judge.explanations(
            made[key], setting, recorded[setting.name], finding.difference.sequence, tolerance)]

    # The defaults hide most, and are searched last.
    order = [k for k in (*range(1, len(findings)), 0) if findings[k].difference is not None]
    for before in (False, True):
        for k in order:
            if done[k].explanations:
                continue
            setting = findings[k].setting
            again = [e for e in known.values()
                     if _does(e, setting, recorded[setting.name], tolerance)]
            if not again and not before:
                again = search(k)
            elif not again:
                again = next(filter(None, (search(k, e) for e in _singles(known))), [])
            known |= {_named(e): e for e in again}
            done[k] = replace(done[k], explanations=tuple(again))
    shared = {n: sum(n in map(_named, f.explanations) for f in done.values()) for n in known}
    return [replace(f, explanations=tuple(sorted(f.explanations, key=lambda e: -shared[_named(e)])))
            for f in done.values()]


def _does(explanation: Explanation, setting: Setting, recorded: list[Recorded], tolerance: float
          ) -> bool:
    try:
        step = lower(explanation[-1].flat, prelude(), setting.fixed).step
    except SpecError:
        return False
    return judge.does(step, setting.values, recorded, tolerance)


def _named(explanation: Explanation) -> tuple[str, ...]:
    return tuple(e.after for e in explanation)


def _singles(known: Mapping[tuple[str, ...], Explanation]) -> list[Explanation]:
    """The single edits that explain some setting, a few of them."""
    singles: list[Explanation] = [e for e in known.values() if len(e) == 1]
    return singles[:2]


def _rounded(found: Target, row: Row, planned: Plan, spec: Optimizer, finding: Finding, tick: Tick
             ) -> list[Rounding]:
    """The library's defaults in each dtype, beside the exact step on the same rounded numbers:
    that of the spec, or of the edited spec that does what the library does."""
    made = []
    setting = planned.settings[0]
    step = spec.step(**setting.choices)
    if finding.explanations:
        step = finding.explanations[0][-1].step
    for dtype, (spacing, largest) in DTYPES.items():
        tick(dtype)
        try:
            made.append(_rounding(found, row, planned, setting, step, dtype, spacing, largest))
        except CallError as error:
            made.append(Rounding(dtype, trouble=error.headline))
    return made


def _rounding(found: Target, row: Row, planned: Plan, setting: Setting, step: Step,
              dtype: drivers.Dtype, spacing: float, largest: float) -> Rounding:
    units, worst = 0.0, ""
    run = _runner(found, row, planned, setting, dtype)
    for plain in sequences(_tensors(row, step), largest):
        if drivers.changes(plain):
            continue
        sequence = _stored(plain, dtype)
        history = run(sequence)
        exact = list(judge.walk(step, setting.values, sequence))
        for k, (theirs, ours) in enumerate(zip(history, exact, strict=True)):
            for name, expected in zip(sequence.moving, ours, strict=True):
                got = theirs[name]
                lost = np.isfinite(expected) & ~np.isfinite(got)
                if np.any(lost):
                    entry = tuple(int(i) for i in np.argwhere(lost)[0])
                    return Rounding(dtype, Difference(
                        sequence.name, k + 1, name, entry, float(got[entry]),
                        float(expected[entry]), np.inf))
                gap = float(np.max(np.abs(got - expected), initial=0.0, where=np.isfinite(got)))
                held = float(np.max(np.abs(expected), initial=1e-30, where=np.isfinite(got)))
                if gap/(spacing*held) > units:
                    units, worst = gap/(spacing*held), sequence.name
    return Rounding(dtype, None, units, worst)


def _stored(sequence: Sequence, dtype: drivers.Dtype) -> Sequence:
    """The sequence with its numbers rounded to a dtype."""
    def rounded(tree: dict[str, Any]) -> dict[str, Any]:
        return {n: np.asarray(kept(x, (dtype, ""), 0, n, 0, 0)) for n, x in tree.items()}

    return replace(sequence, start=rounded(sequence.start),
                   gradients=tuple(map(rounded, sequence.gradients)))
