"""Guarantees: a function of the spec has distinct parameters and holds states and equations only,
and somebody calls it."""

from __future__ import annotations

from collections.abc import Iterator

from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, walk
from thetaprime.syntax import Doc, EquationLine, Function, Note, StateDecl, expressions
from thetaprime.tables import Tables, name_span


def check_functions(tables: Tables) -> Iterator[Diagnostic]:
    """What is wrong with the `fn` lines of the spec itself."""
    for part in tables.flat.parts:
        function = part.item
        if not isinstance(function, Function) or part.inherited:
            continue
        place = name_span(function, part.source)
        names = (*function.parameters, *function.extents)
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield report("duplicate-name", part.source, place, name=name)
        for item in function.items:
            if not isinstance(item, StateDecl | EquationLine | Doc | Note):
                yield report("function-item", part.source, item.span, name=function.name)
        if not _called(tables, function.name):
            yield report("unused-function", part.source, place, name=function.name)


def _called(tables: Tables, name: str) -> bool:
    def calls(expr: Expr) -> bool:
        return any(isinstance(node, Apply) and node.op == name for node in walk(expr))

    items = [p.item for p in tables.flat.parts] + [c for c, _ in tables.flat.claims]
    return any(calls(e) for item in items for e in expressions(item))
