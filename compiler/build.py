"""The actions of the grammar: each rule becomes one node of `syntax`, with its span."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any, Literal

from lark import Token, Transformer

from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.source import Span
from thetaprime.syntax import (
    Accept,
    Answered,
    Arm,
    AxisDecl,
    BatchLine,
    Binding,
    CaseBlock,
    Change,
    Choices,
    Cite,
    Claim,
    ConstDecl,
    Definition,
    Doc,
    DrawLine,
    EquationLine,
    Evaluate,
    EveryBlock,
    Exhaustion,
    Extern,
    Fact,
    File,
    FoldRange,
    ForAxis,
    Function,
    Hold,
    HyperItem,
    HyperLine,
    IfBlock,
    Interval,
    Later,
    LoopBlock,
    LoopStart,
    Losses,
    Many,
    Note,
    Numerics,
    Override,
    Param,
    Route,
    SpecRef,
    StateDecl,
    Store,
    Train,
    TypeName,
    Until,
    View,
)

Children = list[Any]
CONSTANTS = ("pi", "inf", "true", "false")


def canonical(name: str) -> str:
    """The one name behind both spellings: Greek letters by their names, subscripts as digits.

    >>> canonical("β₁"), canonical("beta1")
    ('beta1', 'beta1')
    """
    if name.isascii():
        return name
    parts = []
    for char in unicodedata.normalize("NFKC", name):
        full = unicodedata.name(char, "")
        if full.startswith("GREEK "):
            word = full.split("LETTER ")[-1].split(" WITH")[0].lower().replace("final ", "")
            word = "lambda" if word == "lamda" else word
            parts.append(word.capitalize() if "CAPITAL" in full else word)
        else:
            parts.append(char)
    return "".join(parts)


def _span(children: Children) -> Span:
    spans = [
        Span(c.start_pos or 0, c.end_pos or 0) if isinstance(c, Token) else c.span
        for c in children
        if (isinstance(c, Token) and c.type != "_NL") or hasattr(c, "span")
    ]
    return Span(min(s.start for s in spans), max(s.end for s in spans)) if spans else Span(0, 0)


def _claimed(children: Children) -> Span:
    """A claim with its changes and its conditions."""
    ends = [s.end for c in children if isinstance(c, tuple) for s in c if isinstance(s, Span)]
    ends += [_span(c).end for c in children if isinstance(c, list)]
    whole = _span(children)
    return Span(whole.start, max(whole.end, *ends, 0))


def _tokens(children: Children, kind: str) -> list[Token]:
    return [c for c in children if isinstance(c, Token) and c.type == kind]


def _names(children: Children) -> list[str]:
    return [canonical(str(c)) for c in _tokens(children, "NAME")]


def _nodes(children: Children, *kinds: type) -> list[Any]:
    return [c for c in children if isinstance(c, kinds)]


def _one(children: Children, *kinds: type) -> Any:
    found = _nodes(children, *kinds)
    return found[0] if found else None


_EXPR = (Num, Sym, Apply)


class Builder(Transformer[Token, Any]):
    """Called by the parser for each rule, innermost first."""

    # A file and its definitions.

    def start(self, c: Children) -> File:
        return File(tuple(_nodes(c, Definition)), tuple(_nodes(c, Function)))

    def definition(self, c: Children) -> Definition:
        names = _tokens(c, "NAME")
        extends = bool(_tokens(c, "EXTENDS"))
        spec = _one(c, SpecRef)
        items = tuple(x for x in c if not isinstance(x, Token | SpecRef))
        return Definition(str(c[0]), str(names[0]), tuple(map(str, names[1:])),
                          spec if extends else None, None if extends else spec, items,
                          _span([names[0]]))

    def spec(self, c: Children) -> SpecRef:
        refs = _nodes(c, SpecRef, Arm, *_EXPR)
        on = refs.pop() if _tokens(c, "ON") else None
        args = [Num(str(x), span=_span([x])) if isinstance(x, Token) else x for x in c
                if (isinstance(x, Token) and x.type == "NUMBER") or any(x is r for r in refs)]
        return SpecRef(str(c[0]), tuple(args), tuple(_nodes(c, Binding)), on, _span(c))

    def arm(self, c: Children) -> Arm:
        return Arm(c[0], c[1], _span(c))

    def arm_otherwise(self, c: Children) -> Arm:
        return Arm(None, c[1], _span(c))

    def glob(self, c: Children) -> Apply:
        name = Sym(canonical(str(c[0])), span=_span(c[:1]))
        return Apply("~", (name,), (str(c[-1])[1:-1],), span=_span(c))

    def binding(self, c: Children) -> Binding:
        return Binding(_names(c)[0], c[-1], _span(c))

    # Declarations.

    def doc(self, c: Children) -> Doc:
        return Doc(str(c[0])[1:-1], _span(c))

    def cite(self, c: Children) -> Cite:
        return Cite(str(c[1])[1:-1], _span(c))

    def note(self, c: Children) -> Note:
        return Note(str(c[1])[1:-1], _span(c))

    def param(self, c: Children) -> Param:
        return Param(_names(c)[0], _one(c, TypeName), _span(c))

    def axis(self, c: Children) -> AxisDecl:
        lengths = [str(t) for t in c[2:] if isinstance(t, Token) and t.type in ("NAME", "NUMBER")]
        return AxisDecl(_names(c)[0], lengths[0] if lengths else None, _span(c))

    def hyper(self, c: Children) -> HyperLine:
        return HyperLine(tuple(_nodes(c, HyperItem)), _one(c, Interval, Choices), _span(c))

    def hyper_item(self, c: Children) -> HyperItem:
        return HyperItem(_names(c)[0], _one(c, TypeName), _one(c, *_EXPR), _span(c), str(c[0]))

    def interval(self, c: Children) -> Interval:
        low, high = _nodes(c, *_EXPR)
        return Interval(low, high, c[0] == "[", c[-1] == "]", _span(c))

    def choices(self, c: Children) -> Choices:
        return Choices(tuple(_names(c)), _span(c))

    def state(self, c: Children) -> StateDecl:
        how: Literal["=", "first", "~"] = "first" if _tokens(c, "FIRST") else "="
        if any(x == "~" for x in c if isinstance(x, Token)):
            how = "~"
        return StateDecl(_names(c)[0], _one(c, TypeName), how, _one(c, *_EXPR), _span(c), str(c[1]))

    def constant(self, c: Children) -> ConstDecl:
        return ConstDecl(_names(c)[0], _one(c, TypeName), c[-1], _span(c), str(c[1]))

    def type(self, c: Children) -> TypeName:
        words: list[str] = []
        axes: list[str] = []
        inside = False
        for token in c:
            inside = inside or token == "["
            if token.type in ("NAME", "NUMBER"):
                (axes if inside else words).append(canonical(str(token)))
        return TypeName(" ".join(words), tuple(axes), _span(c))

    def train(self, c: Children) -> Train:
        return Train(_names(c)[0], c[-1], _span(c), str(c[1]))

    def evaluate(self, c: Children) -> Evaluate:
        names = _names(c)
        return Evaluate(names[0] if names else None, c[-1], _span(c))

    def function(self, c: Children) -> Function:
        return self._function(c, (), c[-1])

    def function_block(self, c: Children) -> Function:
        items = tuple(x for x in c[3:-1] if not isinstance(x, Token))
        return self._function(c, items, c[-1])

    def _function(self, c: Children, items: tuple[Any, ...], result: Expr) -> Function:
        parameters, extents = c[2]
        return Function(_names(c)[0], parameters, extents, items, result, _span(c))

    def fn_parameters(self, c: Children) -> tuple[tuple[str, ...], tuple[str, ...]]:
        cut = next((i for i, t in enumerate(c) if t.type == "OVER"), len(c))
        return tuple(_names(c[:cut])), tuple(_names(c[cut:]))

    def view(self, c: Children) -> View:
        return View(_names(c)[0], _one(c, TypeName), _span(c))

    def losses(self, c: Children) -> Losses:
        inside = next((i for i, t in enumerate(c) if t == "["), None)
        if inside is None:
            return Losses(tuple(_names(c)), None, _span(c))
        return Losses((canonical(str(c[1])),), str(c[inside + 1]), _span(c))

    def numerics(self, c: Children) -> Numerics:
        return Numerics(tuple(_nodes(c, Store)), _span(c[:1]))

    def store(self, c: Children) -> Store:
        name, dtype, *rounding = _names(c)
        return Store(name, dtype, rounding[0] if rounding else "", _span(c))

    def extern(self, c: Children) -> Extern:
        return Extern(_names(c)[0], tuple(_nodes(c, tuple)), c[-1], _span(c))

    def extern_argument(self, c: Children) -> tuple[str, TypeName]:
        return canonical(str(c[0])), c[1]

    def items(self, c: Children) -> list[Any]:
        return c

    def case(self, c: Children) -> CaseBlock:
        return CaseBlock(c[1], tuple(c[2]), _span(c[:2]))

    def otherwise(self, c: Children) -> CaseBlock:
        return CaseBlock(None, tuple(c[1]), _span(c[:1]))

    def for_axis(self, c: Children) -> ForAxis:
        axis, of = _names(c)
        return ForAxis(axis, of, tuple(c[-1]), _span(c[:-1]))

    def route(self, c: Children) -> Route:
        return Route(tuple(_nodes(c, Arm)), _span(c[:1]))

    # Statements.

    def many(self, c: Children) -> Many:
        return Many(tuple(c[:-1]), c[-1], _span(c))

    def batch(self, c: Children) -> BatchLine:
        name, how = _names(c)
        return BatchLine(name, how, _span(c))

    def iterate(self, c: Children) -> LoopBlock:
        at = next(i for i, x in enumerate(c) if isinstance(x, Token) and x.type == "ITERATE")
        return LoopBlock("iterate", tuple(c[:at]), c[at + 1], tuple(_nodes(c, LoopStart)),
                         tuple(c[-1]), span=_span(c[:-1]))

    def search(self, c: Children) -> LoopBlock:
        at = next(i for i, x in enumerate(c) if isinstance(x, Token) and x.type == "SEARCH")
        suite = _one(c, list)
        return LoopBlock("search", tuple(c[:at]), c[at + 2], tuple(_nodes(c, LoopStart)),
                         tuple(suite), exhaustion=_one(c, Exhaustion),
                         span=_span([x for x in c if not isinstance(x, Exhaustion)]))

    def fold(self, c: Children) -> LoopBlock:
        at = next(i for i, x in enumerate(c) if isinstance(x, Token) and x.type == "FOLD")
        return LoopBlock("fold", tuple(c[:at]), None, tuple(_nodes(c, LoopStart)), tuple(c[-1]),
                         canonical(str(c[at + 1])), _one(c, FoldRange), span=_span(c[:-1]))

    def fold_range(self, c: Children) -> FoldRange:
        names = tuple(_names(c))
        form: Literal["axis", "perm", "range"] = "axis" if len(c) == 1 else "perm"
        return FoldRange("range" if _tokens(c, "RANGE") else form, names, _span(c))

    def loop_start(self, c: Children) -> LoopStart:
        return LoopStart(_names(c)[0], _one(c, TypeName), c[-1], _span(c))

    def until(self, c: Children) -> Until:
        return Until(c[1], _span(c))

    def accept(self, c: Children) -> Accept:
        return Accept(c[1], tuple(_nodes(c, EquationLine)), _span(c))

    def setting(self, c: Children) -> EquationLine:
        return EquationLine(c[0], c[1], _span(c))

    def exhaustion_word(self, c: Children) -> Exhaustion:
        return Exhaustion(_names(c)[0], (), _span(c))

    def exhaustion(self, c: Children) -> Exhaustion:
        return Exhaustion("", tuple(_nodes(c, EquationLine)), _span(c))

    def equation(self, c: Children) -> EquationLine:
        return EquationLine(c[0], c[1], _span(c))

    def override(self, c: Children) -> Override:
        return Override(c[1], _span(c))

    def draw(self, c: Children) -> DrawLine:
        return DrawLine(_names(c)[0], c[1], _one(c, TypeName), _span(c), str(c[0]))

    def bare(self, c: Children) -> Apply:
        return Apply(canonical(str(c[0])), span=_span(c))

    def when(self, c: Children) -> IfBlock:
        suites = _nodes(c, list)
        return IfBlock(c[1], tuple(suites[0]), tuple(suites[1]) if len(suites) > 1 else (),
                       _span(c[:2]))

    def every(self, c: Children) -> EveryBlock:
        period, start = _nodes(c, *_EXPR)
        suites = _nodes(c, list)
        return EveryBlock(period, start, tuple(suites[0]),
                          tuple(suites[1]) if len(suites) > 1 else (), _span([c[0], start]))

    def hold(self, c: Children) -> Hold:
        return Hold(c[-1], _span(c))

    def suite(self, c: Children) -> list[Any]:
        return c

    def asked(self, c: Children) -> Answered:
        name, oracle, point = _names(c)
        return Answered(name, oracle, point, c[-1], _span(c))

    def later(self, c: Children) -> Later:
        return Later(str(c[0]), "".join(map(str, c)), _span(c[:1]))

    def any_line(self, c: Children) -> Token:
        token: Token = c[0]
        return token

    # Claims.

    def claim_relation(self, c: Children) -> Claim:
        return Claim("fact", Fact(c[1], None, _span(c[1:2])), self._when(c), _claimed(c))

    def claim_equation(self, c: Children) -> Claim:
        return Claim("fact", Fact(c[1], c[2], _span(c[1:3])), self._when(c), _claimed(c))

    def claim_equals(self, c: Children) -> Claim:
        return Claim("equals", _one(c, SpecRef), self._when(c), _claimed(c))

    def claim_invariant(self, c: Children) -> Claim:
        form, subject, _ = next(x for x in c if isinstance(x, tuple) and x and x[0] in (
            "invariant", "symmetry"))
        return Claim(form, subject, self._when(c), _claimed(c))

    def claim_cost(self, c: Children) -> Claim:
        return Claim("cost", (str(c[2]), canonical(str(c[3]))), (), _span(c))

    def _when(self, c: Children) -> tuple[Fact, ...]:
        conditions = [x for x in c if isinstance(x, list)]
        return tuple(conditions[0]) if conditions else ()

    def condition(self, c: Children) -> list[Fact]:
        return [x if isinstance(x, Fact) else Fact(x, None, _span([x]))
                for x in c if not isinstance(x, Token)]

    def fact_equation(self, c: Children) -> Fact:
        return Fact(c[0], c[1], _span(c))

    def invariance(self, c: Children) -> tuple[str, tuple[Any, ...], Span]:
        changes = tuple(_nodes(c, Change))
        if changes:
            return "invariant", changes, _span(c)
        return "symmetry", tuple(_names(c)), _span(c)

    def change(self, c: Children) -> Change:
        return Change(c[0], c[1], _span(c))

    # Expressions.

    def infix(self, c: Children) -> Apply:
        left, operator, right = c
        return Apply(str(operator), (left, right), span=_span(c))

    def prefix(self, c: Children) -> Apply:
        op = "neg" if c[0] == "-" else "not"
        return Apply(op, (c[1],), span=_span(c))

    def conditional(self, c: Children) -> Apply:
        return Apply("if", (c[1], c[3], c[5]), span=_span(c))

    def transpose(self, c: Children) -> Apply:
        return Apply("T", (c[0],), span=_span(c))

    def group(self, c: Children) -> Expr:
        inner: Expr = c[0]
        return replace(inner, span=Span(max(inner.span.start - 1, 0), inner.span.end + 1))

    def number(self, c: Children) -> Num:
        return Num(str(c[0]), span=_span(c))

    def symbol(self, c: Children) -> Expr:
        name = canonical(str(c[0]))
        if name in CONSTANTS and len(c) == 1:
            return Apply(name, span=_span(c))
        return Sym(name, len(c) > 1, span=_span(c), spelled=str(c[0]))

    def call(self, c: Children) -> Apply:
        cut = next((i for i, t in enumerate(c) if isinstance(t, Token) and t.type == "OVER"),
                   len(c))
        # `grad(x; fresh)`: the batch is part of what is asked for, not an argument.
        batch = next((i for i, t in enumerate(c) if t == ";"), len(c))
        over = tuple(_names(c[cut:batch]))
        op = "; ".join([canonical(str(c[0])), *_names(c[batch:])])
        return Apply(op, tuple(_nodes(c[:cut], *_EXPR)), over, span=_span(c))

    def oracle(self, c: Children) -> Apply:
        batch = next((i for i, t in enumerate(c) if t == ";"), len(c))
        prime = "'" * bool(_tokens(c[:2], "PRIME"))
        head = f"{canonical(str(c[0]))}{prime}[{', '.join(_names(c[1:batch]))}]"
        op = "; ".join([head, *_names(c[batch:])])
        return Apply(op, tuple(_nodes(c, *_EXPR)), span=_span(c))

    def method(self, c: Children) -> Apply:
        return Apply(f"{canonical(str(c[0]))}.{canonical(str(c[2]))}", tuple(_nodes(c, *_EXPR)),
                     span=_span(c))

    def list(self, c: Children) -> Apply:
        return Apply("list", tuple(_nodes(c, *_EXPR)), span=_span(c))
