"""Laws of matrix functions: the prover uses each, the interpreter obeys it, and what only looks like
a law is not used."""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import numpy as np
import pytest

from thetaprime.claims import laws
from thetaprime.claims.facts import Certificate, Unproved, prove
from thetaprime.claims.questions import Question, questions
from thetaprime.claims.recheck import recheck
from thetaprime.diagnostics import SpecError
from thetaprime.interpret import advance, start
from thetaprime.ir import Step
from thetaprime.pipeline import checked
from thetaprime.source import Source

SPEC = """\
optimizer Try
  param X : matrix[rows, cols]
  hyper lr = 1 in (0, inf)
  hyper c = 3 in (0, inf)
  hyper a = -2 in (-inf, inf)
  B ~ normal(0, 1) : matrix[rows, cols]
  L ~ normal(0, 1) : matrix[rows, rows]
  K ~ normal(0, 1) : matrix[rows, rows]
  u ~ normal(0, 1) : vector[rows]
  A = G
  left = {left}
  right = {right}
  X' = X - lr*({use})
  claim X' == X
"""
# What a step makes of both sides: of entries, of a matrix or a vector of rows, of cols, of a number.
USES = ("left - right", "left @ A - right @ A", "A @ left - A @ right", "left*A - right*A",
        "(left - right).T", "outer(left - right, left - right) @ A", "A @ outer(left - right, left - right)")
WIDE, TALL, SQUARE = ((3, 3), (3, 5)), ((3, 3), (5, 3)), ((3, 3), (4, 4))
SHAPES = {laws.WIDE: WIDE, laws.TALL: TALL, laws.BOTH: SQUARE}
ANY = ((3, 3), (3, 5), (5, 3))

# What looks like a law and is none.
WRONG = (
    ("a power moved past another matrix", "mpow(A @ A.T, 1/2) @ B", "B @ mpow(A.T @ A, 1/2)"),
    ("a factor of any sign", "polar(a*A)", "polar(A)"),
    ("a negative factor", "polar(-2*A)", "polar(A)"),
    ("products turned round", "L @ K @ A", "K @ L @ A"),
    ("a transpose that keeps the order", "(L @ K).T @ A", "L.T @ K.T @ A"),
    ("polar of a product", "polar(L @ A)", "polar(L) @ polar(A)"),
    ("polar turned by a matrix that is not orthogonal", "polar(L @ A)", "L @ polar(A)"),
    ("another power", "mpow(A @ A.T, -1/3) @ A", "polar(A)"),
    ("the other side", "mpow(A @ A.T, -1/2) @ B", "polar(B)"),
    ("a power of another product", "mpow(A @ B.T + B @ A.T + c*I, 1/2) @ A",
     "A @ mpow(A.T @ B + B.T @ A + c*I, 1/2)"),
    ("a damped polar factor", "mpow(A @ A.T + c*I, -1/2) @ A", "polar(A)"),
    ("the root of a square", "mpow(L @ L, 1/2) @ A", "L @ A"),
    ("a size, not the matrix", "mpow(L @ L.T, 1/2) @ A", "L @ A"),
    ("a size on the other side", "mpow(L @ L.T, 1/2) @ A", "mpow(L.T @ L, 1/2) @ A"),
    ("a first power that is not symmetric", "mpow(L, 1) @ A", "L @ A"),
    ("a power -1 that is not symmetric", "mpow(L, -1) @ A", "inv(L) @ A"),
    ("the absolute value", "mpow((A @ A.T - c*I) @ (A @ A.T - c*I), 1/2) @ B",
     "A @ A.T @ B - c*B"),
    ("a projection, not the identity", "polar(A) @ polar(A).T @ B", "B"),
    ("the other projection", "B @ polar(A).T @ polar(A)", "B"),
    ("no square of a sum", "mpow((A + B) @ (A - B).T, -1/2) @ (A + B)", "polar(A + B)"),
    ("a sum of squares", "mpow(A @ A.T + B @ B.T, -1/2) @ (A + B)", "polar(A + B)"),
    ("an inverse in the same order", "inv(L @ K) @ A", "inv(L) @ inv(K) @ A"),
    ("an inverse of a sum", "inv(L + K) @ A", "inv(L) @ A + inv(K) @ A"),
    ("solve from the other side", "solve(L, A)", "L @ A"),
    ("solve of a transpose", "solve(L.T, A)", "solve(L, A)"),
    ("identity of damping left out", "inv(A @ A.T + c*I) @ A @ A.T @ B", "B"),
)


@cache
def spec(left: str, right: str) -> tuple[Step, Question]:
    """A rule that does not move where both sides are equal, and the claim that it does not."""
    for use in USES:
        with suppress(SpecError):
            flat = checked(Source("try.opt", SPEC.format(left=left, right=right, use=use)))
            (question,) = questions(flat, *flat.claims[0])
            return question.step, question
    raise AssertionError(f"{left} and {right} have no use")


def shown(question: Question) -> Certificate | None:
    """The proof that the rule does not move, if there is one."""
    try:
        return prove(question)
    except Unproved:
        return None


def moved(step: Step, shape: tuple[int, int], seed: int) -> float:
    """By how much a step moves the point, in float64 from random numbers."""
    rng = np.random.default_rng(seed)
    point, gradient = rng.normal(size=(2, *shape))
    memory = start(step, [point], seed=seed)
    (after,), _ = advance(step, memory, [point], [gradient])
    return float(np.abs(after - point).max())


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.name)
def test_a_law_is_used_and_holds(law):
    step, question = spec(law.left, law.right)
    certificate = shown(question)
    assert certificate is not None
    recheck(certificate, question)
    for shape in SHAPES.get(law.when, ANY):
        assert max(moved(step, shape, seed) for seed in range(5)) < 1e-9


@pytest.mark.parametrize(("name", "left", "right"), WRONG, ids=[w[0] for w in WRONG])
def test_what_is_no_law_is_not_used(name, left, right):
    step, question = spec(left, right)
    assert shown(question) is None
    sizes = [moved(step, shape, seed) for shape in ANY for seed in range(5)]
    assert max(s for s in sizes if s == s) > 1e-6
