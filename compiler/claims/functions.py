"""What matrix operations make of values: products, transposes, inverses, polar factors, powers as
sums of words (`words`). `laws` has the identities that hold between what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.grams import gram
from thetaprime.claims.letters import Letter, Powers, Sum, Word, single
from thetaprime.claims.polynomials import Ratio
from thetaprime.claims.terms import taken
from thetaprime.claims.words import Words
from thetaprime.expr import Apply, Expr
from thetaprime.forward import MATRICES
from thetaprime.intervals import defined


@dataclass(frozen=True)
class Seen:
    """factor * left @ letter @ right; without a letter, the identity."""

    factor: Value
    left: Word
    letter: Letter | None
    right: Word


# Operations.


def product(run: Any, expr: Apply, args: list[Value]) -> Value:
    """A @ B, of a matrix and a vector too."""
    words = Words(run.algebra)
    (one, two), axes = map(_axes, expr.args), _axes(expr)
    a, b = args
    if len(one) == 1:  # v @ A is A.T @ v
        a, b, one, two = words.turned(b.ratio, two), a, two[::-1], one
    return words.write(multiplied(words, a, one, b, two), axes)


def multiplied(
    words: Words, a: Value, one: tuple[str, ...], b: Value, two: tuple[str, ...]
) -> Sum:
    """A product as a sum. Beside a function of a sum R, R itself is taken as a whole."""
    algebra = words.algebra
    left, right = words.read(a.ratio, one), words.read(b.ratio, two)
    found: Sum = []
    apart = [(c, w, _beside(words, w[-1] if w else None, b, False)) for c, w in left]
    if not any(known for *_, known in apart):
        others = [(d, v, _beside(words, v[0] if v else None, a, True)) for d, v in right]
        pairs = [(algebra.multiply(c, d), w + v) for d, v, known in others
                 for c, w in (left if known is None else [known])]
    else:
        pairs = [(algebra.multiply(c, d), w + v) for c, w, known in apart
                 for d, v in (right if known is None else [known])]
    for c, word in pairs:
        found += [(algebra.multiply(c, d), v) for d, v in words.reduced(word)]
    return found


def _beside(
    words: Words, letter: Letter | None, other: Value, before: bool
) -> tuple[Value, Word] | None:
    """A value as a multiple of the base of the letter that it stands beside, or of its transpose:
    the one that can be joined with the letter."""
    if letter is None or len(letter.axes) == 1 or not words.compound(letter.base, letter.axes):
        return None
    near = letter.sides[0 if before else 1]
    if near == "Q" and not words.symmetric(letter):
        return None
    turned = near != "Q" and (near == "V") != before
    whole = words.turned(letter.base, letter.axes) if turned else words.algebra.value(letter.base)
    if not whole:
        return None
    factor = words.algebra.divide(other, whole)
    if words.algebra.varies(factor.ratio) & frozenset(letter.axes):
        return None
    return factor, (replace(letter, sides="VU" if turned else "UV", powers=words.itself(),
                            reach="thin"),)


def transpose(run: Any, expr: Apply, args: list[Value]) -> Value:
    return Words(run.algebra).turned(args[0].ratio, _axes(expr.args[0]))


def identity(run: Any, expr: Apply, args: list[Value]) -> Value:
    words = Words(run.algebra)
    return words.atom((), _axes(expr))


def polar(run: Any, expr: Apply, args: list[Value]) -> Value:
    """Of a letter with h(s) > 0: the product of its sides."""
    words = Words(run.algebra)
    seen = _seen(words, args[0], _axes(expr.args[0]))
    if seen.letter is not None and not _sure(words, seen.letter.powers):
        seen = _generic(words, args[0], _axes(expr.args[0]))
    middle: Word = ()
    if seen.letter is not None and seen.letter.odd:
        middle = (words.settled(replace(seen.letter, powers=())),)
    total = words.reduced((*seen.left, *middle, *seen.right))
    return words.algebra.multiply(words.algebra.sign(seen.factor), words.write(total, _axes(expr)))


def inverse(run: Any, expr: Apply, args: list[Value]) -> Value:
    words, axes = Words(run.algebra), _axes(expr)
    factor, total = _inverted(words, args[0], axes)
    return words.algebra.multiply(factor, words.write(total, axes))


def solve(run: Any, expr: Apply, args: list[Value]) -> Value:
    """inv(A) @ B."""
    words, axes = Words(run.algebra), _axes(expr.args[0])
    factor, total = _inverted(words, args[0], axes)
    made = words.algebra.multiply(factor, words.write(total, axes))
    return words.write(multiplied(words, made, axes, args[1], _axes(expr.args[1])), _axes(expr))


def _inverted(words: Words, value: Value, axes: tuple[str, ...]) -> tuple[Value, Sum]:
    algebra = words.algebra
    total = words.read(value.ratio, axes)
    if len(total) == 1 and len(total[0][1]) > 1 and all(
            set(one.ends) == set(axes) for one in total[0][1]):
        factor, word = total[0]
        seen = Seen(factor, (), None, ())
    else:
        seen = _seen(words, value, axes)
        word = (*seen.left, *((seen.letter,) if seen.letter else ()), *seen.right)
    less = tuple(words.settled(replace(
        one, sides=one.sides[::-1], powers=words.raised(one.powers, algebra.number(-1)),
        reach="whole" if one.reach == "whole" else "full")) for one in reversed(word))
    return algebra.divide(algebra.number(1), seen.factor), words.reduced(less)


def power(run: Any, expr: Apply, args: list[Value]) -> Value:
    """mpow(A, p): h(s)^p of a function of A @ A.T, else a power of its own."""
    words, axes = Words(run.algebra), _axes(expr)
    algebra = words.algebra
    seen, by = _seen(words, args[0], axes), args[1]
    letter = seen.letter
    even = letter is None or (not letter.odd and (
        _sure(words, letter.powers) or _first(letter.powers)))
    positive = algebra.sign(seen.factor).ratio.constant == 1
    if not (even and positive and seen.right == words.transposed(seen.left)):
        factor, rest = taken(algebra, args[0].ratio, frozenset(axes))
        letter = Letter(rest, axes, "QQ", words.itself())
        seen = Seen(factor, (), letter, ())
    middle: Word = ()
    if letter is not None:
        middle = (words.settled(replace(
            letter, powers=words.together(words.raised(letter.powers, by), ()),
            reach="whole" if letter.reach == "whole" else "full")),)
    total = words.reduced((*seen.left, *middle, *seen.right))
    return algebra.multiply(algebra.raised(seen.factor, by), words.write(total, axes))


def trace(run: Any, expr: Apply, args: list[Value]) -> Value:
    """The same for all that a turn, or a transpose, makes of a product."""
    words, axes = Words(run.algebra), _axes(expr.args[0])
    algebra = words.algebra
    total = algebra.number(0)
    for c, word in words.read(args[0].ratio, axes):
        turned = word
        for _ in word:
            turned = words.fused((*turned[1:], *turned[:1]))
        for d, one in words.reduced(turned):
            total = algebra.add(total, algebra.multiply(algebra.multiply(c, d), _traced(
                words, one, axes)))
    return total


def _traced(words: Words, word: Word, axes: tuple[str, ...]) -> Value:
    """The trace of the first of all turns of a word and of its transpose."""
    turns = [w[k:] + w[:k] for w in (word, words.transposed(word)) for k in range(len(w) or 1)]
    written = [words.atom(w, w[0].ends[:1] * 2 if w else axes) for w in turns]
    first = min(written, key=lambda v: words.place(v.ratio))
    return words.algebra.atom(("tr", first.ratio), words.algebra.varies(first.ratio) & {"tensor"},
                              defined(MATRICES["tr"](first.interval)))


# What an operation sees.


def _seen(words: Words, value: Value, axes: tuple[str, ...]) -> Seen:
    """A value as a multiple of one letter, between what only turns it."""
    algebra = words.algebra
    factor, rest = taken(algebra, value.ratio, frozenset(axes))
    total = words.read(rest, axes)
    if len(total) != 1:
        known = _function(words, total) or gram(words, rest, axes)
        if known is None:
            return _generic(words, value, axes)
        return Seen(algebra.multiply(factor, known[0]), (), known[1], ())
    ((c, word),) = total
    if algebra.sign(c).ratio.constant not in (1, -1):
        return _generic(words, value, axes)
    factor, start, end = algebra.multiply(factor, c), 0, len(word)
    while end - start > 1 and _turns(words, word[start]):
        start += 1
    while end - start > 1 and _turns(words, word[end - 1]):
        end -= 1
    inside = word[start:end]
    left, right = word[:start], word[end:]
    if len(inside) < 2:
        return Seen(factor, left, inside[0] if inside else None, right)
    own = (inside[0].ends[0], inside[-1].ends[-1])
    middle = words.atom(inside, own)
    known = gram(words, middle.ratio, own)
    if known is not None:
        return Seen(algebra.multiply(factor, known[0]), left, known[1], right)
    found = _generic(words, middle, own)
    return Seen(algebra.multiply(factor, found.factor), left, found.letter, right)


def _generic(words: Words, value: Value, axes: tuple[str, ...]) -> Seen:
    """A matrix of which nothing is known, as the base of a letter."""
    factor, rest = taken(words.algebra, value.ratio, frozenset(axes))
    sign, letter = words.generator(rest, axes)
    return Seen(words.algebra.multiply(factor, sign), (), letter, ())


def _function(words: Words, total: Sum) -> tuple[Value, Letter] | None:
    """A sum of powers of one A @ A.T, and of the identity, as a function of it."""
    algebra, s = words.algebra, words.s
    bases = {(w[0].base, w[0].axes, w[0].sides) for _, w in total if w}
    if len(bases) != 1 or any(len(w) > 1 or (w and w[0].odd) for _, w in total):
        return None
    f = algebra.number(0)
    for c, word in total:
        count = words.whole_power(word[0]) if word else 0
        if count is None:
            return None
        f = algebra.add(f, algebra.multiply(c, algebra.power(s, count)))
    ((base, axes, sides),) = bases
    whole = any(not w for _, w in total)
    return algebra.number(1), Letter(base, axes, sides, (
        (f.ratio, algebra.number(1).ratio),), "whole" if whole else "thin")


def _sure(words: Words, powers: Powers) -> bool:
    """Whether all functions of s are above 0."""
    return all(words.algebra.interval_of(f).positive for f, _ in powers)


def _first(powers: Powers) -> bool:
    return all(e.constant == 1 for _, e in powers)


def _turns(words: Words, letter: Letter) -> bool:
    """Whether a letter is an orthogonal matrix."""
    return letter.odd and letter.square and not letter.powers


def _axes(expr: Expr) -> tuple[str, ...]:
    """Raises ValueError for an expression that is written for people."""
    if expr.type is None:
        raise ValueError(f"no type of {expr.op if isinstance(expr, Apply) else expr}")
    return expr.type.axes


def again(algebra: Algebra, expr: Apply, value: Value) -> Value | None:
    """What unview(view(x)) is."""
    atom = single(value.ratio)
    match algebra.key(atom) if atom is not None else ():
        case ("view", Ratio() as inside, *over, _) if tuple(over) == expr.over:
            return algebra.value(inside)
    return None


MATRIX: dict[str, Callable[[Any, Apply, list[Value]], Value]] = {
    "eye": identity, "@": product, "T": transpose, "tr": trace, "polar": polar, "inv": inverse,
    "mpow": power, "solve": solve}
# Operations that are undefined for some matrices, and of which the laws say nothing there.
PARTIAL = frozenset(("polar", "inv", "mpow", "solve"))
