"""The user's cache folder: what it holds can be made again, and may be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path


def folder(kind: str) -> Path:
    """Where things of a kind are kept: `verdicts`, `comparisons`, `grammar`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "thetaprime" / kind
