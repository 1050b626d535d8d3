"""Calls of functions as other languages write them -> the formulas of a spec, for hints."""

from __future__ import annotations

import re
from collections.abc import Callable

NAME = r"[^\W\d]\w*"
OPEN, CLOSE = "([{", ")]}"

# Functions elsewhere -> how a spec says it. {0}, {1}: arguments; {0.}: as an operand of `^` or `/`.
FUNCTION_HABITS: dict[str, str] = {
    "log": "ln({0})", "pow": "{0.}^{1.}", "power": "{0.}^{1.}", "square": "{0.}^2",
    "where": "(if {0} then {1} else {2})", "select": "(if {0} then {1} else {2})",
    "maximum": "max({0}, {1})", "minimum": "min({0}, {1})", "fmax": "max({0}, {1})",
    "fmin": "min({0}, {1})", "clamp": "clip({0}, {1}, {2})", "absolute": "abs({0})",
    "fabs": "abs({0})", "sgn": "sign({0})", "rsqrt": "1/sqrt({0})", "cbrt": "{0.}^(1/3)",
    "lerp": "((1 - {2.})*{0.} + {2.}*{1.})", "reciprocal": "1/{0.}", "log1p": "ln(1 + {0})",
    "expm1": "(exp({0}) - 1)", "exp2": "2^{0.}", "log2": "ln({0})/ln(2)",
    "log10": "ln({0})/ln(10)", "ceil": "-floor(-{0.})", "average": "mean({0} over tensor)",
    "norm2": "norm({0} over tensor)", "l2norm": "norm({0} over tensor)",
    "isnan": "not finite({0})", "isfinite": "finite({0})", "arctan2": "atan2({0}, {1})",
    "arctan": "atan({0})", "numel": "size({0} over tensor)", "count": "size({0} over tensor)",
    "relu": "max({0}, 0)", "neg": "-{0.}", "zeros_like": "0", "ones_like": "1",
    "add": "({0} + {1})",
    "sub": "({0} - {1})", "subtract": "({0} - {1})", "mul": "{0.}*{1.}",
    "multiply": "{0.}*{1.}", "div": "{0.}/{1.}", "divide": "{0.}/{1.}",
    "addcdiv": "({0} + {1.}/{2.})", "addcmul": "({0} + {1.}*{2.})", "clone": "{0}",
    "detach": "{0}", "item": "{0}", "grad": "g", "gradient": "g", "float": "{0}",
    "ternary": "(if {0} then {1} else {2})", "iif": "(if {0} then {1} else {2})",
    "remainder": "mod({0}, {1})", "fmod": "mod({0}, {1})",
    "eye": "I", "identity": "I", "transpose": "{0.}.T", "matmul": "{0.} @ {1.}",
    "trace": "tr({0})", "inverse": "inv({0})", "cholesky": "chol({0})",
    "matrix_power": "mpow({0}, {1})", "sqrtm": "mpow({0}, 1/2)",
}


def closing(text: str, start: int) -> int:
    """Index of the bracket that closes the one at ``start``; the end of the text without one."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] in OPEN) - (text[i] in CLOSE)
        if depth == 0:
            return i
    return len(text)


def arguments(text: str) -> list[str]:
    """``a, f(b, c)`` -> its parts at depth zero."""
    parts, depth, begin = [], 0, 0
    for i, char in enumerate(text):
        depth += (char in OPEN) - (char in CLOSE)
        if char == "," and depth == 0:
            parts.append(text[begin:i].strip())
            begin = i + 1
    rest = text[begin:].strip()
    return [*parts, rest] if rest or parts else []


def operand(text: str) -> str:
    """In parentheses unless it is a name, a number, a call or in parentheses already."""
    text = text.strip()
    head = re.match(r"[\w.]*'?", text)
    rest = text[head.end() if head else 0:]
    if not rest or (rest[0] == "(" and closing(rest, 0) == len(rest) - 1):
        return text
    return f"({text})"


def call_text(name: str, args: list[str]) -> str | None:
    """What a spec writes for a foreign call; None when it has no rule or too few arguments."""
    rule = FUNCTION_HABITS.get(name)
    if rule is None:
        return None
    text = rule
    for i, arg in enumerate(args):
        text = text.replace(f"{{{i}.}}", operand(arg)).replace(f"{{{i}}}", arg)
    return None if re.search(r"\{\d\.?\}", text) else text


def rewritten_calls(text: str, write: Callable[[str, list[str]], str | None]) -> str:
    """The text with every call ``name(args)`` for which ``write`` knows better, rewritten."""
    at = 0
    while match := re.compile(rf"(?<![\w.\\])({NAME})\(").search(text, at):
        end = closing(text, match.end() - 1)
        new = write(match[1], arguments(text[match.end():end]))
        if new is None:
            at = match.end()
            continue
        before, after = text[:match.start()], text[end + 1:]
        if new.startswith("(") and re.search(r"(?:^|[=(,])\s*$", before) and (
                re.match(r"\s*(?:$|[,)])", after)):
            new = new[1:-1]
        elif "/" in new and before.rstrip().endswith("/"):
            new = f"({new})"
        text, at = before + new + after, match.start()
        if name_again := re.match(rf"{NAME}\(", text[at:]):
            at += name_again.end()
    return text
