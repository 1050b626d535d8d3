"""Python's search for cycles is as it was behind the compiler, whatever happens inside."""

from __future__ import annotations

import gc

import pytest

from thetaprime.cli import main
from thetaprime.collector import BETWEEN, seldom


def test_searches_are_seldom_inside_and_as_before_behind() -> None:
    before = gc.get_threshold()
    with seldom():
        assert gc.get_threshold() == BETWEEN
        with seldom():
            pass
        assert gc.get_threshold() == BETWEEN
    assert gc.get_threshold() == before


def test_an_error_leaves_them_as_before() -> None:
    before = gc.get_threshold()
    with pytest.raises(ZeroDivisionError), seldom():
        raise ZeroDivisionError
    assert main(["check", "there-is-none"]) != 0
    assert gc.get_threshold() == before
