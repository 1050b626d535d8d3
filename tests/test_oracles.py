"""Oracles, batches, loops, searches and folds mean what the language says: the interpreter against
plain NumPy on a problem of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from thetaprime.asking import Asked, MissingOracle
from thetaprime.draws import draw
from thetaprime.interpret import advance, start
from thetaprime.signature import Call, signature

H = np.diag([1.0, 4.0, 9.0])
POINT = np.array([1.0, -2.0, 0.5])


class Shifted:
    """(x - b).H(x - b)/2, where the batch b is a number; remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float]] = []

    def loss(self, x: list[Any], batch: float) -> Any:
        self.calls.append(("loss", batch))
        d = x[0] - batch
        return d @ H @ d / 2

    def grad(self, x: list[Any], batch: float) -> list[Any]:
        self.calls.append(("grad", batch))
        return [H @ (x[0] - batch)]

    def hvp(self, x: list[Any], v: list[Any], batch: float) -> list[Any]:
        return [H @ v[0]]

    def slope(self, x: list[Any], v: list[Any], batch: float) -> Any:
        return (H @ (x[0] - batch)) @ v[0]

    def grads(self, x: list[Any], batch: float) -> list[Any]:
        return [np.stack([H[k] for k in range(3)])]


def _step(text: str, steps: int = 1, problem: Any = None, **given: Any) -> list[np.ndarray]:
    """The points after each step; batch t is t, its fresh ones 10t, 10t + 1, ..., all data 100."""
    step = tp.loads(text).step()
    problem = problem or Shifted()
    params: Any = [POINT]
    memory = start(step, params, given)
    found = []
    for t in range(1, steps + 1):
        asked = Asked(problem, float(t), [10.0 * t + i for i in range(20)], 100.0)
        params, memory = advance(step, memory, params, given=given, asked=asked, seed=5)
        found.append(params[0])
    return found


def gradient(x: np.ndarray, batch: float) -> np.ndarray:
    return H @ (x - batch)


def test_each_batch_is_the_one_that_was_asked_for() -> None:
    (x,) = _step("""optimizer A
  batch B = new
  x' = x - 0.01*(g + 2*grad(x; fresh) + 3*grad(2*x; B) + 5*grad(x; full) + 7*grad(x; B))
""")
    expected = POINT - 0.01 * (
        gradient(POINT, 1) + 2 * gradient(POINT, 11) + 3 * gradient(2 * POINT, 10)
        + 5 * gradient(POINT, 100) + 7 * gradient(POINT, 10))
    np.testing.assert_allclose(x, expected, rtol=1e-14)


def test_directions_are_passed_on() -> None:
    (x,) = _step("""optimizer A
  d = hvp(x, g)
  x' = x - 0.01*d - 0.001*slope(x, g)*g
""")
    g = gradient(POINT, 1)
    np.testing.assert_allclose(x, POINT - 0.01 * H @ g - 0.001 * (g @ g) * g, rtol=1e-14)


def test_a_loop_carries_several_values_and_takes_a_fresh_batch_each_turn() -> None:
    points = _step("""optimizer A
  hyper n : int = 3 in [1, inf)
  (y, a) = iterate n from y = x, a = 0*x:
    y' = y - 0.1*grad(y; fresh)
    a' = 0.5*a + y'
  x' = a
""", steps=2)
    x = POINT
    for t, found in enumerate(points, 1):
        y, a = x, 0 * x
        for turn in range(3):
            y = y - 0.1 * gradient(y, 10 * t + turn)
            a = 0.5 * a + y
        x = a
        np.testing.assert_allclose(found, x, rtol=1e-14)


def test_nested_loops_never_see_a_fresh_batch_twice() -> None:
    problem = Shifted()
    _step("""optimizer A
  y = iterate 2 from y = x:
    z = iterate 3 from z = y:
      z' = z - 0.1*grad(z; fresh)
    y' = z - 0.1*grad(z; fresh)
  x' = y - 0.1*grad(y; fresh)
""", problem=problem)
    batches = [batch for name, batch in problem.calls if name == "grad" and batch >= 10]
    assert sorted(batches) == [10.0 + i for i in range(9)]


def test_until_ends_a_loop_after_its_turn() -> None:
    (x,) = _step("""optimizer A
  (y, n) = iterate 50 from y = x, n = 0:
    y' = y/2
    n' = n + 1
    until norm(y' over model) < 0.5
  x' = y + 0*g + n
""")
    assert np.linalg.norm(POINT) / 8 < 0.5 < np.linalg.norm(POINT) / 4
    np.testing.assert_allclose(x, POINT / 8 + 3, rtol=1e-14)


