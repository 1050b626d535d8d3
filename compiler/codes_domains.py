"""Messages about domains: what is divided by 0, roots and logarithms of what they are not for."""

from __future__ import annotations

from thetaprime.codes_text import Code

DOMAIN_CODES: dict[str, Code] = {
    "always-undefined": Code(
        "`{formula}` is undefined {when}", "{label}",
        reason="A rule must be defined at every step. The values in the message were found by "
               "running the rule: what is undefined reaches the parameter or a state, and the "
               "gradient makes no difference to it."),
    "undefined": Code(
        "`{formula}` is undefined {when}", "{label}",
        reason="Gradients may be 0 (a frozen layer, a dead unit, an embedding that no token used), "
               "and hyperparameters may lie anywhere in their declared ranges. The values in the "
               "message were found by running the rule: what is undefined reaches the parameter or "
               "a state, and stays there.",
        severity="warning"),
    "perhaps-undefined": Code(
        "`{formula}` may be undefined", "{label}",
        reason="Every division, root, logarithm and power is shown to be defined for all gradients "
               "and all hyperparameters in their ranges, or the message gives values for which it "
               "is not. Here neither was found. Guard it, or narrow the range of a hyperparameter; "
               "if you know why it cannot happen, ignore the message.",
        severity="warning"),
    "bias-correction": Code(
        "the bias correction `{formula}` does not stay in (0, 1]", "{label}",
        reason="An average that starts at 0 has the weights of the gradients so far, and their sum "
               "is 1 - b^t for a decay b in [0, 1). Divided by anything outside of (0, 1] it is "
               "no average.",
        severity="warning"),
}
