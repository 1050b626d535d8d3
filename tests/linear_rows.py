"""Rules that are linear in their gradients, and what is published of pairs of them.

The numbers are those of the catalogue of formal facts (E: equal, N: not), the sources the papers
that it names: Polyak 1964, Sutskever et al. 2013, Ma and Yarats 2018 (QHM and what it contains),
Kidambi et al. 2018 (AccSGD), Yang et al. 2016 (SUM), Lucas et al. 2019 (AggMo), Defazio 2020
(primal averaging), Lessard et al. 2016, Van Scoy et al. 2018, Cyrus et al. 2018 (triple and robust
momentum), Malitsky 2015 (reflected gradient), Zhang et al. 2019 (Lookahead), Yuan et al. 2024
(MARS).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

RATES = "hyper lr = 0.1 in (0, inf)\n"
DECAYS = RATES + "hyper mu = 0.9 in [0, 1)\n"
BETAS = RATES + "hyper b = 0.9 in [0, 1)\n"

RULES = {
    "plain": RATES + "x' = x - lr*g",
    "ema": BETAS + "state m = 0\nm' = ema(m, g, b)\nx' = x - lr*m'",
    "ema from g": BETAS + "state m = first g\nm' = ema(m, g, b)\nx' = x - lr*m'",
    "damped": DECAYS + "state b = 0\nb' = if t == 1 then g else mu*b + (1 - mu)*g\nx' = x - lr*b'",
    "sutskever": DECAYS + "state v = 0\nv' = mu*v - lr*grad(x + mu*v)\nx' = x + v'",
    "keras nesterov": DECAYS + "state v = 0\nv' = mu*v - lr*g\nx' = x + mu*v' - lr*g",
    "triple": RATES + "hyper beta = 0.5, gamma = 0.2 in (-inf, inf)\n"
              "p = prev(x, x)\nx' = x + beta*(x - p) - lr*grad(x + gamma*(x - p))",
    "tuned triple": "hyper L = 2 in (0, inf)\nhyper rho = 0.5 in (0, 1)\np = prev(x, x)\n"
                    "x' = x + rho^2/(2 - rho)*(x - p)"
                    " - (1 + rho)/L*grad(x + rho^2/((1 + rho)*(2 - rho))*(x - p))",
    "robust": "hyper L = 2 in (0, inf)\nhyper rho = 0.5 in (0, 1)\nhyper kappa = 3 in (1, inf)\n"
              "p = prev(x, x)\nx' = x + kappa*rho^3/(kappa - 1)*(x - p)"
              " - kappa*(1 - rho)^2*(1 + rho)/L"
              "*grad(x + rho^3/((kappa - 1)*(1 - rho)^2*(1 + rho))*(x - p))",
    "accsgd": "hyper delta = 0.1, kappa = 10, xi = 2, eps = 0.7 in (0, inf)\nstate w = x\n"
              "a = 1 - eps^2*xi/kappa\nw' = a*w + (1 - a)*(x - kappa*delta/eps*g)\n"
              "x' = (eps*(x - delta*g) + (1 - a)*w')/(eps + 1 - a)",
    "two states": "hyper h = 0.9 in (0, 1)\nhyper l = 1, m = -0.1, z = -0.2 in (-inf, inf)\n"
                  "state a = 0\na' = h*a + l*g\nx' = m*a + x + z*g",
    "sum": DECAYS + "hyper s = 1 in (-inf, inf)\nstate q = x\nq' = x - s*lr*g\n"
                    "x' = x - lr*g + mu*(q' - q)",
    "sum 0": DECAYS + "state q = x\nq' = x\nx' = x - lr*g + mu*(q' - q)",
    "sum 1": DECAYS + "state q = x\nq' = x - lr*g\nx' = x - lr*g + mu*(q' - q)",
    "sum flat": DECAYS + "state q = x\nq' = x - lr*g/(1 - mu)\nx' = x - lr*g + mu*(q' - q)",
    "aggmo 1": BETAS + "state v = 0\nv' = b*v + g\nx' = x - lr*v'",
    "aggmo 2": "hyper r1 = 0.1, r2 = 0.2 in [0, inf)\nhyper b = 0.9 in [0, 1)\nstate v = 0\n"
               "v' = b*v + g\nx' = x - (r1*g + r2*v')/2",
    "aggmo 0, 0.9": RATES + "state v = 0\nv' = 0.9*v + g\nx' = x - lr*(g + v')/2",
    "momentum 0.9": RATES + "state v = 0\nv' = 0.9*v + g\nx' = x - lr*v'",
    "primal": "hyper eta = 0.1 in (0, inf)\nhyper c = 0.1 in (0, 1]\nstate z = x\n"
              "z' = z - eta*g\nx' = (1 - c)*x + c*z'",
    "free": RATES + "hyper b = 0.9 in (0, 1)\nhyper c = 0.1 in (0, 1]\nstate z = x\n"
            "train y = (1 - b)*z + b*x\nz' = z - lr*g\nx' = (1 - c)*x + c*z'",
    "free kept": RATES + "hyper b = 0.9 in (0, 1)\nhyper c = 0.1 in (0, 1]\nstate z = x\n"
                 "z' = z - lr*g\nx' = (1 - c)*(x - (1 - b)*z) + (b*c + 1 - b)*z'",
    "free at 0": RATES + "hyper c = 0.1 in (0, 1]\nstate z = x\ntrain y = z\neval x\n"
                         "z' = z - lr*g\nx' = (1 - c)*x + c*z'",
    "averaged": BETAS + "state z = x\nz' = z - lr*grad(z)\nx' = b*x + (1 - b)*z'",
    "difference": DECAYS + "x' = x - lr*g + mu*(x - prev(x, x)) - lr*mu*(g - prev(g, 0))",
    "optimistic": RATES + "x' = x - 2*lr*g + lr*prev(g, 0)",
    "reflected": RATES + "x' = x - lr*grad(2*x - prev(x, x))",
    "past": RATES + "state p = 0\ny = x - lr*p\np' = grad(y)\nx' = x - lr*p'",
    "two calls": RATES + "y = x - lr*g\nx' = y - lr*grad(y)",
    "three calls": RATES + "y = x - lr*g\nu = y - lr*grad(y)\nx' = u - lr*grad(u)",
    "extra": RATES + "x' = x - lr*grad(x - lr*g)",
    "extra late": RATES + "state y = x\ny' = x - lr*grad(x)\nx' = x - lr*grad(y)",
    "dual": RATES + "const x0 = x\nstate s = 0\ns' = s + g\nx' = x0 - lr*s'",
    "l2": RATES + "hyper wd = 0.1 in [0, inf)\nx' = x - lr*(g + wd*x)",
    "decoupled": RATES + "hyper wd = 0.1 in [0, inf)\nx' = x*(1 - lr*wd) - lr*g",
    "scaled": DECAYS + "hyper s = 2 in (0, inf)\nstate b = 0\nb' = mu*b + s*g\nx' = x - lr*b'",
    "mars": BETAS + "hyper gamma = 0.5 in [0, 1]\nstate m = 0\n"
            "c = g + gamma*b/(1 - b)*(g - prev(g, 0))\nm' = ema(m, c, b)\nx' = x - lr*m'",
    "mars 1": BETAS + "state m = 0\nc = g + b/(1 - b)*(g - prev(g, 0))\nm' = ema(m, c, b)\n"
                      "x' = x - lr*m'",
    "diloco": "hyper eta = 0.7, a = 0.1 in (0, inf)\nhyper mu = 0.9 in [0, 1)\nstate v = 0\n"
              "v' = mu*v + a*g\nx' = x - eta*(mu*v' + a*g)",
}


@dataclass(frozen=True)
class Row:
    """``same`` are the notions that hold where hyperparameters of equal names are equal; ``map`` is
    the setting of b's hyperparameters that makes it a in the notion ``by``; None: there is none
    for all hyperparameters of a, but only where ``only`` says."""

    id: str
    a: str
    b: str
    same: str = ""
    map: Mapping[str, str] | None = field(default_factory=dict)
    by: str = "run"
    only: tuple[Mapping[str, str], ...] = ()


ALL = "transfer queries stream run reported"
ROWS = (
    Row("E01", "heavy-ball-outside", "heavy-ball", ALL),
    Row("E02", "heavy-ball-outside", "heavy-ball-inside", ALL),
    Row("E04", "heavy-ball-outside", "ema", map={"lr": "lr/(1 - mu)", "b": "mu"}),
    Row("E04 back", "ema", "heavy-ball-outside", map={"lr": "lr*(1 - b)", "mu": "b"}),
    Row("E05", "damped", "ema from g", map={"lr": "lr", "b": "mu"}),
    Row("E06", "nesterov", "sutskever", "transfer queries", {"lr": "lr", "mu": "mu"}, "queries"),
    Row("E06 trained", "nesterov", "nesterov-lookahead", "transfer queries stream run"),
    Row("E08", "nesterov", "keras nesterov", ALL),
    Row("E10", "QHM with nu = 1", "heavy-ball-outside", map={"lr": "lr*(1 - b)", "mu": "b"}),
    Row("E11", "nesterov", "qhm", map={"lr": "lr/(1 - mu)", "b": "mu", "nu": "mu"}),
    Row("E14", "triple", "qhm", by="queries",
        map={"lr": "lr/(1 - beta)", "b": "beta", "nu": "(beta + beta*gamma - gamma)/beta"}),
    Row("E15", "tuned triple", "robust", map={"L": "L", "rho": "rho", "kappa": "1/(1 - rho)^2"}),
    Row("E16", "accsgd", "qhm", map={
        "lr": "delta*eps*(1 + xi)/(1 + eps)", "b": "(kappa - eps^2*xi)/(kappa + eps*xi)",
        "nu": "(eps*xi - 1)/(eps*(1 + xi))"}),
    Row("E17", "two states", "qhm", map={
        "lr": "(l*m + z - h*z)/(h - 1)", "b": "h", "nu": "l*m/(h*(l*m + z - h*z))"}),
    Row("E18", "sum 0", "heavy-ball", ALL),
    Row("E19", "sum 1", "nesterov", ALL),
    Row("E20", "sum flat", "plain", map={"lr": "lr/(1 - mu)"}),
    Row("E18-20", "sum", "qhm",
        map={"lr": "lr/(1 - mu)", "b": "mu", "nu": "1 + mu*s - s"}),
    Row("E22", "aggmo 1", "heavy-ball-outside", map={"lr": "lr", "mu": "b"}),
    Row("E24", "qhm", "aggmo 2", map={"r1": "2*lr*(1 - nu)", "r2": "2*lr*nu*(1 - b)", "b": "b"}),
    Row("E25", "heavy-ball-outside", "primal", map={"eta": "lr/(1 - mu)", "c": "1 - mu"}),
    Row("E27", "free", "free kept", ALL),
    Row("E30", "free at 0", "plain", "transfer queries stream run"),
    Row("E32", "ema", "averaged", "stream", None, only=({"b": "0"},)),
    Row("E33", "difference", "nesterov", ALL),
    Row("E34", "Lookahead(SGD with mu = 0, wd = 0) with k = 1", "plain", map={"lr": "alpha*lr"}),
    Row("E36", "Lookahead(HeavyBallOutside) with k = 1", "heavy-ball-outside",
        map={"lr": "alpha*lr", "mu": "mu"}),
    Row("E37", "Lookahead(HeavyBall) with k = 1", "heavy-ball",
        map={"lr": "alpha*lr", "mu": "alpha*mu"}),
    Row("E39", "optimistic", "reflected", "transfer queries", {"lr": "lr"}, "queries"),
    Row("E39 past", "optimistic", "past", "transfer queries", {"lr": "lr"}, "queries"),
    Row("E39 first", "optimistic-gradient", "reflected", "transfer", {"lr": "lr"}, "transfer"),
    Row("E40", "optimistic", "triple", map={"lr": "lr", "beta": "0", "gamma": "1"}, by="queries"),
    Row("E44", "dual", "plain", ALL),
    Row("E47", "l2", "decoupled", ALL),
    Row("E48", "scaled", "heavy-ball-outside", map={"lr": "lr*s", "mu": "mu"}),
    Row("E49", "mars 1", "plain", ALL),
    Row("E51", "mars", "qhm", map={"lr": "lr", "b": "b", "nu": "1 - gamma"}),
    Row("E80", "diloco", "nesterov", map={"lr": "a*eta", "mu": "mu"}),
    Row("N02", "damped", "ema", "", None, only=({"mu": "0"},)),
    Row("N02 oracle", "damped", "ema", "", {"lr": "lr", "b": "mu"}, "transfer"),
    Row("N06 N07", "heavy-ball", "nesterov", "", None, only=({"mu": "0"},)),
    Row("N07 back", "nesterov", "heavy-ball", "", None, "transfer", ({"mu": "0"},)),
    Row("N08", "aggmo 0, 0.9", "momentum 0.9", "", None),
    Row("N11 N12", "primal", "averaged", "", None, only=({"c": "1"},)),
    Row("N15", "optimistic", "qhm", "", None, "transfer"),
)
