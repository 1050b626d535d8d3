"""Which pairs of rules are worth a comparison: numbers first, proofs later.

A `Profile` holds short runs of a rule in float64 on points and gradients that are the same for all
rules. Hyperparameters have values by their names, so that equal names are equal; then some of them
are set to numbers at which they may have no effect, or to forms of others, or to the values of
other names. Where the run of one rule with all its hyperparameters is among the runs of another,
that one may be the wider rule; where it is that of an edited rule, one edit may be the difference.

What such runs miss: rules that share hyperparameters, several of which have other names; maps of
other forms than `_forms`, or of several hyperparameters; more than `MOST_SET` settings at once, or
more than `MOST_RUNS` in all; rules that agree only for a schedule, or up to an iterate that neither
reports. What parts rules only after `STEPS` steps is found by the comparison.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations, islice, product
from typing import Any

import numpy as np

from thetaprime.claims.runs import Trial, run
from thetaprime.compare.operands import Operand
from thetaprime.compare.pairs import FAILED, real
from thetaprime.edits import edits
from thetaprime.expr import Num
from thetaprime.guards import holds
from thetaprime.interpret import after, evaluation
from thetaprime.ir import Hyper, Step
from thetaprime.numbers import FLOAT

STEPS, MOST_SET, MOST_RUNS, MOST_EDITS = 3, 3, 800, 400
MOST_CHOICES = 4
# The first of these trees that a rule takes is that of its runs.
TREES: tuple[tuple[tuple[int, ...], ...], ...] = (((3, 2),), ((2, 2, 2),), ((4,),))
CLOSE, SMALLER = 1e-9, 0.3
Vector = list[float]
Setting = dict[str, str]


@dataclass(frozen=True)
class Run:
    """One run on a tree: how its hyperparameters were ``set``, for an edited rule the number of
    the ``edit``, and the entries of the point after the first and the last step."""

    tree: int
    vector: Vector
    set: Setting = field(default_factory=dict)
    edit: int = -1


@dataclass(frozen=True)
class Profile:
    """``generic`` runs, one for each tree, with all hyperparameters at values of their names;
    ``resting``: those that are 0 by default are 0; ``reported``: the evaluated points of the
    generic ones; ``settings``: with other values; ``edited`` rules, generic and at rest."""

    generic: list[Run]
    resting: list[Run]
    reported: list[Run]
    settings: list[Run]
    edited: list[Run]
    edited_resting: list[Run]

    def to_json(self) -> dict[str, Any]:
        """What is kept."""
        return asdict(self)


def of_json(data: Mapping[str, list[dict[str, Any]]]) -> Profile:
    """The profile that was kept."""
    return Profile(**{name: [Run(**one) for one in runs] for name, runs in data.items()})


def profile(rule: Operand) -> Profile:
    """The runs of a rule. Raises SpecError."""
    step = rule.step({})
    trees = [k for k, tree in enumerate(TREES) if all(
        holds(step.takes, {"rank": len(s)}, "") for s in tree)]
    given = {h.name: value(h) for h in step.hypers if value(h) is not None}
    rest = {**given, **{h.name: 0.0 for h in real(step) if h.default == Num("0")}}
    found = Profile([], [], [], [], [], [])
    found.generic.extend(_runs(step, given, trees))
    found.resting.extend(_runs(step, rest, trees))
    if step.evaluate is not None:
        found.reported.extend(_runs(step, given, trees, reported=True))
    for setting, at, hypers in islice(_settings(rule, given), MOST_RUNS):
        found.settings.extend(replace(r, set=setting) for r in _runs(at, hypers, trees[:1]))
    for number, edit in enumerate(islice(edits(rule.flat), MOST_EDITS)):
        for runs, hypers in ((found.edited, given), (found.edited_resting, rest)):
            runs.extend(replace(r, edit=number) for r in _runs(edit.step, hypers, trees[:1]))
    return found


@dataclass(frozen=True)
class Candidates:
    """Pairs of rules by their names: the wider one first, with what it may be ``set`` to, fewest
    settings first; edits, the number of one of the first rule's that may make the second; and
    pairs that agree if what is 0 by default is 0 in both."""

    pairs: dict[tuple[str, str], Setting]
    edits: dict[tuple[str, str], list[int]]
    resting: list[tuple[str, str]]


def candidates(profiles: Mapping[str, Profile]) -> Candidates:
    """The pairs whose runs agree."""
    pairs: dict[tuple[str, str], Setting] = {}
    near: dict[tuple[str, str], list[int]] = {}
    wider = _Index((n, r) for n, p in profiles.items()
                   for r in (*p.generic, *p.reported, *p.settings))
    edited = _Index((n, r) for n, p in profiles.items() for r in p.edited)
    edited_resting = _Index((n, r) for n, p in profiles.items() for r in p.edited_resting)
    resting = _Index((n, r) for n, p in profiles.items() for r in p.resting)
    both: set[tuple[str, str]] = set()
    for name, own in profiles.items():
        for one in own.generic:
            for other, found in wider.like(one):
                pair = (other, name)
                if other != name and len(found.set) <= len(pairs.get(pair, found.set)):
                    pairs[pair] = found.set
        both |= {(name, other) for one in own.resting for other, _ in resting.like(one)
                 if name < other}
        for index, runs in ((edited, own.generic), (edited_resting, own.resting)):
            for other, found in (like for one in runs for like in index.like(one)):
                if other != name and found.edit not in near.setdefault((other, name), []):
                    near[other, name].append(found.edit)
    ordered = sorted(pairs, key=lambda pair: (len(pairs[pair]), pair))
    return Candidates({pair: pairs[pair] for pair in ordered}, dict(sorted(near.items())),
                      sorted(both - {tuple(sorted(pair)) for pair in pairs}))


class _Index:
    """Runs by their vectors."""

    def __init__(self, runs: Iterable[tuple[str, Run]]) -> None:
        self.known: dict[int, list[tuple[str, Run]]] = {}
        for name, one in runs:
            self.known.setdefault(one.tree, []).append((name, one))
        self.arrays = {tree: np.array([r.vector for _, r in known])
                       for tree, known in self.known.items()}

    def like(self, one: Run) -> Iterator[tuple[str, Run]]:
        """The runs whose vectors are close."""
        if one.tree in self.known:
            wanted = np.array(one.vector)
            close = np.abs(self.arrays[one.tree] - wanted) <= CLOSE * (1 + np.abs(wanted))
            for place in np.flatnonzero(close.all(axis=1)):
                yield self.known[one.tree][place]


# Values.


def named(name: str) -> float:
    """The value that every hyperparameter of a name has, between 0.2 and 0.8."""
    return round(random.Random(name).uniform(0.2, 0.8), 6)


def value(hyper: Hyper) -> Any:
    """The value of a hyperparameter, by its name where its range has it; None for its default."""
    if isinstance(hyper.default, tuple):
        return None
    if hyper.type.kind == "function":
        return _plain
    if hyper.type.kind == "int":
        return _within(hyper, 2.0)
    return _within(hyper, named(hyper.name))


def _plain(*args: Any) -> Any:
    return args[0]


def _within(hyper: Hyper, wanted: float) -> float:
    bounds = hyper.range
    if bounds is None or wanted in bounds:
        return wanted
    low = float(bounds.low) if bounds.low is not None else float(bounds.high or 0) - 1
    high = float(bounds.high) if bounds.high is not None else low + 1
    if hyper.type.kind == "int":
        return low if bounds.low_closed else low + 1
    return low + (high - low) * wanted


def _neutral(hyper: Hyper) -> list[float]:
    """The numbers at which a hyperparameter may have no effect."""
    bounds = hyper.range
    own = [float(hyper.default.value)] if isinstance(hyper.default, Num) else []
    ends = [] if bounds is None else [float(e) for e in (bounds.low, bounds.high) if e is not None]
    tried = dict.fromkeys([0.0, 1.0, *ends, *own])
    return [v for v in tried if (bounds is None or v in bounds) and v != value(hyper)]


def _settings(
    rule: Operand, given: Mapping[str, Any]
) -> Iterator[tuple[Setting, Step, dict[str, Any]]]:
    """Fewer settings first: other choices, numbers, forms, names."""
    step = rule.step({})
    chosen = [({n: v for n, v in fixed.items() if v != rule.choices[n][0]}, rule.step(fixed))
              for fixed in islice(rule.all_choices(), MOST_CHOICES)]
    yield from ((setting, at, dict(given)) for setting, at in chosen[1:])
    free = [h for h in step.hypers if h.name in given and h.type.kind != "function"]
    for hyper in free:
        for text, number in _forms(hyper, free, given):
            yield {hyper.name: text}, step, {**given, hyper.name: number}
    for count in range(1, MOST_SET + 1):
        for some, (fixed, at) in product(combinations(free, count), chosen):
            for numbers in product(*map(_neutral, some)):
                values = {h.name: v for h, v in zip(some, numbers, strict=True)}
                yield {**fixed, **{n: f"{v:g}" for n, v in values.items()}}, at, {**given, **values}


def _forms(
    hyper: Hyper, others: Sequence[Hyper], given: Mapping[str, Any]
) -> Iterator[tuple[str, float]]:
    """A hyperparameter as a formula in itself and one other."""
    a, n = given[hyper.name], hyper.name
    if hyper.type.kind == "int" or a <= 0:
        return
    made = [(f"1 - {n}", 1 - a), (f"{n}^2", a * a), (f"sqrt({n})", a**0.5)]
    for other in others:
        b, m = given[other.name], other.name
        if m != n and other.type.kind != "int" and 0 < b < 1:
            made += [(f"{n}*{m}", a * b), (f"{n}/{m}", a / b), (f"{n}*(1 - {m})", a * (1 - b)),
                     (f"{n}/(1 - {m})", a / (1 - b)), (m, b)]
    yield from ((text, v) for text, v in made if hyper.range is None or v in hyper.range)


# Runs.


def _runs(
    step: Step, hypers: Mapping[str, Any], trees: Sequence[int], reported: bool = False
) -> Iterator[Run]:
    """One for each tree on which all is defined."""
    for tree in trees:
        vector = _vector(step, hypers, tree, reported)
        if vector is not None:
            yield Run(tree, vector)


def _vector(step: Step, hypers: Mapping[str, Any], tree: int, reported: bool) -> Vector | None:
    """The entries of the point after the first and the last step (or of the point to evaluate
    then); None where they are undefined."""
    rng = np.random.default_rng(tree)
    point = tuple(rng.uniform(-1, 1, s) for s in TREES[tree])
    # Ever smaller ones, so that what is remembered decides signs and maxima.
    gradients = tuple(tuple(SMALLER**k * rng.uniform(-1, 1, s) for s in TREES[tree])
                      for k in range(STEPS))
    whole = {h.name for h in step.hypers if h.type.kind == "int"}
    values = {n: int(v) if n in whole else v for n, v in hypers.items()}
    found: Vector = []
    try:
        with np.errstate(all="ignore"):
            for done in run(step, Trial(values, point, gradients), FLOAT):
                moved, memory = after(done)
                shown = evaluation(step, memory, moved, values) if reported else moved
                if done.t in (1, STEPS):
                    found += [v for array in shown for v in np.ravel(array).tolist()]
    except (*FAILED, TypeError, AttributeError, np.linalg.LinAlgError, OverflowError):
        return None
    return [float(f"{v:.12g}") for v in found] if np.isfinite(found).all() else None
