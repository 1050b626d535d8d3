"""optax's own alias and contrib suites pass when they are pointed at generated optimizers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).with_name("optax_suites.py")
NAMES = ["adamw", "sgd", "lion", "adagrad", "rmsprop", "lamb", "yogi", "adan", "radam"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_optax_suites(name: str) -> None:
    done = subprocess.run([sys.executable, str(RUNNER), name], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-1000:]
    assert ", 0 failed, 0 broken" in done.stdout
