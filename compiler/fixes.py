"""An example for each message: a wrong spec and the right one, kept as one text (`examples/`).

Each line of such a text begins with two characters: `- ` for what is wrong, `+ ` for what is right
in its place, two spaces for what stands in both. A first line `# dtype NAME` says for which
parameters it is wrong, `# stability` or `# rate` which analysis says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

WRONG, RIGHT, BOTH = "- ", "+ ", "  "


@dataclass(frozen=True)
class Example:
    """A wrong spec with its correction; ``text`` shows both."""

    text: str

    @property
    def wrong(self) -> str:
        return self._lines(WRONG)

    @property
    def right(self) -> str:
        return self._lines(RIGHT)

    def _lines(self, mark: str) -> str:
        return "".join(f"{line[2:]}\n" for line in self.text.splitlines()
                       if line[:2] in (mark, BOTH))


def example(code: str) -> Example | None:
    """The example for the message of a code, if there is one."""
    entry = files("thetaprime") / "examples" / f"{code}.diff"
    return Example(entry.read_text("utf-8")) if entry.is_file() else None
