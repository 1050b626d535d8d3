"""Intervals hold every value that exact arithmetic finds, and conditions say what is true."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thetaprime.bounds import INF
from thetaprime.check.narrow import assume
from thetaprime.check.valuation import Valuation
from thetaprime.evaluate import Run
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.forward import power
from thetaprime.intervals import Interval, hull, meet, point, tidy
from thetaprime.numbers import EXACT, NotRational, mpmath_field
from thetaprime.pipeline import compile_text
from thetaprime.types import SCALAR

F = Fraction

# Intervals against exact numbers.

ENDS = [F(-3), F(-1), F(-1, 2), F(0), F(1, 3), F(1), F(2), F(5)]
POINTS = [F(-4), F(-3), F(-2), F(-1), F(-1, 2), F(-1, 5), F(0), F(1, 7), F(1, 3), F(1), F(3, 2),
          F(2), F(4), F(5), F(9)]


def intervals() -> Iterator[Interval]:
    """Intervals of all kinds that hold at least one of the points."""
    for low, high in itertools.product([-INF, *ENDS], [*ENDS, INF]):
        for low_in, high_in, hole, whole in itertools.product((True, False), repeat=4):
            if not (isinstance(low, float) and low_in) and not (
                    isinstance(high, float) and high_in):
                a = tidy(Interval(low, high, low_in, high_in, whole, hole))
                if any(p in a for p in POINTS):
                    yield a


SOME = list(dict.fromkeys(intervals()))
NAMES = ("a", "b", "c")
OPS_EXACT = {"+": 2, "-": 2, "*": 2, "/": 2, "neg": 1, "abs": 1, "sign": 1, "min": 2, "max": 2,
             "floor": 1, "round": 1, "mod": 2, "sqrt": 1, "^": 2, "if": 3, "default": 2}
STEP = compile_text("optimizer A\n  hyper lr = 1 in (0, inf)\n  x' = x - lr*g\n")


def test_there_are_intervals_of_all_kinds() -> None:
    assert len(SOME) > 200
    assert any(a.whole for a in SOME)
    assert any(a.hole for a in SOME)


@pytest.mark.parametrize("a", SOME[::7], ids=str)
def test_joining_and_meeting_are_those_of_sets(a: Interval) -> None:
    for b in SOME[::5]:
        for p in POINTS:
            assert (p in meet(a, b)) == (p in a and p in b)
            assert p in hull(a, b) or (p not in a and p not in b)
        assert meet(a, b).within(a)
        assert a.within(hull(a, b))


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> Expr:
    """Formulas of a, b, c with small literals; exponents are small whole numbers."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        if draw(st.booleans()):
            return Sym(draw(st.sampled_from(NAMES)), type=SCALAR)
        return Num(draw(st.sampled_from(["0", "1", "2", "1/2", "3"])), SCALAR)
    op = draw(st.sampled_from(sorted(OPS_EXACT)))
    args = [draw(expressions(depth=depth - 1)) for _ in range(OPS_EXACT[op])]
    if op == "^":
        args[1] = Num(str(draw(st.integers(-3, 4))), SCALAR)
    if op == "if":
        which = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
        condition = Apply(which, (args[0], draw(expressions(depth=depth - 1))), type=SCALAR)
        args[0] = condition
    return Apply(op, tuple(args), type=SCALAR)


def exact(expr: Expr, values: dict[str, Fraction]) -> Any:
    """The referee's value."""
    run = Run(STEP, EXACT, [], {Sym(n): EXACT.array(v) for n, v in values.items()}, 1)
    with np.errstate(all="ignore"):
        return np.asarray(run.value(expr))[()]


