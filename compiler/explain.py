"""Errors of the parser -> diagnostics in the words of the language."""

from __future__ import annotations

import re
from typing import Any

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken
from lark.indenter import DedentError

from thetaprime.corrections import Context, corrected, with_products
from thetaprime.diagnostics import Diagnostic, closest, report
from thetaprime.habits import blank
from thetaprime.source import Source, Span

TAB = 8
# Which terminals a person would call what, most telling first.
_WANTED = (
    ("THEN", "`then`"), ("ELSE", "`else`"), ("FROM", "`from`"), ("EQUAL", "`=`"),
    ("RPAR", "`)`"), ("RSQB", "`]`"), ("STRING", "a text in double quotes"),
    ("NUMBER", "a number or a name"), ("NAME", "a name"), ("LPAR", "`(`"),
    ("SUM", "an operator or the end of the line"), ("_NL", "the end of the line"),
    ("_COLON", "`:`"),
)
_SIGNS = "_+-*/^()[]{},:;=<>.'′\"~@!"
_WORDS = ("hyper", "state", "const", "axis", "param", "train", "eval", "if", "else", "every",
          "hold", "fn", "override", "claim", "cite", "note")
# Words that start a declaration elsewhere; "" is left out.
_FOREIGN = {
    "let": "", "var": "", "set": "", "define": "", "auto": "", "float": "", "double": "",
    "parameter": "hyper", "parameters": "hyper", "param": "hyper", "hyperparameter": "hyper",
    "hyperparameters": "hyper", "input": "hyper", "require": "hyper", "buffer": "state",
    "initialize": "state", "init": "state", "slot": "state", "constant": "const",
    "function": "fn", "func": "fn", "assert": "claim", "reference": "cite", "doc": "note",
}


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
    place = _Place(source, span, line, offset - line_start, expected)
    found = None if at_end else token
    return _say(place, found), offset


class _Place:
    """Where an error stands: its span, line, column and what the parser would have taken."""

    def __init__(self, source: Source, span: Span, line: str, column: int,
                 expected: set[str]) -> None:
        self.source, self.span, self.line, self.column = source, span, line, column
        self.code = blank(line).rstrip()
        self.expected = expected
        self.context = Context.of(source.text)

    def report(self, code: str, span: Span | None = None, **facts: Any) -> Diagnostic:
        return report(code, self.source, span or self.span, **{"fixed": "", **facts})


def _say(place: _Place, token: Token | None) -> Diagnostic:
    """The diagnostic for an unexpected token; None is the end of the line."""
    for rule in (_header, _hyper, _declaration, _conditional, _left_side, _operator, _mark):
        found = rule(place, token)
        if found is not None:
            return found
    expected = place.expected
    wanted = next((words for name, words in _WANTED if name in expected), "something else")
    if token is None and "NUMBER" in expected:
        return place.report("unfinished", expected="a number or a name")
    text = "the end of the line" if token is None else f"`{_shown(place)}`"
    return place.report("unexpected", found=text, expected=wanted)


def _shown(place: _Place) -> str:
    return place.source.text[place.span.start : place.span.end]


def _header(place: _Place, token: Token | None) -> Diagnostic | None:
    if "KIND" in place.expected and not re.match(r"\s*(?:optimizer|transform|schedule|fn)\b",
                                                place.line):
        if re.search(r"^optimizer\b", place.source.text[:place.span.start], re.MULTILINE):
            return place.report("bad-indent", why="the body of `optimizer` is indented", hints=(
                f"`  {place.code.strip()}`",))
        return place.report("empty-spec", label="expected `optimizer NAME`")
    char = _shown(place)[:1]
    known = char.isalpha() or (char.isascii() and char.isdigit()) or char in _SIGNS
    if token is not None and not known:
        return place.report("bad-character", found=char)
    if token == ";":
        rest = place.code[place.column + 1:].strip()
        return place.report("habit-semicolon", hints=(f"put `{rest}` on a line of its own",))
    if re.match(r"optimizer\b", place.line) and token == ":":
        fixed = place.code.rstrip(" :")
        return place.report("unexpected", found="`:`", expected="the end of the line",
                            hints=(f"`{fixed}`",))
    return None


