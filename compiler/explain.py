"""Errors of the parser -> diagnostics in the words of the language."""

from __future__ import annotations

import re

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken
from lark.indenter import DedentError

from thetaprime.diagnostics import Diagnostic, report
from thetaprime.explain_line import Place, say
from thetaprime.habits import blank
from thetaprime.source import Source, Span

TAB = 8


def explain(error: Exception, source: Source, text: str) -> tuple[Diagnostic, int]:
    """The diagnostic for an error of the parser, and the offset where it stands."""
    if isinstance(error, DedentError):
        offset = _bad_dedent(text)
        return _indent(source, text, offset, "no block above starts at this column"), offset
    if isinstance(error, UnexpectedCharacters):
        offset = error.pos_in_stream or 0
        return report("bad-character", source, Span(offset, min(offset + 1, source.end)),
                      found=text[offset]), offset
    if isinstance(error, UnexpectedEOF) or not isinstance(error, UnexpectedToken):
        return report("empty-spec", source, Span(source.end, source.end)), source.end
    token: Token = error.token
    offset = token.start_pos if token.start_pos is not None else len(text)
    expected = set(error.accepts or error.expected)
    at_end = token.type in ("_NL", "$END")
    if token.type in ("_INDENT", "_DEDENT") or expected <= {"_INDENT"}:
        return _explain_block(token, source, text)
    if token.type == "$END" and "KIND" in expected:
        return report("empty-spec", source, Span(source.end, source.end)), offset
    if at_end:
        # The message belongs to the end of the line's text, not to the blank space after it.
        before = blank(text[:offset])
        offset = len(before.rstrip())
    line_start = text.rfind("\n", 0, offset) + 1
    line_end = text.find("\n", line_start)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    word = re.match(r"[^\W\d]\w*|\S", text[offset:])
    width = 1 if at_end or word is None else len(word[0])
    offset = min(offset, source.end)
    span = Span(offset, min(offset + width, source.end))
    place = Place(source, span, line, offset - line_start, expected)
    found = None if at_end else token
    return say(place, found), offset


# Blocks.


def _explain_block(token: Token, source: Source, text: str) -> tuple[Diagnostic, int]:
    at = token.start_pos if token.start_pos is not None else len(text)
    if token.type in ("_INDENT", "_DEDENT"):
        # The newline token starts at the end of the line before the one that is indented.
        at = text.find("\n", at) + 1
    body = re.compile(r"(?:[^\S\n]*(?:#[^\n]*)?\n)*[^\S\n]*(?=[^\s#])").match(text, at)
    offset = body.end() if body is not None else min(at, len(text))
    if token.type == "_INDENT":
        why = "deeper than the line above, which opens no block"
    else:
        why = "a block must stand here, indented under the line above"
    return _indent(source, text, offset, why), offset


def _indent(source: Source, text: str, offset: int, why: str) -> Diagnostic:
    mixed = re.search(r"^ +\S", text, re.MULTILINE) and re.search(r"^ *\t", text, re.MULTILINE)
    hints = (f"indent with spaces only: this file mixes them with tabs, and a tab ends at a "
             f"multiple of {TAB}",) if mixed else ()
    offset = min(offset, source.end)
    return report("bad-indent", source, Span(offset, min(offset + 1, source.end)), why=why,
                  hints=hints)


def _bad_dedent(text: str) -> int:
    """Offset of the first line whose indentation returns to no level that is open."""
    levels = [0]
    depth = 0
    offset = 0
    for line in blank(text).split("\n"):
        content = line.strip()
        if content and depth == 0:
            wide = line.expandtabs(TAB)
            indent = len(wide) - len(wide.lstrip())
            if indent > levels[-1]:
                levels.append(indent)
            while indent < levels[-1]:
                levels.pop()
            if indent != levels[-1]:
                return offset + len(line) - len(line.lstrip())
        depth += sum(map(content.count, "([{")) - sum(map(content.count, ")]}"))
        offset += len(line) + 1
    return max(len(text) - 1, 0)