ARMIJO = """optimizer A
  (d, s, ok) = search at most {most} from s = 1:
                 d = -s*g
                 accept loss(x + d) <= loss(x) - 0.1*s*dot(g, g over model)   else s' = s/2
               on exhaustion {end}
  x' = x + (if ok then d else {otherwise})
"""


def test_a_search_stops_at_the_first_trial_that_is_accepted() -> None:
    (x,) = _step(ARMIJO.format(most=40, end="last", otherwise="0*d"))
    g = gradient(POINT, 1)
    s = 1.0
    while True:
        trial = POINT - s * g - 1
        if trial @ H @ trial / 2 <= (POINT - 1) @ H @ (POINT - 1) / 2 - 0.1 * s * g @ g:
            break
        s /= 2
    assert s < 1
    np.testing.assert_allclose(x, POINT - s * g, rtol=1e-14)


@pytest.mark.parametrize(("end", "otherwise", "moved"), [
    ("last", "d", -0.5), ("hold", "d", 0.0), ("d = 3*g", "d", 3.0)])
def test_a_search_that_runs_out_gives_what_it_says(
    end: str, otherwise: str, moved: float
) -> None:
    (x,) = _step(ARMIJO.format(most=2, end=end, otherwise=otherwise))
    np.testing.assert_allclose(x, POINT + moved * gradient(POINT, 1), rtol=1e-14)


def test_a_loss_that_is_no_number_is_never_accepted() -> None:
    problem = Shifted()
    problem.loss = lambda x, batch: np.nan  # type: ignore[method-assign]
    (x,) = _step(ARMIJO.format(most=5, end="hold", otherwise="d"), problem=problem)
    np.testing.assert_array_equal(x, POINT)


def test_a_fold_goes_through_an_axis_in_order() -> None:
    (x,) = _step("""optimizer A
  losses tasks[k]
  hyper k : int = 3 in [1, inf)
  G = grads(x)
  v = fold j over tasks from v = 0*x:
    v' = 2*v + G[j]
  w = fold j over tasks from w = 0*index(tasks):
    w' = put(w, j, j^2 + 1)
  x' = v + sum(w over tasks)
""")
    np.testing.assert_allclose(x, 4 * H[0] + 2 * H[1] + H[2] + 1 + 2 + 5, rtol=1e-14)


def test_a_permutation_is_drawn_anew_in_each_step() -> None:
    text = """optimizer A
  losses tasks[k]
  hyper k : int = 3 in [1, inf)
  v = fold j over perm(tasks) from v = 0:
    v' = 10*v + j
  x' = 0*x + v
"""
    seen = {int(x[0]) for x in _step(text, steps=12)}
    assert len(seen) > 3
    for number in seen:
        assert sorted(f"{number:03d}") == ["0", "1", "2"]


def test_a_window_keeps_the_newest_first() -> None:
    points = _step("""optimizer A
  hyper m : int = 3 in [1, inf)
  state W : scalar window[m] = 0
  W' = push(W, t)
  v = fold j over newest..oldest from v = 0:
    v' = 10*v + W'[j]
  u = fold i over oldest..newest from u = 0:
    u' = 10*u + W'[i]
  x' = 0*x + v + u/1000
""", steps=4)
    np.testing.assert_allclose([x[0] for x in points], [100.001, 210.012, 321.123, 432.234])


def test_a_draw_in_a_loop_differs_from_turn_to_turn() -> None:
    (x,) = _step("""optimizer A
  y = iterate 2 from y = 0*x:
    z ~ normal(0, 1)
    y' = 10*y + z
  x' = y
""")
    first, second = (draw("normal", (0.0, 1.0), 5, "z", 1, 0, (3,), turn) for turn in (0, 1))
    assert np.all(first != second)
    np.testing.assert_allclose(x, 10 * first + second, rtol=1e-14)


def test_the_signature_counts_least_and_most() -> None:
    step = tp.loads(ARMIJO.format(most=40, end="last", otherwise="0*d").replace(
        "x' = x", "y = iterate 3 from y = x:\n    y' = y - grad(y; fresh)\n  x' = 0*y + x")).step()
    assert signature(step) == (
        Call("loss", "this", 1, 40), Call("grad", "this", 1, 1), Call("grad", "fresh", 3, 3))
    assert str(signature(step)[0]) == "1 to 40 losses on this step's batch"


def test_equal_questions_are_asked_once() -> None:
    step = tp.loads("""optimizer A
  x' = x - grad(2*x) - 3*grad(2*x)*loss(2*x)
""").step()
    assert [(c.oracle, c.most) for c in signature(step)] == [("loss", 1), ("grad", 1)]


