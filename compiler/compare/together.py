"""Two steps put into one, that see the same points and gradients: what the second computes has
names of its own. And the first once more with one quotient at 0: where it goes without it.

Steps of plain equations alone; a quotient is the one whose divisor holds a hyperparameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from thetaprime.claims.facts import definitions
from thetaprime.compare.pairs import Pair
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, substitute, symbols, walk
from thetaprime.ir import Draw, Equation, State, Step
from thetaprime.scopes import renamed
from thetaprime.types import SCALAR


@dataclass(frozen=True)
class Together:
    """``step`` computes the next points ``one`` and ``other`` of both rules, and ``still``, the
    first's with its quotient at 0; ``ours`` and ``theirs`` are the divisors; ``states`` the
    second's states by their own names."""

    step: Step
    one: Sym
    other: Sym
    still: Expr
    ours: Expr
    theirs: Expr
    states: Mapping[str, State]

    def joined(self, same: Mapping[str, str]) -> Together:
        """With states of the second, as the step calls them, taken as states of the first."""
        put: dict[Sym, Expr] = {Sym(s, prime): Sym(own, prime, state.type)
                                for s, own in same.items() for prime in (False, True)
                                for state in [self.step.state(own)]}
        kept = tuple(s for s in self.step.body if isinstance(s, Equation) and s.target not in put)
        step = replace(self.step, body=tuple(renamed(s, put) for s in kept),
                       states=tuple(s for s in self.step.states if s.name not in same))
        left = {n: s for n, s in self.states.items() if s.name not in same}
        return replace(self, step=step, theirs=substitute(self.theirs, put), states=left)


def together(pair: Pair, name: str) -> Together | None:
    """Both rules in one step; nothing where one of them has not one quotient by what holds the
    hyperparameter ``name``."""
    a, b = pair.a, pair.b
    if not all(isinstance(s, Equation) for s in (*a.body, *b.body)) or a.axes or b.axes:
        return None
    first, second = _quotient(a, name), _quotient(b, name)
    if first is None or second is None:
        return None
    free = _Names({s.name for step in (a, b) for s in _named(step)})
    put: dict[Sym, Expr] = {Sym(n): e for n, e in pair.hypers.items()}
    put |= {Sym(b.point): Sym(a.point, type=_point(a).type),
            Sym(b.gradient): Sym(a.gradient, type=_point(a).type)}
    own: dict[str, str] = {}
    for symbol in _named(b):
        if symbol.name != b.point or symbol.prime:
            called = own.setdefault(symbol.name, free.new(symbol.name))
            put[symbol] = Sym(called, symbol.prime, symbol.type)
    other = Sym(own[b.point], False, _point(b).type)
    put[Sym(b.point, True)] = other
    states = {s.name: replace(s, name=own[s.name], start=substitute(s.start, put))
              for s in b.states if not isinstance(s.start, Draw)}
    if len(states) < len(b.states):
        return None
    body = [*a.body, *(renamed(s, put) for s in b.body)]
    still: dict[Sym, Expr] = {}
    for statement in _without(a, first):
        target = Sym(free.new(statement.target.name), False, statement.target.type)
        body.append(replace(statement, target=target, value=substitute(statement.value, still)))
        still[statement.target] = target
    point = _point(a)
    if point not in still:
        return None
    step = replace(a, states=(*a.states, *states.values()), body=tuple(body))
    return Together(step, point, other, still[point], first.args[1],
                    substitute(second.args[1], put), states)


class _Names:
    """Names that are not in use yet."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken

    def new(self, name: str) -> str:
        """The name with a number behind it."""
        found = next(n for k in range(2, len(self._taken) + 3)
                     if (n := f"{name}_{k}") not in self._taken)
        self._taken.add(found)
        return found


def _named(step: Step) -> list[Sym]:
    """What a step itself gives names to: its states, before and after, and its quantities."""
    old = [Sym(s.name, False, s.type) for s in step.states]
    return list(dict.fromkeys([*old, *(s.target for s in step.body if isinstance(s, Equation))]))


def _point(step: Step) -> Sym:
    """The next point, with its type."""
    return next(t for t in _named(step) if t == Sym(step.point, True))


def _quotient(step: Step, name: str) -> Apply | None:
    """The only quotient whose divisor holds a hyperparameter, in itself or in a quantity."""
    made = definitions(step)
    inside: dict[Sym, bool] = {Sym(name): True}

    def holds(expr: Expr) -> bool:
        for symbol in symbols(expr):
            if symbol not in inside:
                inside[symbol] = symbol in made and holds(made[symbol])
            if inside[symbol]:
                return True
        return False

    found = [node for value in made.values() for node in walk(value)
             if isinstance(node, Apply) and node.op == "/" and holds(node.args[1])]
    return found[0] if len(found) == 1 else None


def _without(step: Step, quotient: Apply) -> list[Equation]:
    """The equations that depend on a quotient, with 0 in its place."""
    zero = Num("0", SCALAR)
    found: list[Equation] = []
    changed: set[Sym] = set()
    for statement in step.body:
        assert isinstance(statement, Equation)
        value = rewrite(statement.value, lambda n: zero if n == quotient else n)
        if value is not statement.value or changed & set(symbols(value)):
            found.append(replace(statement, value=value))
            changed.add(statement.target)
    return found
