"""Claims: what is proved, what is refuted and how, and that no proof is of a falsehood."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thetaprime.cache import folder
from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.facts import Unproved, prove
from thetaprime.claims.kept import verdicts
from thetaprime.claims.polynomials import Poly, number
from thetaprime.claims.positive import Search
from thetaprime.claims.questions import questions
from thetaprime.claims.refute import Counterexample
from thetaprime.claims.runs import Trial, run
from thetaprime.claims.same_runs import judged_changed
from thetaprime.claims.verdicts import Verdict, judge
from thetaprime.flat import Flat
from thetaprime.intervals import Interval, point
from thetaprime.library import modules, shipped
from thetaprime.numbers import BRIEF, NotRational
from thetaprime.pipeline import checked, compile_text
from thetaprime.source import Source

SPECS = Path(__file__).parent.parent / "specs"
HEAD = """\
optimizer Try
  hyper lr = 1e-3 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in [0, 1)
  hyper eps = 1e-8 in (0, inf)
  state m = 0
  state v = 0
  m' = ema(m, g, b1)
  v' = ema(v, g^2, b2)
  mhat = m'/(1 - b1^t)
  vhat = v'/(1 - b2^t)
  x' = x - lr*mhat/(sqrt(vhat) + eps)
"""


def judged(claim: str, head: str = HEAD) -> Verdict:
    flat = checked(Source("try.opt", f"{head}  claim {claim}\n"))
    return judge(flat, *flat.claims[0])


@pytest.mark.parametrize("claim", [
    "v >= 0",
    "x' = x when g = 0 and m = 0",
    "abs(x' - x) <= lr when t = 1",
    "invariant under g -> c*g when eps = 0",
    "mhat = c when g = c",
    "vhat = c^2 when g = c",
    "equals Adam",
    "sqrt(b1^2*v') = b1*sqrt(v')",
    "max(m, g) + min(m, g) = m + g",
    "abs(m*g) = abs(m)*abs(g)",
    "norm(3*g over model) = 3*norm(g over model)",
    "dot(m + g, g over model) = dot(m, g over model) + norm(g over model)^2",
    "sum(m + g over tensor) = sum(m over tensor) + sum(g over tensor)",
    "mean(b1*g over tensor) = b1*mean(g over tensor)",
    "max(abs(b1*g) over tensor) = b1*max(abs(g) over tensor)",
    "m^2 + g^2 >= 2*m*g",
    "b1*m + (1 - b1)*g <= max(m, g)",
    "at most 1 gradients",
    "invariant under x -> -x, g -> -g",
    "invariant under permutation of entries",
])
def test_is_proved(claim: str) -> None:
    assert judged(claim).status == "PROVED"


@pytest.mark.parametrize("claim", [
    "dot(x' - x, g over model) <= 0",
    "equals AMSGrad",
    "invariant under g -> c*g",
    "x' = x when g = 0",
    "abs(x' - x) <= lr",
    "v >= m^2",
    "mhat = g",
    "m' >= 0",
    "vhat >= v'*2",
    "sqrt(g^2) = g",
    "max(m, g) = m",
    "norm(m + g over model) = norm(m over model) + norm(g over model)",
    "sign(m*g) = sign(m)",
    "m' = 0 when g = 0",
    "at most 0 gradients",
    "invariant under rotation",
])
def test_is_refuted_by_a_run(claim: str) -> None:
    verdict = judged(claim)
    assert verdict.status == "REFUTED"
    assert claim.startswith("at most") or verdict.example


def test_a_counterexample_is_small_and_replayed() -> None:
    example = judged("equals AMSGrad").example
    assert example[0].startswith("x = 0, lr = 1, ")
    assert example[1] == "g = 1 at t = 1"
    assert example[2].startswith("then at t = 1 one x' has the entry -1/2, the other -")
    assert example[-1] == "the generated NumPy program makes the same run"


def test_a_transform_claims_of_the_gradient_that_it_gives() -> None:
    head = "transform Halved\n  hyper lr = 0.5 in (0, 1)\n  g' = lr*g\n"
    assert judged("abs(g') <= abs(g)", head).status == "PROVED"
    assert judged("g' = lr*g when g = 0", head).status == "PROVED"
    assert judged("g' = 0 when g = 0", head).claim == "g' = 0 when g = 0"
    assert judged("g' = g", head).status == "REFUTED"


def test_a_schedule_claims_of_its_value_from_t_0_on() -> None:
    """Half a wave ends at 0 exactly: pi has all digits that the numbers have."""
    head = ("schedule Wave\n  hyper n = 10 in [1, inf)\n"
            "  value = (1 + cos(pi*min(t, n)/n))/2\n")
    assert judged("value < 1 when t >= 1", head).status != "REFUTED"
    assert judged("value >= 0", head).status == "PROVED"
    assert judged("value = 0 when t = 1 and n = 1", head).status != "REFUTED"
    assert judged("value < 1", head).status == "REFUTED"


def test_numbers_that_get_too_long_are_rounded_to_50_digits() -> None:
    """Ten turns of a cube take a number of two bits to one of 118098."""
    third = (np.array([Fraction(1, 3)], object),)
    head = ("optimizer Cubes\n  hyper lr = 1 in (0, inf)\n  hyper n : int = 10 in [1, inf)\n"
            "  u = iterate n from u = g:\n    u' = (u^3 + u)/3\n  x' = x - lr*u\n")
    with pytest.raises(NotRational, match="4096 bits"):
        list(run(compile_text(head), Trial({}, third, (third,)), BRIEF))
    assert judged("g*(x' - x) <= 0", head).status != "REFUTED"


PCGRAD = (SPECS / "tasks" / "pcgrad.opt").read_text("utf-8").split("\n  claim ")[0] + "\n"


def test_the_order_of_three_tasks_changes_what_pcgrad_does() -> None:
    """Projections on two tasks that are at no right angle to each other do not commute."""
    in_order = PCGRAD.replace("perm(tasks)", "tasks")
    found = judged("invariant under permutation of tasks", in_order)
    assert found.status == "REFUTED"
    assert found.example[0].endswith("k = 3")
    assert len(found.example) == 4
    assert found.example[-1] == "the generated NumPy program makes the same run"
    assert judged("invariant under permutation of tasks when k = 2", in_order).status == "TESTED"


def test_adam_is_no_descent_method() -> None:
    """Two steps: what is left of the first gradient outweighs the second one."""
    example = judged("dot(x' - x, g over model) <= 0").example
    assert [line.split(" at ")[1] for line in example[1:3]] == ["t = 1", "t = 2"]
    assert example[3].startswith("then at t = 2 the left side is ")
    assert example[-1] == "the generated NumPy program makes the same run"


def test_a_counterexample_stays_in_the_ranges_of_the_hyperparameters() -> None:
    head = HEAD.replace("eps = 1e-8 in (0, inf)", "eps = 3 in [2, 4]")
    line = judged("x' = x", head).example[0]
    assert any(f"eps = {e}" in line for e in ("2", "3", "4"))


def test_a_bound_is_proved_from_an_invariant_of_two_states() -> None:
    assert judged("v >= m^2 when b2 = b1").status == "PROVED"


def test_what_holds_nowhere_proves_nothing() -> None:
    assert judged("x' = 2*x when t = 1 and g = 0 and x = 1 and x = 2").status != "PROVED"


@pytest.mark.parametrize(("spec", "claim"), [
    ("heavy-ball-inside", "equals HeavyBall"), ("nesterov-lookahead", "equals Nesterov"),
    ("qhm", "equals Nesterov with lr = lr*(1 - b), mu = b when nu = b"),
    ("sam", "equals base when rho = 0"), ("lookahead", "equals base when alpha = 1"),
    ("adamw", "equals Adam when wd = 0"), ("ademamix", "equals AdamW when alpha = 0"),
    ("adam", "invariant under g -> c*g when eps = 0"),
    ("laprop", "invariant under g -> c*g when eps = 0"),
    ("gsam", "dot(across, q over model) = 0"),
    ("c-lion", "dot(x' - x, g over model) <= 0 when wd = 0"),
    ("amsgrad", "vmax >= v"), ("nesterov-1983", "a'^2 - a' = a^2"),
])
def test_shipped_specs_prove_what_they_claim(spec: str, claim: str) -> None:
    flat = _shipped(spec)
    verdict = next(judge(flat, *one) for one in flat.claims if _text(one[0], flat) == claim)
    assert verdict.status == "PROVED"


def _shipped(name: str) -> Flat:
    entry = {**shipped(), **modules()}[name]
    return checked(Source(entry.name, entry.read_text("utf-8")))


def _text(claim: object, flat: Flat) -> str:
    from thetaprime.lines import line_text

    return line_text(claim, 1000).removeprefix("claim ")  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_verdicts_on_all_claims_of_the_shipped_specs(
    golden: Callable[[Path, str], None]
) -> None:
    rows = []
    for name in {**shipped(), **modules()}:
        rows += [f"{v.status:8} {name}: {v.claim}" for v in verdicts(_shipped(name))]
    assert not [row for row in rows if row.startswith("REFUTED")]
    golden(Path(__file__).parent / "golden" / "verdicts.txt", "\n".join(rows) + "\n")


def test_what_is_zero_but_for_rounding_refutes_nothing() -> None:
    """LAMB's ratio is 1 where the parameter is 0: here x' = 0 at t = 2, or 1e-51 in 50 digits."""
    flat = _shipped("lamb")
    question = next(q for claim, source in flat.claims if claim.form == "invariant"
                    for q in questions(flat, claim, source))
    hypers = {n: Fraction(v) for n, v in {
        "lr": "1", "b1": "0", "b2": "0.9", "eps": "0", "wd": "0"}.items()}
    point, *gradients = [(np.array([Fraction(n)], object),) for n in ("1", "-17", "1/512", "-47")]
    trial = Trial(hypers, point, tuple(gradients))
    assert isinstance(judged_changed.__wrapped__(question, trial), Counterexample)
    assert judged_changed(question, trial) == 0


# The cache.


def test_verdicts_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = verdicts(_shipped("lion"))
    assert len(list(folder("verdicts").iterdir())) == len(first)
    monkeypatch.setattr("thetaprime.claims.kept.judge", None)
    assert [v.status for v in verdicts(_shipped("lion"))] == [v.status for v in first]


def test_a_changed_spec_is_judged_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = HEAD + "  claim m = 0 when t = 1\n"
    verdicts(checked(Source("try.opt", text)))
    verdicts(checked(Source("try.opt", text.replace("state m = 0", "state m = x"))))
    assert len(list(folder("verdicts").iterdir())) == 2


def test_a_folder_that_cannot_be_written_to_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "thetaprime").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert {v.status for v in verdicts(_shipped("signsgd"))} == {"PROVED"}


# The algebra.


def atoms(algebra: Algebra, *intervals: Interval) -> list[Value]:
    return [algebra.atom(("symbol", f"a{i}"), frozenset(), kept)
            for i, kept in enumerate(intervals)]


SIDES = (Interval(), Interval(Fraction(0), low_in=True),
         Interval(Fraction(0), Fraction(1), True, True), Interval(Fraction(-1), Fraction(2)))
POINTS = {0: (-3, -1, 0, 1, 5), 1: (0, 1, 4), 2: (0, Fraction(1, 3), 1), 3: (Fraction(-1, 2), 0, 1)}
MONOMIALS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2)), max_size=2,
                     unique_by=lambda pair: pair[0]).map(lambda m: tuple(sorted(m)))
POLYS = st.dictionaries(MONOMIALS, st.integers(-4, 4).filter(bool).map(Fraction), max_size=5)


@settings(max_examples=400, deadline=None)
@given(POLYS)
def test_what_is_proved_nonnegative_is_so_at_every_point(terms: dict[object, Fraction]) -> None:
    algebra = Algebra()
    atoms(algebra, *SIDES)
    poly = Poly(terms)  # type: ignore[arg-type]
    if Search(algebra).nonnegative(poly) is None:
        return
    for a in POINTS[0]:
        for b in POINTS[1]:
            for c in POINTS[2]:
                for d in POINTS[3]:
                    at = dict(enumerate((a, b, c, d)))
                    value = sum(k * _product(m, at) for m, k in terms.items())
                    assert value >= 0


def _product(monomial: object, at: dict[int, object]) -> Fraction:
    found = Fraction(1)
    for atom, exponent in monomial:  # type: ignore[attr-defined]
        found *= Fraction(at[atom]) ** exponent  # type: ignore[arg-type]
    return found


def test_roots_signs_and_powers_meet_in_one_form() -> None:
    algebra = Algebra()
    a, b = atoms(algebra, Interval(), Interval(Fraction(0), low_in=True))
    times, root, absolute = algebra.multiply, algebra.root, algebra.absolute
    assert root(times(times(a, a), b)).ratio == times(absolute(a), root(b)).ratio
    assert times(root(b), root(b)).ratio == b.ratio
    assert times(algebra.sign(a), absolute(a)).ratio == a.ratio
    assert absolute(algebra.subtract(a, b)).ratio == absolute(algebra.subtract(b, a)).ratio


def test_a_polynomial_that_is_somewhere_negative_has_no_proof() -> None:
    algebra = Algebra()
    (a,) = atoms(algebra, Interval())
    poly = a.ratio.num * a.ratio.num + number(-1)
    assert Search(algebra).nonnegative(poly) is None


def test_what_is_taken_to_be_zero_is_zero_in_what_follows() -> None:
    algebra = Algebra()
    a, b = atoms(algebra, Interval(), Interval(Fraction(0), low_in=True))
    inside = algebra.add(algebra.multiply(a, a), b).ratio.num
    narrowed = algebra.narrowed(inside, point(Fraction(0)))
    assert not narrowed.atom(("symbol", "a0"), frozenset(), Interval())
    assert not narrowed.atom(("symbol", "a1"), frozenset(), Interval())


@pytest.mark.parametrize("text", [
    # x' = x says that p was 0 before that step, and nothing of what it keeps then.
    "  state p = 0\n  p' = g\n  x' = x - lr*p\n  claim x' = x\n",
    # At t = 1 the claim is undefined, and so says nothing of the next step.
    "  hyper b = 0.9 in [0, 1)\n  state v = 0\n  v' = b*v + (1 - b)*g\n  x' = x - lr*v'\n"
    "  claim v'/(1 - b^(t - 1)) = c when g = c\n"])
def test_no_step_follows_from_one_that_says_nothing(text: str) -> None:
    flat = checked(Source("lagging.opt",
                          f"optimizer Lagging\n  hyper lr = 1e-3 in (0, inf)\n{text}"))
    (question,) = questions(flat, *flat.claims[0])
    with pytest.raises(Unproved):
        prove(question)
