"""Rational rules, executed in exact rationals, agree with their execution in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from thetaprime.check.direction import on_bowl
from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.interpret import Memory, advance, evaluation, start
from thetaprime.ir import Draw, Step, reads, statements
from thetaprime.linalg import _EXACT
from thetaprime.numbers import EXACT, FLOAT, Field
from thetaprime.ops import LINEAR
from thetaprime.signature import asks_more

IRRATIONAL = {"sqrt", "exp", "ln", "sin", "cos", "tanh", "atan", "atan2", "pi", *LINEAR} - {*_EXACT}
PARAMS = ([[Fraction(1, 3), Fraction(-5, 4)], [Fraction(2), Fraction(-1, 7)]], Fraction(7, 8))
GRADS = ([[Fraction(1, 2), Fraction(-3, 5)], [Fraction(0), Fraction(5, 7)]], Fraction(-2, 9))
LOSS = Fraction(3, 2)


def expressions(step: Step) -> Iterator[Expr]:
    """Every expression of a step, starts and defaults too."""
    for hyper in step.hypers:
        default = hyper.default if isinstance(hyper.default, tuple) else (hyper.default,)
        yield from (d for d in default if d is not None)
    for state in step.states:
        yield from state.start.args if isinstance(state.start, Draw) else (state.start,)
    for statement in statements(step.body):
        yield from reads(statement)
    if step.evaluate is not None:
        yield step.evaluate


def rational(step: Step) -> bool:
    """Whether every operation gives rational numbers for rational numbers."""
    for expr in expressions(step):
        for node in walk(expr):
            if isinstance(node, Apply) and (node.op in IRRATIONAL or (
                    node.op == "^" and not whole(node.args[1]))):
                return False
    return True


def whole(power: Expr) -> bool:
    return power == Sym("t") or (isinstance(power, Num) and power.value.denominator == 1)


RATIONAL = [name for name in tp.shipped() if rational(tp.load(name).step())]


def run(step: Step, numbers: Field) -> list[list[Any]]:
    """The tensors after each of three steps, then the point to evaluate."""
    params: Sequence[Any] = [numbers.array(np.asarray(p, object)) for p in PARAMS]
    given = {h.name: numbers.number(Fraction(1, 8)) for h in step.hypers if h.default is None}
    memory: Memory = start(step, params, given, numbers)
    history = []
    for k in range(3):
        grads = [numbers.array(np.asarray(g, object) * (Fraction(-2, 3)) ** k) for g in GRADS]
        if asks_more(step):
            params, memory = advance(step, memory, params, given=given, numbers=numbers,
                                     asked=on_bowl(step, given))
        else:
            params, memory = advance(step, memory, params, grads, given, numbers.number(LOSS),
                                     numbers)
        history.append(list(params))
    return [*history, list(evaluation(step, memory, params, given, numbers))]


def test_the_rational_rules_are_found() -> None:
    assert {"sgd", "heavy-ball", "nesterov", "nesterov-lookahead", "qhm", "aggmo", "signsgd",
            "signum", "lion", "tiger", "rprop", "adamax"} <= set(RATIONAL)
    assert not {"adam", "adagrad", "nesterov-1983"} & set(RATIONAL)


@pytest.mark.parametrize("name", RATIONAL)
def test_exact_rationals_agree_with_float64(name: str) -> None:
    step = tp.load(name).step()
    for exact, floats in zip(run(step, EXACT), run(step, FLOAT), strict=True):
        for a, b in zip(exact, floats, strict=True):
            assert all(isinstance(v, Fraction | int) for v in np.ravel(a).tolist())
            np.testing.assert_allclose(np.asarray(a, float), b, rtol=1e-13, atol=1e-13)
