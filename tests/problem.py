"""A small smooth problem for rules that ask for more than the gradient at one point.

The parameters are the tree of `tests.tree`. The loss is ``ell(out(params, batch), batch)``: logits
that are not linear in the parameters, and a cross entropy; `tasks` gives three losses of the same
parameters. `Oracles` answers a NumPy program's questions in float64; a JAX program derives its
answers from `loss` itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from tests.tree import LEAVES, Tree

EXAMPLES, CLASSES, TASKS = 4, 3, 3
# The weight of |x|^2/2 in the loss for rules that invert its Hessian: that of four examples alone
# has eigenvalues from -0.2 to 0.7, and many are zero.
PULL = {"FilteredNewton": 0.5}
_SIZE = sum(np.size(p) for p in LEAVES.values())


def batch(number: int, pull: float = 0.0) -> tuple[Any, ...]:
    """Batch ``number``: features (EXAMPLES, CLASSES, entries of the model), labels (EXAMPLES,), and
    after them ``pull``, unless it is 0."""
    random = np.random.default_rng((99, number))
    features = random.normal(size=(EXAMPLES, CLASSES, _SIZE)) / np.sqrt(_SIZE)
    labels = random.integers(0, CLASSES, size=EXAMPLES)
    return (features, labels, np.float64(pull)) if pull else (features, labels)


def _flat(params: Any) -> jax.Array:
    return jnp.concatenate([jnp.ravel(params[name]) for name in sorted(params)])


def out(params: Any, data: Any) -> jax.Array:
    """Logits, (EXAMPLES, CLASSES)."""
    z = jnp.einsum("ecp,p->ec", data[0], _flat(params))
    return 2 * jnp.tanh(z) + 0.3 * z


def ell(outputs: jax.Array, data: Any) -> jax.Array:
    """Mean cross entropy of logits."""
    chosen = jnp.take_along_axis(outputs, data[1][:, None], axis=1)[:, 0]
    return jnp.mean(jax.nn.logsumexp(outputs, axis=1) - chosen)


def loss(params: Any, data: Any) -> jax.Array:
    """The loss of a batch; |x|^2/2 is part of it where the batch has a weight for it."""
    value = ell(out(params, data), data)
    return value + data[2] * jnp.sum(_flat(params) ** 2) / 2 if len(data) > 2 else value


def tasks(params: Any, data: Any) -> jax.Array:
    """Three losses that disagree, (TASKS,)."""
    logits = out(params, data)
    return jnp.stack([jnp.mean(logits[:, 0] ** 2), jnp.mean((logits[:, 1] - 1) ** 2),
                      jnp.mean(jnp.cosh(logits[:, 0] + logits[:, 2]))])


# Each made once: the cache of compiled functions goes by identity.
_GRAD, _DELL, _GRADS = jax.grad(loss), jax.grad(ell), jax.jacrev(tasks)


def _numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)


class Oracles:
    """The problem as NumPy programs take it: trees in, trees out, everything in float64."""

    def _call(self, function: Any, *args: Any) -> Any:
        with jax.enable_x64(True):
            return _numpy(_jitted(function)(*args))

    def loss(self, params: Tree, data: Any) -> Any:
        """A number."""
        return self._call(loss, params, data)

    def grad(self, params: Tree, data: Any, which: str = "") -> Any:
        """A tree like the parameters; of `main`, the first of the tasks, or `aux`, the second."""
        if which:
            return {n: v[("main", "aux").index(which)] for n, v in self.grads(params, data).items()}
        return self._call(_GRAD, params, data)

    def hvp(self, params: Tree, v: Tree, data: Any) -> Any:
        """The Hessian at ``params`` times ``v``, a tree."""
        return self._call(_hvp, params, v, data)

    def hess(self, params: Tree, data: Any) -> Any:
        """The Hessian, (entries, entries): all tensors in the order of their names."""
        return self._call(_hess, params, data)

    def slope(self, params: Tree, v: Tree, data: Any) -> Any:
        """The derivative of the loss along ``v``, a number."""
        return self._call(_slope, params, v, data)

    def out(self, params: Tree, data: Any) -> Any:
        """Outputs, (EXAMPLES, CLASSES)."""
        return self._call(out, params, data)

    def push(self, params: Tree, v: Tree, data: Any) -> Any:
        """The Jacobian of the outputs times ``v``."""
        return self._call(_push, params, v, data)

    def pull(self, params: Tree, w: Any, data: Any) -> Any:
        """The transposed Jacobian of the outputs times ``w``, a tree."""
        return self._call(_pull, params, w, data)

    def dell(self, outputs: Any, data: Any) -> Any:
        """The gradient of ``ell`` in output space."""
        return self._call(_DELL, outputs, data)

    def hess_ell(self, outputs: Any, w: Any, data: Any) -> Any:
        """The Hessian of ``ell`` in output space times ``w``."""
        return self._call(_hess_ell, outputs, w, data)

    def ggn(self, params: Tree, v: Tree, data: Any) -> Any:
        """J.T H_ell J v, a tree."""
        return self._call(_ggn, params, v, data)

    def rows(self, params: Tree, data: Any) -> Any:
        """The gradient of the loss of each example alone: a tree, examples first."""
        return self._call(_rows, params, data)

    def tasks(self, params: Tree, data: Any) -> Any:
        """The losses of the tasks, (TASKS,)."""
        return self._call(tasks, params, data)

    def grads(self, params: Tree, data: Any) -> Any:
        """The gradient of each task: a tree, tasks first."""
        return self._call(_GRADS, params, data)


@cache
def _jitted(function: Any) -> Any:
    return jax.jit(function)


def _hvp(params: Any, v: Any, data: Any) -> Any:
    return jax.jvp(lambda p: jax.grad(loss)(p, data), (params,), (v,))[1]


def _hess(params: Any, data: Any) -> Any:
    flat, back = ravel_pytree(params)
    return jax.jacrev(jax.grad(lambda p: loss(back(p), data)))(flat)


def _slope(params: Any, v: Any, data: Any) -> Any:
    return jax.jvp(lambda p: loss(p, data), (params,), (v,))[1]


def _push(params: Any, v: Any, data: Any) -> Any:
    return jax.jvp(lambda p: out(p, data), (params,), (v,))[1]


def _pull(params: Any, w: Any, data: Any) -> Any:
    return jax.vjp(lambda p: out(p, data), params)[1](w)[0]


def _hess_ell(outputs: Any, w: Any, data: Any) -> Any:
    return jax.jvp(lambda o: jax.grad(ell)(o, data), (outputs,), (w,))[1]


def _ggn(params: Any, v: Any, data: Any) -> Any:
    outputs = out(params, data)
    return _pull(params, _hess_ell(outputs, _push(params, v, data), data), data)


def _rows(params: Any, data: Any) -> Any:
    def one(features: Any, label: Any) -> Any:
        return jax.grad(loss)(params, (features[None], label[None]))

    return jax.vmap(one)(*data)
