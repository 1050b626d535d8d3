"""What is read and has no effect: found by algebra, and never said of what has one."""

from __future__ import annotations

import pytest

from thetaprime.check.ranges import ranges
from thetaprime.claims.effects import reached_by_lines
from thetaprime.diagnostics import Diagnostic
from thetaprime.expr import Sym
from thetaprime.library import shipped
from thetaprime.optimizer import loads
from thetaprime.pipeline import check, compile_text
from thetaprime.source import Source

HEAD = "optimizer A\n  hyper lr = 1e-3 in (0, inf)\n  hyper h = 1 in (0, inf)\n"
DEAD = ("dead-hyperparameter", "dead-value")


def dead(body: str) -> list[tuple[str, str]]:
    """The dead quantities of a rule with the hyperparameter `h`: each with its code."""
    found = check(Source("a.opt", HEAD + "".join(f"  {line}\n" for line in body.split("\n"))))
    assert not [d for d in found if d.severity == "error"], found
    return [(d.code, _name(d)) for d in found if d.code in DEAD]


def _name(d: Diagnostic) -> str:
    return d.source.text[d.span.start:d.span.end]


H = ("dead-hyperparameter", "h")


@pytest.mark.parametrize("body", [
    "x' = x - lr*g + h - h",
    "x' = x - lr*(g + 0*h)",
    "x' = x - lr*g*h/h",
    "x' = x - lr*g*h^0",
    "x' = x - lr*g*(max(h, h + 1) - h)",
    "x' = x - lr*g*sqrt(h^2)/h",
    "x' = x - lr*g*exp(h)/exp(h)",
    "d = h*g\nx' = x - lr*d/h",
    "x' = x - lr*(if g > 0 then g*(1 + h) - g*h else g)",
    "every 2 from 1:\n  x' = x - lr*g*h/h\nelse:\n  x' = x - lr*g",
    "x' = x - lr*g*norm(h*g over model)/norm(g over model)/h",
    "state m = h\nm' = m + g - h*g + (h - 1)*g\nx' = x - lr*(g + m - m')",
])
def test_a_hyperparameter_that_cancels_is_dead(body: str) -> None:
    assert H in dead(body)


@pytest.mark.parametrize("body", [
    "x' = x - lr*g*h",
    "x' = x - lr*(if t == 1 then h*g else g)",  # alive in the first step alone
    "x' = x - lr*(if t == 1 then g else h*g)",
    "z ~ normal(0, h)\nx' = x - lr*(g + z)",
    "state m = h\nm' = m\nx' = x - lr*g*m'",
    "const c = h\nx' = x - lr*g*c",
    "every 5 from 2:\n  z ~ normal(0, h)\n  x' = x - lr*z - lr*g\nelse:\n  x' = x - lr*g",
    "x' = x - lr*max(min(g, h), 0)",
    "x' = x - lr*(g*h - g default 0)",
    "case rank >= 2:\n  u = h*g\notherwise:\n  u = g\nx' = x - lr*u",
    "x' = x - lr*g\neval x + h",
    "y = iterate 3 from y = x:\n  y' = y - h*grad(y)\nx' = y - lr*g",
])
def test_a_hyperparameter_that_acts_anywhere_is_not(body: str) -> None:
    assert dead(body) == []


def test_the_value_that_cancels_is_named_and_not_what_leads_to_it() -> None:
    assert dead("a = h*g\nb = 2*a\nx' = x - lr*(g + b - b)") == [H, ("dead-value", "b")]


def test_a_state_that_cancels_is_dead() -> None:
    assert dead("state m = 0\nm' = m + h*g\nx' = x - lr*(g + m' - m')") == [
        H, ("dead-value", "m")]


def test_a_constant_of_one_case_is_alive() -> None:
    """AdamP: `less = 1` for vectors."""
    assert dead("case rank >= 2:\n  u = h\notherwise:\n  u = 1\nx' = x - lr*u*g") == []


def test_what_acts_in_one_choice_is_alive() -> None:
    choice = "hyper plain : bool = true\n"
    assert dead(f"{choice}x' = x - lr*(if plain then g + h - h else h*g)") == []
    assert dead(f"{choice}x' = x - lr*(if plain then g + h - h else 2*g*h/h)") == [H]


def test_what_is_inherited_is_not_judged_again() -> None:
    found = loads("optimizer A = AdamW with wd = 0\n").check(claims=False)
    assert not [d for d in found.diagnostics if d.code in DEAD]


@pytest.mark.parametrize("name", sorted(shipped()))
def test_no_shipped_spec_has_dead_values(name: str) -> None:
    entry = shipped()[name]
    found = check(Source(entry.name, entry.read_text("utf-8")))
    assert not [(d.code, _name(d)) for d in found if d.code in DEAD]


def test_edges_over_states_go_through_all_steps() -> None:
    step = compile_text(HEAD + "  state m = 0\n  state k = 0\n  k' = m\n  m' = h*g\n"
                               "  x' = x - lr*k\n")
    assert {Sym("h"), Sym("m"), Sym("k"), Sym("lr")} <= reached_by_lines(ranges(step))
