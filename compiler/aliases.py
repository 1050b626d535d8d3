"""What the ecosystem calls the hyperparameters of specs: one table, used wherever one is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

# The spec's name -> names in torch, optax, keras and others, first come first served.
ALIASES: dict[str, tuple[str, ...]] = {
    "lr": ("learning_rate", "alpha"),
    "wd": ("weight_decay", "weight_decay_rate"),
    "b1": ("beta1", "beta_1"),
    "b2": ("beta2", "beta_2"),
    "b3": ("beta3", "beta_3"),
    "b": ("beta", "decay"),
    "mu": ("momentum", "beta"),
    "rho": ("decay", "alpha", "decay_rate"),
    "eps": ("epsilon",),
    "damp": ("dampening",),
    "v0": ("initial_accumulator_value", "initial_scale"),
    "clip": ("max_norm", "clip_norm", "grad_clip"),
}

T = TypeVar("T")


def candidates(name: str, known: Iterable[str]) -> list[str]:
    """The hyperparameters of a spec that the ecosystem calls ``name``."""
    return [n for n in known if name in ALIASES.get(n, ())]


def spec_names(given: Mapping[str, T], known: Iterable[str]) -> tuple[dict[str, T], list[str]]:
    """The hyperparameters by the spec's own names, and the names that mean nothing to it.

    A name of the spec itself always wins over an alias; an alias that could mean two of them
    means none (``alpha`` in a spec with ``lr`` and ``rho``); ``betas`` is a pair.
    """
    own = list(known)
    found: dict[str, T] = {}
    unknown: list[str] = []
    for name, value in given.items():
        if name in own:
            found[name] = value
        elif name == "betas" and isinstance(value, tuple | list):
            found.update(zip([n for n in ("b1", "b2", "b3") if n in own], value, strict=False))
        else:
            meant = [n for n in candidates(name, own) if n not in given]
            if len(meant) == 1:
                found[meant[0]] = value
            else:
                unknown.append(name)
    return found, unknown
