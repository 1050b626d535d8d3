"""Atoms and polynomials as numbers: in one tensor, at one step of a run.

Arrays have one axis for each named one of the step, then those of the tensor, each of length 1
where they do not vary along it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from thetaprime.claims.algebra import Algebra
from thetaprime.claims.arrays import OTHERS, Arrays, Beyond
from thetaprime.claims.polynomials import Monomial, Poly, Ratio
from thetaprime.claims.same_runs import SCALE
from thetaprime.evaluate import Run
from thetaprime.expr import Expr, Num, Sym
from thetaprime.intervals import Interval
from thetaprime.ir import Draw, Equation, Step, statements
from thetaprime.numbers import Field
from thetaprime.types import SCALAR, Extent, Type

# Of 50 digits these many are trusted when the sign of a sum is asked for.
SURE = 1e-35
FUNCTIONS = {"exp": "exp", "ln": "log", "sin": "sin", "cos": "cos", "tanh": "tanh",
             "atan": "arctan", "floor": "floor", "round": "round", "atan2": "arctan2"}
FOLDS: dict[str, Callable[..., Any]] = {"sum": np.sum, "max": np.max, "min": np.min}


@dataclass
class Place:
    """One step of a run, and the step ``beside`` it of the rule or run that it is compared with."""

    numbers: Field
    run: Run
    beside: Run | None
    axes: tuple[str, ...]
    types: tuple[Mapping[Sym, Type], ...]
    kept: dict[tuple[int, int, int], Any] = field(default_factory=dict)

    def ratio(self, found: Ratio, leaf: int, algebra: Algebra) -> tuple[Any, Any]:
        """The value of a quotient, and the size of the terms that it is made of."""
        top, size = self.poly(found.num.terms, leaf, algebra)
        below, _ = self.poly(found.den.terms, leaf, algebra)
        return self.numbers.divide(top, below), self.numbers.divide(size, np.abs(below))

    def poly(
        self, terms: Mapping[Monomial, Fraction], leaf: int, algebra: Algebra
    ) -> tuple[Any, Any]:
        """The value of a polynomial, and the sum of the sizes of its terms."""
        total = size = self._zero(leaf)
        for monomial, coefficient in terms.items():
            term = self._zero(leaf) + self.numbers.number(coefficient)
            for atom, exponent in monomial:
                term = term * self._power(algebra, atom, exponent, leaf)
            total, size = total + term, size + np.abs(term)
        return total, size

    def _power(self, algebra: Algebra, atom: int, exponent: int, leaf: int) -> Any:
        found = self.atom(algebra, atom, leaf)
        return found if exponent == 1 else found**exponent

    def holds(
        self, assumed: tuple[tuple[Poly, Interval], ...], leaf: int, algebra: Algebra
    ) -> Any:
        """Where a case is the one at hand."""
        found: Any = np.ones((), bool)
        for poly, interval in assumed:
            sign = self._sign(poly, leaf, algebra)
            found = found & np.reshape(
                [s == s and int(s) in interval for s in sign.ravel()], sign.shape)
        return found

    def given(self, beside: bool, expr: Expr, leaf: int) -> Any:
        """What the interpreter computes for an expression, in the run or the one beside it."""
        run = self.beside if beside and self.beside is not None else self.run
        kind = SCALAR if isinstance(expr, Num) else expr.type
        if kind is None and isinstance(expr, Sym):
            kind = self.types[beside].get(Sym(expr.name))
        return self._laid(run.value(expr), kind or SCALAR, leaf)

    def _scalar(self, value: Fraction | int, leaf: int) -> Any:
        return self._zero(leaf) + self.numbers.number(value)

    def _zero(self, leaf: int) -> Any:
        ones = (1,) * (len(self.axes) + len(self.run.shapes[leaf]))
        return self.numbers.array(np.zeros(ones, int))

    def _laid(self, value: Any, kind: Type, leaf: int) -> Any:
        array = value[leaf] if isinstance(value, list) else value
        if array is None or isinstance(array, tuple) or not set(kind.axes) <= set(self.axes):
            raise Beyond
        array, rank = np.asarray(array), len(self.run.shapes[leaf])
        if array.dtype == bool:
            array = self.numbers.array(array.astype(int))
        entries = kind.extent is Extent.ENTRY
        order = sorted(range(len(kind.axes)), key=lambda i: self.axes.index(kind.axes[i]))
        array = np.transpose(array, (*order, *range(len(order), array.ndim)))
        lengths = dict(zip(sorted(kind.axes, key=self.axes.index), array.shape, strict=False))
        trailing = array.shape[len(order):] if entries else (1,) * rank
        return array.reshape((*(lengths.get(a, 1) for a in self.axes), *trailing))

    # Atoms.

    def atom(self, algebra: Algebra, atom: int, leaf: int) -> Any:
        """The value of an atom, by what it is."""
        place = id(algebra.numbers), atom, leaf
        if place not in self.kept:
            self.kept[place] = self._atom(algebra.key(atom), leaf, algebra)
        return self.kept[place]

    def _atom(self, key: tuple[Any, ...], leaf: int, algebra: Algebra) -> Any:
        function = self.numbers.function
        match key:
            case ("symbol", "t - 1"):
                return self._scalar(self.run.t - 1, leaf)
            case ("symbol", str(name)):
                return self._symbol(Sym(name), leaf)
            case ("symbol" | "drawn" | "draw", str(tag), str(name)):
                if tag and (tag not in OTHERS or self.beside is None):
                    raise Beyond
                return self._named(1 if tag else 0, Sym(name), leaf)
            case ("factor", str()):
                return self._scalar(SCALE, leaf)
            case ("pi",):
                return self._scalar(1, leaf) * function("arctan2")(
                    self._scalar(0, leaf), self._scalar(-1, leaf))
            case ("size", str(over), str(extent), ()):
                return self._scalar(self._size(over, extent, leaf), leaf)
            case ("root", int(degree), Poly() as inside):
                return self._root(self.poly(inside.terms, leaf, algebra)[0], degree)
            case ("root of", Ratio() as whole, int(degree)):
                return self._root(self.ratio(whole, leaf, algebra)[0], degree)
            case ("sign", Poly() as inside):
                return self._sign(inside, leaf, algebra)
            case ("power", Ratio() as base, Ratio() as exponent):
                return function("power")(self.ratio(base, leaf, algebra)[0],
                                         self.ratio(exponent, leaf, algebra)[0])
            case ("sum", (over, extent, axes), Ratio() as inside) | (
                    "max" | "min", Ratio() as inside, (over, extent, axes)):
                return self._folded(str(key[0]), over, extent, axes, inside, leaf, algebra)
            case ("unview", Ratio() as inside, *over, str()):
                return Arrays(self, leaf, algebra).entries(inside, tuple(over))
            case ("tr", Ratio() as inside):
                return Arrays(self, leaf, algebra).trace(inside)
            case ("+" | "*", Ratio() as one, Ratio() as other):
                a, b = (self.ratio(r, leaf, algebra)[0] for r in (one, other))
                return a + b if key[0] == "+" else a * b
            case (str(op), *args) if op in FUNCTIONS and all(isinstance(a, Ratio) for a in args):
                return function(FUNCTIONS[op])(*(self.ratio(a, leaf, algebra)[0] for a in args))
        raise Beyond

    def _symbol(self, symbol: Sym, leaf: int) -> Any:
        for which, run in enumerate((self.run, self.beside)):
            if run is not None and symbol in run.env:
                return self._named(which, symbol, leaf)
        raise Beyond

    def _named(self, which: int, symbol: Sym, leaf: int) -> Any:
        run = self.beside if which else self.run
        assert run is not None
        return self._laid(run.env[symbol], self.types[which].get(symbol, Type()), leaf)

    def _root(self, inside: Any, degree: int) -> Any:
        if degree == 2:
            return self.numbers.function("sqrt")(inside)
        return self.numbers.function("power")(inside, self.numbers.array(Fraction(1, degree)))

    def _sign(self, poly: Poly, leaf: int, algebra: Algebra) -> Any:
        value, size = self.poly(poly.terms, leaf, algebra)
        unsure = (value != 0) & (np.abs(value) <= SURE * size)
        return np.where(unsure.astype(bool), math.nan, self.numbers.function("sign")(value))

    def _size(self, over: str, extent: str, leaf: int) -> int:
        shapes = self.run.shapes
        if over == "tensor":
            return math.prod(shapes[leaf])
        if over == "model":
            return sum(map(math.prod, shapes)) if extent == Extent.ENTRY.name else len(shapes)
        return self.run.lengths()[over]

    def _folded(
        self, op: str, over: str, extent: str, axes: tuple[str, ...], inside: Ratio, leaf: int,
        algebra: Algebra,
    ) -> Any:
        fold, named = FOLDS[op], len(self.axes)
        if over not in ("model", "tensor"):
            place = self.axes.index(over) if over in self.axes else None
            value = self.ratio(inside, leaf, algebra)[0]
            if place is None or value.shape[place] != self.run.lengths().get(over):
                raise Beyond
            return fold(value, axis=place, keepdims=True)
        if axes:
            raise Beyond
        parts = []
        for k in range(len(self.run.shapes)) if over == "model" else (leaf,):
            value = self.ratio(inside, k, algebra)[0]
            shape = self.run.shapes[k] if extent == Extent.ENTRY.name else value.shape[named:]
            whole = np.broadcast_to(value, (*value.shape[:named], *shape))
            parts.append(fold(whole, axis=tuple(range(named, whole.ndim))))
        found = np.asarray(fold(np.stack(parts), axis=0), object)
        return found.reshape((*found.shape, *(1,) * len(self.run.shapes[leaf])))


def kinds(step: Step) -> dict[Sym, Type]:
    """The types of what a step starts from and computes."""
    return {Sym(step.point): Type(), Sym(step.gradient): Type(), Sym("loss"): SCALAR,
            Sym("t"): SCALAR, **{Sym(h.name): h.type for h in step.hypers},
            **{Sym(s.name): s.type for s in step.states},
            **{one.target: one.target.type for one in statements(step.body)
               if isinstance(one, Draw) and one.target.type is not None}}


def axes_of(*steps: Step) -> tuple[str, ...]:
    """The named axes of all quantities."""
    found = {a for step in steps for kind in kinds(step).values() for a in kind.axes}
    for step in steps:
        for one in statements(step.body):
            if isinstance(one, Equation) and one.target.type is not None:
                found |= set(one.target.type.axes)
    return tuple(sorted(found))
