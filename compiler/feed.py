"""What a problem gives to a step that asks for more than the gradient: batches, several losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax

from thetaprime.arguments import CallError
from thetaprime.expr import Num, walk
from thetaprime.guards import holds
from thetaprime.ir import Step, reads
from thetaprime.ops import ORACLES
from thetaprime.problems import Problem
from thetaprime.signature import oracles_of, signature, whole
from thetaprime.types import PARAMS


class Batches(NamedTuple):
    """What a step is given that asks for more than its own batch."""

    this: Any
    fresh: Any
    full: Any


@dataclass(frozen=True)
class Feed:
    """The batches of each step: its own, then ``fresh`` new ones, all data where ``full``."""

    problem: Problem
    fresh: int = 0
    full: bool = False
    losses: tuple[str, ...] = ()

    def __call__(self, step: int) -> Any:
        """What step ``step`` (from 1) is given: a batch, or `Batches` with fresh ones in a list."""
        first = (step - 1) * (1 + self.fresh) + 1
        this = self.problem.batch(first)
        if not self.fresh and not self.full:
            return this
        return Batches(this, [self.problem.batch(first + k + 1) for k in range(self.fresh)],
                       self.problem.full() if self.full else None)


def check_problem(name: str, step: Step, problem: Problem) -> None:
    """Whether the problem answers what the step asks. Raises CallError naming what it lacks."""
    for oracle in oracles_of(step):
        lacks = ""
        if ORACLES[oracle].needs == "losses" and not problem.classified:
            lacks = "has one loss, and no labels to make several of"
        elif oracle == "rows" and not problem.classified:
            lacks = "has no examples"
        if lacks:
            raise CallError("missing-oracle", f"`{name}` asks for `{oracle}`, "
                            f"{ORACLES[oracle].doc}; the problem `{problem.name}` {lacks}",
                            "run it on digits or text")


# More parameters than this: an `eigh` of 2000 takes half a minute on two busy cores.
LARGEST = 1000


def check_size(name: str, step: Step, problem: Problem) -> None:
    """Whether matrices over all parameters, where the step has them, are small enough to train
    with. Raises CallError."""
    exprs = [e for s in step.body for e in reads(s)]
    kinds = [s.type for s in step.states] + [n.type for e in exprs for n in walk(e)]
    size = sum(tensor.size for tensor in jax.tree.leaves(problem.init()))
    if size > LARGEST and any(k is not None and k.axes.count(PARAMS) > 1 for k in kinds):
        raise CallError(
            "too-large", f"`{name}` has matrices over all parameters, and `{problem.name}` has "
            f"{size} of them: such a matrix has {size * size / 1e6:.0f} million entries",
            f"run it on rosenbrock or quadratic: up to {LARGEST} parameters are possible")


def check_tensors(name: str, step: Step, problem: Problem) -> None:
    """Whether the rule is for every tensor of the problem. Raises CallError naming one that it is
    not for."""
    for path, tensor in jax.tree_util.tree_leaves_with_path(problem.init()):
        if not holds(step.takes, {"rank": tensor.ndim}, ""):
            views = " and ".join(f"[{', '.join(view)}]" for view in step.views)
            shown = jax.tree_util.keystr(path, simple=True, separator="/")
            raise CallError(
                "wrong-tensor", f"`{name}` sees tensors along {views}, and {shown} of "
                f"`{problem.name}` has the shape {tensor.shape}",
                f"give it to another optimizer: `route(rank == 2 -> {name}, otherwise -> AdamW)`")


def feed_of(step: Step, problem: Problem, integers: Mapping[str, int]) -> Feed:
    """The batches that a step takes, with these values of integer hyperparameters."""
    numbers = {h.name: int(h.default.value) for h in step.hypers
               if h.static and isinstance(h.default, Num)} | dict(integers)
    full = any(call.batch == "full" for call in signature(step, numbers))
    return Feed(problem, whole(step.fresh, numbers) or 0, full, step.losses)


def grouped(step: Step, problem: Problem, integers: Mapping[str, int]) -> Problem:
    """The problem with as many losses as the step has tasks."""
    if step.losses:
        return replace(problem, tasks=len(step.losses))
    length = next((a.length for a in step.axes if a.name == step.tasks), 0)
    if isinstance(length, str):
        hyper = step.hyper(length)
        default = int(hyper.default.value) if isinstance(hyper.default, Num) else 1
        length = integers.get(length, default)
    return replace(problem, tasks=length) if length else problem
