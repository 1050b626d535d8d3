"""A scheduled program as lines of Python: scalars, then sweeps, phase by phase."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count

from thetaprime.backends.draws import name_hash
from thetaprime.backends.numba_kernel import loop_kernel
from thetaprime.backends.numpy_kernel import FOLDS, Kernel, kernel, python_text, reduction
from thetaprime.backends.passes import Program, extent_of, sizes
from thetaprime.backends.phases import Plain
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ir import Draw, Equation, First, Statement
from thetaprime.ops import REDUCTIONS
from thetaprime.types import Extent


@dataclass
class Module:
    """What the functions of one module share: the names of quantities, the functions of blocks
    written so far, the functions of numpy that they use."""

    names: dict[Sym, str]
    draws: Mapping[str, tuple[str, int]]
    compiled: bool = False
    kernels: list[list[str]] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)


@dataclass
class Walk:
    """One program being written. ``constants`` are the folded scalars of the current phase; the
    program of a step is told the number of threads, and only that is worth compiling."""

    module: Module
    prog: Program
    stem: str
    sources: Mapping[Sym, Plain]
    constants: dict[Expr, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    said: set[tuple[str, int]] = field(default_factory=set)
    step: bool = False

    @cached_property
    def taken(self) -> set[str]:
        """The names of quantities, and of folded scalars."""
        return {*self.module.names.values(), *self.constants.values()}

    def constant(self, expr: Expr) -> str:
        """The name of a folded scalar: ``one_minus_b1`` for ``1 - b1``, else ``c1 c2 ...``."""
        if expr not in self.constants:
            name = ""
            if (isinstance(expr, Apply) and expr.op == "-" and expr.args[0] == Num("1")
                    and isinstance(expr.args[1], Sym)):
                name = f"one_minus_{self.module.names[expr.args[1]]}"
            while not name or name in self.taken:
                name = f"c{next(self.numbers)}"
            self.constants[expr] = name
            self.taken.add(name)
        return self.constants[expr]

    def show(self, expr: Expr) -> str:
        return python_text(expr, self.module.names)


def walk_lines(walk: Walk, outputs: set[Sym]) -> list[str]:
    """The lines that run the program; those of ``outputs`` that are per tensor are stored."""
    prog, names = walk.prog, walk.module.names
    sweeps = [_kernel(walk, k) for k in range(len(prog.passes))]
    last = max([0, *(level[0] for level in prog.levels.values()),
                *(p.level[0] for p in prog.passes)])
    tensors = {names[s]: s for s, e in prog.extents.items() if e is Extent.TENSOR}
    stored = [s for s in sorted(outputs, key=str) if names[s] in tensors]
    parts = [_phase(walk, phase, sweeps) for phase in range(last + 1)]
    parts[last][1].extend(f'leaf["{s.name}"][...] = {names[s]}' for s in stored)
    used = [words(inner) for _, inner, _ in parts]
    made = [{line.split(" = ")[0] for line in inner} for _, inner, _ in parts]
    lines: list[str] = []
    for phase, (head, inner, tail) in enumerate(parts):
        before = []
        for name in sorted(used[phase] & set(tensors)):
            symbol = tensors[name]
            if symbol in prog.values and name not in made[phase]:
                before.append(f'{name} = leaf["{name}"]')
            elif symbol not in prog.values:
                before.append(f'{name} = leaf["{symbol.name}"][()]')
        later = set().union(*used[phase + 1:])
        after = [f'leaf["{n}"] = {n}' for n in sorted(made[phase] & set(tensors) & later)
                 if tensors[n] in prog.values]
        lines += head
        if inner:
            lines += ["for leaf in leaves:", *(f"    {x}" for x in (*before, *inner, *after))]
        lines += tail
    return lines


def words(lines: list[str]) -> set[str]:
    """The names in lines of Python, without those in quotes."""
    return {word for line in lines for word in re.findall(r"(?<![\w\"])[^\W\d]\w*", line)}


def _kernel(walk: Walk, index: int) -> Kernel:
    module = walk.module
    name = f"_{walk.stem}" if len(walk.prog.passes) == 1 else f"_{walk.stem}_{index + 1}"
    given = (walk.prog, index, name, module.names, walk.constant, walk.sources)
    compiled = module.compiled and walk.step
    made = loop_kernel(*given) if compiled else kernel(*given, module.draws)
    module.kernels.append(made.lines)
    module.functions |= made.functions
    return made


def _phase(
    walk: Walk, phase: int, sweeps: list[Kernel]
) -> tuple[list[str], list[str], list[str]]:
    """What a phase does before its walk over the tensors, for each tensor, and after it. A single
    sweep without numbers of a tensor needs no such walk: its blocks are those of all tensors."""
    prog, names = walk.prog, walk.module.names
    here = [s for s in prog.body if prog.levels[s.target][0] == phase]
    model = [s for s in prog.body if isinstance(s, Equation) and _over(s) == "model"
             and prog.levels[s.target][0] == phase + 1]
    counts = [s for s in model if sizes(s.value)]
    model = [s for s in model if s not in counts]
    numbers = [s for s in here if prog.extents[s.target] is Extent.TENSOR]
    passes = [k for k, p in enumerate(prog.passes) if p.level[0] == phase]
    swept = {r.target for p in prog.passes for r in p.reductions}
    head = [line for s in here if prog.extents[s.target] is Extent.SCALAR and _over(s) != "model"
            for line in _statement(walk, s, "0", "1")]
    head += [line for k in passes for line in _folded(walk, sweeps[k], Extent.SCALAR, -1)]
    tail = [_count(walk, s) for s in counts]
    alike = all(_alike(walk, sweeps[k]) for k in passes)
    if not numbers and alike and len(passes) == 1 and all(s.target in swept for s in model):
        head.append(_call(walk, sweeps[passes[0]], "leaves", bool(model)))
        head += [f"{names[s.target]} = {_combined(prog, s, column)}"
                 for s, column in _columns(prog, passes[0])]
        return head, [], tail
    head += [f"{names[s.target]}_parts = []" for s in model]
    inner: list[str] = []
    levels = {prog.levels[s.target][1] for s in numbers}
    for level in sorted(levels | {prog.passes[k].level[1] for k in passes}):
        for s in numbers:
            if prog.levels[s.target] == (phase, level) and s.target not in swept:
                inner += _statement(walk, s, 'leaf["_index"]', 'leaf["_size"]')
        for k in passes:
            if prog.passes[k].level == (phase, level):
                inner += _folded(walk, sweeps[k], Extent.TENSOR, phase)
                inner.append(_call(walk, sweeps[k], "[leaf]", bool(prog.passes[k].reductions)))
                inner += [f"{names[s.target]}_parts += {column}" if _over(s) == "model" else
                          f"{names[s.target]} = {_combined(prog, s, column)}"
                          for s, column in _columns(prog, k)]
    for s in model:
        if s.target not in swept:
            assert isinstance(s.value, Apply)
            inner.append(f"{names[s.target]}_parts.append({walk.show(s.value.args[0])})")
    tail = [f"{names[s.target]} = {_combined(prog, s, f'{names[s.target]}_parts')}"
            for s in model] + tail
    return head, inner, tail


def _over(statement: Statement) -> str:
    """What a statement that is one reduction runs over, else nothing."""
    if isinstance(statement, Equation) and isinstance(statement.value, Apply):
        return "".join(statement.value.over)
    return ""


def _statement(walk: Walk, statement: Plain, leaf: str, size: str) -> list[str]:
    """A scalar, or a number of one tensor."""
    name = walk.module.names[statement.target]
    match statement:
        case Draw(target, distribution, args):
            return [f"{name} = {_drawn(walk, target, distribution, args, leaf)}"]
        case First(_, value):
            return [f"{name} = {walk.show(value)} if t == 1 else {name}"]
        case Equation(_, value):
            return [f"{name} = {size if sizes(value) else walk.show(value)}"]


def _drawn(
    walk: Walk, target: Sym, distribution: str, args: tuple[Expr, ...], leaf: str
) -> str:
    spelled, lane = walk.module.draws[target.name]
    unit = distribution if distribution in ("normal", "rademacher") else "uniform"
    z = (f"_{unit}(seed, 0x{name_hash(spelled):08X}, t, {leaf}, {lane}, 1, np.float64)[0]")
    given = [walk.show(a) for a in args]
    if distribution == "bernoulli":
        truth = target.type is not None and target.type.kind == "bool"
        return f"{z} < {given[0]}" if truth else f"np.float64({z} < ({given[0]}))"
    if not given:
        return z
    wide = f"({given[1]})" if unit == "normal" else f"(({given[1]}) - ({given[0]}))"
    return f"{given[0]} + {wide}*{z}"


def _count(walk: Walk, statement: Equation) -> str:
    """The number of entries of the model, or of tensors when each has one number."""
    assert isinstance(statement.value, Apply)
    inside = extent_of(statement.value.args[0], walk.prog.extents)
    name = walk.module.names[statement.target]
    if inside is Extent.ENTRY:
        return f'{name} = np.float64(sum(leaf["_size"] for leaf in leaves))'
    return f"{name} = np.float64({'len(leaves)' if inside is Extent.TENSOR else '1'})"


def _columns(prog: Program, sweep: int) -> list[tuple[Equation, str]]:
    """The reductions of a sweep and where their partial results are."""
    return [(r, f"[part[{i}] for part in parts]")
            for i, r in enumerate(prog.passes[sweep].reductions)]


def _combined(prog: Program, statement: Equation, column: str) -> str:
    ufunc, start = FOLDS[REDUCTIONS[reduction(prog, statement.target)].combine]
    return f"_combine(np.{ufunc}, {start}, {column})"


def _folded(walk: Walk, made: Kernel, extent: Extent, phase: int) -> list[str]:
    """Assignments of the folded scalars that a sweep takes, those of a tensor once in a phase and
    those of the model once."""
    lines = []
    for name, expr in made.constants:
        if (name, phase) not in walk.said and isinstance(expr, Apply) and (
                extent_of(expr, walk.prog.extents) is extent):
            walk.said.add((name, phase))
            lines.append(f"{name} = {walk.show(expr)}")
    return lines


def _alike(walk: Walk, made: Kernel) -> bool:
    """Whether a sweep takes the same scalars for all tensors."""
    return all(extent_of(e, walk.prog.extents) is Extent.SCALAR for _, e in made.constants)


def _call(walk: Walk, made: Kernel, leaves: str, keep: bool) -> str:
    def listed(items: Iterable[str]) -> str:
        found = list(items)
        return f"({', '.join(found)}{',' * (len(found) == 1)})"

    reads, writes = (listed(f'"{n}"' for n in names) for names in (made.reads, made.writes))
    constants = listed(name for name, _ in made.constants)
    return (f"{'parts = ' * keep}_sweep({made.name}, {leaves}, {reads}, {writes}, {made.scratch}, "
            f"{made.masks}, {constants}{', threads' * walk.step})")
