"""Guarantees: the shapes of matrices fit, by the names of their axes.

`ops.LINEAR` says which axes an operation wants to be the same; an identity `I` takes its size from
what stands beside it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from thetaprime.diagnostics import report
from thetaprime.expr import Apply, Expr, Sym, rewrite
from thetaprime.ops import LINEAR
from thetaprime.render import spec_text
from thetaprime.source import Source
from thetaprime.types import PER_TENSOR, REST, Extent, Type, join

if TYPE_CHECKING:
    from thetaprime.check.types import Typing

# The axis of an identity whose size nothing has said yet.
ANY = "I"
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
        sized = tuple(a if not letters else with_size(a, tuple(axes[x] for x in letters))
                      for letters, a in zip(wanted.split(","), args, strict=True))
        kind = replace(PER_TENSOR, axes=tuple(axes[letter] for letter in result))
        return replace(expr, args=sized, type=kind)
    _refuse(typing, replace(expr, args=args), source)
    return replace(expr, args=args, type=_like(args))


def least(rows: str, cols: str) -> str:
    """The axis whose length is the smaller of two."""
    return rows if rows == cols else f"min({rows}, {cols})"


def _match(typing: Typing, wanted: list[str], args: tuple[Expr, ...]) -> dict[str, str] | None:
    """The axis of each letter, if every argument has those that its letters say."""
    axes: dict[str, str] = {}
    if len(wanted) != len(args):
        return None
    for letters, arg in zip(wanted, args, strict=True):
        kind = typing.kind(arg)
        if not letters:
            if kind.axes or kind.extent is Extent.ENTRY:
                return None
            continue
        if kind.extent is not Extent.TENSOR or len(kind.axes) != len(letters):
            return None
        for letter, axis in zip(letters, kind.axes, strict=True):
            known = axes.setdefault(letter, axis)
            if known == ANY:
                axes[letter] = axis
            elif axis not in (known, ANY):
                return None
    return axes


def _like(args: tuple[Expr, ...]) -> Type:
    """A type to go on with after an error."""
    return next((a.type for a in args if a.type is not None), PER_TENSOR)


def with_size(expr: Expr, axes: tuple[str, ...]) -> Expr:
    """The expression with every identity in it as large as its ``axes`` say."""
    if expr.type is None or expr.type.axes != SQUARE or axes == SQUARE:
        return expr

    def change(node: Expr) -> Expr:
        if node.type is None or node.type.axes != SQUARE:
            return node
        sized = replace(node, type=replace(node.type, axes=axes))
        if isinstance(sized, Apply) and sized.op == "eye":
            return replace(sized, over=axes[:1])
        return sized

    return rewrite(expr, change)


def _refuse(typing: Typing, expr: Apply, source: Source) -> None:
    """Says why no form of an operation fits its arguments."""
    forms = [form.partition("->")[0].split(",") for form in LINEAR[expr.op].shapes]
    for place, arg in enumerate(expr.args):
        kind = typing.kind(arg)
        sizes = {len(f[place]) for f in forms if place < len(f)}
        if kind.extent is Extent.TENSOR and len(kind.axes) in sizes:
            continue
        if 0 in sizes and not kind.axes and kind.extent is not Extent.ENTRY:
            continue
        typing.problems.append(report(
            "needs-matrix", source, arg.span, name=_spelled(expr.op), wanted=_wanted(sizes),
            text=spec_text(arg), type=typing.shown(kind), hints=_how_to_see(expr, kind)))
        return
    shapes = _shapes(typing, expr)
    if expr.op == "@":
        left, right = (typing.kind(a).axes for a in expr.args)
        why = f"`{left[-1]}` of the left side meets `{right[0]}` of the right one"
        hints = _transposed(expr, left, right)
    elif len(forms[0]) == 1:
        why, hints = "not a square matrix", (
            f"`{_spelled(expr.op)}` is for matrices whose rows and columns are the same axis",)
    else:
        why, hints = "the axes differ", ("axes fit where their names are the same",)
    typing.problems.append(report("shape-mismatch", source, expr.span, shapes=f"`{shapes}`",
                                  why=why, hints=hints))


def _spelled(op: str) -> str:
    return ".T" if op == "T" else op.partition(".")[0]


def _wanted(sizes: Collection[int]) -> str:
    words = {0: "a number", 1: "a vector", 2: "a matrix", 3: "a stack of matrices"}
    found = [words[s] for s in sorted(sizes, reverse=True) if s in words]
    return " or ".join(found)


def _how_to_see(expr: Apply, kind: Type) -> tuple[str, ...]:
    if kind.extent is Extent.ENTRY:
        return ("`param X : matrix[rows, cols]` for tensors of rank 2, `view x as matrix[rows, "
                "rest]` for others",)
    if expr.op == "diag" and len(kind.axes) == 2:
        return (f"`diagonal({spec_text(expr.args[0])})` is the diagonal of a matrix",)
    if len(kind.axes) == 1:
        return ("`outer(v, v)` and `diag(v)` make a matrix of a vector",)
    if not kind.axes:
        return ("a number is multiplied by `*`; `eps*I` is a matrix",)
    return ("`@` and its kin take matrices and vectors",)


def _transposed(expr: Apply, left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
    """The product with a transpose that fits, if there is one."""
    a, b = (spec_text(x) for x in expr.args)
    found = []
    if len(right) == 2 and left[-1] == right[1]:
        found.append(f"`{a} @ {b}.T`")
    if len(left) == 2 and left[0] == right[0]:
        found.append(f"`{a}.T @ {b}`")
    return (" or ".join(found),) if found else ("axes fit where their names are the same",)


def _shapes(typing: Typing, expr: Apply) -> str:
    shown = [typing.shown(typing.kind(a)) for a in expr.args]
    if expr.op == "@":
        return " @ ".join(shown)
    if expr.op == "T":
        return f"{shown[0]}.T"
    return f"{_spelled(expr.op)}({', '.join(shown)})"


def infer_structure(typing: Typing, expr: Apply, source: Source) -> Expr:
    """How a tensor is seen, as typed expressions."""
    if expr.op == "seen":
        return typing.within(expr.over).infer(expr.args[0], source)
    if expr.op == "eye":
        return replace(expr, type=replace(PER_TENSOR, axes=expr.over * 2 or SQUARE))
    if expr.op == "~":
        return replace(expr, type=replace(PER_TENSOR, kind="bool"))
    args = tuple(typing.infer(a, source) for a in expr.args)
    if expr.op == "case":
        return _case(typing, replace(expr, args=args))
    if expr.op == "take":
        return _take(typing, replace(expr, args=args), source)
    value, (axis,) = args[0], expr.over
    wanted = Type() if expr.op == "unfold" else replace(PER_TENSOR, axes=(axis, REST))
    if expr.op == "unfold" and typing.kind(value).extent is not Extent.ENTRY:
        value = typing.spread(value)
    if typing.kind(value).extent is not wanted.extent or typing.kind(value).axes != wanted.axes:
        typing.problems.append(report(
            "needs-matrix", source, args[0].span, name=expr.op, text=spec_text(args[0]),
            type=typing.shown(typing.kind(args[0])),
            wanted="a tensor, one number per entry" if expr.op == "unfold"
            else f"what `unfold` makes, matrix[{axis}, {REST}]",
            hints=(f"`refold(A @ unfold(g, {axis}), {axis})`",)))
    kind = replace(PER_TENSOR, axes=(axis, REST)) if expr.op == "unfold" else Type()
    return replace(expr, args=(value,), type=kind)


def _case(typing: Typing, expr: Apply) -> Expr:
    """What the cases make of a quantity: alike in all of them, or one number per entry."""
    values = expr.args[1::2]
    kinds = {typing.kind(v) for v in values}
    if len({(k.extent, k.axes) for k in kinds}) > 1:
        values = tuple(typing.spread(v) for v in values)
    args = tuple(x for pair in zip(expr.args[::2], values, strict=True) for x in pair)
    joined = join(tuple(typing.kind(v) for v in values))
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
                type=typing.shown(typing.kind(part))))
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
    entries = next((a for a in args if typing.kind(a).extent is Extent.ENTRY), None)
    loose = next((a for a in args if typing.own(typing.kind(a))), None)
    if entries is not None and loose is not None:
        typing.problems.append(report(
            "needs-matrix", source, entries.span, name=expr.op, text=spec_text(entries),
            type=typing.shown(typing.kind(entries)), hints=_how_to_see(expr, Type()),
            wanted=f"a matrix beside `{spec_text(loose)}`, which is "
                   f"{typing.shown(typing.kind(loose))}"))
        return
    own = [(a, typing.own(typing.kind(a))) for a in args]
    own = [(a, axes) for a, axes in own if axes]
    if len({axes for _, axes in own}) < 2:
        return
    largest, most = max(own, key=lambda row: len(row[1]))
    for arg, axes in own:
        if axes == most:
            continue
        if set(axes) <= set(most) and len(set(most)) < len(most):
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
            shapes = f" {expr.op} ".join(typing.shown(typing.kind(a)) for a in args[-2:])
            turned = len(axes) == 2 and axes[::-1] == most
            typing.problems.append(report(
                "shape-mismatch", source, expr.span, shapes=f"`{shapes}`",
                why="entry by entry, the axes must be the same in the same order",
                hints=(f"`{spec_text(arg)}.T` exchanges rows and columns" if turned else
                       "`@` is the product of matrices, `outer` that of two vectors",)))
        return


def within(axes: tuple[str, ...], most: tuple[str, ...]) -> bool:
    """Whether axes stand among others in the same order."""
    rest = iter(most)
    return all(axis in rest for axis in axes)


def sized_by_others(typing: Typing, args: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """The arguments with identities as large as the matrix beside them."""
    found = next((k.axes for a in args if len((k := typing.kind(a)).axes) == 2
                  and k.axes[0] == k.axes[1] != ANY), None) if any(
        typing.kind(a).axes == SQUARE for a in args) else None
    return args if found is None else tuple(with_size(a, found) for a in args)


def path_atom(expr: Expr) -> bool:
    """Whether an expression is ``path ~ "*glob*"``."""
    return isinstance(expr, Apply) and expr.op == "~" and expr.args == (Sym("path"),)
