"""Expressions made ready for text: arguments reshaped so that arrays broadcast, the number of the
step read where it is exact, and powers of whole numbers taken as those of real ones."""

from __future__ import annotations

from dataclasses import replace

from thetaprime.backends.jax_names import STEP_COUNT
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, walk
from thetaprime.ops import OPS
from thetaprime.types import SCALAR, Extent, Type, join

# Pseudo-operations that `aligned` puts around arguments.
TALL, PLACE = "@tall", "@place"
# Typings of operations that work entry by entry.
_ELEMENTWISE = ("broadcast", "compare", "logic", "select", "integer")


def typed(expr: Expr) -> Type:
    assert expr.type is not None
    return expr.type


# Alignment of named axes.


def aligned(expr: Expr) -> Expr:
    """The expression with arguments reshaped where broadcasting from the right would go wrong.

    Axes stand first, in the order of the result's type; entries last.
    """

    def change(node: Expr) -> Expr:
        if not isinstance(node, Apply) or not node.args:
            return node
        if node.op in ("put", "shift"):
            kind = typed(node)
            rest = replace(kind, axes=tuple(a for a in kind.axes if a not in node.over))
            return replace(node, args=(*node.args[:-1], placed_in(node.args[-1], rest)))
        if node.over or node.op not in OPS or OPS[node.op].typing not in _ELEMENTWISE:
            return node
        want = join(tuple(typed(a) for a in node.args))
        if not want.axes:
            return node
        return replace(node, args=tuple(placed_in(a, want) for a in node.args))

    return rewrite(expr, change)


def placed_in(arg: Expr, want: Type) -> Expr:
    """``arg`` so that it broadcasts into ``want``: missing axes inside, entries at the end."""
    have = typed(arg)
    if not have.axes:
        return arg
    if have.axes != want.axes[len(want.axes) - len(have.axes):]:
        arg = Apply(PLACE, (arg,), type=Type(have.extent, want.axes, have.kind))
    if have.extent is not Extent.ENTRY and want.extent is Extent.ENTRY:
        arg = Apply(TALL, (arg,), type=Type(want.extent, typed(arg).axes, have.kind))
    return arg


def placed(arg: str, have: tuple[str, ...], want: tuple[str, ...]) -> str:
    """Text that puts the axes ``have`` in the order of ``want``, with length 1 for the others."""
    order = tuple(sorted(have, key=want.index))
    if order != have:
        source = tuple(have.index(axis) for axis in order)
        arg = f"jnp.moveaxis({arg}, {source}, {tuple(range(len(order)))})"
    missing = tuple(i for i, axis in enumerate(want) if axis not in have)
    return f"jnp.expand_dims({arg}, {missing})" if missing else arg


# The number of the step, exactly.


def whole_steps(expr: Expr) -> Expr:
    """Comparisons of whole numbers read the counter itself, which float32 could not hold."""

    def change(node: Expr) -> Expr:
        if not isinstance(node, Apply) or node.op not in OPS or OPS[node.op].typing != "compare":
            return node
        if all(_whole(a) for a in node.args):
            return replace(node, args=tuple(rewrite(a, _counted) for a in node.args))
        return node

    return rewrite(expr, change)


def real_powers(expr: Expr) -> Expr:
    """A whole base has a real power, where arrays of integers know no ``2^(-i)``."""

    def change(node: Expr) -> Expr:
        match node:
            case Apply("^", (Num() as base, power)) if _whole(base) and _counts(power):
                return replace(node, args=(replace(base, text=f"{base.text}.0"), power))
            case Apply("^", (base, Num())):
                return node
            case Apply("^", (base, power)) if _whole(power):
                return replace(node, args=(real(base), power))
        return node

    return rewrite(expr, change)


def real(expr: Expr) -> Expr:
    """The expression as a real number, if it counts places."""
    one = Num("1.0", SCALAR)
    return Apply("*", (one, expr), type=typed(expr).of_kind("real")) if _counts(expr) else expr


def _counts(expr: Expr) -> bool:
    """Whether an array library, or Python, may have integers for this. The number of the step is a
    real number to programs."""
    inside = {*walk(expr)}
    counted = any(isinstance(n, Sym) or (isinstance(n, Apply) and n.op == "index") for n in inside)
    return counted and _whole(expr) and Sym("t") not in inside


def _counted(node: Expr) -> Expr:
    return STEP_COUNT if node == Sym("t") else node


def _whole(expr: Expr) -> bool:
    """Whether an expression is made of whole numbers by operations that keep them whole."""
    for node in walk(expr):
        if isinstance(node, Apply):
            if node.op not in ("+", "-", "*", "neg", "mod", "index"):
                return False
        elif isinstance(node, Num):
            if node.value.denominator != 1 or node.value >= 2**31:
                return False
        elif typed(node).kind != "int":
            return False
    return True
