"""Specs made of specs: what they become as text, and that they mean what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thetaprime as tp
from tests import beyond
from tests.tree import compare
from thetaprime.codes_units import UNIT_CODES
from thetaprime.coverage import witness
from thetaprime.format import flat_text, format_text
from thetaprime.library import find, modules, shipped
from thetaprime.parse import parse, parse_spec_reference
from thetaprime.pipeline import flat
from thetaprime.resolve import Scope, resolve_reference
from thetaprime.source import Source

MODULES = {name: entry.read_text("utf-8") for name, entry in modules().items()}


def body(spec: Any) -> list[str]:
    """The lines of the resolved spec that are no text and no hyperparameters."""
    found = flat_text(spec.flat).splitlines()[1:]
    return [line.strip() for line in found if not line.lstrip().startswith(('"', "cite", "hyper"))]


def lines(text: str) -> list[str]:
    """The lines of a text."""
    return text.split("\n")


def beside(folder: Path, **texts: str) -> tp.Optimizer:
    """The last of some specs in a folder, where they find one another."""
    for name, text in texts.items():
        (folder / f"{name}.opt").write_text(text, "utf-8")
    return tp.load(folder / f"{list(texts)[-1]}.opt")


def test_a_list_given_by_with_gives_the_axis_its_length() -> None:
    """x - lr*mean(v) with v = b*v + g along the lanes."""
    spec = tp.load("AggMo with b = [0.5, 0.25]")
    point, grad = [np.ones(3)], np.arange(3.0)
    program = spec.to_numpy(lr=0.1)
    state = program.init(point)
    for _ in range(2):
        state = program.step(point, [grad], state)
    np.testing.assert_allclose(state["v"][0], [1.5*grad, 1.25*grad])
    np.testing.assert_allclose(point[0], 1 - 0.1*grad - 0.1*1.375*grad)


# The text of what is composed.


def test_three_specs_read_as_one_that_was_written_by_hand() -> None:
    spec = tp.load("Lookahead(SAM(AdamW with wd = 0), k = 6)")
    assert body(spec) == lines("""\
state slow = x
state m = 0
state v = 0
q = grad(x + rho*g/norm(g over model) default 0)
m' = b1*m + (1 - b1)*q
v' = b2*v + (1 - b2)*q^2
mhat = m'/(1 - b1^t)
vhat = v'/(1 - b2^t)
fast = x - lr*(mhat/(sqrt(vhat) + eps) + wd*x)
every k from k:
slow' = slow + alpha*(fast - slow)
x' = slow'
else:
x' = fast""")
    assert [h.name for h in spec.hypers] == ["alpha", "rho", "lr", "b1", "b2", "eps"]
    assert set(spec.flat.bound) == {"wd", "k"}


def test_the_parts_of_a_step_are_read_from_its_equation() -> None:
    assert body(tp.load("Cautious(Lion)")) == lines("""\
state m = 0
m' = b2*m + (1 - b2)*g
descent = -lr*sign(b1*m + (1 - b1)*g)
decay = -lr*wd*x
mask = if descent*g < 0 then 1 else 0
move = descent*mask/max(mean(mask over tensor), floor)
x' = x + move + decay""")
    # A decay that enters the gradient follows the gradient.
    assert body(tp.load("Cautious(SGD)"))[-2:] == [
        "move = descent*mask/max(mean(mask over tensor), floor)", "x' = x + move"]


def test_named_parts_stay_as_they_are_named(tmp_path: Path) -> None:
    spec = beside(tmp_path, inner="""\
optimizer Inner
  hyper lr = 0.1 in (0, inf)
  descent = -lr*g*x
  decay = -lr^2*tanh(x)
  x' = x + descent + decay
""", row="optimizer Row = Grams(Inner)\n")
    assert body(spec) == ["descent = -lr*g*x", "decay = -lr^2*tanh(x)",
                          "move = -sign(g)*abs(descent)", "x' = x + move + decay"]


def test_what_clashes_gets_the_name_of_the_parameter() -> None:
    spec = tp.load("Lookahead(Lookahead(SGD on clip_norm(2), 3), 4)")
    assert set(spec.flat.bound) == {"c", "k", "base_k"}
    assert {s.name for s in spec.step().states} == {"slow", "base_slow", "b"}
    assert "alpha" in (names := [h.name for h in spec.hypers])
    assert "base_alpha" in names


