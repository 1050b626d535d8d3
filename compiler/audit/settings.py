"""What both sides are given: hyperparameters by the spec's names, arguments by the library's.

A link says which argument a hyperparameter is: ``learning_rate``, ``betas[0]``, ``-beta2_decay``
(the other sign).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any

from thetaprime.aliases import candidates
from thetaprime.arguments import CallError
from thetaprime.audit.table import Same
from thetaprime.audit.target import Target
from thetaprime.collect import constant
from thetaprime.diagnostics import closest
from thetaprime.ir import Hyper
from thetaprime.optimizer import Optimizer

_LINK = re.compile(r"(-?)([^\W\d]\w*)(?:\[(\d+)\])?")
SHOWN = 0.3


@dataclass(frozen=True)
class Link:
    """One hyperparameter and the argument that it is, or the part of it, with its sign."""

    hyper: str
    argument: str
    part: int | None = None
    sign: int = 1

    def __str__(self) -> str:
        part = "" if self.part is None else f"[{self.part}]"
        return f"{self.hyper} = {'-' if self.sign < 0 else ''}{self.argument}{part}"


@dataclass(frozen=True)
class Setting:
    """A choice of hyperparameters that both sides run with."""

    name: str
    choices: dict[str, Any]
    values: dict[str, Any]
    arguments: dict[str, Any]

    @property
    def fixed(self) -> dict[str, str]:
        """The choices as the compiler takes them."""
        return {n: str(v).lower() if isinstance(v, bool) else str(v)
                for n, v in self.choices.items()}


@dataclass(frozen=True)
class Plan:
    """How a spec and an optimizer are put side by side."""

    links: tuple[Link, ...]
    extra: dict[str, Any]  # arguments that the spec has not, and what they are set to
    settings: tuple[Setting, ...]
    left: dict[str, Any] = field(default_factory=dict)  # those that stay as the library has them
    alone: tuple[str, ...] = ()  # hyperparameters that the library has not
    defaults: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # (theirs, the spec's)
    chosen: dict[str, Any] = field(default_factory=dict)  # what is so in every setting
    rate: str = ""  # the argument that is the learning rate
    rate_default: float | None = None

    def switchable(self, setting: Setting) -> float | None:
        """The learning rate of a setting, which a sequence may change; None where there is none."""
        value = setting.arguments.get(self.rate, self.rate_default)
        return float(value) if self.rate and isinstance(value, int | float) else None


def read_map(texts: Sequence[str]) -> dict[str, str]:
    """``--map lr=learning_rate``. Raises CallError."""
    found = {}
    for text in texts:
        hyper, equals, argument = text.partition("=")
        if not equals or not _LINK.fullmatch(argument.strip()) or not hyper.strip():
            raise CallError("bad-map", f"cannot read `--map {text}`",
                            "the spec's name, then theirs: `--map lr=learning_rate`, "
                            "`--map b1=betas[0]`, `--map decay=-beta2_decay`")
        found[hyper.strip()] = argument.strip()
    return found


def links(spec: Optimizer, found: Target, given: Mapping[str, str]) -> tuple[Link, ...]:
    """Every hyperparameter that is an argument: as ``given`` says, by its own name, or by what
    the ecosystem calls it. Raises CallError for names that neither side has."""
    own = _names(spec)
    made: dict[str, Link] = {}
    for hyper, text in given.items():
        if hyper not in own:
            near = closest(hyper, own)
            raise CallError("bad-map", f"`{spec.name}` has no hyperparameter `{hyper}`",
                            f"did you mean `{near}`?" if near else f"it has {', '.join(own)}")
        match = _LINK.fullmatch(text)
        assert match is not None
        if match[2] not in found.arguments:
            near = closest(match[2], list(found.arguments))
            raise CallError("bad-map", f"`{found.name}` has no argument `{match[2]}`",
                            f"did you mean `{near}`?" if near else
                            f"it has {', '.join(found.arguments)}")
        made[hyper] = Link(hyper, match[2], None if match[3] is None else int(match[3]),
                           -1 if match[1] else 1)
    taken = {link.argument for link in made.values()}
    for argument, default in found.arguments.items():
        if argument in taken:
            continue
        left = [n for n in own if n not in made]
        if argument == "betas" and isinstance(default, tuple):
            pairs = [(n, k) for k, n in enumerate(("b1", "b2", "b3")[:len(default)]) if n in left]
            made |= {n: Link(n, argument, k) for n, k in pairs}
            continue
        meant = [argument] if argument in left else candidates(argument, left)
        if len(meant) == 1:
            made[meant[0]] = Link(meant[0], argument)
    return tuple(made[n] for n in own if n in made)


def _names(spec: Optimizer) -> list[str]:
    return [n for n in spec.tables.hypers if n not in spec.flat.bound]


def plan(spec: Optimizer, found: Target, given: Mapping[str, str], extra: Mapping[str, Any],
         chosen: Mapping[str, Any]) -> Plan:
    """The settings to run with: the library's defaults, other values, and each choice in turn;
    ``chosen`` hyperparameters are what they are in all of them. Raises CallError."""
    made = links(spec, found, given)
    for name in [n for n in chosen if n in spec.choices]:
        if str(chosen[name]).lower() not in spec.choices[name]:
            raise CallError("bad-setting", f"`{name}` of `{spec.name}` is one of "
                            f"{', '.join(spec.choices[name])}, not `{chosen[name]}`")
    by_name = {link.hyper: link for link in made}
    theirs = {n: v for n, v in _defaults(spec, found, made).items() if n not in chosen}
    needed = _needed(spec, found, made, {**theirs, **chosen})
    start = {**theirs, **needed, **chosen}
    settings = [Setting("the library's defaults", *_split(spec, start),
                        _arguments(made, found, {**needed, **chosen}, extra))]
    values = {**start, **{n: v for n, v in _probes(spec, start).items()
                          if n in by_name and n not in chosen}}
    for name, some in _others(spec, values, by_name, chosen):
        settings.append(Setting(name, *_split(spec, some), _arguments(made, found, some, extra)))
    for name, options in spec.choices.items():
        if name in by_name and name not in chosen:
            for option in options:
                value = {"true": True, "false": False}.get(option, option)
                if value != values.get(name):
                    turned = {**values, name: value}
                    settings.append(Setting(f"{name} = {option}", *_split(spec, turned),
                                            _arguments(made, found, turned, extra)))
    taken = {link.argument for link in made} | set(extra)
    rate = next((link.argument for link in made if link.hyper == "lr"), "")
    return Plan(made, dict(extra), tuple(settings), _left(found, taken),
                tuple(n for n in _names(spec) if n not in by_name and n not in chosen),
                _differing(spec, theirs), dict(chosen), rate, theirs.get("lr"))


def _others(spec: Optimizer, values: dict[str, Any], linked: Mapping[str, Link],
            chosen: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Other values; where one of them switches a term on that may be off, the same without."""
    yield "other values", values
    for name, hyper in _reals(spec).items():
        zero = hyper.range is not None and 0 in hyper.range and hyper.range.high is None
        if zero and name in linked and name not in chosen and values.get(name):
            yield f"other values, {name} = 0", {**values, name: 0.0}


