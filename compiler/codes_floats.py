"""Messages about numbers of few bits: what is lost in a dtype, and the least that avoids it."""

from __future__ import annotations

from thetaprime.codes_text import Code

FLOAT_CODES: dict[str, Code] = {
    "constant-lost": Code(
        "{what} is {seen} in float32", "{seen} where it is computed with",
        reason="Programs compute in float32 at least, whatever the dtype of the parameters. There "
               "the least number is 1.2e-38, and the next one below 1 is 0.99999994.",
        severity="warning"),
    "state-overflows": Code(
        "`{name}` overflows in {dtype} with gradients of {gradient}",
        "{value} at step {step}, but the largest number is {most}",
        reason="A number that is too large is stored as infinity. A second moment stays infinite "
               "from then on, so that its parameter never moves again; a momentum takes its "
               "parameter with it.",
        severity="warning"),
    "state-vanishes": Code(
        "`{name}` vanishes in {dtype} with gradients of {gradient}",
        "{value} at step {step}, but the least number is {least}",
        reason="A number that is too small is stored as 0. A momentum then moves nothing; a "
               "second moment leaves only `eps` to divide by, and the steps become far too long.",
        severity="warning"),
    "average-stalls": Code(
        "{what}", "{label}",
        reason="What is kept is rounded to the nearest number of its dtype, at every step. A "
               "change of less than half of the distance to the next number is lost, however "
               "often it is repeated. An average with the decay 0.999 changes by a thousandth; "
               "bfloat16 holds two or three decimal digits. The average stays at the largest "
               "value that it has met, and the steps become shorter and shorter.",
        severity="warning"),
    "step-lost": Code(
        "{whose} of size {size} do not move in {dtype}",
        "steps of {step} and less; it takes {least} to move them all",
        reason="The sum of a parameter and a step is rounded to the dtype of the parameter. A step "
               "of less than half of the distance to the next number changes nothing, at every "
               "step again. Mixed precision keeps a copy of the parameters in float32 for that.",
        severity="warning"),
    "decay-lost": Code(
        "parameters do not decay in {dtype}",
        "{factor} times a parameter is rounded back to all of it",
        reason="Where no gradient comes, a step only shrinks its parameter: by so little that "
               "rounding takes it back, at every step again. Whatever its size, the parameter "
               "stays.",
        severity="warning"),
    "no-number": Code(
        "the step is not a number in {dtype} with gradients of {gradient}",
        "a number in float64",
        ("look for powers, products and sums that leave {dtype}, or for a division by one that "
         "vanishes there",),
        reason="Programs compute in float32 at least, and keep states in the dtype of the "
               "parameters. A quantity between may be too large or too small for that.",
        severity="warning"),
}
