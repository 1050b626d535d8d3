"""The specs of `specs/libraries` do what the libraries do: 20 steps in float64, to 1e-12.

A row is a spec, the library's own optimizer, and its arguments as the library spells them; the spec
takes the same ones by the names of the ecosystem, or by those of `RENAMED`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests.tree import LEAVES, compare, gradients, run_interpreter, run_keras, run_optax, run_torch

FOLDER = Path(__file__).parent.parent / "specs" / "libraries"
TORCH, TORCH_LR = "torch.optim.", {"lr": 0.1}
KERAS, OPTAX, CONTRIB = "keras.optimizers.", "optax.", "optax.contrib."
LR = {"learning_rate": 0.1}


def falling(k: Any) -> Any:
    """A learning rate that changes: where it stands in a momentum shows."""
    return 0.1 / (1 + k)


def rising(k: Any) -> Any:
    """A learning rate whose largest value so far changes."""
    return 0.01 * (1 + k)


FALLING, RISING = {"learning_rate": falling}, {"learning_rate": rising}

Row = tuple[str, str, dict[str, Any]]
ROWS: list[Row] = [
    ("sgd-torch", TORCH + "SGD", TORCH_LR),
    ("sgd-torch", TORCH + "SGD", TORCH_LR | {"momentum": 0.9, "weight_decay": 0.1}),
    ("sgd-torch", TORCH + "SGD", TORCH_LR | {"momentum": 0.9, "dampening": 0.7}),
    ("sgd-torch", TORCH + "SGD", TORCH_LR | {"dampening": 0.7}),
    ("sgd-torch", TORCH + "SGD", TORCH_LR | {"momentum": 0.8, "nesterov": True}),
    ("adam-torch", TORCH + "Adam", {}),
    ("adam-torch", TORCH + "Adam", TORCH_LR | {"betas": (0.8, 0.95), "eps": 1e-2}),
    ("adam-torch", TORCH + "Adam", TORCH_LR | {"weight_decay": 0.3}),
    ("adam-torch", TORCH + "Adam", TORCH_LR | {"amsgrad": True, "betas": (0.9, 0.9)}),
    ("amsgrad-torch", TORCH + "Adam", TORCH_LR | {"amsgrad": True, "betas": (0.9, 0.8)}),
    ("amsgrad-torch", TORCH + "Adam", TORCH_LR | {"amsgrad": True, "weight_decay": 0.1}),
    ("adamw-torch", TORCH + "AdamW", {}),
    ("adamw-torch", TORCH + "AdamW", TORCH_LR | {"weight_decay": 0.3, "eps": 1e-2}),
    ("adamw-torch", TORCH + "AdamW", TORCH_LR | {"amsgrad": True, "betas": (0.9, 0.8)}),
    ("nadam-torch", TORCH + "NAdam", {}),
    ("nadam-torch", TORCH + "NAdam", TORCH_LR | {"eps": 1e-2, "momentum_decay": 1.0}),
    ("nadam-torch", TORCH + "NAdam", TORCH_LR | {"weight_decay": 0.3}),
    ("nadam-torch", TORCH + "NAdam",
     TORCH_LR | {"weight_decay": 0.3, "decoupled_weight_decay": True}),
    ("adamax-torch", TORCH + "Adamax", {}),
    ("adamax-torch", TORCH + "Adamax", TORCH_LR | {"betas": (0.8, 0.9), "eps": 1e-2}),
    ("adamax-torch", TORCH + "Adamax", TORCH_LR | {"weight_decay": 0.3}),
    ("rmsprop-torch", TORCH + "RMSprop", {}),
    ("rmsprop-torch", TORCH + "RMSprop", TORCH_LR | {"alpha": 0.8, "eps": 1e-2}),
    ("rmsprop-torch", TORCH + "RMSprop", TORCH_LR | {"momentum": 0.9, "weight_decay": 0.1}),
    ("rmsprop-torch", TORCH + "RMSprop", TORCH_LR | {"centered": True, "momentum": 0.5}),
    ("adagrad-torch", TORCH + "Adagrad", {}),
    ("adagrad-torch", TORCH + "Adagrad", TORCH_LR | {"eps": 1e-2, "weight_decay": 0.3}),
    ("adagrad-torch", TORCH + "Adagrad",
     TORCH_LR | {"lr_decay": 0.5, "initial_accumulator_value": 0.1}),
    ("adadelta-torch", TORCH + "Adadelta", {}),
    ("adadelta-torch", TORCH + "Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-2}),
    ("adadelta-torch", TORCH + "Adadelta", {"weight_decay": 0.3}),
    ("rprop-torch", TORCH + "Rprop", {}),
    ("rprop-torch", TORCH + "Rprop",
     TORCH_LR | {"etas": (0.3, 1.5), "step_sizes": (5e-2, 0.2)}),
    ("radam-torch", TORCH + "RAdam", {}),
    ("radam-torch", TORCH + "RAdam", TORCH_LR | {"betas": (0.8, 0.95), "eps": 1e-2}),
    ("radam-torch", TORCH + "RAdam", TORCH_LR | {"weight_decay": 0.3}),
    ("radam-torch", TORCH + "RAdam",
     TORCH_LR | {"weight_decay": 0.3, "decoupled_weight_decay": True}),
    ("sgd-optax", OPTAX + "sgd", LR),
    ("sgd-optax", OPTAX + "sgd", FALLING | {"momentum": 0.9}),
    ("sgd-optax", OPTAX + "sgd", FALLING | {"momentum": 0.8, "nesterov": True}),
    ("adam-optax", OPTAX + "adam", LR),
    ("adam-optax", OPTAX + "adam", FALLING | {"b1": 0.8, "eps": 1e-2, "eps_root": 1e-2}),
    ("adam-optax", OPTAX + "adam", LR | {"nesterov": True}),
    ("nadam-optax", OPTAX + "nadam", LR | {"b1": 0.8, "b2": 0.9, "eps": 1e-2}),
    ("adamw-optax", OPTAX + "adamw", LR),
    ("adamw-optax", OPTAX + "adamw", FALLING | {"weight_decay": 0.3, "eps": 1e-2}),
    ("adamw-optax", OPTAX + "adamw", LR | {"weight_decay": 0.3, "nesterov": True}),
    ("nadamw-optax", OPTAX + "nadamw", LR),
    ("nadamw-optax", OPTAX + "nadamw", LR | {"weight_decay": 0.3, "b1": 0.8, "eps_root": 1e-2}),
    ("amsgrad-optax", OPTAX + "amsgrad", LR),
    ("amsgrad-optax", OPTAX + "amsgrad", LR | {"b2": 0.8, "eps": 1e-2, "eps_root": 1e-3}),
    ("amsgrad-optax", OPTAX + "amsgrad", LR | {"bias_correction_mu": False}),
    ("amsgrad-optax", OPTAX + "amsgrad", LR | {"b2": 0.8, "bias_correction_nu": False}),
    ("adamax-optax", OPTAX + "adamax", LR),
    ("adamax-optax", OPTAX + "adamax", FALLING | {"b1": 0.8, "b2": 0.9, "eps": 1e-2}),
    ("adamax-optax", OPTAX + "adamaxw", LR | {"weight_decay": 0.3}),
    ("rmsprop-optax", OPTAX + "rmsprop", LR),
    ("rmsprop-optax", OPTAX + "rmsprop", LR | {"decay": 0.8, "eps": 1e-2, "initial_scale": 1.0}),
    ("rmsprop-optax", OPTAX + "rmsprop", LR | {"eps": 1e-2, "eps_in_sqrt": False}),
    ("rmsprop-optax", OPTAX + "rmsprop", FALLING | {"centered": True, "momentum": 0.5}),
    ("rmsprop-optax", OPTAX + "rmsprop", FALLING | {"momentum": 0.9, "nesterov": True}),
    ("rmsprop-optax", OPTAX + "rmsprop", LR | {"centered": True, "eps_in_sqrt": False}),
    ("adagrad-optax", OPTAX + "adagrad", LR),
    ("adagrad-optax", OPTAX + "adagrad", LR | {"initial_accumulator_value": 0.0, "eps": 1e-2}),
    ("adadelta-optax", OPTAX + "adadelta", {"learning_rate": 1.0}),
    ("adadelta-optax", OPTAX + "adadelta", FALLING | {"rho": 0.8, "eps": 1e-2}),
    ("adadelta-optax", OPTAX + "adadelta", LR | {"weight_decay": 0.3}),
    ("rprop-optax", OPTAX + "rprop", LR),
    ("rprop-optax", OPTAX + "rprop", LR | {"eta_minus": 0.3, "eta_plus": 1.5}),
    ("rprop-optax", OPTAX + "rprop", LR | {"min_step_size": 5e-2, "max_step_size": 0.2}),
    ("radam-optax", OPTAX + "radam", LR),
    ("radam-optax", OPTAX + "radam", LR | {"b2": 0.95, "eps": 1e-2, "eps_root": 1e-2}),
    ("radam-optax", OPTAX + "radam", FALLING | {"nesterov": True, "threshold": 7.0}),
    ("adan-optax", OPTAX + "adan", LR),
    ("adan-optax", OPTAX + "adan", LR | {"b1": 0.9, "b2": 0.8, "eps": 1e-2, "eps_root": 1e-2}),
    ("adan-optax", OPTAX + "adan", FALLING | {"weight_decay": 0.3, "b3": 0.9}),
    ("lion-optax", OPTAX + "lion", LR),
    ("lion-optax", OPTAX + "lion", FALLING | {"b1": 0.5, "b2": 0.7, "weight_decay": 0.3}),
    ("lamb-optax", OPTAX + "lamb", LR),
    ("lamb-optax", OPTAX + "lamb", LR | {"weight_decay": 0.3, "eps": 1e-2, "eps_root": 1e-2}),
    ("lamb-optax", OPTAX + "lamb", FALLING | {"b1": 0.8, "b2": 0.9}),
    ("lars-optax", OPTAX + "lars", LR),
    ("lars-optax", OPTAX + "lars", LR | {"trust_coefficient": 0.5, "eps": 1e-2}),
    ("lars-optax", OPTAX + "lars", FALLING | {"trust_coefficient": 0.5, "weight_decay": 0.3}),
    ("lars-optax", OPTAX + "lars", FALLING | {"trust_coefficient": 0.5, "nesterov": True}),
    ("adabelief-optax", OPTAX + "adabelief", LR),
    ("adabelief-optax", OPTAX + "adabelief", FALLING | {"eps": 1e-2, "eps_root": 1e-2}),
    ("adabelief-optax", OPTAX + "adabelief", LR | {"nesterov": True, "b1": 0.8, "b2": 0.9}),
    ("yogi-optax", OPTAX + "yogi", LR),
    ("yogi-optax", OPTAX + "yogi", FALLING | {"b1": 0.8, "b2": 0.9, "eps": 1e-2}),
    ("novograd-optax", OPTAX + "novograd", LR),
    ("novograd-optax", OPTAX + "novograd", LR | {"b2": 0.9, "eps": 1e-2, "eps_root": 1e-2}),
    ("novograd-optax", OPTAX + "novograd", FALLING | {"b1": 0.8, "weight_decay": 0.3}),
    ("adopt-optax", CONTRIB + "adopt", LR),
    ("adopt-optax", CONTRIB + "adopt", LR | {"b2": 0.9, "eps": 1e-2, "nesterov": True}),
    ("adopt-optax", CONTRIB + "adopt", FALLING | {"use_clipping": False}),
    ("adopt-optax", CONTRIB + "adopt", LR | {"use_clipping": False, "nesterov": True}),
    ("ademamix-optax", CONTRIB + "ademamix", LR),
    ("ademamix-optax", CONTRIB + "ademamix", LR | {"alpha": 2.0, "b3": 0.9, "eps_root": 1e-2}),
    ("ademamix-optax", CONTRIB + "ademamix", FALLING | {"weight_decay": 0.3, "eps": 1e-2}),
    ("schedule-free-sgd-optax", CONTRIB + "schedule_free_sgd", LR),
    ("schedule-free-sgd-optax", CONTRIB + "schedule_free_sgd",
     LR | {"b1": 0.7, "weight_decay": 0.3, "weight_lr_power": 0.5}),
    ("schedule-free-sgd-optax", CONTRIB + "schedule_free_sgd", RISING | {"weight_lr_power": 1.0}),
    ("schedule-free-adamw-optax", CONTRIB + "schedule_free_adamw", LR),
    ("schedule-free-adamw-optax", CONTRIB + "schedule_free_adamw", RISING),
    ("schedule-free-adamw-optax", CONTRIB + "schedule_free_adamw",
     LR | {"b1": 0.7, "b2": 0.9, "weight_decay": 0.3, "eps": 1e-2}),
    ("sgd-keras", KERAS + "SGD", {}),
    ("sgd-keras", KERAS + "SGD", FALLING | {"momentum": 0.9, "weight_decay": 0.3}),
    ("sgd-keras", KERAS + "SGD", FALLING | {"momentum": 0.8, "nesterov": True}),
    ("adam-keras", KERAS + "Adam", {}),
    ("adam-keras", KERAS + "Adam", LR | {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-2}),
    ("adam-keras", KERAS + "Adam", LR | {"amsgrad": True, "beta_2": 0.8, "weight_decay": 0.3}),
    ("amsgrad-keras", KERAS + "Adam", LR | {"amsgrad": True, "beta_2": 0.8, "epsilon": 1e-2}),
    ("adamw-keras", KERAS + "AdamW", {}),
    ("adamw-keras", KERAS + "AdamW", FALLING | {"weight_decay": 0.3, "epsilon": 1e-2}),
    ("adamw-keras", KERAS + "AdamW", LR | {"amsgrad": True, "beta_2": 0.8}),
    ("nadam-keras", KERAS + "Nadam", {}),
    ("nadam-keras", KERAS + "Nadam", LR | {"beta_1": 0.8, "epsilon": 1e-2, "weight_decay": 0.3}),
    ("adamax-keras", KERAS + "Adamax", {}),
    ("adamax-keras", KERAS + "Adamax", LR | {"beta_2": 0.9, "epsilon": 1e-2, "weight_decay": 0.3}),
    ("rmsprop-keras", KERAS + "RMSprop", {}),
    ("rmsprop-keras", KERAS + "RMSprop", LR | {"rho": 0.8, "epsilon": 1e-2, "weight_decay": 0.3}),
    ("rmsprop-keras", KERAS + "RMSprop", FALLING | {"momentum": 0.9, "centered": True}),
    ("adagrad-keras", KERAS + "Adagrad", {}),
    ("adagrad-keras", KERAS + "Adagrad", LR | {"epsilon": 1e-2, "weight_decay": 0.3}),
    ("adagrad-keras", KERAS + "Adagrad", LR | {"initial_accumulator_value": 0.5}),
    ("adadelta-keras", KERAS + "Adadelta", {}),
    ("adadelta-keras", KERAS + "Adadelta",
     {"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-2, "weight_decay": 0.03}),
    ("lamb-keras", KERAS + "Lamb", {}),
    ("lamb-keras", KERAS + "Lamb", LR | {"weight_decay": 0.3, "epsilon": 1e-2}),
    ("lion-keras", KERAS + "Lion", {}),
    ("lion-keras", KERAS + "Lion", LR | {"beta_1": 0.5, "beta_2": 0.7, "weight_decay": 0.3}),
    ("ftrl-keras", KERAS + "Ftrl", {}),
    ("ftrl-keras", KERAS + "Ftrl",
     LR | {"learning_rate_power": -0.7, "initial_accumulator_value": 0.5, "weight_decay": 0.3}),
    ("ftrl-keras", KERAS + "Ftrl",
     LR | {"l1_regularization_strength": 0.1, "l2_regularization_strength": 0.2, "beta": 0.3}),
    ("ftrl-keras", KERAS + "Ftrl", LR | {"l2_shrinkage_regularization_strength": 0.2}),
    ("schedule-free-adamw-keras", KERAS + "ScheduleFreeAdamW", {}),
    ("schedule-free-adamw-keras", KERAS + "ScheduleFreeAdamW",
     LR | {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-2, "weight_decay": 0.3}),
    ("schedule-free-adamw-keras", KERAS + "ScheduleFreeAdamW", LR | {"warmup_steps": 7}),
    ("lamb-timm", "timm.optim.lamb.Lamb", {}),
    ("lamb-timm", "timm.optim.lamb.Lamb", TORCH_LR | {"weight_decay": 0.0, "eps": 1e-2}),
    ("lamb-timm", "timm.optim.lamb.Lamb",
     TORCH_LR | {"weight_decay": 0.0, "always_adapt": True, "max_grad_norm": 100.0}),
    ("lamb-timm", "timm.optim.lamb.Lamb",
     TORCH_LR | {"weight_decay": 0.3, "trust_clip": True, "betas": (0.8, 0.9)}),
    ("lars-timm", "timm.optim.lars.Lars", {}),
    ("lars-timm", "timm.optim.lars.Lars",
     TORCH_LR | {"momentum": 0.9, "weight_decay": 0.3, "trust_coeff": 0.5, "eps": 1e-2}),
    ("lars-timm", "timm.optim.lars.Lars",
     TORCH_LR | {"momentum": 0.9, "nesterov": True, "trust_coeff": 0.5, "always_adapt": True}),
    ("lars-timm", "timm.optim.lars.Lars",
     TORCH_LR | {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.3, "trust_clip": True}),
]

# Arguments of one optimizer that neither the spec nor the ecosystem calls by that name.
RENAMED: dict[str, dict[str, str | tuple[str, ...]]] = {
    "torch.optim.Rprop": {"lr": "step0", "etas": ("eta_minus", "eta_plus"),
                          "step_sizes": ("step_min", "step_max")},
    "optax.rprop": {"learning_rate": "step0", "min_step_size": "step_min",
                    "max_step_size": "step_max"},
    "keras.optimizers.Ftrl": {
        "learning_rate_power": "power", "l1_regularization_strength": "l1",
        "l2_regularization_strength": "l2", "l2_shrinkage_regularization_strength": "shrink"},
}
# What a row sets because the spec has it set already.
BOUND = {"amsgrad-torch": ("amsgrad",), "amsgrad-keras": ("amsgrad",)}


def spec_arguments(spec: str, path: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The library's arguments as the spec takes them."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        match RENAMED.get(path, {}).get(name, name):
            case str(new) if new not in BOUND.get(spec, ()):
                found[new] = value
            case tuple(parts):
                found.update(zip(parts, value, strict=True))
    if "schedule_free" in path and given.get("learning_rate") is rising:
        found["weight_lr"] = lambda k: rising(k + 1)
    return found


def of_library(path: str) -> Callable[..., Any]:
    """The optimizer at a dotted path; skips where its library is missing."""
    module, _, name = path.rpartition(".")
    library = module.split(".")[0]
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    if library == "timm":
        return getattr(timm_module(module), name)
    return getattr(importlib.import_module(module), name)


def timm_module(name: str) -> ModuleType:
    """A module of timm.optim alone: timm itself imports its models, which need torchvision."""
    pytest.importorskip("torch", reason="torch is not installed")
    before = {n: m for n, m in sys.modules.items() if n.split(".")[0] == "timm"}
    found = find_spec("timm")
    assert found is not None
    assert found.submodule_search_locations is not None
    root = next(iter(found.submodule_search_locations))
    for package, folder in (("timm", root), ("timm.optim", f"{root}/optim")):
        shell = ModuleType(package)
        shell.__path__ = [folder]
        sys.modules[package] = shell
    try:
        return importlib.import_module(name)
    finally:
        for other in [n for n in sys.modules if n.split(".")[0] == "timm"]:
            del sys.modules[other]
        sys.modules.update(before)


def theirs(path: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    """The trajectory of the library's optimizer."""
    factory = of_library(path)
    match path.split(".")[0]:
        case "optax":
            return run_optax(lambda: factory(**given))
        case "keras":
            return run_keras(lambda: factory(**_keras_arguments(given)))
    return run_torch(lambda params: factory(params, **given))


