"""ir -> the text of a NumPy module: ``init`` and ``step``, in place, block by block.

That is how rules of the gradient work, entry by entry; `to_array` writes the others.

The module imports numpy and nothing of this package. A step is cut into sweeps over the arrays
(`passes`), the entry-wise work of a sweep becomes a graph (`graph`) and that a function of one
block (`registers`, `numpy_kernel`), called by the lines of `numpy_walk`; this file writes the
functions around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from thetaprime.backends import array_plan, to_array, to_cupy
from thetaprime.backends.array_plan import works_on_arrays
from thetaprime.backends.jax_names import python_names
from thetaprime.backends.lanes import Lanes, lanes_of, start_body, unroll, unroll_body
from thetaprime.backends.layout import fold_lines
from thetaprime.backends.numpy_signature import defaults, needed, signature
from thetaprime.backends.numpy_text import docstring, fixed_text, stored_text
from thetaprime.backends.numpy_walk import Module, Walk, walk_lines, words
from thetaprime.backends.passes import Program, program
from thetaprime.backends.phases import Plain
from thetaprime.engines import Engine
from thetaprime.expr import Sym, rewrite
from thetaprime.ir import Draw, Equation, State, Step, statements
from thetaprime.simplify import flatten
from thetaprime.types import PER_ENTRY, Extent

# Names that the functions themselves use.
_OWN = ("leaves", "parts", "np", "grads", "real", "result", "threads")


@dataclass(frozen=True)
class Plan:
    """A flat step, its axes, the programs of its functions, the equations to quote."""

    step: Step
    lanes: Lanes
    update: Program
    start: Program
    evaluate: Program | None
    result: str
    module: Module
    said: dict[Sym, Plain]

    @property
    def seeded(self) -> bool:
        return bool(self.module.draws)


def emit(step: Step, engine: Engine = "numpy") -> str:
    """The text of the module for ``step``; it needs numpy alone.

    With the engine "numba" the sweeps of a step are compiled loops, and it needs numba, but where
    a rule works on whole arrays or draws random numbers: then it is the same text. With "cupy" it
    works on CuPy arrays.
    """
    if engine == "cupy":
        return to_cupy.emit(step)
    if works_on_arrays(step):
        return to_array.emit(step)
    plan = _plan(flatten(step), engine)
    functions = [_init(plan), _step(plan)]
    if plan.evaluate is not None:
        functions.append(_evaluate(plan))
    head = [
        f'POINT, GRADIENT = "{step.point}", "{step.gradient}"',
        f"STORED = {stored_text(plan.step.states, plan.lanes)}",
    ]
    code = "\n\n\n".join(
        "\n".join(fold_lines(lines)) for lines in (*functions, *plan.module.kernels))
    return fixed_text(docstring(step), code, head, sorted(plan.module.functions), plan.seeded,
                      plan.module.compiled)


def _plan(step: Step, engine: Engine = "numpy") -> Plan:
    lanes = lanes_of(step)
    body = unroll_body(step.body, lanes)
    starts = start_body(step.states, lanes)
    extents = _inputs(step, lanes)
    update = program(body, extents, _targets(step, lanes) & {
        s.target for s in body if isinstance(s, Plain)})
    start = program(starts, {s: e for s, e in extents.items() if s != Sym(step.gradient)},
                    {s.target for s in starts if isinstance(s, Plain)})
    evaluate, result = None, "result"
    while any(result == s.name for s in (*extents, *(s for s in update.values))):
        result += "_"
    if step.evaluate is not None:
        now = rewrite(step.evaluate, lambda e: replace(e, prime=False) if isinstance(e, Sym) else e)
        target = Sym(result, True, PER_ENTRY)
        evaluate = program([Equation(target, unroll(now, lanes, {}))], extents, {target})
    programs = [p for p in (update, start, evaluate) if p is not None]
    found = [*extents, *(s for p in programs for s in p.values)]
    found += [Sym(h.name) for h in step.hypers] + [Sym(result)]
    draws = _draws(step, lanes)
    module = Module(python_names(found, _OWN), draws, engine == "numba" and not draws)
    said = {s.target: s for s in body if isinstance(s, Plain)}
    return Plan(step, lanes, update, start, evaluate, result, module, said)


def parameter_names(step: Step, engine: Engine = "numpy") -> dict[str, str]:
    """The keyword of ``init`` and ``step`` for each hyperparameter: its name, but where Python or
    the text itself needs that one (``lambda_`` for lambda)."""
    if works_on_arrays(step) or engine == "cupy":
        return array_plan.parameter_names(step)
    names = _plan(flatten(step)).module.names
    return {h.name: names[Sym(h.name)] for h in step.hypers if Sym(h.name) in names}


def _inputs(step: Step, lanes: Lanes) -> dict[Sym, Extent]:
    extents = {Sym(step.gradient): Extent.ENTRY, Sym(step.point): Extent.ENTRY,
               Sym("t"): Extent.SCALAR, Sym("loss"): Extent.SCALAR}
    for hyper in step.hypers:
        for index in lanes.indices(hyper.name):
            extents[Sym(lanes.name(hyper.name, index))] = Extent.SCALAR
    for state in step.states:
        for index in lanes.indices(state.name):
            extents[Sym(lanes.name(state.name, index))] = state.type.extent
    return extents


def _targets(step: Step, lanes: Lanes) -> set[Sym]:
    """The primed symbols of the point and of every state."""
    names = [s.name for s in step.states if not s.constant]
    lanes_of_states = {lanes.name(n, i) for n in names for i in lanes.indices(n)}
    return {Sym(n, True) for n in (step.point, *lanes_of_states)}


def _draws(step: Step, lanes: Lanes) -> dict[str, tuple[str, int]]:
    """Unrolled name -> name and lane of everything that is drawn."""
    found = [s.target.name for s in statements(step.body) if isinstance(s, Draw)]
    found += [s.name for s in step.states if isinstance(s.start, Draw)]
    return {lanes.name(n, index): (n, lane) for n in found
            for lane, index in enumerate(lanes.indices(n))}


def _scalars(plan: Plan, extent: Extent) -> Iterable[tuple[State, str, Sym]]:
    """States of an extent, the text that finds them in ``state``, the symbol of each lane."""
    for state in plan.step.states:
        if state.type.extent is not extent:
            continue
        for index in plan.lanes.indices(state.name):
            at = f"[{', '.join(map(str, index))}]" if index else ""
            yield state, f'state["{state.name}"]{at}', Sym(plan.lanes.name(state.name, index))


def _setup(plan: Plan, body: list[str], count: str, t: str) -> tuple[list[str], set[str]]:
    """The lines that give a body what it reads, and the hyperparameters among that."""
    names = plan.module.names
    used = words(body)
    direct = {h.name for h in plan.step.hypers for i in plan.lanes.indices(h.name)
              if names[Sym(plan.lanes.name(h.name, i))] in used}
    need = needed(plan.step, direct)
    lines = defaults(plan.step, names, plan.lanes, need, count)
    if "t" in used:
        lines.append(f"t = {t}")
    return lines, need


def _function(name: str, first: str, keywords: list[str], doc: list[str], body: list[str]
              ) -> list[str]:
    star = ", *" if keywords else ""
    head = f"def {name}({first}{star}{''.join(f', {k}' for k in keywords)}):"
    return [head, *(f"    {line}" if line else "" for line in (*doc, *body))]


def _init(plan: Plan) -> list[str]:
    step, names = plan.step, plan.module.names
    fields = ['"t": 0']
    for state in step.states:
        axes = [str(plan.lanes.lengths[a]) for a in state.type.axes]
        shape = f"({', '.join(axes)}{',' * (len(axes) == 1)})"
        zeros = {
            Extent.ENTRY: f"_like({', '.join(['params', *axes])})",
            Extent.TENSOR: f"_map(lambda x: np.zeros({shape}), params)",
            Extent.SCALAR: f"np.zeros({shape})",
        }[state.type.extent]
        fields.append(f'"{state.name}": {zeros}')
    lines = walk_lines(Walk(plan.module, plan.start, "start", {}),
                       {s for s in plan.start.values if s.prime})
    for _, where, symbol in _scalars(plan, Extent.SCALAR):
        if Sym(symbol.name, True) in plan.start.values:
            place = where if where.endswith("]") and where.count("[") > 1 else f"{where}[...]"
            lines.append(f"{place} = {names[Sym(symbol.name, True)]}")
    need: set[str] = set()
    body = ["state = State({", *(f"    {f}," for f in fields), "})"]
    if lines:
        setup, need = _setup(plan, lines, "0", "np.float64(0)")
        body += setup
        if "leaves" in words(lines):
            body.append("leaves = _leaves(params, None, state)")
        body += _quiet(lines)
    doc = '"""The state before the first step: a dict of trees of arrays, easily saved."""'
    keywords = signature(step, names, need, plan.seeded)
    return _function("init", "params", keywords, [doc], [*body, "return state"])


def _step(plan: Plan) -> list[str]:
    step, names = plan.step, plan.module.names
    new = _targets(step, plan.lanes).intersection(plan.update.values)
    lines = walk_lines(Walk(plan.module, plan.update, "update", plan.said, step=True), new)
    for _, where, symbol in _scalars(plan, Extent.SCALAR):
        if Sym(symbol.name, True) in new:
            place = where if where.count("[") > 1 else f"{where}[...]"
            lines.append(f"{place} = {names[Sym(symbol.name, True)]}")
    setup, need = _setup(plan, lines, "count", "np.float64(count + 1)")
    setup = ['count = int(state["t"])', *setup]
    used = words(lines)
    for _, where, symbol in _scalars(plan, Extent.SCALAR):
        if names[symbol] in used:
            setup.append(f"{names[symbol]} = np.float64({where})")
    if names[Sym("loss")] in used:
        setup = ["if value is None:",
                 f'    raise ValueError("{step.name} reads the loss: step(..., value=loss)")',
                 *setup, f"{names[Sym('loss')]} = np.float64(value)"]
    doc = ['"""One step: the arrays of `params` and of `state` are updated in place.', "",
           "`value` is the loss, for rules that read it; a parameter whose gradient is None holds.",
           "`threads` share the work: as many as there are processors for this process.", '"""']
    return _function(
        "step", "params, grads, state",
        [*(k for k in signature(step, names, need, False) if "=" not in k), "value=None",
         *(k for k in signature(step, names, need, plan.seeded) if "=" in k), "threads=None"],
        doc,
        [*setup, "leaves = _leaves(params, grads, state)", *_quiet(lines),
         'state["t"] = count + 1', "return state"])


