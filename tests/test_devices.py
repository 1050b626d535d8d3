"""Programs on many devices: eight that the CPU pretends to have, and two processes."""

from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import thetaprime as tp
from tests.jax_helpers import required
from tests.processes import SHAPES
from thetaprime.arguments import CallError
from thetaprime.library import modules
from thetaprime.signature import asks_more

ROOT = Path(__file__).parent.parent
# One for each kind: entry by entry, over the model, factored, matrices, asking, axes.
FAST = ("adamw", "adamw-clip-norm", "adafactor", "muon", "sam", "aggmo")
SPECS = [*tp.shipped(), *modules()]
AT_ONCE = 12  # specs that one process of the slow tests does


def environment(devices: int) -> dict[str, str]:
    return {**os.environ, "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}


def told(what: str, names: Sequence[str]) -> dict[str, str]:
    """What `tests.devices` says of each spec."""
    done = subprocess.run([sys.executable, "-m", "tests.devices", what, *names], text=True,
                          capture_output=True, env=environment(8), cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def batches(names: Sequence[str]) -> list[list[str]]:
    return [list(names[i:i + AT_ONCE]) for i in range(0, len(names), AT_ONCE)]


def close(gaps: dict[str, str], names: Sequence[str]) -> None:
    assert sorted(gaps) == sorted(names)
    assert {n: g for n, g in gaps.items() if not float(g) <= 1e-12} == {}


def test_cut_parameters_take_the_same_steps() -> None:
    close(told("same", FAST), FAST)


@pytest.mark.slow
@pytest.mark.parametrize("names", batches([n for n in SPECS if n not in FAST]), ids=lambda n: n[0])
def test_every_spec_takes_the_same_steps_where_parameters_are_cut(names: list[str]) -> None:
    close(told("same", names), names)


@pytest.mark.parametrize("what", ["fused", "spread"])
def test_few_arrays_and_cut_states_take_the_same_steps(what: str) -> None:
    names = ["adamw", "lamb", "adafactor"]
    close(told(what, names), names)


@pytest.mark.slow
@pytest.mark.parametrize("names", batches(SPECS), ids=lambda n: n[0])
def test_every_spec_takes_the_same_steps_where_its_state_is_cut(names: list[str]) -> None:
    close(told("spread", names), names)


def elementwise(name: str) -> bool:
    """Whether a spec treats every entry alike, without a number of the model or of a tensor that
    is reduced from them."""
    from thetaprime.backends.jax_plan import make_plan

    step = tp.load(name).step()
    if asks_more(step) or required(step):
        return False
    plan = make_plan(step, "flat")
    return plan.form == "flat" and len(plan.update.segments) == 1


def test_what_is_done_entry_by_entry_needs_no_other_device() -> None:
    names = ["adamw", "lion", "adan", "aggmo", "schedule-free-sgd"]
    assert all(map(elementwise, names))
    assert told("collectives", names) == dict.fromkeys(names, "none")


@pytest.mark.slow
def test_no_rule_that_is_done_entry_by_entry_needs_another_device() -> None:
    names = list(filter(elementwise, tp.shipped()))
    assert len(names) > 50
    assert told("collectives", names) == dict.fromkeys(names, "none")


def test_a_norm_over_the_model_is_one_all_reduce() -> None:
    names = ["adamw-clip-norm", "sgd-clip-norm", "normalized-gd"]
    assert told("collectives", names) == dict.fromkeys(names, "all-reduce=1")


def test_states_are_cut_as_their_parameter_is() -> None:
    """A matrix is cut as P(a, b); what a state keeps of its axes is cut as they are."""
    assert told("shards", ["adamw", "aggmo", "adafactor", "sm3", "adam-mini", "muon"]) == {
        "adamw": "m:a,b v:a,b", "aggmo": "v:-,a,b", "muon": "M:a,b", "adam-mini": "m:a,b v:a",
        "adafactor": "R:-,a C:-,b", "sm3": "m:a,b s:a/b"}


def test_a_state_that_is_cut_takes_an_eighth_of_every_device() -> None:
    """Put together is the change of the parameters alone."""
    assert told("zero", ["adamw", "lion"]) == dict.fromkeys(
        ["adamw", "lion"], "0.125 all-gather")


def page_module() -> Any:
    """The script that writes the arithmetic of docs/devices.md."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return runpy.run_path(str(ROOT / "benchmarks/devices.py"))


def test_the_page_is_what_its_script_writes() -> None:
    page = page_module()
    section = "\n".join([f"## {page['TITLE']}", "", *page["lines"]()])
    assert section in (ROOT / "docs/devices.md").read_text("utf-8")


def test_the_arithmetic_of_the_page_is_that_of_eight_devices() -> None:
    page = page_module()
    length = 2 * 8 * 512
    found = told("memory", page["RULES"])
    waits = told("collectives", page["RULES"])
    for name in page["RULES"]:
        one = page["share"](name, length, 8)
        assert found[name] == f"{one.parameters:.0f} {one.state:.0f}"
        assert waits[name] == (f"all-reduce={one.waits}" if one.waits else "none")


def test_an_axis_that_the_mesh_lacks_is_told() -> None:
    mesh = jax.make_mesh((1,), ("data",))
    with pytest.raises(CallError, match="the mesh has no axis `model`; it has data"):
        tp.load("adamw").to_jax(shard_state=(mesh, "model"))


@pytest.mark.parametrize("given", ["data", ("data",), ("data", "data"), 8])
def test_what_is_no_mesh_with_an_axis_is_told(given: Any) -> None:
    with pytest.raises(CallError, match="`shard_state` is a mesh and one of its axes, not"):
        tp.load("adamw").to_jax(shard_state=given)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def by_processes(name: str, count: int) -> list[dict[str, np.ndarray]]:
    """The parameters that each of several processes ends with."""
    port = str(free_port())
    running = [subprocess.Popen(
        [sys.executable, "-m", "tests.processes", name, str(i), str(count), port], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(8 // count), cwd=ROOT)
        for i in range(count)]
    found = []
    try:
        for process in running:
            out, err = process.communicate(timeout=300)
            assert process.returncode == 0, err[-2000:]
            rows = [line.split() for line in out.splitlines()]  # gloo too says something there
            found.append({n: np.array([float.fromhex(v) for v in vs]) for n, *vs in rows
                          if n in SHAPES})
    finally:
        for process in running:
            process.kill()
    return found


@pytest.mark.parametrize("name", ["adamw-clip-norm"])
def test_two_processes_take_the_same_steps_as_one(name: str) -> None:
    (one,) = by_processes(name, 1)
    assert sorted(one) == ["s", "v", "w"]
    for several in by_processes(name, 2):
        for leaf, expected in one.items():
            np.testing.assert_allclose(several[leaf], expected, rtol=1e-12, atol=1e-12)
