"""A step on points of a performance estimation problem.

Vectors are points of PEPit, scalars are floats: every step is carried out at its own t, with
schedules of scalars as they are. What is no linear combination of points and gradients is refused.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thetaprime.analyse.walk import Lanes, Value, Walk, quoted
from thetaprime.diagnostics import SpecError, report
from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.interpret import hyperparameters
from thetaprime.ir import Draw, State, Statement, Step
from thetaprime.numbers import FLOAT
from thetaprime.ops import OPS
from thetaprime.types import Extent

ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
         "==": operator.eq, "!=": operator.ne}


class Worst(Walk):
    """All steps of a run, one after the other. ``values`` holds states between them."""

    def __init__(
        self, step: Step, lengths: Mapping[str, int], given: Mapping[str, Any], loss: Any,
        start: Any,
    ) -> None:
        super().__init__(step, lengths)
        self.given = given
        self.loss = loss
        self.point = start
        self.zero = start * 0
        self.kept: dict[tuple[str, tuple[int, ...]], Value] = {}
        self._begin(1)
        for state in sorted(step.states, key=lambda s: not s.constant):
            self._start(state)

    def run(self, t: int) -> Any:
        """The point after step ``t``. Raises SpecError for what is not linear."""
        self._begin(t)
        self.first_step = t == 1
        for (name, lane), value in self.kept.items():
            self.values[Sym(name), lane] = value
        self.execute(self.step.body)
        for state in self.step.states:
            for lane in self.lanes(state.type):
                value = self.values[Sym(state.name, not state.constant), lane]
                self.kept[state.name, lane] = value
        self.point = self.values[Sym(self.step.point, True), ()]
        return self.point

    def evaluated(self, t: int) -> Any:
        """The point to evaluate after step ``t``."""
        if self.step.evaluate is None:
            return self.point
        self._begin(t)
        for (name, lane), value in self.kept.items():
            self.values[Sym(name), lane] = value
        return self.value(self.step.evaluate, {})

    def _begin(self, t: int) -> None:
        self.values = {}
        for symbol, value in hyperparameters(self.step, self.given, t).items():
            numbers = np.asarray(value, float)
            for lane in np.ndindex(numbers.shape):
                self.values[symbol, lane] = float(numbers[lane])
        self.values[Sym("t"), ()] = float(t)
        self.values[Sym(self.step.point), ()] = self.point

    def _start(self, state: State) -> None:
        if isinstance(state.start, Draw):
            raise self.refused(Sym(state.name, span=state.span), "is drawn at random")
        self.source = state.source
        for lane in self.lanes(state.type):
            at = dict(zip(self.axes(state.type), lane, strict=True))
            value = self.value(state.start, at)
            if state.type.extent is Extent.ENTRY and not self.is_vector(value) and value == 0:
                value = self.zero
            self.kept[state.name, lane] = value
            self.values[Sym(state.name), lane] = value

    def refused(self, expr: Expr, why: str) -> SpecError:
        return SpecError([report("not-estimated", self.source, expr.span, name=self.step.name,
                                 what=quoted(expr, self.source), why=why)])

    def is_vector(self, value: Value) -> bool:
        return not isinstance(value, float | bool)

    def number(self, number: Num) -> Value:
        return float(number.value)

    def _of_numbers(self, expr: Apply, args: Sequence[Value]) -> Value:
        row = OPS[expr.op]
        if expr.op in ORDER:
            return bool(ORDER[expr.op](*args))
        match expr.op:
            case "pi" | "inf":
                return float(expr.op.replace("pi", "3.141592653589793"))
            case "true" | "false":
                return expr.op == "true"
            case "and" | "or":
                return all(args) if expr.op == "and" else any(args)
            case "not":
                return not args[0]
            case "default":
                return args[0] if abs(args[0]) < float("inf") else args[1]
            case "/":
                return float(FLOAT.divide(args[0], args[1]))
        result = args[0] if len(args) > 1 else FLOAT.function(row.array)(args[0])
        for arg in args[1:]:
            result = FLOAT.function(row.array)(result, arg)
        return float(result)

    def function(self, expr: Apply, args: Sequence[Value]) -> Value:
        with np.errstate(all="ignore"):
            return self._of_numbers(expr, args)

    def symbol(self, symbol: Sym, at: Lanes) -> Value:
        if symbol == Sym(self.step.gradient) and (symbol, ()) not in self.values:
            self.values[symbol, ()] = self.loss.gradient(self.point)
        return super().symbol(symbol, at)

    def shifted(self, vector: Value, scalar: Value, by: Expr) -> Value:
        if scalar == 0:
            return vector
        raise self.refused(by, "is a number added to every entry")

    def bent(self, expr: Expr, args: Sequence[Value]) -> Value:
        raise self.refused(expr, "is no linear combination of points and gradients")

    def ask(self, expr: Apply, args: Sequence[Value]) -> Value:
        if expr.op != "grad":
            raise self.refused(expr, "asks for more than gradients")
        if expr.over and expr.over[0] == "fresh":
            raise self.refused(expr, "is a gradient of another batch")
        return self.loss.gradient(args[0])

    def truth(self, condition: Expr, at: Lanes) -> bool | None:
        match condition:
            case Apply("finite", _):
                return True
            case Apply("all" | "any", (inner,)):
                return self.truth(inner, at)
            case Apply("not", (inner,)):
                return not self.truth(inner, at)
            case Apply("and" | "or", args):
                found = (self.truth(a, at) for a in args)
                return all(found) if condition.op == "and" else any(found)
        return bool(self.value(condition, at))

    def cases(self, expr: Apply, values: Sequence[Value]) -> Value:
        raise self.refused(expr.args[0], "treats tensors of several shapes differently")

    def outside(self, statement: Statement) -> None:
        target = getattr(statement, "target", None)
        if isinstance(statement, Draw):
            raise self.refused(statement.target, "is drawn at random")
        carries = getattr(statement, "carries", ())
        cause = target or (carries[0].value if carries else Sym(self.step.point))
        raise self.refused(cause, "comes from a loop whose number of turns is not known")
