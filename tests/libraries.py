"""Optimizers of installed libraries on the tree of `tests.tree`; a test skips without its library.

A maker returns the kind of reference and a function that runs it: ``run(evaluate=False)``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest

from tests.tree import Tree, run_optax, run_torch

Made = tuple[str, Callable[..., list[Tree]]]


def library(module: str) -> ModuleType:
    """The module, or a skip that names it."""
    return pytest.importorskip(module, reason=f"{module} is not installed",
                               exc_type=ImportError)


def _named(module: str, name: str, **settings: Any) -> Made:
    def run(evaluate: bool = False) -> list[Tree]:
        make = getattr(library(module), name)
        return run_torch(lambda params: make(params, **settings), evaluate=evaluate)

    return module.partition(".")[0], run


def torch_(name: str, **settings: Any) -> Made:
    return _named("torch.optim", name, **settings)


def koz(name: str, **settings: Any) -> Made:
    """pytorch_optimizer (kozistr)."""
    return _named("pytorch_optimizer", name, **settings)


def of(path: str, **settings: Any) -> Made:
    """``package.Class``, of a package for one rule or a few."""
    module, _, name = path.rpartition(".")
    return _named(module, name, **settings)


def timm_(path: str, **settings: Any) -> Made:
    """``module.Class`` of timm.optim, whose modules need torch only; timm needs torchvision."""
    module, _, name = path.partition(".")

    def run(evaluate: bool = False) -> list[Tree]:
        make = getattr(timm_module(module), name)
        return run_torch(lambda params: make(params, **settings))

    return "timm", run


def timm_module(name: str) -> ModuleType:
    """A module of timm.optim alone: timm itself imports its models, which need torchvision."""
    full = f"timm.optim.{name}"
    found = find_spec("timm")
    if found is None or not found.submodule_search_locations:
        pytest.skip("timm is not installed")
    # Bare packages in place of timm and timm.optim while the module is imported.
    root = list(found.submodule_search_locations)
    before = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "timm"}
    for package, path in (("timm", root), ("timm.optim", [f"{root[0]}/optim"])):
        bare = ModuleType(package)
        bare.__path__ = path
        sys.modules[package] = bare
    try:
        return importlib.import_module(full)
    finally:
        for loaded in [n for n in sys.modules if n.partition(".")[0] == "timm"]:
            del sys.modules[loaded]
        sys.modules.update(before)


def optax_(make: Callable[[Any], Any], evaluate_at: Callable[..., Any] | None = None) -> Made:
    """``make(optax)`` is a gradient transformation."""
    def run(evaluate: bool = False) -> list[Tree]:
        optax = library("optax")
        library("optax.contrib")
        shown = evaluate_at(optax) if evaluate and evaluate_at is not None else None
        return run_optax(lambda: make(optax), evaluate=shown)

    return "optax", run
