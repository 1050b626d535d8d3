"""A stand-in for CuPy where there is no GPU: arrays that wrap NumPy's and are as strict as CuPy's.

What CuPy refuses is refused here: to turn an array into one of NumPy by itself, to compute with one
of NumPy, functions and arguments that CuPy does not have. `fuse` does as cupy.fuse: it traces a
function once for the dtypes and ranks of its arguments and then only repeats what it saw, so that a
value that the trace took for a constant shows as a wrong number; all that a kernel returns has the
shape of all its arguments together. Only element-wise functions can be fused.

``LOG`` has the name of everything that ran on the device, ``WAITS`` counts how often the processor
had to wait for a value.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from typing import Any

import numpy as np

LOG: list[str] = []
WAITS: list[str] = []
_COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
_NUMBERS = (bool, int, float, complex, np.generic)


def device(value: Any) -> Any:
    """What NumPy computes with in the place of an array or a number; TypeError for the rest."""
    if isinstance(value, ndarray):
        return value.on_device
    if isinstance(value, _NUMBERS):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def place(tree: Any) -> Any:
    """A tree of NumPy arrays, on the device."""
    if isinstance(tree, dict):
        return {key: place(value) for key, value in tree.items()}
    return ndarray(np.array(tree)) if isinstance(tree, (np.ndarray, np.generic)) else tree


def back(tree: Any) -> Any:
    """A tree of arrays on the device, as NumPy's."""
    if isinstance(tree, dict):
        return {key: back(value) for key, value in tree.items()}
    return tree.on_device if isinstance(tree, ndarray) else tree


def call(function: Callable[..., Any], name: str, *args: Any, **more: Any) -> Any:
    """Run a function of NumPy on the device."""
    made = function(*map(device, args), **more)
    LOG.append(name)
    return tuple(map(ndarray, made)) if isinstance(made, tuple) else ndarray(made)


class Ufunc:
    """An element-wise function, which can be fused."""

    def __init__(self, name: str) -> None:
        self.name, self.numpy = name, getattr(np, name)

    def __call__(self, *args: Any) -> Any:
        if _TRACE:
            return _TRACE[-1].add(self.numpy, args)
        with np.errstate(all="ignore"):
            return call(self.numpy, self.name, *args)


def _operator(name: str, swapped: bool = False) -> Callable[..., Any]:
    def method(self: Any, *other: Any) -> Any:
        if any(not isinstance(o, (ndarray, Var, *_NUMBERS)) for o in other):
            raise TypeError(f"Unsupported type {type(other[0])}")
        return UFUNCS[name](*reversed((self, *other)) if swapped else (self, *other))
    return method


