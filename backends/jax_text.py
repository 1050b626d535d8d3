"""The fixed pieces of a generated JAX module: imports and the helpers that its code calls.

A helper is emitted only where the code or another helper calls it.
"""

from __future__ import annotations

import re

from thetaprime.backends import draws
from thetaprime.backends import jax_matrices as matrices
from thetaprime.backends import jax_oracles as oracles
from thetaprime.backends.jax_fused import Form
from thetaprime.backends.jax_fused_text import fused_helpers
from thetaprime.backends.jax_loops import HELPER

IMPORTS = '''
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
'''.strip("\n")

OPTAX = '''
try:
    from optax import GradientTransformationExtraArgs, ScalarOrSchedule
except ImportError:
    ScalarOrSchedule = float | jax.Array | Callable[[Any], Any]

    class GradientTransformationExtraArgs(NamedTuple):
        """A pair of pure functions: the start of the state, and one step."""

        init: Callable[..., Any]
        update: Callable[..., Any]
'''.strip("\n")

STEPPER = '''
try:
    from optax import ScalarOrSchedule
except ImportError:
    ScalarOrSchedule = float | jax.Array | Callable[[Any], Any]


class Optimizer(NamedTuple):
    """A pair of pure functions: the start of the state, and one step."""

    init: Callable[..., Any]
    step: Callable[..., Any]
'''.strip("\n")

