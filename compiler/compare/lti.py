"""The verdict on two rules that are linear in their oracle, from the decision procedure of
`linear`: complete, for all hyperparameters and all steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

import numpy as np

from thetaprime.claims.context import Rejected
from thetaprime.claims.refute import Counterexample, sampled
from thetaprime.claims.runs import Trial
from thetaprime.claims.same_runs import judged_equal
from thetaprime.compare.linear import Linear, Solution, decide
from thetaprime.compare.pairs import FAILED, Pair, equal, real
from thetaprime.expr import Expr, Num, Sym
from thetaprime.render import spec_text

RUNS, MOST_LANES = 4, 5


@dataclass(frozen=True)
class Unrolled:
    """A proof that two linear rules agree: the first ``steps`` steps from the actual starts are
    equal, and with so many states between them no later step can differ (Cayley-Hamilton)."""

    pair: Pair
    steps: int

    @property
    def how(self) -> str:
        """The method in words."""
        return f"{self.steps} unrolled steps of two linear rules (Cayley-Hamilton)"

    def lines(self) -> list[str]:
        """The proof for people."""
        return [f"both rules are linear in the gradient; their first {self.steps} steps from the "
                "actual starts are equal in all hyperparameters",
                "the runs obey a recurrence of lower order, so that no later step differs"]

    def verify(self) -> int:
        """Exact runs of so many steps at random hyperparameters: identities that hold there hold
        everywhere but for unlucky draws. Raises Rejected."""
        judge, points = judged_equal(self.pair.rival), 0
        trials = islice(sampled(self.pair.question, 8 * RUNS, 21), 4 * RUNS, None)
        for index, trial in enumerate(islice(trials, RUNS)):
            found = judge(self.pair.question, _longer(self.pair, trial, self.steps, index))
            if isinstance(found, Counterexample):
                raise Rejected(f"the runs differ after step {found.step}")
            points += found
        if points < self.steps:
            raise Rejected("no run of that length")
        return points


def _longer(pair: Pair, trial: Trial, steps: int, salt: int) -> Trial:
    """A run of one entry, with hyperparameters and gradients that are in no special relation."""
    tree = tuple(np.array([Fraction(7 + salt, 5)], object) for _ in trial.point[:1])
    gradients = tuple((np.array([Fraction((k * k + 3 * salt) % 11 - 4, k + 2)], object),)
                      for k in range(steps))
    hypers = dict(trial.hypers)
    fixed = {one.left.name for one in pair.when if isinstance(one.left, Sym)}
    for k, hyper in enumerate(real(pair.a)):
        if hyper.type.kind == "real" and hyper.name not in fixed and hyper.name in hypers:
            bounds = hyper.range
            low = Fraction(0) if bounds is None or bounds.low is None else bounds.low
            high = low + 1 if bounds is None or bounds.high is None else bounds.high
            hypers[hyper.name] = low + (high - low) * Fraction(3 + 2 * k + salt, 17 + 3 * k + salt)
    return replace(trial, point=tree, gradients=gradients, hypers=hypers)


@dataclass(frozen=True)
class Decided:
    """What was decided: ``pair`` with its map and conditions where the runs are equal, maps both
    ways; ``alternatives`` are all conditions; ``upto`` words for what is equal otherwise."""

    pair: Pair | None
    map: Mapping[str, Expr]
    inverse: Mapping[str, Expr]
    alternatives: tuple[str, ...]
    upto: str
    proof: Unrolled | None
    notes: tuple[str, ...]


def decided(pair: Pair) -> Decided | None:
    """None where one of the rules is not linear, or the procedure gives up."""
    try:
        found = decide(pair.a, pair.b)
        return None if found is None or len(real(pair.b)) > MOST_LANES else _decided(pair, found)
    except FAILED:
        return None


def _decided(pair: Pair, found: Linear) -> Decided | None:
    if found.same["run"]:
        return _equal(pair, found, {}, {}, ())
    forward, back = found.maps("run"), found.inverse("run")
    if forward is None or back is None:
        return None
    maps, inverse = _general(forward), _general(back)
    if maps is not None:
        return _equal(pair.given(**maps), found, maps, inverse or {}, ())
    if inverse is not None:
        return _equal(pair.turned.given(**inverse), found, {}, inverse, ())
    upto = _up_to(found)
    if upto:
        return Decided(None, {}, {}, (), upto, None, _where(pair, found))
    some = min(_reached(found.when("run")), _reached(forward), key=lambda found: min(
        (len(s.conditions) for s in found), default=len(real(pair.a)) + 1))
    if some:
        one = some[0]
        at = pair.given(**one.values).assuming(*(equal(n, v) for n, v in one.conditions.items()))
        maps = {n: e for n, e in one.values.items() if e != Sym(n)}
        same = [s for s in some if s.values.items() >= maps.items()]
        told = tuple(dict.fromkeys([
            *(f"{spec_text(e)} = 0" for e in found.assumed if _there(pair, e)),
            *(" and ".join(f"{n} = {spec_text(v)}" for n, v in s.conditions.items())
              for s in same)]))
        return _equal(at, found, maps, {}, told, ("these are all: decided" if len(
            same) == len(some) else "there are others, with other maps",))
    notes = _where(pair, found)
    if not forward and not back:
        notes = (*notes, "no hyperparameters at all make them equal: decided, both are linear")
    return Decided(None, {}, {}, (), "", None, notes)


def _equal(
    at: Pair, found: Linear, maps: Mapping[str, Expr], inverse: Mapping[str, Expr],
    alternatives: tuple[str, ...], notes: tuple[str, ...] = (),
) -> Decided | None:
    proof = Unrolled(at, found.steps)
    try:
        proof.verify()
    except Rejected:
        return None
    return Decided(at, maps, inverse, alternatives, "", proof, (*_where(at, found), *notes))


def _where(pair: Pair, found: Linear) -> tuple[str, ...]:
    """What is taken not to be 0, unless the rules are equal there too."""
    return tuple(f"where {spec_text(e)} is not 0" for e in found.assumed if not _there(pair, e))


def _there(pair: Pair, assumed: Expr) -> bool:
    """Whether the rules are equal too where a hyperparameter of both that is taken not to be 0 is
    0."""
    if not isinstance(assumed, Sym) or assumed.name not in {h.name for h in real(pair.b)}:
        return False
    try:
        pair.assuming(equal(assumed.name, Num("0"))).proved()
    except FAILED:
        return False
    return True


def _reached(solutions: Sequence[Solution] | None) -> list[Solution]:
    """Those within the ranges, with the fewest conditions first."""
    return sorted((s for s in solutions or () if not s.outside and not s.left),
                  key=lambda s: len(s.conditions))


def _general(solutions: Sequence[Solution]) -> dict[str, Expr] | None:
    """A map for all hyperparameters of the other rule; what is free in it is the other's own."""
    for one in solutions:
        if one.general and any(e != Sym(n) for n, e in one.values.items()):
            return {n: e for n, e in one.values.items() if e != Sym(n)}
    return None


