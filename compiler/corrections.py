"""A line in the notation of Python, LaTeX or another language -> the same line as a spec has it.

`corrected` only makes hints: nothing that it returns is ever compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from thetaprime.foreign_calls import (
    NAME,
    OPEN,
    arguments,
    call_text,
    closing,
    operand,
    rewritten_calls,
)

# Reductions written as methods or module functions say nothing of what they run over.
_REDUCE = ("norm", "mean", "sum", "dot", "rms")
_LATEX_WORDS = {
    "cdot": "*", "times": "*", "odot": "*", "ast": "*", "le": "<=", "leq": "<=", "ge": ">=",
    "geq": ">=", "ne": "!=", "neq": "!=", "leftarrow": "=", "gets": "=", "infty": "inf",
    "land": "and", "lor": "or", "lnot": "not", "log": "ln", "left": "", "right": "", "quad": "",
    "displaystyle": "", "big": "", "Big": "", "bigl": "", "bigr": "", "epsilon": "epsilon",
    "varepsilon": "epsilon", "vartheta": "theta", "prime": "'",
}
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ⁿᵗ⁺⁻ᵏ", "0123456789nt+-k", strict=True))
_SUBSCRIPT_TIME = {"ₜ": "t", "ₖ": "k", "₊": "+", "₋": "-", "₁": "1", "ₙ": "n", "ᵢ": "i"}
_MARKS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0307": "dot"}
UNICODE = {
    "√": "sqrt", "·": "*", "×": "*", "⊙": "*", "∗": "*", "⊗": "*", "−": "-", "–": "-", "≤": "<=",
    "≥": ">=", "≠": "!=", "∞": "inf", "∇": "g", "÷": "/", "‖": "||", "←": "<-", "∈": "in",
    "∧": " and ", "∨": " or ", "¬": "not ", "’": "'", "“": '"', "”": '"', "≔": ":=",
    "\u00a0": " ", "∑": "sum",
}


@dataclass(frozen=True)
class Context:
    """The names that a spec declares: corrections use them instead of foreign ones."""

    text: str
    states: frozenset[str]
    hypers: frozenset[str]
    point: str

    @classmethod
    def of(cls, text: str) -> Context:
        """The context of a text that need not be a spec."""
        states = set(re.findall(rf"^\s*(?:state|const|param)\s+({NAME})", text, re.MULTILINE))
        trained = re.search(rf"^\s*(?:train|param)\s+({NAME})", text, re.MULTILINE)
        point = trained[1] if trained else "x"
        lines = re.findall(r"^\s*hyper\s+(.*)", text, re.MULTILINE)
        hypers = {n for line in lines for n in re.findall(rf"({NAME})\s*[=:,]", line)}
        return cls(text, frozenset({*states, point}), frozenset(hypers), point)

    def own(self, name: str) -> str:
        """The declared name that a foreign one most likely means."""
        known = self.states | self.hypers
        plain = name.replace("_", "")
        short = {"beta": "b", "alpha": "lr", "eta": "lr", "gamma": "lr", "epsilon": "eps",
                 "lambda": "wd"}
        if name in known or name in ("g", "t"):
            return name
        stem = plain.rstrip("0123456789")
        guess = short.get(stem, stem) + plain[len(stem):]
        if guess in known:
            return guess
        return self.point if name in ("theta", "w", "p", "params") else plain

    def at_step(self, name: str, index: str) -> str:
        """``m`` or ``m'`` for a name with an index of time, ``b1`` for one with a number."""
        index = re.sub(r"\s", "", index)
        name = self.own(name)
        if index.isdigit():
            return self.own(name + index)
        moved = re.fullmatch(r"(?:t|k|n|i)([-+]1)?", index)
        if moved is None:
            return f"{name}_{index}" if re.fullmatch(r"\w+", index) else name
        if name not in self.states:
            return name
        # x[t+1] somewhere makes x[t] the old value; else x[t-1] is, and x[t] the new one.
        forward = re.search(rf"(?:\b{name}|theta|w)(?:_?[\[({{]\s*[tkni]\s*\+|[ₜₖ]₊)", self.text)
        new = moved[1] == "+1" or (moved[1] is None and not forward)
        return name + "'" * new


def corrected(line: str, context: Context) -> str:
    """The line as a spec would have it, as far as rewriting can tell; without its comment."""
    text = line
    for rule in _RULES:
        text = rule(text, context)
    return re.sub(r"''+", "'", text).strip()


# The rules, in the order in which they are applied.


def _comment(text: str, _: Context) -> str:
    match = re.search(r"\s*//\s*(.*)$", text)
    if match is None or is_floor(text, match.start()):
        return text
    return text[:match.start()] + ("  " if match.start() else "") + "# " + match[1]


def is_floor(text: str, at: int) -> bool:
    """Whether the ``//`` at or after ``at`` divides: an operand follows, not words."""
    after = text[text.index("//", at) + 2:]
    glued = at > 0 and text[at] == "/"
    words = re.match(r"\s*\w+\s+\w+", after)
    return bool(text[:at].strip()) and not words and (
        glued or bool(re.match(r"\s*[\d(]", after)))


