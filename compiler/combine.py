"""`extends` and `override`: the items of a spec and of the one that it extends, put together."""

from __future__ import annotations

from thetaprime.diagnostics import Diagnostic, SpecError, closest, report
from thetaprime.flat import Flat, Part
from thetaprime.source import Source, Span
from thetaprime.syntax import (
    AxisDecl,
    Cite,
    Claim,
    ConstDecl,
    Definition,
    Doc,
    DrawLine,
    EquationLine,
    Evaluate,
    Function,
    HyperLine,
    Item,
    Note,
    Override,
    StateDecl,
    Train,
)


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


def combine(
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
