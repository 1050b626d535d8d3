"""The declarations of a flat optimizer as tables, each name once."""

from __future__ import annotations

from fractions import Fraction

from thetaprime.diagnostics import report
from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.flat import Flat, Part
from thetaprime.ir import Range
from thetaprime.lengths import WINDOW, check_batches, check_lengths, windows
from thetaprime.separate import separated
from thetaprime.shapes import add_block, add_row, is_matrix, read_matrix, top_view
from thetaprime.source import NO_SOURCE, NOWHERE, Source, Span
from thetaprime.syntax import (
    Accept,
    AxisDecl,
    BatchLine,
    CaseBlock,
    Choices,
    ConstDecl,
    DrawLine,
    EquationLine,
    Evaluate,
    EveryBlock,
    Extern,
    ForAxis,
    Function,
    Hold,
    HyperItem,
    HyperLine,
    IfBlock,
    Interval,
    LoopBlock,
    Losses,
    Many,
    Numerics,
    Param,
    StateDecl,
    Train,
    TypeName,
    Until,
    expressions,
)
from thetaprime.tables import HyperInfo, Named, Tables, name_span
from thetaprime.types import BOOLEAN, INTEGER, PARAMS, SCALAR, Extent, Type

RESERVED = {
    "t": "the number of the step", "g": "the gradient", "loss": "the loss value",
    "pi": "a constant", "inf": "a constant", "true": "a constant", "false": "a constant",
    "model": "an extent", "tensor": "an extent", "rank": "the number of axes of a tensor",
}
_EXTENTS = {"scalar": Extent.SCALAR, "per tensor": Extent.TENSOR, "per entry": Extent.ENTRY}


LONGEST_AXIS = 1000
# Axes of what oracles give, whose lengths only the problem knows.
_ASKED_AXES = {PARAMS: {"hess", "flat", "unflat"}, "examples": {"rows"},
               "outputs": {"out", "push", "pull", "dell", "hess_ell"}}
_MEANT = {
    "layer": "per tensor", "tensor": "per tensor", "param": "per entry", "parameter": "per entry",
    "entry": "per entry", "element": "per entry", "coordinate": "per entry", "array": "per entry",
    "float": "scalar", "real": "scalar", "number": "scalar", "model": "scalar", "global": "scalar",
    "integer": "int", "boolean": "bool",
}


def collect(flat: Flat, prelude: tuple[tuple[Function, Source], ...]) -> Tables:
    """The tables of a flat optimizer; what is wrong with declarations is in ``problems``."""
    tables = Tables(flat)
    parts = separated(flat.parts)
    seen: dict[str, tuple[Source, Span]] = {}
    parameters = 0

    def claim_name(name: str, item: Named, source: Source) -> bool:
        span = name_span(item, source)
        if name in RESERVED:
            tables.problems.append(report("reserved-name", source, span, name=name,
                                          why=f"it is {RESERVED[name]}"))
            return False
        if name in seen:
            first, at = seen[name]
            where = f" on line {first.position(at.start)[0]}" if first is source else ""
            tables.problems.append(report("duplicate-name", source, span, name=name,
                                          notes=(f"`{name}` is declared{where} already",)))
            return False
        seen[name] = source, span
        return True

    for function, where in prelude:
        tables.functions[function.name] = (function, where)
    for part in parts:
        match part.item:
            case Param(name) as param:
                if parameters:
                    tables.problems.append(report(
                        "duplicate-name", part.source, name_span(param, part.source), name="param",
                        hints=("a spec has one parameter, which stands for every tensor",)))
                elif claim_name(name, param, part.source):
                    parameters += 1
                    tables.parameter = tables.point = name
                    tables.gradient = "G" if name.isupper() else "g"
            case AxisDecl(name) as axis:
                if claim_name(name, axis, part.source):
                    tables.axes[name] = _axis_length(tables, axis, part.source)
            case Extern(name) as extern:
                if claim_name(name, extern, part.source):
                    tables.externs[name] = (extern, part.source)
            case Numerics(stores):
                tables.stores += [(store, part.source) for store in stores]
            case Losses(names, None):
                tables.losses += names
            case Losses((name,), str(length)):
                tables.tasks = name
                tables.axes[name] = int(length) if length.isdigit() else length
    for state, length in windows(tuple(p.item for p in parts)):
        tables.windows |= {state.name}
        tables.axes[WINDOW] = int(length) if length.isdigit() else length
    seen.setdefault(tables.parameter, (NO_SOURCE, NOWHERE))
    top_view(tables, parts)
    tables.seen |= {*tables.view}
    for part in parts:
        match part.item:
            case HyperLine() as line:
                for item in line.items:
                    if claim_name(item.name, item, part.source):
                        tables.hypers[item.name] = _hyper(tables, item, line.domain, part)
            case StateDecl(name) | ConstDecl(name) as kept:
                if claim_name(name, kept, part.source):
                    tables.states[name] = (kept, part)
            case Function(name) as function:
                if name in tables.functions and tables.functions[name][1] is part.source:
                    tables.problems.append(report(
                        "duplicate-name", part.source, name_span(function, part.source),
                        name=name))
                tables.functions[name] = (function, part.source)
            case Train(name) as train:
                if tables.train is not None:
                    tables.problems.append(report("duplicate-name", part.source, Span(
                        train.span.start, train.span.start + len("train")), name="train"))
                elif claim_name(name, train, part.source):
                    tables.train, tables.point = (train, part.source), name
            case Evaluate(_, value, span):
                if tables.evaluate is not None:
                    tables.problems.append(report("duplicate-name", part.source, Span(
                        span.start, span.start + len("eval")), name="eval"))
                tables.evaluate = (value, part.source)
            case (EquationLine() | DrawLine() | IfBlock() | EveryBlock() | Hold() | Many()
                  | BatchLine() | LoopBlock() | Until() | Accept()) as statement:
                tables.statements.append((statement, part))
            case CaseBlock() | ForAxis():
                add_block(tables, part, claim_name)
    asked = {node.op.partition(";")[0] for part in flat.parts for e in expressions(part.item)
             for node in walk(e) if isinstance(node, Apply)}
    tables.axes |= {axis: axis for axis, ops in _ASKED_AXES.items()
                    if asked & ops and axis not in tables.axes}
    add_row(tables, bool(asked & _ASKED_AXES[PARAMS]))
    _axis_lengths(tables)
    tables.problems += check_lengths(tables, flat.parts)
    tables.problems += [d for part in flat.parts for d in check_batches(part.item, part.source)]
    return tables


