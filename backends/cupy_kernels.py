"""Phases as kernels: what a phase does entry by entry is one function that `cupy.fuse` compiles.

CuPy traces such a function once for the dtypes and ranks of its arguments, so that it stands in the
module itself and everything that changes is an argument. It knows element-wise functions alone, and
all that it returns has the shape of all its arguments together. Reductions, draws, matrices and
whatever differs by tensor stay between kernels, as plain lines of the function of one tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypeGuard

from thetaprime.backends.array_plan import Plan
from thetaprime.backends.array_walks import (
    NUMPY,
    Scene,
    function_lines,
    results_of,
    walked,
)
from thetaprime.backends.cupy_text import CupyWriter, of_model
from thetaprime.backends.jax_align import typed, whole_steps
from thetaprime.backends.jax_leaf import guard_of, leaf_lines
from thetaprime.backends.jax_names import STEP_COUNT
from thetaprime.backends.jax_regions import indented, returned
from thetaprime.backends.jax_walks import reads_of
from thetaprime.backends.phases import Phase, fresh_name, hoist, split
from thetaprime.backends.segments import Segment
from thetaprime.expr import Apply, Expr, Num, Sym, symbols, walk
from thetaprime.ir import Draw, Equation, First, Statement
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

    def walk(self, name: str, stage: Phase, later: set[Sym], scene: Scene) -> list[str]:
        """How all tensors are gone through: as `walked`, with what works entry by entry in
        kernels."""
        body = (*stage.leaves, *stage.partials)
        if any(guard_of(s) is not None for s in body):
            return walked(name, stage, later, scene)
        writer = scene.writer
        assert isinstance(writer, CupyWriter)
        names = dict(writer.names)
        taken = {*names.values(), *(s.name for s in names)}
        ready = _apart(hoist(body, _reduces, taken), taken)
        parts = split(ready, lambda s: not _element_wise(s))
        names |= {o: o.name for part in parts for s in part for o in outputs(s) if o not in names}
        once = Once(taken)
        results = results_of(stage, later)
        lines: list[str] = []
        held: dict[Sym, Sym] = {}
        for place, part in enumerate(parts):
            inner = [once.out_of(s) for s in part if _element_wise(s)]
            rest = [s for s in part if not _element_wise(s)]
            after = {*results, *(s for s in _read(rest))}
            after |= {s for more in parts[place + 1:] for s in _read(more)}
            now = replace(writer, names=names | {s: s.name for s in once.numbers})
            if inner:
                lines += leaf_lines(once.of_tensor(), now, regions=NUMPY)
                here = self._held(inner, stage, after)
                lines += self._kernel(inner, here, after, now)
                names |= {new: names[old] for new, old in here.items()}
                held |= here
            lines += leaf_lines(rest, replace(now, names=names), after, NUMPY)
        setup = [f"{s.name} = {replace(writer, like=None).show(e)}"
                 for s, e in once.numbers.items() if not _local(e)]
        return [*setup, *function_lines(name, stage, lines, results, scene, held)]

    def _held(self, body: Sequence[EntryWise], stage: Phase, after: set[Sym]) -> dict[Sym, Sym]:
        """New value -> the state (or point) in whose array it can be put at once, since nothing
        reads what that holds now: not after this kernel, and nothing else has that array."""
        stages: tuple[Segment, ...] = self.plan.update
        if stage not in stages or not all(isinstance(s, Phase) for s in stages):
            return {}
        read = after.union(self.plan.results)
        read |= {s for more in stages[stages.index(stage) + 1:] for s in reads_of(more)}
        read |= {s for one in stages for s in _renamed(one)}
        fixed = {s.name for s in self.plan.step.states
                 if s.guard is not None or s.type.extent is not Extent.ENTRY or s.type.axes}
        kept = {s.name for s in self.plan.step.states} - fixed | {self.plan.point.name}
        first = {s.target for s in body if isinstance(s, First)}
        found = {}
        for statement in body:
            new = statement.target
            old = replace(new, prime=False)
            if new.prime and new.name in kept and old not in read | first:
                found[new] = old
        return found

    def _kernel(
        self, body: Sequence[EntryWise], held: dict[Sym, Sym], after: set[Sym], writer: CupyWriter
    ) -> list[str]:
        """The line that calls a new kernel."""
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
        return [f"{', '.join(made)}{' = ' * bool(made)}{name}({arguments})"]


@dataclass
class Once:
    """What is computed once for all entries: numbers that kernels read."""

    taken: set[str]
    numbers: dict[Sym, Expr] = field(default_factory=dict)
    done: set[Sym] = field(default_factory=set)

    def of_tensor(self) -> list[Equation]:
        """Those that a tensor tells itself, by its lengths, as far as they are new."""
        new = [s for s, e in self.numbers.items() if _local(e) and s not in self.done]
        self.done |= set(new)
        return [Equation(s, self.numbers[s]) for s in new]

    def out_of(self, statement: EntryWise) -> EntryWise:
        """The statement with such numbers by their names."""
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


def _renamed(stage: Segment) -> set[Sym]:
    """What a phase may give another name to, so that its array goes by both."""
    assert isinstance(stage, Phase)
    found: set[Sym] = set()
    for statement in (*stage.leaves, *stage.partials):
        match statement:
            case Draw() | Equation(_, Num()):
                continue
            case Equation(_, Apply(op)) if op in OPS or op in REDUCTIONS:
                continue
        found |= set(free(statement))
    return found


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
