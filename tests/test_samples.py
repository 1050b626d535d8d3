"""What has no proof is found by numbers; what has one is never ruled out by them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.test_recheck import RULED, A, B, C, D, plain
from thetaprime.claims.algebra import Algebra
from thetaprime.claims.polynomials import Poly, Ratio, number
from thetaprime.claims.samples import Samples
from thetaprime.intervals import NONNEGATIVE, REAL, Interval


@pytest.mark.parametrize("rule", RULED)
def test_what_a_rule_proves_is_negative_on_no_sample(rule: str) -> None:
    algebra, facts, poly = RULED[rule]()
    assert not Samples(algebra, facts).negative(poly)


@pytest.mark.parametrize("poly", [A, -B, D, C - B, A*A - A, B - C*C*C - number(Fraction(1, 2))])
def test_what_is_negative_somewhere_is_found(poly: Poly) -> None:
    assert Samples(plain(), ()).negative(poly)


def test_only_samples_on_which_all_that_is_known_holds_count() -> None:
    assert not Samples(plain(), (A - B,)).negative(A)
    algebra = plain()
    algebra.signs[A] = NONNEGATIVE
    assert not Samples(algebra, ()).negative(A)


def test_roots_and_signs_are_those_of_what_they_are_made_of() -> None:
    algebra = plain()
    root = algebra.root(algebra.value(Ratio(A*A + B))).ratio.num
    size = algebra.absolute(algebra.value(Ratio(A))).ratio.num
    tried = Samples(algebra, ())
    assert not tried.negative(root - size)
    assert tried.negative(size - root)


def test_nothing_is_said_of_atoms_that_are_not_numbers_alone() -> None:
    algebra = Algebra()
    value = algebra.atom(("tr", "a matrix"), frozenset(), REAL)
    assert not Samples(algebra, ()).negative(-value.ratio.num)


def test_open_ends_and_whole_numbers_stay_in_their_ranges() -> None:
    algebra = Algebra()
    count = algebra.atom(("symbol", "t"), frozenset(), Interval(
        Fraction(1), low_in=True, whole=True)).ratio.num
    share = algebra.atom(("symbol", "b"), frozenset(), Interval(
        Fraction(0), Fraction(1), low_in=True)).ratio.num
    tried = Samples(algebra, ())
    assert not tried.negative(count - number(1))
    assert not tried.negative(number(1) - share)
    assert tried.negative(number(1) - count)
