"""Questions to the problem as JAX text: every answer comes from the user's own functions, by
JAX's transforms.

In the text a point is a tuple with one array for each tensor. ``loss_of``, ``out_of`` and so on
are functions of such a point and a batch, so that ``jax.grad(loss_of)(y, batch)`` is the gradient.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from thetaprime.backends.jax_align import typed
from thetaprime.backends.jax_expr import Writer
from thetaprime.backends.segments import Ask
from thetaprime.expr import Apply, walk
from thetaprime.ir import Step, reads, statements
from thetaprime.ops import ORACLES, WHOLE

# An oracle as text: F is the function that it differentiates, then its arguments and the batch.
_CALLS = {
    "loss": ("loss", "{f}({0}, {b})"),
    "grad": ("loss", "jax.grad({f})({0}, {b})"),
    "hvp": ("loss", "_along(jax.grad({f}), {0}, {1}, {b})"),
    "hess": ("loss", "_hess({f}, {0}, {b})"),
    "slope": ("loss", "_along({f}, {0}, {1}, {b})"),
    "rows": ("loss", "_rows({f}, {0}, {b})"),
    "out": ("out", "{f}({0}, {b})"),
    "push": ("out", "_along({f}, {0}, {1}, {b})"),
    "pull": ("out", "_pull({f}, {0}, {1}, {b})"),
    "dell": ("ell", "jax.grad({f})({0}, {b})"),
    "hess_ell": ("ell", "_along(jax.grad({f}), {0}, {1}, {b})"),
    "ggn": ("out", "_ggn({f}, problem.ell, {0}, {1}, {b})"),
    "losses": ("losses", "{f}({0}, {b})"),
    "grads": ("losses", "jax.jacrev({f})({0}, {b})"),
}

HELPERS = {
    "_losses": '''
def _losses(problem, params, batch, count):
    """The losses of the problem, one after the other in one array; ValueError if they are not
    `count`."""
    losses = [jnp.asarray(loss) for loss in problem.losses(params, batch)]
    if len(losses) != count:
        raise ValueError(f"the problem has {len(losses)} losses, and the step is for {count}")
    return jnp.stack(losses)
''',
    "_loss": '''
def _loss(problem, params, batch):
    """The loss of the problem: its own, or else that of its outputs."""
    if hasattr(problem, "loss"):
        return problem.loss(params, batch)
    return problem.ell(problem.out(params, batch), batch)
''',
    "_along": '''
def _along(function, y, v, batch):
    """The derivative of `function` at y in the direction v."""
    return jax.jvp(lambda p: function(p, batch), (y,), (_alike(v, y),))[1]
''',
    "_hess": '''
def _hess(loss, y, batch):
    """The Hessian of the loss at y; rows and columns are all entries, tensor after tensor."""
    return jax.hessian(lambda row: loss(_unflat(row, y), batch))(_flat(y))
''',
    "_flat": '''
def _flat(tensors, axes=0):
    """All entries of the model in one row, tensor after tensor, after the first `axes` axes."""
    if any(a is None for a in tensors):
        raise ValueError("one row of all entries needs the gradients of all tensors")
    return jnp.concatenate([jnp.reshape(a, (*a.shape[:axes], -1)) for a in tensors], axis=-1)
''',
    "_unflat": '''
def _unflat(row, tensors):
    """A row of all entries cut into arrays of the shapes and dtypes of the tensors."""
    if any(a is None for a in tensors):
        raise ValueError("one row of all entries needs the gradients of all tensors")
    parts, start = [], 0
    for a in tensors:
        part = row[..., start:start + a.size].astype(a.dtype)
        parts.append(jnp.reshape(part, (*row.shape[:-1], *a.shape)))
        start += a.size
    return tuple(parts)
''',
    "_pull": '''
def _pull(function, y, w, batch):
    """The transposed Jacobian of `function` at y, times w."""
    value, back = jax.vjp(lambda p: function(p, batch), y)
    return back(_alike(w, value))[0]
''',
    "_ggn": '''
def _ggn(out, ell, y, v, batch):
    """The generalised Gauss-Newton matrix J.T H J at y times v: J of the outputs, H of `ell`."""
    outputs, forward = jax.linearize(lambda p: out(p, batch), y)
    curved = _along(jax.grad(ell), outputs, forward(_alike(v, y)), batch)
    return _pull(out, y, curved, batch)
''',
    "_rows": '''
def _rows(loss, y, batch):
    """The gradient of the loss of each example alone, examples first."""
    def row(example):
        return jax.grad(loss)(y, jax.tree.map(lambda a: a[None], example))

    return jax.vmap(row)(batch)
''',
    "_nth": '''
def _nth(batches, i):
    """Batch number i of several, which lie one after the other along a first axis."""
    return jax.tree.map(lambda a: a[i], batches)
''',
}


@dataclass(frozen=True)
class Questions:
    """All that a step asks: the calls in its body, and whether it reads the gradient and the loss
    at the point that training holds."""

    calls: tuple[Apply, ...]
    gradient: bool
    loss: bool
    losses: tuple[str, ...]

    @property
    def batches(self) -> bool:
        """Whether the step asks on other batches than its own."""
        return any(call.over[0] != "this" for call in self.calls)

    @property
    def functions(self) -> list[str]:
        """The functions of the problem that are called, each once: ``loss``, ``main``, ``out``."""
        own = ["loss"] if self.gradient or self.loss else []
        found = [_function(call) for call in self.calls]
        return list(dict.fromkeys((*own, *found, *(["ell"] if self._ggn else []))))

    @property
    def _ggn(self) -> bool:
        return any(call.op == "ggn" for call in self.calls)

    @property
    def needed(self) -> list[str]:
        """The functions that the problem, an object, must have."""
        if not self.whole:
            return []
        found = {"losses" if name in self.losses else name for name in self.functions}
        return [name for name in ("out", "ell", "losses") if name in found]

    @property
    def whole(self) -> bool:
        """Whether the problem is an object with functions, rather than the loss itself."""
        return self.functions != ["loss"]


def questions(step: Step, gradient: bool, loss: bool) -> Questions:
    """What the body of a step asks."""
    found = [node for s in statements(step.body) if not hasattr(s, "body") for e in reads(s)
             for node in walk(e) if isinstance(node, Apply) and node.op in ORACLES]
    return Questions(tuple(dict.fromkeys(found)), gradient, loss, step.losses)


def asks_more(step: Step) -> bool:
    """Whether a step asks for more than the gradient and the loss at its point."""
    return any(isinstance(node, Apply) and node.op in ORACLES
               for s in step.body for e in reads(s) for node in walk(e))


def _function(call: Apply) -> str:
    return call.over[1] if len(call.over) > 1 else _CALLS[call.op][0]


def ask_lines(asked: Iterable[Ask], writer: Writer, several: bool) -> list[str]:
    """The lines that ask; the loss and the gradient at one point are asked together."""
    lines: list[str] = []
    todo = list(asked)
    while todo:
        ask = todo.pop(0)
        other = {"loss": "grad", "grad": "loss"}.get(ask.call.op, "")
        pair = [a for a in todo if a.call.op == other
                and (a.call.args, a.call.over) == (ask.call.args, ask.call.over)]
        text = _call(ask.call, writer, several)
        left = writer.name(ask.target)
        if pair:
            todo.remove(pair[0])
            value, grad = (ask, pair[0]) if ask.call.op == "loss" else (pair[0], ask)
            left = f"{writer.name(value.target)}, {writer.name(grad.target)}"
            text = _call(grad.call, writer, several).replace("jax.grad", "jax.value_and_grad", 1)
        lines.append(f"{left} = {text}")
    return lines


def whole_text(call: Apply, writer: Writer) -> str:
    """``flat`` and ``unflat`` as calls of helpers."""
    (arg,) = call.args
    lead = len(typed(arg).axes) if call.op == "flat" else 0
    if call.op == "flat":
        return f"_flat({writer.show(arg)}{f', {lead}' if lead else ''})"
    assert writer.like is not None
    return f"_unflat({writer.show(arg)}, {writer.name(writer.like)})"


def _call(call: Apply, writer: Writer, several: bool) -> str:
    if call.op in WHOLE:
        return whole_text(call, writer)
    row = ORACLES[call.op]
    points = [writer.show(a) for a in call.args[:len(row.takes)]]
    batch = batch_text(call, writer, several)
    name = _function(call)
    function = "problem.ell" if name == "ell" else f"{name}_of"
    return _CALLS[call.op][1].format(*points, f=function, b=batch)


def batch_text(call: Apply, writer: Writer, several: bool) -> str:
    """The batch that a call sees."""
    match call.over[0]:
        case "full":
            return "batch.full"
        case "fresh":
            return f"_nth(batch.fresh, {writer.show(call.args[-1])})"
    return "batch.this" if several else "batch"


def function_lines(asked: Questions, place: str, count: str) -> list[str]:
    """The functions of a point and a batch that the text differentiates; ``place`` says where the
    tensors of the point lie, ``count`` how many losses there are."""
    lines: list[str] = []
    called = [name for name in asked.functions if name != "ell"]
    several = ["losses"] if any(n in asked.losses for n in called) else []
    for name in dict.fromkeys((*several, *called)):
        if name in asked.losses:
            body = f"return losses_of(y, batch)[{asked.losses.index(name)}]"
        else:
            tree = f"_tree({place}, y, params)"
            value = {
                "loss": f"_loss(problem, {tree}, batch)" if asked.whole
                else f"problem({tree}, batch)",
                "out": f"problem.out({tree}, batch)",
                "losses": f"_losses(problem, {tree}, batch, {count})",
            }[name]
            body = f"return {value}" if name == "out" else f"return jnp.asarray({value}, dtype)"
        lines += ["", f"def {name}_of(y, batch):", f"    {body}"]
    return [*lines, ""]
