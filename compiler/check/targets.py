"""Guarantees: every target is a new name or a new value, defined once and wherever it is read;
claims speak of what there is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from thetaprime.check.names import check_symbols
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, Sym, symbols, walk
from thetaprime.ir import (
    EachAxis,
    Equation,
    First,
    Loop,
    Statement,
    When,
    reads,
    statements,
)
from thetaprime.ops import ORACLES
from thetaprime.program import Program
from thetaprime.render import spec_text
from thetaprime.scopes import inside, outputs, surely
from thetaprime.source import Source
from thetaprime.syntax import Change, Fact, StateDecl
from thetaprime.tables import Tables, name_span


def check_targets(tables: Tables, program: Program) -> list[Diagnostic]:
    """Each target is a new name, or the new value of a state or of the parameter; each once."""
    problems: list[Diagnostic] = []
    states = {s.name: s for s in program.states}

    def visit(statement: Statement, scope: set[Sym]) -> None:
        if isinstance(statement, When):
            branches = [set(scope), set(scope)]
            for branch, inner in zip(branches, (statement.then, statement.otherwise), strict=True):
                for s in inner:
                    visit(s, branch)
            scope |= branches[0] | branches[1]
            return
        if isinstance(statement, Loop | EachAxis):
            for own in (c.value for c in statement.carries):
                _visit_loop_value(own, statement.source, scope)
            within = scope if isinstance(statement, EachAxis) else set(scope)
            within -= {Sym(c.value.name, True) for c in statement.carries}
            values = {c.value.name for c in statement.carries}
            for s in statement.body:
                if isinstance(s, Equation) and s.target.prime and s.target.name in values:
                    if s.target in within:
                        problems.append(report("duplicate-name", s.source, s.target.span,
                                               name=str(s.target)))
                    within.add(s.target)
                else:
                    visit(s, within)
            return
        if isinstance(statement, First):
            return
        target, where = statement.target, (statement.source, statement.target.span)
        name = target.name
        if target in scope:
            problems.append(report("duplicate-name", *where, name=str(target)))
        scope.add(target)
        if target.prime and name in states and states[name].constant:
            problems.append(report("constant-changed", *where, name=name))
        elif target.prime and name not in states and name != tables.point:
            problems.append(report("not-a-state", *where, name=name))
        elif not target.prime and (name in states or name == tables.point):
            rest = statement.source.text[target.span.end :].split("\n")[0].rstrip()
            problems.append(report("state-without-prime", *where, name=name,
                                   fixed=f"{target}'{rest}"))
        elif not target.prime and name in ("t", "loss", "rank", tables.gradient, *tables.seen):
            problems.append(report("reserved-name", *where, name=name,
                                   why="tensors have an axis of this name"
                                   if name in tables.seen else "it is given, not defined"))
        elif not target.prime and name in tables.hypers:
            problems.append(report("duplicate-name", *where, name=name, hints=(
                f"a hyperparameter is given; call the new quantity by another name, or declare "
                f"`state {name} : scalar = ...`",)))

    def _visit_loop_value(value: Sym, source: Source, scope: set[Sym]) -> None:
        taken = value in scope or value.name in (*states, tables.point, *tables.hypers, "t", "loss",
                                                 tables.gradient)
        if taken:
            problems.append(report("duplicate-name", source, value.span, name=str(value), hints=(
                "the values of a loop have names of their own",)))
        scope.add(value)

    seen: set[Sym] = set()
    for statement in program.body:
        visit(statement, seen)
    # `m = ...` for a state has been told already.
    told = {s.name for s in seen if not s.prime}
    declared_names = {**{n: (i.item, i.source) for n, i in tables.hypers.items()},
                      **{n: (i, p.source) for n, (i, p) in tables.states.items()}}
    problems += [
        report("reserved-name", source, name_span(item, source), name=name,
               why="tensors have an axis of this name")
        for name, (item, source) in declared_names.items() if name in tables.seen]
    problems += [
        report("missing-prime", part.source, name_span(declared, part.source), name=name,
               hints=_looks_like(name, seen))
        for name, (declared, part) in tables.states.items()
        if isinstance(declared, StateDecl) and Sym(name, True) not in seen and name not in told]
    if Sym(tables.parameter, True) not in seen and tables.parameter not in told:
        problems.append(report("no-step", tables.flat.source, tables.flat.span,
                               name=tables.parameter, hints=_looks_like(tables.parameter, seen)))
    body = tuple(program.body)
    return problems + list(_half_defined(body, frozenset())) + list(
        _inside_only(body, frozenset(), hidden(body)))


def _looks_like(name: str, defined: set[Sym]) -> tuple[str, ...]:
    """A hint where ``m_t`` or ``x_new`` is defined and ``m'`` or ``x'`` is missing."""
    near = sorted(s.name for s in defined if not s.prime and re.fullmatch(
        rf"{name}_?(?:t|k|i|n|new|next|tp1|t1|1)|new_?{name}|next_?{name}", s.name))
    return (f"`{near[0]} = ...` looks like it: the new value is called `{name}'`",) if near else ()


def _half_defined(body: tuple[Statement, ...], lacking: frozenset[Sym]) -> Iterator[Diagnostic]:
    """Names read where only one branch of a block has defined them.

    ``lacking`` are those that the surrounding blocks do not give to this body.
    """
    halves = [_outputs((s,)) - surely((s,)) for s in body]
    makers = Counter(symbol for half in halves for symbol in half)
    around = lacking - surely(body)
    anywhere = around.union(makers)
    for statement, half in zip(body, halves, strict=True):
        own = anywhere if not half else around.union(
            symbol for symbol, count in makers.items() if count > (symbol in half))
        read = statement.condition if isinstance(statement, When) else statement
        for expr, source in _expressions(read, statement.source):
            for node in walk(expr):
                if isinstance(node, Sym) and node in own:
                    yield report("half-defined", source, node.span, name=str(node))
        if isinstance(statement, When):
            then, otherwise = _outputs(statement.then), _outputs(statement.otherwise)
            yield from _half_defined(statement.then, own | (otherwise - then))
            yield from _half_defined(statement.otherwise, own | (then - otherwise))


def hidden(body: Iterable[Statement]) -> frozenset[Sym]:
    """What loops define for themselves alone."""
    own = frozenset().union(*map(inside, statements(body)))
    return own - _outputs(body)


def _inside_only(
    body: Sequence[Statement], around: frozenset[Sym], names: frozenset[Sym]
) -> Iterator[Diagnostic]:
    """Those of the ``names`` that loops define for themselves which are read elsewhere; ``around``
    are those of the loops around the body."""
    if not names:
        return
    here = around | _outputs(body)
    for statement in body:
        for expr in _own(statement):
            for node in walk(expr):
                if isinstance(node, Sym) and node in names and node not in here:
                    yield inside_loop(node, statement.source)
        if isinstance(statement, When):
            for branch in (statement.then, statement.otherwise):
                yield from _inside_only(branch, here, names)
        elif isinstance(statement, Loop | EachAxis):
            yield from _inside_only(statement.body, here | inside(statement), names)


def inside_loop(node: Sym, source: Source) -> Diagnostic:
    """A name of a loop stands outside of it, or is given to a function that keeps it."""
    after = (f"after the loop it is `{node.name}`",) if node.prime else ()
    call = re.match(r"[^\W\d]\w*(?=\()", source.text[node.span.start : node.span.end])
    label = f"`{call[0]}` keeps it from step to step, not from turn to turn" if call else None
    return report("inside-loop", source, node.span, name=str(node), hints=after, label=label)


def _own(statement: Statement) -> tuple[Expr, ...]:
    """What a statement itself reads, not those inside of it."""
    match statement:
        case When(condition):
            return (condition,)
        case Loop(carries, turns):
            return (*(c.start for c in carries), turns)
        case EachAxis(_, carries):
            return tuple(c.start for c in carries)
        case _:
            return reads(statement)


def _expressions(node: Statement | Expr, source: Source) -> Iterator[tuple[Expr, Source]]:
    if isinstance(node, Statement):
        yield from Program(body=[node]).expressions()
    else:
        yield node, source


def _outputs(body: Iterable[Statement]) -> frozenset[Sym]:
    return frozenset(o for s in body for o in outputs(s))


def check_evaluate(tables: Tables, program: Program) -> Iterator[Diagnostic]:
    """`eval` is computed after the step, from what is kept."""
    if program.evaluate is None:
        return
    value, source = program.evaluate
    kept = {s.name for s in program.states} | {*tables.hypers, tables.point, tables.parameter, "t"}
    for node in sorted(symbols(value), key=lambda s: s.span.start):
        if node.prime or node.name not in kept:
            hint = (f"after the step `{node}` is simply `{node.name}`" if node.prime else
                    "`eval` reads the parameter, states and hyperparameters, as they are after "
                    "the step")
            yield report("eval-reads", source, node.span, name=str(node), hints=(hint,))
    for asked in walk(value):
        if isinstance(asked, Apply) and asked.op in ORACLES:
            yield report("eval-reads", source, asked.span, name=spec_text(asked),
                         hints=("keep it in a state, and let `eval` read the state",))


def check_claims(
    tables: Tables, known: set[Sym], made: set[Sym], names: frozenset[Sym]
) -> Iterator[Diagnostic]:
    """The names that claims speak of; a change (``g -> c*g``) may bring new ones, but not those
    that the step has ``made``. ``names`` are those that only loops know."""
    words = {Sym(w) for info in tables.hypers.values() for w in info.choices}
    for claim, source in tables.flat.claims:
        subject = claim.subject
        facts = [*claim.when, *([subject] if isinstance(subject, Fact) else [])]
        brought = {s for c in subject if isinstance(c, Change) for s in symbols(c.value)
                   } if isinstance(subject, tuple) else set()
        # `when g = c`: the same gradient at every step.
        brought |= {f.right for f in claim.when if f.left == Sym(tables.gradient)
                    and isinstance(f.right, Sym) and f.right.name not in tables.states}
        for name in sorted(brought & made, key=lambda s: s.span.start):
            yield report("claim-name", source, name.span, name=str(name))
        for fact in facts:
            for expr in (fact.left, fact.right):
                if expr is not None:
                    yield from check_symbols(expr, known | words | brought, tables.functions,
                                             source, tables.point)
                    yield from (inside_loop(node, source) for node in walk(expr)
                                if isinstance(node, Sym) and node in names - brought)
