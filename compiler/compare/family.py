"""Many rules at once: which are special cases of which, equal, or one edit apart.

Short runs of all rules in numbers come first (`near`); only pairs whose runs agree are compared, in
several processes. Everything is kept by content, so that another run does only what has changed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from thetaprime.cache import folder
from thetaprime.claims.kept import compiler, read, write
from thetaprime.compare.graph import Graph, Link, graph, joined, link, reached
from thetaprime.compare.kept import FIELDS, TELLERS, content, kept
from thetaprime.compare.near import Profile, candidates, of_json, profile
from thetaprime.compare.operands import Operand, operand
from thetaprime.compare.pairs import FAILED, Pair
from thetaprime.compare.verify import Rejected, verify
from thetaprime.edits import edits
from thetaprime.expr import Num
from thetaprime.library import shipped

PLAIN = "SGD with mu = 0, damp = 0, wd = 0"
SECONDS, MOST_TRIED = 120, 3
QUICK, THOROUGH = 4, 24
Tick = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Family:
    """The graph, all comparisons in JSON, the edits that were confirmed, and the pairs for which
    there was no answer, with the reason."""

    graph: Graph
    comparisons: list[dict[str, Any]]
    edits: list[dict[str, Any]]
    unanswered: list[tuple[str, str, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """What machines read."""
        return {**self.graph.to_json(), "comparisons": self.comparisons, "edits": self.edits,
                "unanswered": [list(u) for u in self.unanswered]}

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def default_names() -> list[str]:
    """The shipped optimizers, and the plainest of all."""
    return [PLAIN, *shipped()]


def family(
    names: Sequence[str], jobs: int = 0, seconds: int = SECONDS, tick: Tick | None = None
) -> Family:
    """All pairs of rules. ``seconds`` is the most that one comparison may take; ``tick`` is told
    what is done, how many and of how many. Raises SpecError and CallError for wrong names."""
    rules = {name: operand(name) for name in dict.fromkeys(names)}
    for rule in rules.values():
        rule.step({})
    told = tick or (lambda what, done, total: None)
    with _pool(jobs) as ask:
        profiles = {name: of_json(found) for (name,), found in
                    ask("runs", _profiled, [(name,) for name in rules], told)}
        comparisons, links = _compare(profiles, rules, partial(ask, tick=told), seconds)
        edited = _edit(profiles, links, partial(ask, tick=told), seconds)
    links += [Link("edit", e["a"], e["b"], e["name"]) for e in edited]
    unanswered = [(c["a"], c["b"], (*c["notes"], "")[0]) for c in comparisons
                  if c["verdict"] == "unknown"]
    return Family(graph(rules, links, list(rules)), comparisons, edited, unanswered)


# Who does the work.

Ask = Callable[..., Iterator[tuple[tuple[Any, ...], dict[str, Any]]]]


@contextmanager
def _pool(jobs: int) -> Iterator[Ask]:
    """Calls of functions in other processes: the arguments with each result, as they come."""
    workers = jobs or min(os.cpu_count() or 1, 8)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        def ask(
            what: str, function: Callable[..., dict[str, Any]], calls: Sequence[tuple[Any, ...]],
            tick: Tick,
        ) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
            tick(what, 0, len(calls))
            begun: dict[Future[dict[str, Any]], tuple[Any, ...]] = {
                pool.submit(function, *call): call for call in calls}
            found = {}
            for number, done in enumerate(as_completed(begun), 1):
                found[begun[done]] = done.result()
                tick(what, number, len(calls))
            yield from ((call, found[call]) for call in calls)  # always in the same order

        try:
            yield ask
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _TooLong(BaseException):
    """Past every `except Exception` of what is being timed."""


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    """Raises _TooLong in a main thread on systems with alarms; elsewhere there is no limit."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _place(kind: str, *parts: object) -> Path:
    return folder("family") / f"{kind}-{'-'.join(map(str, parts))}.json"


# Runs.


def _profiled(name: str) -> dict[str, Any]:
    rule = operand(name)
    place = _place("runs", content(rule), compiler(("compare",), TELLERS_BUT_NEAR).hex()[:16])
    found = read(place, ("generic", "settings", "edited"))
    if found is None:
        found = profile(rule).to_json()
        write(place, found)
    return found


# Who makes runs, of those that do not judge.
TELLERS_BUT_NEAR = tuple(t for t in TELLERS if t != "compare/near.py")


# Comparisons.


