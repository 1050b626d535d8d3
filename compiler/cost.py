"""What a step costs: state, bytes moved and operations for each parameter, oracle calls, reductions
over the model. The bytes moved are the least there can be, but for loops with reductions inside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product

from thetaprime.cases import guard_of
from thetaprime.coverage import both, neither, witness
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, walk
from thetaprime.ir import (
    Draw,
    EachAxis,
    Equation,
    First,
    Loop,
    State,
    Statement,
    Step,
    When,
    reads,
    statements,
)
from thetaprime.signature import Call, signature
from thetaprime.traffic import Sweeps, Traffic
from thetaprime.types import Extent, Type, own_axes

BYTES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
_DECISIONS = 6  # more guards or blocks than this are not combined with one another


@dataclass(frozen=True)
class Cost:
    """Bytes and operations are for each parameter and step. Pairs are the least and the most, over
    the kinds of tensors and the branches of blocks. ``chain``: reductions over the model that wait
    for one another; ``cut``: those over the model or a tensor, which is how many collectives a step
    has where every tensor is cut over devices and nothing else is waited for. ``linear`` counts
    operations on matrices, for each tensor. ``least``: no program moves less; a loop in which
    entries wait for one another is counted as programs run it, turn by turn."""

    state: int
    moved: tuple[int, int]
    flops: tuple[int, int]
    reductions: tuple[int, int]
    chain: int
    cut: int
    linear: tuple[tuple[str, int], ...]
    oracles: tuple[Call, ...]
    least: bool = True


def cost(step: Step, dtype: str = "float32") -> Cost:
    """What a step costs for parameters of a dtype; integer hyperparameters at their defaults."""
    found = [_traffic(step, kind, branch, dtype) for kind in kinds(step)
             for branch in _branches(step)]
    moved = [t.read + t.write for t in found]
    flops, reductions = [t.flops for t in found], [t.reductions for t in found]
    linear: dict[str, int] = {}
    for one in found:
        for name, count in one.linear.items():
            linear[name] = max(count, linear.get(name, 0))
    return Cost(
        most_state(step, dtype), (min(moved), max(moved)), (min(flops), max(flops)),
        (min(reductions), max(reductions)), max(t.chain for t in found),
        max(t.cut for t in found), tuple(sorted(linear.items())), signature(step),
        all(t.least for t in found))


def roofline(
    step: Step, parameters: float, bandwidth: float, flops: float = math.inf,
    dtype: str = "float32",
) -> float:
    """The seconds that a step takes at least on hardware that moves ``bandwidth`` bytes and does
    ``flops`` operations a second; operations on matrices and oracles not counted."""
    found = cost(step, dtype)
    return parameters * max(found.moved[0] / bandwidth, found.flops[0] / flops)


# State.


@dataclass(frozen=True)
class Kept:
    """What a state keeps: ``count`` numbers of ``dtype`` for each parameter, tensor or the model,
    times the lengths of the axes ``own``."""

    state: State
    count: int
    own: tuple[str, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        return self.count * BYTES[self.dtype]


def kept(step: Step, dtype: str = "float32") -> Iterator[Kept]:
    """What each state keeps. Those per entry have the dtype of their parameter, the others float32
    at least, but where `numerics` says otherwise."""
    named = lengths(step)
    for state in step.states:
        per_entry = state.type.extent is Extent.ENTRY
        own = dtype if per_entry or BYTES[dtype] > BYTES["float32"] else "float32"
        count = math.prod(named.get(axis) or 1 for axis in state.type.axes)
        yield Kept(state, count, own_axes(state.type, named), (state.storage or (own,))[0])


def most_state(step: Step, dtype: str = "float32") -> int:
    """The most bytes that one tensor keeps for each of its entries."""
    entries = [(k.bytes, k.state.guard) for k in kept(step, dtype)
               if k.state.type.extent is Extent.ENTRY]
    return max(sum(size for size, guard in entries if guard is None or guard in kind)
               for kind in kinds(step))


def integers(step: Step) -> dict[str, int]:
    """Integer hyperparameters at their defaults."""
    return {h.name: int(h.default.value) for h in step.hypers
            if h.static and isinstance(h.default, Num)}


def lengths(step: Step) -> dict[str, int | None]:
    """The lengths of the axes that the spec names; None: only the problem knows it."""
    known = integers(step)
    return {a.name: a.length if isinstance(a.length, int) else known.get(a.length)
            for a in step.axes}


# Kinds of tensors and branches of blocks.


def kinds(step: Step) -> list[frozenset[Expr]]:
    """The kinds of tensors that the step tells apart: for each, the guards that it satisfies."""
    found: dict[Expr, None] = {}
    for statement in statements(step.body):
        for guard in (guard_of(statement), *_conditions(statement)):
            if guard is not None:
                found[guard] = None
    found |= dict.fromkeys(s.guard for s in step.states if s.guard is not None)
    guards = list(found)
    if len(guards) > _DECISIONS:
        return [frozenset({g}) for g in guards] + [frozenset()]
    possible = []
    for held in product((True, False), repeat=len(guards)):
        yes = [g for g, is_so in zip(guards, held, strict=True) if is_so]
        no = [g for g, is_so in zip(guards, held, strict=True) if not is_so]
        if witness(reduce(both, yes, neither(no))) is not None:
            possible.append(frozenset(yes))
    return possible or [frozenset()]


def _conditions(statement: Statement) -> Iterator[Expr]:
    """The conditions of the cases that a statement joins."""
    for expr in reads(statement):
        for node in walk(expr):
            if isinstance(node, Apply) and node.op == "case":
                yield from node.args[::2]


def _branches(step: Step) -> Iterator[tuple[bool, ...]]:
    """Which branch each block takes, in the order of `statements`."""
    count = sum(isinstance(s, When) for s in statements(step.body))
    if count > _DECISIONS:
        return iter([(True,) * count, (False,) * count])
    return product((True, False), repeat=count)


def _traffic(step: Step, kind: frozenset[Expr], branch: Sequence[bool], dtype: str) -> Traffic:
    """What a step moves of a tensor of one kind, where blocks take these branches."""
    blocks = [id(s) for s in statements(step.body) if isinstance(s, When)]
    taken = dict(zip(blocks, branch, strict=True))
    named = lengths(step)
    views = {frozenset(v) for v in step.views}
    views |= {frozenset((s.axis, "rest")) for s in statements(step.body) if isinstance(s, EachAxis)}
    sizes = {k.state.name: BYTES[k.dtype] for k in kept(step, dtype)}
    sizes |= {step.point: BYTES[dtype], step.gradient: BYTES[dtype]}
    single = max(BYTES[dtype], BYTES["float32"])

    def numbers(of: Type | None) -> int:
        if of is None:
            return 0
        own = own_axes(of, named)
        if of.extent is not Extent.ENTRY and not (own and frozenset(own) in views and
                                                  len(set(own)) == len(own)):
            return 0
        return math.prod(named.get(axis) or 1 for axis in of.axes)

    def size(expr: Expr) -> int:
        each = sizes.get(expr.name, single) if isinstance(expr, Sym) else single
        return numbers(expr.type) * each

    outputs = [Sym(s.name, True, s.type) for s in step.states if not s.constant and (
        s.guard is None or s.guard in kind)]
    point = Sym(step.point, True, Type())
    sweeps = Sweeps(numbers, size, integers(step), any(branch))
    return sweeps.run(_straight(step.body, kind, taken), [point, *outputs])


def _straight(
    body: Iterable[Statement], kind: frozenset[Expr], taken: dict[int, bool]
) -> Iterator[Statement]:
    """The statements that are executed for one kind of tensors in these branches."""
    def decided(expr: Expr) -> Expr:
        if isinstance(expr, Apply) and expr.op == "case":
            pairs = zip(expr.args[::2], expr.args[1::2], strict=True)
            return next((value for guard, value in pairs if guard in kind), expr)
        return expr

    for statement in body:
        guard = guard_of(statement)
        if guard is not None and guard not in kind:
            continue
        match statement:
            case When(_, then, otherwise):
                yield from _straight(then if taken[id(statement)] else otherwise, kind, taken)
            case Equation(value=value) | First(value=value):
                yield replace(statement, value=rewrite(value, decided))
            case Draw():
                yield statement
            case Loop() | EachAxis():
                yield replace(statement, body=tuple(_straight(statement.body, kind, taken)))
