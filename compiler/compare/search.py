"""The order in which verdicts are tried: equal, under a map, at a setting, under conditions, up to
another iterate; else what tells the rules apart, or that nothing was found.

Exact runs come before every proof: what they contradict is not tried. What is called equal has a
proof that `verify` accepts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product

from thetaprime.claims.refute import Tested
from thetaprime.compare import lti, nearby, reported
from thetaprime.compare.approached import approached, goes
from thetaprime.compare.close import close
from thetaprime.compare.differing import counterexample
from thetaprime.compare.limits import Limit
from thetaprime.compare.operands import Operand
from thetaprime.compare.pairs import Pair, beside, texts
from thetaprime.compare.proving import QUICK, THOROUGH, differs, proved
from thetaprime.compare.result import Comparison
from thetaprime.compare.settings import at_rest, at_settings, narrowed, under_conditions
from thetaprime.compare.ways import identical, linear, mapped, over_steps, renamed

MOST_STATIC = 8


def compared(a: Operand, b: Operand) -> Comparison:
    """The verdict. Raises SpecError for operands that are wrong."""
    begun = time.perf_counter()
    found = reported.said(_over_choices(a, b))
    return replace(found, seconds=time.perf_counter() - begun)


# Static hyperparameters.


def _over_choices(a: Operand, b: Operand) -> Comparison:
    """The verdict at the default choices; where others change it, that is a condition."""
    every = list(_choices(a, b))
    fixed_a, fixed_b = every[0]
    first = _judged(a, b, beside(a.step(fixed_a), b.step(fixed_b)))
    if len(every) == 1:
        return first
    default = _told(every[0])
    if first.verdict in ("equal", "equal-under-map", "specialises", "equal-when"):
        return replace(first, choices=default, notes=(
            *first.notes, *_other_choices(a, b, first, every)))
    for fixed_a, fixed_b in every[1:]:
        pair = beside(a.step(fixed_a), b.step(fixed_b))
        other = _equal_so(a, b, pair)
        if other is not None:
            changed = {n: v for n, v in _told((fixed_a, fixed_b)).items() if default.get(n) != v}
            return replace(other, choices=_told((fixed_a, fixed_b)), notes=(
                *other.notes, "different at the default " + ", ".join(
                    f"{n} = {default[n]}" for n in changed)))
    return replace(first, choices=default)


def _choices(a: Operand, b: Operand) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Choices of both, the same for those of one name; the defaults (of a) first."""
    shared = {n: [v for v in values if v in b.choices[n]]
              for n, values in a.choices.items() if n in b.choices}
    own_a = {n: v for n, v in a.choices.items() if n not in shared}
    own_b = {n: v for n, v in b.choices.items() if n not in shared}
    every = product(*shared.values(), *own_a.values(), *own_b.values())
    for values in islice(every, MOST_STATIC):
        names = [*shared, *own_a, *own_b]
        both = list(zip(names, values, strict=True))
        n, m = len(shared), len(shared) + len(own_a)
        yield dict(both[:m]), dict([*both[:n], *both[m:]])


def _told(fixed: tuple[Mapping[str, str], Mapping[str, str]]) -> dict[str, str]:
    return {**fixed[0], **fixed[1]}


def _other_choices(
    a: Operand, b: Operand, first: Comparison, every: Sequence[tuple[dict[str, str], ...]]
) -> Iterator[str]:
    """What the same map and conditions come to for other choices than the first."""
    assert first.proof is not None
    proved = first.proof.pair
    wider = first.proof.rule if isinstance(first.proof, Limit) else proved.a
    turned = wider is not a.step(every[0][0])
    same: list[str] = []
    apart: list[str] = []
    for fixed_a, fixed_b in every[1:]:
        one, other = a.step(fixed_a), b.step(fixed_b)
        pair = beside(other, one) if turned else beside(one, other)
        pair = replace(proved, a=pair.a, b=pair.b)
        words = " and ".join(f"{n} = {v}" for n, v in _told((fixed_a, fixed_b)).items()
                             if first.choices.get(n) != v)
        (same if _sure(pair, first) else apart).append(words)
    if same:
        yield "so too with " + "; ".join(same)
    if apart:
        yield "not shown (or not so) with " + "; ".join(apart)


def _sure(pair: Pair, first: Comparison) -> bool:
    """Whether there is a proof for another choice too."""
    if isinstance(first.proof, Limit):
        return goes(pair.a, pair.b, first.proof.toward) is not None
    if not pair.agrees(QUICK):
        return False
    if proved(pair) is not None:
        return True
    found = lti.decided(replace(pair, hypers={}, when=())) if isinstance(
        first.proof, lti.Unrolled) else None
    return found is not None and (texts(found.map), found.alternatives) == (
        dict(first.map), first.conditions)


def _equal_so(a: Operand, b: Operand, pair: Pair) -> Comparison | None:
    """An equality for choices that are not the defaults."""
    return next((found for way in (identical, at_settings) for found in way(a, b, pair)), None)


# One choice.


def _judged(a: Operand, b: Operand, pair: Pair) -> Comparison:
    found = next(_equalities(a, b, pair), None)
    if found is not None:
        return found
    near = approached(pair)
    if near is not None and near.plain:
        return near.comparison(a, b)
    found = next(close(a, b, pair), None)
    if found is not None:
        return found
    return _apart(a, b, pair, tuple(near.notes(a, b)) if near is not None else ())


def _equalities(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    """The verdicts that say equal, the strongest first."""
    for way in (identical, linear, narrowed, mapped, renamed, at_settings, over_steps,
                under_conditions):
        yield from way(a, b, pair)


def _apart(a: Operand, b: Operand, pair: Pair, near: Sequence[str]) -> Comparison:
    """What tells the rules apart; ``near``: a limit in which they meet."""
    missing = [h.name for h in pair.missing()]
    rest = pair.assuming(*at_rest(pair))
    found = counterexample(rest, THOROUGH)
    if found is not None:  # what differs even there is the plainer difference
        pair = rest
    else:
        found = counterexample(pair, THOROUGH)
    if found is None:
        points = pair.attacked(THOROUGH)
        return Comparison(a.text, b.text, "unknown", notes=(
            "tried: the same rule, settings, maps of hyperparameters, conditions",),
            points=points.points if isinstance(points, Tested) else 0)
    decided = lti.decided(pair)
    notes = [*(decided.notes if decided is not None else ()), *near, *differs(pair),
             *nearby.notes(a, b, pair)]
    if missing:
        notes.append(f"no values of {', '.join(f'`{n}`' for n in missing)} of {b.text} were found "
                     "that make them equal; the run has the defaults")
    return Comparison(a.text, b.text, "different", counterexample=found,
                      first_difference_step=found.step, notes=tuple(notes))
