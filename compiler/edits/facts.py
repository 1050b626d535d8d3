"""What edits need to know of a flat spec, and small expressions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from thetaprime.collect import collect
from thetaprime.edits.places import Site, sites
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, substitute, symbols
from thetaprime.flat import Flat
from thetaprime.library import prelude
from thetaprime.syntax import EquationLine
from thetaprime.tables import Tables

ONE, ZERO = Num("1"), Num("0")
T = Sym("t")
DECAYS = ("wd", "weight_decay")  # names of a weight decay; composed specs put theirs in front


def plus(a: Expr, b: Expr) -> Expr:
    return Apply("+", (a, b))


def minus(a: Expr, b: Expr) -> Expr:
    return Apply("-", (a, b))


def times(a: Expr, b: Expr) -> Expr:
    return Apply("*", (a, b))


def over(a: Expr, b: Expr) -> Expr:
    return Apply("/", (a, b))


def complement(a: Expr) -> Expr:
    """1 - a."""
    return minus(ONE, a)


def correction(b: Expr, t: Expr = T) -> Expr:
    """1 - b^t."""
    return complement(Apply("^", (b, t)))


def corrected(node: Expr) -> Expr | None:
    """The b of 1 - b^t."""
    match node:
        case Apply("-", (Num("1"), Apply("^", (b, Sym("t"))))):
            return b
    return None


def terms(node: Expr, sign: int = 1) -> Iterator[tuple[int, Expr]]:
    """The terms of a sum with their signs, left to right."""
    match node:
        case Apply("+" | "-" as op, (left, right)):
            yield from terms(left, sign)
            yield from terms(right, sign if op == "+" else -sign)
        case Apply("neg", (inner,)):
            yield from terms(inner, -sign)
        case _:
            yield sign, node


def added(parts: list[tuple[int, Expr]]) -> Expr:
    """The sum of signed terms; 0 of none."""
    total: Expr | None = None
    for sign, term in parts:
        if total is None:
            total = term if sign > 0 else Apply("neg", (term,))
        else:
            total = plus(total, term) if sign > 0 else minus(total, term)
    return ZERO if total is None else total


def factors(node: Expr) -> Iterator[Expr]:
    """The factors of a product above the line."""
    match node:
        case Apply("*", (left, right)):
            yield from factors(left)
            yield from factors(right)
        case Apply("/", (top, _)):
            yield from factors(top)
        case Apply("neg", (inner,)):
            yield from factors(inner)
        case _:
            yield node


def tidy(expr: Expr) -> Expr:
    """0*a = 0, a + 0 = a, 1*a = a, a/1 = a: what is left when a name became 0 or 1."""
    return rewrite(expr, _tidy)


def _tidy(node: Expr) -> Expr:
    match node:
        case Apply("*", (a, b)) if ZERO in (a, b):
            return ZERO
        case Apply("/" | "neg", (Num("0"), *_)):
            return ZERO
        case Apply("*", (Num("1"), a)) | Apply("*" | "/", (a, Num("1"))):
            return a
        case Apply("+", (Num("0"), a)) | Apply("+" | "-", (a, Num("0"))):
            return a
    return node


@dataclass(frozen=True)
class Facts:
    """A flat spec, and what its names are."""

    flat: Flat

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        return tuple(sites(self.flat))

    @cached_property
    def tables(self) -> Tables:
        return collect(self.flat, prelude())

    @cached_property
    def point(self) -> Sym:
        return Sym(self.tables.point)

    @cached_property
    def gradient(self) -> Sym:
        return Sym(self.tables.gradient)

    @cached_property
    def hypers(self) -> frozenset[str]:
        """The hyperparameters that are real numbers."""
        return frozenset(n for n, i in self.tables.hypers.items()
                         if not i.folded and i.type.kind == "real")

    @cached_property
    def averaging(self) -> frozenset[str]:
        """Those in [0, 1), or a range inside of it: the weights of averages."""
        found = set()
        for name in self.hypers:
            given = self.tables.hypers[name].range
            if given is not None and given.low is not None and given.high is not None and (
                    given.low >= 0 and given.high == Fraction(1)):
                found.add(name)
        return frozenset(found)

    @cached_property
    def decay(self) -> str:
        """The weight decay, by its name; empty where there is none."""
        return next((n for n in sorted(self.hypers)
                     if n in DECAYS or n.endswith(tuple(f"_{d}" for d in DECAYS))), "")

    @cached_property
    def rate(self) -> str:
        return "lr" if "lr" in self.hypers else ""

    @cached_property
    def equations(self) -> dict[Sym, list[Site]]:
        """The whole right sides of the equations, by what they define."""
        found: dict[Sym, list[Site]] = {}
        for site in self.sites:
            if not site.above and isinstance(site.line, EquationLine) and (
                    site.path[-1] == "value"):
                found.setdefault(site.line.target, []).append(site)
        return found

    def whole(self, target: Sym) -> Site | None:
        """The right side of what is defined once."""
        found = self.equations.get(target, [])
        return found[0] if len(found) == 1 else None

    @cached_property
    def moved(self) -> Site | None:
        """The right side of ``x' = ...``, where there is just one."""
        return self.whole(Sym(self.point.name, True))

    def meaning(self, expr: Expr) -> Expr:
        """The expression with the names that are no states written out, to the last."""
        for _ in range(20):
            known = {s: site.node for s in symbols(expr)
                     if not s.prime and (site := self.whole(s)) is not None
                     and s.name not in self.tables.states}
            if not known:
                break
            expr = substitute(expr, known)
        return expr

    def ways(self, expr: Expr) -> Iterator[Expr]:
        """What an expression means, in each of its branches."""
        pending = [self.meaning(expr)]
        while pending:
            match pending.pop():
                case Apply("if", (_, then, otherwise)):
                    pending += [otherwise, then]
                case way:
                    yield way

    def weight(self, state: str) -> Expr | None:
        """The b of a state that is an average, ``b*m + (1 - b)*e`` or ``ema(m, e, b)``, or the
        largest of one so far, ``max(w, m')``."""
        found = self.whole(Sym(state, True))
        if found is None:
            return None
        match found.node:
            case Apply("ema", (Sym(), _, b)):
                return b
            case Apply("max", (Sym(), Sym(name, True))) if name != state:
                return self.weight(name)
        for _, term in terms(found.node):
            parts = list(factors(term))
            if Sym(state) in parts and len(parts) == 2:
                return parts[1 - parts.index(Sym(state))]
        return None
