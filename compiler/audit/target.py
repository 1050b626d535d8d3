"""What ``--against`` names: an optimizer of a library, or a factory in the user's own file."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from thetaprime.arguments import CallError
from thetaprime.audit.drivers import Kind
from thetaprime.diagnostics import closest

PARAMETERS = inspect.Parameter
INSTALL = {"torch": "torch", "optax": "optax", "keras": "keras", "jax": "jax"}


@dataclass(frozen=True)
class Target:
    """An optimizer to audit: how it is called, what it is made by, and its arguments with their
    defaults (``Parameter.empty`` for those that have none)."""

    name: str
    make: Callable[..., Any]
    kind: Kind
    arguments: dict[str, Any]
    version: str = ""

    @property
    def called(self) -> str:
        return f"{self.name} ({self.version})" if self.version else self.name


def target(text: str) -> Target:
    """The optimizer that ``torch.optim.AdamW`` or ``path.py:factory`` names. Raises CallError."""
    path, colon, name = text.rpartition(":")
    if colon and path.endswith(".py"):
        return _made(text, _factory(Path(path), name), "")
    if text.endswith(".py"):
        raise CallError("wrong-call", f"`{text}` names a file, and no factory in it",
                        f"`--against {text}:make`, where `make(lr=...)` gives an optimizer")
    package, dot, _ = text.partition(".")
    if not dot:
        raise CallError("wrong-call", f"`{text}` names no optimizer",
                        "as in `torch.optim.AdamW`, `optax.adan`, `keras.optimizers.Adam`, "
                        "or `path.py:factory`")
    if find_spec(package) is None:
        raise CallError("missing-package", f"this needs {package}, which is not installed",
                        f"pip install {INSTALL.get(package, package)}")
    return _made(text, _attribute(text), _version(package))


def _version(package: str) -> str:
    try:
        return f"{package} {version(package).partition('+')[0]}"
    except PackageNotFoundError:
        return ""


def _attribute(text: str) -> Callable[..., Any]:
    """What stands at a dotted path."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    parts = text.split(".")
    found: Any = None
    for count in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:count])
        try:
            found = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and not name.startswith(error.name):
                raise CallError("missing-package", f"`{name}` needs {error.name}, which is not "
                                "installed", f"pip install {error.name}") from None
            continue
        break
    else:
        raise CallError("wrong-call", f"there is no module `{parts[0]}`")
    for part in parts[count:]:
        if not hasattr(found, part):
            near = closest(part, [n for n in dir(found) if not n.startswith("_")])
            raise CallError("wrong-call", f"`{'.'.join(parts[:count])}` has no `{part}`",
                            *([f"did you mean `{near}`?"] if near else []))
        found = getattr(found, part)
        count += 1
    if not callable(found):
        raise CallError("wrong-call", f"`{text}` is no optimizer: it cannot be called")
    return found  # type: ignore[no-any-return]


def _factory(path: Path, name: str) -> Callable[..., Any]:
    """A function of the user's own file, which is run for it."""
    if not path.is_file():
        raise CallError("wrong-call", f"there is no file {path}")
    found = getattr(_module(path), name, None)
    if not callable(found):
        raise CallError("wrong-call", f"`{path}` has no function `{name}`",
                        f"`--against {path}:NAME`, where `NAME(lr=...)` gives an optimizer")
    return found  # type: ignore[no-any-return]


def _module(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"audited_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise CallError("factory-raised", f"`{path}` cannot be run: {_told(error)}") from error
    return module


def _told(error: BaseException) -> str:
    """An error of somebody else's code in one line."""
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _made(name: str, make: Callable[..., Any], release: str) -> Target:
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):
        raise CallError("wrong-call", f"`{name}` does not say what it takes",
                        "wrap it in a function with named arguments: `path.py:factory`") from None
    named = {n: p for n, p in signature.parameters.items()
             if p.kind not in (PARAMETERS.VAR_POSITIONAL, PARAMETERS.VAR_KEYWORD)}
    given = {n: p.default for n, p in named.items()}
    if next(iter(given), "") in ("params", "parameters"):
        return Target(name, make, "torch", dict(list(given.items())[1:]), release)
    module = getattr(make, "__module__", "") or ""
    bases = {c.__module__.partition(".")[0] for c in getattr(make, "__mro__", ())}
    kind: Kind = "keras" if "keras" in bases or module.startswith("keras") else "optax"
    return Target(name, make, kind, given, release)


def raised(found: Target, error: BaseException) -> CallError:
    """The message for an optimizer that fails when it is made or run."""
    return CallError("factory-raised", f"`{found.name}` raised {_told(error)}",
                     "it is called with the arguments of the audit: `--set` and `--map` choose "
                     "them")
