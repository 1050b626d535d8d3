"""Conditions on what is known of a tensor before anything runs: its rank, its lengths, its path.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from thetaprime.coverage import both, neither, witness
from thetaprime.expr import Apply, Expr, Num, Sym

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne}

def either(guards: Sequence[Expr]) -> Expr:
    """Any of them."""
    found = guards[0]
    for guard in guards[1:]:
        found = Apply("or", (found, guard), span=guard.span)
    return found


def holds(guard: Expr | None, values: Mapping[str, int], path: str) -> bool:
    """Whether a tensor satisfies a condition; ``values`` are its rank, its lengths by the names of
    their axes, and whole hyperparameters. A length that it does not have satisfies nothing."""
    if guard is None:
        return True
    assert isinstance(guard, Apply)
    match guard.op:
        case "and":
            return all(holds(a, values, path) for a in guard.args)
        case "or":
            return any(holds(a, values, path) for a in guard.args)
        case "not":
            return not holds(guard.args[0], values, path)
        case "~":
            return fnmatchcase(path, guard.over[0])
        case "true" | "false":
            return guard.op == "true"
    found = [n.value if isinstance(n, Num) else values.get(n.name)
             for n in guard.args if isinstance(n, Num | Sym)]
    return None not in found and _COMPARE[guard.op](*found)


def implies(one: Expr | None, other: Expr | None) -> bool:
    """Whether every tensor that satisfies ``one`` satisfies ``other``; None: every tensor."""
    if other is None or one == other:
        return True
    rest = neither([other])
    return witness(rest if one is None else both(one, rest)) is None


def conjoined(one: Expr | None, other: Expr | None) -> Expr | None:
    """Both conditions; None: every tensor."""
    if one is None or other is None:
        return one if other is None else other
    return both(one, other)
