"""The backends that write programs, what runs the entry-wise loops of a NumPy program, and how a
JAX program holds its tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

from thetaprime.arguments import CallError
from thetaprime.ir import Step

Target = Literal["jax", "numpy"]
Engine = Literal["numpy", "numba", "cupy"]
Fuse = Literal["flat"]


def emitter(
    target: Target, engine: Engine = "numpy", fuse: Fuse | None = None
) -> Callable[[Step], str]:
    """What writes the text of a program. Raises CallError: an engine or a way to fuse that the
    target has not."""
    emit: Callable[..., str] = import_module(f"thetaprime.backends.to_{target}").emit
    if engine not in ("numpy", "numba"):
        raise CallError("wrong-call", f"there is no engine `{engine}`", "numpy or numba")
    if fuse is not None and target != "jax":
        raise CallError("wrong-call", f"`fuse` is for JAX programs, not for {target}")
    if fuse not in (None, "flat"):
        raise CallError("wrong-call", f"there is no way to fuse `{fuse}`", '`fuse="flat"`')
    if engine == "numpy":
        return partial(emit, fuse=True) if fuse else emit
    if target != "numpy":
        raise CallError("wrong-call", f"a {target} program has no engine `{engine}`",
                        "numba compiles the loops of a NumPy program: `--to numpy`")
    return partial(emit, engine=engine)


def require(engine: Engine) -> None:
    """Raises CallError where the engine is not installed."""
    if engine == "numba" and find_spec("numba") is None:
        raise CallError("missing-package", "this needs numba, which is not installed",
                        "pip install 'thetaprime[numba]', or leave out `engine`: the same program "
                        "in NumPy")
