"""`thetaprime lock`: what specs mean, kept in a file beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thetaprime.arguments import CallError
from thetaprime.diagnostics import Diagnostic, render

if TYPE_CHECKING:
    from thetaprime.compare.locked import Entry
    from thetaprime.optimizer import Optimizer

CHANGED = 1


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPEC]...")
@click.option("--update", is_flag=True, help="Lock rules as they are now, though they changed.")
def lock(specs: Sequence[str], update: bool) -> int:
    """Write what specs mean to thetaprime.lock; without any, those of this folder.

    `thetaprime check --locked` says later on whether they still mean that. A rule that has changed
    its meaning stays locked as it was, with exit code 1, unless there is --update.
    """
    from thetaprime.cli import refuse_wrong
    from thetaprime.compare import locked
    from thetaprime.usage import load_spec

    names = list(specs) or sorted(str(p) for p in Path().glob("*.opt"))
    if not names:
        raise CallError("wrong-call", "there is no spec in this folder",
                        "`thetaprime lock adamw` locks a shipped one")
    known = locked.read()
    found: dict[str, Entry] = {}
    changed: list[Diagnostic] = []
    for name in map(place, names):
        optimizer = load_spec(name)
        refuse_wrong(optimizer)
        if name in known:
            changed += locked.changes(name, optimizer.source, known[name])
        found[name] = locked.entry(name, optimizer.source)
    if changed and not update:
        click.echo("\n\n".join(map(render, changed)), err=True)
        click.echo(f"{locked.FILE} stays as it is", err=True)
        return CHANGED
    locked.write({**known, **found})
    for name, one in found.items():
        click.echo(f"{name}: {', '.join(dict.fromkeys(one.fingerprints.values()))}")
    click.echo(f"{locked.FILE} written", err=True)
    return 0


def place(name: str) -> str:
    """What a lock calls a spec: ``./mine.opt`` is mine.opt, ``AdamW`` is adamw. Raises CallError
    for what is neither a file nor a shipped spec."""
    from thetaprime.library import key, modules, shipped

    if name.endswith(".opt"):
        return Path(name).as_posix()
    for known in (*modules(), *shipped()):
        if key(known) == key(name):
            return known
    if "(" in name or " " in name:
        raise CallError("wrong-call", f"`{name}` is neither a file nor a shipped spec",
                        "write it to a file: `optimizer Mine = ...`")
    return name


def names_locked() -> list[str]:
    """The specs that are locked. Raises CallError where there is no lock."""
    from thetaprime.compare import locked

    found = list(locked.read())
    if not found:
        raise CallError("wrong-call", f"there is no {locked.FILE} in this folder",
                        "`thetaprime lock` writes it")
    return found


def unlike_lock(name: str, optimizer: Optimizer) -> list[Diagnostic]:
    """How a spec is not what is locked. Raises CallError for one that is not."""
    from thetaprime.compare import locked

    known = locked.read()
    if place(name) not in known:
        raise CallError("wrong-call", f"`{name}` is not in {locked.FILE}",
                        f"`thetaprime lock {name}` adds it")
    return locked.changes(place(name), optimizer.source, known[place(name)])
