"""`extends`, `with`, `=`, and specs made of specs: syntax -> one flat optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from thetaprime.aliases import spec_names
from thetaprime.combine import combine
from thetaprime.compose import composed
from thetaprime.diagnostics import Diagnostic, SpecError, closest, report
from thetaprime.expr import Apply, Expr, Sym, walk
from thetaprime.flat import Flat, Part
from thetaprime.modules import check_module, scheduled, transformed
from thetaprime.ops import OPS
from thetaprime.route import routed
from thetaprime.source import Source, Span
from thetaprime.syntax import (
    Answered,
    Arm,
    AxisDecl,
    Binding,
    Cite,
    Claim,
    Definition,
    Doc,
    HyperLine,
    Later,
    Many,
    Note,
    Route,
    SpecRef,
    expressions,
)

ROUTE = "route"


class Find(Protocol):
    """Brings the definition that a name means; ``applied``: one that takes other specs."""

    def __call__(
        self, name: str, source: Source, span: Span, applied: bool = False
    ) -> tuple[Definition, Source]: ...


@dataclass(frozen=True)
class Scope:
    """What surrounds a definition: how names are found, the specs that its parameters stand for,
    and the definitions that lead here."""

    find: Find
    given: Mapping[str, Flat] = field(default_factory=dict)
    above: tuple[str, ...] = ()


def resolve(definition: Definition, source: Source, scope: Scope) -> Flat:
    """The flat form of a definition, whose parameters are given.

    Raises SpecError: unknown or circular names, overrides of nothing, missing overrides, wrong
    kinds of specs, calls of inner optimizers that do not fit.
    """
    problems = [*_not_yet(definition, source)]
    missing = [p for p in definition.parameters if p not in scope.given]
    if missing:
        problems.append(_count(definition.name, definition.parameters, 0, source, definition.span))
    if problems:
        raise SpecError(problems)
    within = replace(scope, above=(*scope.above, _key(definition.name, bool(scope.given))))
    reference = definition.extends or definition.value
    base = None if reference is None else resolve_reference(
        reference, source, within, definition.kind)
    own = [Part(item, source) for item in definition.items]
    route = next((i for i in definition.items if isinstance(i, Route)), None)
    if route is not None:
        base = _routed(route.arms, source, route.span, within, definition)
        own = [p for p in own if p.item is not route]
    parts = combine(definition, own, base, source)
    texts = {kind: tuple(p.item.text for p in own if isinstance(p.item, kind))
             for kind in (Doc, Cite, Note)}
    flat = Flat(
        name=definition.name, source=source, span=definition.span,
        doc=" ".join(texts[Doc]) or (base.doc if base else ""),
        cites=texts[Cite] + (base.cites if base else ()),
        notes=texts[Note] + (base.notes if base else ()),
        parts=tuple(parts), bound=dict(base.bound) if base else {},
        bound_sources=dict(base.bound_sources) if base else {},
        claims=tuple((p.item, source) for p in own if isinstance(p.item, Claim)),
        kind=definition.kind,
        sources=tuple(dict.fromkeys((source, *(base.sources if base else ())))),
    )
    passed_on = {r.name for r in _references(reference)}
    for name in definition.parameters:
        if name not in passed_on or _mentions(definition, name):
            flat = composed(flat, name, scope.given[name], definition.span)
    problems = [*check_module(flat), *_unthreaded(flat), *_unanswered(flat)]
    if problems:
        raise SpecError(problems)
    return flat


def _unthreaded(flat: Flat) -> Iterator[Diagnostic]:
    """Steps of what is no inner optimizer."""
    for part in flat.parts:
        if isinstance(part.item, Many) and _is_step(part.item):
            yield report("undefined-function", part.source, part.item.value.span,
                         name=getattr(part.item.value, "op", ""), hints=(
                "`step` is of an optimizer that the spec takes: `optimizer NAME(base)`",))


def _is_step(line: Many) -> bool:
    return isinstance(line.value, Apply) and line.value.op.endswith(".step")


def _not_yet(definition: Definition, source: Source) -> Iterator[Diagnostic]:
    for item in definition.items:
        if isinstance(item, Later):
            yield report("not-yet", source, item.span, what=f"`{item.word}` is")
        elif isinstance(item, Route) and any(
                not isinstance(i, Doc | Cite | Note | Claim | Route) for i in definition.items):
            yield report("route-alone", source, item.span)


def _references(ref: SpecRef | None) -> Iterator[SpecRef]:
    """A reference and all those in it."""
    if ref is None:
        return
    yield ref
    for arg in (*ref.args, ref.on):
        if isinstance(arg, Arm):
            yield from _references(arg.spec)
        elif isinstance(arg, SpecRef):
            yield from _references(arg)


def _mentions(definition: Definition, name: str) -> bool:
    """Whether the body itself calls a parameter."""
    return any(isinstance(n, Apply) and n.op.partition(".")[0] == name
               for item in definition.items for e in expressions(item) for n in walk(e))


def resolve_reference(ref: SpecRef, source: Source, scope: Scope, wanted: str = "optimizer"
                      ) -> Flat:
    """The flat form of what ``Lookahead(SAM(AdamW), k = 6)`` names, which must be ``wanted``."""
    place = Span(ref.span.start, ref.span.start + len(ref.name))
    if ref.name == ROUTE and any(isinstance(a, Arm) for a in ref.args):
        arms = tuple(a for a in ref.args if isinstance(a, Arm))
        found = _routed(arms, source, place, scope, None)
        return _finished(found, ref, source, scope, wanted, place)
    inside = [a for a in ref.args if isinstance(a, SpecRef)]
    if ref.name in scope.given:
        found = scope.given[ref.name]
        if inside:
            raise SpecError([_count(ref.name, (), len(inside), source, place)])
        return _finished(found, ref, source, scope, wanted, place)
    if _key(ref.name, bool(inside)) in scope.above:
        raise SpecError([report("spec-circle", source, place, name=ref.name)])
    definition, where = scope.find(ref.name, source, place, bool(inside))
    if len(inside) != len(definition.parameters):
        raise SpecError([_count(ref.name, definition.parameters, len(inside), source, place)])
    given = {name: resolve_reference(arg, source, scope)
             for name, arg in zip(definition.parameters, inside, strict=True)}
    found = resolve(definition, where, replace(scope, given=given))
    return _finished(found, ref, source, scope, wanted, place)


def _finished(
    found: Flat, ref: SpecRef, source: Source, scope: Scope, wanted: str, place: Span
) -> Flat:
    """A spec with the hyperparameters of its reference set, and a transform in front."""
    if found.kind != wanted:
        raise SpecError([wrong_kind(found, wanted, ref.name, source, place)])
    found = _bound(found, ref, source, scope)
    if ref.on is not None:
        front = resolve_reference(ref.on, source, scope, "transform")
        found = transformed(found, front)
    return found


def _routed(
    arms: tuple[Arm, ...], source: Source, span: Span, scope: Scope, named: Definition | None
) -> Flat:
    specs = [resolve_reference(arm.spec, source, scope) for arm in arms]
    found = routed(arms, specs, source, span)
    return found if named is None else replace(found, name=named.name)


def wrong_kind(found: Flat, wanted: str, name: str, source: Source, place: Span) -> Diagnostic:
    """A spec of one kind where another is wanted."""
    hint = {"transform": f"a transform stands behind `on`: `AdamW on {name}`",
            "optimizer": "a transform changes the gradient for an optimizer: `AdamW on clip_norm`",
            "schedule": f"a schedule is a hyperparameter: `AdamW with lr = {name}(...)`"}
    return report("wrong-kind", source, place, name=name, kind=_article(found.kind),
                  wanted=_article(wanted), hints=(hint[found.kind],))


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _unanswered(flat: Flat) -> Iterator[Diagnostic]:
    """Answers to what is no inner optimizer, or to what it cannot be answered."""
    for part in flat.parts:
        if isinstance(part.item, Answered):
            item = part.item
            yield report("base-oracle", part.source, Span(
                item.span.start, item.span.start + len(item.name)), name=item.name)


def _count(
    name: str, parameters: tuple[str, ...], given: int, source: Source, span: Span
) -> Diagnostic:
    """A spec with too many or too few others in its parentheses."""
    words = {0: "no other spec", 1: "one optimizer"}
    wanted = words.get(len(parameters), f"{len(parameters)} optimizers")
    example = ", ".join(("AdamW", "SGD", "Lion")[: len(parameters)])
    hint = f"`{name}({example})`" if parameters else f"`{name}`, or `{name} with lr = 0.1`"
    number = {0: "none is", 1: "one is"}.get(given, f"{given} are")
    return report("spec-count", source, span, name=name, wanted=wanted, given=number,
                  hints=(hint,))


def _bound(base: Flat, ref: SpecRef, source: Source, scope: Scope) -> Flat:
    """The spec with hyperparameters set, by place (``clip_norm(1.0)``) and by name."""
    known = {item.name: item for part in base.parts if isinstance(part.item, HyperLine)
             for item in part.item.items}
    free = [n for n in known if n not in base.bound]
    numbers = [a for a in ref.args if not isinstance(a, SpecRef | Arm)]
    problems = []
    if len(numbers) > len(free):
        problems.append(report("too-many-numbers", source, numbers[len(free)].span, name=ref.name,
                               known=", ".join(free) or "none"))
    by_place = [Binding(n, a, a.span) for n, a in zip(free, numbers, strict=False)]
    seen: set[str] = set()
    for binding in (*by_place, *ref.bindings):
        if binding.name in seen:
            problems.append(report("duplicate-name", source, binding.span, name=binding.name))
        seen.add(binding.name)
        if binding.name not in known:
            own, _ = spec_names({binding.name: 0}, list(known))
            near = next(iter(own), None) or closest(binding.name, list(known))
            hint = f"did you mean `{near}`?" if near else f"it has {', '.join(known) or 'none'}"
            span = Span(binding.span.start, binding.span.start + len(binding.name))
            problems.append(report("unknown-hyper", source, span, spec=ref.name,
                                   name=binding.name, hints=(hint,)))
    if problems:
        raise SpecError(problems)
    for binding in (*by_place, *ref.bindings):
        is_hyper = binding.value in [Sym(n) for n in known]
        if isinstance(binding.value, Apply) and binding.value.op == "list":
            base = _listed(base, binding, source)
            continue
        schedule = None if is_hyper else _schedule(binding, source, scope)
        if schedule is not None:
            base = scheduled(base, binding.name, schedule)
            continue
        base = replace(base, bound={**base.bound, binding.name: binding.value},
                       bound_sources={**base.bound_sources, binding.name: source})
    return base


def _listed(base: Flat, binding: Binding, source: Source) -> Flat:
    """Another list gives the axis another length, so that it stays a hyperparameter, of another
    default."""
    axes = {part.item.name for part in base.parts if isinstance(part.item, AxisDecl)}
    parts: list[Part] = []
    for part in base.parts:
        line = part.item
        if not isinstance(line, HyperLine) or binding.name not in [i.name for i in line.items]:
            parts.append(part)
            continue
        (own,) = (i for i in line.items if i.name == binding.name)
        if own.type is None or own.type.base not in axes:
            raise SpecError([report("stray-list", source, binding.value.span)])
        rest = tuple(i for i in line.items if i is not own)
        listed = replace(line, span=binding.span, items=(
            replace(own, default=binding.value, span=binding.span),))
        parts += [replace(part, item=replace(line, items=rest))] if rest else []
        parts.append(Part(listed, source, part.inherited))
    return replace(base, parts=tuple(parts))


def _schedule(binding: Binding, source: Source, scope: Scope) -> Flat | None:
    """``lr = warmup_cosine(1e-3, 1000)`` or ``lr = halving``: the schedule, if it is one."""
    value = binding.value
    match value:
        case Sym(name, False):
            args: tuple[Expr, ...] = ()
        case Apply(name, args, ()) if name.isidentifier() and name not in OPS:
            pass
        case _:
            return None
    ref = SpecRef(name, args, (), None, value.span)
    try:
        scope.find(name, source, value.span)
    except SpecError:
        return None
    return resolve_reference(ref, source, scope, "schedule")


def _key(name: str, applied: bool) -> str:
    """What two spellings of a name share; a spec that takes others is another than one that takes
    none."""
    return name.lower().replace("-", "").replace("_", "") + "()" * applied
