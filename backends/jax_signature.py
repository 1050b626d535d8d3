"""Hyperparameters as the parameters of a generated function, and their computed defaults."""

from __future__ import annotations

from collections.abc import Sequence

from thetaprime.backends.jax_expr import Writer
from thetaprime.expr import Apply, Expr, Num, Sym, symbols, walk
from thetaprime.ir import Hyper
from thetaprime.ops import OPS


def parameters(hypers: Sequence[Hyper], writer: Writer, annotated: bool) -> list[str]:
    """``lr: ScalarOrSchedule = 1e-3`` and so on; those without a default come first."""
    required = [h for h in hypers if h.default is None]
    others = [h for h in hypers if h.default is not None]
    return [_parameter(h, writer, annotated) for h in (*required, *others)]


_KINDS = {"int": "int", "function": "Callable[..., Any]"}


def _parameter(hyper: Hyper, writer: Writer, annotated: bool) -> str:
    name = writer.name(Sym(hyper.name))
    kind = _KINDS.get(hyper.type.kind) or ("Any" if hyper.type.axes else "ScalarOrSchedule")
    default = ""
    if isinstance(hyper.default, tuple):
        items = ", ".join(writer.show(e) for e in hyper.default)
        default = f" = ({items}{',' if len(hyper.default) == 1 else ''})"
    elif hyper.default is not None and _computed(hyper):
        kind, default = f"{kind} | None", " = None"
    elif hyper.default is not None:
        default = f" = {writer.show(hyper.default)}"
    return f"{name}: {kind}{default}" if annotated else f"{name}{default}"


def _computed(hyper: Hyper) -> bool:
    """Whether the default is more than numbers that Python itself can put together."""
    if not isinstance(hyper.default, Num | Sym | Apply):
        return False
    return any(isinstance(n, Sym) or (isinstance(n, Apply) and not _python(n))
               for n in walk(hyper.default))


def _python(node: Apply) -> bool:
    return OPS[node.op].fix in ("infix", "constant") or node.op == "neg"


def compute_defaults(hypers: Sequence[Hyper], writer: Writer, static: bool) -> list[str]:
    """``b3 = jnp.sqrt(b2) if b3 is None else b3`` and so on, each after those that it reads."""
    todo = [h for h in hypers if h.static == static and _computed(h)]
    lines: list[str] = []
    done: set[str] = {h.name for h in hypers} - {h.name for h in todo}
    while todo:
        waiting = {h.name for h in todo}
        ready = [h for h in todo if not _reads(h) & (waiting - {h.name})]
        assert ready, "defaults read each other in a circle"
        for hyper in ready:
            name = writer.name(Sym(hyper.name))
            default = hyper.default
            assert isinstance(default, Num | Sym | Apply)
            lines.append(f"{name} = {writer.show(default)} if {name} is None else {name}")
            done.add(hyper.name)
        todo = [h for h in todo if h not in ready]
    return lines


def _reads(hyper: Hyper) -> set[str]:
    default: Expr | tuple[Expr, ...] | None = hyper.default
    if not isinstance(default, Num | Sym | Apply):
        return set()
    return {s.name for s in symbols(default)}
