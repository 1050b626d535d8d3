"""The names and the parts of two specs that become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from thetaprime.expr import Sym
from thetaprime.flat import Flat, Part
from thetaprime.inner import DECLARED
from thetaprime.renaming import Renaming, defined, functions
from thetaprime.syntax import Evaluate, Item, Param, Train

GIVEN = frozenset(("t", "g", "G", "loss"))
T = TypeVar("T")


def joined(outer: Flat, base: Flat, parts: Iterable[Part], shared: Renaming) -> Flat:
    """The outer optimizer with these parts, and with what the base says about itself."""
    bound = {shared.name(n): shared.expr(e) for n, e in base.bound.items()}
    sources = {shared.name(n): s for n, s in base.bound_sources.items()}
    ordered = sorted(parts, key=lambda p: 0 if isinstance(p.item, DECLARED) else
                     2 if isinstance(p.item, Evaluate) else 1)
    return replace(
        outer, parts=tuple(ordered), bound={**outer.bound, **bound},
        bound_sources={**outer.bound_sources, **sources},
        cites=once(outer.cites, base.cites), notes=once(outer.notes, base.notes),
        sources=once(outer.sources, base.sources))


def once(first: tuple[T, ...], second: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def own_names(parts: Iterable[Part]) -> set[str]:
    """The names that parts take, with the point's and those that are given."""
    items = [p.item for p in parts]
    return {*defined(items), *functions(items), *point_names(items), *GIVEN}


def point_names(items: list[Item]) -> tuple[str, str]:
    """The names of the parameter and of the point that training holds."""
    name = next((i.name for i in items if isinstance(i, Param)), "x")
    return name, next((i.name for i in items if isinstance(i, Train)), name)


@dataclass
class Names:
    """Gives each name of a base a free one; ``taken`` grows."""

    prefix: str
    taken: set[str]

    def free(self, name: str, others: Iterable[str] = ()) -> str:
        """The name itself, or with prefixes until no other thing has it."""
        found = name
        while found in self.taken or (found != name and found in others):
            found = f"{self.prefix}_{found}"
        self.taken.add(found)
        return found

    def shared(self, items: Iterable[Item], point: str) -> Renaming:
        """The new names of everything that items define."""
        listed = list(items)
        given = {point, *GIVEN}
        own = [n for n in dict.fromkeys(defined(listed)) if n not in given]
        called = sorted(functions(listed))
        new = {n: self.free(n, {*own, *called}) for n in own}
        return Renaming(
            {Sym(n, prime): Sym(found, prime) for n, found in new.items() for prime in (False, True)
             if n != found},
            {n: self.free(n, {*own, *called}) for n in called})
