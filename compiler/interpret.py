"""The meaning of a step, executed directly: the referee of every backend.

Tensors are a list of arrays, in any `numbers.Field`: float64, exact rationals, mpmath. Nothing is
in place, nothing is clever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from thetaprime.along import along
from thetaprime.asking import Asked, MissingOracle
from thetaprime.draws import draw
from thetaprime.expr import Apply, Expr, Num, Sym, walk
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
    asks_gradient,
)
from thetaprime.matrices import (
    each_axis,
    fact,
    facts,
    families,
    is_fact,
    length,
    own_axes,
    refuse,
    started,
    structure,
    takers,
)
from thetaprime.numbers import FLOAT, Array, Field
from thetaprime.ops import ALONG, LINEAR, OPS, ORACLES, REDUCTIONS, STRUCTURE, is_reduction
from thetaprime.storage import kept
from thetaprime.types import Extent, Type

Tensors = list[Array]
# A quantity: one array when it is a scalar of the model, one for each tensor otherwise.
Value = Array | Tensors
Hyperparameter = Any


@dataclass
class Memory:
    """States by name, and the number of steps done."""

    t: int = 0
    values: dict[str, Value] = field(default_factory=dict)


@dataclass
class Run:
    """One evaluation: the field, the shapes of the tensors, and what symbols are now."""

    step: Step
    numbers: Field
    shapes: list[tuple[int, ...]]
    env: dict[Sym, Value]
    t: int
    seed: int = 0
    asked: Asked | None = None
    turn: int = 0  # of all loops around, counted together
    paths: Sequence[str] = ()
    active: frozenset[int] = frozenset()  # the tensors for which something is computed
    axis: tuple[str, int] | None = None  # the axis of each tensor inside of `EachAxis`

    def only(self, guard: Expr | None) -> Run:
        """The evaluation for the tensors that satisfy a guard; it shares what symbols are."""
        return self if guard is None else replace(self, active=takers(self, guard))

    def value(self, expr: Expr) -> Value:
        """The value of a typed expression."""
        if isinstance(expr, Num):
            return self.numbers.array(self.numbers.number(expr.value))
        if isinstance(expr, Sym):
            return fact(self, expr) if expr not in self.env and is_fact(expr) else self.env[expr]
        assert expr.type is not None
        if expr.op in ORACLES:
            return self._ask(expr)
        if expr.op == "extern":
            return self._extern(expr)
        if expr.op in ALONG:
            return along(expr, [self.value(a) for a in expr.args], self.lengths())
        if expr.op in LINEAR or expr.op in STRUCTURE:
            return structure(self, expr)
        if is_reduction(expr):
            return self._reduce(expr)
        if expr.type.extent is Extent.SCALAR:
            return self._apply(expr, [self._one(a, expr.type, None) for a in expr.args])
        known = [self.value(a) for a in expr.args]
        return [
            self._apply(expr, [self._placed(v, a, expr.type, leaf)
                               for v, a in zip(known, expr.args, strict=True)])
            if leaf in self.active else None for leaf in range(len(self.shapes))]

    def _ask(self, expr: Apply) -> Value:
        if self.asked is None:
            raise MissingOracle(expr.op)
        answer = self.asked.answer(expr, [self.value(a) for a in expr.args])
        if ORACLES[expr.op].gives == "entry":
            return [self.numbers.array(a) for a in answer]
        return self.numbers.array(answer)

    def _extern(self, expr: Apply) -> Value:
        function: Any = self.env[Sym(expr.over[0])]
        args = [self.value(a) for a in expr.args]
        if not any(isinstance(a, list) for a in args):
            return self.numbers.array(function(*args))
        return [self.numbers.array(function(*(a[k] if isinstance(a, list) else a for a in args)))
                if k in self.active else None for k in range(len(self.shapes))]

    def lengths(self) -> dict[str, int]:
        """The lengths of the named axes that are known before the step runs."""
        found = {}
        for axis in self.step.axes:
            known = axis.length if isinstance(axis.length, int) else self.env.get(Sym(axis.length))
            if known is not None:
                found[axis.name] = int(np.asarray(known))
        return found

    def _one(self, arg: Expr, target: Type, leaf: int | None) -> Array:
        return self._placed(self.value(arg), arg, target, leaf)

    def _placed(self, value: Value, arg: Expr, target: Type, leaf: int | None) -> Array:
        """A value laid out to broadcast into ``target``: axes by name, then the entries."""
        assert arg.type is not None
        array = value[leaf] if isinstance(value, list) and leaf is not None else value
        assert not isinstance(array, list)
        return self._align(array, arg.type, target, leaf)

    def _align(self, array: Array, kind: Type, target: Type, leaf: int | None) -> Array:
        if kind.axes == target.axes and (kind.extent is Extent.ENTRY
                                         or target.extent is not Extent.ENTRY):
            return array
        entry = self.shapes[leaf] if leaf is not None and target.extent is Extent.ENTRY else ()
        own = array.shape[len(kind.axes):]
        order = [kind.axes.index(a) for a in target.axes if a in kind.axes]
        array = np.transpose(array, (*order, *range(len(kind.axes), array.ndim)))
        sizes = iter(array.shape[: len(kind.axes)])
        shape = [next(sizes) if a in kind.axes else 1 for a in target.axes]
        trailing = own if kind.extent is Extent.ENTRY else (1,) * len(entry)
        return array.reshape((*shape, *trailing))

    def _apply(self, expr: Apply, args: list[Array]) -> Array:
        row = OPS[expr.op]
        if row.fix == "constant":
            constants = {"pi": np.pi, "inf": np.inf, "true": True, "false": False}
            if expr.op in ("true", "false"):
                return np.asarray(constants[expr.op])
            return self.numbers.array(constants[expr.op])
        if expr.op == "if":
            return self._array(np.where(args[0].astype(bool), args[1], args[2]), args)
        if expr.op == "default":
            finite = np.asarray(self.numbers.function("isfinite")(args[0])).astype(bool)
            return self._array(np.where(finite, args[0], args[1]), args)
        if expr.op == "/":
            return self._array(self.numbers.divide(*args), args)
        function = self.numbers.function(row.array)
        result = args[0] if len(args) > 1 else function(args[0])
        for arg in args[1:]:
            result = function(result, arg)
        if row.typing in ("compare", "logic"):
            return np.asarray(result).astype(bool)
        return self._array(result, args)

    def _array(self, value: Any, args: Sequence[Array]) -> Array:
        """Functions of 0-d object arrays give bare numbers: make them arrays again."""
        if isinstance(value, np.ndarray):
            return value
        out = np.empty((), self.numbers.dtype)
        out[()] = value
        return out

    def _reduce(self, expr: Apply) -> Value:
        (arg,), (over,) = expr.args, expr.over
        assert arg.type is not None
        value = self.value(arg)
        axes = len(arg.type.axes)
        function: Callable[..., Any] = REDUCTION[REDUCTIONS[expr.op].name]
        if over not in ("model", "tensor"):
            where = arg.type.axes.index(over)
            if isinstance(value, list):
                return [None if v is None else self._array(function(v, (where,)), ())
                        for v in value]
            return self._array(function(value, (where,)), ())
        if isinstance(value, list):
            assert expr.type is not None
            own = own_axes(arg.type, expr.type)
            parts = [None if k not in self.active else
                     self._array(function(v, (*own, *range(axes, v.ndim))), ())
                     for k, v in enumerate(value)]
            if over == "tensor":
                return parts
            known = [p for p in parts if p is not None]
            combine = REDUCTIONS[expr.op]
            if not known:
                return self.numbers.array(EMPTY[combine.combine])
            return self._array(COMBINE[combine.combine](np.stack(known), (0,)), ())
        return self._array(function(value, ()), ())

    def execute(self, body: Sequence[Statement]) -> None:
        """Runs statements in order; what they define is in ``env``."""
        for statement in body:
            match statement:
                case Equation(target, value, _, guard):
                    some = self.only(guard)
                    self.env[target] = some._fitted(some.value(value), value, target)
                case First(target, value, _, guard):
                    if self.t == 1:
                        some = self.only(guard)
                        self.env[target] = some._fitted(some.value(value), value, target)
                case Draw(target, distribution, args, _, guard):
                    self.env[target] = self.only(guard).drawn(target, distribution, args)
                case When(condition, then, otherwise):
                    self.execute(then if np.all(self.value(condition)) else otherwise)
                case Loop():
                    self.only(statement.guard)._loop(statement)
                case EachAxis():
                    each_axis(self.only(statement.guard), statement)

    def _loop(self, loop: Loop) -> None:
        for carry in loop.carries:
            self.env[carry.value] = self._fitted(self.value(carry.start), carry.start, carry.value)
        turns = int(np.asarray(self.value(loop.turns)))
        around = self.turn
        for turn in range(turns):
            self.turn = around * turns + turn
            self.env[loop.turn] = self.numbers.array(turn)
            self.execute(loop.body)
            for carry in loop.carries:
                self.env[carry.value] = self.env[replace(carry.value, prime=True)]
            if loop.until is not None and np.all(self.env[loop.until]):
                break
        self.turn = around

    def _fitted(self, value: Value, expr: Expr, target: Sym) -> Value:
        assert target.type is not None
        assert expr.type is not None
        return self.fitted(value, expr.type, target.type)

    def fitted(self, value: Value, kind: Type, target: Type) -> Value:
        """A value broadcast into the type of what it defines."""
        if kind.extent == target.extent and kind.axes == target.axes:
            return value
        if target.extent is Extent.SCALAR:
            sizes = tuple(self.lengths()[a] for a in target.axes)
            assert not isinstance(value, list)
            return np.broadcast_to(self._align(value, kind, target, None), sizes).copy()
        out = []
        for leaf, shape in enumerate(self.shapes):
            if leaf not in self.active:
                out.append(None)
                continue
            array = value[leaf] if isinstance(value, list) else value
            sizes = self._sizes(target, leaf)
            full = (*sizes, *shape) if target.extent is Extent.ENTRY else sizes
            out.append(np.broadcast_to(self._align(array, kind, target, leaf), full).copy())
        return out

    def _sizes(self, kind: Type, leaf: int) -> tuple[int, ...]:
        """The lengths of the axes of a type for one tensor."""
        known = facts(self, leaf)
        return tuple(length(a, known) for a in kind.axes)

    def drawn(self, target: Sym, distribution: str, args: tuple[Expr, ...]) -> Value:
        """A draw whose key is (seed, name, t, tensor, entry)."""
        assert target.type is not None
        kind = target.type
        if kind.extent is Extent.SCALAR:
            sizes = tuple(self.lengths()[a] for a in kind.axes)
            given = tuple(self._one(a, kind, None) for a in args)
            return self.numbers.array(draw(distribution, given, self.seed, target.name, self.t,
                                           0, sizes, self.turn))
        out = []
        for leaf, shape in enumerate(self.shapes):
            if leaf not in self.active:
                out.append(None)
                continue
            sizes = self._sizes(kind, leaf)
            given = tuple(self._one(a, kind, leaf) for a in args)
            full = (*sizes, *shape) if kind.extent is Extent.ENTRY else sizes
            out.append(self.numbers.array(draw(distribution, given, self.seed, target.name,
                                               self.t, leaf, full, self.turn)))
        return out


REDUCTION: dict[str, Callable[..., Any]] = {
    "sum": lambda v, axes: np.sum(v, axis=axes), "mean": lambda v, axes: np.mean(v, axis=axes),
    "max": lambda v, axes: np.max(v, axis=axes), "min": lambda v, axes: np.min(v, axis=axes),
    "all": lambda v, axes: np.all(v, axis=axes), "any": lambda v, axes: np.any(v, axis=axes),
    "size": lambda v, axes: np.prod([v.shape[a] for a in axes], dtype=int),
}
# A reduction of the model where no tensor is.
EMPTY = {"add": 0, "max": -np.inf, "min": np.inf, "and": True, "or": False}
COMBINE: dict[str, Callable[..., Any]] = {
    "add": REDUCTION["sum"], "max": REDUCTION["max"], "min": REDUCTION["min"],
    "and": REDUCTION["all"], "or": REDUCTION["any"],
}


def hyperparameters(
    step: Step, given: Mapping[str, Hyperparameter], t: int, numbers: Field = FLOAT
) -> dict[Sym, Value]:
    """The values of hyperparameters at step ``t``: schedules are evaluated at t - 1.

    Raises KeyError for a required one that is missing.
    """
    run = Run(step, numbers, [], {}, t)
    pending = []
    for hyper in step.hypers:
        value = given.get(hyper.name)
        if hyper.type.kind == "function" and value is not None:
            run.env[Sym(hyper.name)] = value
            continue
        if callable(value):
            value = value(t - 1)
        if value is not None:
            run.env[Sym(hyper.name)] = numbers.array(value)
        elif hyper.default is None:
            raise KeyError(hyper.name)
        else:
            pending.append(hyper)
    while pending:
        hyper = pending.pop(0)
        default = hyper.default
        assert default is not None
        parts = default if isinstance(default, tuple) else (default,)
        if any(isinstance(n, Sym) and n not in run.env for p in parts for n in walk(p)):
            pending.append(hyper)
        elif isinstance(default, tuple):
            run.env[Sym(hyper.name)] = np.array([run.value(p) for p in default], numbers.dtype)
        else:
            run.env[Sym(hyper.name)] = run.value(default)
    return run.env



def start(
    step: Step, params: Sequence[Any], given: Mapping[str, Hyperparameter] | None = None,
    numbers: Field = FLOAT, seed: int = 0, paths: Sequence[str] | None = None,
) -> Memory:
    """The states before the first step, for a list of tensors; ``paths`` are their names. Raises
    WrongTensor for one that the step is not for."""
    point = [numbers.array(p) for p in params]
    env = hyperparameters(step, given or {}, 1, numbers)
    env[Sym(step.point)] = point
    run = _run(step, numbers, point, env, 0, seed, paths=paths)
    refuse(step, run.shapes, run.paths)
    along = families(step)
    memory = Memory()
    for state in sorted(step.states, key=lambda s: not s.constant):
        if isinstance(state.start, Draw):
            value = run.only(state.guard).drawn(state.start.target, state.start.distribution,
                                                state.start.args)
        else:
            value = started(run.only(state.guard), state.start, state.type, along)
        memory.values[state.name] = value
        run.env[Sym(state.name)] = value
    return memory


def advance(
    step: Step, memory: Memory, params: Sequence[Any], grads: Sequence[Any] | None = None,
    given: Mapping[str, Hyperparameter] | None = None, loss: Any = None,
    numbers: Field = FLOAT, seed: int = 0, asked: Asked | None = None,
    paths: Sequence[str] | None = None,
) -> tuple[Tensors, Memory]:
    """One step: the new tensors and the new memory; nothing given is changed.

    Without ``grads`` the gradient (and the loss) at the point is asked of the problem, if the step
    reads it. Raises MissingOracle.
    """
    t = memory.t + 1
    point = [numbers.array(p) for p in params]
    env = hyperparameters(step, given or {}, t, numbers)
    env[Sym("t")] = numbers.array(t)
    env[Sym(step.point)] = point
    if grads is None and asked is not None and asks_gradient(step):
        grads = asked.problem.grad(point, asked.this)
    if grads is not None:
        env[Sym(step.gradient)] = [numbers.array(g) for g in grads]
    if loss is None and asked is not None:
        loss = asked.problem.loss(point, asked.this)
    if loss is not None:
        env[Sym("loss")] = numbers.array(loss)
    env.update({Sym(n): v for n, v in memory.values.items()})
    run = _run(step, numbers, point, env, t, seed, asked, paths)
    with np.errstate(all="ignore"):
        run.execute(step.body)
    values = {s.name: _stored(run, s) for s in step.states}
    moved = run.env[Sym(step.point, True)]
    assert isinstance(moved, list)
    return moved, Memory(t, values)


def _run(
    step: Step, numbers: Field, point: Tensors, env: dict[Sym, Value], t: int, seed: int = 0,
    asked: Asked | None = None, paths: Sequence[str] | None = None,
) -> Run:
    """An evaluation for all tensors; without paths they are called by their numbers."""
    names = paths if paths is not None else [str(k) for k in range(len(point))]
    return Run(step, numbers, [p.shape for p in point], env, t, seed, asked, 0, names,
               frozenset(range(len(point))))


def _stored(run: Run, state: State) -> Value:
    """What is kept of a state when the step ends."""
    value = run.env[Sym(state.name, not state.constant)]
    if state.storage is None or run.numbers is not FLOAT:
        return value
    if isinstance(value, list):
        return [_kept(v, state, run, k) for k, v in enumerate(value)]
    return run.numbers.array(kept(value, state.storage, run.seed, state.name, run.t, 0))


def _kept(value: Any, state: State, run: Run, leaf: int) -> Any:
    """What is kept of one tensor; of a family, of each axis."""
    assert state.storage is not None
    if isinstance(value, tuple):
        return tuple(_kept(v, state, run, leaf) for v in value)
    return None if value is None else kept(value, state.storage, run.seed, state.name, run.t, leaf)


def evaluation(
    step: Step, memory: Memory, params: Sequence[Any],
    given: Mapping[str, Hyperparameter] | None = None, numbers: Field = FLOAT,
) -> Tensors:
    """The point to evaluate and save: `eval`, or what training holds."""
    point = [numbers.array(p) for p in params]
    if step.evaluate is None:
        return point
    env = hyperparameters(step, given or {}, max(memory.t, 1), numbers)
    env[Sym(step.point)] = point
    env[Sym("t")] = numbers.array(memory.t)
    env.update({Sym(n): v for n, v in memory.values.items()})
    run = _run(step, numbers, point, env, memory.t)
    assert step.evaluate.type is not None
    value = run.fitted(run.value(step.evaluate), step.evaluate.type, Type())
    assert isinstance(value, list)
    return value
