"""A matrix that is R @ R.T: found from its terms w @ w.T, confirmed by the product."""

from __future__ import annotations

from dataclasses import replace

from thetaprime.claims.algebra import Value
from thetaprime.claims.letters import Letter, Sum, Word
from thetaprime.claims.polynomials import Ratio
from thetaprime.claims.terms import taken
from thetaprime.claims.words import Words


def gram(words: Words, value: Ratio, axes: tuple[str, ...]) -> tuple[Value, Letter] | None:
    """A positive factor, and R @ R.T of a sum or a product R as one letter."""
    algebra = words.algebra
    total = words.read(value, axes)
    halves = [(c, half) for c, word in total if (half := _half(words, word))]
    if axes[0] != axes[-1] or not halves or len(total) != len(halves) ** 2:
        return None
    ends = {half[-1].ends[-1] for _, half in halves}
    root = _root(words, total, halves) if len(ends) == 1 else None
    if root is None:
        return None
    squared = [(algebra.multiply(algebra.multiply(c, d), e), w) for c, one in root
               for d, two in root for e, w in words.reduced((*one, *words.transposed(two)))]
    if words.write(squared, axes).ratio != value:
        return None
    own = (axes[0], *ends)
    factor, rest = taken(algebra, words.write(root, own).ratio, frozenset(own))
    _, letter = words.generator(rest, own)
    side = letter.sides[0] * 2
    return algebra.power(factor, 2), words.settled(
        replace(letter, sides=side, powers=words.itself(2)))


def _half(words: Words, word: Word) -> Word | None:
    """w of w @ w.T."""
    place, even = divmod(len(word), 2)
    if not even or words.transposed(word) != word:
        return None
    middle = word[place]
    if words.whole_power(middle) != 2:
        return None
    side = "UV" if middle.sides == "UU" else "VU"
    return (*word[:place], replace(middle, sides=side, powers=words.itself(), reach="thin"))


def _root(words: Words, total: Sum, halves: Sum) -> Sum | None:
    """R of R @ R.T by its first square and the products with it."""
    algebra = words.algebra
    known = {word: c for c, word in total}
    (square, first), *others = halves
    if not square.interval.nonnegative:
        return None
    size = algebra.root(square)
    found = [(size, first)]
    for _, half in others:
        cross = words.reduced((*first, *words.transposed(half)))
        c = known.get(cross[0][1])
        if c is None:
            return None
        found.append((algebra.divide(c, size), half))
    return found
