"""What a generated JAX module is written from: the step in phases, and the names in it."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, replace

from thetaprime.backends.jax_expr import Writer, python_names, typed
from thetaprime.backends.phases import Phase, phases
from thetaprime.expr import Apply, Expr, Num, Sym, symbols, walk
from thetaprime.ir import Draw, Equation, First, State, Statement, Step, When, reads
from thetaprime.simplify import flatten
from thetaprime.types import PER_ENTRY, Extent


@dataclass(frozen=True)
class Plan:
    """What the parts of the module are written from."""

    step: Step
    change: Sym
    writer: Writer
    factory: str
    update: tuple[Phase, ...]
    start: tuple[Phase, ...]
    evaluate: tuple[Phase, ...]
    result: Sym

    @property
    def state_class(self) -> str:
        return f"{self.step.name}State"

    @property
    def draws(self) -> bool:
        starts = any(isinstance(s.start, Draw) for s in self.step.states)
        return starts or any(isinstance(s, Draw) for s in self.step.body)


def factory_name(name: str) -> str:
    """The name of the factory of the optimizer ``name``: ``adamw`` for AdamW."""
    plain = re.sub(r"\W", "_", name).lower()
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def parameter_names(step: Step) -> dict[str, str]:
    """The parameter of the factory for each hyperparameter: its name, but where Python or the
    text itself needs that one (``lambda_`` for lambda)."""
    names = make_plan(step).writer.names
    return {h.name: names[Sym(h.name)] for h in step.hypers}


def make_plan(step: Step) -> Plan:
    step, change = _with_change(flatten(step))
    result = Sym(_unused(step, "averaged"), type=PER_ENTRY)
    update = tuple(phases(step))
    start = tuple(phases(replace(step, body=start_body(step))))
    evaluate: tuple[Phase, ...] = ()
    if step.evaluate is not None:
        evaluate = tuple(phases(replace(step, body=(Equation(result, step.evaluate),))))
    found = [Sym(step.point), Sym(step.gradient), Sym("loss"), *(Sym(h.name) for h in step.hypers)]
    for state in step.states:
        found += [Sym(state.name), Sym(state.name, True)]
    for phase in (*update, *start, *evaluate):
        for statement in (*phase.scalars, *phase.leaves, *phase.partials):
            found.append(statement.target)
            for expr in reads(statement):
                found += sorted(symbols(expr), key=str)
    factory = factory_name(step.name)
    names = python_names(found, taken={factory, f"{step.name}State"})
    writer = Writer(names, {axis.name: axis.length for axis in step.axes})
    return Plan(step, change, writer, factory, update, start, evaluate, result)


def _unused(step: Step, stem: str) -> str:
    taken = {s.name for st in step.body for e in reads(st) for s in symbols(e)}
    taken |= {h.name for h in step.hypers} | {s.name for s in step.states}
    taken |= {s.target.name for s in step.body if not isinstance(s, When)}
    while stem in taken:
        stem += "_"
    return stem


# The change of the point, which is what an update returns.


def _with_change(step: Step) -> tuple[Step, Sym]:
    """The step with an equation for the change of the point: ``-u`` where the rule says
    ``x' = x - u`` and nothing else reads x', which needs no point; else ``x' - x``."""
    point, new = Sym(step.point, type=PER_ENTRY), Sym(step.point, True, PER_ENTRY)
    change = Sym(_unused(step, f"d{step.point}"), type=PER_ENTRY)
    body: list[Statement] = []
    read = any(new in symbols(e) for s in step.body for e in reads(s))
    for statement in step.body:
        delta = None
        if isinstance(statement, Equation) and statement.target == new and not read:
            delta = _difference(statement.value, point)
        body.append(statement if delta is None else Equation(change, delta))
    if not any(isinstance(s, Equation) and s.target == change for s in body):
        body.append(Equation(change, Apply("-", (new, point), type=PER_ENTRY)))
    return replace(step, body=tuple(body)), change


_ZERO = Num("0", PER_ENTRY)


def _difference(value: Expr, point: Sym) -> Expr | None:
    """``value - point`` where the point is a term of the value, else None."""
    match value:
        case Sym():
            return _ZERO if value == point else None
        case Apply("+" | "-", (left, right)):
            rest = _difference(left, point)
            if rest is None:
                return left if value.op == "+" and right == point else None
            if rest != _ZERO:
                return replace(value, args=(rest, right))
            return right if value.op == "+" else _negative(right)
        case Apply("if", (condition, then, otherwise)):
            first, second = _difference(then, point), _difference(otherwise, point)
            if first is not None and second is not None:
                return replace(value, args=(condition, first, second))
    return None


def _negative(value: Expr) -> Expr:
    """``-value``; the sign goes to the first factor, where it costs and says least."""
    match value:
        case Apply("neg", (inner,)):
            return inner
        case Apply("*" | "/", (left, right)):
            return replace(value, args=(_negative(left), right))
        case _:
            return Apply("neg", (value,), type=typed(value))


# The starts of the states.


def numeric(state: State) -> bool:
    """Whether the start is one number, the same for every tensor, in which no state is read."""
    if isinstance(state.start, Draw):
        return False
    known = all(typed(s).extent is Extent.SCALAR for s in symbols(state.start))
    reduces = any(isinstance(n, Apply) and n.over for n in walk(state.start))
    scalar = state.type.extent is Extent.SCALAR
    return known and not reduces and (scalar or not typed(state.start).axes)


def copies(state: State, point: str) -> bool:
    return state.start == Sym(point) and state.type == PER_ENTRY


def start_body(step: Step) -> tuple[Equation | Draw, ...]:
    """The starts that are more than a number or a copy of the point, as statements."""
    body: list[Equation | Draw] = []
    read = {s for state in step.states if not isinstance(state.start, Draw)
            for s in symbols(state.start)}
    for state in sorted(step.states, key=lambda s: not s.constant):
        target = Sym(state.name, type=state.type)
        if isinstance(state.start, Draw):
            body.append(replace(state.start, target=target))
        elif target in read or not (numeric(state) or copies(state, step.point)):
            body.append(Equation(target, state.start))
    return tuple(body)


def used_in(stages: tuple[Phase, ...]) -> set[Sym]:
    """The symbols that statements read."""
    used: set[Sym] = set()
    for stage in stages:
        for statement in (*stage.scalars, *stage.leaves, *stage.partials):
            used |= {s for e in reads(statement) for s in symbols(e)}
            used |= {statement.target} if isinstance(statement, First) else set()
    return used
