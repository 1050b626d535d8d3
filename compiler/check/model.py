"""Guarantees: what lies along ``params``, all entries of the model in one row, stands beside its
like only: numbers of the model, vectors and matrices along the same axis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from thetaprime.check.misfits import told
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, walk
from thetaprime.ir import EachAxis, Statement, reads, statements
from thetaprime.ops import ORACLES, WHOLE
from thetaprime.render import spec_text
from thetaprime.source import Source, Span
from thetaprime.types import ANY, PARAMS, PER_ENTRY, Extent, Type, of_model

if TYPE_CHECKING:
    from thetaprime.check.types import Typing

MATRIX = ("`tr(A)` sums the diagonal, `diagonal(A)` is it, `tr(A.T @ A)` sums all squares; `A @ v` "
          "sums the entries of each row, weighted by v",)


def infer_whole(typing: Typing, expr: Apply, source: Source) -> Expr:
    """The typed ``flat(g)`` and ``unflat(d)``; axes of the spec stay in front."""
    arg = typing.infer(expr.args[0], source)
    if expr.op == "flat":
        arg = typing.into(PER_ENTRY, arg, source)
        kind = typing.kind(arg)
        fits = kind.extent is Extent.ENTRY and kind.kind != "bool"
        if not fits and not told(typing, source, arg.span):
            typing.problems.append(report(
                "flat-argument", source, arg.span, text=spec_text(arg), type=typing.shown(kind),
                hints=("it lies in one row already",) if of_model(kind) else ()))
        return replace(expr, args=(arg,), type=Type(Extent.SCALAR, (*kind.axes, PARAMS)))
    kind = typing.kind(arg)
    fits = of_model(kind) and kind.axes.index(PARAMS) == len(kind.axes) - 1
    if not fits and not told(typing, source, arg.span):
        typing.problems.append(report(
            "unflat-argument", source, arg.span, text=spec_text(arg), type=typing.shown(kind)))
    return typing.see(replace(expr, args=(arg,), type=Type(Extent.ENTRY, kind.axes[:-1])))


def beside_entries(typing: Typing, args: tuple[Expr, ...], source: Source) -> bool:
    """Whether what lies along ``params`` stands beside what differs from tensor to tensor, which
    is told."""
    row = next((a for a in args if of_model(typing.kind(a))), None)
    other = next((a for a in args if typing.kind(a).extent is not Extent.SCALAR), None)
    if row is None or other is None:
        return False
    kind = typing.kind(other)
    if told(typing, source, row.span) or told(typing, source, other.span):
        return True
    typing.problems.append(report(
        "flat-beside", source, other.span, row=spec_text(row), text=spec_text(other),
        row_type=typing.shown(typing.kind(row)), type=typing.shown(kind),
        hints=_ways(spec_text(row), typing.kind(row), spec_text(other), kind)))
    return True


def _ways(row: str, row_kind: Type, other: str, kind: Type) -> tuple[str, ...]:
    """How the two come together."""
    if kind.extent is Extent.ENTRY and row_kind.axes.count(PARAMS) == 1:
        return (f"`flat({other})` lies along `{PARAMS}` too; `unflat({row})` is one number per "
                "entry",)
    if kind.extent is Extent.ENTRY:
        return (f"`flat({other})` is a vector[{PARAMS}], for `@` and `solve`",)
    if PARAMS in kind.axes:
        return ("one number for the model goes beside it: `norm(g over model)*I`",)
    if kind.axes:
        return ("the axes of tensors and of the whole model differ: `vector[params]` is one row",)
    return (f"bring it in before the tensors are put in one row: `flat({other}*g)`",)


def twice_named(typing: Typing, expr: Apply, kind: Type, source: Source) -> None:
    """Of a matrix of the model, rows and columns have different axes, but for ``params``."""
    if kind.extent is not Extent.SCALAR:
        return
    twice = next((a for a in kind.axes if kind.axes.count(a) > 1 and a not in (PARAMS, ANY)), None)
    if twice is not None:
        typing.problems.append(report("square-axis", source, expr.span, axis=twice,
                                      text=spec_text(expr)))


def check_whole(body: tuple[Statement, ...]) -> Iterator[Diagnostic]:
    """The whole model is seen at once where all tensors are: not in a case, not axis by axis. Told
    once for each place."""
    told: set[Span] = set()
    for statement in statements(body):
        partly = isinstance(statement, EachAxis) or getattr(statement, "guard", None) is not None
        nodes = (n for e in reads(statement) if partly for n in walk(e))
        found = [n for n in nodes if isinstance(n, Apply) and _sees_all(n)]
        if found:
            first = min(found, key=lambda n: n.op not in ORACLES)
            if first.span not in told:
                yield report("flat-partly", statement.source, first.span, name=first.op)
            told.add(first.span)


def check_by_axis(body: Iterable[Statement]) -> Iterator[Diagnostic]:
    """A loop over axes goes through one tensor at a time, and asks nothing of all. Told once for
    each place."""
    told: set[Span] = set()
    for loop in statements(body):
        for statement in statements(loop.body if isinstance(loop, EachAxis) else ()):
            for node in (n for e in reads(statement) for n in walk(e)):
                of_all = isinstance(node, Apply) and (node.over == ("model",) or node.op in ORACLES)
                if of_all and node.span not in told:
                    written = statement.source.text[node.span.start : node.span.end]
                    told.add(node.span)
                    yield report("model-by-axis", statement.source, node.span, text=written)


def _sees_all(node: Apply) -> bool:
    return node.op in WHOLE or (node.op in ORACLES and ORACLES[node.op].gives == PARAMS)
