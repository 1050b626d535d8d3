"""Which tensors the arms of a route take: every one, and none twice.

A predicate speaks of lengths (``rank == 2``, ``rows < 1024``), for which the numbers around those
that it names stand for all, and of other things that are true or false independently
(``path ~ "*embed*"``; equal ones are the same).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from thetaprime.collect import constant
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.render import spec_text

RANK = Sym("rank")
_COMPARE: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
    "!=": operator.ne}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}

# What is known of a tensor: the value of a length, the truth of any other atom.
Known = Mapping[Expr, Fraction | bool]


def witness(wanted: Expr) -> str | None:
    """A tensor for which the predicate holds, in words; None where there is none."""
    found = next(_tensors(wanted, {}), None)
    return None if found is None else _words(found)


def both(one: Expr, other: Expr) -> Expr:
    """Both predicates at once."""
    return Apply("and", (one, other))


def neither(conditions: list[Expr]) -> Expr:
    """None of the predicates."""
    found: Expr = Apply("true")
    for condition in conditions:
        found = both(found, Apply("not", (condition,)))
    return found


def implies_matrix(condition: Expr) -> str | None:
    """None where only tensors of rank 2 fulfil the predicate, else another one in words."""
    return witness(both(condition, Apply("!=", (RANK, Num("2")))))


def _tensors(wanted: Expr, known: dict[Expr, Fraction | bool]) -> Iterator[Known]:
    """The tensors, as far as they must be known, that fulfil a predicate."""
    truth = _value(wanted, known)
    if truth is True:
        yield dict(known)
    if truth is not None:
        return
    atom, values = next(_unknown(wanted, known))
    for value in values:
        yield from _tensors(wanted, {**known, atom: value})


def _value(expr: Expr, known: Known) -> bool | None:
    """The truth of a predicate; None while it depends on what is not known."""
    match expr:
        case Apply("true"):
            return True
        case Apply("not", (inner,)):
            value = _value(inner, known)
            return None if value is None else not value
        case Apply("and" | "or" as op, args):
            values = [_value(a, known) for a in args]
            decided = op == "or"
            return decided if decided in values else None if None in values else not decided
    order = _order(expr)
    if order is not None:
        sign = known.get(order[0])
        return None if sign is None else _COMPARE[order[1]](Fraction(sign), Fraction(0))
    measure = _measure(expr)
    if measure is None:
        found = known.get(expr)
        return None if found is None else bool(found)
    name, comparison, number = measure
    length = known.get(name)
    return None if length is None else _COMPARE[comparison](Fraction(length), number)


def _measure(expr: Expr) -> tuple[Sym, str, Fraction] | None:
    """``rank >= 2`` as the length, the comparison and the number."""
    if isinstance(expr, Apply) and expr.op in _COMPARE:
        left, right = expr.args
        for name, value, op in ((left, right, expr.op), (right, left, _TURNED[expr.op])):
            number = constant(value)
            if isinstance(name, Sym) and isinstance(number, Fraction):
                return name, op, number
    return None


def _order(expr: Expr) -> tuple[Expr, str] | None:
    """``rows >= cols`` as the sign of ``cols - rows`` and what it must be: ``<= 0``. All
    comparisons of two lengths are about one sign."""
    if isinstance(expr, Apply) and expr.op in _COMPARE and all(
            isinstance(a, Sym) for a in expr.args):
        first, second = sorted(expr.args, key=str)
        op = expr.op if expr.args[0] == first else _TURNED[expr.op]
        return Apply("-", (first, second)), op
    return None


def _unknown(expr: Expr, known: Known) -> Iterator[tuple[Expr, list[Fraction | bool]]]:
    """Each thing not known that a predicate reads, with the values that stand for all."""
    atoms = list(_atoms(expr))
    for atom in atoms:
        order, measure = _order(atom), _measure(atom)
        if order is not None:
            if order[0] not in known:
                yield order[0], [Fraction(-1), Fraction(0), Fraction(1)]
        elif measure is None and atom not in known:
            yield atom, [False, True]
        elif measure is not None and measure[0] not in known:
            name = measure[0]
            numbers = [m[2] for m in map(_measure, atoms) if m is not None and m[0] == name]
            least = 0 if name == RANK else 1
            near = {Fraction(k) for n in numbers for k in range(int(n) - 1, int(n) + 3)}
            if name == RANK:
                near |= {Fraction(k) for k in range(int(max(numbers)) + 3)}
            yield name, [n for n in sorted(near | {Fraction(least)}) if n >= least]


def _atoms(expr: Expr) -> Iterator[Expr]:
    match expr:
        case Apply("and" | "or" | "not", args):
            for arg in args:
                yield from _atoms(arg)
        case Apply("true"):
            return
        case _:
            yield expr


def _words(known: Known) -> str:
    """``a tensor of rank 1 whose path does not match "*embed*"``."""
    rank = f" of rank {known[RANK]}" if RANK in known else ""
    facts = []
    for atom, value in known.items():
        match atom:
            case Apply("~", (name,), (glob,)):
                facts.append(f"whose {spec_text(name)} {'matches' if value else 'does not match'} "
                             f'"{glob}"')
            case Sym() if atom != RANK:
                facts.append(f"with {atom} = {value}")
            case Apply("-", (first, second)):
                sign = {-1: "<", 0: "=", 1: ">"}[int(value)]
                facts.append(f"with {first} {sign} {second}")
            case Apply():
                facts.append(f"with {'' if value else 'not '}{spec_text(atom)}")
    return f"a tensor{rank}" + (f" {' and '.join(facts)}" if facts else "")

