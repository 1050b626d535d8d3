"""Points optax's own test suites, which ship in its wheel, at a generated optimizer.

    python tests/optax_suites.py NAME [SPEC]

runs what the alias and contrib suites ask of the factory NAME, with the spec of that name (or the
one in the file SPEC) in its place. The suites keep their factories in tables, which are replaced
in their source. Exits with 1 when a test fails or none ran.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import unittest
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import optax
from optax import contrib
from optax._src import alias

import thetaprime as tp

# How optax's tables call each factory: in the alias suite, and inside of `mechanize`.
CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "adamw": ([{"learning_rate": 1e-1}], [{"learning_rate": 1.0}]),
    "sgd": ([{"learning_rate": 1e-3, "momentum": 0.9}],
            [{"learning_rate": 1.0}, {"learning_rate": 1.0, "momentum": 0.9}]),
    "lion": ([{"learning_rate": 1e-2, "weight_decay": 1e-4}], [{"learning_rate": 1.0, "b1": 0.99}]),
    "adagrad": ([{"learning_rate": 1.0}], []),
    "rmsprop": ([{"learning_rate": 5e-3}, {"learning_rate": 5e-3, "momentum": 0.9}],
                [{"learning_rate": 1.0}, {"learning_rate": 1.0, "momentum": 0.9}]),
    "lamb": ([{"learning_rate": 1e-3}], [{"learning_rate": 1.0}]),
    "yogi": ([{"learning_rate": 1e-1}], [{"learning_rate": 1.0, "b1": 0.99}]),
    "adan": ([{"learning_rate": 1e-1}], [{"learning_rate": 1.0}]),
    "radam": ([{"learning_rate": 5e-3}], [{"learning_rate": 1.0}]),
}
# Defaults of optax that its problems rely on: they have no decayed minimum.
DEFAULTS: dict[str, dict[str, float]] = {
    "adamw": {"weight_decay": 1e-4}, "lion": {"weight_decay": 1e-3}, "lamb": {"weight_decay": 0.0},
}


def factory(name: str, spec: str) -> Callable[..., Any]:
    """A factory with optax's signature that makes the generated transformation."""
    optimizer = tp.load(spec)

    def make(learning_rate: Any, **hypers: Any) -> Any:
        return optimizer.to_jax(lr=learning_rate, **{**DEFAULTS.get(name, {}), **hypers})

    # The suites read the annotation, and `inject_hyperparams` the names.
    scope: dict[str, Any] = {"make": make, "ScalarOrSchedule": optax.ScalarOrSchedule}
    extra = sorted({k for case in (*CASES[name][0], *CASES[name][1]) for k in case}
                   - {"learning_rate"})
    known = "".join(f", {k}: ScalarOrSchedule = None" for k in extra)
    passed = ", ".join(f"({k!r}, {k})" for k in extra)
    exec(f"def {name}(learning_rate: ScalarOrSchedule{known}):\n"
         f"    given = [{passed}]\n"
         f"    return make(learning_rate, **{{k: v for k, v in given if v is not None}})\n", scope)
    made: Callable[..., Any] = scope[name]
    return made


def suite(module: str, tables: dict[str, list[dict[str, Any]]]) -> ModuleType:
    """A suite of optax with its tables replaced."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    tree = ast.parse(Path(found.origin).read_text("utf-8"))
    replaced = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            table = node.targets[0].id
            if table in tables and table not in replaced:
                node.value = ast.parse(repr(tables[table]), mode="eval").body
                replaced.add(table)
    assert replaced == set(tables), "optax has renamed its tables"
    ast.fix_missing_locations(tree)
    made = ModuleType(module.rpartition(".")[2])
    sys.modules[made.__name__] = made
    exec(compile(tree, found.origin, "exec", dont_inherit=True), made.__dict__)
    return made


def tests(case: type[unittest.TestCase], skip: tuple[str, ...]) -> unittest.TestSuite:
    names = unittest.TestLoader().getTestCaseNames(case)
    return unittest.TestSuite(case(n) for n in names if not n.startswith(skip))


def main(name: str, spec: str) -> int:
    """The exit code of running both suites."""
    made = factory(name, spec)
    setattr(alias, name, made)
    if hasattr(contrib, name):
        delattr(contrib, name)
    plain, wrapped = CASES[name]
    table = [{"opt_name": name, "opt_kwargs": k} for k in plain]
    base = [{"opt_name": name, "opt_kwargs": k} for k in wrapped]
    one = suite("optax._src.alias_test", {"_OPTIMIZERS_UNDER_TEST": table})
    two = suite("optax.contrib._common_test",
                {"_MAIN_OPTIMIZERS_UNDER_TEST": table, "_BASE_OPTIMIZERS": base})
    # test_explicit_dtype asks for optax's own names of states and an argument `mu_dtype`.
    everything = unittest.TestSuite(
        [tests(one.AliasTest, ("test_explicit_dtype",)), tests(two.ContribTest, ())])
    result = unittest.TextTestRunner(verbosity=1).run(everything)
    print(f"{name}: {result.testsRun} run, {len(result.skipped)} skipped, "
          f"{len(result.failures)} failed, {len(result.errors)} broken")
    return int(not result.wasSuccessful() or result.testsRun == len(result.skipped))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[-1]))
