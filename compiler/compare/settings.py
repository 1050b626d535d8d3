"""Equal where hyperparameters have certain values: those that only one of the rules has, those that
rest at 0 if nothing is said, and any that a condition is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice, product

from thetaprime.claims.questions import Relation
from thetaprime.compare import maps, where
from thetaprime.compare.differing import counterexample, term
from thetaprime.compare.operands import Operand
from thetaprime.compare.pairs import Pair, condition_text, equal, real, texts
from thetaprime.compare.probe import Probe
from thetaprime.compare.proving import (
    MOST_PROOFS,
    QUICK,
    THOROUGH,
    Proof,
    differs,
    over_time,
    proved,
)
from thetaprime.compare.result import Comparison
from thetaprime.expr import Expr, Num, Sym
from thetaprime.ir import Hyper
from thetaprime.render import spec_text

MOST_SETTINGS, MOST_TRIED = 5, 128


def narrowed(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    """One has all hyperparameters of the other and more, which are set to numbers."""
    if bool(pair.missing()) != bool(pair.spare):
        yield from at_settings(a, b, pair, ())


def at_settings(
    a: Operand, b: Operand, pair: Pair, rests: Sequence[Hyper] | None = None
) -> Iterator[Comparison]:
    """Hyperparameters that only one of them has set to numbers, and those that rest at 0 there, as
    few as possible."""
    rests = resting(pair) if rests is None else rests
    theirs, ours = pair.missing(), [*pair.spare, *rests]
    if len(ours) + len(theirs) > MOST_SETTINGS or not (ours or theirs):
        return
    found: list[tuple[dict[str, Expr], dict[str, Expr], Proof]] = []
    proofs = 0
    for own, given in islice(_choices_of_numbers(ours, theirs, rests), MOST_TRIED):
        if not (own or given) or any(o.items() <= own.items() for o, _, _ in found):
            continue
        at = pair.given(**given).assuming(*(equal(n, v) for n, v in own.items()))
        if not Probe(at).passes({}) or not at.agrees(QUICK) or not at.agrees(4 * QUICK, 1):
            continue
        proofs += 1
        shown = proved(at)
        if shown is not None:
            found.append((own, given, shown))
        if proofs == MOST_PROOFS:
            break
    if not found:
        return
    if not (theirs or pair.spare or pair.hypers):  # other values of these, or of others, may do too
        yield from under_conditions(a, b, pair)
    yield _settings(a, b, pair, found)


def _choices_of_numbers(
    ours: Sequence[Hyper], theirs: Sequence[Hyper], rests: Sequence[Hyper]
) -> Iterator[tuple[dict[str, Expr], dict[str, Expr]]]:
    """Numbers for none of ours, for one, for two, ...; for all of theirs."""
    options = {h.name: [Num("0")] if h in rests else maps.neutral(h) for h in ours}
    others = [maps.neutral(h) for h in theirs]
    for count in range(len(ours) + 1):
        for picked in combinations(options, count):
            for values in product(*(options[n] for n in picked), *others):
                own, given = values[:count], values[count:]
                yield (dict(zip(picked, own, strict=True)),
                       dict(zip((h.name for h in theirs), given, strict=True)))


def resting(pair: Pair) -> list[Hyper]:
    """Hyperparameters of both that are 0 if nothing is said, like a weight decay."""
    theirs = {h.name for h in real(pair.b)}
    return [h for h in real(pair.a) if h.default == Num("0") and h.name in theirs]


def at_rest(pair: Pair) -> list[Relation]:
    """That all which is 0 if nothing is said is 0: of both, and of the first alone."""
    return [equal(h.name, Num("0")) for h in (*resting(pair), *pair.spare) if h.default == Num("0")]


def _settings(
    a: Operand, b: Operand, pair: Pair,
    found: Sequence[tuple[dict[str, Expr], dict[str, Expr], Proof]],
) -> Comparison:
    """The settings found: of hyperparameters that only one has, then the first is that of the
    other; or of both."""
    only = {h.name for h in pair.spare}
    own, given, shown = min(found, key=lambda f: not (f[0].keys() <= only and not (f[0] and f[1])))
    notes = [*_needs(pair, own, given), *over_time(shown.pair)]
    if own.keys() <= only and not (own and given) and not pair.hypers:
        ours = " and ".join(f"{n} = {spec_text(v)}" for n, v in own.items())
        return Comparison(a.text, b.text, "specialises", map=texts(given),
                          conditions=(ours,) if ours else (), proof=shown, notes=tuple(notes))
    told = tuple(" and ".join([
        *(f"{n} = {spec_text(v)}" for n, v in one.items()),
        *(f"{n} of {b.text} = {spec_text(v)}" for n, v in other.items())])
        for one, other, _ in found)
    apart = counterexample(pair, THOROUGH)
    return Comparison(a.text, b.text, "equal-when", conditions=told, proof=shown,
                      map=texts(pair.hypers), notes=(*notes, *term(pair)), counterexample=apart,
                      first_difference_step=apart.step if apart is not None else None)


def _needs(
    pair: Pair, own: Mapping[str, Expr], given: Mapping[str, Expr]
) -> Iterator[str]:
    """Why each setting is needed, where that is proved."""
    for name, value in own.items():
        rest = {n: v for n, v in own.items() if n != name}
        why = where.needed(pair.given(**given).assuming(
            *(equal(n, v) for n, v in rest.items())), equal(name, value))
        if why is not None:
            yield why.text()
    if len(given) == 1 and not own:
        ((name, value),) = given.items()
        why = where.needed(pair.turned, equal(name, value))
        if why is not None:
            yield why.text()


# Conditions.


def under_conditions(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    if pair.missing() or pair.agrees(THOROUGH):  # a condition that nothing asks for
        return
    found = _conditioned(pair)
    if not found:
        return
    told = tuple(" and ".join(map(condition_text, when)) for when, _ in found)
    when, shown = found[0]
    notes = _needed(pair, when) if len(found) == 1 else _one_needed(pair, [w for w, _ in found])
    only = {h.name for h in pair.spare}
    if len(found) == 1 and all(
            isinstance(one.left, Sym) and one.left.name in only for one in when):
        yield Comparison(a.text, b.text, "specialises", proof=shown, notes=tuple(notes),
                         conditions=told)
        return
    apart = counterexample(pair, THOROUGH)
    yield Comparison(
        a.text, b.text, "equal-when", conditions=told, proof=shown,
        notes=(*notes, *differs(pair)), counterexample=apart,
        first_difference_step=apart.step if apart is not None else None)


def _conditioned(pair: Pair) -> list[tuple[tuple[Relation, ...], Proof]]:
    """Single conditions with a proof each; else two at once, the first that do."""
    found: list[tuple[tuple[Relation, ...], Proof]] = []
    for when in islice(where.conditions(pair), MOST_PROOFS):
        at = pair.assuming(*when)
        shown = proved(at) if at.agrees(THOROUGH) else None
        if shown is not None:
            found.append((when, shown))
            if len(when) > 1:
                break
    return found


def _needed(pair: Pair, when: Sequence[Relation]) -> list[str]:
    """Why each condition is needed."""
    notes = []
    for one in when:
        rest = pair.assuming(*(o for o in when if o is not one))
        why = where.needed(rest, one)
        notes.append(why.text() if why is not None else
                     f"that `{condition_text(one)}` is needed is not proved")
    return notes


def _one_needed(pair: Pair, ways: Sequence[tuple[Relation, ...]]) -> list[str]:
    """Why one of several ways is needed."""
    single = all(len(when) == 1 for when in ways)
    why = where.needed(pair, *(when[0] for when in ways)) if single else None
    return [why.text() if why is not None else
            "each of these is enough; that there are no others is not proved"]
