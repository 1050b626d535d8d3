"""syntax -> text: the canonical form of a spec.

``parse(format(s)) == parse(s)`` and ``format(format(s)) == format(s)``. Comments and single blank
lines stay where they were; everything else is printed from the tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from thetaprime.flat import Flat
from thetaprime.lines import (
    arm_text,
    exhaustion_text,
    head_text,
    header_text,
    line_text,
    store_text,
)
from thetaprime.parse import parse
from thetaprime.renaming import respanned
from thetaprime.render import spec_text
from thetaprime.source import NOWHERE, Source
from thetaprime.syntax import (
    CaseBlock,
    Definition,
    EveryBlock,
    ForAxis,
    Function,
    IfBlock,
    Item,
    LoopBlock,
    Numerics,
    Route,
)

WIDTH = 100
STEP = 2
_COMMENT = re.compile(r'"[^"\n]*"|(#[^\n]*)')


def flat_text(flat: Flat) -> str:
    """A spec that is made of others as one text, without comments."""
    printer = _Printer(Source("", ""))
    head = [f"optimizer {flat.name}", *([f'{" " * STEP}"{flat.doc}"'] if flat.doc else []),
            *(f'{" " * STEP}cite "{cite}"' for cite in flat.cites)]
    for part in flat.parts:
        printer.item(respanned(part.item, NOWHERE), STEP)
    return "\n".join([*head, *printer.lines]) + "\n"


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
            printer.place(node.span.start, node.span.end, header_text(node), 0)
            for item in node.items:
                printer.item(item, STEP)
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

    def place(self, start: int, end: int, text: str, indent: int) -> None:
        """One statement at its place: comments above it, its text, the comment behind it."""
        first = self.source.position(start)[0]
        final = self.source.position(max(end - 1, start))[0]
        self._above(first, indent)
        self._blank(first)
        inside = []
        while self.comments and self.comments[0][0] <= final:
            inside.append(self.comments.pop(0))
        for _, comment, _ in inside[:-1]:
            self.lines.append(" " * indent + comment)
        behind = ""
        if inside:
            _, comment, alone = inside[-1]
            if alone or "\n" in text:
                self.lines.append(" " * indent + comment)
            else:
                behind = f"  {comment}"
        self.lines.extend((" " * indent + line).rstrip() for line in text.split("\n"))
        self.lines[-1] += behind
        self.last = final

    def _above(self, line: int, indent: int) -> None:
        while self.comments and self.comments[0][0] < line:
            where, comment, _ = self.comments.pop(0)
            self._blank(where)
            self.lines.append(" " * indent + comment)
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

    def item(self, item: Item, indent: int) -> None:
        match item:
            case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise):
                self.place(item.span.start, item.span.end, head_text(item), indent)
                self._suites(then, otherwise, indent)
            case Function(_, _, _, items, result, span) if items:
                self.place(span.start, span.start + len("fn "), head_text(item), indent)
                self._all(items, indent + STEP)
                self.place(result.span.start, result.span.end, f"return {spec_text(result)}",
                           indent + STEP)
            case LoopBlock(_, _, _, _, body, _, _, exhaustion):
                head = head_text(item)
                self.place(item.span.start, item.span.end, head, indent)
                # What a search tries stands under the word.
                inner = indent + (head.index("= search") + 2 if item.kind == "search" else 0)
                self._all(body, inner + STEP)
                if exhaustion is not None:
                    place = exhaustion.span
                    self.place(place.start, place.end, exhaustion_text(exhaustion), inner)
            case CaseBlock(_, items) | ForAxis(_, _, items):
                self.place(item.span.start, item.span.end, head_text(item), indent)
                self._all(items, indent + STEP)
            case Numerics(stores):
                self.place(item.span.start, item.span.end, head_text(item), indent)
                for store in stores:
                    self.place(store.span.start, store.span.end, store_text(store), indent + STEP)
            case Route(arms):
                self.place(item.span.start, item.span.end, head_text(item), indent)
                for arm in arms:
                    self.place(arm.span.start, arm.span.end, arm_text(arm), indent + STEP)
            case _:
                width = WIDTH - indent
                self.place(item.span.start, item.span.end, line_text(item, width), indent)

    def _all(self, items: tuple[Item, ...], indent: int) -> None:
        for item in items:
            self.item(item, indent)

    def _suites(self, then: tuple[Item, ...], otherwise: tuple[Item, ...], indent: int) -> None:
        self._all(then, indent + STEP)
        if otherwise:
            self.lines.append(" " * indent + "else:")
            # The `else` line has no place of its own in the tree; what stands there stays inside.
            self.last = self.source.position(otherwise[0].span.start)[0] - 1
            self._all(otherwise, indent + STEP)
