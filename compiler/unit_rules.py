"""What each operation does to units: a row of exponents for each argument.

``product``: the result has the product of the arguments' units to these powers. All other
operations want arguments that are alike, or none with a unit at all.
"""

from __future__ import annotations

from fractions import Fraction

from thetaprime.collect import constant
from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.ops import OPS, ORACLES
from thetaprime.units import GRADIENT, L, O, Unit, X

_HALF = Fraction(1, 2)
Degrees = tuple[Fraction | int, ...]
# (c1^a*x, c2^b*y) gives c1^(a*d1)*c2^(b*d2)*z: the degrees d1, d2 of an operation.
DEGREES: dict[str, Degrees] = {
    "*": (1, 1), "/": (1, -1), "neg": (1,), "abs": (1,), "sign": (0,), "sqrt": (_HALF,),
    "finite": (0,), "not": (0,), "and": (0, 0), "or": (0, 0), "~": (0,),
    "@": (1, 1), "T": (1,), "outer": (1, 1), "tr": (1,), "diag": (1,), "diagonal": (1,),
    "triu": (1,), "solve": (-1, 1), "tri_solve": (-1, 1), "inv": (-1,), "chol": (_HALF,),
    "polar": (0,), "norm2": (1,), "qr.q": (0,), "qr.r": (1,), "eigh.values": (1,),
    "eigh.vectors": (0,), "svd.u": (0,), "svd.s": (1,), "svd.v": (0,),
    "view": (1,), "unview": (1,), "unfold": (1,), "refold": (1,), "along": (1,), "seen": (1,),
    "flat": (1,), "unflat": (1,),
    "take": (1, 0), "at": (1, 0), "index": (), "argsort": (0,),
}
# Reductions of one quantity, by the unit of their result.
REDUCED: dict[str, Degrees] = {
    "sum": (1,), "mean": (1,), "max": (1,), "min": (1,), "size": (0,), "all": (0,), "any": (0,)}
# Operations on arguments that are alike: which of them, and whether the result is one of them.
ALIKE: dict[str, tuple[slice, bool]] = {
    **{name: (slice(None), True) for name in ("+", "-", "min", "max", "mod", "default")},
    **{name: (slice(None), False) for name in ("<", "<=", ">", ">=", "==", "!=", "atan2")},
    "if": (slice(1, None), True), "case": (slice(1, None, 2), True),
    "put": (slice(0, None, 2), True), "shift": (slice(None), True),
}
# Operations on plain numbers, which give plain numbers.
PLAIN = frozenset(name for name, row in OPS.items()
                  if row.unit == "plain" and row.fix == "call") | {"expm"}
# Of oracles: the unit of each point that they are asked at (None: a direction, whose unit the
# result has too), and what the result has beside.
ORACLE_UNITS: dict[str, tuple[tuple[Unit | None, ...], Unit]] = {
    "loss": ((X,), L), "grad": ((X,), GRADIENT), "hvp": ((X, None), L / X**2),
    "slope": ((X, None), GRADIENT), "rows": ((X,), GRADIENT), "out": ((X,), O),
    "push": ((X, None), O / X), "pull": ((X, None), O / X), "dell": ((O,), L / O),
    "hess_ell": ((O, None), L / O**2), "ggn": ((X, None), L / X**2), "grads": ((X,), GRADIENT),
    "losses": ((X,), L), "hess": ((X,), L / X**2),
}
assert set(ORACLE_UNITS) == set(ORACLES)


def exponent(expr: Expr) -> Fraction | None:
    """The value of an exponent that is a number."""
    value = constant(expr)
    return value if isinstance(value, Fraction) else None


def is_number(expr: Expr) -> bool:
    """Whether a formula is made of literals alone, none of them the value that somebody gave a
    hyperparameter: ``1e-3``, ``2*pi``, ``-1``, ``I``."""
    return all(not n.named if isinstance(n, Num) else
               isinstance(n, Apply) and (n.op in OPS or n.op == "eye") for n in walk(expr))


def fits_every_unit(expr: Expr) -> bool:
    """Whether a formula is 0 or infinite whatever its symbols are: ``0``, ``-inf``, ``0*g``."""
    match expr:
        case Num():
            return not expr.value
        case Sym():
            return False
        case Apply("inf"):
            return True
        case Apply("neg", (inner,)):
            return fits_every_unit(inner)
        case Apply("*", args):
            return any(_is_zero(a) for a in args)
        case Apply("/", (top, _)):
            return _is_zero(top)
        case Apply("view" | "unview" | "unfold" | "refold" | "along" | "flat" | "unflat", (inner,)):
            return fits_every_unit(inner)
    return False


def _is_zero(expr: Expr) -> bool:
    match expr:
        case Num():
            return not expr.value
        case Apply("neg", (inner,)):
            return _is_zero(inner)
        case Apply("*", args):
            return any(_is_zero(a) for a in args)
    return False

