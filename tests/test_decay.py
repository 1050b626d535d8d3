"""Where weight decay acts, found by algebra and held against what papers and libraries say."""

from __future__ import annotations

import pytest

from thetaprime.claims.decay import Decay, decay_text, decays
from thetaprime.describe import describe
from thetaprime.optimizer import load, loads

HEAD = "optimizer A\n  hyper lr = 1e-3 in (0, inf)\n  hyper wd = 1e-2 in [0, inf)\n"



def decoupled(where: str) -> Decay:
    return Decay("wd", where, "1 - lr*wd", ("lr",))


# spec -> where its decay acts: on the old or the new parameter, in the gradient, in the update.
KNOWN = {
    "adamw": decoupled("old"),
    "adamw-torch": decoupled("old"),
    "adamw-optax": decoupled("old"),
    "laprop": decoupled("new"),
    "adan": Decay("wd", "new", "1/(1 + lr*wd)", ("lr",)),  # proximal
    "adan-optax": decoupled("old"),
    "lion": decoupled("old"),
    "sgd-keras": decoupled("old"),
    "sgd": Decay("wd", "gradient", kept=("b",)),
    "sgd-torch": Decay("wd", "gradient", kept=("b",)),
    "nadam-torch": Decay("wd", "gradient", kept=("m", "v")),
    "lamb": Decay("wd", "update"),  # inside of the ratio
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_decay_of_shipped_specs_acts_where_their_papers_say(name: str) -> None:
    assert decays(load(name).step()) == [KNOWN[name]]


def test_adam_has_none() -> None:
    assert decays(load("adam").step()) == []


def test_nadam_in_torch_can_decouple_it() -> None:
    step = load("nadam-torch").step(decoupled_weight_decay=True)
    assert decays(step) == [decoupled("old")]


def found(line: str) -> list[Decay]:
    hyper = "  hyper b = 0.9 in (0, 1)\n" if "b*" in line else ""
    return decays(loads(f"{HEAD}{hyper}  {line}\n").step())


@pytest.mark.parametrize(("line", "known"), [
    ("x' = x - lr*g - wd*x", Decay("wd", "old", "1 - wd")),
    ("x' = (1 - wd)*(x - lr*g)", Decay("wd", "new", "1 - wd")),
    ("x' = (x - lr*g)/(1 + wd)", Decay("wd", "new", "1/(1 + wd)")),
    ("x' = x - b*lr*(g + wd*x)", Decay("wd", "old", "1 - lr*b*wd", ("lr", "b"))),
    ("x' = x - lr*(sign(g) + wd*x)", decoupled("old")),
    ("x' = x - lr*sign(g + wd*x)", Decay("wd", "gradient")),
    ("x' = x - lr*atan(g + b*wd*x)", Decay("wd", "update")),
])
def test_the_form_is_found_however_it_is_written(line: str, known: Decay) -> None:
    assert found(line) == [known]


def test_what_multiplies_it_is_told() -> None:
    (decay,) = found("x' = (1 - lr*wd)*x - lr*g")
    assert decay_text(decay, "x") == (
        "`wd` is decoupled: it shrinks the old `x`, by the factor 1 - lr*wd; multiplied by `lr`, "
        "whose schedule acts on it")
    (decay,) = found("x' = (1 - wd)*x - lr*g")
    assert decay_text(decay, "x").endswith(
        "multiplied by nothing else: schedules of other hyperparameters leave it")


def test_show_tells_it_where_there_is_one() -> None:
    assert "weight decay" not in describe(load("adam"))
    assert "the old `x`, by the factor 1 - lr*wd" in describe(load("adamw"))
