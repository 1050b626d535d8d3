"""The worst case of a rule over a class of functions, by performance estimation (Drori and Teboulle
2014; Taylor, Hendrickx and Glineur 2017), which PEPit solves."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thetaprime.analyse.worst import Worst
from thetaprime.arguments import CallError
from thetaprime.diagnostics import SpecError, closest, report
from thetaprime.expr import Sym
from thetaprime.interpret import hyperparameters
from thetaprime.ir import Step
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
    "descent": ("(f(x_0) - f(x_{n}))", r"(f(x_0) - f(x_{{{n}}}))"),
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
        return rf"${left} \le {self.value:.6g} \, {STARTS[self.start][1].format(n=self.steps)}$"

    def __str__(self) -> str:
        constants = ", ".join(f"{n} = {v:g}" for n, v in self.constants.items())
        settings = ", ".join(f"{n} = {v:g}" for n, v in self.settings.items())
        left = MEASURES[self.measure][0].format(n=self.steps)
        over = f"{self.name} on {self.function_class} functions"
        return "\n".join([
            f"{over}, {constants}" if constants else over,
            f"with {settings}" if settings else "without hyperparameters", "",
            f"  {left} <= {self.value:.6g} * {STARTS[self.start][0].format(n=self.steps)}", "",
            "the worst case of the class: some function attains it "
            f"(performance estimation; primal and dual agree to {self.gap:.0e})"])


def rate(
    optimizer: Optimizer | str, function_class: str, *, steps: int, mu: float | None = None,
    L: float | None = None, M: float | None = None,
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
    if steps < 1:
        raise CallError("bad-setting", "`steps` is a whole number from 1")
    measure, start = _question(function_class, measure, start)
    choices, values = chosen.split({n.removeprefix("hyper_"): v for n, v in hypers.items()})
    step = chosen.step(**choices)
    problem, function, initial = _problem(function_class, constants)
    walk = Worst(step, _lengths(step, values), values, function, initial)
    points = [initial]
    for t in range(1, steps + 1):
        walk.run(t)
        points.append(walk.evaluated(t))
    _ask(problem, function, function_class, constants, points, measure, start)
    value, gap = _solved(problem, chosen, function_class)
    settings = {h.name: float(values.get(h.name, _default(step, h.name))) for h in step.hypers
                if not h.type.axes and h.type.kind != "function"}
    return Rate(chosen.name, function_class, constants, settings, steps, measure, start, value, gap)


def _question(function_class: str, measure: str | None, start: str | None) -> tuple[str, str]:
    """The measure and the start, those that a class is usually judged by where none is given."""
    nonconvex = function_class == "smooth"
    usual = ("least-gradient" if nonconvex else "distance" if function_class in (
        "smooth-strongly-convex", "strongly-convex", "quadratic") else
             "least-function" if function_class == "lipschitz-convex" else "function")
    measure, start = measure or usual, start or ("function" if nonconvex else "distance")
    for word, known, what in ((measure, MEASURES, "measure"), (start, STARTS, "start")):
        fitting = [k for k in known if not nonconvex or k.endswith("gradient")
                   or (what == "start" and k != "distance")]
        if word not in fitting:
            raise CallError("bad-setting", f"there is no {what} `{word}`" + (
                " of functions that are not convex" if word in known else ""),
                f"one of {', '.join(fitting)}")
    return measure, start


def _problem(function_class: str, constants: Mapping[str, float]) -> tuple[Any, Any, Any]:
    """(the problem, the function, the starting point), of PEPit."""
    import PEPit.functions
    from PEPit import PEP

    problem = PEP()
    kind = getattr(PEPit.functions, CLASSES[function_class].pepit)
    function = problem.declare_function(kind, **constants)
    return problem, function, problem.set_initial_point()


def _lengths(step: Step, values: Mapping[str, Any]) -> dict[str, int]:
    """The lengths of named axes."""
    hypers = {h.name for h in step.hypers}
    return {a.name: a.length if isinstance(a.length, int) else
            int(values.get(a.length, _default(step, a.length)))
            for a in step.axes if isinstance(a.length, int) or a.length in hypers}


def _ask(
    problem: Any, function: Any, function_class: str, constants: Mapping[str, float],
    points: Sequence[Any], measure: str, start: str,
) -> None:
    """The question: how large the measure gets where the start is at most 1."""
    from PEPit import Expression

    if function_class == "smooth":
        # f* is the infimum: f(y) - |f'(y)|^2/(2 L) is not below it, for any y (Drori, Shamir 2020).
        best, least = None, Expression()
    else:
        best = function.stationary_point()
        least = function(best)
    initial, last = points[0], points[-1]
    match start:
        case "distance":
            problem.set_initial_condition((initial - best) ** 2 <= 1)
        case "function":
            problem.set_initial_condition(function(initial) - least <= 1)
        case "descent":
            problem.set_initial_condition(function(initial) - function(last) <= 1)
    for point in points if measure.startswith("least") else [last]:
        match measure.removeprefix("least-"):
            case "distance":
                metric = (point - best) ** 2
            case "gradient":
                metric = function.gradient(point) ** 2
            case _:
                metric = function(point) - least
        problem.set_performance_metric(metric)
    if function_class == "smooth":
        for _, gradient, value in list(function.list_of_points):
            problem.add_constraint(value - gradient**2 / (2 * constants["L"]) >= least)


def _default(step: Step, name: str) -> float:
    """The default of a hyperparameter."""
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
