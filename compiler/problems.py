"""The problems that `run` trains on: real data that is already on the machine, and two formulas.

A problem is pure: its parameters depend on the seed alone, its batches on the seed and the step
alone, so that every optimizer sees the same numbers. Everything is float32.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Params = dict[str, Any]
Array = jax.Array | np.ndarray[Any, Any]
Batch = tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Problem:
    """What a training run asks for.

    ``init()`` gives the starting parameters; ``batch(number)`` a batch, counted from 1, the
    examples first in each of its arrays; ``out(params, batch)`` the outputs of the model and
    ``ell(outputs, batch)`` the loss of outputs; ``final(params)`` the loss and the accuracy (or
    None) that a finished run is judged by. ``full()`` is a batch that stands for all data. With
    ``tasks``, the loss falls into that many, one for each group of labels (label mod tasks).
    """

    name: str
    init: Callable[[], Params]
    batch: Callable[[int], Batch]
    out: Callable[[Params, Batch], jax.Array]
    ell: Callable[[jax.Array, Batch], jax.Array]
    final: Callable[[Params], tuple[float, float | None]]
    full: Callable[[], Batch]
    classified: bool = True
    tasks: int = 0

    def loss(self, params: Params, batch: Batch) -> jax.Array:
        """The loss of a batch, a number."""
        return self.ell(self.out(params, batch), batch)

    def __call__(self, params: Params, batch: Batch) -> jax.Array:
        """The loss of a batch: a problem is a loss function."""
        return self.loss(params, batch)

    def losses(self, params: Params, batch: Batch) -> jax.Array:
        """The mean loss of each group of labels, (tasks,)."""
        scores = jax.nn.log_softmax(self.out(params, batch))
        labels = jnp.asarray(batch[-1])
        each = -jnp.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]
        groups = [labels % self.tasks == task for task in range(self.tasks)]
        return jnp.stack([jnp.sum(each * group) / jnp.maximum(jnp.sum(group), 1)
                          for group in groups])


class NoData(Exception):
    """The data of a problem is not on this machine."""


def _normal(rng: np.random.Generator, scale: float, *shape: int) -> jax.Array:
    return jnp.asarray(scale * rng.standard_normal(shape), jnp.float32)


def _cross_entropy(logits: jax.Array, labels: Array) -> jax.Array:
    """Mean over all labels of -log softmax(logits)[label]; logits are (..., classes)."""
    scores = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(scores, labels[..., None], axis=-1))


def _correct(logits: jax.Array, labels: Array) -> jax.Array:
    return jnp.mean(jnp.argmax(logits, axis=-1) == labels, dtype=jnp.float32)


# Handwritten digits: 1797 images of 8x8 pixels, a network 64-64-10.

_DIGITS_BATCH = 128


@cache
def _digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Train images (1437, 64) in [0, 1], train labels, test images (360, 64), test labels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = (data.data[order] / 16).astype(np.float32)
    labels = data.target[order].astype(np.int32)
    cut = len(labels) * 4 // 5
    return images[:cut], labels[:cut], images[cut:], labels[cut:]


def _network(params: Params, images: Array) -> jax.Array:
    hidden = jax.nn.relu(images @ params["hidden"]["w"] + params["hidden"]["b"])
    logits: jax.Array = hidden @ params["out"]["w"] + params["out"]["b"]
    return logits


def digits(seed: int) -> Problem:
    """scikit-learn's digits. Final loss: the whole train set; accuracy: the test set."""
    images, labels, test_images, test_labels = _digits()
    per_epoch = len(labels) // _DIGITS_BATCH

    def init() -> Params:
        rng = np.random.default_rng(seed)
        return {
            "hidden": {"w": _normal(rng, (2 / 64) ** 0.5, 64, 64),
                       "b": jnp.zeros(64, jnp.float32)},
            "out": {"w": _normal(rng, (1 / 64) ** 0.5, 64, 10), "b": jnp.zeros(10, jnp.float32)},
        }

    def batch(step: int) -> Batch:
        epoch, turn = divmod(step - 1, per_epoch)
        order = np.random.default_rng((seed, epoch)).permutation(len(labels))
        chosen = order[turn * _DIGITS_BATCH :][:_DIGITS_BATCH]
        return images[chosen], labels[chosen]

    @jax.jit
    def measure(params: Params) -> tuple[jax.Array, jax.Array]:
        return (_cross_entropy(_network(params, images), labels),
                _correct(_network(params, test_images), test_labels))

    def final(params: Params) -> tuple[float, float | None]:
        value, accuracy = measure(params)
        return float(value), float(accuracy)

    return Problem("digits", init, batch, lambda params, b: _network(params, b[0]),
                   lambda logits, b: _cross_entropy(logits, b[1]), final,
                   lambda: (images, labels))


