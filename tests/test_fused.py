"""Programs that hold many tensors in few arrays: the same results as without, in fewer arrays."""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thetaprime as tp
from tests import problem
from tests.jax_helpers import LOSS, close, forms, required
from tests.jax_specs import CONTRACT, SPECS
from tests.tree import LEAVES
from thetaprime.arguments import CallError
from thetaprime.backends.jax_plan import make_plan
from thetaprime.backends.module import load
from thetaprime.backends.to_jax import emit, factory_name
from thetaprime.cli import main
from thetaprime.pipeline import compile_text

GOLDEN = Path(__file__).parent / "golden"
# One for each form and each way to be told apart.
FAST = ("adamw", "adamw-clip-norm", "aggmo", "lamb", "muon", "adafactor", "sm3", "dog", "adam-mini")
MATRICES = ((3, 4), (3, 4), (3, 4), (4, 4))
TENSORS = ((3, 4), (4,), (3, 4), (4,), (2, 3, 2), (2, 3, 2), (), ())


@pytest.fixture
def x64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def tree(shapes: Any, seed: int, dtype: Any = np.float64) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    made = [np.asarray(rng.normal(size=s), dtype) for s in shapes]
    return {f"{'embed' if i % 3 == 0 else 'w'}{i}": a for i, a in enumerate(made)}


def trained(tx: Any, params: Any, grads: list[Any], packed: bool = False) -> tuple[Any, Any]:
    """The parameters after each step, as trees, and the last state."""
    params = tx.pack(params) if packed else jax.tree.map(jnp.asarray, params)
    state = tx.init(params)
    update = jax.jit(tx.update)
    found = []
    for g in grads:
        change, state = update(tx.pack(g) if packed else g, state, params, value=LOSS)
        params = optax.apply_updates(params, change)
        found.append(tx.unpack(params) if packed else params)
    return found, state


def moved(params: Any, change: Any) -> Any:
    """The parameters after a change that some of them lack."""
    return {n: p if change[n] is None else p + change[n] for n, p in params.items()}


@cache
def plan(name: str) -> Any:
    return make_plan(tp.load(name).step(), "flat")


def given(name: str) -> dict[str, float]:
    return required(tp.load(name).step())


def plain(name: str) -> bool:
    """Whether a spec is a transformation of gradients, and is given numbers alone."""
    return plan(name).asked is None and all(
        h.type.kind != "function" for h in plan(name).step.hypers)


@pytest.mark.parametrize("name", [
    n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in tp.shipped()])
def test_shipped_specs_make_the_same_steps(name: str, x64: None) -> None:
    if not plain(name):
        pytest.skip("asks the problem itself")
    apart, fused = (tp.load(name).to_jax(fuse=f, **given(name)) for f in (None, "flat"))
    shapes = TENSORS
    try:
        apart.init(tree(TENSORS, 0))
    except ValueError:
        shapes = MATRICES
    params, *grads = (tree(shapes, i) for i in range(4))
    expected, _ = trained(apart, params, grads)
    assert all(bool(jnp.all(jnp.isfinite(a))) for a in jax.tree.leaves(expected))
    close(trained(fused, params, grads)[0], expected)
    if plan(name).fused:
        close(trained(fused, params, grads, packed=True)[0], expected)


@pytest.mark.parametrize(("name", "form", "arrays"), [
    ("adamw", "flat", 2), ("sgd-clip-norm", "flat", 1), ("aggmo", "flat", 1), ("lion", "flat", 1),
    ("lamb", "stacks", 8), ("muon", "stacks", 1), ("shampoo", "stacks", 12)])
def test_a_rule_has_the_fewest_arrays_that_it_can_have(name: str, form: str, arrays: int) -> None:
    """Two states of four shapes; of matrices, of vectors and cubes one for each axis."""
    assert plan(name).form == form
    tx = tp.load(name).to_jax(fuse="flat")
    params = tree(MATRICES[:3] if name == "muon" else TENSORS, 0)
    assert len(jax.tree.leaves(tx.init(params))) == arrays + 1  # and the number of the step


