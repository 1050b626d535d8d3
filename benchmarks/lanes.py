"""Thousands of runs of a step at once: the generated JAX program, vectorised over its runs.

A `Batch` holds as many runs (lanes) as its arrays are long; every number in it is a short binary
fraction, so that a lane can be run again exactly. What a claim compares is made a state of the
program: it is computed by the generated code, not by the interpreter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from thetaprime.arguments import draws
from thetaprime.backends.jax_plan import factory_name, parameter_names
from thetaprime.backends.module import load
from thetaprime.backends.to_jax import emit
from thetaprime.claims.questions import Question
from thetaprime.claims.runs import Trial
from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.ir import Equation, Hyper, State, Step, reads, statements
from thetaprime.ops import ORACLES
from thetaprime.signature import asks_more
from thetaprime.types import SCALAR, Type

jax.config.update("jax_enable_x64", True)
Shapes = tuple[tuple[int, ...], ...]
Array = Any


@dataclass(frozen=True)
class Batch:
    """``hypers``: an array of a number for each lane, or one value for all of them; of ``point``
    and each of ``gradients`` every tensor has the lanes as its first axis; ``losses[t, lane]``."""

    hypers: Mapping[str, Any]
    point: tuple[Array, ...]
    gradients: tuple[tuple[Array, ...], ...]
    losses: Array

    @property
    def lanes(self) -> int:
        return int(self.point[0].shape[0])

    def lane(self, k: int) -> Trial:
        """One of the runs, in exact numbers."""
        hypers = {n: Fraction(float(v[k])) if isinstance(v, np.ndarray) else
                  Fraction(v) if isinstance(v, int | float) else v
                  for n, v in self.hypers.items()}
        return Trial(hypers, _exact(self.point, k), tuple(_exact(g, k) for g in self.gradients))


def _exact(tree: Sequence[Array], k: int) -> tuple[Any, ...]:
    found = []
    for array in tree:
        out = np.empty(array.shape[1:], object)
        out.reshape(-1)[:] = [Fraction(float(v)) for v in array[k].ravel()]
        found.append(out)
    return tuple(found)


# Drawing.


def batch(
    question: Question, shapes: Shapes, lanes: int, steps: int, rng: np.random.Generator
) -> Batch:
    """Runs that satisfy what a claim says of hyperparameters and gradients, where it says it by
    equations with numbers; the gradients of some rest before the last step."""
    step = question.step
    hypers = _hypers(step, lanes, rng)
    names = {h.name for h in step.hypers}
    last = None
    for one in question.when:
        match one.op, one.left, one.right:
            case "==", Sym(name), Num() as value if name in names:
                kind = step.hyper(name).type.kind
                hypers[name] = (int(value.value) if kind == "int"
                                else np.full(lanes, float(value.value)))
            case "==", Sym(name), Sym(other) if {name, other} <= names:
                hypers[name] = hypers[other]
            case "==", Sym(name), Num() as value if name == step.gradient:
                last = float(value.value)
    point = _tree(shapes, lanes, rng)
    gradients = [_tree(shapes, lanes, rng) for _ in range(steps)]
    way = rng.integers(0, 8, lanes)
    for k in range(steps):
        for leaf, array in enumerate(gradients[k]):
            first = gradients[0][leaf]
            array[way == 1] = first[way == 1]  # the same at every step
            array[way == 2] = first[way == 2]*(-1)**k  # flips its sign
            array[(way == 3) & (rng.random(lanes) < 0.5)] = 0  # rests at some steps
            if k < steps - 1:
                array[way == 4] = 0  # comes late
            array[way == 5] = point[leaf][way == 5]  # that of a bowl around 0, at first
            if k == steps - 2:
                array[way == 6] = 0  # rests once, before the last step
    if question.constant:
        gradients = [gradients[0]]*steps
    if last is not None:
        for k in range(steps):
            for array in gradients[k]:
                array[(way == 7) | np.full(lanes, k == steps - 1)] = last
    losses = np.where(rng.random(lanes) < 0.5, 1.5, rng.integers(0, 64, (steps, lanes))/8)
    return Batch(hypers, tuple(point), tuple(map(tuple, gradients)), losses)


def _tree(shapes: Shapes, lanes: int, rng: np.random.Generator) -> list[Array]:
    """Tensors of seven kinds, the kind of a lane being that of all of its tensors."""
    kind = rng.integers(0, 7, lanes)
    size = 2.0**rng.integers(-20, 21, lanes)
    found = []
    for shape in shapes:
        whole = (lanes, *shape)
        wide = kind.reshape(-1, *(1,)*len(shape))
        fine = rng.integers(-2048, 2049, whole)/1024
        rows = [
            rng.integers(-1, 2, whole).astype(float),
            rng.integers(-16, 17, whole)/8,
            np.broadcast_to(rng.integers(-8, 9, (lanes, *(1,)*len(shape)))/4, whole),
            fine*(rng.random(whole) < 0.3),
            fine*size.reshape(wide.shape),
            fine,
            np.zeros(whole),
        ]
        found.append(np.array(np.choose(np.broadcast_to(wide, whole), rows)))
    return found


def _hypers(step: Step, lanes: int, rng: np.random.Generator) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for hyper in step.hypers:
        if isinstance(hyper.default, tuple):
            continue
        if hyper.type.kind == "function":
            found[hyper.name] = _first
        elif hyper.type.kind == "int":
            found[hyper.name] = _whole(hyper, rng)
        else:
            found[hyper.name] = _numbers(hyper, lanes, rng)
    for hyper in step.hypers:  # defaults that follow from others: in half of the lanes
        if isinstance(hyper.default, Apply | Sym) and isinstance(
                found.get(hyper.name), np.ndarray):
            follows = rng.random(lanes) < 0.5
            try:
                value = np.broadcast_to(value_of(hyper.default, found), (lanes,))
            except KeyError:
                continue
            found[hyper.name] = np.where(follows & np.isfinite(value), value, found[hyper.name])
    return found


def _first(*args: Any) -> Any:
    return args[0]


def _whole(hyper: Hyper, rng: np.random.Generator) -> int:
    known = [int(hyper.default.value)] if isinstance(hyper.default, Num) else []
    options = [v for v in (*known, *known, 1, 2, 3) if hyper.range is None or v in hyper.range]
    return int(rng.choice([v for v in options if v < 50] or known or [1]))


def _numbers(hyper: Hyper, lanes: int, rng: np.random.Generator) -> Array:
    """The default, ends, numbers near ends, numbers inside; all within the range."""
    bounds = hyper.range
    low = None if bounds is None or bounds.low is None else float(bounds.low)
    high = None if bounds is None or bounds.high is None else float(bounds.high)
    default = float(hyper.default.value) if isinstance(hyper.default, Num) else 0.5
    near = 2.0**-rng.integers(1, 30, lanes)
    bottom = 0.0 if low is None else low
    top = bottom + 1 if high is None else high
    size = rng.integers(1, 16, lanes)*2.0**rng.integers(-20, 17, lanes)
    wide = bottom + size if high is None else bottom + (top - bottom)*rng.integers(0, 65, lanes)/64
    rows = [
        np.full(lanes, default), np.full(lanes, bottom), np.full(lanes, top),
        bottom + (top - bottom)*near, top - (top - bottom)*near, wide,
        -wide if low is None else wide, rng.integers(-8, 9, lanes)/4]
    found = np.choose(rng.integers(0, len(rows), lanes), rows)
    safe = wide if default not in (bounds or (default,)) else np.full(lanes, default)
    inside = np.array([bounds is None or float(v) in bounds for v in found])
    return np.where(inside, found, np.where(
        [bounds is None or float(v) in bounds for v in safe], safe, bottom + (top - bottom)/2))


_OPS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power,
        "neg": np.negative, "sqrt": np.sqrt, "abs": np.abs, "max": np.maximum, "min": np.minimum}


def value_of(expr: Expr, known: Mapping[str, Any]) -> Any:
    """An expression of numbers, lane by lane. Raises KeyError for what is not in the table."""
    match expr:
        case Num():
            return float(expr.value)
        case Sym(name):
            return known[name]
        case Apply(op, args):
            with np.errstate(all="ignore"):
                return _OPS[op](*(value_of(a, known) for a in args))


# Running.


def watching(step: Step, watched: Sequence[Expr]) -> tuple[Step, dict[Expr, int]]:
    """The step with a state for each watched symbol that holds its value at this step, and the
    places of these states."""
    made: dict[Expr, Equation | State] = {Sym(s.name): s for s in step.states}
    made |= {s.target: s for s in statements(step.body) if isinstance(s, Equation)}
    body, states = list(step.body), list(step.states)
    places: dict[Expr, int] = {}
    for expr in watched:
        if isinstance(expr, Num) or expr in places:
            continue
        places[expr] = len(states)
        source = made.get(expr) if isinstance(expr, Sym) else None
        guard = None if source is None else source.guard
        kind = expr.type or _type_of(step, expr)
        name = f"watched{len(places)}"
        value: Expr = replace(expr, type=kind)
        if kind.kind != "real":
            kind = kind.of_kind("real")
            if value.type is not None and value.type.kind == "bool":
                value = Apply("if", (value, Num("1", kind), Num("0", kind)), type=kind)
        states.append(State(name, kind, Num("0", SCALAR), guard=guard))
        body.append(Equation(Sym(name, True, kind), value, guard=guard))
    return replace(step, states=tuple(states), body=tuple(body)), places


def _type_of(step: Step, expr: Expr) -> Type:
    """The type of a symbol that no equation of the step defines."""
    assert isinstance(expr, Sym)
    for state in step.states:
        if state.name == expr.name:
            return state.type
    for hyper in step.hypers:
        if hyper.name == expr.name:
            return hyper.type
    return Type() if expr.name in (step.point, step.gradient) else SCALAR


def runs(
    step: Step, given: Batch, watched: Sequence[Expr]
) -> Iterator[tuple[list[Array], dict[Expr, list[Array]]]]:
    """After each step: the tensors, and of each watched expression one array for each tensor that
    has it, or a single one; the lanes come first."""
    seen, places = watching(step, watched)
    module = load(emit(seen), f"lanes_{step.name}")
    names = parameter_names(seen)
    fixed = {names[n]: v for n, v in given.hypers.items()
             if n in names and not isinstance(v, np.ndarray)}
    traced = {names[n]: v for n, v in given.hypers.items()
              if n in names and isinstance(v, np.ndarray)}
    factory = getattr(module, factory_name(step.name))

    def one(hypers: Any, params: Any, gradients: Any, losses: Any) -> Any:
        program = factory(**fixed, **hypers)
        state, found = program.init(params), []
        for k, gradient in enumerate(gradients):
            if asks_more(step):
                params, state = program.step(params, state, (params, gradient), curved)
            else:
                change, state = program.update(gradient, state, params, value=losses[k])
                params = jax.tree.map(lambda p, d: p + d, params, change)
            found.append((params, {str(i): state[1 + i] for i in places.values()}))
        return found

    answer = jax.vmap(one, in_axes=(0, 0, 0, 1))(
        traced, list(given.point), [list(g) for g in given.gradients], given.losses)
    for params, values in jax.tree.map(np.asarray, answer):
        yield list(params), {e: tensors(values[str(i)]) for e, i in places.items()}


def vectorised(step: Step) -> bool:
    """Whether many runs of a step can be made at once: nothing is drawn, and what it asks follows
    from the loss on this step's batch."""
    asked = [n for s in step.body for e in reads(s) for n in walk(e)
             if isinstance(n, Apply) and n.op in ORACLES]
    return not draws(step) and all(
        n.op in ("loss", "grad", "hvp", "slope") and n.over == ("this",) for n in asked)


def curved(y: Any, batch: Any) -> Any:
    """The loss of `claims.problem.Curved` around the point of a step, with the gradient there:
    3/2 + g.d + |d|^2/2 + sum(d^3)/6 with d = y - x."""
    point, gradient = batch
    return 1.5 + sum(jnp.sum(g*d + d*d/2 + d*d*d/6) for g, d in zip(
        gradient, [p - q for p, q in zip(y, point, strict=True)], strict=True))


def tensors(value: Any) -> list[Array]:
    """Of a value with one entry for each tensor, or of a single one: all arrays, where a tensor
    has one for each of its axes these."""
    if isinstance(value, list | tuple):
        return [array for v in value if v is not None for array in tensors(v)]
    return [value]
