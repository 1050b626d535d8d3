"""What is decided near the fixed point, as t grows: conditions, clips, and what vanishes there.

Hyperparameters are at typical values, vectors are small. Whatever is decided so is an assumption,
which the model keeps and the answer tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy

from thetaprime.analyse.model import Model, exact
from thetaprime.analyse.vectors import Bent, Linear
from thetaprime.analyse.walk import Lanes, Value, Walk
from thetaprime.expr import Apply, Expr, Num
from thetaprime.ops import is_reduction
from thetaprime.render import spec_text

ORDER = {"<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge,
         "==": sympy.Eq, "!=": sympy.Ne}
OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


class Near(Walk):
    """The decisions of a pass; ``phase`` is what t leaves in every division by a period."""

    def __init__(self, model: Model, lengths: Mapping[str, int], phase: int) -> None:
        super().__init__(model.step, lengths)
        self.model = model
        self.phase = phase

    def is_vector(self, value: Value) -> bool:
        return isinstance(value, Linear | Bent)

    def number(self, number: Num) -> Value:
        return exact(number.value)

    def truth(self, condition: Expr, at: Lanes) -> bool | None:
        match condition:
            case Apply("true" | "false", ()):
                return condition.op == "true"
            case Apply("not", (inner,)):
                known = self.truth(inner, at)
                return None if known is None else not known
            case Apply("and" | "or", args):
                found = [self.truth(a, at) for a in args]
                decisive = condition.op == "or"
                if decisive in found:
                    return decisive
                return None if None in found else not decisive
            case Apply("finite", _):
                return True
            case Apply("all" | "any", (inner,)):
                return self.truth(inner, at)
            case Apply(op, args) if op in ORDER:
                a, b = (self.value(arg, at) for arg in args)
                if self.is_vector(a) or self.is_vector(b):
                    return None
                return self._compare(condition, op, a - b)
        return None

    def _compare(self, condition: Apply, op: str, gap: Any) -> bool | None:
        model = self.model
        if gap.has(sympy.nan, sympy.zoo):
            return None
        if model.opaque(gap):
            number = self._typical(gap)
            if number is None or number == 0:
                return None
            known = bool(ORDER[op](number, 0))
            self._assume(condition, known)
            return known
        free = gap.free_symbols - {model.t}
        if op in ("==", "!=") and gap != 0 and (free or gap.has(model.t)):
            known = op == "!="
        else:
            number = gap.subs(model.typical)
            if number.has(model.t):
                number = sympy.limit(number, model.t, sympy.oo)
            decided = ORDER[op](number, 0)
            if decided not in (sympy.true, sympy.false):
                return None
            known = bool(decided)
        if free and not gap.has(model.t):
            self._assume(condition, known)
        return known

    def _assume(self, condition: Apply, known: bool) -> None:
        said = condition if known else Apply(OPPOSITE[condition.op], condition.args)
        self.model.assumed[f"where {spec_text(said)}"] = None

    def inside(self, expr: Expr, args: Sequence[Value]) -> Linear | None:
        """max(u, -c) and min(u, c) are u near the fixed point, where u is small."""
        if not (isinstance(expr, Apply) and expr.op in ("max", "min")):
            return None
        vectors = [a for a in args if isinstance(a, Linear)]
        bounds = [a if a.is_negative or a.is_positive else self._typical(a)
                  for a in args if not self.is_vector(a)]
        if len(vectors) != 1 or len(bounds) != len(args) - 1:
            return None
        if not all(b is not None and (b.is_negative if expr.op == "max" else b.is_positive)
                   for b in bounds):
            return None
        self.model.assumed[f"where `{spec_text(expr)}` does not clip"] = None
        return vectors[0]

    def _typical(self, scalar: Any) -> Any:
        """A scalar at typical hyperparameters, as t grows and vectors vanish; None: not known."""
        model = self.model
        opaque = model.opaque(scalar)
        if not all(model.atoms[s].vanishes for s in opaque):
            return None
        number = scalar.subs({**model.typical, **dict.fromkeys(opaque, 0)})
        if number.has(model.t):
            number = sympy.limit(number, model.t, sympy.oo)
        return number if number.is_number and number.is_extended_real else None

    def vanishes(self, expr: Expr, args: Sequence[Value]) -> bool:
        """Whether what is made of vectors goes to 0 with them: norms, products, magnitudes."""
        if not isinstance(expr, Apply) or not (is_reduction(expr) or expr.op in ("abs", "*", "^")):
            return False
        if expr.op == "^" and not (isinstance(args[1], sympy.Expr) and args[1].is_positive):
            return False
        return any(isinstance(a, Linear) or (not self.is_vector(a) and self.none(a))
                   for a in args)

    def none(self, scalar: Any) -> bool:
        """Whether a scalar is 0 where vectors vanish."""
        found = self._typical(scalar) if self.model.opaque(scalar) else None
        return found is not None and found == 0
