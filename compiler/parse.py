"""text -> syntax, and the messages for text that is no spec.

The grammar is `grammar/thetaprime.lark`; `Builder` turns each of its rules into one node of
`syntax` while parsing. After an error the statement in which it stands is blanked out and the rest
is read again, so that every error of a file is told at once.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken
from lark.indenter import DedentError, Indenter

from thetaprime.build import Builder
from thetaprime.diagnostics import Diagnostic, SpecError, report
from thetaprime.expr import Expr
from thetaprime.habits import blank, find_habits
from thetaprime.source import Source, Span
from thetaprime.syntax import File, SpecRef

MOST_ERRORS = 20
MOST_DEPTH = 150
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class _Blocks(Indenter):
    """Indentation as in Python; inside of brackets a line goes on."""

    NL_type = "_NL"
    OPEN_PAREN_types = ["LPAR", "LSQB", "LBRACE"]  # noqa: RUF012 (lark's own interface)
    CLOSE_PAREN_types = ["RPAR", "RSQB", "RBRACE"]  # noqa: RUF012
    INDENT_type = "_INDENT"
    DEDENT_type = "_DEDENT"
    tab_len = 8


@cache
def _parser(start: str) -> Lark:
    grammar = files("thetaprime.grammar").joinpath("thetaprime.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", start=start, postlex=_Blocks(), maybe_placeholders=False,
                transformer=Builder())


def parse(source: Source) -> File:
    """The file as the user wrote it.

    Raises SpecError with every diagnostic that reading it gives.
    """
    text = source.text.replace("\r\n", " \n").replace("\r", " ").removeprefix("\ufeff")
    text = " " * (len(source.text) - len(text)) + text
    problems = [*find_habits(source), *_brackets(source, text), *_strings(source, text)]
    if not problems:
        text = text.rstrip() + "\n"
        while len(problems) < MOST_ERRORS:
            try:
                file = _parser("start").parse(text)
            except (UnexpectedInput, DedentError) as error:
                diagnostic, offset = _explain(error, source, text)
                problems.append(diagnostic)
                shorter = _without_statement(text, offset)
                if shorter is None or diagnostic.code in ("empty-spec", "bad-indent"):
                    break
                text = shorter
            else:
                break
    if problems:
        raise SpecError(_told_once(problems))
    assert isinstance(file, File)
    return file


def parse_spec_reference(source: Source) -> SpecRef:
    """``SAM(SGD) with rho = 0``: an expression that names a spec, as the command line takes it."""
    problems = [*find_habits(source), *_brackets(source, source.text)]
    if not problems:
        try:
            found: SpecRef = _parser("spec").parse(source.text)
            return found
        except (UnexpectedInput, DedentError) as error:
            problems.append(_explain(error, source, source.text)[0])
    raise SpecError(problems)


def parse_expression(source: Source) -> Expr:
    """One formula, as ``--set lr=1e-3/2`` takes it."""
    problems = [*find_habits(source), *_brackets(source, source.text)]
    if not problems:
        try:
            found: Expr = _parser("expr").parse(source.text)
            return found
        except (UnexpectedInput, DedentError) as error:
            problems.append(_explain(error, source, source.text)[0])
    raise SpecError(problems)


def _told_once(problems: list[Diagnostic]) -> list[Diagnostic]:
    return sorted(dict.fromkeys(problems), key=lambda d: d.span.start)


def _strings(source: Source, text: str) -> list[Diagnostic]:
    """A quote that stays alone on its line."""
    found = []
    for match in re.finditer(r'^.*$', blank(text), re.MULTILINE):
        at = match[0].find('"')
        if at >= 0:
            found.append(report("bad-string", source,
                                Span(match.start() + at, match.end())))
    return found


def _brackets(source: Source, text: str) -> list[Diagnostic]:
    """Brackets that never close or were never opened, and nesting that no person writes.

    A range closes one kind of bracket with another, ``[0, 1)``; so any pair matches.
    """
    open_at: list[int] = []
    found: list[Diagnostic] = []
    for offset, char in enumerate(blank(text)):
        if char in "([{":
            open_at.append(offset)
            if len(open_at) == MOST_DEPTH:
                return [report("too-deep", source, Span(offset, offset + 1), limit=MOST_DEPTH)]
        elif char in ")]}":
            if not open_at:
                found.append(report("unexpected", source, Span(offset, offset + 1),
                                    found=f"`{char}`", expected="no closing bracket here"))
            else:
                open_at.pop()
    for offset in open_at[-1:]:
        opening = text[offset]
        found.append(report("unclosed", source, Span(offset, offset + 1), opening=opening,
                            closing=_CLOSING[opening]))
    return found


def _without_statement(text: str, offset: int) -> str | None:
    """The text with the statement at ``offset``, and the block under it, blanked out."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    end = len(text) if end < 0 else end
    indent = len(text[start:end]) - len(text[start:end].lstrip())
    if indent == 0 or not text[start:end].strip():
        return None
    for line in re.finditer(r"\n([ \t]*)(\S[^\n]*)?", text[end:]):
        if line[2] and len(line[1]) <= indent:
            break
        if line[2]:
            stop = end + line.end()
            text = text[: end + line.start() + 1] + " " * (line.end() - line.start() - 1) + text[stop:]
    return text[:start] + " " * (end - start) + text[end:]


