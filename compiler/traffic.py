"""What a step moves: the least bytes between memory and processor for each parameter.

A quantity that varies with the entries of a tensor is computed in sweeps over them. What needs the
result of a reduction, of an operation of linear algebra or of an oracle can only be computed in a
sweep after it, and that sweep reads again what it needs: the cheapest set of quantities from which
all the rest follows, a least cut. One that no array holds anyway costs its writing too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from thetaprime.expr import Apply, Expr, Num, Sym, symbols, walk
from thetaprime.ir import EachAxis, Equation, Loop, Statement, When, reads
from thetaprime.ops import LINEAR, OPS, ORACLES, is_reduction
from thetaprime.signature import whole
from thetaprime.types import Type

Numbers = Callable[[Type | None], int]  # how many numbers for each parameter a quantity has
Bytes = Callable[[Expr], int]  # and how many bytes in memory
Level = tuple[int, int, int]  # sweeps, reductions over the model, over the model or a tensor
_INPUT: Level = (0, 0, 0)


@dataclass
class Traffic:
    """Bytes read and written for each parameter, and operations on numbers. ``chain`` is the
    longest row of reductions over the model of which each needs the one before; ``cut`` is that of
    those over the model or a tensor: where tensors are cut into pieces, each is a collective.
    ``least``: no program moves less."""

    read: int = 0
    write: int = 0
    flops: int = 0
    reductions: int = 0
    chain: int = 0
    cut: int = 0
    least: bool = True
    linear: dict[str, int] = field(default_factory=dict)  # operations on matrices, for a tensor

    def add(self, other: Traffic, times: int) -> None:
        """What a loop does in all its turns."""
        self.read += times * other.read
        self.write += times * other.write
        self.flops += times * other.flops
        self.reductions += times * other.reductions
        self.chain += times * other.chain
        self.cut += times * other.cut
        self.least &= other.least
        for name, count in other.linear.items():
            self.linear[name] = self.linear.get(name, 0) + times * count


@dataclass
class Sweeps:
    """The sweeps of one body. The `Level` of a symbol is the first sweep that may compute it, and
    how many reductions come before it; inputs have none."""

    numbers: Numbers
    bytes: Bytes
    integers: Mapping[str, int]
    most: bool  # as many turns of loops that may end early as there can be
    values: dict[Sym, tuple[Expr, ...]] = field(default_factory=dict)
    level: dict[Sym, Level] = field(default_factory=dict)
    roots: dict[int, list[Expr]] = field(default_factory=dict)
    total: Traffic = field(default_factory=Traffic)

    def run(self, body: Iterable[Statement], outputs: Iterable[Sym]) -> Traffic:
        """What a straight body moves: blocks are decided, guards too."""
        for statement in body:
            if isinstance(statement, Loop | EachAxis):
                self._turns(statement)
            elif not isinstance(statement, When) and not _holds(statement):
                given = (*reads(statement), *self.values.get(statement.target, ()))
                self.values[statement.target] = given
                self.level[statement.target] = self._of(given)
        stored = [s for s in outputs if s in self.values and self.numbers(s.type)]
        for symbol in stored:
            self.total.write += self.bytes(symbol)
            self.roots.setdefault(self.level[symbol][0], []).extend(self.values[symbol])
        self._work()
        held: set[Expr] = {*stored}
        for level in sorted(self.roots):
            held |= self._sweep(level, held)
        for _, chain, cut in self.level.values():
            self.total.chain = max(self.total.chain, chain)
            self.total.cut = max(self.total.cut, cut)
        return self.total

    def _turns(self, loop: Loop | EachAxis) -> None:
        """A loop in which nothing waits for other entries is one formula of what it reads. Any
        other is a sweep, or several, for each turn; what it carries lies in memory."""
        starts = tuple(c.start for c in loop.carries)
        turns: int | None = 1
        if isinstance(loop, Loop):
            turns = whole(loop.turns, self.integers)
            if loop.until is not None and not self.most:
                turns = 1
        inner = Sweeps(self.numbers, self.bytes, self.integers, self.most)
        names = [Sym(c.value.name, True, c.value.type) for c in loop.carries]
        turned = Traffic()
        turned.add(inner.run(loop.body, names), 1 if turns is None else turns)
        carried = [c.value for c in loop.carries]
        outside = {s for e in reads(loop) for s in symbols(e)} - {*inner.values, *carried}
        if not any(self.stops(n) for e in reads(loop) for n in walk(e)):
            self.total.flops += turned.flops
            for symbol in (*carried, *inner.values):
                self.values[symbol] = (*starts, *outside)
                self.level[symbol] = self._of(self.values[symbol])
            return
        self.total.add(replace(turned, chain=0, cut=0, least=False), 1)
        sweep, chain, cut = self._of((*starts, *outside))
        for start in starts:
            self.roots.setdefault(self._of((start,))[0], []).append(start)
        for symbol in (*carried, *inner.values):
            self.level[symbol] = sweep + 1, chain + turned.chain, cut + turned.cut

    def _of(self, exprs: Iterable[Expr]) -> Level:
        """The first sweep that may compute all of these, and the reductions before it."""
        found = _INPUT
        for expr in exprs:
            here = _INPUT
            if isinstance(expr, Sym):
                here = self.level.get(expr, _INPUT)
            elif isinstance(expr, Apply):
                here = self._of(expr.args)
                if self.stops(expr):
                    model = is_reduction(expr) and "model" in expr.over
                    tensor = is_reduction(expr) and "tensor" in expr.over
                    here = here[0] + 1, here[1] + model, here[2] + (model or tensor)
            found = max(found[0], here[0]), max(found[1], here[1]), max(found[2], here[2])
        return found

    def stops(self, expr: Expr) -> bool:
        """Whether a result needs more of a tensor than the entry that it is for."""
        if not isinstance(expr, Apply):
            return False
        if expr.op in ORACLES:
            return True
        if is_reduction(expr):
            return expr.op != "size" and self._varies(expr.args[0])
        return expr.op in LINEAR and expr.op not in _MOVES

    def _varies(self, expr: Expr) -> bool:
        return self.numbers(expr.type) > 0 or any(
            self.numbers(n.type) > 0 for n in walk(expr) if not isinstance(n, Num))

    def _work(self) -> None:
        """Operations, each distinct one once, and what reductions and the like have to see."""
        seen: set[Expr] = set()
        for exprs in self.values.values():
            for node in (n for e in exprs for n in walk(e)):
                if not isinstance(node, Apply) or node in seen:
                    continue
                seen.add(node)
                if self.stops(node):
                    seen_by = [a for a in node.args if self.numbers(a.type)]
                    self.roots.setdefault(self._of(node.args)[0], []).extend(seen_by)
                    self.total.reductions += is_reduction(node) and "model" in node.over
                    if node.op in ORACLES:
                        self.total.write += sum(map(self.bytes, seen_by))
                    if is_reduction(node):
                        self.total.flops += sum(self.numbers(a.type) for a in seen_by)
                if node.op in LINEAR and node.op not in _MOVES:
                    name = node.op.partition(".")[0]
                    self.total.linear[name] = self.total.linear.get(name, 0) + 1
                elif node.op in OPS:
                    self.total.flops += _flops(node) * self.numbers(node.type)

    def _sweep(self, level: int, held: set[Expr]) -> set[Expr]:
        """Reads what one sweep needs; gives what has been written for it."""
        def below(node: Expr) -> tuple[Expr, ...]:
            inside = self.values.get(node, ()) if isinstance(node, Sym) else (
                node.args if isinstance(node, Apply) and not self.stops(node) else ())
            return tuple(dict.fromkeys(n for n in inside if self.numbers(n.type)))

        def price(node: Expr) -> int | None:
            if self._of((node,))[0] >= level and below(node):
                return None
            kept = node in held or (isinstance(node, Sym) and node not in self.values)
            # What is asked for lies in memory, and a row of a window where the window does.
            found = isinstance(node, Apply) and (
                node.op in ORACLES or (node.op == "at" and not isinstance(node.args[0], Apply)))
            return self.bytes(node) * (1 if kept or found else 2)

        wanted = [r for r in dict.fromkeys(self.roots[level]) if self.numbers(r.type)]
        cut = least_cut(wanted, below, price)
        for node in cut:
            self.total.read += self.bytes(node)
            if price(node) != self.bytes(node):
                self.total.write += self.bytes(node)
        return cut


# Operations of linear algebra that only say where an entry stands.
_MOVES = frozenset({"T", "diag", "diagonal", "triu"})


def _holds(statement: Statement) -> bool:
    """``m' = m``: nothing is moved."""
    match statement:
        case Equation(target, value):
            return target.prime and value == Sym(target.name)
    return False


