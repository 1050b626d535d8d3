"""ir -> the text of a NumPy module that works on whole arrays, tensor by tensor.

For steps that do more than rules of the gradient entry by entry: they ask the problem, loop, or
hold matrices. Such a step is a row of segments (`segments`), the text of which is that of a JAX
program (`array_walks`, `array_expr`); this file writes the functions around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import wrap

from thetaprime.backends.array_plan import Plan, calls, make_plan
from thetaprime.backends.array_setup import (
    ENTRIES_BLOCK,
    Block,
    columns,
    entered,
    hyper_lines,
    kept,
    needed_of,
    oracle,
    scalars,
    started,
    varying,
)
from thetaprime.backends.array_text import helpers_for
from thetaprime.backends.array_walks import Scene, Walk, walked, walks
from thetaprime.backends.jax_matrices import fit_lines
from thetaprime.backends.jax_regions import indented
from thetaprime.backends.jax_walks import places_of
from thetaprime.backends.layout import WIDTH, fold_lines
from thetaprime.backends.numpy_signature import needed, signature
from thetaprime.backends.numpy_text import docstring
from thetaprime.backends.numpy_walk import words
from thetaprime.expr import Sym
from thetaprime.ir import Draw, Loop, Step, statements
from thetaprime.ops import ORACLES
from thetaprime.types import PER_ENTRY, Extent


def emit(step: Step) -> str:
    """The text of the module for ``step``; it needs numpy alone."""
    plan = make_plan(step)
    code = joined(functions(plan))
    return module(plan, code, helpers_for(code, in_turns(plan)), "import numpy as np")


def functions(plan: Plan, walk: Walk = walked) -> list[list[str]]:
    """The lines of the functions of a module, in which ``walk`` writes how tensors are gone
    through."""
    found = [_init(plan), _step(plan, walk)]
    return [*found, _evaluate(plan, walk)] if plan.evaluate else found


def joined(parts: Sequence[list[str]]) -> str:
    """The text of functions."""
    return "\n\n\n".join("\n".join(fold_lines(lines)) for lines in parts)


def in_turns(plan: Plan) -> bool:
    """Whether draws stand in loops."""
    return any(isinstance(s, Draw) for loop in statements(plan.step.body)
               if isinstance(loop, Loop) for s in statements(loop.body))


def module(plan: Plan, code: str, helpers: list[str], imports: str) -> str:
    """The whole module around its code."""
    standard = ["import math"] * any("math." in text for text in (code, *helpers))
    standard += ["from fnmatch import fnmatchcase"] * ("fnmatchcase(" in code)
    top = [f'"""{docstring(plan.step)}"""', *(["\n".join(standard)] if standard else []),
           imports, "\n".join(_head(plan))]
    return "\n\n\n".join(["\n\n".join(top), code, *helpers]) + "\n"


# The parts of the module.


def _head(plan: Plan) -> list[str]:
    step = plan.step
    kinds = {Extent.ENTRY: "entry", Extent.TENSOR: "tensor"}
    states = ", ".join(f'"{s.name}": "{kinds[s.type.extent]}"' for s in step.states
                       if s.type.extent in kinds)
    lines = [f'POINT, GRADIENT = "{step.point}", "{step.gradient}"', f"STATES = {{{states}}}"]
    if plan.asks:
        asked = ", ".join(f'"{o}": "{ORACLES[o].passed}"' for o in plan.asked)
        lines = fold_lines([f'NAME = "{step.name}"', *lines, f"ASKED = {{{asked}}}"])
    return lines


def _init(plan: Plan) -> list[str]:
    writer = replace(plan.writer, like=plan.point)
    wanted = [Sym(s.name) for s in plan.step.states]
    lines = walks(plan.start, wanted, Scene(writer, {plan.point: 0}))
    fields = ['"t": 0']
    for state in plan.step.states:
        value = started(state, writer.name(Sym(state.name)))
        fields.append(f'"{state.name}": {value}')
    body = [*lines, "return {", *(f"    {f}," for f in fields), "}"]
    doc = ['"""The state before the first step: a dict of trees of arrays, easily saved."""']
    before = [("", fit_lines(plan.step)),
              ("leaves", ["leaves = _leaves(params, None, None, writes=False)"]), ENTRIES_BLOCK,
              ("dtype", ["dtype = _scalar_type(leaves)"]), ("count", ["count = 0"]),
              ("t", ["t = dtype(0)"])]
    head = _Head("init", ["params"], doc, "0")
    return _function(plan, head, before, columns(plan, [plan.point]), body)


def _step(plan: Plan, walk: Walk) -> list[str]:
    step, names = plan.step, plan.writer.names
    gradient = Sym(step.gradient, type=PER_ENTRY)
    lists = [plan.point, gradient, *varying(step)]
    scene = Scene(replace(plan.writer, like=plan.point), places_of(lists), plan.several, walk)
    body = walks(plan.update, plan.results, scene)
    point, *after = (names[s] for s in plan.results)
    changing = [s for s in step.states if not s.constant]
    new = {s.name: kept(s, value) for s, value in zip(changing, after, strict=True)}
    trees = [f"{s.name}={new.pop(s.name)}" for s in varying(step) if s.name in new]
    body += [f"_write(leaves, {', '.join([f'{step.point}={point}', *trees])})",
             *(f'state["{name}"][...] = {value}' for name, value in new.items()),
             'state["t"] = count', "return state"]
    before = [*entered(plan), ("count", ['count = int(state["t"]) + 1']),
              ("t", ["t = dtype(count)"])]
    setup = [oracle(name, plan) for name in plan.asked]
    setup += columns(plan, [s for s in lists if s != gradient or not plan.asks])
    setup += scalars(plan)
    if plan.asks:
        at = f"({names[plan.point]}, {'batch.this' if plan.several else 'batch'})"
        setup += [(names[gradient], [f"{names[gradient]} = grad{at}"]),
                  ("value", [f"value = loss{at}"])]
    else:
        setup.append(("value", [f"value = {plan.writer.number('value')}"]))
    first = ["params", *(["state", "batch", "problem"] if plan.asks else ["grads", "state"])]
    head = _Head("step", first, _step_doc(plan), "count - 1")
    return _function(plan, head, before, setup, body)


def _step_doc(plan: Plan) -> list[str]:
    lines = ['"""One step: the arrays of `params` and of `state` are updated in place.', ""]
    if not plan.asks:
        return [*lines, "`value` is the loss, for rules that read it; a parameter whose gradient is"
                " None holds.", '"""']
    forms = ", ".join(ORACLES[o].passed for o in plan.asked)
    lines += wrap(f"`problem` has {forms}.", WIDTH - 4)
    if plan.several:
        batches = dict.fromkeys(call.over[0] for call in calls(plan.step))
        known = {"this": "`batch.this` is the batch of the step",
                 "fresh": "`batch.fresh` a sequence of new ones", "full": "`batch.full` all data"}
        shown = [text for word, text in known.items() if word == "this" or word in batches]
        lines += wrap(f"{', '.join(shown)}.", WIDTH - 4)
    return [*lines, '"""']


