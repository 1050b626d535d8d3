"""The helpers of a generated module: those that its code calls."""

from __future__ import annotations

import re
from collections.abc import Mapping


def called(texts: Mapping[str, str], code: str) -> list[str]:
    """Of the ``texts`` by name those that ``code`` calls, and those that they call, in order."""
    wanted: set[str] = set()
    todo = [code]
    while todo:
        found = set(re.findall(r"\b_[a-z_0-9]+(?=\()", todo.pop()))
        more = {"_walk" if name == "_keys" else name for name in found} & texts.keys() - wanted
        wanted |= more
        todo += [texts[name] for name in more]
    return [text.strip("\n") for name, text in texts.items() if name in wanted]
