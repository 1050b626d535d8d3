"""The worst case of a rule over a class of functions, by performance estimation (Drori and Teboulle
2014; Taylor, Hendrickx and Glineur 2017), which PEPit solves."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thetaprime.analyse.worst import Worst
from thetaprime.arguments import CallError
from thetaprime.diagnostics import SpecError, closest, report
from thetaprime.optimizer import Optimizer, load
from thetaprime.source import Span


@dataclass(frozen=True, slots=True)
class Class:
    """A class of functions: what PEPit calls it, and the constants that it takes."""

    pepit: str
    constants: tuple[str, ...]


CLASSES: dict[str, Class] = {
    "smooth-strongly-convex": Class("SmoothStronglyConvexFunction", ("mu", "L")),
    "smooth-convex": Class("SmoothConvexFunction", ("L",)),
    "strongly-convex": Class("StronglyConvexFunction", ("mu",)),
    "convex": Class("ConvexFunction", ()),
    "lipschitz-convex": Class("ConvexLipschitzFunction", ("M",)),
    "smooth": Class("SmoothFunction", ("L",)),
    "quadratic": Class("SmoothStronglyConvexQuadraticFunction", ("mu", "L")),
}
MEASURES = {
    "distance": ("|x_{n} - x*|^2", r"\lVert x_{{{n}}} - x_\star \rVert^2"),
    "function": ("f(x_{n}) - f*", r"f(x_{{{n}}}) - f_\star"),
    "gradient": ("|f'(x_{n})|^2", r"\lVert \nabla f(x_{{{n}}}) \rVert^2"),
    "least-function": ("min f(x_k) - f*", r"\min_{{k \le {n}}} f(x_k) - f_\star"),
    "least-gradient": ("min |f'(x_k)|^2", r"\min_{{k \le {n}}} \lVert \nabla f(x_k) \rVert^2"),
}
STARTS = {
    "distance": ("|x_0 - x*|^2", r"\lVert x_0 - x_\star \rVert^2"),
    "function": ("(f(x_0) - f*)", r"(f(x_0) - f_\star)"),
}
# How far primal and dual values may lie apart, relative to 1.
GAP = 1e-5
# The solver: PEPit's default one can be wrong.
SOLVER = "CLARABEL"


@dataclass(frozen=True)
class Rate:
    """measure after ``steps`` steps <= ``value`` * start, for every function of the class, and some
    function attains it; up to ``gap``, the difference of the primal and the dual value. ``measure``
    is taken at the point to evaluate."""

    name: str
    function_class: str
    constants: dict[str, float]
    settings: dict[str, float]
    steps: int
    measure: str
    start: str
    value: float
    gap: float

    @property
    def per_step(self) -> float:
        """The factor for one step that gives ``value`` after all."""
        return float(self.value ** (1 / self.steps))

    def to_json(self) -> dict[str, Any]:
        """The answer as plain data."""
        return {"optimizer": self.name, "class": self.function_class, "constants": self.constants,
                "settings": self.settings, "steps": self.steps, "measure": self.measure,
                "start": self.start, "value": self.value, "gap": self.gap}

    def _repr_latex_(self) -> str:
        left = MEASURES[self.measure][1].format(n=self.steps)
        return rf"${left} \le {self.value:.6g} \, {STARTS[self.start][1]}$"

    def __str__(self) -> str:
        constants = ", ".join(f"{n} = {v:g}" for n, v in self.constants.items())
        settings = ", ".join(f"{n} = {v:g}" for n, v in self.settings.items())
        left = MEASURES[self.measure][0].format(n=self.steps)
        return "\n".join([
            f"{self.name} on {self.function_class} functions" + (f", {constants}" * bool(constants)),
            f"with {settings}" if settings else "without hyperparameters", "",
            f"  {left} <= {self.value:.6g} * {STARTS[self.start][0]}", "",
            "the worst case of the class: some function attains it "
            f"(performance estimation; primal and dual agree to {self.gap:.0e})"])


def rate(
    optimizer: Optimizer | str, function_class: str, *, steps: int, mu: float | None = None,
    L: float | None = None, M: float | None = None,  # noqa: N803
    measure: str | None = None, start: str | None = None, **hypers: Any,
) -> Rate:
    """The worst case of a rule after ``steps`` steps over a class of functions.

    ``function_class`` is one of `CLASSES`, whose constants are ``mu`` (strong convexity), ``L``
    (smoothness), ``M`` (Lipschitz continuity). A hyperparameter of one of these names is given as
    ``hyper_mu``. Raises CallError, SpecError where an operation is none that performance estimation
    takes, ModuleNotFoundError without PEPit.
    """
    chosen = load(optimizer) if isinstance(optimizer, str) else optimizer
    constants = _constants(function_class, {"mu": mu, "L": L, "M": M})
    nonconvex = function_class == "smooth"
    measure = measure or ("least-gradient" if nonconvex else "distance" if "mu" in constants
                          else "least-function" if "M" in constants else "function")
    start = start or ("function" if nonconvex else "distance")
    for word, known, what in ((measure, MEASURES, "measure"), (start, STARTS, "start")):
        if word not in known:
            raise CallError("bad-setting", f"there is no {what} `{word}`",
                            f"one of {', '.join(known)}")
    if steps < 1:
        raise CallError("bad-setting", "`steps` is a whole number from 1")
    names = {n.removeprefix("hyper_"): v for n, v in hypers.items()}
    choices, values = chosen.split(names)
    step = chosen.step(**choices)
    import PEPit.functions
    from PEPit import PEP

    problem = PEP()
    function = problem.declare_function(
        getattr(PEPit.functions, CLASSES[function_class].pepit), **constants)
    best = function.stationary_point()
    initial = problem.set_initial_point()
    lengths = {a.name: a.length if isinstance(a.length, int) else int(values.get(
        a.length, _default(step, a.length))) for a in step.axes if isinstance(a.length, int)
        or any(h.name == a.length for h in step.hypers)}
    walk = Worst(step, lengths, values, function, initial)
    distance = (initial - best) ** 2
    problem.set_initial_condition(
        (distance if start == "distance" else function(initial) - function(best)) <= 1)
    points = [initial]
    for t in range(1, steps + 1):
        walk.run(t)
        points.append(walk.evaluated(t))
    chosen_points = points if measure.startswith("least") else points[-1:]
    for point in chosen_points:
        problem.set_performance_metric(_measured(measure, function, point, best))
    value, gap = _solved(problem, chosen, function_class)
    settings = {h.name: float(values.get(h.name, _default(step, h.name))) for h in step.hypers
                if not h.type.axes and h.type.kind != "function"}
    return Rate(chosen.name, function_class, constants, settings, steps, measure, start, value, gap)


def _default(step: Any, name: str) -> float:
    from thetaprime.expr import Sym
    from thetaprime.interpret import hyperparameters

    known = {h.name: 0.0 for h in step.hypers if h.default is None}
    return float(hyperparameters(step, known, 1)[Sym(name)])  # type: ignore[arg-type]


def _constants(function_class: str, given: Mapping[str, float | None]) -> dict[str, float]:
    if function_class not in CLASSES:
        near = closest(function_class, list(CLASSES))
        raise CallError("bad-setting", f"there is no class `{function_class}`",
                        f"did you mean `{near}`?" if near else f"one of {', '.join(CLASSES)}")
    wanted = CLASSES[function_class].constants
    for name, value in given.items():
        if (value is None) == (name in wanted):
            raise CallError("bad-setting",
                            f"`{function_class}` " + ("needs" if name in wanted else "has no")
                            + f" `{name}`", f"it takes {', '.join(wanted) or 'no constant'}")
    found = {n: float(given[n]) for n in wanted}  # type: ignore[arg-type]
    if not all(0 < v < float("inf") for v in found.values()) or (
            len(found) == 2 and found["mu"] >= found["L"]):
        raise CallError("bad-setting", "the constants of a class are positive, and mu < L")
    return found


def _measured(measure: str, function: Any, point: Any, best: Any) -> Any:
    match measure.removeprefix("least-"):
        case "distance":
            return (point - best) ** 2
        case "gradient":
            return function.gradient(point) ** 2
    return function(point) - function(best)


def _solved(problem: Any, optimizer: Optimizer, function_class: str) -> tuple[float, float]:
    """The worst case, and how far primal and dual values lie apart. Raises SpecError where the
    solver finds none."""
    from cvxpy.error import SolverError

    why = "grows without bound"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dual = problem.solve(solver=SOLVER, verbose=0)
        except SolverError:
            dual, why = None, "stopped the solver"
    if dual is not None:
        gap = abs(float(problem.objective.eval()) - float(dual))
        if gap <= GAP * max(1.0, abs(dual)):
            return float(dual), gap
        why = f"has primal and dual values that differ by {gap:.1e}"
    source = optimizer.source
    raise SpecError([report("no-rate", source, Span(0, len(source.line(1))), name=optimizer.name,
                            classes=function_class, why=why)])
