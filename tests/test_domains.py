"""What is said of divisions, roots, logarithms and powers is true, and nothing is left out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.steps import ADAM, SAID, SHIPPED, lowered, parts, step_of
from thetaprime.check.breaks import Break, find_break, probed
from thetaprime.check.direction import POINT
from thetaprime.check.domains import check_domains, sites_of
from thetaprime.check.trials import FORMS, Trial, trials
from thetaprime.expr import Apply, walk
from thetaprime.interpret import Memory, advance, start
from thetaprime.ir import Equation, Step
from thetaprime.pipeline import check, checked, compile_text, variants
from thetaprime.source import Source

BAD = Path(__file__).parent / "bad"

# Messages.

@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_said_of_a_shipped_spec(name: str) -> None:
    assert [d.code for d in check_domains(lowered(name))] == SAID.get(name, [])


BREAKS = sorted([*BAD.glob("undefined.opt"), *BAD.glob("undefined-[0-9].opt"),
                 BAD / "always-undefined.opt"])


@pytest.mark.parametrize("path", BREAKS, ids=lambda p: p.stem)
def test_values_in_messages_are_found_by_a_run_and_break_a_plain_one(path: Path) -> None:
    broken = 0
    for one in variants(checked(Source(path.name, path.read_text("utf-8")))):
        step = one.step
        for site in sites_of(step):
            found = None if site.safe else find_break(step, site.expr, trials(step, step.hypers))
            if found is not None:
                assert not np.all([np.isfinite(v).all() for v in replay(step, found)])
                broken += 1
    assert broken


def replay(step: Step, found: Break) -> list[Any]:
    """The point after the steps of a break, without a probe."""
    trial = found.trial
    whole = {h.name for h in step.hypers if h.type.kind == "int"}
    given = {n: int(v) if n in whole else v for n, v in trial.given}
    place: Any = [trial.point * p for p in POINT]
    memory: Memory = start(step, place, given)
    for word in trial.gradients[:found.t]:
        grads = [FORMS[word](p) for p in POINT]
        place, memory = advance(step, memory, place, grads, given, trial.offset)
    return [*place, *(v for value in memory.values.values() for v in parts(value))]


HEAD = "optimizer A\n  hyper lr = 1e-3 in (0, inf)\n"
# Guarded, so that nothing is said.
SAFE = {
    "eps": "  hyper eps = 1e-8 in (0, inf)\n  x' = x - lr*g/(norm(g over model) + eps)\n",
    "default": "  x' = x - lr*(g/norm(g over model) default 0)\n",
    "branch": "  x' = x - lr*(if g != 0 then g/abs(g) else 0)\n",
    "used in a branch": "  n = norm(g over model)\n  u = g/n\n"
                        "  x' = x - lr*(if n > 0 then u else g)\n",
    "max": "  x' = x - lr*sqrt(max(g, 0))\n",
    "correction": "  hyper b = 0.9 in [0, 1)\n  state m = 0\n  m' = b*m + (1 - b)*g\n"
                  "  x' = x - lr*m'/(1 - b^t)\n",
    "debias": "  hyper b = 0.9 in [0, 1)\n  state m = 0\n  m' = b*m + (1 - b)*g\n"
              "  x' = x - lr*debias(m', b)\n",
    "state": "  hyper eps = 1e-8 in (0, inf)\n  state v = eps\n  v' = max(v, g^2)\n"
             "  x' = x - lr*g/v'\n",
    "loop": "  n = iterate 5 from n = 1 + 0*norm(g over model):\n    n' = n + 1/n\n"
            "  x' = x - lr*g/n\n",
    "variance": "  hyper b = 0.9 in [0, 1)\n  hyper eps = 1e-8 in (0, inf)\n  state m = 0\n"
                "  state v = 0\n  m' = b*m + (1 - b)*g\n  v' = b*v + (1 - b)*g^2\n"
                "  x' = x - lr*g/(sqrt(v' - m'^2) + eps)\n",
}
# Nearly the same, and not safe: an analysis that took them for safe would be wrong.
UNSAFE = {
    "eps may be 0": "  hyper eps = 0 in [0, inf)\n  x' = x - lr*g/(norm(g over model) + eps)\n",
    "wrong branch": "  x' = x - lr*(if g == 0 then g/abs(g) else 0)\n",
    "another entry": "  x' = x - lr*(if g != 0 then g/min(abs(g) over model) else 0)\n",
    "the old state": "  hyper b = 0.9 in [0, 1)\n  state v = 0\n  v' = b*v + (1 - b)*g^2\n"
                     "  x' = x - lr*g/sqrt(v)\n",
    "late": "  x' = x - lr*g/(3 - t)\n",
    "decay of 1": "  hyper b = 0.9 in [0, 1]\n  state m = 0\n  m' = b*m + (1 - b)*g\n"
                  "  x' = x - lr*m'/(1 - b^t)\n",
    "other decays": "  hyper b = 0.9, c = 0.5 in [0, 1)\n  hyper eps = 1e-8 in (0, inf)\n"
                    "  state m = 0\n  state v = 0\n  m' = b*m + (1 - b)*g\n"
                    "  v' = c*v + (1 - c)*g^2\n  x' = x - lr*g/(sqrt(v' - m'^2) + eps)\n",
    "a start above 0": "  hyper b = 0.9 in [0, 1)\n  hyper eps = 1e-8 in (0, inf)\n"
                       "  state m = first g + 1\n  state v = 0\n  m' = b*m + (1 - b)*g\n"
                       "  v' = b*v + (1 - b)*g^2\n  x' = x - lr*g/(sqrt(v' - m'^2) + eps)\n",
    "in a loop": "  n = iterate 3 from n = 2 + 0*norm(g over model):\n    n' = n - 1/n\n"
                 "  x' = x - lr*g/(n - 3/2)\n",
}


def said(body: str) -> list[str]:
    steps = [one.step for one in variants(checked(Source("a.opt", HEAD + body)))]
    return [d.code for d in check_domains(steps)]


@pytest.mark.parametrize("name", SAFE)
def test_guarded_formulas_are_shown_safe(name: str) -> None:
    assert said(SAFE[name]) == []


@pytest.mark.parametrize("name", UNSAFE)
def test_formulas_without_a_guard_are_told(name: str) -> None:
    assert said(UNSAFE[name])


def test_a_branch_not_taken_breaks_nothing() -> None:
    """A probe marks what is undefined, and nothing of it reaches the point."""
    body = "  n = norm(g over model)\n  x' = x - lr*(if n > 0 then g/n else g)\n"
    step = compile_text(HEAD + body)
    (site,) = [n for s in step.body if isinstance(s, Equation) for n in walk(s.value)
               if isinstance(n, Apply) and n.op == "/"]
    assert find_break(step, site, trials(step, step.hypers)) is None
    assert len(probed(step, site).hypers) == len(step.hypers) + 3


def test_a_wrong_division_of_every_step_is_an_error() -> None:
    found = check(Source("a.opt", HEAD + "  x' = x - lr*g/(3 - t)\n"))
    assert [(d.code, d.severity) for d in found] == [("always-undefined", "error")]


def test_trials_start_with_the_defaults() -> None:
    first = next(iter(trials(step_of(ADAM), step_of(ADAM).hypers)))
    assert first == Trial()
    assert math.isclose(first.point, 1)
