"""Messages about claims."""

from __future__ import annotations

from thetaprime.codes_text import Code

CLAIM_CODES: dict[str, Code] = {
    "refuted": Code(
        "the claim is false", "not in every run",
        ("mend the rule, or say with `when` what the claim needs",),
        reason="A claim holds for all gradients, all t and all hyperparameters in their ranges, "
               "unless its `when` says less. The run that is shown contradicts it: in exact "
               "numbers, and as small as it could be made."),
}
