"""ir -> the text of a JAX module: an optax-style ``init`` and ``update`` for one step.

The module imports jax (and optax, where it is installed) and nothing of this package. A step
becomes an ``update`` whose local function ``leaf`` holds the equations of one tensor; a reduction
over the model cuts it in two, so that the second half can read the value. Numbers of the whole
model are computed once, between the walks over the tensors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from thetaprime.backends.jax_expr import Plain, Writer, python_names, typed
from thetaprime.backends.jax_text import IMPORTS, helpers_for
from thetaprime.backends.layout import fold_line
from thetaprime.backends.phases import Phase, phases
from thetaprime.expr import Apply, Expr, Num, Sym, symbols
from thetaprime.ir import Draw, Equation, Hyper, State, Statement, Step, reads, statements
from thetaprime.simplify import flatten
from thetaprime.types import PER_ENTRY, SCALAR, Extent

_COMBINE = {"add": "_sum", "max": "_max", "min": "_min", "and": "_all", "or": "_any"}
