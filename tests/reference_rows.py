"""The table of `tests.test_references`: shipped specs and independent implementations of them.

A row is a spec, its hyperparameters, and how the other implementation makes the same history: an
installed library where one has the right rule, else a NumPy rule of `tests.references`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests import references as ref
from tests import references_b as norms
from tests import references_flows as flows
from tests.libraries import koz, of, optax_, timm_, torch_
from tests.references import Rule, per_tensor, whole
from tests.tree import LEAVES, Tree, gradients
from thetaprime.draws import draw

History = list[Tree]
LOSSES = [2.0 + 0.3 * ((7 * k) % 5) for k in range(20)]


@dataclass(frozen=True)
class Row:
    """``tol`` differs from 1e-12 only with a reason in ``why``."""

    spec: str
    kind: str
    theirs: Callable[..., History]
    hypers: dict[str, Any] = field(default_factory=dict)
    tol: float = 1e-12
    why: str = ""
    evaluate: bool = False
    loss: Any = None


def at(spec: str, made: tuple[str, Callable[..., History]], tol: float = 1e-12, why: str = "",
       evaluate: bool = False, **hypers: Any) -> Row:
    """A spec against a library."""
    return Row(spec, made[0], made[1], hypers, tol, why, evaluate)


def hand(spec: str, rule: Rule, run: Callable[..., list[Any]] = per_tensor, at: int | None = None,
         loss: Any = None, extra: dict[str, Any] | None = None, **hypers: Any) -> Row:
    """A spec against a rule in NumPy that has the same names of hyperparameters.

    ``at`` picks the point of training (0) or of evaluation (1) where the rule yields both.
    """
    given = {**hypers, **(extra or {}), **({} if loss is None else {"losses": loss})}

    def theirs(evaluate: bool = False) -> History:
        history = run(rule, **given)
        return history if at is None else [
            {n: v[at] for n, v in tree.items()} for tree in history]

    return Row(spec, "hand", theirs, hypers, evaluate=at == 1, loss=loss)


def from_draws(rule: Rule, steps: int = 20, **hypers: Any) -> list[Any]:
    """`per_tensor` of a rule whose ``start`` is a standard normal draw, the one that ours makes."""
    starts = {n: draw("normal", (), 0, "v", 0, k, np.shape(x))
              for k, (n, x) in enumerate(LEAVES.items())}
    grads = gradients(steps)
    runs = {n: rule(x, [g[n] for g in grads], start=starts[n], **hypers)
            for n, x in LEAVES.items()}
    return [{n: next(run) for n, run in runs.items()} for _ in range(steps)]


FULL = {"b1": 0.8, "b2": 0.95}
BETAS = {"betas": (0.8, 0.95)}

MOMENTUM = [
    at("sgd", torch_("SGD", lr=0.1), lr=0.1),
    at("sgd", torch_("SGD", lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.1),
       lr=0.1, mu=0.9, damp=0.3, wd=0.1),
    at("sgd", torch_("SGD", lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.1),
       lr=0.1, mu=0.8, nesterov=True, wd=0.1),
    at("sgd", torch_("SGD", lr=0.1, dampening=0.3), lr=0.1, damp=0.3),
    at("heavy-ball", torch_("SGD", lr=0.1, momentum=0.8), lr=0.1, mu=0.8),
    at("heavy-ball-outside", torch_("SGD", lr=0.1, momentum=0.8), lr=0.1, mu=0.8),
    at("heavy-ball-outside", optax_(lambda o: o.sgd(0.1, momentum=0.8)), lr=0.1, mu=0.8),
    at("heavy-ball-inside", torch_("SGD", lr=0.1, momentum=0.8), lr=0.1, mu=0.8),
    hand("heavy-ball-inside", ref.heavy_ball_inside, lr=0.1, mu=0.8),
    at("nesterov", torch_("SGD", lr=0.1, momentum=0.8, nesterov=True), lr=0.1, mu=0.8),
    at("nesterov", optax_(lambda o: o.sgd(0.1, momentum=0.8, nesterov=True)), lr=0.1, mu=0.8),
    at("nesterov-lookahead", torch_("SGD", lr=0.1, momentum=0.8, nesterov=True), lr=0.1, mu=0.8),
    hand("nesterov-lookahead", ref.nesterov_lookahead, at=0, lr=0.1, mu=0.8),
    hand("nesterov-lookahead", ref.nesterov_lookahead, at=1, lr=0.1, mu=0.8),
    hand("nesterov-1983", ref.nesterov_1983, at=0, lr=0.1),
    hand("nesterov-1983", ref.nesterov_1983, at=1, lr=0.1),
    at("qhm", koz("QHM", lr=0.1, momentum=0.9, nu=0.7), lr=0.1, b=0.9, nu=0.7),
    at("aggmo", koz("AggMo", lr=0.1, betas=(0.0, 0.9, 0.99)), lr=0.1),
    at("aggmo", koz("AggMo", lr=0.1, betas=(0.5, 0.7, 0.8)), lr=0.1, b=[0.5, 0.7, 0.8]),
    at("signsgd", optax_(lambda o: o.sign_sgd(0.1)), lr=0.1),
    at("signsgd", koz("SignSGD", lr=0.1, momentum=0.0, weight_decay=0.3), lr=0.1, wd=0.3),
    at("signum", koz("SignSGD", lr=0.1, momentum=0.8, weight_decay=0.3), lr=0.1, b=0.8, wd=0.3),
    hand("signum", ref.signum, lr=0.1, b=0.8, wd=0.3),
    at("tiger", koz("Tiger", lr=0.1), lr=0.1),
    at("tiger", koz("Tiger", lr=0.1, beta=0.8, weight_decay=0.3), lr=0.1, b=0.8, wd=0.3),
    at("lion", of("lion_pytorch.Lion", lr=0.1, betas=(0.8, 0.9), weight_decay=0.3),
       lr=0.1, b1=0.8, b2=0.9, wd=0.3),
    at("lion", optax_(lambda o: o.lion(0.1, weight_decay=0.3)), lr=0.1, wd=0.3),
    at("lion", koz("Lion", lr=0.1, betas=(0.8, 0.9)), lr=0.1, b1=0.8, b2=0.9),
]

ADAPTIVE = [
    at("adagrad", torch_("Adagrad", lr=0.1, eps=1e-2), lr=0.1, eps=1e-2),
    at("adagrad", torch_("Adagrad", lr=0.1, initial_accumulator_value=0.1), lr=0.1, v0=0.1),
    at("adadelta", torch_("Adadelta", lr=1.0, rho=0.95), lr=1.0, rho=0.95),
    at("adadelta", torch_("Adadelta", lr=0.5, rho=0.8, eps=1e-2), lr=0.5, rho=0.8, eps=1e-2),
    at("rmsprop", torch_("RMSprop", lr=0.1, alpha=0.9, eps=1e-2), lr=0.1, rho=0.9, eps=1e-2),
    at("rmsprop", torch_("RMSprop", lr=0.1, alpha=0.8, eps=1e-2, momentum=0.9, centered=True),
       lr=0.1, rho=0.8, eps=1e-2, mu=0.9, centered=True),
    at("rprop", torch_("Rprop", lr=0.01)),
    at("rprop", torch_("Rprop", lr=0.1, etas=(0.4, 1.5), step_sizes=(0.03, 0.4)),
       step0=0.1, down=0.4, up=1.5, least=0.03, most=0.4),
]

ADAM = [
    at("adam", torch_("Adam", lr=0.1), lr=0.1),
    at("adam", torch_("Adam", lr=0.1, eps=1e-2, **BETAS), lr=0.1, eps=1e-2, **FULL),
    at("adam", optax_(lambda o: o.adam(0.1, 0.8, 0.95, eps=1e-2)), lr=0.1, eps=1e-2, **FULL),
    at("adamw", torch_("AdamW", lr=0.1, eps=1e-2, weight_decay=0.3, **BETAS),
       lr=0.1, eps=1e-2, wd=0.3, **FULL),
    at("adamw", optax_(lambda o: o.adamw(0.1, 0.8, 0.95, eps=1e-2, weight_decay=0.3)),
       lr=0.1, eps=1e-2, wd=0.3, **FULL),
    at("adamax", torch_("Adamax", lr=0.1, eps=1e-300, **BETAS), lr=0.1, **FULL),
    at("adabelief", of("adabelief_pytorch.AdaBelief", lr=0.1, eps=1e-2, weight_decay=0.3,
                       rectify=False, print_change_log=False, **BETAS),
       lr=0.1, eps=1e-2, wd=0.3, **FULL),
    hand("adabound", ref.adabound, lr=0.1, final=0.05, gam=0.01, eps=1e-2, **FULL),
    at("adabound", koz("AdaBound", lr=0.1, final_lr=0.05, gamma=0.01, eps=1e-2, **BETAS), 1e-9,
       "pytorch_optimizer adds 1e-15 under the root", lr=0.1, final=0.05, gam=0.01, eps=1e-2,
       **FULL),
    hand("adamomentum", ref.adamomentum, lr=0.1, eps=1e-2, **FULL),
    at("adan", koz("Adan", lr=0.1, betas=(0.9, 0.7, 0.95), eps=1e-2, weight_decay=0.3),
       lr=0.1, b1=0.9, b2=0.7, b3=0.95, eps=1e-2, wd=0.3),
    at("adan", timm_("adan.Adan", lr=0.1, betas=(0.9, 0.7, 0.95), eps=1e-2, weight_decay=0.3),
       lr=0.1, b1=0.9, b2=0.7, b3=0.95, eps=1e-2, wd=0.3),
    hand("ademamix", ref.ademamix, lr=0.1, b1=0.8, b2=0.95, b3=0.99, alpha=3.0, warm=8, eps=1e-2,
         wd=0.3),
    at("ademamix", optax_(lambda o: o.contrib.ademamix(
        0.1, 0.8, 0.95, 0.99, 3.0, eps=1e-2, weight_decay=0.3)),
       lr=0.1, b3=0.99, alpha=3.0, eps=1e-2, wd=0.3, **FULL),
    at("adopt", optax_(lambda o: o.contrib.adopt(0.1, 0.8, 0.95, eps=1e-2)),
       lr=0.1, eps=1e-2, **FULL),
    at("adopt", timm_("adopt.Adopt", lr=0.1, eps=1e-2, clip_exp=0.25, weight_decay=0.3,
                      decoupled=True, **BETAS), lr=0.1, eps=1e-2, wd=0.3, **FULL),
    at("amsgrad", optax_(lambda o: o.chain(
        o.scale_by_amsgrad(0.8, 0.95, 1e-2, bias_correction_mu=False, bias_correction_nu=False),
        o.scale(-0.1))), lr=0.1, eps=1e-2, **FULL),
    hand("amsgrad", ref.amsgrad, lr=0.1, eps=1e-2, **FULL),
    hand("diffgrad", ref.diffgrad, lr=0.1, eps=1e-2, **FULL),
    at("diffgrad", koz("DiffGrad", lr=0.1, eps=1e-200, **BETAS), 1e-9,
       "pytorch_optimizer adds 1e-15 under the root, and eps before the bias correction",
       lr=0.1, eps=1e-200, **FULL),
    hand("laprop", ref.laprop, lr=0.1, eps=1e-2, wd=0.3, **FULL),
    at("laprop", timm_("laprop.LaProp", lr=0.1, eps=1e-2, weight_decay=0.3, **BETAS),
       lr=0.1, eps=1e-2, wd=0.3, **FULL),
    hand("nadam", ref.nadam, lr=0.1, eps=1e-2, psi=0.1, **FULL),
    hand("qhadam", ref.qhadam, lr=0.1, n1=0.6, n2=0.9, eps=1e-2, **FULL),
    at("qhadam", koz("QHAdam", lr=0.1, nus=(0.6, 0.9), eps=1e-2, **BETAS), 1e-6,
       "pytorch_optimizer keeps its weights in float32", lr=0.1, n1=0.6, n2=0.9, eps=1e-2, **FULL),
    at("radam", torch_("RAdam", lr=0.1, eps=1e-2, **BETAS),
       lr=0.1, eps=1e-2, threshold=5, **FULL),
    hand("radam", ref.radam, lr=0.1, eps=1e-2, threshold=4, b1=0.8, b2=0.999),
    at("yogi", koz("Yogi", lr=0.1, eps=1e-2, initial_accumulator=1e-3, **BETAS),
       lr=0.1, eps=1e-2, m0=1e-3, v0=1e-3, **FULL),
    at("yogi", optax_(lambda o: o.yogi(0.1, 0.8, 0.95, eps=1e-2)),
       lr=0.1, eps=1e-2, m0=1e-6, v0=1e-6, **FULL),
    hand("yogi", ref.yogi, lr=0.1, eps=1e-2, m0=0.0, v0=1e-4, **FULL),
    hand("mars-adamw", ref.mars_adamw, lr=0.1, b1=0.8, b2=0.95, gam=0.3, eps=1e-2, wd=0.3),
    at("mars-adamw", koz("MARS", lr=0.1, gamma=0.3, eps=1e-200, weight_decay=0.3,
                         optimize_1d=True, **BETAS), 1e-9,
       "pytorch_optimizer adds 1e-15 under the root, and eps before the bias correction",
       lr=0.1, gam=0.3, eps=1e-200, wd=0.3, **FULL),
    at("c-adamw", timm_("adamw.AdamWLegacy", lr=0.1, eps=1e-2, weight_decay=0.3, caution=True,
                        **BETAS), lr=0.1, eps=1e-2, wd=0.3, **FULL),
    at("c-lion", of("lion_pytorch.cautious_lion.Lion", lr=0.1, betas=(0.8, 0.9), weight_decay=0.3),
       lr=0.1, b1=0.8, b2=0.9, wd=0.3),
    hand("c-lion", ref.cautious_lion, lr=0.1, b1=0.8, b2=0.9, wd=0.3),
    hand("powersign", norms.powersign, lr=0.1, b=0.6, alpha=1.5, f=0.3),
    hand("addsign", norms.addsign, lr=0.1, b=0.6, alpha=1.5, f=0.3),
    at("apollo-ma", koz("ApolloDQN", lr=0.1, beta=0.8, eps=1e-3, weight_decay=0.3, warmup_steps=0),
       lr=0.1, b=0.8, eps=1e-3, wd=0.3),
    hand("apollo-ma", norms.apollo_ma, lr=0.1, b=0.7, eps=3e-2, least=0.2, wd=0.3),
    hand("grams", ref.grams, extra={"corrected": False}, lr=0.1, eps=1e-2, wd=0.3, **FULL),
    at("grams", koz("Grams", lr=0.1, eps=1e-200, weight_decay=0.3, **BETAS),
       lr=0.1, eps=1e-200, wd=0.3, **FULL),
]

MODEL = [
    at("sgd-clip-norm", optax_(lambda o: o.chain(
        o.clip_by_global_norm(2.0), o.sgd(0.1, momentum=0.8))), lr=0.1, mu=0.8, clip=2.0),
    hand("sgd-clip-norm", ref.sgd_clip_norm, whole, lr=0.1, mu=0.8, clip=2.0),
    at("sgd-clip-value", optax_(lambda o: o.chain(o.clip(0.5), o.sgd(0.1, momentum=0.8))),
       lr=0.1, mu=0.8, c=0.5),
    at("adamw-clip-norm", optax_(lambda o: o.chain(
        o.clip_by_global_norm(2.0), o.adamw(0.1, 0.8, 0.95, eps=1e-2, weight_decay=0.3))),
       lr=0.1, clip=2.0, eps=1e-2, wd=0.3, **FULL),
    at("normalized-gd", optax_(lambda o: o.chain(o.contrib.normalize(), o.sgd(0.1))), lr=0.1),
    hand("normalized-gd", ref.normalized_gd, whole, lr=0.1, beta=0.6),
    at("lamb", optax_(lambda o: o.lamb(0.1, 0.8, 0.95, eps=1e-2, weight_decay=0.3)),
       lr=0.1, eps=1e-2, wd=0.3, **FULL),
    at("lamb", timm_("lamb.Lamb", lr=0.1, eps=1e-2, weight_decay=0.3, max_grad_norm=None, **BETAS),
       lr=0.1, eps=1e-2, wd=0.3, **FULL),
    at("lars", timm_("lars.Lars", lr=1.0, momentum=0.8, weight_decay=0.3, trust_coeff=0.01, eps=0),
       lr=1.0, mu=0.8, wd=0.3, eta=0.01),
    at("lars", timm_("lars.Lars", lr=1.0, momentum=0.8, weight_decay=0, eps=0, always_adapt=True),
       lr=1.0, mu=0.8, wd=0.0),
    at("fromage", koz("Fromage", lr=0.1), lr=0.1),
    at("novograd", koz("NovoGrad", lr=0.1, eps=1e-2, weight_decay=0.3, **BETAS),
       lr=0.1, eps=1e-2, wd=0.3, **FULL),
    at("stable-adamw", koz("StableAdamW", lr=0.1, eps=1e-2, weight_decay=0.3, **BETAS),
       lr=0.1, eps=1e-2, wd=0.3, **FULL),
    at("dog", of("dog.DoG", reps_rel=1e-3, eps=1e-2), reps=1e-3, eps=1e-2),
    at("dog", of("dog.DoG", lr=0.5), lr=0.5),
    at("ldog", of("dog.LDoG", reps_rel=1e-3, eps=1e-2), reps=1e-3, eps=1e-2),
    at("ldog", of("dog.LDoG", lr=0.5), lr=0.5),
    at("dadapt-sgd", of("dadaptation.DAdaptSGD"), lr=1.0),
    at("dadapt-sgd", of("dadaptation.DAdaptSGD", lr=0.5, momentum=0.8, d0=0.1, weight_decay=0.3),
       lr=0.5, mu=0.8, d0=0.1, wd=0.3),
    at("dadapt-adam", of("dadaptation.DAdaptAdam"), lr=1.0),
    at("dadapt-adam", of("dadaptation.DAdaptAdam", lr=0.5, eps=1e-2, weight_decay=0.3,
                         decouple=True, d0=0.1, betas=(0.8, 0.9995)),
       lr=0.5, eps=1e-2, wd=0.3, d0=0.1, b1=0.8, b2=0.9995),
    at("dadapt-adagrad", of("dadaptation.DAdaptAdaGrad"), lr=1.0),
    at("dadapt-adagrad", of("dadaptation.DAdaptAdaGrad", lr=0.5, momentum=0.8, d0=0.1, eps=1e-2,
                            weight_decay=0.3), lr=0.5, mu=0.8, d0=0.1, eps=1e-2, wd=0.3),
    at("prodigy", of("prodigyopt.Prodigy"), lr=1.0),
    at("prodigy", of("prodigyopt.Prodigy", lr=0.5, eps=1e-2, weight_decay=0.3, d0=0.1, d_coef=2.0,
                     betas=(0.8, 0.9995)),
       lr=0.5, eps=1e-2, wd=0.3, d0=0.1, coef=2.0, b1=0.8, b2=0.9995),
    at("madgrad", of("madgrad.MADGRAD", lr=0.1, momentum=0.8, eps=1e-2), lr=0.1, mu=0.8, eps=1e-2),
    at("madgrad", optax_(lambda o: o.contrib.madgrad(0.1, 0.8, eps=1e-2)), 1e-6,
       "optax keeps lr*sqrt(t) in float32", lr=0.1, mu=0.8, eps=1e-2),
    *(at("schedule-free-sgd", of("schedulefree.SGDScheduleFree", lr=0.1, momentum=0.8,
                                 weight_decay=0.3, warmup_steps=5, r=0.5),
         evaluate=shown, lr=0.1, b=0.8, wd=0.3, warm=5, r=0.5) for shown in (False, True)),
    *(at("schedule-free-adamw", of("schedulefree.AdamWScheduleFree", lr=0.1, eps=1e-2,
                                   weight_decay=0.3, warmup_steps=5, r=0.5, **BETAS),
         evaluate=shown, lr=0.1, eps=1e-2, wd=0.3, warm=5, r=0.5, **FULL)
      for shown in (False, True)),
    hand("aegd", flows.aegd, loss=LOSSES, lr=0.1, c=0.5, wd=0.3),
    hand("aegdm", flows.aegd, loss=LOSSES, lr=0.1, c=0.5, wd=0.3, mu=0.8),
    at("gravity", koz("Gravity", lr=0.1, alpha=0.0, beta=0.8), lr=0.1, alpha=0.0, b=0.8),
    hand("gravity", flows.gravity, from_draws, lr=0.1, alpha=0.02, b=0.8, lr0=0.4),
    hand("induced-sgd", flows.induced_sgd, whole, lr=0.1, mu=0.8, b=0.7, xi=0.3, wd=0.3),
    hand("induced-log", norms.induced_log, whole, loss=LOSSES, lr=0.1, mu=0.8, b=0.7, xi=0.3,
         wd=0.3),
    hand("induced-rms", norms.induced_rms, whole, lr=0.1, mu=0.8, b=0.7, b2=0.9, xi=0.3, eps=1e-2,
         wd=0.3),
    hand("nag-gs", flows.nag_gs, lr=0.1, mu=0.7, gam0=1.5),
    hand("nag4", flows.nag4, lr=0.1, mu=0.7, gam=1.5),
    hand("mirror-entropy", flows.mirror_entropy, lr=0.02, mu=0.8),
    hand("mirror-p-norm", flows.mirror_p_norm, lr=0.02, mu=0.8, p=3.5),
]

ROWS = [*MOMENTUM, *ADAPTIVE, *ADAM, *MODEL]
