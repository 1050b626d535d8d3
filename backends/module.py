"""text -> module: run generated code as if it had been imported from a file."""

from __future__ import annotations

import linecache
import sys
from functools import cache
from hashlib import sha256
from types import ModuleType


@cache
def load(text: str, name: str) -> ModuleType:
    """The module that ``text`` defines; tracebacks show its lines.

    Equal texts give one module, so that states made by two calls of a factory are of one class.
    The module is known to `sys.modules` under ``thetaprime.generated.NAME`` so that its classes
    can be pickled within the process; one of another text has a part of its hash after the name.
    """
    full = f"thetaprime.generated.{name}"
    if full in sys.modules:
        full += f"_{sha256(text.encode()).hexdigest()[:8]}"
    path = f"<{full}>"
    module = ModuleType(full)
    module.__file__ = path
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    sys.modules[full] = module
    exec(compile(text, path, "exec", dont_inherit=True), module.__dict__)
    return module
