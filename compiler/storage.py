"""`numerics`: the dtype that a state is kept in between steps, and how it is rounded to it.

Equations are computed as ever; what is kept is rounded when the step ends. No claim may depend
on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from thetaprime.diagnostics import Diagnostic, closest, report
from thetaprime.draws import bits
from thetaprime.ir import State
from thetaprime.source import Source
from thetaprime.syntax import Store

# The names that people use, and the dtype.
DTYPES: dict[str, str] = {
    "bfloat16": "bfloat16", "bf16": "bfloat16", "float16": "float16", "f16": "float16",
    "fp16": "float16", "float32": "float32", "f32": "float32", "float64": "float64"}
STOCHASTIC = "stochastic"


def check_stores(
    stores: Iterable[tuple[Store, Source]], states: Mapping[str, object]
) -> Iterator[Diagnostic]:
    """Each line stores a state, once, in a dtype that there is."""
    seen: set[str] = set()
    for store, source in stores:
        if store.name not in states:
            near = closest(store.name, list(states))
            hints = (f"did you mean `{near}`?",) if near else ()
            yield report("store-what", source, store.span, name=store.name, hints=hints)
        elif store.name in seen:
            yield report("duplicate-name", source, store.span, name=f"store {store.name}")
        seen.add(store.name)
        if store.dtype not in DTYPES:
            yield report("store-dtype", source, store.span, name=store.dtype)
        elif store.rounding not in ("", STOCHASTIC) or (
                store.rounding and DTYPES[store.dtype] != "bfloat16"):
            yield report("store-rounding", source, store.span, name=store.rounding,
                         dtype=DTYPES[store.dtype])


def with_storage(states: tuple[State, ...], stores: Iterable[tuple[Store, Source]]
                 ) -> tuple[State, ...]:
    """The states, those that `numerics` names with their storage."""
    known = {s.name: (DTYPES[s.dtype], s.rounding) for s, _ in stores}
    return tuple(replace(s, storage=known.get(s.name)) for s in states)


def kept(value: Any, storage: tuple[str, str], seed: int, name: str, t: int, leaf: int) -> Any:
    """The float64 numbers that are left of a value when it is stored."""
    dtype, rounding = storage
    if dtype != "bfloat16":
        return np.asarray(value, dtype).astype(np.float64)
    single = np.asarray(value, np.float32)
    words = single.view(np.uint32)
    if rounding == STOCHASTIC:
        add = bits(seed, f"{name} stored", t, leaf, np.shape(single))[0] >> np.uint32(16)
    else:  # to the nearest, halves to the even one
        add = np.uint32(0x7FFF) + ((words >> np.uint32(16)) & np.uint32(1))
    rounded = ((words + add) & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isfinite(single), rounded, single).astype(np.float64)
