"""Laws of matrix functions: the prover uses each, the interpreter obeys it, and what only looks
like a law is not used."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.fact_rows import operand as fact
from thetaprime.check.ranges import ranges
from thetaprime.claims import laws
from thetaprime.claims.algebra import Algebra
from thetaprime.claims.context import Rejected
from thetaprime.claims.facts import Certificate, Unproved, prove
from thetaprime.claims.questions import Question, questions
from thetaprime.claims.recheck import recheck
from thetaprime.claims.symbolic import inputs
from thetaprime.claims.written import Writer
from thetaprime.compare.operands import operand
from thetaprime.compare.pairs import beside
from thetaprime.compare.verify import verify
from thetaprime.diagnostics import SpecError
from thetaprime.expr import Sym
from thetaprime.interpret import executed, start
from thetaprime.ir import Step
from thetaprime.pipeline import checked
from thetaprime.source import Source

SPEC = """\
optimizer Try
  param X : matrix[rows, cols]
  hyper c = 3 in (0, inf)
  hyper a = -2 in (-inf, inf)
  state Other = 0
  B ~ normal(0, 1) : matrix[rows, cols]
  L ~ normal(0, 1) : matrix[rows, rows]
  K ~ normal(0, 1) : matrix[rows, rows]
  u ~ normal(0, 1) : vector[rows]
  A = G
  left = {left}
  right = {right}
  Other' = X - {right_step}
  X' = X - {left_step} + 0*Other'
  claim X' == Other'
