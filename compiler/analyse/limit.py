"""A step on a quadratic as time goes to infinity: the walk behind `linear`.

The gradient at y is h*y, a Hessian times v is h*v. Vectors are `Linear` in the point and the states
before the step. Scalars are sympy expressions in hyperparameters, t, and opaque symbols: states
that are not linear, frozen at a value, and what is made of vectors by anything but linear algebra
(``norm(g over tensor)``). A factor of a vector is settled first: exponentials b^t vanish, rational
functions of t go to their limit, and what still moves is frozen too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy

from thetaprime.analyse.model import Atom, Model
from thetaprime.analyse.near import Near
from thetaprime.analyse.vectors import Bent, lane_name
from thetaprime.analyse.walk import Value
from thetaprime.expr import Apply, Expr, Sym
from thetaprime.ir import Draw, EachAxis, Loop, Statement, defined
from thetaprime.ops import OPS
from thetaprime.render import spec_text
from thetaprime.types import Extent

MOVES = "still moves as t grows"


class Limit(Near):
    """One pass."""

    def __init__(self, model: Model, lengths: Mapping[str, int], phase: int) -> None:
        super().__init__(model, lengths, phase)
        self.states = {s.name for s in model.step.states}

    def function(self, expr: Apply, args: Sequence[Value]) -> Value:
        match expr.op, args:
            case "+", (a, b):
                return a + b
            case "-", (a, b):
                return a - b
            case "*", (a, b):
                return a * b
            case "/", (a, b):
                return a / b if b != 0 else self.bent(expr, args)
            case "neg", (a,):
                return -a
            case "^", (a, b):
                return a**b
            case "sqrt", (a,):
                return sympy.sqrt(a)
            case "pi" | "inf", ():
                return sympy.pi if expr.op == "pi" else sympy.oo
            case "default", (a, _):
                return a
            case "mod", (a, b) if self._period(expr, a, b):
                return sympy.Integer((self.phase + int(a - self.model.t)) % int(b))
        row = OPS.get(expr.op)
        known = row is not None and row.sympy and row.typing == "broadcast"
        if not known or any(self.model.opaque(a) for a in args):
            return self.bent(expr, args)
        assert row is not None
        return getattr(sympy, row.sympy)(*args)

    def _period(self, expr: Expr, a: Any, b: Any) -> bool:
        """Whether mod(a, b) is known from the phase: a is t and a whole number."""
        if not (b.is_Integer and b > 0 and (a - self.model.t).is_Integer):
            return False
        self.model.periods.setdefault(int(b), (expr, self.source))
        return True

    # Vectors and what is not linear.

    def scaled(self, vector: Value, factor: Value, by: Expr) -> Value:
        return self._times(vector, factor, by, lambda v, f: v * f)

    def divided(self, vector: Value, divisor: Value, by: Expr) -> Value:
        return self._times(vector, divisor, by, lambda v, f: v / f)

    def _times(self, vector: Value, factor: Value, by: Expr, join: Any) -> Value:
        if isinstance(vector, Bent):
            return vector
        model = self.model
        known = model.settle(factor)
        if known is None:
            known = self._named(by, factor, MOVES)
        drawn = [s for s in model.opaque(known) if model.atoms[s].drawn]
        if drawn:
            return self._bent_by(drawn)
        opaque = model.opaque(known)
        if opaque and not known.is_rational_function(*opaque):
            known = self._named(by, known, "is not rational")
        result = join(vector, known)
        if any(c.has(sympy.zoo, sympy.nan, sympy.oo) for c in map(sympy.sympify,
                                                                  result.parts.values())):
            return Bent(by, self.source, "has no finite limit")
        return result

    def shifted(self, vector: Value, scalar: Value, by: Expr) -> Value:
        if isinstance(vector, Bent) or scalar == 0:
            return vector
        opaque = self.model.opaque(scalar)
        if opaque:
            return self._bent_by(opaque)
        self.model.assumed[f"the constant `{spec_text(by)}` moves the fixed point only"] = None
        return vector

    def _bent_by(self, opaque: Sequence[Any]) -> Bent:
        first = self._first([self.model.atoms[s] for s in opaque])
        assert first is not None
        return Bent(first.cause, first.source, first.why)

    def _first(self, atoms: Sequence[Atom]) -> Atom | None:
        """The one to name of several: what is drawn, then what is not linear, then what moves."""
        return min(atoms, key=lambda a: (not a.drawn, a.why == MOVES), default=None)

    def bent(self, expr: Expr, args: Sequence[Value]) -> Value:
        """An opaque symbol for ``expr``: what it does to a vector decides whether it matters."""
        inside = self.inside(expr, args)
        if inside is not None:
            return inside
        inner = [s for a in args if not self.is_vector(a) for s in self.model.opaque(a)]
        atom = self._made(expr, inner, self._why(expr), self.vanishes(expr, args))
        before = next((a for a in args if isinstance(a, Bent)), None)
        if before is not None:
            atom = replace(atom, cause=before.expr, source=before.source, why=before.why, fast=True)
        elif not inner or any(self.is_vector(a) for a in args):
            atom = replace(atom, cause=expr, source=self.source, why=self._why(expr),
                           fast=all(self.model.atoms[s].fast for s in inner))
        return self.model.symbol(spec_text(expr), (spec_text(expr), repr(args)), atom)

    def _why(self, expr: Expr) -> str:
        match expr:
            case Sym():
                return "is not known on a quadratic"
            case Apply("extern"):
                return "is a function that only the caller knows"
            case Apply("sum" | "mean" | "slope"):
                return "mixes the entries of a tensor"
        return "is not linear in the gradient"

    def _made(self, by: Expr, symbols: Sequence[Any], why: str, vanishes: bool) -> Atom:
        """What a scalar made of opaque symbols stands for; ``why`` where there are none."""
        inner = [self.model.atoms[s] for s in symbols]
        first = self._first(inner)
        return Atom(by, first.cause if first else by, first.source if first else self.source,
                    first.why if first else why, bool(inner) and all(a.fast for a in inner),
                    any(a.drawn for a in inner), vanishes)

    def _named(self, by: Expr, formula: Any, why: str) -> Any:
        """One opaque symbol for a whole scalar, called by what the spec says there."""
        atom = self._made(by, self.model.opaque(formula), why, self.none(formula))
        return self.model.symbol(spec_text(by), ("whole", formula), atom)

    def structure(self, expr: Apply, args: Sequence[Value]) -> Value:
        if expr.op == "@" and sum(map(self.is_vector, args)) == 1:
            place = 0 if self.is_vector(args[0]) else 1
            vector, factor = args[place], args[1 - place]
            if all(not self.model.atoms[s].fast for s in self.model.opaque(factor)):
                return self.scaled(vector, factor, expr.args[1 - place])
        return self.bent(expr, args)

    def ask(self, expr: Apply, args: Sequence[Value]) -> Value:
        """On h*|x|^2/2 whose outputs are the entries of x; every task and example alike."""
        match expr.op:
            case "grad" | "grads" | "rows" | "dell":
                vector = args[0]
            case "hvp" | "ggn" | "hess_ell":
                vector = args[1]
            case "push" | "pull":
                return args[1]
            case "out":
                return args[0]
            case _:
                return self.bent(expr, args)
        for arg in args:
            if isinstance(arg, Bent):
                return arg
        return vector * self.model.h

    def either(self, expr: Expr, then: Value, otherwise: Value) -> Value:
        if then == otherwise:
            return then
        for value in (then, otherwise):
            if isinstance(value, Bent):
                return value
        if self.is_vector(then) or self.is_vector(otherwise):
            why = "decides between two linear maps"
            condition = expr.args[0] if isinstance(expr, Apply) and expr.op == "if" else expr
            return Bent(condition, self.source, why)
        return self.bent(expr, [then, otherwise])

    def cases(self, expr: Apply, values: Sequence[Value]) -> Value:
        """The tensors of the first guard, where it makes a difference."""
        if any(v != values[0] for v in values):
            self.model.assumed[f"where {spec_text(expr.args[0])}"] = None
        return values[0]

    # Statements.

    def assign(self, target: Sym, lane: tuple[int, ...], value: Value, by: Expr) -> None:
        model = self.model
        if target.prime and target.name in model.frozen:
            self.values[target, lane] = self.values[Sym(target.name), lane]
            return
        kept = target.prime and target.name in self.states
        if not self.is_vector(value) and not kept and (
                model.opaque(value) or model.settle(value) is None) and not value.is_Symbol:
            value = self._called(target, lane, value, by)
        self.values[target, lane] = value

    def _called(self, target: Sym, lane: tuple[int, ...], value: Any, by: Expr) -> Any:
        """The opaque symbol that an equation with a moving or frozen value defines."""
        atom = replace(self._made(by, self.model.opaque(value), MOVES, self.none(value)),
                       shown=Sym(target.name, spelled=target.spelled))
        return self.model.symbol(lane_name(target.name, lane), (target, lane, value), atom)

    def outside(self, statement: Statement) -> None:
        match statement:
            case Draw(target):
                for lane in self.lanes(target.type):
                    name = lane_name(target.name, lane)
                    atom = Atom(Sym(target.name), target, statement.source,
                                "is drawn at random", True, True)
                    self.values[target, lane] = self.model.symbol(name, (target, lane), atom)
            case Loop() | EachAxis():
                why = ("comes from a loop that is not linear in the gradient"
                       if isinstance(statement, Loop) else "is made axis by axis")
                for target in defined((statement,)):
                    for lane in self.lanes(target.type):
                        self._give(target, lane, Bent(target, statement.source, why))

    def mark(self) -> int:
        return len(self.model.atoms)

    def turned(self, mark: int) -> bool:
        """A loop is written out as long as its vectors stay linear."""
        return not any(a.fast for a in list(self.model.atoms.values())[mark:])

    def _give(self, target: Sym, lane: tuple[int, ...], value: Bent) -> None:
        """The result of a body that is not walked: a vector where it has the parameter's shape."""
        if (target.type is not None and target.type.extent is Extent.ENTRY) or target.prime:
            self.assign(target, lane, value, value.expr)
        else:
            self.values[target, lane] = self.bent(target, [value])
