"""How the compiler grows: work in proportion to the equations, and chains of any length. No times:
what is counted are the calls of functions."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import thetaprime as tp
from thetaprime.optimizer import Optimizer

ROOT = Path(__file__).parent.parent


def generated() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module("generated")


FAMILIES: dict[str, Callable[[int], str]] = generated().FAMILIES
TARGETS: dict[str, Callable[[Optimizer], object]] = {
    "jax": lambda o: o.code("jax"),
    "numpy": lambda o: o.code("numpy"),
    "numba": lambda o: o.code("numpy", engine="numba"),
    "cupy": lambda o: o.code("numpy", engine="cupy"),
    "check": lambda o: o.check(claims=False),
}


def calls(work: Callable[[], object]) -> int:
    """The functions of Python that are called, generators at each turn."""
    count = 0

    def seen(frame: object, event: str, _: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def doubled(family: str, target: str, size: int) -> float:
    """What a hundred per cent more equations add, in what fifty per cent fewer take away: 2 where
    work is in proportion to the equations but for a constant, 4 where it grows with the square."""
    def of(count: int) -> int:
        optimizer = tp.loads(FAMILIES[family](count))
        return calls(lambda: TARGETS[target](optimizer))

    of(11)  # what is made at first use
    half, one, two = of(size//2), of(size), of(2*size)
    return (two - one)/(one - half)


@pytest.mark.parametrize("target", ["jax", "numpy", "numba", "cupy"])
@pytest.mark.parametrize("family", FAMILIES)
def test_twice_the_equations_are_twice_the_work(family: str, target: str) -> None:
    assert doubled(family, target, 100) < 2.6


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_twice_the_equations_are_twice_the_work_of_a_check(family: str) -> None:
    assert doubled(family, "check", 200) < 2.6


@pytest.mark.slow
@pytest.mark.parametrize("target", ["jax", "numpy", "numba"])
@pytest.mark.parametrize("family", FAMILIES)
def test_five_thousand_equations_are_compiled(family: str, target: str) -> None:
    text = TARGETS[target](tp.loads(FAMILIES[family](5000)))
    assert isinstance(text, str)
    assert text.count("\n") > 2000


DEEP = 10_000
HEAD = "optimizer Deep\n  hyper lr = 0.1 in (0, inf)\n  x' = x - lr*"


@pytest.mark.parametrize("formula", [
    "("*DEEP + "g" + ")"*DEEP,
    "sqrt(\n"*DEEP + "g" + "\n)"*DEEP,
    "(g" + "\n + g"*DEEP + ")",
    "(" + "g^\n"*DEEP + "2)",
    "(" + "if g > 0 then g else\n"*DEEP + "g)",
    "-"*DEEP + "g",
], ids=["brackets", "calls", "sums", "powers", "conditions", "signs"])
def test_ten_thousand_levels_are_a_message(formula: str) -> None:
    (found,) = tp.loads(f"{HEAD}{formula}\n").check().diagnostics
    assert found.code in ("too-deep", "too-long")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Lookahead", "SAM"])
def test_fifty_wrappers_are_checked_and_compiled(name: str) -> None:
    optimizer = tp.loads(generated().wrappers(name))
    assert optimizer.check(claims=False).ok
    for target in ("jax", "numpy"):
        assert optimizer.code(target).count("\n") > 100  # type: ignore[arg-type]


def test_many_mistakes_are_told_in_time_that_grows_with_them() -> None:
    def of(count: int) -> int:
        body = "".join(f"  a{k} = undefined{k}\n" for k in range(count))
        return calls(lambda: tp.loads(f"{HEAD}g\n{body}").check())

    of(10)
    short, one, two = of(10), of(100), of(200)
    assert (two - short)/(one - short) < 2.5
