"""What a spec asks the problem for: from ``grad(y; fresh)`` as it is written to the oracle of the
IR, with the batch that it sees. Indexed quantities, ``G[j]``, are read here too.

A fresh batch is a number: those of a step are counted in the order in which they are written, and
one that is written inside of a loop counts once for each turn, so that a problem knows before the
step how many batches it may take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from thetaprime.diagnostics import Diagnostic, closest, report
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite
from thetaprime.lengths import WINDOW
from thetaprime.ops import ORACLES
from thetaprime.source import Source, Span

_INDEXED = re.compile(r"(?P<name>\w+)(?P<prime>'?)\[(?P<index>[^\]]*)\]")
# Operations on an axis whose axis is that of an index or a window.
ALONG = ("put", "shift")


@dataclass
class Fresh:
    """How many fresh batches a step takes, as far as it has been read."""

    count: Expr = field(default_factory=lambda: Num("0"))

    def take(self, scope: Scope) -> Expr:
        """The number of a new batch, which differs in each turn of the loops around it."""
        first, self.count = self.count, plus(self.count, scope.turns)
        return plus(first, scope.turn)


@dataclass(frozen=True)
class Scope:
    """What surrounds a statement: named batches, indices of folds with their axes; ``turn`` counts
    the turns of all loops around it together, of which there are ``turns``."""

    batches: Mapping[str, Expr] = field(default_factory=dict)
    indices: Mapping[str, str] = field(default_factory=dict)
    turn: Expr = field(default_factory=lambda: Num("0"))
    turns: Expr = field(default_factory=lambda: Num("1"))

    def inside(self, turn: Sym, turns: Expr) -> Scope:
        """The scope of a loop's body."""
        counted = plus(times(self.turn, turns), turn)
        return replace(self, turn=counted, turns=times(self.turns, turns))


FULL = Apply("full")


def plus(a: Expr, b: Expr) -> Expr:
    """a + b, numbers put together."""
    if isinstance(a, Num) and isinstance(b, Num):
        return Num(str(a.value + b.value))
    return b if a == Num("0") else a if b == Num("0") else Apply("+", (a, b))


def times(a: Expr, b: Expr) -> Expr:
    """a*b, numbers put together."""
    if isinstance(a, Num) and isinstance(b, Num):
        return Num(str(a.value * b.value))
    if Num("0") in (a, b):
        return Num("0")
    return b if a == Num("1") else a if b == Num("1") else Apply("*", (a, b))


@dataclass
class Asking:
    """Reads oracles and indices; ``losses`` are the names of several losses, ``windows`` those of
    the states that keep the last values, ``tasks`` the axis of a family of losses, ``externs`` the
    functions that the user passes."""

    losses: tuple[str, ...]
    tasks: str
    windows: frozenset[str]
    externs: frozenset[str] = frozenset()
    fresh: Fresh = field(default_factory=Fresh)
    problems: list[Diagnostic] = field(default_factory=list)

    def read(self, expr: Expr, source: Source, scope: Scope) -> Expr:
        """The expression with oracles and indexed quantities in the form of the IR."""

        def change(node: Expr) -> Expr:
            if isinstance(node, Sym) and node.name in scope.batches:
                self.problems.append(report("batch-kept", source, node.span, name=node.name))
                return Num("1", span=node.span)
            if not isinstance(node, Apply):
                return node
            name = re.split(r"[\[;]", node.op)[0]
            if node.op in self.externs and not node.over:
                return replace(node, op="extern", over=(node.op,))
            if name == "push" and self._on_window(node):
                return replace(node, op="shift", over=(WINDOW,))
            if name in ORACLES and not node.over:
                return self._oracle(node, name, source, scope)
            if node.op in ALONG and not node.over:
                index = node.args[1] if len(node.args) > 1 else None
                axis = scope.indices.get(index.name) if isinstance(index, Sym) else None
                if axis is not None:
                    return replace(node, over=(axis,))
            if node.op == "index" and len(node.args) == 1 and isinstance(node.args[0], Sym):
                return replace(node, args=(), over=(node.args[0].name,))
            return self._indexed(node, source, scope)

        return rewrite(expr, change)

    def _on_window(self, node: Apply) -> bool:
        return bool(node.args) and isinstance(node.args[0], Sym) and (
            node.args[0].name in self.windows)

    def _oracle(self, node: Apply, name: str, source: Source, scope: Scope) -> Expr:
        loss = re.search(r"\[(.*?)\]", node.op)
        over: tuple[str, ...] = ()
        if loss is not None:
            if loss[1] not in self.losses:
                near = closest(loss[1], self.losses)
                hint = (f"did you mean `{near}`?" if near else
                        f"declare `losses {loss[1]}, ...`: the losses that the problem has")
                self.problems.append(report("unknown-loss", source, _within(node, source, loss[1]),
                                            name=loss[1], hints=(hint,)))
                return Num("1", span=node.span)
            over = (loss[1],)
        batch = node.op.partition("; ")[2]
        if not batch:
            return Apply(name, node.args, ("this", *over), span=node.span)
        if batch == "full":
            return Apply(name, node.args, ("full", *over), span=node.span)
        number = self.fresh.take(scope) if batch == "fresh" else scope.batches.get(batch)
        if number is None:
            near = closest(batch, ["fresh", "full", *scope.batches])
            hint = (f"did you mean `{near}`?" if near else
                    f"`fresh`, `full`, or name one: `batch {batch} = new`")
            self.problems.append(report("unknown-batch", source, _within(node, source, batch),
                                        name=batch, hints=(hint,)))
            return Num("1", span=node.span)
        if number == FULL:
            return Apply(name, node.args, ("full", *over), span=node.span)
        return Apply(name, (*node.args, number), ("fresh", *over), span=node.span)

    def _indexed(self, node: Apply, source: Source, scope: Scope) -> Expr:
        """``G[j]`` is the part of G at the place j of j's axis."""
        match = _INDEXED.fullmatch(node.op)
        if match is None or node.args:
            return node
        index = match["index"]
        if index not in scope.indices:
            self.problems.append(report("no-index", source, _within(node, source, f"[{index}]")))
            return Num("1", span=node.span)
        what = Sym(match["name"], bool(match["prime"]), span=Span(
            node.span.start, node.span.start + len(match["name"])))
        return Apply("at", (what, Sym(index, span=node.span)), (scope.indices[index],),
                     span=node.span)


def _within(node: Apply, source: Source, text: str) -> Span:
    """Where ``text`` stands last inside of a node."""
    at = source.text.rfind(text, node.span.start, node.span.end)
    return Span(at, at + len(text)) if at >= 0 else node.span
