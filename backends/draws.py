"""How a draw becomes numbers: one recipe, the same text for every array namespace.

A draw depends on (seed, name, t, tensor, entry) only, inside of loops on the turn too. Its bits are
Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a
key for the step and the tensor, then a word pair for each entry and turn, so that all backends draw
the same bits, and numbers equal to the last few digits.
"""

from __future__ import annotations

from zlib import crc32

_THREEFRY = '''
def _threefry(k0, k1, a, b):
    """Threefry-2x32 with 20 rounds: the key (k0, k1) applied to the counter words (a, b)."""
    keys = (k0, k1, k0 ^ k1 ^ XP.uint32(0x1BD11BDA))
    a, b = a + k0, b + k1
    for i in range(5):
        for r in ((13, 15, 26, 6), (17, 29, 16, 24))[i % 2]:
            a = a + b
            b = ((b << XP.uint32(r)) | (b >> XP.uint32(32 - r))) ^ a
        a = a + keys[(i + 1) % 3]
        b = b + keys[(i + 2) % 3] + XP.uint32(i + 1)
    return a, b
'''

_BITS = '''
def _bits(seed, name, t, leaf, shape, turn=0):
    """Two random words for each entry, under a key made of (seed, name) and (t, leaf)."""
    words = [XP.asarray(w).astype(XP.uint32).reshape(1) for w in (seed, t, leaf)]
    k0, k1 = _threefry(words[0], XP.full(1, name, XP.uint32), *words[1:])
    entries = XP.arange(math.prod(shape), dtype=XP.uint32)
    # The counter is the entry and the turn of the loops around.
    a, b = _threefry(k0, k1, entries, XP.full_like(entries, turn))
    return a.reshape(shape), b.reshape(shape)
'''

_UNIT = '''
def _unit(bits, dtype):
    """Numbers in (0, 1) from 32 random bits each."""
    u = (bits.astype(dtype) + 0.5) * 2.0**-32
    return XP.minimum(u, 1 - XP.finfo(dtype).epsneg)
'''

_UNIFORM = '''
def _uniform(seed, name, t, leaf, shape, dtype, turn=0):
    """Uniform on (0, 1)."""
    return _unit(_bits(seed, name, t, leaf, shape, turn)[0], dtype)
'''

_NORMAL = '''
def _normal(seed, name, t, leaf, shape, dtype, turn=0):
    """Standard normal, by Box and Muller."""
    a, b = _bits(seed, name, t, leaf, shape, turn)
    angle = (2 * math.pi) * _unit(b, dtype)
    return XP.sqrt(-2 * XP.log(_unit(a, dtype))) * XP.cos(angle)
'''

_RADEMACHER = '''
def _rademacher(seed, name, t, leaf, shape, dtype, turn=0):
    """-1 or 1, each half of the time."""
    u = _uniform(seed, name, t, leaf, shape, dtype, turn)
    return XP.where(u < 0.5, -1, 1).astype(dtype)
'''

_BERNOULLI = '''
def _bernoulli(seed, name, t, leaf, shape, dtype, p, turn=0):
    """1 with probability p, else 0."""
    return (_uniform(seed, name, t, leaf, shape, dtype, turn) < p).astype(dtype)
'''


# The recipe where no draw stands inside of a loop: there is no turn to count.
_NO_TURNS = {
    ", turn=0": "", ", turn)": ")", "full_like(entries)": "zeros_like(entries)",
    "    # The counter is the entry and the turn of the loops around.\n": "", "angle": "turn",
}


def helpers(namespace: str, turns: bool = False) -> dict[str, str]:
    """Name -> text of the functions of the recipe over ``namespace`` (``np`` or ``jnp``), in an
    order in which they can stand in a module that imports ``math`` and the namespace. With
    ``turns`` each function of a draw takes the turn of the loops around as a last argument."""
    texts = {"_threefry": _THREEFRY, "_bits": _BITS, "_unit": _UNIT, "_uniform": _UNIFORM,
             "_normal": _NORMAL, "_rademacher": _RADEMACHER, "_bernoulli": _BERNOULLI}
    changes = {} if turns else _NO_TURNS
    found = {}
    for name, text in texts.items():
        for old, new in {**changes, "XP.": f"{namespace}."}.items():
            text = text.replace(old, new)
        found[name] = text.strip("\n")
    return found


def name_hash(name: str) -> int:
    """The word of the key that stands for the name of a draw."""
    return crc32(name.encode())
