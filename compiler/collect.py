"""The declarations of a flat optimizer as tables, each name once."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.ir import Range
from thetaprime.resolve import Flat, Part
from thetaprime.source import Source, Span
from thetaprime.syntax import (
    AxisDecl,
    Choices,
    ConstDecl,
    DrawLine,
    EquationLine,
    Evaluate,
    EveryBlock,
    Function,
    Hold,
    HyperItem,
    HyperLine,
    IfBlock,
    Interval,
    Param,
    StateDecl,
    StatementLine,
    Train,
    TypeName,
)
from thetaprime.types import BOOLEAN, INTEGER, SCALAR, Extent, Type

RESERVED = {
    "t": "the number of the step", "g": "the gradient", "loss": "the loss value",
    "pi": "a constant", "inf": "a constant", "true": "a constant", "false": "a constant",
    "model": "an extent", "tensor": "an extent",
}
_EXTENTS = {"scalar": Extent.SCALAR, "per tensor": Extent.TENSOR, "per entry": Extent.ENTRY}


@dataclass(frozen=True)
class HyperInfo:
    """A declared hyperparameter; ``choices`` for one of a set, ``range`` for a number."""

    item: HyperItem
    type: Type
    range: Range | None
    choices: tuple[str, ...]
    source: Source
    inherited: bool

    @property
    def folded(self) -> bool:
        """Booleans and choices are decided when code is generated."""
        return bool(self.choices) or self.type.kind == "bool"


@dataclass
class Tables:
    """What a spec declares, by name, in the order of the text."""

    flat: Flat
    point: str = "x"
    parameter: str = "x"
    gradient: str = "g"
    hypers: dict[str, HyperInfo] = field(default_factory=dict)
    axes: dict[str, int] = field(default_factory=dict)
    states: dict[str, tuple[StateDecl | ConstDecl, Part]] = field(default_factory=dict)
    functions: dict[str, tuple[Function, Source]] = field(default_factory=dict)
    statements: list[tuple[StatementLine, Part]] = field(default_factory=list)
    train: tuple[Train, Source] | None = None
    evaluate: tuple[Expr, Source] | None = None
    problems: list[Diagnostic] = field(default_factory=list)


def collect(flat: Flat, prelude: tuple[tuple[Function, Source], ...]) -> Tables:
    """The tables of a flat optimizer; what is wrong with declarations is in ``problems``."""
    tables = Tables(flat)
    seen: dict[str, Span] = {}

    def claim_name(name: str, span: Span, source: Source, allowed: str = "") -> bool:
        if name in RESERVED and name != allowed:
            tables.problems.append(report("reserved-name", source, span, name=name,
                                          why=f"it is {RESERVED[name]}"))
            return False
        if name in seen:
            tables.problems.append(report("duplicate-name", source, span, name=name))
            return False
        seen[name] = span
        return True

    for function, where in prelude:
        tables.functions[function.name] = (function, where)
    for part in flat.parts:
        match part.item:
            case Param(name, _, span):
                if claim_name(name, span, part.source):
                    tables.parameter = tables.point = name
                    tables.gradient = "G" if name.isupper() else "g"
            case AxisDecl(name, length, span):
                if claim_name(name, span, part.source):
                    tables.axes[name] = int(length) if length and length.isdigit() else 0
    seen.setdefault(tables.parameter, Span(0, 0))
    for part in flat.parts:
        match part.item:
            case HyperLine() as line:
                for item in line.items:
                    if claim_name(item.name, item.span, part.source):
                        tables.hypers[item.name] = _hyper(tables, item, line.domain, part)
            case StateDecl(name, _, _, _, span) | ConstDecl(name, _, _, span):
                if claim_name(name, span, part.source):
                    tables.states[name] = (part.item, part)
            case Function(name, _, _, _, _, span) as function:
                if name in tables.functions and tables.functions[name][1] is part.source:
                    tables.problems.append(report("duplicate-name", part.source, span,
                                                  name=name))
                tables.functions[name] = (function, part.source)
            case Train(name, _, span) as train:
                if claim_name(name, span, part.source):
                    tables.train, tables.point = (train, part.source), name
            case Evaluate(_, value):
                tables.evaluate = (value, part.source)
            case EquationLine() | DrawLine() | IfBlock() | EveryBlock() | Hold() as statement:
                tables.statements.append((statement, part))
    _axis_lengths(tables)
    for name, length in tables.axes.items():
        if not length:
            part = next(p for p in flat.parts
                        if isinstance(p.item, AxisDecl) and p.item.name == name)
            assert isinstance(part.item, AxisDecl)
            tables.problems.append(report("axis-without-list", part.source, part.item.span,
                                          name=name))
    return tables


def read_type(tables: Tables, name: TypeName | None, source: Source, otherwise: Type) -> Type:
    """The type that the user wrote; an unknown one is reported and read as ``otherwise``."""
    if name is None:
        return otherwise
    axes = name.axes
    if name.base == "int":
        return INTEGER
    if name.base == "bool":
        return BOOLEAN
    if name.base in _EXTENTS:
        extent = _EXTENTS[name.base]
    elif name.base in tables.axes and not axes:
        extent, axes = Extent.SCALAR, (name.base,)
    elif name.base in ("matrix", "vector"):
        tables.problems.append(report("not-yet", source, name.span, what="matrices are"))
        return otherwise
    else:
        tables.problems.append(report("unknown-type", source, name.span, name=name.base))
        return otherwise
    for axis in axes:
        if axis not in tables.axes:
            tables.problems.append(report("unknown-type", source, name.span, name=axis,
                                          hints=(f"declare `axis {axis}`",)))
            return otherwise
    return Type(extent, axes)


def _hyper(
    tables: Tables, item: HyperItem, domain: Interval | Choices | None, part: Part
) -> HyperInfo:
    source = part.source
    kind = read_type(tables, item.type, source, SCALAR)
    if isinstance(domain, Choices):
        default = item.default
        if default is not None and not (isinstance(default, Sym) and default.name in domain.names):
            tables.problems.append(report("bad-default", source, default.span, name=item.name,
                                          wanted="a choice",
                                          why=f"one of {', '.join(domain.names)}"))
        return HyperInfo(item, SCALAR, None, domain.names, source, part.inherited)
    return HyperInfo(item, kind, _range(tables, domain, source), (), source, part.inherited)


def constant(expr: Expr) -> Fraction | float | None:
    """The value of a formula of numbers only; infinities as floats; None when it reads a name."""
    match expr:
        case Num():
            return expr.value
        case Apply("inf"):
            return float("inf")
        case Apply("neg", (inner,)):
            value = constant(inner)
            return None if value is None else -value
        case Apply(op, (left, right)) if op in ("+", "-", "*", "/", "^"):
            a, b = constant(left), constant(right)
            if not isinstance(a, Fraction) or not isinstance(b, Fraction):
                return None
            if op == "^":
                if b.denominator != 1 or abs(b) > 1000 or (not a and b < 0):
                    return None
                return Fraction(a**b.numerator)
            if op == "/":
                return a / b if b else None
            return a + b if op == "+" else a - b if op == "-" else a * b
    return None


def _range(tables: Tables, domain: Interval | None, source: Source) -> Range | None:
    if domain is None:
        return None
    low, high = constant(domain.low), constant(domain.high)
    if low is None or high is None:
        tables.problems.append(report("bad-range", source, domain.span,
                                      why="its ends are numbers"))
        return None
    if low > high or (low == high and not (domain.low_closed and domain.high_closed)):
        tables.problems.append(report("bad-range", source, domain.span,
                                      why="no number lies in it"))
        return None
    ends = [end if isinstance(end, Fraction) else None for end in (low, high)]
    return Range(ends[0], ends[1], domain.low_closed and ends[0] is not None,
                 domain.high_closed and ends[1] is not None)


def _axis_lengths(tables: Tables) -> None:
    for info in tables.hypers.values():
        default = info.item.default
        if not info.type.axes or default is None:
            continue
        axis = info.type.axes[0]
        if not (isinstance(default, Apply) and default.op == "list"):
            tables.problems.append(report(
                "bad-default", info.source, default.span, name=info.item.name,
                wanted="a list", why=f"a list of numbers gives `{axis}` its length"))
            continue
        length = len(default.args)
        if tables.axes[axis] not in (0, length):
            tables.problems.append(report("axis-lengths", info.source, default.span, name=axis,
                                          given=length, wanted=tables.axes[axis]))
        tables.axes[axis] = length


def range_text(bounds: Range) -> str:
    """``[0, 1)`` as the user would write it."""
    def end(value: Fraction | None, infinite: str) -> str:
        if value is None:
            return infinite
        return str(value.numerator) if value.denominator == 1 else repr(float(value))

    return (f"{'[' if bounds.low_closed else '('}{end(bounds.low, '-inf')}, "
            f"{end(bounds.high, 'inf')}{']' if bounds.high_closed else ')'}")


def check_defaults(tables: Tables) -> None:
    """Every default lies in its range and reads hyperparameters only."""
    for info in tables.hypers.values():
        item = info.item
        if item.default is None or info.choices:
            continue
        parts = (item.default.args if isinstance(item.default, Apply)
                 and item.default.op == "list" else (item.default,))
        for part in parts:
            for node in walk(part):
                if isinstance(node, Sym) and (
                        node.prime or node.name not in tables.hypers or node.name == item.name):
                    tables.problems.append(report(
                        "bad-default", info.source, node.span, name=item.name,
                        wanted="a formula of other hyperparameters",
                        why=f"`{node}` is not another hyperparameter"))
            value = constant(part)
            bad_kind = (
                (info.type.kind == "bool" and part not in (Apply("true"), Apply("false")))
                or (info.type.kind == "int" and isinstance(value, Fraction)
                    and value.denominator != 1))
            if bad_kind:
                wanted = "`true` or `false`" if info.type.kind == "bool" else "an integer"
                tables.problems.append(report("bad-default", info.source, part.span,
                                              name=item.name, wanted=wanted, why=f"not {wanted}"))
            elif value is not None and info.range is not None and value not in info.range:
                tables.problems.append(report(
                    "default-outside", info.source, part.span, name=item.name,
                    value=info.source.text[part.span.start:part.span.end],
                    range=range_text(info.range)))


