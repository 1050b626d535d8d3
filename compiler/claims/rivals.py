"""What a claim `equals SPEC with h = e` compares with: the other rule, for the static choices
that the claim makes, with its hyperparameters as expressions in the rule's own."""

from __future__ import annotations

from dataclasses import replace

from thetaprime.claims.equality import Rival
from thetaprime.claims.questions import Question, Unasked
from thetaprime.collect import collect
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.library import find, prelude
from thetaprime.lower import lower
from thetaprime.parse import parse
from thetaprime.resolve import Scope, resolve_reference
from thetaprime.standing import plain
from thetaprime.syntax import SpecRef


def rival(question: Question) -> Rival:
    """Raises Unasked and SpecError."""
    reference = question.claim.subject
    assert isinstance(reference, SpecRef)
    definition = parse(question.source).definitions[0]
    scope = Scope(find, given=dict.fromkeys(definition.parameters, plain()))
    flat = resolve_reference(replace(reference, bindings=()), question.source, scope)
    tables = collect(flat, prelude())
    bound = {b.name: b.value for b in reference.bindings}
    mine = dict(question.step.fixed)
    choices: dict[str, str] = {}
    for name, info in tables.hypers.items():
        if info.folded and name not in flat.bound:
            words = info.choices or ("true", "false")
            if name in bound:
                choices[name] = _word(bound[name])
            elif mine.get(name) in words:
                choices[name] = mine[name]
    step = lower(flat, prelude(), choices).step
    hypers: dict[str, Expr] = {}
    own = {h.name for h in question.step.hypers}
    for hyper in step.hypers:
        if hyper.name in bound:
            hypers[hyper.name] = bound[hyper.name]
        elif hyper.name not in own and isinstance(hyper.default, Num | Sym | Apply):
            hypers[hyper.name] = hyper.default
        elif hyper.name not in own:
            raise Unasked(f"`{flat.name}` needs a value of `{hyper.name}`")
    return Rival(step, hypers)


def _word(expr: Expr) -> str:
    return expr.name if isinstance(expr, Sym) else expr.op if isinstance(expr, Apply) else expr.text