class Operators:
    """The operators that arrays and the variables of a trace share."""

    __add__, __radd__ = _operator("add"), _operator("add", True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", True)
    __truediv__, __rtruediv__ = _operator("divide"), _operator("divide", True)
    __mod__, __rmod__ = _operator("mod"), _operator("mod", True)
    __pow__, __neg__ = _operator("power"), _operator("negative")
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")
    __and__, __or__ = _operator("bitwise_and"), _operator("bitwise_or")
    __xor__ = _operator("bitwise_xor")
    __lshift__, __rshift__ = _operator("left_shift"), _operator("right_shift")
    __hash__ = None  # type: ignore[assignment]


class ndarray(Operators):
    """An array on the device; one number is an array without axes."""

    __rpow__, __abs__ = _operator("power", True), _operator("absolute")

    def __init__(self, value: Any) -> None:
        self.on_device = np.asarray(value)

    shape = property(lambda self: self.on_device.shape)
    ndim = property(lambda self: self.on_device.ndim)
    size = property(lambda self: self.on_device.size)
    dtype = property(lambda self: self.on_device.dtype)
    nbytes = property(lambda self: self.on_device.nbytes)
    T = property(lambda self: ndarray(self.on_device.T))
    real = property(lambda self: ndarray(self.on_device.real))

    def __len__(self) -> int:
        return len(self.on_device)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` "
                        "to construct a NumPy array explicitly.")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **more: Any) -> Any:
        known = UFUNCS.get(ufunc.__name__)
        if ufunc.__name__ in _COMPARISONS:  # NumPy makes arrays of its own numbers there
            inputs = tuple(i.item() if isinstance(i, np.ndarray) and not i.ndim else i
                           for i in inputs)
        return NotImplemented if method != "__call__" or more or not known else known(*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, more: Any) -> Any:
        known = getattr(cupy, function.__name__, None)
        return NotImplemented if known is None else known(*args, **more)

    def _waited(self, kind: Callable[[Any], Any]) -> Any:
        WAITS.append(kind.__name__)
        return kind(self.on_device)

    def __bool__(self) -> bool:
        return bool(self._waited(bool))

    def __float__(self) -> float:
        return float(self._waited(float))

    def __int__(self) -> int:
        return int(self._waited(int))

    def get(self) -> Any:
        return self._waited(np.array)

    def __getitem__(self, index: Any) -> ndarray:
        return ndarray(self.on_device[_index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.on_device[_index(index)] = device(value)
        LOG.append("setitem")

    def astype(self, dtype: Any, copy: bool = True) -> ndarray:
        if not copy and self.dtype == dtype:
            return self
        LOG.append("astype")
        return ndarray(self.on_device.astype(dtype))

    def reshape(self, *shape: Any) -> ndarray:
        return ndarray(self.on_device.reshape(*shape))

    def __matmul__(self, other: Any) -> ndarray:
        return cupy.matmul(self, other)

    def view(self, dtype: Any) -> ndarray:
        return ndarray(self.on_device.view(dtype))


def _index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    if isinstance(index, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return index.on_device if isinstance(index, ndarray) else index


# Functions that can be fused.

UFUNCS = {name: Ufunc(name) for name in (
    *_COMPARISONS, "add", "subtract", "multiply", "divide", "power", "negative", "bitwise_and",
    "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "absolute", "sign", "sqrt", "square",
    "exp", "log", "log2", "sin", "cos", "tanh", "arctan", "arctan2", "floor", "ceil", "mod",
    "minimum", "maximum", "isfinite", "isnan", "logical_and", "logical_or", "logical_not")}
UFUNCS |= {"abs": UFUNCS["absolute"], "remainder": UFUNCS["mod"], "true_divide": UFUNCS["divide"]}


def _array(a: Any) -> ndarray:
    if not isinstance(a, ndarray):
        raise TypeError(f"expected an array, and got {type(a)}")
    return a


def _of_arrays(function: Callable[..., Any], name: str) -> Any:
    return staticmethod(lambda *args: call(function, name, *map(_array, args)))


def _reduction(name: str) -> Any:
    def reduction(a: Any, axis: Any = None) -> ndarray:
        return call(getattr(np, name), name, _array(a), axis=axis)
    return staticmethod(reduction)


class linalg:
    """Those of cupy.linalg."""

    solve, inv, cholesky, eigh, qr = (
        _of_arrays(getattr(np.linalg, name), name)
        for name in ("solve", "inv", "cholesky", "eigh", "qr"))

    @staticmethod
    def svd(a: Any, full_matrices: bool = True) -> Any:
        return call(lambda v: tuple(np.linalg.svd(v, full_matrices)), "svd", _array(a))

    @staticmethod
    def norm(x: Any, ord: Any = None) -> ndarray:
        return call(np.linalg.norm, "norm", _array(x), ord=ord)


class _Stream:
    def synchronize(self) -> None:
        """Nothing is left to wait for."""


class cupy:
    """The module."""

    cuda = SimpleNamespace(get_current_stream=_Stream)

    __name__, __spec__ = "cupy", ModuleSpec("cupy", None)
    inf, nan, pi, finfo, ndarray, linalg = np.inf, np.nan, np.pi, np.finfo, ndarray, linalg
    trace, diag, diagonal, triu, kron, outer, matmul = (
        _of_arrays(getattr(np, name), name)
        for name in ("trace", "diag", "diagonal", "triu", "kron", "outer", "matmul"))

    sum, mean, max, min, all, any = (
        _reduction(name) for name in ("sum", "mean", "max", "min", "all", "any"))

    # Those that can be fused.

    @staticmethod
    def where(condition: Any, x: Any, y: Any) -> Any:
        if _TRACE:
            return _TRACE[-1].add(np.where, (condition, x, y))
        return call(np.where, "where", condition.astype("?", copy=False), x, y)

    @staticmethod
    def round(a: Any) -> Any:  # the name that CuPy and NumPy give it
        return _TRACE[-1].add(np.round, (a,)) if _TRACE else call(np.round, "round", a)

    # Those below cannot be fused. Their arguments are those that CuPy's have.

    @staticmethod
    def asarray(a: Any, dtype: Any = None) -> ndarray:
        if isinstance(a, ndarray) and (dtype is None or a.dtype == dtype):
            return a
        return cupy.array(a, dtype)

    @staticmethod
    def array(obj: Any, dtype: Any = None, order: str = "K") -> ndarray:
        """Numbers, arrays of either kind and lists of numbers; NumPy's are copied to the device."""
        LOG.append("array")
        given = obj.on_device if isinstance(obj, ndarray) else obj
        return ndarray(np.array(given, dtype, order=order))

    @staticmethod
    def copyto(dst: ndarray, src: Any, casting: str = "same_kind") -> None:
        np.copyto(_array(dst).on_device, device(src), casting=casting)
        LOG.append("copyto")

    @staticmethod
    def zeros(shape: Any, dtype: Any = float) -> ndarray:
        return call(lambda: np.zeros(shape, dtype), "zeros")

    @staticmethod
    def full(shape: Any, fill_value: Any, dtype: Any = None) -> ndarray:
        return call(lambda value: np.full(shape, value, dtype), "full", fill_value)

    @staticmethod
    def zeros_like(a: Any) -> ndarray:
        return call(np.zeros_like, "zeros_like", _array(a))

    @staticmethod
    def full_like(a: Any, fill_value: Any) -> ndarray:
        return call(np.full_like, "full_like", _array(a), fill_value)

    @staticmethod
    def arange(stop: int, dtype: Any = None) -> ndarray:
        return call(lambda: np.arange(stop, dtype=dtype), "arange")

    @staticmethod
    def eye(N: int, dtype: Any = float) -> ndarray:
        return call(lambda: np.eye(N, dtype=dtype), "eye")

    @staticmethod
    def broadcast_to(array: Any, shape: Any) -> ndarray:
        return ndarray(np.broadcast_to(_array(array).on_device, shape))

    @staticmethod
    def concatenate(tup: Any, axis: int = 0) -> ndarray:
        return call(lambda *parts: np.concatenate(parts, axis), "concatenate", *map(_array, tup))

    @staticmethod
    def stack(tup: Any, axis: int = 0) -> ndarray:
        return call(lambda *parts: np.stack(parts, axis), "stack", *map(_array, tup))

    @staticmethod
    def reshape(a: Any, newshape: Any) -> ndarray:
        return _array(a).reshape(newshape)

    @staticmethod
    def ravel(a: Any) -> ndarray:
        return _array(a).reshape(-1)

    @staticmethod
    def moveaxis(a: Any, source: Any, destination: Any) -> ndarray:
        return ndarray(np.moveaxis(_array(a).on_device, source, destination))

    @staticmethod
    def expand_dims(a: Any, axis: Any) -> ndarray:
        return ndarray(np.expand_dims(_array(a).on_device, axis))

    @staticmethod
    def shape(a: Any) -> Any:
        return np.shape(device(a))

    @staticmethod
    def ndim(a: Any) -> int:
        return np.ndim(device(a))

    @staticmethod
    def size(a: Any) -> int:
        return int(_array(a).size)

    @staticmethod
    def result_type(*arrays_and_dtypes: Any) -> Any:
        given = arrays_and_dtypes
        return np.result_type(*(a.dtype if isinstance(a, ndarray) else a for a in given))

    @staticmethod
    def iscomplexobj(x: Any) -> bool:
        return np.iscomplexobj(device(x))

    @staticmethod
    def argsort(a: Any, axis: int = -1) -> ndarray:
        return call(lambda v: np.argsort(v, axis, stable=True), "argsort", _array(a))

    @staticmethod
    def take(a: Any, indices: Any, axis: Any = None) -> ndarray:
        return call(lambda a, i: np.take(a, i, axis=axis), "take", _array(a), indices)

    @staticmethod
    def pad(array: Any, pad_width: Any) -> ndarray:
        return call(lambda a: np.pad(a, pad_width), "pad", _array(array))


# Kernels.


class Var(Operators):
    """A variable of a trace: nothing is known of its value or shape."""

    def __init__(self, number: int, array: bool) -> None:
        self.number, self.array = number, array

    def __bool__(self) -> bool:
        raise TypeError("Can't cast to bool")

    def __iter__(self) -> Any:
        raise TypeError("a variable of a kernel has no parts")

    def __setitem__(self, index: Any, value: Any) -> None:
        if index is not Ellipsis or not self.array:
            raise ValueError("The fusion supports `[...]` of arrays.")
        _TRACE[-1].store(self, value)


class Trace:
    """What a function does: rows of a function, its arguments, and the place of what it makes."""

    def __init__(self, function: Callable[..., Any], arrays: list[bool]) -> None:
        self.rows: list[tuple[Any, list[tuple[bool, Any]], int]] = []
        self.written: set[int] = set()
        self.count = len(arrays)
        _TRACE.append(self)
        try:
            made = function(*[Var(i, array) for i, array in enumerate(arrays)])
        finally:
            _TRACE.pop()
        self.several = isinstance(made, tuple)
        results = made if self.several else [] if made is None else [made]
        self.results = [v.number for v in results]

    def add(self, function: Any, args: tuple[Any, ...]) -> Var:
        array = False
        for arg in args:
            if not isinstance(arg, Var | bool | int | float | np.generic):
                raise TypeError(f"Unsupported type {type(arg)}")
            array |= isinstance(arg, Var) and arg.array
        self.rows.append((function, [self._place(a) for a in args], self.count))
        self.count += 1
        return Var(self.count - 1, array)

    def store(self, target: Var, value: Any) -> None:
        self.rows.append((None, [self._place(value)], target.number))
        self.written.add(target.number)

    def _place(self, arg: Any) -> tuple[bool, Any]:
        return (True, arg.number) if isinstance(arg, Var) else (False, arg)

    def run(self, args: list[Any]) -> Any:
        values = [*args, *[None] * (self.count - len(args))]
        everything = np.broadcast_shapes(*map(np.shape, args))
        with np.errstate(all="ignore"):
            for function, places, target in self.rows:
                inner = [values[a] if known else a for known, a in places]
                if function is None:
                    inner = [np.broadcast_to(inner[0], everything).astype(values[target].dtype)]
                values[target] = function(*inner) if function is not None else inner[0]
        for number in self.written:
            assert args[number].shape == everything, "a kernel writes to an array again and again"
            args[number][...] = values[number]
        made = tuple(ndarray(np.array(np.broadcast_to(values[r], everything)))
                     for r in self.results)
        return made if self.several else made[0] if made else None


_TRACE: list[Trace] = []


def fuse(function: Callable[..., Any]) -> Callable[..., Any]:
    """Of a function of a module: what it reads beside its arguments would be a constant."""
    assert function.__closure__ is None, "a kernel in a function is compiled in every call"
    traces: dict[Any, Trace] = {}

    def fused(*args: Any) -> Any:
        host = [device(a) for a in args]
        key = tuple((np.result_type(h), np.ndim(h), isinstance(a, ndarray))
                    for a, h in zip(args, host, strict=True))
        if key not in traces:
            traces[key] = Trace(function, [isinstance(a, ndarray) for a in args])
        LOG.append(function.__name__)
        return traces[key].run(host)

    return fused


cupy.fuse = fuse  # type: ignore[attr-defined]
for _name, _function in UFUNCS.items():
    setattr(cupy, _name, _function)
