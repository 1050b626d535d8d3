"""`thetaprime audit`: somebody else's implementation beside a spec."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from thetaprime.options import SPEC_WRONG


@click.command()
@click.argument("spec", required=False)
@click.option("--against", metavar="OPTIMIZER",
              help="torch.optim.AdamW, optax.adan, keras.optimizers.Adam, or path.py:factory.")
@click.option("--map", "maps", multiple=True, metavar="HYPER=ARGUMENT",
              help="What a hyperparameter of the spec is called there.")
@click.option("--set", "settings", multiple=True, metavar="HYPER=VALUE",
              help="Set a hyperparameter of both in all runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as data.")
@click.option("--all", "libraries", multiple=True, metavar="LIBRARY",
              help="Audit every optimizer of torch, optax or keras that has a spec.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
              help="Write the table of --all.")
def audit(
    spec: str | None, against: str | None, maps: Sequence[str], settings: Sequence[str],
    as_json: bool, libraries: Sequence[str], output: Path | None,
) -> int:
    """Run somebody else's implementation against a spec: where they part, and by which edit.

    Exit code 1 where they differ. A file named by path.py:factory is run.
    """
    from thetaprime.arguments import CallError

    if libraries:
        if spec or against or maps or settings or as_json:
            raise CallError("wrong-call", "--all takes no spec and none of its options",
                            "`thetaprime audit --all torch --all optax -o table.md`")
        return _conformance(libraries, output)
    if spec is None or against is None:
        raise CallError("wrong-call", "an audit needs a spec and what to run against it",
                        "`thetaprime audit adamw --against torch.optim.AdamW`",
                        "`thetaprime audit --all optax` audits a whole library")
    if output is not None:
        raise CallError("wrong-call", "-o is for the table of --all")

    import json

    from thetaprime import audit as audits
    from thetaprime.audit import report
    from thetaprime.audit.settings import read_map
    from thetaprime.audit.table import row_for
    from thetaprime.cli import refuse_wrong
    from thetaprime.usage import assigned, label, load_spec, parse_settings, read_value

    optimizer = load_spec(spec)
    refuse_wrong(optimizer)
    (texts,) = assigned(parse_settings(settings), [(spec, optimizer)])
    chosen = {name: read_value(name, text) for name, text in texts.items()}
    with _status() as tick:
        found = audits.audit(optimizer, row_for(against, label(spec)), read_map(maps), chosen,
                             tick=tick)
    click.echo(json.dumps(report.data(found), indent=1) if as_json else report.text(found),
               nl=as_json)
    return 0 if found.conforms else SPEC_WRONG


@contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """A line on the terminal's error stream that says what runs; nothing where that is none."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what: None
        return
    with console.status("") as status:
        yield lambda what: status.update(what)


def _conformance(libraries: Sequence[str], output: Path | None) -> int:
    """The table of whole libraries."""
    from thetaprime.audit import conformance

    command = " ".join(["thetaprime audit", *(f"--all {name}" for name in libraries),
                        *([f"-o {output}"] if output else [])])
    lines = conformance.audited(conformance.rows(libraries))
    text = conformance.markdown(lines, command)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
        click.echo(f"{output} written", err=True)
    return 0
