"""What holds for every spec, tried on random ones."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import thetaprime as tp
from tests.random_specs import specs
from thetaprime.format import format_text
from thetaprime.interpret import advance, start
from thetaprime.numbers import EXACT, NotRational
from thetaprime.parse import parse
from thetaprime.source import Source

SLOW = settings(deadline=None, max_examples=40,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
PARAMS = [np.array([[0.5, -1.25], [2.0, 0.25]]), np.array([-0.75, 0.5, 1.5]), np.array(1.25)]
GRADS = [[np.round(np.cos(7.0 * i + k + np.arange(p.size).reshape(p.shape)) * 8) / 8
          for i, p in enumerate(PARAMS)] for k in range(3)]


@SLOW
@given(specs())
def test_formatting_and_reading_are_inverse(text: str) -> None:
    formatted = format_text(text)
    assert parse(Source("a", formatted)) == parse(Source("b", text))
    assert format_text(formatted) == formatted


@SLOW
@given(specs(), st.randoms(use_true_random=False))
def test_the_order_of_equations_does_not_matter(text: str, random: Any) -> None:
    head = [line for line in text.splitlines()
            if line.startswith(("optimizer", "  hyper", "  state"))]
    body = [line for line in text.splitlines() if line not in head]
    random.shuffle(body)
    one, two = (trajectory(tp.loads(t)) for t in (text, "\n".join([*head, *body]) + "\n"))
    for a, b in zip(one, two, strict=True):
        for left, right in zip(a, b, strict=True):
            np.testing.assert_array_equal(left, right)


def trajectory(optimizer: tp.Optimizer) -> list[list[Any]]:
    """Three steps of the interpreter in float64."""
    step = optimizer.step()
    params: Sequence[Any] = PARAMS
    memory = start(step, params)
    history = []
    for grads in GRADS:
        params, memory = advance(step, memory, params, grads)
        history.append(list(params))
    return history


@SLOW
@given(specs(rational=True))
def test_float64_follows_the_exact_rationals(text: str) -> None:
    step = tp.loads(text).step()
    exact = [np.vectorize(Fraction, otypes=[object])(p) for p in PARAMS]
    params: Sequence[Any] = exact
    memory = start(step, params, numbers=EXACT)
    floats = trajectory(tp.loads(text))
    for grads, expected in zip(GRADS[:2], floats, strict=False):
        slopes = [np.vectorize(Fraction, otypes=[object])(g) for g in grads]
        try:
            params, memory = advance(step, memory, params, slopes, numbers=EXACT)
        except NotRational:
            return
        for a, b in zip(params, expected, strict=True):
            if max(abs(float(v)) for v in np.ravel(a)) > 1e100:
                return
            # A comparison decided by the last bit may part the two: then they part visibly later.
            np.testing.assert_allclose(a.astype(float), b, rtol=1e-9, atol=1e-9)


@SLOW
@given(specs())
def test_numpy_code_agrees_with_the_interpreter(text: str) -> None:
    optimizer = tp.loads(text)
    program = optimizer.to_numpy()
    params = [p.copy() for p in PARAMS]
    state = program.init(params)
    for grads, expected in zip(GRADS, trajectory(optimizer), strict=True):
        state = program.step(params, grads, state)
        for ours, theirs in zip(params, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@settings(parent=SLOW, max_examples=25)
@given(specs())
def test_jax_code_agrees_with_the_interpreter(text: str) -> None:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        optimizer = tp.loads(text)
        transform = optimizer.to_jax()
        params = [jax.numpy.asarray(p) for p in PARAMS]
        state = transform.init(params)
        for grads, expected in zip(GRADS, trajectory(optimizer), strict=True):
            updates, state = transform.update([jax.numpy.asarray(g) for g in grads], state, params)
            params = [p + u for p, u in zip(params, updates, strict=True)]
            for ours, theirs in zip(params, expected, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