def test_transforms_act_from_the_right() -> None:
    assert body(tp.load("SignSGD on clip_value(2) on clip_norm(1)"))[:3] == [
        "n = norm(g over model)",
        "g_clip_norm = g*(if n > clip_norm_c then clip_norm_c/n else 1)",
        "g_clip_value = clip(g_clip_norm, -c, c)"]


def test_a_base_that_trains_another_point_keeps_its_own() -> None:
    spec = tp.load("SAM(ScheduleFreeSGD)")
    found = body(spec)
    assert "state base_x = x" in found
    assert "x' = (1 - b)*z' + b*base_x'" in found
    assert found[-1] == "eval base_x"


def test_texts_of_all_parts_are_kept_and_cited() -> None:
    spec = tp.load("Lookahead(SAM(AdamW))")
    assert [Path(s.name).stem for s in spec.flat.sources] == [
        "Lookahead(SAM(AdamW))", "lookahead", "sam", "adamw"]
    assert spec.cites[0].startswith("arXiv:1907.08610")
    assert any("1711.05101" in cite for cite in spec.cites)
    assert spec.check(claims=False).ok


# What it means.

START = np.array([[0.75, -1.5], [0.5, 2.0]])


@pytest.mark.parametrize(("composed", "written", "hypers"), [
    ("Cautious(AdamW)", "c-adamw", {}),
    ("Cautious(Lion, floor = 1e-5)", "c-lion", {}),
    ("AdamW on clip_norm", "adamw-clip-norm", {}),
    ("SGD on clip_value(0.5)", tp.loads(
        "optimizer A = SGDClipValue with c = 0.5\n"), {"mu": 0.5, "lr": 0.1}),
])
def test_a_composed_spec_is_the_one_written_by_hand(
    composed: str, written: Any, hypers: dict[str, Any]
) -> None:
    compare(beyond.run_interpreter(composed, **hypers), beyond.run_interpreter(written, **hypers))


@pytest.mark.parametrize("spec", [
    "Lookahead(SAM(AdamW), k = 3)", "Cautious(Lion)", "XGrad(SGD with mu = 0.9)", "Grams(AdamW)",
    "SGD on clip_value on clip_norm"])
def test_both_programs_do_what_a_composed_spec_means(spec: str) -> None:
    meant = beyond.run_interpreter(spec)
    compare(beyond.run_numpy(spec), meant, 1e-9)
    compare(beyond.run_jax(spec), meant, 1e-9)


EXTRA = """\
optimizer Extra(base)
  u, b1 = base.step(g)
  v, base' = b1.step(grad(x + u))
  x' = x + v
"""


def test_two_steps_are_threaded_by_hand(tmp_path: Path) -> None:
    """ExtraAdam: the moments and the bias corrections count both of its steps."""
    spec = beside(tmp_path, extra=EXTRA, row="optimizer Row = Extra(Adam)\n")
    by_hand = tp.loads("""\
optimizer ByHand
  hyper lr = 1e-3 in (0, inf)
  hyper b1 = 0.9, b2 = 0.999 in [0, 1)
  hyper eps = 1e-8 in (0, inf)
  state m = 0
  state v = 0
  fn move(m, v, n) = -lr*m/(1 - b1^n)/(sqrt(v/(1 - b2^n)) + eps)

  m1 = b1*m + (1 - b1)*g
  v1 = b2*v + (1 - b2)*g^2
  h = grad(x + move(m1, v1, 2*t - 1))
  m' = b1*m1 + (1 - b1)*h
  v' = b2*v1 + (1 - b2)*h^2
  x' = x + move(m', v', 2*t)
""")
    compare(beyond.run_interpreter(spec), beyond.run_interpreter(by_hand))


RARE = """\
optimizer Rare(base)
  every 3 from 2:
    x' = x + base(2*g)
"""