def _flops(node: Apply) -> int:
    """What one entry of an operation costs; powers by small whole numbers are products."""
    if node.op == "^" and isinstance(node.args[1], Num):
        value = node.args[1].value
        if value.denominator == 1 and 0 < value <= 4:
            return int(value) - 1
        if value == 0.5:
            return OPS["sqrt"].flops
    return OPS[node.op].flops


def least_cut(
    roots: Sequence[Expr], below: Callable[[Expr], tuple[Expr, ...]],
    price: Callable[[Expr], int | None],
) -> set[Expr]:
    """The cheapest nodes without which no way leads from the roots to what has nothing below it;
    None: a node that cannot be taken. By the largest flow: each node is an edge from its upper to
    its lower end, which may carry its price."""
    flow: dict[Expr, int] = {}
    taken: dict[tuple[Expr, Expr], int] = {}
    above: dict[Expr, list[Expr]] = {}

    def search() -> tuple[set[tuple[Expr, bool]], list[tuple[Expr, bool]]]:
        """The ends that can still be reached, and a way to the bottom if there is one."""
        came: dict[tuple[Expr, bool], tuple[Expr, bool] | None] = {(r, True): None for r in roots}
        stack = list(came)
        while stack:
            node, upper = end = stack.pop()
            following: list[tuple[Expr, bool]] = []
            if upper:
                most = price(node)
                if most is None or flow.get(node, 0) < most:
                    following.append((node, False))
                following += [(a, False) for a in above.get(node, ()) if taken.get((a, node), 0)]
            else:
                if not below(node):
                    way = [end]
                    while (back := came[way[-1]]) is not None:
                        way.append(back)
                    return set(came), way[::-1]
                for child in below(node):
                    above.setdefault(child, []).append(node)
                    following.append((child, True))
                if flow.get(node, 0):
                    following.append((node, True))
            for other in following:
                if other not in came:
                    came[other] = end
                    stack.append(other)
        return set(came), []

    while True:
        reached, way = search()
        if not way:
            return {n for n, upper in reached if upper and (n, False) not in reached}
        for (node, upper), (other, _) in pairwise(way):
            if node == other:
                flow[node] = flow.get(node, 0) + (1 if upper else -1)
            elif upper:
                taken[other, node] -= 1
            else:
                taken[node, other] = taken.get((node, other), 0) + 1
