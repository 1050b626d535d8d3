"""Claims as questions about a step: what a claim compares is computed by equations of the step
itself, so that it is typed, expanded and executed like all else of the spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from thetaprime.collect import collect
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.flat import Flat, Part
from thetaprime.ir import Equation, Step, statements
from thetaprime.library import prelude
from thetaprime.lines import line_text
from thetaprime.lower import lower
from thetaprime.source import Source
from thetaprime.syntax import Change, Claim, EquationLine, Fact

RELATIONS = ("<", "<=", ">", ">=", "==", "!=")
MOST_VARIANTS = 16
GRADIENT, ANY_WIDTH = "g", 10_000


@dataclass(frozen=True)
class Relation:
    """``left op right``; both are symbols that the question's step defines, or expressions over
    its symbols. A condition that is no relation is compared with `true`."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Question:
    """A claim about one choice of static hyperparameters. ``facts`` are what it says (all of them),
    ``when`` its conditions; ``changes`` the replacements of an invariance. ``constant``: names that
    conditions bring, numbers that stay the same over all steps, as c in `mhat = c when g = c`."""

    claim: Claim
    source: Source
    step: Step
    facts: tuple[Relation, ...] = ()
    when: tuple[Relation, ...] = ()
    changes: tuple[tuple[Sym, Expr], ...] = ()
    constant: frozenset[str] = frozenset()

    @cached_property
    def text(self) -> str:
        """The claim as the spec says it."""
        return line_text(self.claim, ANY_WIDTH).removeprefix("claim ")


class Unasked(Exception):
    """A claim that cannot be put as a question; the message says why."""


def questions(flat: Flat, claim: Claim, source: Source) -> list[Question]:
    """A claim for every choice of static hyperparameters that its conditions leave open, the
    default first. Raises Unasked and SpecError."""
    tables = collect(flat, prelude())
    choices: dict[str, tuple[str, ...]] = {
        n: i.choices or ("true", "false") for n, i in tables.hypers.items()
        if i.folded and n not in flat.bound}
    when = []
    for fact in claim.when:
        name = fact.left.name if isinstance(fact.left, Sym) else ""
        if name in choices and fact.right is not None:
            choices[name] = (_word(fact.right),)
        else:
            when.append(fact)
    default = {n: v for n, v in lower(flat, prelude(), {}).step.fixed if n in choices}
    ordered = sorted(product(*choices.values()), key=lambda values: sum(
        default[n] != v for n, v in zip(choices, values, strict=True)))
    if len(ordered) > MOST_VARIANTS:
        raise Unasked(f"there are more than {MOST_VARIANTS} choices of hyperparameters")
    return [_question(flat, claim, source, when, dict(zip(choices, values, strict=True)))
            for values in ordered]


def _question(
    flat: Flat, claim: Claim, source: Source, when: list[Fact], fixed: Mapping[str, str]
) -> Question:
    lines: list[EquationLine] = []

    def compute(expr: Expr) -> Expr:
        """The expression, computed by an equation of its own."""
        if isinstance(expr, Sym | Num) or not expr.args:
            return expr
        target = Sym(f"claim_{len(lines) + 1}", span=expr.span)
        lines.append(EquationLine(target, expr, expr.span))
        return target

    def relation(one: Relation) -> Relation:
        return Relation(one.op, compute(one.left), compute(one.right))

    constants = frozenset(s.name for s in constants_of(claim, flat))
    lines += [EquationLine(Sym(name), Sym(GRADIENT), claim.span) for name in sorted(constants)]
    conditions = [r for fact in when for r in _relations(fact)
                  if not (isinstance(r.right, Sym) and r.right.name in constants)]
    told = tuple(relation(r) for r in conditions)
    facts: tuple[Relation, ...] = ()
    changes: tuple[tuple[Sym, Expr], ...] = ()
    if claim.form == "fact":
        assert isinstance(claim.subject, Fact)
        facts = tuple(relation(r) for r in _relations(claim.subject))
    elif claim.form == "invariant":
        assert isinstance(claim.subject, tuple)
        changes = tuple((c.target, c.value) for c in claim.subject if isinstance(c, Change))
    parts = (*flat.parts, *(Part(line, source) for line in lines))
    made = replace(flat, parts=parts, claims=())
    step = lower(made, prelude(), fixed, [line.target for line in lines]).step
    typed = {s.target: s.target for s in statements(step.body) if isinstance(s, Equation)}

    def kind(expr: Expr) -> Expr:
        return typed.get(expr, expr) if isinstance(expr, Sym) else expr

    def known_types(one: Relation) -> Relation:
        return Relation(one.op, kind(one.left), kind(one.right))

    return Question(claim, source, step, tuple(map(known_types, facts)),
                    tuple(map(known_types, told)), changes, constants)


def constants_of(claim: Claim, flat: Flat) -> Iterator[Sym]:
    """The names that stand for one number in all steps: c in `when g = c`."""
    tables = collect(flat, prelude())
    known = {*tables.hypers, *tables.states, tables.point, tables.parameter}
    for fact in claim.when:
        if fact.left == Sym(GRADIENT) and isinstance(fact.right, Sym) and (
                fact.right.name not in known):
            yield fact.right


def _relations(fact: Fact) -> Iterator[Relation]:
    """The relations that a fact says; those joined by `and` one by one."""
    if fact.right is not None:
        yield Relation("==", fact.left, fact.right)
        return
    match fact.left:
        case Apply("and", (one, other)):
            yield from _relations(replace(fact, left=one))
            yield from _relations(replace(fact, left=other))
        case Apply(op, (left, right)) if op in RELATIONS:
            yield Relation(op, left, right)
        case other_fact:
            yield Relation("==", other_fact, Apply("true"))


def _word(expr: Expr) -> str:
    return expr.name if isinstance(expr, Sym) else expr.op if isinstance(expr, Apply) else expr.text
