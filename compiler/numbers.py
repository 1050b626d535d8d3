"""Kinds of numbers that a step can be executed in: float64, float32, exact rationals, mpmath.

A `Field` gives the literal, the array dtype and the functions of the op table by their `array`
names; all work on NumPy arrays, the exact ones of dtype object.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


# Of a short exact number: in a loop that cubes, each turn makes numbers of three times the bits.
MOST_BITS = 4096


class NotRational(ArithmeticError):
    """A result that is no rational number, as sqrt(2), or one that is too long to go on with."""


@dataclass(frozen=True)
class Field:
    """``number`` makes one from a literal; ``functions`` by array-API name, NumPy's otherwise;
    ``pi`` to the digits that the numbers have, in exact ones those of float64."""

    name: str
    dtype: Any
    number: Callable[[Any], Any]
    functions: dict[str, Callable[..., Any]]
    divide: Callable[..., Any]
    pi: Any = math.pi

    def array(self, value: Any) -> Array:
        """An array of this field with the shape of ``value``."""
        if self.dtype is object:
            given = np.asarray(value)
            out = np.empty(given.shape, object)
            flat = [self.number(v) for v in given.ravel().tolist()]
            out.ravel()[:] = flat
            return out
        return np.asarray(value, self.dtype)

    def function(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = self.functions.get(name) or getattr(np, name)
        return found


def _objectwise(function: Callable[..., Any], arity: int) -> Callable[..., Any]:
    wrapped: Callable[..., Any] = np.frompyfunc(function, arity, 1)
    return wrapped


def _exact(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return value
    return value if isinstance(value, Fraction) else Fraction(value)


def short(value: Any) -> Any:
    """An exact number to go on with. Raises NotRational where it is too long."""
    number = _exact(value)
    if isinstance(number, Fraction) and max(
            number.numerator.bit_length(), number.denominator.bit_length()) > MOST_BITS:
        raise NotRational(f"a number of more than {MOST_BITS} bits")
    return number


def _exact_divide(a: Any, b: Any) -> Any:
    if b == 0:
        return math.nan
    return a / b


def _exact_root(a: Any) -> Any:
    if isinstance(a, float):
        return math.sqrt(a) if a >= 0 else math.nan
    a = Fraction(a)
    if a < 0:
        return math.nan
    top, bottom = math.isqrt(a.numerator), math.isqrt(a.denominator)
    if top * top != a.numerator or bottom * bottom != a.denominator:
        raise NotRational(f"sqrt({a})")
    return Fraction(top, bottom)


def _exact_power(a: Any, b: Any) -> Any:
    if isinstance(a, float) or isinstance(b, float):
        return float(a) ** float(b)
    a, b = Fraction(a), Fraction(b)
    if b.denominator == 1:
        if a == 0 and b < 0:
            return math.nan
        return a ** b.numerator
    if b.denominator == 2:
        return _exact_root(a) ** b.numerator
    if a in (0, 1) and b > 0:
        return a
    raise NotRational(f"{a}^({b})")


def _never(name: str) -> Callable[..., Any]:
    def function(a: Any) -> Any:
        special = {"exp": (0, 1), "log": (1, 0), "sin": (0, 0), "cos": (0, 1), "tanh": (0, 0),
                   "arctan": (0, 0)}[name]
        if a == special[0]:
            return Fraction(special[1])
        raise NotRational(f"{name}({a})")

    return _objectwise(function, 1)


def _larger(a: Any, b: Any) -> Any:
    """The larger of two; undefined if either is, as in float64."""
    return a if a != a or (b == b and a >= b) else b


def _smaller(a: Any, b: Any) -> Any:
    return a if a != a or (b == b and a <= b) else b


_ORDER = {"maximum": _objectwise(_larger, 2), "minimum": _objectwise(_smaller, 2)}
FLOAT = Field("float64", np.float64, float, {}, np.divide)
SINGLE = Field("float32", np.float32, float, {}, np.divide)

EXACT = Field(
    "exact", object, _exact,
    {
        "sqrt": _objectwise(_exact_root, 1), "power": _objectwise(_exact_power, 2),
        "isfinite": _objectwise(lambda a: not isinstance(a, float) or math.isfinite(a), 1),
        "sign": _objectwise(lambda a: a if a != a else (a > 0) - (a < 0), 1), **_ORDER,
        "floor": _objectwise(math.floor, 1), "round": _objectwise(round, 1),
        **{name: _never(name) for name in ("exp", "log", "sin", "cos", "tanh", "arctan")},
    },
    _objectwise(_exact_divide, 2),
)

# Exact numbers as long as they stay short.
BRIEF = replace(EXACT, name="brief", number=short)


def mpmath_field(digits: int = 50) -> Field:
    """Floating point with ``digits`` decimal digits."""
    import mpmath

    context = mpmath.mp.clone()
    context.dps = digits

    def number(value: Any) -> Any:
        if isinstance(value, Fraction):
            return context.mpf(value.numerator) / value.denominator
        return context.mpf(value)

    def divide(a: Any, b: Any) -> Any:
        if b == 0:
            return context.nan
        return number(a) / number(b)

    def root(a: Any) -> Any:
        return context.sqrt(a) if a >= 0 else context.nan

    def power(a: Any, b: Any) -> Any:
        value = context.power(a, b) if (a != 0 or b >= 0) else context.nan
        return value if isinstance(value, context.mpf) else context.nan

    def log(a: Any) -> Any:
        return context.log(a) if a > 0 else context.nan

    one = {"exp": context.exp, "sin": context.sin, "cos": context.cos, "tanh": context.tanh,
           "arctan": context.atan, "floor": context.floor, "round": context.nint, "sqrt": root,
           "log": log, "isfinite": lambda a: bool(context.isfinite(a)), "sign": context.sign}
    functions = {name: _objectwise(function, 1) for name, function in one.items()}
    functions |= {"power": _objectwise(power, 2), "arctan2": _objectwise(context.atan2, 2),
                  **_ORDER}
    return Field("mpmath", object, number, functions, _objectwise(divide, 2), +context.pi)
