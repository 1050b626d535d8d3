"""The fixed pieces of a fused module: its classes, and how arrays come out of a tree and go back.

AXIS is where pieces lie one after the other in an array, KIND what the tensors of one array share,
LENGTH how long a piece is, PIECE a tensor as a piece, STORED the storing of an array.
"""

from __future__ import annotations

from collections.abc import Iterable

from thetaprime.backends.jax_fused import Form

_WORDS: dict[Form, dict[str, str]] = {
    "flat": {
        "AXIS": "-1",
        "KIND": "jnp.result_type(a)",
        "LENGTH": "math.prod(layout.shapes[p])",
        "PIECE": "jnp.reshape(a, (*jnp.shape(a)[: jnp.ndim(a) - len(shape)], math.prod(shape)))",
        "STORED": "_stored",
        "SHARE": "dtype",
    },
    "stacks": {
        "AXIS": "0",
        "KIND": "(jnp.result_type(a), jnp.shape(a))",
        "LENGTH": "1",
        "PIECE": "jnp.expand_dims(a, 0)",
        "STORED": "jax.vmap(_stored)",
        "SHARE": "dtype and shape",
    },
}
_BY_PATH = "(jnp.result_type(a), jnp.shape(a), *(fnmatchcase(paths[p], q) for q in PATTERNS))"

_LAYOUT = '''
class Layout(NamedTuple):
    """Where the tensors of a tree lie. Groups are the numbers of those of one SHARE:
    they are one array, in which they lie one after the other."""

    structure: Any  # of the tree
    shapes: tuple[Any, ...]  # of its tensors; None where it has none
    groups: tuple[tuple[int, ...], ...]
    here: tuple[bool, ...]  # whether a tensor has a gradient at this step
    packed: bool  # whether the parameters are `Packed`


@partial(jax.tree_util.register_dataclass, data_fields=["arrays"], meta_fields=["layout"])
@dataclass(frozen=True)
class Packed:
    """A tree of tensors as one array for each group of its layout; a tree for jax itself."""

    arrays: tuple[Any, ...]
    layout: Layout


def pack(tree: Any) -> Packed:
    """The tree in few arrays."""
    layout = _layout(tree)
    return Packed(_joined(layout, tree), layout._replace(packed=True))


def unpack(packed: Any) -> Any:
    """The tree that was packed; a tree that is not packed as it is. Gradients with respect to what
    is packed are packed."""
    return _apart(packed.layout, packed.arrays) if isinstance(packed, Packed) else packed


class Fused(BASE):
    """The optimizer, and the functions that put parameters into few arrays and back."""

    __slots__ = ()
    pack = staticmethod(pack)
    unpack = staticmethod(unpack)
'''

_FUSED = {
    "_layout": '''
def _layout(params, grads=None):
    """The layout of the parameters, where they are a tree: of its tensors."""
    if isinstance(params, Packed):
        layout = params.layout
    else:
        structure = _structure(params)
        leaves = structure.flatten_up_to(params)
        kinds = {}
        for p, a in enumerate(leaves):
            if a is not None:
                kinds.setdefault(KIND, []).append(p)
        shapes = tuple(None if a is None else jnp.shape(a) for a in leaves)
        here = tuple(a is not None for a in leaves)
        layout = Layout(structure, shapes, tuple(map(tuple, kinds.values())), here, False)
    if grads is None or isinstance(grads, Packed):
        return layout
    here = tuple(g is not None for g in layout.structure.flatten_up_to(grads))
    if layout.packed and here != layout.here:
        raise ValueError("packed parameters need the gradient of every tensor")
    return layout._replace(here=here)
''',
    "_joined": '''
def _joined(layout, tree):
    """The tensors of a tree that have a gradient, one array for each group that has some."""
    if isinstance(tree, Packed):
        return tree.arrays
    leaves = layout.structure.flatten_up_to(tree)

    def piece(a, shape):
        return PIECE

    found = []
    for group in layout.groups:
        pieces = [piece(leaves[p], layout.shapes[p]) for p in group if layout.here[p]]
        found.append(jnp.concatenate(pieces, AXIS) if pieces else None)
    return tuple(found)
''',
    "_cut": '''
def _cut(layout, places, a):
    """The pieces of an array in which the tensors of these numbers lie."""
    ends = list(accumulate(LENGTH for p in places))
    return jnp.split(a, ends[:-1], AXIS) if places else []
''',
    "_apart": '''
def _apart(layout, arrays):
    """The tree of the tensors in the arrays; None for those without a gradient."""
    leaves = [None] * len(layout.shapes)
    for group, a in zip(layout.groups, arrays, strict=True):
        places = [p for p in group if layout.here[p]]
        for p, piece in zip(places, _cut(layout, places, a), strict=True):
            leaves[p] = jnp.reshape(piece, layout.shapes[p])
    return layout.structure.unflatten(leaves)
''',
    "_present": '''
def _present(layout, group, a):
    """The pieces of an array that have a gradient, as one array; None where there are none."""
    if all(layout.here[p] for p in group):
        return a
    pieces = zip(group, _cut(layout, group, a), strict=True)
    kept = [piece for p, piece in pieces if layout.here[p]]
    return jnp.concatenate(kept, AXIS) if kept else None
''',
    "_tensors": '''
def _tensors(layout, tree):
    """The tensors of a tree that have a gradient, one array for each group, as real numbers."""
    return tuple(_real(a) for a in _joined(layout, tree))
''',
    "_held": '''
def _held(layout, arrays):
    """What a state holds of the tensors that have a gradient, as real numbers."""
    def held(group, kept):
        return jax.tree.map(lambda a: _real(_present(layout, group, a)), kept)

    return tuple(map(held, layout.groups, arrays))
''',
    "_holding": '''
def _holding(layout, new, old):
    """The arrays of a state with what is new in them, stored as the old ones are."""
    def put(group, a, b):
        present = _present(layout, group, b)
        a = STORED(a, present)
        if all(layout.here[p] for p in group):
            return a
        fresh = iter(_cut(layout, [p for p in group if layout.here[p]], a))
        pieces = zip(group, _cut(layout, group, b), strict=True)
        kept = [next(fresh) if layout.here[p] else piece for p, piece in pieces]
        return jnp.concatenate(kept, AXIS)

    def holding(group, a, b):
        return b if a is None else jax.tree.map(partial(put, group), a, b)

    return tuple(map(holding, layout.groups, new, old))
''',
    "_tree": '''
def _tree(layout, new, old):
    """The new tensors, stored as those of `old` are: a tree, or packed where the parameters are."""
    pairs = zip(new, _joined(layout, old), strict=True)
    arrays = tuple(None if a is None else STORED(a, b) for a, b in pairs)
    return Packed(arrays, layout) if layout.packed else _apart(layout, arrays)
''',
    "_some": '''
def _some(layout, arrays, params):
    """The arrays, stored as the parameters are; None for a group that has none."""
    pairs = zip(arrays, _joined(layout, params), strict=True)
    return tuple(None if a is None else STORED(a, b) for a, b in pairs)
''',
}