# Which terminals a person would call what, most telling first.
_WANTED = (
    ("THEN", "`then`"), ("ELSE", "`else`"), ("FROM", "`from`"), ("_COLON", "`:`"),
    ("EQUAL", "`=`"), ("RPAR", "`)`"), ("RSQB", "`]`"), ("STRING", "a text in double quotes"),
    ("NUMBER", "a number or a name"), ("NAME", "a name"), ("_INDENT", "an indented line"),
    ("SUM", "an operator or the end of the line"), ("_NL", "the end of the line"),
)


def _explain(error: Exception, source: Source, text: str) -> tuple[Diagnostic, int]:
    """The diagnostic for an error of the parser, and where it stands."""
    if isinstance(error, DedentError):
        offset = _bad_dedent(text)
        return report("bad-indent", source, Span(offset, offset + 1),
                      why="no block above starts at this column"), offset
    if isinstance(error, UnexpectedCharacters):
        offset = error.pos_in_stream
        char = text[offset]
        return report("bad-character", source, Span(offset, offset + 1), found=char), offset
    if isinstance(error, UnexpectedEOF) or not isinstance(error, UnexpectedToken):
        return report("empty-spec", source, Span(source.end, source.end)), source.end
    token = error.token
    offset = token.start_pos if token.start_pos is not None else len(text)
    expected = set(error.accepts or error.expected)
    line_start = text.rfind("\n", 0, offset) + 1
    at_end = token.type in ("_NL", "$END")
    if token.type == "_NL":
        # The message belongs to the end of the line's text, not to the blank space after it.
        line = blank(text[line_start:offset])
        offset = line_start + len(line.rstrip())
    span = Span(offset, offset + (1 if at_end else len(token)))
    line = text[line_start : text.find("\n", line_start)]
    if token.type == "$END" and not text.strip():
        return report("empty-spec", source, Span(source.end, source.end)), offset
    if token.type in ("_INDENT", "_DEDENT"):
        return _explain_block(token, expected, source, text, line_start)
    if line_start == offset and "KIND" in expected and not text[:line_start].strip():
        return report("empty-spec", source, span, label="expected `optimizer NAME`"), offset
    if re.match(r"\s*every\b", line) and "FROM" in expected:
        return report("needs-from", source, span), offset
    if expected & {"THEN"} or (expected & {"ELSE"} and "then" in line):
        return report("missing-then", source, span), offset
    if token.type == "COMPARE":
        if token in ("==",) and "EQUAL" in expected:
            return report("habit-assign", source, span, fixed="="), offset
        return report("chained-comparison", source, span), offset
    if at_end and "_COLON" in expected:
        return report("missing-colon", source, span), offset
    if token.type == "SEMICOLON":
        return report("habit-semicolon", source, span), offset
    wanted = next((words for name, words in _WANTED if name in expected), "something else")
    word = re.match(r"\w+|\S", str(token))
    found = "the end of the line" if at_end or word is None else f"`{word[0]}`"
    if word is not None and not at_end:
        span = Span(offset, offset + len(word[0]))
    return report("unexpected", source, span, found=found, expected=wanted), offset


def _explain_block(
    token: Token, expected: set[str], source: Source, text: str, line_start: int
) -> tuple[Diagnostic, int]:
    offset = line_start
    at = token.start_pos if token.start_pos is not None else len(text)
    # The newline token starts at the end of the line before the one that is indented.
    body = re.compile(r"[^\S\n]*(?=\S)").search(text, text.find("\n", at) + 1)
    if body is not None:
        offset = body.end()
    if token.type == "_INDENT":
        why = "deeper than the line above, which opens no block"
    else:
        why = "the block above is empty or ends too early"
    span = Span(offset, min(offset + 1, len(text)))
    return report("bad-indent", source, span, why=why), offset


def _bad_dedent(text: str) -> int:
    """Offset of the first line whose indentation returns to no level that is open."""
    levels = [0]
    depth = 0
    offset = 0
    for line in blank(text).split("\n"):
        content = line.strip()
        if content and depth == 0:
            wide = line.expandtabs(_Blocks.tab_len)
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
