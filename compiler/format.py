"""syntax -> text: the canonical form of a spec.

``parse(format(s)) == parse(s)`` and ``format(format(s)) == format(s)``. Comments and single blank
lines stay where they were; everything else is printed from the tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from thetaprime.expr import Apply, Expr
from thetaprime.parse import parse
from thetaprime.render import spec_text
from thetaprime.source import Source
from thetaprime.syntax import (
    AxisDecl,
    Change,
    Choices,
    Cite,
    Claim,
    ConstDecl,
    Definition,
    Doc,
    DrawLine,
    EquationLine,
    Evaluate,
    EveryBlock,
    Fact,
    Function,
    Hold,
    HyperItem,
    HyperLine,
    IfBlock,
    Interval,
    Item,
    Later,
    Note,
    Override,
    Param,
    SpecRef,
    StateDecl,
    Train,
    TypeName,
)

WIDTH = 100
INDENT = "  "
_COMMENT = re.compile(r'"[^"\n]*"|(#[^\n]*)')


def format_text(text: str, name: str = "<text>") -> str:
    """The canonical text of a spec file. Raises SpecError when it cannot be read."""
    source = Source(name, text)
    file = parse(source)
    printer = _Printer(source)
    bodies: list[Function | Definition] = sorted(
        (*file.functions, *file.definitions), key=lambda node: node.span.start)
    for node in bodies:
        if isinstance(node, Function):
            printer.item(node, 0)
        else:
            printer.place(node.span.start, node.span.end, _header(node), 0)
            for item in node.items:
                printer.item(item, 1)
    printer.rest()
    return "\n".join(printer.lines) + "\n"


@dataclass
class _Printer:
    """Prints items in order and weaves in the comments and blank lines of the source."""

    source: Source
    lines: list[str] = field(default_factory=list)
    comments: list[tuple[int, str, bool]] = field(default_factory=list)
    last: int = 0

    def __post_init__(self) -> None:
        for match in _COMMENT.finditer(self.source.text):
            if match[1]:
                line, column = self.source.position(match.start(1))
                alone = not self.source.line(line)[: column - 1].strip()
                self.comments.append((line, match[1].rstrip(), alone))

    def place(self, start: int, end: int, text: str, depth: int) -> None:
        """One statement at its place: comments above it, its text, the comment behind it."""
        first = self.source.position(start)[0]
        final = self.source.position(max(end - 1, start))[0]
        self._above(first, depth)
        self._blank(first)
        inside = []
        while self.comments and self.comments[0][0] <= final:
            inside.append(self.comments.pop(0))
        for _, comment, _ in inside[:-1]:
            self.lines.append(INDENT * depth + comment)
        behind = ""
        if inside:
            _, comment, alone = inside[-1]
            if alone or "\n" in text:
                self.lines.append(INDENT * depth + comment)
            else:
                behind = f"  {comment}"
        self.lines.extend((INDENT * depth + line).rstrip() for line in text.split("\n"))
        self.lines[-1] += behind
        self.last = final

    def _above(self, line: int, depth: int) -> None:
        while self.comments and self.comments[0][0] < line:
            where, comment, _ = self.comments.pop(0)
            self._blank(where)
            self.lines.append(INDENT * depth + comment)
            self.last = where

    def _blank(self, line: int) -> None:
        if self.lines and line > self.last + 1 and not self.source.line(line - 1).strip():
            self.lines.append("")

    def rest(self) -> None:
        """Comments after the last statement."""
        for line, comment, _ in self.comments:
            self._blank(line)
            self.lines.append(comment)
            self.last = line
        self.comments = []

    def item(self, item: Item, depth: int) -> None:
        match item:
            case IfBlock(condition, then, otherwise, span):
                self.place(span.start, span.end, f"if {spec_text(condition)}:", depth)
                self._suites(then, otherwise, depth)
            case EveryBlock(period, start, then, otherwise, span):
                self.place(span.start, span.end,
                           f"every {spec_text(period)} from {spec_text(start)}:", depth)
                self._suites(then, otherwise, depth)
            case Function(name, parameters, extents, items, result, span) if items:
                over = f" over {', '.join(extents)}" if extents else ""
                head = span.start + len("fn ")
                self.place(span.start, head, f"fn {name}({', '.join(parameters)}{over}):", depth)
                for inner in items:
                    self.item(inner, depth + 1)
                self.place(result.span.start, result.span.end, f"return {spec_text(result)}",
                           depth + 1)
            case _:
                width = WIDTH - len(INDENT) * depth
                self.place(item.span.start, item.span.end, _line(item, width), depth)

    def _suites(self, then: tuple[Item, ...], otherwise: tuple[Item, ...], depth: int) -> None:
        for inner in then:
            self.item(inner, depth + 1)
        if otherwise:
            self.lines.append(INDENT * depth + "else:")
            # The `else` line has no place of its own in the tree; what stands there stays inside.
            self.last = self.source.position(otherwise[0].span.start)[0] - 1
            for inner in otherwise:
                self.item(inner, depth + 1)


def _header(node: Definition) -> str:
    parameters = f"({', '.join(node.parameters)})" if node.parameters else ""
    text = f"{node.kind} {node.name}{parameters}"
    if node.extends is not None:
        text += f" extends {reference_text(node.extends)}"
    if node.value is not None:
        text += f" = {reference_text(node.value)}"
    return text


def reference_text(ref: SpecRef) -> str:
    """``AdamW with wd = 0`` as the user writes it."""
    args = [reference_text(a) if isinstance(a, SpecRef) else spec_text(a) for a in ref.args]
    text = ref.name + (f"({', '.join(args)})" if args else "")
    if ref.bindings:
        bound = ", ".join(f"{b.name} = {spec_text(b.value)}" for b in ref.bindings)
        text += f" with {bound}"
    if ref.on is not None:
        text += f" on {reference_text(ref.on)}"
    return text


def _line(item: Item, width: int) -> str:
    match item:
        case Doc(text):
            return f'"{text}"'
        case Cite(text):
            return f'cite "{text}"'
        case Note(text):
            return f'note "{text}"'
        case Param(name, kind):
            return f"param {name}{_type(kind)}"
        case AxisDecl(name, length):
            return f"axis {name}" + (f"[{length}]" if length else "")
        case HyperLine(items, domain):
            inside = f" in {_domain(domain)}" if domain is not None else ""
            return f"hyper {', '.join(map(_hyper, items))}{inside}"
        case StateDecl(name, kind, how, value):
            sign = {"=": "= ", "first": "= first ", "~": "~ "}[how]
            return _broken(f"state {item.spelled or name}{_type(kind)} {sign}", value, width)
        case ConstDecl(name, kind, value):
            return _broken(f"const {item.spelled or name}{_type(kind)} = ", value, width)
        case Train(name, value):
            return _broken(f"train {item.spelled or name} = ", value, width)
        case Evaluate(name, value):
            return _broken(f"eval {name} = " if name else "eval ", value, width)
        case EquationLine(target, value):
            return _broken(f"{target} = ", value, width)
        case DrawLine(name, value, kind):
            return f"{item.spelled or name} ~ {spec_text(value)}{_type(kind)}"
        case Hold(condition):
            return f"hold when {spec_text(condition)}"
        case Override(inner):
            return "override " + _line(inner, width - len("override "))
        case Function(name, parameters, extents, _, result):
            over = f" over {', '.join(extents)}" if extents else ""
            return _broken(f"fn {name}({', '.join(parameters)}{over}) = ", result, width)
        case Claim():
            return _claim(item)
        case Later(_, text):
            return text
    raise AssertionError(f"{type(item).__name__} has suites of its own")


def _type(kind: TypeName | None) -> str:
    return "" if kind is None else f" : {kind.base}" + (
        f"[{', '.join(kind.axes)}]" if kind.axes else "")


def _hyper(item: HyperItem) -> str:
    default = "" if item.default is None else f" = {spec_text(item.default)}"
    return f"{item.spelled or item.name}{_type(item.type)}{default}"


def _domain(domain: Interval | Choices) -> str:
    if isinstance(domain, Choices):
        return f"{{{', '.join(domain.names)}}}"
    return (f"{'[' if domain.low_closed else '('}{spec_text(domain.low)}, "
            f"{spec_text(domain.high)}{']' if domain.high_closed else ')'}")


def _fact(fact: Fact) -> str:
    return spec_text(fact.left) + ("" if fact.right is None else f" = {spec_text(fact.right)}")


def _claim(claim: Claim) -> str:
    subject = claim.subject
    if isinstance(subject, Fact):
        text = _fact(subject)
    elif isinstance(subject, SpecRef):
        text = f"equals {reference_text(subject)}"
    elif claim.form == "cost":
        text = "at most " + " ".join(str(word) for word in subject)
    elif claim.form == "symmetry":
        text = "invariant under " + " ".join(str(word) for word in subject)
    else:
        changes = (c for c in subject if isinstance(c, Change))
        text = "invariant under " + ", ".join(
            f"{c.target} -> {spec_text(c.value)}" for c in changes)
    when = " and ".join(map(_fact, claim.when))
    return f"claim {text}" + (f" when {when}" if when else "")


def _broken(head: str, value: Expr, width: int) -> str:
    """``head value`` on one line, or in parentheses broken at its outermost sums or branches."""
    text = head + spec_text(value)
    if len(text) <= width:
        return text
    parts = list(_parts(value))
    if len(parts) == 1:
        return text
    return head + "(" + ("\n" + " " * (len(head) + 1)).join(parts) + ")"


def _parts(value: Expr) -> Iterator[str]:
    match value:
        case Apply("+" | "-" as op, (left, right)):
            yield from _parts(left)
            shown = spec_text(Apply(op, (Apply("pi"), right)))
            yield shown.removeprefix("pi ")
        case Apply("if", (condition, then, otherwise)):
            yield f"if {spec_text(condition)} then {spec_text(then)}"
            for index, part in enumerate(_parts(otherwise)):
                yield f"else {part}" if index == 0 else part
        case _:
            yield spec_text(value)
