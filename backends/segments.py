"""ir -> segments: the order in which a step alternates between tensors and the whole model.

A body is a row of segments. A `Phase` computes numbers of the model and then walks over the
tensors; between two of them stand the statements that need complete lists of tensors: a question
to the problem (`Ask`), a block of which one side runs (`Choice`), a loop with such statements
inside (`Turns`). The insides of the last two are rows of segments again (`Part`).

A loop without such statements, all of whose values vary with the tensor, is part of the walk: it
runs for each tensor by itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from thetaprime.backends.phases import Phase, fresh_name, hoist, over_model, split
from thetaprime.cases import guarded
from thetaprime.expr import Apply, Expr, Sym, symbols, walk
from thetaprime.ir import (
    Carry,
    Draw,
    EachAxis,
    Equation,
    First,
    Loop,
    Statement,
    When,
    reads,
    statements,
)
from thetaprime.ops import ORACLES, WHOLE
from thetaprime.scopes import free, inside, outputs, renamed
from thetaprime.types import Extent, Type

__all__ = ["Ask", "Choice", "Part", "Phase", "Segment", "Turns", "segments", "whole"]


@dataclass(frozen=True, slots=True)
class Ask:
    """``target`` is the answer to ``call``, a row of `ops.ORACLES` or `ops.WHOLE`; arguments that
    vary with the tensor are symbols."""

    target: Sym
    call: Apply


@dataclass(frozen=True, slots=True)
class Part:
    """A body of its own: its segments, and the symbols that it gives to what is around it."""

    segments: tuple[Segment, ...]
    results: tuple[Sym, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """``outputs`` are the results of one of two parts; of the other nothing is computed."""

    condition: Expr
    outputs: tuple[Sym, ...]
    then: Part
    otherwise: Part
    rare: bool = False


@dataclass(frozen=True, slots=True)
class Turns:
    """A loop; the results of ``part`` are the next values of the carries, then ``loop.until``.
    Starts that vary with the tensor are symbols."""

    loop: Loop
    part: Part


Segment = Phase | Ask | Choice | Turns


@dataclass
class Names:
    """Names for what a step does not name itself; ``shared`` are the answers known by name."""

    taken: set[str]
    shared: dict[tuple[Expr, Expr | None], Sym] = field(default_factory=dict)

    def without(self, own: Collection[Sym]) -> Names:
        """For a body in which the symbols ``own`` mean something else."""
        kept = {key: s for key, s in self.shared.items() if not symbols(key[0]) & set(own)}
        return Names(self.taken, kept)


def segments(body: Iterable[Statement], wanted: Collection[Sym] = ()) -> tuple[Segment, ...]:
    """The segments of a step's body; ``wanted`` are the symbols that are read after it."""
    body = tuple(body)
    return _cut(body, wanted, Names(_taken(body)))


def whole(body: Iterable[Statement], wanted: Sequence[Sym]) -> Part:
    """The segments of a step's body; a wanted symbol that only repeats another is that one."""
    body = tuple(body)
    return _part(body, tuple(wanted), Names(_taken(body)))


def _taken(body: tuple[Statement, ...]) -> set[str]:
    taken = {o.name for st in statements(body) for o in outputs(st)}
    return taken | {s.name for st in body for e in reads(st) for s in symbols(e)}


def asks(expr: Expr) -> bool:
    """Whether the expression itself is a question to the problem, or to all tensors at once."""
    return isinstance(expr, Apply) and (expr.op in ORACLES or expr.op in WHOLE)


def stops(expr: Expr) -> bool:
    """Whether a value is known only after a walk over the tensors has ended."""
    return over_model(expr) or asks(expr)


def of_model(statement: Statement) -> bool:
    """Whether a statement stands between walks."""
    match statement:
        case Equation(_, value):
            return asks(value)
        case When():
            return True
        case Loop(carries):
            waits = any(stops(node) for e in reads(statement) for node in walk(e))
            return waits or any(_kind(c.value).extent is Extent.SCALAR for c in carries)
    return False


def _cut(body: tuple[Statement, ...], wanted: Collection[Sym], names: Names) -> tuple[Segment, ...]:
    lifted = hoist(body, stops, names.taken, names.shared)
    ready = tuple(_for_model(s) for s in _prepared(lifted, names))
    live = set(wanted).union(*(free(s) for s in ready))
    found: list[Segment] = []
    for stage in _fewer_walks(split(ready, _waits)):
        walked = [s for s in stage if not of_model(s)]
        partials = tuple(s for s in walked if isinstance(s, Equation) and _partial(s))
        rest = [s for s in walked if s not in partials]
        scalars = tuple(s for s in rest if _scalar(s))
        leaves = tuple(s for s in rest if not _scalar(s))
        if walked:
            found.append(Phase(scalars, leaves, partials))
        found += [_between(s, live, names) for s in stage if of_model(s)]
    return tuple(found)


def _for_model(statement: Statement) -> Statement:
    """A number of the model is one whatever tensors it is for: what it reduces over some of them
    only stands in statements of its own by now."""
    if isinstance(statement, Equation | First | Draw) and not _partial(statement) and (
            _kind(statement.target).extent is Extent.SCALAR):
        return replace(statement, guard=None)
    return statement


