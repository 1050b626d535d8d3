"""What an audit found, as text and as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from thetaprime.audit import Audit, Finding, Rounding
from thetaprime.audit.judge import Difference, Explanation


def text(found: Audit) -> str:
    """The report; lines that a person reads from the top down."""
    verdict = "conforms" if found.conforms else "differs"
    lines = [f"{found.spec.name} against {found.target.called}: {verdict}", ""]
    lines += [f"  {', '.join(map(str, found.plan.links))}", ""]
    told: set[tuple[str, ...]] = set()
    for finding in found.findings:
        lines += _finding(finding, found.tolerance, told)
    lines += ["", *_notes(found)]
    return "\n".join(lines).rstrip() + "\n"


def _finding(finding: Finding, tolerance: float, told: set[tuple[str, ...]]) -> Iterator[str]:
    given = _named(finding.setting.arguments)
    head = f"  {finding.setting.name}" + (f" ({given})" if given else "")
    count = f"{finding.sequences} sequences"
    if finding.trouble:
        yield f"{head}: not run: {finding.trouble}"
        return
    if finding.difference is None:
        yield f"{head}: conforms on {count}"
        return
    yield f"{head}: differs"
    yield from _difference(finding.difference)
    if not finding.explanations:
        yield "    no single edit of the spec explains it"
        return
    best = finding.explanations[0]
    names = _names(best)
    if tuple(e.after for e in best) in told:
        yield f"    explained by the same: {names}"
        return
    told.add(tuple(e.after for e in best))
    yield f"    explained by: {names}"
    for edit in best:
        yield f"      --> {edit.source.name}:{edit.source.position(edit.where.start)[0]}"
        yield from (f"      - {line}" for line in edit.before.split("\n"))
        yield from (f"      + {line}" for line in edit.after.split("\n"))
    yield f"    which agrees to {tolerance:g} on all {count}"
    others = [_names(e) for e in finding.explanations[1:] if _names(e) != names]
    if others:
        yield f"    and so does: {'; '.join(dict.fromkeys(others))}"


def _names(explanation: Explanation) -> str:
    return "; and ".join(e.name for e in explanation)


def _difference(found: Difference) -> Iterator[str]:
    yield (f"    from step {found.step} of \"{found.sequence}\" on, in the tensor {found.tensor}"
           f"{list(found.entry) if found.entry else ''}:")
    yield f"      {found.theirs:.12g} there, {found.ours:.12g} by the spec"


def _notes(found: Audit) -> Iterator[str]:
    for rounding in found.roundings:
        yield f"  {rounding.dtype}: {_rounding(rounding)}"
    if found.plan.defaults:
        shown = (f"{n} = {theirs:g} there and {own:g} here"
                 for n, (theirs, own) in found.plan.defaults.items())
        yield f"  defaults differ: {', '.join(shown)}"
    if found.plan.chosen:
        yield f"  in all settings: {_named(found.plan.chosen)}"
    if found.plan.extra:
        yield f"  set for the comparison: {_named(found.plan.extra)}"
    if found.plan.left:
        yield f"  left as the library has it: {_named(found.plan.left)}"
    if found.plan.alone:
        yield f"  only in the spec, with its default: {', '.join(found.plan.alone)}"
    skipped = dict.fromkeys(s for f in found.findings for s in f.skipped)
    if skipped:
        yield f"  left out: {', '.join(skipped)}"
    if found.why:
        yield f"  compared to {found.tolerance:g}: {found.why}"


def _rounding(found: Rounding) -> str:
    if found.trouble:
        return f"not run: {found.trouble}"
    if found.lost is not None:
        place = f"{found.lost.tensor}{list(found.lost.entry) if found.lost.entry else ''}"
        return (f"{found.lost.theirs} at step {found.lost.step} of \"{found.lost.sequence}\" in "
                f"{place}, where the exact step gives {found.lost.ours:.6g}")
    return f"within {_up(found.units)} units in the last place" + (
        f" (worst: {found.sequence})" if found.units > 1 else "")


def _up(units: float) -> int:
    """The next power of two: rounding differs a little from machine to machine."""
    power = 1
    while power < units:
        power *= 2
    return power


def _named(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{n} = {_value(v)}" for n, v in values.items())


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))})"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:g}"


def data(found: Audit) -> dict[str, Any]:
    """The report for machines; what is not finite is text."""
    return {
        "spec": found.spec.name, "against": found.target.name, "version": found.target.version,
        "verdict": "conforms" if found.conforms else "differs", "tolerance": found.tolerance,
        "map": {k.hyper: str(k).partition(" = ")[2] for k in found.plan.links},
        "settings": [_setting(f) for f in found.findings],
        "dtypes": [{"dtype": r.dtype, "units": r.units, "lost": _place(r.lost),
                    "trouble": r.trouble} for r in found.roundings],
        "defaults": {n: {"theirs": a, "spec": b} for n, (a, b) in found.plan.defaults.items()},
        "set": {n: _value(v) for n, v in found.plan.extra.items()},
        "left": {n: _value(v) for n, v in found.plan.left.items()},
        "only_in_spec": list(found.plan.alone), "seconds": round(found.seconds, 3)}


def _setting(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.setting.name,
        "arguments": {n: _value(v) for n, v in finding.setting.arguments.items()},
        "conforms": finding.difference is None and not finding.trouble,
        "difference": _place(finding.difference), "trouble": finding.trouble,
        "sequences": finding.sequences, "skipped": list(finding.skipped),
        "explanations": [[{"edit": e.name, "before": e.before, "after": e.after}
                          for e in explanation] for explanation in finding.explanations]}


def _place(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"sequence": found.sequence, "step": found.step, "tensor": found.tensor,
            "entry": list(found.entry), "theirs": repr(found.theirs), "spec": repr(found.ours)}
