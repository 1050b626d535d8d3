"""Guarantees: the shapes of matrices fit, by the names of their axes.

`ops.LINEAR` says which axes an operation wants to be the same; an identity `I` takes its size from
what stands beside it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from thetaprime.check.misfits import cases_apart, refuse, refuse_by_entry, refuse_entries, told
from thetaprime.check.model import beside_entries, twice_named
from thetaprime.diagnostics import report
from thetaprime.expr import Apply, Expr, Sym, rewrite
from thetaprime.ops import LINEAR
from thetaprime.render import spec_text
from thetaprime.source import Source, Span
from thetaprime.types import ANY, PER_TENSOR, REST, Extent, Type, is_matrix, join, of_model

if TYPE_CHECKING:
    from thetaprime.check.types import Typing

SQUARE = (ANY, ANY)


def infer_linear(typing: Typing, expr: Apply, source: Source) -> Expr:
    """The typed expression of an operation of linear algebra."""
    args = tuple(typing.infer(a, source) for a in expr.args)
    for form in LINEAR[expr.op].shapes:
        wanted, _, result = form.partition("->")
        axes = _match(typing, wanted.split(","), args)
        if axes is None:
            continue
        axes["m"] = expr.over[0] if expr.over else least(axes.get("r", ""), axes.get("c", ""))
        beside_entries(typing, args, source)
        extent = max(typing.kind(a).extent for a in args)
        sized = tuple(with_size(a, Type(extent, tuple(axes[x] for x in letters))) if letters else a
                      for letters, a in zip(wanted.split(","), args, strict=True))
        kind = Type(extent, tuple(axes[letter] for letter in result))
        twice_named(typing, expr, kind, source)
        return replace(expr, args=sized, type=kind)
    refuse(typing, replace(expr, args=args), source)
    return replace(expr, args=args, type=_like(expr.op, args))


def least(rows: str, cols: str) -> str:
    """The axis whose length is the smaller of two."""
    return rows if rows == cols else f"min({rows}, {cols})"


def _match(typing: Typing, wanted: list[str], args: tuple[Expr, ...]) -> dict[str, str] | None:
    """The axis of each letter, if every argument has those that its letters say."""
    axes: dict[str, str] = {}
    if len(wanted) != len(args):
        return None
    whole = any(of_model(typing.kind(a)) for a in args)
    for letters, arg in zip(wanted, args, strict=True):
        kind = typing.kind(arg)
        if not letters:
            if kind.axes or kind.extent is Extent.ENTRY:
                return None
            continue
        if not is_matrix(kind, whole) or len(kind.axes) != len(letters):
            return None
        for letter, axis in zip(letters, kind.axes, strict=True):
            known = axes.setdefault(letter, axis)
            if known == ANY:
                axes[letter] = axis
            elif axis not in (known, ANY):
                return None
    for letters, arg in zip(wanted, args, strict=True):
        if typing.kind(arg).axes == SQUARE:  # it has the size of what stands beside it
            size = next((axes[x] for x in letters if axes[x] != ANY), ANY)
            axes |= dict.fromkeys(letters, size)
    return axes


def _like(op: str, args: tuple[Expr, ...]) -> Type:
    """A type to go on with after an error."""
    found = next((a.type for a in args if a.type is not None), PER_TENSOR)
    return replace(found, axes=found.axes[:1]) if op == "diag" else found


def with_size(expr: Expr, kind: Type) -> Expr:
    """The expression with every identity in it as large as the type of a matrix says."""
    axes = kind.axes
    if expr.type is None or expr.type.axes != SQUARE or axes == SQUARE:
        return expr

    def change(node: Expr) -> Expr:
        if node.type is None or node.type.axes != SQUARE:
            return node
        sized = replace(node, type=Type(max(node.type.extent, kind.extent), axes))
        if isinstance(sized, Apply) and sized.op == "eye":
            return replace(sized, over=axes[:1])
        return sized

    return rewrite(expr, change)


def infer_structure(typing: Typing, expr: Apply, source: Source) -> Expr:
    """How a tensor is seen, as typed expressions."""
    if expr.op == "seen":
        return typing.within(expr.over).infer(expr.args[0], source)
    if expr.op == "eye":
        return replace(expr, type=Type(Extent.SCALAR, SQUARE))
    if expr.op == "~":
        return replace(expr, type=replace(PER_TENSOR, kind="bool"))
    args = tuple(typing.infer(a, source) for a in expr.args)
    if expr.op == "case":
        return _case(typing, replace(expr, args=args))
    if expr.op == "take":
        return _take(typing, replace(expr, args=args), source)
    value, (axis,) = args[0], expr.over
    if axis != typing.axis:
        what = "an axis of the view here" if axis in typing.view else "no such axis"
        typing.problems.append(report("unfold-axis", source, _axis_span(expr, source),
                                      name=expr.op, axis=axis, kind=what))
        meant = replace(PER_TENSOR, axes=(typing.axis, REST))
        return replace(expr, args=args,
                       type=meant if expr.op == "unfold" and typing.axis else Type())
    wanted = Type() if expr.op == "unfold" else replace(PER_TENSOR, axes=(axis, REST))
    if expr.op == "unfold" and typing.kind(value).extent is not Extent.ENTRY:
        value = typing.spread(value)
    fits = (typing.kind(value).extent, typing.kind(value).axes) == (wanted.extent, wanted.axes)
    if not fits and not told(typing, source, args[0].span):
        typing.problems.append(report(
            "needs-matrix", source, args[0].span, name=expr.op, text=spec_text(args[0]),
            type=typing.shown(typing.kind(args[0])),
            wanted="a tensor, one number per entry" if expr.op == "unfold"
            else f"what `unfold` makes, matrix[{axis}, {REST}]",
            hints=(f"`refold(A @ unfold(g, {axis}), {axis})`",)))
    kind = replace(PER_TENSOR, axes=(axis, REST)) if expr.op == "unfold" else Type()
    return replace(expr, args=(value,), type=kind)


def _axis_span(expr: Apply, source: Source) -> Span:
    """Where the axis of ``unfold(g, a)`` stands."""
    text = source.text[expr.span.start : expr.span.end]
    found = re.search(r"([^\W\d]\w*)\s*\)$", text)
    start = expr.span.start
    return Span(start + found.start(1), start + found.end(1)) if found else expr.span


def _case(typing: Typing, expr: Apply) -> Expr:
    """What the cases make of a quantity: alike in all of them, or one number per entry."""
    values = expr.args[1::2]
    kinds = {typing.kind(v) for v in values}
    if len({(k.extent, k.axes) for k in kinds}) > 1:
        values = tuple(typing.spread(v) for v in values)
    args = tuple(x for pair in zip(expr.args[::2], values, strict=True) for x in pair)
    joined = join(tuple(typing.kind(v) for v in values))
    if cases_apart(typing, values):
        return replace(expr, args=args, type=max(kinds, key=lambda k: (k.extent, k.axes)))
    if joined.extent is Extent.SCALAR:  # it differs from tensor to tensor
        joined = replace(joined, extent=Extent.TENSOR)
    return replace(expr, args=args, type=joined)


def _take(typing: Typing, expr: Apply, source: Source) -> Expr:
    """``take(A, p over a)``: the places p of the last axis a of A."""
    what, order = expr.args
    kind, (axis,) = typing.kind(what), expr.over
    for part in (what, order):
        if axis not in typing.kind(part).axes:
            typing.problems.append(report(
                "no-axis", source, part.span, text=spec_text(part), axis=axis,
                type=typing.shown(typing.kind(part)), hints=(
                    "`take(A, p over a)`: the order p and the matrix A both have the axis a",)))
    return replace(expr, type=kind)


def along_axis(typing: Typing, args: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Beside a quantity per entry, a vector of `for axis` lies along its axis."""
    if all(typing.kind(a).extent is not Extent.ENTRY for a in args) or not typing.axis:
        return args
    vector = replace(PER_TENSOR, axes=(typing.axis,))
    return tuple(
        Apply("along", (a,), (typing.axis,), Type(kind=k.kind), a.span)
        if (k := typing.kind(a)).extent is vector.extent and k.axes == vector.axes else a
        for a in args)


