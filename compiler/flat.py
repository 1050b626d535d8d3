"""One spec without inheritance and composition: what resolving gives, what all after it reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from thetaprime.expr import Expr
from thetaprime.source import Source, Span
from thetaprime.syntax import Claim, Item


@dataclass(frozen=True)
class Part:
    """One item, the source in which its spans count, and whether another spec brought it."""

    item: Item
    source: Source
    inherited: bool = False


@dataclass(frozen=True)
class Flat:
    """A spec whose items are all of its own. ``bound`` are hyperparameters set by `with`;
    ``sources`` are the texts that it is made of, its own first."""

    name: str
    source: Source
    span: Span
    doc: str
    cites: tuple[str, ...]
    notes: tuple[str, ...]
    parts: tuple[Part, ...]
    bound: dict[str, Expr] = field(default_factory=dict)
    bound_sources: dict[str, Source] = field(default_factory=dict)
    claims: tuple[tuple[Claim, Source], ...] = ()
    kind: str = "optimizer"
    sources: tuple[Source, ...] = ()
