"""Each tensor to an optimizer of its own: ``route(rank == 2 -> Muon, otherwise -> AdamW)``.

Each arm becomes a case with the states and equations of its optimizer, of which each says what
``x'`` is for the tensors of that case.
"""

from __future__ import annotations

import re
from collections import Counter

from thetaprime.build import canonical
from thetaprime.coverage import both, implies_matrix, neither, witness
from thetaprime.diagnostics import Diagnostic, SpecError, report
from thetaprime.expr import Expr, Sym
from thetaprime.flat import Flat, Part
from thetaprime.inner import Inner, inner
from thetaprime.made import NEW, Wanted, made
from thetaprime.renaming import Renaming, defined, functions, respanned
from thetaprime.source import Source, Span
from thetaprime.syntax import (
    Arm,
    BatchLine,
    CaseBlock,
    ConstDecl,
    Item,
    Param,
    StateDecl,
    View,
)

POINT, GRADIENT = "x", "g"


def routed(arms: tuple[Arm, ...], specs: list[Flat], source: Source, span: Span) -> Flat:
    """The optimizer that does for each tensor what its arm says. Raises SpecError for a tensor
    that no arm takes, or that two take."""
    problems = _shadowed(arms, source) or [
        *_gaps(arms, source, span), *_overlaps(arms, source), *_shapes(arms, specs, source)]
    for arm, spec in zip(arms, specs, strict=True):
        if inner(spec).evaluate is not None:
            problems.append(report("not-yet", source, arm.spec.span,
                                   what="`eval` in an arm of a route is"))
    if problems:
        raise SpecError(problems)
    names = _names(arms, specs)
    parts: list[Part] = []
    cases: list[Part] = []
    bound: dict[str, Expr] = {}
    bound_sources: dict[str, Source] = {}
    for arm, spec, renaming in zip(arms, specs, names, strict=True):
        one = inner(spec)
        hoisted, items = _arm(one, renaming)
        parts += [p for p in hoisted if p.item not in [q.item for q in parts]]
        case = CaseBlock(arm.condition, respanned(tuple(items), arm.spec.span), arm.span)
        cases.append(Part(case, source, True))
        bound |= {renaming.name(n): renaming.expr(e) for n, e in spec.bound.items()}
        bound_sources |= {renaming.name(n): s for n, s in spec.bound_sources.items()}
    cites = dict.fromkeys(c for s in specs for c in s.cites)
    notes = dict.fromkeys(n for s in specs for n in s.notes)
    return Flat("Route", source, span, "", tuple(cites), tuple(notes), (*parts, *cases), bound,
                bound_sources,
                sources=tuple(dict.fromkeys(t for s in specs for t in s.sources)))


def _arm(one: Inner, names: Renaming) -> tuple[list[Part], list[Item]]:
    """What an arm declares for the whole step, and what stands in its case."""
    named = Renaming({**names.symbols, Sym(one.point): Sym(POINT), NEW: Sym(POINT, True),
                      Sym(one.gradient): Sym(GRADIENT)}, names.functions)
    told = made(one, Wanted(new=True, change=False, parts=False)).statements
    hoisted: list[Part] = []
    items: list[Item] = []
    if one.shape is not None and one.shape[0].type is not None:
        items.append(View(POINT, one.shape[0].type))
    for part in (*one.declarations, *told):
        item = named.item(part.item)
        own = part in told and not isinstance(item, BatchLine)
        if own or isinstance(item, StateDecl | ConstDecl | View):
            items.append(item)
        else:
            hoisted.append(Part(item, part.source, True))
    return hoisted, items


def _names(arms: tuple[Arm, ...], specs: list[Flat]) -> list[Renaming]:
    """New names for what two arms define: each gets that of its optimizer in front. What `with`
    has set gives way to what a user can still set."""
    own = [{*defined(inner(s).items()), *functions(inner(s).items())} - {POINT, inner(s).point}
           for s in specs]
    wanted = Counter(n for names, s in zip(own, specs, strict=True) for n in names - {*s.bound})
    every = Counter(n for names in own for n in names)
    prefixes: Counter[str] = Counter()
    found = []
    taken = {n for names in own for n in names}
    for arm, names, spec in zip(arms, own, specs, strict=True):
        stem = re.sub(r"\W+", "_", canonical(arm.spec.name)).lower()
        prefixes[stem] += 1
        prefix = stem if prefixes[stem] == 1 else f"{stem}{prefixes[stem]}"
        new = {}
        for name in sorted(names):
            if (every[name] if name in spec.bound else wanted[name]) > 1:
                new[name] = f"{prefix}_{name}"
                while new[name] in taken:
                    new[name] = f"{prefix}_{new[name]}"
        called = functions(inner(spec).items())
        found.append(Renaming(
            {Sym(n, prime): Sym(m, prime) for n, m in new.items() if n not in called
             for prime in (False, True)}, {n: m for n, m in new.items() if n in called}))
    return found


def _shadowed(arms: tuple[Arm, ...], source: Source) -> list[Diagnostic]:
    """`otherwise` is what is left: it comes last."""
    return [report("route-order", source, arm.span) for arm in arms[:-1] if arm.condition is None]


def _gaps(arms: tuple[Arm, ...], source: Source, span: Span) -> list[Diagnostic]:
    conditions = [a.condition for a in arms if a.condition is not None]
    if len(conditions) < len(arms):
        return []
    lost = witness(neither(conditions))
    return [] if lost is None else [report("route-gap", source, span, tensor=lost)]


def _overlaps(arms: tuple[Arm, ...], source: Source) -> list[Diagnostic]:
    found = []
    for i, later in enumerate(arms):
        for earlier in arms[:i]:
            if later.condition is None or earlier.condition is None:
                continue
            twice = witness(both(earlier.condition, later.condition))
            if twice is not None:
                first = source.text[earlier.condition.span.start : earlier.condition.span.end]
                found.append(report("route-overlap", source, later.condition.span, tensor=twice,
                                    first=first))
    return found


def _shapes(arms: tuple[Arm, ...], specs: list[Flat], source: Source) -> list[Diagnostic]:
    """A spec for matrices gets matrices only."""
    found = []
    before: list[Expr] = []
    for arm, spec in zip(arms, specs, strict=True):
        matrix = any(isinstance(p.item, Param) and p.item.type is not None
                     and p.item.type.base == "matrix" for p in spec.parts)
        condition = neither(before) if arm.condition is None else arm.condition
        other = implies_matrix(condition) if matrix else None
        if other is not None:
            found.append(report("route-shape", source, arm.spec.span, name=arm.spec.name,
                                tensor=other))
        before += [arm.condition] if arm.condition is not None else []
    return found