def _latex(text: str, context: Context) -> str:
    if "\\" not in text:
        return text
    text = re.sub(r"\\nabla\s*(?:_\{[^}]*\}|_\\?\w)?\s*[A-Za-z]?\s*(?:\((?:[^()]|\([^()]*\))*\))?",
                  "g", text)
    text = re.sub(r"\\(?:lVert|\|)\s*(.+?)\s*\\(?:rVert|\|)(?:_2)?", r"norm(\1 over tensor)", text)
    text = re.sub(r"\\(?:lvert|vert)\s*(.+?)\s*\\(?:rvert|vert)", r"abs(\1)", text)
    text = re.sub(r"\\(?:wide)?(hat|tilde|bar|dot)\s*(?:\{(\\?\w+)\}|(\\?\w))",
                  lambda m: f"{(m[2] or m[3]).lstrip(chr(92))}{m[1]}", text)
    text = re.sub(r"\\(?:mathrm|mathbf|text|operatorname|mathit|bm)\s*\{([^{}]*)\}", r"\1", text)
    while match := re.search(r"\\([td]?frac|sqrt)\s*\{", text):
        end = closing(text, match.end() - 1)
        first, rest = text[match.end():end], text[end + 1:]
        if match[1] == "sqrt":
            new = f"sqrt({first})"
        elif rest.lstrip().startswith("{"):
            rest = rest.lstrip()
            cut = closing(rest, 0)
            new, rest = f"{operand(first)}/{operand(rest[1:cut])}", rest[cut + 1:]
        else:
            new = operand(first)
        text = text[:match.start()] + new + rest
    text = re.sub(r"\s*\\(?:cdot|times|odot|ast)\b\s*", "*", text)
    text = re.sub(r"\\[,;!: ]", " ", text)

    def word(match: re.Match[str]) -> str:
        name, digits = match[1], match[2] or ""
        known = _LATEX_WORDS.get(name, name)
        if name in _LATEX_WORDS and not known.isalpha():
            return known + digits
        return context.own(known + digits.strip("_{}"))

    text = re.sub(r"\\([A-Za-z]+)(_\{?\d+\}?)?", word, text)
    text = re.sub(r"\^\{([^{}]*)\}", lambda m: "^" + operand(m[1]), text)
    return text if re.match(r"\s*(?:hyper|state|const|axis|cite|note)\b", text) else (
        with_products(text))


def _unicode(text: str, context: Context) -> str:
    text = re.sub(rf"([{''.join(_SUPERSCRIPTS)}]+)",
                  lambda m: "^" + operand("".join(_SUPERSCRIPTS[c] for c in m[1])), text)
    text = re.sub(rf"(\w)([{''.join(_MARKS)}])", lambda m: m[1] + _MARKS[m[2]], text)
    text = re.sub(r"∇\s*\w?\s*(?:\([^()]*\))?", "g", text)
    text = re.sub(r"‖\s*([^‖]+?)\s*‖", r"norm(\1 over tensor)", text)
    text = re.sub(rf"√\s*({NAME}'?(?:\^\w+)?|\d+)", r"sqrt(\1)", text)
    text = re.sub(r"\s*[·×⊙∗⊗]\s*", "*", text)
    for sign, plain in UNICODE.items():
        text = text.replace(sign, plain)
    return text


def _subscripts(text: str, context: Context) -> str:
    subscripts = "".join(_SUBSCRIPT_TIME)
    text = re.sub(rf"({NAME}?)([ₜₖ](?:[₊₋]₁)?)(?![{subscripts}])",
                  lambda m: context.at_step(m[1], "".join(_SUBSCRIPT_TIME[c] for c in m[2])), text)
    text = re.sub(rf"({NAME}?)_\{{([^}}]*)\}}", lambda m: context.at_step(m[1], m[2]), text)
    text = re.sub(rf"\b({NAME})\(\s*([tkn]\s*(?:[-+]\s*1)?)\s*\)",
                  lambda m: context.at_step(m[1], m[2])
                  if context.own(m[1]) in {*context.states, "g"} else m[0], text)
    return re.sub(rf"({NAME})\[\s*([tkni]\s*(?:[-+]\s*1)?)\s*\]",
                  lambda m: context.at_step(m[1], m[2]), text)


def _assignments(text: str, context: Context) -> str:
    def target(name: str) -> str:
        name = context.own(name) if name in ("theta", "w", "p", "params") else name
        return name + "'" * (name in context.states)

    text = re.sub(rf"^(\s*(?:hyper|state|const)\s+{NAME})\s*:=\s*", r"\1 = ", text)
    text = re.sub(rf"^(\s*)({NAME})'?\s*(?::=|<-|==)\s*",
                  lambda m: f"{m[1]}{target(m[2])} = ", text)

    def update(match: re.Match[str]) -> str:
        name, op, value = context.own(match[2]), match[3], match[4].rstrip()
        if op != "+" and (op != "-" or re.search(r"[-+]", value)):
            value = operand(value) if op != "-" or re.search(r"\s[-+]\s", value) else value
        if op in "*/":
            return f"{match[1]}{name}' = {name}{op}{value}"
        return f"{match[1]}{name}' = {name} {op} {value}"

    return re.sub(rf"^(\s*)({NAME})'?\s*([-+*/])=\s*(.*)$", update, text)


