"""The fixed text of a NumPy module that works on whole arrays: trees, columns of tensors.

A helper is emitted only where the code or another helper calls it.
"""

from __future__ import annotations

from thetaprime.backends import draws
from thetaprime.backends.array_expr import numpy_text
from thetaprime.backends.helpers import called
from thetaprime.backends.jax_matrices import HELPERS as MATRICES
from thetaprime.backends.jax_text import helpers_for as jax_helpers
from thetaprime.backends.numpy_text import WALK

_LEAVES = '''
def _leaves(params, grads, state, writes=True):
    """A dict for every parameter that has a gradient: its arrays by name, and its index.

    Without `grads` it is every parameter. Arrays of complex numbers are seen as pairs of reals.
    ValueError where something does not fit.
    """
    others = {f"state[{name!r}]": state[name] for name in STATES} if state else {}
    others = others if grads is None else {"grads": grads, **others}
    leaves = []
    for index, (path, x, rest) in enumerate(_walk(params, others, "params")):
        if grads is not None and rest["grads"] is None:
            continue
        if not isinstance(x, np.ndarray) or (writes and not x.flags.writeable):
            what = "read-only" if isinstance(x, np.ndarray) else f"of type {type(x).__name__}"
            raise ValueError(f"{path} cannot be updated in place: it must be a NumPy array that"
                             f" can be written to, and it is {what}")
        if x.dtype.kind in "?biu" or not np.can_cast(x.dtype, np.clongdouble):
            raise ValueError(f"{path} has dtype {x.dtype}, which is not floating or complex")
        leaf = {"index": index, POINT: _pairs(x)}
        if grads is not None:
            leaf[GRADIENT] = _alike(rest["grads"], x, f"the gradient of {path}")
        for name, kind in STATES.items() if state else ():
            leaf[name] = _pairs(rest[f"state[{name!r}]"]) if kind == "entry" else (
                rest[f"state[{name!r}]"])
            if kind == "entry" and leaf[name] is not None:
                _fit(rest[f"state[{name!r}]"], x, f"state[{name!r}] of {path}")
        leaves.append(leaf)
    return leaves
'''

