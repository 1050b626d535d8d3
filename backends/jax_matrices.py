"""Linear algebra as JAX text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from thetaprime.backends.jax_align import typed
from thetaprime.cases import rank_guard
from thetaprime.expr import Apply, walk
from thetaprime.ir import Equation, Statement, Step, reads, statements
from thetaprime.ops import MANY, STRUCTURE, WHOLE
from thetaprime.types import REST, Extent, Type, places, ranks

if TYPE_CHECKING:
    from thetaprime.backends.jax_expr import Writer

# An operation as text of its arguments.
CALLS = {
    "solve": "jnp.linalg.solve({0}, {1})",
    "inv": "jnp.linalg.inv({0})",
    "chol": "jnp.linalg.cholesky({0})",
    "tri_solve": "jax.scipy.linalg.solve_triangular({0}, {1}, lower=True)",
    "expm": "jax.scipy.linalg.expm({0})",
    "polar": "_polar({0})",
    "mpow": "_mpow({0}, {1})",
    "tr": "jnp.trace({0})",
    "diag": "jnp.diag({0})",
    "diagonal": "jnp.diagonal({0})",
    "triu": "jnp.triu({0})",
    "kron": "jnp.kron({0}, {1})",
    "outer": "jnp.outer({0}, {1})",
    "norm2": "jnp.linalg.norm({0}, 2)",
    **{f"{op}.{part}": f"{call}[{i}]" for op, call, parts in (
        ("qr", "jnp.linalg.qr({0})", ("q", "r")),
        ("eigh", "jnp.linalg.eigh({0})", ("values", "vectors")),
        ("svd", "_svd({0})", ("u", "s", "v"))) for i, part in enumerate(parts)},
}


def text_of(expr: Apply, args: list[str], like: str, length: Callable[[str], str]) -> str | None:
    """The text of an operation on matrices, or of one that sees a tensor as a matrix; ``like`` is
    an array with the shape of the parameter, ``length`` that of an axis. None for all others."""
    kind = typed(expr)
    match expr.op:
        case "view" | "unview":
            return _seen(expr, args[0], like, length)
        case "unfold":
            return f"_unfold({args[0]}, {expr.over[0]})"
        case "refold":
            return f"_refold({args[0]}, {expr.over[0]}, {like}.shape)"
        case "along":
            return f"_spread({args[0]}, {expr.over[0]}, {like}.shape)"
        case "eye":
            dtype = "dtype" if kind.extent is Extent.SCALAR else f"{like}.dtype"
            return f"jnp.eye({length(kind.axes[0])}, dtype={dtype})"
        case "take":
            place = _last(typed(expr.args[0]), expr.over[0])
            return f"jnp.take({args[0]}, {args[1]}, axis={place})"
    form = CALLS.get(expr.op)
    if expr.op.startswith("svd.") and expr.over:
        args = [f"{args[0]}, {length(expr.over[0])}"]
    return None if form is None else form.format(*args)


def results_of(
    statement: Statement, others: Iterable[Statement]
) -> tuple[Equation | None, ...] | None:
    """The equations for all results of the operation with several that the statement is about, in
    order; None in the place of one that nobody wants, and for all other statements."""
    if not isinstance(statement, Equation) or not isinstance(statement.value, Apply):
        return None
    name, args = statement.value.op.partition(".")[0], statement.value.args
    if name not in MANY:
        return None
    found = {e.value.op: e for e in others if isinstance(e, Equation)
             and isinstance(e.value, Apply) and e.value.op in MANY[name] and e.value.args == args
             and typed(e.target) == typed(e.value)}
    if statement not in found.values():
        return None
    return tuple(found.get(part) for part in MANY[name])


def _seen(expr: Apply, arg: str, like: str, length: Callable[[str], str]) -> str:
    """A tensor as its view, or back: nothing is done where the view has an axis for each axis."""
    if REST not in expr.over:
        return arg
    kind = typed(expr)
    if expr.op == "unview":
        lead = [length(a) for a in kind.axes]
        shape = f"({', '.join(lead)}, *{like}.shape)" if lead else f"{like}.shape"
    else:
        shape = f"({', '.join(length(a) for a in kind.axes)})"
    return f"jnp.reshape({arg}, {shape})"


def _last(kind: Type, axis: str) -> int:
    """The last place of an axis."""
    return len(kind.axes) - 1 - kind.axes[::-1].index(axis)


def view_lines(body: Iterable[Statement], lines: Iterable[str], writer: Writer) -> list[str]:
    """The lengths of the axes of views as variables, where the lines of a body read them; an axis
    is that of the view in which the body sees tensors."""
    assert writer.like is not None
    shape = f"{writer.name(writer.like)}.shape"
    here = (node.over for s in statements(body) for e in reads(s) for node in walk(e)
            if isinstance(node, Apply) and node.op in ("view", "unview"))
    words = set(re.findall(r"\w+", "\n".join(lines)))
    made: list[str] = []
    for view in dict.fromkeys((*here, *writer.views)):
        names = [name if (name := writer.length(a)) in words else "_" for a in view]
        words -= set(names)
        if set(names) == {"_"}:
            continue
        if REST not in view:
            made.append(f"{', '.join(names)} = {shape}")
            continue
        pairs = [(name, length_text(shape, place))
                 for name, place in zip(names, places(view).values(), strict=True) if name != "_"]
        made.append(f"{', '.join(n for n, _ in pairs)} = {', '.join(text for _, text in pairs)}")
    return made


def fit_lines(step: Step) -> list[str]:
    """The line that refuses tensors which a step cannot see as matrices."""
    exprs = (e for s in statements(step.body) for e in reads(s))
    found = {n.op for e in exprs for n in walk(e) if isinstance(n, Apply)}
    if not step.views and not found & {*STRUCTURE, *WHOLE}:
        return []
    least, most = (0, None) if step.takes is None else ranks(
        next(v for v in step.views if rank_guard(v) == step.takes))
    more = f", {least}" * (most is None) if least else ""
    more = f", {least}, {most}" if most is not None else more
    return [f'_fits_all(params, "{step.name}"{more})']


def length_text(shape: str, place: slice) -> str:
    """The length of the axes of a view that stand for a place of the shape."""
    if place.stop is not None and place.stop - place.start == 1:
        return f"{shape}[{place.start}]"
    if (place.start, place.stop) == (-1, None):
        return f"{shape}[-1]"
    stop = "" if place.stop is None else place.stop
    return f"math.prod({shape}[{place.start or ''}:{stop}])"


HELPERS = {
    "_fits_all": '''
def _fits_all(params, name, least=0, most=None):
    """ValueError for a tensor that is complex or empty, or has a rank that the rule is not for."""
    for path, x in zip(_paths(params), jax.tree.leaves(params), strict=True):
        if jnp.iscomplexobj(x) or jnp.size(x) == 0:
            what = "complex" if jnp.size(x) else "empty"
            raise ValueError(f"{name} is for tensors of real numbers, and {path} is {what}")
        if jnp.ndim(x) < least or (most is not None and jnp.ndim(x) > most):
            raise ValueError(
                f"{name} is for tensors of rank {least}{'' if most else ' and more'}, and {path} "
                f"has the shape {jnp.shape(x)}: route it to another rule")
''',
    "_svd": '''
def _svd(a, k=None):
    """u, s, v with a = u @ diag(s) @ v.T, the largest singular value first; k of each, the last
    ones zero where there are fewer."""
    u, s, vt = jnp.linalg.svd(a, full_matrices=False)
    if k is None:
        return u, s, vt.T
    missing = (0, max(0, k - len(s)))
    return tuple(jnp.pad(part[..., :k], [*[(0, 0)] * (part.ndim - 1), missing])
                 for part in (u, s, vt.T))
''',
    "_unfold": '''
def _unfold(x, axis):
    """The tensor as a matrix: the axis first, all others flattened in their order."""
    return jnp.reshape(jnp.moveaxis(x, axis, 0), (x.shape[axis], -1))
''',
    "_refold": '''
def _refold(a, axis, shape):
    """The tensor of a shape of which `a` is the matrix that `_unfold` made."""
    rest = (*shape[:axis], *shape[axis + 1:])
    return jnp.moveaxis(jnp.reshape(a, (shape[axis], *rest)), 0, axis)
''',
    "_spread": '''
def _spread(v, axis, shape):
    """In every entry of a tensor of a shape the number of its place along the axis."""
    return jnp.broadcast_to(jnp.expand_dims(v, tuple(range(1, len(shape) - axis))), shape)
''',
    "_polar": '''
def _polar(a):
    """The orthogonal factor of a matrix: the nearest one with orthonormal rows or columns."""
    u, _, vt = jnp.linalg.svd(a, full_matrices=False)
    return u @ vt
''',
    "_mpow": '''
def _mpow(a, p):
    """The power of a positive definite matrix: that of its eigenvalues; none is smaller than what
    rounding makes of the largest."""
    w, v = jnp.linalg.eigh(a)
    w = jnp.maximum(w, jnp.finfo(w.dtype).eps * w[-1])
    return (v * w**p) @ v.T
''',
}
