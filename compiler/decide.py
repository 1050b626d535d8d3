"""Static choices decided: booleans and one-of-a-set hyperparameters are folded before anything
is typed, so that the code of a choice holds nothing of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from thetaprime.diagnostics import Diagnostic, SpecError, closest, report
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite
from thetaprime.source import Source
from thetaprime.tables import HyperInfo, Tables

TRUE, FALSE = Apply("true"), Apply("false")


@dataclass
class Decide:
    """Folds one choice of the static hyperparameters into expressions.

    ``values`` is the choice as text, by name; ``substitution`` sets what `with` has bound.
    """

    tables: Tables
    fixed: Mapping[str, str]
    problems: list[Diagnostic] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    substitution: dict[Sym, Expr] = field(default_factory=dict)
    _zeros: list[Expr] = field(default_factory=list)

    def __post_init__(self) -> None:
        bound = self.tables.flat.bound
        for name, info in self.tables.hypers.items():
            if info.folded:
                self.values[name] = self._value(name, info)
            elif name in bound:
                value = self.substitution[Sym(name)] = _named(bound[name], name)
                if isinstance(value, Num) and not value.value:
                    self._zeros.append(value)

    def _value(self, name: str, info: HyperInfo) -> str:
        given = self.tables.flat.bound.get(name, info.item.default)
        text = self.fixed.get(name)
        if text is None and isinstance(given, Sym | Apply):
            text = given.name if isinstance(given, Sym) else given.op
        allowed = info.choices or ("true", "false")
        if text is None:
            return allowed[0]
        if text not in allowed:
            raise SpecError([report("not-a-choice", info.source, info.item.span, value=text,
                                    name=name, choices=", ".join(allowed))])
        return text

    def fold(self, expr: Expr, source: Source) -> Expr:
        """The expression with choices decided and what they rule out gone."""
        return self._check(rewrite(expr, self._node), source)

    def _node(self, node: Expr) -> Expr:
        match node:
            case Sym(name, False) if name in self.values and not self.tables.hypers[name].choices:
                self.used.add(name)
                return replace(TRUE if self.values[name] == "true" else FALSE, span=node.span)
            case Sym() if node in self.substitution:
                return self.substitution[node]
            case Apply(op, (Sym(name), Sym(word))) if op in ("==", "!=") and self._is_choice(name):
                if word in self.tables.hypers[name].choices:
                    self.used.add(name)
                    same = self.values[name] == word
                    return replace(TRUE if same == (op == "==") else FALSE, span=node.span)
            case Apply("if", (condition, then, otherwise)) if condition in (TRUE, FALSE):
                return then if condition == TRUE else otherwise
            case Apply("not", (inner,)) if inner in (TRUE, FALSE):
                return FALSE if inner == TRUE else TRUE
            case Apply("and", (a, b)) if TRUE in (a, b) or FALSE in (a, b):
                return FALSE if FALSE in (a, b) else (b if a == TRUE else a)
            case Apply("or", (a, b)) if TRUE in (a, b) or FALSE in (a, b):
                return TRUE if TRUE in (a, b) else (b if a == FALSE else a)
            case Apply("*" | "/" | "+" | "-" | "neg") if any(self._gone(a) for a in node.args):
                return self._without(node)
            case Apply(_, _, over) if any(self._is_choice(o) for o in over):
                self.used.update(o for o in over if self._is_choice(o))
                return replace(node, over=tuple(self.values.get(o, o) for o in over))
        return node

    def _gone(self, arg: Expr) -> bool:
        """Whether an argument is a zero that `with` has put there, and no zero of the text."""
        return any(arg is zero for zero in self._zeros)

    def _without(self, node: Apply) -> Expr:
        """0*a = 0, 0/a = 0, a + 0 = a, a - 0 = a, for zeros that `with` has put there."""
        left, right = (self._gone(a) for a in (node.args[0], node.args[-1]))
        match node.op:
            case "*" if left or right:
                return self._zero()
            case "/" | "neg" if left:
                return self._zero()
            case "+" if left or right:
                return node.args[1] if left else node.args[0]
            case "-" if right:
                return node.args[0]
        return node

    def _zero(self) -> Num:
        zero = Num("0")
        self._zeros.append(zero)
        return zero

    def _is_choice(self, name: str) -> bool:
        return name in self.values and bool(self.tables.hypers[name].choices)

    def _check(self, expr: Expr, source: Source) -> Expr:
        """A choice that is left over is used as a number, or compared with a foreign word."""
        def look(node: Expr) -> Expr:
            match node:
                case Apply(op, (Sym(name), Sym(word))) if (
                        op in ("==", "!=") and self._is_choice(name)):
                    choices = self.tables.hypers[name].choices
                    near = closest(word, choices) or choices[0]
                    self.problems.append(report("not-a-choice", source, node.args[1].span,
                                                value=word, name=name,
                                                choices=", ".join(choices),
                                                hints=(f"`{name} {op} {near}`",)))
                    return FALSE
                case Sym(name) if self._is_choice(name):
                    choices = self.tables.hypers[name].choices
                    self.problems.append(report(
                        "choice-as-number", source, node.span, name=name, first=choices[0],
                        choices=", ".join(choices)))
            return node

        return _top_down(expr, look)


def _top_down(expr: Expr, look: object) -> Expr:
    assert callable(look)
    seen: Expr = look(expr)
    if seen is expr and isinstance(expr, Apply):
        for arg in expr.args:
            _top_down(arg, look)
    return seen if seen is not expr else expr


def _named(value: Expr, name: str) -> Expr:
    """A value with the name of its hyperparameter at its first number: `3e-4`, `0.1/3`."""
    match value:
        case Num():
            return replace(value, named=name)
        case Apply("*" | "/" | "neg", (first, *others)):
            return replace(value, args=(_named(first, name), *others))
    return value
