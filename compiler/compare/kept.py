"""Comparisons kept between runs, in the user's cache folder, by the content of all that they depend
on: what the operands are called, the texts that they are made of, and the compiler itself."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from thetaprime.cache import folder
from thetaprime.claims.kept import FOLDERS, compiler, read, write
from thetaprime.compare.operands import Operand, operand
from thetaprime.compare.search import compared
from thetaprime.library import prelude
from thetaprime.optimizer import Optimizer

FIELDS = ("a", "b", "verdict", "map", "inverse", "conditions", "choices", "first_difference_step",
          "counterexample", "certificate", "notes", "points", "seconds")
# What judges, and what only tells of judgements.
JUDGES = (*FOLDERS, "backends", "compare", "edits")
TELLERS = tuple(f"{name}.py" for name in (
    "cli", "command_diff", "command_family", "command_lock", "compare/aligned", "compare/beside",
    "compare/canonical", "compare/declared", "compare/drawing", "compare/family",
    "compare/fingerprint", "compare/graph", "compare/kept", "compare/latex", "compare/locked",
    "compare/near"))


def kept(a: str | Operand | Optimizer, b: str | Operand | Optimizer) -> dict[str, Any]:
    """The verdict on two optimizers as `Comparison.to_json` has it, from the cache where nothing
    has changed. Raises SpecError and CallError."""
    one, other = (o if isinstance(o, Operand) else operand(o) for o in (a, b))
    place = folder("comparisons") / f"{content(one, other)}.json"
    found = read(place, FIELDS)
    if found is None:
        found = compared(one, other).to_json()
        write(place, found)
    return found


def content(*operands: Operand) -> str:
    """What a result about these operands depends on, as a digest."""
    digest = sha256(compiler(JUDGES, TELLERS))
    for _, source in prelude()[:1]:
        digest.update(sha256(source.text.encode()).digest())
    for one in operands:
        digest.update(sha256(one.text.encode()).digest())
        for text in dict.fromkeys(s.text for s in (one.flat.source, *one.flat.sources)):
            digest.update(sha256(text.encode()).digest())
        digest.update(b";")
    return digest.hexdigest()
