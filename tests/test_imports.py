"""The house has one direction, and packaging names every folder."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"thetaprime": ROOT / "compiler", "thetaprime.backends": ROOT / "backends",
           "thetaprime.grammar": ROOT / "grammar", "thetaprime.specs": ROOT / "specs"}


def _modules() -> dict[str, Path]:
    found = {}
    for package, folder in FOLDERS.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            found[name] = path
    return found


MODULES = _modules()


def _imports(path: Path) -> set[str]:
    """Modules of ours that a file imports when it is loaded (not those inside of functions)."""
    found: set[str] = set()
    pending: list[ast.AST] = list(ast.parse(path.read_text()).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        pending += list(ast.iter_child_nodes(node))
    return found & set(MODULES)


GRAPH = {name: _imports(path) - {name} for name, path in MODULES.items()}


def _reach(name: str) -> set[str]:
    seen: set[str] = set()
    pending = [name]
    while pending:
        for other in GRAPH[pending.pop()]:
            if other not in seen:
                seen.add(other)
                pending.append(other)
    return seen


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_reaches_itself(name: str) -> None:
    assert name not in _reach(name)


# Left to right: nothing knows anything to its right.
STAGES = ("source", "types", "expr", "ir", "check.types", "lower", "pipeline", "optimizer", "cli")


def test_the_stages_go_one_way() -> None:
    for i, stage in enumerate(STAGES):
        later = {f"thetaprime.{s}" for s in STAGES[i + 1:]}
        assert not _reach(f"thetaprime.{stage}") & later, stage


def test_the_compiler_needs_no_backend_to_check() -> None:
    assert not any(m.startswith("thetaprime.backends") for m in _reach("thetaprime.pipeline"))


def test_generated_code_is_made_without_the_front_end() -> None:
    front = {f"thetaprime.{m}" for m in ("parse", "lower", "resolve", "pipeline", "optimizer")}
    for name in MODULES:
        if name.startswith("thetaprime.backends."):
            assert not _reach(name) & front, name


def test_packages_are_the_folders() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    on_disk = {name if path.name == "__init__.py" else name.rpartition(".")[0]
               for name, path in MODULES.items()}
    assert set(config["packages"]) == on_disk
    for package, folder in FOLDERS.items():
        assert (ROOT / config["package-dir"][package]) == folder


def test_no_module_shadows_a_library() -> None:
    taken = {"numpy", "jax", "sympy", "lark", "click", "rich", "optax", "torch"}
    assert not {path.stem for path in MODULES.values()} & taken


def test_importing_is_lazy() -> None:
    code = ("import thetaprime, sys; heavy = {'jax', 'sympy', 'lark', 'numpy', 'click', 'rich'}; "
            "assert not heavy & set(sys.modules), heavy & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_checking_a_spec_loads_neither_jax_nor_sympy() -> None:
    code = ("import thetaprime as tp, sys; assert tp.load('adamw').check(claims=False).ok; "
            "assert not {'jax', 'sympy', 'matplotlib', 'sklearn'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)
