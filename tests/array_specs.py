"""Small specs that together use all that goes beyond rules of the gradient, entry by entry."""

from __future__ import annotations

SAM = """
optimizer Sharp
  hyper lr = 0.1 in (0, inf)
  hyper rho = 0.05 in (0, inf)
  state m = 0
  q = grad(x + rho*g/norm(g over model))
  m' = 0.9*m + q
  x' = x - lr*m'
"""
ARMIJO = """
optimizer Armijo
  hyper lr = 100 in (0, inf)
  hyper c = 0.1 in (0, 1)
  (d, s, ok) = search at most 20 from s = lr:
                 d = -s*g
                 accept loss(x + d) <= loss(x) - c*s*dot(g, g over model)   else s' = s/2
               on exhaustion last
  x' = x + d
"""
ENTROPY = """
optimizer Entropy
  hyper lr = 0.1 in (0, inf)
  hyper L : int = 4 in [1, inf)
  hyper al = 0.75 in [0, 1)
  (y, a) = iterate L from y = x, a = x:
             z ~ normal(0, 1)
             y' = y - lr*grad(y; fresh) + 1e-3*z
             a' = al*a + (1 - al)*y'
  x' = x - lr*(x - a)
"""
NESTED = """
optimizer Nested
  hyper lr = 0.1 in (0, inf)
  y = iterate 2 from y = x:
        u = iterate 3 from u = y:
              z ~ normal(0, 1)
              u' = u - lr*grad(u; fresh) + 1e-3*z
        y' = (y + u)/2
  x' = y
"""
SVRG = """
optimizer Reduced
  hyper lr = 0.1 in (0, inf)
  hyper k : int = 3 in [1, inf)
  state w = x
  state mu = 0
  every k from 1:
    w' = x
    mu' = grad(x; full)
  x' = x - lr*(g - grad(w') + mu')
"""
INSIDE = """
optimizer Inside
  hyper lr = 0.1 in (0, inf)
  hyper d = sqrt(lr) in (0, inf)
  state n : per tensor = 1
  y = iterate 3 from y = g:
        z ~ normal(0, 1)
        y' = 0.5*y/(1 + norm(y over tensor)) + d*z
  n' = n + 1
  x' = x - lr*y/n'
"""
WINDOW = """
optimizer Window
  hyper lr = 0.1 in (0, inf)
  state S : window[3] = 0
  state r : scalar window[3] = 0
  S' = push(S, g)
  r' = push(r, norm(g over model))
  v = fold j over newest..oldest from v = g:
        v' = v - 0.1*S'[j]*r'[j]
  x' = x - lr*v
"""
CURVED = """
optimizer Curved
  hyper lr = 0.1 in (0, inf)
  state h = 0
  z ~ rademacher
  h' = 0.9*h + 0.1*z*hvp(x, z)
  x' = x - lr*g/max(abs(h'), 0.01)
"""
TASKS = """
optimizer Surgery
  hyper k : int = 3 in [1, inf)
  losses tasks[k]
  hyper lr = 0.01 in (0, inf)
  G = grads(x)
  v = fold j over perm(tasks) from v = mean(G over tasks):
        v' = v - 0.01*dot(v, G[j] over model)*G[j]
  x' = x - lr*v
"""
OUTPUTS = """
optimizer Outputs
  hyper lr = 0.1 in (0, inf)
  o = out(x)
  r = dell(o)
  q = pull(x, hess_ell(o, r + push(x, g)))
  u = pull(x, r) + 0.1*q + 0.01*ggn(x, g) + 0.1*mean(rows(x)^2 over examples)
  x' = x - lr*(1 + 0.01*slope(x, g))*u
"""
BRANCHES = """
optimizer Branches
  hyper lr = 1 in (0, inf)
  state m = first g
  state p : scalar = 0
  y = x - lr*grad(x - g)
  m' = 0.9*m + g
  if loss(y) < 1.1:
    x' = y - 0.01*m'
    p' = p + loss(y)
  else:
    x' = x - 0.01*grad(x; full)
  eval (x + p*m)/2
"""
HELD = """
optimizer Held
  hyper lr = 1 in (0, inf)
  state m = 0
  state past = x
  m' = 0.9*m + g
  past' = x
  x' = past - lr*m'
  hold when loss(x - lr*g) > 1
"""
STORED = """
optimizer Stored
  hyper lr = 0.1 in (0, inf)
  state m = 0
  state v = 0
  state n : per tensor = 0
  state r : scalar = 0
  numerics:
    store m as bfloat16
    store v as bfloat16 stochastic
    store n as float16
    store r as bf16 stochastic
  m' = 0.9*m + 0.1*g
  v' = 0.9*v + 0.1*g^2
  n' = 0.9*n + norm(g over tensor)
  r' = 0.9*r + norm(g over model)
  x' = x - lr*m'/(sqrt(v') + 0.1*n' + 0.01*r')
"""
ALL = {name: text for name, text in globals().items() if name.isupper() and isinstance(text, str)}
