"""``fuse="loop"``: the results of a tensor in one loop of XLA on a CPU.

XLA for CPUs makes one loop of several results only where it is told to by a flag of its own, and
only where none of them reads another. AdamW's x' reads m' and v', so `_one_loop` computes it from
a copy of what these are made from; inside of the one loop the compiler finds what is the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from thetaprime.backends.jax_fused import same_for_all
from thetaprime.backends.phases import Phase
from thetaprime.expr import Sym
from thetaprime.ir import Equation
from thetaprime.scopes import free

FLAG = "xla_cpu_use_multi_output_fusion"
TOLD = f"--xla_backend_extra_options={FLAG}"  # in XLA_FLAGS
NOTE = (f"Compiled with fuse = loop: on a CPU, with XLA_FLAGS={TOLD} in the environment, a "
        "tensor's results are made in one loop.")


def turns_of(stage: Phase, results: Sequence[Sym]) -> tuple[int, ...]:
    """How many results stand one below the other in each result, itself not counted; empty where
    there is nothing to take apart, or more than entries to compute."""
    if stage.partials or not all(
            isinstance(s, Equation) and same_for_all(s) for s in stage.leaves):
        return ()
    below: dict[Sym, int] = {}
    for statement in stage.leaves:
        assert isinstance(statement, Equation)
        below[statement.target] = max(
            (below[s] + (s in results) for s in free(statement) if s in below), default=0)
    turns = tuple(below.get(r, 0) for r in results)
    return turns if any(turns) else ()


HELPER = f'''
def _one_loop(function, turns):
    """`function` with none of its results made from another, where XLA for CPUs is told to make one
    loop of such results; `turns`: how many stand one below the other in each."""
    flags = os.environ.get("XLA_FLAGS", "")
    if jax.default_backend() != "cpu" or "{FLAG}" not in flags:
        return function

    def apart(*columns):
        made = [function(*columns)]
        for _ in range(max(turns)):
            columns = jax.lax.optimization_barrier(columns)
            made.append(function(*columns))
        return tuple(made[turn][k] for k, turn in enumerate(turns))

    return apart
'''
