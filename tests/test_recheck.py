"""Proofs re-checked: true ones pass, corrupted ones do not; and falsehoods once proved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thetaprime.claims import verdicts
from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.context import Book, Context, Rejected
from thetaprime.claims.equality import Rival
from thetaprime.claims.facts import Certificate, Settled, Unproved, zero
from thetaprime.claims.polynomials import Poly, Ratio, number, scaled, variable
from thetaprime.claims.positive import Proof, Search
from thetaprime.claims.questions import Question, questions
from thetaprime.claims.recheck import RULES, derive, recheck
from thetaprime.claims.rivals import rival
from thetaprime.claims.symbolic import Unknown
from thetaprime.claims.verdicts import _proof, judge
from thetaprime.intervals import NONNEGATIVE, REAL, Interval
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


@cache
def proof(claim: str) -> tuple[Certificate, Question, Rival | None]:
    """The certificate of a claim. Raises Unproved, Unknown."""
    flat = checked(Source("try.opt", f"{HEAD}  claim {claim}\n"))
    (question,) = questions(flat, *flat.claims[0])
    other = rival(question) if question.claim.form == "equals" else None
    return _proof(question, other), question, other


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
    total = summed(algebra, entry(algebra, "p", NONNEGATIVE))
    first, second = algebra.subtract(c, d).ratio.num, algebra.subtract(e, f).ratio.num
    poly = (first - second) * total
    assert Search(algebra, [first, second]).nonnegative(poly) is None
    assert Search(algebra, [first, second]).nonnegative((first + second) * total)


# Each rule: a in R, b >= 0, c in [0, 1], d in [-1, 2].

RANGES = (REAL, NONNEGATIVE, Interval(Fraction(0), Fraction(1), True, True),
          Interval(Fraction(-1), Fraction(2), True, True))
A, B, C, D = map(variable, range(4))
Made = tuple[Algebra, tuple[Poly, ...], Poly]


def plain() -> Algebra:
    algebra = Algebra()
    for name, kept in zip("abcd", RANGES, strict=True):
        algebra.atom(("symbol", name), frozenset({"entry", "tensor"}), kept)
    return algebra


def entry(algebra: Algebra, name: str, kept: Interval) -> Value:
    return algebra.atom(("symbol", name), frozenset({"entry", "tensor"}), kept)


def summed(algebra: Algebra, inside: Value) -> Poly:
    return algebra.atom(("sum", ("tensor", "ENTRY", ()), inside.ratio), frozenset({"tensor"}),
                        REAL).ratio.num


def of_root() -> Made:
    algebra = plain()
    root = algebra.root(algebra.value(Ratio(A * A + B))).ratio.num
    return algebra, (), root - A


def of_above() -> Made:
    algebra = plain()
    root = algebra.root(algebra.value(Ratio(A * A + B * B))).ratio.num
    return algebra, (), algebra.absolute(algebra.value(Ratio(A))).ratio.num + B - root


def of_sign() -> Made:
    algebra = plain()
    return algebra, (), algebra.sign(algebra.value(Ratio(A))).ratio.num * A - A


def of_learned() -> Made:
    algebra = plain()
    algebra.learn(algebra.value(Ratio(A - B)))
    algebra.signs.clear()
    return algebra, (), A - B + C


def of_sum() -> Made:
    algebra = plain()
    square, mixed, other = (summed(algebra, algebra.value(Ratio(p))) for p in (
        A * A, A * D, D * D))
    return algebra, (), square - scaled(mixed, Fraction(2)) + other


TWO, THREE = number(2), number(3)
RULED: dict[str, Callable[[], Made]] = {
    "interval": lambda: (plain(), (), B + C),
    "factor": lambda: (plain(), (), B * (A - C) * (A - C)),
    "ends": lambda: (plain(), (), C * D - D + TWO),
    "slope": lambda: (plain(), (), B - B * C + THREE - C * D),
    "square": lambda: (plain(), (), A * A + A * C + C * C),
    "powers": lambda: (plain(), (), A.power(4) + C - C * C),
    "root": of_root, "above": of_above, "sign": of_sign, "learned": of_learned, "sum": of_sum,
    "fact": lambda: (plain(), (A - B,), A),
}


def proved(rule: str) -> tuple[Proof, Context]:
    """A proof that begins with a rule, and where it stands."""
    algebra, facts, poly = RULED[rule]()
    found = Search(algebra, facts).nonnegative(poly)
    assert found is not None
    return found, stands(algebra, facts)


def stands(algebra: Algebra, facts: tuple[Poly, ...] = ()) -> Context:
    return Context(algebra, Book(algebra.signs), tuple(f.terms for f in facts))


def accepted(found: Proof, context: Context) -> bool:
    try:
        derive(found, found.poly.terms, context)
    except Rejected:
        return False
    return True


@pytest.mark.parametrize("rule", RULED)
def test_a_proof_by_each_rule_is_accepted(rule: str) -> None:
    found, context = proved(rule)
    assert found.rule == rule
    assert accepted(found, context)


def test_a_known_fact_that_is_a_part_is_accepted() -> None:
    algebra, facts = plain(), (A - B,)
    found = Search(algebra, facts).nonnegative(A - B + D * D)
    assert found is not None
    assert (found.rule, found.atom) == ("fact", None)
    assert accepted(found, stands(algebra, facts))
    assert not accepted(found, stands(algebra))


def test_an_equation_is_both_directions() -> None:
    algebra, facts = plain(), (A - B, B - A)
    found = zero(Search(algebra, facts), Ratio(A - B))
    assert found is not None
    assert accepted(found, stands(algebra, facts))
    assert not accepted(found, stands(algebra, facts[:1]))
    assert not accepted(replace(found, parts=found.parts[:1] * 2), stands(algebra, facts))


def test_what_is_positive_is_so_by_all_of_its_factors() -> None:
    algebra = plain()
    found = Search(algebra).positive((B + number(1)) * (D - THREE) * (C - TWO))
    assert found is not None
    assert accepted(found, stands(algebra))
    wrong = replace(found, poly=-found.poly, ends=(-found.ends[0], *found.ends[1:]))
    assert not accepted(wrong, stands(algebra))
    assert not accepted(Proof("positive", B), stands(algebra))


def corrupted(found: Proof) -> Iterator[Proof]:
    """The tree with one thing changed: what a node is about, its parts, its atom, its ends, its
    exponents, its rule, or one of these in a part."""
    for monomial, c in found.poly.terms.items():
        yield replace(found, poly=Poly({**found.poly.terms, monomial: -c}))
    for i, part in enumerate(found.parts):
        yield replace(found, parts=found.parts[:i] + found.parts[i + 1:])
        yield from (replace(found, parts=(*found.parts[:i], wrong, *found.parts[i + 1:]))
                    for wrong in corrupted(part))
    if found.atom is not None:
        yield replace(found, atom=found.atom + 1)
        yield replace(found, atom=None)
    for i, end in enumerate(found.ends):
        yield replace(found, ends=found.ends[:i] + found.ends[i + 1:])
        yield replace(found, ends=(*found.ends[:i], scaled(end, Fraction(1, 2)) - number(3),
                                   *found.ends[i + 1:]))
    for i, exponent in enumerate(found.exponents[1:], 1):
        yield replace(found, exponents=(*found.exponents[:i], exponent + 1,
                                        *found.exponents[i + 1:]))
    if found.parts:
        yield from (replace(found, rule=rule) for rule in (*RULES, "none")
                    if rule not in (found.rule, "range"))


@pytest.mark.parametrize("rule", RULED)
def test_every_corruption_of_a_proof_is_rejected(rule: str) -> None:
    found, context = proved(rule)
    wrong = list(corrupted(found))
    assert wrong
    for one in wrong:
        with pytest.raises(Rejected):
            derive(one, found.poly.terms, context)


@pytest.mark.parametrize(("rule", "atom", "wider"), [
    ("interval", 1, REAL), ("ends", 2, Interval(Fraction(0), Fraction(4), True, True)),
    ("slope", 1, Interval(Fraction(-1))), ("factor", 1, REAL),
    ("powers", 2, REAL), ("fact", 1, REAL)])
def test_a_proof_from_ranges_that_are_too_small_is_rejected(
    rule: str, atom: int, wider: Interval
) -> None:
    found, context = proved(rule)
    context.algebra.atoms[atom] = replace(context.algebra.atoms[atom], interval=wider)
    assert not accepted(found, context)


# Random polynomials: what is proved is accepted, and what is accepted is true.

MONOMIALS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 2)), max_size=2,
                     unique_by=lambda pair: pair[0]).map(lambda m: tuple(sorted(m)))
POLYS = st.dictionaries(MONOMIALS, st.integers(-3, 3).filter(bool).map(Fraction), max_size=5
                        ).map(Poly)
POINTS = tuple(product((-3, -1, 0, 2), (0, 1, 4), (0, Fraction(1, 3), 1), (-1, Fraction(1, 2), 2)))


def with_root_and_sign() -> Algebra:
    """Atom 4 is the root of b, atom 5 the sign of a."""
    algebra = plain()
    algebra.root(algebra.value(Ratio(B)))
    algebra.sign(algebra.value(Ratio(A)))
    return algebra


def least(poly: Poly, facts: tuple[Poly, ...] = ()) -> Fraction:
    """The smallest value at points where facts hold; those with a rational root of b."""
    roots = {0: 0, 1: 1, 4: 2}
    found = [Fraction(1)]
    for a, b, c, d in POINTS:
        at = (a, b, c, d, roots[int(b)], (a > 0) - (a < 0))
        if all(value(f, at) >= 0 for f in facts):
            found.append(value(poly, at))
    return min(found)


def value(poly: Poly, at: tuple[Fraction | int, ...]) -> Fraction:
    total = Fraction(0)
    for monomial, c in poly.terms.items():
        for atom, exponent in monomial:
            c *= Fraction(at[atom]) ** exponent
        total += c
    return total


@settings(max_examples=200, deadline=None)
@given(POLYS, st.lists(POLYS, max_size=1).map(tuple))
def test_what_is_proved_passes(poly: Poly, facts: tuple[Poly, ...]) -> None:
    algebra = with_root_and_sign()
    found = Search(algebra, facts, left=600).nonnegative(poly)
    if found is not None:
        derive(found, poly.terms, stands(algebra, facts))
        assert least(poly, facts) >= 0


@settings(max_examples=200, deadline=None)
@given(POLYS, st.lists(POLYS, max_size=1).map(tuple), st.randoms(use_true_random=False))
def test_what_passes_is_true_whatever_was_changed(
    poly: Poly, facts: tuple[Poly, ...], rng: object
) -> None:
    algebra = with_root_and_sign()
    found = Search(algebra, facts, left=600).nonnegative(poly)
    if found is None or len(list(found.rules())) > 12:
        return
    wrong = list(corrupted(found))
    for one in rng.sample(wrong, min(len(wrong), 20)):  # type: ignore[attr-defined]
        if accepted(one, stands(algebra, facts)) and max(one.poly.atoms, default=0) <= 5:
            assert least(one.poly, facts) >= 0


# Certificates of claims: followed, and tested on runs.

PROVED = (
    "x' = x when g = 0 and m = 0", "abs(x' - x) <= lr when t = 1", "mhat = c when g = c",
    "invariant under g -> c*g when eps = 0", "equals Adam", "v >= m^2 when b2 = b1",
    "m^2 + g^2 >= 2*m*g", "b1*m + (1 - b1)*g <= max(m, g)", "v >= 0",
    "max(abs(b1*g) over tensor) = b1*max(abs(g) over tensor)",
    "dot(m + g, g over model) = dot(m, g over model) + norm(g over model)^2")


@pytest.mark.parametrize("claim", PROVED)
def test_a_certificate_is_accepted_at_twenty_points(claim: str) -> None:
    found = recheck(*proof(claim))
    assert found.points >= 20
    assert not found.beyond


def changed(certificate: Certificate, change: Callable[[Settled], Settled]) -> Certificate:
    return replace(certificate, settled=tuple(map(change, certificate.settled)))


@pytest.mark.parametrize("claim", ["mhat = c when g = c", "m^2 + g^2 >= 2*m*g", "equals Adam"])
def test_another_difference_is_rejected(claim: str) -> None:
    found, *rest = proof(claim)
    wrong = changed(found, lambda s: replace(s, diff=Ratio(s.diff.num + number(1), s.diff.den)))
    with pytest.raises(Rejected):
        recheck(wrong, *rest)


@pytest.mark.parametrize("claim", PROVED[:2])
def test_another_normal_form_is_rejected_by_the_runs(claim: str) -> None:
    found, *rest = proof(claim)

    def twice(one: Settled) -> Settled:
        assert one.sides is not None
        left, right = (Ratio(scaled(r.num, Fraction(2)), r.den) for r in one.sides)
        return replace(one, sides=(left, right))

    with pytest.raises(Rejected, match="the interpreter's number"):
        recheck(changed(found, twice), *rest)


def test_a_premise_that_runs_contradict_is_rejected() -> None:
    found, *rest = proof("v' >= b2*v")

    def smaller(one: Settled) -> Settled:
        """Below b2 = 1/10."""
        kept = {a: replace(k, interval=Interval(Fraction(0), Fraction(1, 10), True, True))
                if k.key[-1] == "b2" else k for a, k in one.algebra.atoms.items()}
        return replace(one, algebra=replace(one.algebra, atoms=kept))

    assert recheck(found, *rest).points >= 20
    with pytest.raises(Rejected, match="taken as known"):
        recheck(changed(found, smaller), *rest)


def test_nothing_shown_is_no_proof() -> None:
    _, *rest = proof("v >= 0")
    with pytest.raises(Rejected):
        recheck(Certificate("algebra", ()), *rest)


def test_a_claim_whose_proof_is_rejected_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Rejected("ends: the atom goes beyond")

    monkeypatch.setattr(verdicts, "recheck", refuse)
    flat = checked(Source("try.opt", f"{HEAD}  claim m^2 + g^2 >= 2*m*g\n"))
    verdict = judge(flat, *flat.claims[0])
    assert verdict.status == "TESTED"
    assert verdict.how == ("the proof did not survive its re-check: "
                           "ends: the atom goes beyond")


# Proofs in words.


def test_a_proof_is_told_in_the_notation_of_specs() -> None:
    assert proof("m^2 + g^2 >= 2*m*g")[0].text().splitlines()[-2:] == [
        "t > 1: left - right is g^2 + m^2 - 2*g*m",
        "  g^2 + m^2 - 2*g*m >= 0: each factor that is no square"]
    assert "sqrt(1 - b2^t)" in proof("equals Adam")[0].text()
    assert "sign(" in proof("b1*m + (1 - b1)*g <= max(m, g)")[0].text()
