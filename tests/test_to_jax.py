"""The JAX backend: what its text says, and that it means what the interpreter says."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thetaprime as tp
from tests.jax_helpers import LOSS, close, factory, module, random_trees, required, transformation
from tests.jax_specs import ADAMW, SGD, SPECS
from thetaprime import interpret
from thetaprime.backends.module import load
from thetaprime.backends.to_jax import emit, factory_name, parameter_names
from thetaprime.pipeline import compile_text


@pytest.fixture
def x64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


# The text.


@pytest.mark.parametrize("name", SPECS)
def test_text_is_stable_and_short_and_free_of_this_package(name: str) -> None:
    text = emit(compile_text(SPECS[name]))
    assert text == emit(compile_text(SPECS[name]))
    assert "import thetaprime" not in text
    assert "from thetaprime" not in text
    code = text.split("\nfrom collections", 1)[1]  # the docstring holds the spec as it is
    assert max(map(len, code.splitlines())) <= 100
    assert all(line == line.rstrip() for line in text.splitlines())


def test_text_reads_as_written_by_hand() -> None:
    text = emit(compile_text(ADAMW))
    for line in (
        "            m_new = b1 * m + (1 - b1) * g\n",
        "            v_new = b2 * v + (1 - b2) * g**2\n",
        "            mhat = m_new / (1 - b1**t)\n",
        "            dx = -lr * (mhat / (jnp.sqrt(vhat) + eps) + wd * x)\n",
        "            return dx, m_new, v_new\n",
        "    eps: ScalarOrSchedule = 1e-8,\n",
    ):
        assert line in text
    doc = module(ADAMW).__doc__ or ""
    assert "arXiv:1711.05101, algorithm 2" in doc
    assert "    m' = b1*m + (1 - b1)*g" in doc


def test_a_docstring_survives_quotes_and_backslashes() -> None:
    text = SGD.replace("SGD\n", 'SGD\n  note "say \\beta"\n')
    source = compile_text(text + '\n# """ and \\n\n')
    doc = load(emit(source), "quoted").__doc__ or ""
    assert '# """ and \\n' in doc
    assert "say \\beta" in doc


def test_names_of_python_are_escaped() -> None:
    text = SGD.replace("mu", "lambda").replace("m'", "state'").replace("m =", "state =")
    text = text.replace("*m +", "*state +")
    assert parameter_names(compile_text(text)) == {"lr": "lr", "lambda": "lambda_"}
    opt = factory(text)(lr=0.1, lambda_=0.5)
    params = jnp.ones(2)
    updates, state = opt.update(params, opt.init(params))
    close(updates, -0.1 * jnp.ones(2), 1e-6)
    close(state.state_, jnp.ones(2))


def test_works_without_optax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optax", None)
    text = emit(compile_text(SGD))
    opt = load(text, "without_optax").sgd(lr=0.1)
    assert type(opt).__module__.startswith("thetaprime.generated")
    updates, _ = opt.update(jnp.ones(2), opt.init(jnp.ones(2)))
    close(updates, -0.1 * jnp.ones(2), 1e-6)


def test_one_text_is_one_module() -> None:
    text = emit(compile_text(SGD))
    assert load(text, "sgd").SGDState is load(text, "sgd").SGDState
    state = load(text, "sgd").sgd(0.1).init(jnp.ones(2))
    load(text.replace("A rule", "Another rule") + "\n", "sgd")
    close(pickle.loads(pickle.dumps(state)), state, 0)


# The meaning.


@pytest.mark.parametrize("name", SPECS)
def test_agrees_with_the_interpreter(name: str, x64: None) -> None:
    step = compile_text(SPECS[name])
    given = required(step)
    made = load(emit(step), name)
    opt = getattr(made, factory_name(step.name))(**given)
    start, *grads = random_trees(8)
    params = [jnp.asarray(p) for p in start]
    state, memory, expected = opt.init(params), interpret.start(step, start, given), start
    update = jax.jit(opt.update)
    for g in grads:
        updates, state = update([jnp.asarray(a) for a in g], state, params, value=LOSS)
        params = optax.apply_updates(params, updates)
        expected, memory = interpret.advance(step, memory, expected, g, given, loss=LOSS)
        close(params, expected)
        for s, kept in zip(step.states, state[1:], strict=True):
            close(kept, memory.values[s.name])
    if step.evaluate is not None:
        close(made.evaluate(params, state), interpret.evaluation(step, memory, expected, given))


@pytest.mark.parametrize(("name", "ours", "theirs"), [
    ("adamw", {"lr": 0.1, "wd": 0.1}, lambda: optax.adamw(0.1, weight_decay=0.1)),
    ("sgd", {"lr": 0.1}, lambda: optax.sgd(0.1, momentum=0.9)),
    ("lamb", {"lr": 0.1, "wd": 0.1}, lambda: optax.lamb(0.1, weight_decay=0.1)),
    ("clipped", {}, lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1))),
])
def test_agrees_with_optax(name: str, ours: Any, theirs: Any, x64: None) -> None:
    opt, other = transformation(name, **ours), theirs()
    start, *grads = random_trees(21)
    a = b = [jnp.asarray(p) for p in start]
    state, reference = opt.init(a), other.init(b)
    for i, g in enumerate(grads):
        tree = [jnp.asarray(v) * (0.0 if i == 7 else 1.0) for v in g]
        if name == "clipped" and i == 7:
            continue
        u, state = opt.update(tree, state, a)
        w, reference = other.update(tree, reference, b)
        a, b = optax.apply_updates(a, u), optax.apply_updates(b, w)
        close(a, b)


def test_draws_depend_on_seed_step_name_and_tensor_only() -> None:
    params = [jnp.zeros(1000), jnp.zeros(1000)]
    opt, other = transformation("noisy", sd=1.0), transformation("noisy", seed=1, sd=1.0)
    state = opt.init(params)
    first, after = opt.update(params, state)
    again, _ = jax.jit(opt.update)(params, state)
    close(first, again, 1e-6)
    assert not np.allclose(first[0], first[1])
    assert not np.allclose(first[0], opt.update(params, after)[0][0])
    assert not np.allclose(first[0], other.update(params, state)[0][0])
    noise = np.asarray(jax.tree.leaves(state.r))
    assert abs(noise.mean()) < 0.1
    assert abs(noise.std() - 1) < 0.1


def test_a_long_name_gives_a_module_all_the_same() -> None:
    name = "A" + "b" * 90
    text = tp.loads(
        f"optimizer {name}\n  hyper lr = 0.1 in (0, 1)\n  state m = 0\n  m' = m + g\n"
        "  x' = x - lr*m'\n").code("jax")
    compile(text, "long", "exec")
