"""Matrices of normal forms as arrays, for `evaluation`: of one tensor, in many digits.

A letter is computed from the eigenvectors of A.T @ A or A @ A.T, the smaller; the interpreter has
its polar factors from singular values and its powers from those of the matrix itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from thetaprime.claims.algebra import Algebra
from thetaprime.claims.polynomials import Monomial, Poly, Ratio
from thetaprime.expr import Sym
from thetaprime.matrices import facts, length
from thetaprime.types import Type

if TYPE_CHECKING:
    from thetaprime.claims.evaluation import Place

# Of the largest: eigenvalues below are taken as 0.
SURE = 1e-30
# Of atoms of the step beside the one at hand.
OTHERS = ("other", "changed")


class Beyond(Exception):
    """What the keys of atoms do not tell."""


@dataclass(frozen=True)
class Arrays:
    """Matrices and vectors of one tensor at a step of a run; ``carried``: in a loop, the values
    that it has come to, by its depth and their place."""

    place: Place
    leaf: int
    algebra: Algebra
    carried: Mapping[tuple[int, int], Any] = field(default_factory=dict)

    def entries(self, inside: Ratio, axes: tuple[str, ...]) -> Any:
        """A matrix as the tensor that it is a view of."""
        shape = self.place.run.shapes[self.leaf]
        return self._matrix(inside, axes).reshape((*(1,) * len(self.place.axes), *shape))

    def trace(self, inside: Ratio) -> Any:
        """The trace of a single product, as a number of the tensor."""
        ((atom, _),) = inside.num.leading
        axes = self._axes(self.algebra.key(atom))
        ones = (1,) * (len(self.place.axes) + len(self.place.run.shapes[self.leaf]))
        return np.full(ones, np.trace(self._matrix(inside, axes)), object)

    def _axes(self, key: tuple[Any, ...]) -> tuple[str, ...]:
        """The axes of a product or of a function of a matrix, as far as a trace needs them."""
        match key:
            case ("@", *letters, tuple() as chain) if len(chain) == len(letters) + 1:
                return chain[0], chain[-1]
            case ("spectral", _, str(sides), _, tuple() as own, *_):
                return (own[sides[0] == "V"], own[sides[1] == "V"])
            case ("T" | "polar", _, tuple() as own):
                return own
        raise Beyond

    def _matrix(self, found: Ratio, axes: tuple[str, ...]) -> Any:
        """An array with these axes."""
        numbers = self.place.numbers
        top, below = (self._poly(p.terms, axes) for p in (found.num, found.den))
        full = np.broadcast_to(numbers.divide(top, below), self._lengths(axes))
        return np.array(full, object)

    def _poly(self, terms: Mapping[Monomial, Fraction], axes: tuple[str, ...]) -> Any:
        total = self.place.numbers.array(np.zeros((1,) * len(axes), int))
        for monomial, c in terms.items():
            term = self.place.numbers.array(np.full((1,) * len(axes), c, object))
            for atom, exponent in monomial:
                term = term * self._atom(atom, axes) ** exponent
            total = total + term
        return total

    def _lengths(self, axes: tuple[str, ...]) -> tuple[int, ...]:
        known = facts(self.place.run, self.leaf)
        return tuple(length(a, known) for a in axes)

    def _atom(self, atom: int, axes: tuple[str, ...]) -> Any:
        along = self.algebra.known_atom(atom).varies & set(axes)
        if not along:
            return self._number(Ratio(Poly({((atom, 1),): Fraction(1)})))
        own = tuple(a for a in axes if a in along)
        found = self._array(self.algebra.key(atom), own)
        return found.reshape([n if a in along else 1 for a, n in zip(
            axes, self._lengths(axes), strict=True)])

    def _number(self, found: Ratio) -> Any:
        """One number of the tensor."""
        value = np.asarray(self.place.ratio(found, self.leaf, self.algebra)[0])
        if value.size != 1:
            raise Beyond
        return value.ravel()[0]

    def _array(self, key: tuple[Any, ...], axes: tuple[str, ...]) -> Any:
        function = self.place.numbers.function
        match key:
            case ("view", Ratio() as inside, *over, str()) if tuple(over) == axes:
                whole = self.place.ratio(inside, self.leaf, self.algebra)[0]
                shape = self.place.run.shapes[self.leaf]
                return np.broadcast_to(whole, (*whole.shape[: whole.ndim - len(shape)], *shape)
                                       ).reshape(self._lengths(axes))
            case ("symbol" | "draw" | "drawn", *_):
                return self._symbol(key, axes)
            case ("eye", *_):
                return self.place.numbers.array(np.identity(self._lengths(axes)[0], int))
            case ("@", *letters, tuple() as chain):
                parts = [self._matrix(r, chain[k:k + 2]) for k, r in enumerate(letters)]
                product = parts[0]
                for part in parts[1:]:
                    product = product @ part
                return product
            case ("T", Ratio() as base, tuple() as own):
                return self._matrix(base, own).T
            case ("polar", Ratio() as base, tuple() as own):
                return self._letter(self._matrix(base, own), "UV", "thin", ())
            case ("spectral", Ratio() as base, str(sides), str(reach), tuple() as own, *powers):
                pairs = tuple(zip(powers[::2], powers[1::2], strict=True))
                return self._letter(self._matrix(base, own), sides, reach, pairs)
            case ("carried", int(depth), int(place), *_) if (depth, place) in self.carried:
                return self.carried[depth, place]
            case ("loop", int(place), _, Ratio() as turns, None, int(depth), tuple() as kinds,
                  *both):
                return self._iterated(place, turns, depth, kinds, both)
            case ("outer", Ratio() as r, Ratio() as c, str()) if len(axes) == 2:
                return np.outer(self._matrix(r, axes[:1]), self._matrix(c, axes[1:]))
            case ("spread", Ratio() as inside, tuple()):
                return self._number(inside)
            case ("root", 2, Poly() as inside):
                return function("sqrt")(self._poly(inside.terms, axes))
            case ("sign", Poly() as inside):
                return function("sign")(self._poly(inside.terms, axes))
        raise Beyond

    def _iterated(
        self, place: int, turns: Ratio, depth: int, kinds: tuple[tuple[str, ...], ...],
        both: list[Ratio],
    ) -> Any:
        """What a carried value comes to in a loop that nothing ends before its last turn."""
        starts, ends = both[:len(kinds)], both[len(kinds):]
        values = [self._matrix(r, axes) for r, axes in zip(starts, kinds, strict=True)]
        for _ in range(int(self._number(turns))):
            known = {(depth, k): v for k, v in enumerate(values)}
            at = replace(self, carried={**self.carried, **known})
            values = [at._matrix(r, axes) for r, axes in zip(ends, kinds, strict=True)]
        return values[place]

    def _symbol(self, key: tuple[Any, ...], axes: tuple[str, ...]) -> Any:
        """A state or a draw, as the run has it."""
        tag, name = key[-2:] if len(key) == 3 else ("", key[-1])
        run = self.place.beside if tag else self.place.run
        kind = self.place.types[bool(tag)].get(Sym(str(name)), Type())
        if (tag and tag not in OTHERS) or run is None or kind.axes != axes:
            raise Beyond
        value = run.env[Sym(str(name))]
        return value[self.leaf] if isinstance(value, list) else value

    # Functions of singular values.

    def _letter(
        self, base: Any, sides: str, reach: str, powers: tuple[tuple[Ratio, Ratio], ...]
    ) -> Any:
        """Of base = U @ diag(s) @ V.T: its sides around h(s), and h(0) beside them for ``whole``.
        Not a number where the rank is not full."""
        if sides == "QQ":
            values, vectors = self._eigen(base)
            found = dict.fromkeys("Q", vectors)
        else:
            flat = base.shape[0] < base.shape[1]
            squares, vectors = self._eigen(base @ base.T if flat else base.T @ base)
            values = self.place.numbers.function("sqrt")(squares)
            other = (base.T if flat else base) @ vectors / values
            found = {"U": vectors, "V": other} if flat else {"U": other, "V": vectors}
        left, right = found[sides[0]], found[sides[1]]
        made = (left * self._function(values, powers)) @ right.T
        if reach == "whole":
            beside = self.place.numbers.array(np.identity(len(left), int)) - left @ right.T
            made = made + self._function(values[:1] * 0, powers) * beside
        return made

    def _eigen(self, matrix: Any) -> tuple[Any, Any]:
        """Eigenvalues and vectors of a positive definite matrix."""
        context = self.place.numbers.pi.context
        if not all(context.isfinite(v) for v in matrix.ravel()):
            return np.full(len(matrix), context.nan), matrix * context.nan
        values, vectors = context.eigsy(context.matrix(matrix.tolist()))
        found = np.array(list(values), object)
        if not min(found) > SURE * max(found):
            found = found * context.nan
        return found, np.array(vectors.tolist(), object)

    def _function(self, s: Any, powers: tuple[tuple[Ratio, Ratio], ...]) -> Any:
        """h(s)."""
        found = s * 0 + 1
        power: Callable[..., Any] = self.place.numbers.function("power")
        for f, exponent in powers:
            inside = s * 0
            for monomial, c in f.num.terms.items():
                rest = {a: e for a, e in monomial if self.algebra.key(a) != ("singular value",)}
                place = next((e for a, e in monomial if a not in rest), 0)
                scale = self._number(Ratio(Poly({tuple(rest.items()): c})))
                inside = inside + scale * s**place
            found = found * power(inside, self._number(exponent))
        return found
