"""Equal up to a small term: `eps` is in another place, and the gap has a bound that goes to 0 with
it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from thetaprime.claims.questions import Relation
from thetaprime.compare import nearby
from thetaprime.compare.damped import Damped, shown
from thetaprime.compare.differing import counterexample
from thetaprime.compare.operands import Operand
from thetaprime.compare.pairs import Pair, condition_text, real
from thetaprime.compare.proving import THOROUGH, differs
from thetaprime.compare.result import Comparison
from thetaprime.compare.settings import at_rest
from thetaprime.render import spec_text


def close(a: Operand, b: Operand, pair: Pair) -> Iterator[Comparison]:
    """Equal up to a term in a hyperparameter that both have, with a bound on the gap."""
    rests = at_rest(pair)
    theirs = {h.name for h in real(pair.b)} - set(pair.hypers)
    for hyper in real(pair.a):
        if hyper.name not in theirs or hyper.range is None or hyper.range.low != 0:
            continue
        found = None if pair.missing() else _fewest(pair, rests, hyper.name)
        apart = counterexample(found.pair, THOROUGH) if found is not None else None
        if found is not None and apart is not None:
            told = " and ".join(condition_text(one) for one in found.pair.when)
            yield Comparison(
                a.text, b.text, "equal-up-to", proof=found, counterexample=apart,
                conditions=(f"a term in `{hyper.name}`" + (f", when {told}" if told else ""),),
                notes=(*_notes(found), *differs(found.pair), *nearby.notes(a, b, found.pair)),
                first_difference_step=apart.step)
            return


def _fewest(pair: Pair, rests: Sequence[Relation], name: str) -> Damped | None:
    """The proof under as few of these conditions as possible."""
    found = shown(pair.assuming(*rests), name)
    for one in rests if found is not None else ():
        fewer = [other for other in rests if other != one]
        wider = shown(pair.assuming(*fewer), name)
        if wider is not None:
            found, rests = wider, fewer
    return found


def _notes(found: Damped) -> Iterator[str]:
    yield (f"from the same point, after the same points and gradients, the next points differ by "
           f"at most {spec_text(found.largest())}")
    yield (f"with {found.pair.a.point}' of the first rule and the divisor of the second: it goes "
           f"to 0 with `{found.name}`")
