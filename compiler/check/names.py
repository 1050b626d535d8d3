"""Guarantees: every symbol is defined, once, and the statements of a step stand in an order in
which each is computable from those before it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from thetaprime.axes import wrong_results
from thetaprime.diagnostics import Diagnostic, closest, report
from thetaprime.expr import Apply, Expr, Sym, walk
from thetaprime.foreign_calls import arguments, call_text
from thetaprime.ir import EachAxis, First, Loop, Statement, When
from thetaprime.messages import NAME_HABITS
from thetaprime.ops import (
    ALONG,
    DISTRIBUTIONS,
    LINEAR,
    MANY,
    OPS,
    ORACLES,
    ORACLES_LATER,
    REDUCTIONS,
    STRUCTURE,
    WHOLE,
)
from thetaprime.render import spec_text
from thetaprime.scopes import free, outputs
from thetaprime.source import Source, Span


def check_symbols(
    expr: Expr, known: set[Sym], functions: Iterable[str], source: Source, point: str
) -> list[Diagnostic]:
    """Undefined names and functions, wrong numbers of arguments, and reductions without `over`."""
    found: list[Diagnostic] = []
    paths = {n.args[0].span for n in walk(expr) if isinstance(n, Apply) and n.op == "~"}
    for node in walk(expr):
        if isinstance(node, Sym) and node not in known and node.span not in paths:
            found.append(_undefined(node, known, source, point))
        elif isinstance(node, Apply):
            found += _check_call(node, functions, known, source)
    return found


def _undefined(node: Sym, known: set[Sym], source: Source, point: str) -> Diagnostic:
    names = {s.name for s in known}
    if node.prime and node.name in names:
        given = _GIVEN.get(node.name)
        return report("not-a-state", source, node.span, name=str(node)[:-1], hints=(
            f"`{node.name}` is {given}: it has no other value",) if given else ())
    stem, _, index = node.name.rpartition("_")
    if stem in names and index in _OLD:
        state = Sym(stem, True) in known
        what = f"the value before the step is `{stem}`" if state else f"here it is `{stem}`"
        return report("habit-subscript", source, node.span, what=what, fixed=stem)
    if stem in names and index in _NEW:
        return report("habit-subscript", source, node.span, fixed=f"{stem}'",
                      what=f"the value after the step is `{stem}'`")
    spelled = node.name.replace("_", "").replace("beta", "b")
    near = (spelled if spelled in names else None) or closest(node.name, sorted(names))
    habit = NAME_HABITS.get(node.name)
    if habit == "x":
        habit = point
    if habit in names and habit in ("g", "t", point):
        hint = f"here it is called `{habit}`"
    elif habit in names:
        hint = f"did you mean `{habit}`?"
    elif not node.prime and node.name in names:
        hint = f"declare `state {node.name} = 0`: its value before the first step"
    elif near:
        hint = f"did you mean `{near}`?"
    else:
        hint = (f"declare it: `hyper {node.name} = ...`, `state {node.name} = 0`, or an equation "
                f"`{node.name} = ...`")
    written = source.text[node.span.start : node.span.end]
    inside = re.match(r"([^\W\d]\w*)\(", written)
    notes = (f"it stands in the definition of `{inside[1]}`",) if inside else ()
    return report("undefined-name", source, node.span, name=str(node), hints=(hint,), notes=notes)


# Functions of the language that this version does not carry.
LATER = frozenset((
    "kron", "argmin", "qp", "root", "eigs", "cg", "mix", "retract",
    "transport", "rgrad", "mirror", "mirror_inv", "breg", "sphere", "choose", "perm"))
_GIVEN = {"g": "the gradient of this step", "G": "the gradient of this step",
          "t": "the number of this step", "loss": "the loss of this step"}
_OLD = ("t", "k", "i", "n", "old", "prev", "tm1")
_NEW = ("next", "new", "tp1", "t1")


def _check_call(
    node: Apply, functions: Iterable[str], known: set[Sym], source: Source
) -> list[Diagnostic]:
    op = node.op
    head = Span(node.span.start, node.span.start + len(op))
    if op in STRUCTURE:
        return _check_structure(node, source, head)
    if op in MANY:
        return [wrong_results(node, node, 1, source, head)]
    if op in LINEAR:
        wanted = LINEAR[op].arity
        given = len(node.args)
        name = op.partition(".")[0]
        return [] if given == wanted else [bad_call(name, (wanted, wanted), given, source, head)]
    if op == "list":
        return [report("stray-list", source, node.span)]
    if op in ORACLES:
        return _check_oracle(node, source, head)
    if op == "extern":
        return []
    if op in ALONG and (node.over or op != "index"):
        wanted = ALONG[op]
        if node.over and len(node.args) == wanted:
            return []
        if not node.over and len(node.args) == wanted:
            return [report("bad-call", source, head, name=op, wanted="an axis too",
                           given="no axis", hints=(f"`{op}(v over rows)`",))]
        return [bad_call(op, (wanted, wanted), len(node.args), source, head)]
    if op in WHOLE and op not in functions:
        given = len(node.args)
        return [] if given == 1 else [bad_call(op, (1, 1), given, source, head, f"{op}(a)")]
    if op in ORACLES_LATER:
        return [report("not-yet", source, head, what=f"`{op}` is")]
    if node.over:
        if op in OPS and op not in REDUCTIONS:
            return [report("no-over", source, head, name=op)]
        if op in REDUCTIONS and len(node.args) != 1:
            return [bad_call(op, (1, 1), len(node.args), source, head, f"{op}(a over tensor)")]
    if op in REDUCTIONS and not node.over and not (op in OPS and len(node.args) > 1):
        shown = ", ".join(spec_text(a) for a in node.args)
        return [needs_over(op, shown, source, node.span)]
    if op in LATER and op not in functions:
        return [report("not-yet", source, head, what=f"`{op}` is")]
    if op in OPS or op in REDUCTIONS:
        least, most = OPS[op].arity if not node.over else (1, 1)
        if not least <= len(node.args) <= most:
            form = f"{op}({', '.join('abcdefghi'[:least])})"
            return [bad_call(op, (least, most), len(node.args), source, head, form)]
        return []
    if op in functions:
        return []
    if "[" in op:
        return [report("no-index", source, Span(head.start + op.index("["), node.span.end))]
    return [report("undefined-function", source, head, name=op,
                   hints=(_function_hint(node, [*OPS, *REDUCTIONS, *functions],
                                         {s.name for s in known}, source),))]


def _check_oracle(node: Apply, source: Source, head: Span) -> list[Diagnostic]:
    """An oracle has its points and directions; a number of a fresh batch stands behind them."""
    row = ORACLES[node.op]
    wanted = len(row.takes)
    given = len(node.args) - (node.over[:1] == ("fresh",))
    if given == wanted:
        return []
    form = f"{node.op}({', '.join('yvw'[:wanted])})"
    return [bad_call(node.op, (wanted, wanted), given, source, head, form)]


def needs_over(name: str, args: str, source: Source, span: Span) -> Diagnostic:
    """A reduction that does not say what it runs over; ``args`` is what it reduces."""
    known = name == "norm"
    given, _, last = args.rpartition(", ")
    if given and last in ("tensor", "model"):
        return report("needs-over", source, span, name=name,
                      hints=(f"`{name}({given} over {last})`",))
    found = report("needs-over", source, span, name=name, args=args or "x",
                   tensor=" as in LARS" if known else " for one number per tensor",
                   model=" as in gradient clipping" if known else " for one in all")
    if name in OPS:
        found = replace(found, hints=(*found.hints, f"`{name}(a, b)` compares two quantities"))
    return found


def bad_call(
    name: str, wanted: tuple[int, int], given: int, source: Source, span: Span, form: str = ""
) -> Diagnostic:
    """A call with the wrong number of arguments; ``form`` is a right one."""
    least, most = wanted
    number = f"{least} to {most}" if least != most else str(least)
    return report("bad-call", source, span, name=name, given=given,
                  wanted=f"{number} argument{'s' * (number != '1')}",
                  hints=(f"`{form}`",) if form else ())


def _check_structure(node: Apply, source: Source, head: Span) -> list[Diagnostic]:
    """``unfold(g, a)``, ``refold(M, a)``, ``take(A, p over a)``; the rest the compiler makes."""
    if node.op not in ("unfold", "refold", "take"):
        called = source.text.startswith(f"{node.op}(", node.span.start)
        return [report("undefined-function", source, head, name=node.op, hints=(
            _function_hint(node, [*OPS, *REDUCTIONS], set(), source),))] if called else []
    if node.over and len(node.args) == STRUCTURE[node.op]:
        return []
    form = {"take": "take(A, p over a)"}.get(node.op, f"{node.op}(g, a)")
    return [bad_call(node.op, (2, 2), len(node.args), source, head, form)]


def _function_hint(
    node: Apply, functions: list[str], names: set[str], source: Source
) -> str:
    """What to write instead of a call of no function."""
    op = node.op
    text = source.text[node.span.start : node.span.end]
    inside = text[text.find("(") + 1 : -1]
    new = call_text(op, arguments(inside)) if text.endswith(")") else None
    if new is not None:
        return f"`{new}`"
    if op in names:
        return f"a product needs its `*`: `{op}*({inside})`"
    near = closest(op, [n for n in functions if n[0].isalpha() and n != "neg"])
    if near:
        return f"did you mean `{near}`?"
    return f"define it: `fn {op}({', '.join('abcdef'[:max(1, len(node.args))])}) = ...`"


_DRAWS = {"normal": "normal(mean, deviation)", "uniform": "uniform(low, high)",
          "rademacher": "rademacher()", "bernoulli": "bernoulli(p)"}


def check_distribution(draw: Apply, source: Source) -> list[Diagnostic]:
    """A draw names a distribution of the language with its number of parameters."""
    line_end = source.text.find("\n", draw.span.start)
    at = source.text.find(draw.op, source.text.find("~", draw.span.start, line_end))
    head = Span(at, at + len(draw.op)) if at >= 0 else draw.span
    if draw.op in LATER:
        return [report("not-yet", source, head, what=f"draws by `{draw.op}` are")]
    if draw.op not in DISTRIBUTIONS:
        near = "normal" if draw.op in ("gaussian", "randn", "gauss") else closest(
            draw.op, list(DISTRIBUTIONS))
        hint = f"did you mean `{near}`?" if near else f"one of {', '.join(DISTRIBUTIONS)}"
        return [report("unknown-distribution", source, head, name=draw.op, hints=(hint,))]
    least, most = DISTRIBUTIONS[draw.op]
    if not least <= len(draw.args) <= most:
        return [bad_call(draw.op, (least, most), len(draw.args), source, head, _DRAWS[draw.op])]
    return []


def in_order(
    body: list[Statement], problems: list[Diagnostic]
) -> tuple[Statement, ...]:
    """The body sorted so that definitions come before uses, otherwise as it was written.

    Circles go to ``problems``. The insides of blocks are sorted too.
    """
    body = [_inner_order(s, problems) for s in body]
    maker = {symbol: i for i, s in enumerate(body) for symbol in outputs(s)}
    needs = [[maker[s] for s in free(statement) if s in maker
              and not (maker[s] == i and isinstance(statement, First | When | EachAxis))]
             for i, statement in enumerate(body)]
    done: list[Statement] = []
    mark = [0] * len(body)  # 0 not seen, 1 on the way, 2 placed
    for root in range(len(body)):
        if mark[root]:
            continue
        path = [root]
        pending = [list(needs[root])]
        mark[root] = 1
        while path:
            if pending[-1]:
                following = pending[-1].pop(0)
                if mark[following] == 1:
                    _report_circle(path[path.index(following):], body, problems)
                elif mark[following] == 0:
                    mark[following] = 1
                    path.append(following)
                    pending.append(list(needs[following]))
            else:
                mark[path[-1]] = 2
                done.append(body[path.pop()])
                pending.pop()
    return tuple(done)


def _inner_order(statement: Statement, problems: list[Diagnostic]) -> Statement:
    match statement:
        case When(_, then, otherwise):
            return replace(statement, then=in_order(list(then), problems),
                           otherwise=in_order(list(otherwise), problems))
        case Loop(_, _, body) | EachAxis(_, _, body):
            return replace(statement, body=in_order(list(body), problems))
        case _:
            return statement


def _report_circle(circle: list[int], body: list[Statement], problems: list[Diagnostic]) -> None:
    names = [str(outputs(body[i])[0]) for i in circle]
    first = body[circle[0]]
    shown = " -> ".join([*names, names[0]])
    hints: tuple[str, ...] = ()
    primed = next((n for n in names if n.endswith("'")), None)
    if primed is not None:
        hints = (f"one of them should read `{primed[:-1]}`, the value before the step, "
                 f"and not `{primed}`",)
    problems.append(report("cycle", first.source, outputs(first)[0].span, circle=shown,
                           hints=hints))
