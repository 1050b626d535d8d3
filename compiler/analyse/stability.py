"""Where a rule is stable on a quadratic: the answer of `tp.stability` and of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sympy

from thetaprime.analyse import best as fastest
from thetaprime.analyse.formulas import latex, text
from thetaprime.analyse.jury import radius
from thetaprime.analyse.linear import Linearised, linearise, typical_values
from thetaprime.analyse.region import Region, characteristic, region
from thetaprime.analyse.vectors import lane_name
from thetaprime.analyse.walk import quoted
from thetaprime.arguments import CallError
from thetaprime.diagnostics import closest
from thetaprime.optimizer import Optimizer, load
from thetaprime.render import spec_text


@dataclass(frozen=True)
class Frozen:
    """A factor that is taken as a constant, and why it is not linear."""

    factor: str
    because: str
    fast: bool


@dataclass(frozen=True)
class Fastest:
    """The best settings over curvatures in [l, L], the rate, and what all others were set to."""

    settings: dict[str, str]
    rate: str
    others: dict[str, str]


@dataclass(frozen=True)
class Stability:
    """One rule on a quadratic of curvature h, with g = h*x, as t goes to infinity.

    ``matrix`` takes the ``coordinates`` over ``period`` steps. ``stable`` says where its spectral
    radius is below 1 (``some``: where all ``inequalities`` hold; ``all``; ``none``; ``long`` and
    ``failed``: no formula is given); ``points`` random points confirmed it, of which ``inside`` are
    stable.
    ``settings`` are the hyperparameters that are numbers here.
    """

    name: str
    curvature: str
    coordinates: tuple[str, ...]
    matrix: tuple[tuple[str, ...], ...]
    period: int
    stable: str
    inequalities: tuple[str, ...]
    points: int
    inside: int
    frozen: tuple[Frozen, ...]
    assumed: tuple[str, ...]
    settings: dict[str, str]
    defaults: tuple[str, ...]
    best: Fastest | None
    formulas: tuple[str, ...] = field(repr=False)
    map: Linearised = field(repr=False, compare=False)

    def radius(self, h: Any, **values: float) -> Any:
        """The spectral radius over the period at curvatures ``h``; hyperparameters and frozen
        factors by name, others at their defaults and frozen ones at 1. Raises CallError."""
        symbols = sorted(self.map.matrix.free_symbols - {self.map.h}, key=str)
        names = {text(s, self.map.names): s for s in symbols}
        for name in values:
            if name not in names:
                raise CallError("bad-setting", f"the matrix of `{self.name}` has no `{name}`",
                                f"it has {', '.join(names) or 'none'}")
        usual = typical_values(self.map)
        grid = np.atleast_1d(np.asarray(h, float))
        points = {self.map.h: grid.ravel()}
        for name, symbol in names.items():
            value = float(values.get(name, usual.get(symbol, 1)))
            points[symbol] = np.full(grid.size, value)
        found = radius(self.map.matrix, list(points))(points).reshape(grid.shape)
        return found if np.ndim(h) else float(found[0])

    def plot(self, path: str | Path) -> None:
        """The spectral radius over h as a picture, by its ending. Needs matplotlib."""
        from thetaprime.analyse.picture import plot

        plot(self, Path(path))

    def to_json(self) -> dict[str, Any]:
        """The answer as plain data."""
        return {
            "optimizer": self.name, "curvature": self.curvature,
            "coordinates": list(self.coordinates), "matrix": [list(r) for r in self.matrix],
            "steps": self.period, "stable": self.stable, "inequalities": list(self.inequalities),
            "verified": {"points": self.points, "stable": self.inside},
            "frozen": [{"factor": f.factor, "because": f.because, "follows_gradient": f.fast}
                       for f in self.frozen],
            "assumed": list(self.assumed), "settings": self.settings,
            "at_defaults": list(self.defaults),
            "best": None if self.best is None else {
                "settings": self.best.settings, "rate": self.best.rate,
                "others": self.best.others},
        }

    def _repr_latex_(self) -> str:
        return "$" + r" \quad ".join(self.formulas) + "$" if self.formulas else ""

    def __str__(self) -> str:
        from thetaprime.analyse.telling import lines

        return "\n".join(lines(self))


def stability(
    optimizer: Optimizer | str, *, free: Sequence[str] | None = None, best: bool = False,
    **hypers: Any,
) -> Stability:
    """Where a rule is stable on a quadratic of curvature h.

    Hyperparameters given are numbers; all others stay symbols, or those in ``free`` alone and the
    rest at their defaults. ``best`` also looks for the fastest setting over curvatures in [l, L].
    Raises SpecError where the rule has no linear map, CallError.
    """
    chosen = load(optimizer) if isinstance(optimizer, str) else optimizer
    choices, values = _split(chosen, hypers)
    step = chosen.step(**choices)
    known = [h.name for h in step.hypers if not h.static and not h.type.axes]
    for name in free or ():
        if name not in known:
            near = closest(name, known)
            raise CallError("bad-setting", f"`{chosen.name}` has no hyperparameter `{name}` to keep"
                                           " free", f"did you mean `{near}`?" if near else
                            f"it has {', '.join(known) or 'none'}")
    found = linearise(step, values, free)
    area = region(found)
    if area.kind in ("long", "failed") and free is None and "lr" in known and "lr" not in values:
        found = linearise(step, values, ["lr"])
        area = region(found)
    return _answer(found, area, best)


def _split(chosen: Optimizer, hypers: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(choices, numbers); a required hyperparameter may be left out, it stays a symbol."""
    missing = {h.name: _stand_in(h.type.kind) for h in chosen.step().hypers if h.default is None}
    for name, value in hypers.items():
        if callable(value):
            raise CallError("bad-setting", f"`{name}` must be a number here",
                            "stability is asked of constant hyperparameters")
    choices, values = chosen.split({**missing, **hypers})
    given = chosen.split_names(hypers)
    return choices, {n: v for n, v in values.items() if n in given}


