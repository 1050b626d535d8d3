"""Random draws that depend on (seed, name, step, tensor, entry) only: threefry2x32, 20 rounds.

Generated programs carry the same recipe, so that every backend draws the same numbers.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def bits(seed: int, name: str, t: int, leaf: int, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Two arrays of 32 random bits for each entry of a tensor."""
    keys = [np.uint32(seed & 0xFFFFFFFF), np.uint32(zlib.crc32(name.encode()))]
    keys.append(keys[0] ^ keys[1] ^ np.uint32(0x1BD11BDA))
    size = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        a = np.arange(size, dtype=np.uint32) + keys[0]
        b = np.full(size, (t * 65536 + leaf) & 0xFFFFFFFF, np.uint32) + keys[1]
        for block in range(5):
            for turn in _ROTATIONS[block % 2]:
                a = a + b
                b = (b << np.uint32(turn)) | (b >> np.uint32(32 - turn))
                b = b ^ a
            a = a + keys[(block + 1) % 3]
            b = b + keys[(block + 2) % 3] + np.uint32(block + 1)
    return a.reshape(shape), b.reshape(shape)


def draw(
    distribution: str, args: tuple[Any, ...], seed: int, name: str, t: int, leaf: int,
    shape: tuple[int, ...],
) -> Any:
    """Float64 numbers of a distribution of the language."""
    first, second = bits(seed, name, t, leaf, shape)
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
