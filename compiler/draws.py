"""Random draws that depend on (seed, name, step, tensor, entry) only: threefry2x32, 20 rounds.

Generated programs carry the same recipe, so that every backend draws the same numbers.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry(k0: Any, k1: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """The key (k0, k1) applied to the counter words (a, b), all arrays of uint32."""
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA))
    a, b = a + k0, b + k1
    for block in range(5):
        for turn in _ROTATIONS[block % 2]:
            a = a + b
            b = ((b << np.uint32(turn)) | (b >> np.uint32(32 - turn))) ^ a
        a = a + keys[(block + 1) % 3]
        b = b + keys[(block + 2) % 3] + np.uint32(block + 1)
    return a, b


def bits(
    seed: int, name: str, t: int, leaf: int, shape: tuple[int, ...], turn: int = 0
) -> tuple[Any, Any]:
    """Two arrays of 32 random bits for each entry of a tensor: a key is made of (seed, name) and
    (t, leaf), the counter is the entry and the turn of the loops around it."""
    words = (seed % 2**32, zlib.crc32(name.encode()), t, leaf)
    k0, k1 = threefry(*(np.array([word], np.uint32) for word in words))
    entries = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint32)
    a, b = threefry(k0, k1, entries, np.full_like(entries, turn))
    return a.reshape(shape), b.reshape(shape)


def draw(
    distribution: str, args: tuple[Any, ...], seed: int, name: str, t: int, leaf: int,
    shape: tuple[int, ...], turn: int = 0,
) -> Any:
    """Float64 numbers of a distribution of the language."""
    first, second = bits(seed, name, t, leaf, shape, turn)
    u = (first + 0.5) * 2.0**-32
    if distribution == "uniform":
        low, high = args or (0.0, 1.0)
        return low + (high - low) * u
    if distribution == "normal":
        mean, deviation = args or (0.0, 1.0)
        angle = 2 * np.pi * ((second + 0.5) * 2.0**-32)
        return mean + deviation * (np.sqrt(-2 * np.log(u)) * np.cos(angle))
    if distribution == "rademacher":
        return np.where(u < 0.5, -1.0, 1.0)
    return np.where(u < args[0], 1.0, 0.0)
