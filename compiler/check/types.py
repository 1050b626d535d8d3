"""Guarantees: every node of an expression has its type, and no larger thing goes into a smaller.

What a reduction runs over is gone from the type of its value; smaller extents broadcast into
larger ones, axes by their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from thetaprime.check.asked import infer_asked
from thetaprime.check.linear import (
    SQUARE,
    along_axis,
    check_shapes,
    infer_linear,
    infer_structure,
    sized_by_others,
    with_size,
    within,
)
from thetaprime.check.misfits import told, turned
from thetaprime.check.model import MATRIX, beside_entries, infer_whole
from thetaprime.check.seeing import is_seen, spread, without_views
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.ops import LINEAR, OPS, REDUCTIONS, STRUCTURE, WHOLE, is_reduction
from thetaprime.render import spec_text
from thetaprime.source import Source, Span
from thetaprime.types import (
    BOOLEAN,
    LENGTH,
    PARAMS,
    SCALAR,
    Extent,
    Type,
    join,
    of_model,
    own_axes,
    reduced,
    type_text,
)

# Extents by other names.
_MEANT = {"layer": "tensor", "layers": "tensor", "param": "tensor", "parameter": "tensor",
          "tensors": "tensor", "all": "model", "network": "model", "params": "model",
          "parameters": "model", "global": "model", "everything": "model", "entries": "tensor"}


@dataclass
class Typing:
    """The types of symbols so far; problems are gathered. ``axes`` are those that the spec names;
    ``view`` the axes along which tensors are seen here, ``views`` all such; ``families`` the axes
    of `for axis`, ``hidden`` what is known inside of such a block only."""

    env: dict[Sym, Type]
    axes: Mapping[str, int | str]
    tasks: str = ""
    externs: Mapping[str, tuple[tuple[Type, ...], Type]] = field(default_factory=dict)
    carried: Mapping[Sym, Type] = field(default_factory=dict)
    views: frozenset[tuple[str, ...]] = frozenset()
    view: tuple[str, ...] = ()
    families: frozenset[str] = frozenset()
    axis: str = ""
    hidden: set[Sym] = field(default_factory=set)
    apart: dict[Sym, Diagnostic] = field(default_factory=dict)  # of other shapes in other cases
    problems: list[Diagnostic] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)

    def infer(self, expr: Expr, source: Source) -> Expr:
        """The expression with a type on every node."""
        if isinstance(expr, Num):
            return replace(expr, type=SCALAR)
        if isinstance(expr, Sym):
            return self._read(expr, source)
        asked = infer_asked(self, expr, source)
        if asked is not None:
            return asked
        if expr.op in WHOLE:
            return infer_whole(self, expr, source)
        if expr.op in LINEAR:
            return infer_linear(self, expr, source)
        if expr.op in STRUCTURE:
            return infer_structure(self, expr, source)
        args = tuple(self.infer(a, source) for a in expr.args)
        if is_reduction(expr):
            return self._reduction(replace(expr, args=args), source)
        args = along_axis(self, sized_by_others(self, args))
        if not beside_entries(self, args, source):
            check_shapes(self, args, expr, source)
        if expr.op == "^" and len(set(self.own(typed(args[0])))) < len(self.own(typed(args[0]))):
            self.warnings.append(report("square-power", source, expr.span))
        rule = OPS[expr.op].typing
        types = tuple(typed(a) for a in args)
        if rule == "logic":
            if expr.op == "finite":
                self._numbers(args, source)
            else:
                self._conditions(args, source)
            result = join((*types, SCALAR)).of_kind("bool")
        elif rule == "compare":
            self._numbers(args, source)
            result = join(types).of_kind("bool")
        elif rule == "select":
            self._conditions(args[:1], source)
            result = replace(join(types), kind=join(types[1:]).kind)
        else:
            self._numbers(args, source)
            result = join(types) if types else SCALAR
            if result.kind == "int" and expr.op not in ("+", "-", "*", "neg", "mod", "min", "max"):
                result = result.of_kind("real")
            if result.kind == "bool":
                result = result.of_kind("real")
        return replace(expr, args=args, type=result)

    def _read(self, symbol: Sym, source: Source) -> Expr:
        """A quantity as it is seen here."""
        kind = self.env.get(symbol, SCALAR)
        typed_symbol = replace(symbol, type=kind)
        alone = not self.axis and self.families.intersection((symbol.name, *kind.axes))
        if symbol in self.apart:
            self.problems.append(self.apart[symbol])
        if alone or symbol in self.hidden:
            self.problems.append(report("axis-only", source, symbol.span, name=str(symbol)))
        if kind.extent is not Extent.ENTRY or not self.view:
            return typed_symbol
        return self.see(typed_symbol)

    def see(self, expr: Expr) -> Expr:
        """One number per entry as the matrix that it is here."""
        kind = typed(expr)
        if kind.extent is not Extent.ENTRY or not self.view:
            return expr
        matrix = Type(Extent.TENSOR, (*kind.axes, *self.view), kind.kind)
        return Apply("view", (expr,), self.view, matrix, expr.span)

    def spread(self, expr: Expr) -> Expr:
        """A matrix that a tensor is seen as, as one number per entry again."""
        kind = typed(expr)
        if kind.extent is not Extent.TENSOR:
            return expr
        view = next((v for v in self.views if is_seen(kind, v)), None)
        return expr if view is None else spread(expr, view)

    def plain(self, expr: Expr) -> Expr:
        """A matrix that a tensor is seen as, one number per entry where that needs no view."""
        view = next((v for v in self.views if is_seen(typed(expr), v)), ())
        return without_views(expr, view)

    def into(self, declared: Type, expr: Expr, source: Source) -> Expr:
        """The expression as what it defines: entries spread out, identities of its size."""
        if typed(expr).axes == SQUARE and len(set(declared.axes)) == 1:
            expr = with_size(expr, declared)
        if declared.extent is Extent.ENTRY:
            expr = self.spread(expr)
        for node in () if told(self, source, expr.span) else walk(expr):
            if isinstance(node, Apply) and node.op == "eye" and not node.over:
                self.problems.append(report(
                    "identity-size", source, node.span,
                    label="it is square, and goes into " + self.shown(declared)
                    if self.own(declared) else None))
        return expr

    def within(self, view: tuple[str, ...]) -> Typing:
        """The typing where tensors are seen along these axes; all that it learns is shared."""
        return replace(self, view=() if self.axis else view)

    def own(self, kind: Type) -> tuple[str, ...]:
        """The axes of a matrix or vector: those that the spec does not name."""
        return own_axes(kind, self.axes)

    def shown(self, kind: Type) -> str:
        """A type as a spec would write it."""
        return type_text(kind, self.axes)

    def _reduction(self, expr: Apply, source: Source) -> Expr:
        row = REDUCTIONS[expr.op]
        arg = expr.args[0]
        if row.kind == "bool":
            self._conditions((arg,), source)
        else:
            self._numbers((arg,), source)
        result: Expr = arg
        for over in expr.over:
            if over in ("tensor", "model"):
                result = without_views(result, self.view)
            before = typed(result)
            if before.axes.count(over) > 1:
                self.problems.append(report("over-twice", source, arg.span, axis=over,
                                            type=self.shown(before),
                                            hints=MATRIX if of_model(before) else ()))
            if over not in ("model", "tensor", *self.axes, *before.axes):
                near = _MEANT.get(over)
                self.problems.append(report("over-unknown", source, _over(expr, over, source),
                                            name=over, hints=(f"`over {near}`",) if near else ()))
                return replace(expr, type=SCALAR)
            after = reduced(before, over, self.axes)
            if after == before.of_kind("real"):
                self.problems.append(report(
                    "reduce-nothing", source, arg.span, arg=spec_text(arg), type=self.shown(before),
                    over={"model": "the model", "tensor": "a tensor"}.get(over, f"`{over}`"),
                    hints=(f"`over {PARAMS}`: it has no tensors, but one row of all entries",)
                    if of_model(before) else ()))
            kind = row.kind
            if expr.op == "mean" and over == "model":
                # The mean over the model: partial sums and counts are what tensors can give.
                total = Apply("sum", (result,), (over,), after, expr.span)
                count = Apply("size", (result,), (over,), SCALAR, expr.span)
                result = Apply("/", (total, count), type=after, span=expr.span)
            else:
                result = Apply(expr.op, (result,), (over,), after.of_kind(kind), expr.span)
        return result

    def kind(self, expr: Expr) -> Type:
        """The type of an inferred expression."""
        return typed(expr)

    def _numbers(self, args: tuple[Expr, ...], source: Source) -> None:
        for arg in args:
            if typed(arg).kind == "bool":
                self.problems.append(report("not-a-number", source, arg.span,
                                            text=spec_text(arg)))

    def _conditions(self, args: tuple[Expr, ...], source: Source) -> None:
        for arg in args:
            if typed(arg).kind != "bool":
                self.problems.append(report("not-a-condition", source, arg.span,
                                            text=spec_text(arg)))

    def block_condition(self, expr: Expr, source: Source) -> Expr:
        """A condition that is one truth value for the model."""
        condition = self.infer(expr, source)
        kind = typed(condition)
        if kind.kind == "bool" and kind != BOOLEAN:
            lengths = all(n.type == LENGTH for n in walk(condition) if isinstance(n, Sym))
            self.problems.append(report(
                "block-condition", source, expr.span, type=self.shown(kind),
                hints=(f"`case {spec_text(expr)}:` is the block for some tensors only",)
                if lengths else ()))
        elif kind.kind != "bool":
            self.problems.append(report("not-a-condition", source, expr.span,
                                        text=spec_text(expr)))
        return condition

    def fits(self, name: str, declared: Type, value: Expr, source: Source) -> None:
        """A value must broadcast into what it is declared to be."""
        kind = typed(value)
        own, wanted = self.own(kind), self.own(declared)
        if told(self, source, value.span):
            return
        if kind.kind == "bool":
            self.problems.append(report("not-a-number", source, value.span,
                                        text=spec_text(value)))
        elif not kind.fits(declared):
            over = "model" if declared.extent is Extent.SCALAR else "tensor"
            extra = [a for a in kind.axes if a not in declared.axes]
            self.problems.append(report(
                "too-wide", source, value.span, name=name, declared=self.shown(declared),
                type=self.shown(kind), over=extra[0] if extra else over))
        elif own and own != wanted and len(set(wanted)) < len(wanted):
            self.problems.append(report(
                "ambiguous-axis", source, value.span, text=spec_text(value),
                type=self.shown(declared), own=f"this is {self.shown(kind)}"))
        elif not within(own, wanted):
            self.problems.append(report(
                "shape-mismatch", source, value.span, why=f"this is {self.shown(kind)}",
                shapes=f"`{name}` is {self.shown(declared)}",
                hints=turned(value) if own == wanted[::-1] else ()))


def _over(expr: Apply, name: str, source: Source) -> Span:
    """Where the extent of a reduction stands."""
    at = source.text.rfind(name, expr.span.start, expr.span.end)
    return Span(at, at + len(name)) if at >= 0 else expr.span


def typed(expr: Expr) -> Type:
    """The type of an inferred expression."""
    assert expr.type is not None
    return expr.type
