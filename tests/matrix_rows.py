"""The tables of `tests.test_matrix_references`: specs with matrices, or for any rank, and
independent implementations of them; those around other specs are in `tests.wrapper_rows`.

A row says how ours runs: on the tree of `tests.tree`, on matrices alone where the rule is for
these, or on the problem of `tests.problem` where it asks for more than the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests import beyond, tree
from tests import references_matrices as matrices
from tests import references_memory as memory
from tests.flat_problem import Ask, history
from tests.libraries import Made, koz, library, optax_, timm_, torch_
from tests.matrix_tree import MATRICES, in_double, keras_, matrix_gradients, on_matrices
from tests.references import Rule, per_tensor
from tests.references_low_rank import psgd_low_rank
from tests.tree import LEAVES, Tree, gradients
from thetaprime.draws import draw

History = list[Tree]
STEPS = 20


def on_tree(spec: str, **hypers: Any) -> History:
    """By the meaning of the spec, on tensors of ranks 0 to 4."""
    return tree.run_interpreter(spec, **hypers)


def on_some(spec: str, **hypers: Any) -> History:
    """The same on matrices alone."""
    with on_matrices():
        return tree.run_interpreter(spec, **hypers)


@dataclass(frozen=True)
class Row:
    """``tol`` differs from 1e-12 only with a reason in ``why``."""

    spec: str
    kind: str
    theirs: Callable[[], History]
    hypers: dict[str, Any] = field(default_factory=dict)
    ours: Callable[..., History] = on_tree
    tol: float = 1e-12
    why: str = ""


def hand(spec: str, rule: Rule, ours: Callable[..., History] = on_tree,
         given: dict[str, Any] | None = None, **hypers: Any) -> Row:
    """A spec against a rule in NumPy, which takes ``given`` beside the same hyperparameters."""
    def theirs() -> History:
        if ours is on_some:
            with on_matrices():
                return per_tensor(rule, STEPS, **hypers, **(given or {}))
        return per_tensor(rule, STEPS, **hypers, **(given or {}))

    return Row(spec, "hand", theirs, hypers, ours)


def tree_rule(spec: str, rule: Callable[..., History], **hypers: Any) -> Row:
    """A matrix spec against a rule of all matrices at once."""
    return Row(spec, "hand", lambda: rule(MATRICES, matrix_gradients(STEPS), **hypers), hypers,
               on_some)


def at(spec: str, made: Made, ours: Callable[..., History] = on_tree, tol: float = 1e-12,
       why: str = "", **hypers: Any) -> Row:
    """A spec against a library."""
    def theirs() -> History:
        if ours is on_some:
            with on_matrices():
                return made[1]()
        return made[1]()

    return Row(spec, made[0], theirs, hypers, ours, tol, why)


def grouped(name: str, group: dict[str, Any], **settings: Any) -> Made:
    """An optimizer of pytorch_optimizer with settings of the group of parameters."""
    def run(evaluate: bool = False) -> History:
        make = getattr(library("pytorch_optimizer"), name)
        return tree.run_torch(lambda params: make([{"params": params, **group}], **settings))

    return "pytorch_optimizer", run


def on_problem(spec: str, **hypers: Any) -> History:
    """By the meaning of the spec, on the problem of `tests.problem`."""
    return beyond.run_interpreter(spec, STEPS, **hypers)


def asked(spec: str, rule: Callable[..., Any], given: dict[str, Any], **hypers: Any) -> Row:
    """A spec on that problem against a rule that asks the same questions."""
    return Row(spec, "hand", partial(history, rule, STEPS, **hypers, **given), hypers, on_problem)


def probed(spec: str, name: str, rule: Rule, **hypers: Any) -> Row:
    """A spec that draws ``name ~ normal`` against a rule that is given the draws."""
    def theirs() -> History:
        probes = matrices.normals(LEAVES, name, STEPS)
        grads = gradients(STEPS)
        runs = {n: rule(x, [g[n] for g in grads], [z[n] for z in probes], **hypers)
                for n, x in LEAVES.items()}
        return [{n: next(run) for n, run in runs.items()} for _ in range(STEPS)]

    return Row(spec, "hand", theirs, hypers)


def apollo(ours: Callable[..., History], **hypers: Any) -> Row:
    """APOLLO against a rule that is given the draws."""
    def run(leaves: Tree, grads: list[Tree]) -> History:
        runs = {n: memory.apollo(x, [g[n] for g in grads], partial(_directions, k, x.shape),
                                 **hypers) for k, (n, x) in enumerate(leaves.items())}
        return [{n: next(run) for n, run in runs.items()} for _ in grads]

    where = (MATRICES, matrix_gradients(STEPS)) if ours is on_some else (LEAVES, gradients(STEPS))
    return Row("apollo", "hand", partial(run, *where), hypers, ours)


def _directions(leaf: int, tensor: tuple[int, ...], t: int, shape: tuple[int, int]) -> Any:
    """What a spec with seed 0 draws for a tensor, whose shape says in which of its cases."""
    name = "Z" if tensor[0] >= tensor[1] else "Y"
    return draw("normal", (), 0, name, t, leaf, shape)


POLAR_EXPRESS = [
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
]
STRETCHED = [*((a / 1.01, b / 1.01**3, c / 1.01**5) for a, b, c in POLAR_EXPRESS),
             (1.875, -1.25, 0.375)]


def low_rank_draws() -> dict[str, Any]:
    """The first factors of rank one, and the coins of every step."""
    ask = Ask()
    coins = [float(draw("uniform", (), 0, "which", t, 0, ())) for t in range(1, STEPS + 1)]
    return {**{name: 0.1 * ask.draw("normal", name, 0)[:, None] for name in ("u", "v")},
            "coins": coins}


BETAS = {"betas": (0.8, 0.95)}
FULL = {"b1": 0.8, "b2": 0.95}
KERAS = (1e-7, "keras keeps its hyperparameters in float32")

MUON = [
    hand("muon", matrices.muon, on_some, lr=0.1, mu=0.8, eps=1e-2, wd=0.3),
    at("muon", in_double(grouped("Muon", {"use_muon": True}, lr=0.1, momentum=0.8,
                                 weight_decay=0.3)),
       on_some, lr=0.1, mu=0.8, eps=1e-200, wd=0.3),
    hand("muon", matrices.muon, on_some, lr=0.1, mu=0.8, n=3),
    at("muon-torch", in_double(torch_("Muon", lr=0.1, momentum=0.8, weight_decay=0.3, eps=1.0)),
       on_some, lr=0.1, mu=0.8, wd=0.3, eps=1.0),
    at("muon-torch", in_double(torch_("Muon", lr=0.1, nesterov=False, ns_steps=3,
                                      adjust_lr_fn="match_rms_adamw")),
       on_some, lr=0.1, nesterov=False, match=True, n=3),
    hand("muon-torch", matrices.muon_torch, on_some, lr=0.1, mu=0.8, eps=1.0, wd=0.3),
    at("muon-optax", optax_(lambda o: o.contrib.muon(
        0.1, beta=0.8, eps=1e-2, weight_decay=0.3)), on_some, lr=0.1, b=0.8, eps=1e-2, wd=0.3),
    at("muon-optax", optax_(lambda o: o.contrib.muon(0.1, nesterov=False, ns_steps=3)),
       on_some, lr=0.1, nesterov=False, n=3),
    hand("muon-optax", matrices.muon_optax, on_some, lr=0.1, b=0.8, eps=1e-2, wd=0.3),
    at("muon-keras", keras_(lambda o: o.Muon(0.1, momentum=0.8, weight_decay=0.3, rms_rate=0.3)),
       on_some, *KERAS, lr=0.1, mu=0.8, wd=0.3, rate=0.3),
    at("muon-keras", keras_(lambda o: o.Muon(0.1, nesterov=False, weight_decay=None, ns_steps=3)),
       on_some, *KERAS, lr=0.1, nesterov=False, wd=0.0, n=3),
    hand("muon-keras", matrices.muon_keras, on_some, lr=0.1, mu=0.8, wd=0.3, rate=0.3),
    hand("muon-cubic", matrices.muon, on_some, given={"coefficients": [(1.5, -0.5, 0.0)]},
         lr=0.1, mu=0.8, eps=1e-2, wd=0.3, n=7),
    at("muon-polar-express", in_double(grouped(
        "Muon", {"use_muon": True}, lr=0.1, momentum=0.8, ns_steps=8, ns_coeffs=STRETCHED)),
       on_some, lr=0.1, mu=0.8, eps=1e-200, safety=1.0),
    hand("muon-polar-express", matrices.muon_polynomials, on_some,
         lr=0.1, mu=0.8, eps=1e-2, wd=0.3, safety=1.3,
         a=[3.4445] * 8, b=[-4.7750] * 8, c=[2.0315] * 8),
    at("mars-shampoo", in_double(koz("MARS", lr=0.1, gamma=0.3, mars_type="shampoo", eps=1e-200,
                                     weight_decay=0.3, **BETAS)),
       on_some, lr=0.1, b1=0.8, gam=0.3, eps=1e-200, wd=0.3),
    hand("mars-shampoo", matrices.mars_shampoo, on_some, lr=0.1, b1=0.8, gam=0.3, eps=1e-2, wd=0.3),
    tree_rule("lanton", matrices.lanton, lr=0.1, b1=0.8, b2=0.7, alpha=2.0, eps=1e-2),
]

PRECONDITIONED = [
    at("shampoo", koz("Shampoo", lr=0.1, momentum=0.0, matrix_eps=1e-2,
                      preconditioning_compute_steps=1), lr=0.1, eps=1e-2),
    hand("shampoo", matrices.shampoo, lr=0.1, eps=1e-2, k=3),
    at("soap", in_double(koz("SOAP", lr=0.1, shampoo_beta=0.9, weight_decay=0.3, eps=1e-2,
                             precondition_frequency=3, **BETAS)),
       lr=0.1, bs=0.9, eps=1e-2, wd=0.3, f=3, **FULL),
    hand("soap", matrices.soap, lr=0.1, bs=0.9, eps=1e-2, wd=0.3, f=4, **FULL),
    probed("psgd-kron", "z", matrices.psgd_kron, lr=0.01, lp=0.1, b=0.8, tiny=1e-2),
    asked("psgd-low-rank", psgd_low_rank, low_rank_draws(), lr=0.01, lp=0.1, b=0.8, tiny=1e-30),
    asked("psgd-low-rank", psgd_low_rank, low_rank_draws(), lr=0.02, lp=0.3, b=0.0, tiny=0.1),
]

MEMORY = [
    hand("adafactor", memory.adafactor, lr=0.1, decay=0.7, eps1=1e-2, eps2=0.9, d=0.5),
    at("adafactor", keras_(lambda o: o.Adafactor(
        0.1, beta_2_decay=-0.7, epsilon_1=1e-2, epsilon_2=0.1, clip_threshold=0.5)),
       on_tree, *KERAS, lr=0.1, decay=0.7, eps1=1e-2, eps2=0.1, d=0.5),
    at("adafactor-keras", keras_(lambda o: o.Adafactor(
        0.1, beta_2_decay=-0.7, epsilon_1=1e-2, epsilon_2=0.9, clip_threshold=0.5,
        weight_decay=0.3)),
       on_tree, *KERAS, lr=0.1, decay=0.7, eps1=1e-2, eps2=0.9, d=0.5, wd=0.3),
    at("adafactor-torch", torch_("Adafactor", lr=0.1, beta2_decay=-0.7, eps=(1e-2, 0.9), d=1.5,
                                 weight_decay=0.3),
       lr=0.1, decay=0.7, eps1=1e-2, eps2=0.9, d=1.5, wd=0.3),
    hand("adafactor-torch", memory.adafactor_torch, lr=0.1, decay=0.7, eps1=1e-2, eps2=0.9, d=1.5,
         wd=0.3),
    at("adafactor-optax", optax_(lambda o: o.adafactor(
        0.1, min_dim_size_to_factor=1, decay_rate=0.7, eps=1e-2, clipping_threshold=0.5,
        momentum=0.8, weight_decay_rate=0.03)), on_some, 1e-6, "optax has t in float32",
       lr=0.1, decay=0.7, eps=1e-2, d=0.5, mu=0.8, wd=0.03, least=1),
    at("adafactor-optax", optax_(lambda o: o.adafactor(0.1, decay_rate=0.7, eps=1e-2)),
       on_tree, 1e-6, "optax has t in float32", lr=0.1, decay=0.7, eps=1e-2),
    hand("adafactor-optax", memory.adafactor_optax, lr=0.1, decay=0.7, eps=1e-2, d=0.5, mu=0.8,
         wd=0.03, least=1),
    hand("sm3", memory.sm3, lr=0.1, mu=0.8, eps=1e-2),
    at("sm3", koz("SM3", lr=0.1, momentum=0.8, beta=0.0, eps=1e-2), lr=0.1, mu=0.8, eps=1e-2),
    at("sm3-optax", optax_(lambda o: o.sm3(0.1, momentum=0.8)), on_some, lr=0.1, mu=0.8),
    at("galore", in_double(grouped("GaLore", {
        "rank": 2, "update_proj_gap": STEPS + 1, "scale": 0.5, "projection_type": "std"},
        lr=0.1, eps=1e-2, weight_decay=0.3, **BETAS)),
       lr=0.1, eps=1e-2, wd=0.3, r=2, k=STEPS, scale=0.5, **FULL),
    hand("galore", memory.galore, lr=0.1, eps=1e-2, wd=0.3, r=2, k=3, scale=0.5, **FULL),
    hand("galore", memory.galore, on_some, lr=0.1, eps=1e-2, wd=0.3, r=1, k=7, scale=0.5, **FULL),
    apollo(on_tree, lr=0.1, eps=1e-2, wd=0.3, r=2, k=3, scale=0.5, grow=1.2, **FULL),
    apollo(on_some, lr=0.1, eps=1e-2, wd=0.3, r=2, k=7, scale=2.0, grow=1.01, **FULL),
    *(at("adamp", timm_("adamp.AdamP", lr=0.1, eps=1e-2, weight_decay=0.3, delta=0.5, wd_ratio=0.2,
                        nesterov=ahead, **BETAS),
         lr=0.1, eps=1e-2, wd=0.3, delta=0.5, ratio=0.2, nesterov=ahead, **FULL)
      for ahead in (False, True)),
    hand("adamp", memory.adamp, lr=0.1, eps=1e-2, wd=0.3, delta=0.7, ratio=0.2, **FULL),
    *(at("sgdp", timm_("sgdp.SGDP", lr=0.1, momentum=0.8, weight_decay=0.3, delta=0.5, wd_ratio=0.2,
                       eps=1e-2, dampening=0.1, nesterov=ahead),
         lr=0.1, mu=0.8, damp=0.1, eps=1e-2, wd=0.3, delta=0.5, ratio=0.2, nesterov=ahead)
      for ahead in (False, True)),
    hand("sgdp", memory.sgdp, lr=0.1, mu=0.8, eps=1e-2, wd=0.3, delta=0.7, ratio=0.2),
    hand("adam-mini", memory.adam_mini, lr=0.1, eps=1e-2, wd=0.3, **FULL),
    hand("adashift", memory.adashift, lr=0.1, n=4, eps=1e-2, **FULL),
    at("adashift", koz("AdaShift", lr=0.1, keep_num=3, eps=1e-2, **BETAS),
       lr=0.1, n=3, eps=1e-2, **FULL),
    hand("microadam", memory.microadam, lr=0.1, eps=1e-2, wd=0.3, n=4, compress=memory.largest,
         store=memory.four_bits, **FULL),
    hand("mars-lion", memory.mars_lion, lr=0.1, b1=0.8, gam=0.3, wd=0.3),
    at("mars-lion", koz("MARS", lr=0.1, gamma=0.3, mars_type="lion", weight_decay=0.3,
                        optimize_1d=True, **BETAS), lr=0.1, b1=0.8, gam=0.3, wd=0.3),
]

ROWS = [*MUON, *PRECONDITIONED, *MEMORY]
