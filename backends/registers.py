"""graph -> lines: an order, and a register for every value of one block.

Registers are the blocks of the arrays that the sweep writes, once their old value is dead, and
scratch arrays. A linear scan gives each value the one it may take; an operation may overwrite an
argument that it is the last to read. The invariant: an array's block ends with its new value, and
no value is placed there that would be read after that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from thetaprime.backends.terms import CHOOSE, COPY, INPUT, SELECT, Graph, Node, Operand
from thetaprime.expr import Sym

Scope = tuple[tuple[Node, int], ...]


@dataclass(frozen=True, eq=False)
class Line:
    """One step of the kernel: compute ``node``, fold it into a reduction, or a mark of an if."""

    kind: Literal["op", "reduce", "if", "move", "else", "end"]
    node: Node
    target: Sym | None = None
    branch: int = 0


@dataclass
class Block:
    """What the allocation decides. ``place[node]`` is a register: the name of an array or
    scratch ``#0 #1 ...`` (``?0 ?1 ...`` for truth values). ``due`` says what an array must hold in
    the end, and the line that makes it; ``homes`` the arrays that a value is due in; ``count`` how
    often a value is read."""

    lines: list[Line]
    last: dict[Node, int]
    place: dict[Node, str] = field(default_factory=dict)
    holds: dict[str, Node] = field(default_factory=dict)
    scratch: dict[str, None] = field(default_factory=dict)
    due: dict[str, tuple[Node, int]] = field(default_factory=dict)
    homes: dict[Node, list[str]] = field(default_factory=dict)
    count: Counter[Node] = field(default_factory=Counter)


def _scopes(graph: Graph, roots: set[Node]) -> dict[Node, Scope]:
    """Where each live node is computed: inside of a branch when only that branch reads it."""
    scopes: dict[Node, Scope] = dict.fromkeys(roots, ())
    for node in reversed(graph.nodes):
        if node not in scopes:
            continue
        for index, arg in enumerate(node.args):
            if isinstance(arg, Node):
                inner = (*scopes[node], (node, index)) if node.op == CHOOSE else scopes[node]
                scopes[arg] = _common(scopes[arg], inner) if arg in scopes else inner
    return scopes


def _common(a: Scope, b: Scope) -> Scope:
    same = [p for p, q in zip(a, b, strict=False) if p == q]
    length = next((i for i, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), len(same))
    return a[:length]


def order(graph: Graph, reduced: Mapping[Sym, Node], stored: Mapping[Sym, Node]) -> list[Line]:
    """The lines of the kernel; a copy into an array comes as soon as its old value is dead."""
    scopes = _scopes(graph, {*reduced.values(), *stored.values()})
    copies = {n: s.name for s, n in stored.items() if n.op == COPY}
    inside: dict[Scope, list[Node]] = {}
    for node in graph.nodes:
        if node.op != INPUT and node in scopes and node not in copies:
            inside.setdefault(scopes[node], []).append(node)
    readers: dict[Node, list[Sym]] = {}
    for symbol, node in reduced.items():
        readers.setdefault(node, []).append(symbol)

    def within(scope: Scope) -> Iterator[Line]:
        for node in inside.get(scope, ()):
            if node.op == CHOOSE:
                yield Line("if", node)
                for branch in (1, 2):
                    yield from within((*scope, (node, branch)))
                    yield Line("move", node, branch=branch)
                    yield Line("else" if branch == 1 else "end", node)
            else:
                yield Line("op", node)
            yield from (Line("reduce", node, s) for s in readers.get(node, ()))

    lines = [Line("reduce", n, s) for s, n in reduced.items() if n.op == INPUT]
    lines += within(())
    _insert_copies(lines, copies)
    return lines


def _insert_copies(lines: list[Line], copies: Mapping[Node, str]) -> None:
    """Put the copies into arrays behind the lines that make what is copied and those that read
    the old value, outside of all branches."""
    made: dict[Node, Line] = {}
    dead: dict[str, Line] = {}  # the line behind which the old value of an array is not read
    waiting: list[str] = []  # arrays that are read in the branches around
    depth = 0
    for line in lines:
        depth += (line.kind == "if") - (line.kind == "end")
        waiting += _inputs(line)
        if depth == 0:
            dead |= dict.fromkeys(waiting, line)
            waiting = []
        if line.kind != "reduce":
            made[line.node] = line
    for node, name in copies.items():
        source, copy = node.args[0], Line("op", node)
        before = [line for line in (dead.get(name), isinstance(source, Node) and made.get(source))
                  if line]
        at = max((lines.index(line) + 1 for line in before), default=0)
        lines.insert(at, copy)
        made[node] = copy
        for read in _inputs(copy):
            if read not in dead or lines.index(dead[read]) < at:
                dead[read] = copy


def _read(line: Line) -> tuple[Operand, ...]:
    match line.kind:
        case "op":
            return line.node.args
        case "reduce":
            return (line.node,)
        case "move":
            return (line.node.args[line.branch],)
    return ()


def _inputs(line: Line) -> list[str]:
    """The arrays whose old values a line reads."""
    return [a.name for a in _read(line) if isinstance(a, Node) and a.op == INPUT]


def allocate(lines: list[Line], stored: Mapping[Sym, Node]) -> Block:
    """Places for all values. Arrays written by this sweep are registers; the others are not."""
    last: dict[Node, int] = {}
    block = Block(lines, last)
    arrays = {s.name for s in stored}
    made: dict[Node, int] = {}
    for index, line in enumerate(lines):
        if line.kind in ("op", "if"):
            made.setdefault(line.node, index)
        for arg in _read(line):
            if not isinstance(arg, Node):
                continue
            last[arg] = index
            block.count[arg] += 1
            if arg.op == INPUT:
                block.place[arg] = arg.name
                if arg.name in arrays:
                    block.holds[arg.name] = arg
    end = len(lines)
    for symbol, node in stored.items():
        block.due[symbol.name] = (node, made[node])
        block.homes.setdefault(node, []).append(symbol.name)
        last[node] = end
    for index, line in enumerate(lines):
        if line.kind in ("op", "if"):
            register = _choose(block, index, line)
            block.place[line.node] = register
            block.holds[register] = line.node
            last.setdefault(line.node, index)
        elif line.kind == "move":
            block.holds[block.place[line.node]] = line.node
    return block


def _choose(block: Block, index: int, line: Line) -> str:
    """The register of the value that a line makes: its own array's block, else that of an
    argument it is the last to read, else free scratch, else a free array's block."""
    node, last = line.node, block.last
    region = index if line.kind == "op" else next(
        i for i in range(index, len(block.lines))
        if block.lines[i].kind == "end" and block.lines[i].node is node)

    def free(register: str) -> bool:
        held = block.holds.get(register)
        if held is None or last.get(held, -1) < index:
            return True
        if line.kind == "if":
            # Its own branches may read the old value of an array up to their last line.
            return held.op == INPUT and last[held] <= region
        return last[held] == index and _may_overwrite(block, node, register, index)

    def fits(register: str) -> bool:
        due = block.due.get(register)
        return due is None or due[0] is node or last.get(node, index) <= due[1]

    own = [s for s in block.homes.get(node, ()) if free(s)] or _branch_home(block, node, region)
    if own:
        return own[0]
    mark = "?" if node.boolean else "#"
    places = [block.place[a] for a in node.args if isinstance(a, Node) and a in block.place]
    rooms = [r for r in block.scratch if r.startswith(mark)]
    blocks: Mapping[str, object] = {} if node.boolean else block.due
    near = [r for r in places
            if r in blocks or (line.kind == "op" and r[0] == mark and r in block.scratch)]
    for register in chain(near, rooms, blocks if line.kind == "op" else ()):
        if free(register) and fits(register):
            return register
    fresh = f"{mark}{len(rooms)}"
    block.scratch[fresh] = None
    return fresh


def _branch_home(block: Block, node: Node, region: int) -> list[str]:
    """The register of the choice that this value is a branch of, when nothing reads that later in
    the branch: then the value is made where it is wanted."""
    lines = block.lines
    at = block.last.get(node, region)
    if at >= len(lines) or lines[at].kind != "move":
        return []
    target = lines[at].node
    if target not in block.place:
        return []
    wanted = target.args[3 - lines[at].branch] is node
    register = block.place[target]
    later = any(block.place.get(a) == register and a.op == INPUT
                for line in lines[region + 1:at] for a in _read(line) if isinstance(a, Node))
    return [] if wanted or later or block.count[node] > 1 else [register]


def _may_overwrite(block: Block, node: Node, register: str, index: int) -> bool:
    """Whether a line may write where it reads. A selection writes in two steps: over the second
    branch freely, over the first only when its mask may be turned round."""
    if node.op != SELECT:
        return True
    mask, yes, no = (a if isinstance(a, Node) else None for a in node.args)
    if no is not None and block.place[no] == register:
        return True
    assert mask is not None
    turned = block.last[mask] == index and block.place[mask] != register
    return yes is not None and block.place[yes] == register and turned
