"""A step in few bits, as generated programs take it: computed in float32, what is kept between
steps in the dtype of its parameter, or in the one that `numerics` names.

A `Trial` runs a rule on gradients of one size in every entry, exactly (float64) or in few bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from thetaprime.bowl import Bowl, Tensors
from thetaprime.check.direction import LARGER, POINT, inside, on_bowl
from thetaprime.cost import integers
from thetaprime.guards import holds
from thetaprime.interpret import Memory, advance, start
from thetaprime.ir import EachAxis, Loop, Statement, Step, When
from thetaprime.numbers import FLOAT, SINGLE
from thetaprime.signature import whole
from thetaprime.storage import kept
from thetaprime.types import Extent


@dataclass(frozen=True)
class Format:
    """``digits`` of the significand in binary, the largest number, the smallest above 0."""

    name: str
    digits: int
    largest: float
    smallest: float

    @property
    def unit(self) -> float:
        """A relative change of at least this much moves every number, a smaller one not all."""
        return 2.0 ** -self.digits


FORMATS = {
    f.name: f for f in (
        Format("float16", 11, 65504.0, 2.0 ** -24),
        Format("bfloat16", 8, 2.0 ** 128 * (1 - 2.0 ** -8), 2.0 ** -133),
        Format("float32", 24, 2.0 ** 128 * (1 - 2.0 ** -24), 2.0 ** -149),
        Format("float64", 53, float(np.finfo(np.float64).max), 2.0 ** -1074),
    )
}


@dataclass(frozen=True)
class Conditions:
    """What a rule is judged for: the dtype and the usual size of parameters, the least and the
    largest size of gradients."""

    dtype: str = "float32"
    gradients: tuple[float, float] = (1e-7, 1e4)
    size: float = 1.0


@dataclass(frozen=True)
class Frame:
    """What is known after a step (or before the first): the parameters and every state, each as
    the arrays that it consists of."""

    point: list[Any]
    values: Mapping[str, list[Any]]

    @cached_property
    def finite(self) -> bool:
        return all(np.all(np.isfinite(a)) for a in (*self.point, *flat(self.values.values())))

    def size(self, name: str) -> float:
        """The largest entry of a state."""
        return max((float(np.max(np.abs(a), initial=0.0)) for a in self.values[name]), default=0.0)


class Ramp(Bowl):
    """Gradients of one size with given signs, wherever they are asked for; curvature of the
    same size."""

    def __init__(self, tasks: int, slopes: Sequence[Any]) -> None:
        super().__init__(tasks)
        self.slopes = list(slopes)
        self.scale = float(np.max(np.abs(slopes[0])))

    def loss(self, x: Tensors, batch: Any, name: str = "") -> Any:
        return sum(np.sum(s * p) for s, p in zip(self.slopes, x, strict=True))

    def grad(self, x: Tensors, batch: Any, name: str = "") -> Tensors:
        return list(self.slopes)

    def grads(self, x: Tensors, batch: Any) -> Tensors:
        return [np.stack([s] * self.tasks) for s in self.slopes]

    def rows(self, x: Tensors, batch: Any) -> Tensors:
        return [np.stack([2 * s, 0 * s]) for s in self.slopes]

    def slope(self, x: Tensors, v: Tensors, batch: Any, name: str = "") -> Any:
        return self.loss(v, batch)

    def hvp(self, x: Tensors, v: Tensors, batch: Any, name: str = "") -> Tensors:
        return [self.scale * d for d in v]

    ggn = hvp


@dataclass
class Patience:
    """How many statements may still be executed with other settings, to find one that is right. Ten
    seconds or so: what people write takes less than a tenth of it, but for loops in loops."""

    left: int = 300_000


@dataclass(frozen=True)
class Trial:
    """A rule at its defaults, with numbers for hyperparameters that have none; ``given`` has the
    last word. ``formats``: what each state is kept in; None: it is rounded at random, so that it
    is right on average."""

    step: Step
    conditions: Conditions
    given: Mapping[str, float]
    formats: Mapping[str, Format | None]
    point: tuple[Any, ...]
    known: dict[Any, list[Frame]] = field(default_factory=dict, compare=False, repr=False)
    patience: Patience = field(default_factory=Patience, compare=False, repr=False)
    trying: bool = False

    @property
    def format(self) -> Format:
        """That of the parameters."""
        return FORMATS[self.conditions.dtype]

    def steps(self, most: int) -> int:
        """How many steps a run has: fewer where one step is long."""
        return max(2, min(most, 2000 // self.work))

    @cached_property
    def work(self) -> int:
        """How many statements a step executes."""
        return _work(self.step, self.step.body)

    def setting(self, name: str, value: float) -> Trial:
        """The same with another value of a hyperparameter."""
        return replace(self, given={**self.given, name: value}, known={}, trying=True)

    def storing(self, name: str, form: Format) -> Trial:
        """The same with a state stored in another format."""
        return replace(self, formats={**self.formats, name: form}, known={})

    def run(self, gradients: Sequence[float], exact: bool = True, late: int = 0) -> list[Frame]:
        """A frame before the first step and one after each, with a gradient of this size in each
        entry. From step ``late`` on the rule believes that it has made 10000 steps."""
        asked = tuple(gradients), exact, late
        if asked not in self.known:
            self.known[asked] = self._run(gradients, exact, late)
        return self.known[asked]

    def _run(self, gradients: Sequence[float], exact: bool, late: int) -> list[Frame]:
        self.patience.left -= self.work*len(gradients)*self.trying
        numbers = FLOAT if exact else SINGLE
        bowl = on_bowl(self.step, self.given)
        with np.errstate(all="ignore"):
            memory = start(self.step, self.point, self.given, numbers)
            x = [numbers.array(p) for p in self.point]
            memory, x = self._kept(memory, x, x, exact)
            frames = [_frame(x, memory)]
            for k, size in enumerate(gradients, 1):
                if late == k:
                    memory = replace(memory, t=10_000)
                ramp = Ramp(bowl.problem.tasks, [size * np.sign(p) for p in self.point])
                moved, memory = advance(self.step, memory, x, given=self.given, numbers=numbers,
                                        asked=replace(bowl, problem=ramp))
                memory, x = self._kept(memory, moved, x, exact)
                frames.append(_frame(x, memory))
        return frames

    def _kept(
        self, memory: Memory, moved: list[Any], x: list[Any], exact: bool
    ) -> tuple[Memory, list[Any]]:
        """What is left of it when a step ends; the change of a parameter is rounded, then added."""
        if exact:
            return memory, moved
        values = {n: _rounded(v, self.formats[n]) for n, v in memory.values.items()}
        changes = _rounded([m - p for m, p in zip(moved, x, strict=True)], self.format)
        return (replace(memory, values=values),
                _rounded([p + c for p, c in zip(x, changes, strict=True)], self.format))


def trial(step: Step, conditions: Conditions) -> Trial:
    """A step under conditions."""
    given = {h.name: inside(h.range) for h in step.hypers if h.default is None}
    formats: dict[str, Format | None] = {}
    for state in step.states:
        own = conditions.dtype if state.type.extent is Extent.ENTRY else "float32"
        name, rounding = state.storage or (own, "")
        formats[state.name] = FORMATS[name] if not rounding else None
    # Sizes of 1.25 and more: above a power of two, where neighbours lie equally far apart.
    shapes = [p for p in POINT if holds(step.takes, {"rank": p.ndim}, "")] or LARGER
    point = tuple(conditions.size * np.sign(p) * (1.25 + np.abs(p) / 4) for p in shapes)
    bare = replace(step, states=tuple(replace(s, storage=None) for s in step.states))
    return Trial(bare, conditions, given, formats, point)


def flat(values: Iterable[Any]) -> list[Any]:
    """The arrays of nested lists and tuples; those that are missing are left out."""
    found = []
    for value in values:
        if isinstance(value, list | tuple):
            found += flat(value)
        elif value is not None:
            found.append(value)
    return found


def _frame(x: list[Any], memory: Memory) -> Frame:
    return Frame(list(x), {n: flat([v]) for n, v in memory.values.items()})


def _rounded(value: Any, form: Format | None) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_rounded(v, form) for v in value)
    if value is None or form is None or np.asarray(value).dtype.kind != "f":
        return value
    return kept(value, (form.name, ""), 0, "", 0, 0).astype(np.float32)


def _work(step: Step, body: Iterable[Statement]) -> int:
    """Statements that one step executes; a loop of unknown length turns ten times."""
    total = 0
    for statement in body:
        match statement:
            case Loop():
                turns = whole(statement.turns, integers(step))
                total += (10 if turns is None else turns) * (1 + _work(step, statement.body))
            case EachAxis():
                total += 2 * _work(step, statement.body)
            case When():
                total += _work(step, (*statement.then, *statement.otherwise))
            case _:
                total += 1
    return total
