"""A step on a quadratic as time goes to infinity: the walk behind `linear`.

The gradient at y is h*y, a Hessian times v is h*v. Vectors are `Linear` in the point and the states
before the step. Scalars are sympy expressions in hyperparameters, t, and opaque symbols: states
that are not linear, frozen at a value, and what is made of vectors by anything but linear algebra
(``norm(g over tensor)``). A factor of a vector is settled first: exponentials b^t vanish, rational
functions of t go to their limit, and what still moves is frozen too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import sympy

from thetaprime.analyse.vectors import Bent, Linear
from thetaprime.analyse.walk import Lanes, Value, Walk
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ir import Draw, EachAxis, Loop, Range, Statement, Step, defined
from thetaprime.ops import OPS, is_reduction
from thetaprime.render import spec_text
from thetaprime.source import Source
from thetaprime.types import Extent

ARITHMETIC = ("+", "-", "*", "/", "neg", "^", "sqrt")
ORDER = {"<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge,
         "==": sympy.Eq, "!=": sympy.Ne}
OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


@dataclass(frozen=True)
class Atom:
    """What an opaque symbol stands for, and the part of the spec that made it opaque.

    ``fast``: made of this step's vectors alone, so that it follows the gradient at once;
    ``drawn``: a random number is in it; ``vanishes``: it goes to 0 with the vectors."""

    shown: Expr
    definition: Expr
    cause: Expr
    source: Source
    why: str
    fast: bool = False
    drawn: bool = False
    vanishes: bool = False


@dataclass
class Model:
    """What all passes through a step share."""

    step: Step
    hypers: Mapping[str, Any]  # name -> symbol or number; a list for those along an axis
    ranges: Mapping[Any, Range | None]
    typical: Mapping[Any, Any]  # symbol -> a number inside of its range
    h: Any
    t: Any = field(default_factory=lambda: sympy.Symbol("t", integer=True, positive=True))
    atoms: dict[Any, Atom] = field(default_factory=dict)
    made: dict[object, Any] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    frozen: dict[str, Bent | Atom | None] = field(default_factory=dict)  # state -> why
    limits: dict[str, Any] = field(default_factory=dict)  # scalar state -> its limit
    assumed: dict[str, None] = field(default_factory=dict)
    periods: dict[int, tuple[Expr, Source]] = field(default_factory=dict)

    def restart(self) -> None:
        """Forgets what earlier passes found, but for the states that they froze."""
        self.atoms.clear()
        self.made.clear()
        self.taken.clear()
        self.assumed.clear()

    def opaque(self, formula: Any) -> list[Any]:
        """The opaque symbols in a formula, in a fixed order."""
        return sorted((s for s in formula.free_symbols if s in self.atoms), key=str)

    def symbol(self, name: str, key: object, atom: Atom) -> Any:
        """The positive symbol of a key, by the first name that no other has."""
        if key not in self.made:
            self.taken = self.taken or {str(s) for s in (*self.ranges, self.h)}
            shown, count = name, 1
            while shown in self.taken:
                count += 1
                shown = f"{name}_{count}"
            self.taken.add(shown)
            self.made[key] = sympy.Symbol(shown, positive=True)
            if count > 1 and isinstance(atom.shown, Sym):
                atom = replace(atom, shown=Sym(shown))
            self.atoms[self.made[key]] = atom
        return self.made[key]

    def settle(self, formula: Any) -> Any:
        """The limit of a scalar as t goes to infinity; None where it is not known or trivial."""
        if not formula.has(self.t):
            return formula
        t = self.t

        def vanishes(power: Any) -> bool:
            if not (power.is_Pow and power.exp.has(t) and not power.base.has(t)):
                return False
            rate = sympy.diff(power.exp, t)
            low = self.low(power.base)
            return bool(low and not rate.has(t) and rate.is_positive)

        formula = formula.replace(vanishes, lambda power: sympy.Integer(0))
        if not formula.has(t):
            return formula
        if formula.is_rational_function(t):
            found = sympy.limit(formula, t, sympy.oo)
            if found.is_finite and found != 0:
                return found
        return None

    def low(self, base: Any) -> bool:
        """Whether a scalar lies in [0, 1) for all hyperparameters in their ranges."""
        if base.is_number:
            return bool(0 <= base < 1)
        bounds = self.ranges.get(base)
        if base.is_Pow and base.exp.is_positive and base.exp.is_number:
            return self.low(base.base)
        return bounds is not None and bounds.low is not None and bounds.low >= 0 and (
            bounds.high is not None and bounds.high <= 1)


class Limit(Walk):
    """One pass; ``phase`` is what t leaves in every division by a period."""

    def __init__(self, model: Model, lengths: Mapping[str, int], phase: int) -> None:
        super().__init__(model.step, lengths)
        self.model = model
        self.phase = phase
        self.states = {s.name for s in model.step.states}

    def is_vector(self, value: Value) -> bool:
        return isinstance(value, Linear | Bent)

    def number(self, number: Num) -> Value:
        return exact(number.value)

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
            known = self._named(by, factor, "still moves as t grows")
        drawn = [s for s in model.opaque(known) if model.atoms[s].drawn]
        if drawn:
            return self._bent_by(drawn[0])
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
            return self._bent_by(opaque[0])
        self.model.assumed[f"the constant `{spec_text(by)}` moves the fixed point only"] = None
        return vector

    def _bent_by(self, symbol: Any) -> Bent:
        atom = self.model.atoms[symbol]
        return Bent(atom.cause, atom.source, atom.why)

    def bent(self, expr: Expr, args: Sequence[Value]) -> Value:
        """An opaque symbol for ``expr``. Raises nothing: what it does to a vector decides."""
        inside = self._inside(expr, args)
        if inside is not None:
            return inside
        for arg in args:
            if isinstance(arg, Bent):
                return self._atom(expr, args, arg.expr, arg.source, arg.why, True)
        inner = [s for a in args if not self.is_vector(a) for s in self.model.opaque(a)]
        direct = any(self.is_vector(a) for a in args)
        if inner and not direct:
            atom = self.model.atoms[inner[0]]
            return self._atom(expr, args, atom.cause, atom.source, atom.why, False)
        return self._atom(expr, args, expr, self.source, self._why(expr), True)

    def _inside(self, expr: Expr, args: Sequence[Value]) -> Linear | None:
        """max(u, -c) and min(u, c) are u near the fixed point, where u is small."""
        if not (isinstance(expr, Apply) and expr.op in ("max", "min")):
            return None
        vectors = [a for a in args if isinstance(a, Linear)]
        bounds = [self._typical(a) for a in args if not self.is_vector(a)]
        if len(vectors) != 1 or len(bounds) != len(args) - 1:
            return None
        if not all(b is not None and (b < 0 if expr.op == "max" else b > 0) for b in bounds):
            return None
        self.model.assumed[f"where `{spec_text(expr)}` does not clip"] = None
        return vectors[0]

    def _typical(self, scalar: Any) -> Any:
        """A scalar at typical hyperparameters, as t grows and vectors vanish; None: not known."""
        model = self.model
        opaque = model.opaque(scalar)
        if not all(model.atoms[s].vanishes for s in opaque):
            return None
        number = scalar.subs({**model.typical, **dict.fromkeys(opaque, 0)})
        if number.has(model.t):
            number = sympy.limit(number, model.t, sympy.oo)
        return number if number.is_number and number.is_extended_real else None

    def _why(self, expr: Expr) -> str:
        if isinstance(expr, Sym):
            return "is not known on a quadratic"
        return "is not linear in the gradient"

    def _atom(
        self, expr: Expr, args: Sequence[Value], cause: Expr, source: Source, why: str, new: bool,
    ) -> Any:
        model = self.model
        inner = [model.atoms[s] for a in args if not self.is_vector(a) for s in model.opaque(a)]
        atom = Atom(expr, expr, cause, source, why, all(a.fast for a in inner),
                    any(a.drawn for a in inner), self._vanishes(expr, args))
        return model.symbol(spec_text(expr), (spec_text(expr), repr(args)), atom)

    def _vanishes(self, expr: Expr, args: Sequence[Value]) -> bool:
        """Whether what is made of vectors goes to 0 with them: norms, products, magnitudes."""
        if not isinstance(expr, Apply) or not (is_reduction(expr) or expr.op in ("abs", "*", "^")):
            return False
        if expr.op == "^" and not (isinstance(args[1], sympy.Expr) and args[1].is_positive):
            return False
        return any(isinstance(a, Linear) or (not self.is_vector(a) and self._none(a))
                   for a in args)

    def _none(self, scalar: Any) -> bool:
        """Whether a scalar is 0 where vectors vanish."""
        found = self._typical(scalar) if self.model.opaque(scalar) else None
        return found is not None and found == 0

    def _named(self, by: Expr, formula: Any, why: str) -> Any:
        """One opaque symbol for a whole scalar, called by what the spec says there."""
        model = self.model
        inner = model.opaque(formula)
        first = model.atoms[inner[0]] if inner else None
        atom = Atom(by, by, first.cause if first else by, first.source if first else self.source,
                    first.why if first else why, bool(inner) and all(
                        model.atoms[s].fast for s in inner), False, self._none(formula))
        return model.symbol(spec_text(by), ("whole", formula), atom)

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

    def truth(self, condition: Expr, at: Lanes) -> bool | None:
        match condition:
            case Apply("true" | "false", ()):
                return condition.op == "true"
            case Apply("not", (inner,)):
                known = self.truth(inner, at)
                return None if known is None else not known
            case Apply("and" | "or", args):
                found = [self.truth(a, at) for a in args]
                decisive = condition.op == "or"
                if decisive in found:
                    return decisive
                return None if None in found else not decisive
            case Apply("finite", _):
                return True
            case Apply("all" | "any", (inner,)):
                return self.truth(inner, at)
            case Apply(op, args) if op in ORDER:
                a, b = (self.value(arg, at) for arg in args)
                if self.is_vector(a) or self.is_vector(b):
                    return None
                return self._compare(condition, op, a - b)
        return None

    def _compare(self, condition: Apply, op: str, gap: Any) -> bool | None:
        model = self.model
        if gap.has(sympy.nan, sympy.zoo):
            return None
        if model.opaque(gap):
            number = self._typical(gap)
            if number is None or number == 0:
                return None
            known = bool(ORDER[op](number, 0))
            self._assume(condition, known)
            return known
        free = gap.free_symbols - {model.t}
        if op in ("==", "!=") and gap != 0 and (free or gap.has(model.t)):
            known = op == "!="
        else:
            number = gap.subs(model.typical)
            if number.has(model.t):
                number = sympy.limit(number, model.t, sympy.oo)
            decided = ORDER[op](number, 0)
            if decided not in (sympy.true, sympy.false):
                return None
            known = bool(decided)
        if free and not gap.has(model.t):
            self._assume(condition, known)
        return known

    def _assume(self, condition: Apply, known: bool) -> None:
        said = condition if known else Apply(OPPOSITE[condition.op], condition.args)
        self.model.assumed[f"where {spec_text(said)}"] = None

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
        model = self.model
        inner = [model.atoms[s] for s in model.opaque(value)]
        first = inner[0] if inner else None
        atom = Atom(Sym(target.name, spelled=target.spelled), by, first.cause if first else by,
                    first.source if first else self.source,
                    first.why if first else "still moves as t grows",
                    bool(inner) and all(a.fast for a in inner), any(a.drawn for a in inner),
                    self._none(value))
        return model.symbol(lane_name(target.name, lane), (target, lane, value), atom)

    def outside(self, statement: Statement) -> None:
        match statement:
            case Draw(target):
                for lane in self.lanes(target.type):
                    name = lane_name(target.name, lane)
                    atom = Atom(Sym(target.name), target, target, statement.source,
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
        if target.type is not None and target.type.extent is Extent.ENTRY or target.prime:
            self.assign(target, lane, value, value.expr)
        else:
            self.values[target, lane] = self.bent(target, [value])


def lane_name(name: str, lane: tuple[int, ...]) -> str:
    """``v``, or ``v[2]`` for one lane of it."""
    return name + "".join(f"[{k}]" for k in lane)


def exact(value: Fraction | float | int) -> Any:
    """A number of a spec, or what a user typed, as an exact one: 0.1 is one tenth."""
    found = value if isinstance(value, Fraction) else Fraction(repr(value))
    return sympy.Rational(found.numerator, found.denominator)
