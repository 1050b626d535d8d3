"""Messages about the analysis of one rule."""

from __future__ import annotations

from thetaprime.codes_text import Code

ANALYSE_CODES: dict[str, Code] = {
    "not-linear": Code(
        "`{name}` has no linear map near its fixed point", "`{what}` {why}",
        reason="Stability is asked of a rule whose new point is a linear combination of the point "
               "and of states that are; factors such as 1/sqrt(v) are frozen at a value."),
    "no-curvature": Code(
        "the step of `{name}` does not see the curvature", "linear, but without the gradient",
        reason="Stability on a quadratic is a condition on its curvature."),
    "long-period": Code(
        "`{name}` repeats itself only after {period} steps", "every {period} steps",
        ("set a period of at most {most}: `--set k=5`",),
        reason="What happens every k steps is analysed over k steps at once, and the formulas "
               "grow with k."),
}
