"""The table of messages: one row for every code; those about text stand in `codes_text`."""

from __future__ import annotations

from thetaprime.codes_analyse import ANALYSE_CODES
from thetaprime.codes_asking import ASKING_CODES
from thetaprime.codes_claims import CLAIM_CODES
from thetaprime.codes_compose import COMPOSE_CODES
from thetaprime.codes_dead import DEAD_CODES
from thetaprime.codes_domains import DOMAIN_CODES
from thetaprime.codes_floats import FLOAT_CODES
from thetaprime.codes_lock import LOCK_CODES
from thetaprime.codes_matrix import MATRIX_CODES
from thetaprime.codes_text import TEXT_CODES, Code
from thetaprime.codes_units import UNIT_CODES

CODES: dict[str, Code] = {
    **TEXT_CODES,
    # Names.
    "undefined-name": Code(
        "`{name}` is not defined", "nothing has this name",
        reason="Every name is a hyperparameter, a state, an equation, `x`, `g` or `t`."),
    "undefined-function": Code(
        "there is no function `{name}`", "not a function of the language",
        reason="Functions are the op table, the reductions, the prelude and your own `fn` lines."),
    "unknown-distribution": Code(
        "there is no distribution `{name}`", "not a distribution of the language",
        reason="A quantity is drawn by `z ~ normal(mean, deviation)`, `uniform(low, high)`, "
               "`rademacher()` (-1 or 1) or `bernoulli(p)` (1 with probability p)."),
    "duplicate-name": Code(
        "`{name}` is defined twice", "defined again here", ("rename one of them, or remove it",),
        reason="Equations are unordered, so that a name can mean only one thing."),
    "reserved-name": Code(
        "`{name}` is a name of the language", "{why}", ("choose another name",),
        reason="`t`, `g`, `loss`, `pi`, `inf`, `true`, `false` always mean the same."),
    "missing-prime": Code(
        "the state `{name}` has no equation for `{name}'`", "never changes",
        ("add `{name}' = ...`; what never changes is `const {name} = ...`",),
        reason="A state must say what it is after the step."),
    "not-a-state": Code(
        "`{name}` is not a state, so that it has no value after the step", "no prime here",
        ("declare `state {name} = 0`; or leave out the prime: `{name}`",),
        reason="Only states and the parameter have a value before and one after the step."),
    "state-without-prime": Code(
        "an equation defines the new value, `{name}'`", "`{name}` is the value before the step",
        ("`{fixed}`",),
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
        "`{name}` is built on itself", "its parents lead back to it",
        ("let one of them have equations of its own",),
        reason="`extends` and `=` must lead to a spec with equations of its own."),
    "override-nothing": Code(
        "there is no `{name}` to override", "`{parent}` does not define it",
        reason="`override` replaces what the extended spec says."),
    "override-stray": Code(
        "`override` needs a spec that is extended", "nothing to override",
        ("`{fixed}`; or extend a spec: `optimizer NAME extends PARENT`",),
        reason="`override` replaces what the extended spec says."),
    "needs-override": Code(
        "`{name}` is defined by `{parent}` already", "defined again here",
        ("`override {text}`",),
        reason="Replacing an inherited definition is said, so that it cannot happen by accident."),
    "unknown-hyper": Code(
        "`{spec}` has no hyperparameter `{name}`", "not a hyperparameter",
        reason="`with` sets hyperparameters of the spec on its left."),
    "bad-call": Code(
        "`{name}` takes {wanted}, not {given}", "{given} given here",
        reason="Functions have a fixed number of arguments."),
    "function-item": Code(
        "a function holds states and equations only", "not in a function",
        ("move it out of `{name}`; `if c then a else b` is a formula",),
        reason="`fn f(a):` brings states with their equations and ends with `return`."),
    "unused-function": Code(
        "the function `{name}` is never called", "no call of it", ("use it or remove it",),
        reason="What does not reach the step is a slip of the pen or a leftover."),
    "recursive-function": Code(
        "the function `{name}` calls itself", "writing this call out never ends",
        ("define it without itself: a function is an abbreviation of a formula",),
        reason="Functions are abbreviations: they are written out before anything else."),
    # Types.
    "needs-over": Code(
        "`{name}` must say what it runs over",
        "one number per tensor, or one for the whole model?",
        ("`{name}({args} over tensor)`{tensor}, or `{name}({args} over model)`{model}",),
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
        ("leave the reduction out; `size(x over tensor)` counts entries",),
        reason="A reduction of a constant is a slip: `size(x over tensor)` counts entries."),
    "too-wide": Code(
        "`{name}` is {declared}, but its value is {type}", "this is {type}",
        ("reduce it: `mean(... over {over})`; or make `{name}` {type}",),
        reason="Smaller things broadcast into larger ones, never the other way."),
    "scalar-step": Code(
        "the new `{name}` would be the same number in every entry", "this is {type}",
        ("a step starts from `{name}`: `{name}' = {name} - ...`",),
        reason="A parameter that is one number everywhere has forgotten where it was."),
    "not-a-condition": Code(
        "a condition is a comparison, not a number", "this is a number",
        ("compare it: `{text} > 0`",),
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
    "stray-list": Code(
        "a list stands only in the default of a hyperparameter", "a list",
        ("`axis lanes`, then `hyper b : lanes = [0, 0.9]`: `b` varies along the axis",),
        reason="Lists give named axes their lengths; a formula reads the hyperparameter."),
    "half-defined": Code(
        "`{name}` is defined in one branch only", "has no value in the other branch",
        ("define it in both branches; only states hold by themselves",),
        reason="Outside of the block it must have a value either way."),
    "inside-loop": Code(
        "`{name}` is known inside of its loop only", "stands outside",
        ("`(y, {name}) = iterate 5 from y = x:` gives what the last turn made of it",),
        reason="A loop makes its names anew in every turn; outside of it there are only those on "
               "its left side, as the last turn left them."),
    "wide-state": Code(
        "`{name}` is kept for every entry, but holds one number {extent}",
        "a whole tensor of equal numbers", ("`state {name} : {type} = {start}`",),
        reason="A state without a type has the shape of the parameter.", severity="warning"),
    # Declarations.
    "default-outside": Code(
        "the default of `{name}` is outside of its range", "{value} is not in {range}",
        ("change the default, or widen the range; `(` and `)` leave the end out",),
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
        ("`hyper b : {name} = [0, 0.9, 0.99]` gives it one, and so does `axis {name}[3]`, or "
         "`axis {name}[n]` with a whole hyperparameter `n`",),
        reason="An axis gets its length from the list-valued hyperparameters along it, from a "
               "number, or from a whole hyperparameter."),
    "axis-lengths": Code(
        "the lists along `{name}` have different lengths", "{given} numbers here, {wanted} before",
        ("give every list along `{name}` as many numbers, or declare a second axis",),
        reason="All lists along an axis have its length."),
    "start-reads": Code(
        "`{name}` is not known before the first step", "not known yet",
        ("`first` gives a state the value at step 1: `state {state} = first ...`",),
        reason="Starting values may read `{point}`, constants and hyperparameters."),
    "train-reads": Code(
        "`train` may read the parameter, states and hyperparameters only",
        "`{name}` is none of them",
        ("keep it in a state, which holds the value of the step before: `state k = 0` and "
         "`k' = {name}`, and read `k`",),
        reason="The point is needed before the step and after it."),
    "eval-reads": Code(
        "`eval` may read what is kept after the step only", "`{name}` is gone by then",
        reason="The point to evaluate and save is computed between steps: the parameter, states, "
               "constants, hyperparameters and `t` are there, gradients and equations are not."),
    "bad-period": Code(
        "`every` fires each 1, 2, 3, ... steps", "no such period", ("`every 1 from 1:`",),
        reason="A period is a number of steps: at least one."),
    "no-derivation": Code(
        "`{name}` has no equations: it is another spec with hyperparameters set",
        "equations belong to a spec of their own",
        ("`optimizer {name} extends {parent}`, then `override` what changes",),
        reason="`optimizer A = B with ...` only sets hyperparameters."),
    "freezes-schedule": Code(
        "`{name}` starts from `{hyper}`, so that a schedule for `{hyper}` acts at the start only",
        "frozen at the start",
        ("if a schedule should act at every step, multiply by `{hyper}` in the equations instead",),
        reason="A state is initialised once; a hyperparameter may change at every step.",
        severity="warning"),
    # Oracles and loops.
    **ASKING_CODES,
    **ANALYSE_CODES,
    **LOCK_CODES,
    **COMPOSE_CODES,
    # Matrices and cases.
    **MATRIX_CODES,
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
    **DEAD_CODES,
    **DOMAIN_CODES,
    **UNIT_CODES,
    **CLAIM_CODES,
    **FLOAT_CODES,
    # What this version does not carry.
    "not-yet": Code(
        "{what} not in this version", "not yet",
        ("docs/language.md lists what works, and what does not yet",),
        ("the language has it; the compiler does not carry it yet",),
        reason="The construct is part of the language, and its place in the compiler is laid."),
}

# Names that a user of another library writes, and what they are called here.
NAME_HABITS: dict[str, str] = {
    "grad": "g", "gradient": "g", "grads": "g", "p": "x", "param": "x", "params": "x",
    "theta": "x", "w": "x", "weights": "x", "step": "t", "count": "t", "iterations": "t",
    "exp_avg": "m", "exp_avg_sq": "v", "mu": "m", "nu": "v", "momentum_buffer": "m",
    "learning_rate": "lr", "alpha": "lr", "eta": "lr", "weight_decay": "wd", "epsilon": "eps",
    "momentum": "b", "f": "loss",
}
