"""The optimizers of torch, optax and keras that have a spec, and how their arguments are called.

What is not in a row goes by its own name or by that of `aliases`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Same:
    """The value of another hyperparameter."""

    hyper: str

    def __str__(self) -> str:
        return self.hyper


@dataclass(frozen=True)
class Rate:
    """The learning rate of a later step."""

    steps: int

    def __str__(self) -> str:
        return f"the lr of {self.steps} step later"


NEXT_RATE = Rate(1)


@dataclass(frozen=True)
class Row:
    """An optimizer of a library beside a spec. ``given`` are links that names do not say;
    ``extra`` sets arguments that the spec has not; ``tolerance`` differs from 1e-12 only with a
    reason in ``why``; ``widened``: what it computes in bfloat16 is computed in float64."""

    target: str
    spec: str
    given: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-12
    why: str = ""
    widened: bool = False
    tensors: tuple[str, ...] = ()  # those of `sequences` that it takes; none named: all

    @property
    def library(self) -> str:
        return self.target.partition(".")[0]


def _torch(name: str, spec: str, **settings: Any) -> Row:
    return Row(f"torch.optim.{name}", spec, **settings)


def _optax(name: str, spec: str, **settings: Any) -> Row:
    return Row(f"optax.{name}", spec, **settings)


def _keras(name: str, spec: str, **settings: Any) -> Row:
    return Row(f"keras.optimizers.{name}", spec, **settings)


_SINGLE = {"tolerance": 1e-6, "why": "keras keeps its hyperparameters in float32"}
_COUNT = {"tolerance": 1e-6, "why": "optax has the number of the step in float32"}
_MATRICES = ("matrix", "tall")
_TINY = 1e-300  # for eps where the paper has none, and 0 would divide by zero
_NO_DECAY = {"extra": {"weight_decay": 0.0}}
_RPROP = {"step0": "lr", "step_min": "step_sizes[0]", "step_max": "step_sizes[1]",
          "eta_minus": "etas[0]", "eta_plus": "etas[1]"}
_RPROP_OPTAX = {"step0": "learning_rate", "step_min": "min_step_size", "step_max": "max_step_size"}
_FTRL = {"power": "learning_rate_power", "l1": "l1_regularization_strength",
         "l2": "l2_regularization_strength", "shrink": "l2_shrinkage_regularization_strength"}

ROWS: tuple[Row, ...] = (
    # Each library beside its own specs.
    _torch("SGD", "sgd-torch"),
    _torch("Adam", "adam-torch"),
    _torch("Adam", "amsgrad-torch", extra={"amsgrad": True}),
    _torch("AdamW", "adamw-torch"),
    _torch("NAdam", "nadam-torch"),
    _torch("Adamax", "adamax-torch"),
    _torch("RMSprop", "rmsprop-torch"),
    _torch("Adagrad", "adagrad-torch"),
    _torch("Adadelta", "adadelta-torch"),
    _torch("Rprop", "rprop-torch", given=_RPROP),
    _torch("RAdam", "radam-torch"),
    _torch("Adafactor", "adafactor-torch",
           given={"decay": "-beta2_decay", "eps1": "eps[0]", "eps2": "eps[1]"}),
    _torch("Muon", "muon-torch", given={"n": "ns_steps"}, chosen={"match": False}, widened=True),
    _optax("sgd", "sgd-optax"),
    _optax("adam", "adam-optax"),
    _optax("nadam", "nadam-optax"),
    _optax("adamw", "adamw-optax"),
    _optax("nadamw", "nadamw-optax"),
    _optax("amsgrad", "amsgrad-optax"),
    _optax("adamax", "adamax-optax"),
    _optax("adamaxw", "adamax-optax"),
    _optax("rmsprop", "rmsprop-optax", given={"v0": "initial_scale", "rho": "decay"}),
    _optax("adagrad", "adagrad-optax"),
    _optax("adadelta", "adadelta-optax"),
    _optax("rprop", "rprop-optax", given=_RPROP_OPTAX),
    _optax("radam", "radam-optax"),
    _optax("adan", "adan-optax"),
    _optax("lion", "lion-optax"),
    _optax("lamb", "lamb-optax"),
    _optax("lars", "lars-optax"),
    _optax("adabelief", "adabelief-optax"),
    _optax("yogi", "yogi-optax"),
    _optax("novograd", "novograd-optax"),
    _optax("sm3", "sm3-optax", tensors=_MATRICES),
    _optax("adafactor", "adafactor-optax", **_COUNT,
           given={"d": "clipping_threshold", "wd": "weight_decay_rate",
                  "least": "min_dim_size_to_factor", "decay": "decay_rate"}),
    _optax("contrib.adopt", "adopt-optax"),
    _optax("contrib.ademamix", "ademamix-optax"),
    _optax("contrib.schedule_free_sgd", "schedule-free-sgd-optax", chosen={"weight_lr": NEXT_RATE}),
    _optax("contrib.schedule_free_adamw", "schedule-free-adamw-optax",
           chosen={"weight_lr": NEXT_RATE}),
    _optax("contrib.muon", "muon-optax", given={"n": "ns_steps", "b": "beta"}),
    _keras("SGD", "sgd-keras"),
    _keras("Adam", "adam-keras"),
    _keras("Adam", "amsgrad-keras", extra={"amsgrad": True}),
    _keras("AdamW", "adamw-keras"),
    _keras("Nadam", "nadam-keras"),
    _keras("Adamax", "adamax-keras"),
    _keras("RMSprop", "rmsprop-keras", given={"rho": "rho"}),
    _keras("Adagrad", "adagrad-keras"),
    _keras("Adadelta", "adadelta-keras"),
    _keras("Lamb", "lamb-keras"),
    _keras("Lion", "lion-keras"),
    _keras("Ftrl", "ftrl-keras", given=_FTRL),
    _keras("ScheduleFreeAdamW", "schedule-free-adamw-keras"),
    _keras("Adafactor", "adafactor-keras", **_SINGLE,
           given={"decay": "-beta_2_decay", "eps1": "epsilon_1", "eps2": "epsilon_2",
                  "d": "clip_threshold"}),
    _keras("Muon", "muon-keras", **_SINGLE, given={"n": "ns_steps", "rate": "rms_rate"}),
    # Each library beside the rules of papers.
    _torch("SGD", "sgd"),
    _torch("SGD", "heavy-ball-outside"),
    _torch("SGD", "nesterov", extra={"nesterov": True}, chosen={"mu": 0.9}),
    _torch("Adam", "adam"),
    _torch("Adam", "amsgrad", extra={"amsgrad": True}),
    _torch("AdamW", "adamw"),
    _torch("NAdam", "nadam", given={"psi": "momentum_decay"}),
    _torch("Adamax", "adamax", extra={"eps": _TINY}),
    _torch("RMSprop", "rmsprop"),
    _torch("Adagrad", "adagrad"),
    _torch("Adadelta", "adadelta"),
    _torch("Rprop", "rprop", given={
        "step0": "lr", "down": "etas[0]", "up": "etas[1]", "least": "step_sizes[0]",
        "most": "step_sizes[1]"}),
    _torch("RAdam", "radam", chosen={"threshold": 5.0}),
    _torch("Adafactor", "adafactor",
           given={"decay": "-beta2_decay", "eps1": "eps[0]", "eps2": "eps[1]"}),
    _torch("Muon", "muon", given={"n": "ns_steps"}, widened=True),
    _optax("sgd", "sgd"),
    _optax("sgd", "heavy-ball-outside"),
    _optax("sgd", "nesterov", extra={"nesterov": True}, chosen={"mu": 0.9}),
    _optax("adam", "adam"),
    _optax("nadam", "nadam"),
    _optax("adamw", "adamw"),
    _optax("amsgrad", "amsgrad"),
    _optax("adamax", "adamax", extra={"eps": _TINY}),
    _optax("rmsprop", "rmsprop"),
    _optax("adagrad", "adagrad"),
    _optax("adadelta", "adadelta"),
    _optax("rprop", "rprop", given={
        "step0": "learning_rate", "down": "eta_minus", "up": "eta_plus",
        "least": "min_step_size", "most": "max_step_size"}),
    _optax("radam", "radam"),
    _optax("adan", "adan", extra={"eps_root": 0.0}),
    _optax("lion", "lion"),
    _optax("lamb", "lamb"),
    _optax("lars", "lars", given={"eta": "trust_coefficient"}),
    _optax("adabelief", "adabelief", extra={"eps_root": Same("eps")}),
    _optax("yogi", "yogi", chosen={"m0": 1e-6}),
    _optax("novograd", "novograd"),
    _optax("sign_sgd", "signsgd"),
    _optax("signum", "signum"),
    _optax("fromage", "fromage", extra={"min_norm": _TINY}),
    _optax("sm3", "sm3", tensors=_MATRICES),
    _optax("optimistic_gradient_descent", "optimistic-gradient"),
    _optax("adafactor", "adafactor", **_COUNT, extra={"min_dim_size_to_factor": 1},
           given={"d": "clipping_threshold", "decay": "decay_rate", "eps1": "eps"}),
    _optax("contrib.adopt", "adopt"),
    _optax("contrib.ademamix", "ademamix"),
    _optax("contrib.schedule_free_sgd", "schedule-free-sgd", given={
        "b": "b1", "p": "weight_lr_power"}),
    _optax("contrib.schedule_free_adamw", "schedule-free-adamw", given={"p": "weight_lr_power"}),
    _optax("contrib.madgrad", "madgrad", tolerance=1e-6,
           why="optax keeps lr*sqrt(t) in float32"),
    _optax("contrib.prodigy", "prodigy", given={"d0": "estim_lr0", "coef": "estim_lr_coef"}),
    _optax("contrib.dadapt_adamw", "dadapt-adam", given={"d0": "estim_lr0"}),
    _optax("contrib.muon", "muon", given={"n": "ns_steps", "mu": "beta"}),
    _keras("SGD", "heavy-ball-inside", **_NO_DECAY),
    _keras("SGD", "nesterov", extra={"weight_decay": 0.0, "nesterov": True},
           chosen={"mu": 0.9}),
    _keras("Adam", "adam", **_NO_DECAY),
    _keras("Adam", "amsgrad", extra={"weight_decay": 0.0, "amsgrad": True}),
    _keras("AdamW", "adamw"),
    _keras("Nadam", "nadam", **_NO_DECAY, chosen={"psi": 1.0}),
    _keras("Adamax", "adamax", extra={"weight_decay": 0.0, "epsilon": _TINY}),
    _keras("RMSprop", "rmsprop", **_NO_DECAY),
    _keras("Adagrad", "adagrad", **_NO_DECAY),
    _keras("Adadelta", "adadelta", **_NO_DECAY),
    _keras("Lamb", "lamb"),
    _keras("Lion", "lion"),
    _keras("ScheduleFreeAdamW", "schedule-free-adamw"),
    _keras("Adafactor", "adafactor", **_SINGLE, extra={"weight_decay": 0.0},
           given={"decay": "-beta_2_decay", "eps1": "epsilon_1", "eps2": "epsilon_2",
                  "d": "clip_threshold"}),
    _keras("Muon", "muon", **_SINGLE, given={"n": "ns_steps"}),
)

LIBRARIES = tuple(dict.fromkeys(row.library for row in ROWS))


def row_for(target: str, spec: str) -> Row:
    """What the table says of an optimizer beside a spec; of one that it has not, nothing."""
    return next((r for r in ROWS if (r.target, r.spec) == (target, spec)), Row(target, spec))
