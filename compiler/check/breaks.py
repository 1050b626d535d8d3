"""Values that make a formula undefined, found by running the step.

A `Trial` is a short run: hyperparameters, a point, gradients or a quadratic problem. The step is
run with a probe around one operation that has a domain: it sees the arguments, and puts NaN where
they lie outside. A `Break` is a trial in which that happens and in which the NaN reaches the point
or a state: what a branch leaves out, or `default` replaces, breaks nothing. Runs are in float64
first and, where all is rational, once more in exact numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from thetaprime.asking import Asked
from thetaprime.check.direction import LARGER, POINT, Everlasting, inside
from thetaprime.check.trials import FORMS, STEPS, Quadratic, Trial
from thetaprime.cost import integers
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, size
from thetaprime.guards import holds
from thetaprime.interpret import advance, hyperparameters, start
from thetaprime.ir import (
    Draw,
    EachAxis,
    Equation,
    First,
    Hyper,
    Loop,
    Statement,
    Step,
    When,
    asks_gradient,
    reads,
)
from thetaprime.numbers import EXACT, FLOAT, Field
from thetaprime.signature import asks_more
from thetaprime.types import FUNCTION

# How many operations may be spent on one place.
MOST_WORK = 40_000
# A root or a logarithm of less than this is no rounding error of a difference of equals.
_SURELY = 1e-9


@dataclass(frozen=True)
class Break:
    """The step ``t`` of a trial makes an operation undefined at these arguments."""

    trial: Trial
    t: int
    values: tuple[float, ...]


# The probe.

_RESULT, _ARGUMENT = "a result", "argument {}"
_OUTSIDE: dict[str, Callable[..., Any]] = {
    "/": lambda a, b: b == 0,
    "mod": lambda a, b: b == 0,
    "sqrt": lambda a: a < 0,
    "ln": lambda a: a <= 0,
    "^": lambda a, b: ((a == 0) & (b < 0)) | ((a < 0) & (b % 1 != 0)),
}


@dataclass
class Probe:
    """Watches one operation: ``seen`` are its first arguments outside of the domain, where the
    result becomes ``mark``."""

    op: str
    mark: float = np.nan
    args: dict[int, Any] = field(default_factory=dict)
    seen: tuple[float, ...] | None = None

    def functions(self) -> dict[str, Callable[..., Any]]:
        """What the hyperparameters of the probed step are."""
        count = 1 if self.op in ("sqrt", "ln") else 2
        found: dict[str, Callable[..., Any]] = {_RESULT: self._result}
        for k in range(count):
            found[_ARGUMENT.format(k)] = partial(self._argument, k)
        return found

    def _argument(self, k: int, value: Any) -> Any:
        self.args[k] = value
        return value

    def _result(self, value: Any) -> Any:
        args = [self.args[k] for k in sorted(self.args)]
        if not all(np.all(_finite(a)) for a in args):
            return value
        try:
            args = list(np.broadcast_arrays(*args))
            outside = np.asarray(_OUTSIDE[self.op](*args)).astype(bool)
            lost = np.broadcast_to(outside, np.shape(value))
        except ValueError:  # axes in another order: of this nothing is said
            return value
        if not np.any(outside):
            return value
        if self.seen is None:
            at = np.unravel_index(int(np.argmax(outside)), outside.shape)
            self.seen = tuple(float(a[at]) for a in args)
        return np.where(lost, self.mark, value)


def _finite(array: Any) -> Any:
    return np.isfinite(np.asarray(array, dtype=np.float64))


def probed(step: Step, site: Apply) -> Step:
    """The step with functions around an operation and its arguments."""
    def change(node: Expr) -> Expr:
        if not isinstance(node, Apply) or node != site or node.span != site.span:
            return node
        args = tuple(_call(_ARGUMENT.format(k), a) for k, a in enumerate(node.args))
        return _call(_RESULT, replace(node, args=args))

    names = [_RESULT, *(_ARGUMENT.format(k) for k in range(len(site.args)))]
    hypers = (*step.hypers, *(Hyper(n, None, type=FUNCTION) for n in names))
    return replace(step, hypers=hypers, body=mapped(step.body, change), states=tuple(
        s if isinstance(s.start, Draw) else replace(s, start=rewrite(s.start, change))
        for s in step.states))


def _call(name: str, arg: Expr) -> Apply:
    return Apply("extern", (arg,), (name,), arg.type, arg.span)


def mapped(body: Iterable[Statement], change: Callable[[Expr], Expr]) -> tuple[Statement, ...]:
    """The statements with every node of their expressions rewritten, guards apart."""
    return tuple(_mapped(s, change) for s in body)


def _mapped(statement: Statement, change: Callable[[Expr], Expr]) -> Statement:
    match statement:
        case Equation(_, value) | First(_, value):
            return replace(statement, value=rewrite(value, change))
        case Draw(_, _, args):
            return replace(statement, args=tuple(rewrite(a, change) for a in args))
        case When(condition, then, otherwise):
            return replace(statement, condition=rewrite(condition, change),
                           then=mapped(then, change), otherwise=mapped(otherwise, change))
        case Loop() | EachAxis():
            carries = tuple(replace(c, start=rewrite(c.start, change)) for c in statement.carries)
            return replace(statement, carries=carries, body=mapped(statement.body, change))


# The runs.


def find_break(step: Step, site: Apply, runs: Iterable[Trial]) -> Break | None:
    """The first of the trials in which the operation is undefined and the step, too; of a step that
    takes long only a few are run."""
    if any(h.type.kind == "function" for h in step.hypers):
        return None  # nobody has said what its functions do
    watched = probed(step, site)
    runs = islice(runs, MOST_WORK // (STEPS * work(step.body, integers(step))))
    return next((b for trial in runs if (b := broken(watched, site, trial)) is not None), None)


def work(body: Iterable[Statement], known: Mapping[str, int]) -> int:
    """About how many operations a run of statements is; lengths of axes count as two."""
    done = 0
    for statement in body:
        match statement:
            case When(condition, then, otherwise):
                done += size(condition) + work(then, known) + work(otherwise, known)
            case Loop(_, turns, inner):
                count = known.get(turns.name, 2) if isinstance(turns, Sym) else 2
                count = int(turns.value) if isinstance(turns, Num) else count
                done += count * work(inner, known)
            case EachAxis(_, _, inner):
                done += 2 * work(inner, known)
            case _:
                done += 1 + sum(size(e) for e in reads(statement))
    return done


def broken(watched: Step, site: Apply, trial: Trial) -> Break | None:
    """Whether a probed step breaks in a trial; exact numbers have the last word."""
    try:
        found = _run(watched, site, trial, FLOAT)
    except (ArithmeticError, ValueError, LookupError, np.linalg.LinAlgError):
        return None  # a run that cannot be made shows nothing
    if found is None:
        return None
    if asks_more(watched):  # exact numbers grow without bound in loops; an overflow is no break
        harmless = _run(watched, site, trial, FLOAT, mark=1.0) is None
        return found if harmless and _surely(site, found) else None
    try:
        return _run(watched, site, trial, EXACT)
    except (ArithmeticError, TypeError, ValueError):
        return found if _surely(site, found) else None


def _surely(site: Apply, found: Break) -> bool:
    """Whether what is outside of a domain is so by more than a rounding error."""
    first = found.values[0]
    return site.op in ("/", "mod", "^") or abs(first) > _SURELY or first == 0


def _run(
    step: Step, site: Apply, trial: Trial, numbers: Field, mark: float = np.nan
) -> Break | None:
    probe = Probe(site.op, mark)
    given: dict[str, Any] = {h.name: inside(h.range) for h in step.hypers
                             if h.default is None and h.type.kind != "function"}
    given |= {name: int(v) if step.hyper(name).type.kind == "int" else v
              for name, v in trial.given}
    given = {**given, **probe.functions()}
    shapes = [p for p in POINT if holds(step.takes, {"rank": p.ndim}, "")] or LARGER
    point: Any = [numbers.array(trial.point * p) for p in shapes]
    asked = Asked(Quadratic(_tasks(step, given), trial.curvature, trial.offset, numbers),
                  fresh=Everlasting()) if asks_more(step) else None
    with np.errstate(all="ignore"):
        memory = start(step, point, given, numbers)
        for t, word in enumerate(trial.gradients, 1):
            grads = None
            if asked is None and asks_gradient(step):
                grads = [numbers.array(FORMS[word](p)) for p in shapes]
            loss = trial.offset if asked is None else None
            point, memory = advance(step, memory, point, grads, given, loss, numbers, asked=asked)
            outputs = [*point, *(v for value in memory.values.values() for v in _arrays(value))]
            undefined = any(np.any(np.isnan(np.asarray(v, dtype=np.float64))) for v in outputs)
            if probe.seen is not None:
                return Break(trial, t, probe.seen) if undefined else None
            if undefined:
                return None  # something else is
    return None


def _arrays(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for v in value:
            yield from _arrays(v)
    elif value is not None:
        yield value


def _tasks(step: Step, given: Mapping[str, Any]) -> int:
    """How many losses the problem has."""
    lengths = {a.name: a.length for a in step.axes}
    length = lengths.get(step.tasks, 2)
    if isinstance(length, int):
        return length
    return int(np.asarray(hyperparameters(step, given, 1)[Sym(length)]))
