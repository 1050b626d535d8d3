"""A step as a linear system, where it is one: exact matrices over the field of hyperparameters.

Linear are the rules whose iterate, states and query points are linear combinations of states,
iterate and answers before them, with coefficients that are rational in the hyperparameters and the
same at every step but the first. Hyperparameters are constant here. The oracle is `grad`, on any
batch, of any loss; equal questions get one answer. (There is no `prox` in the language yet, so that
what Linnaeus calls conjugation, f to its conjugate, has nothing to be about.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from thetaprime.analyse.vectors import Bent, Linear
from thetaprime.analyse.walk import Lanes, Value, Walk, quoted
from thetaprime.compare.transfer import Coordinate, Element, LinearForm, Maps, Matrix, Vector
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.interpret import hyperparameters
from thetaprime.ir import Draw, EachAxis, Loop, Statement, Step, defined
from thetaprime.ops import LINEAR, is_reduction
from thetaprime.types import Extent

# The two generators of every field before the hyperparameters: of series, and t in later steps.
GENERATORS = ("z", "t")
MOVES = "changes from step to step"
# Exponents above this one are not multiplied out.
MOST_POWER = 64


class NotLinear(Exception):
    """Why a rule is no linear system: one sentence."""


@dataclass(frozen=True)
class Names:
    """A field, and the elements of it that stand for the hyperparameters of each of its steps."""

    field: Any
    hypers: tuple[dict[Coordinate, Element], ...]


def names(*steps: Step) -> Names:
    """One field for several steps; all traced hyperparameters are symbols of their own."""
    from sympy import QQ, Symbol
    from sympy.polys.fields import field

    keys = [(k, key) for k, step in enumerate(steps) for key in _traced(step)]
    spelled = [*GENERATORS, *(f"{k}:{name}{list(lane) or ''}" for k, (name, lane) in keys)]
    made = field([Symbol(name) for name in spelled], QQ)
    found: tuple[dict[Coordinate, Element], ...] = tuple({} for _ in steps)
    for (k, key), element in zip(keys, made[1 + len(GENERATORS):], strict=True):
        found[k][key] = element
    return Names(made[0], found)


def _traced(step: Step) -> list[Coordinate]:
    lengths = _lengths(step)
    found: list[Coordinate] = []
    for hyper in step.hypers:
        axes = [a for a in hyper.type.axes if a in lengths]
        if hyper.static and (hyper.type.kind == "function" or hyper.default is not None):
            continue
        lanes = range(lengths[axes[0]]) if axes else None
        found += [(hyper.name, ())] if lanes is None else [(hyper.name, (k,)) for k in lanes]
    return found


def _numbers(step: Step) -> dict[str, Any]:
    """Whole numbers that are known before a step runs, and lists at their defaults."""
    missing = {h.name: 1 for h in step.hypers if h.default is None}
    known = {s.name: v for s, v in hyperparameters(step, missing, 1).items()}
    return {h.name: known[h.name] for h in step.hypers
            if h.name in known and h.type.kind != "function" and h.default is not None}


def _lengths(step: Step) -> dict[str, int]:
    known = _numbers(step)
    return {a.name: a.length if isinstance(a.length, int) else int(known[a.length])
            for a in step.axes if isinstance(a.length, int) or a.length in known}


def linear_form(step: Step) -> LinearForm | str:
    """The linear system of a step, its hyperparameters the symbols; else the reason why not."""
    try:
        return form_of(step, names(step), 0)
    except NotLinear as why:
        return str(why)


def form_of(step: Step, known: Names, which: int) -> LinearForm:
    """`linear_form` in a field that other steps share. Raises NotLinear."""
    first, later = (_walked(step, known, which, first=first) for first in (True, False))
    point = Sym(step.point, True)
    seen = [_vector(walk.values[point, ()], walk) for walk in (first, later)]
    ends = {s.name: Sym(s.name, not s.constant) for s in step.states}
    reported = Linear({(step.point, ()): 1})
    if step.evaluate is not None:
        reported = _vector(_fresh(step, known, which).value(step.evaluate, {}), later)
    keys = _closure([*seen, reported, *first.points, *later.points], (first, later), ends)
    if first.kinds != later.kinds:
        first, later = _padded(first, later)
    start = _fresh(step, known, which)
    return LinearForm(
        step, known.field, known.hypers[which], keys,
        _maps(first, keys, ends), _maps(later, keys, ends),
        tuple(_start(start, step, key) for key in keys),
        _row(Linear({(step.point, ()): 1}), keys), _row(reported, keys), tuple(later.kinds),
        tuple(dict.fromkeys([*first.nonzero, *later.nonzero])))


def _padded(first: Exact, later: Exact) -> tuple[Exact, Exact]:
    raise NotLinear(f"its first step asks {', '.join(first.kinds) or 'nothing'}, later ones "
                    f"{', '.join(later.kinds) or 'nothing'}")


# The walk.


class Exact(Walk):
    """One pass, in which scalars are elements of a field and vectors linear combinations of the
    point, the states and the answers."""

    def __init__(self, step: Step, field: Any, first: bool) -> None:
        super().__init__(step, _lengths(step))
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
        return Linear({_answered(place): self.field(1)})

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
                return decisive if decisive in found else None if None in found else not decisive
            case Apply(op, (one, two)) if op in ORDER:
                a, b = self.value(one, at), self.value(two, at)
                return None if self.is_vector(a) or self.is_vector(b) else self._compared(op, a - b)
        return None

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
               EachAxis: "is made axis by axis"}[type(statement)]  # type: ignore[index]
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


ORDER = {"<": lambda v: v < 0, "<=": lambda v: v <= 0, ">": lambda v: v > 0,
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


def _answered(place: int) -> Coordinate:
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


def _walked(step: Step, known: Names, which: int, first: bool) -> Exact:
    walk = _fresh(step, known, which, first)
    walk.execute(step.body)
    return walk


def _fresh(step: Step, known: Names, which: int, first: bool = False) -> Exact:
    """A walk before its first statement."""
    walk = Exact(step, known.field, first)
    field, values = known.field, walk.values
    values[Sym("t"), ()] = field(1) if first else field.gens[1]
    values[Sym(step.point), ()] = Linear({(step.point, ()): field(1)})
    fixed = _numbers(step)
    for hyper in step.hypers:
        if hyper.static and hyper.name in fixed:
            values[Sym(hyper.name), ()] = field(int(fixed[hyper.name]))
    for (name, lane), element in known.hypers[which].items():
        values[Sym(name), lane] = element
    for state in sorted(step.states, key=lambda s: not s.constant):
        for lane in walk.lanes(state.type):
            at = dict(zip(walk.axes(state.type), lane, strict=True))
            value: Value = Linear({(state.name, lane): field(1)})
            if state.type.extent is not Extent.ENTRY:
                value = Bent(Sym(state.name), state.source, MOVES)
                if state.constant and not isinstance(state.start, Draw):
                    value = walk.value(state.start, at)
            values[Sym(state.name), lane] = value
    return walk


# Matrices.


def _vector(value: Value, walk: Exact) -> Linear:
    """A value as a vector. Raises NotLinear."""
    if isinstance(value, Bent):
        raise NotLinear(f"`{quoted(value.expr, value.source)}` {value.why}")
    if not isinstance(value, Linear):
        if value != 0:
            raise NotLinear("a constant is a value of its vectors")
        return Linear({})
    return trimmed(value)


def _closure(
    outputs: Sequence[Linear], walks: Sequence[Exact], ends: Mapping[str, Sym]
) -> tuple[Coordinate, ...]:
    """The states that outputs read, and those that these read. Raises NotLinear."""
    point = walks[0].step.point
    keys: dict[Coordinate, None] = {(point, ()): None}
    pending = [key for one in outputs for key in one.parts]
    for walk in walks:
        pending += list(_vector(walk.values[Sym(point, True), ()], walk).parts)
    while pending:
        name, lane = key = pending.pop(0)
        if key in keys or name.startswith("answer "):
            continue
        keys[key] = None
        for walk in walks:
            pending += list(_vector(walk.values[ends[name], lane], walk).parts)
    return tuple(keys)


def _row(vector: Linear, keys: Sequence[Coordinate]) -> Vector:
    return tuple(vector.parts.get(key, 0) for key in keys)


def _maps(walk: Exact, keys: Sequence[Coordinate], ends: Mapping[str, Sym]) -> Maps:
    answers = [_answered(k) for k in range(len(walk.kinds))]
    point = walk.step.point

    def both(vectors: Sequence[Linear]) -> tuple[Matrix, Matrix]:
        return tuple(_row(v, keys) for v in vectors), tuple(_row(v, answers) for v in vectors)

    after = [_vector(walk.values[Sym(point, True) if name == point else ends[name], lane], walk)
             for name, lane in keys]
    a, b = both(after)
    c, d = both(walk.points)
    return Maps(a, b, c, d)


def _start(walk: Exact, step: Step, key: Coordinate) -> Element:
    """The value of a state before the first step, for x0 = 1. Raises NotLinear."""
    name, lane = key
    field = walk.field
    if name == step.point:
        return field(1)
    state = step.state(name)
    if isinstance(state.start, Draw):
        raise NotLinear(f"`{name}` starts at random")
    at = dict(zip(walk.axes(state.type), lane, strict=True))
    found = walk.value(state.start, at)
    if not isinstance(found, Linear):
        found = Linear({}) if found == 0 else Bent(state.start, state.source, "is a constant")
    return _origin(_vector(found, walk), walk, step)


def _origin(vector: Linear, walk: Exact, step: Step) -> Element:
    """A combination of the point and constants at the start."""
    total = walk.field(0)
    for key, factor in vector.parts.items():
        total += factor * (1 if key[0] == step.point else _start(walk, step, key))
    return total



