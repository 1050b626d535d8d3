"""Messages about what a spec asks the problem for, loops and searches, and storage."""

from __future__ import annotations

from thetaprime.codes_text import Code

ASKING_CODES: dict[str, Code] = {
    "oracle-argument": Code(
        "`{name}` takes {wanted}", "`{text}` is {type}",
        ("`0*x + ...` varies as the parameters do",),
        reason="An oracle is asked at a point: a quantity with the shape of the parameters."),
    "unknown-batch": Code(
        "there is no batch `{name}`", "not a batch",
        reason="This step's batch is the default; `fresh` is a new one at every evaluation, `full` "
               "all data, `batch B = new` gives a new one a name."),
    "unknown-loss": Code(
        "the problem has no loss `{name}`", "not declared",
        reason="Several losses are declared: `losses main, aux`, then `grad[aux](x)`."),
    "no-losses": Code(
        "`{name}` asks for several losses, and none are declared", "which losses?",
        ("`losses tasks[k]`, with `hyper k : int = 3 in [1, inf)`",),
        reason="`losses tasks[k]` declares a family of losses and the axis that it varies along."),
    "batch-kept": Code(
        "a batch cannot be kept or computed with", "a batch",
        ("ask with it: `grad(x; {name})`; what a state keeps is a gradient, not a batch",),
        reason="A batch is data of this step; the next step has another one."),
    "loop-target": Code(
        "`{name}` is no value of this loop", "nothing in the loop has this name",
        ("the names on the left are those of the loop's own values: `y = iterate 3 from y = x:`",),
        reason="A loop gives out its values, as the last turn left them, by their own names."),
    "loop-holds": Code(
        "nothing says what `{name}` is in the next turn", "no equation for `{name}'`",
        ("add `{name}' = ...` to the loop; what never changes needs no `from`",),
        reason="A value of a loop is carried from turn to turn."),
    "loop-count": Code(
        "the number of turns is a whole number that is known before the step", "not a whole number",
        ("a number, or `hyper n : int = 5 in [1, inf)`",),
        reason="Loops are bounded, so that a step has a cost."),
    "loop-end": Code(
        "`{name}` does not end this loop", "in `{kind}`",
        ("`accept c else s' = ...` ends a search, `until c` ends `iterate`",),
        reason="A search says what it accepts, a loop after which turn it may stop."),
    "stray-end": Code(
        "this line ends a loop, and no loop is around it", "not directly in a loop",
        ("it stands in the body of `iterate` or `search`, not inside of a block there",),
        reason="`until` and `accept` belong to the loop in whose body they stand."),
    "needs-accept": Code(
        "the search does not say what it looks for", "no `accept`",
        ("`accept loss(x + d) <= loss(x)   else s' = s/2`",),
        reason="A search tries until a condition holds."),
    "needs-exhaustion": Code(
        "the search must say what happens when it runs out", "no `on exhaustion`",
        ("`on exhaustion last`: what was tried last; `on exhaustion hold`: this step changes "
         "nothing; or values: `on exhaustion s = 0`",),
        reason="A search is bounded: what it gives when nothing was accepted is part of the rule, "
               "and papers are silent exactly here."),
    "exhaustion-word": Code(
        "a search that runs out cannot give `{name}`", "not one of `last`, `hold`",
        ("`on exhaustion last`, `on exhaustion hold`, or values: `on exhaustion s = 0`",),
        reason="`last` is what was tried last, `hold` leaves everything as it was."),
    "window-lengths": Code(
        "the windows of a spec keep equally many values", "{given} here, {wanted} before",
        ("give both the longer length, and weigh what is too old by 0",),
        reason="All windows lie along one axis, `window`, so that they can be read side by side."),
    "store-what": Code(
        "`numerics` stores states, and `{name}` is none", "not a state",
        ("`store m as bfloat16`, where `state m = 0`",),
        reason="Only states are kept between steps."),
    "store-dtype": Code(
        "a state cannot be stored as `{name}`", "not a dtype",
        ("`bfloat16`, `float16`, `float32` or `float64`",),
        reason="Storage is a floating-point type; the equations are computed as ever."),
    "store-rounding": Code(
        "there is no rounding `{name}` to {dtype}", "nearest, unless it says `stochastic`",
        ("`store v as bfloat16 stochastic`; all others round to the nearest",),
        reason="Stochastic rounding keeps averages moving in bfloat16; the other types round to "
               "the nearest number."),
    "fold-range": Code(
        "a fold cannot run over `{name}`", "not an axis",
        ("an axis, `perm(axis)`, `newest..oldest` or `oldest..newest` of a window, or `axes` of "
         "each tensor",),
        reason="A fold goes through the places of an axis in an order that matters."),
    "no-axis": Code(
        "`{text}` does not vary along `{axis}`", "this is {type}",
        ("an index takes a place on the axis that its fold runs over",),
        reason="`G[j]` is the part of G at the place j of an axis of G."),
}
