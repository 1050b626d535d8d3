"""Random specs that are well typed and defined everywhere: material for properties."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

# Operands by extent, as (scalars, per tensor, per entry); an expression may use smaller ones.
Pool = dict[int, list[str]]

_BINARY = ("{a} + {b}", "{a} - {b}", "{a}*{b}", "{a}/(1 + {b}^2)", "min({a}, {b})",
           "max({a}, {b})", "if {a} < {b} then {b} else {a}", "{a}/(1 + abs({b}))",
           "{a}*{b} default 1")
_SMOOTH = ("sqrt(abs({a}))", "tanh({a})", "exp(-({a})^2)", "sin({a})", "sign({a})*abs({a})^(1/3)",
           "ln(1 + ({a})^2)", "floor({a})")
_UNARY = ("-({a})", "abs({a})", "sign({a})", "({a})^2", "clip({a}, -1, 1)", "({a})^3/10")
_REDUCE = ("sum({a} over {e})/8", "mean({a} over {e})", "max(abs({a}) over {e})",
           "norm({a} over {e})", "dot({a}, {a} over {e})")


@dataclass
class Draft:
    """Lines of a spec as they are drawn."""

    rational: bool
    pool: Pool = field(default_factory=lambda: {0: ["0.5", "2", "lr", "b", "t"], 1: [],
                                                2: ["x", "g"]})
    lines: list[str] = field(default_factory=list)


def _operand(draw: st.DrawFn, draft: Draft, extent: int) -> str:
    names = [n for e in range(extent + 1) for n in draft.pool[e]]
    own = draft.pool[extent]
    # Half of the operands vary as far as they may, so that results do too.
    return draw(st.sampled_from(own if own and draw(st.booleans()) else names))


def _formula(draw: st.DrawFn, draft: Draft, extent: int, depth: int) -> str:
    if depth == 0:
        return _operand(draw, draft, extent)
    kind = draw(st.integers(0, 9))
    if kind == 0 and extent < 2:
        over = "model" if extent == 0 else "tensor"
        inner = _formula(draw, draft, 2, depth - 1)
        forms = _REDUCE[:3] if draft.rational else _REDUCE
        # x*0 + ... makes the argument vary along the entries whatever was drawn.
        return draw(st.sampled_from(forms)).format(a=f"(0*x + {inner})", e=over)
    if kind < 6:
        a = _formula(draw, draft, extent, depth - 1)
        b = _formula(draw, draft, extent, depth - 1)
        return "(" + draw(st.sampled_from(_BINARY)).format(a=f"({a})", b=f"({b})") + ")"
    forms = _UNARY if draft.rational or kind < 8 else _SMOOTH
    return "(" + draw(st.sampled_from(forms)).format(
        a=_formula(draw, draft, extent, depth - 1)) + ")"


@st.composite
def specs(draw: st.DrawFn, rational: bool = False) -> str:
    """The text of a spec with one to three states, some equations, and a step."""
    draft = Draft(rational)
    words = {0: "scalar", 1: "per tensor", 2: "per entry"}
    head = ["optimizer Random", "  hyper lr = 0.125 in (0, inf)", "  hyper b = 0.75 in [0, 1)"]
    extents = draw(st.lists(st.sampled_from([2, 2, 1, 0]), min_size=1, max_size=3))
    states = []
    for i, extent in enumerate(extents):
        start = draw(st.sampled_from(["0", "1", "0.5", "first 0*lr"]))
        head.append(f"  state s{i} : {words[extent]} = {start}")
        states.append((f"s{i}", extent))
        draft.pool[extent].append(f"s{i}")
    for i in range(draw(st.integers(0, 3))):
        extent = draw(st.sampled_from([2, 2, 1, 0]))
        draft.lines.append(f"  e{i} = {_formula(draw, draft, extent, 2)}")
        draft.pool[extent].append(f"e{i}")
    for name, extent in states:
        new = _formula(draw, draft, extent, 2)
        draft.lines.append(f"  {name}' = b*{name} + tanh1({new})".replace(
            "tanh1", "" if rational else "tanh"))
        draft.pool[extent].append(f"{name}'")
    total = " + ".join(name for pool in draft.pool.values() for name in pool
                       if name[0] in "esgb") or "g"
    step = _formula(draw, draft, 2, 3)
    draft.lines.append(f"  x' = x - lr*(g + ({step})/16 + ({total})/64)")
    order = draw(st.permutations(draft.lines))
    return "\n".join([*head, *order]) + "\n"