def test_a_missing_oracle_is_named() -> None:
    step = tp.loads("optimizer A\n  x' = x - hvp(x, g)\n").step()
    problem = SimpleNamespace(grad=Shifted().grad, loss=Shifted().loss)
    with pytest.raises(MissingOracle, match=r"no `hvp`: pass hvp\(params, v, batch\)"):
        advance(step, start(step, [POINT]), [POINT], asked=Asked(problem, 1.0))


NUMERICS = """optimizer A
  state m = 0
  numerics:
    store m as {how}
  m' = 0.999*m + 0.001*g
  x' = x - m'
"""


@pytest.mark.parametrize(("how", "last"), [("float16", np.float16), ("f32", np.float32)])
def test_a_state_is_stored_in_the_dtype_that_numerics_names(how: str, last: type) -> None:
    step = tp.loads(NUMERICS.format(how=how)).step()
    moved, memory = advance(step, start(step, [POINT]), [POINT], [POINT / 3])
    exact = 0.001 * (POINT / 3)
    np.testing.assert_array_equal(memory.values["m"][0], exact.astype(last).astype(float))
    np.testing.assert_array_equal(moved[0], POINT - exact)


def test_stochastic_rounding_keeps_an_average_moving() -> None:
    """0.999 of a bfloat16 number is that number again to the nearest, but not on average."""
    params = [np.full(4000, 1.0)]
    means = []
    for how in ("bfloat16", "bfloat16 stochastic"):
        step = tp.loads(NUMERICS.format(how=how).replace("= 0\n", "= 1\n", 1)).step()
        memory = start(step, params)
        for _ in range(20):
            _, memory = advance(step, memory, params, [np.zeros(4000)])
        means.append(float(np.mean(memory.values["m"][0])))
    assert means[0] == 1.0
    assert means[1] == pytest.approx(0.999**20, abs=2e-3)


def test_a_sphere_is_drawn_with_length_one() -> None:
    (x,) = _step("optimizer A\n  z ~ sphere\n  x' = x + 3*z\n")
    assert np.linalg.norm(x - POINT) == pytest.approx(3)
    normal = draw("normal", (0.0, 1.0), 5, "z_normal", 1, 0, (3,))
    np.testing.assert_allclose((x - POINT) / 3, normal / np.linalg.norm(normal), rtol=1e-14)


def test_a_permutation_can_be_named() -> None:
    (x,) = _step("""optimizer A
  losses tasks[k]
  hyper k : int = 3 in [1, inf)
  p ~ perm(tasks)
  x' = 0*x + sum(p*2^index(tasks) over tasks) + max(p over tasks)
""")
    assert x[0] - 2 in {0 * a + 1 * b + 2 * c + 0.0 for a, b, c in [(1, 2, 4), (1, 4, 2),
                        (2, 1, 4), (2, 4, 1), (4, 1, 2), (4, 2, 1)]}


def test_an_extern_is_a_function_that_the_caller_passes() -> None:
    text = """optimizer A
  extern squash(a: per entry, b: scalar) -> per entry
  hyper lr = 0.1 in (0, inf)
  x' = x - lr*squash(g, 3)
"""
    (x,) = _step(text, squash=lambda a, b: np.tanh(a) + b)
    np.testing.assert_allclose(x, POINT - 0.1 * (np.tanh(gradient(POINT, 1)) + 3), rtol=1e-14)
    with pytest.raises(tp.CallError, match="needs the function `squash`"):
        tp.loads(text).to_numpy()


def test_a_search_gives_out_what_a_loop_inside_of_it_found() -> None:
    (x,) = _step("""optimizer A
  (d, s) = search at most 3 from s = 1:
             d = iterate 2 from d = 0*x:
               d' = d - s*g
             accept s < 0.3 else s' = s/2
           on exhaustion last
  x' = x + d
""")
    np.testing.assert_allclose(x, POINT - 2 * 0.25 * gradient(POINT, 1), rtol=1e-14)


class One(Shifted):
    """One loss, as a family."""

    def grads(self, x: list[Any], batch: float) -> list[Any]:
        return [self.grad(x, batch)[0][None]]


def test_the_number_of_losses_may_be_written_in_the_spec() -> None:
    (x,) = _step("""optimizer A
  losses tasks[1]
  x' = x - 0.1*sum(grads(x) over tasks)
""", problem=One())
    np.testing.assert_allclose(x, POINT - 0.1 * (H @ (POINT - 1)), rtol=1e-14)
