"""The tables of the grammar are kept in the user's cache folder, and nothing depends on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from thetaprime.cache import folder
from thetaprime.parse import _parser, parse
from thetaprime.source import Source

TEXT = Source("try.opt", "optimizer Try\n  hyper lr = 0.1 in (0, inf)\n  x' = x - lr*g\n")


@pytest.fixture(autouse=True)
def _made_anew() -> Iterator[None]:
    _parser.cache_clear()
    yield
    _parser.cache_clear()


def test_tables_are_kept_and_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = parse(TEXT)
    place = folder("grammar") / "start.lark"
    before = place.stat().st_mtime_ns
    _parser.cache_clear()
    monkeypatch.setattr("lark.lark.Lark._build_parser", None)  # not asked again
    assert parse(TEXT) == first
    assert place.stat().st_mtime_ns == before


@pytest.mark.parametrize("left", [b"", b"no tables", None])
def test_tables_that_are_broken_are_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, left: bytes | None
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = parse(TEXT)
    place = folder("grammar") / "start.lark"
    whole = place.read_bytes()
    place.write_bytes(whole[:len(whole)//2] if left is None else left)
    _parser.cache_clear()
    assert parse(TEXT) == first
    _parser.cache_clear()
    monkeypatch.setattr("lark.lark.Lark._build_parser", None)  # not asked again
    assert parse(TEXT) == first


def test_a_folder_that_cannot_be_written_to_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert parse(TEXT).definitions
