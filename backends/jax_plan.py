"""What a generated JAX module is written from: the step in phases, and the names in it."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, replace
from functools import cached_property

from thetaprime.backends.jax_align import typed
from thetaprime.backends.jax_expr import Writer
from thetaprime.backends.jax_fused import Form, form_of
from thetaprime.backends.jax_names import lengths, python_names
from thetaprime.backends.jax_oracles import Questions, asks_more, questions
from thetaprime.backends.jax_walks import given, reads_of
from thetaprime.backends.phases import Phase
from thetaprime.backends.segments import Choice, Part, Segment, Turns, segments, whole
from thetaprime.engines import Fuse
from thetaprime.expr import Apply, Expr, Num, Sym, symbols, walk
from thetaprime.ir import Draw, EachAxis, Equation, Loop, State, Statement, Step, reads, statements
from thetaprime.scopes import outputs
from thetaprime.simplify import costly, flatten
from thetaprime.storage import STOCHASTIC
from thetaprime.types import PER_ENTRY, Extent


@dataclass(frozen=True)
class Plan:
    """What the parts of the module are written from. ``result`` is what a step returns beside the
    state: the change of the point, or the new point where the step asks the problem itself
    (``asked``). ``form`` says in which arrays tensors are held; ``apart`` why they cannot be fused
    where they should be; ``loops``: of a tensor, all results come from one loop (`jax_loops`)."""

    step: Step
    result: Sym
    writer: Writer
    factory: str
    update: Part
    start: Part
    evaluate: Part | None
    averaged: Sym
    asked: Questions | None
    form: Form = "tree"
    apart: str = ""
    loops: bool = False

    @property
    def fused(self) -> bool:
        return self.form != "tree"

    @property
    def place(self) -> str:
        """What says where tensors lie: the structure of the tree, or the layout of its arrays."""
        return "layout" if self.fused else "structure"

    @property
    def made(self) -> str:
        """The class of what the factory makes."""
        return "Fused" if self.fused else self.base

    @property
    def base(self) -> str:
        return "GradientTransformationExtraArgs" if self.asked is None else "Optimizer"

    @property
    def state_class(self) -> str:
        return f"{self.step.name}State"

    @property
    def draws(self) -> bool:
        starts = any(isinstance(s.start, Draw) or stochastic(s) for s in self.step.states)
        return starts or any(isinstance(s, Draw) for s in statements(self.step.body))

    def family(self, state: State) -> bool:
        """Whether a state has one array for each axis of a tensor."""
        return bool(self._families & set(state.type.axes))

    @cached_property
    def _families(self) -> set[str]:
        return each_axis(self.step)

    @property
    def draws_in_turns(self) -> bool:
        """Whether a draw stands in a loop, and so depends on its turn."""
        return any(isinstance(s, Draw) for loop in statements(self.step.body)
                   if isinstance(loop, Loop) for s in statements(loop.body))


def factory_name(name: str) -> str:
    """The name of the factory of the optimizer ``name``: ``adamw`` for AdamW."""
    plain = re.sub(r"\W", "_", name).lower()
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def parameter_names(step: Step) -> dict[str, str]:
    """The parameter of the factory for each hyperparameter: its name, but where Python or the
    text itself needs that one (``lambda_`` for lambda)."""
    names = make_plan(step).writer.names
    return {h.name: names[Sym(h.name)] for h in step.hypers}


def make_plan(step: Step, fuse: Fuse | None = None) -> Plan:
    """The plan of a module that is fused in a way, where the rule can have it."""
    step = flatten(step, keep=costly)
    result = Sym(step.point, True, PER_ENTRY)
    if not asks_more(step):
        step, result = _with_change(step)
    averaged = Sym(_unused(step, "averaged"), type=PER_ENTRY)
    wanted = [result, *(Sym(s.name, not s.constant, s.type) for s in step.states)]
    update = whole(step.body, wanted)
    starts = start_body(step)
    made = tuple(o for s in starts for o in outputs(s))
    start = Part(segments(starts, made), made)
    evaluate = None
    if step.evaluate is not None:
        evaluate = whole((Equation(averaged, step.evaluate),), [averaged])
    asked = None
    if asks_more(step):
        used = used_in(update)
        asked = questions(step, Sym(step.gradient) in used, Sym("loss") in used)
    found = [Sym(step.point), Sym(step.gradient), Sym("loss"), *(Sym(h.name) for h in step.hypers)]
    for state in step.states:
        found += [Sym(state.name), Sym(state.name, True)]
    for part in (update, start, evaluate):
        found += [] if part is None else [*_named(part.segments), *part.results]
    factory = factory_name(step.name)
    found = [s for s in found if s not in (Sym("rank"), Sym("path"))]
    names = python_names(found, taken={factory, f"{step.name}State", *_functions(asked)})
    writer = Writer(names, lengths(step.axes, names), named=frozenset(a.name for a in step.axes),
                    views=step.views)
    form, apart = form_of(step, asked is not None, (update, start, evaluate)) if (
        fuse == "flat") else ("tree", "")
    return Plan(step, result, writer, factory, update, start, evaluate, averaged, asked, form,
                apart, loops=fuse == "loop")


def _functions(asked: Questions | None) -> list[str]:
    return [] if asked is None else [f"{name}_of" for name in (*asked.functions, "losses")]


def _named(stages: tuple[Segment, ...]) -> list[Sym]:
    """All symbols of the segments, in the order in which they first stand there."""
    found: list[Sym] = []
    for stage in stages:
        if isinstance(stage, Phase):
            for statement in statements((*stage.scalars, *stage.leaves, *stage.partials)):
                found += outputs(statement)
                if isinstance(statement, Loop):
                    found += _of_loop(statement)
                for expr in reads(statement):
                    found += sorted(symbols(expr), key=str)
            continue
        found += [*given(stage), *sorted(reads_of(stage), key=str)]
        if isinstance(stage, Turns):
            found += _of_loop(stage.loop)
        for part in parts(stage):
            found += _named(part.segments)
    return found


def _of_loop(loop: Loop) -> list[Sym]:
    return [loop.turn, *(c.value for c in loop.carries), *([loop.until] if loop.until else [])]


def parts(stage: Segment) -> tuple[Part, ...]:
    """The bodies inside of a segment."""
    match stage:
        case Choice():
            return (stage.then, stage.otherwise)
        case Turns():
            return (stage.part,)
    return ()


def _unused(step: Step, stem: str) -> str:
    taken = {s.name for st in step.body for e in reads(st) for s in symbols(e)}
    taken |= {h.name for h in step.hypers} | {s.name for s in step.states}
    taken |= {o.name for s in statements(step.body) for o in outputs(s)}
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


def _difference(value: Expr, point: Expr) -> Expr | None:
    """``value - point`` where the point is a term of the value, else None."""
    match value:
        case Sym() | Apply("view"):
            return _ZERO if value == point else None
        case Apply("unview", (inner,), view):
            seen = _difference(inner, Apply("view", (point,), view))
            return None if seen is None else replace(value, args=(seen,))
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


def each_axis(step: Step) -> set[str]:
    """The names under which steps go over the axes of a tensor."""
    return {s.axis for s in statements(step.body) if isinstance(s, EachAxis)}


def stochastic(state: State) -> bool:
    """Whether a state is rounded by chance when it is kept."""
    return state.storage is not None and state.storage[1] == STOCHASTIC


def numeric(state: State) -> bool:
    """Whether the start is one number, the same for every tensor, in which no state is read."""
    if isinstance(state.start, Draw) or state.guard is not None:
        return False
    if state.type.extent is Extent.TENSOR and state.type.axes:
        return False  # a matrix, as long as the tensor
    known = all(typed(s).extent is Extent.SCALAR for s in symbols(state.start))
    reduces = any(isinstance(n, Apply) and n.over for n in walk(state.start))
    scalar = state.type.extent is Extent.SCALAR
    return known and not reduces and (scalar or not typed(state.start).axes)


def copies(state: State, point: str) -> bool:
    return state.start == Sym(point) and state.type == PER_ENTRY and state.guard is None


def start_body(step: Step) -> tuple[Equation | Draw | EachAxis, ...]:
    """The starts that are more than a number or a copy of the point, as statements."""
    body: list[Equation | Draw | EachAxis] = []
    axes = each_axis(step)
    read = {s for state in step.states if not isinstance(state.start, Draw)
            for s in symbols(state.start)}
    for state in sorted(step.states, key=lambda s: not s.constant):
        target = Sym(state.name, type=state.type)
        if isinstance(state.start, Draw):
            body.append(replace(state.start, target=target, guard=state.guard))
        elif target in read or not (numeric(state) or copies(state, step.point)):
            equation = Equation(target, state.start, guard=state.guard)
            over = next((a for a in state.type.axes if a in axes), None)
            body.append(equation if over is None else
                        EachAxis(over, (), (replace(equation, guard=None),), guard=state.guard))
    return tuple(body)


def used_in(part: Part) -> set[Sym]:
    """The symbols that a part reads, or gives as they are."""
    return set(part.results).union(*(reads_of(stage) for stage in part.segments))


def handed_through(part: Part) -> set[Sym]:
    """The symbols that blocks give as they are and loops start from."""
    found: set[Sym] = set()
    for stage in part.segments:
        if isinstance(stage, Turns):
            found |= {c.start for c in stage.loop.carries if isinstance(c.start, Sym)}
        for inner in parts(stage):
            found |= {*inner.results, *handed_through(inner)}
    return found