_HELPERS = {
    "_structure": '''
def _structure(tree):
    """How a tree holds its tensors; None, as for a gradient that is missing, counts as one."""
    return jax.tree.structure(tree, is_leaf=lambda a: a is None)
''',
    "_real_dtype": '''
def _real_dtype(a):
    """The dtype to compute in: that of a real number of `a`, float32 at least."""
    return jnp.promote_types(jnp.real(jnp.zeros([], jnp.result_type(a))).dtype, jnp.float32)
''',
    "_scalar_dtype": '''
def _scalar_dtype(tree):
    """The dtype of numbers for the whole model: the widest that one of its tensors computes in."""
    dtype = jnp.dtype(jnp.float32)
    for a in jax.tree.leaves(tree):
        dtype = jnp.promote_types(dtype, _real_dtype(a))
    return dtype
''',
    "_values": '''
def _values(hypers, count, dtype):
    """Hyperparameters now: plain numbers as they are, schedules after `count` steps."""
    def now(h):
        h = h(count) if callable(h) else h
        if h is None:
            return None
        return float(h) if isinstance(h, int | float) else jnp.asarray(h, dtype)

    return [now(h) for h in hypers]
''',
    "_real": '''
def _real(a):
    """A tensor as real numbers to compute with; a complex one gets a last axis (real, imag)."""
    if a is None:
        return None
    if jnp.iscomplexobj(a):
        return jnp.stack([jnp.real(a), jnp.imag(a)], axis=-1)
    return jnp.asarray(a, _real_dtype(a))
''',
    "_stored": '''
def _stored(new, old):
    """`new` in the shape and dtype of `old`; where `new` is None, `old` holds."""
    if new is None:
        return old
    if jnp.issubdtype(jnp.result_type(old), jnp.integer):
        raise ValueError(f"a tensor has dtype {jnp.result_type(old)}: no step fits into that")
    if jnp.iscomplexobj(old):
        pair = jnp.broadcast_to(new, (*jnp.shape(old), 2))
        return jax.lax.complex(pair[..., 0], pair[..., 1]).astype(jnp.result_type(old))
    return jnp.broadcast_to(new, jnp.shape(old)).astype(jnp.result_type(old))
''',
    "_tensors": '''
def _tensors(structure, tree):
    """The tensors of a tree, one for each place in `structure`, as real numbers."""
    return tuple(_real(a) for a in structure.flatten_up_to(tree))
''',
    "_tree": '''
def _tree(structure, new, old):
    """The tree of new tensors, stored as those of the tree `old` are."""
    pairs = zip(new, structure.flatten_up_to(old), strict=True)
    return structure.unflatten([_stored(a, b) for a, b in pairs])
''',
    "_paths": '''
def _paths(tree):
    """The path of each tensor: the keys that lead to it, with slashes between."""
    found = jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda a: a is None)
    return tuple(jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in found)
''',
    "_some": '''
def _some(structure, tensors, params):
    """The tree of tensors, stored as the parameters are; where there is none it holds None."""
    pairs = zip(tensors, structure.flatten_up_to(params), strict=True)
    return structure.unflatten([None if a is None else _stored(a, b) for a, b in pairs])
''',
    "_some_stacks": '''
def _some_stacks(structure, stacks, params, *axes):
    """The tree of stacks of tensors, along `axes`, stored as the parameters are; where there is
    none it holds None."""
    alike = [jnp.broadcast_to(b, (*axes, *jnp.shape(b))) for b in structure.flatten_up_to(params)]
    pairs = zip(stacks, alike, strict=True)
    return structure.unflatten([None if a is None else _stored(a, b) for a, b in pairs])
''',
    "_some_numbers": '''
def _some_numbers(structure, numbers, params):
    """The tree of numbers, one for each tensor; where there is none it holds None."""
    pairs = zip(numbers, structure.flatten_up_to(params), strict=True)
    return structure.unflatten([
        None if a is None else jnp.asarray(a, _real_dtype(b)) for a, b in pairs])
''',
    "_families": '''
def _families(structure, tree):
    """For each tensor the arrays that it has for each of its axes, as real numbers."""
    return tuple(a if a is None else tuple(map(_real, a)) for a in structure.flatten_up_to(tree))
''',
    "_family_tree": '''
def _family_tree(structure, new, old):
    """The tree of families, stored as those of the tree `old` are; where there is no new one, the
    old one holds."""
    pairs = zip(new, structure.flatten_up_to(old), strict=True)
    return structure.unflatten([
        b if a is None else tuple(map(_stored, a, b)) for a, b in pairs])
''',
    "_beside": '''
def _beside(those, tensors):
    """The tensors, but None where one of `those` (a gradient) is missing."""
    return tuple(None if b is None else a for a, b in zip(tensors, those, strict=True))
''',
    "_each": '''
def _each(function, results, *columns):
    """`function` of the tensors of each row; a row without the first (no gradient) gives Nones."""
    nothing = (None,) * results
    rows = [
        nothing if row[0] is None else function(*row)
        for row in zip(*columns, strict=True)
    ]
    return tuple(zip(*rows, strict=True)) or ((),) * results
''',
    "_one_loop": HELPER,
    "_sum": '''
def _sum(parts, dtype):
    """The sum of what the tensors contribute."""
    return sum((p for p in parts if p is not None), start=jnp.zeros([], dtype))
''',
    "_max": '''
def _max(parts, dtype):
    """The largest of what the tensors contribute."""
    largest = jnp.full([], -jnp.inf, dtype)
    for part in parts:
        largest = largest if part is None else jnp.maximum(largest, part)
    return largest
''',
    "_min": '''
def _min(parts, dtype):
    """The smallest of what the tensors contribute."""
    smallest = jnp.full([], jnp.inf, dtype)
    for part in parts:
        smallest = smallest if part is None else jnp.minimum(smallest, part)
    return smallest
''',
    "_all": '''
def _all(parts):
    """Whether all that the tensors contribute is true."""
    result = jnp.array(True)
    for part in parts:
        result = result if part is None else jnp.logical_and(result, part)
    return result
''',
    "_any": '''
def _any(parts):
    """Whether any that the tensors contribute is true."""
    result = jnp.array(False)
    for part in parts:
        result = result if part is None else jnp.logical_or(result, part)
    return result
''',
    "_default": '''
def _default(a, fallback):
    """`a` where it is finite, elsewhere `fallback`."""
    return jnp.where(jnp.isfinite(a), a, fallback)
''',
    "_entries": '''
def _entries(a, axes):
    """All entries of each tensor along one last axis, after the first `axes` axes."""
    return jnp.reshape(a, (*jnp.shape(a)[:axes], -1))
''',
    "_tall": '''
def _tall(a, like):
    """`a` with an axis of length 1 for each of `like`, so that it varies along its own only."""
    return jnp.reshape(a, jnp.shape(a) + (1,) * jnp.ndim(like))
''',
    "_copy": '''
def _copy(params):
    """The parameters in arrays of their own."""
    return jax.tree.map(lambda p: jnp.array(p, dtype=jnp.result_type(p)), params)
''',
    "_full": '''
def _full(params, value, *axes):
    """`value` in the shape, dtype and sharding of each parameter, after `axes`."""

    def full(p):
        dtype = jnp.result_type(p)
        pair = jnp.iscomplexobj(p)
        a = jnp.full_like(p, value * (1 + 1j) if pair else value, dtype=dtype)
        shape = (*axes, *jnp.shape(p))
        return shard_alike(jnp.broadcast_to(a, shape), jnp.broadcast_to(p, shape))[0]

    return jax.tree.map(full, params)
''',
    "_full_per_tensor": '''
def _full_per_tensor(params, value, *axes):
    """`value` for each parameter, one number along `axes`."""
    return jax.tree.map(lambda p: jnp.full(axes, value, _real_dtype(p)), params)
''',
    "_kept": '''
def _kept(tree, dtype):
    """The tree with its real tensors in the dtype that they are kept in."""
    return jax.tree.map(lambda a: a if jnp.iscomplexobj(a) else a.astype(dtype), tree)
''',
    "_by_chance": '''
def _by_chance(seed, name, t, tensors):
    """The tensors rounded to bfloat16, up or down by chance, so that on average nothing changes."""
    def rounded(leaf, a):
        if a is None:
            return None
        a = jnp.asarray(a, jnp.float32)
        words = jax.lax.bitcast_convert_type(a, jnp.uint32)
        words += _bits(seed, name, t, leaf, a.shape)[0] >> 16
        near = jax.lax.bitcast_convert_type(words & jnp.uint32(0xFFFF0000), jnp.float32)
        return jnp.where(jnp.isfinite(a), near, a)

    return tuple(rounded(leaf, a) for leaf, a in enumerate(tensors))
''',
    **oracles.HELPERS,
    **matrices.HELPERS,
    "_cond": '''
def _cond(condition, then, otherwise):
    """What one of two functions gives, in the dtypes of the second; only that one runs."""
    kinds = jax.eval_shape(otherwise)
    return jax.lax.cond(condition, lambda: _alike(then(), kinds), otherwise)
''',
    "_alike": '''
def _alike(new, old):
    """`new` in the dtypes of `old`."""
    return jax.tree.map(lambda a, b: jnp.asarray(a, b.dtype), new, old)
''',
    "_shifted": '''
def _shifted(window, value, axis=0):
    """The window with `value` as its newest, the first along the axis, and without its oldest."""
    kept = jnp.moveaxis(window, axis, 0)
    newest = jnp.broadcast_to(value, kept.shape[1:])[None]
    return jnp.moveaxis(jnp.concatenate([newest, kept[:-1]]), 0, axis)
''',
}


def helpers_for(
    code: str, turns: bool = False, form: Form = "tree", by_path: bool = False
) -> list[str]:
    """The texts of the helpers that ``code`` calls, and of those that they call, in order;
    ``turns``: draws stand in loops; ``form``: the arrays in which tensors are held, ``by_path``:
    told apart by their paths."""
    recipe = draws.helpers("jnp", turns)
    known = {**_HELPERS, **fused_helpers(form, by_path),
             **{name: f"\n{text}\n" for name, text in recipe.items()}}
    wanted: set[str] = set()
    todo = [code]
    while todo:
        called = set(re.findall(r"(?<![\w.])_[a-z_]+", todo.pop())) & known.keys() - wanted
        wanted |= called
        todo += [known[name] for name in called]
    return [text.strip("\n") for name, text in known.items() if name in wanted]
