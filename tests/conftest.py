"""Golden files: `pytest --accept` writes them, otherwise the text must be what they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="write the golden files anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """``golden(path, text)``: the text is what the file holds."""
    accept = bool(request.config.getoption("--accept"))

    def same(path: Path, text: str) -> None:
        if accept:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        assert path.exists(), f"{path.name} is missing: look at the text, then run with --accept"
        assert text == path.read_text("utf-8")

    return same
