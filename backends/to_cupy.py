"""ir -> the text of a module that works on CuPy arrays: that of `to_array`, with its element-wise
phases as kernels.

The module imports numpy and cupy. It runs on NumPy arrays as well where `cp` is numpy.
"""

from __future__ import annotations

from thetaprime.backends.array_plan import make_plan
from thetaprime.backends.cupy_kernels import Kernels
from thetaprime.backends.cupy_text import IMPORTS, CupyWriter, code_text, helpers_for
from thetaprime.backends.to_array import functions, in_turns, joined, module
from thetaprime.ir import Step


def emit(step: Step) -> str:
    """The text of the module for ``step``."""
    plan = make_plan(step, CupyWriter)
    kernels = Kernels(plan)
    body = functions(plan, kernels.walk)
    code = code_text(joined([*body, *kernels.texts]))
    return module(plan, code, helpers_for(code, in_turns(plan)), IMPORTS)
