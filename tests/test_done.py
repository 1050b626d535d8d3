"""Wrong rules are caught by algebra before they train anything: the three of optax 0.2.8."""

from __future__ import annotations

import thetaprime as tp
from thetaprime.library import shipped
from thetaprime.optimizer import Report

OPTAX_ADADELTA = """\
optimizer AdadeltaOptaxDefault
  "optax.adadelta() of optax 0.2.8: without a learning rate nothing turns the sign."
  cite "optax 0.2.8, optax/_src/alias.py, adadelta"
  hyper rho = 0.9 in [0, 1)
  hyper eps = 1e-6 in (0, inf)
  state v = 0
  state u = 0

  v' = rho*v + (1 - rho)*g^2
  d = sqrt(u + eps)/sqrt(v' + eps)*g
  u' = rho*u + (1 - rho)*d^2
  x' = x + d
"""


def text_of(name: str) -> str:
    return shipped()[name].read_text("utf-8")


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def checked(text: str) -> Report:
    return tp.loads(text).check()


def codes(report: Report) -> set[str]:
    return {d.code for d in report.diagnostics}


RPROP = changed(text_of("rprop-optax"), "  claim x' = x when t = 1\n", "")
ADAN = text_of("adan-optax") + "  claim equals Adan when eps_root = 0 and wd = 0\n"


def test_rprop_of_optax_does_not_move_at_its_first_step() -> None:
    assert codes(checked(RPROP)) == {"standstill"}


def test_rprop_that_moves_by_its_new_step_is_not_blamed() -> None:
    mended = changed(RPROP, "d = if c < 0 then 0 else u\n  x' = x - d", "x' = x - u'")
    assert codes(checked(mended)) == set()


def test_adadelta_of_optax_goes_uphill() -> None:
    assert "uphill" in codes(checked(OPTAX_ADADELTA))


def test_adadelta_that_turns_the_sign_is_not_blamed() -> None:
    assert "uphill" not in codes(checked(changed(OPTAX_ADADELTA, "x + d", "x - d")))


def test_adan_of_optax_is_not_adan() -> None:
    report = checked(ADAN)
    assert codes(report) == {"refuted"}
    (found,) = [v for v in report.verdicts if v.claim.startswith("equals Adan")]
    assert found.status == "REFUTED"
    assert found.example[-1] == "the generated NumPy program makes the same run"


def test_adan_with_the_weight_of_its_paper_is_adan() -> None:
    mended = changed(changed(ADAN, "(1 - b2)*d)^2", "b2*d)^2"), "(1 - b2)*vhat", "b2*vhat")
    report = checked(mended)
    assert codes(report) == set()
    (found,) = [v for v in report.verdicts if v.claim.startswith("equals Adan")]
    assert found.status == "PROVED"
