"""Folds over the axes of a tensor, and operations with several results: from what the user wrote
to statements."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite
from thetaprime.ir import Carry, EachAxis, Equation, Statement
from thetaprime.ops import MANY
from thetaprime.render import spec_text
from thetaprime.scopes import outputs, renamed
from thetaprime.source import Source, Span
from thetaprime.syntax import LoopBlock

if TYPE_CHECKING:
    from thetaprime.tables import Tables

AXES = "axes"


def over_axes(line: LoopBlock, known: object) -> bool:
    """Whether a fold runs over the axes of each tensor."""
    assert isinstance(known, dict)
    return line.over is not None and line.over.names == (AXES,) and AXES not in known


def fold_axes(
    line: LoopBlock, source: Source, ready: Callable[[Expr], Expr], body: list[Statement],
    fresh: Callable[[str], str], problems: list[Diagnostic],
) -> EachAxis:
    """A fold over axes; what its body defines beside its values is nobody else's."""
    carries = tuple(Carry(Sym(s.name, span=s.span), ready(s.value)) for s in line.starts)
    values = {c.value.name for c in carries}
    made = dict.fromkeys(o for s in body for o in outputs(s))
    for target in line.targets:
        if target.prime or target.name not in values:
            problems.append(report("loop-target", source, target.span, name=str(target)))
    for carry in carries:
        if replace(carry.value, prime=True) not in made:
            problems.append(report("loop-holds", source, carry.value.span, name=carry.value.name))
    names: dict[Sym, Expr] = {
        o: Sym(fresh(f"{o.name}_fold"), span=o.span, spelled=str(o))
        for o in made if not o.prime and o.name not in values}
    return EachAxis(line.index, carries, tuple(renamed(s, names) for s in body), source)


def read_matrices(expr: Expr, taken: Collection[str]) -> Expr:
    """``unfold(g, a)`` and ``refold(M, a)`` with the axis where the compiler looks for it, and `I`,
    if nothing else has its name, as the identity."""
    def change(node: Expr) -> Expr:
        match node:
            case Apply("unfold" | "refold", (what, Sym(axis))) if not node.over:
                return replace(node, args=(what,), over=(axis,))
            case Sym("I", False) if "I" not in taken:
                return Apply("eye", span=node.span)
        return node

    return rewrite(expr, change)


def several(
    targets: tuple[Sym, ...], written: Expr, value: Expr, source: Source,
    tables: Tables, problems: list[Diagnostic],
) -> list[Statement]:
    """``U, s, V = svd(A)``: one equation for each result; ``svd(A, k)`` gives the first k."""
    results = MANY.get(value.op, ()) if isinstance(value, Apply) else ()
    if not isinstance(value, Apply) or len(results) != len(targets):
        problems.append(wrong_results(written, value, len(targets), source, written.span))
        return [Equation(t, Num("0"), source) for t in targets]
    args, over = value.args, value.over
    match value:
        case Apply("svd", (what, number)):
            if isinstance(written, Apply) and isinstance(written.args[-1], Sym):
                number = written.args[-1]  # by its name, where `with` says the number too
            args, over = (what,), (_count(number, source, tables, problems),)
    return [Equation(t, replace(value, op=op, args=args, over=over), source)
            for t, op in zip(targets, results, strict=True)]


def _count(
    expr: Expr, source: Source, tables: Tables, problems: list[Diagnostic]
) -> str:
    """The axis along which the first k singular values lie: a whole number that is known."""
    match expr:
        case Sym(name, False) if name in tables.whole:
            tables.sized[name] = name
            return name
        case Num(text) if text.isdigit() and int(text):
            tables.sized[text] = int(text)
            return text
    text = spec_text(expr)
    name = text if text in tables.hypers else "k"
    problems.append(report("svd-count", source, expr.span, text=text, name=name))
    return "1"


def wrong_results(
    written: Expr, value: Expr, given: int, source: Source, span: Span
) -> Diagnostic:
    """An operation has another number of results than there are names for them."""
    op = value.op if isinstance(value, Apply) else ""
    wanted = len(MANY.get(op, "1"))
    return report(
        "many-results", source, span, text=spec_text(written),
        count=f"{wanted} results" if wanted > 1 else "one result",
        given=f"{given} names here" if given > 1 else "not named one by one",
        hints=(f"`{_RESULTS[op]} = {spec_text(written)}`",) if op in _RESULTS else ())


_RESULTS = {"qr": "Q, R", "eigh": "lam, Q", "svd": "U, s, V"}
