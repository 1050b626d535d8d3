"""`thetaprime compare`: are these two the same algorithm?"""

from __future__ import annotations

import json

import click

DIFFERENT = 1


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--proof", is_flag=True, help="Print the proof, line by line.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found for machines.")
def compare(a: str, b: str, proof: bool, as_json: bool) -> int:
    """Compare two optimizers formally: equal, equal under a map, equal when, or different.

    A and B are shipped specs, paths that end in .opt, or any expression of the language:
    "SAM(SGD) with rho = 0", "AdamW(wd = 0)". Exit code 1 where they are different.
    """
    from thetaprime.compare import compare as compared

    found = compared(a, b)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
    else:
        click.echo(found)
        for line in found.certificate if proof else ():
            click.echo(f"    {line}")
    return DIFFERENT if found.verdict in ("different", "unknown") else 0
