"""Units of every shipped spec: what `show` says of scaling, by running it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thetaprime as tp
from tests.units_problem import CUBE, MATRIX, VECTOR, ZEROS, Scaled, asked
from thetaprime.check.direction import inside
from thetaprime.check.units import check_units
from thetaprime.expr import Num, Sym
from thetaprime.guards import holds
from thetaprime.infer_units import Units, infer
from thetaprime.interpret import Memory, advance, hyperparameters, start
from thetaprime.ir import Hyper, Step
from thetaprime.pipeline import checked, variants
from thetaprime.scaling import exponents
from thetaprime.source import Source
from thetaprime.units import ONE, Atom, L, O, Solver, Unit, X

SPECS = Path(__file__).parent.parent / "specs"
FILES = sorted(str(p.relative_to(SPECS)) for p in SPECS.rglob("*.opt") if p.stem != "prelude")
STEPS = 4
# Powers of two: they scale floating point numbers without rounding, roots of them too.
SCALE = 16.0
BASES = {"loss": L, "parameters": X}


@cache
def steps(name: str) -> tuple[Step, ...]:
    """The spec, for each choice of its static hyperparameters."""
    source = Source(name, (SPECS / name).read_text("utf-8"))
    return tuple(one.step for one in variants(checked(source)))


def given_of(step: Step) -> dict[str, Any]:
    """Values that matter: an eps of 1e-8 would hide its unit. Counts are small."""
    return {h.name: value for h in step.hypers if (value := _given(h)) is not None}


def _given(hyper: Hyper) -> Any:
    if isinstance(hyper.default, tuple) or hyper.type.kind == "function":
        return None
    if hyper.type.kind == "int":
        small = hyper.range is None or 2 in hyper.range
        return 2 if small and isinstance(hyper.default, Num) and hyper.default.value > 2 else None
    near = next((v for v in (0.25, 0.75, 1.5) if hyper.range is None or v in hyper.range), None)
    return inside(hyper.range) if near is None else near


def run(step: Step, values: Mapping[str, Any], loss: float = 1.0, point: float = 1.0) -> tuple[
        list[list[Any]], Memory]:
    """The points of some steps, and the last states."""
    leaves = [p for p in (MATRIX, VECTOR, ZEROS) if holds(step.takes, {"rank": p.ndim}, "")]
    lengths = {a.name: a.length for a in step.axes}
    length = lengths.get(step.tasks, 2)
    if not isinstance(length, int):
        length = int(np.asarray(hyperparameters(step, values, 1)[Sym(length)]))
    problem = Scaled(loss, point, length)
    at = [point * p for p in leaves or [CUBE]]
    history = []
    with np.errstate(all="ignore"):
        memory = start(step, at, values)
        for t in range(1, STEPS + 1):
            at, memory = advance(step, memory, at, given=values, asked=asked(problem, t))
            history.append([np.array(p, float) for p in at])
    return history, memory


def scaled(values: Mapping[str, Any], powers: Mapping[str, Fraction], step: Step) -> dict[str, Any]:
    """The hyperparameters for a problem whose unit is SCALE times larger."""
    held = hyperparameters(step, values, 1)
    return dict(values) | {name: np.asarray(held[Sym(name)]) * SCALE ** float(power)
                          for name, power in powers.items()}


def same(ours: Any, theirs: Any, factor: float = 1.0) -> bool:
    """Whether two values are equal but for a factor, tensors and families of them too."""
    if isinstance(ours, list | tuple):
        return all(same(a, b, factor) for a, b in zip(ours, theirs, strict=True))
    if ours is None:
        return theirs is None
    return np.allclose(np.asarray(ours, float), factor * np.asarray(theirs, float), rtol=1e-7,
                       atol=1e-10 * abs(factor), equal_nan=True)


def factors(base: str) -> dict[str, float]:
    """The problem with the loss, or the parameters, times SCALE."""
    return {"loss": {"loss": SCALE}, "parameters": {"point": SCALE}}[base]


def follows(step: Step, units: Units, base: str, powers: Mapping[str, Fraction]) -> bool:
    """Whether hyperparameters times powers of the scale give the same steps."""
    values = given_of(step)
    before, memory = run(step, values)
    after, then = run(step, scaled(values, powers, step), **factors(base))
    kept = {name: float(unit.power(BASES[base])) for name, unit in units.states.items()
            if unit.settled}
    return same(after, before, SCALE if base == "parameters" else 1.0) and all(
        same(then.values[name], memory.values[name], SCALE**power)
        for name, power in kept.items())


def runnable(name: str) -> list[tuple[Step, Units]]:
    """The steps of a spec that need no function of the user."""
    return [(step, infer(step)) for step in steps(name)
            if all(h.type.kind != "function" for h in step.hypers)]


@pytest.mark.parametrize("name", FILES)
def test_scaled_hyperparameters_make_the_same_steps(name: str) -> None:
    if name == "curvature/filtered-newton.opt":
        pytest.skip("the Hessian of this problem, with more entries than outputs, has no inverse")
    for step, units in runnable(name):
        for base, unit in BASES.items():
            if units.complete:
                assert follows(step, units, base, exponents(units, unit)), (step.fixed, base)


@pytest.mark.parametrize("name", FILES)
def test_what_is_said_to_have_no_single_unit_makes_other_steps(name: str) -> None:
    for step, units in runnable(name):
        if units.clashes or units.hidden:
            assert not all(follows(step, units, base, exponents(units, unit))
                           for base, unit in BASES.items()), step.fixed


# Powers by a hyperparameter, or by the rank of a tensor.
UNKNOWN = {"clipping/normalized-gd.opt", "curvature/adahessian.opt", "curvature/dal.opt",
           "libraries/ftrl-keras.opt", "matrix/psgd-kron.opt", "matrix/shampoo.opt",
           "mirror/mirror-p-norm.opt"}


@pytest.mark.parametrize("name", FILES)
def test_units_are_known_where_nothing_is_told(name: str) -> None:
    for _, units in runnable(name):
        assert units.complete != bool(units.clashes or units.hidden or name in UNKNOWN)


def test_a_hyperparameter_that_is_left_alone_makes_other_steps() -> None:
    """The tests above can fail: without one of its factors nearly every spec does."""
    seen = []
    for name in FILES:
        for step, units in runnable(name):
            for base, unit in BASES.items():
                powers = exponents(units, unit) if units.complete else {}
                for left in powers:
                    others = {n: p for n, p in powers.items() if n != left}
                    seen.append(not follows(step, units, base, others))
    # Of the others bounds are not reached here, and small constants vanish beside large values.
    assert len(seen) > 700
    assert sum(seen) / len(seen) > 0.97


def test_warnings_of_the_shipped_specs(golden: Callable[[Path, str], None]) -> None:
    """Each is meant: a literal that hides a unit, or a rule that is published so."""
    lines = [f"{name}: {d.code}: {d.message}"
             for name in FILES for d in check_units(steps(name))]
    golden(Path(__file__).parent / "golden" / "unit_warnings.txt", "\n".join(lines) + "\n")


UNITS = {
    "sgd": "lr X^2/L, mu 1, damp 1, wd L/X^2, b L/X",
    "adam": "lr X, b1 1, b2 1, eps L/X, m L/X, v L^2/X^2",
    "adamw": "lr X, b1 1, b2 1, eps L/X, wd 1/X, m L/X, v L^2/X^2",
    "lion": "lr X, b1 1, b2 1, wd 1/X, m L/X",
    "muon": "lr X, mu 1, eps L/X, wd 1/X, M L/X",
    "adafactor": "lr 1, decay 1, eps1 L^2/X^2, eps2 X, d 1, R L^2/X^2, C L^2/X^2, V L^2/X^2",
    # eps stands beside both averages, so that both have the unit of a squared gradient.
    "adadelta": "lr X^2/L, rho 1, eps L^2/X^2, v L^2/X^2, w L^2/X^2",
}


def told(spec: str) -> str:
    """The units of a spec in one line."""
    found = infer(tp.loads(spec).step() if "\n" in spec else tp.load(spec).step())
    return ", ".join(f"{name} {unit if unit.settled else 'depends'}"
                     for name, unit in (found.hypers | found.states).items())


@pytest.mark.parametrize("spec", UNITS)
def test_units_of_known_rules(spec: str) -> None:
    assert told(spec) == UNITS[spec]


def spec_of(body: str) -> str:
    """A spec of some lines."""
    lines = body.strip().splitlines()
    return "\n".join(["optimizer A", *(f"  {line}" for line in lines)]) + "\n"


STRUCTURES = [
    ("hyper lr in (0, inf)\nstate G : window[3] = 0\nG' = push(G, g)\n"
     "x' = x - lr*sum(G' over window)", "lr X^2/L, G L/X"),
    ("hyper lr, eps in (0, inf)\ny = iterate 3 from y = x:\n  y' = y - lr*grad(y)\n"
     "x' = x - eps*(x - y)", "lr X^2/L, eps 1"),
    ("hyper lr, r in (0, inf)\nu = (grad(x + r*g) - g)/r\nx' = x - lr*u", "lr X^4/L^2, r X^2/L"),
    ("hyper lr, damp in (0, inf)\nq = dot(g, hvp(x, g) over model) + damp*dot(g, g over model)\n"
     "x' = x - lr*dot(g, g over model)/q*g", "lr 1, damp L/X^2"),
    ("hyper lr, p in (0, inf)\nx' = x - lr*abs(g)^p*sign(g)", "lr depends, p 1"),
    ("hyper lr, p in (0, inf)\nn = norm(g over model)\nx' = x - lr*(n/max(n, p))^2*g",
     "lr X^2/L, p L/X"),
    ("hyper lr in (0, inf)\nstate c : scalar = 0\nif t > 3:\n  c' = loss(x)\nelse:\n"
     "  c' = c\nx' = x - lr*g/(loss(x) + c')", "lr X^2, c L"),
    # (3)^3 of a value that each turn multiplies: nothing is said of it.
    ("hyper lr in (0, inf)\np = iterate 3 from p = g:\n  p' = p*g\nx' = x - lr*p",
     "lr depends"),
    ("hyper lr in (0, inf)\nhyper a in (0, inf)\np = iterate 3 from p = g:\n  p' = a*p\n"
     "x' = x - lr*p", "lr X^2/L, a 1"),
]


@pytest.mark.parametrize(("body", "expected"), STRUCTURES)
def test_units_of_structures(body: str, expected: str) -> None:
    assert told(spec_of(body)) == expected


def test_a_turn_that_multiplies_is_no_clash() -> None:
    text = spec_of("hyper lr in (0, inf)\np = iterate 3 from p = g:\n  p' = p*g\n"
                   "x' = x - lr*p")
    assert not check_units([tp.loads(text).step()])


def test_zero_and_infinity_hide_no_unit() -> None:
    text = spec_of("hyper lr in (0, inf)\nstate least : scalar = inf\n"
                   "least' = min(least, norm(g over model))\n"
                   "x' = x - lr*(g/least' default 0)*(if norm(g over model) > 0 then 1 else 0)")
    assert not check_units([tp.loads(text).step()])


def test_a_value_that_a_hyperparameter_is_given_has_its_unit() -> None:
    text = ("optimizer A = route(rank == 2 -> Lion(lr = 2e-4), "
            "otherwise -> SGD(lr = 0.1/3) on clip_value(10))\n")
    step = tp.loads(text).step()
    assert not check_units([step])
    assert {name: str(unit) for name, unit in infer(step).bound.items()} == {
        "lion_lr": "X", "sgd_lr": "X^2/L", "c": "L/X"}


def test_show_says_how_hyperparameters_go_with_the_loss() -> None:
    from thetaprime.describe import describe

    facts = describe(tp.load("adamw"))
    assert "the loss times c    eps times c\n" in facts + "\n"
    assert "parameters times c  lr times c, eps times 1/c, wd times 1/c" in facts
    assert "unknown" in describe(tp.load("radam"))


def test_units_are_written_as_people_do() -> None:
    half = Fraction(1, 2)
    assert [str(u) for u in (ONE, X**2 / L, L**half, X / (L * O), (L / X)**Fraction(1, 3), X**-1)
            ] == ["1", "X^2/L", "sqrt(L)", "X/(L*O)", "L^(1/3)/X^(1/3)", "1/X"]


POWERS = st.dictionaries(
    st.sampled_from([Atom("base", n) for n in "XLO"] + [Atom("unknown", n) for n in "abcd"]
                    + [Atom("number", "n"), Atom("rigid", "r")]),
    st.fractions(-3, 3, max_denominator=4).filter(bool), max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(POWERS, POWERS), max_size=6))
def test_equations_that_are_accepted_hold(pairs: list[tuple[Any, Any]]) -> None:
    solver = Solver()
    accepted = []
    for left, right in ((Unit(a), Unit(b)) for a, b in pairs):
        rest = solver.equate(left, right)
        if rest == ONE:
            accepted.append((left, right))
        else:
            assert not any(a.free for a in rest.powers)
    for left, right in accepted:
        assert solver.known(left) == solver.known(right)
    for unit in solver.solved.values():
        assert not solver.solved.keys() & unit.powers.keys()
