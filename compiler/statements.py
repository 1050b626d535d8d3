"""The statements of a spec gathered: functions written out, choices decided, blocks opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from thetaprime.axes import fold_axes, over_axes, read_matrices, several
from thetaprime.blocks import Blocks
from thetaprime.cases import seen, seen_in
from thetaprime.collect import constant, read_type
from thetaprime.decide import FALSE, TRUE, Decide
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expand import Expander
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, substitute, symbols, walk
from thetaprime.hold import held
from thetaprime.ir import Draw, EachAxis, Equation, First, Loop, Statement, When, reads
from thetaprime.loops import Loops
from thetaprime.oracles import FULL, Asking, Scope
from thetaprime.scopes import outputs
from thetaprime.source import NOWHERE, Source, Span
from thetaprime.syntax import (
    Accept,
    BatchLine,
    ConstDecl,
    DrawLine,
    EquationLine,
    EveryBlock,
    Hold,
    IfBlock,
    LoopBlock,
    Many,
    StateDecl,
    StatementLine,
    Until,
)
from thetaprime.tables import Axes, Cases, Line, Tables
from thetaprime.types import PER_ENTRY, Extent, Type

Ready = Callable[..., Expr]  # (expression, source, scope = that of the step)
TOP = Scope()


@dataclass(frozen=True)
class RawState:
    """A state before typing; ``type`` None: not declared. ``local``: brought by a function."""

    name: str
    type: Type | None
    start: Expr | Draw
    constant: bool
    local: bool
    span: Span
    source: Source
    guard: Expr | None = None


@dataclass
class Program:
    """The statements and states of one choice, untyped and unsorted."""

    body: list[Statement] = field(default_factory=list)
    states: list[RawState] = field(default_factory=list)
    evaluate: tuple[Expr, Source] | None = None
    draw_types: dict[Sym, Type] = field(default_factory=dict)
    inherited: set[Sym] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    holds: list[tuple[Expr, Source]] = field(default_factory=list)
    fresh: Expr = field(default_factory=lambda: Num("0"))
    carried: dict[Sym, Type] = field(default_factory=dict)
    together: list[frozenset[Sym]] = field(default_factory=list)  # results of one operation
    problems: list[Diagnostic] = field(default_factory=list)

    def expressions(self) -> Iterator[tuple[Expr, Source]]:
        """Every expression of the step and of `eval`, with the source of its spans."""
        for statement in self.body:
            yield from _expressions(statement)
        if self.evaluate is not None:
            yield self.evaluate


def _expressions(statement: Statement) -> Iterator[tuple[Expr, Source]]:
    if isinstance(statement, When):
        yield statement.condition, statement.source
        for inner in (*statement.then, *statement.otherwise):
            yield from _expressions(inner)
    elif isinstance(statement, Loop | EachAxis):
        for carry in statement.carries:
            yield carry.start, statement.source
        if isinstance(statement, Loop):
            yield statement.turns, statement.source
        for inner in statement.body:
            yield from _expressions(inner)
    else:
        for expr in reads(statement):
            yield expr, statement.source


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
        line=lambda line, source: _statement(line, source, ready, tables, program, scope=scope,
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
    program.states.append(RawState(tables.parameter, PER_ENTRY, Sym(tables.point), False, False,
                                   train.span, source))
    target = Sym(tables.point, True, span=train.span)
    program.body.append(Equation(target, substitute(value, after), source))


def _statement(
    line: StatementLine, source: Source, ready: Ready, tables: Tables, program: Program,
    under: Expr = TRUE, *, scope: Scope, loops: Loops,
) -> list[Statement]:
    """The statements of a line; ``under`` is the condition of the blocks around it, which a
    `hold` inside of them shares."""
    match line:
        case EquationLine(target, value):
            return [Equation(target, ready(value, source, scope), source)]
        case Many(targets, value):
            program.together.append(frozenset(targets))
            return several(targets, value, ready(value, source, scope), source, tables,
                           program.problems)
        case BatchLine():
            return []
        case Until() | Accept():
            program.problems.append(report("stray-end", source, line.span))
            return []
        case LoopBlock():
            return _loop(line, source, ready, tables, program, scope, loops)
        case DrawLine(name, value, kind, span):
            call = ready(value, source, scope)
            assert isinstance(call, Apply)
            target = Sym(name, span=span, spelled=line.spelled)
            if call.op == "perm":
                return loops.permutation(target, call, source)
            program.draw_types[target] = read_type(tables, kind, source, PER_ENTRY)
            if call.op == "sphere":
                return _on_sphere(target, Sym(loops.fresh_name(f"{name}_normal"), span=span),
                                  source, program)
            return [Draw(target, call.op, call.args, source)]  # type: ignore[arg-type]
        case Hold(condition):
            program.holds.append((_both(under, ready(condition, source, scope)), source))
            return []
        case IfBlock(condition, then, otherwise):
            chosen = ready(condition, source, scope)
        case EveryBlock(period, start, then, otherwise):
            number = constant(period)
            if number is not None and number < 1:
                program.problems.append(report("bad-period", source, period.span))
            chosen = fires(ready(period, source, scope), ready(start, source, scope), line.span)
    if chosen in (TRUE, FALSE):
        taken = then if chosen == TRUE else otherwise
        return [s for inner in taken
                for s in _statement(inner, source, ready, tables, program, under, scope=scope,
                                    loops=loops)]
    first, second = (
        [s for inner in side
         for s in _statement(inner, source, ready, tables, program, _both(under, when),
                             scope=scope, loops=loops)]
        for side, when in ((then, chosen), (otherwise, Apply("not", (chosen,), span=chosen.span))))
    if not first and not second:
        return []
    block = _balanced(chosen, first, second, source, tables)
    return [replace(block, rare=isinstance(line, EveryBlock))]


def _loop(
    line: LoopBlock, source: Source, ready: Ready, tables: Tables, program: Program,
    scope: Scope, loops: Loops,
) -> list[Statement]:
    """A loop; the batches that its body names are new in each turn."""
    if over_axes(line, tables.axes):
        turns = [s for one in line.body for s in _statement(
            one, source, ready, tables, program, scope=scope, loops=loops)]
        return [fold_axes(line, source, lambda e: ready(e, source, scope), turns,
                          loops.fresh_name, program.problems)]
    named = [one for one in line.body if isinstance(one, BatchLine)]
    taken: dict[str, Expr] = {}

    def inner(one: StatementLine, within: Scope) -> list[Statement]:
        return _statement(one, source, ready, tables, program, scope=around(within), loops=loops)

    def around(within: Scope) -> Scope:
        for batch in named:
            if batch.name not in taken:
                taken[batch.name] = (loops.fresh.take(within) if batch.how == "new" else FULL)
        return replace(within, batches={**within.batches, **taken})

    known = set(loops.types)
    found = loops.lower(line, source, scope,
                        lambda e, s: ready(e, source, around(s) if s.turn != scope.turn else s),
                        inner)
    for symbol in set(loops.types) - known:
        program.carried[symbol] = read_type(tables, loops.types[symbol], source, PER_ENTRY)
    return found


def _on_sphere(target: Sym, normal: Sym, source: Source, program: Program) -> list[Statement]:
    """A direction of length one, every one alike likely: ``z = n/|n|`` with n normal."""
    program.draw_types[normal] = program.draw_types.pop(target)
    squares = Apply("sum", (Apply("^", (normal, Num("2"))),), ("model",))
    value = Apply("/", (normal, Apply("sqrt", (squares,))), span=target.span)
    return [Draw(normal, "normal", (), source), Equation(target, value, source)]


def _both(one: Expr, other: Expr) -> Expr:
    return other if one == TRUE else Apply("and", (one, other), span=other.span)


def fires(period: Expr, start: Expr, span: Span = NOWHERE) -> Expr:
    """t = start, start + period, ...: ``t >= s and mod(t - s, k) == 0``."""
    t = Sym("t", span=span)
    since = Apply("-", (t, start), span=span)
    phase = Apply("mod", (since, period), span=span)
    return Apply("and", (Apply(">=", (t, start), span=span),
                         Apply("==", (phase, Num("0", span=span)), span=span)), span=span)


def _balanced(
    condition: Expr, then: list[Statement], otherwise: list[Statement], source: Source,
    tables: Tables,
) -> When:
    """Both branches with an equation for every state that either defines: it holds elsewhere."""
    held = {*tables.states, tables.point, tables.parameter}

    def missing(branch: list[Statement], other: list[Statement]) -> list[Statement]:
        own = {o for s in branch for o in outputs(s)}
        lacking = dict.fromkeys(
            o for s in other for o in outputs(s) if o.prime and o not in own and o.name in held)
        return [Equation(o, replace(o, prime=False), source) for o in lacking]

    return When(condition, (*then, *missing(then, otherwise)),
                (*otherwise, *missing(otherwise, then)), source)
