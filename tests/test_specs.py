"""What every shipped spec keeps to."""

from __future__ import annotations

import pytest

import thetaprime as tp
from tests.steps import SAID
from thetaprime.codes_units import UNIT_CODES
from thetaprime.library import shipped

PAPERS = [name for name, entry in shipped().items() if "libraries" not in str(entry)]


@pytest.mark.parametrize("name", tp.shipped())
def test_a_spec_has_nothing_to_complain_about_and_says_where_it_is_from(name: str) -> None:
    optimizer = tp.load(name)
    # What is told of units is meant: `golden/unit_warnings.txt`.
    told = [d.code for d in optimizer.check(claims=False).diagnostics if d.code not in UNIT_CODES]
    assert told == SAID.get(name, [])
    assert optimizer.cites
    assert optimizer.doc.endswith(".")


@pytest.mark.parametrize("name", PAPERS)
def test_a_rule_of_a_paper_claims_something_and_bounds_its_hyperparameters(name: str) -> None:
    optimizer = tp.load(name)
    assert optimizer.flat.claims
    assert all(h.range is not None or h.type.kind == "function" for h in optimizer.hypers)


@pytest.mark.parametrize("name", tp.shipped())
def test_a_spec_finds_itself_by_its_own_name(name: str) -> None:
    assert tp.load(tp.load(name).name).source.text == tp.load(name).source.text
