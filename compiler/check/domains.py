"""Guarantees: what has a domain is defined, or the user is told for which values it is not.

Every division, root, logarithm, power and remainder of a step is judged by the ranges of its
arguments (`ranges`): for all gradients and answers, all t, and hyperparameters anywhere in their
ranges. Where they do not show it safe, `breaks` looks for values that make it undefined; without
any the message says no more than that nothing was shown. Divisors that correct the bias of an
average lie in (0, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from thetaprime.bounds import ONE
from thetaprime.check.break_words import because, guards, outside, shown, texts
from thetaprime.check.breaks import Break, broken, find_break, probed
from thetaprime.check.ranges import T, ranges
from thetaprime.check.trials import GRADIENTS, PROBLEMS, Trial, ends, trials
from thetaprime.check.valuation import Valuation
from thetaprime.collect import range_text
from thetaprime.diagnostics import Diagnostic, report
from thetaprime.expr import Apply, Expr, Num, Sym, symbols, walk
from thetaprime.intervals import REAL, Interval, hull, of_range, point
from thetaprime.ir import Draw, EachAxis, Hyper, Loop, Range, Step, When, reads, statements
from thetaprime.render import spec_text
from thetaprime.signature import asks_more
from thetaprime.source import Source, Span

# Which argument must lie somewhere, for the operations that have a domain.
JUDGED = {"/": 1, "mod": 1, "sqrt": 0, "ln": 0, "^": 0}
_FRACTION = Interval(0 * ONE, ONE, False, True)
_ALL = Range(None, None, False, False)
# Steps and hyperparameters for which a correction is evaluated.
_FEW = 3


@dataclass
class Site:
    """An operation with a domain: its place, and the hull of what its arguments can be."""

    expr: Apply
    source: Source
    args: tuple[Interval, ...]
    safe: bool = True

    @property
    def judged(self) -> Expr:
        """The argument that must lie somewhere."""
        return self.expr.args[JUDGED[self.expr.op]]


def check_domains(steps: Sequence[Step]) -> list[Diagnostic]:
    """What the steps of a spec, one for each choice, have to be told; each place once."""
    told: dict[tuple[Source, Span], Diagnostic] = {}
    judged: set[tuple[str, Expr]] = set()
    names = frozenset(h.name for step in steps for h in step.hypers)
    for step in steps:
        chosen = tuple(pair for pair in step.fixed if pair not in steps[0].fixed)
        sites = sites_of(step)
        for site in _innermost(sites):
            key = (site.expr.op, site.judged)
            if key not in judged:
                judged.add(key)
                told.setdefault((site.source, site.expr.span),
                                _undefined(step, site, chosen, names))
        for diagnostic in _corrections(step, sites):
            told.setdefault((diagnostic.source, diagnostic.span), diagnostic)
    return list(told.values())


def sites_of(step: Step, given: Mapping[str, Interval] | None = None) -> list[Site]:
    """The operations of a step that have a domain, in the order in which they are met; ``given``
    are ranges of hyperparameters in place of the declared ones."""
    places = _places(step)
    found: dict[int, Site] = {}

    def watch(expr: Apply, args: tuple[Interval, ...], safe: bool) -> None:
        site = found.get(id(expr))
        if site is None:
            found[id(expr)] = Site(expr, places.get(id(expr), step.source), args, safe)
        else:
            site.args = tuple(map(hull, site.args, args))
            site.safe &= safe

    ranges(step, given, watch)
    return list(found.values())


def _places(step: Step) -> dict[int, Source]:
    """The text that each node comes from."""
    found: dict[int, Source] = {}
    for statement in statements(step.body):
        own = reads(statement)
        if isinstance(statement, When):
            own = (statement.condition,)
        elif isinstance(statement, Loop | EachAxis):
            own = tuple(c.start for c in statement.carries)
        found |= {id(n): statement.source for e in own for n in walk(e)}
    for state in step.states:
        started = state.start.args if isinstance(state.start, Draw) else (state.start,)
        found |= {id(n): state.source for e in started for n in walk(e)}
    return found


def _innermost(sites: list[Site]) -> Iterator[Site]:
    """Those that are not safe, without those of which a part is told already: the root in
    ``g/sqrt(v)`` says it all."""
    unsafe = [s for s in sites if not s.safe]
    exprs = {s.expr for s in unsafe}
    for site in unsafe:
        if not any(node in exprs for node in walk(site.judged)):
            yield site


def _undefined(
    step: Step, site: Site, chosen: tuple[tuple[str, str], ...], names: frozenset[str]
) -> Diagnostic:
    """The message about a place that is not safe. ``chosen`` are the choices of the step that are
    not the defaults, ``names`` the hyperparameters of the spec."""
    found = find_break(step, site.expr, trials(step, _near(step, site)))
    expr = shown(site.expr, site.source)
    formula = spec_text(expr)
    hints = tuple(_narrower(step, site, found)) or tuple(guards(names, expr, site.args))
    if found is None:
        argument, needed, known = outside(expr, site.args)
        return report("perhaps-undefined", site.source, site.expr.span, formula=formula,
                      hints=hints, label=f"nothing shows that `{argument}` {needed}",
                      notes=("no values were found for which it is not" + (
                          "" if known == REAL else f"; `{argument}` lies in {known}"),))
    code = "always-undefined" if not chosen and _always(step, site, found) else "undefined"
    when = (f"at t = {found.t}, whatever the gradient is" if code == "always-undefined"
            else because(step, found, chosen))
    return report(code, site.source, site.expr.span, formula=formula, when=when, hints=hints,
                  label=texts(site.expr, found))


def _narrower(step: Step, site: Site, found: Break | None) -> Iterator[str]:
    """The widest range of a hyperparameter of those tried in which the place is safe."""
    for name, value in found.trial.given if found is not None else ():
        hyper = step.hyper(name)
        whole = hyper.type.kind == "int"
        for bounds in _parts(hyper.range or _ALL, Fraction(value), whole):
            sites = sites_of(step, {name: of_range(bounds, whole)})
            if bounds != hyper.range and all(s.safe for s in sites if s.expr is site.expr):
                yield f"`hyper {hyper.spelled or name} ... in {range_text(bounds)}`"
                return


def _parts(bounds: Range, value: Fraction, whole: bool) -> Iterator[Range]:
    """Ranges inside of another that leave a value out."""
    if value == bounds.low and whole:
        yield replace(bounds, low=value + 1)
    elif value == bounds.low:
        yield replace(bounds, low_closed=False)
    if value == bounds.high:
        yield replace(bounds, high_closed=False)
    for low in (Fraction(0), Fraction(1)):
        if low in bounds and value <= low:
            yield from (c for c in (replace(bounds, low=low, low_closed=True),
                                    replace(bounds, low=low, low_closed=False)) if value not in c)
    if 1 in bounds and value >= 1:
        yield replace(bounds, high=Fraction(1), high_closed=False)


def _always(step: Step, site: Site, found: Break) -> bool:
    """Whether all gradients, or problems, of the trials break it at the same step."""
    if found.trial.given:
        return False
    if asks_more(step):
        plain = [Trial((), GRADIENTS[0], p, c, o) for c, o, p in PROBLEMS if c * p > 0]
    else:
        plain = [Trial(gradients=g) for g in GRADIENTS if "0" not in g]
    watched = probed(step, site.expr)
    breaks = [broken(watched, site.expr, trial) for trial in plain]
    return all(b is not None and b.t == found.t for b in breaks)


def _near(step: Step, site: Site) -> list[Hyper]:
    """The hyperparameters, those first that stand in the formula itself."""
    own = {s.name for s in symbols(site.expr)}
    return sorted(step.hypers, key=lambda h: h.name not in own)


# Bias corrections.


def _corrections(step: Step, sites: list[Site]) -> Iterator[Diagnostic]:
    """Divisors ``1 - b^t`` that can be above 1 or below 0; 0 is the division's own message."""
    for site in sites:
        if site.expr.op != "/" or not _corrects(site.judged) or 0 in site.args[1]:
            continue
        if not site.args[1].within(_FRACTION):
            yield report("bias-correction", site.source, site.judged.span,
                         formula=spec_text(site.judged), label=_example(step, site),
                         hints=("let the decay lie in `[0, 1)`",))


def _corrects(divisor: Expr) -> bool:
    """``1 - b^t``, and with other exponents that t stands in."""
    match divisor:
        case Apply("-", (Num(text="1"), Apply("^", (base, by)))):
            return T in symbols(by) and T not in symbols(base)
    return False


def _example(step: Step, site: Site) -> str:
    """A step and hyperparameters for which a correction is not in (0, 1]."""
    names = symbols(site.judged)
    hypers = [h for h in step.hypers if Sym(h.name) in names]
    for t in range(1, _FEW + 1):
        for hyper in hypers:
            for end in ends(hyper):
                env = {Sym(h.name): of_range(h.range) for h in hypers}
                env |= {Sym(hyper.name): point(ONE * int(2 * end) / 2), T: point(ONE * t)}
                value = Valuation(env).of(site.judged)
                if value.single and value.low not in _FRACTION:
                    return f"{float(value.low):g} for t = {t}, {hyper.name} = {end:g}"
    return f"it lies in {site.args[1]}"
