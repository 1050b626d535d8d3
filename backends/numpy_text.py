"""The fixed text of a generated NumPy module: trees, leaves, blocks; and the whole of it."""

from __future__ import annotations

from collections.abc import Iterable

from thetaprime.backends.lanes import Lanes
from thetaprime.backends.numpy_leaves import LEAVES, STATE
from thetaprime.backends.numpy_sweep import SIGN, constants, sweep_texts
from thetaprime.ir import State, Step
from thetaprime.types import Extent

STANDARD = """\
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from operator import is_
from threading import local"""

WALK = '''
def _walk(tree, others, path):
    """Yield (path, leaf, leaves of the others there) of a tree of dicts, lists and tuples.

    The keys of a dict go in sorted order. Where `tree` is None it has no leaf. Another tree may
    have None where `tree` has a leaf, and must otherwise be alike; ValueError if it is not.
    """
    if tree is None:
        return
    if not isinstance(tree, (dict, list, tuple)):
        yield path, tree, others
        return
    for name, other in others.items():
        alike = isinstance(other, dict) == isinstance(tree, dict)
        if not isinstance(other, (dict, list, tuple)) or not alike:
            raise ValueError(f"{name} is unlike params at {path}: {type(other).__name__}"
                             f" for {type(tree).__name__}")
        mine = set(tree) if isinstance(tree, dict) else len(tree)
        if mine != (set(other) if isinstance(other, dict) else len(other)):
            raise ValueError(f"{name} is unlike params at {path}: it has other entries")
    for key in _keys(tree):
        inside = {name: other[key] for name, other in others.items()}
        if isinstance(tree[key], (dict, list, tuple, type(None))):
            yield from _walk(tree[key], inside, f"{path}[{key!r}]")
        else:
            yield f"{path}[{key!r}]", tree[key], inside


def _keys(tree):
    if not isinstance(tree, dict):
        return range(len(tree))
    try:
        return sorted(tree)
    except TypeError:
        return list(tree)
'''

TREES = WALK + '''

def _map(function, tree):
    """The tree of function(leaf), None where there is none."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: _map(function, value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [_map(function, item) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return function(tree)


def _like(params, *axes):
    """A tree of zero arrays like the parameters, with axes before the parameter's own."""
    def zeros(x):
        x = np.asarray(x)
        if not axes:
            return np.zeros_like(x)
        return np.zeros((*axes, *x.shape), x.dtype)
    return _map(zeros, params)
'''

COMBINE = '''
def _combine(ufunc, start, parts):
    """One number from the partial results of blocks or tensors."""
    return ufunc.reduce(np.array(parts, type(start)), initial=start)
'''

HYPER = '''
def _at(hyper, count):
    """A hyperparameter after `count` steps: a number, or the value of a schedule."""
    return np.float64(hyper(count) if callable(hyper) else hyper)
'''

LIST = '''
def _list(name, hyper, length, count):
    """The numbers of a list-valued hyperparameter; ValueError for another length."""
    if len(hyper) != length:
        raise ValueError(f"{name} has {len(hyper)} entries; this module was made for {length}")
    return [_at(h, count) for h in hyper]
'''

DEFAULT = '''
def _default(value, other):
    """`value` where it is finite, else `other`."""
    return value if np.isfinite(value) else other
'''

PLUS = '''
@njit(fastmath={"reassoc"})
def _plus(total, term):
    """A sum, in float64; in no fixed order, so that it runs as fast as its terms are read."""
    return total + np.float64(term)
'''

