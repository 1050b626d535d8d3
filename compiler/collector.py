"""Python's search for cycles, made seldom: a compiler makes many small values that live together,
hardly one of them in a cycle, and each search visits them again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

BETWEEN = (100_000, 20, 20)  # new values before a search among the young, and so on


@contextmanager
def seldom() -> Iterator[None]:
    """Fewer searches inside; as it was behind."""
    before = gc.get_threshold()
    gc.set_threshold(*BETWEEN)
    try:
        yield
    finally:
        gc.set_threshold(*before)
