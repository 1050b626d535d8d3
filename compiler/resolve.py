"""`extends`, `with` and `=`: syntax -> one flat optimizer; each part knows where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from thetaprime.aliases import spec_names
from thetaprime.diagnostics import Diagnostic, SpecError, closest, report
from thetaprime.expr import Expr
from thetaprime.source import Source, Span
from thetaprime.syntax import (
    AxisDecl,
    CaseBlock,
    Cite,
    Claim,
    ConstDecl,
    Definition,
    Doc,
    DrawLine,
    EquationLine,
    Evaluate,
    ForAxis,
    Function,
    HyperLine,
    Item,
    Later,
    Many,
    Note,
    Override,
    Route,
    SpecRef,
    StateDecl,
    Train,
    View,
)

NOT_YET: dict[type, str] = {
    Many: "operations with several results are", View: "`view` is",
    CaseBlock: "`case` is",
    ForAxis: "`for axis` is", Route: "`route` is"}

Find = Callable[[str, Source, Span], tuple[Definition, Source]]


@dataclass(frozen=True)
class Part:
    """One item, the source in which its spans count, and whether another spec brought it."""

    item: Item
    source: Source
    inherited: bool = False


@dataclass(frozen=True)
class Flat:
    """An optimizer without inheritance. ``bound`` are hyperparameters set by `with`."""

    name: str
    source: Source
    span: Span
    doc: str
    cites: tuple[str, ...]
    notes: tuple[str, ...]
    parts: tuple[Part, ...]
    bound: dict[str, Expr] = field(default_factory=dict)
    bound_sources: dict[str, Source] = field(default_factory=dict)
    claims: tuple[tuple[Claim, Source], ...] = ()


def resolve(
    definition: Definition, source: Source, find: Find, above: tuple[str, ...] = ()
) -> Flat:
    """The flat optimizer of a definition. ``find`` brings the definitions of other names.

    Raises SpecError: unknown or circular names, overrides of nothing, missing overrides.
    """
    problems: list[Diagnostic] = []
    if definition.kind != "optimizer":
        problems.append(report("not-yet", source, definition.span,
                               what=f"`{definition.kind}` modules are"))
    if definition.parameters:
        problems.append(report("not-yet", source, definition.span,
                               what="optimizers that take another one are"))
    for item in definition.items:
        if isinstance(item, Later):
            problems.append(report("not-yet", source, item.span, what=f"`{item.word}` is"))
        elif type(item) in NOT_YET:
            problems.append(report("not-yet", source, item.span, what=NOT_YET[type(item)]))
    if problems:
        raise SpecError(problems)
    reference = definition.extends or definition.value
    base = None
    if reference is not None:
        base = resolve_reference(reference, source, find, (*above, definition.name))
    own = [Part(item, source) for item in definition.items]
    parts = _combine(definition, own, base, source)
    texts = {kind: tuple(p.item.text for p in own if isinstance(p.item, kind))
             for kind in (Doc, Cite, Note)}
    return Flat(
        name=definition.name, source=source, span=definition.span,
        doc=" ".join(texts[Doc]) or (base.doc if base else ""),
        cites=texts[Cite] + (base.cites if base else ()),
        notes=texts[Note] + (base.notes if base else ()),
        parts=tuple(parts), bound=dict(base.bound) if base else {},
        bound_sources=dict(base.bound_sources) if base else {},
        claims=tuple((p.item, source) for p in own if isinstance(p.item, Claim)),
    )


def resolve_reference(
    ref: SpecRef, source: Source, find: Find, above: tuple[str, ...] = ()
) -> Flat:
    """The flat optimizer that ``AdamW with wd = 0`` names."""
    if ref.args or ref.on is not None:
        raise SpecError([report("not-yet", source, ref.span, what="composition of specs is")])
    place = Span(ref.span.start, ref.span.start + len(ref.name))
    if _key(ref.name) in map(_key, above):
        raise SpecError([report("spec-circle", source, place, name=ref.name)])
    definition, where = find(ref.name, source, place)
    base = resolve(definition, where, find, above)
    known = {item.name: item for part in base.parts if isinstance(part.item, HyperLine)
             for item in part.item.items}
    problems = []
    seen: set[str] = set()
    for binding in ref.bindings:
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
    base.bound.update({b.name: b.value for b in ref.bindings})
    base.bound_sources.update({b.name: source for b in ref.bindings})
    return base


def _key(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def defines(item: Item) -> tuple[str, ...]:
    """The names that an item defines, an equation's with its prime."""
    match item:
        case HyperLine(items):
            return tuple(h.name for h in items)
        case StateDecl(name) | ConstDecl(name) | AxisDecl(name) | Train(name) | DrawLine(name):
            return (name,)
        case Function(name):
            return (f"{name}()",)
        case EquationLine(target):
            return (target.name + "'" * target.prime,)
        case Evaluate():
            return ("eval",)
    return ()


_OWN_ONLY = (Doc, Cite, Note, Claim)


def _combine(
    definition: Definition, own: list[Part], base: Flat | None, source: Source
) -> list[Part]:
    """The base's parts without what is overridden, then the spec's own."""
    problems: list[Diagnostic] = []
    inherited = [Part(p.item, p.source, True) for p in base.parts] if base else []
    known = {name: i for i, p in enumerate(inherited) for name in defines(p.item)}
    replaced: dict[str, None] = {}
    kept: list[Part] = []
    for part in own:
        item = part.item
        if isinstance(item, _OWN_ONLY):
            continue
        if definition.value is not None:
            problems.append(report("no-derivation", source, item.span, name=definition.name,
                                   parent=definition.value.name))
            continue
        if isinstance(item, Override):
            if base is None:
                inner = source.text[item.item.span.start : item.item.span.end]
                problems.append(report("override-stray", source, Span(
                    item.span.start, item.span.start + len("override")), fixed=inner))
                continue
            for name in defines(item.item):
                if name not in known:
                    near = closest(name, list(known))
                    hint = f"did you mean `{near}`? " if near else ""
                    problems.append(report(
                        "override-nothing", source, item.item.span, name=name, parent=base.name,
                        hints=(f"{hint}What is new needs no `override`",)))
                replaced[name] = None
            kept.append(Part(item.item, source))
            continue
        for name in defines(item):
            if name in known and base is not None:
                text = source.text[item.span.start : item.span.end]
                problems.append(report("needs-override", source, item.span, name=name,
                                       parent=base.name, text=text.split("\n")[0]))
        kept.append(part)
    if problems:
        raise SpecError(problems)
    remaining = []
    for part in inherited:
        item = part.item
        if isinstance(item, HyperLine):
            items = tuple(h for h in item.items if h.name not in replaced)
            if items:
                remaining.append(Part(HyperLine(items, item.domain, item.span), part.source, True))
        elif not set(defines(item)) & set(replaced):
            remaining.append(part)
    return remaining + kept
