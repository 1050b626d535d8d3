"""Transforms in front of an optimizer, schedules in the place of a hyperparameter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from thetaprime.build import canonical
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, Num, Sym, substitute, walk
from thetaprime.flat import Flat, Part
from thetaprime.inner import DECLARED, Inner, all_targets
from thetaprime.made import NEW, Wanted, made
from thetaprime.naming import GIVEN, Names, joined, own_names, point_names
from thetaprime.ops import ORACLES
from thetaprime.renaming import Node, Renaming, mapped
from thetaprime.syntax import (
    EquationLine,
    Evaluate,
    Function,
    HyperLine,
    Param,
    Train,
    expressions,
)

VALUE = Sym("value")
# What a schedule, a function of t, cannot read.
_OF_TRAINING = frozenset(map(Sym, ("g", "G", "x", "X", "loss")))


def check_module(flat: Flat) -> Iterator[Diagnostic]:
    """A transform says what becomes of the gradient, a schedule has a value; neither moves x."""
    if flat.kind == "optimizer":
        return
    items = [p.item for p in flat.parts]
    name = next((i.name for i in items if isinstance(i, Param)), "x")
    result = Sym(gradient(flat), True) if flat.kind == "transform" else VALUE
    if not any(result in all_targets(i) for i in items):
        yield report("no-result", flat.source, flat.span, kind=flat.kind, result=result)
    for part in flat.parts:
        wrong = isinstance(part.item, Train | Evaluate) or Sym(name, True) in all_targets(part.item)
        if flat.kind == "schedule":
            wrong = not isinstance(part.item, HyperLine | Function) and not (
                isinstance(part.item, EquationLine) and not part.item.target.prime)
        if wrong:
            yield report("not-in-module", part.source, part.item.span, kind=flat.kind,
                         result=result)
        elif flat.kind == "schedule":
            for node in (n for e in expressions(part.item) for n in walk(e)):
                if node in _OF_TRAINING or (isinstance(node, Apply) and node.op in ORACLES):
                    yield report("not-in-module", part.source, node.span, kind=flat.kind,
                                 result=result)


def gradient(flat: Flat) -> str:
    """What a spec calls the gradient."""
    name = next((p.item.name for p in flat.parts if isinstance(p.item, Param)), "x")
    return "G" if name.isupper() else "g"


def transformed(outer: Flat, front: Flat) -> Flat:
    """``outer on front``: the optimizer, or transform, on the gradient that the first one gives.
    It has the claims of the first one, whose ``g'`` is that gradient."""
    _, point = point_names([p.item for p in outer.parts])
    inside, _ = point_names([p.item for p in front.parts])
    given, taken = Sym(gradient(outer)), Sym(gradient(front))
    names = Names(_prefix(front), own_names(outer.parts))
    new = Sym(names.free(f"{given}_{_prefix(front)}"))
    one = Inner(str(taken), str(taken),
                tuple(p for p in front.parts if isinstance(p.item, DECLARED)
                      and not isinstance(p.item, Param)),
                tuple(p for p in front.parts if not isinstance(p.item, DECLARED)), None, None)
    shared = names.shared(one.items(), inside)
    inward = Renaming({**shared.symbols, NEW: new, taken: given, Sym(inside): Sym(point)},
                      shared.functions)
    told = made(one, Wanted(new=True, change=False, parts=False)).statements
    before = [Part(inward.item(p.item), p.source, True) for p in (*one.declarations, *told)]
    reads = Renaming({given: new}, {})
    claimed = Renaming({**inward.symbols, Sym(taken.name, True): new}, inward.functions)
    joint = joined(outer, front, [*(replace(p, item=reads.item(p.item)) for p in outer.parts
                                   if isinstance(p.item, DECLARED)), *before,
                                 *(replace(p, item=reads.item(p.item)) for p in outer.parts
                                   if not isinstance(p.item, DECLARED))], shared)
    return replace(joint, claims=tuple((claimed.item(c), where) for c, where in front.claims))


def _prefix(flat: Flat) -> str:
    return re.sub(r"\W+", "_", canonical(flat.name)).lower()


def scheduled(outer: Flat, hyper: str, schedule: Flat) -> Flat:
    """The spec with a schedule in the place of a hyperparameter: an equation in t, which counts
    from 0 in a schedule. It has the claims of the schedule."""
    kept = [p for part in outer.parts for p in _without(part, hyper)]
    names = Names(_prefix(schedule), own_names(outer.parts) | GIVEN)
    shared = names.shared((p.item for p in schedule.parts
                           if not (isinstance(p.item, EquationLine) and p.item.target == VALUE)),
                          "x")
    inward = Renaming({**shared.symbols, VALUE: Sym(hyper)}, shared.functions)
    late: dict[Sym, Expr] = {Sym("t"): Apply("-", (Sym("t"), Num("1")))}

    def item(one: Node) -> Node:
        return inward.item(mapped(one, lambda e: substitute(e, late)))

    added = [Part(item(p.item), p.source, True) for p in schedule.parts]
    return replace(joined(outer, schedule, [*kept, *added], shared),
                   claims=tuple((item(c), where) for c, where in schedule.claims))


def _without(part: Part, hyper: str) -> list[Part]:
    """A part without the declaration of a hyperparameter."""
    if not isinstance(part.item, HyperLine):
        return [part]
    items = tuple(h for h in part.item.items if h.name != hyper)
    return [replace(part, item=replace(part.item, items=items))] if items else []
