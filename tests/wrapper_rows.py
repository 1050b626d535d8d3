"""The table of `tests.test_matrix_references` for optimizers around other optimizers.

A composed spec is written as in a file: ``Lookahead(SGD with lr = 0.1)``; the hyperparameters of a
row are those of the outer one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tests import references, tree
from tests import references_wrappers as wrappers
from tests.libraries import Made, koz, library, of, optax_, timm_
from tests.matrix_rows import BETAS, History, Row, asked, at, hand
from tests.references import Rule, per_tensor, whole


def composed(expression: str) -> str:
    """The text of a spec that is another one by its expression."""
    return f"optimizer Row = {expression}\n"


def around(outer: str, inner: str, settings: dict[str, Any], **given: Any) -> Made:
    """pytorch_optimizer's ``outer`` around torch's ``inner``."""
    def run(evaluate: bool = False) -> History:
        make = getattr(library("pytorch_optimizer"), outer)
        torch = library("torch")
        return tree.run_torch(lambda params: make(
            getattr(torch.optim, inner)(params, **settings), **given))

    return "pytorch_optimizer", run


ADAMW = {"lr": 0.1, "b1": 0.8, "b2": 0.95, "eps": 1e-2, "wd": 0.3}
ADAMW_SPEC = "AdamW with lr = 0.1, b1 = 0.8, b2 = 0.95, eps = 1e-2, wd = 0.3"
ADAMW_TORCH = {"lr": 0.1, "eps": 1e-2, "weight_decay": 0.3, **BETAS}
MOMENTUM = "HeavyBallOutside with lr = 0.1, mu = 0.8"
LION_SPEC = "Lion with lr = 0.1, b1 = 0.8, b2 = 0.9, wd = 0.3"
RANGER = {"k": 3, "alpha": 0.4, "lr": 0.1, "b1": 0.8, "b2": 0.95, "eps": 1e-2, "threshold": 4.5}


def _inside(expression: str, rule: Rule, inner: wrappers.Maker, **hypers: Any) -> Row:
    return hand(composed(expression), rule, given={"inner": inner}, **hypers)


WRAPPERS = [
    _inside(f"Lookahead({MOMENTUM})", wrappers.lookahead,
            wrappers.sgd(0.1, 0.8), k=3, alpha=0.4),
    at(composed(f"Lookahead({MOMENTUM})"),
       around("Lookahead", "SGD", {"lr": 0.1, "momentum": 0.8}, k=3, alpha=0.4), k=3, alpha=0.4),
    _inside(f"Lookahead({ADAMW_SPEC})", wrappers.lookahead, wrappers.adamw(**ADAMW), k=4,
            alpha=0.3),
    at(composed(f"Lookahead({ADAMW_SPEC})"),
       around("Lookahead", "AdamW", ADAMW_TORCH, k=4, alpha=0.3), k=4, alpha=0.3),
    _inside(f"Cautious({ADAMW_SPEC})", wrappers.cautious, wrappers.adamw(**ADAMW), floor=0.4),
    at(composed(f"Cautious({ADAMW_SPEC})"), timm_(
        "adamw.AdamWLegacy", lr=0.1, eps=1e-2, weight_decay=0.3, caution=True, **BETAS),
       floor=1e-3),
    _inside(f"Cautious({LION_SPEC})", wrappers.cautious, wrappers.lion(0.1, 0.8, 0.9, 0.3),
            floor=0.4),
    at(composed(f"Cautious({LION_SPEC})"), of(
        "lion_pytorch.cautious_lion.Lion", lr=0.1, betas=(0.8, 0.9), weight_decay=0.3),
       floor=1e-5),
    _inside(f"Grams({ADAMW_SPEC})", wrappers.grams, wrappers.adamw(**ADAMW)),
    at(composed(f"Grams({ADAMW_SPEC})"), koz("Grams", **ADAMW_TORCH)),
    _inside(f"{ADAMW_SPEC} on centralize", wrappers.centralized, wrappers.adamw(**ADAMW)),
    Row("ranger", "hand", partial(per_tensor, wrappers.ranger, 20, k=3, alpha=0.4,
                                  inner=wrappers.radam(0.1, 0.8, 0.95, 1e-2, 4.5)), RANGER),
    at("ranger", koz("Ranger", lr=0.1, eps=1e-2, k=3, alpha=0.4, degenerated_to_sgd=True, **BETAS),
       **RANGER | {"threshold": 5.0}),
]

XGRAD = [
    asked(composed(f"XGrad({expression})"), wrappers.xgrad, {"inner": inner}, s=0.7)
    for expression, inner in (
        (MOMENTUM, wrappers.sgd(0.1, 0.8)),
        (ADAMW_SPEC, wrappers.adamw(**ADAMW)))
]

CLIPPED = [
    Row(composed(f"{MOMENTUM} on clip_norm(2)"), "hand",
        partial(whole, references.sgd_clip_norm, 20, lr=0.1, mu=0.8, clip=2.0)),
    at(composed(f"{MOMENTUM} on clip_norm(2)"), optax_(lambda o: o.chain(
        o.clip_by_global_norm(2.0), o.sgd(0.1, momentum=0.8)))),
    at(composed(f"{MOMENTUM} on clip_value(0.5)"), optax_(lambda o: o.chain(
        o.clip(0.5), o.sgd(0.1, momentum=0.8)))),
]

ROWS = [*WRAPPERS, *XGRAD, *CLIPPED]