def _compare(
    profiles: Mapping[str, Profile], rules: Mapping[str, Operand], ask: Ask, seconds: int
) -> tuple[list[dict[str, Any]], list[Link]]:
    """Pairs that need fewer settings first; what follows from others already is not asked."""
    found: list[dict[str, Any]] = []
    links: list[Link] = []
    waves: dict[tuple[int, bool], list[tuple[str, str]]] = {}
    near = candidates(profiles)
    pairs = near.pairs
    known: dict[str, str] = {}
    for wider, narrower in pairs:
        equal = not pairs[wider, narrower]
        star = known.setdefault(narrower, min(wider, narrower)) if equal else ""
        waves.setdefault((len(pairs[wider, narrower]), equal and star not in (wider, narrower)),
                         []).append((wider, narrower))
    def compare(asked: Iterable[tuple[str, str]]) -> None:
        calls = [(*pair, seconds) for pair in asked]
        for (wider, narrower, _), one in ask("comparisons", _compared, calls):
            found.append(one)
            defaults = {n: v[0] for name in (narrower, wider)
                        for n, v in rules[name].choices.items()}
            links.extend(made for made in (link(one, defaults),) if made is not None)

    for place in sorted(waves):
        asked = {frozenset(pair): pair for pair in waves[place] if not _linked(*pair, links)}
        compare(asked.values())
    parts = joined(rules, links)
    compare([pair for pair in near.resting if not any(part.issuperset(pair) for part in parts)])
    return found, links


def _linked(wider: str, narrower: str, links: Sequence[Link]) -> bool:
    """Whether one is known to be a special case of the other, or equal."""
    both = [*links, *(replace(e, start=e.end, end=e.start) for e in links if e.kind == "equal")]
    ways = [e for e in both if e.kind in ("equal", "special")]
    return wider in reached(narrower, ways)


def _compared(a: str, b: str, seconds: int) -> dict[str, Any]:
    """A comparison that is kept; one that took too long is kept as such."""
    one, other = operand(a), operand(b)
    place = _place("late", content(one, other), seconds)
    late = read(place, FIELDS)
    if late is not None:
        return late
    try:
        with _within(seconds):
            return kept(one, other)
    except _TooLong:
        found = _unknown(a, b, f"no answer within {seconds} seconds")
        write(place, found)
        return found
    except RecursionError:
        return _unknown(a, b, "formulas too deep")


def _unknown(a: str, b: str, why: str) -> dict[str, Any]:
    empty = dict.fromkeys(FIELDS)
    return {**empty, "a": a, "b": b, "verdict": "unknown", "map": {}, "inverse": {},
            "conditions": [], "choices": {}, "certificate": [], "notes": [why], "points": 0,
            "seconds": 0.0}


# Edits.


def _edit(
    profiles: Mapping[str, Profile], links: Sequence[Link], ask: Ask, seconds: int
) -> list[dict[str, Any]]:
    """The pairs of which one is the other with one edit, where nothing else links them."""
    asked: dict[frozenset[str], tuple[str, str, tuple[int, ...], int]] = {}
    for (a, b), numbers in candidates(profiles).edits.items():
        if not (_linked(a, b, links) or _linked(b, a, links)):
            call = (a, b, tuple(sorted(numbers)[:MOST_TRIED]), seconds)
            asked.setdefault(frozenset((a, b)), call)
    return [found for _, found in ask("edits", _edited, list(asked.values())) if found["name"]]


def _edited(a: str, b: str, numbers: Sequence[int], seconds: int) -> dict[str, Any]:
    """The first of these edits of one rule that makes the other; without a name if none does."""
    one, other = operand(a), operand(b)
    place = _place("edit", content(one, other), *numbers)
    found = read(place, ("a", "b", "name"))
    if found is None:
        found = {"a": a, "b": b, "name": ""}
        with suppress(_TooLong):  # what took too long is not kept: a quieter machine may find it
            with _within(seconds):
                found = next(_confirmed(one, other, numbers), found)
            write(place, found)
    return found


def _confirmed(one: Operand, other: Operand, numbers: Iterable[int]) -> Iterator[dict[str, Any]]:
    """Edits on which exact runs agree, with what only the other rule has at 0."""
    pair = Pair(one.step({}), other.step({}))
    zeros = {h.name: Num("0") for h in pair.missing() if h.range is None or 0 in h.range}
    for number in numbers:
        edit = next(islice(edits(one.flat), number, None))
        at = replace(pair, a=edit.step, hypers=zeros)
        with suppress(*FAILED, TypeError, AttributeError):
            if not at.missing() and at.agrees(QUICK, 2) and at.agrees(THOROUGH, 3, THOROUGH):
                yield {"a": one.text, "b": other.text, "name": edit.name, "before": edit.before,
                       "after": edit.after, "proved": _proved(at)}


def _proved(at: Pair) -> bool:
    with suppress(*FAILED, Rejected):
        verify(at.proved())
        return True
    return False


# As text.


def _lines(found: Family) -> Iterator[str]:
    shown = found.graph
    called = {n: " = ".join(names) for n, names in shown.nodes.items()}
    level = shown.layers()
    for name in sorted(level, key=lambda n: (level[n], n)):
        yield called[name]
        for e in shown.edges:
            if e.kind == "special" and e.end == name:
                yield f"  with {e.text}: {e.start}"
            elif e.kind != "special" and name in (e.start, e.end):
                other = e.end if e.start == name else e.start
                words = {"map": "under the map", "when": "equal when", "up-to": "up to",
                         "edit": "one edit apart,"}
                yield f"  {other} {words[e.kind]} {e.text}"
    alone = [called[n] for n in shown.nodes if n not in level]
    if alone:
        yield ""
        yield f"nothing found to link them: {', '.join(alone)}"
    for a, b, why in found.unanswered:
        yield f"no answer: {a} and {b}: {why}"