def _axis_length(tables: Tables, axis: AxisDecl, source: Source) -> int | str:
    """The declared length, or the whole hyperparameter that says it; 0: that of its lists."""
    if axis.length is None or not axis.length.isascii() or not axis.length.isdigit():
        return axis.length or 0
    length = int(axis.length)
    if length > LONGEST_AXIS:
        tables.problems.append(report("number-range", source, axis.span,
                                      why=f"an axis has at most {LONGEST_AXIS} places"))
        return LONGEST_AXIS
    return length


def read_type(
    tables: Tables, name: TypeName | None, source: Source, otherwise: Type,
    own: tuple[str, ...] | None = None,
) -> Type:
    """The type that the user wrote; an unknown one is reported and read as ``otherwise``. ``own``
    are the axes that tensors have where it stands; None: anywhere."""
    if name is None:
        return otherwise
    axes = name.axes
    if name.base.split()[-1] == WINDOW:
        extent = _EXTENTS.get(name.base.removesuffix(WINDOW).strip() or "per entry")
        if extent is not None and len(axes) == 1:
            return Type(extent, (WINDOW,))
    if name.base == "int":
        return INTEGER
    if name.base == "bool":
        return BOOLEAN
    if name.base in _EXTENTS:
        extent = _EXTENTS[name.base]
    elif name.base in tables.axes and not axes:
        extent, axes = Extent.SCALAR, (name.base,)
    elif is_matrix(name):
        return read_matrix(tables, name, source, otherwise, own)
    else:
        near = _MEANT.get(name.base.removeprefix("per "))
        tables.problems.append(report("unknown-type", source, name.span, name=name.base,
                                      hints=(f"did you mean `{near}`?",) if near else ()))
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
    if item.type is not None and kind.extent is not Extent.SCALAR:
        tables.problems.append(report("unknown-type", source, item.type.span, name=item.type.base,
                                      hints=("a hyperparameter is one number: leave the type out; "
                                             "a list varies along an axis, `b : lanes`",)))
    if isinstance(domain, Choices):
        default = item.default
        if default is not None and not (isinstance(default, Sym) and default.name in domain.names):
            tables.problems.append(report("bad-default", source, default.span, name=item.name,
                                          wanted="one of its choices",
                                          why=f"not one of {', '.join(domain.names)}",
                                          hints=(f"`{item.name} = {domain.names[0]}`",)))
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
                bits = max(abs(a.numerator), a.denominator).bit_length()
                if b.denominator != 1 or abs(b) * bits > 10_000 or (not a and b < 0):
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
                                      why="the ends of a range are numbers",
                                      hints=("`in (0, inf)`, `in [0, 1)`",)))
        return None
    if low > high or (low == high and not (domain.low_closed and domain.high_closed)):
        tables.problems.append(report("bad-range", source, domain.span,
                                      why="no number lies in it", hints=(
                                          "the smaller end first: `in (0, inf)`, `in [0, 1)`",)))
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
                wanted="a list", why=f"a list of numbers gives `{axis}` its length",
                hints=(f"`[{info.source.text[default.span.start : default.span.end]}]`",)))
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
