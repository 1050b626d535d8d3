"""sympy expressions as expressions of ours, so that the user reads his own notation.

Only what an analysis finds comes this way: sums, products, powers and roots of numbers and of
symbols, each of which stands for an expression of the spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from thetaprime.expr import Apply, Expr, Num, Sym
from thetaprime.render import spec_text

Names = Mapping[Any, Expr]


def expression(formula: Any, names: Names) -> Expr:
    """A sympy expression as one of ours; a symbol that ``names`` lacks goes by its own name."""
    import sympy

    if formula in names:
        return names[formula]
    if formula.is_Symbol:
        return Sym(formula.name)
    if formula.is_Rational:
        return _rational(formula)
    if formula.is_Float:
        return Num(f"{float(formula):.6g}")
    if formula.is_Add:
        return _sum(list(formula.args), names)
    if formula.is_Pow and formula.exp == sympy.Rational(1, 2):
        return Apply("sqrt", (expression(formula.base, names),))
    top, bottom = sympy.fraction(formula)
    if bottom != 1:
        return Apply("/", (expression(top, names), expression(bottom, names)))
    if formula.is_Mul:
        return _product(formula, names)
    if formula.is_Pow:
        return Apply("^", (expression(formula.base, names), expression(formula.exp, names)))
    args = tuple(expression(arg, names) for arg in formula.args)
    return Apply(_NAMES.get(formula.func.__name__, formula.func.__name__.lower()), args)


_NAMES = {"Abs": "abs", "Max": "max", "Min": "min", "log": "ln", "Mod": "mod"}


def text(formula: Any, names: Names) -> str:
    return spec_text(expression(formula, names))


def latex(formula: Any, names: Names) -> str:
    """LaTeX of a formula; what stands for a longer expression is set as the spec spells it."""
    import sympy

    spelled = {s: _latex_name(spec_text(e)) for s, e in names.items()}
    return str(sympy.latex(formula, symbol_names=spelled))


def _latex_name(name: str) -> str:
    stem, digits = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")):]
    if not name.isidentifier():
        return rf"\mathtt{{({name})}}".replace("^", r"\hat{\ }").replace("_", r"\_")
    if len(stem) == 1:
        return f"{stem}_{{{digits}}}" if digits else stem
    return rf"\mathit{{{name}}}".replace("_", r"\_")


def _rational(number: Any) -> Expr:
    if number < 0:
        return Apply("neg", (_rational(-number),))
    if number.q == 1:
        return Num(str(number.p))
    if number.q > 10 and 10**12 % number.q == 0:
        return Num(f"{float(number):.15g}")
    return Apply("/", (Num(str(number.p)), Num(str(number.q))))


def _degree(term: Any) -> tuple[int, str]:
    import sympy

    powers = term.as_powers_dict()
    return (sum(int(e) for b, e in powers.items() if not b.is_number and e.is_Integer),
            sympy.sstr(term))


def _sum(terms: list[Any], names: Names) -> Expr:
    """The terms in the order of a paper: what is added first, small degrees before large ones."""
    def negative(term: Any) -> bool:
        return bool(term.could_extract_minus_sign() if term.is_Number
                    else term.as_coeff_Mul()[0] < 0)

    terms.sort(key=lambda term: (negative(term), _degree(term)))
    found = expression(terms[0], names)
    for term in terms[1:]:
        if negative(term):
            found = Apply("-", (found, expression(-term, names)))
        else:
            found = Apply("+", (found, expression(term, names)))
    return found


def _product(formula: Any, names: Names) -> Expr:
    coefficient, rest = formula.as_coeff_Mul()
    if coefficient < 0:
        return Apply("neg", (expression(-formula, names),))
    factors = sorted(rest.as_ordered_factors(), key=lambda f: (f.is_Add, _rank(f)))
    if coefficient != 1:
        factors = [coefficient, *factors]
    parts = [expression(f, names) for f in factors]
    found = parts[0]
    for part in parts[1:]:
        found = Apply("*", (found, part))
    return found


def _rank(factor: Any) -> tuple[int, str]:
    """Learning rates before all others, the curvature after them."""
    name = str(factor.base if factor.is_Pow else factor)
    return {"lr": 0, "h": 2}.get(name, 1), name
