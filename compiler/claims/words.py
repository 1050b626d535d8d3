"""Sums of products of matrices in normal form: numbers times words, words of letters.

With ``A = U @ diag(s) @ V.T``, s > 0, a letter is ``U @ diag(h(s)) @ V.T``, or the same with two
other sides: A itself, A.T, polar(A), powers of A @ A.T and A.T @ A, inverses. Letters of one A that
stand side by side and share the side between them are one letter, the product of their functions.
That is all that `laws` needs: push-through, powers that add, polar factors.

What stands for nothing where the rank of A is not full (a polar factor, an inverse, a power) is
undefined there, as the interpreter has it; powers s^n with n >= 0 are equal for every A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from thetaprime.claims.algebra import Algebra, Value, Varies
from thetaprime.claims.letters import SPECTRUM, Functions, Letter, Reach, Sum, Word, order, single
from thetaprime.claims.polynomials import Ratio
from thetaprime.claims.terms import terms
from thetaprime.forward import MATRICES
from thetaprime.intervals import REAL, Interval, defined
from thetaprime.types import ANY, PARAMS

# A power of a sum with more words stays a power.
MOST_WORDS = 256
ORTHONORMAL = ("qr.q", "eigh.vectors")


@dataclass(frozen=True)
class Words(Functions):
    """Reads values of an algebra as sums of words, and writes sums of words as values."""

    # Reading.

    def read(self, value: Ratio, axes: Sequence[str]) -> Sum:
        """A matrix or a vector as a sum."""
        return [(self.algebra.value(outside), self.word(part, tuple(axes)))
                for outside, part in terms(self.algebra, value, frozenset(axes))]

    def word(self, part: Ratio, axes: tuple[str, ...]) -> Word:
        """What a single term is a product of."""
        atom = single(part)
        match self.algebra.key(atom) if atom is not None else ():
            case ("eye", *_):
                return ()
            case ("@", *letters, tuple() as chain):
                parts = (self.word(r, tuple(chain[k:k + 2])) for k, r in enumerate(letters)
                         if isinstance(r, Ratio))
                return self.fused([one for w in parts for one in w])
            case ("T", Ratio() as base, tuple() as own):
                return (self.settled(Letter(base, own, "VU", self.itself())),)
            case ("polar", Ratio() as base, tuple() as own):
                return (self.settled(Letter(base, own, "UV", ())),)
            case ("spectral", Ratio() as base, str(sides), str(reach), tuple() as own, *powers):
                pairs = tuple(zip(powers[::2], powers[1::2], strict=True))
                return (Letter(base, own, sides, pairs, reach),)  # type: ignore[arg-type]
        if not set(axes) <= self.algebra.varies(part):  # one number for all places of an axis
            part = self.algebra.atom(("spread", part, axes), self._along(part, axes), REAL).ratio
        return (self.settled(Letter(part, axes, "UV", self.itself())),)

    # Writing.

    def write(self, total: Sum, axes: Sequence[str]) -> Value:
        """A sum as a value."""
        algebra = self.algebra
        return reduce(algebra.add, (
            algebra.multiply(c, self.atom(w, tuple(axes))) for c, w in total), algebra.number(0))

    def atom(self, word: Word, axes: tuple[str, ...]) -> Value:
        """A word as a value."""
        spelled = [one for letter in word for one in self._spelled(letter)]
        if not spelled:
            tensor = frozenset[str]() if axes[0] in (PARAMS, ANY) else frozenset({"tensor"})
            return self.algebra.atom(("eye", axes[0]), tensor | {axes[0]},
                                     defined(MATRICES["eye"]()))
        if len(spelled) == 1:
            return spelled[0][0]
        chain = tuple(ends[0] for _, ends in spelled) + spelled[-1][1][1:]
        interval = reduce(_times, (v.interval for v, _ in spelled))
        varies = frozenset().union(*(self.algebra.varies(v.ratio) for v, _ in spelled))
        return self.algebra.atom(("@", *(v.ratio for v, _ in spelled), chain),
                                 (varies & {"tensor"}) | frozenset(axes), interval)

    def _spelled(self, letter: Letter) -> list[tuple[Value, tuple[str, ...]]]:
        """A letter as values and their axes: A, A.T and their products are written out."""
        count = self.whole_power(letter)
        if count is not None and not self.compound(letter.base, letter.axes):
            sides = (letter.sides[0], "V" if letter.sides[0] == "U" else "U")
            turned = [sides[k % 2] == "V" for k in range(count)]
            return [(self._plain(letter, t), letter.axes[::-1] if t else letter.axes)
                    for t in turned]
        if letter.sides == "UV" and not letter.powers:
            if self.orthonormal(letter.base):
                return [(self._plain(letter, False), letter.axes)]
            return [(self._made(letter, ("polar",), defined(MATRICES["polar"](REAL))),
                     letter.ends)]
        if letter.sides == "VU" and not letter.powers and self.orthonormal(letter.base):
            return [(self._plain(letter, True), letter.ends)]
        reach = "thin" if letter.reach == "full" else letter.reach
        powers = [one for pair in letter.powers for one in pair]
        return [(self.algebra.atom(
            ("spectral", letter.base, letter.sides, reach, letter.axes, *powers),
            self._along(letter.base, letter.ends), REAL), letter.ends)]

    def _plain(self, letter: Letter, turned: bool) -> Value:
        """A or A.T."""
        plain = self.algebra.value(letter.base)
        return self._made(letter, ("T",), plain.interval) if turned else plain

    def _made(self, letter: Letter, op: tuple[str], interval: Interval) -> Value:
        return self.algebra.atom((*op, letter.base, letter.axes),
                                 self._along(letter.base, letter.axes), interval)

    def _along(self, base: Ratio, axes: Sequence[str]) -> Varies:
        return (self.algebra.varies(base) & {"tensor"}) | frozenset(axes)

    # What letters are.

    def compound(self, base: Ratio, axes: tuple[str, ...]) -> bool:
        """Whether a base is a sum, or a product."""
        atom = single(base)
        if atom is not None:
            return self.algebra.key(atom)[0] in ("@", "T", "polar", "spectral", "eye")
        return len(terms(self.algebra, base, frozenset(axes))) != 1 or not _unit(
            self.algebra, base, axes)

    def orthonormal(self, base: Ratio) -> bool:
        """Whether the columns are of length 1 and at right angles."""
        atom = single(base)
        return atom is not None and self.algebra.key(atom)[0] in ORTHONORMAL

    def symmetric(self, letter: Letter) -> bool:
        """Whether the base is its own transpose."""
        if not letter.square or not self.compound(letter.base, letter.axes):
            return False
        return self.turned(letter.base, letter.axes).ratio == letter.base

    def turned(self, value: Ratio, axes: Sequence[str]) -> Value:
        """The transpose of a matrix."""
        total = [(c, self.transposed(w)) for c, w in self.read(value, axes)]
        return self.write(total, tuple(axes)[::-1])

    def generator(self, value: Ratio, axes: tuple[str, ...]) -> tuple[Value, Letter]:
        """A matrix as 1 or -1 times a letter whose base is the first of A, A.T, -A, -A.T."""
        turned = self.turned(value, axes).ratio
        swap = self.place(turned) < self.place(value)
        base, own, sides = (turned, axes[::-1], "VU") if swap else (value, axes, "UV")
        sign = -1 if base and base.num.terms[base.num.leading] < 0 else 1
        base = Ratio(-base.num, base.den) if sign < 0 else base
        return self.algebra.number(sign), self.settled(Letter(base, own, sides, self.itself()))

    def place(self, value: Ratio) -> tuple[object, ...]:
        """The order of a matrix among itself and its transpose: fewer transposed ones first."""
        keys = [self.algebra.key(a) for a in value.atoms]
        inside = [self.algebra.key(a) for key in keys if key[0] == "@"
                  for one in key if isinstance(one, Ratio) for a in one.atoms]
        return sum(key[0] == "T" for key in (*keys, *inside)), *order(value)

    def transposed(self, word: Word) -> Word:
        """(A @ B).T = B.T @ A.T."""
        return tuple(self.settled(replace(one, sides=one.sides[::-1])) for one in reversed(word))

    def settled(self, letter: Letter) -> Letter:
        """A letter in the one form of those that are equal."""
        if len(letter.axes) == 1:
            return letter
        powers, sides, reach = letter.powers, letter.sides, letter.reach
        if self.orthonormal(letter.base):
            powers = tuple(p for p in powers if p[0] != self.s.ratio)
            reach = "full" if sides == "VV" else reach
        if letter.odd or sides == "QQ":
            reach = "thin"
        elif letter.square:
            reach = "full"
        elif reach == "whole" and (exponent := dict(powers).get(self.s.ratio)) is not None:
            sure = exponent.constant is not None and exponent.constant > 0
            reach = "thin" if sure else "full"
        if self.symmetric(letter):
            sides = {"VU": "UV", "VV": "UU"}.get(sides, sides)
            whole = dict(powers).get(self.s.ratio, self.algebra.number(1).ratio).constant
            if sides == "QQ" and len(powers) == 1 and whole is not None and (
                    whole.denominator == 1):
                sides, reach = ("UV", "thin") if whole % 2 else ("UU", "full")
        return Letter(letter.base, letter.axes, sides, powers, reach)

    # Products.

    def joined(self, a: Letter, b: Letter) -> Letter | None:
        """Two letters side by side as one."""
        if a.base != b.base or a.axes != b.axes or len(a.axes) == 1:
            return None
        powers = self.together(a.powers, b.powers)
        if "QQ" in (a.sides, b.sides):
            if a.sides != b.sides and not self.symmetric(a):
                return None
            return self.settled(replace(a, sides="QQ", powers=powers))
        right = b.sides
        if a.sides[1] != right[0]:
            if not self.symmetric(a):
                return None
            right = {"UV": "VU", "VU": "UV", "UU": "VV", "VV": "UU"}[right]
        reach: Reach = "thin"
        if not a.odd and not b.odd:
            both = {a.reach, b.reach}
            reach = "full" if "full" in both else "thin" if "thin" in both else "whole"
        return self.settled(Letter(a.base, a.axes, a.sides[0] + right[1], powers, reach))

    def fused(self, word: Sequence[Letter]) -> Word:
        """A word in which no two neighbours can be joined."""
        done: list[Letter] = []
        for letter in word:
            one: Letter = letter
            while done and (both := self.joined(done[-1], one)) is not None:
                done.pop()
                one = both
            done.append(one)
        return tuple(done)

    def reduced(self, word: Sequence[Letter]) -> Sum:
        """A product as a sum of words in normal form."""
        done = self.fused(word)
        for place, letter in enumerate(done):
            opened = self._opened(letter)
            if opened is not None:
                return [(self.algebra.multiply(c, d), w) for c, inside in opened
                        for d, w in self.reduced((*done[:place], *inside, *done[place + 1:]))]
        return [(self.algebra.number(1), done)]

    def _opened(self, letter: Letter) -> Sum | None:
        """A letter that is a sum of words, or none at all."""
        if len(letter.axes) == 1:
            return None
        if not letter.powers and (letter.sides == "QQ" or letter.reach != "thin"):
            return [(self.algebra.number(1), ())]
        for place, (f, exponent) in enumerate(letter.powers):
            n = exponent.constant
            if f != self.s.ratio and n is not None and n.denominator == 1 and n > 0:
                left = ((f, self.algebra.number(n - 1).ratio),) if n > 1 else ()
                rest = (*letter.powers[:place], *left, *letter.powers[place + 1:])
                return self._distributed(replace(letter, powers=rest), f)
        count = self.whole_power(letter)
        if count is None or not self.compound(letter.base, letter.axes):
            return None
        base = self.read(letter.base, letter.axes)
        if len(base) ** count > MOST_WORDS:
            return None
        turned = [(c, self.transposed(w)) for c, w in base]
        found: Sum = [(self.algebra.number(1), ())]
        for k in range(count):
            factor = turned if (letter.sides[0] == "V") != (k % 2 == 1) else base
            found = [(self.algebra.multiply(c, d), v + w) for c, v in found for d, w in factor]
        return found

    def _distributed(self, letter: Letter, f: Ratio) -> Sum:
        """f(s)*h(s), one term of f after another."""
        found: Sum = []
        for outside, part in terms(self.algebra, f, SPECTRUM):
            exponent = _degree(part)
            more = self.together(letter.powers, self.itself(exponent))
            found.append((self.algebra.value(outside), (
                self.settled(replace(letter, powers=more)),)))
        return found


def _degree(part: Ratio) -> int:
    """n of s^n."""
    ((monomial, _),) = part.num.terms.items()
    return monomial[0][1] if monomial else 0


def _unit(algebra: Algebra, base: Ratio, axes: tuple[str, ...]) -> bool:
    """Whether nothing can be taken out of the only term."""
    ((outside, _),) = terms(algebra, base, frozenset(axes))
    return outside.constant == 1


def _times(a: Interval, b: Interval) -> Interval:
    return defined(MATRICES["@"](a, b))
