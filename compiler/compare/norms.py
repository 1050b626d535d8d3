"""Norms whose exponent p grows without bound: (sum of c_i*a_i^p)^(1/p) -> max of a_i.

It holds for a_i >= 0 and for weights with c_i^(1/p) -> 1, and also where the a_i themselves go
somewhere as p grows: max(a)*min(c)^(1/p) <= (sum c*a^p)^(1/p) <= max(a)*(sum c)^(1/p). A state v
that enters by its root v^(1/p) alone is kept as u = v^(1/p), which is the same for v >= 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from thetaprime.check.ranges import Ranges, ranges
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, symbols, walk
from thetaprime.ir import Equation, Step, reads
from thetaprime.types import SCALAR

ONE = Num("1", type=SCALAR)


class Broken(Exception):
    """A step that is not shown to be continuous; the message says where."""


@dataclass(frozen=True)
class Rooted:
    """``old`` and ``new``, the same rule: ``states`` v of the old one are u^p in the new one, p the
    hyperparameter ``name``."""

    old: Step
    new: Step
    name: str
    states: tuple[str, ...]

    def check(self) -> None:
        """Raises Broken."""
        known = ranges(self.old)
        for name in self.states:
            state = self.old.state(name)
            if state.start != Num("0") or state.guard is not None or state.constant:
                raise Broken(f"`{name}` does not start at 0")
            if not known.of(Sym(name, True, state.type)).nonnegative:
                raise Broken(f"`{name}` may be negative")
        if _kept_as_roots(self.old, self.name, self.states) != self.new:
            raise Broken("another rule")


def rooted(step: Step, name: str) -> Rooted:
    """The rule with the states that enter by a root kept as this root. Raises Broken."""
    inside = {n.args[0] for s in step.body for e in reads(s) for n in walk(e)
              if isinstance(n, Apply) and is_root(n, name)}
    states = tuple(s.name for s in step.states if inside & {Sym(s.name), Sym(s.name, True)})
    found = Rooted(step, _kept_as_roots(step, name, states), name, states)
    found.check()
    return found


def is_root(node: Expr, name: str) -> bool:
    """Whether an expression is X^(1/p)."""
    return isinstance(node, Apply) and node.op == "^" and node.args[1] == Apply(
        "/", (ONE, Sym(name)))


def _kept_as_roots(step: Step, name: str, states: tuple[str, ...]) -> Step:
    """v^(1/p) becomes u, any other v becomes u^p, `v' = E` becomes `u' = E^(1/p)`."""
    kept = {Sym(n, prime) for n in states for prime in (False, True)}
    exponent = Sym(name, type=SCALAR)
    root = Apply("/", (ONE, exponent), type=SCALAR)

    def change(node: Expr) -> Expr:
        if node in kept:
            return Apply("^", (node, exponent), type=node.type)
        if is_root(node, name):
            match node:
                case Apply(_, (Apply("^", (Sym() as symbol, _)), _)) if symbol in kept:
                    return symbol
        return node

    body = []
    for statement in step.body:
        if any(s in kept for e in reads(statement) for s in symbols(e)) or any(
                isinstance(statement, Equation) and statement.target == k for k in kept):
            if not isinstance(statement, Equation):
                raise Broken("a state in a block or a loop")
            value = rewrite(statement.value, change)
            if statement.target in kept:
                value = Apply("^", (value, root), type=statement.target.type)
            statement = replace(statement, value=value)
        body.append(statement)
    evaluate = None if step.evaluate is None else rewrite(step.evaluate, change)
    return replace(step, body=tuple(body), evaluate=evaluate)


def at_infinity(step: Step, name: str) -> Step:
    """The rule as p grows without bound. Raises Broken where p is anywhere but in norms."""
    known = ranges(step)
    body = []
    for statement in step.body:
        if any(Sym(name) in symbols(e) for e in reads(statement)):
            if not isinstance(statement, Equation):
                raise Broken("a norm in a block or a loop")
            statement = replace(statement, value=_without(statement.value, name, known))
        body.append(statement)
    evaluate = None if step.evaluate is None else _without(step.evaluate, name, known)
    starts = [s.start for s in step.states] + [h.default for h in step.hypers]
    if any(Sym(name) in symbols(e) for e in starts if isinstance(e, Apply | Sym)):
        raise Broken("a start that moves")
    hypers = tuple(h for h in step.hypers if h.name != name)
    return replace(step, body=tuple(body), evaluate=evaluate, hypers=hypers)


def _without(expr: Expr, name: str, known: Ranges) -> Expr:
    if is_root(expr, name):
        assert isinstance(expr, Apply)
        return _largest(expr.args[0], name, known)
    if expr == Sym(name):
        raise Broken(f"`{name}` outside of a norm")
    if isinstance(expr, Apply):
        return replace(expr, args=tuple(_without(a, name, known) for a in expr.args))
    return expr


def _largest(expr: Expr, name: str, known: Ranges) -> Expr:
    """The limit of expr^(1/p). Raises Broken."""
    match expr:
        case Apply("^", (base, exponent)) if exponent == Sym(name):
            if not known.of(base).nonnegative:
                raise Broken("a power of what may be negative")
            return _without(base, name, known)
        case Apply("+", (a, b)):
            return _joined("max", _largest(a, name, known), _largest(b, name, known), expr)
        case Apply("*", (a, b)):
            one, other = _largest(a, name, known), _largest(b, name, known)
            return other if one == ONE else one if other == ONE else _joined("*", one, other, expr)
        case Apply("sum" | "mean", (inside,)):
            return replace(expr, op="max", args=(_largest(inside, name, known),))
        case _ if is_weight(expr, name, known):
            return ONE
    raise Broken("a norm of another form")


def _joined(op: str, a: Expr, b: Expr, like: Apply) -> Expr:
    return Apply(op, (a, b), type=like.type)


def is_weight(expr: Expr, name: str, known: Ranges) -> bool:
    """Whether c^(1/p) -> 1: c is above 0 and without p, or 1 - b^p for some b in [0, 1)."""
    match expr:
        case Apply("-", (one, Apply("^", (Sym(b), exponent)))) if (
                one == ONE and exponent == Sym(name)):
            bounds = next((h.range for h in known.step.hypers if h.name == b), None)
            return bounds is not None and bounds.low == 0 and bounds.high == 1 and (
                not bounds.high_closed)
    still = {Sym(h.name) for h in known.step.hypers} - {Sym(name)}
    return symbols(expr) <= still and known.of(expr).positive