def test_a_base_in_a_block_counts_its_own_steps(tmp_path: Path) -> None:
    inner = """\
optimizer Inner
  hyper lr = 0.1 in (0, inf)
  state m = first g
  m' = m + g/t
  x' = x - lr*m'
"""
    spec = beside(tmp_path, inner=inner, rare=RARE, row="optimizer Row = Rare(Inner)\n")
    x, m, n = START.copy(), None, 0
    program = spec.to_numpy()
    params = {"w": START.copy()}
    state = program.init(params)
    for t in range(1, 12):
        g = np.cos(params["w"]*t)
        if t >= 2 and (t - 2) % 3 == 0:
            n += 1
            m = (2*g if m is None else m) + 2*g/n
            x = x - 0.1*m
        state = program.step(params, {"w": g}, state)
        np.testing.assert_allclose(params["w"], x, rtol=1e-12)


TIED = """\
optimizer Tied(base)
  hyper lam = 0.1 in [0, inf)
  state anchor = x
  base with grad(y) := grad(y) + lam*(y - anchor)
  x' = x + base(grad(x) + lam*(x - anchor))
  every 3 from 3:
    anchor' = x'
"""


def test_a_base_gets_the_gradients_that_the_outer_optimizer_answers(tmp_path: Path) -> None:
    spec = beside(tmp_path, tied=TIED, row="optimizer Row = Tied(SAM(SGD with lr = 0.1))\n")
    by_hand = tp.loads("""\
optimizer ByHand
  hyper lam = 0.1 in [0, inf)
  hyper rho = 0.05 in [0, inf)
  state anchor = x
  q = grad(x) + lam*(x - anchor)
  y = x + rho*q/norm(q over model)
  x' = x - 0.1*(grad(y) + lam*(y - anchor))
  every 3 from 3:
    anchor' = x'
""")
    compare(beyond.run_interpreter(spec), beyond.run_interpreter(by_hand))
    compare(beyond.run_jax(spec), beyond.run_interpreter(spec), 1e-9)


def test_an_answer_is_given_on_the_batch_that_was_asked_for(tmp_path: Path) -> None:
    inner = """\
optimizer Inner
  hyper lr = 0.1 in (0, inf)
  x' = x - lr*grad(x; fresh)
"""
    outer = """\
optimizer Outer(base)
  base with grad(y) := 2*grad(y) + grad(y; full)
  x' = x + base(g)
"""
    spec = beside(tmp_path, inner=inner, outer=outer, row="optimizer Row = Outer(Inner)\n")
    assert body(spec) == ["x' = x - lr*(2*grad(x; fresh) + grad(x; full))"]


def test_hold_in_a_base_holds_the_base_alone(tmp_path: Path) -> None:
    inner = """\
optimizer Inner
  hyper lr = 0.1, wd = 0.5 in (0, inf)
  state m = 0
  hold when norm(g over model) > 2
  m' = m + g
  x' = x - lr*(m' + wd*x)
"""
    outer = """\
optimizer Outer(base)
  state n : scalar = 0
  n' = n + 1
  x' = x + 2*base.descent + base.decay - 0.01*n'*g
"""
    spec = beside(tmp_path, inner=inner, outer=outer, row="optimizer Row = Outer(Inner)\n")
    program = spec.to_numpy()
    params = {"w": START.copy()}
    state = program.init(params)
    x, m, held = START.copy(), np.zeros_like(START), 0
    for t in range(1, 9):
        g = np.sin(params["w"] + t)*(1.6 if t % 2 else 0.4)
        move = np.zeros_like(x)
        if np.linalg.norm(g) > 2:
            held += 1
        else:
            m = m + g
            move = -0.2*m - 0.05*x
        x = x + move - 0.01*t*g
        state = program.step(params, {"w": g}, state)
        np.testing.assert_allclose(params["w"], x, rtol=1e-12)
    assert 0 < held < 8


def test_two_bases_and_a_parameter_that_is_passed_on(tmp_path: Path) -> None:
    spec = beside(
        tmp_path,
        mix="optimizer Mix(a, b)\n  x' = x + (a(g) + b(g))/2\n",
        ahead="optimizer Ahead(inner) = Lookahead(inner, k = 2, alpha = 0.5)\n",
        row="optimizer Row = Mix(Ahead(SGD with lr = 0.1), SGD with lr = 0.3)\n")
    program = spec.to_numpy()
    params = {"w": START.copy()}
    state = program.init(params)
    x, slow = START.copy(), START.copy()
    for t in range(1, 7):
        g = np.cos(params["w"])
        fast = x - 0.1*g
        if t % 2 == 0:
            slow = slow + 0.5*(fast - slow)
            fast = slow
        x = x + (fast - x - 0.3*g)/2
        state = program.step(params, {"w": g}, state)
        np.testing.assert_allclose(params["w"], x, rtol=1e-12)


