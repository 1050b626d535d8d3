"""`thetaprime diff`: the equations of two optimizers side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from thetaprime.compare.aligned import Diff
    from thetaprime.compare.declared import Row

DIFFERENT = 1
STYLES = {"=": "dim", "|": "yellow", "<": "red", ">": "green"}


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--width", type=click.IntRange(min=40), metavar="N",
              help="Columns to fill; those of the terminal if nothing is said.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines for machines.")
def diff(a: str, b: str, width: int | None, as_json: bool) -> int:
    """Show the equations of two optimizers side by side, aligned by what they mean.

    A and B as for `compare`. = means the same, | plays the same role and differs, < and > are in
    one of them only. Exit code 1 where anything differs.
    """
    from thetaprime.compare.aligned import aligned
    from thetaprime.compare.operands import operand

    found = aligned(operand(a), operand(b))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
    else:
        click.echo(text(found, width), nl=False)
    return 0 if found.same else DIFFERENT


def text(found: Diff, width: int | None = None) -> str:
    """Two columns; with colours on a terminal."""
    from rich.console import Console

    console = Console(width=width)
    with console.capture() as written:
        for number, rows in enumerate((found.hypers, found.states, found.equations)):
            if rows:
                console.print(*([""] if number else []), _table(found, rows, number == 0), sep="\n")
        for note in found.notes:
            console.print(f"\nnote: {note}", markup=False, highlight=False)
    lines = [line.rstrip() for line in written.get().split("\n")]
    return "\n".join(lines).strip("\n") + "\n"


def _table(found: Diff, rows: tuple[Row, ...], head: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1), expand=True)
    for ratio in (1, None, 1):
        table.add_column(ratio=ratio, overflow="fold", width=1 if ratio is None else None)
    if head:
        table.add_row(Text(found.a, "bold"), "", Text(found.b, "bold"))
    for row in rows:
        table.add_row(*(Text(part, STYLES[row.mark]) for part in (row.a, row.mark, row.b)))
    return table
