"""The lines with which a function of whole arrays brings in what it reads: columns of tensors,
hyperparameters, functions that ask the problem."""

from __future__ import annotations

from collections.abc import Sequence

from thetaprime.backends.array_plan import Plan, calls
from thetaprime.backends.draws import name_hash
from thetaprime.backends.jax_names import ENTRIES
from thetaprime.backends.jax_walks import reads_of
from thetaprime.backends.numpy_walk import words
from thetaprime.expr import Apply, Num, Sym, symbols
from thetaprime.ir import Hyper, State, Step
from thetaprime.ops import ORACLES
from thetaprime.storage import STOCHASTIC
from thetaprime.types import PARAMS, Extent

# The number of entries of the model.
ENTRIES_BLOCK = (ENTRIES, [f"{ENTRIES} = sum(leaf[POINT].size for leaf in leaves)"])
# Lines of a setup, of which a function has those that define what it reads (none: it has them).
Block = tuple[str, list[str]]




def needed_of(setup: Sequence[Block], lines: list[str]) -> list[str]:
    """The lines after those blocks of a setup that they read."""
    read = words(lines)
    taken: list[list[str]] = []
    for defines, block in reversed(setup):
        if not defines or defines in read:
            taken.append(block)
            read |= words(block)
    return [*(line for block in reversed(taken) for line in block), *lines]


def entered(plan: Plan) -> list[Block]:
    """The lines that look at what a step was given."""
    leaves = f"leaves = _leaves(params, {'None' if plan.asks else 'grads'}, state)"
    found: list[Block] = [("leaves", [leaves]), ("dtype", ["dtype = _scalar_type(leaves)"])]
    found.append(ENTRIES_BLOCK)
    if plan.asks:
        return [("", ["_require(problem)"]), *found]
    if plan.rows:
        found.append(("", ["_complete(leaves, params)"]))
    if Sym("loss") in set().union(*(reads_of(s) for s in plan.update)):
        text = f'raise ValueError("{plan.step.name} reads the loss: step(..., value=loss)")'
        return [("", ["if value is None:", f"    {text}"]), *found]
    return found


def oracle(name: str, plan: Plan) -> Block:
    """The function that asks the problem: columns of arrays in and out."""
    row = ORACLES[name]
    words = ("y", "v") if row.takes[0] == "entry" else ("o", "w")
    words = ("y", "w") if row.takes[1:] == ("outputs",) and words[0] == "y" else words
    which = ["*which"] if any(c.op == name and len(c.over) > 1 for c in calls(plan.step)) else []
    given = [f"_tree(params, {w})" if space == "entry" else w
             for w, space in zip(words, row.takes, strict=False)]
    call = f"problem.{name}({', '.join([*given, 'batch', *which])})"
    if row.gives == PARAMS:
        answer = f'_square({call}, entries, dtype, "{name}")'
    elif row.gives == "entry":
        answer = f'_answer(params, {call}, "{name}")'
    elif row.gives == "scalar" and not row.axis:
        answer = plan.writer.number(call)
    else:
        answer = f"np.asarray({call}, dtype)"
    if row.needs == "losses" and row.axis:
        answer = f"_counted({answer}, {plan.writer.length(plan.step.tasks)})"
    arguments = [*words[:len(row.takes)], "batch", *which]
    return name, ["", f"def {name}({', '.join(arguments)}):", f"    return {answer}", ""]


def columns(plan: Plan, found: Sequence[Sym]) -> list[Block]:
    names = plan.writer.names
    half = {s.name for s in plan.step.states if s.storage and s.storage[0] == HALF}
    lists = [(names[s], [f'{names[s]} = {"_bfloat16" * (s.name in half)}_column'
                         f'(leaves, "{s.name}")']) for s in found]
    path = 'path = [paths[leaf["index"]] for leaf in leaves]'
    return [("paths", ["paths = _paths(params)"]), ("path", [path]),
            ("index", ['index = [leaf["index"] for leaf in leaves]']), *lists]


def scalars(plan: Plan) -> list[Block]:
    """The states that are numbers of the model, in arrays of their own."""
    blocks: list[Block] = []
    for state in plan.step.states:
        if state.type.extent is Extent.SCALAR:
            name, value = plan.writer.name(Sym(state.name)), f'state["{state.name}"]'
            if state.storage and state.storage[0] == HALF:
                value = f"_from_bfloat16({value})"
            blocks.append((name, [f"{name} = np.array({value}, dtype)"]))
    return blocks


# The storage that NumPy has no dtype for: the upper halves of float32 words.
HALF = "bfloat16"


def started(state: State, name: str) -> str:
    """What a state keeps of its start, the value of ``name``."""
    function = {Extent.ENTRY: "_tree", Extent.TENSOR: "_numbers"}.get(state.type.extent)
    value, dtype = name, ""
    if state.storage is not None and state.storage[0] == HALF:
        value = f"_bfloat16({name})" if function else f"_bfloat16([{name}])[0]"
        dtype = "np.uint16"
    elif state.storage is not None:
        dtype = f"np.{state.storage[0]}"
    if function:
        return f"{function}(params, {value}{', ' * bool(dtype)}{dtype})"
    return f"np.array({value}, {dtype or 'dtype'})"


def kept(state: State, new: str) -> str:
    """What a state keeps of its new value."""
    if state.storage is None or state.storage[0] != HALF:
        return new
    scalar = state.type.extent is Extent.SCALAR
    column, index = (f"[{new}]", "[0]") if scalar else (new, "index")
    noise = ""
    if state.storage[1] == STOCHASTIC:
        key = f"0x{name_hash(f'{state.name} stored'):08X}"
        noise = f", _noise(seed, {key}, count, {index}, {column})"
    return f"_bfloat16({column}{noise}){'[0]' * scalar}"


def hyper_lines(plan: Plan, need: set[str], count: str) -> list[str]:
    """The lines that make numbers of hyperparameters, each after those that its default reads;
    a schedule is evaluated after ``count`` steps."""
    lines: list[str] = []
    waiting = [h for h in plan.step.hypers if h.name in need]
    while waiting:
        left = {Sym(h.name) for h in waiting}
        ready = [h for h in waiting if not _parents(h) & (left - {Sym(h.name)})]
        assert ready, "defaults read each other in a circle"
        plain = [plan.writer.name(Sym(h.name)) for h in ready
                 if not (h.static or h.type.axes or _parents(h))]
        if len(plain) > 1:
            given = ", ".join(plain)
            lines.append(f"{given} = (_at(h, {count}, dtype) for h in ({given}))")
        for hyper in ready:
            name = plan.writer.name(Sym(hyper.name))
            now = name if hyper.static else f"_at({name}, {count}, dtype)"
            if hyper.type.axes:
                length = plan.writer.length(hyper.type.axes[0])
                now = f'_list("{hyper.name}", {name}, {length}, {count}, dtype)'
            if _parents(hyper) and isinstance(hyper.default, Num | Sym | Apply):
                now = f"{plan.writer.show(hyper.default, 1)} if {name} is None else {now}"
            if now != name and not (name in plain and len(plain) > 1):
                lines.append(f"{name} = {now}")
        waiting = [h for h in waiting if h not in ready]
    return lines


def _parents(hyper: Hyper) -> set[Sym]:
    return symbols(hyper.default) if isinstance(hyper.default, Num | Sym | Apply) else set()


def varying(step: Step) -> list[Sym]:
    """The states of which there is one of each tensor."""
    return [Sym(s.name, type=s.type) for s in step.states if s.type.extent is not Extent.SCALAR]


