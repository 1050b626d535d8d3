"""thetaprime: write an optimizer as algebra, check it, turn it into JAX and NumPy.

    >>> import thetaprime as tp
    >>> opt = tp.load("adamw")
    >>> tx = opt.to_jax(lr=3e-4)          # an optax GradientTransformationExtraArgs
    >>> program = opt.to_numpy(lr=3e-4)   # init and step, in place

Importing the package imports neither jax nor sympy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thetaprime.analyse.rate import Rate, rate
    from thetaprime.analyse.stability import Stability, stability
    from thetaprime.answers import Answers
    from thetaprime.arguments import CallError
    from thetaprime.compare import compare
    from thetaprime.compare.result import Comparison
    from thetaprime.diagnostics import Diagnostic, SpecError
    from thetaprime.format import format_text
    from thetaprime.optimizer import Optimizer, Report, load, loads

__all__ = [
    "Answers", "CallError", "Comparison", "Diagnostic", "Optimizer", "Rate", "Report", "SpecError",
    "Stability", "compare", "format_text", "load", "loads", "rate", "shipped", "stability",
]

_WHERE = {
    "Answers": "answers",
    "CallError": "arguments", "Comparison": "compare.result", "Optimizer": "optimizer",
    "Report": "optimizer", "load": "optimizer",
    "loads": "optimizer", "SpecError": "diagnostics", "Diagnostic": "diagnostics",
    "format_text": "format", "Rate": "analyse.rate", "rate": "analyse.rate",
    "Stability": "analyse.stability", "stability": "analyse.stability",
}


def __getattr__(name: str) -> Any:
    if name == "compare":  # a package that can be called
        return import_module("thetaprime.compare")
    if name not in _WHERE:
        raise AttributeError(f"module 'thetaprime' has no attribute '{name}'")
    return getattr(import_module(f"thetaprime.{_WHERE[name]}"), name)


def shipped() -> list[str]:
    """The names of the specs that come with the package."""
    from thetaprime.library import shipped as files

    return list(files())
