"""Whatever a file holds, reading it gives diagnostics: no other error, no delay, no effect."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import thetaprime as tp
from tests.random_specs import specs
from thetaprime.backends.to_numpy import emit
from thetaprime.codes_units import UNIT_CODES
from thetaprime.diagnostics import SpecError, render
from thetaprime.format import format_text
from thetaprime.library import shipped
from thetaprime.messages import CODES
from thetaprime.parse import parse_expression, parse_spec_reference
from thetaprime.pipeline import check
from thetaprime.source import Source

QUICK = settings(deadline=None, max_examples=150,
                 suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
SECONDS = 120.0
TEXTS = [entry.read_text("utf-8") for entry in shipped().values()]
BAD = [p.read_text("utf-8") for p in sorted((Path(__file__).parent / "bad").glob("*.opt"))]
TOKEN = re.compile(r"\w+|[ \t]+|\n[ \t]*|.", re.DOTALL)
WORDS = sorted({t for text in TEXTS + BAD for t in TOKEN.findall(text) if len(t) < 30}
               | set("+-*/^()[]{},:;=<>.'\"~@!#\\|&%$?`\t\r\n\f\0")
               | {"\ufeff", "β", "²", "√", "m̂", "①", "٣", "1e400", "1e-400", "\n  ", "\n    "})


def judge(text: str) -> None:
    """Check a text as a spec: every diagnostic can be shown and points into a source."""
    begin = time.perf_counter()
    for d in check(Source("fuzz.opt", text)):
        assert d.code in CODES
        assert 0 <= d.span.start <= d.span.end <= len(d.source.text)
        assert render(d)
    assert time.perf_counter() - begin < SECONDS


@QUICK
@given(st.text(max_size=300))
def test_random_text(text: str) -> None:
    judge(text)


@QUICK
@given(st.lists(st.sampled_from(WORDS), max_size=80))
def test_random_words_of_specs(words: list[str]) -> None:
    judge("optimizer A\n  " + " ".join(words))


@QUICK
@given(st.lists(st.sampled_from(WORDS), max_size=20).map("".join))
def test_formulas_and_names_of_the_command_line(text: str) -> None:
    for read in (parse_expression, parse_spec_reference):
        with suppress(SpecError):
            read(Source("<call>", text))


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A spec with a few of its tokens deleted, doubled, swapped or replaced."""
    text = draw(st.one_of(st.sampled_from(TEXTS), st.sampled_from(BAD), specs()))
    tokens = TOKEN.findall(text) or [""]
    for _ in range(draw(st.integers(1, 6))):
        i = draw(st.integers(0, len(tokens) - 1))
        k = draw(st.integers(0, len(tokens) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                tokens[i] = ""
            case 1:
                tokens.insert(i, tokens[k])
            case 2:
                tokens[i], tokens[k] = tokens[k], tokens[i]
            case 3:
                tokens[i] = draw(st.sampled_from(WORDS))
            case _:
                tokens.insert(i, draw(st.sampled_from(WORDS)))
    return "".join(tokens)


@settings(parent=QUICK, max_examples=400)
@given(mutants())
def test_mutated_specs(text: str) -> None:
    judge(text)


@QUICK
@given(mutants())
def test_formatting_a_mutated_spec(text: str) -> None:
    with suppress(SpecError):
        text = format_text(text)
        assert format_text(text) == text


@QUICK
@given(mutants())
def test_what_passes_the_check_compiles(text: str) -> None:
    optimizer = tp.loads(text)
    if optimizer.check(claims=False).ok:
        compile(emit(optimizer.step()), "generated", "exec")


HEAD = "optimizer A\n  hyper lr = 1 in (0, inf)\n"
PLAIN = HEAD + "  x' = x - lr*g\n"


@pytest.mark.parametrize("text", [
    PLAIN, PLAIN.replace("\n", "\r\n"), PLAIN.replace("\n", "\r"), "\ufeff" + PLAIN,
    PLAIN.replace("  ", "\t"), PLAIN.rstrip("\n"), PLAIN + "\n\n   \n", "\n\n# first\n" + PLAIN,
    PLAIN.replace("lr", "η"), PLAIN.replace("lr", "λ"), PLAIN + "# last",
    PLAIN + "  # " + "z"*10**5,
    HEAD + "  x' = x - lr*" + "("*140 + "g" + ")"*140 + "\n",
    HEAD + "  x' = x - lr*" + "tanh("*140 + "g" + ")"*140 + "\n",
    HEAD + "  x' = x - lr*(" + " + ".join(["g"]*190) + ")\n",
    HEAD + "  x' = (x\n    - lr  # the step\n      *g)\n",
], ids=lambda text: repr(text[:40]))
def test_unusual_texts_that_are_right(text: str) -> None:
    assert not [d for d in check(Source("a.opt", text)) if d.code not in UNIT_CODES]
    compile(tp.loads(text).code("numpy"), "generated", "exec")


@pytest.mark.parametrize(("text", "code"), [
    ("", "empty-spec"), ("\n \t\n", "empty-spec"), ("# nothing\n# more", "empty-spec"),
    (PLAIN.replace("g", "g\0"), "bad-character"), (PLAIN.replace("lr", "①"), "bad-character"),
    (PLAIN.replace("1", "٣"), "bad-character"), (PLAIN.replace("lr*g", "²g"), "habit-unicode"),
    (HEAD + "  x' = x - lr*" + "("*200 + "g" + ")"*200 + "\n", "too-deep"),
    (HEAD + "  x' = x - lr*(" + " + ".join(["g"]*2000) + ")\n", "too-long"),
    (HEAD + "  x' = x - lr*(" + "\n    + ".join(["g"]*2000) + ")\n", "too-deep"),
    (HEAD + "  x' = x - lr*g*" + "-"*2000 + "1\n", "too-deep"),
    (HEAD + "  x' = x - lr*" + "^1"*2000 + "\n", "unexpected"),
    (HEAD + "  x' = x - lr*g" + "^1"*2000 + "\n", "too-deep"),
    (HEAD + "  fn f(a) = a*a\n  x' = x - lr*" + "f("*60 + "g" + ")"*60 + "\n", "too-deep"),
    (HEAD + "  x' = x - lr*" + "clip("*120 + "g" + ", 0, 1)"*120 + "\n", "too-deep"),
    (PLAIN.replace("1", "1e999999999"), "number-range"),
    (PLAIN.replace("= 1", "= ((10^1000)^1000)^1000"), "bad-default"),
    (PLAIN.replace("= 1", "= 1/0"), "bad-default"),
    (HEAD + "  axis a[99999999999]\n  state s : per entry[a] = 0\n  s' = s + g\n"
     "  x' = x - lr*mean(s' over a)\n", "number-range"),
    (PLAIN + "  x' = x - " + "z"*10**5, "too-long"),
], ids=lambda text: repr(text[:40]))
def test_unusual_texts_that_are_wrong(text: str, code: str) -> None:
    begin = time.perf_counter()
    assert check(Source("a.opt", text))[0].code == code
    assert time.perf_counter() - begin < SECONDS


def test_many_errors_end() -> None:
    lines = "".join(f"  y{i} = *\n" for i in range(500))
    assert 0 < len(check(Source("a.opt", HEAD + lines))) <= 20


EVIL = ("__import__('os').system('echo hi')", "\\\"\"\"", "${x}", "{0.__class__}", "\\", "'''",
        "%s", "\\N{BULLET}", "\\x41", "#", "{lr}", "\\\\\\")


@pytest.mark.parametrize("evil", EVIL)
def test_texts_stay_texts(evil: str) -> None:
    """Documentation, citations and notes go into docstrings: they cannot leave them."""
    quoted = evil.replace('"', "")
    text = (f'optimizer A\n  "{quoted}"\n  cite "{quoted}"\n  note "{quoted}"\n'
            "  hyper lr = 1 in (0, inf)\n  x' = x - lr*g\n")
    optimizer = tp.loads(text)
    assert optimizer.check(claims=False).ok
    for target in ("numpy", "jax"):
        code = optimizer.code(target)  # type: ignore[arg-type]
        compile(code, "generated", "exec")


# What generated programs themselves, Python and the array libraries use.
NAMES = ("np", "jnp", "jax", "lax", "optax", "numpy", "params", "state", "grads", "init", "step",
         "update", "self", "lambda", "def", "None", "class", "print", "len", "range", "math",
         "float32", "array", "seed", "count", "value", "dtype", "leaf", "tree", "updates", "zip",
         "NamedTuple", "Any", "at", "first", "state_", "hyper", "out", "i", "n", "x0", "_", "__",
         "__class__", "__import__", "exec", "partial", "key", "shape", "max_", "lr_", "is", "not_")


@pytest.mark.parametrize("name", NAMES)
def test_any_name_may_be_used(name: str) -> None:
    """A state, a hyperparameter and an equation may be called what a program calls its own."""
    import numpy as np

    def step(state: str, hyper: str, equation: str) -> list[float]:
        text = (f"optimizer A\n  hyper {hyper} = 0.5 in (0, inf)\n  state {state} = 0\n"
                f"  {equation} = {hyper}*g\n  {state}' = {state} + {equation}\n"
                f"  x' = x - {state}'\n")
        report = tp.loads(text).check(claims=False)
        assert report.ok, str(report)
        program = tp.loads(text).to_numpy()
        params = [np.array([1.0, 2.0])]
        memory = program.init(params)
        for _ in range(2):
            memory = program.step(params, [np.array([1.0, 1.0])], memory)
        return [float(v) for v in params[0]]

    expected = step("m", "r", "d")
    assert step(name, "r", "d") == step("m", name, "d") == step("m", "r", name) == expected


def test_reading_a_spec_runs_nothing_of_it() -> None:
    """No `exec`, `eval`, import or process for what a spec says, watched from inside of Python."""
    code = '''
import sys
import difflib
import thetaprime as tp
from thetaprime.parse import parse_expression, parse_spec_reference
from thetaprime.pipeline import check
from thetaprime.source import Source
check(tp.load("adamw").source)
seen = []
def hook(event, args):
    if event in ("exec", "compile", "import", "os.system", "subprocess.Popen", "open"):
        seen.append((event, str(args)[:200]))
sys.addaudithook(hook)
for text in (
    "optimizer A\\n  x' = x - __import__(g)\\n",
    "optimizer A\\n  hyper lr = exec(1) in (0, inf)\\n  x' = x - lr*g\\n",
    "optimizer A\\n  \\"__import__('os').system('true')\\"\\n  x' = x - eval(g)\\n",
    "optimizer A = AdamW with lr = open(1)\\n",
):
    assert check(Source("<text>", text))
bad = [s for s in seen if s[0] != "open" or ".opt" not in s[1]]
bad = [s for s in bad if "thetaprime" not in s[1]]
assert not bad, bad
'''
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
