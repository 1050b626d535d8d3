"""Messages: data first, one renderer.

A `Diagnostic` is a code (words, never numbers), a headline that says what is wrong, a label at the
smallest span that shows it, notes (facts) and hints (actions). `report` makes one from the table
`thetaprime.messages.CODES`; `render` is the only place where one becomes text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from unicodedata import combining, east_asian_width

from thetaprime.messages import CODES
from thetaprime.source import Source, Span

Severity = Literal["error", "warning"]
WIDEST_LINE = 160


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message about one place of one source."""

    code: str
    severity: Severity
    message: str
    source: Source
    span: Span
    label: str = ""
    notes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The message as plain data: line and column count from 1."""
        line, column = self.source.position(self.span.start)
        end_line, end_column = self.source.position(self.span.end)
        return {
            "code": self.code, "severity": self.severity, "message": self.message,
            "file": self.source.name, "line": line, "column": column, "end_line": end_line,
            "end_column": end_column, "label": self.label, "notes": list(self.notes),
            "hints": list(self.hints),
        }


class SpecError(Exception):
    """A spec that is wrong: holds every diagnostic of the stage that found it."""

    def __init__(self, diagnostics: list[Diagnostic] | tuple[Diagnostic, ...]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n\n".join(render(d) for d in self.diagnostics))


def report(
    code: str, source: Source, span: Span, *, notes: tuple[str, ...] = (),
    hints: tuple[str, ...] = (), label: str | None = None, **facts: object,
) -> Diagnostic:
    """The diagnostic of a code; ``facts`` fill in the headline and label of its table row."""
    row = CODES[code]
    shown = row.label if label is None else label
    return Diagnostic(
        code, row.severity, row.headline.format(**facts), source, span, shown.format(**facts),
        tuple(notes) or tuple(n.format(**facts) for n in row.notes),
        tuple(hints) or tuple(h.format(**facts) for h in row.hints),
    )


def render(diagnostic: Diagnostic) -> str:
    """The diagnostic as text: headline, place, the line with the span underlined, notes, hints."""
    d = diagnostic
    line, column = d.source.position(d.span.start)
    text = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in d.source.line(line))
    gutter = " " * len(str(line))
    width = max(1, min(d.span.end - d.span.start, len(text) - column + 1))
    text, column = _window(text, column, width)
    shown = text[column - 1 : column - 1 + width]
    # Tabs stay tabs under the text, so that the carets stand where the eye looks.
    indent = "".join("\t" if c == "\t" else " " * _columns(c) for c in text[: column - 1])
    carets = "^" * max(1, sum(map(_columns, shown)))
    out = [
        f"{d.severity}[{d.code}]: {d.message}",
        f"{gutter} --> {d.source.name}:{line}:{d.source.position(d.span.start)[1]}",
        f"{gutter}  |",
        f" {line} | {text}".rstrip(),
        f"{gutter}  | {indent}{carets} {d.label}".rstrip(),
    ]
    out += [f"{gutter}  = note: {note}" for note in d.notes]
    out += [f"{gutter}  = hint: {hint}" for hint in d.hints]
    return "\n".join(out)


def _window(text: str, column: int, width: int) -> tuple[str, int]:
    """A long line cut to what stands around the span, and the column of the span in it."""
    if len(text) <= WIDEST_LINE:
        return text, column
    start = max(0, column - 1 - WIDEST_LINE // 3)
    end = min(len(text), start + max(WIDEST_LINE, width))
    before = "... " if start else ""
    return before + text[start:end] + " ..." * (end < len(text)), column - start + len(before)


def _columns(char: str) -> int:
    """How many columns of a terminal a character takes."""
    if char.isascii():
        return 1
    return 0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1


def closest(word: str, known: list[str] | tuple[str, ...]) -> str | None:
    """The known word that a misspelled one most likely means."""
    from difflib import get_close_matches

    by_lower = {k.lower(): k for k in known}
    found = get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None
