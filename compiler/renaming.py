"""The names that items of a spec define, and items under other names: what inlining needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from thetaprime.expr import Apply, Expr, Num, Sym, rewrite
from thetaprime.source import Span
from thetaprime.syntax import (
    AxisDecl,
    BatchLine,
    CaseBlock,
    ConstDecl,
    DrawLine,
    EquationLine,
    EveryBlock,
    Extern,
    FoldRange,
    ForAxis,
    Function,
    HyperItem,
    HyperLine,
    IfBlock,
    Item,
    LoopBlock,
    LoopStart,
    Losses,
    Many,
    Param,
    StateDecl,
    Store,
    Train,
    TypeName,
    View,
)

# Types that are words of the language; others of one word are axes.
_TYPES = ("int", "bool", "scalar", "matrix", "vector", "tensor")
# The fields that hold names, by the kind of node; expressions are renamed wherever they stand.
_NAMES: dict[type, tuple[str, ...]] = {
    HyperItem: ("name",), StateDecl: ("name",), ConstDecl: ("name",), DrawLine: ("name",),
    Train: ("name",), AxisDecl: ("name", "length"), BatchLine: ("name",), LoopStart: ("name",),
    LoopBlock: ("index",), FoldRange: ("names",), ForAxis: ("axis", "of"), View: ("name",),
    Store: ("name",), TypeName: ("axes",), Losses: ("length",), Param: ("name",)}
_WORD = re.compile(r"[^\W\d]\w*")

Node = TypeVar("Node")


@dataclass(frozen=True)
class Renaming:
    """Symbols, and the names of functions, that become others; all else stays."""

    symbols: Mapping[Sym, Sym]
    functions: Mapping[str, str]

    def name(self, name: str) -> str:
        """The new name of an unprimed symbol, an axis, a batch or an index."""
        return self.symbols.get(Sym(name), Sym(name)).name

    def expr(self, expr: Expr) -> Expr:
        """The expression, its nodes where they were."""
        return rewrite(expr, self._node)

    def _node(self, node: Expr) -> Expr:
        match node:
            case Sym():
                new = self.symbols.get(node)
                return node if new is None else replace(new, span=node.span)
            case Apply("~") | Num():
                return node
            case Apply(op, _, over):
                return replace(node, op=self._op(node), over=tuple(map(self.name, over))) if (
                    over or _WORD.search(op)) else node
        return node

    def _op(self, node: Apply) -> str:
        """``grad; B`` names a batch, ``G'[j]`` an indexed quantity, the rest functions."""
        match = _WORD.match(node.op)
        if match is None:
            return node.op
        head, rest = match[0], node.op[match.end():]
        rest = _WORD.sub(lambda m: self.name(m[0]), rest)
        if not node.args and "[" in rest:
            prime, rest = rest.startswith("'"), rest.lstrip("'")
            new = self.symbols.get(Sym(head, prime), Sym(head, prime))
            return f"{new.name}{chr(39) * new.prime}{rest}"
        return self.functions.get(head, head) + rest

    def item(self, node: Node) -> Node:
        """The item, or any node in it, under the new names."""
        found: Any = node
        if isinstance(node, Num | Sym | Apply):
            found = self.expr(node)
        elif isinstance(node, tuple):
            found = tuple(map(self.item, node))
        elif isinstance(node, Function):
            found = self._function(node)
        elif is_dataclass(node) and not isinstance(node, type | Span):
            changed: dict[str, Any] = {}
            named = _NAMES.get(type(node), ())
            for field in fields(node):
                old = getattr(node, field.name)
                if field.name not in named:
                    changed[field.name] = self.item(old)
                elif isinstance(old, tuple):
                    changed[field.name] = tuple(map(self.name, old))
                elif old is not None:
                    changed[field.name] = self.name(old)
            if changed.get("name", getattr(node, "name", "")) != getattr(node, "name", ""):
                changed |= {"spelled": ""} if hasattr(node, "spelled") else {}
            if isinstance(node, TypeName) and node.base not in _TYPES:  # `lanes` is an axis
                changed["base"] = self.name(node.base)
            if isinstance(node, Extern):
                changed["name"] = self.functions.get(node.name, node.name)
            found = replace(node, **changed)
        return found  # type: ignore[no-any-return]

    def _function(self, function: Function) -> Function:
        """What a function calls its own is no business of the spec around it."""
        own = {*function.parameters, *function.extents, *defined(function.items)}
        outside = {s: n for s, n in self.symbols.items() if s.name not in own}
        # A name of the function that the new names would reach is changed with them.
        caught = own & {n.name for n in outside.values()}
        inside = {Sym(n, prime): Sym(f"{function.name}_{n}", prime)
                  for n in caught for prime in (False, True)}
        body = Renaming({**outside, **inside}, self.functions)
        return replace(
            function, name=self.functions.get(function.name, function.name),
            parameters=tuple(map(body.name, function.parameters)),
            extents=tuple(map(body.name, function.extents)),
            items=tuple(map(body.item, function.items)), result=body.expr(function.result))


def defined(items: Iterable[Item]) -> Iterator[str]:
    """The names that items define, at any depth, but for those of functions and for the axes of a
    tensor (``rows``), which mean the same everywhere; some repeat."""
    for item in items:
        match item:
            case HyperLine(inner):
                yield from (h.name for h in inner)
            case (StateDecl(name) | ConstDecl(name) | AxisDecl(name) | Train(name)
                  | DrawLine(name) | BatchLine(name)):
                yield name
            case EquationLine(target):
                yield target.name
            case Many(targets):
                yield from (t.name for t in targets)
            case LoopBlock(_, targets, _, starts, body):
                yield from (t.name for t in targets)
                yield from (s.name for s in starts)
                yield from filter(None, (item.index,))
                yield from defined(body)
            case IfBlock(_, then, otherwise) | EveryBlock(_, _, then, otherwise):
                yield from defined((*then, *otherwise))
            case CaseBlock(_, inner):
                yield from defined(inner)
            case ForAxis(axis, _, inner):
                yield axis
                yield from defined(inner)
            case Losses((name,), str()):
                yield name


def functions(items: Iterable[Item]) -> set[str]:
    """The functions that items define."""
    return {item.name for item in items if isinstance(item, Function | Extern)}


def mapped(node: Node, change: Callable[[Expr], Expr]) -> Node:
    """The node with ``change`` applied to every whole expression in it, targets included."""
    found: Any = node
    if isinstance(node, Num | Sym | Apply):
        found = change(node)
    elif isinstance(node, tuple):
        found = tuple(mapped(part, change) for part in node)
    elif is_dataclass(node) and not isinstance(node, type | Span):
        found = replace(node, **{f.name: mapped(getattr(node, f.name), change)
                                 for f in fields(node)})
    return found  # type: ignore[no-any-return]


def respanned(node: Node, span: Span) -> Node:
    """The node with everything in it at ``span``."""
    found: Any = node
    if isinstance(node, tuple):
        found = tuple(respanned(part, span) for part in node)
    elif is_dataclass(node) and not isinstance(node, type | Span):
        changed = {f.name: respanned(getattr(node, f.name), span) for f in fields(node)
                   if f.name not in ("span", "type") or (
                       f.name == "type" and isinstance(getattr(node, "type", None), TypeName))}
        found = replace(node, **changed, **({"span": span} if hasattr(node, "span") else {}))
    return found  # type: ignore[no-any-return]
