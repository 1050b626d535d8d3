"""Hyperparameters of one rule in terms of the other's: solved step by step from the differences of
the first steps, or guessed from a few forms; what survives exact runs is handed to the prover.

Solved: a coefficient of the difference (by what is no hyperparameter) has to be 0; where it is
affine in an unknown, it gives its value. One that differs from step to step may hold b^t for b.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice, product

from thetaprime.claims.algebra import Algebra
from thetaprime.claims.equality import OTHER
from thetaprime.claims.facts import atoms_inside
from thetaprime.claims.polynomials import Poly, Ratio, coefficients, ratio
from thetaprime.claims.runs import Trial
from thetaprime.claims.symbolic import Undefined, Unknown
from thetaprime.compare.pairs import FAILED, Pair, bounded, numeral, real
from thetaprime.compare.probe import Probe
from thetaprime.compare.unroll import Difference, constant_parts, first_difference, generic
from thetaprime.expr import Apply, Expr, Num, Sym, substitute, symbols
from thetaprime.ir import Hyper

STEPS, MOST_GUESSES, MOST_TERMS, TRIES = 3, 1000, 60, 16
Map = dict[str, Expr]


def solved(pair: Pair, unknown: Sequence[str]) -> tuple[Map, bool]:
    """Values of hyperparameters of b for which the first step agrees at all points (one that is
    never asked for stays out), and whether the next ones do. Raises ValueError."""
    found: Map = {}
    step = 1
    for _ in range(len(unknown) + 1):
        left = frozenset(unknown) - set(found)
        apart = _apart(pair.given(**found), left)
        if apart is None:
            return found, True
        step = apart.step
        value = _value(apart, left)
        if value is None:
            break
        found[value[0]] = value[1]
    if step == 1:
        raise ValueError("no value makes the first steps agree")
    return found, False


def _apart(pair: Pair, free: frozenset[str]) -> Difference | None:
    """The first difference. Raises ValueError where none can be written."""
    try:
        return generic(lambda algebra: first_difference(pair, STEPS, algebra, free))
    except (Unknown, Undefined, *FAILED) as error:
        raise ValueError(str(error)) from error


def _value(apart: Difference, unknown: frozenset[str]) -> tuple[str, Expr] | None:
    """An unknown that a coefficient gives."""
    algebra = apart.algebra
    atoms = {algebra.numbers[k]: k[2] for k in algebra.numbers
             if k[:2] == ("symbol", OTHER) and k[2] in unknown}
    parts = sorted(constant_parts(algebra, apart.value.ratio).values(), key=lambda p: len(p.terms))
    for part in parts:
        for atom, name in atoms.items():
            value = _root(algebra, part, atom)
            if value is not None and not value.atoms & set(atoms) and len(
                    value.num.terms) + len(value.den.terms) <= MOST_TERMS:
                return str(name), apart.write.quotient(value)
    return None


def _root(algebra: Algebra, poly: Poly, atom: int) -> Ratio | None:
    """Where a polynomial that is affine in an atom is 0."""
    parts = coefficients(poly, atom)
    if set(parts) - {0, 1} or 1 not in parts:
        return None
    if any(atom in atoms_inside(algebra, a) for a in poly.atoms if a != atom):
        return None
    return ratio(-parts.get(0, Poly({})), parts[1])


# Over time.


def with_powers(found: Mapping[str, Expr], pair: Pair) -> Iterator[Map]:
    """The same map with b^t in the place of some b: what is right at t = 1 alone may be right at
    every t so."""
    decays = [h.name for h in real(pair.a) if h.range is not None and h.range.low == 0
              and h.range.high == 1]
    inside = [n for n in decays if any(Sym(n) in symbols(e) for e in found.values())]
    for picked in islice(product((True, False), repeat=len(inside)), 8):
        chosen = {n for n, yes in zip(inside, picked, strict=True) if yes}
        if chosen:
            powers: dict[Sym, Expr] = {Sym(n): Apply("^", (Sym(n), Sym("t"))) for n in chosen}
            yield {name: substitute(expr, powers) for name, expr in found.items()}


# Guesses.


def alike(pair: Pair) -> Map:
    """Hyperparameters of b that seem to be ones of a by another name: nothing else has the same
    range and default."""
    def same(one: Hyper, other: Hyper) -> bool:
        return (one.type, one.range, one.default) == (other.type, other.range, other.default) and (
            one.default is not None and not isinstance(one.default, tuple))

    found: Map = {}
    for hyper in pair.missing():
        ours = [h for h in pair.spare if same(h, hyper)]
        if len(ours) == 1 and sum(same(ours[0], h) for h in pair.missing()) == 1:
            found[hyper.name] = Sym(ours[0].name)
    return found


def neutral(hyper: Hyper) -> list[Expr]:
    """The values at which a hyperparameter may have no effect: 0, 1, the ends of its range, its
    default."""
    bounds, own = hyper.range, hyper.default
    given = [own.value] if isinstance(own, Num) else []
    ends = [] if bounds is None else [bounds.low, bounds.high]
    tried = [Fraction(0), Fraction(1), *(e for e in ends if e is not None), *given]
    formula = [] if own is None or isinstance(own, Num | tuple) or not symbols(own) else [own]
    return [*(numeral(v) for v in dict.fromkeys(tried) if bounds is None or v in bounds), *formula]


def forms(hyper: Hyper, pair: Pair) -> Iterator[Expr]:
    """What a hyperparameter of b may be: a number, one of a's, a product or quotient of two; one
    with two ends is made of such as have two."""
    yield from neutral(hyper)
    if hyper.type.kind == "int":
        return
    own = [Sym(h.name) for h in real(pair.a)
           if h.type.kind == "real" and (not bounded(hyper) or bounded(h))]
    own.sort(key=lambda s: s.name != hyper.name)
    yield from own
    one = Num("1")
    for a in own:
        yield Apply("-", (one, a))
        yield Apply("^", (a, Num("2")))
        yield Apply("sqrt", (a,))
    for a, b in product(own, own):
        yield Apply("*", (a, Apply("-", (one, b))))
        if a != b:
            yield Apply("*", (a, b))
            yield Apply("/", (a, Apply("-", (one, b))))
            yield Apply("/", (a, b))


def guessed(pair: Pair, hypers: Sequence[Hyper], hard: list[Trial]) -> Iterator[Map]:
    """The maps of these forms that hold something of a's and that no run contradicts; ``hard``
    runs have contradicted others."""
    probe = Probe(pair)
    for values in islice(product(*(forms(h, pair) for h in hypers)), MOST_GUESSES):
        found = dict(zip((h.name for h in hypers), values, strict=True))
        if any(map(symbols, values)) and probe.passes(found) and pair.given(
                **found).agrees(TRIES, 3, hard=hard):
            yield found
