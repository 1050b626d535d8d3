"""The lines with which a generated function brings in what it reads: hyperparameters, states."""

from __future__ import annotations

import re

from thetaprime.backends.jax_names import ENTRIES
from thetaprime.backends.jax_plan import Plan, handed_through
from thetaprime.backends.jax_signature import compute_defaults
from thetaprime.expr import Apply, Num, Sym, symbols
from thetaprime.types import PER_ENTRY, Extent


def place_line(plan: Plan, tree: str, grads: str = "") -> str:
    """The line that finds where the tensors of a tree lie; ``grads`` may lack some of them."""
    if plan.fused:
        return f"layout = _layout({tree}{', ' * bool(grads)}{grads})"
    return f"structure = _structure({grads or tree})"


def paths_line(plan: Plan, tree: str) -> str:
    """The line that finds the paths of tensors, or of one in each stack of them."""
    return "paths = _first_paths(layout)" if plan.fused else f"paths = _paths({tree})"


def columns_of(plan: Plan, first: Sym) -> list[Sym]:
    """The symbols that stand for one array per tensor before the step, the first one first."""
    step = plan.step
    columns = [first, Sym(step.point, type=PER_ENTRY)]
    columns += [Sym(s.name, type=s.type) for s in step.states
                if s.type.extent is not Extent.SCALAR]
    return list(dict.fromkeys(columns))


def entries_line(tree: str) -> str:
    """How many numbers a tree has, all tensors together."""
    return f"{ENTRIES} = sum(jnp.size(a) for a in jax.tree.leaves({tree}))"


def state_lines(plan: Plan, used: set[Sym], beside: Sym | None = None) -> list[str]:
    """The point and the states; those that a block or a loop hands through are missing where
    the tensors ``beside`` them are, as all is that is made of them."""
    writer = plan.writer
    through = handed_through(plan.update) if beside is not None and not plan.fused else set()

    def tensors(symbol: Sym, tree: str, helper: str = "_tensors") -> str:
        text = f"{helper}({plan.place}, {tree})"
        if beside is not None and symbol in through:
            text = f"_beside({writer.name(beside)}, {text})"
        return f"{writer.name(symbol)} = {text}"

    lines = []
    if Sym(plan.step.point) in used:
        lines.append(tensors(Sym(plan.step.point), "params"))
    for state in plan.step.states:
        if Sym(state.name) not in used:
            continue
        name = writer.name(Sym(state.name))
        scalar = state.type.extent is Extent.SCALAR
        wide = "" if state.storage is None else ".astype(dtype)"
        lines.append(f"{name} = state.{name}{wide}" if scalar
                     else tensors(Sym(state.name), f"state.{name}",
                                  "_held" if plan.fused else
                                  "_families" if plan.family(state) else "_tensors"))
    return lines


def closure(plan: Plan, used: set[Sym]) -> set[Sym]:
    """The symbols used, and those that the defaults of hyperparameters among them read."""
    used = set(used)
    for hyper in reversed(plan.step.hypers):
        if Sym(hyper.name) in used and isinstance(hyper.default, Num | Sym | Apply):
            used |= symbols(hyper.default)
    return used


def hyper_lines(plan: Plan, used: set[Sym], count: str) -> list[str]:
    """The values of the hyperparameters in use, at this step."""
    needed = closure(plan, used)
    traced = [h for h in plan.step.hypers if not h.static]
    names = [plan.writer.name(Sym(h.name)) if Sym(h.name) in needed else "_" for h in traced]
    if all(name == "_" for name in names):
        return []
    left = ", ".join(names) if len(names) > 1 else f"({names[0]},)"
    kept = tuple(h for h in traced if Sym(h.name) in needed)
    return [f"{left} = _values(hypers, {count}, dtype)",
            *compute_defaults(kept, plan.writer, static=False)]


# The names in a line, but attributes and those of keyword arguments.
_READ = re.compile(r"(?<![\w.])\w+\b(?!=)")


def needed_by(setup: list[str], body: list[str]) -> list[str]:
    """The lines of a setup that what follows them reads, then the body."""
    read = {name for line in body for name in _READ.findall(line)}
    kept = []
    for line in reversed(setup):
        if read & {*re.findall(r"\w+", line.split(" = ")[0])} - {"_"}:
            kept.append(line)
            read |= {*_READ.findall(line)}
    return [*reversed(kept), *body]
