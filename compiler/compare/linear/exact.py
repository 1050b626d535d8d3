"""One step carried out exactly: scalars in the field of hyperparameters, vectors as combinations of
the point, the states and the answers of the oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from thetaprime.analyse.vectors import Bent, Coordinate, Linear
from thetaprime.analyse.walk import Lanes, Value, Walk
from thetaprime.compare.linear.transfer import Element
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ir import Draw, EachAxis, Loop, Statement, Step, defined
from thetaprime.ops import LINEAR, is_reduction
from thetaprime.types import Extent

# The two generators of every field before the hyperparameters: of series, and t in later steps.
GENERATORS = ("z", "t")
MOVES = "changes from step to step"
# Exponents above this one are not multiplied out.
MOST_POWER = 64


class Exact(Walk):
    """One pass, in which scalars are elements of a field and vectors linear combinations of the
    point, the states and the answers."""

    def __init__(self, step: Step, lengths: Mapping[str, int], field: Any, first: bool) -> None:
        super().__init__(step, lengths)
        self.field = field
        self.first_step = first
        self.kinds: list[str] = []
        self.points: list[Linear] = []
        self.nonzero: list[Element] = []

    def is_vector(self, value: Value) -> bool:
        return isinstance(value, Linear | Bent)

    def number(self, number: Num) -> Value:
        value = number.value
        return self.field(value.numerator) / value.denominator

    def whole(self, value: Value) -> int:
        found = None if self.is_vector(value) else rational(value)
        if found is None or found.denominator != 1:
            raise ValueError
        return int(found)

    def bent(self, expr: Expr, args: Sequence[Value]) -> Value:
        before = next((a for a in args if isinstance(a, Bent)), None)
        return before or Bent(expr, self.source, _why(expr, args))

    def function(self, expr: Apply, args: Sequence[Value]) -> Value:
        match expr.op, args:
            case "+", (a, b):
                return a + b
            case "-", (a, b):
                return a - b
            case "*", (a, b):
                return a * b
            case "/", (a, b) if b != 0:
                return a / b
            case "neg", (a,):
                return -a
            case "default", (a, _):
                return a
            case "mod", (a, b) if (rest := self._rest(a, b)) is not None:
                return rest
            case "^", (a, b):
                exponent = rational(b)
                if exponent is not None and exponent.denominator == 1 and (
                        abs(exponent) <= MOST_POWER and (a != 0 or exponent > 0)):
                    return a ** int(exponent)
        return self.bent(expr, args)

    def _rest(self, a: Element, b: Element) -> Element | None:
        """mod(a, b) of numbers, and of t plus a whole number by 1."""
        number, by = rational(a), rational(b)
        if number is not None and by:
            return self.field(0) + (number % by).numerator / self.field((number % by).denominator)
        shift = rational(a - self.field.gens[1])
        return self.field(0) if by == 1 and shift is not None and shift % 1 == 0 else None

    def scaled(self, vector: Value, factor: Value, by: Expr) -> Value:
        return self._steady(vector, by, factor, lambda v: v * factor)

    def divided(self, vector: Value, divisor: Value, by: Expr) -> Value:
        if divisor == 0:
            return Bent(by, self.source, "is zero")
        return self._steady(vector, by, divisor, lambda v: v / divisor)

    def _steady(self, vector: Value, by: Expr, factor: Value, join: Any) -> Value:
        if factor == 0:
            return Linear({})
        if isinstance(vector, Bent):
            return vector
        found = join(vector)
        if any(moves(c) for c in found.parts.values()):
            return Bent(by, self.source, MOVES) if moves(factor) else vector
        return found

    def shifted(self, vector: Value, scalar: Value, by: Expr) -> Value:
        if isinstance(vector, Bent) or scalar == 0:
            return vector
        return Bent(by, self.source, "is added as a constant")

    def symbol(self, symbol: Sym, at: Lanes) -> Value:
        if symbol == Sym(self.step.gradient) and (symbol, ()) not in self.values:
            point = self.values[Sym(self.step.point), ()]
            self.values[symbol, ()] = self._answer("grad this", point)
        return super().symbol(symbol, at)

    def ask(self, expr: Apply, args: Sequence[Value]) -> Value:
        if expr.op != "grad" or expr.type is None or expr.type.axes:
            return self.bent(expr, args)
        point, *number = args
        if not self.is_vector(point):
            point = Linear({}) if point == 0 else Bent(expr.args[0], self.source, "is constant")
        if isinstance(point, Bent):
            return point
        batch = [str(rational(n)) for n in number if not self.is_vector(n)]
        return self._answer(" ".join(("grad", *expr.over, *batch)), point)

    def _answer(self, kind: str, point: Linear) -> Linear:
        """What the oracle answers; a question that was asked before has the answer it had."""
        point = trimmed(point)
        before = list(zip(self.kinds, self.points, strict=True))
        if (kind, point) not in before:
            self.kinds.append(kind)
            self.points.append(point)
        place = before.index((kind, point)) if (kind, point) in before else len(before)
        return Linear({answered(place): self.field(1)})

    def truth(self, condition: Expr, at: Lanes) -> bool | None:
        match condition:
            case Apply("true" | "false" as op, ()):
                return op == "true"
            case Apply("not", (inner,)):
                known = self.truth(inner, at)
                return None if known is None else not known
            case Apply("and" | "or", args):
                return self._joined(condition.op == "or", args, at)
            case Apply(op, (one, two)) if op in ORDER:
                a, b = self.value(one, at), self.value(two, at)
                return None if self.is_vector(a) or self.is_vector(b) else self._compared(op, a - b)
        return None

    def _joined(self, decisive: bool, args: Sequence[Expr], at: Lanes) -> bool | None:
        """`or` (True decides) and `and` (False does); what comes after that is not asked."""
        unknown = False
        for arg in args:
            known = self.truth(arg, at)
            if known == decisive:
                return decisive
            unknown |= known is None
        return None if unknown else not decisive

    def _compared(self, op: str, gap: Element) -> bool | None:
        """Whether gap op 0; t is at least 2 in later steps. A hyperparameter has not the one value
        that a condition asks about."""
        number = rational(gap)
        if number is not None:
            return ORDER[op](number)
        if moves(gap):
            t = self.field.gens[1]
            slope = rational(gap.diff(t))
            base = rational(gap - t * gap.diff(t))
            return None if slope is None or base is None else _from_two(op, slope, base)
        if op in ("==", "!="):
            self.nonzero.append(gap.numer)
            return op == "!="
        return None

    def either(self, expr: Expr, then: Value, otherwise: Value) -> Value:
        if isinstance(then, Linear) and isinstance(otherwise, Linear):
            if trimmed(then) == trimmed(otherwise):
                return then
        elif not self.is_vector(then) and not self.is_vector(otherwise) and then == otherwise:
            return then
        condition = expr.args[0] if isinstance(expr, Apply) and expr.op == "if" else expr
        return Bent(condition, self.source, "decides between two rules")

    def cases(self, expr: Apply, values: Sequence[Value]) -> Value:
        same = all(isinstance(v, Linear) and isinstance(values[0], Linear)
                   and trimmed(v) == trimmed(values[0]) for v in values)
        return values[0] if same else self.bent(expr.args[0], list(values))

    def outside(self, statement: Statement) -> None:
        why = {Draw: "is drawn at random", Loop: "comes from a loop of unknown length",
               EachAxis: "is made axis by axis"}[type(statement)]
        targets = [statement.target] if isinstance(statement, Draw) else defined((statement,))
        for target in targets:
            for lane in self.lanes(target.type):
                self.values[target, lane] = Bent(Sym(target.name), statement.source, why)

    def assign(self, target: Sym, lane: tuple[int, ...], value: Value, by: Expr) -> None:
        """A scalar in the place of a vector is a constant vector: linear where it is 0."""
        entry = target.type is not None and target.type.extent is Extent.ENTRY
        if entry and not self.is_vector(value):
            value = Linear({}) if value == 0 else Bent(by, self.source, "is a constant")
        self.values[target, lane] = value


ORDER: dict[str, Callable[[Fraction], bool]] = {
    "<": lambda v: v < 0, "<=": lambda v: v <= 0, ">": lambda v: v > 0,
    ">=": lambda v: v >= 0, "==": lambda v: v == 0, "!=": lambda v: v != 0}


def _from_two(op: str, slope: Fraction, base: Fraction) -> bool | None:
    """Whether slope*t + base op 0 for all t of at least 2, or for none."""
    root = -base / slope
    if op in ("==", "!="):
        return op == "!=" if root < 2 or root.denominator != 1 else None
    known = ORDER[op](base + 2 * slope)
    return known if root < 2 or (root == 2 and known == ORDER[op](slope)) else None


def rational(element: Element) -> Fraction | None:
    """The number that an element is, if it is one."""
    found = _constant(element)
    return None if found is None else Fraction(int(found.numerator), int(found.denominator))


def _constant(element: Element) -> Any:
    if not element.numer.is_ground or not element.denom.is_ground:
        return None
    return element.numer.LC / element.denom.LC


def moves(element: Element) -> bool:
    """Whether t is in a coefficient."""
    return any(m[1] for part in (element.numer, element.denom) for m in part.monoms())


def trimmed(vector: Linear) -> Linear:
    return Linear({key: c for key, c in vector.parts.items() if c != 0})


def answered(place: int) -> Coordinate:
    return f"answer {place}", ()


def _why(expr: Expr, args: Sequence[Value]) -> str:
    vectors = sum(isinstance(a, Linear) for a in args)
    match expr:
        case Apply(op) if op in LINEAR:
            return "is an operation on matrices"
        case Apply() if is_reduction(expr):
            return "mixes the entries of a tensor"
        case Apply() if vectors:
            return "is not linear in the gradient"
        case Apply():
            return "is not rational in the hyperparameters, or changes from step to step"
    return "is not known to the rule alone"