def _quiet(lines: Sequence[str]) -> list[str]:
    """Lines that say nothing of what is not finite; none, where a step changes nothing."""
    return ['with np.errstate(all="ignore"):', *(f"    {line}" for line in lines)] if lines else []


def _evaluate(plan: Plan) -> list[str]:
    step, names = plan.step, plan.module.names
    assert plan.evaluate is not None
    lines = walk_lines(Walk(plan.module, plan.evaluate, "evaluate", {}), {Sym(plan.result, True)})
    setup, need = _setup(plan, lines, "max(count - 1, 0)", "np.float64(count)")
    if "count" in words(setup):
        setup = ['count = int(state["t"])', *setup]
    used = words(lines)
    setup += [f"{names[symbol]} = np.float64({where})"
              for _, where, symbol in _scalars(plan, Extent.SCALAR) if names[symbol] in used]
    doc = '"""The parameters to evaluate and to save, after the steps that `state` has seen."""'
    key = plan.result
    where = f'{{**state, "{key}": result}}, {{**STORED, "{key}": ("entry", (), "_")}}'
    return _function(
        "evaluate", "params, state", signature(step, names, need, plan.seeded), [doc],
        [*setup, "result = _like(params)", f"leaves = _leaves(params, None, {where})",
         *_quiet(lines), "return result"])

