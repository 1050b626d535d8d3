"""Specs that together use all that the NumPy backend handles, and a tree to run them on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tests.jax_specs import ADAMW
from thetaprime.backends.module import load
from thetaprime.backends.to_numpy import emit
from thetaprime.engines import Engine
from thetaprime.pipeline import compile_text

SGD = """
optimizer SGD
  hyper lr in (0, inf)
  hyper mu = 0.9 in [0, 1)
  state m = first g
  m' = mu*m + g
  x' = x - lr*m'
"""
CLIPPED = """
optimizer Clipped
  hyper lr = 0.1 in (0, inf)
  hyper c = 1 in (0, inf)
  x' = x - lr*(if norm(g over model) > c then c*g/norm(g over model) else g)
"""
LAMB = """
optimizer LAMB
  hyper lr = 1e-2 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in [0, 1)
  hyper eps = 1e-6 in (0, inf)
  hyper wd = 1e-2 in [0, inf)
  state m = 0
  state v = 0
  m' = ema(m, g, b1)
  v' = ema(v, g^2, b2)
  u = debias(m', b1)/(sqrt(debias(v', b2)) + eps) + wd*x
  nx = norm(x over tensor)
  nu = norm(u over tensor)
  q = if nx > 0 and nu > 0 then nx/nu else 1
  x' = x - lr*q*u
"""
DADAPT = """
optimizer DAdaptAdam
  hyper lr = 1 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in (0, 1)
  hyper eps = 1e-8 in (0, inf)
  hyper d0 = 1e-3 in (0, inf)
  state m = 0
  state v = 0
  state s = 0
  state d : scalar = d0
  state nw : scalar = 0
  sb = sqrt(b2)
  m' = b1*m + (1 - b1)*d*lr*g
  v' = b2*v + (1 - b2)*g^2
  s' = sb*s + (1 - sb)*d*lr*g
  nw' = sb*nw + (1 - sb)*d*lr*dot(g, s/(sqrt(v) + eps) over model)
  d' = max(d, nw'/((1 - sb)*norm1(s' over model)) default d)
  x' = x - m'/(sqrt(v') + eps)
"""
AGGMO = """
optimizer AggMo
  axis lanes
  hyper lr = 0.1 in (0, inf)
  hyper b : lanes = [0, 0.9, 0.99] in [0, 1)
  state v : per entry[lanes] = 0
  state h : per tensor[lanes] = b
  v' = b*v + g
  h' = h + b*max(abs(v) over tensor)
  x' = x - lr*mean(v' over lanes) + 1e-3*sum(h' over lanes)
"""
RPROP = """
optimizer Rprop
  hyper lr = 0.01 in (0, inf)
  hyper em = 0.5, ep = 1.2 in (0, inf)
  state gp = 0
  state s = lr
  c = g*gp
  s' = clip(s*(if c > 0 then ep else if c < 0 then em else 1), 1e-6, 50)
  gz = if c < 0 then 0 else g
  gp' = gz
  x' = x - s'*sign(gz)
"""
HEAVY = """
optimizer Heavy
  hyper lr = 0.1 in (0, inf)
  hyper mu = 0.9 in [0, 1)
  state xp = x
  state best : scalar = inf
  xp' = x
  best' = min(best, loss(x))
  x' = x - lr*g*min(1, best') + mu*(x - xp)
"""
SYNC = """
optimizer Sync
  hyper lr = 0.1 in (0, inf)
  hyper k : int = 3 in [1, inf)
  hyper a = 0.5, c = sqrt(a) in (0, 1]
  const x0 = x
  state slow = x
  state n : per tensor = 1
  n' = n + size(g over tensor)/size(g over model)
  y = x - lr*g/norm(x0 - 2 over model)*n'
  every k from k:
    slow' = slow + a*(y - slow)
    x' = slow'*c + y*(1 - c)
  else:
    x' = y
  eval (x + slow)/2
"""
LATE = """
optimizer Late
  hyper lr = 0.1 in (0, inf)
  state m = 0
  state w = 0
  m' = 0.9*m + g
  w' = w + m/(1 + norm(m' over model)) + norm(x over tensor)
  x' = x - lr*m'*max(abs(w' - m) over model)
"""
NOISY = """
optimizer Noisy
  hyper lr = 0.1 in (0, inf)
  hyper sd = 0.01 in [0, inf)
  state r ~ normal(0, 1)
  z ~ normal(0.5, sd)
  w ~ rademacher()
  u ~ uniform(0.5, 1.5) : scalar
  q ~ normal(0, 1) : per tensor
  k ~ bernoulli(0.5)
  r' = 0.9*r + z
  x' = x - lr*u*(g + r' + 0.1*w*k + 0.1*q)
"""
ALL = {"AdamW": ADAMW, "SGD": SGD, "Clipped": CLIPPED, "LAMB": LAMB, "DAdaptAdam": DADAPT,
       "AggMo": AGGMO, "Rprop": RPROP, "Heavy": HEAVY, "Sync": SYNC, "Late": LATE, "Noisy": NOISY}
SHAPES = ((), (3,), (2, 3), (2, 1, 2), (1, 2, 2, 2))


class Pair(NamedTuple):
    first: Any
    second: Any


def module(text: str, name: str = "numpy_test", engine: Engine = "numpy") -> Any:
    return load(emit(compile_text(text), engine), name)


def tree(leaves: list[Any]) -> Any:
    """Five leaves as a dict, a list, a NamedTuple and a tuple, in the order of a walk."""
    a, b, c, d, e = leaves
    return {"a": [a, (b,)], "b": Pair(c, {"w": d}), "c": e}


def untree(nested: Any) -> list[Any]:
    (a, (b,)), pair, e = nested["a"], nested["b"], nested["c"]
    return [a, b, pair.first, pair.second["w"], e]


def close(a: Any, b: Any, tolerance: float) -> bool:
    scale = max(1e-3, float(np.max(np.abs(b), initial=0)))
    return bool(np.shape(a) == np.shape(b)
                and np.max(np.abs(np.subtract(a, b)), initial=0) <= tolerance*scale)
