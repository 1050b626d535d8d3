"""States that are formulas in t: weights and products that hyperparameters alone drive."""

from __future__ import annotations

from thetaprime.claims.algebra import Value
from thetaprime.claims.polynomials import Poly, coefficients, ratio
from thetaprime.claims.symbolic import Split, Symbolic, Undefined, Unknown, varies
from thetaprime.expr import Expr, Num, Sym, symbols
from thetaprime.intervals import REAL
from thetaprime.ir import Equation, State, Step

T = Sym("t")


def driven(step: Step) -> dict[str, Expr]:
    """The new values of the states that are numbers and depend on hyperparameters and the old one
    alone."""
    hypers = {Sym(h.name) for h in step.hypers if h.type.kind != "function"}
    made: dict[Sym, list[Expr]] = {}
    for statement in step.body:
        if isinstance(statement, Equation):
            made.setdefault(statement.target, []).append(statement.value)
    found = {}
    for state in step.states:
        values = made.get(Sym(state.name, True), [])
        alone = len(values) == 1 and symbols(values[0]) <= hypers | {Sym(state.name)}
        if alone and not varies(state.type) and isinstance(state.start, Num):
            found[state.name] = values[0]
    return found


def closed(run: Symbolic, state: State, value: Expr) -> Value | None:
    """The value before step t of a state whose new ``value`` is a*s + c, where a and c are rational
    in hyperparameters: a^(t - 1)*start + c*(1 - a^(t - 1))/(1 - a), or start + c*(t - 1) for
    a = 1; None where a may be 1."""
    step, algebra, old = run.step, run.algebra, Sym(state.name)
    assert isinstance(state.start, Num)
    atom = algebra.atom(("symbol", run.tag, state.name), frozenset(), REAL)
    inside = Symbolic(step, run.case, False, algebra, env={**run.env, old: atom}, tag=run.tag)
    try:
        found = inside.of(value).ratio
    except (Undefined, Unknown, Split):
        return None
    (number,) = atom.ratio.atoms
    parts = coefficients(found.num, number)
    if set(parts) - {0, 1} or number in found.den.atoms or any(
            algebra.key(a)[0] != "symbol" for a in found.atoms):
        return None
    a, c = (algebra.value(ratio(parts.get(k, Poly({})), found.den)) for k in (1, 0))
    start, left = algebra.number(state.start.value), algebra.subtract(algebra.number(1), a)
    before = algebra.subtract(run.of(T), algebra.number(1))
    if not left.ratio:
        return algebra.add(start, algebra.multiply(c, before))
    if 0 in left.interval:
        return None
    power = algebra.raised(a, before)
    gone = algebra.divide(algebra.subtract(algebra.number(1), power), left)
    return algebra.add(algebra.multiply(power, start), algebra.multiply(c, gone))
