"""The op table: every operation of the language, one row.

A row is all that the rest of the compiler knows of an operation; no other file names one, but for
the grammar's infix rules and the few operations whose meaning is control (``if``). Adding ``sin``
is adding its row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from thetaprime.expr import Apply

Fix = Literal["infix", "prefix", "call", "constant"]
# How the type of the result follows from the arguments'.
Typing = Literal["broadcast", "compare", "logic", "select", "integer", "oracle"]
# How the unit of the result follows: all alike and kept; product; quotient; power; kept from the
# first; arguments without unit; any unit to none; the unit of the branches.
Unit = Literal["same", "product", "quotient", "power", "keep", "plain", "drop", "select", "oracle"]
# Sign of the result for real arguments in the domain.
Sign = Literal["any", "nonnegative", "positive", "unit", "sum", "product", "odd"]
# Monotonicity in each argument: + increasing, - decreasing, 0 neither.


@dataclass(frozen=True, slots=True)
class Op:
    """One operation.

    ``python`` is a format string over the rendered arguments for one number at a time; ``array``
    the function of the array namespace (numpy and jax.numpy share it); ``latex`` a format string;
    ``sympy`` the name of the sympy constructor; ``flops`` the cost per entry, counted as one for an
    addition or multiplication and as the usual vector-library ratios otherwise.
    """

    name: str
    arity: tuple[int, int]
    fix: Fix = "call"
    precedence: int = 100
    array: str = ""
    sympy: str = ""
    latex: str = ""
    typing: Typing = "broadcast"
    domain: str = ""
    sign: Sign = "any"
    monotone: str = ""
    unit: Unit = "plain"
    flops: int = 1
    doc: str = ""


# Precedence, loosest first: if 0, or 10, and 20, not 30, comparisons 40, sums 50, products 60,
# sign 70, power 80, calls and names 100.
_ROWS = (
    Op("if", (3, 3), "prefix", 0, "where", "Piecewise", typing="select", unit="select",
       doc="`if c then a else b`: elementwise; the branch not taken has no effect"),
    Op("or", (2, 2), "infix", 10, "logical_or", "Or", r"{0} \lor {1}", "logic", unit="drop"),
    Op("and", (2, 2), "infix", 20, "logical_and", "And", r"{0} \land {1}", "logic", unit="drop"),
    Op("not", (1, 1), "prefix", 30, "logical_not", "Not", r"\lnot {0}", "logic", unit="drop"),
    Op("<", (2, 2), "infix", 40, "less", "Lt", "{0} < {1}", "compare", unit="same"),
    Op("<=", (2, 2), "infix", 40, "less_equal", "Le", r"{0} \le {1}", "compare", unit="same"),
    Op(">", (2, 2), "infix", 40, "greater", "Gt", "{0} > {1}", "compare", unit="same"),
    Op(">=", (2, 2), "infix", 40, "greater_equal", "Ge", r"{0} \ge {1}", "compare", unit="same"),
    Op("==", (2, 2), "infix", 40, "equal", "Eq", "{0} = {1}", "compare", unit="same"),
    Op("!=", (2, 2), "infix", 40, "not_equal", "Ne", r"{0} \ne {1}", "compare", unit="same"),
    Op("+", (2, 2), "infix", 50, "add", "Add", "{0} + {1}", sign="sum", monotone="++", unit="same"),
    Op("-", (2, 2), "infix", 50, "subtract", "Add", "{0} - {1}", monotone="+-", unit="same"),
    Op("*", (2, 2), "infix", 60, "multiply", "Mul", r"{0} {1}", sign="product", unit="product"),
    Op("/", (2, 2), "infix", 60, "divide", "Mul", r"\frac{{{0}}}{{{1}}}", domain="second != 0",
       sign="product", unit="quotient", flops=4),
    Op("neg", (1, 1), "prefix", 70, "negative", "Mul", "-{0}", sign="odd", monotone="-",
       unit="keep"),
    Op("^", (2, 2), "infix", 80, "power", "Pow", "{0}^{{{1}}}", domain="power", unit="power",
       flops=20, doc="elementwise power, right associative"),
    Op("abs", (1, 1), array="abs", sympy="Abs", latex=r"\lvert {0} \rvert", sign="nonnegative",
       monotone="0", unit="keep"),
    Op("sign", (1, 1), array="sign", sympy="sign", latex=r"\operatorname{{sign}}({0})", sign="odd",
       monotone="+", unit="drop", doc="-1, 0 or 1; sign(0) = 0"),
    Op("sqrt", (1, 1), array="sqrt", sympy="sqrt", latex=r"\sqrt{{{0}}}", domain="first >= 0",
       sign="nonnegative", monotone="+", unit="power", flops=4),
    Op("exp", (1, 1), array="exp", sympy="exp", latex=r"\exp({0})", sign="positive", monotone="+",
       flops=10),
    Op("ln", (1, 1), array="log", sympy="log", latex=r"\ln({0})", domain="first > 0", monotone="+",
       flops=10, doc="natural logarithm"),
    Op("sin", (1, 1), array="sin", sympy="sin", latex=r"\sin({0})", sign="odd", flops=10),
    Op("cos", (1, 1), array="cos", sympy="cos", latex=r"\cos({0})", flops=10),
    Op("tanh", (1, 1), array="tanh", sympy="tanh", latex=r"\tanh({0})", sign="odd", monotone="+",
       flops=10),
    Op("atan", (1, 1), array="arctan", sympy="atan", latex=r"\arctan({0})", sign="odd",
       monotone="+", flops=10),
    Op("atan2", (2, 2), array="arctan2", sympy="atan2", latex=r"\operatorname{{atan2}}({0}, {1})",
       unit="drop", flops=15, doc="angle of the point (second, first)"),
    Op("floor", (1, 1), array="floor", sympy="floor", latex=r"\lfloor {0} \rfloor", monotone="+",
       typing="broadcast"),
    Op("round", (1, 1), array="round", sympy="", latex=r"\operatorname{{round}}({0})",
       monotone="+", doc="to the nearest integer, halves to the even one"),
    Op("mod", (2, 2), array="mod", sympy="Mod", latex=r"{0} \bmod {1}", domain="second != 0",
       unit="same", doc="remainder with the sign of the divisor"),
    Op("min", (2, 9), array="minimum", sympy="Min", latex=r"\min({0}, {1})", monotone="++",
       unit="same"),
    Op("max", (2, 9), array="maximum", sympy="Max", latex=r"\max({0}, {1})", monotone="++",
       unit="same"),
    Op("finite", (1, 1), array="isfinite", typing="logic", unit="drop",
       latex=r"\operatorname{{finite}}({0})", doc="true where a value is neither NaN nor infinite"),
    Op("default", (2, 2), "infix", 55, "where", latex=r"{0} \;\text{{default}}\; {1}", unit="same",
       doc="`a / b default c`: c where the quotient is undefined or not finite"),
    Op("pi", (0, 0), "constant", array="pi", sympy="pi", latex=r"\pi", sign="positive"),
    Op("inf", (0, 0), "constant", array="inf", sympy="oo", latex=r"\infty", sign="positive"),
    Op("true", (0, 0), "constant", array="True", sympy="true", latex=r"\text{{true}}",
       typing="logic"),
    Op("false", (0, 0), "constant", array="False", sympy="false", latex=r"\text{{false}}",
       typing="logic"),
)

OPS: dict[str, Op] = {row.name: row for row in _ROWS}


@dataclass(frozen=True, slots=True)
class Reduction:
    """A reduction over entries, tensors or an axis.

    ``combine`` joins partial results of blocks and tensors (``mean`` combines sums and divides by
    the number of entries); ``start`` is the partial result of nothing.
    """

    name: str
    array: str
    combine: Literal["add", "max", "min", "and", "or"]
    start: str
    sympy: str
    latex: str
    kind: Literal["real", "bool"] = "real"
    sign: Sign = "any"
    doc: str = ""


REDUCTIONS: dict[str, Reduction] = {
    row.name: row
    for row in (
        Reduction("sum", "sum", "add", "0", "Sum", r"\sum_{{{1}}} {0}", sign="sum"),
        Reduction("mean", "mean", "add", "0", "Sum", r"\operatorname{{mean}}_{{{1}}} {0}",
                  sign="sum"),
        Reduction("max", "max", "max", "-inf", "Max", r"\max_{{{1}}} {0}"),
        Reduction("min", "min", "min", "inf", "Min", r"\min_{{{1}}} {0}"),
        Reduction("size", "size", "add", "0", "Sum", r"\operatorname{{size}}_{{{1}}} {0}",
                  sign="positive", doc="the number of entries"),
        Reduction("all", "all", "and", "true", "And", r"\forall_{{{1}}} {0}", "bool"),
        Reduction("any", "any", "or", "false", "Or", r"\exists_{{{1}}} {0}", "bool"),
    )
}

@dataclass(frozen=True, slots=True)
class Linear:
    """An operation of linear algebra on matrices and vectors.

    ``shapes`` are its forms, one letter for each axis: ``rk,kc->rc`` takes a matrix and one whose
    first axis is the last of the other's. ``m`` is the smaller of ``r`` and ``c``; an argument
    without letters is one number for each tensor or for the model.
    """

    name: str
    shapes: tuple[str, ...]
    doc: str = ""

    @property
    def arity(self) -> int:
        return self.shapes[0].partition("->")[0].count(",") + 1


LINEAR: dict[str, Linear] = {
    row.name: row
    for row in (
        Linear("@", ("rk,kc->rc", "rk,k->r", "k,kc->c"), "matrix product"),
        Linear("T", ("rc->cr",), "`A.T`, rows and columns exchanged"),
        Linear("outer", ("r,c->rc", "lr,lc->lrc"), "`r.T c`: a matrix of two vectors"),
        Linear("tr", ("aa->",), "sum of the diagonal"),
        Linear("diag", ("a->aa",), "the matrix with this diagonal"),
        Linear("diagonal", ("aa->a",), "the diagonal of a matrix"),
        Linear("triu", ("rc->rc",), "the upper triangle, diagonal included; 0 below"),
        Linear("solve", ("aa,ac->ac", "aa,a->a"), "`solve(A, B)`: Y with A @ Y = B"),
        Linear("inv", ("aa->aa",), "the inverse"),
        Linear("chol", ("aa->aa",), "the lower L with L @ L.T = A"),
        Linear("tri_solve", ("aa,ac->ac", "aa,a->a"), "`solve` for a lower triangle"),
        Linear("polar", ("rc->rc",), "U @ V.T of the singular value decomposition"),
        Linear("mpow", ("aa,->aa",), "the power of a positive definite matrix"),
        Linear("expm", ("aa->aa",), "the exponential of a matrix"),
        Linear("norm2", ("rc->",), "the largest singular value"),
        Linear("qr.q", ("rc->rm",), "orthonormal columns Q with Q @ R = A"),
        Linear("qr.r", ("rc->mc",), "the upper triangle R"),
        Linear("eigh.values", ("aa->a",), "eigenvalues of a symmetric matrix, the least first"),
        Linear("eigh.vectors", ("aa->aa",), "its eigenvectors, one a column"),
        Linear("svd.u", ("rc->rm",), "left singular vectors, one a column"),
        Linear("svd.s", ("rc->m",), "singular values, the largest first"),
        Linear("svd.v", ("rc->cm",), "right singular vectors, one a column: A = U @ diag(s) @ V.T"),
    )
}
# Operations with several results, `Q, R = qr(A)`: what each of them is.
MANY: dict[str, tuple[str, ...]] = {
    name: tuple(row for row in LINEAR if row.startswith(f"{name}."))
    for name in ("qr", "eigh", "svd")}
# How a tensor is seen. view and unview: entries as a matrix whose axes `over` names, and back.
# unfold and refold: as matrix[a, rest], the axis a first, and back. along: vector[a] in every entry
# of the tensor. eye: the identity along `over`. case: (guard, value, guard, value, ...). take:
# `take(A, p over a)`, A with the places p along the last of its axes a. "~": whether the path of a
# tensor has the form `over`. seen: the argument where tensors are seen so (untyped trees only).
STRUCTURE: dict[str, int] = {
    "view": 1, "unview": 1, "unfold": 1, "refold": 1, "along": 1, "eye": 0, "case": 2, "take": 2,
    "~": 1, "seen": 1}


# What an oracle takes and gives: a quantity with the shape of the parameters, the same with all
# entries of the model in one row, the outputs of the model (flattened), or one number.
Space = Literal["entry", "params", "outputs", "scalar"]


@dataclass(frozen=True, slots=True)
class Oracle:
    """A question to the problem, pure: equal points and batches give equal answers.

    ``axis`` is one that the result has beside ``gives``. ``passed`` is what a user has to give a
    NumPy program for it; a JAX program derives it from ``needs``: the loss alone, or the model's
    outputs and the loss of outputs, or several losses.
    """

    name: str
    takes: tuple[Space, ...]
    gives: Space
    axis: str = ""
    needs: Literal["loss", "outputs", "losses"] = "loss"
    passed: str = ""
    doc: str = ""


ORACLES: dict[str, Oracle] = {
    row.name: row
    for row in (
        Oracle("loss", ("entry",), "scalar", passed="loss(params, batch)", doc="the loss"),
        Oracle("grad", ("entry",), "entry", passed="grad(params, batch)", doc="its gradient"),
        Oracle("hvp", ("entry", "entry"), "entry", passed="hvp(params, v, batch)",
               doc="Hessian times vector"),
        Oracle("hess", ("entry",), "params", "params", passed="hess(params, batch)",
               doc="the Hessian, a matrix"),
        Oracle("slope", ("entry", "entry"), "scalar", passed="slope(params, v, batch)",
               doc="derivative along a direction"),
        Oracle("rows", ("entry",), "entry", "examples", passed="rows(params, batch)",
               doc="one gradient for each example"),
        Oracle("out", ("entry",), "outputs", needs="outputs", passed="out(params, batch)",
               doc="outputs of the model"),
        Oracle("push", ("entry", "entry"), "outputs", needs="outputs",
               passed="push(params, v, batch)", doc="Jacobian of the outputs times vector"),
        Oracle("pull", ("entry", "outputs"), "entry", needs="outputs",
               passed="pull(params, w, batch)", doc="transposed Jacobian times vector"),
        Oracle("dell", ("outputs",), "outputs", needs="outputs", passed="dell(outputs, batch)",
               doc="gradient of the loss of outputs"),
        Oracle("hess_ell", ("outputs", "outputs"), "outputs", needs="outputs",
               passed="hess_ell(outputs, w, batch)", doc="Hessian of the loss of outputs, times w"),
        Oracle("ggn", ("entry", "entry"), "entry", needs="outputs", passed="ggn(params, v, batch)",
               doc="generalised Gauss-Newton matrix times vector"),
        Oracle("grads", ("entry",), "entry", "tasks", needs="losses",
               passed="grads(params, batch)", doc="the gradient of each of several losses"),
        Oracle("losses", ("entry",), "scalar", "tasks", needs="losses",
               passed="losses(params, batch)", doc="each of several losses"),
    )
}
# Operations along one axis, which the fold, the window or the word that they read names: their
# number of arguments. G[j] · put(a, j, v) · push(W, v) · index(tasks) · the order that sorts.
ALONG: dict[str, int] = {"at": 2, "put": 3, "shift": 2, "index": 0, "argsort": 1}
# Between one number per entry and all entries of the model in one row, the axis `params`, tensor
# after tensor: what each takes and gives.
WHOLE: dict[str, tuple[Space, Space]] = {
    "flat": ("entry", "params"), "unflat": ("params", "entry")}
# Oracles of constrained problems, which come later.
ORACLES_LATER = ("proj", "prox", "lmo")

# Distributions that `~` draws from: (least, most) parameters.
DISTRIBUTIONS: dict[str, tuple[int, int]] = {
    "normal": (0, 2), "uniform": (0, 2), "rademacher": (0, 0), "bernoulli": (1, 1),
}


def is_reduction(expr: Apply) -> bool:
    """Whether ``over`` says what the application reduces over."""
    return bool(expr.over) and expr.op in REDUCTIONS
