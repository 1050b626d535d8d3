"""Every optimizer of a library that has a spec, audited: the conformance table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from thetaprime.arguments import CallError
from thetaprime.audit import Audit, Finding, audit
from thetaprime.audit.table import LIBRARIES, ROWS, Row
from thetaprime.diagnostics import closest
from thetaprime.optimizer import load


@dataclass(frozen=True)
class Line:
    """A row of the table and what its audit found; ``trouble`` where it could not be run."""

    row: Row
    found: Audit | None
    trouble: str = ""

    @property
    def own(self) -> bool:
        """Whether the spec is the library's own."""
        return self.row.spec.endswith(f"-{self.row.library}")


def rows(libraries: Iterable[str]) -> list[Row]:
    """The rows of some libraries. Raises CallError for one without."""
    found = []
    for library in libraries:
        if library not in LIBRARIES:
            near = closest(library, list(LIBRARIES))
            raise CallError("wrong-call", f"there is no table for the library `{library}`",
                            f"did you mean `{near}`?" if near else
                            f"there is one for {', '.join(LIBRARIES)}")
        found += [row for row in ROWS if row.library == library]
    return found


def audited(some: list[Row]) -> list[Line]:
    """Each row audited in float64, with a progress bar on the terminal."""
    lines = []
    with _bar(len(some)) as tick:
        for row in some:
            tick(f"{row.spec} against {row.target}", 0)
            try:
                lines.append(Line(row, audit(load(row.spec), row, dtypes=False)))
            except CallError as error:
                if error.code == "missing-package":
                    raise
                lines.append(Line(row, None, error.headline))
            tick("", 1)
    return lines


@contextmanager
def _bar(total: int) -> Iterator[Callable[[str, int], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(),
               TextColumn("{task.completed} of {task.total}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True,
                  disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)

        def tick(what: str, done: int) -> None:
            progress.update(task, advance=done, description=what or None)

        yield tick


def markdown(lines: list[Line], command: str) -> str:
    """The page: for each library its own specs, then the rules of papers."""
    made = ["# Conformance", "",
            f"What `{command}` wrote; never edited by hand. Every optimizer of a library that has "
            "a spec ran beside it in",
            "float64: with its defaults, with other values, and with each of its choices, on the "
            "gradient sequences of",
            "`thetaprime audit`. *Conforms* means: on all of them, to a relative 1e-12 unless a "
            "reason is given. Where it",
            "differs, the single edit of the spec that makes it agree is named, with the line as "
            "it would read.", ""]
    for library in dict.fromkeys(line.row.library for line in lines):
        some = [line for line in lines if line.row.library == library]
        version = next((k.found.target.version for k in some if k.found is not None), library)
        for own, title in ((True, "beside the specs of it"), (False, "beside the rules of papers")):
            part = [line for line in some if line.own == own]
            if part:
                made += [f"## {version}, {title}", "", "| optimizer | spec | float64 |",
                         "|---|---|---|", *map(_row, part), ""]
    return "\n".join(made).rstrip() + "\n"


def _row(line: Line) -> str:
    called = f"`{line.row.target.partition('.')[2]}`" + _with(line.row.extra)
    return f"| {called} | `{line.row.spec}`{_with(line.row.chosen)} | {_verdict(line)} |"


def _with(values: Mapping[str, Any]) -> str:
    text = ", ".join(f"{n} = {v}" for n, v in values.items())
    return f" with `{text}`" if text else ""


def _verdict(line: Line) -> str:
    found = line.found
    if found is None:
        return f"not run: {line.trouble}"
    if found.conforms:
        return "conforms" + (f" to {found.tolerance:g} ({found.why})" if found.why else "")
    parts: dict[str, list[str]] = {}
    for finding in found.findings:
        if finding.difference is not None:
            parts.setdefault(_why(finding), []).append(finding.setting.name)
    all_differ = len(found.differing) == len([f for f in found.findings if not f.trouble])
    if all_differ and len(parts) == 1:
        return f"differs: {next(iter(parts))}"
    told = [f"{why} ({'; '.join(names)})" for why, names in parts.items()]
    return f"differs: {'<br>'.join(told)}"


def _why(finding: Finding) -> str:
    """The edits that explain a difference, or where it shows."""
    if not finding.explanations:
        assert finding.difference is not None
        return f"by more than one edit, first with {finding.difference.sequence}"
    shown = []
    for edit in finding.explanations[0]:
        lines = ", ".join(f"`{line}`" for line in edit.after.split("\n")).replace("|", "\\|")
        shown.append(f"**{edit.name}**: {lines}")
    return " and ".join(shown)
