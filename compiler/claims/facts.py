"""Proofs of what claims say of one step: for every gradient, every t, every state that a run can
reach, every choice of hyperparameters.

The step is executed once for t = 1 from the starting values and once for all later t from any
states within their ranges, and again for every case in which it branches (`worlds`). A relation of
states alone may be proved by induction: it holds at the start, and if before a step, then after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import product

from thetaprime.cases import guard_of
from thetaprime.check.ranges import Ranges, ranges
from thetaprime.claims.algebra import Algebra, Value
from thetaprime.claims.polynomials import Poly, Ratio, coefficients, ratio
from thetaprime.claims.positive import SIDES, Proof, Search
from thetaprime.claims.questions import Question, Relation
from thetaprime.claims.symbolic import Split, Symbolic, Undefined, Unknown, inputs
from thetaprime.coverage import both, neither, witness
from thetaprime.expr import Apply, Expr, Num, Sym, rewrite, symbols, walk
from thetaprime.intervals import NONNEGATIVE, POSITIVE, REAL, Interval, meet, point
from thetaprime.ir import Equation, State, Statement, Step, reads, statements
from thetaprime.render import spec_text
from thetaprime.scopes import free, outputs
from thetaprime.types import SCALAR

T = Sym("t")
MOST_WORLDS = 40
# Where right - left lies (left - right for > and >=).
KNOWN = {"<": POSITIVE, ">": POSITIVE, "<=": NONNEGATIVE, ">=": NONNEGATIVE, "==": SIDES[0],
         "!=": Interval(hole=True)}
TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
EVERY_STEP = "every t"  # the world of what the ranges of the step say


@dataclass(frozen=True)
class Settled:
    """A proved relation in one world: ``sides`` are what left and right come to, ``diff`` is
    right - left (left - right for > and >=), ``proof`` a tree where signs were needed. ``world``
    says which cases it is for: t = 1 if ``first``, the ``truths`` of guards; there ``facts`` are
    not negative. Without sides (and with the rule `range`) the ranges of the step say it."""

    world: str
    relation: Relation
    diff: Ratio
    proof: Proof | None
    algebra: Algebra = field(compare=False, repr=False)
    sides: tuple[Ratio, Ratio] | None = None
    first: bool = False
    truths: Mapping[Expr, bool] = field(default_factory=dict)
    facts: tuple[Poly, ...] = ()


@dataclass(frozen=True)
class Certificate:
    """Why a claim holds: every relation in every world. ``how`` names the method in words."""

    how: str
    settled: tuple[Settled, ...]

    def text(self) -> str:
        """A short proof in the notation of specs."""
        from thetaprime.claims.written import lines

        return "\n".join(lines(self))


class Unproved(Exception):
    """No proof was found; the message says where it stopped."""


@dataclass(frozen=True)
class World:
    """One case: the first step or a later one, truths of guards, and an executed step in it."""

    run: Symbolic
    first: bool
    text: str
    facts: tuple[Poly, ...]


def prove(question: Question, lemmas: Sequence[Relation] = ()) -> Certificate:
    """A certificate for a claim that is a fact. Raises Unproved."""
    reasons = []
    for method in (_by_ranges, _in_each_entry, _direct, _by_induction, _by_shift):
        try:
            found = method(question, lemmas)
        except (Unproved, Unknown) as why:
            reasons.append(str(why))
            continue
        if found is not None:
            return found
    raise Unproved(reasons[-1] if len(reasons) == 1 else reasons[0])


def _by_ranges(question: Question, lemmas: Sequence[Relation]) -> Certificate | None:
    """What the ranges of all quantities say already."""
    if question.when:
        return None
    known = _ranges(question)
    for one in stated(question):
        truth = known.of(Apply(one.op, (one.left, one.right), type=SCALAR.of_kind("bool")))
        if not truth.positive:
            return None
    return Certificate("ranges", tuple(
        Settled(EVERY_STEP, one, Ratio(Poly({})), Proof("range", Poly({})), Algebra())
        for one in question.facts))


def _in_each_entry(question: Question, lemmas: Sequence[Relation]) -> Certificate | None:
    """A sum over tensors of several kinds is not above 0 where no entry of any kind is."""
    step = question.step
    facts = []
    for one in stated(question):
        match one.op, one.left, one.right:
            case ("<=" | ">=", Apply("sum", (inner,)), Num(text)) if Fraction(text) == 0:
                facts.append(Relation(one.op, inner, one.right))
            case _:
                return None
    found = _direct(replace(question, facts=tuple(facts), step=step), lemmas)
    return replace(found, how="signs in each entry")


def _direct(question: Question, lemmas: Sequence[Relation]) -> Certificate:
    return certificate("directly", worlds(question, _all(question.facts), lemmas))


def _all(relations: Sequence[Relation]) -> Callable[[World], list[Settled]]:
    """Shows several relations in a world."""
    return lambda world: [s for one in relations for part in _parts_of(world.run.step, one)
                          for s in _holds(world, part)]


def _begun(relations: Sequence[Relation]) -> Callable[[World], list[Settled]]:
    """Shows what the next step builds on: nothing that is undefined is."""
    def settled(world: World) -> list[Settled]:
        found = [_all([one])(world) for one in relations]
        if not all(found):
            raise Unproved(f"{world.text}: undefined there")
        return [s for some in found for s in some]

    return settled


def _parts_of(step: Step, one: Relation) -> Iterator[Relation]:
    """|a| <= b is a <= b and -a <= b; max(a, b) <= c is a <= c and b <= c."""
    made = definitions(step)
    left, right = (made.get(e, e) if isinstance(e, Sym) else e for e in (one.left, one.right))
    match one.op, left, right:
        case ("<=" | "<", Apply("abs", (inner,)), _):
            minus = Apply("neg", (inner,), type=inner.type)
            parts = [replace(one, left=inner), replace(one, left=minus)]
        case ("<=" | "<", Apply("max", args, ()), _) | (">=" | ">", Apply("min", args, ()), _):
            parts = [replace(one, left=a) for a in args]
        case _:
            parts = []
    if not parts:
        yield one
    for part in parts:
        yield from _parts_of(step, part)


def certificate(how: str, settled: Sequence[Settled]) -> Certificate:
    if not settled:
        raise Unproved("its conditions never hold")
    inside = {r for s in settled if s.proof is not None for r in s.proof.rules()}
    words = "signs" if inside - {"interval", "range"} else "ranges" if inside else "algebra"
    return Certificate(how if how != "directly" else words, tuple(settled))


def _holds(world: World, relation: Relation) -> Iterator[Settled]:
    """The proof of a relation in a world; nothing where one of its sides is undefined."""
    try:
        left, right = world.run.of(relation.left), world.run.of(relation.right)
    except Undefined:
        return
    yield show(world, relation, left, right)


def show(world: World, relation: Relation, left: Value, right: Value) -> Settled:
    """Raises Unproved."""
    algebra, sides = world.run.algebra, (left.ratio, right.ratio)
    if relation.op in (">", ">="):
        left, right = right, left
    diff = algebra.subtract(right, left)
    proof: Proof | None = None
    search = Search(algebra, world.facts)
    match relation.op:
        case "==":
            if diff.ratio:
                proof = zero(search, diff.ratio)
        case "<=" | ">=":
            proof = _signed(search, diff)
        case "<" | ">":
            proof = _strict(search, diff)
        case _:
            proof = _strict(search, diff)
    if proof is None and (diff.ratio or relation.op not in ("==", "<=", ">=")):
        raise Unproved(world.text)
    return Settled(world.text, relation, diff.ratio, proof, algebra, sides, world.first,
                   world.run.truths, world.facts)


def zero(search: Search, diff: Ratio) -> Proof | None:
    """0 in every case of the signs in it: both >= 0 and <= 0."""
    if not any(search.algebra.key(a)[0] == "sign" for a in diff.num.atoms) and not search.facts:
        return None
    up = search.nonnegative(diff.num)
    down = up and search.nonnegative(-diff.num)
    return None if up is None or down is None else Proof("both", diff.num, (up, down))


def _signed(search: Search, diff: Value) -> Proof | None:
    poly = _whole(search.algebra, diff.ratio)
    if diff.interval.nonnegative and not search.algebra.interval(poly).nonnegative:
        return Proof("range", poly)
    return search.nonnegative(poly)


def _whole(algebra: Algebra, diff: Ratio) -> Poly:
    """A polynomial with the sign of a quotient."""
    den = algebra.interval(diff.den)
    return diff.num if den.positive else -diff.num if den.negative else diff.num * diff.den


def _strict(search: Search, diff: Value) -> Proof | None:
    poly = _whole(search.algebra, diff.ratio)
    if diff.interval.positive and not search.algebra.interval(poly).positive:
        return Proof("range", poly)
    return search.positive(poly)


def needed(question: Question, facts: Sequence[Relation]) -> tuple[Statement, ...]:
    """The statements of a step that say what facts and conditions compare."""
    wanted = {s for r in (*facts, *question.when) for e in (r.left, r.right) for s in symbols(e)}
    body = []
    for statement in reversed(question.step.body):
        if wanted & set(outputs(statement)):
            wanted |= set(free(statement))
            body.append(statement)
    return tuple(reversed(body))


# Worlds.


def worlds(
    question: Question, show_in: Callable[[World], Iterable[Settled]],
    lemmas: Sequence[Relation] = (), first: bool | None = None, wanted: Sequence[Relation] = (),
    others: Sequence[Step] = (),
) -> list[Settled]:
    """What is shown in each case of a claim; the cases are all that there are. Computed is what the
    ``wanted`` relations (the claim's) need. ``others`` are steps that are executed beside.

    Raises Unproved, also where there are too many cases, and Unknown.
    """
    body = needed(question, [*(wanted or question.facts), *lemmas])
    known = _ranges(question)
    only = _at(question)
    settled: list[Settled] = []
    count = 0
    for index in range(len(known.cases)):
        is_first = index == 0
        if (only is not None and (only == 1) != is_first) or first not in (None, is_first):
            continue
        for truths in kinds(question.step, *others):
            pending = [Algebra()]
            while pending:
                count += 1
                if count > MOST_WORLDS:
                    raise Unproved(f"more than {MOST_WORLDS} cases")
                algebra = pending.pop()
                try:
                    world = _world(question, known, is_first, truths, algebra, lemmas, body)
                    settled += show_in(world)
                except Split as split:
                    pending += _parts(algebra, split.poly)
                except Undefined:
                    continue
    return settled


def _parts(algebra: Algebra, poly: Poly) -> list[Algebra]:
    interval = algebra.interval(poly)
    found = []
    for side in SIDES.values():
        if not meet(interval, side).empty:
            found.append(algebra.narrowed(poly, side))
    if len(found) < 2 and algebra.depth > 6:
        raise Unproved("a case that does not end")
    return found


def _world(
    question: Question, known: Ranges, first: bool, truths: Mapping[Expr, bool], algebra: Algebra,
    lemmas: Sequence[Relation], body: tuple[Statement, ...],
) -> World:
    step, case = question.step, known.cases[0 if first else 1]
    given = given_by(question, known, first, algebra, truths)
    run = inputs(step, case, first, algebra, given, truths)
    run.execute(body)
    facts: list[Poly] = []
    for relation in (*_assumed(question), *lemmas):
        left, right = run.of(relation.left), run.of(relation.right)
        if relation.op in (">", ">="):
            left, right = right, left
        poly = _whole(algebra, algebra.subtract(right, left).ratio)
        if relation.op == "!=":
            _told_apart(algebra, poly)
        if not poly:
            continue
        facts += {"==": [poly, -poly], "!=": []}.get(relation.op, [poly])
        algebra.assume(poly, KNOWN[relation.op])
    text = "t = 1" if first else "t > 1"
    words = [text, *(spec_text(g) for g, truth in truths.items() if truth)]
    return World(run, first, " and ".join(words), tuple(facts))


def _told_apart(algebra: Algebra, poly: Poly) -> None:
    """A condition `!=`: a case for each side. Raises Split, Undefined where it does not hold."""
    if not poly:
        raise Undefined
    interval = algebra.interval(poly)
    if not interval.nonzero:
        raise Split(poly)


def _ranges(question: Question) -> Ranges:
    hypers = {h.name for h in question.step.hypers}
    given = {}
    for one in question.when:
        for left, right in ((one.left, one.right), (one.right, one.left)):
            if one.op == "==" and isinstance(left, Sym) and left.name in hypers and isinstance(
                    right, Num):
                given[left.name] = point(right.value)
    return ranges(question.step, given)


def _at(question: Question) -> int | None:
    """The step that a condition names."""
    for one in question.when:
        if one.op == "==" and one.left == T and isinstance(one.right, Num):
            return int(one.right.value)
    return None


def _inputs(question: Question) -> set[Sym]:
    step = question.step
    return {Sym(step.point), Sym(step.gradient), Sym("loss"), *(Sym(h.name) for h in step.hypers),
            *(Sym(s.name) for s in step.states)}


def _replaced(question: Question) -> list[tuple[Sym, Expr]]:
    """Conditions `m = 0` that give a symbol its value."""
    known = _inputs(question)
    found: dict[Sym, Expr] = {}
    for one in question.when:
        pair = _pair(one, known - set(found))
        if pair is not None and pair[0] != T:
            found[pair[0]] = pair[1]
    return list(found.items())


def _pair(one: Relation, known: set[Sym]) -> tuple[Sym, Expr] | None:
    if one.op == "==":
        for left, right in ((one.left, one.right), (one.right, one.left)):
            if isinstance(left, Sym) and left in known:
                return left, right
    return None


def _assumed(question: Question) -> list[Relation]:
    """The conditions that are not replacements."""
    put = {s for s, _ in _replaced(question)}
    return [one for one in question.when
            if not (one.op == "==" and (one.left == T or one.left in put or one.right in put))]


def given_by(
    question: Question, known: Ranges, first: bool, algebra: Algebra, truths: Mapping[Expr, bool]
) -> dict[Sym, Value]:
    """The values that conditions give to symbols; one after another, each may read the former."""
    found: dict[Sym, Value] = {}
    step = question.step
    for symbol, expr in _replaced(question):
        case = known.cases[0 if first else 1]
        run = inputs(step, case, first, algebra, found, truths)
        found[symbol] = run.of(inlined(step, expr))
    return found


def definitions(step: Step) -> dict[Sym, Expr]:
    """The equations of a step that are not inside of blocks."""
    return {s.target: s.value for s in step.body if isinstance(s, Equation)}


def inlined(step: Step, expr: Expr) -> Expr:
    """An expression with what a claim computes written out."""
    made = {s: e for s, e in definitions(step).items() if s.name.startswith("claim_")}
    return rewrite(expr, lambda n: made.get(n, n) if isinstance(n, Sym) else n)


def kinds(*steps: Step) -> Iterator[dict[Expr, bool]]:
    """The kinds of tensors: which guards hold together."""
    guards = list(dict.fromkeys(
        [g for step in steps for s in statements(step.body) if (g := guard_of(s)) is not None]
        + [s.guard for step in steps for s in step.states if s.guard is not None]
        + [g for step in steps for e in _cases(step) for g in e]))
    if len(guards) > 6:
        raise Unproved("more than 6 kinds of tensors")
    for truths in product((True, False), repeat=len(guards)):
        wanted: Expr = neither([g for g, yes in zip(guards, truths, strict=True) if not yes])
        for guard, yes in zip(guards, truths, strict=True):
            wanted = both(wanted, guard) if yes else wanted
        for step in steps:
            wanted = wanted if step.takes is None else both(wanted, step.takes)
        if not guards or witness(wanted) is not None:
            yield dict(zip(guards, truths, strict=True))


def _cases(step: Step) -> Iterator[tuple[Expr, ...]]:
    for statement in statements(step.body):
        for expr in reads(statement):
            for node in walk(expr):
                if isinstance(node, Apply) and node.op == "case":
                    yield node.args[::2]


# Induction.


def about_states(question: Question) -> bool:
    """Whether a claim is about states before a step alone."""
    step = question.step
    states = {Sym(s.name) for s in step.states}
    hypers = {Sym(h.name) for h in step.hypers}
    read = {s for r in question.facts for e in (r.left, r.right)
            for s in symbols(inlined(step, e))}
    when = {s for r in question.when for e in (r.left, r.right) for s in symbols(e)}
    return bool(read & states) and read <= states | hypers | {Sym(step.point)} and when <= hypers


def stated(question: Question) -> list[Relation]:
    """The facts of a claim, written out."""
    return [Relation(r.op, inlined(question.step, r.left), inlined(question.step, r.right))
            for r in question.facts]


def _by_induction(question: Question, lemmas: Sequence[Relation]) -> Certificate | None:
    """A relation of states: at the start, and after every step if before it."""
    if not about_states(question):
        return None
    step = question.step
    after = {Sym(s.name): Sym(s.name, True, s.type) for s in step.states if not s.constant}
    after[Sym(step.point)] = Sym(step.point, True)
    facts = stated(question)
    later = [_later(r, after) for r in facts]
    both_times = [*facts, *later]
    settled = worlds(question, lambda world: [*_all(facts)(world), *_begun(later)(world)],
                     lemmas, True, both_times)
    settled += worlds(question, _all(later), [*lemmas, *facts], False, both_times)
    return certificate("induction", settled)


def _later(relation: Relation, after: Mapping[Sym, Sym]) -> Relation:
    def change(node: Expr) -> Expr:
        return after.get(node, node) if isinstance(node, Sym) else node

    return Relation(relation.op, rewrite(relation.left, change), rewrite(relation.right, change))


def _by_shift(question: Question, lemmas: Sequence[Relation]) -> Certificate | None:
    """An equation that follows from itself one step earlier, which then gives a state its value:
    m/(1 - b^(t - 1)) = c, so that m = c*(1 - b^(t - 1)) and m' = c*(1 - b^t)."""
    if len(question.facts) != 1 or question.facts[0].op != "==" or not _at_every_step(question):
        return None
    step, (relation,) = question.step, question.facts
    primed = {Sym(s.name, True): s for s in step.states if not s.constant}
    everything = [relation, *(Relation("==", s, s) for s in primed)]

    def shifted(world: World) -> Iterator[Settled]:
        again = _one_step_earlier(question, world, relation, primed)
        if again.algebra.shifted and not _only_zero_bases(question, again.algebra):
            raise Unproved("a power of what may be 0")
        return _holds(replace(world, run=again), relation)

    settled = worlds(question, _begun([relation]), lemmas, True)
    settled += worlds(question, shifted, lemmas, False, everything)
    return certificate("induction", settled)


def _at_every_step(question: Question) -> bool:
    """Whether conditions that hold at one step hold at all: they are about hyperparameters, or the
    gradient that is always the same."""
    lasting = {h.name for h in question.step.hypers} | question.constant
    return all(s.name in lasting for r in question.when for e in (r.left, r.right)
               for s in symbols(inlined(question.step, e)))


def _one_step_earlier(
    question: Question, world: World, relation: Relation, primed: Mapping[Sym, State]
) -> Symbolic:
    """The step with the state that follows from the claim one step earlier."""
    step, run, algebra = question.step, world.run, world.run.algebra
    known = {s: v for s, v in run.env.items() if v is not None and s in _inputs(question)}
    t = run.env[T]
    assert t is not None
    # What was kept before the earlier step is not what is kept now; that is what it made.
    before = {**{s: v for s, v in known.items() if Sym(s.name, True) not in primed},
              T: algebra.subtract(t, algebra.number(1))}
    other = [step.point, "loss", *([] if question.constant else [step.gradient])]
    for name in other:  # not what they are now
        if (now := run.env.get(Sym(name))) is not None:
            before[Sym(name)] = algebra.atom(
                ("symbol", f"earlier {name}"), algebra.varies(now.ratio), REAL)
    cut = inputs(step, run.case, False, algebra, before, run.truths, tag="earlier")
    for symbol, state in primed.items():
        value = run.env.get(Sym(state.name))
        if value is not None:
            cut.env[symbol] = value
    cut.run(skip=primed)
    left, right = cut.of(relation.left), cut.of(relation.right)
    apart = algebra.subtract(left, right).ratio.num
    for state in primed.values():
        solution = solved(algebra, apart, run.env.get(Sym(state.name)))
        if solution is not None:
            given = {**known, Sym(state.name): solution, T: t}
            return inputs(step, run.case, False, algebra, given, run.truths).run()
    raise Unproved("no state follows from the claim")


def _only_zero_bases(question: Question, algebra: Algebra) -> bool:
    """Whether what was divided by are hyperparameters, and the claim holds where they are 0."""
    hypers = {h.name for h in question.step.hypers}
    for base in algebra.shifted:
        keys = [algebra.key(a) for a in base.atoms]
        if len(keys) != 1 or keys[0][0] != "symbol" or keys[0][1] not in hypers:
            return False
        if any(one.left == Sym(str(keys[0][1])) for one in question.when):
            return False
        zero_base = Relation("==", Sym(str(keys[0][1])), Num("0"))
        try:
            prove(replace(question, when=(*question.when, zero_base)))
        except Unproved:
            return False
    return True


def solved(algebra: Algebra, poly: Poly, state: Value | None) -> Value | None:
    """The value of a state for which a polynomial is 0, if it is affine in it."""
    if state is None or len(state.ratio.atoms) != 1:
        return None
    (atom,) = state.ratio.atoms
    parts = coefficients(poly, atom)
    if set(parts) - {0, 1} or 1 not in parts:
        return None
    if any(atom in atoms_inside(algebra, a) for a in poly.atoms if a != atom):
        return None
    return algebra.value(ratio(-parts.get(0, Poly({})), parts[1]))


def atoms_inside(algebra: Algebra, atom: int) -> set[int]:
    """The atoms that an atom is made of."""
    found: set[int] = set()
    pending: list[object] = list(algebra.key(atom))
    while pending:
        part = pending.pop()
        match part:
            case Poly() | Ratio():
                found |= part.atoms
                pending += [k for a in part.atoms for k in algebra.key(a)]
            case tuple():
                pending += part
    return found
