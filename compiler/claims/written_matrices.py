"""Functions of singular values in the notation of specs, for `written`."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce

from thetaprime.claims.algebra import Algebra
from thetaprime.claims.letters import Letter
from thetaprime.claims.polynomials import Poly, Ratio
from thetaprime.expr import Apply, Expr, Num, Sym

Quotient = Callable[[Ratio], Expr]
PLAIN = ("view", "unview", "unfold", "refold")


def matrix(algebra: Algebra, key: tuple[object, ...], quotient: Quotient) -> Expr | None:
    """What the key of a matrix atom stands for; None for other keys."""
    match key:
        case (str(op), Ratio() as inside, *_) if op in PLAIN:
            return quotient(inside)
        case ("eye", *_):
            return Sym("I")
        case ("@", *parts, tuple()):
            first, *others = (quotient(p) for p in parts if isinstance(p, Ratio))
            return reduce(_product, others, first)
        case ("T" | "polar" as op, Ratio() as base, tuple()):
            return Apply(op, (quotient(base),))
        case ("spectral", Ratio() as base, str(sides), str(), tuple() as axes, *powers):
            known = [p for p in powers if isinstance(p, Ratio)]
            pairs = tuple(zip(known[::2], known[1::2], strict=True))
            return _letter(algebra, quotient, quotient(base), Letter(base, axes, sides, pairs))
    return None


def _product(a: Expr, b: Expr) -> Expr:
    return Apply("@", (a, b))


def _letter(algebra: Algebra, quotient: Quotient, base: Expr, letter: Letter) -> Expr:
    """Powers of A @ A.T, or of A.T @ A, times A or polar(A)."""
    sides, turned = letter.sides, Apply("T", (base,))
    square = base if sides == "QQ" else _product(base, turned) if sides[0] == "U" else _product(
        turned, base)
    half = 1 if sides == "QQ" else 2
    whole = {e.constant: f for f, e in letter.powers if _plain(f)}
    end: Expr = Apply("polar", (base,))
    if letter.odd and letter.square and -1 in whole and len(letter.powers) == 1:
        inverse = Apply("inv", (base,))
        return inverse if sides == "VU" else Apply("T", (inverse,))
    bare = letter.odd and 1 in whole
    made: list[Expr] = [Apply("mpow", (_of(algebra, quotient, f, square, half),
                           _number(quotient, e, half if _plain(f) else 1)))
            for f, e in letter.powers if not (bare and _plain(f))]
    end = base if bare else end
    if letter.odd:
        ends: list[Expr] = [*made, end if sides == "UV" else Apply("T", (end,))]
        return reduce(_product, ends[1:], ends[0])
    if made:
        return reduce(_product, made[1:], made[0])
    pair = (end, Apply("T", (end,)))
    return _product(*(pair if sides == "UU" else pair[::-1]))


def _plain(f: Ratio) -> bool:
    """Whether a function of s is s."""
    return len(f.num.terms) == 1


def _number(quotient: Quotient, exponent: Ratio, by: int) -> Expr:
    """exponent/by."""
    known = exponent.constant
    if known is None or known >= 0:
        return quotient(Ratio(Poly({m: c / by for m, c in exponent.num.terms.items()}),
                              exponent.den))
    top, bottom = (-known / by).as_integer_ratio()
    least = Apply("neg", (Num(str(top)),))
    return least if bottom == 1 else Apply("/", (least, Num(str(bottom))))


def _of(algebra: Algebra, quotient: Quotient, f: Ratio, square: Expr, half: int) -> Expr:
    """f of the matrix whose eigenvalues are s^half."""
    if _plain(f):
        return square
    terms = []
    for monomial, c in sorted(f.num.terms.items(), key=lambda t: t[0], reverse=True):
        rest = tuple(p for p in monomial if algebra.key(p[0]) != ("singular value",))
        count = next((e for a, e in monomial if (a, e) not in rest), 0)
        scale = Ratio(Poly({rest: c}))
        power: Expr = Sym("I") if not count else square if count == half else Apply(
            "mpow", (square, Num(str(Fraction(count, half)))))
        one = scale.constant == 1
        terms.append(power if one else Apply("*", (quotient(scale), power)))
    return reduce(lambda a, b: Apply("+", (a, b)), terms) if terms else Num("0")
