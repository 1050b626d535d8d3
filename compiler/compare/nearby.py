"""Which slip of the pen makes one rule of the other: single algebraic edits of a spec, tried on
exact runs and proved where that succeeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from thetaprime.compare.operands import Operand
from thetaprime.compare.pairs import FAILED, Pair
from thetaprime.edits import edits
from thetaprime.expr import Num

QUICK, THOROUGH, MOST = 4, 24, 2


def notes(a: Operand, b: Operand, pair: Pair) -> Iterator[str]:
    """The edits of a's spec, or of b's, that make them equal; what only b has is 0 there."""
    zeros = {h.name: Num("0") for h in pair.missing() if h.range is None or 0 in h.range}
    pair = pair.given(**zeros)
    for first, second, turned in ((a, b, False), (b, a, True)):
        found = 0
        for edit in edits(first.flat, dict(pair.b.fixed if turned else pair.a.fixed)):
            at = replace(pair, b=edit.step) if turned else replace(pair, a=edit.step)
            with suppress(*FAILED, TypeError, AttributeError):
                if at.agrees(QUICK, 2) and at.agrees(THOROUGH, 3, THOROUGH):
                    yield (f"{second.text} is {first.text} with one edit, {edit.name}: "
                           f"`{edit.before}` becomes `{edit.after}`" + _sure(at))
                    found += 1
            if found == MOST:
                return
        if found:
            return


def _sure(at: Pair) -> str:
    with suppress(*FAILED):
        at.proved()
        return " (proved)"
    return " (agrees on exact runs)"
