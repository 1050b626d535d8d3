"""Statements inside of the function of one tensor as JAX text."""

from __future__ import annotations

from collections.abc import Iterable

from thetaprime.backends.jax_expr import Writer
from thetaprime.backends.jax_regions import choice_lines, loop_lines, within
from thetaprime.expr import Sym
from thetaprime.ir import EachAxis, Loop, Statement, When
from thetaprime.scopes import outputs


def leaf_lines(body: Iterable[Statement], writer: Writer) -> list[str]:
    """The lines that compute the statements, one after the other."""
    return [line for statement in body for line in _lines(statement, writer)]


def _lines(statement: Statement, writer: Writer) -> list[str]:
    match statement:
        case Loop(carries, _, body):
            results = [writer.name(Sym(c.value.name, True)) for c in carries]
            results += [writer.name(statement.until)] if statement.until is not None else []
            return loop_lines(statement, leaf_lines(body, within(statement, writer)), results,
                              writer)
        case When(condition, then, otherwise):
            other = {o for s in otherwise for o in outputs(s)}
            names = [writer.name(o) for o in dict.fromkeys(o for s in then for o in outputs(s))
                     if o in other]
            return choice_lines(condition, names, (leaf_lines(then, writer), names),
                                (leaf_lines(otherwise, writer), names), statement.rare, writer)
        case EachAxis():
            raise NotImplementedError("for axis")
        case _:
            return writer.statement(statement)
