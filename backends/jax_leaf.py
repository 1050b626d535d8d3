"""Statements inside of the function of one tensor as JAX text.

What is known of a tensor before anything runs (its rank, its path, its lengths) is a number or a
string of Python there: a guard is a plain ``if``, and an axis a turn of a plain ``for``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from thetaprime.backends.jax_align import typed
from thetaprime.backends.jax_expr import Writer
from thetaprime.backends.jax_matrices import results_of, view_lines
from thetaprime.backends.jax_regions import choice_lines, ended, indented, loop_lines, within
from thetaprime.expr import Apply, Expr, Sym, substitute
from thetaprime.guards import conjoined
from thetaprime.ir import EachAxis, Equation, First, Loop, Statement, When, begun
from thetaprime.scopes import free, outputs
from thetaprime.types import REST, Extent


@dataclass(frozen=True)
class Regions:
    """How a target writes a loop and a block of which one side runs; ``part``, where it has its own
    way, all statements under one guard, before others that come later."""

    loop: Callable[..., list[str]]
    choice: Callable[..., list[str]]
    part: Callable[[list[Statement], list[Statement]], list[str]] | None = None


JAX = Regions(loop_lines, choice_lines)


def leaf_lines(
    body: Iterable[Statement], writer: Writer, wanted: Collection[Sym] = (),
    regions: Regions = JAX, nested: bool = False,
) -> list[str]:
    """The lines that compute the statements; after them ``wanted`` are known, None where a guard
    leaves them out. ``nested``: the lengths of axes are known from the lines around."""
    pieces = _together(_merged([piece for s in body for piece in _pieces(s)], wanted))
    last = {s: place for place, piece in enumerate(pieces) for s in free(piece)}
    last |= dict.fromkeys(wanted, len(pieces))
    lines = [f"{writer.name(s)} = None" for s in _left_out(pieces, set(wanted))]
    before: Expr | None = None
    for guard, group in groupby(enumerate(pieces), key=lambda row: guard_of(row[1])):
        part = list(group)
        if regions.part is None:
            inner = _part_lines(part, last, writer, regions)
        else:
            inner = regions.part([s for _, s in part], pieces[part[-1][0] + 1:])
        if not nested and writer.like is not None:
            inner = [*view_lines((s for _, s in part), inner, writer), *inner]
        if guard is None:
            lines += inner
        elif before is not None and opposite(before, guard):
            lines += ["else:", *indented(inner)]
            guard = None  # the chain ends here
        else:
            lines += [f"if {writer.fact(guard)}:", *indented(inner)]
        before = guard
    return lines


def _part_lines(
    part: list[tuple[int, Statement]], last: Mapping[Sym, int], writer: Writer, regions: Regions
) -> list[str]:
    """The lines of statements, each at its place; a symbol is read ``last`` at another one."""
    lines: list[str] = []
    done: set[Sym] = set()
    for place, s in part:
        several = results_of(s, (other for _, other in part))
        if several is None:
            read = {o for o in outputs(s) if last.get(o, -1) > place}
            lines += _lines(s, writer, read, regions)
        elif not done & set(outputs(s)):
            lines.append(writer.several(several))
            done |= {e.target for e in several if e is not None}
    return lines


def _lines(
    statement: Statement, writer: Writer, read: set[Sym], regions: Regions
) -> list[str]:
    match statement:
        case Loop(carries, _, body):
            results = [writer.name(replace(c.value, prime=True)) for c in carries]
            results += [writer.name(statement.until)] if statement.until is not None else []
            inner = leaf_lines(body, within(statement, writer), regions=regions, nested=True)
            return regions.loop(statement, inner, results, writer)
        case When(condition, then, otherwise):
            other = {o for s in otherwise for o in outputs(s)}
            names = [writer.name(o) for o in dict.fromkeys(o for s in then for o in outputs(s))
                     if o in other]
            sides = [(leaf_lines(side, writer, regions=regions, nested=True), names)
                     for side in (then, otherwise)]
            return regions.choice(condition, names, *sides, statement.rare, writer)
        case EachAxis():
            return _each_axis(statement, writer, read, regions)
        case _:
            return writer.statement(statement)


# Guards.


def guard_of(statement: Statement) -> Expr | None:
    """The condition on the tensor under which a statement stands."""
    return None if isinstance(statement, When) else statement.guard


def _pieces(statement: Statement) -> Iterator[Statement]:
    """What is defined differently under guards, as one equation for each."""
    match statement:
        case Equation(_, Apply("case", args)):
            for guard, value in zip(args[::2], args[1::2], strict=True):
                yield replace(statement, value=value, guard=conjoined(statement.guard, guard))
        case _:
            yield statement


def _merged(pieces: list[Statement], wanted: Collection[Sym]) -> list[Statement]:
    """The pieces without ``u = u_case``: what only such a line reads gets its name at once."""
    read = Counter(s for piece in pieces for s in free(piece))
    makers = {p.target: p for p in pieces if isinstance(p, Equation)}
    joins: dict[Sym, Equation] = {}
    for piece in pieces:
        inner = _renames(piece)
        maker = makers.get(inner) if inner is not None else None
        if (maker is not None and maker.guard == guard_of(piece) and read[maker.target] == 1
                and maker.target not in wanted and typed(maker.target) == typed(maker.value)):
            assert isinstance(piece, Equation)
            joins[maker.target] = piece
    gone = set(joins.values())
    return [_joined(p, joins) for p in pieces if p not in gone]


def _renames(piece: Statement) -> Sym | None:
    """The symbol of which an arm of a case is another name, as a matrix or not."""
    if not isinstance(piece, Equation) or piece.guard is None:
        return None
    value = piece.value
    if isinstance(value, Apply) and value.op == "unview":
        (value,) = value.args
    return value if isinstance(value, Sym) and typed(value).extent is not Extent.SCALAR else None


def _joined(piece: Statement, joins: Mapping[Sym, Equation]) -> Statement:
    join = joins.get(piece.target) if isinstance(piece, Equation) else None
    if join is None:
        return piece
    assert isinstance(piece, Equation)
    return replace(join, value=substitute(join.value, {piece.target: piece.value}))


def _together(body: list[Statement]) -> list[Statement]:
    """The statements with those of one guard side by side and those of its opposite after them,
    where what they read allows it."""
    done: list[Statement] = []
    todo = list(body)
    guard = guard_of(todo[0]) if todo else None
    while todo:
        blocked: set[Sym] = set()
        rest: list[Statement] = []
        ready: list[Expr | None] = []  # guards under which something can come next
        for statement in todo:
            own = guard_of(statement)
            free_to_move = not blocked & set(free(statement))
            if own == guard and free_to_move:
                done.append(statement)
                continue
            rest.append(statement)
            blocked |= set(outputs(statement))
            ready += [own] if free_to_move else []
        other = (g for g in ready if guard is not None and g is not None and opposite(guard, g))
        guard = next(other, guard_of(rest[0]) if rest else None)
        todo = rest
    return done


def _left_out(pieces: list[Statement], wanted: set[Sym]) -> list[Sym]:
    """The symbols that are wanted and that some tensors do not have; a first value takes the place
    of one that is known before."""
    guards: dict[Sym, list[Expr | None]] = {}
    for piece in (p for p in pieces if not isinstance(p, First)):
        for symbol in outputs(piece):
            guards.setdefault(symbol, []).append(guard_of(piece))
    return [s for s, known in guards.items() if s in wanted and not _complete(known)]


def _complete(guards: list[Expr | None]) -> bool:
    known = [g for g in guards if g is not None]
    return len(known) < len(guards) or any(
        opposite(a, b) for i, a in enumerate(known) for b in known[i + 1:])


def opposite(one: Expr, other: Expr) -> bool:
    """Whether one guard says that the other does not hold."""
    return Apply("not", (one,)) == other or Apply("not", (other,)) == one


# Axes.


def _each_axis(
    loop: EachAxis, writer: Writer, read: set[Sym], regions: Regions
) -> list[str]:
    """A ``for`` over the axes of the tensor: a family is a tuple with one array for each, a list
    where it is made or starts here; carries are passed on by assignment."""
    assert writer.like is not None
    axis = loop.axis
    started = begun(loop.body)
    own = {o for s in loop.body for o in outputs(s)} - started
    carried = {replace(c.value, prime=True) for c in loop.carries}
    families = [s for s in own if axis in typed(s).axes and s in read and s not in carried]
    families.sort(key=writer.name)
    names = dict(writer.names)
    for symbol in {s for st in loop.body for s in free(st)} - own | started:
        if symbol.type is not None and axis in symbol.type.axes:
            names[symbol] = f"{writer.name(symbol)}[{axis}]"
    for symbol in families:
        names[symbol] = f"{writer.name(symbol)}_{axis}"
    shape = f"{writer.name(writer.like)}.shape"
    lengths = {**writer.lengths, axis: f"{shape}[{axis}]",
               REST: f"math.prod({shape}[:{axis}] + {shape}[{axis} + 1:])"}
    inner = replace(writer, names=names, lengths=lengths)
    lines = [f"{writer.name(c.value)} = {writer.filled(c.value, c.start)}" for c in loop.carries]
    lines += [f"{name} = list({name})" for name in sorted(map(writer.name, started))]
    lines += [f"{writer.name(s)} = []" for s in families]
    body = leaf_lines(loop.body, inner, own, regions, nested=True)
    body += [f"{writer.name(s)}.append({inner.name(s)})" for s in families]
    body = ended(body, [writer.name(c.value) for c in loop.carries],
                 [writer.name(replace(c.value, prime=True)) for c in loop.carries])
    return [*lines, f"for {axis} in range({writer.name(writer.like)}.ndim):", *indented(body)]
