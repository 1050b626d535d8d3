"""Wrong specs and what the compiler says: every file of `bad/` against its golden text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from thetaprime.claims.kept import refutations, verdicts
from thetaprime.codes_analyse import ANALYSE_CODES
from thetaprime.codes_lock import LOCK_CODES
from thetaprime.diagnostics import Diagnostic, render
from thetaprime.few_bits import Conditions
from thetaprime.messages import CODES
from thetaprime.ops import DISTRIBUTIONS, OPS
from thetaprime.parse import _parser
from thetaprime.pipeline import check, checked
from thetaprime.source import Source

BAD = Path(__file__).parent / "bad"
FILES = sorted(path.name for path in BAD.glob("*.opt"))
# Words in capitals that are no names of grammar terminals.
CAPITALS = {"NAME", "OTHER", "PARENT", "LARS", "U"}


@pytest.fixture(autouse=True)
def _beside_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages name a file as the user does, and specs find one another in its folder."""
    monkeypatch.chdir(BAD)


# The first line of a file may say for which parameters it is wrong, as `--dtype` does.
ASKED = re.compile(r"# dtype (\w+)")


def found(name: str) -> list[Diagnostic]:
    text = Path(name).read_bytes().decode("utf-8")
    asked = ASKED.match(text)
    source = Source(name, text)
    found = check(source, [Conditions(asked[1])] if asked else [Conditions()])
    if any(d.severity == "error" for d in found):
        return found
    return [*found, *refutations(verdicts(checked(source)))]


@pytest.mark.parametrize("name", FILES)
def test_the_message_is_the_golden_one(
    name: str, golden: Callable[[Path, str], None]
) -> None:
    text = "\n\n".join(render(d) for d in found(name)) + "\n"
    golden(BAD / name.replace(".opt", ".err"), text)


def test_every_golden_text_has_its_spec() -> None:
    assert {p.stem for p in BAD.glob("*.err")} == {p.stem for p in BAD.glob("*.opt")}


# Those of an analysis are in test_stability and test_rate, those of a lock in test_lock: the specs
# are right.
@pytest.mark.parametrize("code", sorted({*CODES} - {*ANALYSE_CODES, *LOCK_CODES}))
def test_every_code_has_a_spec_whose_first_message_it_is(code: str) -> None:
    assert found(f"{code}.opt")[0].code == code


@pytest.mark.parametrize("name", FILES)
def test_every_span_lies_in_its_file(name: str) -> None:
    for d in found(name):
        assert 0 <= d.span.start <= d.span.end <= len(d.source.text)
        line, column = d.source.position(d.span.start)
        assert 1 <= column <= len(d.source.line(line)) + 1


@pytest.mark.parametrize("name", FILES)
def test_no_message_shows_how_the_compiler_is_made(name: str) -> None:
    for d in found(name):
        text = " ".join((d.message, d.label, *d.notes, *d.hints))
        quoted = re.sub(r"`[^`]*`", "", text)
        assert not set(re.findall(r"\b_?[A-Z][A-Z_]+\b", quoted)) - CAPITALS, text
        assert not re.search(r"Error\b|Exception|Traceback|<[a-z]+ |object at|Sym\(|Apply\(|Num\(|"
                             r"Token\(|Expr\b|None\b|\{\w*\}(?!`)|`neg`", text), text


def test_every_message_has_a_label_and_a_reason() -> None:
    for code, row in CODES.items():
        assert row.headline, code
        assert row.label, code
        assert row.reason.endswith((".", ")", "s, ...")), code
        assert row.headline[0].islower() or row.headline[0] in "`{L", code


def test_every_error_says_what_to_do() -> None:
    """A hint is an action: each file's messages carry at least one, but for two of the codes."""
    for name in FILES:
        for d in found(name):
            assert d.hints or d.code in ("unexpected", "freezes-schedule"), (name, d.code)


def test_all_habits_of_a_file_are_told_at_once() -> None:
    codes = [d.code for d in found("habit-power-2.opt")]
    assert codes == ["habit-power", "habit-power", "habit-module"]