def _keras_arguments(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("learning_rate") is not falling:
        return given
    decay = of_library(KERAS + "schedules.InverseTimeDecay")(0.1, decay_steps=1, decay_rate=1.0)
    return given | {"learning_rate": decay}


def _name(row: Row) -> str:
    shown = (f"{k}={getattr(v, '__name__', v)}" for k, v in row[2].items())
    return " ".join([row[0], row[1].split(".")[-1], *shown])


@pytest.mark.parametrize(("spec", "path", "given"), ROWS, ids=map(_name, ROWS))
def test_the_spec_does_what_the_library_does(spec: str, path: str, given: dict[str, Any]) -> None:
    compare(run_interpreter(spec, **spec_arguments(spec, path, given)), theirs(path, given))


def test_every_spec_of_a_library_has_a_row() -> None:
    assert {path.stem for path in FOLDER.glob("*.opt")} == {spec for spec, _, _ in ROWS}


@pytest.mark.parametrize("spec", sorted({spec for spec, _, _ in ROWS}))
def test_the_spec_is_right_and_says_which_library_it_follows(spec: str) -> None:
    optimizer = tp.load(spec)
    assert str(optimizer.check()) == ""
    library = spec.rsplit("-", 1)[1]
    version = {"torch": "torch 2.13.0", "optax": "optax 0.2.8", "keras": "keras 3.15.1",
               "timm": "timm 1.0.31"}[library]
    assert optimizer.cites[0].startswith(f"{version}, {library}/")


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw"])
def test_schedule_free_evaluates_where_optax_does(name: str) -> None:
    factory, shown = (of_library(CONTRIB + n) for n in (name, "schedule_free_eval_params"))
    expected = run_optax(lambda: factory(**LR, weight_decay=0.3), evaluate=shown)
    spec = f"{name.replace('_', '-')}-optax"
    compare(run_interpreter(spec, evaluate=True, lr=0.1, wd=0.3), expected)


def test_optax_rprop_is_one_step_late() -> None:
    expected = run_interpreter("rprop-torch", step0=0.1)
    found = theirs("optax.rprop", {"learning_rate": 0.1})
    for name, start in LEAVES.items():
        np.testing.assert_array_equal(found[0][name], start)
    # Its second step is the first of the rule, where the gradient keeps its sign.
    same = np.sign(gradients()[0]["matrix"]) == np.sign(gradients()[1]["matrix"])
    assert same.any()
    np.testing.assert_allclose(found[1]["matrix"][same], expected[0]["matrix"][same], rtol=1e-15)


def test_optax_adadelta_without_a_learning_rate_goes_uphill() -> None:
    adadelta = of_library("optax.adadelta")
    transform = adadelta()
    x = np.array([1.0, -2.0, 3.0])
    state = transform.init(x)
    losses = [float(x @ x)]
    for _ in range(50):
        update, state = transform.update(2 * x, state, x)
        x = np.asarray(x + update)
        losses.append(float(x @ x))
    assert all(after > before for before, after in pairwise(losses))


def test_optax_adan_weighs_the_difference_by_one_minus_b2() -> None:
    text = (FOLDER / "adan-optax.opt").read_text("utf-8")
    assert text.count("(1 - b2)*d)^2") == text.count("(1 - b2)*vhat") == 1
    paper = text.replace("(1 - b2)*d)^2", "b2*d)^2").replace("(1 - b2)*vhat", "b2*vhat")
    right = run_interpreter(paper, lr=0.1)
    found = theirs("optax.adan", LR)
    compare(right[:1], found[:1])
    with pytest.raises(AssertionError, match="step 2"):
        compare(right, found, tol=1e-2)
