"""The program of a spec: states and statements gathered, functions written out, choices decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from thetaprime.axes import read_matrices
from thetaprime.blocks import Blocks
from thetaprime.cases import seen, seen_in
from thetaprime.collect import read_type
from thetaprime.decide import Decide
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expand import Expander
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, substitute, symbols, walk
from thetaprime.hold import held
from thetaprime.ir import Draw, Equation, First, Statement
from thetaprime.loops import Loops
from thetaprime.ops import ORACLES
from thetaprime.oracles import FULL, Asking, Scope
from thetaprime.program import Program, RawState
from thetaprime.render import spec_text
from thetaprime.scopes import outputs
from thetaprime.source import Source
from thetaprime.statements import TOP, Ready, lowered
from thetaprime.syntax import (
    BatchLine,
    ConstDecl,
    DrawLine,
    EquationLine,
    EveryBlock,
    IfBlock,
    LoopBlock,
    Many,
    StateDecl,
)
from thetaprime.tables import Axes, Cases, Line, Tables
from thetaprime.types import PER_ENTRY, Extent, Type


def gather(tables: Tables, decide: Decide) -> Program:
    """The program of a spec's tables for one choice of its static hyperparameters."""
    program = Program()
    taken = {*tables.hypers, *tables.states, tables.point, "t", "g", "G", "x"}
    taken |= {name for line, _ in tables.statements for name in _names(line)}
    expander = Expander(tables.functions, taken)

    asking = Asking(tables.losses, tables.tasks, tables.windows, frozenset(tables.externs))
    lengths: dict[str, Expr] = {
        name: Sym(n) if isinstance(n, str) else Num(str(n))
        for name, n in ((name, tables.length(n)) for name, n in tables.axes.items())}
    loops = Loops(lengths, taken, asking.fresh)

    def ready(expr: Expr, source: Source, scope: Scope = TOP) -> Expr:
        # Before functions are written out, so that what is written once is asked once.
        expanded = expander.expand(asking.read(expr, source, scope), source)
        expanded = read_matrices(asking.read(expanded, source, scope), taken)
        program.problems += [
            report("undefined-name", source, node.span, name="loss",
                   hints=(f"`loss({tables.point})` is the loss of this step",))
            for node in walk(expanded) if node == Sym("loss")]
        return decide.fold(_oracles(expanded, tables), source)

    for name, (declared, part) in tables.states.items():
        if name not in tables.homes:
            _add_state(program, tables, declared, part.source, ready, tables.view)
    batches = {line.name: asking.fresh.take(TOP) if line.how == "new" else FULL
               for line, _ in tables.statements if isinstance(line, BatchLine)}
    scope = Scope(batches)
    blocks = Blocks(
        tables, program, expander, loops.fresh_name, ready=lambda e, s: ready(e, s, scope),
        line=lambda line, source: lowered(line, source, ready, tables, program, scope=scope,
                                             loops=loops),
        state=lambda kept, source, own: _add_state(program, tables, kept, source, ready, own),
        brought=lambda: _brought(expander, tables, decide, program))
    for line, part in tables.statements:
        found = blocks.lower(line, part.source)
        program.body += found
        if part.inherited:
            program.inherited.update(o for s in found for o in outputs(s))
    if tables.train is not None:
        _train(program, tables, ready)
    if tables.evaluate is not None:
        value, where = tables.evaluate
        program.evaluate = (ready(value, where), where)
    program.body += _brought(expander, tables, decide, program)
    for condition, source in (*program.holds, *loops.holds):
        program.body = held(program.body, condition, source)
    program.fresh = asking.fresh.count
    for symbol, axis in loops.drawn.items():
        program.draw_types[symbol] = Type(Extent.SCALAR, (axis,))
    program.problems += [*expander.problems, *asking.problems, *loops.problems]
    program.states = _ordered(program.states, program.problems)
    program.body = [seen_in(s, tables.view) for s in program.body]
    program.states = [replace(s, start=s.start if isinstance(s.start, Draw) else
                              seen(s.start, tables.view)) for s in program.states]
    if program.evaluate is not None:
        value, where = program.evaluate
        program.evaluate = seen(value, tables.view), where
    return program


def _brought(
    expander: Expander, tables: Tables, decide: Decide, program: Program
) -> list[Statement]:
    """The equations that functions bring along; their states are the program's."""
    found: list[Statement] = []
    for state, source in expander.states:
        kind = None if state.type is None else read_type(tables, state.type, source, PER_ENTRY)
        program.states.append(RawState(state.name, kind, decide.fold(state.value, source), False,
                                       True, state.span, source))
    for equation, source in expander.equations:
        value = decide.fold(_oracles(equation.value, tables), source)
        found.append(Equation(equation.target, value, source))
        # What a function brings is not for its caller to use.
        program.inherited.add(equation.target)
    return found


