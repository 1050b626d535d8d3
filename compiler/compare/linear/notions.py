"""What it can mean that two linear rules are the same.

The oracle is an unknown function, gradients are arbitrary. In the order in which they are tried:

    transfer    the transfer functions from answers to queries are equal: equal queries after
                suitable starts (oracle equivalence in Linnaeus)
    queries     equal queries from the actual starts
    stream      equal points of training when both get the same answers, wherever they ask
    run         queries and stream
    reported    run, and equal points to evaluate

Each is an equation of rational functions in z over the field of hyperparameters, see `transfer`.
"""

from __future__ import annotations

from typing import Literal

from thetaprime.compare.linear.transfer import (
    Element,
    LinearForm,
    Responses,
    asked,
    made,
    responses,
)

Notion = Literal["transfer", "queries", "stream", "run", "reported"]
NOTIONS: tuple[Notion, ...] = ("transfer", "queries", "stream", "run", "reported")


def gaps(one: LinearForm, two: LinearForm) -> dict[Notion, tuple[Element, ...] | None]:
    """What has to be 0 for each notion to hold; None where nothing can make it hold: the rules do
    not ask the same oracles."""
    if one.queries != two.queries:
        return dict.fromkeys(NOTIONS)
    count = len(one.queries)
    mine, theirs = (responses(f, [*asked(f), made(f, f.point), made(f, f.reported)])
                    for f in (one, two))
    apart_by = [_apart(x, y) for x, y in zip(mine, theirs, strict=True)]
    queries = [gap for each in apart_by[:count] for gap in each]
    later = [x - y for r, s in zip(mine[:count], theirs[:count], strict=True)
             for x, y in zip(r.later, s.later, strict=True)]
    stream, reported = apart_by[count], apart_by[count + 1]
    found = {"transfer": later, "queries": queries, "stream": stream, "run": [*queries, *stream],
             "reported": [*queries, *stream, *reported]}
    return {n: tuple(dict.fromkeys(g for g in found[n] if g)) for n in NOTIONS}


def _apart(one: Responses, two: Responses) -> list[Element]:
    return [one.start - two.start, *(x - y for x, y in zip(one.first, two.first, strict=True)),
            *(x - y for x, y in zip(one.later, two.later, strict=True))]
