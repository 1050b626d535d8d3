"""What the constructs of the language mean, by small specs and their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from thetaprime.diagnostics import SpecError
from thetaprime.interpret import Memory, advance, evaluation, start
from thetaprime.ir import Step
from thetaprime.numbers import EXACT, FLOAT, Field, NotRational, mpmath_field
from thetaprime.types import Extent

X0 = np.array([1.0, -2.0, 4.0])


def spec(body: str) -> Step:
    """The step of a spec with `lr = 1/2` whose remaining lines are given."""
    lines = "\n".join("  " + line for line in body.strip("\n").split("\n"))
    return tp.loads(f"optimizer Test\n  hyper lr = 0.5 in (0, inf)\n{lines}\n").step()


def run(
    step: Step, grads: Sequence[Any], params: Sequence[Any] = (X0,), numbers: Field = FLOAT,
    **given: Any,
) -> tuple[list[list[Any]], Memory]:
    """The tensors after each step; grads gives one array for every tensor and step."""
    loss = given.pop("loss", None)
    memory = start(step, params, given, numbers)
    history = []
    for g in grads:
        every = g if isinstance(g, list) else [np.broadcast_to(g, np.shape(p)) for p in params]
        params, memory = advance(step, memory, params, every, given, loss, numbers)
        history.append(list(params))
    return history, memory


def test_the_prime_is_the_value_after_the_step() -> None:
    step = spec("state m = 0\nm' = m + g\nx' = x - lr*m'")
    history, memory = run(step, [1.0, 1.0])
    np.testing.assert_array_equal(history[1][0], X0 - 0.5 - 1.0)
    np.testing.assert_array_equal(memory.values["m"][0], np.full(3, 2.0))


def test_equations_are_unordered() -> None:
    one = spec("state m = 0\nm' = m + u\nu = 2*g\nx' = x - lr*m'")
    two = spec("state m = 0\nx' = x - lr*m'\nu = 2*g\nm' = m + u")
    np.testing.assert_array_equal(run(one, [1.0, 3.0])[0][1][0], run(two, [1.0, 3.0])[0][1][0])


def test_t_is_one_at_the_first_step() -> None:
    history, _ = run(spec("x' = x - lr*t*g"), [1.0, 1.0])
    np.testing.assert_array_equal(history[0][0], X0 - 0.5)
    np.testing.assert_array_equal(history[1][0], X0 - 1.5)


def test_a_schedule_is_evaluated_at_the_step_before() -> None:
    history, _ = run(spec("x' = x - lr*g"), [1.0, 1.0], lr=lambda t: 1.0 + t)
    np.testing.assert_array_equal(history[0][0], X0 - 1.0)
    np.testing.assert_array_equal(history[1][0], X0 - 3.0)


def test_first_gives_the_old_value_of_the_first_step_only() -> None:
    step = spec("state gp = first g\ngp' = g\nx' = x - lr*(g - gp) - lr*g")
    history, _ = run(step, [1.0, 3.0])
    np.testing.assert_array_equal(history[0][0], X0 - 0.5)
    np.testing.assert_array_equal(history[1][0], X0 - 0.5 - 0.5 * 2 - 0.5 * 3)


def test_a_constant_is_the_starting_point() -> None:
    step = spec("const x0 = x\nx' = x0 - lr*g")
    history, _ = run(step, [1.0, 2.0])
    np.testing.assert_array_equal(history[1][0], X0 - 1.0)


def test_every_fires_at_its_start_and_every_period_after() -> None:
    step = spec("state n : scalar = 0\nevery 3 from 2:\n  n' = n + 1\nx' = x - n'*g")
    counts = []
    memory, params = start(step, [X0]), [X0]
    for _ in range(9):
        params, memory = advance(step, memory, params, [np.ones(3)])
        counts.append(float(np.asarray(memory.values["n"])))
    assert counts == [0, 1, 1, 1, 2, 2, 2, 3, 3]


def test_a_state_holds_in_the_branch_that_leaves_it_alone() -> None:
    step = spec("state m = 0\nif t > 1:\n  m' = m + g\n  x' = x - lr*m'\nelse:\n  x' = x - g")
    history, memory = run(step, [1.0, 1.0])
    np.testing.assert_array_equal(history[0][0], X0 - 1.0)
    np.testing.assert_array_equal(history[1][0], X0 - 1.5)
    np.testing.assert_array_equal(memory.values["m"][0], np.ones(3))


def test_hold_keeps_every_state_and_the_parameter() -> None:
    step = spec("state m = 0\nhold when norm(g over model) > 10\nm' = m + g\nx' = x - lr*m'")
    history, memory = run(step, [1.0, 100.0, 1.0])
    np.testing.assert_array_equal(history[1][0], history[0][0])
    np.testing.assert_array_equal(memory.values["m"][0], np.full(3, 2.0))


def test_hold_may_read_a_new_value() -> None:
    step = spec("state m = 0\nm' = m + g\nhold when max(abs(m') over model) > 2\nx' = x - lr*m'")
    history, memory = run(step, [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(memory.values["m"][0], np.full(3, 2.0))
    np.testing.assert_array_equal(history[2][0], history[1][0])


def test_default_replaces_what_is_undefined() -> None:
    history, _ = run(spec("x' = x - lr*(g/(g*g) default 7)"), [np.array([0.0, 2.0, 4.0])])
    np.testing.assert_array_equal(history[0][0], X0 - 0.5 * np.array([7.0, 0.5, 0.25]))


def test_the_branch_not_taken_has_no_effect() -> None:
    history, _ = run(spec("x' = x - lr*(if g > 0 then 1/g else 0)"), [np.array([0.0, 2.0, -4.0])])
    np.testing.assert_array_equal(history[0][0], X0 - np.array([0.0, 0.25, 0.0]))


def test_reductions_say_what_they_run_over() -> None:
    grads = [[np.array([3.0, 0.0, 4.0]), np.array([12.0])]]
    params = [X0, np.array([1.0])]
    tensor, _ = run(spec("x' = x - g/norm(g over tensor)"), grads, params)
    model, _ = run(spec("x' = x - g/norm(g over model)"), grads, params)
    np.testing.assert_allclose(tensor[0][1], [0.0])
    np.testing.assert_allclose(model[0][1], [1 - 12 / 13])


def test_the_mean_over_the_model_counts_entries_not_tensors() -> None:
    params = [X0, np.array([1.0])]
    history, _ = run(spec("x' = x - mean(g over model)*sign(g)"), [1.0], params)
    np.testing.assert_allclose(history[0][1], [0.0])
    step = spec("x' = x - g/size(x over model)")
    np.testing.assert_allclose(run(step, [1.0], params)[0][0][1], [0.75])


def test_an_extent_may_be_a_choice() -> None:
    text = ("optimizer A\n  hyper lr = 1 in (0, inf)\n  hyper scope = model in {model, tensor}\n"
            "  x' = x - lr*g/norm(g over scope)\n")
    grads, params = [[np.array([3.0, 0.0, 0.0]), np.array([4.0])]], [X0, np.array([1.0])]
    optimizer = tp.loads(text)
    wide, _ = run(optimizer.step(), grads, params)
    narrow, _ = run(optimizer.step(scope="tensor"), grads, params)
    np.testing.assert_allclose(wide[0][1], [1 - 4 / 5])
    np.testing.assert_allclose(narrow[0][1], [0.0])


def test_an_axis_has_the_length_of_its_list() -> None:
    step = spec("axis lanes\nhyper b : lanes = [0, 0.5] in [0, 1)\n"
                "state v : per entry[lanes] = 0\nv' = b*v + g\nx' = x - lr*mean(v' over lanes)")
    history, memory = run(step, [1.0, 1.0])
    assert memory.values["v"][0].shape == (2, 3)
    np.testing.assert_allclose(history[1][0], X0 - 0.5 - 0.5 * (1.0 + 1.5) / 2)


def test_train_holds_another_point_and_eval_names_the_one_to_save() -> None:
    step = spec("hyper b = 0.5 in (0, 1)\nstate z = x\ntrain y = (1 - b)*z + b*x\n"
                "z' = z - lr*g\nx' = (x + z')/2\neval x")
    assert step.point == "y"
    memory = start(step, [X0])
    y, memory = advance(step, memory, [X0], [np.ones(3)])
    z, x = X0 - 0.5, (X0 + X0 - 0.5) / 2
    np.testing.assert_allclose(y[0], (z + x) / 2)
    np.testing.assert_allclose(evaluation(step, memory, y)[0], x)


def test_the_loss_of_this_step_is_an_input() -> None:
    history, _ = run(spec("x' = x - lr*g/(1 + loss(x))"), [1.0], loss=3.0)
    np.testing.assert_allclose(history[0][0], X0 - 0.125)


def test_functions_may_keep_states_of_their_own() -> None:
    step = spec("x' = x - lr*(g - prev(g, 0))")
    assert [s.name for s in step.states] == ["prev_g"]
    history, _ = run(step, [1.0, 1.0])
    np.testing.assert_allclose(history[1][0], X0 - 0.5)


def test_a_function_state_has_the_type_of_what_it_keeps() -> None:
    step = spec("n = norm(g over model)\nx' = x - lr*g/(1 + n + prev(n, 1))")
    assert step.state("prev_n").type.extent is Extent.SCALAR


def test_debias_divides_by_one_minus_the_product_of_the_decays() -> None:
    step = spec("hyper b = 0.5 in [0, 1)\nstate m = 0\nm' = ema(m, g, b)\n"
                "x' = x - lr*debias(m', b)")
    history, _ = run(step, [1.0, 1.0, 1.0])
    np.testing.assert_allclose(history[2][0], X0 - 1.5)


def test_greek_and_ascii_spell_the_same_name() -> None:
    step = spec("hyper β1 = 0.5 in [0, 1)\nstate m = 0\nm' = beta1*m + g\nx' = x - lr*m'")
    assert step.hyper("beta1").spelled == "β1"


def test_with_sets_a_hyperparameter_for_good() -> None:
    adam = tp.load("adamw").source.text.replace("optimizer AdamW", "optimizer Mine")
    assert any(h.name == "wd" for h in tp.loads(adam).hypers)
    bound = tp.loads("optimizer A = AdamW with wd = 0\n")
    assert all(h.name != "wd" for h in bound.hypers)


def test_extends_replaces_an_equation_and_drops_what_is_left_over() -> None:
    text = "optimizer A extends AdamW\n  override x' = x - lr*m'\n"
    step = tp.loads(text).step()
    assert [s.name for s in step.states] == ["m"]
    assert {h.name for h in step.hypers} == {"lr", "b1"}


def test_draws_depend_on_seed_step_name_and_place_only() -> None:
    step = spec("z ~ normal(0, 1)\nx' = x - lr*z*g")
    twice = [run(step, [1.0, 1.0])[0][-1][0] for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    first, second = run(step, [1.0, 1.0])[0]
    assert not np.allclose(first[0] - X0, second[0] - first[0])


def test_draws_have_their_distributions() -> None:
    big = [np.zeros(40_000)]
    for name, mean, deviation in (("normal(1, 2)", 1, 2), ("uniform(0, 1)", 0.5, 12 ** -0.5),
                                  ("rademacher", 0, 1), ("bernoulli(0.25)", 0.25, 3 ** 0.5 / 4)):
        call = name if "(" in name else f"{name}()"
        history, _ = run(spec(f"z ~ {call}\nx' = x + z*g*lr*2"), [1.0], big)
        sample = history[0][0]
        assert abs(sample.mean() - mean) < 0.05, name
        assert abs(sample.std() - deviation) < 0.05, name


def test_rational_rules_run_in_exact_rationals() -> None:
    step = spec("hyper b = 0.9 in [0, 1)\nstate m = 0\nm' = b*m + g\nx' = x - lr*m'")
    exact = [np.array([Fraction(1, 3)], object)]
    history, _ = run(step, [Fraction(1, 7)] * 2, exact, EXACT)
    assert history[1][0][0] == Fraction(1, 3) - Fraction(1, 2) * (Fraction(1, 7) * Fraction(29, 10))
    with pytest.raises(NotRational):
        run(spec("x' = x - lr*sqrt(g)"), [Fraction(2)], exact, EXACT)


def test_mpmath_agrees_with_float64_to_its_last_digits() -> None:
    step = tp.load("adamw").step()
    high, _ = run(step, [0.3, -0.2, 0.1], [X0], mpmath_field(40))
    low, _ = run(step, [0.3, -0.2, 0.1], [X0])
    np.testing.assert_allclose(high[2][0].astype(float), low[2][0], rtol=1e-14)


def test_every_error_of_a_stage_is_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        spec("x' = x - lr*q\ny = r + s")
    assert [d.code for d in caught.value.diagnostics] == ["undefined-name"] * 3


def test_every_backend_draws_the_same_numbers() -> None:
    jax = pytest.importorskip("jax")
    text = ("optimizer A\n  axis lanes\n  hyper lr = 0.5 in (0, inf)\n"
            "  hyper b : lanes = [1, 2] in (0, inf)\n  state r ~ normal(0, 1)\n"
            "  z ~ normal(1, 2)\n  u ~ uniform(0, 1) : scalar\n  w ~ bernoulli(0.5) : per tensor\n"
            "  q ~ rademacher() : per entry[lanes]\n  r' = r + z\n"
            "  x' = x - lr*u*w*r' - sum(b*q over lanes)\n")
    optimizer = tp.loads(text)
    params = [X0, np.zeros((2, 3))]
    history, _ = run(optimizer.step(), [0.0, 0.0], params)
    program = optimizer.to_numpy()
    ours = [p.copy() for p in params]
    state = program.init(ours)
    for _ in range(2):
        program.step(ours, [np.zeros(3), np.zeros((2, 3))], state)
    with jax.enable_x64(True):
        transform = optimizer.to_jax()
        theirs = [jax.numpy.asarray(p) for p in params]
        kept = transform.init(theirs)
        for _ in range(2):
            updates, kept = transform.update([jax.numpy.zeros(3), jax.numpy.zeros((2, 3))], kept,
                                             theirs)
            theirs = [p + u for p, u in zip(theirs, updates, strict=True)]
    for a, b, c in zip(history[-1], ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
        np.testing.assert_allclose(a, c, rtol=1e-12)


def test_draws_do_not_come_back_after_many_steps() -> None:
    from thetaprime.draws import bits

    first, _ = bits(0, "z", 1, 0, (8,))
    for t, leaf in ((1 + 65536, 0), (0, 65536), (1, 1), (2, 0)):
        assert not np.array_equal(first, bits(0, "z", t, leaf, (8,))[0])


def test_hold_in_a_block_holds_where_the_block_happens() -> None:
    step = spec("state m = 0\nif t > 2:\n  hold when norm(g over model) > 10\nm' = m + g\n"
                "x' = x - lr*m'")
    history, memory = run(step, [100.0, 100.0, 100.0, 1.0])
    np.testing.assert_array_equal(history[2][0], history[1][0])
    np.testing.assert_array_equal(memory.values["m"][0], np.full(3, 201.0))


def test_hold_in_the_other_branch() -> None:
    step = spec("every 2 from 2:\n  hold when t > 0\nx' = x - lr*g")
    history, _ = run(step, [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(history[0][0], history[1][0])
    np.testing.assert_array_equal(history[2][0], X0 - 1.0)


def test_a_distribution_without_parameters_needs_no_parentheses() -> None:
    step = spec("z ~ rademacher : per tensor\nx' = x - lr*z*g")
    history, _ = run(step, [1.0])
    assert set(np.abs(X0 - history[0][0])) == {0.5}
