"""The verdict on every claim of a spec: PROVED, REFUTED or TESTED, never blurred.

PROVED: a certificate was found, `recheck` follows it, and exact runs do not contradict it.
REFUTED: a concrete run contradicts the claim, shrunk, and replayed on the generated NumPy program
where that can run it. TESTED: neither; so many exact points agreed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from thetaprime.claims.context import Rejected
from thetaprime.claims.equality import Rival, prove_equality
from thetaprime.claims.facts import Certificate, Unproved, prove
from thetaprime.claims.invariance import prove_invariance
from thetaprime.claims.questions import Question, Unasked, questions
from thetaprime.claims.recheck import recheck
from thetaprime.claims.refute import Counterexample, attack, judged, replay
from thetaprime.claims.rivals import rival
from thetaprime.claims.same_runs import judged_changed, judged_equal
from thetaprime.claims.symbolic import Unknown
from thetaprime.claims.symmetry import prove_symmetry
from thetaprime.flat import Flat
from thetaprime.signature import signature
from thetaprime.source import Source, Span
from thetaprime.syntax import Claim

Status = Literal["PROVED", "REFUTED", "TESTED"]
# Exact runs: those that a proof has to survive, those that look for a counterexample.
CHECKED, TRIED = 8, 160
COUNTED = {"gradients": "grad", "gradient": "grad", "losses": "loss", "loss": "loss"}


@dataclass(frozen=True)
class Verdict:
    """``how``: the method of a proof, or why none was found. ``example``: lines that tell a
    counterexample. ``points``: the exact points that agreed. ``seconds`` it took. ``proof``: the
    lines of one, with those of every choice of static hyperparameters."""

    claim: str
    source: Source
    span: Span
    status: Status
    how: str = ""
    example: tuple[str, ...] = ()
    points: int = 0
    seconds: float = 0.0
    proof: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What machines read."""
        return {"claim": self.claim, "verdict": self.status, "how": self.how,
                "counterexample": list(self.example), "points": self.points,
                "proof": list(self.proof), "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class Finding:
    """What was found of one choice of static hyperparameters."""

    status: Status
    how: str = ""
    example: tuple[str, ...] = ()
    points: int = 0
    proof: tuple[str, ...] = ()


def judge(flat: Flat, claim: Claim, source: Source) -> Verdict:
    """The verdict on one claim of a spec, for all choices of its static hyperparameters."""
    begun = time.perf_counter()
    written = source.text[claim.span.start:claim.span.end]
    text = " ".join(written.split()).removeprefix("claim ")

    def verdict(found: Finding) -> Verdict:
        return Verdict(text, source, claim.span, found.status, found.how, found.example,
                       found.points, time.perf_counter() - begun, found.proof)

    if claim.form == "cost":
        return verdict(Finding(*_cost(flat, claim)))
    try:
        asked = questions(flat, claim, source)
        found = [_one(q) for q in asked]
    except Unasked as why:
        return verdict(Finding("TESTED", str(why)))
    refuted = next((f for f in found if f.status == "REFUTED"), None)
    if refuted is not None:
        return verdict(refuted)
    if all(f.status == "PROVED" for f in found):
        return verdict(Finding(
            "PROVED", " and ".join(dict.fromkeys(f.how for f in found)),
            proof=tuple(line for lines in dict.fromkeys(f.proof for f in found)
                        for line in lines)))
    open_ones = [f for f in found if f.status == "TESTED"]
    return verdict(Finding("TESTED", open_ones[0].how, (), min(f.points for f in open_ones)))


def _one(question: Question) -> Finding:
    other = rival(question) if question.claim.form == "equals" else None
    contradicts: Callable[..., Counterexample | int]
    if other is not None:
        contradicts = judged_equal(other)
    elif question.claim.form in ("invariant", "symmetry"):
        contradicts = judged_changed
    else:
        contradicts = judged
    proof = None
    try:
        proof = _proof(question, other)
        recheck(proof, question, other)
        why = ""
    except (Unproved, Unknown) as error:
        why = f"no proof found: {error}"
    except Rejected as error:
        why = f"the proof did not survive its re-check: {error}"
    found = attack(question, TRIED if why else CHECKED, contradicts)
    if isinstance(found, Counterexample):  # what a run shows outweighs what was derived
        return _refuted(question, found)
    if why or proof is None:
        return Finding("TESTED", why, (), found.points)
    return Finding("PROVED", proof.how, (), found.points, tuple(proof.text().split("\n")))


def _proof(question: Question, other: Rival | None) -> Certificate:
    match question.claim.form:
        case "fact":
            return prove(question)
        case "equals":
            assert other is not None
            return prove_equality(question, other)[0]
        case "invariant":
            return prove_invariance(question)
        case "symmetry":
            return prove_symmetry(question)
    raise Unproved("no method for this form")


def _refuted(question: Question, found: Counterexample) -> Finding:
    same = replay(question.step, found)
    return Finding("REFUTED", "a run", tuple(told(question, found, same)))


def told(question: Question, found: Counterexample, replayed: bool) -> list[str]:
    """A counterexample in words and numbers."""
    step, trial = question.step, found.trial
    hypers = ", ".join(f"{k} = {shown(v)}" for k, v in trial.hypers.items() if not callable(v))
    lines = [f"{step.point} = {_tree(trial.point)}" + (f", {hypers}" if hypers else "")]
    lines += [f"{step.gradient} = {_tree(g)} at t = {t}"
              for t, g in enumerate(trial.gradients, 1)]
    lines.append(f"then at t = {found.step} {_sides(question, found)}")
    if replayed:
        lines.append("the generated NumPy program makes the same run")
    return lines


def _sides(question: Question, found: Counterexample) -> str:
    left, right = shown(found.left), shown(found.right)
    if question.claim.form == "fact":
        return f"the left side is {left}, the right side {right}"
    return f"one {question.step.point}' has the entry {left}, the other {right}"


def _tree(tree: tuple[Any, ...]) -> str:
    return ", ".join(_array(a) for a in tree)


def _array(array: Any) -> str:
    if np.size(array) == 1:
        return shown(np.ravel(array)[0])
    return "[" + ", ".join(_array(a) for a in array) + "]"


def shown(value: Any) -> str:
    """A number as a person would write it."""
    if isinstance(value, Fraction | int) and Fraction(value).denominator.bit_length() < 99:
        text = str(value)
        return text if len(text) <= 12 else f"{float(value):.10g}"
    return f"{float(value):.10g}"


def _cost(flat: Flat, claim: Claim) -> tuple[Status, str]:
    """`at most 2 gradients`: counted in the step, for every choice."""
    from thetaprime.pipeline import variants

    assert isinstance(claim.subject, tuple)
    count, word = (str(w) for w in claim.subject)
    oracle = COUNTED.get(word, word)
    most = [sum(c.most for c in signature(one.step) if c.oracle == oracle)
            for one in variants(flat)]
    if max(most) <= int(count):
        return "PROVED", "counted"
    return "REFUTED", f"a step may ask for {max(most)}"
