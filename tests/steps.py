"""Shipped specs as steps, for the tests of ranges and domains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import thetaprime as tp
from thetaprime.ir import Step
from thetaprime.library import modules, shipped
from thetaprime.pipeline import checked, compile_text, variants
from thetaprime.source import Source

ADAM = """optimizer A
  hyper lr = 1e-3 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in [0, 1)
  hyper eps = 1e-8 in (0, inf)
  state m = 0
  state v = 0
  state most = 0
  m' = b1*m + (1 - b1)*g
  v' = b2*v + (1 - b2)*g^2
  most' = max(most, v')
  c = 1 - b2^t
  x' = x - lr*m'/(sqrt(most'/c) + eps)
"""
SHIPPED = sorted({**shipped(), **modules()})

# What is said of the shipped specs; all of it is so in the papers, too.
SAID = {
    "m-fac": ["perhaps-undefined"],  # that its divisor is positive is a theorem on matrices
    "aegd": ["undefined"], "aegdm": ["undefined"],  # a loss below -c
    "induced-log": ["undefined"],  # a loss of 0
    "psgd-low-rank": ["undefined", "perhaps-undefined", "perhaps-undefined"],  # no curvature
}


def lowered(name: str) -> list[Step]:
    entry = {**shipped(), **modules()}[name]
    return [one.step for one in variants(checked(Source(str(entry), entry.read_text("utf-8"))))]


def step_of(name: str) -> Step:
    return compile_text(name) if "\n" in name else tp.load(name).step()


def parts(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for v in value:
            yield from parts(v)
    elif value is not None:
        yield np.asarray(value, dtype=np.float64)
