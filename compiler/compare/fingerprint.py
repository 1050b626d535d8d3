"""What a rule means, as a digest: of the exact normal forms of the next point and states, at the
first step and at a later one, in every case that they tell apart. Names of states and quantities,
the order of independent equations and most rewriting by algebra do not change it.

Two rules of one digest are the same rule. Two digests may belong to one rule: whether they do is
for a proof. Where the algebra has no words for a rule, its canonical text is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256

from thetaprime.check.ranges import ranges
from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.facts import kinds
from thetaprime.claims.polynomials import ONE, Monomial, Poly, Ratio
from thetaprime.claims.positive import SIDES
from thetaprime.claims.symbolic import Split, Symbolic, Undefined, Unknown, inputs
from thetaprime.compare.canonical import canonical
from thetaprime.compare.pairs import FAILED
from thetaprime.expr import Expr, Sym
from thetaprime.intervals import meet
from thetaprime.ir import Draw, Step
from thetaprime.render import spec_text
from thetaprime.steptext import body_lines, state_line

MOST_CASES, DEEPEST = 24, 8


def fingerprint(step: Step) -> str:
    """A digest of 16 letters for what a step means."""
    plain = canonical(step)
    try:
        told = sorted(_cases(plain))
    except (Unknown, *FAILED):
        told = ["text", *_text(plain)]
    return sha256("\n".join(told).encode()).hexdigest()[:16]


def _text(step: Step) -> Iterator[str]:
    """The canonical step as text, with the types that it does not spell."""
    yield from (f"{state_line(s, None)} {s.type} {s.guard} {s.storage}" for s in step.states)
    yield from body_lines(step.body)
    if step.evaluate is not None:
        yield spec_text(step.evaluate)
    yield f"{step.takes} {step.fresh} {step.losses} {step.tasks} {step.views} {step.axes}"


def _cases(step: Step) -> Iterator[str]:
    """What the step makes in every case. Raises Unknown, Unproved."""
    known = ranges(step)
    count = 0
    for index, case in enumerate(known.cases):
        for truths in kinds(step):
            pending = [Algebra()]
            while pending:
                count += 1
                algebra = pending.pop()
                if count > MOST_CASES or algebra.depth > DEEPEST:
                    raise Unknown("a rule with too many cases")
                try:
                    run = inputs(step, case, index == 0, algebra, {}, truths)
                    start = dict(run.env)
                    made = _made(run.run(), start)
                except Split as split:
                    interval = algebra.interval(split.poly)
                    pending += [algebra.narrowed(split.poly, side) for side in SIDES.values()
                                if not meet(interval, side).empty]
                    continue
                where = [f"{spec_text(g)} {truth}" for g, truth in truths.items()]
                yield "; ".join([str(index), *where, *_assumed(algebra), *made])


def _assumed(algebra: Algebra) -> list[str]:
    """What a case assumes."""
    words = Words(algebra)
    return sorted(f"{words.quotient(Ratio(poly))} {interval}"
                  for poly, interval in algebra.assumed)


def _made(run: Symbolic, start: dict[Sym, Value | None]) -> list[str]:
    """The next point and states, where states start, the point to evaluate."""
    step, words = run.step, Words(run.algebra)

    def told(name: str, value: Value | None) -> str:
        return f"{name} = {words.quotient(value.ratio) if value is not None else 'undefined'}"

    found = [told("x'", run.env.get(Sym(step.point, True)))]
    for state in step.states:
        found.append(told(f"{state.name}'", run.env.get(Sym(state.name, not state.constant))))
        found.append(f"{state.type} {state.constant} {state.guard} {state.storage}")
        if run.first and not isinstance(state.start, Draw):
            found.append(told(state.name, start.get(Sym(state.name))))
        elif isinstance(state.start, Draw):
            found.append(f"{state.start}")
    if step.evaluate is not None:
        found.append(told("eval", _of(run, step.evaluate)))
    return found


def _of(run: Symbolic, expr: Expr) -> Value | None:
    try:
        return run.of(expr)
    except Undefined:
        return None


@dataclass
class Words:
    """Writes normal forms so that the text does not depend on how atoms are numbered."""

    algebra: Algebra
    known: dict[int, str] = field(default_factory=dict)

    def quotient(self, value: Ratio) -> str:
        """A quotient whose denominator has the coefficient 1 at its last monomial."""
        den = self._terms(value.den)
        scale = den[-1][1]
        top = self._sum([(m, c / scale) for m, c in self._terms(value.num)])
        return top if value.den == ONE else f"{top} / {self._sum([(m, c / scale) for m, c in den])}"

    def _terms(self, poly: Poly) -> list[tuple[str, Fraction]]:
        return sorted((self._monomial(m), c) for m, c in poly.terms.items())

    def _sum(self, terms: list[tuple[str, Fraction]]) -> str:
        return "(" + " + ".join(f"{c} {m}" for m, c in terms) + ")"

    def _monomial(self, monomial: Monomial) -> str:
        return " ".join(sorted(f"{self.atom(a)}^{e}" for a, e in monomial))

    def atom(self, atom: int) -> str:
        """What an atom stands for."""
        if atom not in self.known:
            self.known[atom] = self._part(self.algebra.key(atom))
        return self.known[atom]

    def _part(self, part: object) -> str:
        match part:
            case Ratio():
                return self.quotient(part)
            case Poly():
                return self._sum(self._terms(part))
            case frozenset():
                return "{" + ", ".join(sorted(map(self._part, part))) + "}"
            case tuple():
                return "[" + ", ".join(map(self._part, part)) + "]"
        return str(part)