def _declaration(place: _Place, token: Token | None) -> Diagnostic | None:
    """Lines that start with a word which is none of the language, or lack a part."""
    line, expected = place.code, place.expected
    start = re.match(r"\s*([^\W\d]\w*)", line)
    word = start[1] if start else ""
    later = re.search(r"=\s*(iterate|search)\b", line)
    if later is not None:
        at = place.span.start - place.column + later.start(1)
        return place.report("not-yet", Span(at, at + len(later[1])), what=f"`{later[1]}` is")
    if start is not None and word in ("cite", "note") and place.column >= start.end():
        text = line[start.end():].strip(" \"'")
        return place.report("unexpected", found=f"`{_shown(place)}`",
                            expected="a text in double quotes", hints=(f'`{word} "{text}"`',))
    typed = re.match(r"(\s*state\s+\w+)\s*=\s*(scalar|per\s+\w+)\s+(.+)", line)
    if typed is not None:
        return place.report("unexpected", found=f"`{_shown(place)}`",
                            expected="the type before `=`",
                            hints=(f"`{typed[1].strip()} : {typed[2]} = {typed[3]}`",))
    if start is not None and word in ("state", "const") and token == ",":
        name, value = line[start.end():].split(",")[0].strip(), line.rpartition("=")[2].strip()
        return place.report("unexpected", found="`,`", expected="one name a line",
                            hints=(f"`{word} {name} = {value or 0}`, and a line for each other",))
    if token is not None and token.type == "RETURN":
        value = line.split("return", 1)[1].strip()
        if value in (f"{place.context.point}'", place.context.point):
            return place.report("habit-python", found="return", fixed="leave it out: what the "
                                f"equations say of `{place.context.point}'` is the result")
        return place.report("habit-python", found="return",
                            fixed=f"an equation gives the new value: `{place.context.point}' = "
                                  f"{corrected(value, place.context)}`")
    if word == "claim" and "EQUAL" in expected:
        return place.report(
            "unexpected", found="the end of the line" if token is None else f"`{_shown(place)}`",
            expected="`=` or a comparison", hints=(
                "`claim v >= 0`, `claim x' = x when g = 0`, `claim equals SGD when b = 0`, "
                "`claim invariant under g -> c*g`, `claim at most 1 gradients`",))
    if word in ("state", "const") and token is None and "EQUAL" in expected:
        name = line.split(":")[0].split()[-1]
        fixed = f"{line.strip()} = " + ("x" if word == "const" else "0")
        return place.report("missing-start", what=word, name=name, fixed=fixed)
    if word == "every" and "FROM" in expected:
        period = re.sub(r":\s*$", "", line.split("every", 1)[1]).strip() or "k"
        first, second = f"1 + {period}", f"2*{period}"
        if period.isdigit():
            first, second = str(1 + int(period)), str(2 * int(period))
        return place.report("needs-from", k=period, first=first, second=second)
    if token is None and "_COLON" in expected and re.match(
            r"\s*(?:if|else|every|fn)\b", line):
        return place.report("missing-colon", fixed=f"{line.strip()}:")
    if (start is not None and token is not None and re.match(r"\s+[^\W\d]", line[start.end():])
            and place.column > start.start(1)
            and (word not in _WORDS or (word == "param" and token == "="))):
        best = _FOREIGN.get(word.lower(), closest(word, _WORDS))
        rest = corrected(line[start.end():], place.context)
        span = Span(place.span.start - place.column + start.start(1),
                    place.span.start - place.column + start.end(1))
        if best is not None:
            return place.report("unknown-word", span, found=word,
                                fixed=f"{best} {rest}".strip())
        if "EQUAL" in expected and "=" in line:
            return place.report("unknown-word", span, found=word, fixed=rest)
    return None


