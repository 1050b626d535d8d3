"""syntax -> text, line by line: what `format` puts in its place."""

from __future__ import annotations

from collections.abc import Iterator

from thetaprime.expr import Apply, Expr
from thetaprime.render import spec_text
from thetaprime.syntax import (
    Accept,
    Answered,
    Arm,
    AxisDecl,
    BatchLine,
    CaseBlock,
    Change,
    Choices,
    Cite,
    Claim,
    ConstDecl,
    Definition,
    Doc,
    DrawLine,
    EquationLine,
    Evaluate,
    EveryBlock,
    Exhaustion,
    Extern,
    Fact,
    FoldRange,
    ForAxis,
    Function,
    Hold,
    HyperItem,
    HyperLine,
    IfBlock,
    Interval,
    Item,
    Later,
    LoopBlock,
    LoopStart,
    Losses,
    Many,
    Note,
    Numerics,
    Override,
    Param,
    Route,
    SpecRef,
    StateDecl,
    Store,
    Train,
    TypeName,
    Until,
    View,
)


def header_text(node: Definition) -> str:
    """``optimizer SAM(base)``."""
    parameters = f"({', '.join(node.parameters)})" if node.parameters else ""
    text = f"{node.kind} {node.name}{parameters}"
    if node.extends is not None:
        text += f" extends {reference_text(node.extends)}"
    if node.value is not None:
        text += f" = {reference_text(node.value)}"
    return text


def reference_text(ref: SpecRef, last: bool = True) -> str:
    """``AdamW with wd = 0`` as the user writes it; ``AdamW(wd = 0)`` where a comma may follow."""
    count = len(ref.args) + len(ref.bindings)
    args = [_argument(a, i == count - 1) for i, a in enumerate(ref.args)]
    bound = [f"{b.name} = {spec_text(b.value)}" for b in ref.bindings]
    inside = [*args, *bound] if ref.args or not last else []
    text = ref.name + (f"({', '.join(inside)})" if inside else "")
    if bound and not inside:
        text += f" with {', '.join(bound)}"
    if ref.on is not None:
        text += f" on {reference_text(ref.on, last)}"
    return text


def _argument(argument: SpecRef | Arm | Expr, last: bool) -> str:
    match argument:
        case SpecRef():
            return reference_text(argument, last)
        case Arm():
            return arm_text(argument, last)
        case _:
            return spec_text(argument)


def arm_text(arm: Arm, last: bool = True) -> str:
    """``rank == 2 -> Muon``."""
    head = "otherwise" if arm.condition is None else spec_text(arm.condition)
    return f"{head} -> {reference_text(arm.spec, last)}"


def head_text(item: Item) -> str:
    """The first line of an item that has lines under it."""
    match item:
        case IfBlock(condition):
            return f"if {spec_text(condition)}:"
        case EveryBlock(period, start):
            return f"every {spec_text(period)} from {spec_text(start)}:"
        case Function(name, parameters, extents):
            over = f" over {', '.join(extents)}" if extents else ""
            return f"fn {name}({', '.join(parameters)}{over}):"
        case LoopBlock():
            return _loop(item)
        case CaseBlock(condition):
            return "otherwise:" if condition is None else f"case {spec_text(condition)}:"
        case ForAxis(axis, of):
            return f"for axis {axis} of {of}:"
        case Numerics():
            return "numerics:"
        case Route():
            return "route:"
    raise AssertionError(f"{type(item).__name__} is one line")


def _loop(loop: LoopBlock) -> str:
    names = ", ".join(map(str, loop.targets))
    targets = names if len(loop.targets) == 1 else f"({names})"
    starts = ", ".join(map(_start, loop.starts))
    if loop.kind == "fold":
        assert loop.over is not None
        what = f"fold {loop.index} over {_range(loop.over)}"
    else:
        assert loop.count is not None
        word = {"iterate": "iterate", "search": "search at most"}[loop.kind]
        what = f"{word} {spec_text(loop.count)}"
    return f"{targets} = {what} from {starts}:"


def _range(over: FoldRange) -> str:
    match over.form:
        case "perm":
            return f"{over.names[0]}({over.names[1]})"
        case _:
            return "..".join(over.names)


def _start(start: LoopStart) -> str:
    return f"{start.name}{_type(start.type)} = {spec_text(start.value)}"


def _settings(lines: tuple[EquationLine, ...]) -> str:
    return ", ".join(f"{line.target} = {spec_text(line.value)}" for line in lines)


def exhaustion_text(exhaustion: Exhaustion) -> str:
    """``on exhaustion last``."""
    return f"on exhaustion {exhaustion.word or _settings(exhaustion.settings)}"


def store_text(store: Store) -> str:
    """``store v as bfloat16 stochastic``."""
    return f"store {store.name} as {store.dtype} {store.rounding}".rstrip()


