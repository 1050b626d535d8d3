"""What two optimizers declare, side by side: hyperparameters, choices, states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from thetaprime.collect import range_text
from thetaprime.compare.beside import Link
from thetaprime.compare.operands import Operand
from thetaprime.compare.pairs import Pair
from thetaprime.expr import Num
from thetaprime.ir import First, Hyper, State, Step, statements
from thetaprime.steptext import hyper_line, state_line

Mark = Literal["=", "|", "<", ">"]


@dataclass(frozen=True)
class Row:
    """``=``: both mean the same; ``|``: they play the same role and differ; ``<`` ``>``: only one
    of the rules has it."""

    mark: Mark
    a: str = ""
    b: str = ""


def hypers(pair: Pair) -> Iterator[Row]:
    """Those of equal names beside each other; the same ones have the same defaults and ranges."""
    for one in pair.a.hypers:
        other = next((h for h in pair.b.hypers if h.name == one.name), None)
        if other is None:
            yield Row("<", hyper_line(one))
        else:
            yield Row("=" if meant(one) == meant(other) else "|", hyper_line(one),
                      hyper_line(other))
    own = {h.name for h in pair.a.hypers}
    yield from (Row(">", "", hyper_line(h)) for h in pair.b.hypers if h.name not in own)


def meant(hyper: Hyper) -> tuple[object, ...]:
    """What a declaration says: the kind, the default as a number where it is one, the range."""
    default = hyper.default
    value = default.value if isinstance(default, Num) else default
    return hyper.type, value, range_text(hyper.range) if hyper.range is not None else ""


def choices(
    a: Operand, b: Operand, mine: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[Row]:
    """The static choices, and which are made here."""
    def line(operand: Operand, fixed: Mapping[str, str], name: str) -> str:
        options = ", ".join(sorted(operand.choices[name]))
        return f"hyper {name} = {operand.choices[name][0]} in {{{options}}}" + (
            f", here {fixed[name]}" if fixed[name] != operand.choices[name][0] else "")

    for name in dict.fromkeys((*a.choices, *b.choices)):
        lines = [line(o, f, name) if name in o.choices else "" for o, f in ((a, mine), (b, theirs))]
        one_only: Mark = "<" if lines[0] else ">"
        yield Row("=" if lines[0] == lines[1] else "|" if all(lines) else one_only, *lines)


def states_beside(
    pair: Pair, links: Mapping[str, Link], starts: Mapping[str, bool]
) -> Iterator[Row]:
    """Related states beside each other; ``starts``: which of them start alike."""
    by_source = {one.source: one for one in links.values()}
    for state in pair.a.states:
        one = by_source.get(state.name)
        if one is None:
            yield Row("<", _state(pair.a, state))
            continue
        other = pair.b.state(one.state)
        alike = starts[one.state] and (state.type, state.constant, state.storage) == (
            other.type, other.constant, other.storage)
        yield Row("=" if alike else "|", _state(pair.a, state), _state(pair.b, other))
    yield from (Row(">", "", _state(pair.b, s)) for s in pair.b.states if s.name not in links)


def _state(step: Step, state: State) -> str:
    first = next((s for s in statements(step.body)
                  if isinstance(s, First) and s.target.name == state.name), None)
    return state_line(state, first)
