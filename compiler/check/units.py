"""Guarantees: terms that are added or compared have one unit, literals hide none, and the
step size goes with the loss as it usually does. All of this warns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.infer_units import Units, infer
from thetaprime.ir import Step
from thetaprime.library import prelude
from thetaprime.render import spec_text
from thetaprime.source import Source, Span
from thetaprime.unit_formulas import Clash, Hidden
from thetaprime.units import GRADIENT, ONE, L, Unit, X, words

# The power of the loss in the unit of a step size: before a gradient -1, before a step that all
# scales of the loss leave alone 0. With others larger gradients make smaller steps, or far larger.
USUAL = (0, -1)
_DONE = {"+": "added", "-": "subtracted", "if": "one or the other", "case": "one or the other",
         "default": "one or the other", "branches": "one or the other", "mod": "divided",
         "put": "put in", "shift": "put in", "normal": "mean and deviation",
         "uniform": "lower and upper end"}


def check_units(steps: Iterable[Step]) -> list[Diagnostic]:
    """What the steps of a spec, one for each choice, have to be told; each place once."""
    found: dict[tuple[str, Source, Span], Diagnostic] = {}
    for step in steps:
        for diagnostic in _told(step, infer(step)):
            found.setdefault((diagnostic.code, diagnostic.source, diagnostic.span), diagnostic)
    return list(found.values())


def _told(step: Step, units: Units) -> Iterator[Diagnostic]:
    told: set[str] = set()
    for clash in units.clashes:
        name = _double(clash, units)
        if name not in told:
            others = [c for c in units.clashes if name and _double(c, units) == name]
            yield _clash(clash, units, name, others[1:])
        told |= {name} - {""}
    for hidden in units.hidden:
        yield _hidden(hidden)
    if units.clashes or units.hidden:
        return
    for hyper in step.hypers:
        unit = units.hypers.get(hyper.name, ONE)
        if hyper.name == "lr" and unit.settled and unit.power(L) not in USUAL:
            yield report("unusual-unit", hyper.source, hyper.span, name=hyper.name, unit=unit,
                         how=_how(unit.power(L)))


def _how(power: Fraction) -> str:
    """How the step goes with the gradients, where the step size has the loss to some power."""
    if power > 0:
        return "larger gradients make smaller steps"
    return f"gradients times 4 make steps times {float(4**-power):g}"


def _double(clash: Clash, units: Units) -> str:
    """The hyperparameter that is a side of a sum by itself, and has its unit from elsewhere."""
    if clash.right is None:
        return ""
    for side in (clash.left, clash.right):
        names = {n.name for n in walk(side) if isinstance(n, Sym)}
        if isinstance(side, Sym | Apply) and len(names) == 1 and (name := min(names)) in units.said:
            return name
    return ""


def _clash(clash: Clash, units: Units, double: str, others: Sequence[Clash]) -> Diagnostic:
    left, right = clash.units
    one = _text(clash.left, clash)
    match clash.where:
        case "terms" if clash.right is not None:
            what = _both(one, left, _text(clash.right, clash), right)
            label = _DONE.get(clash.name, "compared")
        case "plain":
            taker = clash.name if " " in clash.name else f"`{clash.name}`"
            what = f"{taker} takes a number without a unit, and `{one}` has {words(left)}"
            label = f"not without a unit: {left}"
        case "oracle":
            what = f"`{clash.name}` is asked at `{one}`, which has {words(left)}"
            label = f"{left} instead of {right}"
        case "start" if left.settled:
            what = f"`{clash.name}` starts with {words(left)}, and has {words(right)} later"
            label = f"starts with {left}"
        case _ if not left.settled:
            old = clash.name.rstrip("'")
            what = f"the units of `{clash.name}` and `{old}` differ by a factor {left / right}"
            label = f"each step changes the unit of `{old}`"
        case _:
            old = clash.name.rstrip("'")
            what = f"`{clash.name}` gets {words(left)}, and `{old}` has {words(right)}"
            label = f"{left} instead of {right}"
    return report("unit-clash", clash.source, clash.span, what=what, label=label,
                  notes=(*_reasons(clash, units, double), *_also(clash, others)),
                  hints=tuple(_hints(clash, units, double)))


def _both(one: str, left: Unit, other: str, right: Unit) -> str:
    if left.settled and right.settled:
        return f"`{one}` has {words(left)}, `{other}` has {words(right)}"
    return f"`{one}` and `{other}` differ in their units by a factor {left / right}"


def _also(clash: Clash, others: Sequence[Clash]) -> Iterator[str]:
    """Where else the same hyperparameter clashes."""
    lines = sorted({c.source.position(c.span.start)[0] for c in others
                    if c.source is clash.source})
    if lines:
        yield f"the same in line{'s' * (len(lines) > 1)} {', '.join(map(str, lines))}"


def _reasons(clash: Clash, units: Units, double: str) -> Iterator[str]:
    """What gave the hyperparameters in a clash their units."""
    sides = (clash.left,) if clash.right is None else (clash.left, clash.right)
    names = dict.fromkeys(n.name for side in sides for n in walk(side) if isinstance(n, Sym))
    for name in names:
        unit, place = units.hypers.get(name), units.said.get(name)
        if unit is None or place is None or place.expr.span == clash.span or (
                unit == ONE and name != double):
            continue
        line = place.source.position(place.expr.span.start)[0]
        where = "" if place.source is not clash.source else f", line {line}"
        yield f"`{name}` has {words(unit)} because of `{spec_text(place.expr)}`{where}"


def _hints(clash: Clash, units: Units, double: str) -> Iterator[str]:
    """Obvious repairs, or else what is missing."""
    left, right = clash.units
    sides = [(clash.left, left, right)]
    sides += [(clash.right, right, left)] if clash.right is not None else []
    if clash.where in ("plain", "oracle", "start"):
        yield {"plain": f"divide `{_text(clash.left, clash)}` by something that has {words(left)}",
               "oracle": f"a point has {words(right)}: is a factor in {right / left} missing?",
               "start": f"start with something that has {words(right)}"}[clash.where]
        return
    roots = [text for expr, own, other in sides if (text := _root(expr, own, other, clash))]
    yield from roots
    if double:
        yield f"`{double}` stands for two quantities: is it a slip, or is a second name needed?"
        return
    if roots:
        return
    if (clash.name in ("+", "-") and (left, right) == (X, GRADIENT) and clash.right is not None
            and not any(_has_unit(n, units) for n in walk(clash.right))):
        step = _text(clash.right, clash)
        step = step if isinstance(clash.right, Sym) else f"({step})"
        yield f"a step size is missing: `lr*{step}`, `lr` in {X**2 / L}"
        return
    for expr, own, other in sides:
        if _has_number(expr):
            at = "of" if isinstance(expr, Num) else "of the number in"
            yield (f"a number has no unit: a hyperparameter in the place {at} "
                   f"`{_text(expr, clash)}` could have {words(other / own)}")
            return
    # A side without a unit is the one to repair.
    lacking = [side for side in sides if side[1] == ONE] or sides
    yield "a factor in " + ", or one in ".join(
        f"{other / own} {'is missing ' if number == 0 else ''}at `{_text(expr, clash)}`"
        for number, (expr, own, other) in enumerate(lacking))


def _root(expr: Expr, own: Unit, other: Unit, clash: Clash) -> str:
    """A square that is too many, or a root that is missing."""
    if own == ONE or own != other**2:
        return ""
    match expr:
        case Apply("^", (base, Num("2"))):
            return f"is the square too many? `{_text(base, clash)}` has {words(other)}"
    return f"is a root missing? `sqrt({_text(expr, clash)})` has {words(other)}"


def _has_unit(expr: Expr, units: Units) -> bool:
    """Whether it is a hyperparameter with a unit."""
    return isinstance(expr, Sym) and units.hypers.get(expr.name, ONE) != ONE


def _has_number(expr: Expr) -> bool:
    """Whether a factor of a product is a literal."""
    match expr:
        case Num():
            return True
        case Apply("*" | "/" | "neg", args):
            return any(map(_has_number, args))
    return False


def _hidden(hidden: Hidden) -> Diagnostic:
    number, unit = spec_text(hidden.literal), words(hidden.unit)
    name = "" if hidden.beside is None else _sugar(hidden.beside, hidden.source, hidden.span)
    what = {
        "beside": f"`{number}` is set beside `{name}`, which has {unit}",
        "start": f"`{name}` starts with `{number}`, and has {unit}",
        "range": f"the range of `{name}` ends at {number}, and `{name}` has {unit}",
        "alone": f"`{number}` stands for something that has {unit}"}[hidden.where]
    hint = (f"`{name}` without a unit? the rule gives it one; with a unit: `{name} in (0, inf)`"
            if hidden.where == "range" else f"give it a name: `hyper c = {number} in (0, inf)`")
    return report("hidden-unit", hidden.source, hidden.span, what=what, unit=hidden.unit,
                  hints=(hint,))


def _text(expr: Expr, clash: Clash) -> str:
    return _sugar(expr, clash.source, clash.span)


def _sugar(expr: Expr, source: Source, around: Span) -> str:
    """A formula as a spec says it; a call of the prelude as it was written."""
    written = source.text[expr.span.start : expr.span.end]
    call = re.fullmatch(r"(\w+)\(.*\)", written)
    known = {function.name for function, _ in prelude()}
    if call is not None and call[1] in known and expr.span != around:
        return written
    return spec_text(expr)
