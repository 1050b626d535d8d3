"""Modules that hold many tensors in few arrays, so that a step over them is a few kernels.

Three forms, of which a rule gets the first that it can have:

- ``flat``: all tensors of a dtype lie one after the other in one array. For rules whose equations
  say the same of every entry, whatever tensor it lies in; a reduction over the model is one over
  the array.
- ``stacks``: tensors of equal dtype and shape lie in one array, along a new first axis, and the
  function of one tensor is mapped over it. For rules that tell tensors apart: reductions over a
  tensor, matrices, guards, draws.
- ``tree``: one array for each tensor, as without fusion, where what the rule asks or rounds by
  chance goes tensor by tensor.

The equations read the same in all of them. What differs is how arrays come out of a tree and go
back, which is the work of helpers (`jax_fused_text`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from thetaprime.backends.jax_align import typed
from thetaprime.backends.phases import Phase
from thetaprime.backends.segments import Ask, Choice, Part, Segment, Turns
from thetaprime.expr import Apply, Expr, Sym, walk
from thetaprime.ir import Draw, EachAxis, Loop, Statement, Step, reads, statements
from thetaprime.storage import STOCHASTIC
from thetaprime.types import PARAMS, Extent

Form = Literal["tree", "flat", "stacks"]

# What the module says of its form.
NOTES: dict[Form, str] = {
    "flat": "Compiled with fuse = flat: all tensors of a dtype are one array.",
    "stacks": "Compiled with fuse = flat: the rule tells tensors apart, so that those of equal "
              "shape are one array.",
    "tree": "Compiled with fuse = flat, which changes nothing: {reason}, so that every tensor "
            "stays an array of its own.",
}
HELD: dict[Form, str] = {
    "tree": "a tree like the parameters",
    "flat": "one array for each dtype",
    "stacks": "one array for each shape of tensors",
}


def form_of(step: Step, asks: bool, parts: Iterable[Part | None]) -> tuple[Form, str]:
    """The form in which a step can be fused, and why it is the tree where it must be that;
    ``asks``: the step asks the problem for more than the gradient."""
    if any(s.storage is not None and s.storage[1] == STOCHASTIC for s in step.states):
        return "tree", "states are rounded by chance, tensor by tensor"
    if any(_of_model(node) for s in statements(step.body) for e in reads(s) for node in walk(e)):
        return "tree", "the rule sees the model as one vector"
    walked = [s for part in parts if part is not None for s in _walked(part.segments)]
    if all(same_for_all(s) for s in walked) and not any(
            s.type.extent is Extent.TENSOR or s.guard is not None for s in step.states):
        return "flat", ""
    if asks:
        return "tree", "the rule tells tensors apart and asks the problem itself"
    return "stacks", ""


def _walked(stages: Iterable[Segment]) -> Iterator[Statement]:
    """The statements that are computed for each tensor."""
    for stage in stages:
        match stage:
            case Phase(_, leaves, partials):
                yield from statements((*leaves, *partials))
            case Choice(_, _, then, otherwise):
                yield from _walked((*then.segments, *otherwise.segments))
            case Turns(_, part):
                yield from _walked(part.segments)
            case Ask():
                pass


def same_for_all(statement: Statement) -> bool:
    """Whether a statement means the same in an array of entries as in each tensor of its own."""
    if isinstance(statement, EachAxis):
        return False
    if isinstance(statement, Draw) and typed(statement.target).extent is not Extent.SCALAR:
        return False
    targets = [c.value for c in statement.carries] if isinstance(statement, Loop) else (
        [statement.target] if hasattr(statement, "target") else [])
    guarded = getattr(statement, "guard", None) is not None
    nodes = [node for e in reads(statement) for node in walk(e)]
    return not guarded and all(_of_entries(node) for node in (*nodes, *targets))


def _of_model(node: Expr) -> bool:
    return node.type is not None and PARAMS in node.type.axes


def _of_entries(node: Expr) -> bool:
    if node in (Sym("rank"), Sym("path")):
        return False
    if isinstance(node, Apply) and node.op in ("case", "view", "unview", "extern"):
        return False
    return node.type is None or node.type.extent is not Extent.TENSOR
