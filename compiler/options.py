"""The kinds of values that options of the command line take, and what commands exit with."""

from __future__ import annotations

import math
from pathlib import Path

import click

SPEC_WRONG, CALL_WRONG, OUR_FAULT = 1, 2, 70
FILE = click.Path(path_type=Path)
POSITIVE = click.FloatRange(min=0, min_open=True)
DTYPE = click.Choice(["float16", "bfloat16", "float32"])


def sizes(text: str) -> tuple[float, float]:
    """``1e-7..1e4``: two sizes above 0, the first not the larger."""
    low, _, high = text.partition("..")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = 0.0, 0.0
    if not 0 < ends[0] <= ends[1] < math.inf:
        raise click.BadParameter("two sizes above 0, as `1e-7..1e4`")
    return ends
