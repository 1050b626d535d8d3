"""JAX programs of steps that ask the problem, loop, search or act rarely: the same points as the
interpreter, from the user's own functions alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import jax
import numpy as np
import pytest

import thetaprime as tp
from tests import problem
from tests.tree import LEAVES
from thetaprime.asking import Asked
from thetaprime.backends.module import load
from thetaprime.backends.to_jax import emit, factory_name
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.interpret import advance, start
from thetaprime.ir import Carry, EachAxis, Equation, Loop, State, Step
from thetaprime.types import INTEGER, PER_ENTRY, PER_TENSOR, SCALAR, Extent, Type

NAMES = sorted(LEAVES)
FULL = 1000


# What the JAX program is given is the loss alone, or this.
class Model:
    out = staticmethod(problem.out)
    ell = staticmethod(problem.ell)
    losses = staticmethod(problem.tasks)

BODIES = {
    "grad elsewhere": """
      hyper rho = 0.05 in (0, inf)
      x' = x - 0.1*grad(x + rho*g/norm(g over model))
    """,
    "loss and gradient elsewhere": """
      y = x - 0.1*g
      x' = x - 0.1*loss(y)*grad(y) - 0.01*loss(x)*g
    """,
    "no gradient at the point": """
      z ~ rademacher
      x' = x - 0.1*(loss(x + 0.01*z) - loss(x - 0.01*z))/0.02*z
    """,
    "curvature": """
      state h = 0
      z ~ rademacher
      h' = 0.9*h + 0.1*z*hvp(x, z)
      x' = x - 0.1*g/(abs(h') + 1) - 0.01*slope(x, g)*g
    """,
    "batches": """
      batch B = new
      x' = x - 0.1*(grad(x; fresh) - grad(x - 0.1*g; B) + grad(x; B) + grad(x; full))
    """,
    "loop": """
      hyper n : int = 3 in [1, inf)
      (y, a) = iterate n from y = x, a = 0:
        y' = y - 0.1*grad(y; fresh)
        a' = 0.5*a + y'
      x' = x + 0.2*(y - x) + 0.01*a
    """,
    "loop of two loops": """
      y = iterate 2 from y = x:
        z ~ normal(0, 1)
        w = iterate 3 from w = y:
          u ~ normal(0, 1)
          w' = w - 0.1*grad(w; fresh) + 0.01*u + 0.001*z
        y' = 0.5*(y + w)
      x' = y
    """,
    "loop that stops": """
      (y, c) = iterate 20 from y = x, c = 0:
        y' = y - 0.2*grad(y)
        c' = c + 1
        until norm(y - y' over model) < 0.1
      x' = y - 0.001*c*g
    """,
    "search": """
      hyper lr = 8 in (0, inf)
      (d, s, ok) = search at most 12 from s = lr:
                     d = -s*g
                     accept loss(x + d) <= loss(x) - 0.3*s*dot(g, g over model) else s' = s/2
                   on exhaustion last
      state k : scalar = 0
      k' = if ok then k + s else k
      x' = x + d
    """,
    "search that runs out": """
      (s) = search at most 2 from s = 1:
              accept loss(x - s*g) <= -1 else s' = s/2
            on exhaustion hold
      state m = 0
      m' = m + g
      x' = x - s*m'
    """,
    "rarely": """
      state slow = x
      fast = x - 0.1*g
      every 3 from 2:
        slow' = slow + 0.5*(fast - slow)
        x' = slow'
      else:
        x' = fast
    """,
    "rarely a question": """
      state h = 0
      state r : scalar = 0
      every 2 from 1:
        h' = 0.5*h + 0.5*hvp(x, g)
        r' = r + norm(h' over model)
      x' = x - 0.1*g - 0.01*h' - 0.001*r'*g
    """,
    "a block that asks": """
      if loss(x) > 1.2:
        d = grad(x - 0.1*g)
      else:
        d = g
      x' = x - 0.1*d
    """,
    "tasks": """
      hyper k : int = 3 in [1, inf)
      losses tasks[k]
      G = grads(x)
      v = fold j over perm(tasks) from v = 0:
        v' = v + G[j] - 0.1*dot(v, G[j] over model)*G[j]
      l = losses(x)
      x' = x - 0.01*v - 0.001*sum(l*G over tasks)
    """,
    "named losses": """
      losses first, second, third
      x' = x - 0.01*grad[first](x) + 0.001*grad[third](x)
    """,
    "window": """
      hyper m : int = 3 in [1, inf)
      state S : window[m] = 0
      state r : scalar window[m] = 0
      S' = push(S, g)
      r' = push(r, norm(g over model))
      q = fold i over newest..oldest from q = g:
        q' = q - 0.1*S'[i]/(1 + r'[i])
      x' = x - 0.1*q
    """,
    "outputs": """
      r = dell(out(x))
      c = pull(x, hess_ell(out(x), push(x, g)))
      x' = x - 0.1*pull(x, r) - 0.01*ggn(x, g) - 0.01*c - 0.001*sum(out(x)*r over outputs)*g
    """,
    "stored": """
      state m = 0
      state v = 0
      state r : scalar = 1
      m' = 0.9*m + 0.1*g
      v' = 0.9*v + 0.1*g^2
      r' = r + norm(g over model)
      x' = x - 0.1*m'/(sqrt(v') + 1)/r'
      numerics:
        store m as bfloat16
        store v as bfloat16 stochastic
        store r as float16
    """,
    "examples": """
      R = rows(x)
      x' = x - 0.1*mean(R over examples) - 0.01*sqrt(mean(R^2 over examples))
    """,
}
SPECS = {name: f"optimizer A\n{body}" for name, body in BODIES.items()}


class Interpreted:
    """`tests.problem` as the interpreter asks it: lists of tensors."""

    def __getattr__(self, name: str) -> Any:
        oracles = problem.Oracles()
        names = {"losses": "tasks"}

        def ask(*args: Any) -> Any:
            *given, data = args if not isinstance(args[-1], str) else args[:-1]
            trees = [_tree(a) if isinstance(a, list) else a for a in given]
            if isinstance(args[-1], str):
                answer = oracles.grads(*trees, data)
                which = ("first", "second", "third").index(args[-1])
                answer = jax.tree.map(lambda a: a[which], answer)
            else:
                answer = getattr(oracles, names.get(name, name))(*trees, data)
            return [np.asarray(answer[n]) for n in NAMES] if isinstance(answer, dict) else answer

        return ask


def _tree(tensors: list[Any]) -> dict[str, Any]:
    return {n: np.asarray(a, np.float64) for n, a in zip(NAMES, tensors, strict=True)}


@pytest.fixture(autouse=True)
def x64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@cache
def _module(name: str) -> Any:
    return tp.loads(SPECS[name]).module("jax")


def _fresh(count: int, t: int) -> list[Any]:
    return [problem.batch(100 * t + i) for i in range(count)]


def by_interpreter(name: str, steps: int) -> list[Any]:
    step = tp.loads(SPECS[name]).step()
    params: Any = [LEAVES[n] for n in NAMES]
    memory = start(step, params, seed=3)
    found = []
    for t in range(1, steps + 1):
        asked = Asked(Interpreted(), problem.batch(t), _fresh(10, t), problem.batch(FULL))
        params, memory = advance(step, memory, params, asked=asked, seed=3)
        found.append(_tree(params))
    return found


def by_jax(name: str, steps: int, dtype: Any = np.float64) -> list[Any]:
    module = _module(name)
    step = tp.loads(SPECS[name]).step()
    factory = getattr(module, factory_name(step.name))
    seeded = {"seed": 3} if "seed" in factory.__code__.co_varnames else {}
    optimizer = factory(**seeded)
    params: Any = jax.tree.map(lambda a: np.asarray(a, dtype), LEAVES)
    state = optimizer.init(params)
    found = []
    if hasattr(optimizer, "update"):
        update = jax.jit(optimizer.update)
        for t in range(1, steps + 1):
            value, grads = jax.value_and_grad(problem.loss)(params, problem.batch(t))
            change, state = update(grads, state, params, value=value)
            params = jax.tree.map(lambda p, u: p + u, params, change)
            found.append(jax.tree.map(np.asarray, params))
        return found
    advance_ = jax.jit(optimizer.step, static_argnums=3)
    given = Model if "`problem` has" in emit(step) else problem.loss
    for t in range(1, steps + 1):
        batch: Any = problem.batch(t)
        if hasattr(module, "Batches"):
            batch = module.take(iter([batch, *_fresh(10, t)]), problem.batch(FULL))
        params, state = advance_(params, state, batch, given)
        found.append(jax.tree.map(np.asarray, params))
    return found


@pytest.mark.parametrize("name", SPECS)
def test_the_points_are_those_of_the_interpreter(name: str) -> None:
    for left, right in zip(by_jax(name, 4), by_interpreter(name, 4), strict=True):
        for leaf in NAMES:
            np.testing.assert_allclose(left[leaf], right[leaf], rtol=2e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["loop", "search", "rarely a question", "a block that asks"])
def test_mixed_and_narrow_dtypes_run(name: str) -> None:
    wide = by_jax(name, 2)
    module = _module(name)
    optimizer = getattr(module, factory_name("A"))()
    params = {n: np.asarray(a, np.float32 if n == "cube" else np.float64)
              for n, a in LEAVES.items()}
    state = optimizer.init(params)
    advance_ = jax.jit(optimizer.step, static_argnums=3)
    for t in (1, 2):
        batch: Any = problem.batch(t)
        if hasattr(module, "Batches"):
            batch = module.take(iter([batch, *_fresh(10, t)]))
        params, state = advance_(params, state, batch, problem.loss)
    for leaf in NAMES:
        np.testing.assert_allclose(params[leaf], wide[-1][leaf], rtol=1e-4, atol=1e-5)
        assert params[leaf].dtype == (np.float32 if leaf == "cube" else np.float64)


def test_a_loop_is_not_unrolled_and_a_rare_block_is_a_branch() -> None:
    def text(name: str) -> str:
        return tp.loads(SPECS[name]).code("jax")

    assert text("loop").count("jax.grad(") == 1
    assert "jax.lax.fori_loop(0, n, one_turn, " in text("loop")
    assert "jax.lax.while_loop(" in text("search")
    assert "_cond(" in text("rarely")
    assert "_along(jax.grad(loss_of)" in text("rarely a question").split("def due():")[1]


def test_the_loss_and_the_gradient_at_a_point_are_asked_together() -> None:
    text = tp.loads(SPECS["loss and gradient elsewhere"]).code("jax")
    assert text.count("jax.value_and_grad(loss_of)") == 2
    assert text.count("loss_of(") == 1  # its definition


@pytest.mark.parametrize("name", SPECS)
def test_the_text_is_laid_out_as_by_hand(name: str) -> None:
    code = tp.loads(SPECS[name]).code("jax").split("\nfrom collections", 1)[1]
    lines = code.splitlines()
    assert max(map(len, lines)) <= 100
    for before, line in pairwise(lines):
        opens = before.rstrip().endswith(":") and before.lstrip().startswith("def ")
        nested = line.startswith("        def ")
        assert not nested or not before or opens, line
        assert line or not opens


def test_what_the_step_does_not_read_is_not_asked() -> None:
    text = tp.loads(SPECS["no gradient at the point"]).code("jax")
    assert "jax.grad" not in text


def test_a_problem_that_lacks_something_is_told_what_to_pass() -> None:
    optimizer = getattr(_module("outputs"), factory_name("A"))()
    with pytest.raises(ValueError, match=r"a needs problem\.out\(params, batch\)"):
        optimizer.step(LEAVES, optimizer.init(LEAVES), problem.batch(1), problem.loss)


# Statements for some tensors only; built by hand.


def _guarded() -> Step:
    step = tp.loads("optimizer A\n  hyper lr = 0.1 in (0, inf)\n  state m = 0\n"
                    "  m' = m + g\n  x' = x - lr*m'\n").step()
    rank = Sym("rank", type=Type(Extent.TENSOR, kind="int"))
    large = Apply(">=", (rank, Num("2", SCALAR)), type=Type(Extent.TENSOR, kind="bool"))
    named = Apply("~", (Sym("path"),), ("*kernel*",), type=large.type)
    guard = Apply("and", (large, Apply("not", (named,), type=large.type)), type=large.type)
    other = Apply("not", (guard,), type=large.type)
    m, g, x = (Sym(n, type=PER_ENTRY) for n in "mgx")
    norms, new = (Sym("n", p, Type(Extent.TENSOR, ("a",))) for p in (False, True))
    one = Equation(new, Apply("+", (norms, Apply("max", (g,), ("tensor",), PER_TENSOR)),
                              type=norms.type))
    total = Sym("total", type=SCALAR)
    family = State("n", norms.type, Num("1", SCALAR))
    size = Apply("sum", (Apply("*", (g, g), type=PER_ENTRY),), ("model",), SCALAR)
    lr = Sym("lr", type=SCALAR)
    moved = Apply("case", (
        guard, Apply("-", (x, Apply("*", (lr, replace(m, prime=True)), type=PER_ENTRY)),
                     type=PER_ENTRY),
        other, Apply("-", (x, Apply("/", (g, total), type=PER_ENTRY)), type=PER_ENTRY)),
        type=PER_ENTRY)
    body = (
        Equation(total, size, guard=guard),
        Equation(replace(m, prime=True), Apply("+", (m, g), type=PER_ENTRY), guard=guard),
        EachAxis("a", (), (one,)),
        Equation(Sym("x", True, PER_ENTRY), moved),
    )
    kept = replace(step.states[0], guard=guard)
    return replace(step, body=body, states=(kept, family))


def test_guards_are_decided_before_anything_runs() -> None:
    text = emit(_guarded())
    assert 'if x.ndim >= 2 and not fnmatchcase(path, "*kernel*"):' in text or (
        'if g.ndim >= 2 and not fnmatchcase(path, "*kernel*"):' in text)
    optimizer = load(text, "guarded").a()
    state = optimizer.init(LEAVES)
    large = [n for n in NAMES if np.ndim(LEAVES[n]) >= 2 and n != "kernel"]
    assert text.count("    else:\n") == 1
    assert all((state.m[n] is None) == (n not in large) for n in NAMES)
    assert [a.shape for a in state.n["matrix"]] == [(3,), (4,)]
    grads = jax.tree.map(np.ones_like, LEAVES)
    change, state = jax.jit(optimizer.update)(grads, state, LEAVES)
    total = sum(LEAVES[n].size for n in large)
    for n in NAMES:
        expected = -0.1 if n in large else -1 / total
        np.testing.assert_allclose(change[n], np.full_like(LEAVES[n], expected), rtol=1e-12)
        assert all(np.all(a == 2) for a in state.n[n])
    assert all((state.m[n] is None) == (n not in large) for n in NAMES)


def test_matrices_in_a_loop_of_each_tensor() -> None:
    """y' = (y + polar(y @ y.T @ y))/2 twice from y = g/2, then x' = x - y."""
    step = tp.loads("optimizer A\n  x' = x - g\n").step()
    half, g, x, y = Num("0.5", SCALAR), *(Sym(n, type=PER_ENTRY) for n in "gxy")

    def of(op: str, *args: Expr) -> Apply:
        return Apply(op, args, type=PER_ENTRY)

    turned = of("*", half, of("+", y, of("polar", of("@", of("@", y, of("T", y)), y))))
    loop = Loop((Carry(y, of("*", half, g)),), Num("2", SCALAR),
                (Equation(replace(y, prime=True), turned),), Sym("turn", type=INTEGER))
    text = emit(replace(step, body=(loop, Equation(Sym("x", True, PER_ENTRY), of("-", x, y)))))
    assert "y_new = 0.5 * (y + _polar(y @ y.T @ y))" in text
    optimizer = load(text, "matrices").a()
    grads = {"w": LEAVES["matrix"]}
    change, _ = jax.jit(optimizer.update)(grads, optimizer.init(grads), grads)
    u, s, vt = np.linalg.svd(LEAVES["matrix"], full_matrices=False)
    np.testing.assert_allclose(change["w"], -u @ np.diag(s / 8 + 0.75) @ vt, rtol=1e-12)
