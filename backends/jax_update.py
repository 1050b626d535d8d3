"""One step of a generated JAX module: ``update`` of an optax transformation, or ``step`` where the
step asks the problem for more than the gradient at its point."""

from __future__ import annotations

from dataclasses import replace

from thetaprime.backends.draws import name_hash
from thetaprime.backends.jax_oracles import Questions, function_lines
from thetaprime.backends.jax_plan import Plan, stochastic, used_in
from thetaprime.backends.jax_regions import indented
from thetaprime.backends.jax_setup import (
    closure,
    columns_of,
    entries_line,
    hyper_lines,
    needed_by,
    paths_line,
    place_line,
    state_lines,
)
from thetaprime.backends.jax_signature import compute_defaults, parameters
from thetaprime.backends.jax_walks import Scene, given, places_of, walks
from thetaprime.backends.layout import WIDTH
from thetaprime.expr import Num, Sym, symbols
from thetaprime.types import PER_ENTRY, Extent


def update_lines(plan: Plan) -> list[str]:
    """The function of one step."""
    return _update(plan) if plan.asked is None else _step(plan, plan.asked)


def _fields(plan: Plan) -> tuple[str, list[str]]:
    """The name of the result of the step, and the fields of the state after it."""
    step, writer = plan.step, plan.writer
    result, *after = plan.update.results
    made = {s for stage in plan.update.segments for s in given(stage)}
    fields = ["count=count"]
    for state, symbol in zip(step.states, after, strict=True):
        old, new = f"state.{writer.name(Sym(state.name))}", writer.name(symbol)
        value, scalar = old, state.type.extent is Extent.SCALAR
        if stochastic(state):
            key = f"seed, 0x{name_hash(f'{state.name} stored'):08X}, count"
            new = f"_by_chance({key}, ({new},))[0]" if scalar else f"_by_chance({key}, {new})"
        if symbol in made or symbol.name != state.name:
            helper = "_holding" if plan.fused else (
                "_family_tree" if plan.family(state) else "_tree")
            value = f"_stored({new}, {old})" if scalar else (
                f"{helper}({plan.place}, {new}, {old})")
        fields.append(f"{writer.name(Sym(state.name))}={value}")
    return writer.name(result), fields


def _update(plan: Plan) -> list[str]:
    step, writer = plan.step, plan.writer
    gradient = Sym(step.gradient, type=PER_ENTRY)
    result, fields = _fields(plan)
    scene = Scene(replace(writer, like=gradient), places_of(columns_of(plan, gradient)),
                  sparse=True, place=plan.place, apart=plan.loops)
    body = [
        *walks(plan.update.segments, plan.update.results, scene),
        f"return _tree({plan.place}, {result}, grads), {plan.state_class}(",
        *(f"    {f}," for f in fields), ")",
    ]
    used = used_in(plan.update)
    loss = Sym("loss") in used
    point = plan.fused or Sym(step.point) in used
    keyword = ", *, value: Any = None" if loss else ""
    arguments = f"grads: Any, state: {plan.state_class}, params: Any = None{keyword}, **extra: Any"
    if len(arguments) > WIDTH - 12:
        arguments = arguments.replace(", ", ",\n").replace("*,\n", "*, ")
    lines = [
        "def update(", *(f"    {line}" for line in arguments.split("\n")),
        f") -> tuple[Any, {plan.state_class}]:",
        '    """The change to add to the parameters, and the state after the step."""',
        "    del extra",
    ]
    if point:
        lines += ["    if params is None:",
                  f'        raise ValueError("{plan.factory} needs the parameters: '
                  'update(grads, state, params)")']
    if loss:
        lines += ["    if value is None:",
                  f'        raise ValueError("{plan.factory} needs the loss: '
                  'update(grads, state, params, value=loss)")']
    setup = [place_line(plan, "params", "grads"), "dtype = _scalar_dtype(grads)",
             entries_line("grads")]
    setup += hyper_lines(plan, used, "state.count") + _COUNT
    if loss:
        setup.append(f"{writer.name(Sym('loss'))} = jnp.asarray(value, dtype)")
    setup.append(f"{writer.name(gradient)} = _tensors({plan.place}, grads)")
    setup += [*state_lines(plan, used, beside=gradient), paths_line(plan, "grads")]
    return lines + indented(needed_by(setup, body))


_COUNT = ["count = jnp.minimum(state.count, 2**31 - 2) + 1", "t = count.astype(dtype)"]


