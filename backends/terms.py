"""Arrays of one block as nodes, and sums and scaled arrays that are not yet computed.

Equal values are one node. A scalar factor is carried outwards to where it meets another, so that
``lr*(m/(1 - b1^t))`` costs one multiplication per entry. Only scalars are ever reassociated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from thetaprime.backends.passes import Program
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.ops import OPS

# Values that are stored: the old ones and those read back.
INPUT = "input"
# Copies a value or a scalar into an array of its own.
COPY = "copy"
# One of two values by a scalar condition: only the branch taken is computed.
CHOOSE = "choose"
# One of two values entry by entry.
SELECT = "select"

ONE = Num("1")


@dataclass(eq=False)
class Node:
    """An array of one block. ``args`` are nodes or scalar expressions; ``owner`` the statement
    that asked for it; ``stamp`` how many statements were complete by then."""

    op: str
    args: tuple[Operand, ...]
    boolean: bool
    owner: Sym | None
    stamp: int
    name: str = ""


Operand = Node | Expr


@dataclass(eq=False)
class Sum:
    """``left + right`` or ``left - right``, not yet computed: a factor may still go inside."""

    left: Scaled | Expr
    right: Scaled | Expr
    minus: bool
    shared: bool = False


@dataclass(frozen=True)
class Scaled:
    """``sign * factor * body``; a missing factor is one."""

    body: Node | Sum
    factor: Expr | None = None
    sign: int = 1


Lowered = Scaled | Expr


@dataclass
class Graph:
    """The nodes of one sweep in the order of their creation, arguments first. ``landings`` are the
    symbols whose values are nodes by themselves."""

    prog: Program
    sweep: int
    uses: Mapping[Sym, int]
    landings: Mapping[Sym, None]
    nodes: list[Node] = field(default_factory=list)
    known: dict[object, Node] = field(default_factory=dict)
    lowered: dict[Sym, Lowered] = field(default_factory=dict)
    sums: dict[Sum, tuple[int, Operand]] = field(default_factory=dict)
    owners: list[Sym] = field(default_factory=list)
    complete: list[Sym] = field(default_factory=list)


def new(
    graph: Graph, op: str, args: tuple[Operand, ...], boolean: bool, name: str = ""
) -> Node:
    """The node of an operation, made when there is none yet."""
    key = (op, args, name)
    if key not in graph.known:
        owner = graph.owners[-1] if graph.owners else None
        node = Node(op, args, boolean, owner, len(graph.complete), name)
        graph.known[key] = node
        graph.nodes.append(node)
    return graph.known[key]


def product(a: Expr | None, b: Expr | None) -> Expr | None:
    """The product of two scalar factors, ``c*(1/s)`` as ``c/s``."""
    if a is None or b is None:
        return a if b is None else b
    for one, other in ((a, b), (b, a)):
        if isinstance(other, Apply) and other.op == "/" and other.args[0] == ONE:
            return Apply("/", (one, other.args[1]))
    return Apply("*", (a, b))


def apply(graph: Graph, op: str, args: tuple[Operand, ...]) -> Lowered:
    """One operation on arrays, or the scalar expression when nothing in it is an array."""
    if not any(isinstance(a, Node) for a in args):
        return Apply(op, tuple(a for a in args if not isinstance(a, Node)))
    return Scaled(new(graph, op, args, OPS[op].typing in ("compare", "logic")))


def operand(graph: Graph, value: Lowered) -> Operand:
    """The value as an argument: its factor multiplied in."""
    if not isinstance(value, Scaled):
        return value
    sign, node = _signed(graph, value)
    return node if sign > 0 or not isinstance(node, Node) else new(graph, "neg", (node,), False)


def as_node(graph: Graph, value: Lowered) -> Node:
    """The value as an array; a scalar fills one."""
    done = operand(graph, value)
    return done if isinstance(done, Node) else new(graph, COPY, (done,), False)


def _signed(graph: Graph, value: Lowered) -> tuple[int, Operand]:
    """The value up to its sign."""
    if not isinstance(value, Scaled):
        return 1, value
    sign, factor, body = value.sign, value.factor, value.body
    if isinstance(body, Sum):
        if factor is not None and absorbs(body):
            inner, node = _sum(graph, _times(body, factor))
            return sign * inner, node
        if body not in graph.sums:
            graph.sums[body] = _sum(graph, body)
        inner, done = graph.sums[body]
        assert isinstance(done, Node)
        sign, body = sign * inner, done
    return sign, body if factor is None else new(graph, "*", (body, factor), False)


def _sum(graph: Graph, body: Sum) -> tuple[int, Operand]:
    (p, a), (q, b) = _signed(graph, body.left), _signed(graph, body.right)
    q = -q if body.minus else q
    if p == q:
        return p, new(graph, "+", (a, b), False)
    return 1, new(graph, "-", (a, b) if p > 0 else (b, a), False)


def absorbs(body: Sum) -> bool:
    """Whether a factor costs nothing inside: every term has one to merge with."""
    def takes(term: Lowered) -> bool:
        return (not isinstance(term, Scaled) or term.factor is not None
                or (isinstance(term.body, Sum) and absorbs(term.body)))
    return not body.shared and takes(body.left) and takes(body.right)


def _times(body: Sum, factor: Expr) -> Sum:
    def scaled(term: Lowered) -> Lowered:
        if isinstance(term, Scaled):
            return Scaled(term.body, product(factor, term.factor), term.sign)
        return Apply("*", (factor, term))
    return Sum(scaled(body.left), scaled(body.right), body.minus)
