"""The compiler on one page: the stages of a spec, in order. Read this file first.

    text --parse--> syntax --resolve--> one flat optimizer --lower--> ir.Step --backends--> code

Each stage either gives the next one its input or raises SpecError with every diagnostic that it
found. `variants` lowers a spec for each choice of its static hyperparameters, because what a
reduction runs over may be such a choice; `check` judges the spec as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from thetaprime.check.direction import check_direction
from thetaprime.check.domains import check_domains
from thetaprime.check.floats import check_floats
from thetaprime.check.units import check_units
from thetaprime.claims.dead import check_dead
from thetaprime.collect import collect
from thetaprime.diagnostics import Diagnostic, SpecError, report
from thetaprime.few_bits import Conditions
from thetaprime.flat import Flat
from thetaprime.ir import Step
from thetaprime.library import definition, find, prelude
from thetaprime.lower import Lowered, lower
from thetaprime.parse import parse
from thetaprime.resolve import Scope, resolve, wrong_kind
from thetaprime.source import Source
from thetaprime.standing import standing
from thetaprime.tables import name_span

MOST_VARIANTS = 64
SINGLE = (Conditions(),)


def flat(source: Source) -> Flat:
    """text -> one flat optimizer. Raises SpecError."""
    found = resolve(definition(parse(source), source), source, Scope(find))
    if found.kind != "optimizer":
        raise SpecError([wrong_kind(found, "optimizer", found.name, source, found.span)])
    return found


def checked(source: Source) -> Flat:
    """What is checked of a spec: of one that is no optimizer by itself, the plainest optimizer
    that can be made with it. Raises SpecError."""
    return standing(definition(parse(source), source), source, Scope(find))


def compile_source(source: Source, fixed: Mapping[str, str] | None = None) -> Step:
    """text -> the step for one choice of static hyperparameters. Raises SpecError."""
    return lower(flat(source), prelude(), fixed or {}).step


def compile_text(text: str, fixed: Mapping[str, str] | None = None) -> Step:
    """`compile_source` for a text without a file."""
    return compile_source(Source("<text>", text), fixed)


def variants(optimizer: Flat) -> list[Lowered]:
    """The optimizer lowered for every choice of its static hyperparameters, the default first."""
    tables = collect(optimizer, prelude())
    choices: dict[str, tuple[str, ...]] = {}
    if not tables.problems:
        for name, info in tables.hypers.items():
            if info.folded and name not in optimizer.bound:
                choices[name] = info.choices or ("true", "false")
    default = lower(optimizer, prelude(), {})
    found = [default]
    for values in product(*choices.values()):
        fixed = dict(zip(choices, values, strict=True))
        if fixed != {n: v for n, v in default.step.fixed if n in choices}:
            found.append(lower(optimizer, prelude(), fixed))
        if len(found) == MOST_VARIANTS:
            break
    return found


def check(source: Source, conditions: Sequence[Conditions] = SINGLE) -> list[Diagnostic]:
    """Every diagnostic of a spec, errors and warnings, in the order of its text; those about
    floating point for each of the conditions, which are float32 alone unless more is asked for."""
    try:
        return check_flat(checked(source), source, conditions)
    except SpecError as error:
        return _sorted(error.diagnostics, source)


def check_flat(
    optimizer: Flat, source: Source | None = None, conditions: Sequence[Conditions] = SINGLE
) -> list[Diagnostic]:
    """`check` for a flat optimizer, those about ``source``, its own text, first."""
    first = source or optimizer.source
    try:
        lowered = variants(optimizer)
    except SpecError as error:
        return _sorted(error.diagnostics, first)
    found = _unused(optimizer, lowered)
    for one in lowered:
        found += one.warnings
    if not any(d.severity == "error" for d in found):
        for one in lowered:
            found += check_direction(one.step, optimizer)
        found += check_units(one.step for one in lowered)
        if not any(d.code == "not-finite" for d in found):  # which says it all
            found += check_domains([one.step for one in lowered])
            found += check_dead(lowered, optimizer)
        if not any(d.severity == "error" for d in found):
            found += check_floats([one.step for one in lowered], conditions)
    return _sorted(found, first)


def _sorted(found: Iterable[Diagnostic], source: Source) -> list[Diagnostic]:
    return sorted(dict.fromkeys(found), key=lambda d: (d.source is not source, d.span.start))


def _unused(optimizer: Flat, lowered: list[Lowered]) -> list[Diagnostic]:
    """What reaches the result in no choice of the static hyperparameters."""
    tables = lowered[0].tables
    used = frozenset().union(*(one.used for one in lowered))
    found = [
        report("unused-hyper", info.source, name_span(info.item, info.source), name=name,
               point=tables.parameter)
        for name, info in tables.hypers.items() if name not in used and not info.inherited]
    for name, (declared, part) in tables.states.items():
        if name not in used and not part.inherited:
            found.append(report("unused-state", part.source, name_span(declared, part.source),
                                name=name, point=tables.parameter))
    dead = set(lowered[0].unused).intersection(*(one.unused for one in lowered))
    for symbol in sorted(dead, key=lambda s: s.span.start):
        if symbol.name not in tables.states:
            found.append(report("unused-equation", optimizer.source, symbol.span,
                                name=str(symbol), point=tables.parameter))
    return found
