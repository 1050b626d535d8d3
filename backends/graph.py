"""ir -> graph: the entry-wise work of one sweep as three-address operations.

Scalars stay expressions: they are folded into one number per step or per tensor.
"""

from __future__ import annotations

from thetaprime.backends.passes import Program, extent_of
from thetaprime.backends.terms import (
    CHOOSE,
    COPY,
    INPUT,
    ONE,
    SELECT,
    Graph,
    Lowered,
    Node,
    Operand,
    Scaled,
    Sum,
    absorbs,
    apply,
    as_node,
    new,
    operand,
    product,
)
from thetaprime.expr import MOST_LEVELS, Apply, Expr, Num, Sym, levels, symbols, walk
from thetaprime.ir import Draw, Equation, reads
from thetaprime.ops import OPS
from thetaprime.types import Extent


def build(prog: Program, sweep: int) -> tuple[Graph, dict[Sym, Node], dict[Sym, Node]]:
    """The graph of a sweep, the node that each of its reductions reads, and that each array it
    writes is given."""
    this = prog.passes[sweep]
    roots = [e for s in (*this.reductions, *(prog.values[w] for w in this.writes))
             for e in reads(s)]
    graph = Graph(prog, sweep, _uses(prog, roots, sweep), _landings(prog))
    for symbol in graph.landings:
        if symbol in graph.uses:
            lower(graph, symbol)
    reduced = {}
    for reduction in this.reductions:
        assert isinstance(reduction.value, Apply)
        graph.owners.append(reduction.target)
        reduced[reduction.target] = as_node(graph, lower(graph, reduction.value.args[0]))
        graph.complete.append(graph.owners.pop())
    stored: dict[Sym, Node] = {}
    homes: set[Node] = set()
    for target in this.writes:
        node = as_node(graph, lower(graph, target))
        if node.op == INPUT or node in homes:
            graph.owners.append(target)
            node = new(graph, COPY, (node,), node.boolean)
            graph.owners.pop()
        stored[target] = node
        homes.add(node)
    return graph, reduced, stored


def _landings(prog: Program) -> dict[Sym, None]:
    """The symbols to compute before all that reads them, in order: between two of them a long chain
    of equations has no more levels than one formula, which is as deep as recursion may go."""
    depth: dict[Sym, int] = {}
    found: set[Sym] = set()
    for statement in prog.body:
        read = {s for e in reads(statement) for s in symbols(e) if depth.get(s)}
        below = max((depth[s] for s in read), default=0)
        own = max((levels(e) for e in reads(statement)), default=0)
        if below + own > MOST_LEVELS:
            found |= read
            depth |= dict.fromkeys(read, 0)
            below = 0
        depth[statement.target] = below + own
    return {s.target: None for s in prog.body if s.target in found}


def _uses(prog: Program, roots: list[Expr], sweep: int) -> dict[Sym, int]:
    """How often each symbol is read in the equations that a sweep evaluates."""
    uses: dict[Sym, int] = {}
    seen: set[Sym] = set()
    stack = list(roots)
    while stack:
        for node in walk(stack.pop()):
            if not isinstance(node, Sym):
                continue
            uses[node] = uses.get(node, 0) + 1
            if node in seen or prog.extents[node] is not Extent.ENTRY:
                continue
            seen.add(node)
            if node in prog.values and not prog.back(node, sweep):
                stack.extend(reads(prog.values[node]))
            if node in prog.firsts:
                stack.append(prog.firsts[node])
    return uses


def lower(graph: Graph, expr: Expr) -> Lowered:
    """The value of an expression: a scalar as it stands, else nodes and a scalar factor."""
    if extent_of(expr, graph.prog.extents) is not Extent.ENTRY:
        return expr
    match expr:
        case Sym():
            return _symbol(graph, expr)
        case Apply("neg", (a,)):
            value = lower(graph, a)
            if isinstance(value, Scaled):
                return Scaled(value.body, value.factor, -value.sign)
            return Apply("neg", (value,))
        case Apply("+" | "-" as op, (a, b)):
            left, right = lower(graph, a), lower(graph, b)
            if isinstance(left, Scaled) or isinstance(right, Scaled):
                return Scaled(Sum(left, right, op == "-"))
            return Apply(op, (left, right))
        case Apply("*" | "/" as op, (a, b)):
            return _product(graph, op, lower(graph, a), lower(graph, b))
        case Apply("^", (a, b)):
            return _power(graph, lower(graph, a), lower(graph, b))
        case Apply("if", (c, a, b)):
            return _conditional(graph, lower(graph, c), lower(graph, a), lower(graph, b))
        case Apply("default", (a, b)):
            found, other = operand(graph, lower(graph, a)), lower(graph, b)
            finite = apply(graph, "finite", (found,))
            return _conditional(graph, finite, _lowered(found), other)
        case Apply(op, args, ()):
            inside = tuple(operand(graph, lower(graph, a)) for a in args)
            while len(inside) > OPS[op].arity[0] and OPS[op].arity[0] == 2:
                head = operand(graph, apply(graph, op, inside[:2]))
                inside = (head, *inside[2:])
            return apply(graph, op, inside)
    raise AssertionError(f"reductions stand on their own before a sweep is lowered: {expr}")


