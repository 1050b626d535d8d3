"""An optimizer as Python sees it: loaded, checked, turned into programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from thetaprime.aliases import candidates, spec_names
from thetaprime.arguments import CallError, check_values, draws, taken
from thetaprime.collect import collect
from thetaprime.collector import seldom
from thetaprime.diagnostics import Diagnostic, SpecError, closest, render
from thetaprime.engines import Engine, Fuse, Target, emitter, require
from thetaprime.few_bits import Conditions
from thetaprime.flat import Flat
from thetaprime.ir import Hyper, Step
from thetaprime.library import key, modules, prelude, shipped
from thetaprime.lower import lower
from thetaprime.pipeline import check, checked, flat
from thetaprime.source import Source
from thetaprime.tables import Tables

if TYPE_CHECKING:
    from thetaprime.claims.verdicts import Verdict


@dataclass(frozen=True)
class Report:
    """What checking a spec found."""

    source: Source
    diagnostics: tuple[Diagnostic, ...]
    verdicts: tuple[Verdict, ...] = ()

    @property
    def ok(self) -> bool:
        """No errors; warnings may be left."""
        return all(d.severity != "error" for d in self.diagnostics)

    def __str__(self) -> str:
        return "\n\n".join(render(d) for d in self.diagnostics)

    def to_json(self) -> dict[str, Any]:
        """What machines read."""
        return {"spec": self.source.name, "ok": self.ok,
                "diagnostics": [d.to_json() for d in self.diagnostics],
                "claims": [v.to_json() for v in self.verdicts]}


@dataclass(frozen=True)
class NumpyOptimizer:
    """A generated NumPy program with its hyperparameters: ``init``, ``step``, ``evaluate``."""

    module: ModuleType
    hyperparameters: Mapping[str, Any]
    threads: int | None = None

    def init(self, params: Any) -> dict[str, Any]:
        """The state before the first step; params is any tree of arrays."""
        state: dict[str, Any] = self.module.init(params, **self.hyperparameters)
        return state

    def step(self, params: Any, grads: Any, state: dict[str, Any], value: Any = None
             ) -> dict[str, Any]:
        """One step: updates the arrays of ``params`` and ``state`` in place, returns the state."""
        extra = {} if value is None else {"value": value}
        if self.threads is not None and hasattr(self.module, "THREADS"):
            extra["threads"] = self.threads
        new: dict[str, Any] = self.module.step(params, grads, state, **extra,
                                               **self.hyperparameters)
        return new

    def ask(self, params: Any, state: dict[str, Any], batch: Any, problem: Any) -> dict[str, Any]:
        """One step of a rule that asks the problem itself, an object with a method for each oracle
        that the rule needs. A rule that sees more than the ``batch`` of the step takes an object
        with ``this``, ``fresh`` (a sequence) and ``full``."""
        new: dict[str, Any] = self.module.step(params, state, batch, problem,
                                               **self.hyperparameters)
        return new

    def evaluate(self, params: Any, state: dict[str, Any]) -> Any:
        """The point to evaluate and save; ``params`` themselves where the spec has no `eval`."""
        if not hasattr(self.module, "evaluate"):
            return params
        return self.module.evaluate(params, state, **self.hyperparameters)


@dataclass(frozen=True)
class Optimizer:
    """A spec. ``load`` makes one; every method raises SpecError when the spec is wrong."""

    source: Source

    @cached_property
    def flat(self) -> Flat:
        return flat(self.source)

    @cached_property
    def tables(self) -> Tables:
        return collect(self.flat, prelude())

    @property
    def name(self) -> str:
        return self.flat.name

    @property
    def doc(self) -> str:
        return self.flat.doc

    @property
    def cites(self) -> tuple[str, ...]:
        return self.flat.cites

    @property
    def notes(self) -> tuple[str, ...]:
        return self.flat.notes

    @property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """The static hyperparameters that are decided when code is generated."""
        return {n: i.choices or ("true", "false") for n, i in self.tables.hypers.items()
                if i.folded and n not in self.flat.bound}

    @property
    def hypers(self) -> tuple[Hyper, ...]:
        """The hyperparameters that programs take."""
        return self.step().hypers

    @seldom()
    def step(self, **choices: Any) -> Step:
        """The IR for one choice of booleans and one-of-a-set hyperparameters."""
        fixed = {n: str(v).lower() if isinstance(v, bool) else str(v) for n, v in choices.items()}
        key = frozenset(fixed.items())
        if key not in self._steps:
            self._steps[key] = lower(self.flat, prelude(), fixed).step
        return self._steps[key]

    @cached_property
    def _steps(self) -> dict[frozenset[tuple[str, str]], Step]:
        return {}

    def check(
        self, *dtypes: str, gradients: tuple[float, float] = (1e-7, 1e4), size: float = 1.0,
        claims: bool = True,
    ) -> Report:
        """Every diagnostic of the spec, and a verdict on each of its ``claims``.

        What floating point loses is found for parameters of these ``dtypes`` (float32 if none is
        named) and of this ``size``, with ``gradients`` between a least and a largest size."""
        asked = [Conditions(dtype, gradients, size) for dtype in dtypes or ("float32",)]
        found = check(self.source, asked)
        if not claims or any(d.severity == "error" for d in found):
            return Report(self.source, tuple(found))
        from thetaprime.claims.kept import refutations, verdicts

        try:
            judged = verdicts(checked(self.source))
        except SpecError as error:  # a claim names a spec that there is not
            return Report(self.source, (*found, *error.diagnostics))
        return Report(self.source, (*found, *refutations(judged)), tuple(judged))

    @seldom()
    def code(
        self, target: Target, *, engine: Engine = "numpy", fuse: Fuse | None = None, **choices: Any
    ) -> str:
        """The text of a program for "jax" or "numpy"; what compiles the loops of the latter is its
        engine. ``fuse``: a JAX program that holds many tensors in few arrays ("flat"), or that
        makes a tensor's results in one loop on a CPU ("loop")."""
        if target not in ("jax", "numpy"):
            raise CallError("wrong-call", f"there is no backend `{target}`", "jax or numpy")
        emit = emitter(target, engine, fuse)
        return emit(self.step(**self._by_name(choices)[0]))

    def to_jax(
        self, *, fuse: Fuse | None = None, shard_state: tuple[Any, str] | None = None, **hypers: Any
    ) -> Any:
        """An `optax.GradientTransformationExtraArgs`; hyperparameters by the spec's names or the
        ecosystem's, numbers, arrays or schedules. ``fuse="flat"``: many tensors in few arrays;
        "loop": on a CPU whose XLA is told to, the results of a tensor in one loop.
        ``shard_state=(mesh, axis)``: the state is cut over the devices along an axis of a mesh, on
        all of which the parameters are whole. Raises CallError, SpecError."""
        from thetaprime.backends.to_jax import factory_name, parameter_names

        choices, values = self.split(hypers)
        names = parameter_names(self.step(**choices))
        factory = getattr(self.module("jax", fuse=fuse, **choices), factory_name(self.name))
        made = factory(**{names.get(n, n): v for n, v in values.items()})
        if shard_state is None:
            return made
        from thetaprime.backends.jax_sharding import spread

        return spread(made, shard_state)

    def to_numpy(self, *, engine: Engine = "numpy", threads: int | None = None, **hypers: Any
                 ) -> NumpyOptimizer:
        """The NumPy program with these hyperparameters. Raises CallError, SpecError.

        ``threads`` share the work of a step, by default as many as this process has processors;
        whole-array operations (matrices, questions to the problem) have the threads of NumPy. With
        the engine "numba" each sweep over the entries is one compiled loop; with "cupy" arrays are
        CuPy's, on a GPU."""
        from thetaprime.backends.to_numpy import parameter_names

        require(engine, threads)
        choices, values = self.split(hypers)
        names = parameter_names(self.step(**choices), engine)
        return NumpyOptimizer(self.module("numpy", engine=engine, **choices),
                              {names.get(n, n): v for n, v in values.items()}, threads)

    def module(
        self, target: Target, *, engine: Engine = "numpy", fuse: Fuse | None = None, **choices: Any
    ) -> ModuleType:
        """The program, loaded."""
        from thetaprime.backends.module import load as execute

        kind = f"{target}_{fuse or engine}" if fuse or engine != "numpy" else target
        text = self.code(target, engine=engine, fuse=fuse, **choices)
        return execute(text, f"thetaprime_{kind}_{self.name}")

    def split(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Hyperparameters by the spec's names: (decided when generating, passed to programs).

        Raises CallError: unknown names, values that do not fit, missing ones.
        """
        choices, found = self._by_name(given)
        step = self.step(**choices)
        passed = {h.name for h in taken(step)}
        values = {n: v for n, v in found.items() if n in passed}
        check_values(self.name, step, values)
        return choices, values

    def split_names(self, given: Mapping[str, Any]) -> set[str]:
        """What is given, by the spec's own names. Raises CallError for a name that is unknown."""
        choices, values = self._by_name(given)
        return {*choices, *values}

    def _by_name(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        names = [n for n in self.tables.hypers if n not in self.flat.bound]
        names += self.tables.externs
        known = [*names, "seed"] if draws(self.step()) else names
        found, unknown = spec_names(given, known)
        for name in unknown:
            near = " or ".join(candidates(name, names)) or closest(name, names)
            hint = f"did you mean {near}?" if near else f"it has {', '.join(names) or 'none'}"
            raise CallError("bad-setting", f"`{self.name}` has no hyperparameter `{name}`", hint)
        choices = {n: v for n, v in found.items() if n in self.choices}
        for name, value in choices.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if text not in self.choices[name]:
                raise CallError("bad-setting", f"`{name}` of `{self.name}` is one of "
                                               f"{', '.join(self.choices[name])}, not `{value}`")
        return choices, {n: v for n, v in found.items() if n not in choices}


def load(name_or_path: str | Path) -> Optimizer:
    """A shipped spec by its name, a file by its path, or a spec made of others:
    ``"Lookahead(SAM(AdamW with wd = 0))"``. Raises CallError, OSError; SpecError at the first use
    of one that is wrong."""
    text = str(name_or_path)
    path = Path(text)
    if isinstance(name_or_path, str) and re.search(r"\w\s+(with|on)\s|\w\s*\(", text) and (
            not path.exists()):
        return Optimizer(Source(text, f"optimizer {_name_of(text)} = {text}\n"))
    if isinstance(name_or_path, Path) or text.endswith(".opt") or "/" in text:
        if path.is_dir():
            raise CallError("wrong-call", f"{text} is a folder, not a spec")
        try:
            return Optimizer(Source(text, path.read_text("utf-8")))
        except FileNotFoundError:
            raise CallError("wrong-call", f"there is no file {text}") from None
        except UnicodeDecodeError:
            raise CallError("wrong-call", f"{text} is not UTF-8 text") from None
    by_key = {key(stem): entry for stem, entry in {**modules(), **shipped()}.items()}
    entry = by_key.get(key(text))
    if entry is None:
        near = closest(text, [*modules(), *shipped()])
        hint = f"did you mean `{near}`?" if near else "see `thetaprime list`"
        raise CallError("wrong-call", f"there is no shipped spec `{text}`", hint)
    return Optimizer(Source(entry.name, entry.read_text("utf-8")))


# The longest name of a spec that is loaded by its expression.
MOST_LETTERS = 40


def _name_of(expression: str) -> str:
    """``Lookahead(SAM(AdamW))`` is LookaheadSAMAdamW, ``AdamW with wd = 0`` AdamWVariant."""
    inside = re.sub(r'"[^"]*"', "", expression)
    words = re.findall(r"(?<![\w.])([A-Z]\w*|[a-z]\w*(?=\s*\()|(?<=on )\w+)(?!\s*=)", inside)
    parts = [p[:1].upper() + p[1:] for word in dict.fromkeys(words) for p in word.split("_")]
    return "".join(parts if len(parts) > 1 else [*parts, "Variant"])[:MOST_LETTERS]


def loads(text: str, name: str = "<text>") -> Optimizer:
    """A spec from its text."""
    return Optimizer(Source(name, text))
