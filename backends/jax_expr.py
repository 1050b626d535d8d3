"""Expressions and statements as JAX text, and the Python names of the quantities of a step."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from thetaprime.backends.draws import name_hash
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, walk
from thetaprime.ir import Draw, Equation, First
from thetaprime.ops import OPS, REDUCTIONS
from thetaprime.render import Notation, render
from thetaprime.types import SCALAR, Extent, Type, join

Plain = Equation | First | Draw
# Names that the generated text itself uses where quantities are named.
RESERVED = {
    "Any", "GradientTransformationExtraArgs", "NamedTuple", "ScalarOrSchedule", "ValueError",
    "count", "dtype", "evaluate", "extra", "float", "grads", "hypers", "index", "init", "jax",
    "jnp", "leaf", *(f"leaf_{i}" for i in range(1, 10)), "math", "params", "range", "seed",
    "state", "structure", "t", "update", "value",
}
# The number of the step as a whole number; no spec can define ``t'``.
STEP_COUNT = Sym("t", True, Type(Extent.SCALAR, kind="int"))
# Pseudo-operations that `aligned` puts around arguments.
_TALL, _PLACE = "@tall", "@place"


@dataclass(frozen=True, slots=True)
class Writer:
    """How quantities are named, and how long axes are. ``like`` is a symbol whose array has the
    shape of the parameter, inside of a function of one tensor."""

    names: Mapping[Sym, str]
    lengths: Mapping[str, int]
    like: Sym | None = None

    def name(self, symbol: Sym) -> str:
        return self.names[symbol]

    def show(self, expr: Expr, least: int = 0) -> str:
        return render(aligned(whole_steps(expr)), self._notation(), least)

    def _notation(self) -> Notation:
        return Notation(
            number=_number,
            symbol=lambda s: self.names[s],
            call=self._call,
            infix={op: _INFIX.get(op, f" {op} ") for op, row in OPS.items()
                   if row.fix == "infix" and op not in ("and", "or", "default")},
            prefix={"neg": "-"},
        )

    def _call(self, expr: Apply, args: list[str]) -> str:
        if expr.over:
            arg = expr.args[0]
            if expr.op == "size":  # only the shape counts
                alike = (n for n in walk(arg) if isinstance(n, Sym) and n.type == arg.type)
                args = [self.show(next(alike, arg))]
            return self._reduction(expr, args[0])
        if expr.op == _TALL:
            assert self.like is not None
            return f"_tall({args[0]}, {self.name(self.like)})"
        if expr.op == _PLACE:
            return _placed(args[0], typed(expr.args[0]).axes, typed(expr).axes)
        row = OPS[expr.op]
        if row.fix == "constant":
            return row.array if row.typing == "logic" else f"jnp.{row.array}"
        if expr.op == "default":
            return f"_default({', '.join(args)})"
        call = f"jnp.{row.array}({', '.join(args[:2])})" if row.arity[1] == 9 else ""
        for more in args[2:] if call else []:
            call = f"jnp.{row.array}({call}, {more})"
        return call or f"jnp.{row.array}({', '.join(args)})"

    def _reduction(self, expr: Apply, arg: str) -> str:
        """A reduction over one tensor or over an axis; over the model, what a tensor adds to it."""
        kind = typed(expr.args[0])
        row = REDUCTIONS[expr.op]
        (over,) = expr.over
        if over in kind.axes:
            if expr.op == "size":
                return str(self.lengths[over])
            return f"jnp.{row.array}({arg}, axis={kind.axes.index(over)})"
        lead = len(kind.axes)
        if expr.op == "size":
            first = f"[{', '.join('0' * lead)}]" if lead else ""
            return f"float(jnp.size({arg}{first}))"
        if lead and kind.extent is Extent.ENTRY:
            inside, axis = f"_entries({arg}, {lead})", ", axis=-1"
        elif kind.extent is Extent.ENTRY:
            inside, axis = arg, ""
        else:
            return arg
        initial = {"max": ", initial=-jnp.inf", "min": ", initial=jnp.inf"}.get(row.combine, "")
        return f"jnp.{row.array}({inside}{axis}{initial})"

    def statement(self, statement: Plain) -> list[str]:
        """The lines that compute a statement."""
        name = self.name(statement.target)
        match statement:
            case Equation(target, value):
                return [f"{name} = {self._filled(target, value)}"]
            case First(target, value):
                return [f"{name} = jnp.where(t == 1, {self._filled(target, value)}, {name})"]
            case Draw():
                return self._draw(statement)

    def _draw(self, draw: Draw) -> list[str]:
        """The lines of a draw: standard numbers first, then location and scale."""
        target = draw.target
        kind = typed(target)
        axes = [str(self.lengths[a]) for a in kind.axes]
        if self.like is None:
            leaf, entries, dtype = "0", [], "dtype"
        else:
            like = self.name(self.like)
            entries = [f"*{like}.shape"] if kind.extent is Extent.ENTRY else []
            leaf, dtype = "index", f"{like}.dtype"
        dims = [*axes, *entries]
        shape = entries[0][1:] if dims == entries and entries else _tuple(dims)
        rest = "".join(f", {self.show(a)}" for a in draw.args if draw.distribution == "bernoulli")
        call = (f"_{draw.distribution}(seed, 0x{name_hash(target.name):08X}, count, {leaf}, "
                f"{shape}, {dtype}{rest})")
        name = self.name(target)
        lines = [f"{name} = {call}"]
        value = _transformed(draw)
        if value != target:
            lines.append(f"{name} = {self.show(value)}")
        return lines

    def _filled(self, target: Sym, value: Expr) -> str:
        """The value; an array of the full shape where the target varies along more than it."""
        want, have = typed(target), typed(value)
        entries = want.extent is Extent.ENTRY and have.extent is not Extent.ENTRY
        if not entries and set(have.axes) == set(want.axes):
            return self.show(_placed_in(value, want))
        like = self.name(self.like) if self.like is not None else ""
        if not want.axes:
            return f"jnp.full_like({like}, {self.show(value)})"
        dims = [str(self.lengths[a]) for a in want.axes]
        dims += [f"*{like}.shape"] * (want.extent is Extent.ENTRY)
        return f"jnp.broadcast_to({self.show(_placed_in(value, want))}, {_tuple(dims)})"


_INFIX = {"^": "**"}


def _number(number: Num) -> str:
    """The literal; one that does not fit an int32 as a float, since arrays of ints are int32."""
    if number.text.isdigit() and int(number.text) >= 2**31:
        return f"{number.text}.0"
    return number.text.lstrip("0") or "0" if number.text.isdigit() else number.text


def _tuple(items: list[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def typed(expr: Expr) -> Type:
    assert expr.type is not None
    return expr.type


def _transformed(draw: Draw) -> Expr:
    """What the parameters of a draw make of a standard one: ``mu + s*z``, ``a + (b - a)*u``."""
    target = draw.target
    if draw.distribution not in ("normal", "uniform") or not draw.args:
        return target
    zero, one = Num("0", SCALAR), Num("1", SCALAR)
    low = draw.args[0]
    high: Expr = draw.args[1] if len(draw.args) > 1 else one
    kind = join((typed(target), typed(low), typed(high)))
    width = high
    if draw.distribution == "uniform" and low != zero:
        width = Apply("-", (high, low), type=join((typed(low), typed(high))))
    scaled: Expr = target
    if width != one:
        scaled = Apply("*", (width, target), type=kind)
    return scaled if low == zero else Apply("+", (low, scaled), type=kind)


# Alignment of named axes.


def aligned(expr: Expr) -> Expr:
    """The expression with arguments reshaped where broadcasting from the right would go wrong.

    Axes stand first, in the order of the result's type; entries last.
    """

    def change(node: Expr) -> Expr:
        if not isinstance(node, Apply) or node.over or not node.args:
            return node
        want = join(tuple(typed(a) for a in node.args))
        if not want.axes:
            return node
        return replace(node, args=tuple(_placed_in(a, want) for a in node.args))

    return rewrite(expr, change)


def _placed_in(arg: Expr, want: Type) -> Expr:
    """``arg`` so that it broadcasts into ``want``: missing axes inside, entries at the end."""
    have = typed(arg)
    if not have.axes:
        return arg
    if have.axes != want.axes[len(want.axes) - len(have.axes):]:
        arg = Apply(_PLACE, (arg,), type=Type(have.extent, want.axes, have.kind))
    if have.extent is not Extent.ENTRY and want.extent is Extent.ENTRY:
        arg = Apply(_TALL, (arg,), type=Type(want.extent, typed(arg).axes, have.kind))
    return arg


def _placed(arg: str, have: tuple[str, ...], want: tuple[str, ...]) -> str:
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


def _counted(node: Expr) -> Expr:
    return STEP_COUNT if node == Sym("t") else node


def _whole(expr: Expr) -> bool:
    """Whether an expression is made of whole numbers by operations that keep them whole."""
    for node in walk(expr):
        if isinstance(node, Apply):
            if node.op not in ("+", "-", "*", "neg", "mod"):
                return False
        elif isinstance(node, Num):
            if node.value.denominator != 1 or node.value >= 2**31:
                return False
        elif typed(node).kind != "int":
            return False
    return True


# Names.


def python_names(symbols: Iterable[Sym], taken: Iterable[str] = ()) -> dict[Sym, str]:
    """A Python name for each symbol, all different: ``m'`` is ``m_new``, ``lambda`` ``lambda_``."""
    used = {*keyword.kwlist, *RESERVED, *taken}
    names: dict[Sym, str] = {Sym("t"): "t", STEP_COUNT: "count"}
    for symbol in sorted(dict.fromkeys(symbols), key=lambda s: s.prime):
        if symbol in names:
            continue
        name = symbol.name.lstrip("_") or "x"  # a leading underscore is for helpers
        name += "_" * (name != symbol.name) + ("_new" if symbol.prime else "")
        while name in used:
            name += "_"
        used.add(name)
        names[symbol] = name
    return names
