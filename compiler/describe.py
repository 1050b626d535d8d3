"""What a spec is, told in text: its hyperparameters, states and needs, and its flat step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from thetaprime.aliases import ALIASES, spec_names
from thetaprime.arguments import draws
from thetaprime.collect import collect, range_text
from thetaprime.cost import Cost, cost, integers, kept, lengths, most_state, roofline
from thetaprime.expr import Apply, Expr, Num, Sym, symbols, walk
from thetaprime.infer_units import infer
from thetaprime.ir import (
    EachAxis,
    Equation,
    Loop,
    Statement,
    Step,
    When,
    reads,
    statements,
)
from thetaprime.library import definition, prelude
from thetaprime.matrices import families
from thetaprime.optimizer import Optimizer
from thetaprime.parse import parse
from thetaprime.pipeline import checked
from thetaprime.render import spec_text
from thetaprime.scaling import TITLE, scaling_rows, unit_rows
from thetaprime.signature import asks_more, signature, whole
from thetaprime.syntax import Definition, HyperLine
from thetaprime.tables import Tables
from thetaprime.types import Extent, type_text


def describe(optimizer: Optimizer) -> str:
    """The facts about a spec that its text does not say. Raises SpecError."""
    own = definition(parse(optimizer.source), optimizer.source)
    if own.parameters or own.kind != "optimizer":
        return _module(optimizer, own)
    step = optimizer.step()
    units = infer(step)
    names = [n for n in optimizer.tables.hypers if n not in optimizer.flat.bound]
    return "\n\n".join([
        _section("hyperparameters", _hypers(optimizer.tables, names)),
        _section("states", _states(step)),
        _section("needs", _needs(step)),
        _section("cost", _cost(cost(step))),
        _section(TITLE, unit_rows(units)),
        _section("the same steps", scaling_rows(units)),
    ])


_USES = {"transform": "AdamW on {}", "schedule": "AdamW with lr = {}"}


def _module(optimizer: Optimizer, own: Definition) -> str:
    """The facts about a spec that is made into an optimizer by others."""
    tables = collect(checked(optimizer.source), prelude())
    names = [h.name for item in own.items if isinstance(item, HyperLine) for h in item.items]
    bases = ", ".join(("AdamW", "SGD", "Lion")[: len(own.parameters)])
    form = f"{own.name}({bases})" if own.parameters else _USES[own.kind].format(own.name)
    rows: list[tuple[str, ...]] = [("takes", ", ".join(own.parameters))] if own.parameters else []
    return "\n\n".join([
        _section("hyperparameters", _hypers(tables, names)),
        _section("use", [*rows, ("written", f"`{form}`")])])


def _section(title: str, rows: Iterable[tuple[str, ...]]) -> str:
    """Rows in columns under a title."""
    table = list(rows)
    if not table:
        return f"{title}\n  none"
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
             for row in table]
    return "\n".join([title, *(line.rstrip() for line in lines)])


def _hypers(tables: Tables, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for name in names:
        info = tables.hypers[name]
        domain = f"in {range_text(info.range)}" if info.range else ""
        if info.folded:
            domain = f"in {{{', '.join(info.choices or ('true', 'false'))}}}"
        kind = "whole number" if info.type.kind == "int" else ""
        default = info.item.default
        shown = "required" if default is None else spec_text(default)
        also = [a for a in dict.fromkeys(a for known in ALIASES.values() for a in known)
                if a not in names and name in spec_names({a: 0}, names)[0]]
        yield (name, shown, domain, kind, f"also {', '.join(also)}" if also else "")


def _states(step: Step) -> Iterator[tuple[str, ...]]:
    each = {Extent.ENTRY: "a parameter", Extent.TENSOR: "a tensor", Extent.SCALAR: "a model"}
    along = families(step)
    for found in kept(step):
        state = found.state
        size = "*".join([str(found.bytes), *found.own])
        what = f"{size} bytes {each[state.type.extent]} in {found.dtype}"
        family = next((axis for axis in found.own if axis in along), None)
        told = [f"for each axis {family}"] if family is not None else []
        told += [f"where {spec_text(state.guard)}"] if state.guard is not None else []
        told += ["constant"] if state.constant else []
        yield (state.name, type_text(state.type, lengths(step)), what, ", ".join(told))
    entries = [s for s in step.states if s.type.extent is Extent.ENTRY]
    if len(step.states) > 1 and entries:
        most = "at most " if any(s.guard is not None for s in entries) else ""
        stored = "" if any(s.storage is not None for s in entries) else " in float32"
        yield ("", "together", f"{most}{most_state(step)} bytes a parameter{stored}", "")


def _needs(step: Step) -> Iterator[tuple[str, ...]]:
    read = {s.name for st in step.body for e in reads(st) for s in symbols(e)}
    if asks_more(step):
        for number, call in enumerate(signature(step)):
            yield ("asks for" if number == 0 else "", str(call))
        count = whole(step.fresh, integers(step))
        if step.fresh != Num("0"):
            yield ("batches", f"this step's and {count} fresh ones")
    else:
        yield ("gradient", "of this step's batch")
    yield ("parameters", "read by the rule" if reads_point(step) else "not read, only changed")
    if not asks_more(step):
        yield ("loss value", "of this step's batch" if "loss" in read else "not read")
    yield ("draws", "random numbers from a seed" if draws(step) else "none")
    from thetaprime.claims.decay import decay_text, decays

    for number, decay in enumerate(decays(step)):
        yield ("" if number else "weight decay", decay_text(decay, step.point))


def reads_point(step: Step) -> bool:
    """Whether the change of the point depends on the point: ``x - lr*g`` only adds to it."""
    point = Sym(step.point)
    count = 0
    for statement in statements(step.body):
        for value in _own(statement):
            count += sum(node == point for node in walk(value))
            if isinstance(statement, Equation) and statement.target == Sym(step.point, True):
                count -= point in _terms(value)
            count += any(s == Sym(step.point, True) for s in symbols(value))
    return count > 0


def _own(statement: Statement) -> tuple[Expr, ...]:
    """What a statement evaluates itself; the statements inside of it speak for themselves."""
    match statement:
        case When(condition):
            return (condition,)
        case Loop(carries) | EachAxis(_, carries):
            return tuple(c.start for c in carries)
        case _:
            return reads(statement)


def _terms(value: Expr) -> Iterator[Expr]:
    """The terms of a sum that are added, not subtracted."""
    match value:
        case Apply("+", (left, right)):
            yield from _terms(left)
            yield from _terms(right)
        case Apply("-", (left, _)):
            yield from _terms(left)
        case _:
            yield value


def _cost(found: Cost) -> Iterator[tuple[str, ...]]:
    """For parameters in float32; what oracles cost is the problem's affair."""
    most = "at least" if found.least else "about"
    yield ("memory", f"{most} {_between(found.moved)} bytes moved a parameter in float32")
    yield ("arithmetic", f"{_between(found.flops)} operations a parameter")
    if found.linear:
        yield ("matrices", ", ".join(f"{n} `{name}`" for name, n in found.linear) + " a tensor")
    waits = f", {found.chain} of them one after another" if found.chain > 1 else ""
    count = _between(found.reductions)
    yield ("over the model", f"{count} reduction{'' if count == '1' else 's'}{waits}")


def least_time(step: Step, parameters: float, bandwidth: float, dtype: str) -> str:
    """What a step of a model takes at least, for hardware that moves so many bytes a second."""
    found = cost(step, dtype)
    seconds = roofline(step, parameters, bandwidth, dtype=dtype)
    state = parameters * found.state
    end = ", at least" if found.least else ", about"
    return _section(f"{parameters:.3g} parameters in {dtype}", [
        ("state", f"{state / 1e9:.3g} GB", f"{found.state} bytes a parameter"),
        ("moved", f"{parameters * found.moved[0] / 1e9:.3g} GB",
         f"{found.moved[0]} bytes a parameter{end}"),
        ("time", f"{1000 * seconds:.3g} ms", f"at {bandwidth:.3g} bytes a second{end}")])


def _between(pair: tuple[int, int]) -> str:
    least, most = pair
    return str(least) if least == most else f"{least} to {most}"
