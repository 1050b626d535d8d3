"""A comparison as a formula: the rules' names, the relation, the map below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thetaprime.compare.result import Comparison

RELATIONS = {"equal": "=", "equal-under-map": r"\cong", "equal-when": "=",
             "specialises": r"\supset", "equal-up-to": r"\simeq", "different": r"\neq",
             "unknown": r"\overset{?}{=}"}
SPECIAL = str.maketrans({"_": r"\_", "#": r"\#", "%": r"\%", "&": r"\&", "$": r"\$",
                         "{": r"\{", "}": r"\}", "^": r"\^{}", "~": r"\~{}", "\\": r"\backslash "})


def formula(found: Comparison) -> str:
    """`$$\\text{Adam} = \\text{AdamW} \\quad (wd = 0)$$`."""
    settings = [f"{n} = {v}" for n, v in found.map.items()] + list(found.conditions)
    below = r"\quad \left(" + ",\\ ".join(map(_text, settings)) + r"\right)" if settings else ""
    return f"$${_text(found.a)} {RELATIONS[found.verdict]} {_text(found.b)}{below}$$"


def _text(words: str) -> str:
    return r"\text{" + words.translate(SPECIAL) + "}"
