"""What a comparison found: for people as text, LaTeX and HTML, for machines as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

from thetaprime.claims.refute import Counterexample
from thetaprime.compare.alike import Alike
from thetaprime.compare.damped import Damped
from thetaprime.compare.limits import Limit
from thetaprime.compare.lti import Unrolled
from thetaprime.compare.pairs import Shown

Answer = Literal["equal", "equal-under-map", "equal-when", "specialises", "equal-up-to",
                 "different", "unknown"]
WORDS: Mapping[str, str] = {
    "equal": "equal", "equal-under-map": "equal under a map of hyperparameters",
    "equal-when": "equal when", "specialises": "one is the other at a setting",
    "equal-up-to": "equal up to another iterate", "different": "different", "unknown": "unknown"}


@dataclass(frozen=True)
class Apart:
    """A counterexample: after ``step`` steps the iterates are ``ours`` and ``theirs``; ``lines``
    tell the run; ``replayed``: the generated NumPy programs of both part there too."""

    step: int
    ours: str
    theirs: str
    lines: tuple[str, ...]
    replayed: bool
    found: Counterexample = field(compare=False, repr=False)


def second_is_wider(map: Mapping[str, str], conditions: Iterable[str], b: str) -> bool:
    """Of a rule that is another one at a setting, or in a limit: whether it is the second, the
    hyperparameters of which are set."""
    told = list(conditions)
    return (bool(map) and not told) or any(f" of {b}" in c for c in told)


@dataclass(frozen=True)
class Comparison:
    """The verdict on ``a`` and ``b``.

    ``map``: hyperparameters of b in a's; ``inverse`` the other way round; ``conditions`` (on a's,
    those on b's are marked): under each of them the two are equal; ``choices`` of static
    hyperparameters that it is for. ``notes`` tell what else was found: the terms that differ, the
    gap, why conditions are needed, what was tried. ``proof`` is what `verify` checks again.
    """

    a: str
    b: str
    verdict: Answer
    map: Mapping[str, str] = field(default_factory=dict)
    inverse: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    first_difference_step: int | None = None
    counterexample: Apart | None = None
    points: int = 0
    seconds: float = 0.0
    proof: Shown | Unrolled | Alike | Limit | Damped | None = field(
        default=None, compare=False, repr=False)

    @property
    def certificate(self) -> tuple[str, ...]:
        """The proof, line by line."""
        return tuple(self.proof.lines()) if self.proof else ()

    def to_json(self) -> dict[str, Any]:
        """What machines read."""
        found = self.counterexample
        return {
            "a": self.a, "b": self.b, "verdict": self.verdict, "map": dict(self.map),
            "inverse": dict(self.inverse), "conditions": list(self.conditions),
            "choices": dict(self.choices), "first_difference_step": self.first_difference_step,
            "counterexample": None if found is None else {
                "step": found.step, "a": found.ours, "b": found.theirs,
                "run": list(found.lines), "replayed": found.replayed},
            "certificate": list(self.certificate), "notes": list(self.notes),
            "points": self.points, "seconds": round(self.seconds, 3)}

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        a, b = self.a, self.b
        match self.verdict:
            case "equal":
                return f"{a} and {b} are equal"
            case "equal-under-map":
                return f"{a} and {b} are equal under a map of hyperparameters"
            case "equal-when":
                return f"{a} and {b} are equal when {', or when '.join(self.conditions)}"
            case "specialises":
                turned = second_is_wider(self.map, self.conditions, b)
                wider, narrower = (b, a) if turned else (a, b)
                settings = self.map or self.inverse
                told = [c.replace(f" of {b}", "") for c in self.conditions] or [
                    f"{n} = {v}" for n, v in settings.items()]
                return f"{wider} with {', '.join(told)} is {narrower}"
            case "equal-up-to":
                return f"{a} and {b} are equal up to {self.conditions[0]}"
            case "different":
                return f"{a} and {b} are different"
        return f"{a} and {b}: no answer"

    def __str__(self) -> str:
        return "\n".join([self.headline, *(f"  {line}" for line in self.lines())])

    def lines(self) -> Iterator[str]:
        """What stands below the verdict."""
        if self.choices:
            yield "with " + ", ".join(f"{n} = {v}" for n, v in self.choices.items())
        if self.verdict in ("equal-under-map", "equal-when", "equal-up-to") or (
                self.verdict == "specialises" and self.conditions):
            yield from (f"{n} of {self.b} = {v}" for n, v in self.map.items())
            yield from (f"{n} of {self.a} = {v}" for n, v in self.inverse.items())
        if self.proof is not None:
            yield f"proved by {self.proof.how}"
        yield from self.notes
        if self.counterexample is not None:
            yield from self.counterexample.lines
        if self.verdict == "unknown":
            yield f"{self.points} exact steps agreed"

    def _repr_html_(self) -> str:
        rows = "".join(f"<li><code>{escape(line)}</code></li>" for line in self.lines())
        return f"<p><b>{escape(self.headline)}</b></p><ul>{rows}</ul>"

    def _repr_latex_(self) -> str:
        """The verdict and the map as a formula."""
        from thetaprime.compare.latex import formula

        return formula(self)
