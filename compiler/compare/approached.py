"""Limits looked for: which hyperparameters of one rule go to an open end of their range, with
others at 0 or 1, so that it becomes the other rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, islice, product

import numpy as np

from thetaprime.bounds import End
from thetaprime.compare.ends import Continuity, put
from thetaprime.compare.limits import Limit, apart, at_end, met
from thetaprime.compare.maps import alike, neutral
from thetaprime.compare.nearing import STEPS, Numbers, Toward, open_ends
from thetaprime.compare.norms import is_root
from thetaprime.compare.operands import Operand
from thetaprime.compare.pairs import FAILED, Pair, real, texts
from thetaprime.compare.probe import points
from thetaprime.compare.proving import MOST_PROOFS, Proof, over_time, proved
from thetaprime.compare.result import Comparison
from thetaprime.compare.verify_limits import Rejected, check
from thetaprime.expr import Apply, Sym, symbols, walk
from thetaprime.ir import EachAxis, Hyper, Loop, Step, reads, statements
from thetaprime.render import spec_text
from thetaprime.signature import asks_more

MOST_SPARE, MOST_MISSING, MOST_TRIED = 5, 3, 64
FEW = 8  # of rules with loops, which take long to run
RATE, T = Sym("lr"), Sym("t")
# The learning rate of the second rule over time, where it has to follow a schedule.
ROOT = Apply("sqrt", (T,))
SCHEDULES = tuple(Apply(op, (RATE, by)) for op in "*/" for by in (ROOT, T))


@dataclass(frozen=True)
class Approached:
    """A limit of one rule; ``turned``: of the second of the two that are compared."""

    proof: Limit
    turned: bool

    @property
    def plain(self) -> bool:
        """Whether the limit is all of the other rule, with nothing set or scheduled there; its
        hyperparameters may have other names."""
        return all(isinstance(e, Sym) for e in self.proof.toward.given.values())

    def comparison(self, a: Operand, b: Operand) -> Comparison:
        """The first rule is the second in a limit."""
        mark = f" of {b.text}" if self.turned else ""
        names = texts(self.proof.toward.given)
        return Comparison(
            a.text, b.text, "specialises", conditions=(self.conditions(mark),), proof=self.proof,
            map={} if self.turned else names, inverse=names if self.turned else {},
            notes=(self._kind(), self._distance(), *over_time(self.proof.pair)))

    def notes(self, a: Operand, b: Operand) -> Iterator[str]:
        """The limit, told of two rules that are different."""
        wider, other = (b, a) if self.turned else (a, b)
        toward = self.proof.toward
        ends = " and ".join(f"{n} -> {v}" for n, v in toward.ends.items())
        yield (f"{wider.text}{_with(toward.settings)} goes to {other.text}"
               f"{_with(texts(toward.given))} as {ends} (proved)")
        yield self._kind()

    def conditions(self, mark: str) -> str:
        """`b1 = 0 and eps -> 0`."""
        toward = self.proof.toward
        return " and ".join([*(f"{n}{mark} = {v}" for n, v in toward.settings.items()),
                             *(f"{n}{mark} -> {v}" for n, v in toward.ends.items())])

    def _kind(self) -> str:
        off = " and ".join(f"`{spec_text(e)}`" for e in self.proof.off)
        return ("a limit of the iterates after every fixed number of steps, from the same start "
                f"and gradients{f', where {off} is not 0' if off else ''}")

    def _distance(self) -> str:
        pair = Pair(self.proof.rule, self.proof.pair.b)
        gaps = Numbers(pair).gaps(self.proof.toward)
        assert gaps is not None  # the limit was not proved before these agreed
        return (f"on a run in 50 digits the iterates are {gaps[0]:.2g} apart at a distance of "
                f"1e-12 to the limit, {gaps[1]:.2g} at 1e-24")


def _with(values: Mapping[str, object]) -> str:
    return " with " + " and ".join(f"{n} = {v}" for n, v in values.items()) if values else ""


def approached(pair: Pair) -> Approached | None:
    """A limit of one of the rules that is the other one; with all of the other if there is."""
    found = []
    for turned in (False, True):
        for proof in _limits(pair.turned if turned else pair):
            one = Approached(proof, turned)
            if one.plain:
                return one
            found.append(one)
    return found[0] if found else None


def _limits(pair: Pair) -> Iterator[Limit]:
    """Limits of the first rule that are the second one, with what only that one has at rest; else
    along a schedule of its learning rate. The first that is proved."""
    names = alike(pair)
    spare, missing = pair.given(**names).spare, pair.given(**names).missing()
    ends = {h.name: _ends(pair.a, h) for h in spare}
    if not any(ends.values()) or len(spare) > MOST_SPARE or len(missing) > MOST_MISSING:
        return
    if asks_more(pair.a) or asks_more(pair.b) or not set(missing) <= set(real(pair.b)):
        return
    given = {**names, **{h.name: neutral(h)[0] for h in missing if neutral(h)}}
    later: list[Toward] = []
    tried = 0
    for toward, steps in _close(pair, [Toward(*way, given) for way in islice(
            _ways(spare, ends), FEW if _loops(pair) else MOST_TRIED)]):
        if steps < STEPS:
            later.append(toward)
        elif tried < MOST_PROOFS:
            tried += 1
            proof = goes(pair.a, pair.b, toward)
            if proof is not None:
                yield proof
                return
    if RATE in _rates(pair.a) & _rates(pair.b):
        for form in SCHEDULES:
            along = [replace(w, given={**w.given, RATE.name: form}) for w in later]
            for toward, steps in _close(pair, along):
                proof = goes(pair.a, pair.b, toward) if steps == STEPS else None
                if proof is not None:
                    yield proof
                    return


def _rates(step: Step) -> set[Sym]:
    return {Sym(h.name) for h in step.hypers}


def _close(pair: Pair, ways: Sequence[Toward]) -> Iterator[tuple[Toward, int]]:
    """Those near the ends of which steps in float64 are ones of the other rule, and how many are.
    What is done to the other rule is the same in all of them."""
    if not ways:
        return
    numbers = Numbers(pair)
    try:
        with np.errstate(all="ignore"):
            wanted = list(points(pair.b, numbers.theirs(ways[0].given)))
    except FAILED:
        return
    if not wanted or not any(map(np.any, map(np.subtract, wanted[-1], numbers.trial.point))):
        return  # nothing, or a rule that stays where it is
    for toward in ways:
        steps = numbers.quickly(toward, wanted)
        if steps:
            yield toward, steps


def _ends(step: Step, hyper: Hyper) -> list[End]:
    """Where a hyperparameter may go: beyond all bounds only as the exponent of a norm."""
    return [e for e in open_ends(hyper) if isinstance(e, Fraction) or any(
        is_root(n, hyper.name) for s in step.body for one in reads(s) for n in walk(one))]


def _loops(pair: Pair) -> bool:
    return any(isinstance(s, Loop | EachAxis) for step in (pair.a, pair.b)
               for s in statements(step.body))


def _ways(
    spare: Sequence[Hyper], ends: Mapping[str, Sequence[End]]
) -> Iterator[tuple[dict[str, End], dict[str, Fraction]]]:
    """What goes to which end, and what is at which number: as little as possible first."""
    options: dict[str, list[tuple[End, bool]]] = {h.name: [
        *((e, True) for e in ends[h.name]), *((v, False) for v in _numbers(h))] for h in spare}
    for count in range(1, len(spare) + 1):
        for names in combinations(options, count):
            for values in product(*(options[n] for n in names)):
                chosen = dict(zip(names, values, strict=True))
                going = {n: v for n, (v, moves) in chosen.items() if moves}
                if going:
                    yield going, {n: v for n, (v, moves) in chosen.items()
                                 if not moves and isinstance(v, Fraction)}


def _numbers(hyper: Hyper) -> list[Fraction]:
    bounds = hyper.range
    if hyper.type.kind != "real" or isinstance(hyper.default, tuple):
        return []
    return [v for v in map(Fraction, (0, 1)) if bounds is None or v in bounds]


def goes(rule: Step, other: Step, toward: Toward) -> Limit | None:
    """The proof of a limit, where numbers support it."""
    step = put(rule, toward.settings)
    read = {s for one in step.body for e in reads(one) for s in symbols(e)}
    numbers = [Numbers(Pair(rule, other), salt) for salt in (1, 7)]
    if not ({Sym(n) for n in toward.ends} <= read and all(n.agree(toward) for n in numbers)):
        return None
    if not any(n.needed(toward) for n in numbers):
        return None
    for rescaled, found in at_end(step, toward.ends):
        pair = Pair(found.end, other, toward.given)
        shown = _shown(found, pair) if met(found, pair) else None
        if shown is not None:
            made = Limit(rule, toward, rescaled, found.off, shown)
            with suppress(Rejected, *FAILED):
                check(made)
                return made
    return None


def _shown(found: Continuity, pair: Pair) -> Proof | None:
    """That the rule at the end is the other one; if need be, where nothing is 0 that must not."""
    return proved(pair) or (proved(apart(found.off, pair)) if found.off else None)
