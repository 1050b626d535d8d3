"""Proofs followed step by step, by other means than those that found them.

Nothing of the prover is used but its data: what atoms are, where they lie, what is known, and the
tree of a proof. Each node has to follow from its parts by its rule (they are listed in `positive`);
what is taken as known, and that the polynomials are what the claim compares, is tested on exact
runs of the interpreter (`points`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from thetaprime.claims.context import (
    Book,
    Context,
    Rejected,
    Terms,
    by_powers,
    letter,
    plus,
    power,
    scaled,
    single,
    times,
)
from thetaprime.claims.equality import Rival
from thetaprime.claims.facts import Certificate, Settled
from thetaprime.claims.points import Points
from thetaprime.claims.polynomials import Poly, Ratio
from thetaprime.claims.positive import Proof
from thetaprime.claims.questions import Question
from thetaprime.claims.spans import ABOVE, BELOW, Span, both
from thetaprime.intervals import NONNEGATIVE, POSITIVE, Interval

UNIT: Terms = {(): Fraction(1)}


@dataclass(frozen=True)
class Rechecked:
    """At how many points both sides of the relations were computed (the least of all relations for
    which that is possible; none where it is for none), and how many relations could not be."""

    points: int
    beyond: int


def recheck(
    certificate: Certificate, question: Question, other: Rival | None = None
) -> Rechecked:
    """Follows every proof of a certificate, and tests what it rests on. Raises Rejected."""
    if not certificate.settled:
        raise Rejected("nothing is shown")
    points = Points(question, other)
    counts = [points.tested(one, follow(one)) for one in certificate.settled]
    some = [c for c in counts if c]
    return Rechecked(min(some, default=0), len(counts) - len(some))


def follow(one: Settled) -> dict[Poly, Interval]:
    """Follows the proof of a relation; what it takes as known of polynomials. Raises Rejected."""
    try:
        return _followed(one)
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        raise Rejected(f"no proof at all: {error!r}") from error


def _followed(one: Settled) -> dict[Poly, Interval]:
    book = Book(one.algebra.signs)
    context = Context(one.algebra, book, tuple(f.terms for f in one.facts))
    proof, num, den = one.proof, one.diff.num.terms, one.diff.den.terms
    strict = one.relation.op in ("<", ">", "!=")
    if proof is None:
        _require(not strict and not context.normal(num), "a difference without a proof")
    elif one.sides is None:
        _require(proof.rule == "range", "no normal form")
    elif one.relation.op == "==":
        _require(proof.rule == "both", "an equation needs both directions")
        derive(proof, num, context)
    else:
        wanted = num if context.says(den, _is_positive) else (
            scaled(num, -1) if context.says(den, _is_negative) else times(num, den))
        _require(not strict or proof.rule in ("positive", "range"), "not above 0")
        derive(proof, wanted, context)
        if proof.rule == "range":
            book.used[proof.poly] = POSITIVE if strict else NONNEGATIVE
    return dict(book.used)


def _require(truth: object, otherwise: str) -> None:
    if not truth:
        raise Rejected(otherwise)


def derive(proof: Proof, wanted: Terms, context: Context) -> None:
    """``wanted >= 0`` by the rule of a node from its parts."""
    _require(_same(proof.poly.terms, wanted, context), f"{proof.rule}: of another polynomial")
    rule = RULES.get(proof.rule)
    _require(rule, f"no rule `{proof.rule}`")
    assert rule is not None
    rule(proof, context)


def _same(a: Terms, b: Terms, context: Context) -> bool:
    return a == b or not context.normal(plus(a, b, -1))


def _parts(proof: Proof, count: int) -> tuple[Proof, ...]:
    _require(len(proof.parts) == count, f"{proof.rule}: {count} parts are needed")
    return proof.parts


def _is_positive(span: Span) -> bool:
    return span.positive


def _is_negative(span: Span) -> bool:
    return span.negative


def _interval(proof: Proof, context: Context) -> None:
    _require(context.says(proof.poly.terms, lambda s: s.nonnegative), "interval: may be negative")


def _range(proof: Proof, context: Context) -> None:
    """Where the operations of the step say it: a premise."""


def _positive(proof: Proof, context: Context) -> None:
    if not proof.ends:
        _require(context.says(proof.poly.terms, _is_positive), "positive: may be 0 or negative")
        return
    side = 1
    for factor, exponent in _factors(proof):
        down = context.says(factor, _is_negative)
        _require(down or context.says(factor, _is_positive), "positive: a factor of any sign")
        side = -side if down and exponent % 2 else side
    _require(side > 0, "positive: the product is negative")


def _factors(proof: Proof) -> list[tuple[Terms, int]]:
    """The factors of a node, the product of which it is."""
    _require(len(proof.ends) == len(proof.exponents), "factors without exponents")
    made: Terms = UNIT
    found = [(p.terms, e) for p, e in zip(proof.ends, proof.exponents, strict=True)]
    for factor, exponent in found:
        _require(exponent >= 1, "a factor without an exponent")
        made = times(made, power(factor, exponent))
    _require(made == proof.poly.terms, f"{proof.rule}: another product")
    return found


def _factor(proof: Proof, context: Context) -> None:
    side, parts = 1, list(proof.parts)
    for factor, exponent in _factors(proof):
        if exponent % 2 == 0:
            continue
        if set(factor) <= {()}:
            side = side if factor.get((), 0) > 0 else -side
            continue
        _require(parts, "factor: a part is missing")
        part = parts.pop(0)
        if not _same(part.poly.terms, factor, context):
            factor, side = scaled(factor, -1), -side
        derive(part, factor, context)
    _require(side > 0, "factor: the product is negative")


def _affine(proof: Proof, terms: Terms) -> tuple[Terms, Terms]:
    """A and B of A*atom + B."""
    parts = by_powers(terms, proof.atom)
    _require(proof.atom is not None and set(parts) <= {0, 1}, f"{proof.rule}: not affine")
    return parts.get(1, {}), parts.get(0, {})


def _number(poly: Poly) -> Fraction:
    _require(set(poly.terms) <= {()}, "an end that is no number")
    return poly.terms.get((), Fraction(0))


def _ends(proof: Proof, context: Context) -> None:
    slope, rest = _affine(proof, proof.poly.terms)
    assert proof.atom is not None
    lies = context.range(proof.atom)
    _require(len(proof.ends) == 2, "ends: two are needed")
    low, high = map(_number, proof.ends)
    _require(low <= lies.low and lies.high <= high, "ends: the atom goes beyond")
    for end, part in zip((low, high), _parts(proof, 2), strict=True):
        derive(part, plus(rest, slope, end), context)


def _slope(proof: Proof, context: Context) -> None:
    slope, rest = _affine(proof, proof.poly.terms)
    assert proof.atom is not None
    lies = context.range(proof.atom)
    _require(len(proof.ends) == 1, "slope: one end is needed")
    end = _number(proof.ends[0])
    at, steep = _parts(proof, 2)
    _require(end <= lies.low or end >= lies.high, "slope: the atom goes beyond")
    derive(at, plus(rest, slope, end), context)
    derive(steep, slope if end <= lies.low else scaled(slope, -1), context)


def _square(proof: Proof, context: Context) -> None:
    parts = by_powers(proof.poly.terms, proof.atom)
    _require(proof.atom is not None and set(parts) <= {0, 1, 2}, "square: no quadratic")
    a, b, c = (parts.get(i, {}) for i in (2, 1, 0))
    wanted = (a, c, plus(scaled(times(a, c), 4), times(b, b), -1))
    for one, part in zip(wanted, _parts(proof, 3), strict=True):
        derive(part, one, context)


def _powers(proof: Proof, context: Context) -> None:
    _require(proof.atom is not None, "powers: of what?")
    assert proof.atom is not None
    powers = by_powers(proof.poly.terms, proof.atom)
    _require(min(powers) >= 0 and max(powers) > 1, "powers: negative ones, or none")
    _require(context.range(proof.atom).nonnegative or not any(e % 2 for e in powers),
             "powers: an odd one of any sign")
    for exponent, part in zip(sorted(powers), _parts(proof, len(powers)), strict=True):
        derive(part, powers[exponent], context)


def _root(proof: Proof, context: Context) -> None:
    up, apart = _parts(proof, 2)
    slope, rest, square = _of_root(proof, context)
    derive(up, slope, context)
    derive(apart, plus(square, times(rest, rest), -1), context)


def _above(proof: Proof, context: Context) -> None:
    down, apart, more = _parts(proof, 3)
    slope, rest, square = _of_root(proof, context)
    derive(down, scaled(slope, Fraction(-1)), context)
    derive(apart, plus(times(rest, rest), square, -1), context)
    derive(more, rest, context)


def _of_root(proof: Proof, context: Context) -> tuple[Terms, Terms, Terms]:
    """A, B and A^2*p of A*r + B, where r is the square root of p."""
    slope, rest = _affine(proof, proof.poly.terms)
    assert proof.atom is not None
    match context.key(proof.atom):
        case ("root", 2, Poly() as inside):
            return slope, rest, times(times(slope, slope), inside.terms)
    raise Rejected(f"{proof.rule}: of no root")


def _sign(proof: Proof, context: Context) -> None:
    _require(proof.atom is not None, "sign: of what?")
    assert proof.atom is not None
    match context.key(proof.atom):
        case ("sign", Poly() as inside):
            pass
        case _:
            raise Rejected("sign: of no sign")
    values = [_number(p) for p in proof.ends]
    lies = context.range(proof.atom)
    _require({v for v in (-1, 0, 1) if lies.has(v)} <= set(values), "sign: a case is missing")
    for value, part in zip(values, _parts(proof, len(values)), strict=True):
        _require(value in (-1, 0, 1), "sign: of another value")
        inner = replace(context, values={**context.values, proof.atom: value},
                        root=context.root or context)
        derive(part, proof.poly.terms, _with_sign(inner, inside.terms, value))


def _with_sign(context: Context, inside: Terms, value: Fraction) -> Context:
    """Where a polynomial has a sign."""
    atom = single(inside)
    if value != 0:
        known = scaled(inside, value)
        facts = (*context.facts, known)
        if atom is None:
            return replace(context, facts=facts)
        side = ABOVE if known[((atom, 1),)] > 0 else BELOW
        return replace(context, facts=facts,
                       ranges={**context.ranges, atom: both(context.range(atom), side)})
    gone = {atom} if atom is not None else _vanishing(context, inside)
    return replace(context, facts=(*context.facts, inside, scaled(inside, -1)),
                   values={**context.values, **dict.fromkeys(gone, Fraction(0))})


def _vanishing(context: Context, terms: Terms) -> set[int]:
    """Atoms that are 0 where a sum of terms is 0 none of which is negative (or positive)."""
    parts: list[Terms] = [{m: c} for m, c in terms.items()]
    found: set[int] = set()
    for side in (1, -1):
        if all(context.says(scaled(p, side), lambda s: s.nonnegative) for p in parts):
            for (monomial,) in parts:
                left = [a for a, _ in monomial if not context.range(a).positive]
                found |= set(left) if len(left) == 1 else set()
    return found


def _learned(proof: Proof, context: Context) -> None:
    _require(len(proof.ends) == 1 and proof.ends[0] in context.algebra.learned,
             "learned: nobody knows that")
    context.book.used[proof.ends[0]] = NONNEGATIVE
    _less_a_fact(proof, context)


def _less_a_fact(proof: Proof, context: Context) -> None:
    """p = c*f + rest with some c > 0."""
    (rest,) = _parts(proof, 1)
    apart = context.normal(plus(proof.poly.terms, rest.poly.terms, -1))
    fact = context.normal(proof.ends[0].terms)
    factor = next((apart[m] / c for m, c in fact.items() if m in apart), Fraction(0))
    _require(factor > 0 and apart == scaled(fact, factor), f"{proof.rule}: leaves something else")
    derive(rest, rest.poly.terms, context)


def _fact(proof: Proof, context: Context) -> None:
    _require(len(proof.ends) in (1, 3), "fact: which?")
    fact = proof.ends[0].terms
    _require(any(_same(fact, f, context) for f in context.facts), "fact: nobody knows that")
    if proof.atom is None:
        _less_a_fact(proof, context)
        return
    slack = single(proof.ends[2].terms)
    _require(slack is not None and proof.ends[2].terms == letter(slack), "fact: no slack")
    assert slack is not None
    slope, rest = _affine(proof, fact)
    fresh = context.slacks.get(slack, fact) == fact and (
        slack in context.slacks or slack >= len(context.algebra.numbers))
    _require(fresh, "fact: the slack is something else already")
    sure, part = _parts(proof, 2)
    down = not _same(sure.poly.terms, slope, context)
    up = scaled(slope, -1) if down else slope
    _require(sure.rule == "positive", "fact: a slope of any sign")
    derive(sure, up, context)
    # atom = (w - B)/A
    put = plus(letter(slack), rest, -1)
    put = scaled(put, -1) if down else put
    powers = by_powers(proof.poly.terms, proof.atom)
    whole: Terms = {}
    for exponent, before in powers.items():
        whole = plus(whole, times(before, times(
            power(put, exponent), power(up, max(powers) - exponent))))
    _require(_same(proof.ends[1].terms, whole, context), "fact: becomes something else")
    derive(part, whole, replace(context, slacks={**context.slacks, slack: fact},
                                root=context.root or context))


def _sum(proof: Proof, context: Context) -> None:
    """sum(p) >= 0 where p is not negative in any entry: by what is known in all of them."""
    root = context.root or context
    groups: dict[tuple[object, ...], Terms] = {}
    dens: dict[tuple[object, ...], Terms] = {}
    rest: Terms = {}
    gone: frozenset[str] = frozenset()
    for monomial, c in proof.poly.terms.items():
        sums = [a for a, e in monomial if e == 1 and context.key(a)[0] == "sum"]
        outside: Terms = {tuple(p for p in monomial if p[0] not in sums): c}
        if len(sums) == 1:
            _, extent, inside = context.key(sums[0])
            assert isinstance(inside, Ratio)
            along = _along(extent)
            if not context.varies(outside) & along:
                gone |= along
                place: tuple[object, ...] = extent, frozenset(inside.den.terms.items())
                groups[place] = plus(groups.get(place, {}), times(outside, inside.num.terms))
                dens[place] = inside.den.terms
                continue
        rest = plus(rest, {monomial: c})
    _require(groups, "sum: there is none")
    every = replace(root, slacks={a: f for a, f in context.slacks.items()
                                  if not context.varies(f) & gone})
    parts = list(_parts(proof, len(groups) + bool(rest)))
    for place, inner in groups.items():
        part, den = parts.pop(0), dens[place]
        sure = den == UNIT or root.says(den, lambda s: s.nonnegative)
        derive(part, inner if sure else times(inner, den), every)
    if rest:
        derive(parts[0], rest, context)


def _along(extent: object) -> frozenset[str]:
    """Along what a sum runs."""
    match extent:
        case ("model", str(), tuple() as axes):
            return frozenset({"entry", "tensor", *axes})
        case ("tensor", str(), tuple() as axes):
            return frozenset({"entry", *axes})
        case (str() as axis, str(), tuple()):
            return frozenset({axis})
    raise Rejected("sum: along what?")


def _both(proof: Proof, context: Context) -> None:
    up, down = _parts(proof, 2)
    derive(up, proof.poly.terms, context)
    derive(down, scaled(proof.poly.terms, -1), context)


RULES: dict[str, Callable[[Proof, Context], None]] = {
    "interval": _interval, "range": _range, "positive": _positive, "factor": _factor,
    "ends": _ends, "slope": _slope, "square": _square, "powers": _powers, "root": _root,
    "above": _above,
    "sign": _sign, "learned": _learned, "fact": _fact, "sum": _sum, "both": _both}
