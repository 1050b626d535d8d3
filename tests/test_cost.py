"""What a step is said to cost, against the program that XLA makes of the generated code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import thetaprime as tp
from tests.cli_calls import Call, call, folder
from thetaprime.check.direction import inside
from thetaprime.cost import BYTES, cost, kept, most_state, roofline
from thetaprime.expr import Num
from thetaprime.guards import holds
from thetaprime.ir import Step, asks_gradient
from thetaprime.signature import asks_more
from thetaprime.types import SCALAR, Extent

__all__ = ["call", "folder"]  # fixtures
SIZE = 4096
# What the specs of one tensor, a vector, cost: state, least bytes moved, reductions over the model.
BY_HAND = {
    "sgd": (4, 5 * 4, 0), "adamw": (8, 7 * 4, 0), "lion": (4, 5 * 4, 0),
    # The norm reads g, the step x, g and m.
    "sgd-clip-norm": (4, 6 * 4, 1),
    # The norms read x, g, m and v; the step reads x, m' and v' again.
    "lamb": (8, 10 * 4, 0),
    # The distance from the start reads x and x0, the norm g; the step x and g.
    "dog": (4, 6 * 4, 2),
}
FAST = ["adamw", "lion", "sgd-clip-norm", "lamb", "dog", "adafactor", "ranger", "aggmo"]


def plain(name: str) -> bool:
    """Whether a spec asks for nothing but the gradient."""
    step = tp.load(name).step()
    asked = asks_more(step) or any(h.type.kind == "function" for h in step.hypers)
    return asks_gradient(step) and not asked


@pytest.mark.parametrize("name", BY_HAND)
def test_costs_that_are_counted_by_hand(name: str) -> None:
    found = cost(tp.load(name).step())
    assert (found.state, found.moved[0], found.reductions[0]) == BY_HAND[name]


def test_a_block_and_a_case_have_a_least_and_a_most() -> None:
    assert cost(tp.load("ranger").step()).moved == (28, 40)  # every 6th step reads and writes slow
    assert cost(tp.load("adafactor").step()).moved[0] < cost(tp.load("adafactor").step()).moved[1]


def test_storage_and_dtype_count() -> None:
    text = ("optimizer A\n  hyper lr = 1 in (0, inf)\n  state m = 0\n  state k : scalar = 0\n"
            "  numerics:\n    store m as bfloat16\n  m' = m + g\n  k' = k + 1\n"
            "  x' = x - lr*m'*k'\n")
    step = tp.loads(text).step()
    assert [(k.state.name, k.bytes) for k in kept(step)] == [("m", 2), ("k", 4)]
    assert most_state(step) == 2
    assert cost(step).moved == (4 * 3 + 2 * 2,) * 2
    assert cost(step, "bfloat16").moved == (5 * 2,) * 2


def test_what_a_reduction_makes_a_step_read_again_is_the_cheapest_it_can_follow_from() -> None:
    """u follows from five arrays: it is cheaper to write it and to read it again."""
    sums = "\n".join(f"  state s{k} = 0\n  s{k}' = s{k} + g^{k}" for k in (1, 2, 3, 4))
    text = (f"optimizer A\n{sums}\n  u = s1' + s2' + s3' + s4' + g\n"
            "  x' = x - u/norm(u over model)\n")
    once = 4 * (2 * 4 + 1)  # the states and g
    assert cost(tp.loads(text).step()).moved[0] == once + 4 * (2 + 2)  # u, x and x'


def test_the_roofline_is_the_slower_of_memory_and_arithmetic() -> None:
    step = tp.load("adamw").step()
    assert roofline(step, 1e9, 1e12) == pytest.approx(28e9 / 1e12)
    assert roofline(step, 1e9, 1e12, flops=1e9) == pytest.approx(cost(step).flops[0])


def traced(value: float) -> Callable[[Any], Any]:
    """A schedule that is constant, and of which XLA does not know it."""
    return lambda count: value + jnp.minimum(count, 0)


def compiled(name: str) -> tuple[Step, Any, int]:
    """A spec and its whole step for one vector in float32, parameters included; how many arrays
    the step gives."""
    optimizer = tp.load(name)
    step = optimizer.step()
    given = {h.name: traced(inside(h.range) if h.default is None else float(h.default.value))
             for h in step.hypers if h.type == SCALAR and isinstance(h.default, Num | None)}
    transform = optimizer.to_jax(**given)
    vector = holds(step.takes, {"rank": 1}, "")
    x = jax.ShapeDtypeStruct((SIZE,) if vector else (64, SIZE // 64), jnp.float32)
    value = jax.ShapeDtypeStruct((), jnp.float32)

    def whole(x: Any, state: Any, g: Any, value: Any) -> Any:
        update, state = transform.update(g, state, x, value=value)
        return x + update, state

    state = jax.eval_shape(transform.init, x)
    program = jax.jit(whole).lower(x, state, x, value).compile()
    return step, program, 1 + len(jax.tree.leaves(state))


@pytest.mark.parametrize("name", [
    n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in tp.shipped() if plain(n)])
def test_xla_needs_the_bytes_that_are_told(name: str) -> None:
    """Arguments and results exactly; what is accessed is no less than the least."""
    step, program, arrays = compiled(name)
    memory = program.memory_analysis()
    entries, few, factors = 0, 0, False
    for found in kept(step):
        factors |= bool(found.own)
        if found.state.guard is None and not found.own:
            entries += found.bytes * (found.state.type.extent is Extent.ENTRY)
            few += found.bytes * (found.state.type.extent is not Extent.ENTRY)
    least = (2 * BYTES["float32"] + entries) * SIZE, (BYTES["float32"] + entries) * SIZE
    guarded = 8 * SIZE * any(s.guard is not None for s in step.states)
    # The number of the step, the loss, the seed; results have a table with a pointer to each.
    slack = few + guarded + 4 + 4 + 8
    assert least[0] <= memory.argument_size_in_bytes
    assert least[1] <= memory.output_size_in_bytes
    if not factors:  # which have the lengths of a tensor's axes
        assert memory.argument_size_in_bytes <= least[0] + slack
        assert memory.output_size_in_bytes <= least[1] + slack + 8 * arrays
    if cost(step).least:  # XLA counts the body of a loop once
        assert program.cost_analysis()["bytes accessed"] >= cost(step).moved[0] * SIZE


def test_collectives_on_eight_devices() -> None:
    """Where every tensor is cut in eight, a step has a collective for each reduction that waits for
    the one before; an element-wise rule has none."""
    names = ["adamw", "lion", "sgd-clip-norm", "dog", "ldog", "lamb", "prodigy", "adamw-clip-norm"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu",
                   "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.cost_devices", *names], check=True, capture_output=True,
        text=True, env=environment, cwd=Path(__file__).parent.parent)
    real = dict(line.split() for line in done.stdout.splitlines())
    assert real == {n: str(cost(tp.load(n).step()).cut) for n in names}
    assert real["adamw"] == "0"
    assert real["lamb"] == "1"


def test_show_tells_the_cost_and_the_least_time(call: Call) -> None:
    lines = [" ".join(line.split()) for line in call("show", "dog").out.splitlines()]
    assert "memory at least 24 bytes moved a parameter in float32" in lines
    assert "over the model 2 reductions" in lines
    done = call("show", "adamw", "--parameters", "7e9", "--bandwidth", "3.35e12")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0] == "7e+09 parameters in float32"
    assert "time 58.5 ms at 3.35e+12 bytes a second, at least" in lines
    assert call("show", "adamw", "--parameters", "7e9").code == 2
