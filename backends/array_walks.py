"""Segments as NumPy text: scalars, functions of one tensor called for all tensors, and between
them questions to the problem, `for` loops and `if` blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from thetaprime.backends.array_expr import ArrayWriter
from thetaprime.backends.jax_align import typed
from thetaprime.backends.jax_leaf import Regions, leaf_lines
from thetaprime.backends.jax_oracles import batch_text, whole_text
from thetaprime.backends.jax_regions import ended, indented, renamed, returned, within
from thetaprime.backends.jax_walks import given, last_reads, leaf_names, places_of
from thetaprime.backends.segments import Ask, Choice, Part, Phase, Segment, Turns
from thetaprime.expr import Apply, Expr, Sym
from thetaprime.ir import Carry, Equation, First, Loop, Statement
from thetaprime.ops import ORACLES, REDUCTIONS, WHOLE
from thetaprime.scopes import free, outputs
from thetaprime.types import Extent

_COMBINE = {"add": "_sum", "max": "_max", "min": "_min", "and": "_all", "or": "_any"}


@dataclass(frozen=True)
class Scene:
    """What the lines are written for: ``lists`` are the places, one after another, of the symbols
    that stand for one array of each tensor, the one in whose shape they all are first;
    ``several``: the step sees several batches; ``walk`` writes how the tensors are gone through."""

    writer: ArrayWriter
    lists: Mapping[Sym, int]
    several: bool = False
    walk: Walk = field(default_factory=lambda: walked)


# The lines of a walk: from the name of its function, the phase, and the symbols that later
# segments read.
Walk = Callable[[str, Phase, set[Sym], Scene], list[str]]


def walks(stages: Sequence[Segment], wanted: Iterable[Sym], scene: Scene) -> list[str]:
    """The lines of all segments, after which the symbols in ``wanted`` are known."""
    lines: list[str] = []
    lists = dict(scene.lists)
    last = last_reads(stages) | dict.fromkeys(wanted, len(stages))
    called = leaf_names(stages)
    for place, stage in enumerate(stages):
        now = replace(scene, lists=lists)
        later = {s for s in given(stage) if last.get(s, 0) > place}
        match stage:
            case Phase(scalars):
                lines += leaf_lines(scalars, replace(scene.writer, like=None), regions=NUMPY)
                if place in called:
                    lines += scene.walk(called[place], stage, later, now)
            case Ask():
                lines.append(_ask(stage, scene))
            case Choice(condition, made, then, otherwise):
                names = [scene.writer.name(s) for s in made]
                lines += _choice(scene.writer.show(condition), (_part(then, names, now),
                                                                _part(otherwise, names, now)))
            case Turns(loop, part):
                lines += _turns(loop, part, now)
        for symbol in _varying(stage):
            lists.setdefault(symbol, len(lists))
    return lines


def _varying(stage: Segment) -> list[Sym]:
    """The symbols that a segment gives of which there is one of each tensor; what holds for some
    tensors only is in lists too."""
    inner = {o for s in stage.leaves for o in outputs(s)} if isinstance(stage, Phase) else set()
    return [s for s in given(stage) if s in inner or typed(s).extent is not Extent.SCALAR]


# Between walks.


def _ask(ask: Ask, scene: Scene) -> str:
    """An answer of the problem; the functions that ask have the names of the oracles."""
    call = ask.call
    if call.op in WHOLE:
        return f"{scene.writer.name(ask.target)} = {whole_text(call, scene.writer)}"
    row = ORACLES[call.op]
    given = [scene.writer.show(a) for a in call.args[:len(row.takes)]]
    given.append(_batch(call, scene))
    given += [f'"{name}"' for name in call.over[1:]]
    return f"{scene.writer.name(ask.target)} = {call.op}({', '.join(given)})"


def _batch(call: Apply, scene: Scene) -> str:
    if call.over[0] == "fresh":
        return f"batch.fresh[{scene.writer.show(call.args[-1])}]"
    return batch_text(call, scene.writer, scene.several)


def _part(part: Part, names: Sequence[str], scene: Scene) -> list[str]:
    """The lines of a part, whose results then go by ``names``."""
    lines = walks(part.segments, part.results, scene)
    return ended(lines, names, [scene.writer.name(s) for s in part.results])


def _turns(loop: Loop, part: Part, scene: Scene) -> list[str]:
    writer = replace(scene.writer, like=None)
    lists = places_of((*scene.lists, *(c.value for c in loop.carries
                                       if typed(c.value).extent is not Extent.SCALAR)))
    inner = replace(scene, writer=_inside(loop, scene.writer), lists=lists)
    names = [writer.name(c.value) for c in loop.carries]
    stop = [writer.name(s) for s in part.results[len(names):]]
    body = _part(part, [*names, *stop], inner)
    return _loop(loop, body, stop, writer)


def _inside(loop: Loop, writer: ArrayWriter) -> ArrayWriter:
    """The writer for the body, which counts the turns."""
    return replace(writer, turn=within(loop, writer).turn)


def _loop(loop: Loop, body: list[str], stop: Sequence[str], writer: ArrayWriter) -> list[str]:
    """The lines of a loop whose body ends with the next values in the names of the carries."""
    starts = renamed([writer.name(c.value) for c in loop.carries],
                      [_start(c, writer) for c in loop.carries])
    turn = writer.name(loop.turn)
    turn = turn if any(re.search(rf"\b{turn}\b", line) for line in body) else "_"
    ends = [line for name in stop for line in (f"if {name}:", "    break")]
    return [*starts, f"for {turn} in range({writer.show(loop.turns)}):",
            *indented([*body, *ends])]


def _start(carry: Carry, writer: ArrayWriter) -> str:
    if typed(carry.value).extent is Extent.SCALAR or writer.like is not None:
        return writer.filled(carry.value, carry.start)
    return writer.show(carry.start)


def _choice(condition: str, sides: tuple[list[str], list[str]]) -> list[str]:
    """``if``: the lines of one of two sides."""
    then, otherwise = sides
    if not then and not otherwise:
        return []
    lines = [f"if {condition}:", *indented(then or ["pass"])]
    return [*lines, "else:", *indented(otherwise)] if otherwise else lines


# Inside of the function of one tensor.


def _leaf_loop(
    loop: Loop, inner: list[str], results: Sequence[str], writer: ArrayWriter
) -> list[str]:
    names = [writer.name(c.value) for c in loop.carries]
    body = ended(inner, names, results[:len(names)])
    return _loop(loop, body, results[len(names):], writer)


def _leaf_choice(
    condition: Expr, _: Sequence[str], then: tuple[list[str], Sequence[str]],
    otherwise: tuple[list[str], Sequence[str]], rare: bool, writer: ArrayWriter,
) -> list[str]:
    del rare  # a branch costs nothing here
    return _choice(writer.show(condition), (then[0], otherwise[0]))


NUMPY = Regions(_leaf_loop, _leaf_choice)


def walked(name: str, stage: Phase, later: set[Sym], scene: Scene) -> list[str]:
    """The function of one tensor, its call for all of them, and what they contribute together."""
    inner, results = (*stage.leaves, *stage.partials), results_of(stage, later)
    return function_lines(name, stage, leaf_lines(inner, scene.writer, results, NUMPY), results,
                          scene)


def results_of(stage: Phase, later: set[Sym]) -> list[Sym]:
    """What the function of one tensor returns."""
    own = dict.fromkeys(o for s in stage.leaves for o in outputs(s))
    return [*(p.target for p in stage.partials), *(s for s in own if s in later)]


def function_lines(
    name: str, stage: Phase, body: list[str], results: Sequence[Sym], scene: Scene,
    held: Mapping[Sym, Sym] = MappingProxyType({}),
) -> list[str]:
    """The function of one tensor around its body, and its call for all of them; ``held``: the
    results that stand in arrays which it got, and those."""
    if not results:
        return []
    writer = scene.writer
    read = {s for s in _read((*stage.leaves, *stage.partials)) if s in scene.lists}
    read |= set(held.values())
    text = "\n".join(body)
    assert writer.like is not None
    if not read or _names(writer.name(writer.like), text):
        read.add(writer.like)
    arguments = [writer.name(s) for s in sorted(read, key=scene.lists.__getitem__)]
    arguments += [word for word in ("index", "path") if _names(word, text)]
    lines = returned(body, [writer.name(held.get(s, s)) for s in results])
    return ["", f"def {name}({', '.join(arguments)}):", *indented(lines), "",
            *_called(f"map({', '.join([name, *arguments])})", results, stage.partials, writer)]


def _called(
    call: str, results: Sequence[Sym], partials: Sequence[Equation], writer: ArrayWriter
) -> list[str]:
    """The lists of the results of all tensors, and what the tensors contribute together."""
    if len(results) == 1:
        if partials:
            return [_combined(partials[0], call, writer)]
        return [f"{writer.name(results[0])} = list({call})"]
    left = ", ".join(writer.name(s) for s in results)
    return [f"{left} = _unzip({call}, {len(results)})",
            *(_combined(p, writer.name(p.target), writer) for p in partials)]


def _read(inner: Sequence[Statement]) -> Iterator[Sym]:
    for statement in inner:
        yield from free(statement)
        if isinstance(statement, First):
            yield statement.target


def _names(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}\b", text) is not None


def _combined(partial: Equation, parts: str, writer: ArrayWriter) -> str:
    """What the tensors contribute, put together."""
    value: Expr = partial.value
    assert isinstance(value, Apply)
    row = REDUCTIONS[value.op]
    dtype = "" if row.kind == "bool" else ", dtype"
    return f"{writer.name(partial.target)} = {_COMBINE[row.combine]}({parts}{dtype})"
