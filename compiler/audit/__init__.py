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
from thetaprime.audit.judge import Difference, Recorded
from thetaprime.audit.sequences import SHAPES, Sequence, sequences
from thetaprime.audit.settings import Plan, Setting, plan
from thetaprime.audit.table import Row
from thetaprime.audit.target import Target, raised, target
from thetaprime.edits import Edit
from thetaprime.ir import Step
from thetaprime.optimizer import Optimizer
from thetaprime.storage import kept

Tick = Callable[[str], None]
# Dtypes, the spacing of their numbers just above 1, and how large a huge gradient is in them.
DTYPES: dict[drivers.Dtype, tuple[float, float]] = {
    "float32": (2.0**-23, 1e8), "bfloat16": (2.0**-7, 1e8), "float16": (2.0**-10, 1e4)}


@dataclass(frozen=True)
class Finding:
    """One setting: the first difference, or None, and the edits of the spec that explain all that
    differs in it, the plainest first. ``trouble``: it could not be run, and why."""

    setting: Setting
    difference: Difference | None = None
    edits: tuple[Edit, ...] = ()
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
        findings.append(Finding(setting, first, skipped=skipped))
    findings = _explained(spec, findings, recorded, row.tolerance, tick)
    roundings = _rounded(found, row, planned, spec, tick) if dtypes else ()
    return Audit(spec, found, planned, tuple(findings), tuple(roundings),
                 time.perf_counter() - began, row.tolerance, row.why)


def _refuse(spec: Optimizer) -> None:
    """Rules that ask the problem for more than gradients and losses have no outside counterpart."""
    from thetaprime.signature import asks_more

    if asks_more(spec.step()):
        raise CallError("wrong-call", f"`{spec.name}` asks the problem for more than the gradient",
                        "an audit gives recorded gradients: a rule that evaluates others cannot "
                        "be audited")


def _tensors(step: Step) -> tuple[str, ...]:
    return judge.fitting(step, SHAPES)


def _record(found: Target, row: Row, planned: Plan, setting: Setting, step: Step
            ) -> tuple[list[Recorded], tuple[str, ...]]:
    """What the implementation makes of every sequence, and the sequences left out."""
    histories, skipped = [], []
    for sequence in sequences(_tensors(step)):
        if drivers.changes(sequence) and not _switchable(planned, setting):
            skipped.append(sequence.name)
            continue
        histories.append(Recorded(sequence, _run(found, row, planned, setting, sequence)))
    return histories, tuple(skipped)


def _switchable(planned: Plan, setting: Setting) -> bool:
    return bool(planned.rate) and isinstance(setting.arguments.get(planned.rate), int | float)


def _run(found: Target, row: Row, planned: Plan, setting: Setting, sequence: Sequence,
         dtype: drivers.Dtype = "float64") -> drivers.History:
    """Raises CallError for whatever the implementation raises."""
    try:
        return drivers.run(found.kind, found.make, setting.arguments, planned.rate, sequence,
                           dtype, row.widened)
    except Exception as error:
        raise raised(found, error) from error


def _explained(spec: Optimizer, findings: list[Finding], recorded: Mapping[str, list[Recorded]],
               tolerance: float, tick: Tick) -> list[Finding]:
    """The findings with the edits that explain them: those that explain more settings at once are
    preferred, and settings other than the defaults, which hide least, are searched first."""
    order = sorted(range(len(findings)), key=lambda k: (k == 0, k))
    known: list[Edit] = []
    done = dict(enumerate(findings))
    for k in order:
        finding = findings[k]
        if finding.difference is None:
            continue
        setting, histories = finding.setting, recorded[finding.setting.name]
        again = [e for e in known if judge.does(e.step, setting.values, histories, tolerance)]
        if not again:
            again = list(judge.explanations(
                spec.flat, setting, histories, finding.difference.sequence,
                lambda edit, name=setting.name: tick(f"{name}: {edit.name}"), tolerance))
            known += again
        done[k] = replace(finding, edits=tuple(again))
    shared = set.intersection(*(_named(f) for f in done.values() if f.edits)) if any(
        f.edits for f in done.values()) else set()
    return [replace(f, edits=tuple(sorted(f.edits, key=lambda e: (e.name, e.after) not in shared)))
            for f in done.values()]


def _named(finding: Finding) -> set[tuple[str, str]]:
    return {(e.name, e.after) for e in finding.edits}


def _rounded(found: Target, row: Row, planned: Plan, spec: Optimizer, tick: Tick
             ) -> list[Rounding]:
    """The library's defaults in each dtype, beside the exact step on the same rounded numbers."""
    made = []
    setting = planned.settings[0]
    step = spec.step(**setting.choices)
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
    for plain in sequences(_tensors(step), largest):
        if drivers.changes(plain):
            continue
        sequence = _stored(plain, dtype)
        history = _run(found, row, planned, setting, sequence, dtype)
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