def test_why_tensors_stay_apart_is_said() -> None:
    text = tp.loads("optimizer A\n  state m = 0\n  m' = m + g\n  x' = x - 0.1*m'\n"
                    "  numerics:\n    store m as bfloat16 stochastic\n").code("jax", fuse="flat")
    assert "changes nothing: states are rounded by chance, tensor by tensor" in text
    assert "class Fused" not in text
    assert "a tree like the parameters" in text
    lamb = tp.load("lamb").code("jax", fuse="flat")
    assert "the rule tells tensors apart, so that those of equal shape are one array" in lamb


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_kernels_do_not_grow_with_the_tensors(name: str) -> None:
    def kernels(count: int) -> int:
        tx = tp.load(name).to_jax(fuse="flat")
        params = tx.pack({f"{i}": jnp.ones(8) for i in range(count)})
        state = tx.init(params)
        text = jax.jit(tx.update).lower(params, state, params).compile().as_text()
        return len(re.findall(r" fusion\(| copy\(", text[text.index("\nENTRY"):]))

    assert kernels(100) == kernels(3) <= 12


def test_a_step_is_a_loop_for_each_result_on_a_cpu() -> None:
    """As docs/performance.md says; where XLA learns to do better, that page is out of date."""
    tx = tp.load("adamw").to_jax()
    x = jnp.ones(4096)

    def step(x: Any, state: Any, g: Any) -> Any:
        change, state = tx.update(g, state, x)
        return x + change, state

    text = jax.jit(step, donate_argnums=(0, 1)).lower(x, tx.init(x), x).compile().as_text()
    assert len(re.findall(r"= f32\[4096\]\S* fusion\(", text[text.index("\nENTRY"):])) == 3


def test_gradients_with_respect_to_what_is_packed_are_packed(x64: None) -> None:
    tx = tp.load("adamw").to_jax(fuse="flat")
    params = tree(TENSORS, 0)

    def loss(p: Any) -> Any:
        return sum(jnp.sum(jnp.sin(a)) for a in jax.tree.leaves(tx.unpack(p)))

    packed = tx.pack(params)
    assert len(jax.tree.leaves(packed)) == 1
    close(tx.unpack(packed), params, 0)
    close(tx.unpack(jax.grad(loss)(packed)), jax.tree.map(np.cos, params))
    assert len(jax.make_jaxpr(jax.grad(loss))(packed).eqns) < 8 * len(params)
    text = jax.jit(jax.grad(loss)).lower(packed).compile().as_text()
    assert "pad(" not in text


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_gradients_as_a_tree_beside_packed_parameters(name: str) -> None:
    tx = tp.load(name).to_jax(fuse="flat")
    params, grads = tree(TENSORS, 0, np.float32), tree(TENSORS, 1, np.float32)
    packed = tx.pack(params)
    change, _ = tx.update(grads, tx.init(packed), packed)
    close(tx.unpack(change), tx.update(grads, tx.init(params), params)[0], 1e-6)
    with pytest.raises(ValueError, match="packed parameters need the gradient of every tensor"):
        tx.update({**grads, "w1": None}, tx.init(packed), packed)


@pytest.mark.parametrize("fuse", [None, "flat"])
@pytest.mark.parametrize("name", ["shampoo", "soap", "sm3", "adafactor", "muon"])
def test_a_step_keeps_the_form_of_the_state(name: str, fuse: str | None) -> None:
    """Else a loop over steps is no loop, and the second step is compiled again."""
    tx = tp.load(name).to_jax(fuse=fuse)
    params = tree(MATRICES, 0, np.float32)
    state = tx.init(params)
    _, after = tx.update(params, state, params)
    assert forms(after) == forms(state)


# The contract of an optax transformation.


def fused(name: str, **hypers: Any) -> Any:
    step = compile_text(SPECS[name])
    module = load(emit(step, fuse="flat"), f"fused_{name}")
    return getattr(module, factory_name(step.name))(**{**required(step), **hypers})


