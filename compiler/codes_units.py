"""Messages about units: what is added to what, and which numbers hide a unit."""

from __future__ import annotations

from thetaprime.codes_text import Code

UNIT_CODES: dict[str, Code] = {
    "unit-clash": Code(
        "{what}", "{label}",
        reason="With parameters in X and the loss in L a gradient has the unit L/X, its square "
               "L^2/X^2. What is added, compared or kept has one unit; otherwise the rule changes "
               "its character with the scale of the loss or of the parameters. A forgotten root "
               "or a forgotten division shows here. Some published rules are like that, so that "
               "this is a warning.",
        severity="warning"),
    "hidden-unit": Code(
        "{what}", "a number with the unit {unit}",
        reason="A number in a formula is right in one scale of the loss and of the parameters "
               "only. A hyperparameter can be adapted, and says that there is something to adapt.",
        severity="warning"),
    "unusual-unit": Code(
        "`{name}` has the unit {unit}: {how}", "usual are X^2/L, X, or none",
        ("is a root missing or one too many, or `g` written for `g^2`?",
         "see the units of all states: `thetaprime show`"),
        reason="X is the unit of the parameters, L that of the loss. A step size has the unit "
               "X^2/L before a gradient, X before a normalised one, none before a step that is "
               "measured otherwise. Where a root is forgotten nothing clashes: the unit goes into "
               "the hyperparameters, and shows there.",
        severity="warning"),
}
