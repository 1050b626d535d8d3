"""Phases as JAX text: scalars, then one function of a tensor, mapped over the tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from thetaprime.backends.jax_expr import Writer
from thetaprime.backends.phases import Phase
from thetaprime.expr import Apply, Sym, symbols
from thetaprime.ir import Draw, Equation, First, reads
from thetaprime.ops import REDUCTIONS

_COMBINE = {"add": "_sum", "max": "_max", "min": "_min", "and": "_all", "or": "_any"}


def walks(
    stages: Sequence[Phase], wanted: Sequence[Sym], writer: Writer, columns: Sequence[Sym],
) -> list[str]:
    """The lines of all phases.

    ``columns`` are the symbols that are lists of one array per tensor before the first phase;
    after the last one those in ``wanted`` are too. ``writer.like`` is one of the columns.
    """
    lines: list[str] = []
    lists = list(columns)
    busy = [stage for stage in stages if stage.leaves or stage.partials]
    for place, stage in enumerate(stages):
        for statement in stage.scalars:
            lines += replace(writer, like=None).statement(statement)
        if stage not in busy:
            continue
        name = "leaf" if len(busy) == 1 else f"leaf_{busy.index(stage) + 1}"
        later = set(wanted).union(*(_read(s) for s in stages[place + 1:]))
        own = list(dict.fromkeys(s.target for s in stage.leaves))
        kept = [s for s in wanted if s in own] + [s for s in own if s in later - set(wanted)]
        results = [*(p.target for p in stage.partials), *kept]
        arguments = [s for s in lists if s in _read(stage) or s == writer.like]
        lines += _leaf(name, stage, arguments, results, writer)
        for partial in stage.partials:
            lines.append(_combined(partial, writer))
        lists += [s for s in own if s in later and s not in lists]
    return lines


def _read(stage: Phase) -> set[Sym]:
    inner = (*stage.leaves, *stage.partials)
    used = {s for statement in inner for e in reads(statement) for s in symbols(e)}
    return used | {s.target for s in inner if isinstance(s, First)}


def _leaf(
    name: str, stage: Phase, arguments: list[Sym], results: list[Sym], writer: Writer,
) -> list[str]:
    """The function of one tensor, and its call for all of them."""
    inner: list[str] = []
    for statement in (*stage.leaves, *stage.partials):
        inner += writer.statement(statement)
    given = [writer.name(s) for s in arguments]
    columns = list(given)
    if any(isinstance(s, Draw) for s in stage.leaves):
        given.insert(0, "index")
        columns.insert(0, "range(structure.num_leaves)")
    out = ", ".join(writer.name(s) for s in results)
    left = out if len(results) > 1 else f"({out},)"
    returned = out if len(results) > 1 else f"({out},)"
    call = f"_each({name}, {len(results)}, {', '.join(columns)})"
    return ["", f"def {name}({', '.join(given)}):", *(f"    {line}" for line in inner),
            f"    return {returned}", "", f"{left} = {call}"]


def _combined(partial: Equation, writer: Writer) -> str:
    """What the tensors contribute, put together."""
    name = writer.name(partial.target)
    assert isinstance(partial.value, Apply)
    row = REDUCTIONS[partial.value.op]
    dtype = "" if row.kind == "bool" else ", dtype"
    return f"{name} = {_COMBINE[row.combine]}({name}{dtype})"
