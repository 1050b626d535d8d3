"""What the tests of the JAX backend share."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import jax
import numpy as np

from tests.jax_specs import SPECS
from thetaprime.backends.module import load
from thetaprime.backends.to_jax import emit, factory_name
from thetaprime.pipeline import compile_text

SHAPES: list[tuple[int, ...]] = [(), (3,), (2, 3), (2, 1, 2)]
LOSS = 2.0


def required(step: Any) -> dict[str, float]:
    return {h.name: 0.1 for h in step.hypers if h.default is None}


def module(text: str) -> ModuleType:
    step = compile_text(text)
    return load(emit(step), factory_name(step.name))


def factory(text: str) -> Any:
    return getattr(module(text), factory_name(compile_text(text).name))


def transformation(name: str, **hypers: Any) -> Any:
    return factory(SPECS[name])(**{**required(compile_text(SPECS[name])), **hypers})


def random_trees(count: int, dtype: Any = np.float64) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(3)
    return [[np.asarray(rng.standard_normal(s), dtype) for s in SHAPES] for _ in range(count)]


def close(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(left), np.asarray(right), tolerance, tolerance)


def forms(tree: Any) -> Any:
    """Structure, shapes, dtypes and weak types of a tree."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(a.shape, a.dtype, getattr(a, "weak_type", False)) for a in leaves]
