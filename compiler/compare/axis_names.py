"""Axes of views by one set of names: `matrix[m, n]` and `matrix[rows, cols]` are the same view."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from thetaprime.expr import Apply, Expr, Sym, walk
from thetaprime.ir import Step, reads, statements
from thetaprime.ops import ORACLES
from thetaprime.scopes import outputs
from thetaprime.source import Source, Span
from thetaprime.types import REST, Type

WORD = re.compile(r"\w+")


def named_alike(a: Step, b: Step) -> Step:
    """``b`` with the axes of its views named as in those of ``a``, if they can be."""
    names: dict[str, str] = {}
    if [len(v) for v in a.views] != [len(v) for v in b.views]:
        return b
    for view, other in zip(a.views, b.views, strict=True):
        for mine, theirs in zip(view, other, strict=True):
            if names.setdefault(theirs, mine) != mine or (mine == REST) != (theirs == REST):
                return b
    changed = {theirs: mine for theirs, mine in names.items() if theirs != mine}
    one_each = len(set(names.values())) == len(names)
    if not changed or not one_each or {*changed, *changed.values()} & set(_others(b, names)):
        return b
    views = tuple(tuple(names[n] for n in view) for view in b.views)
    found: Step = _renamed(b, changed)
    return replace(found, views=views)


def _others(step: Step, axes: Mapping[str, str]) -> Iterator[str]:
    """What a step calls by names, beside the axes of its views."""
    yield from (step.point, step.gradient, step.tasks, *step.losses)
    yield from (h.name for h in step.hypers)
    yield from (s.name for s in step.states)
    yield from (a.name for a in step.axes)
    for statement in statements(step.body):
        yield from (s.name for s in outputs(statement))
        for expr in reads(statement):
            yield from _batches(expr)
            yield from (n.name for n in walk(expr) if isinstance(n, Sym) and n.name not in axes)


def _batches(expr: Expr) -> Iterator[str]:
    for node in walk(expr):
        if isinstance(node, Apply) and (node.op in ORACLES or node.op == "extern"):
            yield from node.over


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    """A part of a step with other names of axes."""
    def word(text: str) -> str:
        return WORD.sub(lambda m: names.get(m[0], m[0]), text)

    match part:
        case Type(axes=axes):
            return replace(part, axes=tuple(map(word, axes)))
        case Sym(name=name):
            return replace(part, name=names.get(name, name), type=_renamed(part.type, names))
        case Apply(args=args, over=over):
            return replace(part, args=_renamed(args, names), over=tuple(map(word, over)),
                           type=_renamed(part.type, names))
        case tuple():
            return tuple(_renamed(one, names) for one in part)
        case Source() | Span():
            return part
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{f.name: _renamed(getattr(part, f.name), names)
                                for f in fields(part) if f.init})
    return part
