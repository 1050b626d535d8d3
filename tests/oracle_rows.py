"""The table of `tests.test_oracle_references`: specs that ask the problem for more than its
gradient, and independent rules of `tests.references_oracles` on the same problem.

A row gives hyperparameters to both; ``extra`` goes to the reference alone, ``only`` to the spec.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests import references_oracles as near
from tests import references_oracles2 as seek
from tests import references_oracles3 as solved
from tests.flat_problem import Rule
from tests.references_wrappers import adamw, sgd


@dataclass(frozen=True)
class Row:
    """``tol`` differs from 1e-12 only with a reason in ``why``. ``base`` is what the spec wraps."""

    spec: str
    rule: Rule
    hypers: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    only: dict[str, Any] = field(default_factory=dict)
    base: str = ""
    tol: float = 1e-12
    why: str = ""
    steps: int = 10


def row(spec: str, rule: Rule, extra: dict[str, Any] | None = None,
        only: dict[str, Any] | None = None, tol: float = 1e-12, why: str = "",
        **hypers: Any) -> Row:
    """A spec against a rule with the same names of hyperparameters."""
    return Row(spec, rule, hypers, extra or {}, only or {}, tol=tol, why=why)


BASES = {
    "SGD(lr = 0.1, mu = 0.8)": sgd(0.1, 0.8),
    "AdamW(lr = 0.05, b1 = 0.8, b2 = 0.95, eps = 1e-2, wd = 0.3)":
        adamw(0.05, 0.8, 0.95, 1e-2, 0.3),
}


def around(spec: str, rule: Rule, extra: dict[str, Any] | None = None,
           only: dict[str, Any] | None = None, **hypers: Any) -> list[Row]:
    """A spec around each of two others."""
    return [Row(spec, rule, hypers, {"inner": inner, **(extra or {})}, only or {}, base)
            for base, inner in BASES.items()]


AROUND = [
    *around("sam", near.sam, rho=0.3),
    *around("asam", near.asam, rho=0.5, eta=0.1),
    *around("gsam", near.gsam, rho=0.3, al=0.4),
    *around("gam", near.gam, r1=0.2, r2=0.4, b0=0.3, b1=0.6, gam=0.2),
    *around("tram", near.tram, only={"divergence": near.divergence}),
    *around("amp", near.amp, r=0.1, il=0.2, n=3, scope="model"),
    *around("amp", near.amp, r=0.05, il=0.2, n=2, scope="tensor"),
    *around("gradient-regularization", near.gradient_regularization, {"sign": 1},
            {"way": "forward"}, gam=0.3, eps=0.2),
    *around("gradient-regularization", near.gradient_regularization, {"sign": -1},
            {"way": "backward"}, gam=0.3, eps=0.2),
    *around("entropy-sgd", near.entropy_sgd, turns=3, il=0.3, gam=0.4, noise=0.1, al=0.6),
    *around("mars-exact", near.mars_exact, b1=0.9, gam=0.3),
    *around("bloop", near.bloop, rho=0.3, lam=0.4, eps=0.1),
    *around("fosi", solved.fosi, alpha=0.1, b=0.6, most=1.5, k=3, every_n=4, turns=5),
    *around("extragradient", seek.extragradient, a=0.4),
]

VARIANCE = [
    row("svrg", near.svrg, lr=0.2, k=4, al=0.7),
    row("sarah", near.recursive, {"normalized": False}, lr=0.2, k=4),
    row("spider", near.recursive, {"normalized": True}, lr=0.1, k=4),
    row("storm", near.storm, k=0.3, w=0.5, c=2.0),
]

CURVATURE = [
    row("adahessian", near.adahessian, lr=0.1, b1=0.8, b2=0.9, p=0.7, eps=0.1, wd=0.1),
    row("sophia-h", near.sophia_h, lr=0.1, b1=0.8, b2=0.9, rho=2.0, eps=0.02, wd=0.1, k=3),
    row("sophia-h", near.sophia_h, lr=0.1, b1=0.8, b2=0.9, rho=2.0, eps=0.02, wd=0.0, k=1),
    row("oasis", near.oasis, eta0=0.1, b2=0.9, al=0.05),
    row("barzilai-borwein", seek.barzilai_borwein, lr=0.3, kind="long"),
    row("barzilai-borwein", seek.barzilai_borwein, lr=0.3, kind="short"),
    *(row(f"nonlinear-cg-{form}", seek.conjugate, {"form": form}, lr=30.0, c=0.3, shrink=0.7,
          most=most) for form in ("fr", "pr", "hs") for most in (30, 4)),
    row("l-bfgs", seek.lbfgs, {"k": 3}, {"m": 3}, lr=3.0, c=0.1, shrink=0.7, most=30),
    row("l-bfgs", seek.lbfgs, {"k": 20}, {"m": 20}, lr=8.0, c=0.3, shrink=0.7, most=5),
    row("m-fac", solved.m_fac, lr=0.1, lam=0.1, k=4, mu=0.5, wd=0.1),
    row("m-fac", solved.m_fac, lr=0.1, lam=0.02, k=16, mu=0.0, wd=0.0),
    row("gauss-newton", solved.gauss_newton, lr=0.5, lam=0.1, turns=4),
    row("saddle-free-newton", solved.saddle_free, lr=0.5, damp=0.1, k=3, turns=2),
    row("egn", solved.egn, lr=0.5, lam=0.1, mu=0.6),
    row("levenberg-marquardt", solved.levenberg_marquardt, lam0=0.3),
    row("levenberg-marquardt", solved.levenberg_marquardt, lam0=1e-3, tol=1e-9,
        why="systems of condition 1e3, and a step that is refused"),
    row("gns-newton", solved.gns_newton, gam0=1.0, least=1e-9, most=20),
    *(row("filtered-newton", solved.filtered_newton, al=0.9, be=be, ridge=0.1, c=c, most=4)
      for be, c in ((0.2, 0.3), (0.1, 0.6), (0.5, 0.95))),  # both, small, large for the filter
    row("optimistic-gradient", seek.optimistic, lr=0.2),
    row("dal", seek.dal, p=0.7, most=5.0),
    row("dal", seek.dal, p=1.0, most=2.0),
    row("rolling-ball", seek.rolling_ball, lr=0.8, rho=0.7, gam=0.05, turns=5),
]

SEARCHES = [
    row("polyak", seek.polyak, least=0.3),
    row("sps-max", seek.sps_max, c=0.6, least=0.1, most=2.0),
    row("sps-max", seek.sps_max, c=2.0, least=0.1, most=5.0),
    row("armijo-sgd", seek.armijo, top=30.0, c=0.3, shrink=0.7, grow=1.5, most=30),
    row("armijo-sgd", seek.armijo, top=30.0, c=0.3, shrink=0.7, grow=1.5, most=2),
    row("smb", seek.smb, lr=8.0, c=0.3, eta=0.8),
]

ZEROTH = [
    row("forward-gradient", seek.forward_gradient, lr=0.02),
    row("spsa", seek.spsa, a=0.1, A=1.0, al=0.6, c=0.1, ga=0.2, tol=1e-11,
        why="a difference of losses over 0.2"),
    row("gfm-plus", seek.gfm_plus, lr=0.1, delta=0.5, few=2, many=5, k=3),
    row("zo-frank-wolfe", seek.zo_frank_wolfe, r=1.5, m=3),
]

TASKS = [
    row("pcgrad", solved.pcgrad, only={"k": 3}, lr=0.1),
    row("mgda", solved.mgda, only={"k": 3}, lr=0.1, turns=100),
    row("upgrad", solved.upgrad, only={"k": 3, "turns": 200}, lr=0.1),
    row("cagrad", solved.cagrad, only={"k": 3, "turns": 300}, lr=0.1, c=0.5, tol=1e-7,
        why="the reference's SLSQP stops there"),
]

ROWS = [*AROUND, *VARIANCE, *CURVATURE, *SEARCHES, *ZEROTH, *TASKS]

# Hyperparameters that no row can show: they bound a solver that has converged before, and k is the
# number of losses that the problem has.
UNSEEN = {("egn", "turns"), ("levenberg-marquardt", "turns"), ("gns-newton", "turns"),
          ("gns-newton", "most"), ("gns-newton", "least"), ("mgda", "turns"), ("mgda", "k"),
          ("upgrad", "turns"), ("upgrad", "k"), ("cagrad", "turns"), ("cagrad", "il"),
          ("cagrad", "k"), ("pcgrad", "k")}

# What a hyperparameter is changed to where a little does nothing: it is a threshold, or a function.
OTHER: dict[tuple[str, str], Any] = {
    ("filtered-newton", "floor"): 1e9,
    ("tram", "divergence"): lambda old, new: 2 * near.divergence(old, new),
    **{(spec, "c"): 0.95 for spec in ("armijo-sgd", "filtered-newton", "l-bfgs", "smb",
                                      "nonlinear-cg-fr", "nonlinear-cg-pr", "nonlinear-cg-hs")},
}
