"""What a step asks the problem for: which oracles, how often at least and at most, on which batch.

Oracles are pure, so that two equal calls of one turn count once. The gradient at the point that
training holds brings the loss there with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.ir import EachAxis, Loop, Statement, Step, When, asks_gradient, reads
from thetaprime.ops import ORACLES

Key = tuple[str, str]  # oracle, batch: this, fresh or full
Counts = Counter[Key]
# The words of the language for what an oracle gives, in the order in which they are told.
_WORDS = {"loss": "loss", "grad": "gradient", "hvp": "Hessian-vector product",
          "hess": "Hessian", "slope": "directional derivative", "rows": "gradient of each example",
          "out": "model output", "push": "Jacobian-vector product",
          "pull": "vector-Jacobian product", "dell": "gradient in output space",
          "hess_ell": "Hessian-vector product in output space",
          "ggn": "Gauss-Newton-vector product", "grads": "gradient of each task",
          "losses": "loss of each task"}
_BATCHES = {"this": "on this step's batch", "fresh": "on fresh batches", "full": "on all data"}


@dataclass(frozen=True)
class Call:
    """``oracle`` is asked ``least`` to ``most`` times in a step on ``batch``."""

    oracle: str
    batch: str
    least: int
    most: int

    def __str__(self) -> str:
        number = str(self.most) if self.least == self.most else f"{self.least} to {self.most}"
        word = _WORDS[self.oracle]
        if self.most != 1:
            head, space, rest = word.partition(" of ")
            plural = "es" if head.endswith("s") else "s"
            word = f"{head}{plural}{space}{rest}"
        return f"{number} {word} {_BATCHES[self.batch]}"


def asks_more(step: Step) -> bool:
    """Whether a step asks for more than the gradient and the loss where training holds."""
    return bool(asked_of(step))


def asked_of(step: Step) -> list[Apply]:
    """The oracles that a step writes out."""
    return [n for s in step.body for e in reads(s) for n in walk(e)
            if isinstance(n, Apply) and n.op in ORACLES]


def oracles_of(step: Step) -> tuple[str, ...]:
    """The oracles that a step asks, in the order of the table."""
    found = {n.op for n in asked_of(step)}
    if asks_gradient(step):
        found.add("grad")
    elif _reads_loss(step):
        found.add("loss")
    return tuple(name for name in ORACLES if name in found)


def signature(step: Step, given: Mapping[str, int] | None = None) -> tuple[Call, ...]:
    """Every oracle of a step with its least and most calls. ``given`` are values of integer
    hyperparameters; the others are at their defaults."""
    numbers = {h.name: int(h.default.value) for h in step.hypers
               if h.static and isinstance(h.default, Num)} | dict(given or {})
    least, most = _count(step.body, numbers, {a.name: a.length for a in step.axes})
    at_point: Key = ("grad" if asks_gradient(step) else "loss", "this")
    if asks_gradient(step) or _reads_loss(step):
        least[at_point] += 1
        most[at_point] += 1
    order = list(ORACLES)
    return tuple(Call(name, batch, least[name, batch], most[name, batch])
                 for name, batch in sorted(most, key=lambda k: (order.index(k[0]),
                                                                list(_BATCHES).index(k[1]))))


def whole(expr: Expr, numbers: Mapping[str, int]) -> int | None:
    """The value of a count: numbers, integer hyperparameters, sums and products of them."""
    match expr:
        case Num():
            return int(expr.value)
        case Sym(name):
            return numbers.get(name)
        case Apply("+" | "-" | "*" as op, (left, right)):
            a, b = whole(left, numbers), whole(right, numbers)
            if a is None or b is None:
                return None
            return a + b if op == "+" else a - b if op == "-" else a * b
    return None


def _reads_loss(step: Step) -> bool:
    return any(n == Sym("loss") for s in step.body for e in reads(s) for n in walk(e))


def _count(
    body: Iterable[Statement], numbers: Mapping[str, int], axes: Mapping[str, int | str]
) -> tuple[Counts, Counts]:
    """Least and most calls of a body."""
    least: Counts = Counter()
    most: Counts = Counter()
    known: set[Apply] = set()
    for statement in body:
        for call in _calls(statement):
            if call not in known:
                known.add(call)
                key = call.op, call.over[0]
                least[key] += 1
                most[key] += 1
        match statement:
            case When(_, then, otherwise):
                low, high = (_count(b, numbers, axes) for b in (then, otherwise))
                least += low[0] & high[0]
                most += low[1] | high[1]
            case Loop(_, turns, inner):
                low_, high_ = _count(inner, numbers, axes)
                times = whole(turns, numbers) or 0
                first = min(times, 1) if statement.until is not None else times
                least += Counter({k: n * first for k, n in low_.items()})
                most += Counter({k: n * times for k, n in high_.items()})
            case EachAxis():
                pass
    return least, most


def _calls(statement: Statement) -> Iterator[Apply]:
    """The oracles that a statement itself asks, not its insides."""
    match statement:
        case When(condition):
            exprs: tuple[Expr, ...] = (condition,)
        case Loop(carries) | EachAxis(_, carries):
            exprs = tuple(c.start for c in carries)
        case _:
            exprs = reads(statement)
    for expr in exprs:
        for node in walk(expr):
            if isinstance(node, Apply) and node.op in ORACLES:
                yield node
