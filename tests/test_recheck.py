"""Proofs re-checked: true ones pass, corrupted ones do not; and falsehoods once proved."""

from __future__ import annotations

import pytest

from thetaprime.claims.algebra import Algebra
from thetaprime.claims.facts import Certificate, Unproved
from thetaprime.claims.positive import Search
from thetaprime.claims.questions import Question, questions
from thetaprime.claims.rivals import rival
from thetaprime.claims.symbolic import Unknown
from thetaprime.claims.verdicts import _proof
from thetaprime.intervals import NONNEGATIVE, REAL
from thetaprime.pipeline import checked
from thetaprime.source import Source

HEAD = """\
optimizer Try
  hyper lr = 1e-3 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in [0, 1)
  hyper eps = 1e-8 in (0, inf)
  state m = 0
  state v = 0
  state n = norm(x over tensor)
  m' = ema(m, g, b1)
  v' = ema(v, g^2, b2)
  n' = n
  mhat = m'/(1 - b1^t)
  vhat = v'/(1 - b2^t)
  x' = x - lr*mhat/(sqrt(vhat) + eps)
"""


def proof(claim: str) -> tuple[Certificate, Question]:
    """The certificate of a claim. Raises Unproved, Unknown."""
    flat = checked(Source("try.opt", f"{HEAD}  claim {claim}\n"))
    (question,) = questions(flat, *flat.claims[0])
    other = rival(question) if question.claim.form == "equals" else None
    return _proof(question, other), question


# Falsehoods that the prover once took for proved.


@pytest.mark.parametrize("claim", [
    # The factor outside of a sum is of another entry than those inside.
    "g*sum(g over tensor) >= 0",
    "m*sum(m over model) >= 0",
    # `m != 0` does not say m < 0.
    "m <= 0 when m != 0",
    # Where an entry of x is 0, the norm of x is not: n is at x = (0, 1) equal to 1.
    "default(x/x, 1 + n) = 1 when t = 1",
])
def test_is_not_proved(claim: str) -> None:
    with pytest.raises((Unproved, Unknown)):
        proof(claim)


def test_two_facts_inside_and_outside_of_a_sum_are_kept_apart() -> None:
    """From c >= d and e >= f nothing follows for (c - d - e + f)*sum(p), p >= 0."""
    algebra = Algebra()
    c, d, e, f = (algebra.atom(("symbol", n), frozenset(), REAL) for n in "cdef")
    p = algebra.atom(("symbol", "p"), frozenset({"entry", "tensor"}), NONNEGATIVE)
    total = algebra.atom(("sum", ("tensor", "ENTRY", ()), p.ratio), frozenset({"tensor"}),
                         NONNEGATIVE)
    first, second = algebra.subtract(c, d).ratio.num, algebra.subtract(e, f).ratio.num
    poly = (first - second) * total.ratio.num
    assert Search(algebra, [first, second]).nonnegative(poly) is None
    assert Search(algebra, [first, second]).nonnegative((first + second) * total.ratio.num)
