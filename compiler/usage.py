"""What a call of the command line can get wrong, and its messages.

A wrong call has no place in a source, so its message is a headline and hints, in the form of
`diagnostics.render`.
"""

from __future__ import annotations

import math
import os
import platform
import re
import shlex
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from textwrap import fill
from typing import Any

import click

from thetaprime.aliases import spec_names
from thetaprime.arguments import CallError, draws, taken
from thetaprime.collect import constant
from thetaprime.diagnostics import SpecError, closest
from thetaprime.expr import Apply, Expr, Num
from thetaprime.fixes import example
from thetaprime.ir import Step
from thetaprime.library import key
from thetaprime.messages import CODES
from thetaprime.optimizer import Optimizer, Report, load
from thetaprime.parse import parse_expression
from thetaprime.source import Source
from thetaprime.types import SCALAR

Setting = tuple[str, str, str]  # spec or "" for all, hyperparameter, text of the value


def render_call(code: str, headline: str, hints: Sequence[str] = ()) -> str:
    """The message of a wrong call."""
    return "\n".join([f"error[{code}]: {headline}", *(f"  = hint: {hint}" for hint in hints)])


def render_error(error: Exception) -> str | None:
    """The message of any error that a user can cause; None for one that is our own fault."""
    match error:
        case CallError():
            return render_call(error.code, error.headline, error.hints)
        case click.exceptions.NoSuchCommand(command_name=name, possibilities=known):
            near = closest(name, sorted(known or ()))
            return render_call("unknown-command", f"there is no command `{name}`",
                               [f"did you mean `{near}`?" if near else "see `thetaprime --help`"])
        case click.exceptions.NoSuchOption(option_name=name, possibilities=known, ctx=context):
            near = closest(name, sorted(known or ()))
            where = context.command_path if context else "thetaprime"
            return render_call("unknown-option", f"there is no option `{name}`",
                               [f"did you mean `{near}`?" if near else f"see `{where} --help`"])
        case click.ClickException():
            headline = re.sub(r"\.?\s*Choose from:\s*", ": one of ", error.format_message())
            headline = re.sub(r",\s+", ", ", headline).rstrip(".")
            context = getattr(error, "ctx", None)
            see = [f"see `{context.command_path} --help`"] if context else []
            return render_call("wrong-call", headline[:1].lower() + headline[1:], see)
        case ModuleNotFoundError(name=str(name)) if name.split(".")[0] in EXTRAS:
            package = EXTRAS[name.split(".")[0]]
            extra = "rate" if package == "PEPit" else "run"
            return render_call("missing-package", f"this needs {package}, which is not installed",
                               [f"pip install 'thetaprime[{extra}]'"])
        case MemoryError():
            return render_call("no-memory", "this needs more memory than there is",
                               ["an axis, a window or a matrix over all parameters is too long"])
        case OSError():
            where = f"`{error.filename}`" if error.filename else "the output"
            return render_call("no-access", f"cannot use {where}: {error.strerror or error}")
    return None


# In the environment: an error of our own shows where it happened.
TRACEBACK = "THETAPRIME_TRACEBACK"


