"""A problem in JAX, as NumPy programs ask it: trees of NumPy arrays in and out.

Everything follows from ``loss(params, batch)``; questions about outputs of the model follow from
``out(params, batch)`` and ``ell(outputs, batch)``, several losses from ``losses(params, batch)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

Function = Callable[..., Any]


def _numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)


class Answers:
    """Answers to every oracle that follows from what is given; compiled when first asked.

    ``problem`` is ``loss(params, batch)`` itself, or an object with ``loss``, or with ``out`` and
    ``ell``, and ``losses`` where there are several, ``names`` those of the losses in order. An
    oracle that does not follow is missing: AttributeError says which.
    """

    def __init__(self, problem: Any, names: Sequence[str] = ()) -> None:
        self._problem = problem
        self._names = tuple(names)
        self._known: dict[tuple[str, str], Function] = {}

    @cached_property
    def _loss(self) -> Function:
        if hasattr(self._problem, "loss"):
            loss: Function = self._problem.loss
            return loss
        if hasattr(self._problem, "ell"):
            return lambda params, batch: self._problem.ell(self._problem.out(params, batch), batch)
        given: Function = self._problem
        return given

    def __getattr__(self, name: str) -> Function:
        if name.startswith("_") or name not in _ANSWERS:
            raise AttributeError(name)
        needs, _ = _ANSWERS[name]
        for part in needs:
            if not hasattr(self._problem, part):
                raise AttributeError(f"{name} needs {part}")

        def answer(*args: Any) -> Any:
            given, which = (args[:-1], args[-1]) if isinstance(args[-1], str) else (args, "")
            return _numpy(self._compiled(name, which)(*given))

        return answer

    def _compiled(self, name: str, which: str) -> Function:
        """The oracle of the loss, or of the one of several with this name."""
        if (name, which) not in self._known:
            loss = self._one_of(self._names.index(which)) if which else self._loss
            self._known[name, which] = jax.jit(_ANSWERS[name][1](loss, self._problem))
        return self._known[name, which]

    def _one_of(self, index: int) -> Function:
        return lambda params, batch: self._problem.losses(params, batch)[index]


def _hvp(loss: Function, _: Any) -> Function:
    def hvp(params: Any, v: Any, batch: Any) -> Any:
        return jax.jvp(lambda p: jax.grad(loss)(p, batch), (params,), (v,))[1]

    return hvp


def _hess(loss: Function, _: Any) -> Function:
    def hess(params: Any, batch: Any) -> Any:
        flat, back = ravel_pytree(params)
        return jax.hessian(lambda p: loss(back(p), batch))(flat)

    return hess


def _slope(loss: Function, _: Any) -> Function:
    return lambda params, v, batch: jax.jvp(lambda p: loss(p, batch), (params,), (v,))[1]


def _rows(loss: Function, _: Any) -> Function:
    def rows(params: Any, batch: Any) -> Any:
        def one(example: Any) -> Any:
            return jax.grad(loss)(params, jax.tree.map(lambda a: a[None], example))

        return jax.vmap(one)(batch)

    return rows


def _push(_: Function, problem: Any) -> Function:
    return lambda params, v, batch: jax.jvp(lambda p: problem.out(p, batch), (params,), (v,))[1]


def _pull(_: Function, problem: Any) -> Function:
    def pull(params: Any, w: Any, batch: Any) -> Any:
        return jax.vjp(lambda p: problem.out(p, batch), params)[1](w)[0]

    return pull


def _dell(_: Function, problem: Any) -> Function:
    return lambda outputs, batch: jax.grad(problem.ell)(outputs, batch)


def _hess_ell(_: Function, problem: Any) -> Function:
    def hess_ell(outputs: Any, w: Any, batch: Any) -> Any:
        return jax.jvp(lambda o: jax.grad(problem.ell)(o, batch), (outputs,), (w,))[1]

    return hess_ell


def _ggn(loss: Function, problem: Any) -> Function:
    push, pull, curve = (f(loss, problem) for f in (_push, _pull, _hess_ell))

    def ggn(params: Any, v: Any, batch: Any) -> Any:
        outputs = problem.out(params, batch)
        return pull(params, curve(outputs, push(params, v, batch), batch), batch)

    return ggn


_OUTPUTS = ("out", "ell")
# What has to be given, and how the answer follows.
_ANSWERS: dict[str, tuple[tuple[str, ...], Callable[[Function, Any], Function]]] = {
    "loss": ((), lambda loss, _: loss),
    "grad": ((), lambda loss, _: jax.grad(loss)),
    "hvp": ((), _hvp),
    "hess": ((), _hess),
    "slope": ((), _slope),
    "rows": ((), _rows),
    "out": (("out",), lambda _, problem: problem.out),
    "push": (("out",), _push),
    "pull": (("out",), _pull),
    "dell": (("ell",), _dell),
    "hess_ell": (("ell",), _hess_ell),
    "ggn": (_OUTPUTS, _ggn),
    "losses": (("losses",), lambda _, problem: problem.losses),
    "grads": (("losses",), lambda _, problem: jax.jacrev(problem.losses)),
}
