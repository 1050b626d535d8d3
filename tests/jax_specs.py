"""Specs that between them use all of the language that the JAX backend writes."""

from __future__ import annotations

ADAMW = """
optimizer AdamW
  "Adam with decoupled weight decay."
  cite "arXiv:1711.05101, algorithm 2"
  hyper lr = 1e-3 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in [0, 1)
  hyper eps = 1e-8 in (0, inf)
  hyper wd = 1e-2 in [0, inf)
  state m = 0
  state v = 0
  m' = b1*m + (1 - b1)*g
  v' = b2*v + (1 - b2)*g^2
  mhat = m' / (1 - b1^t)
  vhat = v' / (1 - b2^t)
  x' = x - lr*(mhat/(sqrt(vhat) + eps) + wd*x)
"""
SGD = """
optimizer SGD
  hyper lr in (0, inf)
  hyper mu = 0.9 in [0, 1)
  state m = 0
  m' = mu*m + g
  x' = x - lr*m'
"""
CLIPPED = """
optimizer Clipped
  hyper lr = 0.1 in (0, inf)
  hyper c = 1 in (0, inf)
  s = min(1, c/norm(g over model))
  x' = x - lr*s*g
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
  q = if norm(x over tensor) > 0 then norm(x over tensor)/norm(u over tensor) default 1 else 1
  x' = x - lr*q*u
"""
AGGMO = """
optimizer AggMo
  axis lanes
  hyper lr = 0.1 in (0, inf)
  hyper b : lanes = [0, 0.9, 0.99] in [0, 1)
  state v : per entry[lanes] = 0
  v' = b*v + g
  x' = x - lr*mean(v' over lanes)
"""
DOG = """
optimizer DoG
  hyper reps = 1e-3 in (0, inf)
  hyper lr = 1 in (0, inf)
  const x0 = x
  state r : scalar = reps*(1 + norm(x over model))
  state s : scalar = 0
  r' = max(r, norm(x - x0 over model))
  s' = s + norm(g over model)^2
  x' = x - lr*r'/sqrt(s' + 1e-8)*g
  eval (x + x0)/2
"""
POLYAK = """
optimizer Polyak
  hyper fstar = 0 in (-inf, inf)
  hyper cap = 1 in (0, inf)
  hyper b = 0.5 in [0, 1)
  state m = first g
  m' = b*m + (1 - b)*g
  s = (loss(x) - fstar)/dot(g, g over model) default 0
  x' = x - min(s, cap)*m'
"""
NOISY = """
optimizer Noisy
  hyper lr = 0.1 in (0, inf)
  hyper sd = 0.01 in [0, inf)
  state r ~ normal(0, 1)
  z ~ normal(0, sd)
  w ~ rademacher()
  u ~ uniform(0.5, 1.5) : scalar
  k ~ bernoulli(0.5)
  r' = 0.9*r + z
  x' = x - lr*u*(g + r' + 0.1*w*k)
"""
LOOKAHEAD = """
optimizer Lookahead
  hyper lr = 0.1 in (0, inf)
  hyper k : int = 3 in [1, inf)
  hyper a = 0.5, c = sqrt(a) in (0, 1]
  state slow = x
  y = x - lr*g
  every k from k:
    slow' = slow + a*(y - slow)
    x' = slow'*c + y*(1 - c)
  else:
    x' = y
"""
AXES = """
optimizer Axes
  axis lanes
  axis two
  hyper lr = 0.1 in (0, inf)
  hyper b : lanes = [0, 0.9, 0.99] in [0, 1)
  hyper c : two = [1, 0.5] in [0, 1]
  hyper lambda = 0.5 in [0, 1]
  state v : per entry[two, lanes] = 0
  state w : per tensor[lanes] = b
  state q : scalar[lanes] = b
  state z : per entry[lanes] = x
  v' = b*v + c*g
  w' = w + lambda*norm(g over tensor)*b
  q' = q + 0.1*max(abs(z*b) over model)
  z' = 0.5*z + b
  k = sum(q' over lanes) + sum(sum(v' over tensor) over two, lanes)
  x' = x - lr*(mean(mean(v' over lanes)*c over two) + sum(w'*b over lanes) + 0.01*k)
"""
REDUCTIONS = """
optimizer Reductions
  hyper lr = 0.1 in (0, inf)
  state p : per tensor = 2
  state c : scalar = 0
  p' = 0.5*p + max(abs(g) over tensor) + min(g over tensor) + rms(x over model)
  n = sum(p' over model)/size(p' over model) + size(g over tensor) + size(g over model)
  c' = if all(finite(g) over model) and any(g > 1 over model) then c + 1 else c
  u = n*g + sin(t)*cos(g) + atan2(g, x) + floor(3*g) + round(2*g) + mod(x, 2) + max(g, x, 0) + pi
  w = exp(-abs(g)) + ln(1 + g^2) + tanh(g) - (x - (g - 1))/2 - 2^-1
  x' = if c' > 2 then x else x - lr*(u + w)
"""
TRAINED = """
optimizer ScheduleFree
  hyper lr = 0.1 in (0, inf)
  hyper b = 0.9 in (0, 1)
  state z = x
  train y = (1 - b)*z + b*x
  z' = z - lr*g
  x' = (1 - 1/t)*x + z'/t
  eval x
"""
NAMES = """
optimizer Names
  hyper grads = 0.1, params = 2, leaf = 3, count = 0.5, dtype = 1, max = 1 in (0, inf)
  state state = 0
  state index = first g
  state sum : scalar = 1
  dx = grads*g
  state' = 0.1*state + leaf*dx
  index' = index*count
  sum' = 0.5*sum + norm(state' over model)
  x' = x - params*dx*dtype - 0.01*state' - max*sum'*index'
"""
DEFAULTS = """
optimizer Defaults
  hyper b = c^2 in (0, 1)
  hyper c = 0.5 in (0, 1)
  hyper d = 1/3 in (0, 1)
  hyper n : int = 2 in [1, inf)
  hyper lr = -ln(d)/n in (0, inf)
  hold when norm(g over model) > 4
  state m = d
  m' = b*m + c*g
  x' = x - lr*m'
"""
BLOCK = """
optimizer Block
  hyper lr = 0.1 in (0, inf)
  state m = 0
  state best : scalar = inf
  if loss(x) < best:
    best' = loss(x)
    x' = x - lr*g
    m' = m + g
  else:
    x' = x - 2*lr*m
"""
MOVED = """
optimizer Moved
  hyper lr = 0.1 in (0, inf)
  state s = 0
  state q : per tensor = 1
  x' = x - lr*g
  s' = 0.5*s + x'*norm(x' - x over model)
  q' = q + mean(x' over tensor)
"""
SPECS = {
    "adamw": ADAMW, "sgd": SGD, "clipped": CLIPPED, "lamb": LAMB, "aggmo": AGGMO, "dog": DOG,
    "polyak": POLYAK, "noisy": NOISY, "lookahead": LOOKAHEAD, "axes": AXES,
    "reductions": REDUCTIONS, "trained": TRAINED, "names": NAMES, "defaults": DEFAULTS,
    "block": BLOCK, "moved": MOVED,
}
# Those that ask nothing new of the contract are left out of its tests.
CONTRACT = [n for n in SPECS if n not in ("names", "defaults", "block", "moved")]