def internal(error: Exception, given: Sequence[str]) -> str:
    """The message of an error that is our own fault, for the call that showed it."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    program = f"thetaprime {version('thetaprime')}, Python {platform.python_version()}"
    message = render_call("internal", f"thetaprime itself failed: {what}", [
        "the spec and the call may be right: please report this message with the spec",
        f"{program}, `thetaprime {shlex.join(given)}`",
        f"`{TRACEBACK}=1` in front of the call shows where it happened"])
    if os.environ.get(TRACEBACK, "0") in ("", "0"):
        return message
    return f"{''.join(traceback.format_exception(error))}\n{message}"


def explained(code: str) -> str:
    """What the message of a code is about, why, and an example with its correction. Raises
    CallError for an unknown one."""
    if code not in CODES:
        near = closest(code, list(CODES))
        raise CallError("unknown-code", f"no message has the code `{code}`",
                         f"did you mean `{near}`?" if near else
                         "a code stands in brackets, as in `error[needs-over]`")
    row = CODES[code]
    text = f"{row.severity}[{code}]\n\n{fill(row.reason, 80)}"
    shown = example(code)
    if shown is None:
        return text
    return f"{text}\n\nFor example, with - as it is and + as it should be:\n\n{shown.text.rstrip()}"


# What is imported -> what to install for it.
EXTRAS = {"jax": "jax", "jaxlib": "jax", "optax": "optax", "sklearn": "scikit-learn",
          "matplotlib": "matplotlib", "PEPit": "PEPit", "cvxpy": "PEPit"}


def load_spec(text: str) -> Optimizer:
    """A shipped spec by name, or else the file of that path. Raises CallError, OSError."""
    path = Path(text)
    try:
        return load(text)
    except CallError:
        if path.exists():
            return load(path)
        if Path(f"{text}.opt").is_file():
            raise CallError("wrong-call", f"there is no shipped spec `{text}`",
                             f"did you mean the file `{text}.opt`?") from None
        raise


def label(text: str) -> str:
    """What tables call a spec that the user named by ``text``."""
    return Path(text).stem if text.endswith(".opt") else text


# --set lr=1e-3, --set adamw.lr=1e-3


def parse_settings(texts: Iterable[str]) -> list[Setting]:
    """The parts of every ``--set``. Raises CallError for a text of another form."""
    found = []
    for text in texts:
        match = re.fullmatch(r"\s*(?:([^=\s]+)\.)?([^\W\d]\w*)\s*=\s*(.*\S)\s*", text)
        if match is None:
            raise CallError("bad-setting", f"cannot read `--set {text}`",
                             "write `--set lr=1e-3`, or `--set adamw.lr=1e-3` for one of several")
        found.append((match[1] or "", match[2], match[3]))
    return found


def assign(
    settings: Sequence[Setting], optimizers: Sequence[tuple[str, Optimizer]]
) -> list[dict[str, Any]]:
    """The hyperparameters of each optimizer by the spec's own names, checked.

    A setting for all goes to those that know its name, one for a spec to that spec alone and
    before the others. Raises CallError for one that reaches nobody, or a value that is none.
    """
    return [_values(optimizer, texts) for (_, optimizer), texts
            in zip(optimizers, assigned(settings, optimizers), strict=True)]


def assigned(
    settings: Sequence[Setting], optimizers: Sequence[tuple[str, Optimizer]]
) -> list[dict[str, str]]:
    """`assign`, the values as they were written."""
    given: list[dict[str, str]] = [{} for _ in optimizers]
    for spec, name, text in sorted(settings, key=lambda setting: bool(setting[0])):
        chosen = [k for k, (called, optimizer) in enumerate(optimizers)
                  if not spec or key(spec) in (key(label(called)), key(optimizer.name))]
        if not chosen:
            called = ", ".join(label(c) for c, _ in optimizers)
            raise CallError("bad-setting", f"`--set {spec}.{name}` is for no spec of this call",
                             f"this call has {called}")
        reached = [(k, found) for k in chosen
                   if (found := spec_names({name: text}, _names(optimizers[k][1]))[0])]
        if not reached:
            raise _unknown(name, [optimizers[k][1] for k in chosen])
        for k, found in reached:
            given[k].update(found)
    return given


def _names(optimizer: Optimizer) -> list[str]:
    """What can be set: the hyperparameters, and a seed where the spec draws."""
    names = [n for n in optimizer.tables.hypers if n not in optimizer.flat.bound]
    return [*names, "seed"] if draws(optimizer.step()) else names


def _unknown(name: str, optimizers: Sequence[Optimizer]) -> CallError:
    known = list(dict.fromkeys(n for optimizer in optimizers for n in _names(optimizer)))
    near = closest(name, known)
    who = f"`{optimizers[0].name}` has no" if len(optimizers) == 1 else "no spec of this call has a"
    return CallError("bad-setting", f"{who} hyperparameter `{name}`",
                      f"did you mean `{near}`?" if near else
                      f"there are {', '.join(known)}" if known else "there is none to set")


def _values(optimizer: Optimizer, texts: Mapping[str, str]) -> dict[str, Any]:
    choices, numbers = optimizer.split({n: read_value(n, text) for n, text in texts.items()})
    whole = {h.name for h in taken(optimizer.step(**choices)) if h.static}
    return {**choices, **{n: float(v) if isinstance(v, int) and n not in whole else v
                          for n, v in numbers.items()}}


def read_value(name: str, text: str) -> Any:
    """A number (a formula of numbers too), ``true``, ``false``, a word, or a list of numbers."""
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("[") and text.endswith("]"):
        return tuple(_number(name, part) for part in text[1:-1].split(",") if part.strip())
    if re.fullmatch(r"[^\W\d]\w*", text) and text != "inf":
        return text
    return _number(name, text)


def _number(name: str, text: str) -> float | int:
    """A literal goes by Python's own reading of it: its exact value may be beyond all memory."""
    value: float | None
    try:
        value = float(text)
    except ValueError:
        try:
            exact = constant(parse_expression(Source(f"--set {name}", text.strip())))
            value = None if exact is None else float(exact)
        except (SpecError, OverflowError):
            value = None
    if value is None or math.isnan(value):
        raise CallError("bad-setting", f"the value `{text}` of `{name}` is not a number",
                         "numbers are written as in specs: `1e-3`, `0.1/8`, `2^-10`")
    whole = math.isfinite(value) and value == int(value)
    return int(value) if whole else float(value)