def check_shapes(typing: Typing, args: tuple[Expr, ...], expr: Apply, source: Source) -> None:
    """Of arguments that work entry by entry, the axes of each lie in those of the largest."""
    if told(typing, source, expr.span):
        return
    entries = next((a for a in args if typing.kind(a).extent is Extent.ENTRY), None)
    loose = next((a for a in args if typing.own(typing.kind(a))), None)
    if entries is not None and loose is not None:
        refuse_entries(typing, expr, entries, loose, source)
        return
    own = [(a, typing.own(typing.kind(a))) for a in args]
    own = [(a, axes) for a, axes in own if axes]
    if len({axes for _, axes in own}) < 2:
        return
    largest, most = max(own, key=lambda row: len(row[1]))
    for arg, axes in own:
        if axes == most:
            continue
        if len(axes) == 1 and most.count(axes[0]) > 1:
            typing.problems.append(report(
                "ambiguous-axis", source, arg.span, text=spec_text(arg),
                type=typing.shown(typing.kind(largest)),
                own=f"this is {typing.shown(typing.kind(arg))}"))
        elif within(axes, most):
            continue
        elif len(axes) == len(most) == 1:
            typing.problems.append(report(
                "needs-outer", source, expr.span, left=spec_text(largest), right=spec_text(arg),
                types=f"{typing.shown(typing.kind(largest))} and "
                      f"{typing.shown(typing.kind(arg))}"))
        else:
            refuse_by_entry(typing, expr, [a for a, _ in own if a in (largest, arg)], source)
        return


def within(axes: tuple[str, ...], most: tuple[str, ...]) -> bool:
    """Whether axes stand among others in the same order."""
    rest = iter(most)
    return all(axis in rest for axis in axes)


def sized_by_others(typing: Typing, args: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """The arguments with identities as large as the matrix beside them."""
    found = next((k for a in args if len((k := typing.kind(a)).axes) == 2
                  and k.axes[0] == k.axes[1] != ANY), None) if any(
        typing.kind(a).axes == SQUARE for a in args) else None
    return args if found is None else tuple(with_size(a, found) for a in args)


def path_atom(expr: Expr) -> bool:
    """Whether an expression is ``path ~ "*glob*"``."""
    return isinstance(expr, Apply) and expr.op == "~" and expr.args == (Sym("path"),)