def test_a_schedule_is_a_formula_in_the_place_of_a_hyperparameter() -> None:
    optax = pytest.importorskip("optax")
    spec = tp.load("SignSGD with lr = warmup_cosine(0.1, 8, 3, 0.01)")
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.1, 3, 8, 0.01)
    program = spec.to_numpy()
    params = {"w": START.copy()}
    state = program.init(params)
    for t in range(12):
        before = params["w"].copy()
        state = program.step(params, {"w": np.ones_like(START)}, state)
        np.testing.assert_allclose(before - params["w"], float(schedule(t)), atol=1e-7)


# Routes.


def route(text: str, tmp_path: Path) -> tp.Optimizer:
    muon = """\
optimizer Spectral
  param X : matrix[rows, cols]
  hyper lr = 0.02 in (0, inf)
  state M = 0
  M' = M + G
  X' = X - lr*sqrt(rows/cols)*M'
"""
    average = """\
optimizer Average
  hyper lr = 1e-3 in (0, inf)
  state m = 0
  m' = 0.9*m + g
  x' = x - lr*m'
"""
    return beside(tmp_path, spectral=muon, average=average, row=f"optimizer Row = {text}\n")


def test_each_arm_of_a_route_is_a_case(tmp_path: Path) -> None:
    spec = route('SAM(route(rank == 2 and not path ~ "*embed*" -> Spectral(lr = 0.02), '
                 "otherwise -> Average))", tmp_path)
    assert flat_text(spec.flat).partition("  hyper rho")[2] == """\
 = 0.05 in [0, inf)
  hyper spectral_lr = 0.02 in (0, inf)
  hyper lr = 1e-3 in (0, inf)
  q = grad(x + rho*g/norm(g over model) default 0)
  case rank == 2 and not path ~ "*embed*":
    view x as matrix[rows, cols]
    state M = 0
    M' = M + q
    x' = x - spectral_lr*sqrt(rows/cols)*M'
  otherwise:
    state m = 0
    m' = 0.9*m + q
    x' = x - lr*m'
"""
    assert set(spec.flat.bound) == {"spectral_lr"}


def test_what_two_arms_can_be_given_is_named_after_both(tmp_path: Path) -> None:
    spec = route("route(rank == 2 -> Spectral, rank < 2 -> Lion, rank > 2 -> Lion)", tmp_path)
    text = flat_text(spec.flat)
    for name in ("spectral_lr", "lion_lr", "lion2_lr"):
        assert f"hyper {name} = " in text
    assert "state lion_m = 0" in text
    assert "state lion2_m = 0" in text


def test_the_parts_of_a_route_are_those_of_its_arms(tmp_path: Path) -> None:
    text = flat_text(route("Cautious(route(rank == 2 -> Spectral, otherwise -> Lion))",
                           tmp_path).flat)
    assert "    descent = -spectral_lr*sqrt(rows/cols)*M'\n    decay = 0\n" in text
    assert "    descent = -lion_lr*sign(b1*m + (1 - b1)*g)\n    decay = -lion_lr*wd*x\n" in text


@pytest.mark.parametrize(("predicate", "tensor"), [
    ("rank >= 0", "a tensor of rank 0"),
    ("not rank < 3", "a tensor of rank 3"),
    ("rank < 3 and rank > 3", None),
    ("rank == 1 and rank != 1", None),
    ("rows < 1024 and rows >= 1024", None),
    ("1024 > rows and rows >= 1023", "a tensor with rows = 1023"),
    ("rows >= cols and cols > rows", None),
    ("cols > rows and rows != cols", "a tensor with cols > rows"),
    ('path ~ "a*" and not path ~ "a*"', None),
    ('path ~ "a*" and not path ~ "b*"',
     'a tensor whose path matches "a*" and whose path does not match "b*"'),
    ('rank == 1 and (path ~ "a*" or rank > 1)', 'a tensor of rank 1 whose path matches "a*"'),
])
def test_predicates_have_the_smallest_witness(predicate: str, tensor: str | None) -> None:
    (arm,) = parse_spec_reference(Source("", f"route({predicate} -> SGD)")).args
    assert witness(arm.condition) == tensor  # type: ignore[union-attr]