def _lowered(value: Operand) -> Lowered:
    return Scaled(value) if isinstance(value, Node) else value


def _symbol(graph: Graph, symbol: Sym) -> Lowered:
    prog = graph.prog
    if symbol in graph.lowered:
        return graph.lowered[symbol]
    if symbol not in prog.values or prog.back(symbol, graph.sweep):
        value: Lowered = Scaled(new(graph, INPUT, (), False, symbol.name))
        if symbol in prog.firsts:
            graph.owners.append(symbol)
            first = lower(graph, prog.firsts[symbol])
            value = _conditional(graph, Apply("==", (Sym("t"), ONE)), first, value)
            graph.complete.append(graph.owners.pop())
    else:
        graph.owners.append(symbol)
        statement = prog.values[symbol]
        value = (lower(graph, statement.value) if isinstance(statement, Equation)
                 else _draw(graph, statement))
        if symbol in prog.written or symbol in graph.landings:
            value = Scaled(as_node(graph, value))
        elif isinstance(value, Scaled) and isinstance(value.body, Sum):
            value.body.shared |= graph.uses.get(symbol, 0) > 1
        graph.complete.append(graph.owners.pop())
    graph.lowered[symbol] = value
    return value


def _draw(graph: Graph, draw: Draw) -> Lowered:
    """A standard draw, then moved and stretched: mean + sd*z, low + (high - low)*u."""
    name = draw.target.name
    if draw.distribution == "rademacher":
        return Scaled(new(graph, "rademacher", (), False, name))
    unit = "normal" if draw.distribution == "normal" else "uniform"
    raw = Scaled(new(graph, unit, (), False, name))
    args = [lower(graph, a) for a in draw.args]
    if draw.distribution == "bernoulli":
        below = apply(graph, "<", (operand(graph, raw), operand(graph, args[0])))
        truth = draw.target.type is not None and draw.target.type.kind == "bool"
        return below if truth else _conditional(graph, below, ONE, Num("0"))
    if not args:
        return raw
    wide = args[1]
    if unit == "uniform" and args[0] != Num("0"):
        wide = _difference(args[1], args[0])
    stretched = raw if wide == ONE else _product(graph, "*", wide, raw)
    return stretched if args[0] == Num("0") else Scaled(Sum(args[0], stretched, False))


def _difference(a: Lowered, b: Lowered) -> Lowered:
    if isinstance(a, Scaled) or isinstance(b, Scaled):
        return Scaled(Sum(a, b, True))
    return Apply("-", (a, b))


def _product(graph: Graph, op: str, a: Lowered, b: Lowered) -> Lowered:
    if isinstance(a, Scaled) and isinstance(b, Scaled):
        if op == "*":
            return apply(graph, op, (operand(graph, a), operand(graph, b)))
        # (c A)/B = c (A/B)
        if isinstance(a.body, Sum) and absorbs(a.body):
            a = Scaled(as_node(graph, a))
        top = as_node(graph, Scaled(a.body))
        return Scaled(new(graph, op, (top, operand(graph, b)), False), a.factor, a.sign)
    if isinstance(a, Scaled):
        assert not isinstance(b, Scaled)
        return Scaled(a.body, product(a.factor, b if op == "*" else Apply("/", (ONE, b))), a.sign)
    if isinstance(b, Scaled):
        if op == "*":
            return Scaled(b.body, product(a, b.factor), b.sign)
        return apply(graph, op, (a, operand(graph, b)))
    return Apply(op, (a, b))


def _power(graph: Graph, a: Lowered, b: Lowered) -> Lowered:
    if isinstance(a, Scaled) and isinstance(b, Num) and b.value.denominator == 1:
        exponent = int(b.value)
        if 1 <= exponent <= 8:
            return Scaled(_whole(graph, operand(graph, a), exponent))
        if exponent == -1:
            return apply(graph, "/", (ONE, operand(graph, a)))
    if isinstance(a, Scaled) and isinstance(b, Num) and b.value * 2 == 1:
        return apply(graph, "sqrt", (operand(graph, a),))
    return apply(graph, "^", (operand(graph, a), operand(graph, b)))


def _whole(graph: Graph, base: Operand, exponent: int) -> Node:
    """``base^n`` by squaring."""
    assert isinstance(base, Node)
    if exponent == 1:
        return base
    half = _whole(graph, base, exponent // 2)
    twice = new(graph, "square", (half,), False)
    return new(graph, "*", (twice, base), False) if exponent % 2 else twice


def _conditional(graph: Graph, c: Lowered, a: Lowered, b: Lowered) -> Lowered:
    if not isinstance(c, Scaled) and c in (Apply("true"), Apply("false")):
        return a if c == Apply("true") else b
    if not any(isinstance(v, Scaled) for v in (c, a, b)):
        assert not isinstance(c, Scaled)
        assert not isinstance(a, Scaled)
        assert not isinstance(b, Scaled)
        return Apply("if", (c, a, b))
    yes, no = operand(graph, a), operand(graph, b)
    boolean = any(isinstance(v, Node) and v.boolean for v in (yes, no))
    op = SELECT if isinstance(c, Scaled) else CHOOSE
    return Scaled(new(graph, op, (operand(graph, c), yes, no), boolean))