def with_defaults(step: Step, values: Mapping[str, Any]) -> Step:
    """The step whose hyperparameters default to ``values``; it says so in what it is made for."""
    def literal(value: float | int) -> Expr:
        if abs(value) == float("inf"):
            number: Expr = Apply("inf", type=SCALAR)
        else:
            number = Num(repr(abs(value)), SCALAR)
        return Apply("neg", (number,), type=SCALAR) if value < 0 else number

    def default(value: Any) -> Expr | tuple[Expr, ...]:
        return tuple(map(literal, value)) if isinstance(value, tuple) else literal(value)

    hypers = tuple(replace(h, default=default(values[h.name])) if h.name in values else h
                   for h in step.hypers)
    fixed = tuple((name, str(value)) for name, value in values.items())
    return replace(step, hypers=hypers, fixed=(*step.fixed, *fixed))


def verdict(report: Report) -> str:
    """What checking a spec found, in a few words."""
    errors = sum(d.severity == "error" for d in report.diagnostics)
    warnings = len(report.diagnostics) - errors
    parts = [] if errors else ["ok"]
    parts += [_count(number, word) for number, word in ((errors, "error"), (warnings, "warning"))
              if number]
    if report.verdicts:
        count = Counter(v.status for v in report.verdicts)
        told = [f"{n} {word.lower()}" for word in ("PROVED", "TESTED", "REFUTED")
                if (n := count[word])]
        parts.append(f"{_count(len(report.verdicts), 'claim')}: {', '.join(told)}")
    return ", ".join(parts)


def claim_lines(report: Report, whole: bool, proofs: bool = False) -> Iterator[str]:
    """What was found of claims: of all, or of those that are not proved; with their proofs."""
    for one in report.verdicts:
        why = {"PROVED": f"by {one.how}", "REFUTED": "see the run above",
               "TESTED": f"held at {_count(one.points, 'exact point')}; {one.how}"}[one.status]
        if whole or proofs or one.status != "PROVED":
            yield f"  {one.status:<8} {one.claim}  ({why})"
        if proofs:
            yield from (f"    {line}" for line in one.proof)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
