"""Comparisons that are kept between runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from thetaprime.cache import folder
from thetaprime.claims.kept import compiler
from thetaprime.compare import kept as keeping
from thetaprime.compare.operands import operand


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return folder("comparisons")


def test_a_comparison_is_made_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = keeping.kept("sgd", "SGD with lr = 0.5")
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(keeping, "compared", None)  # to be called no more
    assert keeping.kept("sgd", "SGD with lr = 0.5") == first


def test_what_is_kept_half_is_made_again(cache: Path) -> None:
    first = keeping.kept("sgd", "sgd")
    (place,) = cache.iterdir()
    place.write_text('{"a": "sgd"}', "utf-8")
    assert keeping.kept("sgd", "sgd")["verdict"] == first["verdict"] == "equal"


def test_the_texts_of_both_count(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.opt"
    path.write_text("optimizer Mine\n  hyper lr = 0.1 in (0, inf)\n  x' = x - lr*g\n", "utf-8")
    assert keeping.kept(str(path), "sgd")["verdict"] == "specialises"
    path.write_text(path.read_text("utf-8").replace("lr*g", "lr*g^3"), "utf-8")
    assert keeping.kept(str(path), "sgd")["verdict"] == "different"


def test_what_operands_are_called_counts() -> None:
    one, other = operand("adam-torch"), operand("AdamTorch")
    assert keeping.content(one, one) != keeping.content(one, other)


def test_what_only_tells_of_verdicts_does_not_count() -> None:
    assert compiler(keeping.JUDGES) != compiler(keeping.JUDGES, ("compare/search.py",))
    assert compiler(keeping.JUDGES, ("compare/no_such_file.py",)) == compiler(keeping.JUDGES)
