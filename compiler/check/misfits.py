"""What is said where the shapes of matrices do not fit."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, Sym, walk
from thetaprime.ops import LINEAR, OPS
from thetaprime.render import ATOM, SPEC, render, spec_text
from thetaprime.source import Source, Span
from thetaprime.types import REST, Extent, Type, is_matrix, of_model

if TYPE_CHECKING:
    from thetaprime.check.types import Typing


def told(typing: Typing, source: Source, span: Span) -> bool:
    """Whether something inside of a place is wrong already, from which all around it follows."""
    return any(d.source is source and span.start <= d.span.start and d.span.end <= span.end
               for d in typing.problems)


def refuse(typing: Typing, expr: Apply, source: Source) -> None:
    """Says why no form of an operation fits its arguments."""
    if told(typing, source, expr.span):
        return
    forms = [form.partition("->")[0].split(",") for form in LINEAR[expr.op].shapes]
    whole = any(of_model(typing.kind(a)) for a in expr.args)
    for place, arg in enumerate(expr.args):
        kind = typing.kind(arg)
        sizes = {len(f[place]) for f in forms if place < len(f)}
        if is_matrix(kind, whole) and len(kind.axes) in sizes:
            continue
        if 0 in sizes and not kind.axes and kind.extent is not Extent.ENTRY:
            continue
        typing.problems.append(report(
            "needs-matrix", source, arg.span, name=_spelled(expr.op), wanted=_wanted(sizes),
            text=spec_text(arg), type=typing.shown(kind),
            hints=(f"`flat({spec_text(arg)})` is a vector[params]",)
            if whole and kind.extent is Extent.ENTRY else _how_to_see(typing, expr, arg, kind)))
        return
    span, why, hint = _misfit(typing, expr, forms)
    typing.problems.append(report("shape-mismatch", source, span, shapes=_shapes(typing, expr),
                                  why=why, hints=(hint,)))


def _misfit(typing: Typing, expr: Apply, forms: list[list[str]]) -> tuple[Span, str, str]:
    """Which axes are not the same: where, in words, and what to do."""
    kinds = [typing.kind(a) for a in expr.args]
    texts = [spec_text(a) for a in expr.args]
    if expr.op == "@":
        left, right = (k.axes for k in kinds)
        if len(left) == len(right) == 1:
            a, b = texts
            return expr.span, "two vectors", (
                f"`sum({a}*{b} over {left[0]})` is their product" if left == right else
                f"`outer({a}, {b})` is a matrix of them")
        why = f"`{left[-1]}` of the left side meets `{right[0]}` of the right one"
        return expr.span, why, _transposed(expr, left, right)
    for place, (arg, kind) in enumerate(zip(expr.args, kinds, strict=True)):
        square = all(f[place] == "aa" for f in forms)
        if square and kind.axes[0] != kind.axes[1]:
            text = _operand(arg)
            return arg.span, f"`{kind.axes[0]}` and `{kind.axes[1]}`: not square", (
                f"`{text} @ {text}.T` and `{text}.T @ {text}` are square" if place == 0
                else "a square matrix has the same axis twice")
    first, second = kinds[0].axes[-1], kinds[-1].axes[0]
    return expr.args[-1].span, f"its first axis is `{second}`, not `{first}`", (
        f"`{_spelled(expr.op)}(A, B)` wants the first axis of B to be that of A")


def _spelled(op: str) -> str:
    return ".T" if op == "T" else op.partition(".")[0]


def _wanted(sizes: Collection[int]) -> str:
    words = {0: "a number", 1: "a vector", 2: "a matrix"}
    found = [words[s] for s in sorted(sizes, reverse=True) if s in words]
    return " or ".join(found)


def _operand(expr: Expr) -> str:
    """The expression as an operand of `@` and `.T`."""
    return render(expr, SPEC, ATOM)


def _how_to_see(typing: Typing, expr: Apply, arg: Expr, kind: Type) -> tuple[str, ...]:
    """How something becomes the matrix that an operation takes."""
    if kind.extent is Extent.ENTRY and typing.axis:
        return (f"`unfold({spec_text(arg)}, {typing.axis})` is it as "
                f"matrix[{typing.axis}, {REST}]",)
    if kind.extent is Extent.ENTRY:
        return SEE
    if expr.op == "diag" and len(kind.axes) == 2:
        return (f"`diagonal({spec_text(arg)})` is the diagonal of a matrix",)
    if expr.op == "T" and len(kind.axes) == 1:
        return ("a vector needs no `.T`: `v @ A` and `A @ v` both fit, and a vector goes into a "
                "matrix by the name of its axis",)
    if len(kind.axes) == 1:
        return ("`outer(v, v)` and `diag(v)` make a matrix of a vector",)
    if expr.op == "mpow" and len(kind.axes) == 2:
        return ("a power is one number, as in `mpow(A, -1/4)`",)
    if not kind.axes:
        return ("a number is multiplied by `*`; `eps*I` is a matrix",)
    return ("`outer(r, c)` takes two vectors, `A @ B` two matrices",)


SEE = ("`param x : matrix[rows, cols]` for tensors of rank 2, `view x as matrix[rows, rest]` for "
       "others",)


def _transposed(expr: Apply, left: tuple[str, ...], right: tuple[str, ...]) -> str:
    """The product with a transpose that fits, if there is one."""
    a, b = map(_operand, expr.args)
    found = []
    if len(right) == 2 and left[-1] == right[1]:
        found.append(f"`{a} @ {b}.T`")
    if len(left) == 2 and left[0] == right[0]:
        found.append(f"`{a}.T @ {b}`")
    if left[0] == right[-1]:
        found.append(f"`{b} @ {a}`")
    return " or ".join(found) or "`A @ B` wants the last axis of A to be the first of B"


def _shapes(typing: Typing, expr: Apply) -> str:
    shown = [typing.shown(typing.kind(a)) for a in expr.args]
    if expr.op == "@":
        return f"`{' @ '.join(shown)}`"
    return f"`{_spelled(expr.op)}({', '.join(shown)})`"


def refuse_entries(
    typing: Typing, expr: Apply, entries: Expr, loose: Expr, source: Source
) -> None:
    """One number per entry stands beside a matrix that no tensor is seen as."""
    kind = typing.kind(entries)
    typing.problems.append(report(
        "needs-matrix", source, entries.span, name=expr.op, text=spec_text(entries),
        type=typing.shown(kind), hints=_how_to_see(typing, expr, entries, kind),
        wanted=f"a matrix beside `{spec_text(loose)}`, which is "
               f"{typing.shown(typing.kind(loose))}"))


def refuse_by_entry(
    typing: Typing, expr: Apply, two: list[Expr], source: Source
) -> None:
    """Two matrices that an operation takes entry by entry have other axes."""
    first, second = map(typing.kind, two)
    between = expr.op if OPS[expr.op].fix == "infix" else "and"
    typing.problems.append(report(
        "shape-mismatch", source, expr.span,
        shapes=f"`{typing.shown(first)} {between} {typing.shown(second)}`",
        why="entry by entry, the axes must be the same in the same order",
        hints=turned(two[1]) if first.axes == second.axes[::-1] else GRAM if any(
            len(set(k.axes)) < len(k.axes) for k in (first, second)) else (
            "`@` is the product of matrices, `outer` that of two vectors",)))


GRAM = ("`A @ A.T` has the rows of A twice, `A.T @ A` its columns; `I` goes beside such a matrix",)


def turned(expr: Expr) -> tuple[str, ...]:
    """How a matrix gets its rows and columns exchanged."""
    ops = {node.op for node in walk(expr) if isinstance(node, Apply)}
    if "T" in ops and "@" not in ops:
        return ("leave out its `.T`, which exchanges rows and columns",)
    return (f"`{_operand(expr)}.T` exchanges rows and columns",)


def cases_apart(typing: Typing, values: tuple[Expr, ...]) -> tuple[str, ...]:
    """The shapes of a quantity in its cases, if they differ and are no entries of a tensor."""
    shapes = tuple(dict.fromkeys(typing.shown(typing.kind(v).of_kind("real")) for v in values))
    own = any(typing.own(typing.kind(v)) for v in values)
    return shapes if own and len(shapes) > 1 else ()


def apart(typing: Typing, target: Sym, value: Expr, source: Source) -> Diagnostic | None:
    """What is said of a quantity with another shape in each case, to whoever reads it."""
    if not isinstance(value, Apply) or value.op != "case":
        return None
    shapes = cases_apart(typing, value.args[1::2])
    if not shapes:
        return None
    return report(
        "shape-mismatch", source, target.span, why="another shape in another case",
        shapes=f"`{target}` is {' in one case, '.join(shapes[:2])} in another",
        hints=("give it the same shape in all cases, or read it inside of its case",))
