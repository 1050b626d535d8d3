"""Where an outer optimizer calls the one inside of it, and how its state is threaded.

``base(q)`` steps once. ``u1, b1 = base.step(q1)`` steps to b1, ``u2, base' = b1.step(q2)`` on to
what the base is after the step. ``base.descent`` is a part of the step that leads there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from thetaprime.diagnostics import Diagnostic, SpecError, closest, report
from thetaprime.expr import Apply, Expr, Sym, walk
from thetaprime.flat import Flat, Part
from thetaprime.made import PARTS, Wanted
from thetaprime.source import Source, Span
from thetaprime.syntax import (
    EquationLine,
    EveryBlock,
    Hold,
    IfBlock,
    Item,
    LoopBlock,
    Many,
    expressions,
)


@dataclass
class Call:
    """One call. ``node`` is replaced by the base's change, or, where it is ``x + base(q)``, by the
    new point; ``line`` is the line that it stands in, None where only parts of the step are read.

    ``target``: the line defines nothing else, so that the base's equation takes its place.
    ``after`` is the parameter itself for the call that says what the base is after the step;
    ``depth`` counts the calls to this one, ``length`` those of a whole step.
    """

    node: Expr | None
    new: bool
    line: Item | None
    source: Source
    span: Span
    q: Expr
    before: str
    after: str
    target: Sym | None = None
    conditional: bool = False
    depth: int = 1
    length: int = 1
    wanted: Wanted = field(default_factory=lambda: Wanted(False, False, False))
    ahead: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """A line that stands in a step itself, or in a block; where no call can stand, why."""

    line: Item
    source: Source
    conditional: bool
    bad: str


def find_calls(outer: Flat, name: str, point: str, gradient: str, where: Span) -> list[Call]:
    """The calls of the parameter ``name``, each after the one that it goes on from. Raises
    SpecError where its state is not threaded in one way."""
    places = [p for part in outer.parts for p in _places(part.item, part.source)]
    handles = _handles(places, name)
    problems: list[Diagnostic] = []
    calls: list[Call] = []
    parts: list[tuple[Apply, _Place]] = []
    for place in places:
        for expr in _own(place.line):
            for node, above in _nodes(expr):
                base, dot, what = node.op.partition(".")
                if base not in handles or (base != name and what != "step"):
                    continue
                if place.bad:
                    problems.append(report("base-in-loop", place.source, node.span, name=base,
                                           where=place.bad))
                elif not dot or what == "step":
                    call = _call(node, above, place, base, name, Sym(point))
                    (problems if isinstance(call, Diagnostic) else calls).append(call)  # type: ignore[arg-type]
                elif what not in PARTS or node.args:
                    near = closest(what, PARTS) or PARTS[0]
                    problems.append(report("base-part", place.source, node.span, name=base,
                                           part=what, hints=(f"`{base}.{near}`",)))
                else:
                    parts.append((node, place))
    if problems:
        raise SpecError(problems)
    return _threaded(calls, parts, name, Sym(gradient), outer, where)


def _places(item: Item, source: Source, conditional: bool = False) -> Iterator[_Place]:
    match item:
        case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise):
            yield _Place(item, source, conditional, "")
            for line in (*then, *otherwise):
                yield from _places(line, source, True)
        case EquationLine() | Many() | Hold():
            yield _Place(item, source, conditional, "")
        case LoopBlock():
            yield _Place(item, source, conditional, "a loop, which has many turns")
        case _:
            yield _Place(item, source, conditional, "a line that is no equation of the step")


def _own(line: Item) -> Iterator[Expr]:
    """The expressions of a line without those of the lines in it."""
    if isinstance(line, IfBlock | EveryBlock):
        line = replace(line, then=(), otherwise=())
    yield from expressions(line)


def _nodes(expr: Expr) -> Iterator[tuple[Apply, Apply | None]]:
    """Applications with what is directly around them."""
    if isinstance(expr, Apply):
        yield expr, None
    for node in walk(expr):
        if isinstance(node, Apply):
            yield from ((arg, node) for arg in node.args if isinstance(arg, Apply))


def _handles(places: list[_Place], name: str) -> set[str]:
    """The parameter, and the names of what it becomes in the middle of a step."""
    found = {name}
    steps = {p.line.targets[1].name: p.line.value.op for p in places
             if isinstance(p.line, Many) and isinstance(p.line.value, Apply)
             and p.line.value.op.endswith(".step") and len(p.line.targets) == 2}
    while new := {t for t, op in steps.items() if op.partition(".")[0] in found} - found:
        found |= new
    return found


def _call(
    node: Apply, above: Apply | None, place: _Place, base: str, name: str, point: Sym
) -> Call | Diagnostic:
    """The call that a node is, or what is wrong with it."""
    line = place.line
    if len(node.args) != 1:
        return report("bad-call", place.source, node.span, name=node.op, wanted="1 argument",
                      given=len(node.args), hints=(f"`{base}(q)`: the change for the gradient q",))
    call = Call(node, False, line, place.source, node.span, node.args[0], base, name,
                conditional=place.conditional)
    if node.op.endswith(".step"):
        pair = line.targets if isinstance(line, Many) and line.value is node else ()
        if len(pair) != 2 or pair[1].prime != (pair[1].name == name):
            return report("base-step", place.source, node.span, name=base, parameter=name)
        call.after, call.target = pair[1].name, pair[0]
        return call
    if base != name:
        return report("base-step", place.source, node.span, name=base, parameter=name)
    if above is not None and above.op == "+" and above.args[0] == point and (
            above.args[1] is node):
        call.node, call.new = above, True
    if isinstance(line, EquationLine) and line.value is call.node:
        call.target = line.target
    return call


def _threaded(
    calls: list[Call], parts: list[tuple[Apply, _Place]], name: str, gradient: Sym, outer: Flat,
    where: Span,
) -> list[Call]:
    """The calls with their places in the chain from the base to what it is after the step."""
    if not calls and not parts:
        raise SpecError([report("base-unused", outer.source, where, name=name)])
    if not calls:
        node, place = parts[0]
        calls = [Call(None, False, None, place.source, node.span, replace(gradient, span=node.span),
                      name, name)]
    by_hand = [c for c in calls if isinstance(c.line, Many)]
    final = [c for c in calls if c.after == name]
    if len(final) > 1:
        raise SpecError([report("base-twice", final[1].source, final[1].span, name=name)])
    if not final:
        last = by_hand[-1]
        raise SpecError([report("base-thread", last.source, last.span, name=name)])
    made = {c.after: c for c in calls if c.after != name}
    for call in calls:
        before = call.before
        while before != name:
            call.depth += 1
            if call.depth > len(calls):
                raise SpecError([report("base-thread", call.source, call.span, name=name)])
            before = made[before].before
        call.wanted = Wanted(call.new, call.node is not None and not call.new,
                             bool(parts) and call.after == name)
    for call in calls:
        call.length = final[0].depth
        call.conditional = final[0].conditional
    return sorted(calls, key=lambda c: c.depth)
