"""Specs that are no optimizers by themselves, made into one so that they can be checked."""

from __future__ import annotations

from dataclasses import replace

from thetaprime.flat import Flat
from thetaprime.library import find
from thetaprime.modules import scheduled, transformed
from thetaprime.parse import parse
from thetaprime.resolve import Scope, resolve
from thetaprime.source import Source
from thetaprime.syntax import Definition

# The plainest optimizer with a decay: what a spec is checked around that takes another one.
_PLAIN = Source("plain.opt", """\
optimizer Plain
  hyper lr = 1e-3 in (0, inf)
  hyper wd = 1e-2 in [0, inf)
  x' = x - lr*(g + wd*x)
""")


def plain() -> Flat:
    """The plainest optimizer with a decay."""
    return resolve(parse(_PLAIN).definitions[0], _PLAIN, Scope(find))


def standing(definition: Definition, source: Source, scope: Scope) -> Flat:
    """The flat form of an optimizer; of all else, that of the plainest optimizer with it."""
    given = dict.fromkeys(definition.parameters, plain())
    found = resolve(definition, source, replace(scope, given=given))
    if found.kind == "transform":
        made = transformed(plain(), found)
    elif found.kind == "schedule":
        made = scheduled(plain(), "lr", found)
    else:
        return found
    return replace(made, name=found.name, doc=found.doc, source=source, span=found.span)
