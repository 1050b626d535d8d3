"""Expressions and statements, executed directly: the inside of the interpreter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from thetaprime.along import along
from thetaprime.asking import Asked, MissingOracle
from thetaprime.draws import draw
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
)
from thetaprime.matrices import (
    each_axis,
    fact,
    facts,
    is_fact,
    length,
    structure,
    takers,
    whole,
)
from thetaprime.numbers import BRIEF, Array, Field, short
from thetaprime.ops import ALONG, LINEAR, OPS, ORACLES, STRUCTURE, WHOLE, is_reduction
from thetaprime.reductions import reduction
from thetaprime.types import PARAMS, Extent, Type

# A quantity: one array when it is a scalar of the model, else a list with one for each tensor; a
# tensor that has none of it has None, a family is a tuple of arrays.
Value = Array | list[Any]


@dataclass
class Run:
    """One evaluation: the field, the shapes of the tensors, and what symbols are now."""

    step: Step
    numbers: Field
    shapes: list[tuple[int, ...]]
    env: dict[Sym, Value]
    t: int
    seed: int = 0
    asked: Asked | None = None
    turn: int = 0  # of all loops around, counted together
    paths: Sequence[str] = ()
    active: frozenset[int] = frozenset()  # the tensors for which something is computed
    axis: tuple[str, int] | None = None  # the axis of each tensor inside of `EachAxis`

    def only(self, guard: Expr | None) -> Run:
        """The evaluation for the tensors that satisfy a guard; it shares what symbols are."""
        return self if guard is None else replace(self, active=takers(self, guard))

    def value(self, expr: Expr) -> Value:
        """The value of a typed expression."""
        if isinstance(expr, Num):
            return self.numbers.array(self.numbers.number(expr.value))
        if isinstance(expr, Sym):
            return fact(self, expr) if expr not in self.env and is_fact(expr) else self.env[expr]
        assert expr.type is not None
        if expr.op in ORACLES:
            return self._ask(expr)
        if expr.op == "extern":
            return self._extern(expr)
        if expr.op in ALONG:
            found: Value = along(expr, [self.value(a) for a in expr.args], self.lengths())
            return found
        if expr.op in WHOLE:
            row: Value = whole(expr.op, self.value(expr.args[0]), self.shapes)
            return row
        if expr.op in LINEAR or expr.op in STRUCTURE:
            made: Value = structure(self, expr)
            return made
        if is_reduction(expr):
            return reduction(self, expr)
        if expr.type.extent is Extent.SCALAR:
            return self._apply(expr, [self._one(a, expr.type, None) for a in expr.args])
        known = [self.value(a) for a in expr.args]
        return [
            self._apply(expr, [self._placed(v, a, expr.type, leaf)
                               for v, a in zip(known, expr.args, strict=True)])
            if leaf in self.active else None for leaf in range(len(self.shapes))]

    def _ask(self, expr: Apply) -> Value:
        if self.asked is None:
            raise MissingOracle(expr.op)
        every = replace(self, active=frozenset(range(len(self.shapes))))
        answer = self.asked.answer(expr, [every.value(a) for a in expr.args])
        if ORACLES[expr.op].gives == "entry":
            return [self.numbers.array(a) for a in answer]
        return self.numbers.array(answer)

    def _extern(self, expr: Apply) -> Value:
        function: Any = self.env[Sym(expr.over[0])]
        args = [self.value(a) for a in expr.args]
        if not any(isinstance(a, list) for a in args):
            return self.numbers.array(function(*args))
        return [self.numbers.array(function(*(a[k] if isinstance(a, list) else a for a in args)))
                if k in self.active else None for k in range(len(self.shapes))]

    def lengths(self) -> dict[str, int]:
        """The lengths of the named axes that are known before the step runs."""
        found = {PARAMS: sum(math.prod(shape) for shape in self.shapes)}
        for axis in self.step.axes:
            known = axis.length if isinstance(axis.length, int) else self.env.get(Sym(axis.length))
            if known is not None:
                found[axis.name] = int(np.asarray(known))
        return found

    def _one(self, arg: Expr, target: Type, leaf: int | None) -> Array:
        return self._placed(self.value(arg), arg, target, leaf)

    def _placed(self, value: Value, arg: Expr, target: Type, leaf: int | None) -> Array:
        """A value laid out to broadcast into ``target``: axes by name, then the entries."""
        assert arg.type is not None
        array = value[leaf] if isinstance(value, list) and leaf is not None else value
        assert not isinstance(array, list)
        return self._align(array, arg.type, target, leaf)

    def _align(self, array: Array, kind: Type, target: Type, leaf: int | None) -> Array:
        if kind.axes == target.axes and (kind.extent is Extent.ENTRY
                                         or target.extent is not Extent.ENTRY):
            return array
        entry = self.shapes[leaf] if leaf is not None and target.extent is Extent.ENTRY else ()
        own = array.shape[len(kind.axes):]
        order = [kind.axes.index(a) for a in target.axes if a in kind.axes]
        array = np.transpose(array, (*order, *range(len(kind.axes), array.ndim)))
        sizes = iter(array.shape[: len(kind.axes)])
        shape = [next(sizes) if a in kind.axes else 1 for a in target.axes]
        trailing = own if kind.extent is Extent.ENTRY else (1,) * len(entry)
        return array.reshape((*shape, *trailing))

    def _apply(self, expr: Apply, args: list[Array]) -> Array:
        row = OPS[expr.op]
        if row.fix == "constant":
            constants = {"pi": self.numbers.pi, "inf": np.inf, "true": True, "false": False}
            if expr.op in ("true", "false"):
                return np.asarray(constants[expr.op])
            return self.numbers.array(constants[expr.op])
        if expr.op == "if":
            return self.array(np.where(args[0].astype(bool), args[1], args[2]))
        if expr.op == "default":
            finite = np.asarray(self.numbers.function("isfinite")(args[0])).astype(bool)
            return self.array(np.where(finite, args[0], args[1]))
        if expr.op == "/":
            return self.array(self.numbers.divide(*args))
        function = self.numbers.function(row.array)
        result = args[0] if len(args) > 1 else function(args[0])
        for arg in args[1:]:
            result = function(result, arg)
        if row.typing in ("compare", "logic"):
            return np.asarray(result).astype(bool)
        return self.array(result)

    def array(self, value: Any) -> Array:
        """Functions of 0-d object arrays give bare numbers: make them arrays again."""
        if isinstance(value, np.ndarray):
            return value
        out = np.empty((), self.numbers.dtype)
        out[()] = value
        return out

    def execute(self, body: Sequence[Statement]) -> None:
        """Runs statements in order; what they define is in ``env``."""
        for statement in body:
            match statement:
                case Equation(target, value, _, guard):
                    some = self.only(guard)
                    self.env[target] = some._fitted(some.value(value), value, target)
                case First(target, value, _, guard):
                    if self.t == 1:
                        some = self.only(guard)
                        self.env[target] = some._fitted(some.value(value), value, target)
                case Draw(target, distribution, args, _, guard):
                    self.env[target] = self.only(guard).drawn(target, distribution, args)
                case When(condition, then, otherwise):
                    due = self.only(statement.among).value(condition)
                    self.execute(then if np.all(due) else otherwise)
                case Loop():
                    self.only(statement.guard)._loop(statement)
                case EachAxis():
                    each_axis(self.only(statement.guard), statement)

    def _loop(self, loop: Loop) -> None:
        for carry in loop.carries:
            self.env[carry.value] = self._fitted(self.value(carry.start), carry.start, carry.value)
        turns = int(np.asarray(self.value(loop.turns)))
        around = self.turn
        for turn in range(turns):
            self.turn = around * turns + turn
            self.env[loop.turn] = self.numbers.array(turn)
            self.execute(loop.body)
            for carry in loop.carries:
                self.env[carry.value] = self._short(self.env[replace(carry.value, prime=True)])
            if loop.until is not None and np.all(self.env[loop.until]):
                break
        self.turn = around

    def _short(self, value: Value) -> Value:
        """A value to go on with. Raises NotRational where its exact numbers are too long."""
        for array in value if isinstance(value, list) else [value]:
            if self.numbers is BRIEF and isinstance(array, np.ndarray):
                for number in array.ravel().tolist():
                    if isinstance(number, Fraction):
                        short(number)
        return value

    def _fitted(self, value: Value, expr: Expr, target: Sym) -> Value:
        assert target.type is not None
        assert expr.type is not None
        return self.fitted(value, expr.type, target.type)

    def fitted(self, value: Value, kind: Type, target: Type) -> Value:
        """A value broadcast into the type of what it defines."""
        if kind.extent == target.extent and kind.axes == target.axes:
            return value
        if target.extent is Extent.SCALAR:
            sizes = tuple(self.lengths()[a] for a in target.axes)
            assert not isinstance(value, list)
            return np.broadcast_to(self._align(value, kind, target, None), sizes).copy()
        out: list[Any] = []
        for leaf, shape in enumerate(self.shapes):
            if leaf not in self.active:
                out.append(None)
                continue
            array = value[leaf] if isinstance(value, list) else value
            sizes = self._sizes(target, leaf)
            full = (*sizes, *shape) if target.extent is Extent.ENTRY else sizes
            out.append(np.broadcast_to(self._align(array, kind, target, leaf), full).copy())
        return out

    def _sizes(self, kind: Type, leaf: int) -> tuple[int, ...]:
        """The lengths of the axes of a type for one tensor."""
        known = facts(self, leaf)
        return tuple(length(a, known) for a in kind.axes)

    def drawn(self, target: Sym, distribution: str, args: tuple[Expr, ...]) -> Value:
        """A draw whose key is (seed, name, t, tensor, entry)."""
        assert target.type is not None
        kind = target.type
        if kind.extent is Extent.SCALAR:
            sizes = tuple(self.lengths()[a] for a in kind.axes)
            given = tuple(self._one(a, kind, None) for a in args)
            return self.numbers.array(draw(distribution, given, self.seed, target.name, self.t,
                                           0, sizes, self.turn))
        out: list[Any] = []
        for leaf, shape in enumerate(self.shapes):
            if leaf not in self.active:
                out.append(None)
                continue
            sizes = self._sizes(kind, leaf)
            given = tuple(self._one(a, kind, leaf) for a in args)
            full = (*sizes, *shape) if kind.extent is Extent.ENTRY else sizes
            out.append(self.numbers.array(draw(distribution, given, self.seed, target.name,
                                               self.t, leaf, full, self.turn)))
        return out
