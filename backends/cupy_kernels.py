"""Phases as kernels: what a phase does entry by entry is one function that `cupy.fuse` compiles.

CuPy traces such a function once for the dtypes and ranks of its arguments, so that it stands in the
module itself and everything that changes is an argument. It knows element-wise functions alone, and
all that it returns has the shape of all its arguments together. Reductions, draws, matrices and
whatever differs by tensor stay between kernels, as plain lines of the function of one tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import TypeGuard

from thetaprime.backends.array_plan import Plan
from thetaprime.backends.array_walks import (
    NUMPY,
    Scene,
    function_lines,
    results_of,
)
from thetaprime.backends.cupy_text import CupyWriter, of_model
from thetaprime.backends.jax_align import typed, whole_steps
from thetaprime.backends.jax_leaf import guard_of, leaf_lines, opposite
from thetaprime.backends.jax_names import STEP_COUNT
from thetaprime.backends.jax_regions import indented, returned
from thetaprime.backends.jax_walks import last_reads
from thetaprime.backends.phases import Phase, fresh_name, hoist, split
from thetaprime.backends.segments import Segment
from thetaprime.expr import Apply, Expr, Num, Sym, symbols, walk
from thetaprime.ir import Draw, Equation, First, Statement, When
from thetaprime.ops import OPS, REDUCTIONS
from thetaprime.scopes import free, outputs
from thetaprime.types import LENGTH, Extent

EntryWise = Equation | First
# What a number of the step may cost in each entry before it is computed once, in additions.
CHEAP = 1


@dataclass
class Kernels:
    """The kernels of a module, as they are written. ``walk`` is that of a `Scene`."""

    plan: Plan
    texts: list[list[str]] = field(default_factory=list)
    _names: dict[Expr | None, set[Sym]] = field(default_factory=dict)

    def walk(self, name: str, stage: Phase, later: set[Sym], scene: Scene) -> list[str]:
        """How all tensors are gone through: as `walked`, with what works entry by entry in
        kernels."""
        writer, results = scene.writer, results_of(stage, later)
        assert isinstance(writer, CupyWriter)
        names = dict(writer.names)
        leaf = _Leaf(self, stage, results, writer, {*names.values(), *(s.name for s in names)})
        regions = replace(NUMPY, part=leaf.part)
        lines = leaf_lines((*stage.leaves, *stage.partials), writer, results, regions)
        setup = [f"{s.name} = {replace(writer, like=None).show(e)}"
                 for s, e in leaf.numbers.items() if not _local(e)]
        return [*setup, *function_lines(name, stage, lines, results, scene, leaf.held)]

    def kept(self, stage: Phase, guard: Expr | None) -> set[Sym]:
        """The states (and the point) in whose arrays a kernel may put their next values at once:
        no later phase reads what they hold, and they have no other name."""
        place = next((i for i, s in enumerate(self.plan.update) if s is stage), None)
        if place is None or not self._only_gradients:
            return set()
        states = {Sym(s.name) for s in self.plan.step.states if s.guard in (None, guard)
                  and s.type.extent is Extent.ENTRY and not s.type.axes}
        return {s for s in (*states, self.plan.point)
                if self._last.get(s, 0) <= place and s not in self._renamed(guard)}

    @cached_property
    def _only_gradients(self) -> bool:
        """Whether all is computed from gradients, in one phase after another."""
        return all(isinstance(s, Phase) for s in self.plan.update)

    @cached_property
    def _last(self) -> dict[Sym, int]:
        """The last phase that reads a symbol; what a step leaves is read after all of them."""
        last = last_reads(self.plan.update)
        return last | dict.fromkeys(self.plan.results, len(self.plan.update))

    def _renamed(self, guard: Expr | None) -> set[Sym]:
        """What a phase may give another name to, so that its array goes by both, in tensors for
        which a guard holds."""
        if guard not in self._names:
            self._names[guard] = {s for stage in self.plan.update for s in _renamed(stage, guard)}
        return self._names[guard]

    def call(
        self, body: Sequence[EntryWise], held: dict[Sym, Sym], after: set[Sym], writer: CupyWriter
    ) -> str:
        """The line that calls a new kernel, which gives what comes ``after`` it reads, or puts it
        where it is ``held``."""
        name = "_kernel" if not self.texts else f"_kernel_{len(self.texts) + 1}"
        own = {s.target for s in body if isinstance(s, Equation)}
        read = dict.fromkeys([*(s for s in _read(body) if s not in own), *held.values()])
        arrays = [s for s in read if not of_model(s)]
        numbers = [s for s in read if of_model(s)]
        arguments = ", ".join(writer.name(s) for s in (*arrays, *numbers))
        given = [s for s in dict.fromkeys(s.target for s in body) if s in after and s not in held]
        inside = replace(writer, fused=True, like=arrays[0])
        lines = [_line(s, inside) for s in body]
        lines += [f"{writer.name(old)}[...] = {writer.name(new)}" for new, old in held.items()]
        made = [writer.name(s) for s in given]
        text = returned(lines, made) if given else lines
        self.texts.append(["@fuse", f"def {name}({arguments}):", *indented(text)])
        return f"{', '.join(made)}{' = ' * bool(made)}{name}({arguments})"


@dataclass
class _Leaf:
    """The function of one tensor while its parts are written. ``numbers`` are computed once for
    all entries, ``held`` the results that stand in the arrays of others."""

    kernels: Kernels
    stage: Phase
    results: list[Sym]
    writer: CupyWriter
    taken: set[str]
    numbers: dict[Sym, Expr] = field(default_factory=dict)
    held: dict[Sym, Sym] = field(default_factory=dict)

    def part(self, body: list[Statement], later: list[Statement]) -> list[str]:
        """The lines of the statements under one guard."""
        guard = guard_of(body[0])
        bare = [s if isinstance(s, When) else replace(s, guard=None) for s in body]
        ready = _apart(hoist(bare, _reduces, self.taken), self.taken)
        parts = split(ready, lambda s: not _element_wise(s))
        names = dict(self.writer.names)
        names |= {new: names[old] for new, old in self.held.items()}
        names |= {o: o.name for part in parts for s in part for o in outputs(s) if o not in names}
        later = [s for s in later if not _excludes(guard, guard_of(s))]
        kept, known, lines = self.kernels.kept(self.stage, guard), set[Sym](), list[str]()
        for place, part in enumerate(parts):
            inner = [self._named_in(s) for s in part if _element_wise(s)]
            rest = [s for s in part if not _element_wise(s)]
            more = [*rest, *(s for p in parts[place + 1:] for s in p), *later]
            after = {*self.results, *_read(more)}
            now = replace(self.writer, names=names | {s: s.name for s in self.numbers})
            held = _held(inner, kept - after)
            if sum(map(_operations, inner)) > 1 or held:
                own = {s: e for s, e in self.numbers.items() if _local(e) and s not in known
                       and s in _read(inner)}
                known |= own.keys()
                lines += [f"{s.name} = {now.show(e)}" for s, e in own.items()]
                lines.append(self.kernels.call(inner, held, after, now))
                if guard is None:
                    names |= {new: names[old] for new, old in held.items()}
                    self.held |= held
                elif held:
                    left, right = (", ".join(map(now.name, side))
                                   for side in (held, held.values()))
                    lines.append(f"{left} = {right}")
            elif inner:  # a kernel by itself
                rest = [*(s for s in part if _element_wise(s)), *rest]
            lines += leaf_lines(rest, replace(now, names=names), after, NUMPY, nested=True)
        return lines

    def _named_in(self, statement: EntryWise) -> EntryWise:
        """The statement with numbers that are computed once by their names."""
        return replace(statement, value=self._named(whole_steps(statement.value)))

    def _named(self, expr: Expr) -> Expr:
        if not of_model(expr):
            if isinstance(expr, Apply):
                return replace(expr, args=tuple(map(self._named, expr.args)))
            return expr
        cost = sum(OPS[n.op].flops for n in walk(expr) if isinstance(n, Apply))
        if not symbols(expr) or (cost <= CHEAP and not _local(expr)):
            return expr
        known = next((s for s, e in self.numbers.items() if e == expr), None)
        if known is None:
            name = next(n for n in map("c{}".format, count(1)) if n not in self.taken)
            self.taken.add(name)
            known = Sym(name, type=expr.type)
            self.numbers[known] = expr
        return known


def _apart(body: Sequence[Statement], taken: set[str]) -> tuple[Statement, ...]:
    """The statements with the terms of reductions in statements of their own."""
    found: list[Statement] = []
    for statement in body:
        match statement:
            case Equation(_, Apply(_, (Apply() as arg,)) as value) if _reduces(value):
                terms = Equation(Sym("terms", type=arg.type), arg)
                if _element_wise(terms):
                    name = fresh_name("terms", taken)
                    terms = replace(terms, target=replace(terms.target, name=name))
                    found.append(terms)
                    value = replace(value, args=(terms.target,))
                    statement = replace(statement, value=value)
        found.append(statement)
    return tuple(found)


def _operations(statement: EntryWise) -> int:
    first = isinstance(statement, First)
    return first + sum(isinstance(n, Apply) for n in walk(statement.value))


def _held(body: Sequence[EntryWise], kept: set[Sym]) -> dict[Sym, Sym]:
    """New value -> that in whose array it can be put, of those in ``kept``."""
    first = {s.target for s in body if isinstance(s, First)}
    old = {s.target: replace(s.target, prime=False) for s in body if s.target.prime}
    return {new: o for new, o in old.items() if o in kept - first}


def _renamed(stage: Segment, guard: Expr | None) -> set[Sym]:
    """What one phase may give another name to."""
    assert isinstance(stage, Phase)
    found: set[Sym] = set()
    for statement in (*stage.leaves, *stage.partials):
        match statement:
            case Draw() | Equation(_, Num()):
                continue
            case Equation(_, Apply(op)) if op in OPS or op in REDUCTIONS:
                continue
        if not _excludes(guard, guard_of(statement)):
            found |= set(free(statement))
    return found


def _excludes(one: Expr | None, other: Expr | None) -> bool:
    """Whether no tensor is under both guards."""
    return one is not None and other is not None and opposite(one, other)


def _local(expr: Expr) -> bool:
    """Whether a number of the step differs by tensor."""
    return any(s.type == LENGTH or s.name == "rank" for s in symbols(expr))


def _reduces(expr: Expr) -> bool:
    return isinstance(expr, Apply) and bool(expr.over) and expr.op in REDUCTIONS


def _element_wise(statement: Statement) -> TypeGuard[EntryWise]:
    """Whether a kernel can hold a statement: entries made of entries and numbers."""
    if not isinstance(statement, Equation | First):
        return False
    kinds = (typed(statement.target), typed(statement.value))
    return all(k.extent is Extent.ENTRY for k in kinds) and all(
        not typed(n).axes and _plain(n) for n in (statement.target, *walk(statement.value)))


def _plain(node: Expr) -> bool:
    match node:
        case Sym():
            return node.name != "path"
        case Apply(op):
            return op in OPS and not node.over
    return isinstance(node, Num)


def _read(body: Sequence[Statement]) -> list[Sym]:
    """The symbols that statements read; a first value's own too, and the number of the step."""
    return [s for st in body for s in (*free(st), *(
        [st.target, STEP_COUNT] if isinstance(st, First) else []))]


def _line(statement: EntryWise, writer: CupyWriter) -> str:
    """The line of a statement inside of a kernel, where no value of the step is known."""
    name, text = writer.name(statement.target), writer.show(statement.value)
    if isinstance(statement, First):
        return f"{name} = cp.where(count == 1, {text}, {name})"
    return f"{name} = {text}"
