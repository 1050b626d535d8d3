"""The commands that analyse one rule."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("spec")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="Fix a hyperparameter; all others stay symbols.")
@click.option("--free", metavar="NAMES", help="Keep only these as symbols: `lr,b1`.")
@click.option("--best", is_flag=True,
              help="Find the fastest setting over curvatures between l and L.")
@click.option("--plot", "plot_file", type=click.Path(path_type=Path), metavar="FILE.svg",
              help="Draw the spectral radius over the curvature.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stability(
    spec: str, settings: Sequence[str], free: str | None, best: bool, plot_file: Path | None,
    as_json: bool,
) -> None:
    """Where a rule is stable on a quadratic, in its own hyperparameters.

    Adaptive rules are taken with their preconditioner frozen.
    """
    from thetaprime.analyse.stability import stability as analyse
    from thetaprime.files import guard_output

    if plot_file is not None:
        guard_output(plot_file, "--plot", (".png", ".svg", ".pdf"), strict=True)
    optimizer, hypers = _read(spec, settings)
    names = None if free is None else [n.strip() for n in free.split(",") if n.strip()]
    answer = analyse(optimizer, free=names, best=best, **hypers)
    if plot_file is not None:
        answer.plot(plot_file)
    _print(answer, as_json)


@click.command()
@click.argument("spec")
@click.option("--class", "function_class", required=True, metavar="CLASS",
              help="smooth-strongly-convex, smooth-convex, strongly-convex, convex, "
                   "lipschitz-convex, smooth or quadratic.")
@click.option("--mu", type=float, help="Strong convexity of the class.")
@click.option("--L", "smoothness", type=float, help="Smoothness of the class.")
@click.option("--M", "lipschitz", type=float, help="Lipschitz constant of the class.")
@click.option("--steps", type=click.IntRange(min=1), required=True, metavar="N")
@click.option("--measure", help="distance, function, gradient, least-function or least-gradient.")
@click.option("--start", help="What is at most 1 at the start: distance, function or descent.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="Set a hyperparameter.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rate(
    spec: str, function_class: str, mu: float | None, smoothness: float | None,
    lipschitz: float | None, steps: int, measure: str | None, start: str | None,
    settings: Sequence[str], as_json: bool,
) -> None:
    """The worst case of a rule over a class of functions, by performance estimation.

    For rules that are linear in gradients; needs PEPit.
    """
    from thetaprime.analyse.rate import rate as analyse

    optimizer, hypers = _read(spec, settings)
    _print(analyse(optimizer, function_class, steps=steps, mu=mu, L=smoothness, M=lipschitz,
                   measure=measure, start=start,
                   **{f"hyper_{n}": v for n, v in hypers.items()}), as_json)


def _read(spec: str, settings: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """The optimizer, and what `--set` says, unchecked values by name. Raises CallError."""
    from thetaprime.arguments import CallError
    from thetaprime.usage import load_spec, parse_settings, read_value

    found: dict[str, Any] = {}
    for owner, name, value in parse_settings(settings):
        if owner:
            raise CallError("bad-setting", f"`--set {owner}.{name}` names one of several specs",
                            f"this call has one: `--set {name}={value}`")
        found[name] = read_value(name, value)
    return load_spec(spec), found


def _print(answer: Any, as_json: bool) -> None:
    shown = json.dumps(answer.to_json(), indent=2, ensure_ascii=False) if as_json else str(answer)
    click.echo(shown)