def apart(name: str) -> Any:
    step = compile_text(SPECS[name])
    return getattr(load(emit(step), name), factory_name(step.name))(**required(step))


@pytest.mark.parametrize("name", SPECS)
def test_every_shape_of_program_makes_the_same_steps(name: str, x64: None) -> None:
    params, *grads = (tree(TENSORS, i) for i in range(5))
    expected, _ = trained(apart(name), params, grads)
    close(trained(fused(name), params, grads)[0], expected)


@pytest.mark.parametrize("name", SPECS)
def test_text_is_stable_and_laid_out(name: str) -> None:
    text = emit(compile_text(SPECS[name]), fuse="flat")
    assert text == emit(compile_text(SPECS[name]), fuse="flat")
    code = text.split("\nfrom collections", 1)[1]
    assert max(map(len, code.splitlines())) <= 100
    assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("name", CONTRACT)
def test_a_missing_gradient_holds_its_tensor(name: str, x64: None) -> None:
    params, *grads = (tree(TENSORS, i) for i in range(4))
    for g, lost in zip(grads, (("w1", "w2"), tuple(params), ("embed0",)), strict=True):
        g.update(dict.fromkeys(lost))
    one, other = apart(name), fused(name)
    left, right = one.init(params), other.init(params)
    x = y = jax.tree.map(jnp.asarray, params)
    for g in grads:
        u, left = one.update(g, left, x, value=LOSS)
        w, right = jax.jit(other.update)(g, right, y, value=LOSS)
        assert [k for k in g if w[k] is None] == [k for k in g if g[k] is None]
        x, y = moved(x, u), moved(y, w)
        close(y, x)


@pytest.mark.parametrize("name", CONTRACT)
def test_trees_without_tensors_and_with_holes(name: str) -> None:
    opt = fused(name)
    for params in ({}, {"a": None}, [optax.MaskedNode()]):
        state = opt.init(params)
        updates, new = opt.update(params, state, params, value=LOSS)
        assert jax.tree.leaves(updates) == []
        assert forms(new) == forms(state)
    params = {"a": jnp.ones(3), "b": None}
    updates, _ = opt.update(params, opt.init(params), params, value=LOSS)
    alone = {"a": params["a"]}
    close(updates["a"], opt.update(alone, opt.init(alone), alone, value=LOSS)[0]["a"], 0)


@pytest.mark.parametrize("name", CONTRACT)
def test_masked_and_scanned_and_donated(name: str) -> None:
    params = {"a": jnp.ones(3), "b": jnp.full(2, 2.0), "c": jnp.ones(3)}
    opt = optax.masked(fused(name), {"a": True, "b": False, "c": True})

    def body(carry: Any, g: Any) -> Any:
        at, state = carry
        change, state = opt.update(g, state, at, value=LOSS)
        return (optax.apply_updates(at, change), state), None

    grads = jax.tree.map(lambda a: jnp.stack([a, 2 * a]), params)
    scanned, _ = jax.lax.scan(body, (params, opt.init(params)), grads)
    step = jax.jit(body, donate_argnums=0)
    carry = (jax.tree.map(jnp.copy, params), opt.init(params))
    for i in (0, 1):
        carry, _ = step(carry, jax.tree.map(lambda a, i=i: a[i], grads))
    close(scanned, carry, 1e-5)
    close(carry[0]["b"], params["b"] + 3 * params["b"], 1e-6)


@pytest.mark.parametrize("name", CONTRACT)
def test_state_is_a_tuple_of_arrays_that_can_be_saved(name: str) -> None:
    opt = fused(name)
    params = tree(TENSORS, 0, np.float32)
    state = opt.init(params)
    shapes = jax.eval_shape(opt.init, params)
    assert forms(shapes) == forms(state)
    close(pickle.loads(pickle.dumps(state)), state, 0)
    _, after = opt.update(params, state, params, value=LOSS)
    assert forms(after) == forms(state)
    assert all(isinstance(a, jax.Array) for a in jax.tree.leaves(after))


