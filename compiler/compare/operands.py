"""What is compared: a shipped spec, a file, or any expression of the language that makes an
optimizer, ``Lookahead(SGD, k = 1)``, ``SAM(SGD) with rho = 0``, ``./mine.opt with wd = 0``."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, product
from pathlib import Path

from thetaprime.arguments import CallError
from thetaprime.collect import collect
from thetaprime.diagnostics import SpecError
from thetaprime.flat import Flat
from thetaprime.ir import Step
from thetaprime.library import find, key, modules, prelude, read, shipped
from thetaprime.lower import lower
from thetaprime.optimizer import Optimizer
from thetaprime.parse import parse
from thetaprime.pipeline import checked, flat
from thetaprime.resolve import Scope, resolve
from thetaprime.source import Source

NAME = "Compared"
DASHED = re.compile(r"[^\W\d]\w*(?:-\w+)+")
FILE = re.compile(r"\s*(?P<path>\S+\.opt)(?P<rest>\s.*)?", re.DOTALL)
MOST_CHOICES = 16


@dataclass(frozen=True)
class Operand:
    """``text`` is what the user wrote; ``flat`` the one optimizer that it means."""

    text: str
    flat: Flat
    _steps: dict[tuple[tuple[str, str], ...], Step] = field(
        default_factory=dict, compare=False, repr=False)

    @cached_property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """Its static hyperparameters, the default of each first."""
        tables = collect(self.flat, prelude())
        default = dict(self.step({}).fixed)
        return {n: tuple(sorted(i.choices or ("true", "false"), key=lambda v: v != default[n]))
                for n, i in tables.hypers.items() if i.folded and n not in self.flat.bound}

    def step(self, fixed: Mapping[str, str]) -> Step:
        """The rule for a choice of static hyperparameters. Raises SpecError."""
        place = tuple(sorted(fixed.items()))
        if place not in self._steps:
            self._steps[place] = lower(self.flat, prelude(), dict(fixed)).step
        return self._steps[place]

    def all_choices(self) -> Iterator[dict[str, str]]:
        """Every choice of static hyperparameters, the default first."""
        for values in islice(product(*self.choices.values()), MOST_CHOICES):
            yield dict(zip(self.choices, values, strict=True))


def operand(text: str | Optimizer) -> Operand:
    """Raises SpecError for what is wrong in a spec, CallError for a file that cannot be read."""
    if isinstance(text, Optimizer):
        return Operand(text.name, text.flat)
    known = {key(n): e for n, e in (*modules().items(), *shipped().items())}
    match = FILE.fullmatch(text)
    if match is not None:
        return _from_file(text, Path(match["path"]), (match["rest"] or "").strip())
    entry = known.get(key(text.strip()))
    if entry is not None:
        source = Source(entry.name, entry.read_text("utf-8"))
        return Operand(text.strip(), _whole(source))
    return Operand(text.strip(), _expression(text, known))


def _from_file(text: str, path: Path, rest: str) -> Operand:
    try:
        source = read(path)
    except FileNotFoundError:
        raise CallError("no-access", f"there is no file `{path}`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CallError("no-access", f"cannot read `{path}`: {error}") from None
    if not rest:
        return Operand(text.strip(), _whole(source))
    name = re.sub(r"\W", "", path.stem)
    beside = Source(str(path.parent / "compared.opt"), f"optimizer {NAME} = {name} {rest}\n")
    return Operand(text.strip(), _resolved(beside))


def _whole(source: Source) -> Flat:
    """The optimizer of a file; of a wrapper or transform the plainest with it."""
    try:
        return flat(source)
    except SpecError:
        return checked(source)


def _expression(text: str, known: Container[str]) -> Flat:
    """Shipped specs may be spelled as `list` does: `adam-torch` is AdamTorch."""
    named = DASHED.sub(lambda m: key(m[0]) if key(m[0]) in known else m[0], text.strip())
    return _resolved(Source("the comparison", f"optimizer {NAME} = {named}\n"))


def _resolved(source: Source) -> Flat:
    file = parse(source)
    return resolve(file.definitions[0], source, Scope(find))
