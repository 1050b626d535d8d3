"""The equations of two optimizers side by side, aligned by what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol

from thetaprime.claims.algebra import Algebra
from thetaprime.claims.symbolic import Undefined, Unknown
from thetaprime.compare.beside import (
    ONE,
    Link,
    Sides,
    equal_start,
    executed,
    multiple,
    related,
    same,
    sides,
    taken,
    valued,
)
from thetaprime.compare.declared import Mark, Row, choices, hypers, states_beside
from thetaprime.compare.operands import Operand
from thetaprime.compare.pairs import FAILED, Pair
from thetaprime.compare.unroll import generic
from thetaprime.expr import Apply, Expr, Sym
from thetaprime.ir import Equation, First, Statement
from thetaprime.render import spec_text
from thetaprime.scopes import outputs
from thetaprime.steptext import body_lines


@dataclass(frozen=True)
class Diff:
    """Two rules side by side. ``notes``: states of b that are multiples of a's, and how lines were
    compared."""

    a: str
    b: str
    hypers: tuple[Row, ...]
    states: tuple[Row, ...]
    equations: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return all(r.mark == "=" for r in (*self.hypers, *self.states, *self.equations))

    def to_json(self) -> dict[str, Any]:
        """What machines read."""
        def rows(some: Sequence[Row]) -> list[dict[str, Any]]:
            return [asdict(r) for r in some]

        return {"a": self.a, "b": self.b, "same": self.same, "hyperparameters": rows(self.hypers),
                "states": rows(self.states), "equations": rows(self.equations),
                "notes": list(self.notes)}


def aligned(a: Operand, b: Operand) -> Diff:
    """Raises SpecError for operands that are wrong."""
    fixed = {n: v[0] for n, v in a.choices.items()}
    one = a.step(fixed)
    theirs = {n: fixed[n] if fixed.get(n) in v else v[0] for n, v in b.choices.items()}
    pair = Pair(one, b.step(theirs))
    states = related(pair)
    try:
        rows, starts = generic(partial(_by_value, pair, states))
        how: tuple[str, ...] = ()
    except (Unknown, Undefined, *FAILED) as why:
        rows, starts = _judged(pair, states, _ByText(pair))
        how = (f"compared by text, not by value: {why}",)
    return Diff(a.text, b.text, (*hypers(pair), *choices(a, b, fixed, theirs)),
                tuple(states_beside(pair, states, starts)), rows, (*_multiples(states), *how))


# Equations.

# The lines, and which states start alike.
Aligned = tuple[tuple[Row, ...], Mapping[str, bool]]


class Judge(Protocol):
    """Says what two statements have in common."""

    def run(self, b: Statement) -> None:
        """The next statement of the second rule."""

    def equal(self, a: Statement, b: Statement) -> bool:
        """They mean the same."""

    def multiple(self, a: Statement, b: Statement) -> bool:
        """One is a multiple of the other."""

    def taken(self, a: Statement, b: Statement) -> None:
        """What the second makes counts as what the first does from here on."""

    def equal_start(self, one: Link) -> bool:
        """Related states start alike."""

    def equal_end(self, one: Expr, other: Expr) -> bool:
        """The points to evaluate are the same."""


@dataclass(frozen=True)
class _ByValue:
    """By the values in every case. Methods raise Split, Unknown, Undefined."""

    cases: Sequence[Sides]
    states: Mapping[str, Link]

    def run(self, b: Statement) -> None:
        for at in self.cases:
            at.theirs.execute((b,))

    def equal(self, a: Statement, b: Statement) -> bool:
        return same(self.cases, a, b, self.states.get(_name(b)))

    def multiple(self, a: Statement, b: Statement) -> bool:
        return multiple(self.cases, a, b)

    def taken(self, a: Statement, b: Statement) -> None:
        taken(self.cases, a, b, self.states.get(_name(b)))

    def equal_start(self, one: Link) -> bool:
        return equal_start(self.cases, one)

    def equal_end(self, one: Expr, other: Expr) -> bool:
        pairs = [(valued(at.mine, one), valued(at.theirs, other))
                 for at in self.cases]
        return all(v is not None and w is not None and v.ratio == w.ratio for v, w in pairs)


@dataclass(frozen=True)
class _ByText:
    """Lines are the same that say the same word by word."""

    pair: Pair

    def run(self, b: Statement) -> None:
        pass

    def equal(self, a: Statement, b: Statement) -> bool:
        return text(a) == text(b)

    def multiple(self, a: Statement, b: Statement) -> bool:
        return False

    def taken(self, a: Statement, b: Statement) -> None:
        pass

    def equal_start(self, one: Link) -> bool:
        return self.pair.a.state(one.source).start == self.pair.b.state(one.state).start

    def equal_end(self, one: Expr, other: Expr) -> bool:
        return one == other


def _by_value(pair: Pair, states: Mapping[str, Link], algebra: Algebra) -> Aligned:
    """Raises Split, Unknown, Undefined."""
    cases = sides(pair, algebra, states)
    executed(pair.a, [at.mine for at in cases])
    return _judged(pair, states, _ByValue(cases, states))


def _judged(pair: Pair, states: Mapping[str, Link], judge: Judge) -> Aligned:
    matches = _Matches(pair, states)
    for j, b in enumerate(pair.b.body):
        judge.run(b)
        if not unseen(b):
            matches.put(j, judge)
    starts = {n: judge.equal_start(one) for n, one in states.items()}
    return (*matches.rows(), *_ends(pair, judge)), starts


@dataclass
class _Matches:
    """Which statement of b stands beside which of a; the mark of each pair."""

    pair: Pair
    states: Mapping[str, Link]
    found: dict[int, tuple[int, Mark]] = field(default_factory=dict)

    @property
    def mine(self) -> tuple[Statement, ...]:
        return self.pair.a.body

    @property
    def theirs(self) -> tuple[Statement, ...]:
        return self.pair.b.body

    def put(self, j: int, judge: Judge) -> None:
        """The partner of a statement: one that means the same, else one in the same role."""
        b = self.theirs[j]
        free = [(i, a) for i, a in enumerate(self.mine)
                if i not in self.found and not unseen(a) and self._may(a, b)]
        free.sort(key=lambda one: (not self._role(one[1], b), text(one[1]) != text(b)))
        for i, a in free:
            if judge.equal(a, b):
                self.found[i] = j, "="
                return
        for i, a in free:
            if self._role(a, b):
                self.found[i] = j, "|"
                if self._kept(b) or not judge.multiple(a, b):
                    judge.taken(a, b)
                return

    def _may(self, a: Statement, b: Statement) -> bool:
        """What the point and states become stands beside what they become; other quantities stand
        beside others."""
        if self._kept(b) or outputs(a)[0].prime:
            return self._role(a, b)
        return self._role(a, b) or not (any(self._role(a, other) for other in self.theirs)
                                        or any(self._role(other, b) for other in self.mine))

    def _kept(self, b: Statement) -> bool:
        return outputs(b)[0].prime

    def _role(self, a: Statement, b: Statement) -> bool:
        called, point = tuple(self._called(s) for s in outputs(b)), Sym(self.pair.a.point, True)
        return called == outputs(a) or (point in called and point in outputs(a))

    def _called(self, symbol: Sym) -> Sym:
        """What a symbol of b is called in a."""
        if symbol.name == self.pair.b.point:
            return Sym(self.pair.a.point, symbol.prime)
        one = self.states.get(symbol.name)
        return symbol if one is None or not symbol.prime else Sym(one.source, True)

    def rows(self) -> Iterator[Row]:
        """In the order of a; what only b has stands where it is in b."""
        partners = {j for j, _ in self.found.values()}
        alone = [j for j, b in enumerate(self.theirs)
                 if j not in partners and not unseen(b)]
        for i, a in enumerate(self.mine):
            if unseen(a):
                continue
            j, mark = self.found.get(i, (-1, "<"))
            while alone and alone[0] < j:
                yield Row(">", "", text(self.theirs[alone.pop(0)]))
            yield Row(mark, text(a), text(self.theirs[j]) if j >= 0 else "")
        for j in alone:
            yield Row(">", "", text(self.theirs[j]))


def unseen(statement: Statement) -> bool:
    """What has no line of its own: where a state starts, and what joins the arms of a case."""
    match statement:
        case Equation(target, Apply("case", args)):
            return all(spec_text(v) == str(target) for v in args[1::2])
    return isinstance(statement, First)


def _name(statement: Statement) -> str:
    """The state that a statement says the next value of."""
    target = outputs(statement)[0]
    return target.name if target.prime else ""


def text(statement: Statement) -> str:
    """A statement in the notation of specs, blocks on several lines."""
    return "\n".join(body_lines((statement,)))


def _ends(pair: Pair, judge: Judge) -> Iterator[Row]:
    """The points to evaluate."""
    one, other = pair.a.evaluate, pair.b.evaluate
    shown = ["" if e is None else f"eval {spec_text(e)}" for e in (one, other)]
    if one is not None and other is not None:
        yield Row("=" if judge.equal_end(one, other) else "|", *shown)
    elif one is not other:
        yield Row("<" if other is None else ">", *shown)


def _multiples(states: Mapping[str, Link]) -> Iterator[str]:
    for one in states.values():
        if one.factor == ONE:
            if one.state != one.source:
                yield f"`{one.state}` of the second is taken as `{one.source}` of the first"
        else:
            whole = spec_text(Apply("*", (one.factor, Sym(one.source))))
            yield f"`{one.state}` of the second is taken as {whole} of the first"
