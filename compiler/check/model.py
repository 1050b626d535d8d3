"""Guarantees: what lies along ``params``, all entries of the model in one row, stands beside its
like only: numbers of the model, vectors and matrices along the same axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, walk
from thetaprime.ir import EachAxis, Statement, reads, statements
from thetaprime.ops import ORACLES, WHOLE
from thetaprime.render import spec_text
from thetaprime.source import Source
from thetaprime.types import ANY, PARAMS, PER_ENTRY, Extent, Type, of_model

if TYPE_CHECKING:
    from thetaprime.check.types import Typing

OUTPUTS = "outputs"  # programs keep outputs in the shape that the model gives them


def infer_whole(typing: Typing, expr: Apply, source: Source) -> Expr:
    """The typed ``flat(g)`` and ``unflat(d)``; axes of the spec stay in front."""
    arg = typing.infer(expr.args[0], source)
    if expr.op == "flat":
        arg = typing.into(PER_ENTRY, arg, source)
        kind = typing.kind(arg)
        if kind.extent is not Extent.ENTRY or kind.kind == "bool":
            typing.problems.append(report(
                "flat-argument", source, arg.span, text=spec_text(arg), type=typing.shown(kind)))
        return replace(expr, args=(arg,), type=Type(Extent.SCALAR, (*kind.axes, PARAMS)))
    kind = typing.kind(arg)
    if kind.extent is not Extent.SCALAR or kind.axes[-1:] != (PARAMS,) or (
            kind.axes.count(PARAMS) > 1):
        typing.problems.append(report(
            "unflat-argument", source, arg.span, text=spec_text(arg), type=typing.shown(kind)))
    return typing.see(replace(expr, args=(arg,), type=Type(Extent.ENTRY, kind.axes[:-1])))


def is_matrix(kind: Type, whole: bool) -> bool:
    """Whether linear algebra takes a quantity; ``whole``: beside one that lies along ``params``."""
    if kind.extent is not Extent.SCALAR:
        return kind.extent is Extent.TENSOR
    return bool(kind.axes) and OUTPUTS not in kind.axes and (
        whole or PARAMS in kind.axes or ANY in kind.axes)


def beside_entries(typing: Typing, args: tuple[Expr, ...], source: Source) -> bool:
    """Whether what lies along ``params`` stands beside what differs from tensor to tensor, which
    is told."""
    row = next((a for a in args if of_model(typing.kind(a))), None)
    other = next((a for a in args if typing.kind(a).extent is not Extent.SCALAR), None)
    if row is None or other is None:
        return False
    kind = typing.kind(other)
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
    """The whole model is seen at once where all tensors are: not in a case, not axis by axis."""
    for statement in statements(body):
        partly = isinstance(statement, EachAxis) or getattr(statement, "guard", None) is not None
        for expr in reads(statement) if partly else ():
            for node in walk(expr):
                if isinstance(node, Apply) and (node.op in WHOLE or (
                        node.op in ORACLES and ORACLES[node.op].gives == PARAMS)):
                    yield report("flat-partly", statement.source, node.span, name=node.op)
