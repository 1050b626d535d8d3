"""The formatter keeps the meaning, the comments, and itself."""

from __future__ import annotations

import pytest

import thetaprime as tp
from thetaprime.format import format_text
from thetaprime.library import shipped
from thetaprime.parse import parse
from thetaprime.source import Source

SPECS = {name: entry.read_text("utf-8") for name, entry in shipped().items()}


@pytest.mark.parametrize("name", sorted(SPECS))
def test_formatting_keeps_what_a_spec_says(name: str) -> None:
    text = SPECS[name]
    assert parse(Source("a", format_text(text))) == parse(Source("b", text))


@pytest.mark.parametrize("name", sorted(SPECS))
def test_shipped_specs_are_in_canonical_form(name: str) -> None:
    assert format_text(SPECS[name]) == SPECS[name]


UGLY = """# before
optimizer   A   # the name
  "doc"
  hyper   lr=1e-3   in (0,inf)   # the rate


  state m=0
  # about m
  m'=(b1*m)+((1-b1)*g) # average
  hyper b1 = .9 in [0,1)
  if (t>3) :   # late
    # inside
    x'=x-lr*m'
  else:
    x' = x-(lr*(g))   # plain
# after
"""

NEAT = """# before
optimizer A  # the name
  "doc"
  hyper lr = 1e-3 in (0, inf)  # the rate

  state m = 0
  # about m
  m' = b1*m + (1 - b1)*g  # average
  hyper b1 = .9 in [0, 1)
  if t > 3:  # late
    # inside
    x' = x - lr*m'
  else:
    x' = x - lr*g  # plain
# after
"""


def test_comments_and_blank_lines_stay() -> None:
    assert format_text(UGLY) == NEAT


def test_formatting_twice_is_formatting_once() -> None:
    assert format_text(NEAT) == NEAT
    long = "optimizer A\n  hyper lr = 1\n  x' = " + " + ".join(["x - lr*g"] * 40) + "\n"
    once = format_text(long)
    assert max(map(len, once.splitlines())) <= 100
    assert format_text(once) == once


def test_spellings_of_names_stay() -> None:
    text = "optimizer A\n  hyper α = 1e-3 in (0, inf)\n\n  x' = x - alpha*g\n"
    assert format_text(text) == text
    assert tp.loads(text).check(claims=False).ok
