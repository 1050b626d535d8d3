"""Lines and registers -> Python: the text of one block."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from thetaprime.backends.registers import Block
from thetaprime.backends.terms import COPY, SELECT, Node, Operand
from thetaprime.expr import Expr, Sym
from thetaprime.ops import OPS

# What computes an operation, where that is not the op table's function of numpy; a name with an
# underscore is the module's own.
_FUNCTIONS = {"square": "square", "sign": "_sign"}
_DRAWS = ("normal", "uniform", "rademacher")

Spell = Callable[[Expr], str]


def text(
    block: Block, names: Mapping[str, str], spell: Spell, comment: Mapping[Node, list[str]],
    folds: Mapping[Sym, str],
) -> tuple[list[str], set[str]]:
    """The lines of Python, without their common indent, and the functions of numpy they use.
    ``names`` spells registers, ``spell`` scalars; ``folds`` names the ufunc of each reduction."""
    out: list[str] = []
    used: set[str] = set()
    depth = 0

    def say(line: str) -> None:
        out.append("    " * depth + line)

    def at(value: Operand) -> str:
        return names[block.place[value]] if isinstance(value, Node) else spell(value)

    def call(function: str, *args: str, out: str = "") -> None:
        if not function.startswith("_"):
            used.add(function)
        say(f"{function}({', '.join(args)}{', out=' if out else ''}{out})")

    def select(node: Node) -> None:
        mask, yes, no = node.args
        to = at(node)
        if isinstance(yes, Node) and at(yes) == to:
            call("logical_not", at(mask), out=at(mask))
            call("copyto", to, f"{at(no)}, where={at(mask)}")
            return
        if not (isinstance(no, Node) and at(no) == to):
            call("copyto", to, at(no))
        call("copyto", to, f"{at(yes)}, where={at(mask)}")

    for line in block.lines:
        node = line.node
        if line.kind in ("op", "if"):
            for note in comment.get(node, ()):
                say(f"# {note}")
        match line.kind:
            case "reduce":
                assert line.target is not None
                function = folds[line.target]
                used.add(function)
                say(f"{names[line.target.name]} = {function}.reduce({at(node)})")
            case "if":
                say(f"if {at(node.args[0])}:")
                depth += 1
            case "else":
                depth -= 1
                say("else:")
                depth += 1
            case "end":
                depth -= 1
                _tidy(out, depth)
            case "move":
                value = node.args[line.branch]
                if not (isinstance(value, Node) and at(value) == at(node)):
                    call("copyto", at(node), at(value))
                elif out[-1].endswith(":"):
                    say("pass")
            case "op" if node.op == SELECT:
                select(node)
            case "op" if node.op == COPY:
                call("copyto", at(node), at(node.args[0]))
            case "op" if node.op in _DRAWS:
                say(f"{at(node)}[...] = {names[f'{node.op} {node.name}']}")
            case "op":
                function = _FUNCTIONS.get(node.op) or OPS[node.op].array
                call(function, *(at(a) for a in node.args), out=at(node))
    for name, (node, _) in block.due.items():
        if block.place[node] != name:
            call("copyto", names[name], at(node))
    return out, used



def _tidy(out: list[str], depth: int) -> None:
    """Drop the branch of the conditional that ends here which does nothing."""
    indent = "    " * depth
    turn = next(i for i in reversed(range(len(out))) if out[i] == f"{indent}else:")
    start = next(i for i in reversed(range(turn)) if out[i].startswith(f"{indent}if "))
    idle = f"{indent}    pass"
    if out[turn + 1:] == [idle]:
        del out[turn:]
    elif out[start + 1:turn] == [idle]:
        condition = out[start].removeprefix(f"{indent}if ").removesuffix(":")
        out[start:turn + 1] = [f"{indent}if not {condition}:"]
