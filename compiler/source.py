"""Text, spans and lines: where in the user's file something stands."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of character offsets ``[start, end)`` in a `Source`."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The smallest span that holds both."""
        return Span(min(self.start, other.start), max(self.end, other.end))


NOWHERE = Span(0, 0)


@dataclass(frozen=True)
class Source:
    """A spec as text. ``name`` is what messages call it: a path, or ``<text>``."""

    name: str
    text: str
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0]
        starts.extend(i + 1 for i, c in enumerate(self.plain) if c == "\n")
        object.__setattr__(self, "_starts", tuple(starts))

    @property
    def plain(self) -> str:
        """The text, offset by offset, with every line end ``\\n`` and without a byte order mark."""
        text = self.text.replace("\r\n", " \n").replace("\r", "\n")
        return " " + text[1:] if text.startswith("\ufeff") else text

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Text of a line (counted from 1) without its end."""
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r")

    @property
    def end(self) -> int:
        return len(self.text)


NO_SOURCE = Source("<built>", "")
