"""The ranges of quantities of a step: as one would state them, and under attack by runs."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.random_specs import specs
from tests.steps import ADAM, SHIPPED, lowered, parts, step_of
from thetaprime.asking import Asked
from thetaprime.bounds import INF
from thetaprime.check.direction import POINT, Everlasting, inside
from thetaprime.check.ranges import ranges
from thetaprime.check.trials import Quadratic, ends
from thetaprime.evaluate import Run
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.guards import holds
from thetaprime.interpret import advance, start
from thetaprime.intervals import Interval, point
from thetaprime.ir import Equation, Loop, Step, asks_gradient
from thetaprime.numbers import FLOAT
from thetaprime.pipeline import check, compile_text
from thetaprime.signature import asks_more
from thetaprime.source import Source

F = Fraction

# Ranges of states, as one would state them.

STATED: list[tuple[str, str, str]] = [
    (ADAM, "v", "[0, inf)"), (ADAM, "v'", "[0, inf)"), (ADAM, "most'", "[0, inf)"),
    (ADAM, "m'", "(-inf, inf)"), (ADAM, "c", "(0, 1]"),
    ("adam", "v", "[0, inf)"), ("amsgrad", "vmax'", "[0, inf)"), ("rmsprop", "v'", "[0, inf)"),
    ("yogi", "v'", "[0, inf)"), ("yogi", "vhat", "[0, inf)"),
    ("rprop", "s'", "(0, inf)"), ("stable-adamw", "b2t", "[0, 1)"),
    ("rmsprop-torch", "var", "[0, inf)"),
]


def typed(step: Step, text: str) -> Expr:
    return Sym(text.rstrip("'"), text.endswith("'"))


@pytest.mark.parametrize(("spec", "symbol", "stated"), STATED)
def test_ranges_of_states(spec: str, symbol: str, stated: str) -> None:
    found = ranges(step_of(spec)).of(typed(step_of(spec), symbol))
    assert str(found) == stated
    assert not found.nan


PARTLY = """\
optimizer Partly
  hyper lr = 1e-3 in (0, inf)
  a = 1/(1 + norm(g over tensor))
  largest = max(a over model)
  case rank >= 2:
    b = 1/(1 + norm(g over tensor))
    beside = max(b over model)
    ratio = b/max(b over model)
    x' = x - lr*(largest + beside + ratio)*g
  otherwise:
    x' = x - lr*largest*g
