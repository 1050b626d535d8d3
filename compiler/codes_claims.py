"""Messages about claims."""

from __future__ import annotations

from thetaprime.codes_text import Code

CLAIM_CODES: dict[str, Code] = {
    "claim-name": Code(
        "`{name}` is a quantity of the step, and here any number", "the step has this name",
        ("give the number a name of its own: `claim invariant under g -> k*g`, `when g = k`",),
        reason="A name that only the claim has stands for any number: by which gradients are "
               "multiplied, or which they are at every step."),
    "refuted": Code(
        "the claim is false", "not in every run",
        ("mend the rule, or say with `when` what the claim needs",),
        reason="A claim holds for all gradients, all t and all hyperparameters in their ranges, "
               "unless its `when` says less. The run that is shown contradicts it: in exact "
               "numbers, and as small as it could be made."),
}
