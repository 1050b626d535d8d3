"""Published facts about which optimizers are equal and which only look alike, as rows for the
comparer: the verdict that is right, with the map or the conditions that the fact states.

A letter after a number (M1b) is a variant of a fact. An operand that starts with @ is a spec of
`tests/facts`. ``map`` is hyperparameters of b in a's, ``inverse`` the other way round;
``conditions`` are on a's hyperparameters.

Facts that are left out, since the language or the comparison has no word for them:
    M6                 the limit of a loop
    E63, E74, E82, M8  hold for some gradients only (constant, of one sign, large): a run, no rule
    E66                an inequality of two averages
    E83                one scalar parameter
    M9                 gradients of rank one
    E32                two rules from one sequence of gradients that ask at other points
    S3, S5, S8         prox; N49, N50 too
    S10, S11           workers that mix
    M5, N54            rounding of bfloat16
    N09                no spec: a rule and its order
    E22                a list of one decay: lists are not mapped
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FACTS = Path(__file__).parent / "facts"


@dataclass(frozen=True)
class Row:
    """``verdicts``: those that are right (more than one where the fact leaves it open)."""

    id: str
    a: str
    b: str
    verdicts: tuple[str, ...]
    map: Mapping[str, str] = field(default_factory=dict)
    inverse: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    step: int | None = None


def operand(text: str) -> str:
    """`@name with ...` is a spec of the folder."""
    if not text.startswith("@"):
        return text
    name, _, rest = text[1:].partition(" ")
    return f"{FACTS / name}.opt {rest}".strip()


def equal(id: str, a: str, b: str, /) -> Row:
    """Equal, hyperparameters of one name as one."""
    return Row(id, a, b, ("equal",))


def upto(id: str, a: str, b: str, /) -> Row:
    """Equal but for the point to evaluate, or repeated."""
    return Row(id, a, b, ("equal-up-to",))


def close(id: str, a: str, b: str, /, *conditions: str) -> Row:
    """Equal but for the place of eps, with a bound on the gap."""
    return Row(id, a, b, ("equal-up-to",), {}, {}, conditions, 1)


def mapped(id: str, a: str, b: str, /, **map: str) -> Row:
    """Equal under this map."""
    return Row(id, a, b, ("equal-under-map",), map)


def special(id: str, a: str, b: str, /, *conditions: str, **inverse: str) -> Row:
    """b is a at a setting."""
    return Row(id, a, b, ("specialises",), {}, inverse, conditions)


def when(id: str, a: str, b: str, /, *conditions: str, step: int | None = None) -> Row:
    """Equal under these conditions alone."""
    return Row(id, a, b, ("equal-when",), {}, {}, conditions, step)


def apart(id: str, a: str, b: str, /, step: int | None = None, **map: str) -> Row:
    """Different; ``map``: equal if these follow a schedule."""
    return Row(id, a, b, ("different",), map, {}, (), step)


EQUAL = (
    equal("E01", "heavy-ball-outside", "heavy-ball"),
    equal("E02", "heavy-ball-outside", "heavy-ball-inside"),
    equal("E03", "@fading-outside", "@fading-corrected"),
    mapped("E04", "heavy-ball-outside", "@ema-momentum", lr="lr/(1 - mu)"),
    special("E05", "sgd", "@ema-from-first", damp="mu", wd="0"),
    upto("E06", "nesterov", "nesterov-lookahead"),
    equal("E08", "nesterov", "sgd-keras with nesterov = true, wd = 0"),
    special("E10", "qhm", "heavy-ball-outside", lr="lr/(1 - mu)", b="mu", nu="1"),
    special("E11", "qhm", "nesterov", lr="lr/(1 - mu)", b="mu", nu="mu"),
    mapped("E14", "@synthesized", "qhm", lr="a/(1 - b1)", b="b1"),
    special("E15", "@robust", "@triple", kappa="1/(1 - rho)^2"),
    special("E16", "@acc-sgd", "qhm"),
    special("E17", "@two-states", "qhm"),
    equal("E18", "@sum with s = 0", "heavy-ball"),
    equal("E19", "@sum with s = 1", "nesterov"),
    special("E20", "@sum-plain", "@sgd-plain"),
    mapped("E24", "@agg-mo-two", "qhm"),
    mapped("E25", "heavy-ball-outside", "@primal-averaging", eta="lr/(1 - mu)", c="1 - mu"),
    upto("E27", "@free-three", "@free-two"),
    upto("E30", "@free-three with b = 0, wd = 0", "@sgd-plain"),
    equal("E31", "@free-three with b = 0, wd = 0", "@averaged-sgd"),
    equal("E33", "@nesterov-two", "nesterov"),
    special("E34", "Lookahead(HeavyBallOutside(mu = 0)) with k = 1", "@sgd-plain"),
    special("E36", "Lookahead(HeavyBallOutside) with k = 1", "heavy-ball-outside"),
    special("E37", "Lookahead(HeavyBall) with k = 1", "heavy-ball"),
    equal("E39", "@optimistic", "@reflected"),
    special("E40", "@triple-family", "@optimistic", a="lr", b="0", gam="1"),
    upto("E43", "@two-calls", "@sgd-plain"),
    equal("E44", "@dual-averaging", "@sgd-plain"),
    equal("E47", "@sgd-coupled", "@sgd-shrunk"),
    special("E48", "@scaled-momentum", "heavy-ball-outside"),
    equal("E49", "@mars-momentum with gam = 1", "@sgd-plain"),
    equal("E50", "@mars-momentum with gam = 0", "@ema-momentum"),
    mapped("E51", "@mars-momentum", "qhm", nu="1 - gam", b="mu"),
    equal("E52", "@adam-bare with b1 = 0, b2 = 0", "signsgd with wd = 0"),
    apart("E54", "@adam-bare with b1 = 0", "@rms-bare", 1, lr="lr*sqrt(1 - b2^t)"),
    when("E55", "@rms-outside", "@rms-inside", "eps = 0"),
    apart("E56", "adam", "adam-keras with wd = 0", 1, eps="eps*sqrt(1 - b2^t)"),
    special("E57", "adamw", "adam", "wd = 0"),
    special("E60", "@adam-fading", "@adagrad-bare", "b1 = 0 and b2 -> 1"),
    equal("E62", "nadam-optax with b1 = 0, eps_root = 0", "adam with b1 = 0"),
    equal("E64", "@adam-bare-scaled", "@adam-bare"),
    special("E65", "ademamix", "adamw", "alpha = 0"),
    special("E67", "lion", "signum", b1="b", b2="b"),
    equal("E68", "lion with b1 = 0", "signsgd"),
    equal("E69", "@lion-squared", "@sign-nesterov"),
    equal("E70", "signum", "@signum-sum"),
    mapped("E72", "@sign-decayed", "@frank-wolfe", gam="lr*wd", radius="1/wd"),
    equal("E73", "add-sign with alpha = 1, f = 0", "@sgd-plain"),
    equal("E73b", "power-sign with f = 0", "@sgd-plain"),
    equal("E76", "@debiased-momentum", "@weighted-mean"),
    equal("E77", "@weight-momentum", "@debiased-momentum"),
    equal("E79", "@di-lo-co-sgd", "Lookahead(HeavyBallOutside(mu = 0))"),
    special("E80", "@di-lo-co-nesterov", "nesterov"),
    mapped("E81", "@lion-k", "lion", b1="polyak*look", b2="polyak"),
    equal("M1", "@shampoo-once", "@spectral"),
    equal("M1b", "@shampoo-damped", "@shampoo-left-damped"),
    special("M1c", "@shampoo-damped", "@spectral", "eps = 0"),
    equal("M2", "@shampoo-left", "@spectral"),
    equal("M2b", "@whitened", "@spectral"),
    equal("M2c", "@spectral-turned", "@spectral"),
    equal("M2d", "@shampoo-momentum", "@muon-sum"),
    equal("M6b", "@cubic", "@cubic-turned"),
    equal("M6c", "@cubic", "@cubic-cases"),
    equal("M11", "@muon-average", "@muon-sum"),
    equal("M11b", "@muon-turned", "@muon-sum"),
)

DIFFERENT = (
    apart("M1d", "@shampoo-thirds", "@spectral", 1),
    apart("M6d", "@cubic", "@cubic-other", 1),
    apart("M7", "@spectral", "@sign-matrix"),
    apart("M10", "@factored", "@full-squares"),
    when("N01", "@fading-outside", "@fading-inside", "fall = 0", "mu = 0", step=2),
    when("N02", "sgd with damp = mu, wd = 0", "@ema-momentum", "mu = 0", step=1),
    apart("N05", "@nesterov-warm", "@sutskever-warm", 1),
    upto("N05b", "@sutskever-warm", "@sutskever-late"),
    when("N06", "heavy-ball", "nesterov", "mu = 0", step=1),
    apart("N08", "@agg-mo-equal with mu = 0.9", "heavy-ball-outside with mu = 0.9", 2),
    upto("N10", "@free-late", "@free-three"),
    upto("N11", "@primal-averaging", "@weight-ema"),
    upto("N12", "@weight-ema", "@ema-momentum"),
    apart("N15", "optimistic-gradient", "qhm"),
    when("N17", "@dual-fading", "@fading-sgd", "fall = 0", step=2),
    apart("N19", "@fista", "@nesterov-thirds", 2),
    apart("N20", "@three-sequences", "@nesterov-thirds", 1),
    when("N24", "@rms-outside", "@rms-from-one", "b2 = 0", step=1),
    when("N26", "adamw", "adam-torch", "wd = 0"),
    when("N28", "adam", "laprop with wd = 0", "b1 = 0"),
    when("N29", "@rms-momentum", "@adam-uncorrected", "b1 = 0", step=2),
    apart("N31", "adagrad", "rmsprop"),
    apart("N32", "adam", "amsgrad", 1),
    when("N34", "@adam-bare", "ada-max", "b2 = 0", step=2),
    when("N38", "nadam-torch with momentum_decay = 0, wd = 0", "nadam-optax with eps_root = 0",
         "b1 = 0", step=1),
    special("N39", "@adam-scaled", "adam", "scale = 1"),
    apart("N41", "@ada-belief-bare with b1 = 0", "@rms-outside", 1),
    apart("N44b", "lion with b1 = 0.9, b2 = 0.99", "signum with b = 0.9", 2),
    apart("N45", "@rprop-flat", "signsgd with wd = 0"),
    when("N47", "@clip-then-momentum", "@momentum-then-clip", "mu = 0", step=2),
    apart("N48", "r-adam", "heavy-ball-outside"),
    apart("N51", "@ema-of-points", "@ema-of-points-debiased", 1),
    when("N52", "@free-three", "@free-decay-z", "wd = 0", "b = 0", step=3),
    apart("N53", "r-adam-torch with wd = 0", "r-adam-optax with nesterov = false", 6),
    when("E83b", "@sam-plain", "@usam", "rho = 0"),
)

# The pairs of libraries. Of several choices of static hyperparameters the verdict is for one.
LIBRARIES = (
    special("sgd t|o", "sgd-torch", "sgd-optax", damp="0", wd="0"),
    when("sgd t|k", "sgd-torch", "sgd-keras", "wd = 0 and damp = 0", step=2),
    Row("sgd o|k", "sgd-optax", "sgd-keras", ("specialises",), {"wd": "0"}),
    when("adam t|o", "adam-torch", "adam-optax", "wd = 0", step=1),
    apart("adam t|k", "adam-torch", "adam-keras", 1, eps="eps*sqrt(1 - b2^t)"),
    apart("adam o|k", "adam-optax", "adam-keras", 1),
    Row("adamw t|o", "adamw-torch", "adamw-optax", ("specialises",), {"eps_root": "0"}),
    apart("adamw t|k", "adamw-torch", "adamw-keras", 1, eps="eps*sqrt(1 - b2^t)"),
    when("adamw o|k", "adamw-optax", "adamw-keras", "b2 = 0 and eps_root = 0", step=1),
    when("adamax t|o", "adamax-torch", "adamax-optax", "wd = 0", step=1),
    apart("adamax t|k", "adamax-torch", "adamax-keras"),
    apart("adamax o|k", "adamax-optax", "adamax-keras", 2),
    when("rmsprop t|o", "rmsprop-torch", "rmsprop-optax", "wd = 0", "v0 of rmsprop-optax = 0"),
    close("rmsprop t|k", "rmsprop-torch", "rmsprop-keras",
          "a term in `eps`, when mu = 0 and wd = 0"),
    when("rmsprop o|k", "rmsprop-optax", "rmsprop-keras", "v0 = 0 and wd of rmsprop-keras = 0"),
    close("adagrad t|o", "adagrad-torch", "adagrad-optax",
          "a term in `eps`, when wd = 0 and lr_decay = 0"),
    close("adagrad t|k", "adagrad-torch", "adagrad-keras",
          "a term in `eps`, when wd = 0 and lr_decay = 0"),
    Row("adagrad o|k", "adagrad-optax", "adagrad-keras", ("specialises",), {"wd": "0"}),
    equal("adadelta t|o", "adadelta-torch", "adadelta-optax"),
    when("adadelta t|k", "adadelta-torch", "adadelta-keras", "wd = 0"),
    when("adadelta o|k", "adadelta-optax", "adadelta-keras", "wd = 0"),
    apart("amsgrad t|o", "amsgrad-torch", "amsgrad-optax"),
    apart("amsgrad t|k", "amsgrad-torch", "amsgrad-keras", 1, eps="eps*sqrt(1 - b2^t)"),
    apart("amsgrad o|k", "amsgrad-optax", "amsgrad-keras", 1),
    Row("nadam t|k", "nadam-torch", "nadam-keras", ("specialises", "equal-when")),
    Row("nadam t|o", "nadam-torch", "nadam-optax", ("different", "equal-when")),
    Row("nadam o|k", "nadam-optax", "nadam-keras", ("different", "equal-when")),
    when("lamb o|k", "lamb-optax", "lamb-keras", "wd = 0"),
    apart("lamb o|t", "lamb-optax", "lamb-timm"),
    Row("lars o|t", "lars-optax", "lars-timm", ("different", "equal-when")),
    equal("lion o|k", "lion-optax", "lion-keras"),
    apart("muon t|o", "muon-torch", "muon-optax"),
    apart("muon t|k", "muon-torch", "muon-keras"),
    apart("muon o|k", "muon-optax", "muon-keras"),
    apart("radam t|o", "radam-torch", "radam-optax", 6),
    apart("rprop t|o", "rprop-torch", "rprop-optax", 1),
    Row("schedule-free adamw o|k", "schedule-free-adamw-optax", "schedule-free-adamw-keras",
        ("specialises", "equal-when", "different")),
    apart("adafactor t|o", "adafactor-torch", "adafactor-optax"),
    apart("adafactor t|k", "adafactor-torch", "adafactor-keras"),
    apart("adafactor o|k", "adafactor-optax", "adafactor-keras"),
    Row("schedule-free sgd", "schedule-free-sgd", "schedule-free-sgd-optax",
        ("specialises", "equal-when", "equal-under-map")),
    apart("adan", "adan", "adan-optax"),
    equal("lion", "lion", "lion-optax"),
    equal("adamw", "adamw", "adamw-torch"),
)

# Rows that take long.
SLOW: frozenset[str] = frozenset((
    "N28", "N34", "N53", "adadelta t|k", "adadelta o|k",
    "nadam t|k", "nadam o|k", "lamb o|k", "lamb o|t", "lars o|t", "muon t|o", "muon t|k",
    "muon o|k", "radam t|o", "schedule-free adamw o|k", "adafactor t|o", "adafactor t|k",
    "adafactor o|k", "schedule-free sgd", "adan"))

# Rows whose published conditions or map are not all told yet: what is said is true, not complete.
OPEN: frozenset[str] = frozenset()

# Rows that are answered with `unknown`.
UNKNOWN: frozenset[str] = frozenset()
