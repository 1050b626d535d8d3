"""What a NumPy module of whole arrays is written from: a step in segments, and the names in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from thetaprime.arguments import draws
from thetaprime.backends.array_expr import ArrayWriter
from thetaprime.backends.jax_names import ENTRIES, python_names
from thetaprime.backends.jax_plan import each_axis
from thetaprime.backends.jax_walks import reads_of
from thetaprime.backends.segments import Ask, Choice, Phase, Segment, Turns, segments, whole
from thetaprime.expr import Apply, Expr, Sym, walk
from thetaprime.ir import Draw, EachAxis, Equation, Loop, Statement, Step, When, reads, statements
from thetaprime.ops import ALONG, OPS, ORACLES, REDUCTIONS, WHOLE
from thetaprime.scopes import inside, outputs
from thetaprime.signature import asks_more, oracles_of
from thetaprime.simplify import flatten
from thetaprime.types import LENGTH, PARAMS, PER_ENTRY

# Names that the functions themselves use.
_OWN = ("ASKED", "GRADIENT", "NAME", "POINT", "STATES", "batch", ENTRIES, "index", "leaves", "np",
        "result", *ORACLES)


@dataclass(frozen=True)
class Plan:
    """What the functions are written from: the segments of a step, of the starts of its states
    and of the point to evaluate. ``results`` stand for the next point and states."""

    step: Step
    writer: ArrayWriter
    update: tuple[Segment, ...]
    results: tuple[Sym, ...]
    start: tuple[Segment, ...]
    evaluate: tuple[Segment, ...]
    asks: bool

    @property
    def point(self) -> Sym:
        return Sym(self.step.point, type=PER_ENTRY)

    @property
    def result(self) -> Sym:
        return Sym("result", True, PER_ENTRY)

    @property
    def asked(self) -> list[str]:
        """The oracles that the step asks; with the gradient comes no loss here."""
        reads_loss = Sym("loss") in set().union(*(reads_of(s) for s in self.update))
        found = {*oracles_of(self.step), *(["loss"] if reads_loss else [])}
        return [name for name in ORACLES if name in found and self.asks]

    @property
    def several(self) -> bool:
        """Whether the step sees more than its own batch."""
        return any(call.over[0] != "this" for call in calls(self.step))

    @property
    def rows(self) -> bool:
        """Whether the step sees all entries of the model in one row."""
        found = (n for s in self.step.body for e in reads(s) for n in walk(e))
        return any(isinstance(n, Apply) and n.op in WHOLE for n in found)

    @property
    def seeded(self) -> bool:
        """Whether the program takes a seed."""
        return draws(self.step)


def works_on_arrays(step: Step) -> bool:
    """Whether a step needs whole arrays: it asks, loops, has matrices or differs by tensor."""
    every = list(statements(step.body))
    if asks_more(step) or any(isinstance(s, Loop | EachAxis) for s in every):
        return True
    if any(not isinstance(s, When) and s.guard is not None for s in every):
        return True
    lanes = {a.name for a in step.axes if isinstance(a.length, int)}
    plain = {"model", "tensor", *lanes}
    starts = [s.start for s in step.states if not isinstance(s.start, Draw)]
    exprs = [*(e for s in step.body for e in reads(s)), *starts]
    types = [s.type for s in step.states] + [n.type for e in exprs for n in walk(e)]
    return (any(_beyond(n, plain) for e in exprs for n in walk(e))
            or any(t is not None and not set(t.axes) <= lanes for t in types)
            or any(s.storage is not None or s.guard is not None for s in step.states))


def _beyond(node: Expr, plain: set[str]) -> bool:
    """Whether a node is more than an operation of single entries or a reduction that blocks can
    do: the length of an axis, too."""
    if isinstance(node, Sym):
        return node.type == LENGTH
    if not isinstance(node, Apply) or node.op == "list":
        return False
    return node.op in ALONG or not set(node.over) <= plain or (
        node.op not in REDUCTIONS and node.op not in OPS)


def make_plan(step: Step, kind: type[ArrayWriter] = ArrayWriter) -> Plan:
    step = flatten(step, keep=lambda _: True)
    evaluate: tuple[Segment, ...] = ()
    result = Sym("result", True, PER_ENTRY)
    if step.evaluate is not None:
        evaluate = segments((Equation(result, step.evaluate),), [result])
    wanted = [Sym(s.name, True, s.type) for s in step.states if not s.constant]
    update = whole(step.body, [Sym(step.point, True, PER_ENTRY), *wanted])
    start = segments(_starts(step), [Sym(s.name) for s in step.states])
    found = [Sym(step.point), Sym(step.gradient), Sym("loss"), *(Sym(h.name) for h in step.hypers)]
    found += [s for state in step.states for s in (Sym(state.name), Sym(state.name, True))]
    for segment in (*update.segments, *start, *evaluate):
        found += sorted(reads_of(segment) | set(known(segment)), key=str)
    apart = {result, Sym("loss"), Sym("rank"), Sym("path")}
    names = python_names([s for s in found if s not in apart], _OWN)
    names |= {result: "result", Sym("loss"): "value"}
    lengths = {a.name: str(a.length) if isinstance(a.length, int) else names[Sym(a.length)]
               for a in step.axes if isinstance(a.length, int) or Sym(a.length) in names}
    lengths[PARAMS] = ENTRIES
    named = frozenset(a.name for a in step.axes)
    writer = kind(names, lengths, named=named, views=step.views)
    return Plan(step, writer, update.segments, update.results, start, evaluate, asks_more(step))


def known(segment: Segment) -> Iterator[Sym]:
    """Every symbol that a segment or its insides define."""
    match segment:
        case Phase(scalars, leaves, partials):
            for statement in statements((*scalars, *leaves, *partials)):
                yield from (*outputs(statement), *inside(statement))
        case Ask(target):
            yield target
        case Choice(_, made, then, otherwise):
            yield from made
            for inner in (*then.segments, *otherwise.segments):
                yield from known(inner)
        case Turns(loop, part):
            yield from inside(loop)
            for inner in part.segments:
                yield from known(inner)


def parameter_names(step: Step) -> dict[str, str]:
    """The keyword of ``init`` and ``step`` for each hyperparameter."""
    names = make_plan(step).writer.names
    return {h.name: names[Sym(h.name)] for h in step.hypers}


def _starts(step: Step) -> list[Statement]:
    """The starts of the states as statements, constants first."""
    body: list[Statement] = []
    for state in sorted(step.states, key=lambda s: not s.constant):
        target = Sym(state.name, type=state.type)
        over = next((a for a in state.type.axes if a in each_axis(step)), None)
        if isinstance(state.start, Draw):
            body.append(replace(state.start, target=target, guard=state.guard))
        elif over is None:
            body.append(Equation(target, state.start, state.source, state.guard))
        else:
            inner = Equation(target, state.start, state.source)
            body.append(EachAxis(over, (), (inner,), state.source, state.guard))
    return body


def calls(step: Step) -> list[Apply]:
    """Every question of a step to the problem."""
    return [n for s in step.body for e in reads(s) for n in walk(e)
            if isinstance(n, Apply) and n.op in ORACLES]
