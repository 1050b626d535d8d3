"""Segments as JAX text: scalars, functions of one tensor mapped over the tensors, and between them
questions to the problem, loops and blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from thetaprime.backends.jax_align import typed
from thetaprime.backends.jax_expr import Writer
from thetaprime.backends.jax_leaf import guard_of, leaf_lines
from thetaprime.backends.jax_loops import turns_of
from thetaprime.backends.jax_oracles import ask_lines
from thetaprime.backends.jax_regions import choice_lines, indented, loop_lines, within
from thetaprime.backends.phases import Phase
from thetaprime.backends.segments import Ask, Choice, Part, Segment, Turns
from thetaprime.expr import Apply, Sym, symbols
from thetaprime.ir import Draw, Equation, First, statements
from thetaprime.ops import REDUCTIONS
from thetaprime.scopes import free, outputs
from thetaprime.types import SCALAR, Extent

_COMBINE = {"add": "_sum", "max": "_max", "min": "_min", "and": "_all", "or": "_any"}


@dataclass(frozen=True)
class Scene:
    """What the lines are written for: ``lists`` are the places, one after another, of the symbols
    that stand for one array of each tensor, the one in whose shape they all are first;
    ``several``: the step sees several batches; ``sparse``: of some tensors the first one is
    missing, but others are not; ``place``: what says where tensors lie; ``apart``: no result of a
    tensor is made from another, as `jax_loops` says."""

    writer: Writer
    lists: Mapping[Sym, int]
    several: bool = False
    sparse: bool = False
    place: str = "structure"
    apart: bool = False


def walks(stages: Sequence[Segment], wanted: Sequence[Sym], scene: Scene) -> list[str]:
    """The lines of all segments, after which the symbols in ``wanted`` are known."""
    lines: list[str] = []
    lists = dict(scene.lists)
    last = last_reads(stages)
    called = leaf_names(stages)
    asked: list[Ask] = []
    for place, stage in enumerate(stages):
        now = replace(scene, lists=lists)
        match stage:
            case Phase():
                for statement in stage.scalars:
                    lines += leaf_lines((statement,), replace(scene.writer, like=None))
                if place in called:
                    later = {s for s in given(stage) if last.get(s, 0) > place}
                    lines += _walk(called[place], stage, wanted, later, now)
            case Ask():
                asked.append(stage)
                if not any(isinstance(s, Ask) for s in stages[place + 1: place + 2]):
                    lines += ask_lines(asked, scene.writer, scene.several)
                    asked = []
            case Choice():
                lines += _choice(stage, now)
            case Turns():
                lines += _turns(stage, now)
        for symbol in filter(_varies, given(stage)):
            lists.setdefault(symbol, len(lists))
    return lines


def places_of(symbols: Iterable[Sym]) -> dict[Sym, int]:
    """The places of symbols in a row."""
    return {symbol: place for place, symbol in enumerate(dict.fromkeys(symbols))}


def leaf_names(stages: Sequence[Segment]) -> dict[int, str]:
    """What the function of one tensor is called in each phase that has one, by its place."""
    busy = [place for place, stage in enumerate(stages)
            if isinstance(stage, Phase) and (stage.leaves or stage.partials)]
    return {place: "leaf" if len(busy) == 1 else f"leaf_{k}" for k, place in enumerate(busy, 1)}


def last_reads(stages: Sequence[Segment]) -> dict[Sym, int]:
    """The number of the last segment that reads a symbol."""
    return {symbol: place for place, stage in enumerate(stages) for symbol in reads_of(stage)}


def given(stage: Segment) -> Iterator[Sym]:
    """The symbols that are known after a segment."""
    match stage:
        case Phase(scalars, leaves, partials):
            for statement in (*scalars, *leaves, *partials):
                yield from outputs(statement)
        case Ask(target):
            yield target
        case Choice(_, made):
            yield from made
        case Turns(loop):
            yield from (c.value for c in loop.carries)


def reads_of(stage: Segment) -> set[Sym]:
    """The symbols that a segment reads, its insides too."""
    match stage:
        case Phase(scalars, leaves, partials):
            inner = (*scalars, *leaves, *partials)
            used = {s for statement in inner for s in free(statement)}
            return used | {s.target for s in inner if isinstance(s, First)}
        case Ask(_, call):
            return symbols(call)
        case Choice(condition, _, then, otherwise):
            return symbols(condition) | _reads_of_part(then) | _reads_of_part(otherwise)
        case Turns(loop, part):
            starts = {s for c in loop.carries for s in symbols(c.start)}
            return starts | symbols(loop.turns) | _reads_of_part(part)


def _reads_of_part(part: Part) -> set[Sym]:
    return set(part.results).union(*(reads_of(s) for s in part.segments))


def _varies(symbol: Sym) -> bool:
    return typed(symbol).extent is not Extent.SCALAR


# Loops and blocks.


def _part(part: Part, scene: Scene) -> tuple[list[str], list[str]]:
    """The lines of a part, and the names of its results."""
    lines = walks(part.segments, part.results, scene)
    return lines, [scene.writer.name(s) for s in part.results]


def _choice(choice: Choice, scene: Scene) -> list[str]:
    """A block: both sides give numbers of the model in one dtype."""

    def side(part: Part) -> tuple[list[str], list[str]]:
        lines, names = _part(part, scene)
        whole = {s.target for stage in part.segments if isinstance(stage, Phase)
                 for s in stage.scalars if isinstance(s, Equation) and _constant(s)}
        return lines, [f"jnp.asarray({name}, dtype)" if s in whole else name
                       for name, s in zip(names, part.results, strict=True)]

    return choice_lines(choice.condition, [scene.writer.name(s) for s in choice.outputs],
                        side(choice.then), side(choice.otherwise), choice.rare, scene.writer)


def _constant(equation: Equation) -> bool:
    """Whether the text of a number may be whole where the number is not meant to be."""
    real = (s for s in symbols(equation.value) if typed(s).kind == "real")
    return typed(equation.target) == SCALAR and not any(real)


def _turns(turns: Turns, scene: Scene) -> list[str]:
    loop = turns.loop
    lists = places_of((*scene.lists, *(c.value for c in loop.carries if _varies(c.value))))
    inner = replace(scene, writer=within(loop, scene.writer), lists=lists)
    return loop_lines(loop, *_part(turns.part, inner), replace(scene.writer, like=None))


# Walks.


def _walk(
    name: str, stage: Phase, wanted: Sequence[Sym], later: set[Sym], scene: Scene
) -> list[str]:
    """The function of one tensor, its call for all of them, and what they contribute together."""
    writer, fused = scene.writer, scene.place == "layout"
    inner = (*stage.leaves, *stage.partials)
    own = dict.fromkeys(o for s in stage.leaves for o in outputs(s))
    read = {s for statement in inner for s in free(statement)}
    read |= {s.target for s in inner if isinstance(s, First)}
    kept = [s for s in wanted if s in own] + [s for s in own if s in later]
    results = [*(p.target for p in stage.partials), *dict.fromkeys(kept)]
    if not results:
        return []
    body = leaf_lines(inner, writer, results)
    guarded = any(guard_of(s) is not None for s in statements(inner))
    listed = {s for s in read if s in scene.lists}
    if writer.like is not None and (scene.sparse or guarded or not listed or _shown(writer, body)):
        listed.add(writer.like)
    arguments = [writer.name(s) for s in sorted(listed, key=scene.lists.__getitem__)]
    columns = list(arguments)
    if any(isinstance(s, Draw) and _varies(s.target) for s in statements(stage.leaves)):
        arguments.append("index")
        columns.append("_indices(layout)" if fused else "range(structure.num_leaves)")
    if any("fnmatchcase(path" in line for line in body):
        arguments.append("path")
        columns.append("paths=paths" if fused else "paths")
    out = ", ".join(writer.name(s) for s in results)
    left = out if len(results) > 1 else f"({out},)"
    turns = turns_of(stage, results) if scene.apart and columns == arguments else ()
    called = f"_one_loop({name}, {turns})" if turns else name
    call = f"_each({called}, {len(results)}, {', '.join(columns)})"
    return ["", f"def {name}({', '.join(arguments)}):", *indented(body), f"    return {left}", "",
            f"{left} = {call}", *(_combined(p, writer) for p in stage.partials)]


def _shown(writer: Writer, lines: list[str]) -> bool:
    """Whether the lines read the tensor that shapes are taken from."""
    assert writer.like is not None
    return any(re.search(rf"\b{writer.name(writer.like)}\b", line) for line in lines)


def _combined(partial: Equation, writer: Writer) -> str:
    """What the tensors contribute, put together."""
    name = writer.name(partial.target)
    assert isinstance(partial.value, Apply)
    row = REDUCTIONS[partial.value.op]
    dtype = "" if row.kind == "bool" else ", dtype"
    return f"{name} = {_COMBINE[row.combine]}({name}{dtype})"
