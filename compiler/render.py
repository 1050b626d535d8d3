"""The only printer of expressions: precedence from the op table, fewest parentheses.

A `Notation` says how one target spells things (a spec, Python, LaTeX); `render` puts the parts
together. Precedence and associativity are those of `ops`, which Python shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ops import OPS, ORACLES

ATOM = 100
# a <op> b with the operator's own precedence on the named side needs parentheses there.
_RIGHT_ASSOCIATIVE = {"^"}
# Operators that a spec writes without spaces: b1*m + (1 - b1)*g.
TIGHT = {"*", "/", "^"}


@dataclass(frozen=True)
class Notation:
    """How a target spells numbers, symbols and applications.

    ``infix`` maps an op to its spelling with spaces; an op not in it, or for which ``special``
    answers, is printed as ``call`` says. ``special`` may print a whole application its own way: it
    gets the application and a function that prints an argument at a minimum precedence, and
    returns text with its precedence, or None.
    """

    number: Callable[[Num], str]
    symbol: Callable[[Sym], str]
    call: Callable[[Apply, list[str]], str]
    infix: Mapping[str, str]
    prefix: Mapping[str, str] = field(default_factory=dict)
    special: Callable[[Apply, Callable[[Expr, int], str]], tuple[str, int] | None] | None = None


def render(expr: Expr, notation: Notation, least: int = 0) -> str:
    """``expr`` in ``notation``, in parentheses when it binds looser than ``least``."""
    text, precedence = _render(expr, notation)
    return f"({text})" if precedence < least else text


def _render(expr: Expr, notation: Notation) -> tuple[str, int]:
    if isinstance(expr, Num):
        return notation.number(expr), ATOM
    if isinstance(expr, Sym):
        return notation.symbol(expr), ATOM
    if notation.special is not None:
        done = notation.special(expr, lambda arg, least: render(arg, notation, least))
        if done is not None:
            return done
    own = OPS[expr.op].precedence if expr.op in OPS and not expr.over else ATOM
    if expr.op in notation.infix and len(expr.args) == 2:
        left, right = expr.args
        up_left = own + (expr.op in _RIGHT_ASSOCIATIVE or own == OPS["<"].precedence)
        up_right = own + (expr.op not in _RIGHT_ASSOCIATIVE)
        return (render(left, notation, up_left) + notation.infix[expr.op]
                + render(right, notation, up_right)), own
    if expr.op in notation.prefix and len(expr.args) == 1:
        return notation.prefix[expr.op] + render(expr.args[0], notation, own), own
    return notation.call(expr, [render(arg, notation) for arg in expr.args]), ATOM


def spec_symbol(symbol: Sym) -> str:
    return str(symbol)


def _spec_special(
    expr: Apply, show: Callable[[Expr, int], str]
) -> tuple[str, int] | None:
    match expr.op, expr.args:
        case "if", (condition, then, otherwise):
            # A conditional swallows all to its right, so that it binds loosest.
            return f"if {show(condition, 1)} then {show(then, 1)} else {show(otherwise, 0)}", 0
        case "default", (value, fallback):
            return f"{show(value, 60)} default {show(fallback, 70)}", OPS["default"].precedence
        case "@", (left, right):
            return f"{show(left, 60)} @ {show(right, 61)}", OPS["*"].precedence
        case "T", (inner,):
            return f"{show(inner, ATOM)}.T", ATOM
        case "view" | "unview" | "along" | "seen", (inner,):  # what the compiler puts around
            return show(inner, ATOM), ATOM
        case "unfold" | "refold", (inner,) if expr.over:
            return f"{expr.op}({show(inner, 0)}, {expr.over[0]})", ATOM
        case "eye", ():
            return "I", ATOM
        case "~", (name,):
            return f'{show(name, 50)} ~ "{expr.over[0]}"', OPS["<"].precedence
        case "list", items:
            return f"[{', '.join(show(item, 0) for item in items)}]", ATOM
    return None


def _spec_call(expr: Apply, args: list[str]) -> str:
    if not args and not expr.over:
        return expr.op
    if expr.op in ORACLES and expr.over:
        return _question(expr, args)
    over = f" over {', '.join(expr.over)}" if expr.over else ""
    if "; " in expr.op:
        name, _, batch = expr.op.partition("; ")
        return f"{name}({', '.join(args)}{over}; {batch})"
    return f"{expr.op}({', '.join(args)}{over})"


def _question(expr: Apply, args: list[str]) -> str:
    """``grad[aux](y; fresh)``: an oracle of the IR; which fresh batch it is has no name."""
    batch, *loss = expr.over
    points = ", ".join(args[:len(ORACLES[expr.op].takes)])
    which = "" if batch == "this" else f"; {batch}"
    return f"{expr.op}{''.join(f'[{name}]' for name in loss)}({points}{which})"


SPEC = Notation(
    number=lambda n: n.text,
    symbol=spec_symbol,
    call=_spec_call,
    infix={name: op.name if name in TIGHT else f" {op.name} " for name, op in OPS.items()
           if op.fix == "infix" and name != "default"},
    prefix={"neg": "-", "not": "not "},
    special=_spec_special,
)


def spec_text(expr: Expr) -> str:
    """The expression as a spec spells it, in the user's own spelling of names."""
    return render(expr, SPEC)
