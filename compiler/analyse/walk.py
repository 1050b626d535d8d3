"""A step carried out on vectors of which only linear combinations are known.

A quantity is a scalar or a vector. What scalars are (floats, sympy expressions) and what vectors
are (coefficients in a basis, points of a performance estimation problem) is up to a subclass, which
answers for everything that is not a linear combination. Quantities along named axes of known
length are walked lane by lane: ``at`` says which lane of each axis is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ir import (
    Draw,
    EachAxis,
    Equation,
    First,
    Loop,
    Statement,
    Step,
    When,
    defined,
)
from thetaprime.ops import ALONG, LINEAR, ORACLES, is_reduction
from thetaprime.render import spec_text
from thetaprime.source import Source
from thetaprime.types import Type

Value = Any
Lanes = Mapping[str, int]

# Loops with more turns are not written out.
MOST_TURNS = 32
# The same entries, seen as another tensor.
SEEN = ("view", "unview", "unfold", "refold", "along", "seen")


def quoted(expr: Expr, source: Source) -> str:
    """An expression as its source has it; one that stands nowhere, as a spec would."""
    written = source.text[expr.span.start:expr.span.end]
    return written if written and "\n" not in written else spec_text(expr)


class Walk:
    """One pass through the statements of a step. Values are held by symbol and lane."""

    def __init__(self, step: Step, lengths: Mapping[str, int]) -> None:
        self.step = step
        self.lengths = lengths
        self.values: dict[tuple[Sym, tuple[int, ...]], Value] = {}
        self.source: Source = step.source
        self.first_step = False

    # What a subclass answers.

    def is_vector(self, value: Value) -> bool:
        raise NotImplementedError

    def number(self, number: Num) -> Value:
        """The scalar that a literal is."""
        raise NotImplementedError

    def whole(self, value: Value) -> int:
        """The whole number that a scalar is. Raises TypeError, ValueError."""
        return int(value)

    def function(self, expr: Apply, args: Sequence[Value]) -> Value:
        """An operation of `ops.OPS` on scalars."""
        raise NotImplementedError

    def scaled(self, vector: Value, factor: Value, by: Expr) -> Value:
        """vector * factor, which ``by`` says; of a quotient, ``factor`` is 1 over it."""
        return vector * factor

    def shifted(self, vector: Value, scalar: Value, by: Expr) -> Value:
        """vector + scalar, which ``by`` says."""
        raise NotImplementedError

    def bent(self, expr: Expr, args: Sequence[Value]) -> Value:
        """What is no linear combination of its vectors, or is not known."""
        raise NotImplementedError

    def ask(self, expr: Apply, args: Sequence[Value]) -> Value:
        """An oracle."""
        raise NotImplementedError

    def truth(self, condition: Expr, at: Lanes) -> bool | None:
        """Whether a condition holds; None where that is not known."""
        raise NotImplementedError

    def either(self, expr: Expr, then: Value, otherwise: Value) -> Value:
        """One of two values, decided by a condition that is not known."""
        raise NotImplementedError

    def cases(self, expr: Apply, values: Sequence[Value]) -> Value:
        """One value for each guard of a `case`, all for different tensors."""
        raise NotImplementedError

    def assign(self, target: Sym, lane: tuple[int, ...], value: Value, by: Expr) -> None:
        """Keeps the value of an equation, of which ``by`` is the right side."""
        self.values[target, lane] = value

    def outside(self, statement: Statement) -> None:
        """Gives values to what a draw, a body for each axis or an endless loop defines."""
        raise NotImplementedError

    def mark(self) -> int:
        """What `turned` is told of the time before a loop."""
        return 0

    def turned(self, mark: int) -> bool:
        """Whether a loop may go on, after a turn."""
        return True

    # Statements.

    def execute(self, body: Sequence[Statement]) -> None:
        for statement in body:
            self.source = statement.source
            match statement:
                case Equation(target, value):
                    self.define(target, value)
                case First(target, value):
                    if self.first_step:
                        self.define(target, value)
                case When(condition, then, otherwise):
                    self._when(condition, then, otherwise, statement)
                case Loop():
                    self._loop(statement)
                case Draw() | EachAxis():
                    self.outside(statement)

    def define(self, target: Sym, value: Expr) -> None:
        for lane in self.lanes(target.type):
            at = dict(zip(self.axes(target.type), lane, strict=True))
            self.assign(target, lane, self.value(value, at), value)

    def _when(
        self, condition: Expr, then: Sequence[Statement], otherwise: Sequence[Statement],
        statement: When,
    ) -> None:
        known = self.truth(condition, {})
        if known is not None:
            self.execute(then if known else otherwise)
            return
        names = defined((statement,))
        self.execute(then)
        first = dict(self.values)
        self.execute(otherwise)
        for key in [k for k in self.values if k[0] in names]:
            self.values[key] = self.either(condition, first[key], self.values[key])

    def _loop(self, loop: Loop) -> None:
        turns = self.turns(loop)
        if turns is None or loop.until is not None:
            self.outside(loop)
            return
        mark = self.mark()
        for carry in loop.carries:
            self.define(carry.value, carry.start)
        for turn in range(turns):
            self.values[loop.turn, ()] = self.number(Num(str(turn)))
            self.execute(loop.body)
            if not self.turned(mark):
                self.outside(loop)
                return
            for carry in loop.carries:
                for lane in self.lanes(carry.value.type):
                    self.values[carry.value, lane] = self.values[
                        replace(carry.value, prime=True), lane]

    def turns(self, loop: Loop) -> int | None:
        """How often a loop turns, where that is a whole number that is not too large."""
        try:
            found = self.whole(self.value(loop.turns, {}))
        except (TypeError, ValueError):
            return None
        return found if 0 <= found <= MOST_TURNS else None

    # Expressions.

    def axes(self, kind: Type | None) -> tuple[str, ...]:
        """The axes of a type that are walked lane by lane."""
        return tuple(a for a in (kind.axes if kind else ()) if a in self.lengths)

    def lanes(self, kind: Type | None) -> Iterator[tuple[int, ...]]:
        return product(*(range(self.lengths[a]) for a in self.axes(kind)))

    def value(self, expr: Expr, at: Lanes) -> Value:
        match expr:
            case Num():
                return self.number(expr)
            case Sym():
                return self.symbol(expr, at)
            case Apply("if", (condition, then, otherwise)):
                known = self.truth(condition, at)
                if known is not None:
                    return self.value(then if known else otherwise, at)
                return self.either(expr, self.value(then, at), self.value(otherwise, at))
            case Apply("case", parts):
                return self.cases(expr, [self.value(part, at) for part in parts[1::2]])
            case Apply(op, args) if op in ORACLES:
                return self.ask(expr, [self.value(a, at) for a in args])
            case Apply(op, (inner,)) if op in SEEN:
                return self.value(inner, at)
            case Apply() if is_reduction(expr):
                return self._reduction(expr, at)
            case Apply(op) if op in ALONG:
                return self._along(expr, at)
            case Apply(op, args) if op in LINEAR:
                return self.structure(expr, [self.value(a, self._any(a, at)) for a in args])
            case Apply(op, args):
                return self.apply(expr, [self.value(a, at) for a in args])

    def structure(self, expr: Apply, args: Sequence[Value]) -> Value:
        """Linear algebra."""
        return self.bent(expr, args)

    def _any(self, expr: Expr, at: Lanes) -> Lanes:
        """``at``, with the first lane of each axis of an expression that it does not name."""
        return {**dict.fromkeys(self.axes(expr.type), 0), **at}

    def _along(self, expr: Apply, at: Lanes) -> Value:
        """Windows and folds: G[j], push(W, v), put(a, j, v), the lane itself."""
        (axis,) = expr.over
        lane = at.get(axis)
        match expr.op, expr.args:
            case "index", () if lane is not None:
                return self.number(Num(str(lane)))
            case "at", (a, j) if (index := self._index(j, at)) is not None:
                return self.value(a, {**at, axis: index})
            case "shift", (a, v) if lane is not None:
                return self.value(a, {**at, axis: lane - 1}) if lane else self.value(v, at)
            case "put", (a, j, v) if lane is not None and (index := self._index(j, at)) is not None:
                return self.value(v if lane == index else a, at)
        return self.bent(expr, [self.value(a, self._any(a, at)) for a in expr.args])

    def _index(self, expr: Expr, at: Lanes) -> int | None:
        """A place along an axis, where it is a number."""
        try:
            return self.whole(self.value(expr, at))
        except (TypeError, ValueError):
            return None

    def symbol(self, symbol: Sym, at: Lanes) -> Value:
        lane = tuple(at[a] for a in self.axes(symbol.type))
        if (symbol, lane) in self.values:
            return self.values[symbol, lane]
        return self.bent(symbol, ())

    def _reduction(self, expr: Apply, at: Lanes) -> Value:
        (inner,) = expr.args
        axes = [a for a in expr.over if a in self.lengths and a in self.axes(inner.type)]
        if expr.op not in ("sum", "mean") or len(axes) < len(expr.over):
            return self.bent(expr, [self.value(inner, self._any(inner, at))])
        total: Value = None
        count = 0
        for lane in product(*(range(self.lengths[a]) for a in axes)):
            value = self.value(inner, {**at, **dict(zip(axes, lane, strict=True))})
            total = value if count == 0 else self.apply(Apply("+", (inner, inner)), [total, value])
            count += 1
        if expr.op == "sum":
            return total
        length = Num(str(count))
        return self.apply(Apply("/", (expr, length)), [total, self.number(length)])

    def apply(self, expr: Apply, args: Sequence[Value]) -> Value:
        """An operation; sums, differences and multiples of vectors are vectors."""
        vectors = [self.is_vector(a) for a in args]
        if not any(vectors):
            return self.function(expr, args)
        match expr.op, args:
            case "neg", (a,):
                return -a
            case "default", (a, _) if vectors[0]:
                return a
            case "+" | "-", (a, b) if all(vectors):
                return a + b if expr.op == "+" else a - b
            case "+" | "-", (a, b):
                vector, scalar = (a, b) if vectors[0] else (b, a)
                sign = self.number(Num("1" if expr.op == "+" else "-1"))
                if vectors[0]:
                    return self.shifted(vector, sign * scalar, expr.args[1])
                return self.shifted(vector if expr.op == "+" else -vector, scalar, expr.args[0])
            case "*", (a, b) if not all(vectors):
                vector, scalar = (a, b) if vectors[0] else (b, a)
                return self.scaled(vector, scalar, expr.args[1 if vectors[0] else 0])
            case "/", (a, b) if not vectors[1]:
                return self.divided(a, b, expr.args[1])
        return self.bent(expr, args)

    def divided(self, vector: Value, divisor: Value, by: Expr) -> Value:
        """vector / divisor, which ``by`` says."""
        return vector / divisor
