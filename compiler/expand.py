"""Functions written out: calls become formulas, and the states of a function become the spec's.

Equal calls of a function with states share them. The nodes that a call becomes carry the span of
the call, so that messages point at what the user wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from thetaprime.check.names import bad_call, needs_over
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import MOST_LEVELS, Apply, Expr, Num, Sym, levels, rewrite, size, symbols
from thetaprime.ops import OPS, REDUCTIONS
from thetaprime.render import spec_text
from thetaprime.source import Source, Span
from thetaprime.syntax import EquationLine, Function, StateDecl

# Functions multiply what they are given: beyond this no person reads the result.
MOST_NODES = 5_000


@dataclass
class Expander:
    """Expands calls; what functions bring along is gathered in ``states`` and ``equations``."""

    functions: dict[str, tuple[Function, Source]]
    taken: set[str]
    states: list[tuple[StateDecl, Source]] = field(default_factory=list)
    equations: list[tuple[EquationLine, Source]] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)
    known: dict[tuple[str, tuple[Expr, ...], tuple[str, ...]], Expr] = field(default_factory=dict)

    def expand(self, expr: Expr, source: Source, above: tuple[str, ...] = ()) -> Expr:
        """The expression with every call of a function written out."""
        return rewrite(expr, lambda node: self._call(node, source, above))

    def _call(self, node: Expr, source: Source, above: tuple[str, ...]) -> Expr:
        if not isinstance(node, Apply) or node.op not in self.functions:
            return node
        function, _ = self.functions[node.op]
        # `max(a over tensor)` is a reduction even if a function has its name, and ops come first.
        if node.op in OPS or (node.over and node.op in REDUCTIONS):
            return node
        if function.name in above:
            self.problems.append(report("recursive-function", source, node.span,
                                        name=function.name))
            return node
        if function.extents and not node.over:
            shown = ", ".join(spec_text(a) for a in node.args)
            self.problems.append(needs_over(node.op, shown, source, node.span))
            return node.args[0] if node.args else node
        if len(node.args) != len(function.parameters) or bool(node.over) != bool(function.extents):
            wanted = len(function.parameters)
            if node.over and not function.extents:
                self.problems.append(report("no-over", source, _head(node), name=node.op))
            else:
                over = " over tensor" if function.extents else ""
                form = f"{node.op}({', '.join(function.parameters)}{over})"
                self.problems.append(bad_call(node.op, (wanted, wanted), len(node.args), source,
                                              _head(node), form))
            return node
        if self.problems and self.problems[-1].code == "too-deep":
            return Num("1", span=node.span)
        key = (node.op, node.args, node.over)
        if key not in self.known:
            written = self._instance(function, node, source, above)
            if levels(written) > MOST_LEVELS or size(written) > MOST_NODES:
                self.problems.append(report("too-deep", source, _head(node), limit=MOST_LEVELS,
                                            label="too large when it is written out"))
                written = Num("1", span=node.span)
            self.known[key] = written
        return respan(self.known[key], node.span)

    def _instance(self, function: Function, call: Apply, source: Source,
                  above: tuple[str, ...]) -> Expr:
        values: dict[Sym, Expr] = {
            Sym(p): a for p, a in zip(function.parameters, call.args, strict=True)}
        local = [i for i in function.items if isinstance(i, StateDecl | EquationLine)]
        names = dict.fromkeys(
            i.name if isinstance(i, StateDecl) else i.target.name for i in local)
        stem = "_".join([function.name, *sorted(s.name for a in call.args[:1]
                                                for s in symbols(a))[:1]])
        for name in names:
            fresh = self._fresh(stem if len(names) == 1 else f"{stem}_{name}")
            values[Sym(name)] = Sym(fresh)
            values[Sym(name, True)] = Sym(fresh, True)

        def write(expr: Expr) -> Expr:
            over = dict(zip(function.extents, (call.over,), strict=False))

            def change(node: Expr) -> Expr:
                if isinstance(node, Sym):
                    return values.get(node, node)
                if isinstance(node, Apply) and node.over and node.over[0] in over:
                    return replace(node, over=over[node.over[0]])
                return node

            return self.expand(respan(rewrite(expr, change), call.span), source,
                               (*above, function.name))

        for item in local:
            if isinstance(item, StateDecl):
                renamed = values[Sym(item.name)]
                assert isinstance(renamed, Sym)
                self.states.append((replace(item, name=renamed.name, value=write(item.value),
                                            span=call.span, spelled=renamed.name), source))
            else:
                target = values[replace(item.target)]
                assert isinstance(target, Sym)
                self.equations.append((EquationLine(replace(target, span=call.span),
                                                    write(item.value), call.span), source))
        return write(function.result)

    def _fresh(self, stem: str) -> str:
        name, number = stem, 1
        while name in self.taken:
            number += 1
            name = f"{stem}{number}"
        self.taken.add(name)
        return name


def _head(call: Apply) -> Span:
    """The span of the function's name."""
    return Span(call.span.start, call.span.start + len(call.op))


def respan(expr: Expr, span: Span) -> Expr:
    """The expression with every node at ``span``."""
    def change(node: Expr) -> Expr:
        return replace(node, span=span)

    return rewrite(expr, change)