# Modules, and how they are written.


@pytest.mark.parametrize("name", sorted(MODULES))
def test_shipped_modules_are_right_by_themselves(name: str) -> None:
    spec = tp.load(name) if name not in shipped() else tp.loads(MODULES[name])
    report = spec.check(claims=False)
    assert not [d for d in report.diagnostics if d.code not in UNIT_CODES]
    assert format_text(MODULES[name]) == MODULES[name]
    assert "cite " in MODULES[name]


def test_a_module_alone_is_no_program() -> None:
    for name in ("sam", "clip-norm", "warmup-cosine"):
        with pytest.raises(tp.SpecError) as caught:
            tp.load(name).to_numpy()
        assert caught.value.diagnostics[0].code in ("spec-count", "wrong-kind")


def test_one_name_can_be_an_optimizer_and_one_around_another() -> None:
    assert len(tp.load("grams").hypers) == 5
    assert "abs(descent)" in flat_text(tp.load("Grams(Lion)").flat)


@pytest.mark.parametrize("text", [
    "SAM(AdamW with wd = 0)", "Lookahead(SAM(AdamW), k = 6)", "AdamW on clip_norm(1.0)",
    "Mix(SGD(lr = 0.1, mu = 0.9), Lion)", "SAM(AdamW with wd = 0 on centralize on clip_norm(1.0))",
    'route(rank == 2 and not (path ~ "*embed*" or rows < 9) -> Muon(lr = 0.02), otherwise -> SGD)',
])
def test_references_are_printed_as_they_are_written(text: str) -> None:
    spec = f"optimizer A = {text}\n"
    assert format_text(spec) == spec


WORDY = """\
optimizer A(base)
  losses main, aux
  extern compress(a: per entry, b: scalar) -> per entry
  numerics:
    store v as bfloat16 stochastic
    store w as float32
  batch B = new  # another
  state S : window[m] = 0
  state r : scalar window[m] = 0

  y = grad[main](x; B) + G'[j] - base.descent
  u1, b1 = base.step(g)
  Q, R = qr(A @ B.T)
  (y, a) = iterate L from y = x, a : scalar = 0:
    y' = y - lr*grad(y; fresh)
    until a > 3
  (d, s, ok) = search at most 40 from s = lr:
                 d = -s*g
                 accept loss(x + d) <= 1   else s' = s/2, d' = d
               on exhaustion s = 0, d = 0*x
  v = fold j over perm(tasks) from v = 0*x:
    v' = v + G[j]
  w = fold j over newest..oldest from w = 0*x:
    w' = w + S[j]
  case rank >= 2 and not path ~ "*embed*":
    view x as matrix[rows, rest]
    # a comment
    for axis a of x:
      state L : matrix[a, a] = 0
      L' = L + unfold(g, a) @ unfold(g, a).T
  otherwise:
    z = 0
"""


def test_every_construct_is_printed_as_it_is_written() -> None:
    assert format_text(WORDY) == WORDY
    losses = "optimizer A\n  losses tasks[k]\n\n  route:\n    rank == 2 -> Muon  # m\n" \
             "    otherwise -> SGD\n"
    assert format_text(losses) == losses
    assert parse(Source("", format_text(WORDY))) == parse(Source("", WORDY))


def test_a_reference_resolves_to_what_its_file_would_be() -> None:
    source = Source("ref", "SAM(SGD)")
    found = resolve_reference(parse_spec_reference(source), source, Scope(find))
    same = flat(Source("x.opt", "optimizer X = SAM(SGD)\n"))
    assert [p.item for p in found.parts] == [p.item for p in same.parts]


@pytest.mark.parametrize("expression", [
    "FOSI(MARSShampoo)", "EntropySGD(MuonPolarExpress)", "ASAM(LANTON)", "Muon on centralize"])
def test_wrappers_and_transforms_go_around_rules_for_matrices(expression: str) -> None:
    found = tp.load(expression).check(claims=False).diagnostics
    # Of LANTON inside of ASAM nothing shows that its ratio of norms is not negative.
    assert not [d for d in found if d.code not in {*UNIT_CODES, "perhaps-undefined"}]
