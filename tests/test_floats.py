"""What `check` says about floating point, against the generated JAX program in that dtype: every
warning is shown to be true by a run, and a spec without one survives gradients of all sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thetaprime as tp
from tests.cli_calls import Call, call, folder
from tests.test_cost import plain
from thetaprime.check.floats import check_floats
from thetaprime.diagnostics import Diagnostic
from thetaprime.few_bits import FORMATS, Conditions, Trial, trial
from thetaprime.ir import Step

__all__ = ["call", "folder"]  # fixtures
FAST = {("adamw", "bfloat16"), ("adamw", "float16"), ("adagrad", "bfloat16"), ("lion", "float32"),
        ("schedule-free-adamw", "bfloat16"), ("heavy-ball", "float16"), ("sgd", "bfloat16"),
        ("normalized-gd", "bfloat16"), ("shampoo", "float32"), ("adamw-clip-norm", "float32")}


class Program:
    """The generated program for tensors of one dtype, in a run on gradients of given sizes."""

    def __init__(self, name: str, here: Trial, dtype: str) -> None:
        self.here, self.dtype = here, dtype
        self.transform = tp.load(name).to_jax(**here.given)
        self.update = jax.jit(self.transform.update)

    def run(
        self, sizes: Iterable[float], late: int = 0, begin: Any = None
    ) -> list[tuple[list[Any], Any]]:
        """The parameters and the state, before the first step (or from ``begin`` on) and after
        each."""
        x = [jnp.asarray(p, self.dtype) for p in self.here.point]
        signs = [jnp.sign(p) for p in x]
        frames = [(x, state := self.transform.init(x) if begin is None else begin)]
        for k, size in enumerate(sizes, 1):
            if k == late:
                state = state._replace(count=jnp.asarray(10_000, jnp.int32))
            g = [(s.astype(jnp.float32) * size).astype(self.dtype) for s in signs]
            value = sum(jnp.sum(a.astype(jnp.float32) * p) for a, p in zip(g, x, strict=True))
            u, state = self.update(g, state, x, value=value)
            x = optax.apply_updates(x, u)
            frames.append((x, state))
        return frames


def held(frame: tuple[list[Any], Any], name: str) -> list[Any]:
    """The arrays of a state, or of the parameters."""
    x, state = frame
    return [np.asarray(a, np.float64) for a in (x if name == "" else jax.tree.leaves(
        getattr(state, name)))]


def same(a: list[Any], b: list[Any]) -> bool:
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def entries(arrays: list[Any]) -> Any:
    return np.concatenate([np.ravel(a) for a in arrays])


# Each demonstration takes the program in few bits, the one in float32, and the name of the state.


def stalls(low: Program, high: Program, name: str) -> None:
    """Once the gradients end, in few bits some entries soon stay as they are, above 0."""
    # Through a factor of 2, among whose numbers some are too large for the decay.
    sizes, longest = [1.0] * 8, 3 * 2 ** (FORMATS[low.dtype].digits - 1)
    *_, before, after = low.run(sizes + [0.0] * longest, late=9)
    a, b = entries(held(before, name)), entries(held(after, name))
    assert np.any((a == b) & (a != 0))
    *_, before, after = high.run(sizes + [0.0] * 20, late=9)
    a, b = entries(held(before, name)), entries(held(after, name))
    assert not np.any((a == b) & (a != 0))


def stops_growing(low: Program, high: Program, name: str) -> None:
    """A sum of somewhat more equal gradients than are told stays as it is when another one comes;
    the same sum in float32 grows."""
    for program, stays in ((low, True), (high, False)):
        *_, before, after = program.run([1.0] * 3)
        many = 2.5 * 2 ** FORMATS[low.dtype].digits

        def added(old: Any, new: Any, many: float = many) -> Any:
            return (many * (new.astype(jnp.float32) - old)).astype(new.dtype)

        sums = jax.tree.map(added, getattr(before[1], name), getattr(after[1], name))
        first, last = program.run([1.0], begin=after[1]._replace(**{name: sums}))
        assert same(held(first, name), held(last, name)) == stays


def lost(low: Program, high: Program, name: str) -> None:
    """No gradient of the range moves a parameter in few bits; it does in float32."""
    moved = False
    for size in (1e-7, 1.0, 1e4):
        frames = low.run([size] * 6)
        assert all(same(held(frames[0], name), held(f, name)) for f in frames)
        frames = high.run([size] * 6)
        moved = moved or not same(held(frames[0], name), held(frames[-1], name))
    assert moved


def kept(low: Program, high: Program, name: str) -> None:
    """Without gradients parameters stay as they are in few bits; in float32 they shrink."""
    first, *_, last = low.run([0.0] * 6)
    assert np.any(entries(held(first, "")) == entries(held(last, "")))
    first, *_, last = high.run([0.0] * 6)
    assert np.all(np.abs(entries(held(last, ""))) < np.abs(entries(held(first, ""))))


def overflows(low: Program, high: Program, name: str) -> None:
    """The state is infinite, or no number."""
    assert not np.all(np.isfinite(entries(held(low.run([1e4] * 16)[-1], name))))
    assert np.all(np.isfinite(entries(held(high.run([1e4] * 16)[-1], name))))


def vanishes(low: Program, high: Program, name: str) -> None:
    """The state is 0."""
    assert not np.any(entries(held(low.run([1e-7] * 16)[-1], name)))
    assert np.any(entries(held(high.run([1e-7] * 16)[-1], name)))


def breaks(low: Program, high: Program, size: str) -> None:
    """With these gradients parameters or states are no numbers; in float64 they are."""
    sizes = [float(size)] * 16
    assert not all(np.all(np.isfinite(a)) for a in jax.tree.leaves(low.run(sizes)[-1]))
    assert low.here.run(sizes)[-1].finite


SHOWN: dict[str, Callable[[Program, Program, str], None]] = {
    "average-stalls": stalls, "step-lost": lost, "decay-lost": kept,
    "state-overflows": overflows, "state-vanishes": vanishes, "no-number": breaks,
}


def warnings(step: Step, dtype: str) -> list[Diagnostic]:
    return list(check_floats([step], [Conditions(dtype)]))


def named(found: Diagnostic) -> str:
    """The state that a message is about, or the size of gradients."""
    if found.code == "no-number":
        return found.message.split()[-1]
    return found.message.split("`")[1] if "`" in found.message else ""


@pytest.mark.parametrize(("name", "dtype"), [
    (n, d) if (n, d) in FAST else pytest.param(n, d, marks=pytest.mark.slow)
    for n in tp.shipped() if plain(n) for d in ("float32", "bfloat16", "float16")
    # With gradients of 1e4 its steps are 0 in float32: differences of numbers that are nearly equal
    # and, after 16 steps, all there is. `check` looks at two of its long steps and says nothing.
    if n != "m-fac"])
def test_warnings_are_true_and_what_has_none_survives(name: str, dtype: str) -> None:
    step = tp.load(name).step()
    here = trial(step, Conditions(dtype))
    low, high = Program(name, here, dtype), Program(name, here, "float32")
    found = warnings(step, dtype)
    for one in found:
        show = stops_growing if "sum" in one.message else SHOWN[one.code]
        show(low, high, named(one))
    codes = {d.code for d in found}
    if codes & {"state-overflows", "state-vanishes", "no-number"}:
        return
    for size in (0.0, 1e-7, 1.0, 1e4):
        frames, exact = low.run([size] * 16), here.run([size] * 16)
        if not exact[-1].finite:
            continue  # a root of a loss below 0, say
        assert all(np.all(np.isfinite(a)) for a in jax.tree.leaves(frames[-1])), size
        step_sizes = [np.abs(b - a) / np.abs(a) for a, b in zip(
            exact[0].point, exact[1].point, strict=True)]
        if all(np.all(s >= 2 * here.format.unit) for s in step_sizes):
            assert any(not same(held(frames[0], ""), held(f, "")) for f in frames), size


def test_the_smallest_change_is_told_and_helps() -> None:
    """For an average with one hyperparameter: what the hint says is enough, and little less is
    not."""
    text = ("optimizer A\n  hyper b = {} in [0, 1)\n  state m = 0\n  m' = b*m + (1 - b)*g\n"
            "  x' = x - m'\n")

    def hints(b: str) -> tuple[str, ...]:
        found = [d for d in tp.loads(text.format(b)).check("bfloat16").diagnostics
                 if d.code == "average-stalls"]
        return found[0].hints if found else ()

    assert "`b` at most 0.996" in hints("0.999")
    assert not hints("0.996")
    assert hints("0.9962")


def test_storage_counts_whatever_the_dtype_of_the_parameters() -> None:
    """A state that `numerics` stores in few bits is judged by that; one that is rounded at random
    is right on average."""
    text = ("optimizer A\n  hyper lr = 1 in (0, inf)\n  hyper b = 0.999 in [0, 1)\n  state m = 0\n"
            "  numerics:\n    store m as {}\n  m' = b*m + (1 - b)*g\n  x' = x - lr*m'\n")

    def codes(dtype: str, *asked: str) -> list[str]:
        return [d.code for d in tp.loads(text.format(dtype)).check(*asked).diagnostics]

    assert codes("bfloat16") == ["average-stalls"]
    assert codes("bfloat16 stochastic") == []
    assert "average-stalls" not in codes("float32", "bfloat16")


def test_sizes_are_those_that_are_asked_for() -> None:
    sgd = tp.load("sgd")
    codes = [d.code for d in sgd.check("bfloat16", gradients=(1e-7, 1e-3)).diagnostics]
    assert codes == ["step-lost"]
    assert not sgd.check("bfloat16", gradients=(1e-7, 1e-3), size=1e-4).diagnostics
    adam = tp.load("adam").check("float16", gradients=(0.1, 100.0)).diagnostics
    assert not {d.code for d in adam} & {"state-overflows", "state-vanishes"}


def test_the_command_line_asks_for_dtypes(call: Call) -> None:
    assert "warning" not in call("check", "adamw").out
    out = call("check", "adamw", "--dtype", "bfloat16", "--dtype", "float16").out
    assert "the average `v` does not decay in bfloat16" in out
    assert "`v` overflows in float16 with gradients of 10000" in out
    assert "state-vanishes" not in call(
        "check", "adamw", "--dtype", "float16", "--gradients", "0.1..1").out
    for wrong in (["--gradients", "3"], ["--gradients", "2..1"], ["--size", "0"],
                  ["--dtype", "int8"]):
        assert call("check", "adamw", *wrong).code == 2
