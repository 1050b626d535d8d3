"""Single algebraic edits of a spec: the slips of the pen by which implementations differ.

`ROWS` is the table: a name in plain words, and the changes of a spec that it means. An edited spec
is a `Flat` like any other, so that `pipeline.check_flat` judges it and the interpreter runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from thetaprime.diagnostics import SpecError
from thetaprime.edits import forms, local, parts, wide
from thetaprime.edits.facts import ONE, Facts
from thetaprime.edits.places import Change, Site, changed, lines_of
from thetaprime.expand import Expander
from thetaprime.expr import Apply, Expr
from thetaprime.flat import Flat
from thetaprime.ir import Step
from thetaprime.library import prelude
from thetaprime.lower import lower
from thetaprime.renaming import mapped
from thetaprime.source import NO_SOURCE, Source, Span
from thetaprime.syntax import Function


@dataclass(frozen=True)
class Edit:
    """One edit: what it is called, where it is, and the lines that it changes, as the user would
    write them; ``flat`` is the edited spec and ``step`` its meaning."""

    name: str
    source: Source
    where: Span
    before: str
    after: str
    flat: Flat
    step: Step


@dataclass(frozen=True)
class Row:
    """A kind of edit."""

    name: str
    changes: Callable[[Facts], Iterator[Change]]


def _each(rule: Callable[[Facts, Site], Iterator[Expr]]) -> Callable[[Facts], Iterator[Change]]:
    """A rule for one node, at every node."""
    def changes(facts: Facts) -> Iterator[Change]:
        for site in facts.sites:
            for new in rule(facts, site):
                yield (_absorbed(site, new),)

    return changes


def _absorbed(site: Site, new: Expr) -> tuple[Site, Expr]:
    """The change, of the product around the site where the factor becomes 1."""
    match site.parent:
        case Apply("*", (left, right)) if new == ONE:
            around = replace(site, path=site.path[:-2], node=site.parent, above=site.above[:-1])
            return around, right if site.place == 0 else left
    return site, new


# Special edits first: of two that make the same step the first gives it its name.
ROWS = (
    Row("eps inside the root", _each(local.eps_inside)),
    Row("eps outside the root", _each(local.eps_outside)),
    Row("eps before the bias correction", _each(local.eps_before_correction)),
    Row("eps after the bias correction", _each(local.eps_after_correction)),
    Row("eps as a floor, not a term", _each(local.eps_floor)),
    Row("no bias correction", _each(local.no_correction)),
    Row("the bias correction one step ahead", _each(local.correction_late)),
    Row("the bias correction one step behind", _each(local.correction_early)),
    Row("a bias correction more", _each(local.new_correction)),
    Row("bias corrections of all averages", parts.all_corrected),
    Row("the bias corrections of Adam, before eps", parts.rate_corrected),
    Row("the maximum before the bias correction", parts.max_before_correction),
    Row("the maximum after the bias correction", parts.max_after_correction),
    Row("b and 1 - b swapped", _each(local.one_complement)),
    Row("b and 1 - b swapped in a line", wide.complement_in_line),
    Row("b and 1 - b swapped wherever b is a factor", wide.complement_outside_averages),
    Row("b and 1 - b swapped everywhere", wide.complement_everywhere),
    Row("the weight of another average", _each(local.other_weight)),
    Row("weight decay not times lr", parts.decay_after_rate),
    Row("weight decay not times lr", parts.decay_alone),
    Row("weight decay of the wrong sign", parts.decay_upward),
    Row("weight decay in the gradient (L2), not decoupled", parts.decay_in_gradient),
    Row("weight decay decoupled, on the old parameter", parts.decay_decoupled),
    Row("weight decay on the new parameter", parts.decay_new),
    Row("weight decay proximal: divided by 1 + lr*wd", parts.decay_proximal),
    Row("weight decay before all that reads the parameter", parts.decay_first),
    Row("weight decay times lr", parts.decay_times_rate),
    Row("the learning rate inside of the momentum", parts.rate_inside),
    Row("the learning rate outside of the momentum", parts.rate_outside),
    Row("first step undamped", _each(local.undamped_first)),
    Row("starts at its first value", wide.first_start),
    Row("the step lags: it is that of the time before", wide.lagged_change),
    Row("a quantity lags one step", wide.lagged_quantity),
    Row("a state lags one step", _each(local.delayed)),
    Row("a state lags one step, everywhere", wide.delayed_everywhere),
    Row("the gradient of the step before", _each(local.old_gradient)),
    Row("a state read one step too early", _each(local.hurried)),
    Row("a sign flipped", _each(forms.flipped)),
    Row("no clamp", _each(forms.no_clamp)),
    Row("max for min", _each(forms.other_clamp)),
    Row("a term dropped", _each(forms.no_term)),
    Row("a factor dropped", _each(forms.no_factor)),
    Row("multiplied where it is divided", _each(forms.inverted)),
    Row("no power", _each(forms.no_power)),
    Row("a function dropped", _each(forms.no_function)),
    Row("a condition changed", _each(forms.other_condition)),
    Row("branches swapped", _each(forms.swapped_branches)),
    Row("a branch alone", _each(forms.no_condition)),
    Row("a reduction over the wrong extent", _each(forms.other_extent)),
    Row("wrong initial value", wide.other_start),
    Row("the number of the step off by one", _each(forms.other_time)),
    Row("a constant changed", _each(forms.other_number)),
)


def edits(flat: Flat, fixed: Mapping[str, str] | None = None) -> Iterator[Edit]:
    """Every single edit of a spec that type-checks and changes its step, lazily and always in the
    same order; ``fixed`` decides booleans and choices. Each edited step comes once. Raises
    SpecError for a spec that is itself wrong."""
    known = {_key(lower(flat, prelude(), fixed or {}).step)}
    views = [flat, opened(flat)]
    facts = [Facts(view) for view in (views if views[1] != flat else views[:1])]
    for row in ROWS:
        for one in facts:
            for change in row.changes(one):
                if not change:
                    continue
                found = changed(one.flat, change)
                try:
                    step = lower(found, prelude(), fixed or {}).step
                except SpecError:
                    continue
                if _key(step) not in known:
                    known.add(_key(step))
                    yield _edit(row.name, flat, change, found, step)


def _key(step: Step) -> object:
    """What two steps have in common that mean the same word by word."""
    return step.point, step.states, step.body, step.evaluate


def _edit(name: str, flat: Flat, change: Change, found: Flat, step: Step) -> Edit:
    site = change[0][0]
    part = flat.parts[site.part]
    span = getattr(site.node, "span", Span(0, 0))
    source = part.source if part.source is not NO_SOURCE else flat.source
    return Edit(name, source, span, lines_of(flat, change), lines_of(found, change), found, step)


def opened(flat: Flat) -> Flat:
    """The spec with calls of formulas (``ema``, ``norm``) written out; those with states stay."""
    own = [(p.item, p.source) for p in flat.parts if isinstance(p.item, Function)]
    formulas = {f.name: (f, s) for f, s in (*prelude(), *own) if not f.items}
    expander = Expander(formulas, set())
    written = tuple(p if isinstance(p.item, Function) else
                    replace(p, item=mapped(p.item, partial(expander.expand, source=p.source)))
                    for p in flat.parts)
    return flat if expander.problems else replace(flat, parts=written)
