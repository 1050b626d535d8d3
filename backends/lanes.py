"""ir -> ir: named axes unrolled, so that a backend need know tensors and entries only.

The length of an axis is static (that of the lists along it), so a quantity along ``lanes[3]``
becomes three, ``v_0 v_1 v_2``, and a reduction over ``lanes`` a sum of three terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import product

from thetaprime.expr import Apply, Expr, Num, Sym, substitute
from thetaprime.ir import Draw, Equation, First, State, Statement, Step, reads, statements
from thetaprime.ops import REDUCTIONS, Reduction
from thetaprime.types import SCALAR, Type

Index = Mapping[str, int]

# How partial results join: the op of the language.
_JOIN = {"add": "+", "max": "max", "min": "min", "and": "and", "or": "or"}


@dataclass(frozen=True)
class Lanes:
    """The lengths of the axes, and the axes of every symbol."""

    lengths: dict[str, int]
    axes: dict[str, tuple[str, ...]]
    taken: frozenset[str]

    def indices(self, name: str) -> list[tuple[int, ...]]:
        """The positions along the axes of a symbol in C order; ``[()]`` when it has none."""
        return list(product(*(range(self.lengths[a]) for a in self.axes.get(name, ()))))

    def name(self, name: str, index: tuple[int, ...]) -> str:
        """The name of one lane: ``v_0``."""
        return self.bar(name).join([name, *map(str, index)]) if index else name

    def bar(self, name: str) -> str:
        """What stands before the number of a lane: ``_``, or more when the spec has a ``v_0``."""
        bar = "_"
        while f"{name}{bar}" in self._stems:
            bar += "_"
        return bar

    @cached_property
    def _stems(self) -> frozenset[str]:
        """How names begin, up to each of their underscores."""
        return frozenset(name[:place + 1] for name in self.taken
                         for place, letter in enumerate(name) if letter == "_")


def lanes_of(step: Step) -> Lanes:
    """The axes of every symbol that a step declares or defines."""
    axes = {h.name: h.type.axes for h in step.hypers} | {s.name: s.type.axes for s in step.states}
    for statement in statements(step.body):
        if not isinstance(statement, Equation | First | Draw):
            continue
        if statement.target.type is not None:
            axes[statement.target.name] = statement.target.type.axes
    lengths = {a.name: a.length for a in step.axes if isinstance(a.length, int)}
    return Lanes(lengths, axes, frozenset(axes))


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
        case Apply(op, (argument,), over) if any(axis in lanes.lengths for axis in over):
            return _joined(expr, argument, REDUCTIONS[op], lanes, index)
        case Apply("list", items) if expr.type is not None and expr.type.axes:
            return unroll(items[index[expr.type.axes[0]]], lanes, index)
        case Apply(_, args):
            inside = tuple(unroll(a, lanes, index) for a in args)
            return replace(expr, args=inside, type=_flat(expr.type))


def _joined(expr: Apply, argument: Expr, row: Reduction, lanes: Lanes, index: Index) -> Expr:
    """A reduction over axes as its terms; over tensors or the model beside, it stays inside."""
    axes = [axis for axis in expr.over if axis in lanes.lengths]
    rest = tuple(axis for axis in expr.over if axis not in lanes.lengths)
    flat = _flat(expr.type)
    terms: list[Expr] = []
    for at in product(*(range(lanes.lengths[a]) for a in axes)):
        term = unroll(argument, lanes, {**index, **dict(zip(axes, at, strict=True))})
        terms.append(Apply(expr.op, (term,), rest, flat) if rest else term)
    count = Num(str(len(terms)), SCALAR)
    if row.array == "size":
        return Apply("*", (count, terms[0]), type=flat) if rest else count
    total = reduce(lambda a, b: Apply(_JOIN[row.combine], (a, b), type=flat), terms)
    return Apply("/", (total, count), type=flat) if row.array == "mean" else total


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
        assert isinstance(statement, Equation | First | Draw), "blocks are flattened before"
        for target, index in _each(statement.target, lanes):
            inside = tuple(unroll(e, lanes, index) for e in reads(statement))
            match statement:
                case Equation() | First():
                    out.append(replace(statement, target=target, value=inside[0]))
                case Draw():
                    out.append(replace(statement, target=target, args=inside))
    return tuple(out)


def start_body(states: Iterable[State], lanes: Lanes) -> tuple[Statement, ...]:
    """The starting values of states as equations of their primed names, constants first; a start
    that reads another state reads where that starts. Those that start at zero are left out."""
    body: list[Statement] = []
    known: dict[Sym, Expr] = {}
    for state in sorted(states, key=lambda s: not s.constant):
        target = Sym(state.name, True, state.type)
        if isinstance(state.start, Num) and state.start.value == 0:
            known[Sym(state.name)] = state.start
            continue
        if isinstance(state.start, Draw):
            args = tuple(substitute(a, known) for a in state.start.args)
            body.append(replace(state.start, target=target, args=args))
        else:
            body.append(Equation(target, substitute(state.start, known), state.source))
        known[Sym(state.name)] = target
    return unroll_body(body, lanes)