_STACKED = {
    "_some_stacks": '''
def _some_stacks(layout, arrays, params, *axes):
    """The arrays of tensors along `axes`, stored as the parameters are; None for a group that has
    none."""
    def stored(a, b):
        return _stored(a, jnp.broadcast_to(b, (*axes, *jnp.shape(b))))

    pairs = zip(arrays, _joined(layout, params), strict=True)
    return tuple(None if a is None else jax.vmap(stored)(a, b) for a, b in pairs)
''',
    "_some_numbers": '''
def _some_numbers(layout, numbers, params):
    """The numbers, one for each tensor; None for a group that has none."""
    pairs = zip(numbers, _joined(layout, params), strict=True)
    return tuple(None if a is None else jnp.asarray(a, _real_dtype(b)) for a, b in pairs)
''',
    "_paths": '''
def _paths(tree):
    """The path of each tensor: the keys that lead to it, with slashes between."""
    found = jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda a: a is None)
    return tuple(jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in found)
''',
    "_first_paths": '''
def _first_paths(layout):
    """The path of the first tensor of each group; the others match the same patterns."""
    paths = _paths(layout.structure.unflatten(range(len(layout.shapes))))
    return tuple(paths[group[0]] for group in layout.groups)
''',
    "_indices": '''
def _indices(layout):
    """The numbers of the tensors in each group that have a gradient."""
    return tuple(
        jnp.array([p for p in group if layout.here[p]], jnp.int32) for group in layout.groups)
''',
    "_each": '''
def _each(function, results, *columns, paths=None):
    """`function` of the tensors in each row of stacks, all at once; a row without the first (no
    gradient) gives Nones."""
    rows = []
    for i, row in enumerate(zip(*columns, strict=True)):
        of_one = function if paths is None else partial(function, path=paths[i])
        rows.append((None,) * results if row[0] is None else jax.vmap(of_one)(*row))
    return tuple(zip(*rows, strict=True)) or ((),) * results
''',
    "_sum": '''
def _sum(parts, dtype):
    """The sum of what the tensors contribute."""
    return sum((jnp.sum(p, axis=0) for p in parts if p is not None), start=jnp.zeros([], dtype))
''',
    "_max": '''
def _max(parts, dtype):
    """The largest of what the tensors contribute."""
    largest = jnp.full([], -jnp.inf, dtype)
    for part in parts:
        largest = largest if part is None else jnp.maximum(largest, jnp.max(part, axis=0))
    return largest
''',
    "_min": '''
def _min(parts, dtype):
    """The smallest of what the tensors contribute."""
    smallest = jnp.full([], jnp.inf, dtype)
    for part in parts:
        smallest = smallest if part is None else jnp.minimum(smallest, jnp.min(part, axis=0))
    return smallest
''',
    "_all": '''
def _all(parts):
    """Whether all that the tensors contribute is true."""
    result = jnp.array(True)
    for part in parts:
        result = result if part is None else jnp.logical_and(result, jnp.all(part, axis=0))
    return result
''',
    "_any": '''
def _any(parts):
    """Whether any that the tensors contribute is true."""
    result = jnp.array(False)
    for part in parts:
        result = result if part is None else jnp.logical_or(result, jnp.any(part, axis=0))
    return result
''',
}


def layout_text(form: Form, base: str, patterns: Iterable[str]) -> str:
    """The classes of a fused module, and what puts trees into them; ``patterns`` are those by
    which the rule knows tensors."""
    known = "".join(f'"{p}", ' for p in patterns)
    told = f"PATTERNS = ({known.strip()})  # by which tensors are told apart\n\n\n" if known else ""
    return told + _worded(_LAYOUT, form).replace("BASE", base).strip("\n")


def fused_helpers(form: Form, by_path: bool) -> dict[str, str]:
    """The helpers of a fused module that the others lack, or write otherwise."""
    if form == "tree":
        return {}
    found = _FUSED | (_STACKED if form == "stacks" else {})
    if by_path:
        layout = found["_layout"].replace("KIND", f"{_BY_PATH}")
        layout = layout.replace("leaves = structure", "paths = _paths(params)\n        "
                                "leaves = structure", 1)
        found = {**found, "_layout": layout}
    return {name: _worded(text, form) for name, text in found.items()}


def _worded(text: str, form: Form) -> str:
    for word, meaning in _WORDS[form].items():
        text = text.replace(word, meaning)
    return text
