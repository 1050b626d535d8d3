"""text -> syntax, and the messages for text that is no spec.

The grammar is `grammar/thetaprime.lark`; `Builder` turns each of its rules into one node of
`syntax` while parsing. After an error the statement in which it stands is blanked out and the rest
is read again, so that every error of a file is told at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.resources import files

from lark import Lark, Token
from lark.exceptions import UnexpectedInput
from lark.indenter import DedentError, Indenter

from thetaprime.build import Builder, canonical
from thetaprime.cache import folder
from thetaprime.diagnostics import Diagnostic, SpecError, report
from thetaprime.explain import TAB, explain
from thetaprime.expr import MOST_LEVELS, Apply, Expr, Num, Sym, levels
from thetaprime.habits import blank, find_habits
from thetaprime.source import Source, Span
from thetaprime.syntax import File, SpecRef, expressions

MOST_ERRORS = 20
MOST_DEPTH = 150
MOST_DIGITS = 200
LEAST_NUMBER = 1e-307
LONGEST_LINE = 5000
LONGEST_NAME = 100
PLACEHOLDER = "a=0"
_NAME = re.compile(r"[^\W\d]\w*")
_HABIT_LETTER = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿᵗᵏ⁺⁻]")
_NUMBER = re.compile(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class _Blocks(Indenter):
    """Indentation as in Python; inside of brackets a line goes on."""

    NL_type = "_NL"
    OPEN_PAREN_types = ["LPAR", "LSQB", "LBRACE"]  # noqa: RUF012 (lark's own interface)
    CLOSE_PAREN_types = ["RPAR", "RSQB", "RBRACE"]  # noqa: RUF012
    INDENT_type = "_INDENT"
    DEDENT_type = "_DEDENT"
    tab_len = TAB
    always_accept = ("_NL", "_NL_EXHAUSTION")

    def _process(self, stream: Iterator[Token]) -> Iterator[Token]:
        ended: Iterator[Token] = super()._process(  # type: ignore[no-untyped-call]
            self._ended(token) for token in stream)
        return ended

    def _ended(self, token: Token) -> Token:
        """The newline before `on exhaustion` closes the body of the search, wherever between the
        two that line stands."""
        if token.type != "_NL_EXHAUSTION":
            return token
        indent = len(token.rsplit("\n", 1)[1].expandtabs(TAB))
        outer = max((level for level in self.indent_level if level < indent), default=0)
        level = indent if indent in self.indent_level else outer
        return Token.new_borrow_pos("_NL", f"{token.rsplit(chr(10), 1)[0]}\n{' ' * level}", token)


@cache
def _parser(start: str) -> Lark:
    """The tables take longer to make than most specs to check: lark keeps them, and makes them
    again where they are of another grammar, or not whole."""
    grammar = files("thetaprime.grammar").joinpath("thetaprime.lark").read_text("utf-8")
    place = folder("grammar") / f"{start}.lark"
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
    return Lark(grammar, parser="lalr", start=start, postlex=_Blocks(), maybe_placeholders=False,
                transformer=Builder(), cache=str(place))


def parse(source: Source) -> File:
    """The file as the user wrote it.

    Raises SpecError with every diagnostic that reading it gives.
    """
    text = source.plain
    if not blank(text).strip():
        end = len(text.rstrip())
        raise SpecError([report("empty-spec", source, Span(end, end))])
    problems = _in_text(source, text)
    if any(d.code in ("too-deep", "too-long") for d in problems):
        raise SpecError(problems)
    rest: str | None = text.rstrip() + "\n"
    for problem in problems:
        rest = rest and _without_statement(rest, problem.span.start)
    file: object = None
    while rest is not None and len(problems) < MOST_ERRORS:
        try:
            file = _parser("start").parse(rest)
        except (UnexpectedInput, DedentError) as error:
            diagnostic, offset = explain(error, source, rest)
            problems.append(diagnostic)
            if diagnostic.code in ("empty-spec", "bad-indent"):
                break
            rest = _without_statement(rest, offset)
        else:
            problems += _too_deep(source, file)
            break
    if problems:
        raise SpecError(_told_once(problems))
    assert isinstance(file, File)
    return file


def parse_spec_reference(source: Source) -> SpecRef:
    """``SAM(SGD) with rho = 0``: an expression that names a spec, as the command line takes it."""
    found = _fragment(source, "spec")
    assert isinstance(found, SpecRef)
    return found


def parse_expression(source: Source) -> Expr:
    """One formula, as ``--set lr=1e-3/2`` takes it."""
    found = _fragment(source, "expr")
    assert isinstance(found, Num | Sym | Apply)
    return found


def _fragment(source: Source, start: str) -> object:
    problems = _in_text(source, source.plain)
    if not problems:
        try:
            found: object = _parser(start).parse(source.plain)
        except (UnexpectedInput, DedentError) as error:
            problems = [explain(error, source, source.plain)[0]]
        else:
            problems = _too_deep(source, found)
            if not problems:
                return found
    raise SpecError(problems)


def _in_text(source: Source, text: str) -> list[Diagnostic]:
    """What is wrong with the text before any grammar is asked."""
    return _too_long(source, text) or _told_once([
        *find_habits(source), *_brackets(source, text), *_strings(source, text),
        *_numbers(source, text), *_names(source, text)])


def _too_deep(source: Source, file: object) -> list[Diagnostic]:
    """Formulas with more levels than the passes over them, which are recursive, can go down."""
    return [report("too-deep", source, Span(e.span.start, e.span.start + 1), limit=MOST_LEVELS)
            for e in expressions(file) if levels(e) > MOST_LEVELS]


def _too_long(source: Source, text: str) -> list[Diagnostic]:
    """Lines and names that no person writes, comments and texts aside."""
    found = []
    code = blank(text)
    start = 0
    for line in code.split("\n"):
        if len(line.rstrip()) > LONGEST_LINE:
            found.append(report("too-long", source, Span(start, start + 1), what="line",
                                limit=LONGEST_LINE))
        start += len(line) + 1
    for match in re.finditer(rf"\w{{{LONGEST_NAME + 1},}}", code):
        found.append(report("too-long", source, Span(*match.span()), what="name",
                            limit=LONGEST_NAME))
    return found


def _names(source: Source, text: str) -> list[Diagnostic]:
    """Letters that no program could use in a name."""
    found = [report("bad-character", source, Span(*match.span()), found=f"U+{ord(match[0]):04X}",
                    label="a control character")
             for match in re.finditer(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]", blank(text))]
    return found + [
            report("bad-character", source, Span(*match.span()), found=match[0])
            for match in _NAME.finditer(blank(text)) if not canonical(match[0]).isidentifier()
            and not _HABIT_LETTER.search(match[0])]


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
                found.append(report("unopened", source, Span(offset, offset + 1), found=char))
            else:
                open_at.pop()
    for offset in open_at[-1:]:
        opening = text[offset]
        found.append(report("unclosed", source, Span(offset, offset + 1), opening=opening,
                            closing=_CLOSING[opening]))
    return found


def _numbers(source: Source, text: str) -> list[Diagnostic]:
    """Numbers that double precision cannot hold."""
    found = []
    for match in _NUMBER.finditer(blank(text)):
        value = float(match[0])
        span = Span(*match.span())
        if value == float("inf"):
            found.append(report("number-range", source, span, why="too large"))
        elif len(match[0]) > MOST_DIGITS:
            found.append(report("number-range", source, span,
                                why=f"more than {MOST_DIGITS} digits"))
        elif value < LEAST_NUMBER and re.search("[1-9]", re.split("[eE]", match[0])[0]):
            found.append(report("number-range", source, span, why="too small"))
    return found


def _without_statement(text: str, offset: int) -> str | None:
    """The text with ``a=0`` for the statement at ``offset`` and without the block under it.

    A statement goes on over the end of a line inside of brackets. None: it is the header.
    """
    start, end = _statement(text, offset)
    content = text[start:end]
    indent = len(content) - len(content.lstrip())
    if indent == 0 or not content.strip():
        return None
    for line in re.finditer(r"\n([ \t]*)(\S[^\n]*)?", text[end:]):
        # What is under the line goes with it, and so does the `else` of a block.
        if line[2] and len(line[1]) <= indent and not (
                len(line[1]) == indent and re.match(r"else\b", line[2])):
            break
        if line[2]:
            begin, stop = end + line.start() + 1, end + line.end()
            text = text[:begin] + " " * (stop - begin) + text[stop:]
    kept = (content[:indent] + PLACEHOLDER).ljust(len(content))[: len(content)]
    return text[:start] + (kept if PLACEHOLDER in kept else " " * len(content)) + text[end:]


def _statement(text: str, offset: int) -> tuple[int, int]:
    """The lines of the statement at ``offset``: brackets that stay open end with their line."""
    depth = start = 0
    code = blank(text)
    for i, char in enumerate(code):
        depth = max(0, depth + (char in "([{") - (char in ")]}"))
        if char == "\n" and depth == 0:
            if i >= offset:
                return start, i
            start = i + 1
    first_end = text.find("\n", start)
    return start, first_end if first_end >= 0 else len(text)
