"""Specs as a lock file holds them: the digests of what they mean, their hyperparameters, and their
text, so that what they mean can be compared later on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from thetaprime.arguments import CallError
from thetaprime.collect import collect, constant, range_text
from thetaprime.compare.fingerprint import fingerprint
from thetaprime.compare.kept import kept
from thetaprime.compare.operands import Operand
from thetaprime.diagnostics import Diagnostic, SpecError, report
from thetaprime.flat import Flat
from thetaprime.format import flat_text
from thetaprime.library import prelude
from thetaprime.parse import parse_expression
from thetaprime.pipeline import checked, flat
from thetaprime.render import spec_text
from thetaprime.source import Source, Span
from thetaprime.tables import HyperInfo, name_span

FILE = Path("thetaprime.lock")
FORM = 1
MOST_LINES = 12


@dataclass(frozen=True)
class Entry:
    """A locked spec. ``fingerprints`` for each choice of static hyperparameters, by its text;
    ``hypers``: name -> (default, range), as specs say them; ``texts``: file name -> text, that of
    the spec first."""

    fingerprints: Mapping[str, str]
    hypers: Mapping[str, tuple[str, str]]
    texts: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """What stands in the file: texts as lists of lines."""
        return {"fingerprints": dict(self.fingerprints),
                "hyperparameters": {n: {"default": d, "range": r}
                                    for n, (d, r) in self.hypers.items()},
                "texts": {n: t.splitlines() for n, t in self.texts.items()}}


# Reading and writing.


def read(path: Path = FILE) -> dict[str, Entry]:
    """The entries of a lock by the names of their specs; none without a file. Raises CallError."""
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["lock"] != FORM:
            raise ValueError
        return {name: Entry(
            dict(e["fingerprints"]),
            {n: (h["default"], h["range"]) for n, h in e["hyperparameters"].items()},
            {n: "\n".join(lines) + "\n" for n, lines in e["texts"].items()})
            for name, e in found["specs"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CallError("no-access", f"`{path}` is no lock that this version can read",
                        "remove it, or write another one with `thetaprime lock`") from None


def write(entries: Mapping[str, Entry], path: Path = FILE) -> None:
    """Written aside and moved. Raises OSError."""
    text = json.dumps({"lock": FORM, "thetaprime": version("thetaprime"), "specs": {
        name: entries[name].to_json() for name in sorted(entries)}}, indent=1)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_text(text + "\n", "utf-8")
    aside.replace(path)


# What a spec is now.


def entry(name: str, source: Source) -> Entry:
    """A spec as it is. Raises SpecError."""
    now = Operand(name, checked(source))
    found = Entry(_fingerprints(now), _hypers(now.flat), {
        f"{Path(source.name).stem or now.flat.name}.opt": flat_text(now.flat)})
    if _readable(found):
        return found
    own, *others = dict.fromkeys((now.flat.source, *now.flat.sources))
    return replace(found, texts={Path(s.name).name: s.text for s in (own, *others)})


def _fingerprints(now: Operand) -> dict[str, str]:
    return {_words(fixed): fingerprint(now.step(fixed)) for fixed in _choices(now)}


def _choices(now: Operand) -> Iterator[dict[str, str]]:
    """Every choice of static hyperparameters."""
    for values in product(*now.choices.values()):
        yield dict(zip(now.choices, values, strict=True))


def _words(fixed: Mapping[str, str]) -> str:
    return ", ".join(f"{n} = {v}" for n, v in sorted(fixed.items())) or "always"


def _readable(found: Entry) -> bool:
    """Whether the text that is kept says all, hyperparameters that are bound too."""
    try:
        (again,) = (Operand("", flat(Source(n, t))) for n, t in found.texts.items())
        return (_fingerprints(again), _hypers(again.flat)) == (found.fingerprints, found.hypers)
    except SpecError:
        return False


def _hypers(spec: Flat) -> dict[str, tuple[str, str]]:
    tables = collect(spec, prelude())
    return {n: _said(i) for n, i in sorted(tables.hypers.items()) if n not in spec.bound}


def _said(info: HyperInfo) -> tuple[str, str]:
    default = info.item.default
    if info.folded:
        where = f"{{{', '.join(sorted(info.choices or ('true', 'false')))}}}"
    else:
        where = range_text(info.range) if info.range is not None else ""
    return "" if default is None else spec_text(default), where


# What has changed.


def changes(name: str, source: Source, then: Entry) -> list[Diagnostic]:
    """How a spec is not what is locked. Raises SpecError for one that is wrong."""
    now = Operand(name, checked(source))
    return [*_rule(now, then), *_defaults(now.flat, then)]


def _rule(now: Operand, then: Entry) -> Iterator[Diagnostic]:
    for fixed in _choices(now):
        words = _words(fixed)
        if then.fingerprints.get(words) == fingerprint(now.step(fixed)):
            continue
        verdict, notes = _compared(now, then, fixed)
        if verdict != "equal":
            yield report("rule-changed", now.flat.source, now.flat.span, notes=notes, name=now.text,
                         verdict="cannot be shown to be" if verdict == "unknown" else
                                 "is no longer")
            return


def _compared(
    now: Operand, then: Entry, fixed: Mapping[str, str]
) -> tuple[str, tuple[str, ...]]:
    """The verdict on the locked and the present rule, and what tells them apart."""
    label = f"{now.text} with {_words(fixed)}" if fixed else now.text
    try:
        both = (Operand(f"the locked {label}", _with(_flat(then), fixed)),
                Operand(label, _with(now.flat, fixed)))
        found = kept(*both)
        reported = any(one.step({}).evaluate is not None for one in both)
    except SpecError as error:
        return "unknown", ("what is locked can no longer be read: "
                           f"{error.diagnostics[0].message}",)
    if found["verdict"] == "equal" and reported:  # a proof is about the iterates alone
        return "unknown", ("the iterates are the same, but not surely the points to evaluate",)
    told = [*(f"equal when {c}" for c in found["conditions"]),
            *(f"equal where `{n}` of the present rule is {v}" for n, v in found["map"].items()),
            *found["notes"]]
    if found["counterexample"] is not None:
        told += found["counterexample"]["run"]
    with_choice = [f"with {_words(fixed)}"] if fixed else []
    return found["verdict"], tuple([*with_choice, *told][:MOST_LINES])


def _with(spec: Flat, fixed: Mapping[str, str]) -> Flat:
    """The spec with static hyperparameters decided; those that it lacks are no matter."""
    known = collect(spec, prelude()).hypers
    own = {n: parse_expression(Source(n, v)) for n, v in fixed.items() if n in known}
    return replace(spec, bound={**spec.bound, **own},
                   bound_sources={**spec.bound_sources, **dict.fromkeys(own, spec.source)})


def _flat(then: Entry) -> Flat:
    """The locked spec. Raises SpecError."""
    with TemporaryDirectory() as folder:
        for name, text in then.texts.items():
            (Path(folder) / name).write_text(text, "utf-8")
        name, text = next(iter(then.texts.items()))
        return checked(Source(str(Path(folder) / name), text))


def _defaults(spec: Flat, then: Entry) -> Iterator[Diagnostic]:
    tables, now = collect(spec, prelude()), _hypers(spec)
    for name in now:
        info, old = tables.hypers[name], then.hypers.get(name)
        if old is None or (_number(old[0]), old[1]) != (_number(now[name][0]), now[name][1]):
            yield _changed(spec, name, info.source, name_span(info.item, info.source),
                           f"locked as {_line(name, old)}" if old else "not in the lock",
                           _line(name, now[name]))
    for name in then.hypers.keys() - now.keys():
        yield _changed(spec, name, spec.source, spec.span, "gone",
                       f"locked as {_line(name, then.hypers[name])}")


def _number(text: str) -> object:
    """A default as the number that it is, 0.1 for 1e-1; else its text."""
    try:
        value = constant(parse_expression(Source("a default", text)))
    except SpecError:
        return text
    return text if value is None else value


def _changed(
    spec: Flat, hyper: str, source: Source, span: Span, what: str, note: str
) -> Diagnostic:
    return report("hyper-changed", source, span, hyper=hyper, name=spec.name, what=what,
                  notes=(note,))


def _line(name: str, said: tuple[str, str]) -> str:
    default, where = said
    return f"`{name}{f' = {default}' if default else ''}{f' in {where}' if where else ''}`"
