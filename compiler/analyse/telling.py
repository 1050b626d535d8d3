"""The stability of a rule as text, in the notation of its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sympy

from thetaprime.analyse.formulas import text

if TYPE_CHECKING:
    from thetaprime.analyse.stability import Stability

# Longer rows of a matrix are for the JSON, not for a reader.
LONGEST_ROW = 160


def lines(answer: Stability) -> list[str]:
    h = answer.curvature
    found = [f"{answer.name} on a quadratic of curvature {h} (g = {h}*x), as t -> inf"]
    used = {n: v for n, v in answer.settings.items() if n in _given(answer)}
    if used:
        found.append("with " + ", ".join(f"{n} = {v}" for n, v in used.items()))
    for one in answer.frozen:
        after = ("; it follows the gradient at once, so that the condition holds only for the "
                 "value that it has" if one.fast else "")
        found.append(f"frozen: {one.factor}: {one.because}{after}")
    found += [f"assumed: {a}" for a in answer.assumed]
    rows = [_row(answer, i) for i in range(len(answer.coordinates))]
    found.append("")
    if answer.period > 1:
        found.append(f"  over {answer.period} steps:")
    if max(map(len, rows)) <= LONGEST_ROW:
        found += [f"  {row}" for row in rows]
    else:
        found.append(f"  the matrix, {len(rows)} by {len(rows)}, is long: --json gives it")
    return [*found, "", *_verdict(answer), *_best_lines(answer)]


def _given(answer: Stability) -> set[str]:
    """The settings worth telling: real ones that are not free."""
    return {h.name for h in answer.map.step.hypers if h.name in answer.settings
            and not h.type.axes}


def _row(answer: Stability, i: int) -> str:
    names = answer.map.names
    shown = ""
    for name, entry in zip(answer.coordinates, answer.map.matrix[i, :], strict=True):
        if entry == 0:
            continue
        part, minus = _term(_readable(entry), name, names)
        shown += (f" {'-' if minus else '+'} " if shown else "-" if minus else "") + part
    return f"{answer.coordinates[i]}' = {shown or '0'}"


def _readable(entry: Any) -> Any:
    """1 - lr*h*(1 - b1)/P for (P - lr*h + lr*b1*h)/P; what has many terms is factored."""
    top, bottom = sympy.fraction(sympy.cancel(entry))
    whole = sum((t for t in sympy.Add.make_args(sympy.expand(top / bottom))
                 if not sympy.fraction(t)[1].free_symbols), sympy.Integer(0))
    rest = sympy.factor(sympy.cancel(entry - whole))
    if bottom.free_symbols:
        return whole + rest
    return sympy.factor(entry) if len(sympy.Add.make_args(entry)) > 3 else entry


def _term(entry: Any, name: str, names: Mapping[Any, Any]) -> tuple[str, bool]:
    """(coefficient*name, whether it is subtracted)."""
    minus = bool(entry.could_extract_minus_sign()) and not entry.is_Add
    entry = -entry if minus else entry
    if entry == 1:
        return name, minus
    shown = text(entry, names)
    top, bottom = sympy.fraction(entry)
    loose = entry.is_Add or (bottom == 1 and top.is_Add)
    return (f"({shown})*{name}" if loose else f"{shown}*{name}"), minus


def _verdict(answer: Stability) -> list[str]:
    checked = (f"  (Jury's criterion; agrees with the spectral radius at {answer.points} random "
               f"points, {answer.inside} of them stable)")
    match answer.stable:
        case "some":
            lines = ["stable where", *(f"  {i}" for i in answer.inequalities), checked]
            if answer.defaults:
                lines.append(f"  at the defaults: {', '.join(answer.defaults)}")
            return lines
        case "all":
            return ["stable for all settings in their ranges", checked]
        case "none":
            return ["stable for no setting in the ranges", checked]
        case "long":
            return ["the stability region is no formula short enough to read: fix hyperparameters "
                    "with --set, or keep some with --free; --plot draws the spectral radius"]
    return ["no formula for the stability region passed its verification, so that none is given; "
            "--plot draws the spectral radius"]


def _best_lines(answer: Stability) -> list[str]:
    if answer.best is None:
        return []
    found = answer.best
    lines = ["", "fastest over curvatures in [l, L]"]
    lines += [f"  {name} = {value}" for name, value in found.settings.items()]
    lines.append(f"  rate {found.rate} per step" if answer.period == 1 else
                 f"  rate {found.rate} over {answer.period} steps")
    if found.others:
        lines.append("  with " + ", ".join(f"{n} = {v}" for n, v in found.others.items()))
    return lines
