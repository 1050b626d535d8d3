"""Two optimizers compared: are they the same algorithm, under which map of hyperparameters, where
are they equal, or what tells them apart.

    operands   what is compared: any spec expression of the language
    pairs      two steps as one question for the prover, hyperparameters of equal names as one
    unroll     both rules from their starts, step by step, in exact algebra
    maps       hyperparameters of one rule in terms of the other's
    where      conditions under which two rules are equal, and the proof that they are needed
    limits     one rule goes to another where hyperparameters go to ends of their ranges
    damped     a small number beside what is divided by, and how far steps part for it
    shifts     rules that report another iterate
    gaps       how far two rules part
    search     the order in which verdicts are tried
    verify     certificates checked again, by other means
    result     the verdict, for people and machines
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thetaprime.compare.result import Comparison
    from thetaprime.optimizer import Optimizer

__all__ = ["compare"]


def compare(a: str | Optimizer, b: str | Optimizer) -> Comparison:
    """The verdict on two optimizers: loaded ones, names of shipped specs, paths that end in
    ``.opt``, or expressions of the language, ``"SAM(SGD) with rho = 0"``. Raises SpecError and
    CallError."""
    from thetaprime.compare.operands import operand
    from thetaprime.compare.search import compared

    return compared(operand(a), operand(b))


class _Callable(ModuleType):
    """``thetaprime.compare`` is this package and the function at once."""

    def __call__(self, a: str | Optimizer, b: str | Optimizer) -> Comparison:
        return compare(a, b)


sys.modules[__name__].__class__ = _Callable
