"""Messages about what is read and yet has no effect."""

from __future__ import annotations

from thetaprime.codes_text import Code

DEAD_CODES: dict[str, Code] = {
    "dead-hyperparameter": Code(
        "the hyperparameter `{name}` is read, but changes nothing",
        "`{point}'` is the same for every value of it",
        ("is there a `0*`, a difference or a quotient of equal things, a wrong name? else remove "
         "it",),
        reason="The step, written out as algebra, does not have it: the derivatives of the new "
               "parameter and of all that leads to it are 0 at every step. A search over its "
               "values would compare equal runs.",
        severity="warning"),
    "dead-value": Code(
        "`{name}` is read, but changes nothing", "`{point}'` is the same without it",
        ("is there a `0*`, a difference or a quotient of equal things, a wrong name? else remove "
         "it",),
        reason="It cancels: the step, written out as algebra, does not have it. A state costs "
               "memory for every entry, an equation time, and the text says more than the rule "
               "does.",
        severity="warning"),
}
