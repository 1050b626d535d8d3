"""Programs that make the results of a tensor in one loop, on a CPU whose XLA is told to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import thetaprime as tp
from thetaprime.backends.jax_loops import TOLD
from thetaprime.backends.jax_plan import make_plan

ROOT = Path(__file__).parent.parent
# How many results stand one below the other: none in Lion, three in schedule-free AdamW.
ONE_LOOP = ("adamw", "amsgrad", "rmsprop", "sgd", "schedule-free-adamw", "yogi")


def _told(names: list[str]) -> dict[str, Any]:
    """What a process finds whose XLA is told to."""
    done = subprocess.run([sys.executable, "-m", "tests.loops", *names], check=True, text=True,
                          capture_output=True, cwd=ROOT, env={**os.environ, "XLA_FLAGS": TOLD})
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _taken_apart(name: str) -> bool:
    step = tp.load(name).step()
    return make_plan(step).asked is None and "_one_loop(" in tp.load(name).code("jax", fuse="loop")


def test_all_results_of_a_tensor_are_made_in_one_loop() -> None:
    for name, found in _told(list(ONE_LOOP)).items():
        assert found["loops"] == 1 < found["before"], name
        assert found["gap"] < 1e-12, name


@pytest.mark.slow
def test_every_rule_that_is_taken_apart_makes_the_same_steps() -> None:
    names = [n for n in tp.shipped() if _taken_apart(n)]
    assert set(ONE_LOOP) < set(names)
    found = _told(names)
    for name, one in found.items():
        assert one["gap"] < 1e-10, name
        assert one["loops"] <= one["before"], name
    assert sum(one["loops"] == 1 for one in found.values()) > len(found)/2


def test_without_the_flag_nothing_is_taken_apart() -> None:
    tx = tp.load("adamw").to_jax(fuse="loop")
    params = {"w": jnp.ones(3)}
    made = jax.make_jaxpr(tx.update)(params, tx.init(params), params)
    assert "optimization_barrier" not in str(made)


@pytest.mark.parametrize(("name", "apart"), [
    ("adamw", "_one_loop(leaf, (1, 0, 0))"), ("rmsprop", "_one_loop(leaf, (2, 0, 1))"),
    ("SAM(SGD)", "_one_loop(leaf_3, (1, 0))"), ("lion", None), ("lamb", None), ("muon", None)])
def test_only_entries_that_read_results_are_taken_apart(name: str, apart: str | None) -> None:
    """Lion's results read none of each other; those of the last two have norms and matrices."""
    text = tp.load(name).code("jax", fuse="loop")
    assert "_one_loop(" not in text if apart is None else apart in text
    assert TOLD in text  # the docstring says what to do
