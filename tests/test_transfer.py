"""Rules that are linear in their oracle: published equalities, and runs that agree with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests.linear_rows import ROWS, RULES, Row
from thetaprime.asking import Asked
from thetaprime.claims.same_runs import put
from thetaprime.compare.linear import Linear, Solution, decide, linear_form, why_not
from thetaprime.compare.linear.notions import NOTIONS, gaps
from thetaprime.compare.linear.shifts import Shift, repeated
from thetaprime.compare.linear.transfer import apart, substituted, unrolled
from thetaprime.expr import Sym
from thetaprime.interpret import advance, evaluation, start
from thetaprime.ir import Step
from thetaprime.library import shipped
from thetaprime.numbers import EXACT
from thetaprime.pipeline import compile_text
from thetaprime.render import spec_text

Values = Mapping[str, Fraction]
STEPS = 6
X0 = Fraction(5, 7)
IDS = [row.id for row in ROWS]


@cache
def step_of(name: str) -> Step:
    """A rule of the table, else a shipped spec or a text of one."""
    if name not in RULES:
        return compile_text(name) if "\n" in name else tp.load(name).step()
    title = "".join(c for c in name.title() if c.isalnum())
    lines = "".join(f"  {line}\n" for line in RULES[name].splitlines())
    return compile_text(f"optimizer {title}\n{lines}")


@cache
def decided(a: str, b: str) -> Linear:
    found = decide(step_of(a), step_of(b))
    assert found is not None, why_not(step_of(a), step_of(b))
    return found


# Runs of the interpreter, in exact arithmetic.


class Curved:
    """An oracle that is no linear function, pure; it keeps the points that it is asked at."""

    def __init__(self) -> None:
        self.points: list[Fraction] = []

    def grad(self, point: Sequence[Any], batch: Any) -> list[Any]:
        (y,) = (Fraction(v) for v in np.ravel(point[0]))
        if y not in self.points:
            self.points.append(y)
        return [EXACT.array(1 / (1 + y * y) - y / 3)]


def run(step: Step, values: Values, gradients: Sequence[Fraction] | None = None) -> list[Fraction]:
    """The points of training after each step: on an oracle, or with given answers."""
    return [x for x, _, _ in course(step, values, gradients)]


def course(
    step: Step, values: Values, gradients: Sequence[Fraction] | None = None, steps: int = STEPS
) -> list[tuple[Fraction, Fraction, list[Fraction]]]:
    """The point of training and the one to evaluate after each step, and all queries so far."""
    point: list[Any] = [EXACT.array(X0)]
    memory = start(step, point, values, EXACT)
    problem = Curved()
    found = []
    for t in range(steps):
        asked = Asked(problem if gradients is None else _Given(gradients[t]))
        point, memory = advance(step, memory, point, None, values, numbers=EXACT, asked=asked,
                                loss=Fraction(0))
        best = evaluation(step, memory, point, values, EXACT)
        found.append((Fraction(point[0][()]), Fraction(best[0][()]), list(problem.points)))
    return found


class _Given:
    def __init__(self, answer: Fraction) -> None:
        self.answer = answer

    def grad(self, point: Sequence[Any], batch: Any) -> list[Any]:
        return [EXACT.array(self.answer)]


def settings(step: Step, salt: int = 0) -> dict[str, Fraction]:
    """Rational hyperparameters within their ranges, in general position."""
    found = {}
    for k, hyper in enumerate(h for h in step.hypers if not h.type.axes and not h.static):
        bounds = hyper.range
        low = Fraction(0) if bounds is None or bounds.low is None else bounds.low
        high = low + 1 if bounds is None or bounds.high is None else bounds.high
        found[hyper.name] = low + (high - low) * Fraction(3 + 2 * k + salt, 17 + 3 * k + 2 * salt)
    return found


def filled(solution: Solution, values: Values, free: Values, other: str) -> dict[str, Fraction]:
    """The hyperparameters of a solution at those of the other rule."""
    env = {Sym(n): v for n, v in values.items()}
    env |= {Sym(f"{other}.{n}"): v for n, v in free.items()}
    return {n: Fraction(put(e, env)) for n, e in solution.values.items()} | {
        n: free[n] for n in solution.free}


# The table.


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_notions_hold_where_they_are_said_to(row: Row) -> None:
    found = decided(row.a, row.b)
    assert [n for n in NOTIONS if found.same[n]] == row.same.split()


@pytest.mark.parametrize("row", [r for r in ROWS if r.map != {}], ids=lambda r: r.id)
def test_settings_that_make_rules_equal(row: Row) -> None:
    found = decided(row.a, row.b).maps(row.by)  # type: ignore[arg-type]
    assert found is not None
    general = [s for s in found if s.general]
    if row.map is None:
        assert not general
        only = [{n: spec_text(e) for n, e in s.conditions.items()} for s in found if not s.outside]
        assert only == [dict(c) for c in row.only]
    else:
        (one,) = general
        assert _equal(row, one)


def _equal(row: Row, solution: Solution) -> bool:
    """Whether a solution is the published one, at points in general position."""
    assert row.map is not None
    for salt in range(3):
        values = settings(step_of(row.a), salt)
        ours = filled(solution, values, {}, step_of(row.b).name)
        assert set(ours) == set(row.map)
        for name, text in row.map.items():
            if ours[name] != eval(_fractions(text), {"F": Fraction}, dict(values)):
                return False
    return True


def _fractions(text: str) -> str:
    return re.sub(r"\b(\d+)\b", r"F(\1)", text).replace("^F(2)", "**2")


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_runs_of_the_interpreter_agree_with_what_is_decided(row: Row) -> None:
    one, two = step_of(row.a), step_of(row.b)
    found = decided(row.a, row.b)
    values = settings(two, 5) | settings(one)
    if not found.same["run"]:
        for notion in (row.by,) if row.map else ():
            general = next(s for s in found.maps(notion) or () if s.general)  # type: ignore
            mapped = filled(general, settings(one), settings(two, 5), two.name)
            mine, theirs = course(one, settings(one)), course(two, mapped)
            if notion in ("queries", "run"):
                assert [q for *_, q in mine] == [q for *_, q in theirs]
            if notion == "run":
                assert [x for x, *_ in mine] == [x for x, *_ in theirs]
    mine, theirs = course(one, settings(one)), course(two, values)
    assert ([q for *_, q in mine] == [q for *_, q in theirs]) == found.same["queries"]
    assert (mine == theirs) == found.same["reported"]
    if len(found.a.queries) == 1:
        answers = [Fraction(k * k - 3, k + 2) for k in range(STEPS)]
        same = run(one, settings(one), answers) == run(two, values, answers)
        assert same == found.same["stream"]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_unrolled_steps_say_the_same_as_transfer_functions(row: Row) -> None:
    found = decided(row.a, row.b)
    same = {"queries": True, "stream": True, "reported": True}
    pairs = zip(unrolled(found.a, found.steps), unrolled(found.named, found.steps), strict=True)
    for one, two in pairs:
        same["queries"] &= not any(apart(x, y) for x, y in zip(one[0], two[0], strict=True))
        same["stream"] &= not apart(one[1], two[1])
        same["reported"] &= not apart(one[2], two[2])
    same["reported"] &= same["queries"] and same["stream"]
    assert same == {n: found.same[n] for n in same}


@pytest.mark.parametrize("row", [r for r in ROWS if "run" in r.same.split()], ids=lambda r: r.id)
def test_a_corrupted_rule_is_not_equal(row: Row) -> None:
    found = decided(row.a, row.b)
    maps = found.named.later
    for i, entries in enumerate(maps.b):
        for j, entry in enumerate(entries):
            if entry:
                changed = [list(r) for r in maps.b]
                changed[i][j] = entry + found.a.field(1) / 1000
                wrong = replace(found.named, later=replace(
                    maps, b=tuple(map(tuple, changed))))
                assert any(gaps(found.a, wrong)["queries"] or ())


@pytest.mark.parametrize("name", [*RULES, "nag4", "aggmo", "sgd-torch", "Extragradient(SGD)"])
def test_matrices_say_what_the_interpreter_does(name: str) -> None:
    step = step_of(name)
    form = linear_form(step)
    assert not isinstance(form, str)
    values = settings(step)
    numbers = {name: tuple(Fraction(9 - k, 10) for k in range(3)) for name in ("b",)
               if step.name == "AggMo"}
    put = {}
    for (hyper, lane), element in form.hypers.items():
        value = numbers[hyper][lane[0]] if lane else values[hyper]
        place = element.numer.monoms()[0].index(1)
        put[place] = form.field(value.numerator) / value.denominator
    answers = [Fraction(2 * k - 5, k + 3) for k in range(STEPS)]
    seen = course(step, values | numbers, answers)  # type: ignore[arg-type]
    count = len(form.queries)
    for (x, best, _), (_, point, reported) in zip(seen, unrolled(form, STEPS), strict=True):
        for exact, terms in ((x, point), (best, reported)):
            total = sum(_number(substituted(c, put)) * (answers[t - 1] if t else X0)
                        for (t, _), c in terms.items())
            assert total == exact
    assert count >= 1


def _number(element: Any) -> Fraction:
    top, below = element.numer.LC if element.numer else 0, element.denom.LC
    return Fraction(int(top.numerator), int(top.denominator)) / Fraction(
        int(below.numerator), int(below.denominator)) if top else Fraction(0)


# What else is told.


@pytest.mark.parametrize(("a", "b", "step", "gap"), [
    ("damped", "ema with mu", 1, {"(1, 0)": "-(lr*mu)"}),
    ("heavy-ball", "nesterov", 1, {"(1, 0)": "lr*mu"}),
    ("aggmo 0, 0.9", "momentum 0.9", 2, {"(1, 0)": "9*lr/20"}),
    ("heavy-ball", "heavy-ball-outside", 0, {}),
], ids=["N02", "N06", "N08", "E01"])
def test_the_first_step_at_which_runs_part(a: str, b: str, step: int, gap: dict[str, str]) -> None:
    text = "optimizer EMA\n  hyper lr = 0.1 in (0, inf)\n  hyper mu = 0.9 in [0, 1)\n" \
           "  state m = 0\n  m' = ema(m, g, mu)\n  x' = x - lr*m'\n"
    found = decided(a, text if b == "ema with mu" else b).difference("stream")
    if not step:
        assert found is None
        return
    assert found is not None
    assert found.step == step
    assert {str(k): spec_text(e) for k, e in found.gap.items()} == gap


@pytest.mark.parametrize(("a", "b", "of", "row"), [
    ("nesterov", "nesterov-lookahead", "reported", {"x": "1", "b": "lr*mu"}),
    ("nesterov", "sutskever", "point", {"x": "1", "b": "lr*mu"}),
    ("optimistic", "past", "point", {"x": "1", "prev_g": "lr"}),
    ("plain", "averaged", "point", None),
])
def test_the_iterate_of_one_rule_is_read_off_the_other(
    a: str, b: str, of: str, row: dict[str, str] | None
) -> None:
    found = decided(a, b).reading(of=of)  # type: ignore[arg-type]
    assert (found and {n: spec_text(e) for n, e in found.items()}) == row


def test_iterates_are_read_off_under_a_map() -> None:
    found = decided("triple", "qhm")
    (general,) = (s for s in found.maps("queries") or () if s.general)
    assert found.reading(of="point", solution=general) is not None
    assert found.reading(of="point") is None


@pytest.mark.parametrize(("a", "b", "rule", "times"), [
    ("plain", "two calls", "a", 2), ("two calls", "plain", "b", 2),
    ("plain", "three calls", "a", 3),
])
def test_a_step_may_be_several_of_the_other(a: str, b: str, rule: str, times: int) -> None:
    found = decided(a, b).repetition
    assert found is not None
    assert (found.rule, found.times, found.notions) == (rule, times, NOTIONS)
    one, other = (step_of(n) for n in ((a, b) if rule == "a" else (b, a)))
    values = settings(one)
    assert [x for x, *_ in course(one, values, steps=6)][times - 1::times] == [
        x for x, *_ in course(other, values, steps=6 // times)]


def test_no_step_is_several_steps_of_another_rule() -> None:
    assert decided("plain", "extra").repetition is None
    assert decided("heavy-ball", "two calls").repetition is None


def test_repeated_steps_are_steps() -> None:
    form = linear_form(step_of("nesterov"))
    assert not isinstance(form, str)
    once = list(unrolled(form, 6))
    twice = unrolled(repeated(form, 2), 3)
    for (_, point, _), (_, other, _) in zip(once[1::2], twice, strict=True):
        assert {((t + 1) // 2, (t + 1) % 2): c for (t, _), c in point.items() if t} == {
            k: c for k, c in other.items() if k[0]}


def test_a_query_asked_later_is_a_shift() -> None:
    swapped = "optimizer Late\n  hyper lr = 0.1 in (0, inf)\n  state p = x\n" \
              "  h = grad(p)\n  x' = p - lr*h\n  p' = x' - lr*grad(x')\n"
    early = "optimizer Early\n  hyper lr = 0.1 in (0, inf)\n  y = x - lr*g\n" \
            "  x' = y - lr*grad(y)\n"
    assert decided(early, swapped).shift == Shift((0, 1), (0, 0))
    turned = "optimizer Turned\n  hyper lr = 0.1 in (0, inf)\n  state y = x\n" \
             "  x' = y - lr*grad(y)\n  y' = x' - 2*lr*grad(x')\n"
    uneven = "optimizer Uneven\n  hyper lr = 0.1 in (0, inf)\n  y = x - 2*lr*g\n" \
             "  x' = y - lr*grad(y)\n"
    found = decided(uneven, turned).shift  # query 1 is asked a step before
    assert found == Shift((1, 0), (0, -1))
    assert not found.trivial
    assert not decided(uneven, turned).same["transfer"]
    assert decided("plain", "nesterov").shift is None
    assert decided("extra", "two calls").shift is None


def test_conditions_are_all_ways_to_be_equal() -> None:
    found = decided("qhm", "heavy-ball-outside").maps("run")
    told = [({n: spec_text(e) for n, e in s.conditions.items()},
             {n: spec_text(e) for n, e in s.values.items()}) for s in found or ()]
    assert sorted(told, key=str) == [
        ({"b": "0"}, {"lr": "lr", "mu": "0"}),
        ({"nu": "0"}, {"lr": "lr", "mu": "0"}),
        ({"nu": "1"}, {"lr": "lr*(1 - b)", "mu": "b"})]


def test_orders_count_what_cancels() -> None:
    assert decided("sum flat", "plain").orders == (1, 1)
    assert decided("mars 1", "nesterov").orders == (1, 2)
    assert decided("free at 0", "free").orders == (1, 2)


def test_a_transfer_function_is_written_in_the_hyperparameters() -> None:
    ((entry,),) = decided("heavy-ball", "nesterov").transfer("a")
    assert spec_text(entry) == "-(lr*z)/((z - mu)*(z - 1))"


@pytest.mark.parametrize(("name", "why"), [
    ("adam", "`g^2` is not linear in the gradient"),
    ("signsgd", "`sign(g)` is not linear in the gradient"),
    ("nesterov-1983", "`a` changes from step to step"),
    ("Lookahead(HeavyBall)", "decides between two rules"),
    ("sgd-clip-norm", "`n > clip` decides between two rules"),
    ("nag-gs", "`gam` changes from step to step"),
    ("optimizer A\n  x' = x - g/t\n", "`t` changes from step to step"),
    ("optimizer A\n  x' = x - g + 1\n", "`1` is added as a constant"),
    ("optimizer A\n  z ~ normal(0, 1)\n  x' = x - g + z\n", "`z` is drawn at random"),
    ("optimizer A\n  state r ~ normal(0, 1)\n  r' = r\n  x' = x - g + r\n", "`r` starts at random"),
    ("optimizer A\n  state m = 1\n  m' = m/2 + g\n  x' = x - m'\n", "`1` is a constant"),
    ("optimizer A\n  hyper a = 1 in (0, inf)\n  x' = x - sqrt(a)*g\n", "is not rational"),
    ("optimizer A\n  x' = x - g*hvp(x, g)\n", "`hvp(x, g)` is not linear in the gradient"),
])
def test_rules_that_are_not_linear_say_why(name: str, why: str) -> None:
    reason = linear_form(step_of(name))
    assert isinstance(reason, str)
    assert why in reason
    assert decide(step_of(name), step_of("plain")) is None
    assert why in (why_not(step_of("plain"), step_of(name)) or "")


LINEAR = {
    "aggmo", "heavy-ball", "heavy-ball-inside", "heavy-ball-outside", "nag4", "nesterov",
    "nesterov-lookahead", "optimistic-gradient", "qhm", "sgd", "sgd-keras", "sgd-optax",
    "sgd-torch"}


@pytest.mark.slow
def test_every_shipped_rule_is_linear_or_says_why() -> None:
    """Those that are; every other one gives a reason, none an exception."""
    linear = {name for name in shipped() if not isinstance(linear_form(step_of(name)), str)}
    assert linear == LINEAR


def test_rules_with_other_oracles_are_never_equal() -> None:
    found = decided("extra", "plain")
    assert not any(found.same.values())
    assert found.maps("transfer") == ()




def test_equations_without_rational_zeros_are_left() -> None:
    """(r^2 - 2)*(r^2 - 3) = 0, as it stands, has no rational zero; its factors are told."""
    text = "optimizer {0}\n  hyper r = 1 in (0, inf)\n  x' = x - {1}*g\n"
    found = decided(text.format("Root", "(r^2 - 2)*(r^2 - 3)"),
                    "optimizer Still\n  x' = x - 0*g\n").when("stream")
    assert found is not None
    assert sorted(spec_text(e) for s in found for e in s.left) == ["r^2 - 2", "r^2 - 3"]


def test_whole_numbers_are_at_their_defaults() -> None:
    text = "optimizer Loop\n  hyper lr = 0.1 in (0, inf)\n  hyper k : int = 2 in [1, inf)\n" \
           "  y = iterate k from y = x:\n    y' = y - lr*grad(y)\n  x' = y\n"
    form = linear_form(step_of(text))
    assert not isinstance(form, str)
    assert form.fixed == {"k": 2}
    assert decided("plain", text).repetition is not None