@settings(deadline=None, max_examples=1500, suppress_health_check=list(HealthCheck))
@given(expressions(), st.lists(st.sampled_from(SOME), min_size=3, max_size=3), st.data())
def test_the_exact_value_lies_in_the_interval(
    expr: Expr, boxes: list[Interval], data: st.DataObject
) -> None:
    unsafe: list[Apply] = []
    values = Valuation(dict(zip(map(Sym, NAMES), boxes, strict=True)),
                       watch=lambda e, args, safe: unsafe.append(e) if not safe else None)
    found = values.of(expr)
    for _ in range(4):
        at = {n: data.draw(st.sampled_from([p for p in POINTS if p in box]))
              for n, box in zip(NAMES, boxes, strict=True)}
        try:
            value = exact(expr, at)
        except (NotRational, ZeroDivisionError, ValueError, OverflowError):
            continue
        if value != value:
            assert found.nan, (expr, at)
            assert unsafe, (expr, at)
        elif not unsafe:
            assert value in found, (expr, at, str(found))


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(expressions(depth=3), st.lists(st.sampled_from(SOME), min_size=3, max_size=3), st.data())
def test_what_a_condition_says_is_true_wherever_it_holds(
    expr: Expr, boxes: list[Interval], data: st.DataObject
) -> None:
    which = data.draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
    truth = data.draw(st.booleans())
    condition = Apply(which, (expr, Num("1", SCALAR)), type=SCALAR)
    values = Valuation(dict(zip(map(Sym, NAMES), boxes, strict=True)))
    told = assume(values, condition, truth)
    for at in itertools.islice(itertools.product(*([p for p in POINTS if p in b] for b in boxes)),
                               0, None, 7):
        named = dict(zip(NAMES, at, strict=True))
        try:
            side = exact(expr, named)
            if side != side or bool(exact(condition, named)) != truth:
                continue
            assert told is not None, (condition, named)
            for fact, interval in told.items():
                value = exact(fact, named)
                assert value in interval, (condition, truth, named, fact, str(interval))
        except (NotRational, ZeroDivisionError, ValueError, OverflowError):
            continue


FUNCTIONS = ["exp", "ln", "tanh", "atan", "sin", "cos", "sqrt"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_stay_in_their_intervals(name: str) -> None:
    numbers = mpmath_field(50)
    x = Sym("a", type=SCALAR)
    expr = Apply(name, (x,), type=SCALAR)
    for box in SOME[::3]:
        found = Valuation({Sym("a"): box}).of(expr)
        for p in POINTS:
            if p in box:
                run = Run(STEP, numbers, [], {Sym("a"): numbers.array(p)}, 1)
                value = np.asarray(run.value(expr))[()]
                if value != value:
                    assert found.nan
                else:
                    assert _between(value, found), (name, p, str(found))


def _between(value: Any, a: Interval) -> bool:
    """Whether a number of many digits lies in an interval, but for rounding."""
    number = value.context.mpf
    low, high = (number(e) if isinstance(e, float) else number(e.numerator) / e.denominator
                 for e in (a.low, a.high))
    slack = abs(value) * value.context.mpf(10)**-40  # 50 digits are not all
    return bool((value >= low - slack if a.low_in else value > low)
                and (value <= high + slack if a.high_in else value < high))


def test_powers_stay_in_their_intervals() -> None:
    numbers = mpmath_field(50)
    a, b = Sym("a", type=SCALAR), Sym("b", type=SCALAR)
    seen = 0
    for base, by in itertools.product(SOME[::6], SOME[::6]):
        found = power(base, by)
        for p, q in itertools.product(POINTS[::2], POINTS[::2]):
            if p in base and q in by:
                run = Run(STEP, numbers, [], {a: numbers.array(p), b: numbers.array(q)}, 1)
                value = np.asarray(run.value(Apply("^", (a, b), type=SCALAR)))[()]
                assert found.nan if value != value else _between(value, found), (p, q, str(found))
                seen += 1
    assert seen > 2000


def test_a_large_exponent_takes_no_time() -> None:
    found = power(Interval(F(0), F(99, 100), True, True), point(F(10**9)))
    assert F(0) in found
    assert found.high < F(1, 10**6)
