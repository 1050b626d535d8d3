"""One sweep as a Python function of one block, and scalar expressions as Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from string import ascii_lowercase
from textwrap import wrap

from thetaprime.backends.block_text import text
from thetaprime.backends.draws import name_hash
from thetaprime.backends.graph import build
from thetaprime.backends.passes import Program
from thetaprime.backends.phases import Plain
from thetaprime.backends.registers import Line, allocate, order
from thetaprime.backends.terms import INPUT, Graph, Node
from thetaprime.expr import Apply, Expr, Num, Sym, walk
from thetaprime.ir import Draw, Equation, First
from thetaprime.ops import OPS, REDUCTIONS
from thetaprime.render import TIGHT, Notation, render, spec_text

# The ufunc that joins partial results, and the result of nothing.
FOLDS = {"add": ("add", "0.0"), "max": ("maximum", "-np.inf"), "min": ("minimum", "np.inf"),
         "and": ("logical_and", "True"), "or": ("logical_or", "False")}
_FUNCTIONS = {row.array for row in OPS.values()} | {"copyto", "square"}


@dataclass(frozen=True)
class Kernel:
    """A function of one block. ``constants`` are the scalars that it is given: what the caller
    names them, and their expression."""

    name: str
    lines: list[str]
    functions: set[str]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    scratch: int
    masks: int
    constants: list[tuple[str, Expr]]


def python_text(expr: Expr, names: Mapping[Sym, str]) -> str:
    """A scalar expression in Python over numpy's float64."""
    return render(expr, replace(NOTATION, symbol=lambda s: names[s]))


def _number(number: Num) -> str:
    return number.text.lstrip("0") or "0" if number.text.isdigit() else number.text


def _call(expr: Apply, args: list[str]) -> str:
    row = OPS[expr.op]
    if row.fix == "constant":
        return row.array if row.typing == "logic" else f"np.{row.array}"
    if expr.op == "default":
        return f"_default({', '.join(args)})"
    done = args[0] if row.arity[0] == 2 else f"np.{row.array}({', '.join(args)})"
    for more in args[1:] if row.arity[0] == 2 else []:
        done = f"np.{row.array}({done}, {more})"
    return done


def _special(expr: Apply, show: Callable[[Expr, int], str]) -> tuple[str, int] | None:
    if expr.op == "if":
        c, a, b = expr.args
        return f"{show(a, 1)} if {show(c, 1)} else {show(b, 0)}", 0
    return None


_INFIX = {name: name if name in TIGHT else f" {name} " for name, row in OPS.items()
          if row.fix == "infix" and name != "default"}
# Python over numpy's numbers; symbols are spelled as they are named.
NOTATION = Notation(
    number=_number, symbol=lambda s: s.name, call=_call, infix={**_INFIX, "^": "**"},
    prefix={"neg": "-", "not": "not "}, special=_special)


