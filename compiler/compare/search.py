"""The order in which verdicts are tried: equal, under a map, at a setting, under conditions, up to
another iterate; else what tells the rules apart, or that nothing was found.

Exact runs come before every proof: what they contradict is not tried. What is called equal has a
proof that `verify` accepts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations, islice, product

from thetaprime.claims.refute import Tested
from thetaprime.compare import gaps, lti, maps, moving, nearby, reported, where
from thetaprime.compare.differing import counterexample, term
from thetaprime.compare.operands import Operand
from thetaprime.compare.pairs import FAILED, Pair, Shown, condition_text, equal, real, texts
from thetaprime.compare.probe import Probe
from thetaprime.compare.result import Answer, Comparison
from thetaprime.compare.verify import Rejected, verify
from thetaprime.expr import Expr, Num, Sym, symbols
from thetaprime.ir import Hyper
from thetaprime.render import spec_text

QUICK, THOROUGH = 8, 60
MOST_PROOFS, MOST_STATIC, MOST_SETTINGS, MOST_TRIED = 4, 8, 5, 128


def compared(a: Operand, b: Operand) -> Comparison:
    """The verdict. Raises SpecError for operands that are wrong."""
    begun = time.perf_counter()
    found = reported.said(_over_choices(a, b))
    return replace(found, seconds=time.perf_counter() - begun)


# Static hyperparameters.


def _over_choices(a: Operand, b: Operand) -> Comparison:
    """The verdict at the default choices; where others change it, that is a condition."""
    every = list(_choices(a, b))
    verdicts = []
    for fixed_a, fixed_b in every[:1]:
        verdicts.append(_judged(a, b, Pair(a.step(fixed_a), b.step(fixed_b))))
    (first,) = verdicts
    if len(every) == 1:
        return first
    default = _told(every[0])
    if first.verdict in ("equal", "equal-under-map", "specialises", "equal-when"):
        return replace(first, choices=default, notes=(
            *first.notes, *_other_choices(a, b, first, every)))
    for fixed_a, fixed_b in every[1:]:
        pair = Pair(a.step(fixed_a), b.step(fixed_b))
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
    turned = proved.a is not a.step(every[0][0])
    same: list[str] = []
    apart: list[str] = []
    for fixed_a, fixed_b in every[1:]:
        one, other = a.step(fixed_a), b.step(fixed_b)
        pair = replace(proved, a=other, b=one) if turned else replace(proved, a=one, b=other)
        words = " and ".join(f"{n} = {v}" for n, v in _told((fixed_a, fixed_b)).items()
                             if first.choices.get(n) != v)
        (same if pair.agrees(QUICK) and _sure(pair, first) else apart).append(words)
    if same:
        yield "so too with " + "; ".join(same)
    if apart:
        yield "not shown (or not so) with " + "; ".join(apart)


def _sure(pair: Pair, first: Comparison) -> bool:
    """Whether there is a proof for another choice too."""
    if _proved(pair) is not None:
        return True
    found = lti.decided(replace(pair, hypers={}, when=())) if isinstance(
        first.proof, lti.Unrolled) else None
    return found is not None and (texts(found.map), found.alternatives) == (
        dict(first.map), first.conditions)


def _equal_so(a: Operand, b: Operand, pair: Pair) -> Comparison | None:
    """An equality for choices that are not the defaults."""
    return next((found for way in (_identical, _at_settings) for found in way(a, b, pair)), None)


# One choice.


def _judged(a: Operand, b: Operand, pair: Pair) -> Comparison:
    found = next(_equalities(a, b, pair), None)
    return found if found is not None else _apart(a, b, pair)


def _equalities(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    """The verdicts that say equal, the strongest first."""
    for way in (_identical, _linear, _narrowed, _renamed, _mapped, _at_settings, _over_steps,
                _under_conditions):
        yield from way(a, b, pair)


def _identical(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    if not pair.agrees(QUICK):
        return
    shown = _proved(pair)
    if shown is not None:
        yield Comparison(a.text, b.text, "equal", proof=shown, notes=_over_time(pair))


def _linear(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    """What the decision procedure for linear rules says; nothing where it says different."""
    found = lti.decided(pair)
    if found is None or (found.pair is None and not found.upto):
        return
    plain = not any(symbols(e) for e in (*found.map.values(), *found.inverse.values()))
    fewer = len(pair.turned.missing()) - len(pair.missing())
    apart = counterexample(pair, THOROUGH) if found.upto or found.alternatives else None
    verdict: Answer = "equal-up-to" if found.upto else "equal-when" if found.alternatives else (
        "specialises" if (plain or fewer) and (found.map or found.inverse) else
        "equal-under-map" if found.map else "equal")
    yield Comparison(
        a.text, b.text, verdict, map=texts(found.map), inverse=texts(found.inverse),
        conditions=(found.upto,) if found.upto else found.alternatives, proof=found.proof,
        notes=(*found.notes, *(_over_time(found.pair) if found.pair is not None else ())),
        counterexample=apart, first_difference_step=apart.step if apart is not None else None)


def _narrowed(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    """One has all hyperparameters of the other and more, which are set to numbers."""
    if bool(pair.missing()) != bool(pair.spare):
        yield from _at_settings(a, b, pair, ())


def _renamed(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    """Hyperparameters of both that are alike but for their names are one."""
    names = maps.alike(pair)
    if not names:
        return
    at = pair.given(**names)
    back = {str(e): n for n, e in texts(names).items()}
    for found in _identical(a, b, at):
        yield replace(found, map=texts(names), inverse=back,
                      verdict="specialises" if at.spare else "equal-under-map")
    yield from _at_settings(a, b, at)


def _at_settings(
    a: Operand, b: Operand, pair: Pair, resting: Sequence[Hyper] | None = None
) -> Iterator[Comparison]:
    """Hyperparameters that only one of them has set to numbers, and those that rest at 0 there, as
    few as possible."""
    resting = _resting(pair) if resting is None else resting
    theirs, ours = pair.missing(), [*pair.spare, *resting]
    if len(ours) + len(theirs) > MOST_SETTINGS or not (ours or theirs):
        return
    found: list[tuple[dict[str, Expr], dict[str, Expr], Shown]] = []
    proofs = 0
    for own, given in islice(_choices_of_numbers(ours, theirs, resting), MOST_TRIED):
        if not (own or given) or any(o.items() <= own.items() for o, _, _ in found):
            continue
        at = pair.given(**given).assuming(*(equal(n, v) for n, v in own.items()))
        if not Probe(at).passes({}) or not at.agrees(QUICK) or not at.agrees(4 * QUICK, 1):
            continue
        proofs += 1
        shown = _proved(at)
        if shown is not None:
            found.append((own, given, shown))
        if proofs == MOST_PROOFS:
            break
    if found:
        yield _settings(a, b, pair, found)


def _choices_of_numbers(
    ours: Sequence[Hyper], theirs: Sequence[Hyper], resting: Sequence[Hyper]
) -> Iterator[tuple[dict[str, Expr], dict[str, Expr]]]:
    """Numbers for none of ours, for one, for two, ...; for all of theirs."""
    options = {h.name: [Num("0")] if h in resting else maps.neutral(h) for h in ours}
    others = [maps.neutral(h) for h in theirs]
    for count in range(len(ours) + 1):
        for picked in combinations(options, count):
            for values in product(*(options[n] for n in picked), *others):
                own, given = values[:count], values[count:]
                yield (dict(zip(picked, own, strict=True)),
                       dict(zip((h.name for h in theirs), given, strict=True)))


def _resting(pair: Pair) -> list[Hyper]:
    """Hyperparameters of both that are 0 if nothing is said, like a weight decay."""
    theirs = {h.name for h in real(pair.b)}
    return [h for h in real(pair.a) if h.default == Num("0") and h.name in theirs]


def _settings(
    a: Operand, b: Operand, pair: Pair,
    found: Sequence[tuple[dict[str, Expr], dict[str, Expr], Shown]],
) -> Comparison:
    """The settings found: of hyperparameters that only one has, then the first is that of the
    other; or of both."""
    only = {h.name for h in pair.spare}
    own, given, shown = min(found, key=lambda f: not (f[0].keys() <= only and not (f[0] and f[1])))
    notes = [*_needs(pair, own, given), *_over_time(shown.pair)]
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


def _mapped(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    """Hyperparameters of one in terms of the other's."""
    fewer = len(pair.turned.missing()) - len(pair.missing())
    forward = next(_maps(pair), None) if fewer <= 0 else None
    back = next(_maps(pair.turned), None) if forward is not None or fewer > 0 else None
    found = forward or back
    if found is None:
        return
    yield Comparison(
        a.text, b.text, "equal-under-map" if fewer == 0 else "specialises",
        map=texts(forward.pair.hypers) if forward is not None else {},
        inverse=texts(back.pair.hypers) if back is not None else {}, proof=found,
        notes=_over_time(found.pair))


