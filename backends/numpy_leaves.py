"""The fixed text that finds the arrays of each tensor in trees, and remembers them."""

from __future__ import annotations

STATE = '''
class State(dict):
    """The state of a run: a dict of trees of arrays. It knows how its last step saw them, which is
    neither copied nor saved."""

    seen = None

    def __reduce__(self):
        return dict, (dict(self),)
'''

LEAVES = '''
def _leaves(params, grads, state, stored=STORED):
    """A dict for every parameter that has a gradient: its arrays by name, its index and size.

    Without `grads` it is every parameter. Arrays of complex numbers are seen as pairs of reals; a
    state along axes is one array for each position. ValueError where something does not fit.
    """
    if grads is not None and (again := _again(params, grads, state)) is not None:
        return again
    others = {f"state[{name!r}]": state[name] for name in stored}
    others = {"grads": params if grads is None else grads, **others}
    leaves = []
    for index, (path, x, rest) in enumerate(_walk(params, others, "params")):
        g, *kept = rest.values()
        if g is None:
            continue
        if not isinstance(x, np.ndarray) or (grads is not None and not x.flags.writeable):
            what = "read-only" if isinstance(x, np.ndarray) else f"of type {type(x).__name__}"
            raise ValueError(f"{path} cannot be updated in place: it must be a NumPy array that"
                             f" can be written to, and it is {what}")
        if not _floating(x.dtype):
            raise ValueError(f"{path} has dtype {x.dtype}, which is not floating or complex")
        arrays, numbers, pairs = {POINT: x}, {}, x.dtype.kind == "c"
        if grads is not None:
            g = np.asarray(g)
            if g.shape != x.shape:
                raise ValueError(f"{path} has shape {x.shape}, its gradient {g.shape}")
            if g.dtype.kind == "c" and not pairs:
                raise ValueError(f"{path} is real, its gradient complex")
            arrays[GRADIENT] = g.astype(x.dtype, copy=False) if pairs else g
        for (name, (kind, axes, lane)), array in zip(stored.items(), kept):
            shape, held = (axes + x.shape, arrays) if kind == "entry" else (axes, numbers)
            if not isinstance(array, np.ndarray) or array.shape != shape:
                raise ValueError(f"state[{name!r}] does not fit {path}, which has shape {x.shape}")
            if not axes:
                held[name] = array
            for at in np.ndindex(axes) if axes else ():
                held[lane.join((name, *map(str, at)))] = array[(*at, ...)]
        if pairs:
            arrays = {name: a[..., None].view(x.real.dtype) for name, a in arrays.items()}
        dtype = _dtype(arrays[POINT].dtype)
        leaves.append({"_index": index, "_size": arrays[POINT].size, "_shape": x.shape,
                       "_dtype": dtype, **_flat(arrays, dtype), **numbers})
    if grads is not None and isinstance(state, State) and all(leaf["_flat"] for leaf in leaves):
        columns = [_column(tree, params) for tree in (params, *(state[name] for name in stored))]
        old = [{k: v for k, v in leaf.items() if k != GRADIENT} for leaf in leaves]
        state.seen = (old, columns) if len(leaves) == len(columns[0]) else None
    return leaves


def _again(params, grads, state):
    """The leaves of the last step where nothing but the gradients is new, else None."""
    leaves, columns = getattr(state, "seen", None) or ((), ())
    found = [_column(tree, params) for tree in (params, *(state[name] for name in STORED))]
    grads = _column(grads, params)
    if not leaves or grads is None or not all(map(_same, found, columns)):
        return None
    for g, leaf in zip(grads, leaves):
        if (not isinstance(g, np.ndarray) or g.shape != leaf["_shape"]
                or g.dtype != leaf["_dtype"] or not g.flags[leaf["_flat"]]):
            return None
    return [{**leaf, GRADIENT: g.reshape(-1, order=leaf["_flat"])}
            for g, leaf in zip(grads, leaves)]


def _column(tree, params):
    """The leaves of a tree in the order of `_walk`, None where it is unlike the parameters."""
    if isinstance(params, dict):
        if not isinstance(tree, dict) or tree.keys() != params.keys():
            return None
        keys = _keys(params)
    elif isinstance(params, (list, tuple)):
        if not isinstance(tree, (list, tuple)) or len(tree) != len(params):
            return None
        keys = range(len(params))
    else:
        return [] if params is None else [tree]
    found = []
    for key in keys:
        if isinstance(params[key], np.ndarray):
            found.append(tree[key])
        elif (inside := _column(tree[key], params[key])) is not None:
            found += inside
        else:
            return None
    return found


def _same(one, two):
    """Whether two lists hold the same objects."""
    return one is not None and len(one) == len(two) and all(map(is_, one, two))


@cache
def _floating(dtype):
    return dtype.kind not in "?biu" and np.can_cast(dtype, np.clongdouble)


@cache
def _dtype(dtype):
    """The dtype to compute in."""
    return np.result_type(dtype, np.float32)


def _flat(arrays, dtype):
    """The arrays, and the order in which they are one-dimensional views: they lie in memory alike
    and without gaps; else no order."""
    for order in ORDERS:
        if all([a.flags[order] and a.dtype == dtype for a in arrays.values()]):
            return {"_flat": order, **{n: a.reshape(-1, order=order) for n, a in arrays.items()}}
    return {"_flat": "", **arrays}
'''
