"""The Python names of the quantities of a step in a generated JAX module."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping

from thetaprime.expr import Sym
from thetaprime.ir import Axis
from thetaprime.types import PARAMS, Extent, Type

# Names that the generated text itself uses where quantities are named.
RESERVED = {
    "Any", "Batches", "FRESH", "Fused", "GradientTransformationExtraArgs", "Layout", "NamedTuple",
    "Optimizer", "PATTERNS", "Packed", "ScalarOrSchedule", "ValueError", "accumulate", "batch",
    "between", "bool", "carry", "count", "dataclass", "dtype", "due", "entries", "evaluate",
    "examples", "extra", "float", "fnmatchcase", "fresh_batches", "grads", "hypers", "index",
    "init", "int", "jax", "jnp", "layout", "leaf", *(f"leaf_{i}" for i in range(1, 10)), "len",
    "math", "more", "one_turn", "otherwise", "pack", "params", "partial", "path", "paths",
    "problem", "range", "seed", "shard_alike", "state", "step", "structure", "t", "take", "then",
    "tuple", "unpack", "update", "value",
}
# The number of entries of the model.
ENTRIES = "entries"
# The number of the step as a whole number; no spec can define ``t'``.
STEP_COUNT = Sym("t", True, Type(Extent.SCALAR, kind="int"))


def python_names(symbols: Iterable[Sym], taken: Iterable[str] = ()) -> dict[Sym, str]:
    """A Python name for each symbol, all different: ``m'`` is ``m_new``, ``lambda`` ``lambda_``."""
    used = {*keyword.kwlist, *RESERVED, *taken}
    names: dict[Sym, str] = {Sym("t"): "t", STEP_COUNT: "count"}
    for symbol in sorted(dict.fromkeys(symbols), key=lambda s: s.prime):
        if symbol in names:
            continue
        name = symbol.name.lstrip("_") or "x"  # a leading underscore is for helpers
        name += "_" * (name != symbol.name) + ("_new" if symbol.prime else "")
        while name in used:
            name += "_"
        used.add(name)
        names[symbol] = name
    return names


def lengths(axes: Iterable[Axis], names: Mapping[Sym, str]) -> dict[str, str]:
    """The lengths of named axes as text; one that the problem alone knows has its own name, and
    ``params`` that of the number of entries."""
    known = {a.name: str(a.length) if isinstance(a.length, int)
             else names.get(Sym(a.length), a.length) for a in axes}
    return {name: ENTRIES if name == length == PARAMS else length for name, length in known.items()}
