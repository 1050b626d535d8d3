"""What is wrong with a line that the parser cannot read: one rule for each usual slip."""

from __future__ import annotations

import re
from typing import Any

from lark import Token

from thetaprime.corrections import Context, corrected, with_products
from thetaprime.diagnostics import Diagnostic, closest, report
from thetaprime.explain_forms import form_of
from thetaprime.habits import blank
from thetaprime.source import Source, Span

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


class Place:
    """Where an error stands: its span, line, column and what the parser would have taken."""

    def __init__(self, source: Source, span: Span, line: str, column: int,
                 expected: set[str]) -> None:
        self.source, self.span, self.line, self.column = source, span, line, column
        self.code = blank(line).rstrip()
        self.expected = expected
        self.context = Context.of(source.text)

    def report(self, code: str, span: Span | None = None, **facts: Any) -> Diagnostic:
        return report(code, self.source, span or self.span, **{"fixed": "", **facts})


def say(place: Place, token: Token | None) -> Diagnostic:
    """The diagnostic for an unexpected token; None is the end of the line."""
    for rule in (_header, _form, _hyper, _declaration, _conditional, _mark, _left_side, _operator):
        found = rule(place, token)
        if found is not None:
            return found
    expected = place.expected
    wanted = next((words for name, words in _WANTED if name in expected), "something else")
    if token is None and "NUMBER" in expected:
        return place.report("unfinished", expected="a number or a name")
    text = "the end of the line" if token is None else f"`{_shown(place)}`"
    return place.report("unexpected", found=text, expected=wanted)


def _shown(place: Place) -> str:
    return place.source.text[place.span.start : place.span.end]


# What only a spec itself or another of these holds: in blocks these are names like any other.
OUTSIDE = re.compile(r"\s*(?:case\b|for\s+axis\b|view\b.*\bas\b)")


def _form(place: Place, token: Token | None) -> Diagnostic | None:
    """A loop, a batch, a case or a route: the message shows a right one."""
    found = form_of(place.line)
    if found is None:
        return None
    lacks, right = found
    text = "the end of the line" if token is None else f"`{_shown(place)}`"
    word = place.line.split()[0].rstrip(":")
    if OUTSIDE.match(place.line) and "EQUAL" in place.expected:
        return place.report("unexpected", found=text, expected="an equation", hints=(
            f"`{word}` stands outside of `if`, `every` and loops, which can stand inside of it",))
    return place.report("unexpected", found=text, expected=lacks, hints=(f"`{right}`",))


def _header(place: Place, token: Token | None) -> Diagnostic | None:
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
    if _shown(place) == ";":
        rest = place.code[place.column + 1:].strip()
        return place.report("habit-semicolon", hints=(f"put `{rest}` on a line of its own",))
    if re.match(r"optimizer\b", place.line) and _shown(place) == ":":
        fixed = place.code.rstrip(" :")
        return place.report("unexpected", found="`:`", expected="the end of the line",
                            hints=(f"`{fixed}`",))
    return None


def _declaration(place: Place, token: Token | None) -> Diagnostic | None:
    """Lines that start with a word which is none of the language, or lack a part."""
    line, expected = place.code, place.expected
    start = re.match(r"\s*([^\W\d]\w*)", line)
    word = start[1] if start else ""
    if start is not None and word in ("cite", "note") and place.column >= start.end():
        text = line[start.end():].strip(" \"'")
        return place.report("unexpected", found=f"`{_shown(place)}`",
                            expected="a text in double quotes", hints=(f'`{word} "{text}"`',))
    typed = re.match(r"(\s*state\s+\w+)\s*=\s*(scalar|per\s+\w+)\s+(.+)", line)
    if typed is not None:
        return place.report("unexpected", found=f"`{_shown(place)}`",
                            expected="the type before `=`",
                            hints=(f"`{typed[1].strip()} : {typed[2]} = {typed[3]}`",))
    if start is not None and word in ("state", "const") and _shown(place) == ",":
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
            and (word not in _WORDS or (word == "param" and _shown(place) == "="))):
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