def _left(found: Target, taken: set[str]) -> dict[str, Any]:
    """Arguments with a number or a truth value for their default that no hyperparameter is."""
    return {n: v for n, v in found.arguments.items()
            if n not in taken and isinstance(v, int | float | tuple) and v is not False}


def _defaults(spec: Optimizer, found: Target, made: Sequence[Link]) -> dict[str, Any]:
    """The library's defaults by the spec's names; None is 0 where a hyperparameter may be 0."""
    values: dict[str, Any] = {}
    hypers = _reals(spec)
    for link in made:
        default = found.arguments[link.argument]
        if link.part is not None and isinstance(default, tuple):
            default = default[link.part]
        if default is None or default is Parameter.empty:
            known = hypers.get(link.hyper)
            if default is None and known is not None and known.range is not None and (
                    0 in known.range):
                values[link.hyper] = 0.0
        elif link.hyper in spec.choices:
            values[link.hyper] = default
        elif isinstance(default, int | float) and link.hyper in hypers:
            value = link.sign*default
            values[link.hyper] = value if hypers[link.hyper].static else float(value)
    return values


def _reals(spec: Optimizer) -> dict[str, Hyper]:
    """The hyperparameters that are numbers, of any choice."""
    found: dict[str, Hyper] = {}
    for name, options in {"": ("",), **spec.choices}.items():
        for option in options:
            found |= {h.name: h for h in spec.step(**({name: option} if name else {})).hypers}
    return found


