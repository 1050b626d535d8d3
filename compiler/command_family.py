"""`thetaprime family`: which rules are special cases of which."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from thetaprime.options import FILE


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPEC]...")
@click.option("-o", "--output", type=FILE, metavar="FILE.svg", help="Draw the graph.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N",
              help="Processes; as many as there are processors if nothing is said.")
@click.option("--limit", type=click.IntRange(min=1), default=120, show_default=True,
              metavar="SECONDS", help="The most that one comparison may take.")
@click.option("--json", "as_json", is_flag=True, help="Print the graph for machines.")
def family(
    specs: Sequence[str], output: Path | None, jobs: int | None, limit: int, as_json: bool
) -> None:
    """Compare all pairs of specs: special cases, equal rules, single edits.

    SPEC is what `compare` takes; without any, the shipped optimizers. What was compared before is
    not compared again.
    """
    from thetaprime.arguments import CallError
    from thetaprime.compare.drawing import svg
    from thetaprime.compare.family import default_names
    from thetaprime.compare.family import family as found_family
    from thetaprime.files import guard_output

    if len(set(specs)) == 1:
        raise CallError("wrong-call", "a family has two members at least",
                        "`thetaprime family` takes all shipped optimizers")
    if output is not None:
        guard_output(output, "-o", (".svg",), strict=True)
    with _bar() as tick:
        found = found_family(list(specs) or default_names(), jobs or 0, limit, tick)
    click.echo(json.dumps(found.to_json(), indent=1) if as_json else found)
    if output is not None:
        output.write_text(svg(found.graph), "utf-8")
        click.echo(f"{output} written", err=True)


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on the terminal's error stream; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(),
               TextColumn("{task.completed} of {task.total}"), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True,
                  disable=not console.is_terminal) as progress:
        def tick(what: str, done: int, total: int) -> None:
            if done == 0 or what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        yield tick
