"""Messages about text: what cannot be read, and the habits that people bring from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Code:
    """The texts of one code; braces are filled in by `diagnostics.report`.

    A headline says what is wrong, a label says it at the spot, a note is a fact, a hint an action.
    ``reason`` is what ``thetaprime check --explain CODE`` tells.
    """

    headline: str
    label: str = ""
    hints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""
    severity: Literal["error", "warning"] = "error"


READING: dict[str, Code] = {
    "bad-character": Code(
        "`{found}` has no meaning in a spec", "not a character of the language",
        ("remove it; a comment starts with `#`",),
        reason="Specs use letters (Greek too), digits, + - * / ^ ( ) [ ] and a few marks. "
               "Anything may stand in a comment (`# ...`) or in a text (`\"...\"`)."),
    "unexpected": Code(
        "cannot read this line from {found} on", "expected {expected}",
        reason="The line fits no construct of the language beyond the marked place. "
               "docs/language.md shows every construct with an example."),
    "unknown-word": Code(
        "no line of a spec starts with `{found}`", "not a word of the language",
        ("`{fixed}`",),
        reason="A line is an equation `NAME = ...`, or starts with one of: hyper, state, const, "
               "axis, param, train, eval, if, else, every, hold, fn, override, claim, cite, note."),
    "one-range": Code(
        "hyperparameters of one line share one range", "a second one after the range",
        ("`{fixed}`, on a line of its own",),
        reason="`hyper b1 = 0.9, b2 = 0.999 in [0, 1)`: the range ends the line."),
    "else-if": Code(
        "there is no `{found}` block", "`else:` stands alone", ("{fixed}",),
        reason="Inside of a formula, `if c then a else if d then b else e` goes on; blocks are "
               "nested instead."),
    "equality": Code(
        "conditions compare with `==`", "`=` defines", ("`{fixed}`",),
        reason="`=` stands once in a line, between a name and its formula."),
    "left-side": Code(
        "the left side of an equation is one name", "more than a name",
        ("solve it for the new value: `{target}' = ...`",),
        reason="An equation defines the name on its left; nothing is solved for you."),
    "unfinished": Code(
        "the formula ends too early", "{expected} is missing here",
        ("a formula goes on over the end of a line only inside of parentheses",),
        reason="The end of the line ends a statement, unless a parenthesis is open."),
    "missing-operator": Code(
        "a product needs its `*`", "`*` is missing before this", ("`{fixed}`",),
        reason="`b1m` is one name and `b(m)` is a call, so that products are written out."),
    "missing-start": Code(
        "a {what} needs its value before the first step", "`= ...` is missing here",
        ("`{fixed}`",),
        reason="A rule without its starting values is not complete: `state m = 0`, "
               "`state z = x` (a copy of the starting point), `state m = first g` (the old value "
               "at step 1 is g)."),
    "unclosed": Code(
        "`{opening}` is never closed", "opened here", ("add `{closing}`",),
        reason="A line goes on until its parentheses are closed."),
    "unopened": Code(
        "`{found}` closes nothing", "no parenthesis is open here", ("remove it, or open one",),
        reason="Parentheses come in pairs."),
    "missing-colon": Code(
        "a block starts with `:`", "`:` is missing here", ("`{fixed}`",),
        reason="`if`, `else`, `every` and block functions end with a colon, as in Python."),
    "bad-indent": Code(
        "the indentation fits no block", "{why}",
        ("indent every line of a block alike; continue a long line inside of parentheses",),
        reason="Blocks are made by indentation; only parentheses continue a line. A tab counts as "
               "up to eight spaces: indent with one or the other."),
    "empty-spec": Code(
        "there is no optimizer here", "the file ends",
        ("start with `optimizer NAME`, its equations indented below; "
         "`thetaprime new NAME` writes a start",),
        reason="A spec file holds one `optimizer`."),
    "one-optimizer": Code(
        "a file holds one optimizer", "a second one", ("move `{name}` to a file of its own",),
        reason="A name finds its file: `NAME.opt` holds the optimizer NAME and nothing else."),
    "bad-string": Code(
        "a text ends on the line where it starts", "no closing `\"` on this line",
        ("close it with `\"`; a longer text is several lines, each in its own quotes",),
        reason="Texts (documentation, citations, notes) stay on one line."),
    "chained-comparison": Code(
        "comparisons do not chain", "a second comparison", ("`{fixed}`",),
        reason="`a < b < c` reads differently in different languages; here it is not written."),
    "missing-then": Code(
        "`if` needs `then` and `else` inside of a formula", "`{missing}` is missing here",
        ("`if c then a else b`: a formula has a value either way",),
        reason="A conditional formula always has both branches. (A block, `if c:`, stands on "
               "lines of its own.)"),
    "needs-from": Code(
        "`every` must say at which step it starts", "`from` is missing here",
        ("`every {k} from 1:` fires at t = 1, {first}, ...; "
         "`every {k} from {k}:` at t = {k}, {second}, ...",),
        reason="Libraries use five different phases; a rule is only exact when it says its own."),
    "too-deep": Code(
        "the formula is nested too deeply", "more than {limit} levels",
        ("give a part of it a name on a line of its own",),
        reason="Every pair of parentheses, every function and every term of a long sum is a level. "
               "Formulas of such depth come from programs, not people; names keep them readable."),
    "too-long": Code(
        "a {what} has at most {limit} characters", "a longer one",
        ("break it: a line goes on inside of parentheses; parts of a formula may have names",),
        reason="Longer lines and names come from programs, not people."),
    "number-range": Code(
        "a number must fit into double precision", "{why}", ("write it as a formula, or rescale",),
        reason="Numbers are exact until code is generated, but code computes with 64 bits at most: "
               "magnitudes from 1e-307 to 1e308, at most 200 digits."),
}

HABITS: dict[str, Code] = {
    "habit-power": Code(
        "powers are written `^`", "Python's power", ("`{fixed}`",),
        reason="`^` is the power, elementwise, as in papers."),
    "habit-assign": Code(
        "an equation is written `=`", "an assignment", ("`{fixed}`",),
        reason="A spec states equations between values before and after the step; `==` compares."),
    "habit-arrow": Code(
        "an equation is written `=`", "an assignment arrow", ("`{fixed}`",),
        reason="A spec states equations between values before and after the step."),
    "habit-augmented": Code(
        "nothing is changed in place: a new value has a prime", "an in-place update",
        ("`{fixed}`",),
        reason="`x -= u` says what a program does; `x' = x - u` says what is true of the step."),
    "habit-module": Code(
        "functions have no module", "a function of a Python library", ("`{fixed}`",),
        reason="Functions of the language: abs, sqrt, exp, ln, sign, min, max, ..."),
    "habit-method": Code(
        "functions are written before their argument", "a method call", ("`{fixed}`",),
        reason="Quantities are not objects: `abs(g)`, never `g.abs()`."),
    "habit-attribute": Code(
        "quantities have no attributes", "an attribute", ("`{fixed}`",),
        reason="`x` is the parameter, `g` its gradient; states and hyperparameters go by name."),
    "habit-latex": Code(
        "LaTeX commands are not part of the language", "a LaTeX command", ("`{fixed}`",),
        reason="Names are Greek letters (`β`) or their names (`beta`): both are the same name."),
    "habit-subscript": Code(
        "steps are not subscripts", "{what}", ("`{fixed}`",),
        ("`m` is the value before the step, `m'` the value after it; "
         "`g` is the gradient of this step",),
        reason="A spec states one step: the old value has no mark, the new one a prime."),
    "habit-index": Code(
        "steps are not indices", "{what}", ("`{fixed}`",),
        ("`m` is the value before the step, `m'` the value after it; "
         "`g` is the gradient of this step",),
        reason="A spec states one step: the old value has no mark, the new one a prime."),
    "no-index": Code(
        "entries are not indexed", "an index",
        ("leave out the index: an equation holds for every entry; "
         "`sum(... over tensor)` gathers them",),
        reason="Operations work entry by entry, reductions say what they run over."),
    "habit-logic": Code(
        "conditions use `and`, `or`, `not`", "an operator of another language", ("`{fixed}`",),
        reason="Logic is written in words."),
    "habit-modulo": Code(
        "the remainder is a function", "an operator of another language",
        ("`{fixed}`", "for something that happens every k steps: `every k from s:`"),
        reason="`mod(a, b)` has the sign of b; `every k from s:` fires at t = s, s + k, ..."),
    "habit-floor": Code(
        "integer division is `floor(a/b)`", "an operator of another language", ("`{fixed}`",),
        reason="`/` is the exact quotient; `floor` rounds down."),
    "habit-comment": Code(
        "comments start with `#`", "a comment of another language", ("`{fixed}`",),
        reason="`#` starts a comment; it ends with the line."),
    "habit-semicolon": Code(
        "a line holds one statement", "no `;` is needed", ("`{fixed}`",),
        reason="The end of the line ends a statement."),
    "habit-ternary": Code(
        "a conditional starts with `if`", "Python's order", ("`{fixed}`",),
        reason="`if c then a else b` reads in the order in which it is decided."),
    "habit-python": Code(
        "`{found}` belongs to Python, not to a spec", "a statement of Python", ("{fixed}",),
        reason="A spec is a set of equations. Control is `if`, `every` and `hold`; a function is "
               "`fn f(a) = ...`."),
    "habit-unicode": Code(
        "`{found}` has a plain spelling", "a sign of typography", ("`{fixed}`",),
        reason="Greek letters are names; signs of typography have one plain spelling each."),
    "habit-bars": Code(
        "norms and absolute values are functions", "bars", ("`{fixed}`",),
        reason="Bars hide what a norm runs over: `norm(x over tensor)` is one number per tensor, "
               "`norm(x over model)` one for the model, `abs(x)` works entry by entry."),
    "habit-transpose": Code(
        "the transpose is `A.T`", "a power named T", ("`{fixed}`",),
        reason="`^` is always the elementwise power."),
    "habit-elementwise": Code(
        "every operation is elementwise already", "a dotted operator", ("`{fixed}`",),
        reason="`*`, `/` and `^` work entry by entry; the matrix product is `@`."),
    "habit-number": Code(
        "a number is digits, a point and an exponent", "{what}", ("`{fixed}`",),
        reason="Numbers are exact and have no storage type: `1e-3`, `0.001`, `1000`."),
}

TEXT_CODES: dict[str, Code] = {**READING, **HABITS}
