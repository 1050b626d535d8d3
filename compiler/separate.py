"""Names that mean different things in different cases, made different: syntax -> syntax.

Afterwards every axis of a tensor has one meaning (``rows`` is the first axis, or the last but one),
every state a name of its own, and all blocks over the axes of a tensor call the axis the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from thetaprime.axes import AXES
from thetaprime.expr import Sym
from thetaprime.flat import Part
from thetaprime.renaming import Renaming, defined
from thetaprime.syntax import (
    CaseBlock,
    ConstDecl,
    EveryBlock,
    ForAxis,
    IfBlock,
    Item,
    LoopBlock,
    Param,
    StateDecl,
    TypeName,
    View,
)
from thetaprime.types import places

SEEN = ("matrix", "tensor", "vector")


def separated(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts of a spec with names made different."""
    parts = tuple(parts)
    names = _Names({*defined(p.item for p in parts)})
    family = next(_families(p.item for p in parts), None)
    top = tuple(p.item for p in parts if isinstance(p.item, View | Param))
    names.places |= places(view_of(top))
    return tuple(replace(p, item=names.item(_one_family(p.item, family))) for p in parts)


def view_of(items: Iterable[Item]) -> tuple[str, ...]:
    """The axes along which items see tensors."""
    kinds = (i.type for i in items if isinstance(i, View | Param))
    return next((k.axes for k in kinds if k is not None and sees(k)), ())


def sees(kind: TypeName) -> bool:
    """Whether a type names axes of a tensor, each once."""
    return kind.base in SEEN and bool(kind.axes) and len(set(kind.axes)) == len(kind.axes)


@dataclass
class _Names:
    """What the axes met so far stand for, and the states of the cases met so far."""

    taken: set[str]
    places: dict[str, slice] = field(default_factory=dict)
    states: set[str] = field(default_factory=set)

    def item(self, item: Item) -> Item:
        """The item, where it is a case with names of its own."""
        if not isinstance(item, CaseBlock):
            return item
        new: dict[Sym, Sym] = {}
        for axis, place in places(view_of(item.items)).items():
            if self.places.setdefault(axis, place) != place:
                new[Sym(axis)] = Sym(self._fresh(axis), spelled=axis)
        for name in _states(item.items):
            if name in self.states:
                fresh = self._fresh(name)
                new |= {Sym(name, p): Sym(fresh, p, spelled=name) for p in (False, True)}
            self.states.add(name)
        if new:
            item = Renaming(new, {}).item(item)
        return replace(item, items=tuple(map(self.item, item.items)))

    def _fresh(self, stem: str) -> str:
        number = 2
        while f"{stem}{number}" in self.taken:
            number += 1
        self.taken.add(f"{stem}{number}")
        return f"{stem}{number}"


def _states(items: Iterable[Item]) -> Iterator[str]:
    """The states of an arm, those of its axes too, but not those of cases inside of it."""
    for item in items:
        if isinstance(item, StateDecl | ConstDecl):
            yield item.name
        elif isinstance(item, ForAxis):
            yield from _states(item.items)


def _families(items: Iterable[Item]) -> Iterator[str]:
    """The names that blocks over the axes of a tensor give to the axis."""
    for item in items:
        match item:
            case ForAxis(axis, _, inner):
                yield axis
                yield from _families(inner)
            case LoopBlock():
                if item.over is not None and item.over.names == (AXES,):
                    yield item.index
                yield from _families(item.body)
            case CaseBlock(_, inner):
                yield from _families(inner)
            case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise):
                yield from _families((*then, *otherwise))


def _one_family(item: Item, family: str | None) -> Item:
    """The item with its axes called as the first one is."""
    match item:
        case ForAxis(axis) | LoopBlock(index=axis) if axis in {*_families((item,))}:
            if axis != family and family is not None:
                new = Sym(family, spelled=axis)
                return Renaming({Sym(axis): new}, {}).item(item)
        case CaseBlock(_, inner):
            return replace(item, items=tuple(_one_family(i, family) for i in inner))
        case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise):
            return replace(item, then=tuple(_one_family(i, family) for i in then),  # type: ignore[misc]
                           otherwise=tuple(_one_family(i, family) for i in otherwise))  # type: ignore[misc]
    return item