# The next character of Python's own standard library, by a transformer of two layers.

# Present in every Python since 3.11; read as text, never imported.
_TRAIN_MODULES = (
    "argparse", "ast", "bisect", "calendar", "cmd", "configparser", "dataclasses", "difflib",
    "doctest", "enum", "fractions", "functools", "heapq", "inspect", "ipaddress", "mailbox",
    "optparse", "pickle", "pprint", "random", "shutil", "smtplib", "subprocess", "tarfile",
    "threading", "tokenize", "traceback", "typing",
)
_TEST_MODULES = ("statistics", "textwrap", "csv")
_CONTEXT, _WIDTH, _HEADS, _LAYERS, _TEXT_BATCH = 64, 64, 4, 2, 32
# A newline, the 95 printable characters of ASCII, and one for all others.
_SYMBOLS = 97


def _encode(text: str) -> np.ndarray:
    """Text -> symbols, int32."""
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8).astype(np.int32)
    printable = (codes >= 32) & (codes < 127)
    return np.where(codes == 10, 0, np.where(printable, codes - 31, _SYMBOLS - 1)).astype(np.int32)


@cache
def _stdlib() -> tuple[np.ndarray, np.ndarray]:
    """Symbols of the train and of the held out modules. Raises NoData."""
    folder = Path(sysconfig.get_path("stdlib"))

    def read(modules: tuple[str, ...]) -> np.ndarray:
        files = [folder / f"{name}.py" for name in modules]
        texts = [f.read_text("utf-8", errors="replace") for f in files if f.is_file()]
        return _encode("".join(texts))

    train, test = read(_TRAIN_MODULES), read(_TEST_MODULES)
    if min(len(train), len(test)) < 1000:
        raise NoData(f"Python's standard library has no source text in {folder}")
    return train, test