def _between(statement: Statement, live: set[Sym], names: Names) -> Segment:
    """The segment of a statement that stands between walks."""
    match statement:
        case Equation(target, Apply() as call):
            return Ask(target, call)
        case When(condition, then, otherwise, _, rare):
            other = {o for s in otherwise for o in outputs(s)}
            both = dict.fromkeys(o for s in then for o in outputs(s) if o in other and o in live)
            return Choice(condition, tuple(both), _part(then, tuple(both), names),
                          _part(otherwise, tuple(both), names), rare)
        case Loop(carries):
            results = [_next(c.value) for c in carries]
            results += [statement.until] if statement.until is not None else []
            body = statement.body
            if statement.guard is not None:
                body = tuple(guarded(s, statement.guard) for s in body)
            return Turns(statement, _part(body, tuple(results), names, inside(statement)))
    raise AssertionError("not a statement of the model")


def _part(
    body: tuple[Statement, ...], results: tuple[Sym, ...], names: Names, own: Collection[Sym] = (),
) -> Part:
    """A body in which a result that only repeats a symbol is that symbol."""
    wanted, again = set(results), dict[Sym, Expr]()
    for s in body:
        if (isinstance(s, Equation) and s.guard is None and isinstance(s.value, Sym)
                and s.target in wanted and _kind(s.target) == _kind(s.value)):
            again[s.target] = again.get(s.value, s.value)  # one may repeat another
    kept = tuple(s for s in body if not (isinstance(s, Equation) and s.target in again))
    kept = tuple(renamed(s, again) for s in kept)
    final = [again.get(r, r) for r in results]
    known = tuple(r for r in final if isinstance(r, Sym))
    return Part(_cut(kept, known, names.without(own)), known)


def _prepared(body: Iterable[Statement], names: Names) -> tuple[Statement, ...]:
    """Points, directions and starts that vary with the tensor are symbols."""
    out: list[Statement] = []

    def named(expr: Expr, stem: str, kind: Type, guard: Expr | None = None) -> Expr:
        given = isinstance(expr, Sym) and _kind(expr) == kind and guard is None
        if kind.extent is Extent.SCALAR or given:
            return expr
        symbol = Sym(fresh_name(stem, names.taken), type=kind)
        out.append(Equation(symbol, expr, guard=guard))
        return symbol

    for statement in body:
        match statement:
            case Equation(target, Apply(_, args) as call) if asks(call):
                stems = zip(args, _stems(target, call.op), strict=False)
                given = tuple(named(a, stem, _kind(a)) for a, stem in stems)
                out.append(replace(statement, value=replace(call, args=given)))
            case Loop(carries) if of_model(statement):
                begun = tuple(Carry(c.value, named(c.start, f"{c.value.name}_start",
                                                   _kind(c.value), statement.guard))
                              for c in carries)
                out.append(replace(statement, carries=begun))
            case _:
                out.append(statement)
    return tuple(out)


def _stems(target: Sym, op: str) -> tuple[str, str, str]:
    """Names for where an answer is asked, along what, and on which batch."""
    if op in WHOLE:
        return f"{target.name}_tensors", "", ""
    there = re.fullmatch(rf"{op}_(?:\w+_)??(there(?:_\d+)?)", target.name)
    if there is not None:
        return there[1], f"along_{there[1]}", ""
    name = target.name + "_new" * target.prime
    return f"{name}_at", f"{name}_along", ""


def _waits(statement: Statement) -> bool:
    return of_model(statement) or _partial(statement)


def _fewer_walks(stages: list[list[Statement]]) -> list[list[Statement]]:
    """The stages without walks only for values that an earlier walk can give as well."""
    level: dict[Sym, int] = {}  # the first stage in which a symbol may be read
    for statement in (s for stage in stages for s in stage):
        known = max((level.get(s, 0) for s in free(statement)), default=0)
        level |= dict.fromkeys(outputs(statement), known + _waits(statement))
    for number in range(len(stages) - 1, 0, -1):
        plain = [s for s in stages[number] if not _waits(s)]
        if all(_scalar(s) for s in plain) or len(plain) < len(
                [s for s in stages[number] if not of_model(s)]):
            continue
        first = max((level[o] for s in plain for o in outputs(s)), default=0)
        earlier = [k for k in range(first, number) if any(
            not (of_model(s) or _scalar(s)) for s in stages[k])]
        if earlier:
            stages[earlier[-1]] += plain
            stages[number] = [s for s in stages[number] if _waits(s)]
    return stages


def _partial(statement: Statement) -> bool:
    return isinstance(statement, Equation) and over_model(statement.value)


def _scalar(statement: Statement) -> bool:
    """Whether a statement that stands in a phase defines one number for the model."""
    if isinstance(statement, When | Loop | EachAxis):
        return False
    return _kind(statement.target).extent is Extent.SCALAR


def _next(value: Sym) -> Sym:
    return replace(value, prime=True)


def _kind(expr: Expr) -> Type:
    assert expr.type is not None
    return expr.type
