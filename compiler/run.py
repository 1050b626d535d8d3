"""Several optimizers side by side on one problem: what ``thetaprime run`` does."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from thetaprime.arguments import CallError, draws
from thetaprime.feed import Feed, check_problem, check_size, check_tensors, feed_of, grouped
from thetaprime.optimizer import Optimizer
from thetaprime.problems import PROBLEMS, NoData, Problem
from thetaprime.signature import asks_more
from thetaprime.trial import Result, Tick, ask_jax, ask_numpy, run_jax, run_numpy

Backend = Literal["jax", "numpy"]
Entrant = tuple[str, Optimizer, dict[str, Any]]  # what to call it, the spec, hyperparameters


def compare(
    entrants: Sequence[Entrant], problem_name: str, steps: int, backend: Backend, seed: int
) -> list[Result]:
    """The results in the order given. Raises CallError, SpecError."""
    prepared = [_prepare(optimizer, hypers, backend, seed) for _, optimizer, hypers in entrants]
    try:
        problem = PROBLEMS[problem_name](seed)
    except NoData as error:
        raise CallError("no-data", str(error)) from None
    for _, optimizer, hypers in entrants:
        step = optimizer.step(**optimizer.split(hypers)[0])
        check_tensors(optimizer.name, step, problem)
        check_size(optimizer.name, step, problem)
    results = []
    for (called, _, hypers), train in zip(entrants, prepared, strict=True):
        with _bar(called, steps) as tick:
            results.append(train(called, hypers, problem, steps, tick))
    return results


Train = Callable[[str, dict[str, Any], Problem, int, Tick], Result]


def _prepare(optimizer: Optimizer, hypers: dict[str, Any], backend: Backend, seed: int) -> Train:
    """Compile the spec now, so that a wrong one stops the call before anything trains."""
    choices, values = optimizer.split(hypers)
    step = optimizer.step(**choices)
    given = {**choices, **values}
    if draws(step):
        given.setdefault("seed", seed)
    asking = asks_more(step)
    integers = {n: v for n, v in values.items() if isinstance(v, int)}

    def prepared(problem: Problem) -> tuple[Problem, Feed]:
        check_problem(optimizer.name, step, problem)
        several = grouped(step, problem, integers)
        return several, feed_of(step, several, integers)

    if backend == "numpy":
        program = optimizer.to_numpy(**given)
        if asking:
            def with_numpy(name: str, shown: dict[str, Any], problem: Problem, steps: int,
                           tick: Tick) -> Result:
                several, feed = prepared(problem)
                return ask_numpy(name, _shown(optimizer, shown), program, several, steps, tick,
                                 feed)

            return with_numpy
        return lambda name, shown, problem, steps, tick: run_numpy(
            name, _shown(optimizer, shown), program, problem, steps, tick)
    transform = optimizer.to_jax(**given)
    evaluate = getattr(optimizer.module("jax", **choices), "evaluate", None)
    point = None
    if evaluate is not None:
        wanted = set(inspect.signature(evaluate).parameters)
        fixed = {name: value for name, value in values.items() if name in wanted}

        def point(params: Any, state: Any) -> Any:
            return evaluate(params, state, **fixed)

    if asking:
        def with_jax(name: str, shown: dict[str, Any], problem: Problem, steps: int,
                     tick: Tick) -> Result:
            several, feed = prepared(problem)
            return ask_jax(name, _shown(optimizer, shown), transform, point, several, steps, tick,
                           feed)

        return with_jax
    return lambda name, shown, problem, steps, tick: run_jax(
        name, _shown(optimizer, shown), transform, point, problem, steps, tick)


def _shown(optimizer: Optimizer, given: dict[str, Any]) -> dict[str, Any]:
    """Every hyperparameter of a run by the spec's name: what was set, else a default number."""
    from thetaprime.collect import constant
    from thetaprime.render import spec_text

    choices, _ = optimizer.split(given)
    found: dict[str, Any] = {}
    for hyper in optimizer.step(**choices).hypers:
        default = hyper.default
        if isinstance(default, tuple):
            found[hyper.name] = [float(constant(e) or 0) for e in default]
        elif default is not None:
            value = constant(default)
            found[hyper.name] = spec_text(default) if value is None else (
                int(value) if hyper.static else float(value))
    return {**found, **given}


@contextmanager
def _bar(name: str, steps: int) -> Iterator[Tick]:
    """A progress bar on the terminal's error stream; nothing where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} of "
               "{task.total} steps"), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True,
                  disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=steps, loss="compiling")

        def tick(step: int, loss: float) -> None:
            progress.update(task, completed=step, loss=f"loss {loss:.4g}")

        yield tick


def table(results: Sequence[Result]) -> Table:
    """Final loss, accuracy and time per step, in the order given."""
    measured = any(r.final_accuracy is not None for r in results)
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    made.add_column("optimizer", no_wrap=True)
    made.add_column("final loss", justify="right", no_wrap=True)
    if measured:
        made.add_column("accuracy", justify="right", no_wrap=True)
    made.add_column("time per step", justify="right", no_wrap=True)
    for r in results:
        loss = "-" if r.final_loss is None else f"{r.final_loss:.6g}"
        if r.diverged_at is not None:
            loss = f"diverged at step {r.diverged_at}"
        row = [r.optimizer, loss]
        if measured:
            row.append("-" if r.final_accuracy is None else f"{100 * r.final_accuracy:.1f} %")
        made.add_row(*row, _duration(r.seconds_per_step))
    return made


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def write_json(
    results: Sequence[Result], problem: str, steps: int, backend: Backend, seed: int, path: Path
) -> None:
    """The results as data; numbers that are not finite are null. Raises OSError."""
    data = {"problem": problem, "steps": steps, "backend": backend, "seed": seed,
            "results": [r.to_json() for r in results]}
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", "utf-8")
