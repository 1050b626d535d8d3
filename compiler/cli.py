"""The command line. Exit codes: 0; 1, the spec is wrong; 2, the call is wrong; 70, thetaprime is.

What a command needs is imported inside of it, so that `check` answers at once: jax, rich and
matplotlib are for `run` alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thetaprime import cli_analyse
from thetaprime.collector import seldom
from thetaprime.command_audit import audit
from thetaprime.command_check import check
from thetaprime.command_compare import compare
from thetaprime.command_diff import diff
from thetaprime.command_family import family
from thetaprime.command_lock import lock
from thetaprime.diagnostics import Diagnostic, SpecError, render
from thetaprime.options import CALL_WRONG, DTYPE, FILE, OUR_FAULT, POSITIVE, SPEC_WRONG

if TYPE_CHECKING:
    from thetaprime.optimizer import Optimizer

# What a shell reports for a program ended by Ctrl-C, and by a reader that has gone.
INTERRUPTED, NOBODY_READS = 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Every error is told as a message, never as a traceback."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with seldom(), cli.make_context("thetaprime", given) as context:
            code = cli.invoke(context)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return CALL_WRONG
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # What is still buffered has no reader either: without this Python complains at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    except SpecError as error:
        click.echo(str(error), err=True)
        return SPEC_WRONG
    except Exception as error:
        from thetaprime.usage import internal, render_error

        message = render_error(error)
        click.echo(message or internal(error, given), err=True)
        return CALL_WRONG if message else OUR_FAULT


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="thetaprime", message="%(prog)s %(version)s")
def cli() -> None:
    """Optimizers written as algebra: check them, turn them into JAX and NumPy code, run them.

    A SPEC is the name of a shipped spec (see `list`) or the path of a file that ends in .opt.
    """


cli.add_command(check)
cli.add_command(compare)
cli.add_command(diff)
cli.add_command(family)
cli.add_command(lock)
cli.add_command(cli_analyse.stability)
cli.add_command(cli_analyse.rate)


@cli.command("list")
def list_specs() -> None:
    """List the shipped specs: optimizers, then what makes others of them."""
    from thetaprime.library import modules, shipped
    from thetaprime.pipeline import checked
    from thetaprime.source import Source

    families: dict[str, list[tuple[str, str, str]]] = {}
    for name, entry in (*shipped().items(), *modules().items()):
        family = Path(str(entry)).parent.name
        flat = checked(Source(entry.name, entry.read_text("utf-8")))
        families.setdefault("" if family == "specs" else family, []).append(
            (name, flat.doc, "; ".join(flat.cites)))
    width = max(len(name) for rows in families.values() for name, _, _ in rows)
    for family, rows in families.items():
        click.echo(f"{family or 'others'}/")
        for name, doc, cites in rows:
            click.echo(f"  {name.ljust(width)}  {doc}" + (f"  [{cites}]" if cites else ""))


@cli.command()
@click.argument("spec")
@click.option("--expanded", is_flag=True, help="Print the flat step: no parts from other specs.")
@click.option("--parameters", type=POSITIVE, metavar="N", help="The size of a model, as 7e9.")
@click.option("--bandwidth", type=POSITIVE, metavar="B", help="Bytes a second: the least time.")
@click.option("--dtype", type=DTYPE, default="float32", help="Of the parameters.")
def show(
    spec: str, expanded: bool, parameters: float | None, bandwidth: float | None, dtype: str
) -> None:
    """Show a spec: its text, hyperparameters, states, needs and cost.

    --parameters and --bandwidth together: how long a step takes at least on such hardware.
    """
    from thetaprime import describe, steptext
    from thetaprime.usage import load_spec

    optimizer = load_spec(spec)
    if expanded:
        click.echo(steptext.expanded(optimizer))
        return
    if (parameters is None) != (bandwidth is None):
        raise click.UsageError("--parameters and --bandwidth go together")
    if parameters is not None and bandwidth is not None:
        click.echo(describe.least_time(optimizer.step(), parameters, bandwidth, dtype))
        return
    facts = describe.describe(optimizer)
    click.echo(f"{optimizer.source.text.strip()}\n\n{facts}")


@cli.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--check", "only_check", is_flag=True,
              help="Change nothing; exit code 1 where it would.")
def fmt(files: Sequence[Path], only_check: bool) -> int:
    """Rewrite spec files in canonical form; one that cannot be read stays as it is."""
    from thetaprime.arguments import CallError
    from thetaprime.files import rewrite
    from thetaprime.usage import render_error

    code = 0
    for path in files:
        try:
            if rewrite(path, only_check):
                click.echo(f"{path} would change" if only_check else f"{path} rewritten")
                code = max(code, SPEC_WRONG if only_check else 0)
        except SpecError as error:
            click.echo(f"{error}\n", err=True)
            code = max(code, SPEC_WRONG)
        except (CallError, OSError) as error:
            click.echo(render_error(error), err=True)
            code = CALL_WRONG
    return code


@cli.command("compile")
@click.argument("spec")
@click.option("--to", "target", type=click.Choice(["jax", "numpy"]), required=True)
@click.option("--engine", type=click.Choice(["numpy", "numba", "cupy"]), default="numpy",
              help="For numpy: numba compiles its loops, cupy is for arrays on a GPU.")
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Write FILE, not the terminal.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="Choose a static hyperparameter, or another default for a number.")
@click.option("--force", is_flag=True, help="Replace FILE even if thetaprime did not write it.")
@click.option("--fuse", type=click.Choice(["flat", "loop"]),
              help="For jax: many tensors in few arrays, or a tensor's results in one loop.")
def compile_spec(
    spec: str, target: str, engine: str, output: Path | None, settings: Sequence[str],
    force: bool, fuse: str | None,
) -> None:
    """Write the program of a spec, as text that needs only jax or only numpy (and an engine)."""
    from thetaprime.files import guard_program
    from thetaprime.usage import assign, load_spec, parse_settings

    optimizer = load_spec(spec)
    if output is not None:
        guard_program(output, force)
    refuse_wrong(optimizer)
    (hypers,) = assign(parse_settings(settings), [(spec, optimizer)])
    text = _program(optimizer, target, engine, fuse, hypers)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
        click.echo(f"{output} written", err=True)


def refuse_wrong(optimizer: Optimizer) -> None:
    """Raises SpecError for a spec with errors; warnings go to the error stream."""
    found: tuple[Diagnostic, ...] = optimizer.check(claims=False).diagnostics
    if any(d.severity == "error" for d in found):
        raise SpecError(found)
    for diagnostic in found:
        click.echo(f"{render(diagnostic)}\n", err=True)


def _program(
    optimizer: Optimizer, target: Any, engine: Any, fuse: Any, hypers: dict[str, Any]
) -> str:
    """The text of the program with these hyperparameters for its defaults."""
    from thetaprime.engines import emitter
    from thetaprime.usage import with_defaults

    choices, values = optimizer.split(hypers)
    return emitter(target, engine, fuse)(with_defaults(optimizer.step(**choices), values))


@cli.command()
@click.argument("name")
def new(name: str) -> None:
    """Write NAME.opt, a commented spec to start from."""
    from thetaprime.files import start_spec

    path = start_spec(name)
    click.echo(f"{path} written: `thetaprime check {path}` checks it")


@cli.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option("--on", "problem", required=True,
              type=click.Choice(["digits", "text", "rosenbrock", "quadratic"]))
@click.option("--steps", type=click.IntRange(min=1), required=True, metavar="N")
@click.option("--set", "settings", multiple=True, metavar="[SPEC.]NAME=VALUE",
              help="Set a hyperparameter of all specs that have it, or of one.")
@click.option("--backend", type=click.Choice(["jax", "numpy"]), default="jax", show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True,
              metavar="N")
@click.option("--plot", "plot_file", type=FILE, metavar="FILE.png",
              help="Draw the training losses.")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Write the results.")
def run(
    specs: Sequence[str], problem: str, steps: int, settings: Sequence[str], backend: str,
    seed: int, plot_file: Path | None, json_file: Path | None,
) -> None:
    """Train with several optimizers side by side.

    digits: handwritten digits, a small network. text: Python's own library, a small transformer.
    rosenbrock, quadratic: formulas.
    """
    from thetaprime.files import guard_output
    from thetaprime.usage import assign, label, load_spec, parse_settings

    if plot_file is not None:
        guard_output(plot_file, "--plot", (".png", ".svg", ".pdf"), strict=True)
    if json_file is not None:
        guard_output(json_file, "--json", (".json",))
    optimizers = [(spec, load_spec(spec)) for spec in specs]
    for _, optimizer in optimizers:
        refuse_wrong(optimizer)
    hypers = assign(parse_settings(settings), optimizers)

    from rich.console import Console

    from thetaprime.run import compare, table, write_json

    if plot_file is not None:
        from thetaprime.plot import plot

    chosen: Any = backend
    entrants = [(label(spec), optimizer, given)
                for (spec, optimizer), given in zip(optimizers, hypers, strict=True)]
    results = compare(entrants, problem, steps, chosen, seed)
    console = Console()
    with console.capture() as text:
        console.print(table(results))
    click.echo(text.get(), nl=False)
    if json_file is not None:
        write_json(results, problem, steps, chosen, seed, json_file)
    if plot_file is not None:
        plot(results, f"{problem}, {steps} steps", plot_file)


cli.add_command(audit)
