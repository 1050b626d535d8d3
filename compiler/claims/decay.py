"""Where the weight decay of a rule acts, by algebra: what the new parameter has of ``wd``.

    x' = x'[wd = 0] + c*x       decoupled, of the old parameter
    x' = c*x'[wd = 0]           decoupled, of the new one
    x', m', v' = those of wd = 0 for the gradient g + wd*x       L2: inside of the gradient

Here c is made of hyperparameters (and t) alone. This holds in every step after the first, for all
states and all gradients that leave no divisor and no norm 0, and for decays that are so small that
1 - lr*wd is positive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

from thetaprime.aliases import ALIASES
from thetaprime.check.ranges import Case, ranges
from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.effects import STOPS
from thetaprime.claims.facts import Unproved, atoms_inside, kinds
from thetaprime.claims.polynomials import ONE, Poly, Ratio, coefficients, ratio
from thetaprime.claims.positive import SIDES
from thetaprime.claims.symbolic import Split, Symbolic, inputs, varies
from thetaprime.expr import Expr, Sym
from thetaprime.intervals import REAL, Interval, defined, meet
from thetaprime.ir import Hyper, Step
from thetaprime.scopes import outputs
from thetaprime.types import SCALAR, Type

MOST_CASES = 16


@dataclass(frozen=True)
class Decay:
    """``hyper`` decays the parameter. ``where``: "old", "new", "gradient", or "update" for none of
    these. ``factor``: by what a decoupled decay multiplies, if it can be written so; ``times``: the
    other hyperparameters in it. ``kept``: the states that it enters at once."""

    hyper: str
    where: str
    factor: str = ""
    times: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def decays(step: Step) -> list[Decay]:
    """The weight decays of a rule, found by what they do; one that is none of the forms is known by
    its name alone. Several for one hyperparameter where kinds of tensors differ."""
    found: list[Decay] = []
    with suppress(Unproved):
        for case, truths in product(ranges(step).cases[1:], list(kinds(step))):
            for hyper in step.hypers:
                if _may_decay(hyper):
                    found += _of(step, hyper, case, truths)
    return list(dict.fromkeys(found))


def _may_decay(hyper: Hyper) -> bool:
    """A number from 0 on that nothing bounds."""
    bounds = hyper.range
    return hyper.type == SCALAR and bounds is not None and (
        Fraction(0) in bounds and bounds.low == 0 and bounds.high is None)


def _of(step: Step, hyper: Hyper, case: Case, truths: Mapping[Expr, bool]) -> list[Decay]:
    """What a small decay does where no divisor or norm is 0; nothing where it cannot be told."""
    pending = [Algebra()]
    found: list[Decay] = []
    for _ in range(MOST_CASES):
        if not pending:
            break
        algebra = pending.pop()
        try:
            found += _Order(step, hyper, case, truths, algebra).found()
        except Split as split:
            pending += [algebra.narrowed(split.poly, side)
                        for side in _sides(algebra, split.poly, hyper)]
        except STOPS:
            return []
    return [] if pending else found


def _sides(algebra: Algebra, poly: Poly, hyper: Hyper) -> list[Interval]:
    """The signs that a polynomial can have, that of a small decay: 1 - lr*wd is positive."""
    own = algebra.numbers[("symbol", hyper.name)]
    rest = coefficients(poly, own).get(0, Poly({})).constant
    if rest:
        return [SIDES[1 if rest > 0 else -1]]
    interval = algebra.interval(poly)
    return [side for sign, side in SIDES.items() if sign and not meet(interval, side).empty]


@dataclass
class _Order:
    """Steps with and without a decay, executed side by side."""

    step: Step
    hyper: Hyper
    case: Case
    truths: Mapping[Expr, bool]
    algebra: Algebra

    def found(self) -> Iterator[Decay]:
        zero = {Sym(self.hyper.name): self.algebra.number(0)}
        run, without = self._run({}), self._run(zero)
        changed = self._side_by_side(run, without, self._seen)
        if not changed:
            return
        kept = tuple(s for s in changed if s != self.step.point)
        plain = Decay(self.hyper.name, "update", kept=kept)
        moved = self.algebra.add(run.of(Sym(self.step.gradient)), self.algebra.multiply(
            run.of(Sym(self.hyper.name)), run.of(Sym(self.step.point))))
        decoupled = self._decoupled(run, without) if self.step.point in changed else None
        again = self._run({**zero, Sym(self.step.gradient): moved})
        if (kept or decoupled is None) and not self._side_by_side(
                self._run({}), again, lambda found: found.constant is not None):
            yield replace(plain, where="gradient")
        elif decoupled is not None:
            yield replace(plain, **decoupled)
        elif self.hyper.name in ("wd", *ALIASES["wd"]):
            yield plain

    def _run(self, given: dict[Sym, Value]) -> Symbolic:
        """A step before its first statement; its point is one that nothing is known of."""
        point = Sym(self.step.point)
        own = {point: self.algebra.atom(("symbol", point.name), varies(Type()), REAL)}
        return inputs(self.step, self.case, False, self.algebra, own | given, self.truths)

    def _side_by_side(
        self, one: Symbolic, other: Symbolic, seen: Callable[[Ratio], bool]
    ) -> list[str]:
        """Executes two steps; the names of the point and the states that end differently. What is
        equal in both becomes an atom, but for what must be ``seen``."""
        ends = {self.step.point, *(s.name for s in self.step.states)}
        changed = []
        for statement in self.step.body:
            one.execute((statement,))
            other.execute((statement,))
            for target in outputs(statement):
                a, b = one.env.get(target), other.env.get(target)
                if a is None or b is None:
                    continue
                if self.algebra.subtract(a, b).ratio:
                    changed += [target.name] if target.prime and target.name in ends else []
                elif not seen(a.ratio):
                    kind = self.algebra.varies(a.ratio)
                    one.env[target] = other.env[target] = self.algebra.atom(
                        ("value", target.name, target.prime, a.ratio), kind, defined(a.interval))
        return changed

    def _seen(self, found: Ratio) -> bool:
        point = self.algebra.numbers[("symbol", self.step.point)]
        return found.constant is not None or point in found.atoms or self._fixed(found)

    def _decoupled(self, run: Symbolic, without: Symbolic) -> dict[str, Any] | None:
        """By what the old or the new parameter is multiplied."""
        algebra, point = self.algebra, run.of(Sym(self.step.point))
        one, other = (r.of(Sym(self.step.point, True)) for r in (run, without))
        before, after = _share(other, point), _share(one, point)
        if before is None or after is None:
            return None
        change = algebra.subtract(algebra.value(after), algebra.value(before))
        if self._fixed(change.ratio) and not algebra.subtract(
                one, algebra.add(other, algebra.multiply(change, point))).ratio:
            factor = self._text(after) if before.constant == 1 else ""
            return {"where": "old", "factor": factor, "times": self._times(change.ratio)}
        if not before:
            return None
        by = algebra.divide(algebra.value(after), algebra.value(before))
        if self._fixed(by.ratio) and not algebra.subtract(
                one, algebra.multiply(by, other)).ratio:
            return {"where": "new", "factor": self._text(by.ratio),
                    "times": self._times(by.ratio)}
        return None

    def _keys(self, found: Ratio) -> list[tuple[object, ...]]:
        atoms = set(found.atoms).union(*(atoms_inside(self.algebra, a) for a in found.atoms))
        return [self.algebra.key(a) for a in sorted(atoms)]

    def _fixed(self, found: Ratio) -> bool:
        """Whether a quotient is made of hyperparameters and t."""
        known = {h.name for h in self.step.hypers} | {"t - 1"}
        return all(k[0] == "power" or (k[0] == "symbol" and len(k) == 2 and k[1] in known)
                   for k in self._keys(found))

    def _times(self, found: Ratio) -> tuple[str, ...]:
        named = [str(k[1]) for k in self._keys(found) if k[0] == "symbol"]
        return tuple("t" if n == "t - 1" else n for n in named if n != self.hyper.name)

    def _text(self, found: Ratio) -> str:
        """`1 - lr*wd`, `1/(1 + lr*wd)`; nothing for what takes more words."""
        keys = self._keys(found)
        if any(k[0] != "symbol" or k[1] == "t - 1" for k in keys):
            return ""
        top, low = self._sum(found.num), self._sum(found.den)
        if found.den == ONE:
            return top
        return f"{_closed(top)}/{_closed(low)}"

    def _sum(self, poly: Poly) -> str:
        """Shorter products first."""
        text = ""
        for monomial, number in sorted(poly.terms.items(), key=lambda term: len(term[0])):
            names = [str(self.algebra.key(a)[1]) + (f"^{e}" if e != 1 else "")
                     for a, e in sorted(monomial, key=lambda part: self._place(part[0]))]
            size = [] if abs(number) == 1 and names else [str(abs(number))]
            sign = ("-" if number < 0 else "") if not text else " - " if number < 0 else " + "
            text += sign + "*".join([*size, *names])
        return text

    def _place(self, atom: int) -> bool:
        """The decay itself goes last, as in `lr*wd`."""
        return self.algebra.key(atom)[1] == self.hyper.name


def _closed(text: str) -> str:
    return f"({text})" if " " in text or "*" in text else text


def _share(value: Value, point: Value) -> Ratio | None:
    """The factor of the point in a value that is affine in it, terms beside it left aside."""
    if len(point.ratio.atoms) != 1:
        return None
    (atom,) = point.ratio.atoms
    if atom in value.ratio.den.atoms:
        return None
    return ratio(coefficients(value.ratio.num, atom).get(1, Poly({})), value.ratio.den)


def decay_text(decay: Decay, point: str) -> str:
    """A decay in words."""
    name = decay.hyper
    enters = f" and enters {', '.join(f'`{s}`' for s in decay.kept)}" if decay.kept else ""
    match decay.where:
        case "gradient":
            return f"`{name}` is L2: `{name}*{point}` is added to the gradient{enters}"
        case "update":
            return (f"`{name}` is inside of the update, before it is scaled, bounded or averaged"
                    f"{enters}")
    which = "old" if decay.where == "old" else "new"
    by = f", by the factor {decay.factor}" if decay.factor else ""
    if not decay.times:
        others = "by nothing else: schedules of other hyperparameters leave it"
    else:
        names = ", ".join(f"`{n}`" for n in decay.times)
        others = f"by {names}, whose schedule acts on it"
    return (f"`{name}` is decoupled: it shrinks the {which} `{point}`{by}; multiplied {others}"
            f"{enters}")