def _names(line: Line) -> Iterator[str]:
    match line:
        case Cases(arms):
            yield from (n for arm in arms for inner in arm.lines for n in _names(inner))
        case Axes(_, _, lines):
            yield from (n for inner in lines for n in _names(inner))
        case EquationLine(target):
            yield target.name
        case DrawLine(name):
            yield name
        case Many(targets):
            yield from (t.name for t in targets)
        case LoopBlock(_, targets, _, starts, body):
            yield from (t.name for t in targets)
            yield from (s.name for s in starts)
            for inner in body:
                yield from _names(inner)
        case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise):
            for inner in (*then, *otherwise):
                yield from _names(inner)


def _oracles(expr: Expr, tables: Tables) -> Expr:
    """``loss(x)`` and ``grad(x)`` at the point that training holds are inputs of the step."""
    point = Sym(tables.point)
    given = {Apply("loss", (point,), ("this",)): Sym("loss", spelled=f"loss({point})"),
             Apply("grad", (point,), ("this",)): Sym(tables.gradient)}

    def change(node: Expr) -> Expr:
        symbol = given.get(node) if isinstance(node, Apply) else None
        return node if symbol is None else replace(symbol, span=node.span)

    return rewrite(expr, change)


def _ordered(states: list[RawState], problems: list[Diagnostic]) -> list[RawState]:
    """The states with constants before what starts from them, otherwise as they were."""
    by_name = {s.name: s for s in states}
    done: dict[str, RawState] = {}

    def place(state: RawState, above: tuple[str, ...]) -> None:
        if state.name in above:
            circle = " -> ".join([*above[above.index(state.name):], state.name])
            problems.append(report("cycle", state.source, state.span, circle=circle,
                                   hints=("give one of them a value of its own",)))
            return
        exprs = state.start.args if isinstance(state.start, Draw) else (state.start,)
        for name in sorted({s.name for e in exprs for s in symbols(e)}):
            if name in by_name and by_name[name].constant and name not in done:
                place(by_name[name], (*above, state.name))
        done.setdefault(state.name, state)

    for state in states:
        place(state, ())
    return list(done.values())


def _add_state(
    program: Program, tables: Tables, declared: StateDecl | ConstDecl, source: Source, ready: Ready,
    own: tuple[str, ...],
) -> None:
    name, span = declared.name, declared.span
    kind = None
    if declared.type is not None:
        kind = read_type(tables, declared.type, source, PER_ENTRY, own)
    value = ready(declared.value, source)
    start: Expr | Draw = value
    constant = isinstance(declared, ConstDecl)
    if isinstance(declared, StateDecl) and declared.how == "~":
        assert isinstance(value, Apply)
        start = Draw(Sym(name), value.op, value.args, source)  # type: ignore[arg-type]
    elif isinstance(declared, StateDecl) and declared.how == "first":
        program.body.append(First(Sym(name, span=span), value, source))
        start = Num("0", span=span)
    if tables.train is not None and not isinstance(start, Draw):
        # Before the first step the parameter is what training holds.
        start = substitute(start, {Sym(tables.parameter): Sym(tables.point)})
    program.states.append(RawState(name, kind, start, constant, False, span, source))


def _train(program: Program, tables: Tables, ready: Ready) -> None:
    """``train y = f(x, z)``: x becomes a state that starts where training does, y' = f(x', z')."""
    assert tables.train is not None
    train, source = tables.train
    value = ready(train.value, source)
    states = {s.name for s in program.states if not s.constant} | {tables.parameter}
    constants = {s.name for s in program.states if s.constant}
    after: dict[Sym, Expr] = {}
    for symbol in symbols(value):
        if symbol.name in states and not symbol.prime:
            after[symbol] = replace(symbol, prime=True)
        elif symbol == Sym("t"):
            after[symbol] = Apply("+", (symbol, Num("1")), span=symbol.span)
        elif symbol.name not in (*tables.hypers, *constants):
            program.problems.append(report("train-reads", source, symbol.span, name=str(symbol)))
    program.problems += [
        report("train-reads", source, node.span, name=spec_text(node)) for node in walk(value)
        if isinstance(node, Apply) and node.op in ORACLES]
    program.states.append(RawState(tables.parameter, PER_ENTRY, Sym(tables.point), False, False,
                                   train.span, source))
    target = Sym(tables.point, True, span=train.span)
    program.body.append(Equation(target, substitute(value, after), source))