_LIBRARIES = r"(?:np|jnp|numpy|torch|math|tf|jax|keras|F|K|ops|self|lax|optax|group)"


def _modules(text: str, context: Context) -> str:
    text = re.sub(r"\b\w+\.grad(?:\.data|ient)?\b(?!\()", "g", text)
    text = re.sub(rf"\b({NAME}'?)\.data\b", r"\1", text)

    def drop(match: re.Match[str]) -> str:
        name = match[1]
        following = text[match.end():match.end() + 1]
        return name if following == "(" else context.own(name)

    return re.sub(rf"\b{_LIBRARIES}(?:\.\w+)*\.(\w+)", drop, text)


def _methods(text: str, context: Context) -> str:
    pattern = re.compile(rf"((?:{NAME})?'?)\.(?!T\b|step\b)([^\W\d]\w*?)_?\(")
    while match := pattern.search(text):
        begin = match.start()
        if not match[1]:
            begin = next((i for i in range(begin - 1, -1, -1)
                          if closing(text, i) == begin - 1 and text[i] in OPEN), begin)
            while begin and re.match(r"[\w']", text[begin - 1]):
                begin -= 1
        receiver = text[begin:match.start() + len(match[1])]
        if receiver.startswith("(") and closing(receiver, 0) == len(receiver) - 1:
            receiver = receiver[1:-1]
        end = closing(text, match.end() - 1)
        args = [receiver, *arguments(text[match.end():end])]
        if match[2] == "clip" and len(args) == 3:
            new = f"clip({', '.join(args)})"
        else:
            new = call_text(match[2], args) or f"{match[2]}({', '.join(args)})"
        text = text[:begin] + new + text[end + 1:]
    return text


def _functions(text: str, _: Context) -> str:
    def write(name: str, args: list[str]) -> str | None:
        if name in _REDUCE and args and " over " not in args[-1]:
            return f"{name}({', '.join(args)} over tensor)"
        return call_text(name, args)

    return rewritten_calls(text, write)


def _operators(text: str, _: Context) -> str:
    text = text.replace("**", "^")
    text = re.sub(r"(?<!\d)\.([*/^])", r"\1", text)
    text = re.sub(r"\^T\b", ".T", text)
    text = re.sub(r"\s*&&\s*", " and ", text)
    text = re.sub(r"!(?!=)\s*", "not ", text)
    text = re.sub(r"\|\|([^|]+)\|\|", r"norm(\1 over tensor)", text)
    text = re.sub(r"\s*\|\|\s*", " or ", text)
    text = re.sub(r"\|([^|]+)\|", r"abs(\1)", text)
    atom = rf"(?:{NAME}'?|\d[\w.]*|\([^()]*\)|{NAME}\([^()]*\))"
    text = re.sub(rf"({atom})\s*%\s*({atom})", r"mod(\1, \2)", text)
    text = re.sub(rf"({atom})\s*//\s*({atom})", r"floor(\1/\2)", text)
    return re.sub(r"(\d)_(?=\d{3})", r"\1", re.sub(
        r"(?<![\w.])((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[fFlLjJ](?!\w)", r"\1", text))


def _conditional(text: str, _: Context) -> str:
    return re.sub(r"(=\s*|\()([^=()]*(?:\([^()]*\)[^=()]*)*?\S)\s+if\s+(.+?)\s+else\s+",
                  r"\1if \3 then \2 else ", text) if not re.search(r"\bthen\b", text) else text


def _semicolons(text: str, _: Context) -> str:
    return re.sub(r";\s*$", "", text)


def with_products(text: str) -> str:
    """The line with the `*` that juxtaposition leaves out: ``2a``, ``(a)(b)``, ``a b``."""
    words = r"if|then|else|and|or|not|over|in|default|when|from|every|first|hold"
    text = re.sub(r"(?<![\w.])(\d+\.?\d*)(?=[^\W\d_eE(]|\()", r"\1*", text)
    text = re.sub(rf"(\))\s*(?=(?!(?:{words})\b)[\w(])", r"\1*", text)
    return re.sub(rf"(?<![\w'])((?!(?:{words})\b){NAME}'?|\d[\w.]*) +(?=(?!(?:{words})\b)[\w(])",
                  r"\1*", text)


_RULES: tuple[Callable[[str, Context], str], ...] = (
    _comment, _latex, _unicode, _subscripts, _assignments, _modules, _methods, _functions,
    _operators, _conditional, _semicolons,
)
