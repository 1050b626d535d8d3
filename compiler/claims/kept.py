"""Verdicts kept between runs, in the user's cache folder, by the content of all that they depend
on: the texts of the spec and of those that it names, and the compiler itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from thetaprime.cache import folder
from thetaprime.claims.verdicts import Verdict, judge
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.flat import Flat
from thetaprime.library import find, prelude
from thetaprime.parse import parse
from thetaprime.resolve import Scope, resolve_reference
from thetaprime.source import Source
from thetaprime.standing import plain
from thetaprime.syntax import Claim, SpecRef

FIELDS = ("claim", "status", "how", "example", "points", "seconds", "proof")


def verdicts(flat: Flat) -> list[Verdict]:
    """The verdict on each claim of a spec, from the cache where nothing has changed. Raises
    SpecError where a claim names what does not exist."""
    return [_kept(flat, claim, source) for claim, source in flat.claims]


def refutations(found: Iterable[Verdict]) -> list[Diagnostic]:
    """What is wrong with a spec whose claims have these verdicts."""
    return [report("refuted", v.source, v.span, notes=v.example or (v.how,))
            for v in found if v.status == "REFUTED"]


def _kept(flat: Flat, claim: Claim, source: Source) -> Verdict:
    place = folder("verdicts") / f"{_content(flat, claim, source)}.json"
    found = read(place, FIELDS)
    if found is not None:
        return Verdict(found["claim"], source, claim.span, found["status"], found["how"],
                       tuple(found["example"]), found["points"], found["seconds"],
                       tuple(found["proof"]))
    verdict = judge(flat, claim, source)
    write(place, {k: v for k, v in asdict(verdict).items() if k in FIELDS})
    return verdict


def read(place: Path, fields: Iterable[str]) -> dict[str, Any] | None:
    """What was kept there, if it is there with all its fields."""
    try:
        found = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and set(fields) <= set(found) else None


def write(place: Path, data: Mapping[str, Any]) -> None:
    """Keeps it. Written aside and moved, so that nobody reads half of it; a folder that cannot be
    written to only means that the next run judges again."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = place.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(data), "utf-8")
        aside.replace(place)
    except OSError:
        pass


def _content(flat: Flat, claim: Claim, source: Source) -> str:
    digest = sha256(compiler())
    sources = [*flat.sources, *(s for _, s in prelude())]
    if isinstance(claim.subject, SpecRef):
        scope = Scope(find, given=dict.fromkeys(parse(source).definitions[0].parameters, plain()))
        sources += resolve_reference(claim.subject, source, scope).sources
    for text in dict.fromkeys(s.text for s in sources):
        digest.update(sha256(text.encode()).digest())
    digest.update(f"{flat.name} {claim.form} {claim.span.start}".encode())
    return digest.hexdigest()


FOLDERS = ("check", "claims", "grammar")


@cache
def compiler(folders: tuple[str, ...] = FOLDERS, without: tuple[str, ...] = ()) -> bytes:
    """The text of the compiler, of its top folder and of these: another one may judge otherwise."""
    digest = sha256()
    for name, text in sorted(_modules(folders)):
        if name not in without:
            digest.update(name.encode())
            digest.update(text)
    return digest.digest()


def _modules(folders: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Name and text; the folders of a package need not be one inside of the other on disk."""
    pending = [(f"{name}/", files(f"thetaprime.{name}")) for name in folders]
    found = [(entry.name, entry) for entry in files("thetaprime").iterdir()]
    while pending:
        above, place = pending.pop()
        for entry in place.iterdir():
            if entry.is_dir():
                pending.append((f"{above}{entry.name}/", entry))
            else:
                found.append((above + entry.name, entry))
    for name, entry in found:
        if name.endswith((".py", ".lark")):
            yield name, entry.read_bytes()
