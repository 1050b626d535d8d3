"""Laws of matrix functions: what the prover takes as equal (`words`, `functions`).

Each holds where both of its sides are defined: a power where its matrix is positive definite, an
inverse where there is one, a polar factor where the rank is full.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Law:
    """``left`` is ``right`` where both are defined: ``when`` a matrix is such. Any A and B are
    matrix[rows, cols], L and K matrix[rows, rows], u is a vector[rows], c > 0, p and q numbers."""

    name: str
    left: str
    right: str
    when: str = "always"


FULL, WIDE, TALL = "A has full rank", "the rows of A are independent", "its columns are"
BOTH, REGULAR = "A is square and regular", "L and K are regular"
LAWS = (
    Law("products associate", "A @ (B.T @ A)", "(A @ B.T) @ A"),
    Law("products distribute", "(A + 2*B) @ A.T", "A @ A.T + 2*(B @ A.T)"),
    Law("products with vectors", "(A.T @ L) @ u", "A.T @ (L @ u)"),
    Law("vector on the left", "u @ L @ A", "A.T @ L.T @ u"),
    Law("transpose of a transpose", "A.T.T", "A"),
    Law("transpose of a product", "((L @ A) @ B.T).T", "B @ A.T @ L.T"),
    Law("symmetric products", "(A @ A.T).T", "A @ A.T"),
    Law("identity", "I @ A", "A"),
    Law("trace of a transpose", "tr(A @ B.T)", "tr(B @ A.T)"),
    Law("trace of a turned product", "tr(L @ A @ B.T)", "tr(B.T @ L @ A)"),
    Law("polar factor of a multiple", "polar(c*A)", "polar(A)", FULL),
    Law("polar factor of a negative", "polar(-c*A)", "-polar(A)", FULL),
    Law("polar factor of a transpose", "polar(A.T)", "polar(A).T", FULL),
    Law("polar factor of a polar factor", "polar(polar(A))", "polar(A)", FULL),
    Law("polar factor by rows", "mpow(A @ A.T, -1/2) @ A", "polar(A)", WIDE),
    Law("polar factor by columns", "A @ mpow(A.T @ A, -1/2)", "polar(A)", TALL),
    Law("polar factor from both sides", "mpow(A @ A.T, -1/4) @ A @ mpow(A.T @ A, -1/4)",
        "polar(A)", BOTH),
    Law("polar factor and size", "polar(A) @ mpow(A.T @ A, 1/2)", "A", TALL),
    Law("polar factor of a sum", "mpow((A + c*B) @ (A + c*B).T, -1/2) @ (A + c*B)",
        "polar(A + c*B)", WIDE),
    Law("polar factor of a product", "mpow((L @ A) @ (L @ A).T, -1/2) @ (L @ A)", "polar(L @ A)",
        WIDE),
    Law("polar factors turn", "polar(polar(L) @ A)", "polar(L) @ polar(A)", FULL),
    Law("square polar factors are orthogonal", "polar(L) @ polar(L).T @ A", "A", REGULAR),
    Law("push-through", "mpow(A @ A.T, 1/3) @ A", "A @ mpow(A.T @ A, 1/3)", BOTH),
    Law("push-through, damped", "mpow(A @ A.T + c*I, -1/3) @ A",
        "A @ mpow(A.T @ A + c*I, -1/3)"),
    Law("powers add", "mpow(A @ A.T + L @ L.T, 1/3) @ mpow(A @ A.T + L @ L.T, 1/4)",
        "mpow(A @ A.T + L @ L.T, 7/12)", REGULAR),
    Law("powers of powers", "mpow(mpow(A @ A.T + c*I, 1/3), 1/2)", "mpow(A @ A.T + c*I, 1/6)"),
    Law("power of a multiple", "mpow(c*(A @ A.T), 1/2)", "sqrt(c)*mpow(A @ A.T, 1/2)", WIDE),
    Law("first power", "mpow(A @ A.T + c*I, 1)", "A @ A.T + c*I"),
    Law("power of -1", "mpow(A @ A.T + c*I, -1)", "inv(A @ A.T + c*I)"),
    Law("powers turn", "mpow(polar(L) @ A @ A.T @ polar(L).T, 1/3)",
        "polar(L) @ mpow(A @ A.T, 1/3) @ polar(L).T", WIDE),
    Law("inverse of an inverse", "inv(inv(L))", "L", REGULAR),
    Law("inverse of a product", "inv(L @ K)", "inv(K) @ inv(L)", REGULAR),
    Law("inverse of a transpose", "inv(L.T)", "inv(L).T", REGULAR),
    Law("inverse of a multiple", "inv(-c*L)", "-inv(L)/c", REGULAR),
    Law("an inverse cancels", "inv(L) @ L @ A", "A", REGULAR),
    Law("solution of a system", "solve(L, A)", "inv(L) @ A", REGULAR),
)
