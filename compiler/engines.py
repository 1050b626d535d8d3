"""The backends that write programs, what runs a NumPy program, and how a JAX program fuses its
work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, get_args

from thetaprime.arguments import CallError
from thetaprime.ir import Step

Target = Literal["jax", "numpy"]
Engine = Literal["numpy", "numba", "cupy"]
Fuse = Literal["flat", "loop"]

# An engine that needs a package: why a target but NumPy has not that engine, how to get it.
_ENGINES = {
    "numba": ("numba compiles the loops of a NumPy program: `--to numpy`",
              "pip install 'thetaprime[numba]', or leave out `engine`: the same program in NumPy"),
    "cupy": ("it is for NumPy programs, `--to numpy`; one of JAX runs on a GPU as it is",
             "pip install cupy-cuda12x, or the wheel for the CUDA that is installed"),
}


def emitter(
    target: Target, engine: Engine = "numpy", fuse: Fuse | None = None
) -> Callable[[Step], str]:
    """What writes the text of a program. Raises CallError: an engine or a way to fuse that the
    target has not."""
    emit: Callable[..., str] = import_module(f"thetaprime.backends.to_{target}").emit
    if engine not in get_args(Engine):
        raise CallError("wrong-call", f"there is no engine `{engine}`", "numpy, numba or cupy")
    if fuse is not None and target != "jax":
        raise CallError("wrong-call", f"`fuse` is for JAX programs, not for {target}")
    if fuse not in (None, *get_args(Fuse)):
        raise CallError("wrong-call", f"there is no way to fuse `{fuse}`",
                        '`fuse="flat"` or `fuse="loop"`')
    if engine == "numpy":
        return partial(emit, fuse=fuse) if fuse else emit
    if target != "numpy":
        raise CallError("wrong-call", f"a {target} program has no engine `{engine}`",
                        _ENGINES[engine][0])
    return partial(emit, engine=engine)


def require(engine: Engine, threads: int | None = None) -> None:
    """Raises CallError where the engine is not installed, or has no threads to share its work."""
    if engine in _ENGINES and find_spec(engine) is None:
        raise CallError("missing-package", f"this needs {engine}, which is not installed",
                        _ENGINES[engine][1])
    if engine == "cupy" and threads is not None:
        raise CallError("wrong-call", "the device shares the work of a program with CuPy by itself",
                        "leave out `threads`")
    if threads is not None and (type(threads) is not int or threads < 1):
        raise CallError("wrong-call", f"`threads` is a whole number from 1 on, not `{threads}`",
                        "leave it out: as many as this process has processors")