def _stand_in(kind: str) -> Any:
    return (lambda *args: args[0]) if kind == "function" else 1


def _answer(found: Linearised, area: Region, best: bool) -> Stability:
    names = found.names
    rows = tuple(tuple(text(found.matrix[i, j], names) for j in range(found.matrix.shape[1]))
                 for i in range(found.matrix.shape[0]))
    inequalities = area.inequalities
    frozen = tuple(
        Frozen(spec_text(a.shown), f"`{quoted(a.cause, a.source)}` {a.why}", a.fast)
        for _, a in sorted(found.frozen.items(), key=lambda pair: str(pair[0])))
    settings = {n: text(v, names) for n, v in found.hypers.items()
                if not isinstance(v, list | sympy.Symbol)}
    return Stability(
        found.step.name, str(found.h),
        tuple(lane_name(name, lane) for name, lane in found.coordinates), rows, found.period,
        area.kind,
        tuple(f"{text(i.left, names)} < {text(i.right, names)}" for i in inequalities),
        area.points, area.inside, frozen, found.assumed, settings,
        _at_defaults(found, area), _fastest(found) if best else None,
        tuple(f"{latex(i.left, names)} < {latex(i.right, names)}" for i in inequalities), found)


def _at_defaults(found: Linearised, area: Region) -> tuple[str, ...]:
    """The inequalities with the hyperparameters at their defaults, where that says more."""
    usual = typical_values(found)
    shown = []
    for one in area.inequalities:
        h = found.h
        gap = sympy.expand((one.right - one.left).subs(usual))
        slope = sympy.diff(gap, h)
        if slope.is_number and slope != 0:
            edge = text(sympy.N(-gap.subs(h, 0) / slope, 6), found.names)
            shown.append(f"{h} < {edge}" if slope < 0 else f"{edge} < {h}")
    return tuple(shown)


def _fastest(found: Linearised) -> Fastest | None:
    _, factors = characteristic(found)
    used = set().union(*(f.as_expr().free_symbols for f in factors))
    hypers = sorted((s for s in found.ranges if s in used), key=lambda s: str(s) != "lr")
    answer = fastest.best(factors, found.h, hypers, typical_values(found, rational=True))
    if answer is None:
        return None
    names = found.names
    return Fastest({text(s, names): text(v, names) for s, v in answer.settings.items()},
                   text(answer.rate, names),
                   {text(s, names): text(v, names) for s, v in answer.others.items()})
