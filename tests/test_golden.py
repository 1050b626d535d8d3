"""Generated text is stable: a change of it is seen, read and accepted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

import thetaprime as tp

FOLDER = Path(__file__).parent / "golden"
# One for each shape of program: element-wise, per tensor, over the model, train and eval, axes,
# a first value, a conditional step, draws.
SPECS = ("adamw", "lamb", "dog", "dadapt-adam", "schedule-free-adamw", "aggmo", "adan", "radam",
         "gravity", "sgd")


@pytest.mark.parametrize("target", ["jax", "numpy"])
@pytest.mark.parametrize("name", SPECS)
def test_generated_text(
    name: str, target: Literal["jax", "numpy"], golden: Callable[[Path, str], None]
) -> None:
    golden(FOLDER / f"{name}.{target}.txt", tp.load(name).code(target))


@pytest.mark.parametrize("name", SPECS)
def test_generating_twice_gives_the_same_text(name: str) -> None:
    assert tp.load(name).code("numpy") == tp.load(name).code("numpy")


def test_the_text_depends_on_no_hash_seed() -> None:
    code = ("import thetaprime as tp\n"
            "for name in tp.shipped():\n"
            "    for target in ('jax', 'numpy'):\n"
            "        print(tp.load(name).code(target))\n"
            "    print(tp.load(name).check(claims=False))")
    texts = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, check=True,
                       capture_output=True).stdout
        for seed in ("1", "2", "3")}
    assert len(texts) == 1


@pytest.mark.parametrize("target", ["jax", "numpy"])
def test_generated_modules_import_nothing_of_ours(target: Literal["jax", "numpy"]) -> None:
    text = tp.load("lamb").code(target)
    imports = [line for line in text.splitlines() if line.lstrip().startswith(("import ", "from "))]
    assert not any("thetaprime" in line for line in imports)
