"""Hyperparameters as keywords of the generated functions, and the lines that read them."""

from __future__ import annotations

from collections.abc import Mapping

from thetaprime.backends.lanes import Lanes
from thetaprime.backends.numpy_kernel import python_text
from thetaprime.expr import Apply, Num, Sym, symbols
from thetaprime.ir import Hyper, Step


def _computed(hyper: Hyper) -> bool:
    """Whether the default reads other hyperparameters."""
    return isinstance(hyper.default, Num | Sym | Apply) and bool(symbols(hyper.default))


def signature(step: Step, names: Mapping[Sym, str], need: set[str], seeded: bool) -> list[str]:
    """``lr=1e-3`` and so on; of those without a default only the ones in ``need`` are required."""
    out = []
    for hyper in step.hypers:
        name = names[Sym(hyper.name)]
        if isinstance(hyper.default, tuple):
            items = ", ".join(python_text(e, names) for e in hyper.default)
            out.append(f"{name}=({items}{',' * (len(hyper.default) == 1)})")
        elif hyper.default is None:
            out.append(name if hyper.name in need else f"{name}=None")
        else:
            value = "None" if _computed(hyper) else python_text(hyper.default, names)
            out.append(f"{name}={value}")
    if seeded:
        out.append("seed=0")
    return out


def needed(step: Step, read: set[str]) -> set[str]:
    """The hyperparameters that ``read`` and their computed defaults need."""
    todo, found = list(read), set()
    known = {h.name: h for h in step.hypers}
    while todo:
        name = todo.pop()
        if name in known and name not in found:
            found.add(name)
            default = known[name].default
            if isinstance(default, Num | Sym | Apply):
                todo += [s.name for s in symbols(default)]
    return found


def defaults(
    step: Step, names: Mapping[Sym, str], lanes: Lanes, need: set[str], count: str
) -> list[str]:
    """The lines that make numbers of the hyperparameters in ``need``, each after those it reads;
    a schedule is evaluated after ``count`` steps."""
    lines: list[str] = []
    waiting = [h for h in step.hypers if h.name in need]
    while waiting:
        left = {h.name for h in waiting}
        ready = [h for h in waiting if not _reads(h) & (left - {h.name})]
        assert ready, "defaults read each other in a circle"
        plain = [h for h in ready if not h.type.axes]
        for hyper in plain:
            name = names[Sym(hyper.name)]
            if _computed(hyper):
                assert isinstance(hyper.default, Num | Sym | Apply)
                default = python_text(hyper.default, names)
                lines.append(f"{name} = {default} if {name} is None else _at({name}, {count})")
        direct = [names[Sym(h.name)] for h in plain if not _computed(h)]
        if len(direct) > 1:
            lines.append(f"{', '.join(direct)} = (_at(h, {count}) for h in ({', '.join(direct)}))")
        elif direct:
            lines.append(f"{direct[0]} = _at({direct[0]}, {count})")
        for hyper in ready:
            if hyper.type.axes:
                flat = [names[Sym(lanes.name(hyper.name, i))] for i in lanes.indices(hyper.name)]
                name = names[Sym(hyper.name)]
                lines.append(f"{', '.join(flat)}{',' * (len(flat) == 1)} = "
                             f"_list({hyper.name!r}, {name}, {len(flat)}, {count})")
        waiting = [h for h in waiting if h not in ready]
    return lines


def _reads(hyper: Hyper) -> set[str]:
    if not isinstance(hyper.default, Num | Sym | Apply):
        return set()
    return {s.name for s in symbols(hyper.default)}