def _evaluate(plan: Plan, walk: Walk) -> list[str]:
    lists = (plan.point, *varying(plan.step))
    scene = Scene(replace(plan.writer, like=plan.point), places_of(lists), walk=walk)
    body = walks(plan.evaluate, [plan.result], scene)
    body.append("return _tree(params, result)")
    before = [("leaves", ["leaves = _leaves(params, None, state, writes=False)"]), ENTRIES_BLOCK,
              ("dtype", ["dtype = _scalar_type(leaves)"]), ("count", ['count = int(state["t"])']),
              ("t", ["t = dtype(count)"])]
    doc = ['"""The parameters to evaluate and to save, after the steps that `state` has seen."""']
    head = _Head("evaluate", ["params", "state"], doc, "max(count - 1, 0)")
    return _function(plan, head, before, [*columns(plan, lists), *scalars(plan)], body)


@dataclass(frozen=True)
class _Head:
    """The head of a function; ``count`` is the text of when schedules are evaluated."""

    name: str
    first: list[str]
    doc: list[str]
    count: str


def _function(
    plan: Plan, head: _Head, before: Sequence[Block], after: Sequence[Block], body: list[str]
) -> list[str]:
    """A function: of its setup what it needs, the hyperparameters after ``before``."""
    step, names = plan.step, plan.writer.names
    lines = needed_of(after, body)
    read = needed(step, {h.name for h in step.hypers if names[Sym(h.name)] in words(lines)})
    lines = needed_of(before, [*hyper_lines(plan, read, head.count), *lines])
    keywords = signature(step, names, read, plan.seeded)
    if head.name == "step" and not plan.asks:
        keywords.append("value=None")
    keywords.sort(key=lambda k: ("=" in k, k != "value=None"))
    arguments = ", ".join([*head.first, *(["*"] if keywords else []), *keywords])
    first = [f"def {head.name}({arguments}):"]
    if len(first[0]) > WIDTH:
        first = [f"def {head.name}(", *indented(wrap(arguments, WIDTH - 4)), "):"]
    return ['@np.errstate(all="ignore")', *first, *indented([*head.doc, *lines])]