def _windows(text: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels, both (windows, context): a label is the character after its input."""
    index = starts[:, None] + np.arange(_CONTEXT)
    return text[index], text[index + 1]


def _layer_norm(a: jax.Array, scale: jax.Array) -> jax.Array:
    centred = a - jnp.mean(a, axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.mean(centred**2, axis=-1, keepdims=True) + 1e-5) * scale


def _attention(params: Params, a: jax.Array) -> jax.Array:
    """Causal self-attention over (batch, time, width)."""
    batch, time, width = a.shape
    heads = (a @ params["qkv"]).reshape(batch, time, 3, _HEADS, width // _HEADS)
    q, k, v = (heads[:, :, i].transpose(0, 2, 1, 3) for i in range(3))
    scores = q @ k.swapaxes(-1, -2) * (width // _HEADS) ** -0.5
    scores = jnp.where(jnp.tril(jnp.ones((time, time), bool)), scores, -1e30)
    mixed = jax.nn.softmax(scores) @ v
    out: jax.Array = mixed.transpose(0, 2, 1, 3).reshape(batch, time, width) @ params["out"]
    return out


def _transformer(params: Params, symbols: Array) -> jax.Array:
    """Logits (batch, time, symbols)."""
    a: jax.Array = params["embed"][symbols] + params["position"][: symbols.shape[1]]
    for layer in range(_LAYERS):
        p = params[f"layer{layer}"]
        a = a + _attention(p, _layer_norm(a, p["scale1"]))
        a = a + jax.nn.gelu(_layer_norm(a, p["scale2"]) @ p["up"]) @ p["down"]
    logits: jax.Array = _layer_norm(a, params["scale"]) @ params["unembed"]
    return logits


def text(seed: int) -> Problem:
    """Python's standard library. Final loss and accuracy: 8192 characters of held out modules."""
    train, test = _stdlib()
    held_out = _windows(test, np.linspace(0, len(test) - _CONTEXT - 1, 128).astype(int))

    def init() -> Params:
        rng = np.random.default_rng(seed)
        narrow, deep = _WIDTH**-0.5, (2 * _LAYERS * _WIDTH) ** -0.5
        params: Params = {
            "embed": _normal(rng, 0.1, _SYMBOLS, _WIDTH),
            "position": _normal(rng, 0.1, _CONTEXT, _WIDTH),
            "scale": jnp.ones(_WIDTH, jnp.float32),
            "unembed": _normal(rng, narrow, _WIDTH, _SYMBOLS),
        }
        for layer in range(_LAYERS):
            params[f"layer{layer}"] = {
                "scale1": jnp.ones(_WIDTH, jnp.float32),
                "qkv": _normal(rng, narrow, _WIDTH, 3 * _WIDTH),
                "out": _normal(rng, deep, _WIDTH, _WIDTH),
                "scale2": jnp.ones(_WIDTH, jnp.float32),
                "up": _normal(rng, narrow, _WIDTH, 4 * _WIDTH),
                "down": _normal(rng, deep / 2, 4 * _WIDTH, _WIDTH),
            }
        return params

    def batch(step: int) -> Batch:
        rng = np.random.default_rng((seed, step))
        return _windows(train, rng.integers(0, len(train) - _CONTEXT - 1, _TEXT_BATCH))

    @jax.jit
    def measure(params: Params) -> tuple[jax.Array, jax.Array]:
        symbols, following = held_out
        logits = _transformer(params, symbols)
        return _cross_entropy(logits, following), _correct(logits, following)

    def final(params: Params) -> tuple[float, float | None]:
        value, accuracy = measure(params)
        return float(value), float(accuracy)

    def full() -> Batch:
        """Windows at even distances over the whole train text."""
        return _windows(train, np.linspace(0, len(train) - _CONTEXT - 1, 256).astype(int))

    return Problem("text", init, batch, lambda params, b: _transformer(params, b[0]),
                   lambda logits, b: _cross_entropy(logits, b[1]), final, full)


# Two formulas without data: every step sees the same loss.

def _formula(
    name: str, init: Callable[[], Params], out: Callable[[Params], jax.Array],
    ell: Callable[[jax.Array], jax.Array],
) -> Problem:
    whole = jax.jit(lambda params: ell(out(params)))
    return Problem(name, init, lambda _: (), lambda params, _: out(params), lambda o, _: ell(o),
                   lambda params: (float(whole(params)), None), lambda: (), classified=False)


def rosenbrock(seed: int) -> Problem:
    """(1 - x)^2 + 100 (y - x^2)^2 from the classic start (-1.2, 1); the seed changes nothing."""

    def residuals(params: Params) -> jax.Array:
        x, y = params["point"]
        return jnp.stack([1 - x, 10 * (y - x**2)])

    return _formula("rosenbrock", lambda: {"point": jnp.array([-1.2, 1.0], jnp.float32)},
                    residuals, lambda r: jnp.sum(r**2))


def quadratic(seed: int) -> Problem:
    """x.T H x / 2 in 100 dimensions: eigenvalues of H from 1e-3 to 1, seeded rotation and start."""
    size = 100
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((size, size)))
    hessian = (rotation * np.geomspace(1e-3, 1, size)) @ rotation.T
    h = hessian.astype(np.float32)
    start = rng.standard_normal(size).astype(np.float32)

    def value(x: jax.Array) -> jax.Array:
        half: jax.Array = 0.5 * x @ h @ x
        return half

    return _formula("quadratic", lambda: {"point": jnp.array(start)},
                    lambda params: jnp.asarray(params["point"]), value)


PROBLEMS: Mapping[str, Callable[[int], Problem]] = {
    "digits": digits, "text": text, "rosenbrock": rosenbrock, "quadratic": quadratic,
}