def _maps(pair: Pair) -> Iterator[Shown]:
    for unknown in _unknowns(pair):
        proofs = 0
        for found in _candidates(pair, unknown):
            at = pair.given(**found)
            if at.missing() or not _attainable(pair, found) or not at.agrees(2 * QUICK):
                continue
            proofs += 1
            shown = _proved(at)
            if shown is not None:
                yield shown
                return
            if proofs == MOST_PROOFS:
                break


def _unknowns(pair: Pair) -> Iterator[list[Hyper]]:
    """Which hyperparameters of b are looked for: those that a lacks, then with the learning rate,
    then with each other one."""
    missing = list(pair.missing())
    shared = [h for h in real(pair.b) if h.name not in {m.name for m in missing}]
    shared.sort(key=lambda h: h.name != "lr")
    if missing:
        yield missing
    yield from ([*missing, h] for h in shared if len(missing) < 3)
    if not missing:
        yield from (list(two) for two in combinations(shared, 2))


def _candidates(pair: Pair, unknown: Sequence[Hyper]) -> Iterator[maps.Map]:
    with suppress(ValueError):
        found, whole = maps.solved(pair, [h.name for h in unknown])
        if found and whole:
            yield found
    if len(unknown) <= 2 and pair.missing():
        yield from maps.guessed(pair, unknown)


