"""The interval of an expression, from those of its symbols and from what is known beside.

Facts are intervals of expressions. Those of ``always`` hold in every entry; those of ``facts`` hold
in the entry at hand, since a condition around it was decided for this entry: a reduction sees other
entries too, so that inside of it only facts remain that are about the tensor or the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial

from thetaprime.arithmetic import add, divide, negative
from thetaprime.check.sums import degrees, instead, less_common, with_number
from thetaprime.expr import Apply, Expr, Num, Sym, symbols, walk
from thetaprime.forward import FORWARD, MATRICES, REDUCED, SAFE, or_zero, power, total
from thetaprime.intervals import (
    COUNT,
    EITHER,
    EMPTY,
    NONNEGATIVE,
    REAL,
    Interval,
    defined,
    hull,
    meet,
    point,
)
from thetaprime.ops import OPS, ORACLES, is_reduction
from thetaprime.types import LENGTH, Extent, Type

Facts = Mapping[Expr, Interval]
# Told of an operation with a domain: the operation, its arguments, whether they lie in the domain.
Seen = tuple[Apply, tuple[Interval, ...], bool]
Watch = Callable[[Apply, tuple[Interval, ...], bool], None]
RANK = replace(NONNEGATIVE, whole=True)
TWO = point(COUNT.low + 1)
AT_LEAST_ONE = replace(COUNT, whole=False)
FRACTION = replace(EITHER, whole=False)
# How many symbols are taken apart inside of one another, see `Valuation._between`.
MOST_SPLITS = 2
# Further inside no equations are looked into: what is known of their symbols must do.
MOST_DEEP = 40


@dataclass
class Valuation:
    """``env``: symbols. ``equations``: what defines them, where that is one formula. ``lengths``:
    known lengths of axes. ``partly``: the guards of symbols of some tensors only. A reduction of
    them over the model may find no tensor, but not at a tensor that has them, since its guard is
    ``here``; where ``some`` is set, any reduction may. ``later``: what their equations tell the
    watch, which is judged where they are read. ``thresholds``: where invariants tend to end.
    ``moved``: symbols with other values than those that ``always`` speaks of. ``deep``: how many
    formulas are being looked at, one inside of the other."""

    env: dict[Sym, Interval]
    always: Facts = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)
    equations: dict[Sym, Expr] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)
    partly: Mapping[Sym, Expr] = field(default_factory=dict)
    here: Expr | None = None
    some: bool = False
    watch: Watch | None = None
    later: dict[Sym, list[Seen]] = field(default_factory=dict)
    thresholds: tuple[Fraction, ...] = ()
    moved: frozenset[Sym] = frozenset()
    splits: int = MOST_SPLITS
    memo: dict[int, tuple[Expr, Interval]] = field(default_factory=dict)
    deep: int = 0

    def of(self, expr: Expr) -> Interval:
        """The interval of a typed expression."""
        known = self.memo.get(id(expr))
        if known is not None:
            return known[1]
        self.deep += 1
        found = self._of(expr)
        self.deep -= 1
        if self.always and expr in self.always and self.moved.isdisjoint(symbols(expr)):
            found = meet(found, self.always[expr])
        if self.facts and expr in self.facts:
            found = meet(found, self.facts[expr])
        self.memo[id(expr)] = expr, found
        return found

    def knowing(self, facts: Facts | None) -> Valuation | None:
        """The same with more facts; None where they cannot hold."""
        if facts is None:
            return None
        return self if not facts else replace(self, facts={**self.facts, **facts}, memo={})

    def at(self, guard: Expr, target: Sym) -> Valuation:
        """Where a guarded equation is computed: a number for the whole model everywhere, all else
        at a tensor that has it."""
        whole = target.type is None or target.type.extent is Extent.SCALAR
        return replace(self, here=None if whole else guard, some=self.some or whole, memo={})

    def _of(self, expr: Expr) -> Interval:
        if isinstance(expr, Num):
            return point(expr.value)
        if isinstance(expr, Sym):
            return self._symbol(expr)
        if expr.op == "if":
            return self._choice(expr)
        if expr.op == "default":
            return self._default(expr)
        if expr.op in ORACLES or expr.op == "extern":
            return self._asked(expr)
        if is_reduction(expr):
            return self._reduced(expr)
        if expr.op in OPS:
            return self._applied(expr)
        return self._matrix(expr)

    def _symbol(self, symbol: Sym) -> Interval:
        found = self.env.get(symbol)
        if found is None:
            if symbol.type == LENGTH:
                return RANK if symbol.name == "rank" else COUNT
            is_bool = symbol.type is not None and symbol.type.kind == "bool"
            return replace(EITHER if is_bool else REAL, nan=True)
        equation = self.equations.get(symbol)
        if equation is None:
            return found
        if self.deep < MOST_DEEP and (symbol in self.later or self.facts):
            inside = self.at(self.partly[symbol], symbol) if symbol in self.partly else self
            return meet(found, inside.of(equation))
        if self.watch is not None:
            for seen in self.later.get(symbol, ()):
                self.watch(*seen)
        return found

    def _applied(self, expr: Apply) -> Interval:
        args = tuple(self.of(a) for a in expr.args)
        row = OPS[expr.op]
        if row.domain and self.watch is not None:
            given = tuple(defined(a) for a in args)
            self.watch(expr, given, SAFE[row.domain](*given))
        match expr:
            case Apply("*", (left, right)) if left == right:
                return power(args[0], TWO)
            case Apply("/", (Apply("sum", (summed,), over), Apply("size", (one,), by))) if (
                    over == by and one == summed):
                return REDUCED["mean"](self._wider(partial(_unvaried, over=over[0])).of(summed))
        found = FORWARD[expr.op](*args)
        if expr.op in "+-":
            return self._signed(expr, self._between(expr, self._compared(expr, found)))
        if expr.op == "/":
            return self._ratio(expr, args[1], found)
        return found

    def _compared(self, expr: Apply, found: Interval) -> Interval:
        """b^n <= b for b from 0 to 1 and n >= 1."""
        match expr:
            case Apply("-", (Apply("^", (base, by)), other)) if base == other:
                bound = negative(NONNEGATIVE)
            case Apply("-", (other, Apply("^", (base, by)))) if base == other:
                bound = NONNEGATIVE
            case _:
                return found
        small = self.of(base).within(FRACTION) and self.of(by).within(AT_LEAST_ONE)
        return meet(found, bound) if small else found

    def _ratio(self, expr: Apply, below: Interval, found: Interval) -> Interval:
        """p/q = 1 + (p - q)/q, where p and q have terms in common."""
        rest = less_common(*expr.args)
        if rest is None or not self.splits or found.empty:
            return found
        inside = replace(self, watch=None, splits=self.splits - 1, memo={})
        other = add(point(COUNT.low), divide(inside.of(rest), below))
        return meet(found, replace(other, nan=True))

    def _between(self, expr: Apply, found: Interval) -> Interval:
        """A sum that is affine in a symbol of both sides lies between its values at the ends of
        the symbol: b*m + (1 - b)*s between m and s for b from 0 to 1."""
        if not self.splits or found.empty:
            return found
        left, right = degrees(expr.args[0]), degrees(expr.args[1])
        shared = [s for s in left if left[s] == 1 and right.get(s) == 1]
        for symbol in shared[:MOST_SPLITS]:
            kept = self.of(symbol)
            ends = (kept.low, kept.high)
            if kept.empty or kept.single or any(isinstance(e, float) for e in ends):
                continue
            parts = [self._at(symbol, point(e)).of(expr) for e in ends]
            between = replace(hull(*parts), whole=False, hole=False, nan=True)
            if not any(p.empty for p in parts):
                found = meet(found, between)
        return found

    def _signed(self, expr: Apply, found: Interval) -> Interval:
        """A sum with sign(e) in it is one of three: for e > 0, e < 0 and e = 0."""
        if not self.splits or found.empty:
            return found
        signs = {n for n in walk(expr) if isinstance(n, Apply) and n.op == "sign"}
        if len(signs) != 1 or any(isinstance(n, Apply) and n.over for n in walk(expr)):
            return found
        from thetaprime.check.narrow import assume

        (node,) = signs
        parts = []
        for op, value in ((">", "1"), ("<", "-1"), ("==", "0")):
            told = assume(self, Apply(op, (node.args[0], Num("0")), type=expr.type))
            inside = self.knowing(told)
            if inside is not None:
                parts.append(inside._spread(instead(expr, node, Num(value, node.type))))
        return meet(found, replace(hull(*parts), nan=True)) if parts else found

    def _spread(self, expr: Expr) -> Interval:
        """Between the values at the ends of a hyperparameter in which it is affine."""
        for symbol, degree in degrees(expr).items():
            kept = self.of(symbol)
            ends = (kept.low, kept.high)
            if degree == 1 and not any(isinstance(e, float) for e in ends) and not kept.empty:
                parts = [self._at(symbol, point(e)).of(
                    with_number(expr, symbol, Num(str(e), symbol.type))) for e in ends]
                return replace(hull(*parts), whole=False, hole=False)
        return self.of(expr)

    def _at(self, symbol: Sym, value: Interval) -> Valuation:
        """With another value of one symbol alone, all others as they are."""
        facts = {e: i for e, i in self.facts.items() if symbol not in symbols(e)}
        return replace(self, env={**self.env, symbol: value}, moved=self.moved | {symbol},
                       facts=facts, equations={}, watch=None, splits=self.splits - 1, memo={})

    def _choice(self, expr: Apply) -> Interval:
        from thetaprime.check.narrow import assume

        condition, then, otherwise = expr.args
        decided = self.of(condition)
        parts = []
        for truth, branch in ((1, then), (0, otherwise)):
            if truth in decided:
                inside = self.knowing(assume(self, condition, bool(truth)))
                if inside is not None:
                    parts.append(inside.of(branch))
        return hull(*parts) if parts else EMPTY

    def _default(self, expr: Apply) -> Interval:
        """The first, unless it is undefined or infinite: then the second."""
        first = replace(self, watch=None, memo={}).of(expr.args[0])
        second = self.of(expr.args[1])
        kept = meet(defined(first), REAL)
        return kept if not first.nan and first.finite else hull(kept, second)

    def _asked(self, expr: Apply) -> Interval:
        """Whatever a problem answers: any number."""
        inside = self._wider(lambda kind: not kind.axes and kind.extent is Extent.SCALAR)
        nan = any(inside.of(a).nan for a in expr.args)
        return replace(REAL, nan=nan)

    def _reduced(self, expr: Apply) -> Interval:
        (arg,), (over,) = expr.args, expr.over
        inside = self._wider(partial(_unvaried, over=over))
        value = inside.of(arg)
        length = self.lengths.get(over)
        if expr.op == "sum":
            found = total(value, COUNT if length is None else point(COUNT.low * length))
        else:
            found = REDUCED[expr.op](value)
        lacking = self.some or any(self.partly.get(s, self.here) != self.here
                                   for s in symbols(arg))
        if over == "model" and lacking:
            empty = {"max": -float("inf"), "min": float("inf")}.get(expr.op)
            return or_zero(found) if empty is None else hull(found, point(empty))
        return found

    def _matrix(self, expr: Apply) -> Interval:
        if expr.op == "case":
            return MATRICES["case"](*(EITHER if i % 2 == 0 else self.of(a)
                                      for i, a in enumerate(expr.args)))
        inside = self._wider(lambda kind: not kind.axes and kind.extent is not Extent.ENTRY)
        factor = _squared(expr)
        if factor is not None:
            return total(power(inside.of(factor), TWO))
        return MATRICES[expr.op](*(inside.of(a) for a in expr.args))

    def _wider(self, stays: Callable[[Type], bool]) -> Valuation:
        """With the facts alone that are about what ``stays`` the same there."""
        facts = {e: i for e, i in self.facts.items() if e.type is not None and stays(e.type)}
        return self if len(facts) == len(self.facts) else replace(self, facts=facts, memo={})


def _unvaried(kind: Type, over: str) -> bool:
    """Whether a quantity is one number for all that a reduction runs over."""
    if over == "model":
        return not kind.axes and kind.extent is Extent.SCALAR
    if over == "tensor":
        return not kind.axes and kind.extent is not Extent.ENTRY
    return over not in kind.axes and kind.extent is not Extent.ENTRY


def _squared(expr: Apply) -> Expr | None:
    """A where the diagonal of A @ A.T or A.T @ A is meant, which sums squares."""
    match expr:
        case Apply("tr" | "diagonal", (Apply("@", (a, Apply("T", (b,)))),)) if a == b:
            return a
        case Apply("tr" | "diagonal", (Apply("@", (Apply("T", (a,)), b)),)) if a == b:
            return a
    return None
