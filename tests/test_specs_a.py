"""The specs of sgd, sign, adaptive and adam do what independent implementations do.

Twenty steps in float64 on one tree of tensors, to 1e-12. `NUMPY` compares with the rules of
`tests.references_a` and `tests.references_adam`, defaults included; `PEERS` with libraries, of
which only rules known to be right are used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import references_a, references_adam
from tests.test_libraries import theirs
from tests.tree import LEAVES, compare, gradients, run_interpreter, run_optax

FOLDERS = ("sgd", "sign", "adaptive", "adam")
SPECS = {p.stem: p for f in FOLDERS
         for p in sorted((Path(__file__).parent.parent / "specs" / f).glob("*.opt"))}
LR = {"lr": 0.1}


def falling(k: Any) -> Any:
    """A learning rate that changes: where it stands in a momentum shows."""
    return 0.1 / (1 + k)


FALLING: dict[str, Any] = {"lr": falling}

# Spec and hyperparameters; the reference is the function of the spec's name.
NUMPY: list[tuple[str, dict[str, Any]]] = [
    ("sgd", FALLING | {"mu": 0.9, "damp": 0.7, "wd": 0.3}),
    ("sgd", FALLING | {"mu": 0.8, "nesterov": True}),
    ("sgd", LR | {"damp": 0.7}),
    ("heavy-ball", FALLING | {"mu": 0.8}),
    ("heavy-ball-inside", FALLING | {"mu": 0.8}),
    ("heavy-ball-outside", FALLING | {"mu": 0.8}),
    ("nesterov", FALLING | {"mu": 0.8}),
    ("nesterov-lookahead", FALLING | {"mu": 0.8}),
    ("nesterov-1983", LR),
    ("qhm", LR | {"b": 0.8, "nu": 0.4}),
    ("signsgd", LR | {"wd": 0.3}),
    ("signum", LR | {"b": 0.6, "wd": 0.3}),
    ("tiger", LR | {"b": 0.6, "wd": 0.3}),
    ("lion", LR | {"b1": 0.5, "b2": 0.7, "wd": 0.3}),
    ("rprop", {"step0": 0.1, "down": 0.3, "up": 1.5, "least": 5e-2, "most": 0.2}),
    ("adagrad", LR | {"eps": 1e-2, "v0": 0.1}),
    ("adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-2}),
    ("rmsprop", LR | {"rho": 0.8, "eps": 1e-2, "mu": 0.9}),
    ("rmsprop", LR | {"rho": 0.8, "eps": 1e-2, "mu": 0.5, "centered": True}),
    ("adam", LR | {"b1": 0.8, "b2": 0.95, "eps": 1e-2}),
    ("adamw", LR | {"b1": 0.8, "b2": 0.95, "eps": 1e-2, "wd": 0.3}),
    ("adamax", LR | {"b1": 0.8, "b2": 0.7}),
    ("nadam", LR | {"b1": 0.8, "b2": 0.95, "eps": 1e-2, "psi": 1}),
    ("amsgrad", LR | {"b1": 0.8, "b2": 0.6, "eps": 1e-2}),
    ("radam", LR | {"b1": 0.8, "b2": 0.95, "eps": 1e-2}),
    ("radam", LR | {"threshold": 7}),
    ("adabelief", LR | {"b1": 0.8, "b2": 0.95, "eps": 1e-2, "wd": 0.3}),
    ("yogi", LR | {"b1": 0.8, "b2": 0.95, "eps": 1e-2, "m0": 0.2, "v0": 0.1}),
    ("adan", LR | {"b1": 0.9, "b2": 0.8, "b3": 0.7, "eps": 1e-2, "wd": 0.3}),
    ("adopt", LR | {"b1": 0.8, "b2": 0.9, "eps": 1e-2, "wd": 0.3}),
    ("laprop", LR | {"b1": 0.8, "b2": 0.95, "eps": 1e-2, "wd": 0.3}),
    ("adamomentum", LR | {"b1": 0.8, "b2": 0.95, "eps": 1e-2}),
    ("diffgrad", LR | {"b1": 0.8, "b2": 0.95, "eps": 1e-2}),
    ("qhadam", LR | {"b1": 0.8, "b2": 0.95, "n1": 0.4, "n2": 0.6, "eps": 1e-2}),
    ("adabound", {"lr": 0.3, "final": 0.05, "b1": 0.8, "b2": 0.95, "gam": 0.1, "eps": 1e-2}),
    ("ademamix", LR | {"b1": 0.8, "b2": 0.95, "b3": 0.99, "alpha": 3, "eps": 1e-2, "wd": 0.3}),
    ("ademamix", LR | {"b1": 0.8, "b3": 0.99, "warm": 12}),
]
NUMPY = [*((name, {}) for name in SPECS), *NUMPY]

TORCH, KOZ = "torch.optim.", "pytorch_optimizer."
KERAS, OPTAX, TIMM = "keras.optimizers.", "optax.", "timm.optim."
AT, FAR = {"learning_rate": 0.1}, {"betas": (0.8, 0.95), "eps": 1e-2}
OURS = LR | {"b1": 0.8, "b2": 0.95, "eps": 1e-2}
# Where libraries part from the paper, a spec with the equations in which they do.
PORTED = {name: f"optimizer Ported extends {name}\n" + "".join(
    f"  override {line}\n" for line in lines) for name, lines in {
    "DiffGrad": ["x' = x - lr*sqrt(1 - b2^t)/(1 - b1^t)*friction*m'/(sqrt(v' + 1e-15) + eps)"],
    "AdaBound": ["eta = clip(lr*sqrt(1 - b2^t)/(1 - b1^t)/(sqrt(v' + 1e-15) + eps), low, high)"],
    "NAdam": ["m' = b1*m + (1 - b1)*g", "vhat = v'/(1 - b2^t)"],
    "AMSGrad": ["x' = x - lr*m'/(1 - b1^t)/(sqrt(vmax'/(1 - b2^t)) + eps)"],
}.items()}
# Spec and hyperparameters, the library's optimizer and its arguments.
PEERS: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("sgd", LR, TORCH + "SGD", LR),
    ("sgd", LR | {"damp": 0.7}, TORCH + "SGD", LR | {"dampening": 0.7}),
    ("sgd", LR | {"mu": 0.9, "damp": 0.7, "wd": 0.3}, TORCH + "SGD",
     LR | {"momentum": 0.9, "dampening": 0.7, "weight_decay": 0.3}),
    ("sgd", LR | {"mu": 0.8, "wd": 0.3, "nesterov": True}, TORCH + "SGD",
     LR | {"momentum": 0.8, "weight_decay": 0.3, "nesterov": True}),
    ("heavy-ball", LR, TORCH + "SGD", LR | {"momentum": 0.9}),
    ("heavy-ball", LR, KERAS + "SGD", AT | {"momentum": 0.9}),
    ("heavy-ball-inside", LR, KERAS + "SGD", AT | {"momentum": 0.9}),
    ("heavy-ball-outside", LR, TORCH + "SGD", LR | {"momentum": 0.9}),
    ("heavy-ball-outside", FALLING, OPTAX + "sgd", {"learning_rate": falling, "momentum": 0.9}),
    ("nesterov", LR, TORCH + "SGD", LR | {"momentum": 0.9, "nesterov": True}),
    ("nesterov", FALLING, OPTAX + "sgd",
     {"learning_rate": falling, "momentum": 0.9, "nesterov": True}),
    ("nesterov-lookahead", LR, TORCH + "SGD", LR | {"momentum": 0.9, "nesterov": True}),
    ("qhm", LR | {"b": 0.8, "nu": 0.4}, KOZ + "QHM", LR | {"momentum": 0.8, "nu": 0.4}),
    ("aggmo", LR, KOZ + "AggMo", LR),
    ("signsgd", LR | {"wd": 0.3}, KOZ + "SignSGD", LR | {"momentum": 0.0, "weight_decay": 0.3}),
    ("signum", LR | {"b": 0.6, "wd": 0.3}, KOZ + "SignSGD",
     LR | {"momentum": 0.6, "weight_decay": 0.3}),
    ("tiger", LR, KOZ + "Tiger", LR),
    ("lion", {}, "lion_pytorch.Lion", {}),
    ("lion", LR | {"b1": 0.5, "b2": 0.7, "wd": 0.3}, "lion_pytorch.Lion",
     LR | {"betas": (0.5, 0.7), "weight_decay": 0.3}),
    ("lion", LR | {"b1": 0.5, "wd": 0.3}, KOZ + "Lion",
     LR | {"betas": (0.5, 0.99), "weight_decay": 0.3}),
    ("lion", LR | {"wd": 1e-3}, OPTAX + "lion", AT),
    ("rprop", {}, TORCH + "Rprop", {}),
    ("rprop", {"step0": 0.1, "down": 0.3, "up": 1.5, "least": 5e-2, "most": 0.2}, TORCH + "Rprop",
     LR | {"etas": (0.3, 1.5), "step_sizes": (5e-2, 0.2)}),
    ("adagrad", {}, TORCH + "Adagrad", {}),
    ("adagrad", LR | {"eps": 1e-2, "v0": 0.1}, TORCH + "Adagrad",
     LR | {"eps": 1e-2, "initial_accumulator_value": 0.1}),
    ("adadelta", {}, TORCH + "Adadelta", {"rho": 0.95}),
    ("adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-2}, TORCH + "Adadelta",
     {"lr": 0.5, "rho": 0.8, "eps": 1e-2}),
    ("rmsprop", LR, TORCH + "RMSprop", LR | {"alpha": 0.9}),
    ("rmsprop", LR | {"rho": 0.8, "mu": 0.9, "eps": 1e-2}, TORCH + "RMSprop",
     LR | {"alpha": 0.8, "momentum": 0.9, "eps": 1e-2}),
    ("rmsprop", LR | {"rho": 0.8, "eps": 1e-2, "centered": True}, TORCH + "RMSprop",
     LR | {"alpha": 0.8, "eps": 1e-2, "centered": True}),
    ("adam", {}, TORCH + "Adam", {}),
    ("adam", OURS, TORCH + "Adam", LR | FAR),
    ("adam", OURS, OPTAX + "adam", AT | {"b1": 0.8, "b2": 0.95, "eps": 1e-2}),
    ("adamw", {}, TORCH + "AdamW", {}),
    ("adamw", OURS | {"wd": 0.3}, TORCH + "AdamW", LR | FAR | {"weight_decay": 0.3}),
    ("adamw", LR | {"wd": 0.3}, OPTAX + "adamw", AT | {"weight_decay": 0.3}),
    ("adamw", LR | {"wd": 0.3, "eps": 1e-30}, KERAS + "AdamW",
     AT | {"weight_decay": 0.3, "epsilon": 1e-30}),
    ("adamax", LR | {"b1": 0.8, "b2": 0.7}, TORCH + "Adamax",
     LR | {"betas": (0.8, 0.7), "eps": 1e-300}),
    ("radam", LR | {"threshold": 5}, TORCH + "RAdam", LR),
    ("radam", OURS | {"threshold": 5}, TORCH + "RAdam", LR | FAR),
    ("adabelief", OURS | {"wd": 0.3}, "adabelief_pytorch.AdaBelief",
     LR | FAR | {"weight_decay": 0.3, "rectify": False, "print_change_log": False}),
    ("adabelief", OURS | {"wd": 0.3}, KOZ + "AdaBelief", LR | FAR | {"weight_decay": 0.3}),
    ("yogi", {"m0": 1e-6}, KOZ + "Yogi", {}),
    ("yogi", OURS | {"m0": 0.1, "v0": 0.1}, KOZ + "Yogi", LR | FAR | {"initial_accumulator": 0.1}),
    ("yogi", LR | {"m0": 1e-6}, OPTAX + "yogi", AT),
    ("adan", {}, KOZ + "Adan", {}),
    ("adan", LR | {"b1": 0.9, "b2": 0.8, "b3": 0.7, "eps": 1e-2, "wd": 0.3}, KOZ + "Adan",
     LR | {"betas": (0.9, 0.8, 0.7), "eps": 1e-2, "weight_decay": 0.3}),
    ("adan", LR | {"wd": 0.3}, TIMM + "adan.Adan", LR | {"weight_decay": 0.3}),
    ("adopt", LR, TIMM + "adopt.Adopt", LR | {"clip_exp": 0.25}),
    ("adopt", LR | {"b1": 0.8, "b2": 0.9, "eps": 1e-2, "wd": 0.3}, TIMM + "adopt.Adopt",
     LR | {"betas": (0.8, 0.9), "eps": 1e-2, "weight_decay": 0.3, "decoupled": True,
           "clip_exp": 0.25}),
    ("laprop", OURS | {"wd": 0.3}, TIMM + "laprop.LaProp", LR | FAR | {"weight_decay": 0.3}),
    (PORTED["DiffGrad"], OURS, KOZ + "DiffGrad", LR | FAR),
    (PORTED["AdaBound"], OURS | {"final": 0.05, "gam": 0.1}, KOZ + "AdaBound",
     LR | FAR | {"final_lr": 0.05, "gamma": 0.1}),
    (PORTED["NAdam"], OURS, TORCH + "NAdam", LR | FAR),
    (PORTED["AMSGrad"], OURS, TORCH + "Adam", LR | FAR | {"amsgrad": True}),
    ("ademamix", OURS | {"b3": 0.99, "alpha": 3, "wd": 0.3, "warm": 12}, KOZ + "AdEMAMix",
     LR | {"betas": (0.8, 0.95, 0.99), "eps": 1e-2, "alpha": 3.0, "weight_decay": 0.3,
           "t_alpha_beta3": 12, "weight_decouple": True}),
    ("ademamix", OURS, OPTAX + "contrib.ademamix", AT | {"b1": 0.8, "b2": 0.95, "eps": 1e-2}),
]


def shown(*parts: Any) -> str:
    texts = []
    for part in parts:
        if isinstance(part, dict):
            texts += [f"{k}={'falling' if v is falling else v}" for k, v in part.items()]
        else:
            texts.append(part.split("\n")[0])
    return " ".join(texts)


def reference(name: str) -> Callable[..., Any]:
    """The NumPy rule of a spec."""
    plain = name.replace("-", "_")
    rule: Callable[..., Any] = getattr(references_a, plain, None) or getattr(references_adam, plain)
    return rule


def trajectory(rule: Callable[..., Any], hypers: dict[str, Any]) -> list[dict[str, Any]]:
    """The tree after each step, tensor by tensor."""
    recorded = gradients()
    points = {name: list(rule(x, [g[name] for g in recorded], **hypers))
              for name, x in LEAVES.items()}
    return [{name: points[name][k] for name in LEAVES} for k in range(len(recorded))]


@pytest.mark.parametrize(("spec", "hypers"), NUMPY, ids=lambda row: shown(row))
def test_a_spec_follows_the_formulas_of_its_paper(spec: str, hypers: dict[str, Any]) -> None:
    compare(run_interpreter(spec, **hypers), trajectory(reference(spec), hypers))


@pytest.mark.parametrize(("spec", "hypers", "path", "given"), PEERS, ids=lambda row: shown(row))
def test_a_spec_does_what_a_right_library_does(
    spec: str, hypers: dict[str, Any], path: str, given: dict[str, Any]
) -> None:
    if not path.startswith((OPTAX, KERAS)):
        pytest.importorskip("torch", reason="torch is not installed")
    compare(run_interpreter(spec, **hypers), theirs(path, given))


def test_amsgrad_without_corrections_is_that_of_optax() -> None:
    def made() -> Any:
        import optax

        return optax.chain(
            optax.scale_by_amsgrad(0.8, 0.6, 1e-2, bias_correction_mu=False,
                                   bias_correction_nu=False),
            optax.scale(-0.1))

    pytest.importorskip("optax", reason="optax is not installed")
    compare(run_interpreter("amsgrad", lr=0.1, b1=0.8, b2=0.6, eps=1e-2), run_optax(made))


@pytest.mark.parametrize(("spec", "rule", "hypers"), [
    ("nesterov-lookahead", "nesterov-lookahead-answer", FALLING),
    ("nesterov-1983", "nesterov-1983", LR),
])
def test_the_point_to_evaluate_is_the_answer(
    spec: str, rule: str, hypers: dict[str, Any]
) -> None:
    answer = {"answer": True} if rule == spec else {}
    compare(run_interpreter(spec, evaluate=True, **hypers),
            trajectory(reference(rule), hypers | answer))


# Specs, and what their claims say that they are the same as.
SAME = [
    ("heavy-ball", FALLING, "heavy-ball-inside", FALLING),
    ("heavy-ball-outside", LR, "heavy-ball", LR),
    ("nesterov-lookahead", LR, "nesterov", LR),
    ("sgd", FALLING | {"mu": 0.8}, "heavy-ball-outside", FALLING | {"mu": 0.8}),
    ("sgd", LR | {"mu": 0.8, "nesterov": True}, "nesterov", LR | {"mu": 0.8}),
    ("qhm", LR | {"b": 0.8, "nu": 1}, "heavy-ball-outside", {"lr": 0.1 * (1 - 0.8), "mu": 0.8}),
    ("qhm", LR | {"b": 0.8, "nu": 0.8}, "nesterov", {"lr": 0.1 * (1 - 0.8), "mu": 0.8}),
    ("signum", LR | {"b": 0, "wd": 0.3}, "signsgd", LR | {"wd": 0.3}),
    ("lion", LR | {"b1": 0, "wd": 0.3}, "signsgd", LR | {"wd": 0.3}),
    ("lion", LR | {"b1": 0.7, "b2": 0.7, "wd": 0.3}, "signum", LR | {"b": 0.7, "wd": 0.3}),
    ("tiger", LR, "lion", LR | {"b1": 0.965, "b2": 0.965, "wd": 0.01}),
    ("adamw", OURS | {"wd": 0}, "adam", OURS),
    ("laprop", LR | {"b1": 0, "eps": 1e-2}, "adam", LR | {"b1": 0, "eps": 1e-2}),
    ("qhadam", OURS | {"n1": 1, "n2": 1}, "adam", OURS),
    ("qhadam", OURS | {"n1": 0, "n2": 1}, "adam", OURS | {"b1": 0}),
    ("ademamix", OURS | {"alpha": 0, "wd": 0.3}, "adamw", OURS | {"wd": 0.3}),
]


@pytest.mark.parametrize(("one", "first", "other", "second"), SAME, ids=lambda row: shown(row))
def test_specs_that_claim_to_be_equal_are(
    one: str, first: dict[str, Any], other: str, second: dict[str, Any]
) -> None:
    compare(run_interpreter(one, **first), run_interpreter(other, **second))


def test_a_falling_rate_tells_inside_from_outside() -> None:
    inside, outside = (run_interpreter(f"heavy-ball-{where}", **FALLING)
                       for where in ("inside", "outside"))
    assert np.max(np.abs(inside[-1]["matrix"] - outside[-1]["matrix"])) > 1e-2
