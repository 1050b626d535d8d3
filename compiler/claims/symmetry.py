"""Symmetries named in words: `invariant under permutation of entries`, `... of tasks`, `rotation`.

A rule whose normal forms read entries only one by one and through sums, maxima and minima over all
of them treats all alike. One whose new point and states are sums of vectors (the point, the
gradient, states), with factors that only lengths and inner products enter, turns with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from thetaprime.claims.algebra import Algebra
from thetaprime.claims.facts import Certificate, Settled, Unproved, World, certificate, worlds
from thetaprime.claims.polynomials import ONE, Monomial, Poly, Ratio
from thetaprime.claims.questions import Question, Relation
from thetaprime.expr import Sym

# Operations that see entries alike: what atoms of a rule may be that is to be permuted.
ALIKE = frozenset((
    "symbol", "root", "root of", "sign", "power", "sum", "max", "min", "all", "any", "size", "exp",
    "ln", "sin", "cos", "tanh", "atan", "atan2", "floor", "round", "mod", "+", "*", "pi", "length",
    "factor"))
TURN = (Fraction(3, 5), Fraction(4, 5))


def prove_symmetry(question: Question) -> Certificate:
    """Raises Unproved."""
    words = _words(question)
    if words not in PROOFS:
        raise Unproved(f"no method for {words}")
    test, how = PROOFS[words]
    step = question.step
    wanted = [Relation("==", Sym(n, True), Sym(n, True)) for n in (
        step.point, *(s.name for s in step.states if not s.constant))]

    def shown(world: World) -> Iterator[Settled]:
        for one in wanted:
            value = world.run.env.get(one.left) if isinstance(one.left, Sym) else None
            if value is not None:
                if not test(world.run.algebra, value.ratio):
                    raise Unproved(world.text)
                yield Settled(world.text, one, Ratio(Poly({})), None, world.run.algebra)

    return certificate(how, worlds(question, shown, (), None, wanted))


def _words(question: Question) -> str:
    subject = question.claim.subject
    assert isinstance(subject, tuple)
    return " ".join(str(w) for w in subject)


def _alike(algebra: Algebra, value: Ratio) -> bool:
    return all(algebra.key(a)[0] in ALIKE and all(
        _alike(algebra, part) for part in _ratios(algebra.key(a))) for a in value.atoms)


def _ratios(key: tuple[object, ...]) -> Iterator[Ratio]:
    for part in key:
        if isinstance(part, Ratio):
            yield part
        elif isinstance(part, Poly):
            yield Ratio(part)


def _turns(algebra: Algebra, value: Ratio) -> bool:
    """Whether a value is a sum of vectors, or one number that does not turn."""
    if not algebra.varies(value) & {"entry"}:
        return _still(algebra, value)
    return _still(algebra, Ratio(value.den)) and all(
        _degree(algebra, m) == 1 for m in value.num.terms)


def _still(algebra: Algebra, value: Ratio) -> bool:
    """Whether a number depends on lengths and inner products alone."""
    return all(_number(algebra, a) for a in value.atoms)


def _number(algebra: Algebra, atom: int) -> bool:
    if algebra.known_atom(atom).varies & {"entry"}:
        return False
    match algebra.key(atom):
        case ("sum", _, Ratio(num, den)):
            return den == ONE and all(_degree(algebra, m) == 2 for m in num.terms)
        case (str(name), *rest) if name in ALIKE - {"max", "min", "all", "any"}:
            return all(_still(algebra, r) for r in _ratios(tuple(rest)))
    return False


def _degree(algebra: Algebra, monomial: Monomial) -> int | None:
    """How many vectors a product has; None where something in it does not turn with them."""
    found = 0
    for atom, exponent in monomial:
        kept = algebra.known_atom(atom)
        if not kept.varies & {"entry"}:
            if not _number(algebra, atom):
                return None
        elif kept.key[0] == "symbol":
            found += exponent
        else:
            return None
    return found


PROOFS = {"permutation of entries": (_alike, "entries are treated alike"),
          "rotation": (_turns, "vectors, lengths and inner products alone")}


# Runs.


def permuted(tree: tuple[Any, ...]) -> tuple[Any, ...]:
    """Each tensor with its entries in the opposite order."""
    return tuple(a.ravel()[::-1].reshape(a.shape) for a in tree)


def turned(tree: tuple[Any, ...]) -> tuple[Any, ...]:
    """Each tensor with its first two entries turned by an angle whose cosine is 3/5."""
    found = []
    for array in tree:
        flat = np.array(array.ravel(), object)
        if flat.size > 1:
            c, s = TURN
            flat[0], flat[1] = c * flat[0] - s * flat[1], s * flat[0] + c * flat[1]
        found.append(flat.reshape(array.shape))
    return tuple(found)


MOVES = {"permutation of entries": permuted, "rotation": turned}
