"""Expressions and plain statements as JAX text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from thetaprime.backends.draws import name_hash
from thetaprime.backends.jax_align import (
    PLACE,
    TALL,
    aligned,
    placed,
    placed_in,
    real,
    real_powers,
    typed,
    whole_steps,
)
from thetaprime.backends.jax_matrices import length_text, text_of
from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.ir import Draw, Equation, First
from thetaprime.ops import ALONG, OPS, REDUCTIONS
from thetaprime.render import ATOM, Notation, render
from thetaprime.types import OUTPUTS, SCALAR, Extent, join, places

Plain = Equation | First | Draw


@dataclass(frozen=True, slots=True)
class Writer:
    """How quantities are named, and how long axes are. ``like`` is a symbol whose array has the
    shape of the parameter, inside of a function of one tensor; ``turn`` counts the turns of the
    loops around, as text."""

    names: Mapping[Sym, str]
    lengths: Mapping[str, str]
    like: Sym | None = None
    turn: str = ""
    named: frozenset[str] = frozenset()  # axes of the spec, which are no entries of a tensor
    views: tuple[tuple[str, ...], ...] = ()  # how the spec sees tensors

    def name(self, symbol: Sym) -> str:
        return self.names[symbol]

    def show(self, expr: Expr, least: int = 0) -> str:
        return render(aligned(real_powers(whole_steps(expr))), self._notation(), least)

    def length(self, axis: str) -> str:
        """The length of a named axis, of ``min(rows, cols)`` too: known before, or a variable of
        that name."""
        if axis.startswith("min("):
            return re.sub(r"(?!min\b)[^\W\d]\w*", lambda word: self.length(word[0]), axis)
        return self.lengths.get(axis) or self.names.get(Sym(axis), axis)

    def fact(self, expr: Expr, least: int = 0) -> str:
        """A condition on what is known of a tensor before anything runs, as Python says it."""
        shape = "" if self.like is None else f"{self.name(self.like)}.shape"
        known = {Sym(axis): length_text(shape, place)
                 for view in self.views for axis, place in places(view).items()}
        return render(expr, replace(
            self._notation(), infix={**self._notation().infix, "and": " and ", "or": " or "},
            prefix={"neg": "-", "not": "not "},
            symbol=lambda s: known.get(s) or self.symbol(s)), least)

    def symbol(self, symbol: Sym) -> str:
        """The name of a quantity, or what a tensor itself says."""
        if symbol == Sym("rank") and self.like is not None:
            return f"{self.name(self.like)}.ndim"
        return self.names[symbol]

    def _notation(self) -> Notation:
        return Notation(
            number=_number,
            symbol=self.symbol,
            call=self._call,
            infix={op: _INFIX.get(op, f" {op} ") for op, row in OPS.items()
                   if row.fix == "infix" and op not in ("and", "or", "default")},
            prefix={"neg": "-"},
            special=self._special,
        )

    def _special(
        self, expr: Apply, show: Callable[[Expr, int], str]
    ) -> tuple[str, int] | None:
        """What is not written as a call or between its arguments."""
        if expr.op == "@":
            return f"{show(expr.args[0], 60)} @ {show(expr.args[1], 61)}", 60
        if expr.op == "outer" and len(typed(expr).axes) > 2:  # of each matrix of a stack
            rows, cols = (show(a, ATOM) for a in expr.args)
            return f"{rows}[..., :, None] * {cols}[..., None, :]", 60
        if expr.op == "T":
            return f"{show(expr.args[0], ATOM)}.T", ATOM
        if expr.op == "~":
            return f'fnmatchcase(path, "{expr.over[0]}")', ATOM
        if expr.op == "extern":
            args = ", ".join(show(a, 0) for a in expr.args)
            return f"{self.name(Sym(expr.over[0]))}({args})", ATOM
        if expr.op not in ALONG or not expr.over:
            return None
        (axis,) = expr.over
        if expr.op == "index":
            return f"jnp.arange({self.length(axis)})", ATOM
        place = typed(expr.args[0]).axes.index(axis)
        rest = [show(a, 0) for a in expr.args[1:]]
        if expr.op == "argsort":
            return f"jnp.argsort({show(expr.args[0], 0)}, axis={place})", ATOM
        if expr.op == "shift":
            more = f", {place}" if place else ""
            return f"_shifted({show(expr.args[0], 0)}, {rest[0]}{more})", ATOM
        what, index = show(expr.args[0], ATOM), ":, " * place + rest[0]
        if expr.op == "put":
            return f"{what}.at[{index}].set({rest[1]})", ATOM
        return f"{what}[{index}]", ATOM

    def real(self, text: str) -> str:
        """A whole number as a real one."""
        return f"{text}.0"

    def chosen(self, expr: Apply, args: list[str]) -> list[str]:
        """The arguments of ``if``: of two whole numbers, arrays would be of integers."""
        whole = typed(expr).kind == "real" and all(map(_whole, expr.args[1:]))
        return [args[0], *map(self.real, args[1:])] if whole else args

    def _call(self, expr: Apply, args: list[str]) -> str:
        if expr.op not in OPS and expr.op not in REDUCTIONS and expr.op not in (TALL, PLACE):
            like = "" if self.like is None else self.name(self.like)
            text = text_of(expr, args, like, self.length)
            assert text is not None, expr.op
            return text
        if expr.over:
            arg = expr.args[0]
            if expr.op == "size":  # only the shape counts
                alike = (n for n in walk(arg) if isinstance(n, Sym) and n.type == arg.type)
                args = [self.show(next(alike, arg))]
            return self._reduction(expr, args[0])
        if expr.op == TALL:
            assert self.like is not None
            return f"_tall({args[0]}, {self.name(self.like)})"
        if expr.op == PLACE:
            return placed(args[0], typed(expr.args[0]).axes, typed(expr).axes)
        if expr.op == "if":
            args = self.chosen(expr, args)
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
        if over == OUTPUTS:  # arrays of the shape that the model gives
            return f"float(jnp.size({arg}))" if expr.op == "size" else f"jnp.{row.array}({arg})"
        if over in kind.axes:
            if expr.op == "size":
                return self.length(over)
            return f"jnp.{row.array}({arg}, axis={kind.axes.index(over)})"
        own = [a for a in kind.axes if a not in self.named]  # of a matrix: its entries
        if kind.extent is Extent.TENSOR and own:
            return self._of_matrix(expr, arg, len(kind.axes) - len(own))
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

    def _of_matrix(self, expr: Apply, arg: str, lead: int) -> str:
        """A reduction over all of a matrix; named axes, ``lead`` of them, stand before its own."""
        row = REDUCTIONS[expr.op]
        if expr.op == "size":
            return f"float(jnp.size({arg}{'[' + ', '.join('0' * lead) + ']' if lead else ''}))"
        if lead:
            return f"jnp.{row.array}(_entries({arg}, {lead}), axis=-1)"
        return f"jnp.{row.array}({arg})"

    def statement(self, statement: Plain) -> list[str]:
        """The lines that compute a statement."""
        name = self.name(statement.target)
        match statement:
            case Equation(target, value):
                return [f"{name} = {self.filled(target, value)}"]
            case First(target, value):
                return [f"{name} = jnp.where(t == 1, {self.filled(target, value)}, {name})"]
            case Draw():
                return self._draw(statement)

    def several(self, results: Sequence[Equation | None]) -> str:
        """``q, r = jnp.linalg.qr(a)``: the results of one operation, those that are wanted."""
        names = ["_" if r is None else self.name(r.target) for r in results]
        value = next(r.value for r in results if r is not None)
        text = self.show(value)
        return f"{', '.join(names)} = {text[:text.rindex('[')]}"

    def _draw(self, draw: Draw) -> list[str]:
        """The lines of a draw: standard numbers first, then location and scale."""
        target = draw.target
        kind = typed(target)
        axes = [self.length(a) for a in kind.axes]
        leaf, entries, dtype = "0", [], "dtype"
        if self.like is not None:
            like = self.name(self.like)
            entries = [f"*{like}.shape"] if kind.extent is Extent.ENTRY else []
            leaf = "0" if kind.extent is Extent.SCALAR else "index"
            dtype = f"{like}.dtype"
        dims = [*axes, *entries]
        shape = entries[0][1:] if dims == entries and entries else _tuple(dims)
        rest = "".join(f", {self.show(a)}" for a in draw.args if draw.distribution == "bernoulli")
        turn = f", {self.turn}" if self.turn else ""
        call = (f"_{draw.distribution}(seed, 0x{name_hash(target.name):08X}, count, {leaf}, "
                f"{shape}, {dtype}{rest}{turn})")
        name = self.name(target)
        lines = [f"{name} = {call}"]
        value = _transformed(draw)
        if value != target:
            lines.append(f"{name} = {self.show(value)}")
        return lines

    def filled(self, target: Sym, value: Expr) -> str:
        """The value; an array of the full shape where the target varies along more than it."""
        want, have = typed(target), typed(value)
        value = real(value) if want.kind == "real" else value
        entries = want.extent is Extent.ENTRY and have.extent is not Extent.ENTRY
        if not entries and set(have.axes) == set(want.axes):
            return self.show(placed_in(value, want))
        like = self.name(self.like) if self.like is not None else ""
        if not want.axes and isinstance(value, Num) and value.value == 0:
            return f"jnp.zeros_like({like})"
        if not want.axes:
            return f"jnp.full_like({like}, {self.show(value)})"
        dims = [self.length(a) for a in want.axes]
        if want.extent is Extent.TENSOR and have == SCALAR:
            return f"jnp.full({_tuple(dims)}, {self.show(value)}, {like}.dtype)"
        dims += [f"*{like}.shape"] * (want.extent is Extent.ENTRY)
        return f"jnp.broadcast_to({self.show(placed_in(value, want))}, {_tuple(dims)})"


_INFIX = {"^": "**"}


def _number(number: Num) -> str:
    """The literal; one that does not fit an int32 as a float, since arrays of ints are int32."""
    if number.text.isdigit() and int(number.text) >= 2**31:
        return f"{number.text}.0"
    return number.text.lstrip("0") or "0" if number.text.isdigit() else number.text


def _tuple(items: list[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


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


def _whole(expr: Expr) -> bool:
    """Whether an expression is a literal that Python reads as an integer."""
    inner = expr.args[0] if isinstance(expr, Apply) and expr.op == "neg" else expr
    return isinstance(inner, Num) and _number(inner).isdigit()
