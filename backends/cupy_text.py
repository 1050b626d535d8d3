"""NumPy text of whole arrays as text for CuPy arrays.

Arrays of tensors are `cp`'s; `np` stays for what the processor itself knows: dtypes, and numbers of
the model. NumPy's element-wise functions of such a number give one again, and of an array on the
device they call CuPy's, by its protocols ``__array_ufunc__`` and ``__array_function__``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from thetaprime.backends import array_text
from thetaprime.backends.array_expr import ArrayWriter
from thetaprime.backends.helpers import called
from thetaprime.backends.jax_align import typed
from thetaprime.expr import Apply, Expr, Num, symbols
from thetaprime.ops import OPS, REDUCTIONS
from thetaprime.render import ATOM
from thetaprime.types import LENGTH, Extent

IMPORTS = """\
import numpy as np

import cupy as cp

# cp.fuse makes one kernel of a function. Where cp is another namespace it may not have that.
fuse = getattr(cp, "fuse", lambda function: function)"""

_DTYPES = ("can_cast", "clongdouble", "errstate", "finfo", "float16", "float32", "float64",
           "uint16", "uint32")
_NUMBERS = tuple(row.array for row in OPS.values() if row.array)


def on_device(text: str, kept: Collection[str] = ()) -> str:
    """The text with CuPy in the place of NumPy, but for dtypes and the names in ``kept``."""
    return re.sub(rf"\bnp\.(?!(?:{'|'.join([*_DTYPES, *kept])})\b)", "cp.", text)


def code_text(text: str) -> str:
    """The code of a module, in which functions of numbers of the model are NumPy's."""
    return on_device(text, _NUMBERS)


def of_model(expr: Expr) -> bool:
    """Whether a number is made of those of the model and of the lengths of a tensor."""
    return all(s.type == LENGTH or typed(s).extent is Extent.SCALAR for s in symbols(expr))


@dataclass(frozen=True)
class CupyWriter(ArrayWriter):
    """A writer of text for CuPy arrays; ``fused``: inside of a function that becomes a kernel."""

    fused: bool = False

    def number(self, text: str) -> str:
        return f"cp.asarray({text}, dtype)"

    def real(self, text: str) -> str:
        return text if self.fused else self.number(text)

    def _special(
        self, expr: Apply, show: Callable[[Expr, int], str]
    ) -> tuple[str, int] | None:
        match expr:
            case Apply("^", (base, Num(text="2"))) if typed(base).extent is Extent.ENTRY:
                return f"cp.square({show(base, 0)})", ATOM
            case Apply("^", (Num() as base, power)) if self.fused:  # numbers know no kernels
                return f"cp.power({show(base, 0)}, {show(power, 0)})", ATOM
        return super()._special(expr, show)

    def _call(self, expr: Apply, args: list[str]) -> str:
        text = super()._call(expr, args)
        if expr.op not in OPS or expr.over:
            return text
        known = of_model(expr) and not self.fused
        args = self.chosen(expr, args) if expr.op == "if" else args
        if expr.op == "if" and known:
            return f"_where({', '.join(args)})"
        if expr.op == "if" and not self.fused and of_model(expr.args[0]):
            return f"cp.where(cp.asarray({args[0]}), {args[1]}, {args[2]})"
        return text.replace("jnp.", "np." if known else "cp.")

    def _reduction(self, expr: Apply, arg: str) -> str:
        text = super()._reduction(expr, arg)
        for name in [r.array for r in REDUCTIONS.values() if r.combine in ("max", "min")]:
            mark = f", initial={'-' * (name == 'max')}jnp.inf)"
            if text.startswith(f"jnp.{name}(") and text.endswith(mark):
                return f"_{name}_of({text.removeprefix(f'jnp.{name}(').removesuffix(mark)})"
        return text


# The helpers.

_OWN = {
    "_where": '''
def _where(condition, one, other):
    """One of two numbers: chosen here, or on the device where the condition is known there."""
    if isinstance(condition, cp.ndarray):
        return cp.where(condition, one, other)
    return one if condition else other
''',
    **{f"_{name}_of": f'''
def _{name}_of(a, axis=None):
    """The {word} entry, {sign}inf where there is none."""
    if a.size == 0:
        return cp.full(() if axis is None else a.shape[:-1], {sign}cp.inf, a.dtype)
    return cp.{name}(a, axis)
''' for name, word, sign in (("max", "largest", "-"), ("min", "smallest", ""))},
}
_WRITEABLE = '''\
        if not isinstance(x, np.ndarray) or (writes and not x.flags.writeable):
            what = "read-only" if isinstance(x, np.ndarray) else f"of type {type(x).__name__}"
            raise ValueError(f"{path} cannot be updated in place: it must be a NumPy array that"
                             f" can be written to, and it is {what}")
'''
_OF_CUPY = '''\
        if not isinstance(x, cp.ndarray):
            raise ValueError(f"{path} must be an array of {cp.__name__}, and it is one of"
                             f" {type(x).__module__}: {type(x).__name__}")
'''
_CHANGED = {"_leaves": (_WRITEABLE, _OF_CUPY), "_expm": (", initial=0", "")}


def _on_device(name: str, text: str) -> str:
    old, new = _CHANGED.get(name, ("", ""))
    assert old in text, name
    return on_device(text.replace(old, new) if old else text)


def helpers_for(code: str, turns: bool) -> list[str]:
    """The texts of the helpers that ``code`` calls, and of those that they call, in order."""
    known = {n: _on_device(n, t) for n, t in array_text.known(turns).items()}
    return called({**_OWN, **known}, code)