def _needed(spec: Optimizer, found: Target, made: Sequence[Link], values: Mapping[str, Any]
            ) -> dict[str, float]:
    """What one of the two sides has no default for."""
    required = {k.hyper for k in made if found.arguments[k.argument] is Parameter.empty}
    return {n: _own(h) if h.default is not None else _probe(h, 0)
            for n, h in _reals(spec).items()
            if (h.default is None or n in required) and n not in values
            and h.type.kind == "real"}


def _own(hyper: Hyper) -> float:
    """The default of the spec."""
    default = hyper.default
    value = None if default is None or isinstance(default, tuple) else constant(default)
    return _probe(hyper, 0) if value is None else float(value)


def _differing(spec: Optimizer, theirs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    found = {}
    for name, hyper in _reals(spec).items():
        if name in theirs and hyper.default is not None and not isinstance(hyper.default, tuple):
            own = constant(hyper.default)
            if own is not None and float(own) != float(theirs[name]):
                found[name] = (theirs[name], float(own))
    return found


def _probes(spec: Optimizer, start: Mapping[str, Any]) -> dict[str, Any]:
    """Other values than the defaults, inside of the ranges: what a default hides, shows."""
    found: dict[str, Any] = {}
    averages = 0
    for name, hyper in _reals(spec).items():
        given = start.get(name)
        if hyper.type.kind != "real" or hyper.type.axes or hyper.range is None or (
                given is not None and not isinstance(given, int | float)):
            continue
        found[name] = _probe(hyper, averages, given)
        averages += hyper.range.high is not None and hyper.range.high == 1
    return found


_AVERAGES = (0.8, 0.95, 0.7, 0.6)


def _probe(hyper: Hyper, averages: int, default: Any = None) -> float:
    """A value of the hyperparameter that is not its default; ``averages``: how many weights of
    averages have one already."""
    given = hyper.range
    assert given is not None
    name = hyper.name
    value = SHOWN
    if name.startswith("eps"):
        value = 1e-2
    elif name in ("lr", "step0"):
        value = 0.1
    elif given.high == 1:
        value = next(v for v in (*_AVERAGES[averages % 4:], *_AVERAGES) if v != default)
    elif given.low == 0 and given.low_closed and given.high is None:
        value = SHOWN
    elif default is not None:
        value = 1.5*float(default) if float(default) else SHOWN
    if value in given:
        return value
    return float(default) if default is not None else 1.0


def _split(spec: Optimizer, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values as a step takes them: (choices, numbers)."""
    choices = {n: v for n, v in values.items() if n in spec.choices}
    return choices, {n: v for n, v in values.items() if n not in choices}


def _arguments(made: Sequence[Link], found: Target, values: Mapping[str, Any],
               extra: Mapping[str, Any]) -> dict[str, Any]:
    """The values by the library's names, parts of one argument put together."""
    arguments = {n: values.get(v.hyper, found.arguments[n]) if isinstance(v, Same) else v
                 for n, v in extra.items()}
    for link in made:
        if link.hyper not in values:
            continue
        value = values[link.hyper]
        value = -value if link.sign < 0 else value
        if link.part is None:
            arguments[link.argument] = value
        else:
            whole = list(arguments.get(link.argument, found.arguments[link.argument]))
            whole[link.part] = value
            arguments[link.argument] = tuple(whole)
    return arguments