def line_text(item: Item, width: int) -> str:
    """An item that has no lines under it, broken where it is wider than ``width``."""
    match item:
        case Doc(text):
            return f'"{text}"'
        case Cite(text):
            return f'cite "{text}"'
        case Note(text):
            return f'note "{text}"'
        case Param(name, kind):
            return f"param {name}{_type(kind)}"
        case AxisDecl(name, length):
            return f"axis {name}" + (f"[{length}]" if length else "")
        case HyperLine(items, domain):
            inside = f" in {_domain(domain)}" if domain is not None else ""
            return f"hyper {', '.join(map(_hyper, items))}{inside}"
        case StateDecl(name, kind, how, value):
            sign = {"=": "= ", "first": "= first ", "~": "~ "}[how]
            return _broken(f"state {item.spelled or name}{_type(kind)} {sign}", value, width)
        case ConstDecl(name, kind, value):
            return _broken(f"const {item.spelled or name}{_type(kind)} = ", value, width)
        case Train(name, value):
            return _broken(f"train {item.spelled or name} = ", value, width)
        case Evaluate(name, value):
            return _broken(f"eval {name} = " if name else "eval ", value, width)
        case EquationLine(target, value):
            return _broken(f"{target} = ", value, width)
        case DrawLine(name, value, kind):
            return f"{item.spelled or name} ~ {spec_text(value)}{_type(kind)}"
        case Answered(name, oracle, point, value):
            return _broken(f"{name} with {oracle}({point}) := ", value, width)
        case Hold(condition):
            return f"hold when {spec_text(condition)}"
        case Override(inner):
            return "override " + line_text(inner, width - len("override "))
        case Function(name, parameters, extents, _, result):
            over = f" over {', '.join(extents)}" if extents else ""
            return _broken(f"fn {name}({', '.join(parameters)}{over}) = ", result, width)
        case Claim():
            return _claim(item)
        case Later(_, text):
            return text
        case _:
            return _asking(item, width)


def _asking(item: Item, width: int) -> str:
    match item:
        case Many(targets, value):
            return _broken(f"{', '.join(map(str, targets))} = ", value, width)
        case BatchLine(name, how):
            return f"batch {name} = {how}"
        case Until(condition):
            return f"until {spec_text(condition)}"
        case Accept(condition, otherwise):
            rest = f"   else {_settings(otherwise)}" if otherwise else ""
            return f"accept {spec_text(condition)}{rest}"
        case View(name, kind):
            return f"view {name} as {type_text(kind)}"
        case Losses(names, length):
            return f"losses {', '.join(names)}" + (f"[{length}]" if length else "")
        case Extern(name, arguments, result):
            given = ", ".join(f"{n}: {type_text(kind)}" for n, kind in arguments)
            return f"extern {name}({given}) -> {type_text(result)}"
    raise AssertionError(f"{type(item).__name__} has lines of its own")


def type_text(kind: TypeName) -> str:
    """``per entry[lanes]``."""
    return kind.base + (f"[{', '.join(kind.axes)}]" if kind.axes else "")


def _type(kind: TypeName | None) -> str:
    return "" if kind is None else f" : {type_text(kind)}"


def _hyper(item: HyperItem) -> str:
    default = "" if item.default is None else f" = {spec_text(item.default)}"
    return f"{item.spelled or item.name}{_type(item.type)}{default}"


def _domain(domain: Interval | Choices) -> str:
    if isinstance(domain, Choices):
        return f"{{{', '.join(domain.names)}}}"
    return (f"{'[' if domain.low_closed else '('}{spec_text(domain.low)}, "
            f"{spec_text(domain.high)}{']' if domain.high_closed else ')'}")


def _fact(fact: Fact) -> str:
    return spec_text(fact.left) + ("" if fact.right is None else f" = {spec_text(fact.right)}")


def _claim(claim: Claim) -> str:
    subject = claim.subject
    if isinstance(subject, Fact):
        text = _fact(subject)
    elif isinstance(subject, SpecRef):
        text = f"equals {reference_text(subject)}"
    elif claim.form == "cost":
        text = "at most " + " ".join(str(word) for word in subject)
    elif claim.form == "symmetry":
        text = "invariant under " + " ".join(str(word) for word in subject)
    else:
        changes = (c for c in subject if isinstance(c, Change))
        text = "invariant under " + ", ".join(
            f"{c.target} -> {spec_text(c.value)}" for c in changes)
    when = " and ".join(map(_fact, claim.when))
    return f"claim {text}" + (f" when {when}" if when else "")


def _broken(head: str, value: Expr, width: int) -> str:
    """``head value`` on one line, or in parentheses broken at its outermost sums or branches."""
    text = head + spec_text(value)
    if len(text) <= width:
        return text
    parts = list(_parts(value))
    if len(parts) == 1:
        return text
    return head + "(" + ("\n" + " " * (len(head) + 1)).join(parts) + ")"


def _parts(value: Expr) -> Iterator[str]:
    match value:
        case Apply("+" | "-" as op, (left, right)):
            yield from _parts(left)
            shown = spec_text(Apply(op, (Apply("pi"), right)))
            yield shown.removeprefix("pi ")
        case Apply("if", (condition, then, otherwise)):
            yield f"if {spec_text(condition)} then {spec_text(then)}"
            for index, part in enumerate(_parts(otherwise)):
                yield f"else {part}" if index == 0 else part
        case _:
            yield spec_text(value)
