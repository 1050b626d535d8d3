"""Equal as they are, by the decision procedure for linear rules, under a map of hyperparameters, or
along a schedule that one of them follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations

from thetaprime.claims.runs import Trial
from thetaprime.compare import lti, maps, moving
from thetaprime.compare.alike import Alike, alike
from thetaprime.compare.differing import counterexample
from thetaprime.compare.operands import Operand
from thetaprime.compare.pairs import Pair, condition_text, equal, real, texts
from thetaprime.compare.proving import (
    MOST_PROOFS,
    QUICK,
    THOROUGH,
    Proof,
    differs,
    over_time,
    proved,
)
from thetaprime.compare.result import Answer, Comparison
from thetaprime.compare.settings import at_settings
from thetaprime.expr import Expr, Num, Sym, symbols
from thetaprime.ir import Hyper


def identical(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    if alike(pair):
        yield Comparison(a.text, b.text, "equal", proof=Alike(pair))
        return
    shown = proved(pair) if pair.agrees(QUICK) else None
    if shown is not None:
        yield Comparison(a.text, b.text, "equal", proof=shown, notes=over_time(pair))


def linear(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
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
        notes=(*found.notes, *(over_time(found.pair) if found.pair is not None else ())),
        counterexample=apart, first_difference_step=apart.step if apart is not None else None)


# Under a map.


def renamed(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    """Hyperparameters of both that are alike but for their names are one."""
    names = maps.alike(pair)
    if not names:
        return
    at = pair.given(**names)
    back = {str(e): n for n, e in texts(names).items()}
    for found in identical(a, b, at):
        yield replace(found, map=texts(names), inverse=back,
                      verdict="specialises" if at.spare else "equal-under-map")
    yield from at_settings(a, b, at)


def mapped(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
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
        notes=over_time(found.pair))


def _maps(pair: Pair) -> Iterator[Proof]:
    hard: list[Trial] = []
    for unknown in _unknowns(pair):
        proofs = 0
        for found in _candidates(pair, unknown, hard):
            at = pair.given(**found)
            if at.missing() or not _attainable(pair, found) or not at.agrees(2*QUICK, hard=hard):
                continue
            proofs += 1
            shown = proved(at)
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


def _candidates(
    pair: Pair, unknown: Sequence[Hyper], hard: list[Trial]
) -> Iterator[maps.Map]:
    with suppress(ValueError):
        found, whole = maps.solved(pair, [h.name for h in unknown])
        if found and whole:
            yield found
    if len(unknown) <= 2 and pair.missing():
        yield from maps.guessed(pair, unknown, hard)


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


# Along a schedule.


def over_steps(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    """Different, and equal if one hyperparameter follows a schedule."""
    if pair.missing() or pair.turned.missing():
        return
    rests = [equal(h.name, h.default) for h in real(pair.a) if h.default == Num("0")]
    for when in [(), tuple(rests)] if rests else [()]:
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
            notes=(*moving.notes(a.text, b.text, shown, back), *differs(pair.assuming(*when))))
        return


def _moving(pair: Pair) -> Proof | None:
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
                shown = proved(at) if at.agrees(2 * QUICK) else None
                if shown is not None:
                    return shown
    return None
