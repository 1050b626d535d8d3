"""The step of a spec in the notation of specs, nothing left to resolve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from thetaprime.cases import guard_of
from thetaprime.collect import range_text
from thetaprime.expr import Apply, walk
from thetaprime.format import flat_text
from thetaprime.ir import (
    Carry,
    Draw,
    EachAxis,
    Equation,
    First,
    Hyper,
    Loop,
    State,
    Statement,
    Step,
    When,
    reads,
    statements,
)
from thetaprime.ops import ORACLES
from thetaprime.optimizer import Optimizer
from thetaprime.render import spec_text
from thetaprime.types import PER_ENTRY


def expanded(optimizer: Optimizer) -> str:
    """The step with inheritance and composition resolved, in the notation of specs. Functions are
    written out, but for steps that loop, ask the problem for more or treat tensors differently."""
    step = optimizer.step()
    if not _formulas_only(step):
        return flat_text(optimizer.flat).rstrip()
    first = {s.target.name: s for s in statements(step.body) if isinstance(s, First)}
    lines = [f"optimizer {step.name}"]
    lines += [f'  "{step.doc}"'] if step.doc else []
    lines += [f'  cite "{cite}"' for cite in step.cites]
    lines += [f"  # for {name} = {value}" for name, value in step.fixed]
    lines += [f"  axis {axis.name}" for axis in step.axes]
    lines += [f"  {hyper_line(hyper)}" for hyper in step.hypers]
    lines += [f"  {state_line(state, first.get(state.name))}" for state in step.states]
    if step.point != optimizer.tables.parameter:
        lines.append(f"  # training holds {step.point}, and {step.gradient} is the gradient there")
    lines += ["", *body_lines(step.body, "  ")]
    if step.evaluate is not None:
        lines += ["", f"  eval {spec_text(step.evaluate)}"]
    return "\n".join(lines)


def _formulas_only(step: Step) -> bool:
    """Whether the IR says all in equations, draws and blocks that hold for every tensor."""
    body = list(statements(step.body))
    exprs = [e for s in body for e in reads(s)]
    asked = any(isinstance(n, Apply) and (n.op in ORACLES or n.op == "extern")
                for e in exprs for n in walk(e))
    kept = any(s.guard is not None or s.storage is not None for s in step.states)
    turned = any(isinstance(s, Loop | EachAxis) or guard_of(s) is not None for s in body)
    return not (asked or kept or turned or step.views)


def hyper_line(hyper: Hyper) -> str:
    """``hyper lr = 1e-3 in (0, inf)``."""
    name = hyper.spelled or hyper.name
    if hyper.static:
        name += " : int"
    elif hyper.type.axes:
        name += f" : {hyper.type.axes[0]}"
    default = ""
    if isinstance(hyper.default, tuple):
        default = f" = [{', '.join(spec_text(e) for e in hyper.default)}]"
    elif hyper.default is not None:
        default = f" = {spec_text(hyper.default)}"
    return f"hyper {name}{default}" + (f" in {range_text(hyper.range)}" if hyper.range else "")


def state_line(state: State, first: First | None) -> str:
    """``state m = 0``; ``first``: what gives its value at t = 1."""
    name = state.name if state.type == PER_ENTRY else f"{state.name} : {state.type}"
    if isinstance(state.start, Draw):
        return f"state {name} ~ {_draw(state.start)}"
    if first is not None:
        return f"state {name} = first {spec_text(first.value)}"
    return f"{'const' if state.constant else 'state'} {name} = {spec_text(state.start)}"


def body_lines(body: tuple[Statement, ...], indent: str = "") -> Iterator[str]:
    """Statements of a step in the notation of specs; what a state is first stands with it."""
    for statement in body:
        guard = guard_of(statement)
        where = f"  # where {spec_text(guard)}" if guard is not None else ""
        match statement:
            case Equation(target, value):
                yield f"{indent}{target} = {spec_text(value)}{where}"
            case Draw(target):
                yield f"{indent}{target} ~ {_draw(statement)}{where}"
            case First():
                continue
            case When():
                yield f"{indent}{_block_head(statement)}:{where}"
                yield from body_lines(statement.then, indent + "  ")
                yield f"{indent}else:"
                yield from body_lines(statement.otherwise, indent + "  ")
            case Loop(carries):
                names = ", ".join(str(c.value) for c in carries)
                yield (f"{indent}({names}) = iterate {spec_text(statement.turns)} from "
                       f"{_starts(carries)}:{where}")
                yield from body_lines(statement.body, indent + "  ")
                if statement.until is not None:
                    yield f"{indent}until {statement.until}"
            case EachAxis(axis, carries):
                start = f" from {_starts(carries)}" if carries else ""
                yield f"{indent}for axis {axis}{start}:{where}"
                yield from body_lines(statement.body, indent + "  ")


def _starts(carries: Sequence[Carry]) -> str:
    return ", ".join(f"{c.value} = {spec_text(c.start)}" for c in carries)


def _block_head(block: When) -> str:
    """``every n from k`` for a block that is due so, ``if`` for the others."""
    match block.condition:
        case Apply("and", (Apply(">=", (_, start)), Apply("==", (Apply("mod", (_, period)), _)))) \
                if block.rare:
            return f"every {spec_text(period)} from {spec_text(start)}"
    return f"if {spec_text(block.condition)}"


def _draw(draw: Draw) -> str:
    kind = draw.target.type
    suffix = "" if kind is None or kind == PER_ENTRY else f" : {kind}"
    return f"{draw.distribution}({', '.join(spec_text(a) for a in draw.args)}){suffix}"
