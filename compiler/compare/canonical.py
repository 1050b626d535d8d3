"""A step in canonical form: what the point becomes comes first, all else follows in the order in
which it is asked for; states and quantities have names by that order. What reaches neither the
point nor the evaluated one is gone.

Names of hyperparameters stay, and names of what is drawn: random numbers depend on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from thetaprime.expr import Expr, Sym, substitute, walk
from thetaprime.ir import Draw, Statement, Step
from thetaprime.scopes import free, inside, outputs, renamed
from thetaprime.types import Type


@dataclass
class _Order:
    """Statements in the order in which they are asked for, and the states that are read."""

    step: Step
    makers: dict[Sym, list[int]] = field(default_factory=dict)
    body: dict[int, None] = field(default_factory=dict)
    states: dict[str, None] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        for index, statement in enumerate(self.step.body):
            for symbol in outputs(statement):
                self.makers.setdefault(symbol, []).append(index)

    def ask(self, wanted: Iterable[Sym]) -> None:
        """Puts what makes these symbols, and what that reads, before all that comes later."""
        named = {s.name for s in self.step.states}
        for symbol in wanted:
            if symbol.name in named:
                self.states.setdefault(symbol.name)
            for index in self.makers.get(symbol, ()):
                if index not in self.body and index not in self.open:
                    self.open.add(index)
                    self.ask(free(self.step.body[index]))
                    self.body.setdefault(index)


def canonical(step: Step) -> Step:
    """The same rule in canonical form."""
    order = _Order(step)
    order.ask([Sym(step.point, True)])
    if step.evaluate is not None:
        order.ask(_ordered(step.evaluate))
    done: set[str] = set()
    while done != set(order.states):
        for name in [n for n in order.states if n not in done]:
            done.add(name)
            state = step.state(name)
            start = state.start.args if isinstance(state.start, Draw) else (state.start,)
            order.ask(s for e in start for s in _ordered(e))
            order.ask([Sym(name, True)])
    body = [step.body[k] for k in order.body]
    names = _names(step, order, body)
    states = tuple(replace(
        step.state(n), name=_name(names, Sym(n)), start=_renamed_start(step.state(n).start, names))
        for n in order.states)
    hypers = tuple(sorted(step.hypers, key=lambda h: h.name))
    return replace(
        step, states=states, body=tuple(renamed(s, names) for s in body), hypers=hypers,
        evaluate=None if step.evaluate is None else substitute(step.evaluate, names),
        point=_name(names, Sym(step.point)), gradient=_name(names, Sym(step.gradient)))


def _ordered(expr: Expr) -> list[Sym]:
    return list(dict.fromkeys(n for n in walk(expr) if isinstance(n, Sym)))


def _names(step: Step, order: _Order, body: list[Statement]) -> dict[Sym, Expr]:
    """New names; those of what is drawn, and of what loops define for themselves, stay."""
    kept = {h.name for h in step.hypers} | {step.tasks, "t", "loss"}
    kept |= {s.target.name for s in body if isinstance(s, Draw)}
    kept |= {s.name for one in body for s in inside(one)}
    kept |= {step.state(n).name for n in order.states if isinstance(step.state(n).start, Draw)}
    found: dict[str, str] = {step.point: "x", step.gradient: "g"}
    for prefix, names in (("s", list(order.states)),
                          ("v", [s.name for one in body for s in outputs(one)])):
        fresh = (f"{prefix}{k}" for k in range(1, 10**6))
        for name in names:
            if name not in found and name not in kept:
                found[name] = next(n for n in fresh if n not in kept)
    typed = {step.point: Type(), step.gradient: Type(), **{s.name: s.type for s in step.states},
             **{s.name: s.type for one in body for s in outputs(one) if s.type is not None}}
    return {Sym(name, prime): Sym(new, prime, typed.get(name))
            for name, new in found.items() for prime in (False, True)}


def _name(names: dict[Sym, Expr], symbol: Sym) -> str:
    new = names.get(symbol, symbol)
    assert isinstance(new, Sym)
    return new.name


def _renamed_start(start: Expr | Draw, names: dict[Sym, Expr]) -> Expr | Draw:
    if not isinstance(start, Draw):
        return substitute(start, names)
    return replace(start, target=Sym(_name(names, start.target), type=start.target.type),
                   args=tuple(substitute(a, names) for a in start.args))
