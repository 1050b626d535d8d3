"""A rule with hyperparameters put at an end of their ranges, and whether its steps are continuous
there.

A step is a composition of operations. If each of them is continuous where the rule at the end
puts it, then so is the step, as a function of its states, the point and the hyperparameters
together; and after any fixed number of steps the iterates go to those of the rule at the end.
Operations whose inputs do not depend on what goes to its end need not be continuous. Those that
are continuous only where a number is not 0 (divisions, signs, comparisons) say which number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from thetaprime.bounds import INF, End
from thetaprime.check.ranges import Ranges, ranges
from thetaprime.compare.norms import Broken, at_infinity
from thetaprime.compare.pairs import numeral
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, substitute, symbols, walk
from thetaprime.intervals import Interval
from thetaprime.ir import Draw, EachAxis, Equation, First, Loop, Statement, Step, When, reads
from thetaprime.ir import statements as every_statement
from thetaprime.ops import ORACLES
from thetaprime.scopes import outputs, renamed
from thetaprime.types import SCALAR, Type, join

ZERO, ONE = (Num(n, type=SCALAR) for n in "01")
# Continuous wherever their arguments are defined.
CONTINUOUS = frozenset({
    "+", "-", "*", "neg", "abs", "sqrt", "exp", "sin", "cos", "tanh", "atan", "min", "max", "sum",
    "mean", "and", "or", "not", "all", "any", "true", "false", "pi", "inf", "@", "T", "outer", "tr",
    "diag", "diagonal", "triu", "view", "unview", "unfold", "refold", "along", "eye", "flat",
    "unflat"})
# Constant but for where the sides of these are equal.
COMPARED = frozenset({"<", "<=", ">", ">=", "==", "!="})


# Rules with values put in.


def put(step: Step, values: Mapping[str, End]) -> Step:
    """The rule with hyperparameters at these values, which it has no longer; exponents of norms may
    be infinite. Raises Broken for others that are."""
    for name in values:
        step = at_infinity(step, name) if values[name] == INF else step
    given: dict[Sym, Expr] = {Sym(n): numeral(v) for n, v in values.items()
                              if isinstance(v, Fraction)}
    own = {n: e for n, e in given.items() if n.name in {h.name for h in step.hypers}}
    states = tuple(replace(s, start=_started(s.start, own)) for s in step.states)
    hypers = tuple(replace(h, default=_default(h.default, own))
                   for h in step.hypers if Sym(h.name) not in own)
    return replace(
        step, states=states, hypers=hypers, body=tuple(_folded(s, own) for s in step.body),
        evaluate=None if step.evaluate is None else folded(substitute(step.evaluate, own)))


def _started(start: Expr | Draw, values: Mapping[Sym, Expr]) -> Expr | Draw:
    if isinstance(start, Draw):
        return replace(start, args=tuple(substitute(a, values) for a in start.args))
    return folded(substitute(start, values))


def _default(default: Expr | tuple[Expr, ...] | None, values: Mapping[Sym, Expr]) -> (
        Expr | tuple[Expr, ...] | None):
    if default is None or isinstance(default, tuple):
        return default
    return substitute(default, values)


def _folded(statement: Statement, values: Mapping[Sym, Expr]) -> Statement:
    """Values put in, numbers computed."""
    found = renamed(statement, values)
    return replace(found, value=folded(found.value)) if isinstance(found, Equation | First) else (
        found)


def folded(expr: Expr) -> Expr:
    """Without sums and products of 0 and 1."""
    return rewrite(expr, _simpler)


def _simpler(node: Expr) -> Expr:
    match node:
        case Apply("+", (a, b)) if a == ZERO:
            return b
        case Apply("+" | "-", (a, b)) if b == ZERO:
            return a
        case Apply("-", (a, b)) if a == b:
            return ZERO
        case Apply("*", (a, b)) if ZERO in (a, b):
            return ZERO
        case Apply("*", (a, b)) if a == ONE:
            return b
        case Apply("*" | "/" | "^", (a, b)) if b == ONE:
            return a
        case Apply("/", (a, b)) if a == ZERO and b != ZERO:
            return ZERO
        case Apply("sqrt" | "abs" | "neg" | "sum" | "mean", (a,)) if a == ZERO:
            return ZERO
        case Apply("sqrt" | "^", (a, *_)) if a == ONE:
            return ONE
        case Apply("^", (a, Num() as b)) if a == ZERO and b.value > 0:
            return ZERO
        case Apply("^", (a, Sym("t", False))) if a == ZERO:  # t >= 1
            return ZERO
        case Apply("neg", (Apply("neg", (a,)),)):
            return a
    return node


def bare(expr: Expr) -> Expr:
    """What is 0 exactly where an expression is."""
    match expr:
        case Apply("sqrt" | "abs" | "neg", (inside,)) | Apply("/", (inside, _)):
            return bare(inside)
        case Apply("-", (inside, none)) if none == ZERO:
            return bare(inside)
    return expr


# Continuity.


@dataclass(frozen=True)
class Continuity:
    """``end``: the rule at the end. ``off``: what must not be 0 there, in its symbols, with the
    symbols that the step has computed; where these are not 0 the step is continuous."""

    end: Step
    off: tuple[Expr, ...]


def continuous(step: Step, ends: Mapping[str, End]) -> Continuity:
    """That a step is continuous where hyperparameters are at ends. Raises Broken."""
    end = put(step, ends)
    seeds = {Sym(n) for n in ends} | {o for s in step.body for o in outputs(s) if any(
        Sym(n) in symbols(e) for n in ends for e in reads(s))}
    step = put(step, {n: v for n, v in ends.items() if v == INF})
    finite = {Sym(n): numeral(v) for n, v in ends.items() if isinstance(v, Fraction)}
    walker = _Walker(finite, ranges(end), _moved(step, seeds), ranges(step))
    for state in step.states:
        starts = state.start.args if isinstance(state.start, Draw) else (state.start,)
        if isinstance(state.start, Draw) and any(map(walker.moves, starts)):
            raise Broken("what is drawn moves")
        for expr in starts:
            walker.check(expr)
    for statement in step.body:
        walker.statement(statement)
    if step.evaluate is not None:
        walker.check(step.evaluate)
    return Continuity(end, tuple(dict.fromkeys(walker.off)))


def _moved(step: Step, seeds: Iterable[Sym]) -> frozenset[Sym]:
    """The symbols that depend on what goes to its end, from those that read it."""
    found = set(seeds)
    size = 0
    while len(found) != size:
        size = len(found)
        for statement in step.body:
            if any(s in found for e in reads(statement) for s in symbols(e)):
                found |= set(outputs(statement))
        found |= {Sym(s.name) for s in step.states
                  if Sym(s.name, True) in found or _start_moves(s.start, found)}
        if Sym(step.point, True) in found:
            found.add(Sym(step.point))
    inner = {o for s in step.body if set(outputs(s)) & found for i in every_statement((s,))
             for o in outputs(i)}
    return frozenset(found | inner)


def _start_moves(start: Expr | Draw, found: set[Sym]) -> bool:
    exprs = start.args if isinstance(start, Draw) else (start,)
    return any(s in found for e in exprs for s in symbols(e))


@dataclass
class _Walker:
    """Collects in ``off`` what must not be 0."""

    values: Mapping[Sym, Expr]
    known: Ranges
    moved: frozenset[Sym]
    before: Ranges

    def __post_init__(self) -> None:
        self.off: list[Expr] = []

    def moves(self, expr: Expr) -> bool:
        return any(s in self.moved for s in symbols(expr))

    def statement(self, statement: Statement) -> None:
        match statement:
            case Equation(_, value) | First(_, value):
                self.check(value)
            case Draw(_, _, args):
                if any(map(self.moves, args)):
                    raise Broken("what is drawn moves")
            case When(condition, then, otherwise):
                if self.moves(condition):
                    raise Broken("a condition moves")
                for inner in (*then, *otherwise):
                    self.statement(inner)
            case Loop() | EachAxis():
                self._loop(statement)

    def _loop(self, loop: Loop | EachAxis) -> None:
        """Turns of continuous operations, as many as ever."""
        if isinstance(loop, Loop) and (self.moves(loop.turns) or loop.until in self.moved):
            raise Broken("how often a loop turns moves")
        before = list(self.off)
        for carry in loop.carries:
            self.check(carry.start)
        for inner in loop.body:
            self.statement(inner)
        if self.off != before:
            raise Broken("a loop divides")

    def check(self, expr: Expr) -> None:
        for node in walk(expr):
            if isinstance(node, Apply) and self.moves(node):
                self._node(node)

    def _node(self, node: Apply) -> None:
        match node.op, node.args:
            case op, _ if op in CONTINUOUS:
                return
            case "/", (_, divisor):
                self._not_zero(divisor)
            case ("sign" | "ln"), (inside,):
                self._not_zero(inside)
            case "^", (base, exponent):
                self._power(base, exponent)
            case op, (one, other) if op in COMPARED:
                self._not_zero(_difference(one, other))
            case "default", (value, _):  # its first argument, if that is defined nearby too
                self._defined(value)
            case "if", _:  # where the sides of its condition differ, one branch
                return
            case "case", args if not any(map(self.moves, args[::2])):
                return
            case op, _:
                raise Broken(f"`{op}`" if op not in ORACLES else "answers at points that move")

    def _defined(self, expr: Expr) -> None:
        """That roots are of what is not negative before the end either, or not 0 there."""
        for node in walk(expr):
            if isinstance(node, Apply) and node.op in ("sqrt", "^") and self.moves(
                    node.args[0]) and not self.before.of(node.args[0]).nonnegative:
                self._not_zero(node.args[0])

    def _power(self, base: Expr, exponent: Expr) -> None:
        low, high = self._range(base), self._range(exponent)
        still = not self.moves(exponent)
        if low.positive or (still and high.whole and high.nonnegative):
            return
        if not (high.positive and low.nonnegative):
            self._not_zero(base)

    def _range(self, expr: Expr) -> Interval:
        return self.known.of(self._at_end(expr))

    def _at_end(self, expr: Expr) -> Expr:
        return folded(substitute(expr, self.values))

    def _not_zero(self, expr: Expr) -> None:
        at_end = bare(self._at_end(expr))
        if at_end == ZERO:
            raise Broken("a division by what goes to 0")
        if 0 in self.known.of(at_end):
            self.off.append(at_end)


def _difference(one: Expr, other: Expr) -> Expr:
    kinds = tuple(e.type or Type() for e in (one, other))
    return Apply("-", (one, other), type=join(kinds).of_kind("real"))
