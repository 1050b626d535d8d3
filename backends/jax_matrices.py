"""Linear algebra as JAX text."""

from __future__ import annotations

# An operation as text of its arguments.
CALLS = {
    "solve": "jnp.linalg.solve({0}, {1})",
    "inv": "jnp.linalg.inv({0})",
    "chol": "jnp.linalg.cholesky({0})",
    "tri_solve": "jax.scipy.linalg.solve_triangular({0}, {1}, lower=True)",
    "expm": "jax.scipy.linalg.expm({0})",
    "polar": "_polar({0})",
    "mpow": "_mpow({0}, {1})",
    "tr": "jnp.trace({0})",
    "diag": "jnp.diag({0})",
    "diagonal": "jnp.diagonal({0})",
    "triu": "jnp.triu({0})",
    "kron": "jnp.kron({0}, {1})",
    "outer": "jnp.outer({0}, {1})",
}

HELPERS = {
    "_polar": '''
def _polar(a):
    """The orthogonal factor of a matrix: the nearest one with orthonormal rows or columns."""
    u, _, vt = jnp.linalg.svd(a, full_matrices=False)
    return u @ vt
''',
    "_mpow": '''
def _mpow(a, p):
    """The power of a symmetric matrix: that of its eigenvalues."""
    w, v = jnp.linalg.eigh(a)
    return (v * w**p) @ v.T
''',
}
