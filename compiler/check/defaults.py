"""Guarantees: every default, and every value that `with` gives, is of its kind and in its range,
reads other hyperparameters only, and depends on itself by no way."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from fractions import Fraction

from thetaprime.collect import constant, range_text
from thetaprime.diagnostics import Diagnostic, closest, report
from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.ops import OPS
from thetaprime.source import Source
from thetaprime.tables import HyperInfo, Tables, name_span

_PYTHON: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "^": pow}


def check_defaults(tables: Tables) -> list[Diagnostic]:
    """What is wrong with the values of hyperparameters."""
    found: list[Diagnostic] = []
    for info, value, source in _values(tables):
        parts = (value.args if isinstance(value, Apply) and value.op == "list" and info.type.axes
                 else (value,))
        for part in parts:
            found += _check(tables, info, part, source)
    return found or list(_circles(tables))


def _values(tables: Tables) -> Iterator[tuple[HyperInfo, Expr, Source]]:
    bound = tables.flat.bound
    for name, info in tables.hypers.items():
        if name in bound:
            yield info, bound[name], tables.flat.bound_sources[name]
        elif info.item.default is not None and not info.choices:
            yield info, info.item.default, info.source


def _check(tables: Tables, info: HyperInfo, part: Expr, source: Source) -> Iterator[Diagnostic]:
    name = info.item.name
    if info.choices:
        if not (isinstance(part, Sym) and part.name in info.choices):
            text = source.text[part.span.start : part.span.end]
            near = closest(text, info.choices) or info.choices[0]
            yield report("not-a-choice", source, part.span, value=text, name=name,
                         choices=", ".join(info.choices), hints=(f"`{name} = {near}`",))
        return
    foreign = [node for node in walk(part) if isinstance(node, Sym) and (
        node.prime or node.name not in tables.hypers or node.name == name)]
    for node in foreign:
        yield report("bad-default", source, node.span, name=name,
                     wanted="a formula of other hyperparameters",
                     why=f"`{node}` is not another hyperparameter",
                     hints=("a default is a number, or a formula: `hyper b3 = sqrt(b2)`; schedules "
                            "are given to the program, `to_jax(lr=schedule)`",))
    if foreign:
        return
    value = constant(part)
    wanted, hint = _wanted(info, part, value)
    if wanted:
        yield report("bad-default", source, part.span, name=name, wanted=wanted,
                     why=f"not {wanted}", hints=(hint,) if hint else ())
    elif value is not None and info.range is not None and value not in info.range:
        yield report("default-outside", source, part.span, name=name,
                     value=source.text[part.span.start:part.span.end],
                     range=range_text(info.range))


def _wanted(info: HyperInfo, part: Expr, value: Fraction | float | None) -> tuple[str, str]:
    """What a default should have been, and a hint; empty when it is right."""
    name = info.item.name
    truth = part in (Apply("true"), Apply("false"))
    if info.type.kind == "bool":
        return ("", "") if truth else ("`true` or `false`", f"`hyper {name} : bool = true`")
    if truth:
        assert isinstance(part, Apply)
        return "a number", f"`hyper {name} : bool = {part.op}`"
    for node in walk(part):
        if not isinstance(node, Apply):
            continue
        if node.op == "list":
            return "a number", "a list needs an axis: `axis lanes`, `hyper b : lanes = [0, 0.9]`"
        if node.op not in OPS or node.over:
            return "a number", "a default is a number or a formula of other hyperparameters"
        if node is part and OPS[node.op].typing in ("compare", "logic"):
            return "a number", f"a range follows `in`: `hyper {name} = 1 in (0, inf)`"
        least, most = OPS[node.op].arity
        if not least <= len(node.args) <= most:
            return "a number", f"`{node.op}` takes {least} argument{'s' * (least != 1)}"
    if info.type.kind == "int" and isinstance(value, Fraction) and value.denominator != 1:
        return "an integer", f"`hyper {name} : int = {round(value)}`"
    if not _finite(part):
        return "a finite number", "only ranges have infinite ends"
    return "", ""


def _finite(expr: Expr) -> bool:
    """Whether arithmetic of numbers alone has a value in double precision."""
    try:
        value = _float(expr)
    except (ArithmeticError, TypeError):
        return False
    return value is None or abs(value) < float("inf")


def _float(expr: Expr) -> float | None:
    """The value of a formula of numbers, None for one that has other operations or names."""
    match expr:
        case Num(text):
            return float(text)
        case Apply("inf"):
            return float("inf")
        case Apply(op, args) if op in (*_PYTHON, "neg"):
            values = [_float(arg) for arg in args]
            if None in values:
                return None
            a, b = (values[0] or 0.0), (values[-1] or 0.0)
            return -a if op == "neg" else float(_PYTHON[op](a, b))
    return None


def _circles(tables: Tables) -> Iterator[Diagnostic]:
    """Defaults that read one another in a circle."""
    reads = {info.item.name: {n.name for n in walk(value) if isinstance(n, Sym)}
             for info, value, _ in _values(tables) if not info.choices}
    done: set[str] = set()
    for root in reads:
        path = [root]
        pending = [sorted(reads[root])]
        while path:
            if pending[-1]:
                following = pending[-1].pop(0)
                if following in path:
                    names = path[path.index(following):]
                    info = tables.hypers[following]
                    yield report("cycle", info.source, name_span(info.item, info.source),
                                 circle=" -> ".join([*names, following]),
                                 hints=("give one of them a number",))
                    done.update(path)
                    break
                if following not in done and following in reads:
                    path.append(following)
                    pending.append(sorted(reads[following]))
            else:
                done.add(path.pop())
                pending.pop()
