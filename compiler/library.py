"""Where specs are found: beside the file that names them, then among the shipped ones.

Shipped specs that are no optimizers by themselves (those that take one, transforms, schedules) are
``modules``, with names of their own: `Grams` is an optimizer, ``Grams(Lion)`` one around another.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from thetaprime.diagnostics import SpecError, closest, report
from thetaprime.parse import parse
from thetaprime.source import Source, Span
from thetaprime.syntax import Definition, File, Function


def key(name: str) -> str:
    """What two spellings of a spec's name share: ``SGDMomentum`` and ``sgd-momentum``."""
    return name.lower().replace("-", "").replace("_", "")


# The folders of the shipped modules.
MODULES = ("schedules", "transforms", "wrappers")


@cache
def shipped() -> dict[str, Traversable]:
    """The shipped optimizers: file name without ending -> file, sorted by folder and name."""
    return _entries(files("thetaprime.specs"), skip=MODULES)


@cache
def modules() -> dict[str, Traversable]:
    """The shipped specs that are made into optimizers by others, in the same form."""
    folder = files("thetaprime.specs")
    return {name: entry for kind in MODULES for name, entry in
            _entries(folder.joinpath(kind)).items()}


def _entries(folder: Traversable, skip: tuple[str, ...] = ()) -> dict[str, Traversable]:
    found: dict[str, Traversable] = {}
    for entry in sorted(folder.iterdir(), key=lambda e: (e.is_dir(), e.name)):
        if entry.is_dir() and not entry.name.startswith("_") and entry.name not in skip:
            found |= _entries(entry)
        elif entry.name.endswith(".opt") and entry.name != "prelude.opt":
            found[entry.name.removesuffix(".opt")] = entry
    return found


@cache
def prelude() -> tuple[tuple[Function, Source], ...]:
    """The functions of the prelude, itself a spec file."""
    text = files("thetaprime.specs").joinpath("prelude.opt").read_text("utf-8")
    source = Source("prelude.opt", text)
    return tuple((f, source) for f in parse(source).functions)


def read(path: Path) -> Source:
    """The text of a file. Raises OSError or UnicodeDecodeError."""
    return Source(str(path), path.read_text("utf-8"))


def definition(file: File, source: Source) -> Definition:
    """The one definition of a file, its functions with it. Raises SpecError for none or two."""
    if not file.definitions:
        raise SpecError([report("empty-spec", source, Span(source.end, source.end))])
    if len(file.definitions) > 1:
        second = file.definitions[1]
        raise SpecError([report("one-optimizer", source, second.span, name=second.name)])
    found = file.definitions[0]
    return Definition(found.kind, found.name, found.parameters, found.extends, found.value,
                      (*file.functions, *found.items), found.span)


def find(
    name: str, source: Source, span: Span, applied: bool = False
) -> tuple[Definition, Source]:
    """The definition that ``name`` means in ``source``; of a module before that of an optimizer
    where it is ``applied`` to another spec. Raises SpecError."""
    beside = Path(source.name).parent if source.name.endswith(".opt") else None
    tables = (shipped(), modules()) if applied else (modules(), shipped())
    candidates: dict[str, Traversable] = {
        key(stem): entry for table in tables for stem, entry in table.items()}
    if beside is not None and beside.is_dir():
        own = Path(source.name)
        candidates |= {key(p.stem): p for p in sorted(beside.glob("*.opt")) if p != own}
    chosen = candidates.get(key(name))
    if chosen is None:
        near = closest(key(name), list(candidates))
        hint = (f"did you mean `{near}`?" if near else
                f"write {key(name)}.opt beside this file, or see `thetaprime list`")
        raise SpecError([report("unknown-spec", source, span, name=name, hints=(hint,))])
    found = Source(str(chosen), chosen.read_text("utf-8"))
    return definition(parse(found), found), found
