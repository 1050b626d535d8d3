"""Guarantees: every axis has one length, which something says; and every named batch is one."""

from __future__ import annotations

from collections.abc import Iterator

from thetaprime.diagnostics import Diagnostic, closest, report
from thetaprime.flat import Part
from thetaprime.source import Source
from thetaprime.syntax import (
    AxisDecl,
    BatchLine,
    CaseBlock,
    ForAxis,
    Item,
    LoopBlock,
    Losses,
    StateDecl,
    TypeName,
)
from thetaprime.tables import Tables, name_span

WINDOW = "window"
BATCHES = ("new", "full")


def windows(items: tuple[Item, ...]) -> Iterator[tuple[StateDecl, str]]:
    """The states that keep last values, and how many."""
    for item in items:
        match item:
            case StateDecl(_, TypeName(base, (length,))) if base.split()[-1] == WINDOW:
                yield item, length
            case CaseBlock(_, inner) | ForAxis(_, _, inner):
                yield from windows(inner)


def check_lengths(tables: Tables, parts: tuple[Part, ...]) -> Iterator[Diagnostic]:
    """Lengths are numbers, those of lists, or whole hyperparameters; all windows have one."""
    whole = {n for n, info in tables.hypers.items() if info.type.kind == "int"}
    unknown = {name for name, places in tables.axes.items()
               if not places or (isinstance(places, str) and places not in {*whole, name})}
    longest = ""
    for part in parts:
        match part.item:
            case AxisDecl(name) as axis if name in unknown:
                yield report("axis-without-list", part.source, name_span(axis, part.source),
                             name=name)
            case Losses((name,), str(length)) as losses if name in unknown:
                yield report("axis-without-list", part.source, losses.span, name=name,
                             label=_no_length(length), hints=_whole(length))
        for state, length in windows((part.item,)):
            assert state.type is not None
            if WINDOW in unknown:
                yield report("axis-without-list", part.source, state.type.span, name=WINDOW,
                             label=_no_length(length), hints=_whole(length))
            elif longest not in ("", length):
                yield report("window-lengths", part.source, state.type.span, given=length,
                             wanted=longest)
            longest = longest or length


def _no_length(length: str) -> str:
    return f"`{length}` is no {'length' if length.isdigit() else 'whole hyperparameter'}"


def _whole(length: str) -> tuple[str, ...]:
    if length.isdigit():
        return ("a number from 1 on",)
    return (f"`hyper {length} : int = 3 in [1, inf)`, or a number in its place",)


def check_batches(item: Item, source: Source) -> Iterator[Diagnostic]:
    """A named batch is a new one, or all data."""
    match item:
        case BatchLine(name, how, span) if how not in BATCHES:
            near = closest(how, list(BATCHES))
            yield report("unknown-batch", source, span, name=how, hints=(
                f"did you mean `batch {name} = {near}`?" if near else
                f"`batch {name} = new` is another one than this step's, `batch {name} = full` "
                "all data",))
        case LoopBlock(body=body):
            for line in body:
                yield from check_batches(line, source)
        case CaseBlock(_, items) | ForAxis(_, _, items):
            for inner in items:
                yield from check_batches(inner, source)