def _step(plan: Plan, asked: Questions) -> list[str]:
    step, writer = plan.step, plan.writer
    point = Sym(step.point, type=PER_ENTRY)
    gradient = Sym(step.gradient, type=PER_ENTRY)
    result, fields = _fields(plan)
    count = writer.length(step.tasks) if step.tasks else str(len(step.losses))
    columns = [point, *(s for s in columns_of(plan, point) if s != point), gradient]
    scene = Scene(replace(writer, like=point), places_of(columns), asked.batches, place=plan.place,
                  apart=plan.loops)
    body = [
        *function_lines(asked, plan.place, count), *_at_point(plan, asked),
        *walks(plan.update.segments, plan.update.results, scene),
        f"return _tree({plan.place}, {result}, params), {plan.state_class}(",
        *(f"    {f}," for f in fields), ")",
    ]
    batch = "Batches" if asked.batches else "Any"
    lines = [
        "def step(",
        f"    params: Any, state: {plan.state_class}, batch: {batch}, problem: Any",
        f") -> tuple[Any, {plan.state_class}]:",
        f'    """The parameters and the state after one step; {_about(asked)}."""',
        *(f"    {line}" for name in asked.needed for line in _check(plan.factory, name)),
    ]
    used = used_in(plan.update) | {point}
    sample = "batch.this" if asked.batches else "batch"
    setup = [place_line(plan, "params"), "dtype = _scalar_dtype(params)",
             entries_line("params"), *hyper_lines(plan, used, "state.count"), *_COUNT,
             f"examples = jax.tree.leaves({sample})[0].shape[0]", *state_lines(plan, used),
             paths_line(plan, "params")]
    return lines + indented(needed_by(setup, body))


def _at_point(plan: Plan, asked: Questions) -> list[str]:
    """The gradient and the loss at the point that training holds, where the step reads them."""
    name = plan.writer.name
    x, g, loss = name(Sym(plan.step.point)), name(Sym(plan.step.gradient)), name(Sym("loss"))
    batch = "batch.this" if asked.batches else "batch"
    if asked.gradient and asked.loss:
        return [f"{loss}, {g} = jax.value_and_grad(loss_of)({x}, {batch})"]
    if asked.gradient:
        return [f"{g} = jax.grad(loss_of)({x}, {batch})"]
    return [f"{loss} = loss_of({x}, {batch})"] if asked.loss else []


_GIVEN = {"out": "out(params, batch)", "ell": "ell(outputs, batch)",
          "losses": "losses(params, batch)"}


def _about(asked: Questions) -> str:
    """What the problem is, for the docstring."""
    if not asked.whole:
        return "`problem(params, batch)` is the loss"
    return f"`problem` has {' and '.join(asked.needed)}"


def _check(factory: str, name: str) -> list[str]:
    return [f'if not hasattr(problem, "{name}"):',
            f'    raise ValueError("{factory} needs problem.{_GIVEN[name]}")']


# Batches.


def batch_lines(plan: Plan) -> list[str]:
    """The batches of a step that sees more than one, and a function that takes them."""
    if plan.asked is None or not plan.asked.batches:
        return []
    fresh, writer = plan.step.fresh, plan.writer
    lines = ["class Batches(NamedTuple):",
             '    """What a step sees: its own batch, fresh ones along a first axis, all data."""',
             "", "    this: Any", "    fresh: Any = None", "    full: Any = None"]
    if isinstance(fresh, Num):
        lines += ["", "", f"FRESH = {writer.show(fresh)}  # fresh batches that a step may take"]
        return lines + _take(" = FRESH")
    read = closure(plan, symbols(fresh))
    static = tuple(h for h in plan.step.hypers if Sym(h.name) in read)
    lines += ["", "", f"def fresh_batches({', '.join(parameters(static, writer, True))}) -> int:",
              '    """How many fresh batches a step may take."""',
              *indented(compute_defaults(static, writer, static=True)),
              f"    return {writer.show(fresh)}"]
    known = all(h.default is not None for h in static)
    return lines + _take(" = fresh_batches()" if known else "")


def _take(default: str) -> list[str]:
    return ["", "",
            f"def take(batches: Any, full: Any = None, *, fresh: int{default}) -> Batches:",
            '    """The batches of one step: the next of an iterator, and `fresh` more."""',
            "    this = next(batches)",
            "    more = [next(batches) for _ in range(fresh)]",
            "    stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *more) if more else None",
            "    return Batches(this, stacked, full)", "", ""]
