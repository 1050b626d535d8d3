"""The benchmark of GPUs runs where there is none, small, and writes nothing there."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cupy_stand_in import cupy

ROOT = Path(__file__).parent.parent


def script(name: str) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        patch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        return runpy.run_path(str(ROOT / f"benchmarks/{name}.py"))


def test_without_a_gpu_it_says_so_and_writes_nothing() -> None:
    written = [ROOT / "benchmarks/results/gpu.json", ROOT / "docs/performance.md"]
    before = [p.read_bytes() if p.exists() else None for p in written]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/gpu.py"), "--rules", "AdamW", "Muon"], text=True,
        capture_output=True, check=False, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    assert done.returncode == 0, done.stderr[-2000:]
    head, *rows = done.stdout.splitlines()
    assert head.startswith("no GPU here")
    shown = "\n".join(rows)
    for rule, dtype, by in (
            ("AdamW", "float32", "thetaprime"), ("AdamW", "bfloat16", "optax (jit)"),
            ("Muon", "float32", "copy"), ("AdamW", "float32", "thetaprime, packed")):
        assert any(line.startswith(rule) and dtype in line and by in line for line in rows), shown
    assert [p.read_bytes() if p.exists() else None for p in written] == before


def test_cupy_is_a_contender_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    make = script("contenders")["ON_A_GPU"]["thetaprime, CuPy"]
    for rule, words in (("AdamW", 7), ("Lion", 5), ("SGD momentum", 5), ("Muon", 5)):
        job = make(rule, [(4, 3), (6, 2)], "float32")
        job.step()
        job.wait()
        assert job.bytes == 4*words*24
    for rule in ("Adafactor", "Shampoo"):
        assert make(rule, [(4, 3)], "float32").bytes > 4*3*12
    assert make("AdamW", [(4, 3)], "bfloat16") is None


def test_a_row_replaces_the_one_before_and_the_page_shows_it(tmp_path: Path) -> None:
    gpu, pages = script("gpu"), script("pages")
    one = {"rule": "AdamW", "size": 10, "leaves": 8, "dtype": "float32", "contender": "copy",
           "ms": 1.0, "compile_s": 0.0, "bytes": 280, "GB/s": 1.0, "of_copy": 1.0}
    report = {"date": "2000-01-01", "device": "a GPU", "python": "3", "versions": {"jax": "0"},
              "load": 0.5}
    report = gpu["merged"](report, [one, {**one, "size": 20}])
    report = gpu["merged"](report, [{**one, "ms": 2.5}])
    assert [r["ms"] for r in report["rows"]] == [2.5, 1.0]
    page = tmp_path / "page.md"
    page.write_text(f"# Performance\n\n## Text\n\n{pages['MARK']}\n\n## Other\n\nKept.\n")
    for _ in range(2):
        pages["write_section"](page, "On a GPU", gpu["page_lines"](json.loads(json.dumps(report))))
    text = page.read_text()
    assert text.count("## On a GPU") == text.count("## Other") == 1
    assert "| AdamW, 8 tensors, float32 | 10 | copy | 2.5 | 1 | 1.00 | 0.0 |" in text
    assert "2000-01-01, a GPU, Python 3, jax 0." in text
    pages["write_head"](page, "# New\n")
    head = f"# New\n\n{pages['MARK']}\n\n## Other\n\nKept.\n\n## On a GPU\n"
    assert page.read_text().startswith(head)
