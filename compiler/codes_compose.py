"""Messages about specs made of specs."""

from __future__ import annotations

from thetaprime.codes_text import Code

COMPOSE_CODES: dict[str, Code] = {
    "spec-count": Code(
        "`{name}` takes {wanted}, and {given} given", "takes {wanted}",
        reason="`optimizer NAME(base)` is an optimizer only around another one."),
    "wrong-kind": Code(
        "`{name}` is {kind}, where {wanted} is wanted", "{kind}",
        reason="An optimizer makes steps, a transform changes gradients, a schedule is the value "
               "of a hyperparameter in time."),
    "too-many-numbers": Code(
        "`{name}` has fewer hyperparameters than numbers are given", "one too many",
        ("its hyperparameters, in order: {known}",),
        reason="Numbers without a name set hyperparameters in the order of their declaration."),
    "no-result": Code(
        "nothing says what this {kind} gives: `{result}`", "no equation for `{result}`",
        ("add `{result} = ...`",),
        reason="A transform says what becomes of the gradient, `g' = ...`; a schedule is a "
               "`value = ...` in `t`, which counts from 0."),
    "not-in-module": Code(
        "a {kind} only says what `{result}` is", "not in a {kind}",
        ("move it to an optimizer: `optimizer NAME(base)` can do more than a {kind}",),
        reason="A transform has hyperparameters, states and equations, and does not move the "
               "parameter; a schedule has hyperparameters and equations in t."),
    "base-oracle": Code(
        "`{name}` is no optimizer that this spec takes", "nothing here asks for gradients",
        ("`optimizer NAME({name})` takes one, and answers it: `{name} with grad(y) := ...`",),
        reason="`base with grad(y) := e` says what an inner optimizer gets where it evaluates "
               "gradients itself."),
    "base-answer": Code(
        "an inner optimizer cannot be answered for `{name}`", "not `grad` or `loss`",
        ("`{base} with grad(y) := ...`, or `{base} with loss(y) := ...`",),
        reason="An outer optimizer can stand for the loss and its gradient at a point."),
    "base-unused": Code(
        "`{name}` is never called", "takes an optimizer and makes no step of it",
        ("`x' = x + {name}(g)`: the step that it makes of the gradient g",),
        reason="An optimizer that takes another one uses it."),
    "base-twice": Code(
        "`{name}` is called twice, and each call steps its state", "called again here",
        ("keep the change: `u = {name}(g)`, and use `u`",
         "or thread two steps by hand: `u1, b1 = {name}.step(q1)`, "
         "`u2, {name}' = b1.step(q2)`"),
        reason="The state of an inner optimizer after the step must be one thing."),
    "base-thread": Code(
        "nothing says what `{name}` is after the step", "leads to no `{name}'`",
        ("the last of the calls defines it: `u2, {name}' = b1.step(q2)`",),
        reason="Threading by hand starts from the inner optimizer and ends at it."),
    "base-step": Code(
        "`step` gives the change and the optimizer after it, as one line",
        "stands in no line of its own",
        ("`u1, b1 = {name}.step(q)`, and at the end `u2, {parameter}' = b1.step(q)`",),
        reason="`base.step(q)` threads by hand; `base(q)` is the change alone."),
    "base-in-loop": Code(
        "`{name}` is called where its state cannot be threaded", "in {where}",
        ("call it in an equation of the step, and use its change here: `u = {name}(g)`",),
        reason="A step of an inner optimizer happens once, at a place that is known before."),
    "base-part": Code(
        "`{part}` is no part of a step", "not `descent` or `decay`",
        reason="The change of an inner optimizer is `base.descent + base.decay`."),
    "route-gap": Code(
        "no arm takes {tensor}", "leaves tensors out",
        ("end with `otherwise -> AdamW`, or with an arm for these tensors",),
        reason="Every tensor of a model needs an optimizer."),
    "route-overlap": Code(
        "two arms take {tensor}", "also taken by `{first}`",
        ("`and not ({first})`: each tensor goes to one optimizer",),
        reason="The order of equations and arms never matters."),
    "route-shape": Code(
        "`{name}` is for matrices, and would get {tensor}", "not only matrices",
        ("let the arm begin with `rank == 2 and ...`",),
        reason="`param X : matrix[rows, cols]` says what tensors a spec is for."),
    "route-order": Code(
        "`otherwise` is what all the other arms leave", "not the last arm",
        ("move it to the end",),
        reason="`otherwise` takes the tensors that no other arm takes."),
    "route-alone": Code(
        "a route is a spec of its own", "stands beside equations",
        ("give it a file of its own, and write around it: "
         "`SAM(route(rank == 2 -> Muon, otherwise -> AdamW))`",),
        reason="Each arm of a route is a whole optimizer."),
}
