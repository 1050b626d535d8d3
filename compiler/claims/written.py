"""Proofs for people: what follows from what, in the notation of specs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from thetaprime.claims.algebra import Algebra
from thetaprime.claims.context import Book, Context
from thetaprime.claims.facts import Certificate, Settled
from thetaprime.claims.polynomials import ONE, Monomial, Poly, Ratio, scaled
from thetaprime.claims.positive import Proof
from thetaprime.claims.written_matrices import matrix
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.intervals import REAL
from thetaprime.render import spec_text

# Longer polynomials are told by their number of terms, deeper and longer proofs are cut.
MOST_TERMS, MOST_LINES, DEEPEST = 14, 60, 8
STRICT = ("<", ">", "!=")
OTHER = {"other": "of the other rule", "changed": "of the changed run", "next": "of the next step"}
WORDS = {
    "interval": "", "positive": "", "factor": "each factor that is no square",
    "range": "the operations that make it cannot be negative",
    "ends": "affine in {atom}, so it is enough at {ends}",
    "slope": "affine in {atom}, so it is enough at {ends} and in its slope",
    "square": "A*q^2 + B*q + C in q = {atom}: by A, C and 4*A*C - B^2",
    "powers": "by the coefficients of the powers of {atom}",
    "sign": "for each {atom} of {ends}", "root": "A*r + B in r = {atom}: by A and A^2*r^2 - B^2",
    "above": "B - A*r in r = {atom}: by A, B^2 - A^2*r^2 and B",
    "learned": "more than a multiple of {ends} >= 0", "fact": "with {ends} >= 0",
    "sum": "in each entry", "both": "not above 0 and not below 0"}


def lines(certificate: Certificate) -> list[str]:
    """A certificate, one relation of one case after another."""
    found = [line for one in certificate.settled for line in _settled(one)]
    left = len(found) - MOST_LINES
    return [*found[:MOST_LINES], f"... and {left} more lines"] if left > 1 else found


def _settled(one: Settled) -> Iterator[str]:
    write = Writer(one.algebra)
    if one.sides is None:
        yield f"{one.world}: the ranges of both sides say it"
        return
    if one.proof is None:
        yield f"{one.world}: both sides are {write.ratio(one.sides[0])}"
        return
    sides = "left - right" if one.relation.op in (">", ">=") else "right - left"
    yield f"{one.world}: {sides} is {write.ratio(one.diff)}"
    relation = ">" if one.relation.op in STRICT else "=" if one.relation.op == "==" else ">="
    yield from write.tree(one.proof, relation, 1)


@dataclass(frozen=True)
class Writer:
    """Writes what stands for atoms of an algebra."""

    algebra: Algebra

    def tree(self, proof: Proof, relation: str, depth: int) -> Iterator[str]:
        """A proof, what follows before that from which it follows."""
        why = WORDS[proof.rule].format(
            atom=None if proof.atom is None else spec_text(self.atom(proof.atom)),
            ends=self._ends(proof)) or self._ranges(proof.poly)
        yield f"{'  ' * depth}{self.poly(proof.poly)} {relation} 0" + (f": {why}" if why else "")
        if proof.parts and depth >= DEEPEST:
            yield f"{'  ' * (depth + 1)}..."
            return
        for part in proof.parts:
            strict = ">" if part.rule == "positive" else ">="
            yield from self.tree(part, strict, depth + 1)

    def _ends(self, proof: Proof) -> str:
        ends = proof.ends[:1] if proof.rule == "fact" else proof.ends
        return ", ".join(self.poly(e) for e in ends)

    def _ranges(self, poly: Poly) -> str:
        """Where its atoms lie, if that says it."""
        if not poly.atoms <= self.algebra.atoms.keys():
            return ""
        if not Context(self.algebra, Book({}), ()).span(poly.terms).nonnegative:
            return "known of what the step computes"
        known = ((a, self.algebra.known_atom(a).interval) for a in sorted(poly.atoms))
        return ", ".join(f"{spec_text(self.atom(a))} in {i}" for a, i in known if i != REAL)

    def poly(self, poly: Poly) -> str:
        """A polynomial in the notation of specs."""
        if len(poly.terms) > MOST_TERMS:
            return f"(a sum of {len(poly.terms)} terms)"
        return spec_text(self.sum(poly))

    def ratio(self, found: Ratio) -> str:
        """A quotient in the notation of specs."""
        if max(len(found.num.terms), len(found.den.terms)) > MOST_TERMS:
            return f"a quotient of {len(found.num.terms)} and {len(found.den.terms)} terms"
        return spec_text(self.quotient(found))

    def quotient(self, found: Ratio) -> Expr:
        """A quotient as an expression."""
        if found.den == ONE:
            return self.sum(found.num)
        side = -1 if found.den.terms.get((), 0) < 0 else 1
        top, bottom = (scaled(p, Fraction(side)) for p in (found.num, found.den))
        return Apply("/", (self.sum(top), self.sum(bottom)))

    def sum(self, poly: Poly) -> Expr:
        """A polynomial as an expression: terms with a plus first."""
        terms = sorted(poly.terms.items(), key=lambda t: (t[1] < 0, t[0]))
        if not terms:
            return Num("0")
        (first, c), *rest = terms
        start = self._term(first, c) if c > 0 else Apply("neg", (self._term(first, -c),))
        return reduce(lambda made, t: Apply("+" if t[1] > 0 else "-", (
            made, self._term(t[0], abs(t[1])))), rest, start)

    def _term(self, monomial: Monomial, coefficient: Fraction) -> Expr:
        powers = self._powers(dict(monomial))
        top, bottom = Num(str(coefficient.numerator)), Num(str(coefficient.denominator))
        factors = [top, *powers] if coefficient.numerator != 1 or not powers else powers
        made = reduce(lambda a, b: Apply("*", (a, b)), factors)
        return made if coefficient.denominator == 1 else Apply("/", (made, bottom))

    def _powers(self, exponents: dict[int, int]) -> list[Expr]:
        """The factors of a monomial; b*b^(t - 1) is b^t."""
        found: list[Expr] = []
        for atom, exponent in list(exponents.items()):
            match self._key(atom):
                case ("power", Ratio() as base, Ratio() as by) if by.den == ONE:
                    own = next(iter(base.atoms)) if len(base.atoms) == 1 else None
                    plain = own is not None and base == Ratio(Poly({((own, 1),): Fraction(1)}))
                    more = exponents.pop(own, 0) if plain and own is not None else 0
                    exponents.pop(atom)
                    whole = {m: c * exponent for m, c in by.num.terms.items()}
                    found.append(Apply("^", (self.quotient(base), self._steps(whole, more))))
        return [*(self._whole_power(a, e) for a, e in exponents.items()), *found]

    def _steps(self, terms: Mapping[Monomial, Fraction], more: int) -> Expr:
        """An exponent plus a number, with t in the place of (t - 1) + 1."""
        found = dict(terms)
        found[()] = found.get((), Fraction(0)) + more
        linear = next((m for m in found if len(m) == 1 and m[0][1] == 1
                       and self._key(m[0][0]) == ("symbol", "t - 1")), None)
        if linear is None or len(found) != 2 or found[linear] != 1:
            return self.sum(Poly({m: c for m, c in found.items() if c}))
        left = found[()] - 1
        if left == 0:
            return Sym("t")
        return Apply("+" if left > 0 else "-", (Sym("t"), Num(str(abs(left)))))

    def _whole_power(self, atom: int, exponent: int) -> Expr:
        made = self.atom(atom)
        return made if exponent == 1 else Apply("^", (made, Num(str(exponent))))

    def _key(self, atom: int) -> tuple[object, ...]:
        try:
            return self.algebra.key(atom)
        except KeyError:  # made in the search for the proof
            return ("slack", atom)

    def atom(self, atom: int) -> Expr:
        """What an atom stands for."""
        known = matrix(self.algebra, self._key(atom), self.quotient)
        if known is not None:
            return known
        match self._key(atom):
            case ("slack", int(number)):
                return Sym(f"w{number}")
            case ("symbol", "t - 1"):
                return Apply("-", (Sym("t"), Num("1")))
            case ("symbol" | "drawn" | "draw", str(tag), str(name)):
                return Sym(f"({name} {OTHER[tag]})" if tag in OTHER else name)
            case ("symbol" | "factor" | "length" | "size", str(name), *_):
                return Sym(name)
            case ("root", 2, Poly() as inside):
                return Apply("sqrt", (self.sum(inside),))
            case ("root", int(degree), Poly() as inside):
                return Apply("^", (self.sum(inside), Apply("/", (Num("1"), Num(str(degree))))))
            case ("sign", Poly() as inside):
                return Apply("sign", (self.sum(inside),))
            case ("power", Ratio() as base, Ratio() as by):
                return Apply("^", (self.quotient(base), self.quotient(by)))
            case ("sum", (str(over), *_), Ratio() as inside) | (
                    "max" | "min" | "all" | "any", Ratio() as inside, (str(over), *_)):
                op = str(self._key(atom)[0])
                return Apply(op, (self.quotient(inside),), over=(over,))
            case ("loop", int(place), Ratio() as start, _, _, _, tuple(), *both):
                end = both[len(both) // 2 + place]
                assert isinstance(end, Ratio)
                return Apply("iterate", (self.quotient(end), self.quotient(start)))
            case ("carried", int(depth), int(place), *_):
                return Sym("y" if (depth, place) == (1, 0) else f"y{depth}_{place}")
            case ("turn", *_):
                return Sym("turn")
            case (str(op), *rest):
                args = [spec_text(self.quotient(a)) for a in rest if isinstance(a, Ratio)]
                return Sym(f"{op}({', '.join(args)})" if args else str(rest[0]) if rest else op)
        raise AssertionError(atom)
