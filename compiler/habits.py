"""Habits from elsewhere: found in the text before it is parsed, so that all are told at once."""

from __future__ import annotations

import re

from thetaprime.diagnostics import Diagnostic, report
from thetaprime.messages import HABITS, UNICODE_FIXES
from thetaprime.source import Source, Span

_TEXT_OR_COMMENT = re.compile(r'"[^"\n]*"|#[^\n]*')


def blank(text: str) -> str:
    """The text with strings and comments replaced by spaces: every offset stays."""
    return _TEXT_OR_COMMENT.sub(lambda m: " " * len(m[0]), text)


def find_habits(source: Source) -> list[Diagnostic]:
    """A diagnostic for every place where another language shows through."""
    found: list[Diagnostic] = []
    offset = 0
    for line in blank(source.text).split("\n"):
        found += _in_line(source, line, offset)
        offset += len(line) + 1
    return found


def _in_line(source: Source, line: str, offset: int) -> list[Diagnostic]:
    taken: list[tuple[int, int]] = []
    found: list[tuple[int, Diagnostic]] = []
    for habit in HABITS:
        for match in habit.pattern.finditer(line):
            if match.start() == match.end():
                continue
            if any(a < match.end() and match.start() < b for a, b in taken):
                continue
            taken.append(match.span())
            start = match.start() + len(match[0]) - len(match[0].lstrip())
            text = match[0].strip()
            fixed = UNICODE_FIXES.get(text) or match.expand(habit.fixed)
            fixed = re.sub(r"''+", "'", fixed)
            span = Span(offset + start, offset + match.end())
            found.append((start, report(habit.code, source, span, found=text, fixed=fixed)))
    return [diagnostic for _, diagnostic in sorted(found, key=lambda pair: pair[0])]
