"""Rules that call the axes of a matrix by other names are compared as if they did not."""

from __future__ import annotations

import re

import pytest

from thetaprime.compare import compare
from thetaprime.compare.axis_names import named_alike
from thetaprime.compare.operands import operand

ROWS = """\
optimizer Rows
  param X : matrix[rows, cols]
  hyper lr = 1e-3 in (0, inf)
  state L : matrix[rows, rows] = 0

  L' = L + G @ G.T
  X' = X - lr*sqrt(max(1, rows/cols))*mpow(L' + I, -1/2) @ G
"""
OTHER = ROWS.replace("Rows", "Other")


def verdict(folder, text: str) -> str:
    """How the rule compares with the first."""
    for name, spec in (("rows", ROWS), ("other", text)):
        (folder / f"{name}.opt").write_text(spec)
    return compare(str(folder / "rows.opt"), str(folder / "other.opt")).verdict


@pytest.mark.parametrize("names", [("m", "n"), ("cols", "rows"), ("rows", "width")])
def test_names_of_axes_do_not_count(tmp_path, names):
    put = dict(zip(("rows", "cols"), names, strict=True))
    text = re.sub("rows|cols", lambda m: put[m[0]], OTHER)
    assert verdict(tmp_path, text) == "equal"


def test_the_order_of_axes_counts(tmp_path):
    assert verdict(tmp_path, OTHER.replace("rows/cols", "cols/rows")) != "equal"


def test_a_name_that_means_something_else_stays(tmp_path):
    text = OTHER.replace("cols", "n").replace("lr", "cols")
    (tmp_path / "rows.opt").write_text(ROWS)
    (tmp_path / "other.opt").write_text(text)
    mine, theirs = (operand(str(tmp_path / f"{n}.opt")).step({}) for n in ("rows", "other"))
    assert named_alike(mine, theirs) is theirs
