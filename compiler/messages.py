"""The table of messages: one row for every code, and the habits from elsewhere that have one.

A headline says what is wrong, a label says it at the spot, a note is a fact, a hint an action.
``reason`` is what ``thetaprime check --explain CODE`` tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Code:
    """The texts of one code; braces are filled in by `diagnostics.report`."""

    headline: str
    label: str = ""
    hints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""
    severity: Literal["error", "warning"] = "error"


CODES: dict[str, Code] = {
    # Reading the text.
    "bad-character": Code(
        "`{found}` has no meaning in a spec", "not a character of the language",
        reason="Specs use letters (Greek too), digits, + - * / ^ ( ) [ ] and a few marks."),
    "unexpected": Code(
        "cannot read this line from {found} on", "expected {expected}",
        reason="The line fits no construct of the language beyond the marked place."),
    "unclosed": Code(
        "`{opening}` is never closed", "opened here", ("add `{closing}`",),
        reason="A line goes on until its parentheses are closed."),
    "missing-colon": Code(
        "a block starts with `:`", "`:` is missing here", ("end the line with `:`",),
        reason="`if`, `else`, `every` and block functions end with a colon, as in Python."),
    "bad-indent": Code(
        "the indentation fits no block", "{why}",
        ("indent every line of a block alike; continue a long line inside of parentheses",),
        reason="Blocks are made by indentation; only parentheses continue a line."),
    "empty-spec": Code(
        "there is no optimizer here", "the file ends",
        ("start with `optimizer NAME`, and its equations indented below; "
         "`thetaprime new NAME` writes a start",),
        reason="A spec file holds one `optimizer`."),
    "one-optimizer": Code(
        "a file holds one optimizer", "a second one", ("move `{name}` to a file of its own",),
        reason="A name finds its file: `NAME.opt` holds the optimizer NAME and nothing else."),
    "bad-string": Code(
        "a text ends on the line where it starts", "no closing `\"` on this line",
        ("write one text a line",), reason="Texts (documentation, citations) stay on one line."),
    "chained-comparison": Code(
        "comparisons do not chain", "a second comparison", ("write `a < b and b < c`",),
        reason="`a < b < c` reads differently in different languages; here it is not written."),
    "missing-then": Code(
        "`if` needs `then` and `else` inside of a formula", "`then` or `else` is missing",
        ("`if c then a else b`",), reason="A conditional formula always has both branches."),
    "needs-from": Code(
        "`every` must say at which step it starts", "`from` is missing",
        ("`every k from 1:` fires at t = 1, 1 + k, ...; `every k from k:` at t = k, 2*k, ...",),
        reason="Libraries use five different phases; a rule is only exact when it says its own."),
    "too-deep": Code(
        "the formula is nested too deeply", "more than {limit} levels",
        ("give a part of it a name on a line of its own",),
        reason="Formulas of such depth come from programs, not people; names keep them readable."),
    # Habits from elsewhere.
    "habit-power": Code(
        "powers are written `^`", "Python's power", ("`{fixed}`",),
        reason="`^` is the power, elementwise, as in papers."),
    "habit-assign": Code(
        "an equation is written `=`", "assignment of another language", ("`{fixed}`",),
        reason="A spec states equations between values before and after the step."),
    "habit-augmented": Code(
        "nothing is changed in place: a new value has a prime", "in-place update",
        ("`{fixed}`",),
        reason="`x -= u` says what a program does; `x' = x - u` says what is true of the step."),
    "habit-module": Code(
        "functions have no module", "a function of a Python library", ("`{fixed}`",),
        reason="Functions of the language: abs, sqrt, exp, ln, sign, min, max, ..."),
    "habit-method": Code(
        "functions are written before their argument", "a method call", ("`{fixed}`",),
        reason="Quantities are not objects: `abs(g)`, never `g.abs()`."),
    "habit-latex": Code(
        "LaTeX commands are not names", "a LaTeX command", ("`{fixed}`",),
        reason="Names are Greek letters (`β`) or their names (`beta`): both are the same name."),
    "habit-subscript": Code(
        "steps are not subscripts: `m` is before the step and `m'` after it", "a subscript",
        ("`{fixed}`",),
        reason="A spec states one step: the old value has no mark, the new one a prime."),
    "habit-index": Code(
        "steps are not indices: `m` is before the step and `m'` after it", "an index of time",
        ("`{fixed}`",),
        reason="A spec states one step: the old value has no mark, the new one a prime."),
    "habit-logic": Code(
        "conditions use `and`, `or`, `not`", "an operator of another language", ("`{fixed}`",),
        reason="Logic is written in words."),
    "habit-modulo": Code(
        "the remainder is a function", "an operator of another language",
        ("`mod(a, b)`; for a step counter `every k from s:` says it better",),
        reason="`mod(a, b)` has the sign of b."),
    "habit-comment": Code(
        "comments start with `#`", "a comment of another language", ("`# ...`",),
        reason="`//` is not an operator either: there is no integer division, use `floor(a/b)`."),
    "habit-semicolon": Code(
        "a line holds one statement", "no `;` is needed", ("put it on a line of its own",),
        reason="The end of the line ends a statement."),
    "habit-ternary": Code(
        "a conditional starts with `if`", "Python's order", ("`if c then a else b`",),
        reason="`if c then a else b` reads in the order in which it is decided."),
    "habit-python": Code(
        "`{found}` belongs to Python, not to a spec", "a statement of Python",
        ("a spec has equations only: `x' = x - lr*g`; functions are `fn f(a) = ...`",),
        reason="There is no control flow but `if`, `every`, `hold` and the bounded loops."),
    "habit-unicode": Code(
        "`{found}` is written `{fixed}`", "a sign of typography", ("`{fixed}`",),
        reason="Greek letters are names; signs of typography have one plain spelling each."),
    "habit-arrow": Code(
        "an equation is written `=`", "an assignment arrow", ("`{fixed}`",),
        reason="A spec states equations between values before and after the step."),
    "habit-bars": Code(
        "a norm is a function, and says what it runs over", "bars", (
            "`norm(x over tensor)`, `norm(x over model)`, or `abs(x)` for each entry",),
        reason="Bars hide what the norm runs over: one number per tensor, or one for the model."),
    "habit-transpose": Code(
        "the transpose is `A.T`", "a power named T", ("`{fixed}`",),
        reason="`^` is always the elementwise power."),
    "habit-elementwise": Code(
        "every operation is elementwise already", "a dotted operator", ("`{fixed}`",),
        reason="`*`, `/` and `^` work entry by entry; the matrix product is `@`."),
    # Names.
    "undefined-name": Code(
        "`{name}` is not defined", "nothing has this name",
        reason="Every name is a hyperparameter, a state, an equation, `x`, `g` or `t`."),
    "undefined-function": Code(
        "there is no function `{name}`", "not a function of the language",
        reason="Functions are the op table, the reductions, the prelude and your own `fn` lines."),
    "duplicate-name": Code(
        "`{name}` is defined twice", "defined again here", ("rename one of them",),
        reason="Equations are unordered, so that a name can mean only one thing."),
    "reserved-name": Code(
        "`{name}` is a name of the language", "{why}", ("choose another name",),
        reason="`t`, `g`, `loss`, `pi`, `inf`, `true`, `false` always mean the same."),
    "missing-prime": Code(
        "the state `{name}` has no equation for `{name}'`", "never changes",
        ("write `{name}' = ...`; a constant is `const {name} = ...`",),
        reason="A state must say what it is after the step."),
    "not-a-state": Code(
        "`{name}` is not a state, so that it has no value after the step", "no prime here",
        ("write `{name} = ...`, or declare `state {name} = 0`",),
        reason="Only states and the parameter have a value before and one after the step."),
    "state-without-prime": Code(
        "an equation for a state defines its new value", "`{name}` is the old value",
        ("write `{name}' = ...`",),
        reason="The old value of a state is given; the step defines the primed one."),
    "constant-changed": Code(
        "`{name}` is a constant", "defined by `const`", ("declare `state {name} = ...`",),
        reason="A `const` is evaluated once, before the first step."),
    "no-step": Code(
        "nothing says what the step does to `{name}`", "no equation for `{name}'`",
        ("add `{name}' = {name} - ...`",),
        reason="An optimizer changes the parameter: `x'` is its result."),
    "cycle": Code(
        "these equations define each other in a circle: {circle}", "defined by itself",
        ("use the value before the step (without prime) in one of them",),
        reason="Equations are unordered, but each must be computable from the others."),
    "unused-hyper": Code(
        "the hyperparameter `{name}` cannot change `{point}'`", "never reaches `{point}'`",
        ("use it or remove it",),
        reason="A hyperparameter without effect is a slip of the pen or a leftover."),
    "unused-equation": Code(
        "the equation for `{name}` is not used", "never reaches `{point}'`",
        ("use it or remove it",),
        reason="What does not reach the step is a slip of the pen or a leftover."),
    "unused-state": Code(
        "the state `{name}` is not used", "never reaches `{point}'`", ("use it or remove it",),
        reason="A state costs memory for every entry; one without effect is a slip of the pen."),
    "unknown-spec": Code(
        "there is no spec `{name}`", "not found",
        reason="A name is looked up beside the file, then among the shipped specs."),
    "spec-circle": Code(
        "`{name}` is built on itself", "comes back to where it started",
        reason="`extends` and `=` must lead to a spec with equations of its own."),
    "override-nothing": Code(
        "there is no `{name}` to override", "`{parent}` does not define it",
        ("leave out `override`",),
        reason="`override` replaces what the extended spec says."),
    "override-stray": Code(
        "`override` needs a spec that is extended", "nothing to override",
        ("`optimizer NAME extends PARENT`, or leave out `override`",),
        reason="`override` replaces what the extended spec says."),
    "needs-override": Code(
        "`{name}` is defined by `{parent}` already", "defined again here",
        ("write `override` before it",),
        reason="Replacing an inherited definition is said, so that it cannot happen by accident."),
    "unknown-hyper": Code(
        "`{spec}` has no hyperparameter `{name}`", "not a hyperparameter",
        reason="`with` sets hyperparameters of the spec on its left."),
    "bad-call": Code(
        "`{name}` takes {wanted}, not {given}", "{given} given",
        reason="Functions have a fixed number of arguments."),
    "recursive-function": Code(
        "the function `{name}` calls itself", "a call of itself",
        reason="Functions are abbreviations: they are written out before anything else."),
    # Types.
    "needs-over": Code(
        "`{name}` must say what it runs over",
        "one number per tensor, or one for the whole model?",
        ("`{name}({args} over tensor)` as in LARS, or `{name}({args} over model)` "
         "as in gradient clipping",),
        reason="Papers and libraries disagree exactly here, so that the spec must say it."),
    "over-unknown": Code(
        "`{name}` is nothing that a reduction can run over", "not an extent",
        ("`over tensor`, `over model`, an axis, or a hyperparameter in {{model, tensor}}",),
        reason="Reductions run over a tensor, the model or a named axis."),
    "no-over": Code(
        "`{name}` runs over nothing", "works entry by entry", ("leave out `over ...`",),
        reason="Only reductions say what they run over."),
    "reduce-nothing": Code(
        "`{arg}` does not vary over {over}, so that there is nothing to reduce",
        "this is {type}",
        reason="A reduction of a constant is a slip: `size(x over tensor)` counts entries."),
    "too-wide": Code(
        "`{name}` is {declared}, but its value is {type}", "this is {type}",
        ("reduce it (`sum(... over tensor)`), or declare `{name}` {type}",),
        reason="Smaller things broadcast into larger ones, never the other way."),
    "scalar-step": Code(
        "the new `{name}` would be the same number in every entry", "this is {type}",
        ("a step starts from `{name}`: `{name}' = {name} - ...`",),
        reason="A parameter that is one number everywhere has forgotten where it was."),
    "not-a-condition": Code(
        "a condition is a comparison, not a number", "this is a number",
        ("compare it: `... > 0`",),
        reason="Numbers are not true or false."),
    "not-a-number": Code(
        "a comparison is not a number", "true or false", ("`if {text} then 1 else 0`",),
        reason="Conditions are used by `if`, `and`, `or`, `not`."),
    "block-condition": Code(
        "the condition of a block is one truth value for the model", "this is {type}",
        ("inside of a formula, `if c then a else b` decides entry by entry",),
        reason="A block either happens or does not, for the whole model."),
    "unknown-type": Code(
        "`{name}` is not a type", "not a type",
        ("`scalar`, `per tensor`, `per entry`, with axes `per entry[lanes]`; "
         "hyperparameters: `int`, `bool`",),
        reason="Types say what a quantity varies along."),
    "half-defined": Code(
        "`{name}` is defined in one branch only", "has no value in the other branch",
        ("define it in both branches; only states hold by themselves",),
        reason="Outside of the block it must have a value either way."),
    "wide-state": Code(
        "`{name}` is kept for every entry, but holds one number {extent}",
        "could be `state {name} : {type}`", ("declare `state {name} : {type} = ...`",),
        reason="A state without a type has the shape of the parameter.", severity="warning"),
    # Declarations.
    "default-outside": Code(
        "the default of `{name}` is outside of its range", "{value} is not in {range}",
        reason="The range is what every claim is proved for."),
    "bad-range": Code(
        "the range is empty or not a range", "{why}",
        ("`in (0, inf)`, `in [0, 1)`: the smaller end first",),
        reason="A range has a lower and an upper end; round brackets leave the end out."),
    "bad-default": Code(
        "the default of `{name}` is not {wanted}", "{why}",
        reason="Defaults are numbers, formulas of other hyperparameters, or one of the choices."),
    "choice-as-number": Code(
        "`{name}` is a choice, not a number", "one of {choices}",
        ("compare it: `if {name} == {first} then ... else ...`",),
        reason="A choice selects; it has no numeric value."),
    "not-a-choice": Code(
        "`{value}` is not a choice of `{name}`", "not one of {choices}",
        reason="A choice is one of the words in its set."),
    "axis-without-list": Code(
        "the axis `{name}` has no length", "no list along it",
        ("`hyper b : {name} = [0, 0.9, 0.99]` gives it one",),
        reason="An axis gets its length from the list-valued hyperparameters along it."),
    "axis-lengths": Code(
        "the lists along `{name}` have different lengths", "{given} numbers here, {wanted} before",
        reason="All lists along an axis have its length."),
    "start-reads": Code(
        "`{name}` is not known before the first step", "not known yet",
        ("`first` gives a state the value at step 1: `state {state} = first ...`",),
        reason="Starting values may read `{point}`, constants and hyperparameters."),
    "train-reads": Code(
        "`train` may read the parameter, states and hyperparameters only",
        "`{name}` is none of them",
        ("make it a state, or write its formula here",),
        reason="The point is needed before the step and after it."),
    "no-derivation": Code(
        "`{name}` has no equations: it is another spec with hyperparameters set",
        "equations belong to a spec of their own",
        ("`optimizer {name} extends ...` adds equations",),
        reason="`optimizer A = B with ...` only sets hyperparameters."),
    "freezes-schedule": Code(
        "`{name}` starts from `{hyper}`, so that a schedule for `{hyper}` acts at the start only",
        "frozen at the start",
        reason="A state is initialised once; a hyperparameter may change at every step.",
        severity="warning"),
    # What the rule does.
    "uphill": Code(
        "the first step goes uphill", "on the loss |{point}|^2/2 it moves with the gradient",
        ("is a sign flipped? a step goes against the gradient: `{point}' = {point} - ...`",),
        reason="A sign slip is the commonest bug of all: from rest on a plain quadratic a step "
               "must not increase the loss at first order."),
    "standstill": Code(
        "the first step does not move", "on the loss |{point}|^2/2 it stays where it is",
        ("is a state read before it is updated (`m` for `m'`)? if it is meant, say so: "
         "`claim {point}' = {point} when t = 1`",),
        reason="A lagged state is the second commonest bug.", severity="warning"),
    "not-finite": Code(
        "the first step is not a number", "on the loss |{point}|^2/2 with the defaults",
        ("look for a division by zero or a root of a negative number at t = 1",),
        reason="A rule must be defined on the plainest problem there is."),
    # What this version does not carry.
    "not-yet": Code(
        "{what} not carried by this version", "not yet",
        notes=("the language has it; this version compiles rules of the gradient and the loss "
               "at the point that training holds",),
        reason="The construct is part of the language, and its place in the compiler is laid."),
}


@dataclass(frozen=True, slots=True)
class Habit:
    """A pattern that is never legal, with the corrected text (`\\1` is the first group)."""

    pattern: re.Pattern[str]
    code: str
    fixed: str


def _habit(pattern: str, code: str, fixed: str) -> Habit:
    return Habit(re.compile(pattern), code, fixed)


_UNICODE = {
    "²": "^2", "³": "^3", "√": "sqrt(...)", "·": "*", "×": "*", "⊙": "*", "⊗": "outer(a, b)",
    "−": "-", "≤": "<=", "≥": ">=", "≠": "!=", "∞": "inf", "∇": "g", "÷": "/", "‖": "norm(...)",
    "←": "=", "∈": "in", "∧": "and", "∨": "or", "¬": "not", "’": "'", "“": '"', "”": '"',
}
UNICODE_FIXES = _UNICODE

# Tried in this order at every place of a line; texts and comments are blanked out before.
HABITS: tuple[Habit, ...] = (
    _habit(r"\*\*", "habit-power", "^"),
    _habit(r"(?P<a>[^\W\d]\w*)'?\s*:=", "habit-assign", r"\g<a>' ="),
    _habit(r"(?P<a>[^\W\d]\w*)'?\s*(?P<op>[-+*/])=", "habit-augmented",
           r"\g<a>' = \g<a> \g<op> (...)"),
    _habit(r"\b(?:np|jnp|numpy|torch|math|tf|jax|keras|F|K|ops|self|lax)(?:\.\w+)*\.(?P<a>\w+)",
           "habit-module", r"\g<a>"),
    _habit(r"(?P<a>\b[^\W\d]\w*'?)\.(?!T\b|step\b)(?P<f>[^\W\d]\w*)\(", "habit-method",
           r"\g<f>(\g<a>)"),
    _habit(r"\\(?P<a>[A-Za-z]+)", "habit-latex", r"\g<a>"),
    _habit(r"(?P<a>[^\W\d]\w*?)_\{[^}]*\}", "habit-subscript", r"\g<a>"),
    _habit(r"(?P<a>[^\W\d]\w*)\[\s*(?:t|k|i)\s*(?:[-+]\s*1\s*)?\]", "habit-index", r"\g<a>"),
    _habit(r"\|\|(?=.*\|\|)", "habit-bars", ""),
    _habit(r"&&", "habit-logic", "and"),
    _habit(r"\|\|", "habit-logic", "or"),
    _habit(r"!(?!=)", "habit-logic", "not"),
    _habit(r"\|", "habit-bars", ""),
    _habit(r"%", "habit-modulo", ""),
    _habit(r"//", "habit-comment", ""),
    _habit(r"^(?P<i>\s*)(?P<a>[^\W\d]\w*)'?\s*<-", "habit-arrow", r"\g<a>' ="),
    _habit(r"^\s*(?P<a>def|lambda|for(?! axis\b)|while|import|from|class|with|assert|print)\b",
           "habit-python", ""),
    _habit(r"\blambda\b(?=[^=]*:)", "habit-python", ""),
    _habit(r"\^T\b", "habit-transpose", ".T"),
    _habit(r"(?<!\d)\.(?P<op>[*/^])", "habit-elementwise", r"\g<op>"),
    _habit(r"(?<==)(?!.*\bthen\b)[^=\n]*\S\s+if\b(?=.*\selse\s)", "habit-ternary", ""),
    _habit("[" + "".join(_UNICODE) + "]", "habit-unicode", ""),
)

# Names that a user of another library writes, and what they are called here.
FUNCTION_HABITS: dict[str, str] = {
    "log": "ln", "pow": "a^b", "power": "a^b", "square": "a^2", "where": "if c then a else b",
    "maximum": "max", "minimum": "min", "clamp": "clip(a, low, high)", "absolute": "abs",
    "fabs": "abs", "sgn": "sign", "msign": "polar", "rsqrt": "1/sqrt(a)", "lerp": "ema(m, g, b)",
    "reciprocal": "1/a", "average": "mean(a over tensor)",
    "norm2": "norm(a over tensor)", "l2norm": "norm(a over tensor)", "isnan": "not finite(a)",
    "isfinite": "finite(a)", "arctan2": "atan2", "arctan": "atan", "count": "size(a over tensor)",
    "numel": "size(a over tensor)", "exp2": "2^a", "relu": "max(a, 0)", "neg": "-a",
    "zeros_like": "0", "ones_like": "1", "grad": "g", "gradient": "g",
}
NAME_HABITS: dict[str, str] = {
    "grad": "g", "gradient": "g", "grads": "g", "p": "x", "param": "x", "params": "x",
    "theta": "x", "w": "x", "weights": "x", "step": "t", "count": "t", "iterations": "t",
    "exp_avg": "m", "exp_avg_sq": "v", "mu": "m", "nu": "v", "momentum_buffer": "m",
}
