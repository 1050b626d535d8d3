"""One sweep as a compiled loop over the entries of one block.

The values are those of the graph, in the same order of operations as the NumPy text computes them
one array at a time; here one entry goes through all of them, so that every array is read and
written once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from thetaprime.backends.graph import build
from thetaprime.backends.numpy_kernel import (
    FOLDS,
    NOTATION,
    Kernel,
    comments,
    letters,
    plain,
    python_text,
    reduction,
    sorted_names,
)
from thetaprime.backends.passes import Program
from thetaprime.backends.phases import Plain
from thetaprime.backends.registers import Line
from thetaprime.backends.terms import CHOOSE, COPY, INPUT, SELECT, Graph, Node, Scaled
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ops import OPS, REDUCTIONS
from thetaprime.render import render

# How a total takes one more term. Sums are in float64 and in no fixed order.
_JOINED = {
    "add": "_plus({0}, {1})", "max": "np.maximum({0}, {1})", "min": "np.minimum({0}, {1})",
    "and": "{0} and {1}", "or": "{0} or {1}"}
# numpy's name of what a compiled loop spells otherwise.
_LOOP_NAMES = {"round": "rint"}


def loop_kernel(
    prog: Program, sweep: int, name: str, names: Mapping[Sym, str],
    constant: Callable[[Expr], str], sources: Mapping[Sym, Plain],
) -> Kernel:
    """The compiled loop of sweep number ``sweep``; the arguments are those of `kernel`."""
    graph, reduced, stored = build(prog, sweep)
    at = next(c for c in ("i", "j", "at", "place") if c not in names.values())
    uses = _uses(graph, [*reduced.values(), *stored.values()])
    local = _locals(graph, uses, stored, names)
    scalars: dict[str, Expr] = {}

    def number(expr: Expr) -> Expr:
        """A number of the model or of the tensor; truth values are passed as 0 and 1."""
        if plain(expr):
            shown = python_text(expr, names)
            return Sym(shown if _truth(expr) else f"real({shown})")
        known = names[expr] if isinstance(expr, Sym) else constant(expr)
        scalars[known] = expr
        return Apply("!=", (Sym(known), Num("0"))) if _truth(expr) else Sym(known)

    def value(node: Node | Expr, inside: bool = True) -> Expr:
        """What stands for a node: its name, or its operation where it has none."""
        if not isinstance(node, Node):
            return number(node)
        if inside and node in local:
            return Sym(local[node])
        if node.op == INPUT:
            return Sym(f"{names[Sym(node.name)]}[{at}]")
        args = tuple(value(a) for a in node.args)
        match node.op:
            case "square":
                return Apply("*", (args[0], args[0]))
            case op if op == COPY:
                return args[0]
            case op if op in (CHOOSE, SELECT):
                return Apply("if", args)
            case op:
                return Apply(op, args)

    def spelled(node: Node, inside: bool = True) -> str:
        return render(value(node, inside), _NOTATION)

    said = {r.target: r for r in prog.passes[sweep].reductions} | dict(sources)
    shown = {*local, *reduced.values()}
    nodes = [n for n in graph.nodes if n in shown]
    notes = comments(graph, [Line("op", n) for n in nodes], said)
    body, totals = [], []
    for node in nodes:
        body += [f"# {note}" for note in notes.get(node, ())]
        if node in local:
            body.append(f"{local[node]} = {spelled(node, False)}")
        for target in (s for s, n in reduced.items() if n is node):
            how = REDUCTIONS[reduction(prog, target)].combine
            total = names[target]
            totals.append(f"{total} = {FOLDS[how][1]}")
            body.append(f"{total} = {_JOINED[how].format(total, spelled(node))}")
    body += [f"{names[Sym(s.name)]}[{at}] = {spelled(n)}" for s, n in stored.items()]
    found = {n.name for n in uses if n.op == INPUT}
    writes = tuple(s.name for s in stored)
    reads = tuple(n for n in sorted_names(found, prog) if n not in writes)
    first = names[Sym((*reads, *writes)[0])]
    lines = [*totals, f"for {at} in range({first}.size):", *(f"    {line}" for line in body)]
    if any("real(" in line for line in body):
        lines.insert(0, f"real = {first}.dtype.type")
    if reduced:
        results = ", ".join(names[s] for s in reduced)
        lines.append(f"return {results}{',' * (len(reduced) == 1)}")
    given = [*(names[Sym(n)] for n in (*reads, *writes)), *scalars]
    head = ['@njit(nogil=True, error_model="numpy")', f"def {name}({', '.join(given)}):"]
    return Kernel(name, [*head, *(f"    {line}" for line in lines)], set(), reads, writes, 0, 0,
                  list(scalars.items()))


def _call(expr: Apply, args: list[str]) -> str:
    if expr.op in OPS and OPS[expr.op].array in _LOOP_NAMES:
        return f"np.{_LOOP_NAMES[OPS[expr.op].array]}({args[0]})"
    return NOTATION.call(expr, args)


_NOTATION = replace(NOTATION, call=_call)


def _truth(expr: Expr) -> bool:
    """Whether a number is a truth value."""
    match expr:
        case Apply("if", (_, a, _)):
            return _truth(a)
        case Apply(op):
            return op in OPS and OPS[op].typing in ("compare", "logic")
        case Sym(type=kind):
            return kind is not None and kind.kind == "bool"
    return False


def _uses(graph: Graph, roots: list[Node]) -> dict[Node, int]:
    """How often each live node is spelled."""
    uses: dict[Node, int] = {}
    for node in roots:
        uses[node] = uses.get(node, 0) + 1
    for node in reversed(graph.nodes):
        if node in uses:
            for arg in node.args:
                if isinstance(arg, Node):
                    uses[arg] = uses.get(arg, 0) + 1 + (node.op == "square")
    return uses


def _locals(
    graph: Graph, uses: Mapping[Node, int], stored: Mapping[Sym, Node], names: Mapping[Sym, str],
) -> dict[Node, str]:
    """Names for the nodes that are values of the spec's own symbols, or spelled twice. All that is
    stored has one: then every array is read before it is written."""
    owned: dict[Node, Sym] = {}
    for symbol, value in graph.lowered.items():
        if isinstance(value, Scaled) and value.factor is None and value.sign > 0:
            body = value.body
            if not isinstance(body, Node):
                sign, done = graph.sums.get(body, (0, Num("0")))
                if sign <= 0 or not isinstance(done, Node):
                    continue
                body = done
            if body.op != INPUT:
                owned.setdefault(body, symbol)
    for symbol, node in stored.items():
        owned[node] = symbol
    free = (c for c in letters() if c not in names.values())

    def spelled(symbol: Sym) -> str:
        """The name of a value; an old one that is another in the first step has its array's."""
        name = names[symbol]
        if not symbol.prime and symbol.name in graph.prog.stored:
            name += "_now"
            while name in names.values():
                name += "_"
        return name

    return {n: spelled(owned[n]) if n in owned else next(free) for n in graph.nodes
            if n.op != INPUT and (uses.get(n, 0) > 1 or (n in uses and n in owned))}