DRAWS = '''
def _threefry(k0, k1, a, b):
    """Threefry-2x32 with 20 rounds: the key (k0, k1) applied to the counter words (a, b)."""
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA))
    a, b = a + k0, b + k1
    for i in range(5):
        for r in ((13, 15, 26, 6), (17, 29, 16, 24))[i % 2]:
            a += b
            b = ((b << np.uint32(r)) | (b >> np.uint32(32 - r))) ^ a
        a += keys[(i + 1) % 3]
        b += keys[(i + 2) % 3] + np.uint32(i + 1)
    return a, b


def _bits(seed, name, t, leaf, start, size):
    """Two random words for each of `size` entries of a tensor, from entry `start` on.

    The key is made of (seed, name) and (t, leaf), the counter is the entry.
    """
    words = [np.array([int(w) % 2**32], np.uint32) for w in (seed, name, t, leaf)]
    k0, k1 = _threefry(*words)
    entries = (start + np.arange(size)).astype(np.uint32)
    return _threefry(k0, k1, entries, np.zeros_like(entries))


def _unit(bits, dtype):
    """Numbers in (0, 1) from 32 random bits each."""
    return np.minimum((bits.astype(dtype) + 0.5) * 2.0**-32, 1 - np.finfo(dtype).epsneg)


def _uniform(seed, name, t, leaf, start, size, dtype):
    """Uniform on (0, 1)."""
    return _unit(_bits(seed, name, t, leaf, start, size)[0], dtype)


def _normal(seed, name, t, leaf, start, size, dtype):
    """Standard normal, by Box and Muller."""
    a, b = _bits(seed, name, t, leaf, start, size)
    return np.sqrt(-2 * np.log(_unit(a, dtype))) * np.cos(2 * np.pi * _unit(b, dtype))


def _rademacher(seed, name, t, leaf, start, size, dtype):
    """-1 or 1, each half of the time."""
    return np.where(_uniform(seed, name, t, leaf, start, size, dtype) < 0.5, -1.0, 1.0)
'''


def docstring(step: Step) -> str:
    """The docstring of the module: what it is, where it is from, the spec itself."""
    parts = [f"{step.name}: {step.doc}" if step.doc else step.name]
    parts += [*step.cites, *step.notes]
    if step.fixed:
        parts.append("Made for " + ", ".join(f"{n} = {v}" for n, v in step.fixed) + ".")
    parts.append("\n".join(f"    {line}".rstrip() for line in step.source.text.strip().split("\n")))
    parts.append("Generated by thetaprime.\n")
    return "\n\n".join(parts).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def stored_text(states: Iterable[State], lanes: Lanes) -> str:
    """The table of states that are trees of arrays: kind, axes, and what stands before the number
    of a position along them."""
    rows = []
    for state in states:
        kind = {Extent.ENTRY: "entry", Extent.TENSOR: "tensor"}.get(state.type.extent)
        if kind is not None:
            axes = tuple(lanes.lengths[a] for a in state.type.axes)
            rows.append(f'"{state.name}": ("{kind}", {axes}, "{lanes.bar(state.name)}")')
    return "{" + ", ".join(rows) + "}"


def fixed_text(
    doc: str, code: str, head: list[str], functions: list[str], draws: bool, compiled: bool
) -> str:
    """The whole module around its code. What is ``compiled`` needs numba."""
    leaves = LEAVES.replace("ORDERS", '"C"' if draws else '"CF"')
    helpers = [TREES, leaves, *sweep_texts(draws, compiled), *(text for mark, text in (
        ("_combine(", COMBINE), ("_at(", HYPER), ("_list(", LIST), ("_default(", DEFAULT),
        ("_plus(", PLUS), ("_sign(", SIGN)) if mark in code)]
    if "_at(" not in code and "_list(" in code:
        helpers.append(HYPER)
    if draws:
        helpers.append(DRAWS)
    imports = ["import numpy as np"]
    if compiled:
        imports.append("from numba import njit")
    if functions:
        imports.append(f"from numpy import {', '.join(functions)}")
    parts = [STANDARD + "\n\n" + "\n".join(imports), "\n".join(head),
             *(h.strip("\n") for h in constants(compiled, not draws)), STATE.strip("\n"), code,
             *(h.strip("\n") for h in helpers)]
    return f'"""{doc}"""\n\n' + parts[0] + "\n\n" + "\n\n\n".join(parts[1:]) + "\n"
