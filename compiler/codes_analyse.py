"""Messages about the analysis of one rule."""

from __future__ import annotations

from thetaprime.codes_text import Code

ANALYSE_CODES: dict[str, Code] = {
    "not-linear": Code(
        "`{name}` has no linear map near its fixed point", "`{what}` {why}",
        reason="Stability is asked of a rule whose new point is a linear combination of the point "
               "and of states that are; factors such as 1/sqrt(v) are frozen at a value."),
    "not-estimated": Code(
        "the worst case of `{name}` cannot be estimated", "`{what}` {why}",
        reason="Performance estimation takes rules whose points are linear combinations, with "
               "known coefficients, of the starting point and of gradients."),
    "no-rate": Code(
        "no finite worst case of `{name}` on {classes} functions was found", "{why}",
        ("a smaller step size, or fewer steps",),
        reason="A rule that diverges for some function of the class has no worst case; weight "
               "decay has none either, since it depends on where zero is."),
    "no-curvature": Code(
        "the step of `{name}` does not see the curvature", "linear, but without the gradient",
        reason="Stability on a quadratic is a condition on its curvature."),
    "long-period": Code(
        "`{name}` repeats itself only after {period} steps", "every {period} steps",
        ("set a period of at most {most}: `--set k=5`",),
        reason="What happens every k steps is analysed over k steps at once, and the formulas "
               "grow with k."),
}
