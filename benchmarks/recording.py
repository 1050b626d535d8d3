"""What the benchmarks of the checker share: the machine, results as JSON, the parts of a page."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from thetaprime.library import modules, shipped

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "checker.md"
RESULTS = ROOT / "benchmarks" / "results"
LONGEST = 60.0  # seconds that a verdict may take
PACKAGES = ("numpy", "sympy", "mpmath", "lark", "jax")


def as_users() -> dict[str, str]:
    """The environment of a process that keeps byte code, as a user's does."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def machine() -> dict[str, Any]:
    """When and where this is measured."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines()
             if line.startswith("model name")] if info.exists() else [platform.processor()]
    versions = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {"date": time.strftime("%Y-%m-%d"), "cpu": names[0], "cores": os.cpu_count(),
            "python": platform.python_version(), "versions": versions,
            "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None}


def where(report: dict[str, Any]) -> str:
    """The machine of a report in one line."""
    versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items())
    return (f"{report['date']}, {report['cores']} cores of {report['cpu']}, Python "
            f"{report['python']}, {versions}. Load at the start: {report['load']}.")


def entries() -> dict[str, Traversable]:
    """Every shipped spec, modules too, by its name; a module with an optimizer's name gets its
    folder in front."""
    found = dict(shipped())
    for name, entry in modules().items():
        found[name if name not in found else f"wrappers/{name}"] = entry
    return found


def record(name: str, report: dict[str, Any]) -> None:
    """The results as JSON."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(report, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", "utf-8")


def write_part(name: str, lines: list[str], page: Path = PAGE) -> None:
    """The lines between the marks of a benchmark in a page. Raises ValueError without them."""
    text = page.read_text("utf-8")
    begin, end = f"<!-- {name}: generated -->\n", f"<!-- {name}: end -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{page.name} has no place for {name}")
    body = begin + "\n".join(lines).strip() + "\n" + end
    page.write_text(pattern.sub(lambda _: body, text), "utf-8")


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in what takes longer, where the system can."""
    def late(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds:g} s")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