def _up_to(found: Linear) -> str:
    """What is equal all the same: queries, another iterate, several steps as one."""
    for solution in (None, *(s for s in found.maps("queries") or () if s.general)):
        if solution is None and not found.same["queries"]:
            continue
        row = found.reading("b", "point", solution)
        if row is not None:
            by = "".join(f", {n} = {spec_text(e)}" for n, e in (
                solution.values.items() if solution is not None else ()))
            return f"the iterate that is kept: that of the second is {_sum(row)} of the first{by}"
    if found.repetition is not None and "run" in found.repetition.notions:
        times = found.repetition.times
        which = "second" if found.repetition.rule == "a" else "first"
        return f"repetition: a step of the {which} is {times} of the other"
    if found.shift is not None and not found.shift.trivial:
        return "a shift: the same queries, at other steps"
    if found.same["transfer"]:
        return "the start: their queries are the same after suitable starts"
    return ""


def _sum(row: Mapping[str, Expr]) -> str:
    return " + ".join(_product(f, n) for n, f in row.items()).replace("+ -", "- ") or "0"


def _product(factor: Expr, name: str) -> str:
    text = spec_text(factor)
    if text in ("1", "-1"):
        return name if text == "1" else f"-{name}"
    return f"{text}*{name}" if " " not in text else f"({text})*{name}"

