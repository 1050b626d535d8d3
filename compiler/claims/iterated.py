"""Loops by what a turn makes of the carried values: loops whose bodies have equal normal forms give
equal results from equal starts, however they are written. A loop of matrices is also one of their
transposes: of the two, the one whose starts come first stands for both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thetaprime.claims.algebra import Value
from thetaprime.claims.polynomials import Ratio
from thetaprime.claims.words import Words
from thetaprime.expr import Apply, Sym, symbols, walk
from thetaprime.intervals import COUNT, REAL
from thetaprime.ir import Carry, Draw, Loop, reads, statements
from thetaprime.ops import ORACLES
from thetaprime.types import Extent

if TYPE_CHECKING:
    from thetaprime.claims.symbolic import Symbolic


@dataclass(frozen=True)
class Form:
    """A loop: the axes of the carried values, what they start from, what a turn makes of them, and
    whether it ends; of transposes where ``turned``."""

    axes: tuple[tuple[str, ...], ...]
    starts: tuple[Ratio, ...]
    ends: tuple[Ratio, ...]
    until: Ratio | None
    turned: bool


def results(run: Symbolic, loop: Loop) -> dict[Sym, Value] | None:
    """What the carried values are after a loop; None where its turns are not alike: it asks the
    problem, draws, or decides by a carried value."""
    from thetaprime.claims.symbolic import varies

    words = Words(run.algebra)
    matrices = any(is_matrix(c) for c in loop.carries)
    if not _alike(loop):
        return None
    ways = (False, True) if matrices else (False,)
    forms = [_form(run, words, loop, turned) for turned in ways]
    known = [f for f in forms if f is not None]
    if len(known) < len(forms):
        return None
    form = min(known, key=lambda f: [words.place(v) for v in (*f.starts, *f.ends)])
    turns = run.of(loop.turns).ratio
    found = {}
    for place, carry in enumerate(loop.carries):
        key = ("loop", place, form.starts[place], turns, form.until, run.depth + 1, form.axes,
               *form.starts, *form.ends)
        assert carry.value.type is not None
        value = run.algebra.atom(key, varies(carry.value.type), REAL)
        found[carry.value] = _turned(words, carry, value) if form.turned else value
    return found


def _alike(loop: Loop) -> bool:
    """Whether a turn depends on nothing but the carried values, its number and what is outside."""
    every = list(statements((loop,)))
    return not any(isinstance(s, Draw) for s in every) and not any(
        isinstance(n, Apply) and (n.op in ORACLES or n.op == "extern")
        for s in every for e in reads(s) for n in walk(e))


def _form(run: Symbolic, words: Words, loop: Loop, turned: bool) -> Form | None:
    """One turn from carried values that are anything, or from transposes of such."""
    from thetaprime.claims.symbolic import varies

    inside = run.deeper()
    if any(s in run.guarded for c in loop.carries for s in symbols(c.start)):
        inside.guarded.update(c.value for c in loop.carries)
    kinds, starts, ends = [], [], []
    for place, carry in enumerate(loop.carries):
        kind = carry.value.type
        assert kind is not None
        axes = kind.axes[::-1] if turned and is_matrix(carry) else kind.axes
        value = run.algebra.atom(
            ("carried", inside.depth, place, str(replace(kind, axes=axes))), varies(kind), REAL)
        kinds.append(axes if kind.extent is not Extent.ENTRY else ("entry",))
        inside.env[carry.value] = _turned(words, carry, value) if turned else value
        start = run.of(carry.start)
        starts.append(_back(words, carry, start) if turned else start.ratio)
    inside.env[loop.turn] = run.algebra.atom(("turn", inside.depth), frozenset(), COUNT)
    if not inside.tried(loop.body):
        return None
    for carry in loop.carries:
        end = inside.env.get(replace(carry.value, prime=True))
        if end is None:
            return None
        ends.append(_back(words, carry, end) if turned else end.ratio)
    until = None if loop.until is None else inside.env.get(loop.until)
    if loop.until is not None and until is None:
        return None
    return Form(tuple(kinds), tuple(starts), tuple(ends), until.ratio if until else None, turned)


def is_matrix(carry: Carry) -> bool:
    """Whether a carried value is a matrix."""
    kind = carry.value.type
    return kind is not None and kind.extent is Extent.TENSOR and len(kind.axes) == 2


def _turned(words: Words, carry: Carry, value: Value) -> Value:
    """A carried matrix from its transpose."""
    if not is_matrix(carry):
        return value
    assert carry.value.type is not None
    return words.turned(value.ratio, carry.value.type.axes[::-1])


def _back(words: Words, carry: Carry, value: Value) -> Ratio:
    """The transpose of a carried matrix."""
    if not is_matrix(carry):
        return value.ratio
    assert carry.value.type is not None
    return words.turned(value.ratio, carry.value.type.axes).ratio
