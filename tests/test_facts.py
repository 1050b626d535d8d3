"""Published facts on optimizers, one comparison each: the verdict is the right one, or an honest
`unknown`, of which there is a list that may only shrink. A wrong verdict is never tolerated."""

from __future__ import annotations

import pytest

from tests.fact_rows import DIFFERENT, EQUAL, LIBRARIES, OPEN, SLOW, UNKNOWN, Row, operand
from thetaprime.compare import compare
from thetaprime.compare.verify import verify

ROWS = (*EQUAL, *DIFFERENT, *LIBRARIES)
AIM = 0.05  # the share of `unknown`


def marks(row: Row) -> list[pytest.MarkDecorator]:
    open_one = pytest.mark.xfail(strict=True, reason="told in part") if row.id in OPEN else None
    return [m for m in (open_one, pytest.mark.slow if row.id in SLOW else None) if m is not None]


@pytest.mark.parametrize("row", [pytest.param(r, id=r.id, marks=marks(r)) for r in ROWS])
def test_the_verdict_on_a_published_fact(row: Row) -> None:
    found = compare(operand(row.a), operand(row.b))
    assert (found.verdict == "unknown") == (row.id in UNKNOWN), found
    if found.verdict == "unknown":
        return
    assert found.verdict in row.verdicts, found
    for name, value in row.map.items():
        assert found.map[name] == value
    for name, value in row.inverse.items():
        assert found.inverse[name] == value
    told = " or ".join(found.conditions)
    assert all(one in told for one in row.conditions), found.conditions
    if row.step is not None:
        assert found.first_difference_step == row.step
    if found.verdict == "different":
        assert found.counterexample is not None
    else:
        assert found.proof is not None or found.verdict == "equal-up-to"
    if found.proof is not None and hasattr(found.proof, "certificate"):
        verify(found.proof)


def test_few_facts_are_unknown() -> None:
    assert len({r.id for r in ROWS}) == len(ROWS)
    assert {r.id for r in ROWS} >= UNKNOWN
    assert len(UNKNOWN) / len(ROWS) < AIM


def test_which_adam_is_adam() -> None:
    """What the threads on keras' epsilon wish somebody had said."""
    found = compare("adam-keras", "adam-torch")
    assert found.verdict == "different"
    assert found.map == {"eps": "eps/sqrt(1 - b2^t)"}
    assert found.inverse == {"eps": "eps*sqrt(1 - b2^t)"}
    assert found.first_difference_step == 1
    assert found.counterexample is not None
    assert found.counterexample.replayed
    notes = "\n".join(found.notes)
    assert "for no constant `eps`" in notes
    assert "as t grows it goes to eps: the rules have the same limit" in notes
    assert "single steps differ most at t = 1: by 0.698*lr" in notes
