"""What a hyperparameter that has to follow a schedule means for people: between which values it
moves, and for which constants the rules are equal after all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

from thetaprime.check.ranges import ranges
from thetaprime.claims.algebra import Algebra
from thetaprime.claims.same_runs import valued
from thetaprime.claims.symbolic import Symbolic
from thetaprime.claims.written import Writer
from thetaprime.compare.pairs import FAILED, condition_text, real
from thetaprime.compare.proving import Proof
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, symbols
from thetaprime.intervals import of_range
from thetaprime.render import spec_text

TIMES = (1, 10, 100, 1000)


def notes(a: str, b: str, shown: Proof, back: Proof | None) -> Iterator[str]:
    """In which way the rules are equal all the same."""
    pair = shown.pair
    when = "".join(f" and {condition_text(one)}" for one in pair.when)
    for name, expr in pair.hypers.items():
        still = "".join(f", unless {n} = 0" for n in _decays(shown) if Sym(n) in symbols(expr))
        yield (f"equal when `{name}` of {b} is {spec_text(expr)} in that of {a}{when}; this "
               f"changes with t, so for no constant `{name}` above 0{still}")
        if back is not None and name in back.pair.hypers:
            other = spec_text(back.pair.hypers[name])
            yield f"or `{name}` of {a} is {other} in that of {b}"
        values = _ratios(shown, name, expr)
        if values:
            yield (f"at default values that is {values[0]:.4g} times `{name}` at t = 1, "
                   f"{values[1]:.4g} times at t = 10, {values[-1]:.4g} times at t = {TIMES[-1]}")
        limit = _limit(shown, expr)
        if limit is not None:
            yield f"as t grows it goes to {spec_text(limit)}" + (
                ": the rules have the same limit" if limit == Sym(name) else "")


def _ratios(shown: Proof, name: str, expr: Expr) -> list[float]:
    """The hyperparameter over its own default at some steps."""
    step = shown.pair.a
    own = step.hyper(name).default
    if not isinstance(own, Num) or own.value == 0 or any(h.default is None for h in step.hypers):
        return []
    with suppress(*FAILED):
        return [float(valued(step, expr, {}, t)) / float(own.value) for t in TIMES]
    return []


def _decays(shown: Proof) -> list[str]:
    """The hyperparameters in [0, 1), whose powers vanish as t grows."""
    return [h.name for h in shown.pair.a.hypers if h.range is not None
            and h.range.low == Fraction(0) and h.range.high == Fraction(1)]


def _limit(shown: Proof, expr: Expr) -> Expr | None:
    """With b^t at 0 for every b in [0, 1)."""
    decays = {Sym(n) for n in _decays(shown)}

    def gone(node: Expr) -> Expr:
        match node:
            case Apply("^", (base, exponent)) if base in decays and Sym("t") in symbols(exponent):
                return Num("0")
        return node

    left = rewrite(expr, gone)
    if Sym("t") in symbols(left):
        return None
    algebra = Algebra()
    values = (algebra.atom(("symbol", h.name), frozenset(), of_range(h.range))
              for h in real(shown.pair.a))
    run = Symbolic(shown.pair.a, ranges(shown.pair.a).cases[0], True, algebra,
                   env=dict(zip((Sym(h.name) for h in real(shown.pair.a)), values, strict=True)))
    return Writer(algebra).quotient(run.of(left).ratio)
