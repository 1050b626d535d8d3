"""Limits checked again: the change of states, the rule at the end, and that the step is continuous
there, by other means than those that found it: signs of exact algebra in place of ranges, and
numbers near the end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

from thetaprime.bounds import INF, End
from thetaprime.check.ranges import ranges
from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.context import Rejected
from thetaprime.claims.facts import kinds
from thetaprime.claims.symbolic import Split, Symbolic, Undefined, Unknown, inputs
from thetaprime.compare.ends import Continuity, bare, folded, put
from thetaprime.compare.limits import Limit, apart, met
from thetaprime.compare.nearing import Numbers, open_ends
from thetaprime.compare.norms import Broken
from thetaprime.compare.pairs import FAILED, Pair, numeral
from thetaprime.expr import Apply, Expr, Sym, substitute, symbols, walk
from thetaprime.ir import Draw, EachAxis, Loop, Step, When, defined, reads, statements
from thetaprime.ops import LINEAR, OPS, ORACLES, REDUCTIONS, STRUCTURE, WHOLE

SALTS = (23, 41)
# What jumps: nothing that moves may go through these, but for signs and comparisons off the jump.
JUMPS = frozenset({"floor", "round", "mod", "finite", "size", "~", "take", "seen", "at", "put",
                   "shift", "index", "argsort", "extern", "atan2"})
# Of linear algebra, what is a polynomial.
POLYNOMIAL = frozenset({"@", "T", "outer", "tr", "diag", "diagonal", "triu"})
SIDES = frozenset({"<", "<=", ">", ">=", "==", "!="})


def check(limit: Limit) -> None:
    """All but the equality at the end. Raises Rejected."""
    try:
        _checked(limit)
    except (Broken, StopIteration) as error:
        raise Rejected(str(error)) from error


def _checked(limit: Limit) -> None:
    step, ends = put(limit.rule, limit.toward.settings), limit.toward.ends
    _ends(step, ends)
    for one in limit.rescaled:
        if one.old != step or one.name not in ends:
            raise Rejected("a change of states of another rule")
        one.check()
        step = one.new
    if limit.pair.a != put(step, ends):
        raise Rejected("another rule at the end")
    plain = replace(limit.pair, when=())
    if dict(limit.pair.hypers) != dict(limit.toward.given) or limit.pair not in (
            plain, apart(limit.off, plain)):
        raise Rejected("another map at the end")
    _Checked(step, limit).check()
    pair = Pair(limit.rule, limit.pair.b)
    for salt in SALTS:
        if not Numbers(pair, salt).agree(limit.toward):
            raise Rejected("numbers near the end do not go there")
        if not met(Continuity(limit.pair.a, limit.off), limit.pair, salt):
            raise Rejected("what must not be 0 is 0 on a plain run")


def _ends(step: Step, ends: Mapping[str, End]) -> None:
    if not ends:
        raise Rejected("nothing goes anywhere")
    for name, end in ends.items():
        if end not in open_ends(step.hyper(name)):
            raise Rejected(f"{end} is no open end of `{name}`")


class _Checked:
    """A walk over all that moves with hyperparameters on their way to their ends."""

    def __init__(self, step: Step, limit: Limit) -> None:
        self.off = set(limit.off)
        ends = limit.toward.ends
        self.seeds = {o for s in step.body for o in _targets(s) if any(
            Sym(n) in symbols(e) for n in ends for e in reads(s))}
        self.values: dict[Sym, Expr] = {
            Sym(n): numeral(v) for n, v in ends.items() if isinstance(v, Fraction)}
        self.step = put(step, {n: v for n, v in ends.items() if v == INF})
        self.still = self._still()
        self.before = ranges(self.step)
        self.runs = [_run(limit.pair.a, first, truths) for first in (True, False)
                     for truths in kinds(limit.pair.a)]

    def _still(self) -> frozenset[Sym]:
        """The symbols that do not move: the most that read nothing but such."""
        step = self.step
        moving = set(self.values) | self.seeds | {Sym(step.point)}
        every = list(statements(step.body))
        while True:
            more = {o for s in every for o in _targets(s)
                    if any(r in moving for e in reads(s) for r in symbols(e))}
            more |= {Sym(s.name) for s in step.states if Sym(s.name, True) in moving or any(
                r in moving for e in _starts(s.start) for r in symbols(e))}
            if more <= moving:
                break
            moving |= more
        names = {o for s in every for o in _targets(s)} | {Sym(s.name) for s in step.states}
        given = {Sym(h.name) for h in step.hypers} | {Sym("t"), Sym(step.gradient), Sym("loss")}
        return frozenset((names | given) - moving)

    def _moves(self, expr: Expr) -> bool:
        return any(s not in self.still and not _length(s) for s in symbols(expr))

    def check(self) -> None:
        for state in self.step.states:
            if isinstance(state.start, Draw):
                self._fixed(*state.start.args)
            else:
                self._expr(state.start)
        for statement in statements(self.step.body):
            match statement:
                case Draw(_, _, args):
                    self._fixed(*args)
                case When(condition):
                    self._fixed(condition)
                case Loop(_, turns, _, _, until):
                    self._fixed(turns, *([] if until is None else [until]))
                case EachAxis():
                    pass
            if isinstance(statement, Loop | EachAxis):
                for carry in statement.carries:
                    self._expr(carry.start)
            elif not isinstance(statement, Draw | When):
                for expr in reads(statement):
                    self._expr(expr)
        if self.step.evaluate is not None:
            self._expr(self.step.evaluate)

    def _fixed(self, *exprs: Expr) -> None:
        if any(map(self._moves, exprs)):
            raise Rejected("what must stay moves")

    def _expr(self, expr: Expr) -> None:
        for node in walk(expr):
            if not isinstance(node, Apply) or not self._moves(node):
                continue
            args = node.args
            if node.op in JUMPS or node.op in ORACLES or (
                    node.op in LINEAR and node.op not in POLYNOMIAL):
                raise Rejected(f"`{node.op}` is not continuous")
            if node.op not in OPS and node.op not in {*REDUCTIONS, *LINEAR, *STRUCTURE, *WHOLE}:
                raise Rejected(f"`{node.op}` is not known")
            if node.op == "/":
                self._nonzero(args[1])
            elif node.op in ("sign", "ln"):
                self._nonzero(args[0])
            elif node.op in SIDES:
                self._nonzero(Apply("-", args, type=node.type))
            elif node.op == "^" and not self._whole(args[1]):
                self._base(*args)
            elif node.op == "case":
                self._fixed(*args[::2])
            elif node.op == "default":
                self._rooted(args[0])

    def _rooted(self, expr: Expr) -> None:
        """Roots of what is nowhere negative stay defined; all others are off 0."""
        for node in walk(expr):
            if isinstance(node, Apply) and node.op in ("sqrt", "^") and self._moves(
                    node.args[0]) and not self.before.of(node.args[0]).nonnegative:
                self._nonzero(node.args[0])

    def _whole(self, exponent: Expr) -> bool:
        """Whether an exponent stays the same whole number, not below 0."""
        known = [run.of(exponent).interval for run in self.runs] if not self._moves(
            exponent) else []
        return bool(known) and all(i.whole and i.nonnegative for i in known)

    def _base(self, base: Expr, exponent: Expr) -> None:
        """base^exponent is continuous where the base is above 0, or not below 0 and the exponent
        above 0."""
        try:
            self._nonzero(base)
        except Rejected:
            for run in self.runs:
                low, high = (run.of(self._at_end(e)).interval for e in (base, exponent))
                if not (low.nonnegative and high.positive):
                    raise

    def _at_end(self, expr: Expr) -> Expr:
        return folded(substitute(expr, self.values))

    def _nonzero(self, expr: Expr) -> None:
        """That a number is not 0 at the end, or is one of those that must not be."""
        end = bare(self._at_end(expr))
        if end in self.off:
            return
        for run in self.runs:
            try:
                value = run.of(end)
            except (Undefined, Unknown, Split, *FAILED):
                raise Rejected("a number of which nothing is known") from None
            if not _sure(value):
                raise Rejected("a number that may be 0 at the end")


def _sure(value: Value) -> bool:
    return value.interval.nonzero


def _run(step: Step, first: bool, truths: Mapping[Expr, bool]) -> Symbolic:
    """The step in exact algebra, as far as it goes without cases."""
    run = inputs(step, ranges(step).cases[0 if first else 1], first, Algebra(), {}, truths)
    with suppress(Undefined, Unknown, Split, *FAILED):
        run.run()
    return run


def _targets(statement: object) -> tuple[Sym, ...]:
    return defined((statement,))  # type: ignore[arg-type]


def _starts(start: Expr | Draw) -> tuple[Expr, ...]:
    return start.args if isinstance(start, Draw) else (start,)


def _length(symbol: Sym) -> bool:
    """Whether a symbol is what is known of a tensor before anything runs."""
    return not symbol.prime and symbol.type is not None and symbol.type.kind == "int"


__all__ = ["Rejected", "check"]
