"""Habits from elsewhere: found in the text before it is parsed, so that all are told at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from thetaprime.corrections import UNICODE, Context, corrected, is_floor
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.messages import CODES
from thetaprime.source import Source, Span

_TEXT_OR_COMMENT = re.compile(r'"[^"\n]*"|#[^\n]*')
_NAME = r"[^\W\d]\w*"
_FOLDED = re.compile(rf"\bfold\s+({_NAME})\s+over\b")


@dataclass(frozen=True, slots=True)
class Habit:
    """A pattern that is never legal; the group ``at``, if there is one, is the place to show."""

    pattern: re.Pattern[str]
    code: str


# Tried in this order at every place of a line; texts and comments are blanked out before.
HABITS: tuple[Habit, ...] = tuple(Habit(re.compile(pattern), code) for pattern, code in (
    (r"\\(?:[A-Za-z]+|[|,;!])(?:_\{?\d+\}?)?", "habit-latex"),
    (rf"^\s*(?:(?:hyper|state|const)\s+)?{_NAME}'?\s*(?P<at>:=)", "habit-assign"),
    (rf"^\s*(?P<at>{_NAME}\(\s*[tkn]\s*(?:[-+]\s*1)?\s*\))\s*=(?!=)", "habit-index"),
    (rf"^\s*{_NAME}'?\s*(?P<at>==)(?!.*->)", "habit-assign"),
    (rf"^\s*{_NAME}'?\s*(?P<at>(?:\*\*|//|[-+*/])=)", "habit-augmented"),
    (r"\*\*", "habit-power"),
    (rf"\b{_NAME}\.(?:grad|data)\b(?!\()", "habit-attribute"),
    (r"\b(?:np|jnp|numpy|torch|math|tf|jax|keras|F|K|ops|self|lax|optax|group)(?:\.\w+)*\.(?!T\b)\w+",
     "habit-module"),
    (rf"(?:\b{_NAME}'?|(?<=[)\]'\w]))(?<!\d)\.(?!T\b|step\b){_NAME}(?=\()", "habit-method"),
    (rf"{_NAME}?_\{{[^}}]*\}}", "habit-subscript"),
    (rf"{_NAME}?[ₜₖ](?:[₊₋]₁)?", "habit-subscript"),
    (rf"\b(?<!axis )(?<!losses ){_NAME}\[\s*[tkni]\s*(?:[-+]\s*1)?\s*\]", "habit-index"),
    (rf"\b(?<!axis )(?<!losses )(?!in\b){_NAME}'?"
     r"(?P<at>\[\s*(?:[-:\d.][^\]]*|[tkni]\s*[-+][^\]]*)?\])", "no-index"),
    (r"‖[^‖]*‖?", "habit-bars"),
    (r"\|\|[^|]+\|\|", "habit-bars"),
    (r"&&", "habit-logic"),
    (r"\|\|", "habit-logic"),
    (r"!(?!=)", "habit-logic"),
    (r"\|[^|]*\|?", "habit-bars"),
    (r"%", "habit-modulo"),
    (r"//", "habit-comment"),
    (rf"^\s*{_NAME}'?\s*(?P<at><-|←)", "habit-arrow"),
    (r"^\s*(?P<at>def|lambda|for(?! axis\b)|while|import|from|class|with|assert|print)\b"
     r"(?!'?\s*=)", "habit-python"),
    (r"\blambda\b(?=[^=]*:)", "habit-python"),
    (r"^\s*(?P<at>elif)\b(?!'?\s*=)", "else-if"),
    (r"^\s*(?P<at>if\b.*:)\s*\S", "habit-python"),
    (r"\^T\b", "habit-transpose"),
    (r"(?<!\d)\.[*/^]", "habit-elementwise"),
    (r"=(?!.*\bthen\b)[^=\n]*\S\s+(?P<at>if)\b(?=.*\selse\s)", "habit-ternary"),
    (r";\s*$", "habit-semicolon"),
    (r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?P<at>[fFlLjJ])\b", "habit-number"),
    (r"(?<![\w.])\d+(?P<at>(?:_\d+)+)\b", "habit-number"),
    (rf"[{''.join(set(UNICODE) - {'‖'})}]|[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿᵗᵏ⁺⁻]+|(?<=\w)[\u0302\u0303\u0304\u0307]",
     "habit-unicode"),
))

_PYTHON = {
    "def": "a function is one formula, `fn f(a) = ...`; the step itself is equations: "
           "`x' = x - lr*g`",
    "lambda": "a function is a line of its own: `fn f(a) = ...`",
    "for": "a spec is one step for every entry of every tensor: no loop over parameters is needed",
    "while": "loops are bounded: `y = iterate 5 from y = x:`, which `until c` in its body may end",
    "if": "in a formula: `if c then a else b`; a block starts on the line below",
    "with": "`optimizer NAME = OTHER with lr = 1` sets hyperparameters of another spec",
    "import": "nothing is imported: the functions of the language and of the prelude are there",
    "print": "nothing is printed: `thetaprime show` and `thetaprime run` tell about a spec",
}
_PYTHON["from"] = _PYTHON["import"]


def blank(text: str) -> str:
    """The text with strings and comments replaced by spaces: every offset stays."""
    return _TEXT_OR_COMMENT.sub(lambda m: " " * len(m[0]), text)


def find_habits(source: Source) -> list[Diagnostic]:
    """Every place where another language shows through; one message for a code and line."""
    found: list[Diagnostic] = []
    context = Context.of(source.text)
    offset = depth = 0
    indices = _FOLDED.findall(source.plain)
    known = re.compile(rf"\bwindow\[|\[(?:{'|'.join(indices)})\]" if indices else r"\bwindow\[")
    for line in blank(source.plain).split("\n"):
        here = known.sub(lambda m: " " * len(m[0]), line.rstrip("\r"))
        found += _in_line(source, here, offset, context, depth > 0)
        depth = max(0, depth + sum(map(line.count, "([{")) - sum(map(line.count, ")]}")))
        offset += len(line) + 1
    return found


def _in_line(
    source: Source, line: str, offset: int, context: Context, inside: bool
) -> list[Diagnostic]:
    """The habits of one line; ``inside``: a parenthesis is open, so that no statement starts."""
    taken: list[tuple[int, int]] = []
    found: dict[str, tuple[int, int]] = {}
    for habit in HABITS:
        if inside and habit.pattern.pattern.startswith("^"):
            continue
        for match in habit.pattern.finditer(line):
            start, end = match.span("at" if match.groupdict().get("at") else 0)
            gone = line[start:end].isspace() and "\u00a0" not in match[0]
            if gone or any(a < end and start < b for a, b in taken):
                continue
            taken.append((start, end))
            code = habit.code
            if code == "habit-comment":
                if is_floor(line, start):
                    code = "habit-floor"
                else:
                    line = line[:end] + " " * (len(line) - end)
            if code not in found or start < found[code][0]:
                found[code] = (start, end)
    if not found:
        return []
    fixed = corrected(source.text[offset : offset + len(line)].split("#")[0].rstrip(), context)
    diagnostics = []
    for code, (start, end) in sorted(found.items(), key=lambda item: item[1]):
        text = line[start:end].strip() or "a no-break space"
        facts: dict[str, Any] = {"found": text, "what": _what(code, text, context), "fixed": fixed}
        if code == "habit-python":
            facts["fixed"] = _PYTHON.get(text.split()[0].rstrip(":"), "a spec has equations only: "
                                         "`x' = x - lr*g`")
            facts["found"] = text.split()[0]
        elif code == "else-if":
            facts["fixed"] = "`else:`, and the `if` block indented under it"
        elif "over tensor" in fixed and " over " not in line:
            hints = tuple(h.format(**facts) for h in CODES[code].hints)
            facts["hints"] = (*hints, "or `over model`, where all parameters count together")
        span = Span(offset + start, offset + end)
        diagnostics.append(report(code, source, span, **facts))
    return diagnostics


def _what(code: str, text: str, context: Context) -> str:
    """The label of a subscript or index: what a spec calls it."""
    if code in ("habit-subscript", "habit-index"):
        plain = corrected(text, context)
        if plain.endswith("'"):
            return f"the value after the step is `{plain}`"
        if plain in context.states:
            return f"the value before the step is `{plain}`"
        return f"here it is `{plain}`"
    if code == "habit-number":
        return "digits are not grouped" if "_" in text else "a suffix of another language"
    return ""