def _hyper(place: Place, token: Token | None) -> Diagnostic | None:
    """Ranges that stand where they should not."""
    line, rest = place.code, place.code[place.column:]
    if token is None or not re.match(r"\s*(?:override\s+)?hyper\b", line):
        return None
    head = line[:place.column].rstrip()
    interval = re.match(r"[\[(][^\[\](){}]*,[^\[\](){}]*[\])]\s*$", rest)
    if _shown(place) == "," and re.search(r"\bin\b.*[\])}]$", head):
        return place.report("one-range", fixed="hyper " + rest.strip(" ,"))
    if interval and head.endswith("in") and "," in head:
        fixed = re.sub(r",\s*in$", " in", head).strip()
        return place.report("unexpected", found="`,`", expected="no comma before `in`",
                            hints=(f"`{fixed} {rest}`",))
    if interval and not head.endswith("in"):
        return place.report("unexpected", found=f"`{_shown(place)}`", expected="`in`",
                            hints=(f"`{head.strip()} in {rest}`",))
    moved = re.match(r"(.*?)\s+(in\b.*)$", head)
    if _shown(place) == "=" and moved is not None:
        return place.report("unexpected", found="`=`", expected="the default before the range",
                            hints=(f"`{moved[1].strip()} {rest.strip()} {moved[2]}`",))
    if token.type == "STRING":
        return place.report("unexpected", found="`\"`", expected="a word without quotes",
                            hints=(f"`{place.line.strip().replace(chr(34), '')}`",))
    if token.type == "NUMBER" and re.search(r"\bin\s*\{[^}]*$", head):
        return place.report("unexpected", found=f"`{_shown(place)}`", expected="a word",
                            hints=("a set holds words; numbers have a range: `in [1, 5]`",))
    return None


def _mark(place: Place, token: Token | None) -> Diagnostic | None:
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
    elif _shown(place) == "=" and re.search(r"\(.*\b\w+\s*$", before):
        hint = "arguments have no names; a reduction says `over tensor`, `over model` or an axis"
    if not hint:
        return None
    wanted = next((words for name, words in _WANTED if name in expected), "something else")
    return place.report("unexpected", found=f"`{shown}`", expected=wanted, hints=(hint,))


def _conditional(place: Place, token: Token | None) -> Diagnostic | None:
    shown, line = _shown(place), place.code
    if token is not None and token.type == "IF" and re.match(r"\s*else\s+if\b", line):
        return place.report("else-if", found="else if", fixed="`else:`, and the `if` block "
                            "indented under it")
    if shown == "elif":
        return place.report("else-if", found="elif", fixed="in a formula: `if c then a else if d "
                            "then b else e`")
    if _shown(place) == "=" and re.search(r"\bif\b", line[:place.column]) and (
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


def _left_side(place: Place, token: Token | None) -> Diagnostic | None:
    before = place.code[:place.column]
    later = re.match(r"[^=]*(?<![<>=!])=(?!=)", place.code[place.column:])
    if token is None or "EQUAL" not in place.expected or later is None or "=" in before:
        return None
    declared = re.match(r"\s*(state|const|hyper)\s+([^\W\d]\w*)\s*$", before)
    if declared is not None:
        return _declared(place, *declared.groups())
    target = re.match(r"\s*([^\W\d]\w*)", before)
    name = target[1] if target else "x"
    if re.match(r"\s*\[[^]=]*\]\s*=", place.code[place.column:]):
        return place.report("unexpected", found="`[`", expected="`=`", hints=(
            f"`{name} = ...`: it has the axes of what stands on the right",))
    return place.report("left-side", target=name)


def _declared(place: Place, word: str, name: str) -> Diagnostic | None:
    """``state w[tasks] = 0`` and ``state w' = 0``."""
    shown, rest = _shown(place), place.code[place.column:]
    axes, value = re.match(r"\[([^]=]*)\]", rest), rest.partition("=")[2].strip()
    if shown == "'":
        return place.report("unexpected", found="`'`", expected="`:` or `=`", hints=(
            f"a prime is for values after the step: `{word} {name} = {value}`",))
    if axes is None:
        return place.report("unexpected", found=f"`{shown}`", expected="`:` or `=`")
    if word == "hyper":
        first = value if value.startswith("[") else re.sub(r"^(\S+)", r"[\1, ...]", value)
        return place.report("unexpected", found="`[`", expected="`:` or `=`", hints=(
            f"`hyper {name} : {axes[1]} = {first}`, a number for each of `{axes[1]}`",))
    return place.report("unexpected", found="`[`", expected="`:` or `=`", hints=(
        f"`{word} {name} : scalar[{axes[1]}] = {value}`, one number for each of `{axes[1]}`",
        f"`{word} {name} : per entry[{axes[1]}] = {value}`, one for each and every entry"))


def _operator(place: Place, token: Token | None) -> Diagnostic | None:
    if token is None or "SUM" not in place.expected:
        return None
    if re.match(r"[^\W_]|\(", _shown(place)) and "=" in place.code[:place.column]:
        head, equals, formula = place.code.partition("=")
        return place.report("missing-operator",
                            fixed=(head + equals + with_products(formula)).strip())
    return None
