"""What makes a formula undefined, and what to do about it, in the words of a spec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from thetaprime.check.breaks import Break
from thetaprime.check.trials import ANY, Trial
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite
from thetaprime.intervals import Interval
from thetaprime.ir import Step
from thetaprime.render import spec_text
from thetaprime.signature import asks_more
from thetaprime.source import Source

_SOME = {ANY, "other"}
_EPS = Sym("eps")
# A call whose argument has no parentheses in it but balanced ones.
_CALL = re.compile(r"(\w+)\((?:[^()]|\([^()]*\))*\)")


def because(step: Step, found: Break, chosen: tuple[tuple[str, str], ...]) -> str:
    """The values for which it happens: ``when b1 = 1``."""
    trial = found.trial
    parts = [f"{name} = {value}" for name, value in chosen]
    parts += [f"{step.hyper(name).spelled or name} = {value:g}" for name, value in trial.given]
    parts += _problem(step, trial) if asks_more(step) else _inputs(step, found)
    return f"when {' and '.join(parts)}" if parts else "for some gradients"


def _inputs(step: Step, found: Break) -> Iterator[str]:
    """What the gradient, the point and the loss are."""
    trial = found.trial
    words = trial.gradients[:found.t]
    if not _SOME.issuperset(words):
        if len(set(words)) == 1:
            yield _gradient(step, words[0])
        else:
            yield ", ".join(f"{_gradient(step, w)} at t = {k}" for k, w in enumerate(words, 1)
                            if w not in _SOME)
    if trial.point == 0:
        yield f"{step.point} = 0 in every entry"
    if trial.offset != Trial.offset:
        yield f"loss = {trial.offset:g}"


def _gradient(step: Step, word: str) -> str:
    value, _, where = word.partition(" ")
    return f"{step.gradient} = {value} {where or 'in every entry'}"


def _problem(step: Step, trial: Trial) -> Iterator[str]:
    """What the loss is, in a formula."""
    if trial.curvature == 0:
        yield f"the loss is {trial.offset:g} everywhere"
        return
    factor = {1.0: "", -1.0: "-"}.get(trial.curvature, f"{trial.curvature:g}*")
    tail = f" {'-' if trial.offset < 0 else '+'} {abs(trial.offset):g}" if trial.offset else ""
    yield f"the loss is {factor}|{step.point}|^2/2{tail}"
    if trial.point == 0:
        yield f"{step.point} = 0 in every entry"


def shown(expr: Apply, source: Source) -> Apply:
    """The formula with the calls that the user wrote in place of what they stand for."""
    args = tuple(rewrite(a, lambda node: _written(node, source)) for a in expr.args)
    return expr if any(isinstance(a, Sym) and a.span == expr.span for a in args) else replace(
        expr, args=args)


def _written(node: Expr, source: Source) -> Expr:
    """A call of a function, as a name that reads like it."""
    text = source.text[node.span.start:node.span.end]
    call = _CALL.fullmatch(text)
    if not isinstance(node, Apply) or call is None or call[1] == node.op:
        return node
    return Sym(text, type=node.type, span=node.span)


def texts(expr: Apply, found: Break) -> str:
    """What is computed there, with numbers."""
    values = [f"{v:.4g}" for v in found.values]
    match expr.op:
        case "/":
            what = "divides by 0"
        case "mod":
            what = "a remainder of a division by 0"
        case "sqrt":
            what = f"the root of {values[0]}"
        case "ln":
            what = f"the logarithm of {values[0]}"
        case _:
            what = " to the power ".join(values)
    return f"{what}, at t = {found.t}"


def outside(expr: Apply, args: tuple[Interval, ...]) -> tuple[str, str, Interval]:
    """The argument that must lie somewhere, what would make it safe, and what is known of it."""
    argument = args[1] if expr.op in ("/", "mod") else args[0]
    needs = {"/": "is not 0", "mod": "is not 0", "sqrt": "is not negative", "ln": "is positive",
             "^": "is positive"}
    of = expr.args[1] if expr.op in ("/", "mod") else expr.args[0]
    return spec_text(of), needs[expr.op], argument


def guards(names: frozenset[str], expr: Apply, args: tuple[Interval, ...]) -> Iterator[str]:
    """What to write instead."""
    new = "" if _EPS.name in names else " with `hyper eps = 1e-8 in (0, inf)`"
    match expr:
        case Apply("/", (above, below)):
            if args[1].nonnegative:
                yield f"`{_text('/', above, _plus(below))}`{new}"
            yield f"`{spec_text(expr)} default 0`: 0 where it is undefined"
        case Apply("sqrt", (inner,)):
            yield f"`{_text('sqrt', _max(inner, Num('0')))}`"
        case Apply("ln", (inner,)):
            guarded = _plus(inner) if args[0].nonnegative else _max(inner, _EPS)
            yield f"`{_text('ln', guarded)}`{new}"
        case Apply("^", (base, by)):
            safe = base if args[0].nonnegative else _max(base, Num("0"))
            if 0 in args[0] and not args[1].nonnegative:
                yield f"`{_text('^', _plus(safe), by)}`{new}"
            else:
                yield f"`{_text('^', safe, by)}`"
        case Apply("mod", (above, below)):
            yield f"`{_text('mod', above, _max(below, Num('1')))}`"


def _text(op: str, *args: Expr) -> str:
    return spec_text(Apply(op, args))


def _plus(expr: Expr) -> Expr:
    return Apply("+", (expr, _EPS))


def _max(expr: Expr, least: Expr) -> Expr:
    return Apply("max", (expr, least))
