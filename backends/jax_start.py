"""The ``init`` of a generated JAX module: the state before the first step."""

from __future__ import annotations

from dataclasses import replace

from thetaprime.backends.jax_align import typed
from thetaprime.backends.jax_matrices import fit_lines
from thetaprime.backends.jax_plan import Plan, copies, numeric, used_in
from thetaprime.backends.jax_regions import indented
from thetaprime.backends.jax_setup import (
    entries_line,
    hyper_lines,
    needed_by,
    paths_line,
    place_line,
)
from thetaprime.backends.jax_walks import Scene, walks
from thetaprime.expr import Sym, symbols
from thetaprime.ir import Draw, State
from thetaprime.types import PER_ENTRY, Extent


def init_lines(plan: Plan) -> list[str]:
    step, writer = plan.step, plan.writer
    point = Sym(step.point, type=PER_ENTRY)
    wanted = [s for s in plan.start.results if typed(s).extent is not Extent.SCALAR]
    scene = Scene(replace(writer, like=point), {point: 0}, place=plan.place)
    lines = walks(plan.start.segments, wanted, scene)
    fields = [f"{writer.name(Sym(s.name))}={_start(plan, s)}" for s in step.states]
    body = [*lines, f"return {plan.state_class}(",
            *(f"    {f}," for f in ("count=count", *fields)), ")"]
    used = used_in(plan.start)
    for state in step.states:
        if numeric(state) and not isinstance(state.start, Draw):
            used |= symbols(state.start)
    setup = [place_line(plan, "params"), "dtype = _scalar_dtype(params)",
             entries_line("params"),
             "count = jnp.zeros([], jnp.int32)", *hyper_lines(plan, used, "count"),
             f"{writer.name(point)} = _tensors({plan.place}, params)", paths_line(plan, "params")]
    packed = ["params = unpack(params)"] if plan.fused else []
    return [f"def init(params: Any) -> {plan.state_class}:",
            '    """The state before the first step."""',
            *indented([*packed, *fit_lines(step), *needed_by(setup, body)])]


def _start(plan: Plan, state: State) -> str:
    """The expression of a state before the first step."""
    writer = plan.writer
    dims = [writer.length(a) for a in state.type.axes]
    more = "".join(f", {d}" for d in dims)
    name = writer.name(Sym(state.name))
    number = numeric(state)
    value = name
    if number and not isinstance(state.start, Draw):
        value = writer.show(state.start)
    kept = "" if state.storage is None else f"jnp.{state.storage[0]}"
    if state.type.extent is Extent.SCALAR:
        if number and value == "0":
            return f"jnp.zeros({_shape(dims)}, {kept or 'dtype'})"
        return f"jnp.full({_shape(dims)}, {value}, {kept or 'dtype'})"
    if state.type.extent is Extent.TENSOR and state.type.axes and not number:
        text = name if plan.fused else f"structure.unflatten({name})"
        if plan.family(state) and not plan.fused:
            text = f"_family_tree(structure, {name}, {text})"
        return f"_kept({text}, {kept})" if kept else text
    if state.guard is not None:
        some = "_some_numbers" if state.type.extent is Extent.TENSOR else (
            "_some_stacks" if dims else "_some")
        text = f"{some}({plan.place}, {name}, params{more})"
        return f"_kept({text}, {kept})" if kept else text
    if copies(state, plan.step.point):
        text = "_copy(params)"
    else:
        full = "_full" if state.type.extent is Extent.ENTRY else "_full_per_tensor"
        text = f"{full}(params, {value if number else 0}{more})"
    if kept:
        text = f"_kept({text}, {kept})"
    joined = f"_joined(layout, {text})" if plan.fused else text
    if number or copies(state, plan.step.point):
        return joined
    return f"_holding(layout, {name}, {joined})" if plan.fused else (
        f"_tree(structure, {name}, {text})")


def _shape(dims: list[str]) -> str:
    return f"({', '.join(dims)}{',' if len(dims) == 1 else ''})" if dims else "[]"