def test_all_errors_of_a_stage_are_told_at_once() -> None:
    assert [d.code for d in found("several.opt")] == [
        "undefined-name", "undefined-name", "undefined-function", "undefined-name", "needs-over"]
    assert [d.code for d in found("several-2.opt")] == ["unexpected", "unclosed", "unexpected"]


# A hint that is a line: one formula in backquotes and nothing else.
LINE = re.compile(r"`([^`]* = [^`]*|if .*:|# .*)`")


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith("habit-")
                                  and not n.startswith("habit-python")])
def test_the_corrected_line_is_correct(name: str) -> None:
    """The lines that hints give, put into their places, leave no habit and no syntax error."""
    text = Path(name).read_text("utf-8")
    lines = text.split("\n")
    for d in found(name):
        line = d.source.position(d.span.start)[0] - 1
        for hint in d.hints:
            if match := LINE.fullmatch(hint):
                lines[line] = re.match(r"\s*", lines[line])[0] + match[1]  # type: ignore[index]
    left = check(Source(name, "\n".join(lines)))
    allowed = ("undefined", "unused", "standstill", "uphill", "not-yet", "duplicate-name",
               "not-a-state", "wide-state", "unusual-unit", "hidden-unit")
    by_hand = {"habit-semicolon-2.opt", "habit-subscript-2.opt", "habit-ternary-2.opt"}
    assert name in by_hand or not [d.code for d in left if not d.code.startswith(allowed)]


def test_the_message_of_the_design() -> None:
    """The example of the language's own page on messages."""
    text = "optimizer Lars\n  hyper lr = 1 in (0, inf)\n  r = lr*norm(x)\n  x' = x - r*g\n"
    (diagnostic,) = check(Source("lars.opt", text))
    assert render(diagnostic) == """\
error[needs-over]: `norm` must say what it runs over
  --> lars.opt:3:10
   |
 3 |   r = lr*norm(x)
   |          ^^^^^^^ one number per tensor, or one for the whole model?
   = hint: `norm(x over tensor)` as in LARS, or `norm(x over model)` as in gradient clipping"""


def test_a_long_line_is_cut_around_the_place() -> None:
    text = "optimizer A\n  x' = x - g" + "*g"*300 + "*q" + "*g"*300 + "\n"
    (diagnostic,) = check(Source("a.opt", text[:2000]))
    assert all(len(line) < 200 for line in render(diagnostic).split("\n"))


def test_carets_stand_under_wide_letters_and_tabs() -> None:
    text = "optimizer A\n\thyper 学习率 = 1 in (0, inf)\n\tx' = x - 学习率*q*g\n"
    (diagnostic,) = check(Source("a.opt", text))
    assert render(diagnostic).split("\n")[4] == "   | \t" + " " * 16 + "^ nothing has this name"


def test_the_terminals_of_the_grammar_have_words() -> None:
    """Every token that the parser can await is one that messages have a word for, or a mark."""
    from thetaprime.explain_line import _WANTED

    words = {name for name, _ in _WANTED}
    assert words <= {t.name for t in _parser("start").terminals} | {"_INDENT", "_DEDENT"}


@pytest.mark.parametrize("op", sorted(OPS))
def test_functions_with_a_wrong_number_of_arguments_are_told(op: str) -> None:
    if not op.isalpha() or OPS[op].fix != "call":
        return
    most = OPS[op].arity[1]
    call = f"{op}({', '.join(['g'] * (most + 1))})"
    codes = {d.code for d in check(Source("a.opt", f"optimizer A\n  x' = x - g*{call}\n"))}
    assert codes == {"bad-call"}


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
def test_draws_with_a_wrong_number_of_parameters_are_told(name: str) -> None:
    text = f"optimizer A\n  z ~ {name}(1, 1, 1)\n  x' = x - g*z\n"
    assert [d.code for d in check(Source("a.opt", text))] == ["bad-call"]
