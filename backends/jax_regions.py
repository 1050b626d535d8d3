"""Loops and blocks as JAX text: functions for what a turn or a branch computes, then the call.

The same text serves for the whole model, where a value is a tuple of tensors, and inside of the
function of one tensor.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from thetaprime.backends.jax_align import typed
from thetaprime.backends.jax_expr import Writer
from thetaprime.expr import Expr
from thetaprime.ir import Carry, Loop
from thetaprime.types import Extent


def within(loop: Loop, writer: Writer) -> Writer:
    """The writer for the body: it counts the turns of all loops around together."""
    own = writer.name(loop.turn)
    if not writer.turn:
        return replace(writer, turn=own)
    around = writer.turn if writer.turn.isidentifier() else f"({writer.turn})"
    return replace(writer, turn=f"{around} * {turns_text(loop.turns, writer, 61)} + {own}")


def turns_text(turns: Expr, writer: Writer, least: int = 0) -> str:
    """The number of turns, a whole number of Python."""
    return writer.show(turns, least)


def loop_lines(
    loop: Loop, inner: Sequence[str], results: Sequence[str], writer: Writer
) -> list[str]:
    """The lines of a loop; ``inner`` are those of its body, ``results`` the names of the next
    values of the carries, then that of the condition to stop, where there is one."""
    names = [writer.name(c.value) for c in loop.carries]
    starts = [_start(c, writer) for c in loop.carries]
    count = turns_text(loop.turns, writer)
    turn = writer.name(loop.turn)
    read = any(re.search(rf"\b{turn}\b", line) for line in inner)
    if loop.until is not None:
        return _until(turn, count, names, starts, inner, results)
    if len(names) == 1:
        return ["", f"def one_turn({turn if read else '_'}, {names[0]}):",
                *indented([*inner, f"return _alike({results[0]}, {names[0]})"]), "",
                f"{names[0]} = jax.lax.fori_loop(0, {count}, one_turn, {starts[0]})"]
    body = [f"{', '.join(names)} = carry", *inner, f"return _alike(({', '.join(results)}), carry)"]
    return ["", f"def one_turn({turn if read else '_'}, carry):", *indented(body), "",
            f"{', '.join(names)} = jax.lax.fori_loop(0, {count}, one_turn, ({', '.join(starts)}))"]


def _until(
    turn: str, count: str, names: list[str], starts: list[str], inner: Sequence[str],
    results: Sequence[str],
) -> list[str]:
    """A loop that may end early. The condition is one of the carried values, or one more."""
    *new, stop = results
    ends = [i for i, (r, s) in enumerate(zip(new, starts, strict=True))
            if r == stop and s == "False"]
    last = names[ends[0]] if ends else stop
    before, after = ["*_"], ["_"] * (len(names) - 1 - ends[0] if ends else 0)
    if not ends:
        names, starts, new = [*names, "_"], [*starts, "False"], [*new, stop]
    elif ends[0] == 0:
        before = []
    body = [f"{turn}, {', '.join(names)} = carry", *inner,
            f"return _alike(({turn} + 1, {', '.join(new)}), carry)"]
    return ["", "def more(carry):", f"    {', '.join([turn, *before, last, *after])} = carry",
            f"    return jnp.logical_and({turn} < {count}, jnp.logical_not({last}))", "",
            "def one_turn(carry):", *indented(body), "",
            f"_, {', '.join(names)} = "
            f"jax.lax.while_loop(more, one_turn, (0, {', '.join(starts)}))"]


def _start(carry: Carry, writer: Writer) -> str:
    """The value of a carry before the first turn, in the shape that it keeps."""
    kind = typed(carry.value)
    if kind.extent is not Extent.SCALAR:
        return writer.filled(carry.value, carry.start)
    text = writer.filled(carry.value, carry.start) if kind.axes else writer.show(carry.start)
    return f"jnp.asarray({text}, dtype)" if kind.kind == "real" else text


def choice_lines(
    condition: Expr, outputs: Sequence[str], then: tuple[Sequence[str], Sequence[str]],
    otherwise: tuple[Sequence[str], Sequence[str]], rare: bool, writer: Writer,
) -> list[str]:
    """The lines of a block of which one side runs; a side is its lines and its results."""
    if not outputs:
        return []
    words = ("due", "between") if rare else ("then", "otherwise")
    lines: list[str] = []
    for word, (inner, results) in zip(words, (then, otherwise), strict=True):
        lines += ["", f"def {word}():", *indented(returned(inner, results))]
    return [*lines, "",
            f"{', '.join(outputs)} = _cond({writer.show(condition)}, {', '.join(words)})"]


def renamed(names: Sequence[str], values: Sequence[str]) -> list[str]:
    """``a, b = p, q`` for those that differ."""
    pairs = [(n, v) for n, v in zip(names, values, strict=True) if n != v]
    if not pairs:
        return []
    left, right = (", ".join(side) for side in zip(*pairs, strict=True))
    return [f"{left} = {right}"]


def ended(lines: list[str], names: Sequence[str], values: Sequence[str]) -> list[str]:
    """The lines after which ``values`` go by ``names``: as the last line itself makes them, where
    that is all it does."""
    last = renamed(names, values)
    left, _, right = "".join(last).partition(" = ")
    if last and right not in names and lines and lines[-1].startswith(f"{right} = "):
        return [*lines[:-1], left + lines[-1].removeprefix(right)]
    return lines + last


def returned(lines: Sequence[str], results: Sequence[str]) -> list[str]:
    """The lines of a function that returns the results: its last line, where it makes the one."""
    out = ", ".join(results)
    if lines and len(results) == 1 and lines[-1].startswith(f"{out} = "):
        return [*lines[:-1], "return " + lines[-1].removeprefix(f"{out} = ")]
    return [*lines, f"return {out}"]


def indented(lines: Sequence[str]) -> list[str]:
    """The lines one level deeper, as the body of a function, which opens with no blank line."""
    lines = lines[1:] if lines and not lines[0] else lines
    return [f"    {line}" if line else "" for line in lines]