"""


def test_what_some_tensors_have_is_nowhere_or_at_the_tensor_at_hand() -> None:
    """Every model has a tensor, and perhaps none of a case: but a tensor of the case is one."""
    step = step_of(PARTLY)
    known = {s.target.name: ranges(step).of(s.target) for s in step.body if isinstance(s, Equation)}
    assert str(known["largest"]) == "(0, 1]"
    assert known["beside"].low == -INF
    assert str(known["ratio"]) == "(0, inf)"


@pytest.mark.parametrize("spec", [
    "ASAM(LANTON)", "route(rank == 2 -> LANTON, otherwise -> SGD)"])
def test_a_quotient_by_the_largest_is_not_negative_in_a_case(spec: str) -> None:
    told = check(Source("mine.opt", f"optimizer Mine = {spec}\n"))
    assert "perhaps-undefined" not in [d.code for d in told]


def test_ranges_under_conditions() -> None:
    known = ranges(step_of(ADAM))
    zero = Apply("==", (Sym("g"), Num("0")))
    first = Apply("==", (Sym("t"), Num("1")))
    both = known.within([zero, first])
    for symbol in ("m'", "v'", "most'"):
        assert both.of(typed(step_of(ADAM), symbol)).single
        assert not known.within([zero]).of(typed(step_of(ADAM), symbol)).single
    never = known.within([Apply("<", (Sym("v", True), Num("0")))])
    assert never.cases == ()
    assert never.of(Sym("x", True)).empty


def test_hyperparameters_in_place_of_the_declared_ranges() -> None:
    known = ranges(step_of(ADAM), {"b2": point(F(0))})
    assert str(known.of(Sym("c"))) == "1"


# Attacks: runs of every spec, in which no value may leave its range.

CORNERS = 3
def gradients(random: Any, shapes: list[Any], kind: int) -> list[Any]:
    """Random ones, zeros, huge, tiny, and of few values."""
    made = [random.normal(size=p.shape) for p in shapes]
    factor = (1.0, 0.0, 1e4, 1e-7, None)[kind % 5]
    return [np.sign(np.round(m)) if factor is None else factor * m for m in made]


def corner(step: Step, random: Any) -> dict[str, float]:
    """Hyperparameters somewhere at or near the ends of their ranges."""
    found = {}
    for hyper in step.hypers:
        near = ends(hyper)
        if near and hyper.type.kind != "int" and random.random() < 0.6:
            found[hyper.name] = near[random.integers(len(near))]
        elif hyper.default is None and not hyper.type.axes:
            found[hyper.name] = inside(hyper.range)
    return found


def values_of(step: Step, seed: int, given: dict[str, float], captured: list[Run]) -> Iterator[Run]:
    """The runs of a few steps from a point, with all that they define."""
    random = np.random.default_rng(seed)
    shapes = [p for p in POINT if holds(step.takes, {"rank": p.ndim}, "")] or [
        np.arange(8.0).reshape(2, 2, 2) / 4 - 1]
    place: Any = [random.normal(size=p.shape) * random.choice([0.0, 1.0]) for p in shapes]
    memory = start(step, place, given)
    for turn in range(4):
        problem = Quadratic(3, float(random.choice([1.0, 0.0, -1.0, 4.0])),
                            float(random.choice([0.0, 1.0, 5.0])), FLOAT)
        asked = Asked(problem, fresh=Everlasting()) if asks_more(step) else None
        grads = None
        if asked is None and asks_gradient(step):
            grads = gradients(random, shapes, int(random.integers(5)) if turn else seed)
        loss = float(random.choice([0.0, 1.0, 7.0])) if asked is None else None
        place, memory = advance(step, memory, place, grads, given, loss, asked=asked)
        yield captured[-1]


def holds_in(value: Any, a: Interval) -> bool:
    """Whether finite floats lie in an interval, but for rounding."""
    some = value[np.isfinite(value)]
    if not some.size:
        return True
    least, most = float(some.min()), float(some.max())
    slack = 1e-9 * (1 + max(abs(least), abs(most)))
    return not a.empty and least >= float(a.low) - slack and most <= float(a.high) + slack


@pytest.mark.parametrize("name", SHIPPED)
def test_no_value_of_a_shipped_spec_leaves_its_range(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack(lowered(name)[:3], monkeypatch, name)


@settings(deadline=None, max_examples=30,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture,
                                 HealthCheck.data_too_large])
@given(specs())
def test_no_value_of_a_random_spec_leaves_its_range(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        attack([compile_text(text)], patch, text)


def attack(steps: list[Step], monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    captured: list[Run] = []
    execute = Run.execute

    def watched(self: Run, body: Any) -> None:
        if body is self.step.body:
            captured.append(self)
        execute(self, body)

    monkeypatch.setattr(Run, "execute", watched)
    for step in steps:
        if any(h.type.kind == "function" for h in step.hypers):
            continue
        known = ranges(step)
        targets = [s.target for s in step.body if isinstance(s, Equation)]
        bounds = {t: known.of(t) for t in [*targets, *(Sym(s.name) for s in step.states)]}
        for seed in range(CORNERS + 2):
            given = corner(step, np.random.default_rng(seed)) if seed else {
                h.name: inside(h.range) for h in step.hypers
                if h.default is None and not h.type.axes}
            whole = [h.name for h in step.hypers if h.type.kind == "int"]
            given = {n: int(v) if n in whole else v for n, v in given.items()}
            overflown = any(isinstance(s, Loop) for s in step.body)  # inside, unseen
            for run in values_of(step, seed, given, captured):
                overflown |= any(np.isinf(v).any() for value in run.env.values()
                                 for v in parts(value))
                for target, interval in bounds.items():
                    for value in parts(run.env.get(target)):
                        assert interval.nan or overflown or not np.isnan(value).any(), (
                            what, seed, given, str(target), "undefined")
                        assert holds_in(value, interval), (
                            what, seed, given, str(target), str(interval), value)