def _hyper(place: _Place, token: Token | None) -> Diagnostic | None:
    """Ranges that stand where they should not."""
    line, rest = place.code, place.code[place.column:]
    if token is None or not re.match(r"\s*(?:override\s+)?hyper\b", line):
        return None
    head = line[:place.column].rstrip()
    interval = re.match(r"[\[(][^\[\](){}]*,[^\[\](){}]*[\])]\s*$", rest)
    if token == "," and re.search(r"\bin\b.*[\])}]$", head):
        return place.report("one-range", fixed="hyper " + rest.strip(" ,"))
    if interval and head.endswith("in") and "," in head:
        fixed = re.sub(r",\s*in$", " in", head).strip()
        return place.report("unexpected", found="`,`", expected="no comma before `in`",
                            hints=(f"`{fixed} {rest}`",))
    if interval and not head.endswith("in"):
        return place.report("unexpected", found=f"`{_shown(place)}`", expected="`in`",
                            hints=(f"`{head.strip()} in {rest}`",))
    moved = re.match(r"(.*?)\s+(in\b.*)$", head)
    if token == "=" and moved is not None:
        return place.report("unexpected", found="`=`", expected="the default before the range",
                            hints=(f"`{moved[1].strip()} {rest.strip()} {moved[2]}`",))
    if token.type == "STRING":
        return place.report("unexpected", found="`\"`", expected="a word without quotes",
                            hints=(f"`{place.line.strip().replace(chr(34), '')}`",))
    if token.type == "NUMBER" and re.search(r"\bin\s*\{[^}]*$", head):
        return place.report("unexpected", found=f"`{_shown(place)}`", expected="a word",
                            hints=("a set holds words; numbers have a range: `in [1, 5]`",))
    return None


def _mark(place: _Place, token: Token | None) -> Diagnostic | None:
    """Single characters that other notations put into formulas."""
    shown, expected = _shown(place), place.expected
    before = place.code[:place.column]
    hint = ""
    if token is None:
        return None
    if shown == "'" and not before.strip():
        hint = f'`"{place.line.strip().strip(chr(39))}"`'
    elif shown == "'" and before.endswith("'"):
        hint = f"one prime: `{before.strip()}`"
    elif shown == "+" and "NUMBER" in expected:
        hint = "leave the sign out"
    elif token == "=" and re.search(r"\(.*\b\w+\s*$", before):
        hint = "arguments have no names; a reduction says `over tensor`, `over model` or an axis"
    if not hint:
        return None
    wanted = next((words for name, words in _WANTED if name in expected), "something else")
    return place.report("unexpected", found=f"`{shown}`", expected=wanted, hints=(hint,))


def _conditional(place: _Place, token: Token | None) -> Diagnostic | None:
    shown, line = _shown(place), place.code
    if token is not None and token.type == "IF" and re.match(r"\s*else\s+if\b", line):
        return place.report("else-if", found="else if", fixed="`else:`, and the `if` block "
                            "indented under it")
    if shown == "elif":
        return place.report("else-if", found="elif", fixed="in a formula: `if c then a else if d "
                            "then b else e`")
    if token == "=" and re.search(r"\bif\b", line[:place.column]) and (
            {"THEN", "_COLON"} & place.expected):
        return place.report("equality", fixed=(
            line[:place.column] + "=" + line[place.column:]).strip())
    if shown == "then" and "_COLON" in place.expected:
        return place.report("unexpected", found="`then`", expected="`:`", hints=(
            f"`{line[:place.column].strip()}:`, and equations indented under it",))
    if token is not None and token.type == "IF" and "SUM" in place.expected:
        return place.report("habit-ternary", fixed="if c then a else b")
    if token is not None and token.type == "COMPARE":
        operand = r"([^\W\d]\w*'?|[\d.]+|\([^()]*\))"
        compare = r"\s*(<=|>=|==|!=|<|>)\s*"
        chain = re.search(operand + compare + operand + compare + operand, place.line)
        fixed = "a < b and b < c"
        if chain is not None:
            fixed = f"{chain[1]} {chain[2]} {chain[3]} and {chain[3]} {chain[4]} {chain[5]}"
        return place.report("chained-comparison", fixed=fixed)
    if "THEN" in place.expected:
        return place.report("missing-then", missing="then")
    if "ELSE" in place.expected and re.search(r"\bthen\b", place.code[:place.column]):
        return place.report("missing-then", missing="else")
    return None


def _left_side(place: _Place, token: Token | None) -> Diagnostic | None:
    before = place.code[:place.column]
    later = re.match(r"[^=]*(?<![<>=!])=(?!=)", place.code[place.column:])
    if token is None or "EQUAL" not in place.expected or later is None or "=" in before:
        return None
    target = re.match(r"\s*([^\W\d]\w*)", before)
    return place.report("left-side", target=target[1] if target else "x")


def _operator(place: _Place, token: Token | None) -> Diagnostic | None:
    if token is None or "SUM" not in place.expected:
        return None
    if re.match(r"[^\W_]|\(", _shown(place)) and "=" in place.code[:place.column]:
        head, equals, formula = place.code.partition("=")
        return place.report("missing-operator",
                            fixed=(head + equals + with_products(formula)).strip())
    return None


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
