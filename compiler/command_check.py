"""`thetaprime check`: every message on specs, and the verdicts on what they claim."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from thetaprime.command_lock import names_locked, unlike_lock
from thetaprime.options import CALL_WRONG, DTYPE, POSITIVE, SPEC_WRONG, sizes


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPEC]...")
@click.option("--explain", metavar="CODE",
              help="Say what the message CODE is about, with an example.")
@click.option("--dtype", "dtypes", type=DTYPE, multiple=True, default=("float32",),
              help="Of the parameters: what its rounding loses. May be repeated.")
@click.option("--gradients", type=sizes, default="1e-7..1e4", show_default=True,
              metavar="LEAST..MOST", help="The sizes of gradients to look at.")
@click.option("--size", type=POSITIVE, default=1.0, show_default=True, metavar="S",
              help="The usual size of parameters.")
@click.option("--claims/--no-claims", default=True, help="Prove or refute what specs claim.")
@click.option("--proofs", is_flag=True, help="Print the proofs of claims.")
@click.option("--locked", is_flag=True, help="Do they still mean what thetaprime.lock says?")
@click.option("--json", "as_json", is_flag=True, help="Print what was found for machines.")
def check(
    specs: Sequence[str], explain: str | None, dtypes: Sequence[str],
    gradients: tuple[float, float], size: float, claims: bool, proofs: bool, locked: bool,
    as_json: bool,
) -> int:
    """Check specs; without any, those of this folder, or else the shipped ones.

    With --locked and no spec, those that are locked.
    """
    from thetaprime.arguments import CallError
    from thetaprime.library import modules, shipped
    from thetaprime.usage import claim_lines, explained, load_spec, render_error, verdict

    if explain is not None:
        click.echo(explained(explain))
        return 0
    names = list(specs) or (names_locked() if locked else sorted(map(str, Path().glob("*.opt"))))
    names = names or [*shipped(), *(name for name in modules() if name not in shipped())]
    wrong = unread = 0
    found = []
    for name in names:
        try:
            optimizer = load_spec(name)
            report = optimizer.check(*dtypes, gradients=gradients, size=size, claims=claims)
            if locked and report.ok:
                report = replace(report, diagnostics=(
                    *report.diagnostics, *unlike_lock(name, optimizer)))
        except (CallError, OSError) as error:
            click.echo(render_error(error), err=True)
            unread += 1
            continue
        wrong += not report.ok
        found.append(report.to_json())
        if as_json:
            continue
        if report.diagnostics:
            click.echo(f"{report}\n")
        click.echo(f"{optimizer.source.name}: {verdict(report)}")
        for line in claim_lines(report, len(names) == 1, proofs):
            click.echo(line)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif len(names) > 1:
        rest = f", {unread} not read" if unread else ""
        click.echo(f"{len(names)} specs: {len(names) - wrong - unread} ok, {wrong} wrong{rest}")
    return CALL_WRONG if unread else SPEC_WRONG if wrong else 0