@pytest.mark.parametrize("name", ["adamw", "lamb", "aggmo", "dog"])
def test_tensors_of_several_dtypes_are_arrays_of_their_own(name: str) -> None:
    params: Any = {"a": jnp.ones(3, jnp.bfloat16), "b": jnp.ones((2, 2)), "c": jnp.arange(3.0),
                   "d": jnp.arange(3) * (1 + 2j), "e": jnp.ones(3, jnp.bfloat16)}
    expected, _ = trained(apart(name), params, [params] * 3)
    found, state = trained(fused(name), params, [params] * 3)
    assert forms(found) == forms(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        wide = jnp.complex64 if jnp.iscomplexobj(a) else jnp.float32
        close(a.astype(wide), b.astype(wide), 1e-5)
    kinds = {a.dtype for a in jax.tree.leaves(state)}
    assert {jnp.dtype(d) for d in ("bfloat16", "float32", "complex64")} <= kinds


def test_patterns_of_paths_keep_stacks_apart(x64: None) -> None:
    text = ("optimizer A = route(rank == 2 and not path ~ \"*embed*\" -> Muon, otherwise -> AdamW)"
            "\n")
    params, *grads = (tree(TENSORS, i) for i in range(4))
    expected, _ = trained(tp.loads(text).to_jax(), params, grads)
    tx = tp.loads(text).to_jax(fuse="flat")
    found, state = trained(tx, params, grads)
    close(found, expected)
    assert sum(a is None for a in state.M) == len(state.M) - 1
    close(trained(tx, params, grads, packed=True)[0], expected)


def test_a_rule_that_asks_the_problem_is_flat_too(x64: None) -> None:
    optimizer = tp.load("SAM(AdamW)")
    one, other = optimizer.to_jax(), optimizer.to_jax(fuse="flat")
    start = jax.tree.map(jnp.asarray, LEAVES)
    x, left = start, one.init(start)
    y, right = start, other.init(start)
    z, packed = other.pack(start), other.init(start)
    for t in (1, 2, 3):
        batch = problem.batch(t)
        x, left = one.step(x, left, batch, problem.loss)
        y, right = other.step(y, right, batch, problem.loss)
        z, packed = other.step(z, packed, batch, lambda p, b: problem.loss(other.unpack(p), b))
    close(y, x)
    close(other.unpack(z), x)
    assert len(jax.tree.leaves(right)) == 3


def test_works_without_optax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optax", None)
    opt = load(emit(compile_text(SPECS["adamw"]), fuse="flat"), "fused_without_optax").adamw()
    params = tree(TENSORS, 0, np.float32)
    opt.update(params, opt.init(params), params)


def test_it_is_an_optax_transformation() -> None:
    tx = tp.load("adamw").to_jax(fuse="flat")
    assert isinstance(tx, optax.GradientTransformationExtraArgs)
    chained = optax.chain(optax.clip_by_global_norm(1.0), tx)
    params = tx.pack(tree(TENSORS, 0, np.float32))
    change, _ = chained.update(params, chained.init(params), params)
    assert jax.tree.structure(change) == jax.tree.structure(params)


def test_a_wrong_way_to_fuse_is_told() -> None:
    with pytest.raises(CallError, match="there is no way to fuse `round`"):
        tp.load("adamw").to_jax(fuse="round")
    with pytest.raises(CallError, match="`fuse` is for JAX programs"):
        tp.load("adamw").code("numpy", fuse="flat")


def test_the_command_line_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "adamw", "--to", "jax", "--fuse", "flat"]) == 0
    assert capsys.readouterr().out == tp.load("adamw").code("jax", fuse="flat")
    assert main(["compile", "adamw", "--to", "numpy", "--fuse", "flat"]) == 2
    assert "`fuse` is for JAX programs, not for numpy" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["adamw", "lamb", "shampoo"])
def test_generated_text(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{name}.jax-flat.txt", tp.load(name).code("jax", fuse="flat"))