def kernel(
    prog: Program, sweep: int, name: str, names: Mapping[Sym, str],
    constant: Callable[[Expr], str], sources: Mapping[Sym, Plain],
    draws: Mapping[str, tuple[str, int]],
) -> Kernel:
    """The function of sweep number ``sweep``. ``constant`` names a scalar expression, the same
    one always alike; ``sources`` are the equations to quote; ``draws`` the name in the spec and
    the lane of what is drawn."""
    graph, reduced, stored = build(prog, sweep)
    block = allocate(order(graph, reduced, stored), stored)
    inside = {n if n not in _FUNCTIONS else f"{n}_" for n in names.values()}
    scalars: dict[str, Expr] = {}

    def local(symbol: Sym) -> str:
        given = names[symbol]
        return f"{given}_" if given in _FUNCTIONS else given

    def spell(expr: Expr) -> str:
        if isinstance(expr, Sym):
            scalars[names[expr]] = expr
            return local(expr)
        if plain(expr):
            return python_text(expr, names)
        known = constant(expr)
        scalars[known] = expr
        return known

    arrays = {*prog.stored, *(s.name for s in stored)}
    registers = {n: local(Sym(n)) for n in arrays}
    free = (c for c in letters() if c not in inside)
    for register in block.scratch:
        registers[register] = next(free) if register[0] == "#" else f"mask_{register[1:]}"
    registers |= {s.name: local(s) for s in reduced}
    size = f"{registers[next(iter(block.place.values()))]}.size"
    drawn = [n for n in graph.nodes if n.name in draws and n.op != INPUT]
    for node in drawn:
        spelled, lane = draws[node.name]
        first = "start" if lane == 0 else f"start + {lane}*leaf[\"_size\"]"
        scalars["seed"] = scalars["t"] = Num("0")
        where = f'leaf["_index"], {first}, {size}'
        kind = f"{size.removesuffix('.size')}.dtype"
        registers[f"{node.op} {node.name}"] = (
            f"_{node.op}(seed, 0x{name_hash(spelled):08X}, t, {where}, {kind})")
    folds = {t: FOLDS[REDUCTIONS[reduction(prog, t)].combine][0] for t in reduced}
    said = {r.target: r for r in prog.passes[sweep].reductions} | dict(sources)
    lines, used = text(block, registers, spell, comments(graph, block.lines, said), folds)
    if reduced:
        results = ", ".join(registers[s.name] for s in reduced)
        lines.append(f"return {results}{',' * (len(reduced) == 1)}")
    writes = tuple(s.name for s in stored)
    found = {n.name for n in graph.nodes if n.op == INPUT and n in block.place}
    reads = tuple(n for n in sorted_names(found, prog) if n not in writes)
    scratch = [r for r in block.scratch if r[0] == "#"]
    masks = [r for r in block.scratch if r[0] == "?"]
    given = [registers[r] for r in (*reads, *writes, *scratch, *masks)]
    given += [f"{n}_" if n in _FUNCTIONS else n for n in scalars]
    if draws:
        given = ["leaf", "start", *given]
    return Kernel(name, [f"def {name}({', '.join(given)}):", *(f"    {line}" for line in lines)],
                  used, reads, writes, len(scratch), len(masks), list(scalars.items()))


def reduction(prog: Program, target: Sym) -> str:
    """The reduction that defines a symbol."""
    value = prog.values[target]
    assert not isinstance(value, Draw)
    assert isinstance(value.value, Apply)
    return value.value.op


def plain(expr: Expr) -> bool:
    """Whether an expression is a number of Python's."""
    return all(isinstance(n, Num) or (isinstance(n, Apply) and _simple(n)) for n in walk(expr))


def _simple(node: Apply) -> bool:
    """Whether Python itself computes this, so that the number stays one of Python's."""
    return OPS[node.op].fix in ("infix", "constant") or node.op == "neg"


def sorted_names(found: set[str], prog: Program) -> list[str]:
    return [s.name for s in prog.extents if not s.prime and s.name in found]


def letters() -> Iterator[str]:
    yield from ascii_lowercase
    yield from (f"{c}{c}" for c in ascii_lowercase)
    yield from (f"a{number}" for number in count(1))


def comments(
    graph: Graph, lines: Sequence[Line], sources: Mapping[Sym, Plain]
) -> dict[Node, list[str]]:
    """The equations above the lines that compute them. One whose work went into another's (a
    mere factor) stands above that."""
    owners = {line.node.owner for line in lines}
    told: set[Sym] = set()
    notes: dict[Node, list[str]] = {}
    seen = 0  # how many of the complete ones
    for line in lines:
        if line.kind not in ("op", "if") or line.node.owner is None:
            continue
        before = [s for s in graph.complete[seen:line.node.stamp] if s not in owners]
        seen = max(seen, line.node.stamp)
        for symbol in (*before, line.node.owner):
            if symbol in sources and symbol not in told:
                told.add(symbol)
                notes.setdefault(line.node, []).extend(wrap(quote(sources[symbol]), 88))
    return notes


def quote(statement: Plain) -> str:
    """A statement as the spec says it."""
    match statement:
        case First(target, value):
            return f"{target} = {spec_text(value)} at t = 1"
        case Draw(target, distribution, args):
            return f"{target} ~ {distribution}({', '.join(map(spec_text, args))})"
        case Equation(target, value):
            return f"{target} = {spec_text(value)}"