_HELPERS = {
    "_walk": WALK,
    "_leaves": _LEAVES,
    "_alike": '''
def _alike(a, x, what):
    """`a` as real numbers to compute with, if it fits the parameter `x`, else ValueError."""
    a = np.asarray(a)
    _fit(a, x, what)
    if a.dtype.kind == "c" and x.dtype.kind != "c":
        raise ValueError(f"{what} is complex, the parameter real")
    return _pairs(np.asarray(a, np.result_type(x, np.float32)))
''',
    "_fit": '''
def _fit(a, x, what):
    """ValueError where the last axes of `a` are not those of the parameter `x`."""
    if a.shape[a.ndim - x.ndim:] != x.shape:
        raise ValueError(f"{what} has shape {a.shape}, the parameter {x.shape}")
''',
    "_pairs": '''
def _pairs(x):
    """A view of complex numbers as pairs of reals."""
    return x if x is None or x.dtype.kind != "c" else x[..., None].view(x.real.dtype)
''',
    "_wide": '''
def _wide(a, x):
    """An array in the dtype that the parameter `x` computes in, float32 at least; lists too."""
    if isinstance(a, list):
        return [_wide(one, x) for one in a]
    return a if a is None else np.asarray(a, np.result_type(a, x, np.float32))
''',
    "_column": '''
def _column(leaves, name):
    """The arrays of one name, one for each tensor."""
    return [_wide(leaf[name], leaf[POINT]) for leaf in leaves]
''',
    "_bfloat16": '''
def _bfloat16(column, noise=None):
    """Numbers rounded to bfloat16, the upper halves of float32 words: to the nearest, halves to
    the even one, or up as often as random bits, an array for each tensor, decide."""
    rounded = []
    for i, a in enumerate(column):
        if a is None:
            rounded.append(None)
            continue
        words = np.asarray(a, np.float32).view(np.uint32)
        up = 0x7FFF + (words >> 16 & 1) if noise is None else noise[i] >> 16
        upper = np.where(np.isfinite(a), words + up, words | np.isnan(a) * 2**22) >> 16
        rounded.append(upper.astype(np.uint16))
    return rounded
''',
    "_from_bfloat16": '''
def _from_bfloat16(a):
    """The numbers whose upper halves of float32 words these are."""
    return a if a is None else (a.astype(np.uint32) << 16).view(np.float32)
''',
    "_bfloat16_column": '''
def _bfloat16_column(leaves, name):
    """The numbers of one name that are stored as bfloat16, an array for each tensor."""
    return [_wide(_from_bfloat16(leaf[name]), leaf[POINT]) for leaf in leaves]
''',
    "_noise": '''
def _noise(seed, name, count, index, column):
    """Random bits for each number of a column, an array for each tensor."""
    return [None if a is None else _bits(seed, name, count, i, np.shape(a))[0]
            for i, a in zip(index, column, strict=True)]
''',
    "_scalar_type": '''
def _scalar_type(leaves):
    """The type of numbers for the whole model: the widest that one of its tensors computes in."""
    return np.result_type(np.float32, *(leaf[POINT].dtype for leaf in leaves)).type
''',
    "_complete": '''
def _complete(leaves, params):
    """ValueError where a tensor has no gradient: one row of all entries needs all."""
    if len(leaves) < len(_paths(params)):
        raise ValueError("one row of all entries needs the gradients of all tensors")
''',
    "_square": '''
def _square(a, entries, dtype, what):
    """A matrix over all entries of the model; ValueError for one of another shape."""
    a = np.asarray(a, dtype)
    if a.shape != (entries, entries):
        raise ValueError(f"{what} has shape {a.shape}, and the model has {entries} entries")
    return a
''',
    "_unzip": '''
def _unzip(rows, results):
    """The columns of a table: a list for each of the results."""
    return [list(column) for column in zip(*rows, strict=True)] or [[]] * results
''',
    **{name: numpy_text(*jax_helpers(f"{name}(")) for name in (
        "_sum", "_max", "_min", "_all", "_any", "_default", "_entries", "_tall", "_shifted",
        "_flat", "_unflat")},
    **{name: numpy_text(text) for name, text in MATRICES.items()},
    "_fits_all": numpy_text(MATRICES["_fits_all"]).replace(
        "jax.tree.leaves(params)", "(x for _, x, _ in _walk(params, {}, ''))"),
    "_expm": '''
def _expm(a):
    """The exponential of a matrix, by scaling and squaring with a Pade approximant of order 13
    (Higham, 2005), in float64."""
    b = (64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800,
         129060195264000, 10559470521600, 670442572800, 33522128640, 1323241920, 40840800, 960960,
         16380, 182, 1)
    norm = float(np.max(np.sum(np.abs(a), axis=0), initial=0))
    if not np.isfinite(norm):
        return np.full_like(a, np.nan)
    halvings = max(0, int(np.ceil(np.log2(norm / 5.37)))) if norm > 0 else 0
    x = np.asarray(a, np.float64) / 2**halvings
    one, x2 = np.eye(len(x)), x @ x
    x4, x6 = x2 @ x2, x2 @ x2 @ x2
    odd = x @ (x6 @ (b[13]*x6 + b[11]*x4 + b[9]*x2) + b[7]*x6 + b[5]*x4 + b[3]*x2 + b[1]*one)
    even = x6 @ (b[12]*x6 + b[10]*x4 + b[8]*x2) + b[6]*x6 + b[4]*x4 + b[2]*x2 + b[0]*one
    power = np.linalg.solve(even - odd, even + odd)
    for _ in range(halvings):
        power = power @ power
    return power.astype(a.dtype)
''',
    "_paths": '''
def _paths(tree, *keys):
    """The path of each tensor: the keys that lead to it, with slashes between."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        items = [(key, tree[key]) for key in _keys(tree)]
    elif isinstance(tree, (list, tuple)):
        items = zip(getattr(tree, "_fields", range(len(tree))), tree, strict=True)
    else:
        return ["/".join(map(str, keys))]
    return [path for key, inner in items for path in _paths(inner, *keys, key)]
''',
    "_put": '''
def _put(a, i, value, axis=0):
    """A copy of `a` with `value` at the place i of an axis."""
    new = np.array(a)
    np.moveaxis(new, axis, 0)[i] = value
    return new
''',
    "_tree": '''
def _tree(params, column, dtype=None):
    """The tree like the parameters of one array for each, in their dtypes or in that given."""
    arrays = iter(column)

    def stored(new, x):
        if new is None:
            return None
        if x.dtype.kind == "c" and dtype is not None:
            raise ValueError("states that are stored in another dtype need real parameters")
        new = np.array(new, dtype or x.real.dtype, order="C")
        return new if x.dtype.kind != "c" else new.view(x.dtype)[..., 0]

    return _unflatten(params, lambda x: stored(next(arrays), np.asarray(x)))
''',
    "_numbers": '''
def _numbers(params, column, dtype=None):
    """The tree like the parameters of what each has that is not an array of its shape."""
    arrays = iter(column)

    def stored(new, x):
        if new is None:
            return None
        if isinstance(new, (list, tuple)):
            return [stored(one, x) for one in new]
        return np.array(new, dtype or np.result_type(x.real.dtype, np.float32))

    return _unflatten(params, lambda x: stored(next(arrays), np.asarray(x)))
''',
    "_unflatten": '''
def _unflatten(tree, function):
    """The tree of function(leaf); the keys of a dict go in sorted order."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        made = {key: _unflatten(tree[key], function) for key in _keys(tree)}
        return {key: made[key] for key in tree}
    if isinstance(tree, (list, tuple)):
        items = [_unflatten(item, function) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return function(tree)
''',
    "_write": '''
def _write(leaves, **columns):
    """Store new values in the arrays of the leaves, where they do not stand already.

    All of a tensor are copied first, since one may be a view of an array that another goes to.
    """
    for leaf, *row in zip(leaves, *columns.values(), strict=True):
        pairs = zip(columns, row, strict=True)
        for name, new in [(n, _copied(a)) for n, a in pairs if a is not leaf[n]]:
            _store(leaf[name], new)
''',
    "_copied": '''
def _copied(new):
    if new is None:
        return None
    return [_copied(one) for one in new] if isinstance(new, list) else np.array(new)
''',
    "_store": '''
def _store(old, new):
    """Put new numbers in an old array; a tensor without it (None) has none to keep."""
    if isinstance(old, list):
        for one, other in zip(old, new, strict=True):
            _store(one, other)
    elif old is not None:
        np.copyto(old, new, casting="unsafe")
''',
    "_at": '''
def _at(hyper, count, dtype):
    """A hyperparameter after `count` steps: a number, or the value of a schedule."""
    return dtype(hyper(count) if callable(hyper) else hyper)
''',
    "_list": '''
def _list(name, hyper, length, count, dtype):
    """The numbers of a list-valued hyperparameter; ValueError for another length."""
    if len(hyper) != length:
        raise ValueError(f"{name} has {len(hyper)} entries; this module was made for {length}")
    return np.array([_at(h, count, dtype) for h in hyper], dtype)
''',
    "_answer": '''
def _answer(params, tree, what):
    """What the problem answers as one array for each tensor; ValueError where it does not fit."""
    walk = _walk(params, {what: tree}, "params")
    return [_alike(rest[what], x, f"{what} at {path}") for path, x, rest in walk]
''',
    "_counted": '''
def _counted(answers, count):
    """What the problem answers for each of its losses; ValueError if they are not `count`."""
    for one in answers if isinstance(answers, list) else [answers]:
        if len(one) != count:
            raise ValueError(f"the problem has {len(one)} losses, and the step is for {count}")
    return answers
''',
    "_require": '''
def _require(problem):
    """TypeError where the problem lacks what the step asks."""
    for oracle, form in ASKED.items():
        if not callable(getattr(problem, oracle, None)):
            raise TypeError(
                f"{NAME} asks the problem for `{oracle}`: pass an object with {form}")
''',
}


def helpers_for(code: str, turns: bool) -> list[str]:
    """The texts of the helpers that ``code`` calls, and of those that they call, in order;
    ``turns``: draws stand in loops."""
    return called(known(turns), code)


def known(turns: bool) -> dict[str, str]:
    """Name -> text of every helper."""
    recipe = draws.helpers("np", turns)
    return {**_HELPERS, **{name: f"\n{text}\n" for name, text in recipe.items()}}