def _attainable(pair: Pair, found: Mapping[str, Expr]) -> bool:
    """Whether a map is one: not the identity, not numbers alone (those are settings), and no
    number outside of its range."""
    if all(e == Sym(n) or not symbols(e) for n, e in found.items()):
        return False
    for name, expr in found.items():
        bounds = pair.b.hyper(name).range
        if isinstance(expr, Num) and bounds is not None and expr.value not in bounds:
            return False
    return True


def _over_steps(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    """Different, and equal if one hyperparameter follows a schedule."""
    if pair.missing() or pair.turned.missing():
        return
    resting = [equal(h.name, h.default) for h in real(pair.a) if h.default == Num("0")]
    for when in [(), tuple(resting)] if resting else [()]:
        shown = _moving(pair.assuming(*when))
        if shown is None:
            continue
        back = _moving(replace(pair.turned, when=when))
        forward = texts(shown.pair.hypers)
        conditions = (" and ".join(map(condition_text, when)),) if when else ()
        apart = counterexample(pair.assuming(*when), THOROUGH)
        yield Comparison(
            a.text, b.text, "different", map=forward, conditions=conditions, proof=shown,
            inverse=texts(back.pair.hypers) if back is not None else {}, counterexample=apart,
            first_difference_step=apart.step if apart is not None else None,
            notes=(*moving.notes(a.text, b.text, shown, back), *_differs(pair.assuming(*when))))
        return


def _moving(pair: Pair) -> Shown | None:
    """One hyperparameter of b as a formula in t."""
    for hyper in sorted(real(pair.b), key=lambda h: h.name == "lr"):
        if hyper.type.kind == "int" or any(one.left == Sym(hyper.name) for one in pair.when):
            continue
        with suppress(ValueError):
            found, whole = maps.solved(pair, [hyper.name])
            if whole or not found:
                continue
            for one in maps.with_powers(found, pair):
                at = pair.given(**one)
                shown = _proved(at) if at.agrees(2 * QUICK) else None
                if shown is not None:
                    return shown
    return None


def _over_time(pair: Pair) -> tuple[str, ...]:
    """Hyperparameters that must not change from step to step."""
    from thetaprime.compare.schedules import only_constant

    return tuple(only_constant(pair))


def _under_conditions(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    if pair.missing() or pair.agrees(THOROUGH):  # a condition that nothing asks for
        return
    proofs = 0
    for when in where.conditions(pair):
        proofs += 1
        if proofs > MOST_PROOFS:
            return
        at = pair.assuming(*when)
        shown = _proved(at) if at.agrees(THOROUGH) else None
        if shown is None:
            continue
        notes = []
        for one in when:
            rest = pair.assuming(*(o for o in when if o is not one))
            why = where.needed(rest, one)
            notes.append(why.text() if why is not None else
                         f"that `{condition_text(one)}` is needed is not proved")
        only = {h.name for h in pair.turned.missing()}
        if all(isinstance(one.left, Sym) and one.left.name in only for one in when):
            yield Comparison(a.text, b.text, "specialises", proof=shown, notes=tuple(notes),
                             conditions=(" and ".join(map(condition_text, when)),))
            return
        apart = counterexample(pair, THOROUGH)
        yield Comparison(
            a.text, b.text, "equal-when", conditions=(" and ".join(map(condition_text, when)),),
            proof=shown, notes=(*notes, *_differs(pair)), counterexample=apart,
            first_difference_step=apart.step if apart is not None else None)
        return


def _proved(pair: Pair) -> Shown | None:
    """A proof that exact runs do not contradict, and that `verify` accepts."""
    try:
        shown = pair.proved()
        verify(shown)
    except (Rejected, *FAILED):
        return None
    return shown if pair.agrees(THOROUGH, 7) else None


# What tells them apart.


def _apart(a: Operand, b: Operand, pair: Pair) -> Comparison:
    missing = [h.name for h in pair.missing()]
    rest = pair.assuming(*(equal(h.name, Num("0")) for h in _resting(pair)))
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
    linear = lti.decided(pair)
    notes = [*(linear.notes if linear is not None else ()), *_differs(pair),
             *nearby.notes(a, b, pair)]
    if missing:
        notes.append(f"no values of {', '.join(f'`{n}`' for n in missing)} of {b.text} were found "
                     "that make them equal; the run has the defaults")
    return Comparison(a.text, b.text, "different", counterexample=found,
                      first_difference_step=found.step, notes=tuple(notes))


def _differs(pair: Pair) -> Iterator[str]:
    """The term that differs, and the gap."""
    yield from term(pair)
    with suppress(*FAILED, TypeError):
        yield from list(gaps.notes(pair))
