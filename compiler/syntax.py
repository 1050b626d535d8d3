"""What the user wrote, one node for each construct of the grammar.

Expressions are those of `expr`, untyped: an `Apply` carries any name. Spans stand outside equality,
so that ``parse(format(spec)) == parse(spec)`` is a one-line test. Comments belong to the text, not
to the tree; the formatter reads them from the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Literal

from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.source import NOWHERE, Span


def _span() -> Span:
    return field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TypeName:
    """``scalar`` · ``per tensor`` · ``per entry[lanes]`` · ``int`` · the name of an axis."""

    base: str
    axes: tuple[str, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Binding:
    name: str
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class SpecRef:
    """``AdamW with wd = 0`` · ``SAM(SGD)`` · ``AdamW on clip_norm(1.0)``."""

    name: str
    args: tuple[SpecRef | Expr | Arm, ...] = ()
    bindings: tuple[Binding, ...] = ()
    on: SpecRef | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Arm:
    """``rank == 2 -> Muon``; without a condition, ``otherwise -> AdamW``."""

    condition: Expr | None
    spec: SpecRef
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Doc:
    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Cite:
    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Note:
    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    type: TypeName | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class AxisDecl:
    """``axis lanes``; its length is that of the lists along it."""

    name: str
    length: str | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Interval:
    low: Expr
    high: Expr
    low_closed: bool
    high_closed: bool
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Choices:
    names: tuple[str, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class HyperItem:
    name: str
    type: TypeName | None
    default: Expr | None
    span: Span = _span()
    spelled: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class HyperLine:
    """Hyperparameters that share a line because they share a range."""

    items: tuple[HyperItem, ...]
    domain: Interval | Choices | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class StateDecl:
    name: str
    type: TypeName | None
    how: Literal["=", "first", "~"]
    value: Expr
    span: Span = _span()
    spelled: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ConstDecl:
    name: str
    type: TypeName | None
    value: Expr
    span: Span = _span()
    spelled: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Train:
    name: str
    value: Expr
    span: Span = _span()
    spelled: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Evaluate:
    name: str | None
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class EquationLine:
    target: Sym
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class DrawLine:
    name: str
    value: Apply
    type: TypeName | None
    span: Span = _span()
    spelled: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class IfBlock:
    condition: Expr
    then: tuple[StatementLine, ...]
    otherwise: tuple[StatementLine, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class EveryBlock:
    """Fires at t = start, start + period, ..."""

    period: Expr
    start: Expr
    then: tuple[StatementLine, ...]
    otherwise: tuple[StatementLine, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Hold:
    condition: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Many:
    """``Q, R = qr(A)``: an operation with several results."""

    targets: tuple[Sym, ...]
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class BatchLine:
    """``batch B = new``: a batch with a name."""

    name: str
    how: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LoopStart:
    """A value of a loop and what it is before the first turn."""

    name: str
    type: TypeName | None
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Until:
    condition: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Accept:
    """``accept c else s' = s/2``: ends a search, or prepares its next turn."""

    condition: Expr
    otherwise: tuple[EquationLine, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """What a search gives when no turn was accepted: a word (``last``) or values."""

    word: str
    settings: tuple[EquationLine, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FoldRange:
    """``tasks`` · ``perm(tasks)`` · ``newest..oldest`` · ``axes``."""

    form: Literal["axis", "perm", "range"]
    names: tuple[str, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LoopBlock:
    """``targets = iterate COUNT from starts:`` · ``search at most COUNT`` · ``fold INDEX over
    RANGE``. ``count`` is None for a fold, whose range has its length."""

    kind: Literal["iterate", "search", "fold"]
    targets: tuple[Sym, ...]
    count: Expr | None
    starts: tuple[LoopStart, ...]
    body: tuple[StatementLine, ...]
    index: str = ""
    over: FoldRange | None = None
    exhaustion: Exhaustion | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Override:
    """Replaces what the extended spec says: an equation, a hyperparameter or a state."""

    item: EquationLine | HyperLine | StateDecl
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Fact:
    """A condition of a claim: an equation ``left = right``, or a relation alone."""

    left: Expr
    right: Expr | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Change:
    target: Sym
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Claim:
    """One of the forms of a claim.

    ``subject`` is a relation or equation (`Fact`), the spec that it equals, the changes or named
    symmetry (words) that it is invariant under, or (count, oracle) for a cost.
    """

    form: Literal["fact", "equals", "invariant", "symmetry", "cost"]
    subject: Fact | SpecRef | tuple[Change, ...] | tuple[str, ...]
    when: tuple[Fact, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Function:
    """``fn name(parameters over extents)``: a formula, or equations with states of their own."""

    name: str
    parameters: tuple[str, ...]
    extents: tuple[str, ...]
    items: tuple[Item, ...]
    result: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Later:
    """A construct that the language has and this version does not carry yet."""

    word: str
    text: str
    span: Span = _span()


def expressions(node: object) -> Iterator[Expr]:
    """Every whole expression in a node of this file, from the outside in."""
    pending: list[object] = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, Num | Sym | Apply):
            yield part
        elif isinstance(part, tuple):
            pending.extend(part)
        elif is_dataclass(part):
            pending.extend(getattr(part, f.name) for f in fields(part))


@dataclass(frozen=True, slots=True)
class Answered:
    """``base with grad(y) := e``: what an inner optimizer gets where it asks ``oracle(y)``."""

    name: str
    oracle: str
    point: str
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class View:
    """``view x as matrix[rows, rest]``: the tensors seen along named axes."""

    name: str
    type: TypeName
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Losses:
    """``losses main, aux``, or ``losses tasks[k]``: an axis of ``length`` losses."""

    names: tuple[str, ...]
    length: str | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Store:
    """``store v as bfloat16 stochastic``."""

    name: str
    dtype: str
    rounding: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Numerics:
    stores: tuple[Store, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Extern:
    """A function that the user passes; argument names with their types."""

    name: str
    arguments: tuple[tuple[str, TypeName], ...]
    result: TypeName
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class CaseBlock:
    """``case rank >= 2:``; without a condition, the ``otherwise:`` of the cases before it."""

    condition: Expr | None
    items: tuple[Item, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ForAxis:
    """``for axis a of x:``: once for each axis of each tensor."""

    axis: str
    of: str
    items: tuple[Item, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Route:
    """Each tensor to an optimizer of its own."""

    arms: tuple[Arm, ...]
    span: Span = _span()


StatementLine = (
    EquationLine | Many | DrawLine | IfBlock | EveryBlock | Hold | BatchLine | LoopBlock | Until
    | Accept
)
Item = (
    Doc | Cite | Note | Param | AxisDecl | HyperLine | StateDecl | ConstDecl | Train | Evaluate
    | Override | Claim | Function | Later | StatementLine | View | Losses | Numerics | Extern
    | CaseBlock | ForAxis | Route | Answered
)


@dataclass(frozen=True, slots=True)
class Definition:
    """``optimizer NAME(parameters) extends PARENT`` or ``optimizer NAME = VALUE``, and its body."""

    kind: str
    name: str
    parameters: tuple[str, ...]
    extends: SpecRef | None
    value: SpecRef | None
    items: tuple[Item, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class File:
    definitions: tuple[Definition, ...]
    functions: tuple[Function, ...]
