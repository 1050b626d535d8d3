"""What the benchmarks share: where and when they ran, and sections of a page that they write."""

from __future__ import annotations

import os
import platform
import re
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(*packages: str) -> dict[str, Any]:
    """When and where this was measured."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines()
             if line.startswith("model name")] if info.exists() else [platform.processor()]
    versions = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {"date": time.strftime("%Y-%m-%d"), "cpu": names[0] if names else "",
            "cores": CORES, "python": platform.python_version(), "versions": versions,
            "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None}


def where(report: dict[str, Any]) -> str:
    """The same as a sentence."""
    versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items())
    return (f"{report['date']}, {report.get('device') or str(report['cores']) + ' cores of '}"
            f"{'' if report.get('device') else report['cpu']}, Python {report['python']}, "
            f"{versions}. Load of the machine at the start: {report['load']}.")


# What stands after it are sections that several scripts write, each its own.
MARK = "<!-- sections of other benchmarks -->"


def write_section(page: Path, title: str, lines: list[str]) -> None:
    """Replace the section ``## title`` of a page, which ends at the next one, or put it last."""
    text = page.read_text("utf-8")
    section = "\n".join([f"## {title}", "", *lines, ""])
    found = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found:
        text = f"{text[:found.start()]}{section}\n{text[found.end():]}"
    else:
        text = f"{text.rstrip()}\n\n{section}"
    page.write_text(text.rstrip() + "\n", "utf-8")


def write_head(page: Path, text: str) -> None:
    """Replace all of a page but the sections after the mark."""
    old = page.read_text("utf-8") if page.exists() else ""
    rest = old.partition(MARK)[2].strip()
    page.write_text(f"{text.rstrip()}\n\n{MARK}\n" + (f"\n{rest}\n" if rest else ""), "utf-8")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table in Markdown, numbers to the right."""
    return [f"| {' | '.join(head)} |", f"| - |{' -: |' * (len(head) - 1)}",
            *(f"| {' | '.join(row)} |" for row in rows)]