"""
# Steps of a matrix, of a vector along rows or cols, or of a number.
USES = ("({0})", "({0}) @ A", "A @ ({0})", "({0}).T", "outer({0}, {0}) @ A", "A @ outer({0}, {0})",
        "({0})*A")
WIDE, TALL, SQUARE = ((3, 3), (3, 5)), ((3, 3), (5, 3)), ((3, 3), (4, 4))
SHAPES = {laws.WIDE: WIDE, laws.TALL: TALL, laws.BOTH: SQUARE}
ANY = ((3, 3), (3, 5), (5, 3))

# What looks like a law and is none.
WRONG = (
    ("a power moved past another matrix", "mpow(A @ A.T, 1/2) @ B", "B @ mpow(A.T @ A, 1/2)"),
    ("a factor of any sign", "polar(a*A)", "polar(A)"),
    ("a negative factor", "polar(-2*A)", "polar(A)"),
    ("products turned round", "L @ K", "K @ L"),
    ("a transpose that keeps the order", "(L @ K).T", "L.T @ K.T"),
    ("polar factor of a product", "polar(L @ A)", "polar(L) @ polar(A)"),
    ("a turn that is none", "polar(L @ A)", "L @ polar(A)"),
    ("another power", "mpow(A @ A.T, -1/3) @ A", "polar(A)"),
    ("another matrix", "mpow(A @ A.T, -1/2) @ B", "polar(B)"),
    ("the power of a product", "mpow(A @ B.T + B @ A.T + c*I, 1/2) @ A",
     "A @ mpow(A.T @ B + B.T @ A + c*I, 1/2)"),
    ("a damped polar factor", "mpow(A @ A.T + c*I, -1/2) @ A", "polar(A)"),
    ("damping of two sizes", "mpow(A @ A.T + c*I, 1/2) @ A", "A @ mpow(A.T @ A + 2*c*I, 1/2)"),
    ("the root of a square", "mpow(L @ L, 1/2)", "L"),
    ("the size of a matrix", "mpow(L @ L.T, 1/2)", "L"),
    ("the size on the other side", "mpow(L @ L.T, 1/2)", "mpow(L.T @ L, 1/2)"),
    ("first power, not symmetric", "mpow(L, 1)", "L"),
    ("power of -1, not symmetric", "mpow(L, -1)", "inv(L)"),
    ("an absolute value", "mpow((A @ A.T - c*I) @ (A @ A.T - c*I), 1/2)", "A @ A.T - c*I"),
    ("a size lost by inverses", "mpow(inv(A @ A.T - c*I) @ inv(A @ A.T - c*I), -1/2)",
     "A @ A.T - c*I"),
    ("polar factor of an inverse", "polar(inv(A @ A.T - c*I))", "polar(A @ A.T)"),
    ("a projection on columns", "polar(A) @ polar(A).T @ B", "B"),
    ("a projection on rows", "B @ polar(A).T @ polar(A)", "B"),
    ("no square of a sum", "mpow((A + B) @ (A - B).T, -1/2) @ (A + B)", "polar(A + B)"),
    ("a sum of squares", "mpow(A @ A.T + B @ B.T, -1/2) @ (A + B)", "polar(A + B)"),
    ("an inverse in the same order", "inv(L @ K)", "inv(L) @ inv(K)"),
    ("the inverse of a sum", "inv(L + K)", "inv(L) + inv(K)"),
    ("the system of a transpose", "solve(L.T, A)", "solve(L, A)"),
    ("a trace turned the wrong way", "tr(L @ K @ L.T @ K.T)", "tr(L @ L.T @ K @ K.T)"),
)


@cache
def spec(left: str, right: str) -> tuple[Step, Question]:
    """A rule that makes its step of the left side, beside one of the right, and the claim that
    they are the same."""
    for use in USES:
        with suppress(SpecError):
            flat = checked(Source("try.opt", SPEC.format(
                left=left, right=right, left_step=use.format("left"),
                right_step=use.format("right"))))
            (question,) = questions(flat, *flat.claims[0])
            return question.step, question
    raise AssertionError(f"{left} and {right} have no use")


def shown(question: Question) -> Certificate | None:
    """The proof of a claim, if there is one."""
    try:
        return prove(question)
    except Unproved:
        return None


def apart(step: Step, shape: tuple[int, int], seed: int) -> float:
    """How far the sides are apart, in float64 from random numbers."""
    rng = np.random.default_rng(seed)
    point, gradient = rng.normal(size=(2, *shape))
    memory = start(step, [point], seed=seed)
    env = executed(step, memory, [point], [gradient], seed=seed).env
    return float(np.abs(env[Sym("X", True)][0] - env[Sym("Other", True)][0]).max())


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.name)
def test_a_law_is_used_and_holds(law):
    step, question = spec(law.left, law.right)
    certificate = shown(question)
    assert certificate is not None
    found = recheck(certificate, question)
    assert found.points >= 20
    assert found.beyond == 0
    for shape in SHAPES.get(law.when, ANY):
        assert max(apart(step, shape, seed) for seed in range(5)) < 1e-9


@pytest.mark.parametrize(("name", "left", "right"), WRONG, ids=[w[0] for w in WRONG])
def test_what_is_no_law_is_not_used(name, left, right):
    step, question = spec(left, right)
    assert shown(question) is None
    sizes = [apart(step, shape, seed) for shape in ANY for seed in range(5)]
    assert max(s for s in sizes if s == s) > 1e-6


def test_nothing_is_said_where_a_default_replaces_a_singular_matrix():
    _, question = spec("(inv(L) @ L @ A) default 0", "A")
    with pytest.raises(Unproved, match="default"):
        prove(question)


def test_the_columns_of_a_decomposition_are_orthonormal():
    text = SPEC.format(left="polar(Q @ A)", right="Q @ polar(A)", left_step="left",
                       right_step="right").replace("  A = G\n", "  A = G\n  Q, R = qr(L)\n")
    flat = checked(Source("try.opt", text))
    (question,) = questions(flat, *flat.claims[0])
    assert shown(question) is not None


@pytest.mark.parametrize(("left", "told"), [
    ("mpow(A @ A.T, -1/3) @ A", "mpow(G @ G.T, 1/6) @ polar(G)"),
    ("mpow(A @ A.T + c*I, -1/4) @ A @ mpow(A.T @ A + c*I, -1/4)",
     "mpow(G @ G.T + c*I, -1/2) @ G"),
    ("inv(L @ K.T)", "inv(K).T @ inv(L)"),
    ("polar(A) @ polar(A).T", "polar(G) @ polar(G).T"),
    ("mpow(A.T @ A, c)", "mpow(G.T @ G, c)"),
])
def test_normal_forms_are_written_as_in_specs(left, told):
    step, _ = spec(left, left)
    run = inputs(step, ranges(step).cases[1], False, Algebra(), {}).run()
    value = run.env[Sym("left")]
    assert value is not None
    assert Writer(run.algebra).ratio(value.ratio) == told


def test_a_certificate_about_another_matrix_function_is_rejected():
    """Its normal forms are not what the interpreter computes."""
    _, question = spec("mpow(A @ A.T, -1/2) @ A", "polar(A)")
    _, other = spec("mpow(A @ A.T, -1/3) @ A", "mpow(A @ A.T, -1/3) @ A")
    mine, theirs = shown(question), shown(other)
    assert mine is not None
    assert theirs is not None
    wrong = replace(mine, settled=tuple(
        replace(a, algebra=b.algebra, sides=b.sides) for a, b in zip(
            mine.settled, theirs.settled, strict=True)))
    with pytest.raises(Rejected, match="the interpreter's number"):
        recheck(wrong, question)


def test_a_state_that_is_no_transpose_is_rejected():
    pair = beside(*(operand(fact(n)).step({}) for n in ("@muon-sum", "@muon-turned")))
    made = pair.proved()
    verify(made)
    (one,) = made.related
    assert one.turned is not None
    plain = replace(one.turned, ops=one.turned.ops[:1])
    with pytest.raises(Rejected, match="is not 1 times"):
        verify(replace(made, related=(replace(one, turned=plain),)))
