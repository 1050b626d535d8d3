"""Specs of any length, to see how the compiler grows: a chain of equations of several kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

HEAD = """\
optimizer Generated
  hyper lr = 1e-3 in (0, inf)
  hyper b = 0.9 in [0, 1)
  hyper eps = 1e-8 in (0, inf)
"""
NESTED = 50  # wrappers around one another


def averages(count: int) -> str:
    """A chain of Adams, each of which reads the direction of the one before: five equations and
    two states for each."""
    def lines() -> Iterator[str]:
        last = "g"
        for k in range((count - 1) // 5):
            yield f"state m{k} = 0"
            yield f"state v{k} = 0"
            yield f"m{k}' = b*m{k} + (1 - b)*{last}"
            yield f"v{k}' = b*v{k} + (1 - b)*{last}^2"
            yield f"s{k} = sqrt(v{k}') + eps"
            yield f"u{k} = m{k}'/s{k}"
            yield f"q{k} = ({last} + g*u{k}/(1 + abs(u{k})))/2"
            last = f"q{k}"
        yield f"x' = x - lr*{last}"
    return _spec(lines())


def formulas(count: int) -> str:
    """A chain of equations that each read the one before, without any state."""
    def lines() -> Iterator[str]:
        last = "g"
        for k in range(count - 1):
            yield f"a{k} = b*{last} + (1 - b)*g"
            last = f"a{k}"
        yield f"x' = x - lr*{last}"
    return _spec(lines())


def numbers(count: int) -> str:
    """A chain of numbers of the model."""
    def lines() -> Iterator[str]:
        last = "b"
        for k in range(count - 1):
            yield f"a{k} = b*{last} + 1/t"
            last = f"a{k}"
        yield f"x' = x - lr*{last}*g"
    return _spec(lines())


def delays(count: int) -> str:
    """Old gradients, handed from state to state."""
    def lines() -> Iterator[str]:
        last = "g"
        for k in range(count - 1):
            yield f"state h{k} = 0"
            yield f"h{k}' = {last}"
            last = f"h{k}"
        yield f"x' = x - lr*{last}"
    return _spec(lines())


def blocks(count: int) -> str:
    """Averages that are updated every few steps, each in a block of its own."""
    def lines() -> Iterator[str]:
        last = "g"
        for k in range((count - 1) // 2):
            yield f"state h{k} = 0"
            yield f"every {k % 7 + 2} from 1:"
            yield f"  h{k}' = b*h{k} + (1 - b)*{last}"
            yield f"q{k} = sign(h{k}')*{last}"
            last = f"q{k}"
        yield f"x' = x - lr*{last}"
    return _spec(lines())


def cases(count: int) -> str:
    """Two rules with the same names, one for matrices and one for other tensors."""
    def lines() -> Iterator[str]:
        for number, head in ((1, "case rank >= 2:"), (2, "otherwise:")):
            yield head
            last = "g"
            for k in range((count - 3) // 2):
                yield f"  a{k} = b*{last} + {number}*g"
                last = f"a{k}"
            yield f"  u = {last}"
        yield "x' = x - lr*u"
    return _spec(lines())


FAMILIES: dict[str, Callable[[int], str]] = {
    f.__name__: f for f in (averages, formulas, numbers, delays, blocks, cases)}


def wrappers(name: str, depth: int = NESTED) -> str:
    """``Lookahead(Lookahead(... SGD))``."""
    return f"optimizer Generated = {f'{name}(' * depth}SGD{')' * depth}\n"


def _spec(lines: Iterator[str]) -> str:
    return HEAD + "".join(f"  {line}\n" for line in lines)
