"""A step executed on values of exact algebra: every quantity as a quotient of polynomials.

States and gradients are atoms; what is not rational stays an operation on normal forms. Nothing is
assumed silently: a quotient whose divisor may be 0 makes its result one that may be undefined, and
what picks between values asks for the case at hand (`Split`) instead of guessing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from thetaprime.cases import guard_of
from thetaprime.check.execution import drawn
from thetaprime.check.ranges import Case
from thetaprime.claims.algebra import Algebra, Value, Varies
from thetaprime.claims.functions import PARTIAL
from thetaprime.claims.iterated import is_matrix, results
from thetaprime.claims.polynomials import Poly, Ratio
from thetaprime.claims.reducing import reduced
from thetaprime.claims.risks import ANYWHERE, UNSURE, inside, likeness, nowhere
from thetaprime.claims.tables import CALLS, LINEAR_IN, OPERATIONS
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, symbols, walk
from thetaprime.intervals import COUNT, EITHER, REAL, Interval, defined, meet
from thetaprime.ir import (
    Draw,
    EachAxis,
    Equation,
    First,
    Loop,
    State,
    Statement,
    Step,
    When,
    reads,
    statements,
)
from thetaprime.ir import defined as made
from thetaprime.ops import LINEAR, OPS, ORACLES, STRUCTURE, is_reduction
from thetaprime.types import SCALAR, Extent, Type

T = Sym("t")


class Split(Exception):
    """The next question is whether a polynomial is 0 (or below, or above)."""

    def __init__(self, poly: Poly) -> None:
        super().__init__(poly)
        self.poly = poly


class Undefined(Exception):
    """A value that is undefined in every point of the case at hand."""


class Unknown(Exception):
    """What this algebra has no words for; the message says what."""


def varies(kind: Type | None) -> Varies:
    """Along what a quantity of a type varies."""
    if kind is None or kind.extent is Extent.SCALAR:
        return frozenset(() if kind is None else kind.axes)
    own = {"tensor", "entry"} if kind.extent is Extent.ENTRY else {"tensor"}
    return frozenset((*own, *kind.axes))


@dataclass
class Symbolic:
    """One execution of a step. ``case`` are the ranges of its quantities; ``first``: it is the
    step t = 1; ``truths``: guards that are decided. ``split``: along what assumptions vary.
    ``partial``: quantities that are undefined where a matrix is singular; ``equations``: those
    executed; ``depth``: in how many loops."""

    step: Step
    case: Case
    first: bool
    algebra: Algebra
    truths: Mapping[Expr, bool] = field(default_factory=dict)
    split: Varies = frozenset()
    env: dict[Sym, Value | None] = field(default_factory=dict)
    risks: dict[Sym, frozenset[Poly]] = field(default_factory=dict)
    guarded: set[Sym] = field(default_factory=set)
    risky: set[Poly] = field(default_factory=set)
    partial: set[Sym] = field(default_factory=set)
    equations: dict[Sym, Expr] = field(default_factory=dict)
    tag: str = ""
    depth: int = 0

    # Statements.

    def run(self, skip: Iterable[Sym] = ()) -> Symbolic:
        """Executes the step; symbols of ``skip`` are given and stay."""
        self.execute(self.step.body, frozenset(skip))
        return self

    def execute(self, body: Iterable[Statement], skip: frozenset[Sym] = frozenset()) -> None:
        for statement in body:
            guard = guard_of(statement)
            if guard is not None and not self.truths[guard]:
                continue
            if guard is not None:
                self.guarded.update(made((statement,)))
            match statement:
                case Equation(target, value):
                    if target not in skip:
                        self._define(target, value)
                case First(target, value):
                    if self.first:
                        self._define(target, value)
                case Draw(target):
                    interval = defined(drawn(statement, self.case.after))
                    self.env[target] = self.algebra.atom(
                        ("draw", self.tag, target.name), varies(target.type), interval)
                case When():
                    self._when(statement, skip)
                case Loop() | EachAxis():
                    self._loop(statement)

    def _define(self, target: Sym, value: Expr) -> None:
        outer, self.risky = self.risky, set()
        self.equations[target] = value
        try:
            found = self.of(value)
            known = self.case.after.env.get(target)
            if known is not None and not self.tag:
                found = self.algebra.value(found.ratio, meet(found.interval, defined(known)))
            self.env[target] = found
            self.risks[target] = frozenset(self.risky)
        except Undefined:
            self.env[target] = None
        if any(s in self.guarded for s in symbols(value)) or _chooses(value):
            self.guarded.add(target)
        if self._singular(value):
            self.partial.add(target)
        self.risky = outer

    def _when(self, block: When, skip: frozenset[Sym]) -> None:
        condition = self.of(block.condition)
        decided = condition.ratio.constant
        ends = []
        for truth, body in ((1, block.then), (0, block.otherwise)):
            if decided is None or decided == truth:
                inside = self._inside()
                inside.execute(body, skip)
                self.guarded |= inside.guarded
                ends.append(inside)
        for target in made((block,)):
            risks = frozenset().union(*(e.risks.get(target, frozenset()) for e in ends))
            values = [e.env.get(target) for e in ends]
            if len(values) == 2:
                one, other = values
                if one is not None and other is not None and one.ratio == other.ratio:
                    self.env[target], self.risks[target] = one, risks
                    continue
                if any(risks) or one is None or other is None:
                    raise self._undecided(condition)
                self.env[target] = self._either(condition, one, other)
            else:
                self.env[target] = values[0]
            self.risks[target] = risks

    def _inside(self) -> Symbolic:
        return Symbolic(self.step, self.case, self.first, self.algebra, self.truths, self.split,
                        dict(self.env), dict(self.risks), set(self.guarded),
                        partial=self.partial, equations=dict(self.equations), tag=self.tag,
                        depth=self.depth)

    def deeper(self) -> Symbolic:
        """Inside of a loop, at any turn: what ranges say of one turn is not known of others."""
        found = self._inside()
        found.tag, found.depth = self.tag or "turn", self.depth + 1
        return found

    def tried(self, body: Iterable[Statement]) -> bool:
        """Executes statements; whether that needs no case of its own."""
        try:
            self.execute(body)
        except (Undefined, Unknown, Split, ArithmeticError):
            return False
        return True

    def _loop(self, loop: Loop | EachAxis) -> None:
        """What a turn leaves as it was stays so; else equal turns from equal starts, or equal
        loops of equal inputs, make equal results."""
        if isinstance(loop, Loop) and self._stays(loop):
            return
        same = self._same_turns(loop) if isinstance(loop, Loop) else None
        if any(self._singular(e) for s in statements((loop,)) for e in reads(s)):
            self.partial.update(made((loop,)))
        free = sorted({s for s in _free(loop) if s in self.env}, key=str)
        inputs = []
        for symbol in free:
            value = self.env[symbol]
            if value is None:
                raise Unknown("a loop that reads what is undefined")
            self.risky |= self.risks.get(symbol, frozenset())
            inputs.append((str(symbol), value.ratio))
        if any(s in self.guarded for s in free):
            self.guarded.update(made((loop,)))
        for target in made((loop,)):
            if same is not None:
                self.env[target] = same[target]
                continue
            known = self.case.after.env.get(target, REAL) if not self.tag else UNSURE
            self.env[target] = self.algebra.atom(
                ("loop", str(target), loop, tuple(inputs)), varies(target.type), defined(known))
            self.doubt(target, known)

    def doubt(self, symbol: Sym, known: Interval) -> None:
        """What ranges do not show to be a number may be undefined."""
        if known.nan:
            self.risks[symbol] = frozenset({ANYWHERE})

    def _same_turns(self, loop: Loop) -> dict[Sym, Value] | None:
        try:
            return results(self, loop)
        except (Undefined, Unknown):
            return None

    def _stays(self, loop: Loop) -> bool:
        """Whether a turn from the starting values ends with them."""
        inside = self._inside()
        try:
            starts = {c.value: self.of(c.start) for c in loop.carries}
            if any(is_matrix(c) and len(starts[c.value].ratio.num.terms) > 1
                   for c in loop.carries):
                return False  # powers of a sum are long, and hardly the sum itself
            inside.env.update(starts)
            inside.env[loop.turn] = self.algebra.atom(("turn", loop.turn.name), frozenset(), COUNT)
            inside.execute(loop.body)
        except (Undefined, Unknown):
            return False
        for value, start in starts.items():
            end = inside.env.get(replace(value, prime=True))
            if end is None or end.ratio != start.ratio:
                return False
        self.env.update(starts)
        return True

    # Expressions.

    def of(self, expr: Expr) -> Value:
        """The value of a typed expression. Raises Undefined, Split, Unknown."""
        if isinstance(expr, Num):
            return self.algebra.number(expr.value)
        if isinstance(expr, Sym):
            return self._symbol(expr)
        match expr.op:
            case "if":
                return self._choice(expr)
            case "default":
                return self._default(expr)
            case "case":
                return self._case(expr)
            case "/":
                return self._divide(self.of(expr.args[0]), self.of(expr.args[1]))
            case "finite":
                return self._truth(expr)
            case "inf":
                raise Unknown("infinite values")
        if is_reduction(expr):
            return self._reduced(expr)
        if expr.op == "min":  # an infinite bound is none
            bounds = [a for a in expr.args if not (isinstance(a, Apply) and a.op == "inf")]
            args = [self.of(a) for a in bounds]
            return args[0] if len(args) == 1 else OPERATIONS["min"](self.algebra, *args)
        if expr.op in OPS and OPS[expr.op].typing == "compare":
            return self._comparison(expr)
        args = [self.of(a) for a in expr.args]
        if not inside(expr.op, args) and not inside(
                expr.op, [self.algebra.value(a.ratio, a.interval) for a in args]):
            self.risky.add(ANYWHERE)
        if expr.op not in OPERATIONS:
            return self._called(expr, args)
        try:
            return OPERATIONS[expr.op](self.algebra, *args)
        except ZeroDivisionError:  # 0^(-1)
            raise Undefined from None

    def _comparison(self, expr: Apply) -> Value:
        """Normal forms do not say what becomes of a comparison whose sides are undefined, or
        infinite: there it is only like those whose sides are computed alike."""
        outer, self.risky = self.risky, set()
        try:
            args = [self.of(a) for a in expr.args]
        except Undefined:
            args, self.risky = [], {ANYWHERE}
        risks, self.risky = self.risky, outer
        for poly in sorted(risks, key=lambda p: len(p.terms)):
            interval = self.algebra.interval(poly)
            if nowhere(interval) or (self.depth and not interval.nonzero):
                return self._truth(expr)
            if not interval.nonzero:
                raise self._asks(poly)
        return OPERATIONS[expr.op](self.algebra, *args)

    def _truth(self, expr: Apply) -> Value:
        """True or false, as what is computed alike."""
        key = (expr.op, *(likeness(self, a, {}) for a in expr.args))
        return self.algebra.atom(key, varies(expr.type), EITHER)

    def _symbol(self, symbol: Sym) -> Value:
        if symbol not in self.env:
            if symbol.prime or symbol.type is None:
                raise Unknown(f"`{symbol}`")
            length = Interval(Fraction(0 if symbol.name == "rank" else 1), low_in=True, whole=True)
            return self.algebra.atom(("length", symbol.name), varies(symbol.type), length)
        value = self.env[symbol]
        if value is None:
            raise Undefined
        self.risky |= self.risks.get(symbol, frozenset())
        return value

    def _divide(self, a: Value, b: Value) -> Value:
        if not b.ratio:
            raise Undefined
        if not b.interval.nonzero:
            self.risky.add(b.ratio.num)
        return self.algebra.divide(a, b)

    def _choice(self, expr: Apply) -> Value:
        condition = self.of(expr.args[0])
        decided = condition.ratio.constant
        if decided is not None:
            return self.of(expr.args[1] if decided else expr.args[2])
        outer, self.risky = self.risky, set()
        try:
            one, other = self.of(expr.args[1]), self.of(expr.args[2])
        except Undefined:
            raise self._undecided(condition) from None
        if any(self.risky) and one.ratio != other.ratio:
            raise self._undecided(condition)
        self.risky |= outer
        return self._either(condition, one, other)

    def _either(self, condition: Value, one: Value, other: Value) -> Value:
        """other + c*(one - other)."""
        algebra = self.algebra
        found = algebra.add(other, algebra.multiply(condition, algebra.subtract(one, other)))
        low = min(one.interval.low, other.interval.low)
        high = max(one.interval.high, other.interval.high)
        return algebra.value(found.ratio, Interval(low, high, True, True))

    def _undecided(self, condition: Value) -> Exception:
        """Which sign decides a condition."""
        for atom in sorted(condition.ratio.atoms):
            match self.algebra.key(atom):
                case ("sign", Poly() as poly):
                    return self._asks(poly)
        return Unknown("a condition that is no comparison, or of what is undefined")

    def _asks(self, poly: Poly) -> Exception:
        return Split(poly)

    def _singular(self, expr: Expr) -> bool:
        """Whether a matrix may be singular in an expression: the laws say nothing there."""
        return any(n in self.partial if isinstance(n, Sym) else (
            isinstance(n, Apply) and n.op in PARTIAL) for n in walk(expr))

    def _default(self, expr: Apply) -> Value:
        if self._singular(expr.args[0]):
            raise Unknown("a default in the place of a matrix function")
        outer, self.risky = self.risky, set()
        try:
            found = self.of(expr.args[0])
        except Undefined:
            self.risky = outer
            return self.of(expr.args[1])
        risks, self.risky = self.risky, outer
        for poly in sorted(risks, key=lambda p: len(p.terms)):
            interval = self.algebra.interval(poly)
            if poly == ANYWHERE:
                raise Unknown("a default in the place of what is undefined somewhere")
            if nowhere(interval):
                return self.of(expr.args[1])
            if not interval.nonzero:
                raise self._asks(poly)
        return found

    def _case(self, expr: Apply) -> Value:
        for guard, value in zip(expr.args[::2], expr.args[1::2], strict=True):
            if self.truths[guard]:
                return self.of(value)
        raise Undefined

    def _reduced(self, expr: Apply) -> Value:
        (arg,), (over,) = expr.args, expr.over
        if over == "model" and (any(s in self.guarded for s in symbols(arg)) or _chooses(arg)):
            raise Unknown("a reduction over tensors of several kinds")
        return reduced(self, expr, arg.type or SCALAR, over)

    def _called(self, expr: Apply, args: list[Value]) -> Value:
        algebra, point = self.algebra, self.env.get(Sym(self.step.point))
        kind = varies(expr.type)
        if expr.op in ORACLES:
            if expr.over[:1] == ("this",) and point is not None and args and (
                    args[0].ratio == point.ratio) and len(expr.over) == 1:
                given = {"grad": Sym(self.step.gradient), "loss": Sym("loss")}.get(expr.op)
                if given is not None:
                    return self._symbol(given)
            return LINEAR_IN[expr.op](self, expr, args) if expr.op in LINEAR_IN else algebra.call(
                expr.op, args, kind, REAL, *expr.over)
        if expr.op in LINEAR_IN:
            return LINEAR_IN[expr.op](self, expr, args)
        if expr.op in LINEAR or expr.op in STRUCTURE:
            return algebra.call(expr.op, args, kind, REAL, *expr.over, str(expr.type))
        whole = CALLS.get(expr.op)
        interval = REAL if whole is None else whole(*(a.interval for a in args))
        if expr.type is not None and expr.type.kind == "bool":
            interval = meet(interval, EITHER)
        return algebra.call(expr.op, args, kind | frozenset().union(
            *(algebra.varies(a.ratio) for a in args)), defined(interval), *expr.over)


def _chooses(expr: Expr) -> bool:
    return any(isinstance(n, Apply) and n.op == "case" for n in walk(expr))


def _free(loop: Loop | EachAxis) -> set[Sym]:
    from thetaprime.scopes import free

    return set(free(loop))


# What a step is given.


def inputs(
    step: Step, case: Case, first: bool, algebra: Algebra, given: Mapping[Sym, Value],
    truths: Mapping[Expr, bool] | None = None, tag: str = "",
) -> Symbolic:
    """An execution before its first statement: the point, the gradient, hyperparameters and states
    are atoms of their own, or what is ``given``; at t = 1 states are what they start from. ``tag``
    keeps states of different rules apart."""
    from thetaprime.claims.recurrent import closed, driven

    run = Symbolic(step, case, first, algebra, truths or {}, algebra.split, tag=tag)
    named = {s.name: s for s in step.states}
    typed = _types(step)
    known = case.before
    # t comes after the hyperparameters, so that their atoms have the same numbers in every case:
    # a factor that is read off the first step is used in later ones.
    for symbol in (Sym(step.point), Sym(step.gradient), Sym("loss"),
                   *(Sym(h.name) for h in step.hypers if h.type.kind != "function"), T,
                   *(Sym(s.name) for s in step.states)):
        if symbol == T:  # atoms have the same numbers at t = 1 as later
            algebra.numbers.setdefault(("symbol", "t - 1"), len(algebra.numbers))
        if symbol in given:
            run.env[symbol] = given[symbol]
        elif symbol == T:
            run.env[symbol] = algebra.number(1) if first else algebra.add(
                algebra.atom(("symbol", "t - 1"), frozenset(), COUNT), algebra.number(1))
        elif symbol.name not in named:
            run.env[symbol] = algebra.atom(
                ("symbol", symbol.name), varies(typed[symbol]), defined(known.get(symbol, REAL)))
    recurrences = {} if first else driven(step)
    for state in sorted(step.states, key=lambda s: not s.constant):
        symbol = Sym(state.name)
        if symbol in given or (state.guard is not None and not run.truths[state.guard]):
            continue
        told = known.get(symbol, REAL)
        interval = defined(told)
        value = recurrences.get(state.name)
        formula = None if value is None else closed(run, state, value)
        if first and not isinstance(state.start, Draw):
            run.env[symbol] = _started(run, state, interval)
        elif formula is not None:
            run.env[symbol] = formula
        else:
            kind = "drawn" if isinstance(state.start, Draw) and first else "symbol"
            run.env[symbol] = algebra.atom(  # 1 or undefined is more than the number 1
                (kind, tag, state.name), varies(state.type),
                REAL if told.nan and interval.single else interval)
            run.doubt(symbol, told)
        if state.guard is not None:
            run.guarded.add(symbol)
    point = Sym(step.point)
    if not first and point not in given:
        _held(run)
    return run


def _held(run: Symbolic) -> None:
    """The point that training holds, where the step before made it of its states alone."""
    step = run.step
    states = {s.name for s in step.states}
    hypers = {Sym(h.name) for h in step.hypers}
    for statement in step.body:
        match statement:
            case Equation(target, value) if target == Sym(step.point, True):
                read = symbols(value)
                own = {s for s in read if s.prime and s.name in states}
                if own and read <= own | hypers:
                    run.env[Sym(step.point)] = run.of(rewrite(value, _before))


def _before(node: Expr) -> Expr:
    return replace(node, prime=False) if isinstance(node, Sym) else node


def _started(run: Symbolic, state: State, interval: Interval) -> Value | None:
    assert not isinstance(state.start, Draw)
    try:
        found = run.of(state.start)
    except Undefined:
        return None
    return run.algebra.value(found.ratio, meet(found.interval, interval))


def _types(step: Step) -> dict[Sym, Type]:
    entry = Type()
    return {Sym(step.point): entry, Sym(step.gradient): entry, Sym("loss"): SCALAR, T: SCALAR,
            **{Sym(h.name): h.type for h in step.hypers},
            **{Sym(s.name): s.type for s in step.states}}


__all__ = ["Ratio", "Split", "Symbolic", "Undefined", "Unknown", "inputs", "varies"]
