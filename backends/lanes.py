"""ir -> ir: named axes unrolled, so that a backend need know tensors and entries only.

The length of an axis is static (that of the lists along it), so a quantity along ``lanes[3]``
becomes three, ``v_0 v_1 v_2``, and a reduction over ``lanes`` a sum of three terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product

from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ir import Draw, Equation, First, State, Statement, Step, When, reads, statements
from thetaprime.ops import REDUCTIONS
from thetaprime.types import Type

Index = Mapping[str, int]

# How partial results join: the op of the language.
_JOIN = {"add": "+", "max": "max", "min": "min", "and": "and", "or": "or"}


@dataclass(frozen=True)
class Lanes:
    """``name_of[symbol, index]`` is the unrolled symbol; ``axes`` the axes of every symbol."""

    lengths: dict[str, int]
    axes: dict[str, tuple[str, ...]]
    taken: frozenset[str]

    def indices(self, name: str) -> list[tuple[int, ...]]:
        """The positions along the axes of a symbol in C order; ``[()]`` when it has none."""
        return list(product(*(range(self.lengths[a]) for a in self.axes.get(name, ()))))

    def name(self, name: str, index: tuple[int, ...]) -> str:
        """The name of one lane: ``v_0``, or ``v__0`` when the spec itself has a ``v_0``."""
        bar = "_"
        while index and bar.join([name, *map(str, index)]) in self.taken:
            bar += "_"
        return bar.join([name, *map(str, index)])


def lanes_of(step: Step) -> Lanes:
    """The axes of every symbol that a step declares or defines."""
    axes = {h.name: h.type.axes for h in step.hypers} | {s.name: s.type.axes for s in step.states}
    for statement in statements(step.body):
        if not isinstance(statement, When) and statement.target.type is not None:
            axes[statement.target.name] = statement.target.type.axes
    return Lanes({a.name: a.length for a in step.axes}, axes, frozenset(axes))


def _flat(kind: Type | None) -> Type | None:
    return None if kind is None else replace(kind, axes=())


def unroll(expr: Expr, lanes: Lanes, index: Index) -> Expr:
    """The expression at one position along every axis that it still has."""
    match expr:
        case Num():
            return expr
        case Sym(name):
            at = tuple(index[a] for a in lanes.axes.get(name, ()))
            return replace(expr, name=lanes.name(name, at), type=_flat(expr.type),
                           spelled="" if at else expr.spelled)
        case Apply(op, (argument,), (axis,)) if axis in lanes.lengths:
            row, length = REDUCTIONS[op], lanes.lengths[axis]
            count = Num(str(length), expr.type)
            if row.array == "size":
                return count
            terms = [unroll(argument, lanes, {**index, axis: i}) for i in range(length)]
            total = reduce(lambda a, b: Apply(_JOIN[row.combine], (a, b), type=a.type), terms)
            return Apply("/", (total, count), type=total.type) if row.array == "mean" else total
        case Apply("list", items) if expr.type is not None and expr.type.axes:
            return unroll(items[index[expr.type.axes[0]]], lanes, index)
        case Apply(_, args):
            inside = tuple(unroll(a, lanes, index) for a in args)
            return replace(expr, args=inside, type=_flat(expr.type))


def _each(target: Sym, lanes: Lanes) -> Iterable[tuple[Sym, Index]]:
    axes = lanes.axes.get(target.name, ())
    for at in lanes.indices(target.name):
        index = dict(zip(axes, at, strict=True))
        flat = unroll(target, lanes, index)
        assert isinstance(flat, Sym)
        yield flat, index


def unroll_body(body: Iterable[Statement], lanes: Lanes) -> tuple[Statement, ...]:
    """A body without blocks, one statement for every lane of its target."""
    out: list[Statement] = []
    for statement in body:
        assert not isinstance(statement, When), "blocks are flattened before code is generated"
        for target, index in _each(statement.target, lanes):
            inside = tuple(unroll(e, lanes, index) for e in reads(statement))
            match statement:
                case Equation():
                    out.append(Equation(target, inside[0]))
                case First():
                    out.append(First(target, inside[0]))
                case Draw(_, distribution):
                    out.append(Draw(target, distribution, inside))
    return tuple(out)


def start_body(states: Iterable[State], lanes: Lanes) -> tuple[Statement, ...]:
    """The starting values of states as equations of their primed names."""
    body: list[Statement] = []
    for state in states:
        target = Sym(state.name, True, state.type)
        if isinstance(state.start, Draw):
            body.append(replace(state.start, target=target))
        else:
            body.append(Equation(target, state.start))
    return unroll_body(body, lanes)
