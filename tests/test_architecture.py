"""Laws of the house: imports point down only, and nothing runs what it reads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("medsafetyworld", "tiny_models", "experiments")
FORBIDDEN = {
    "medsafetyworld": {"jax", "jaxlib", "flax", "optax", "orbax", "torch", "tiny_models"}
    | {"experiments"},
    "tiny_models": {"medsafetyworld", "experiments"},
    "experiments": set(),
}
"""What a package must not import; nothing may import a package above itself."""

UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}


def sources(package: str) -> Iterator[tuple[str, ast.Module]]:
    """Every file of a package, by its path, parsed."""
    for path in sorted((ROOT / package).rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Top-level names of everything imported anywhere in a file, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where an arrow points"
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_down_only(package: str) -> None:
    for path, tree in sources(package):
        assert not FORBIDDEN[package].intersection(imported(tree)), path


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_runs_what_it_reads(package: str) -> None:
    for path, tree in sources(package):
        assert not UNSAFE_MODULES.intersection(imported(tree)), path
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else ""
            assert called not in UNSAFE_CALLS, f"{path}:{node.lineno} calls {called}"
            for keyword in node.keywords:
                allowed = keyword.arg != "allow_pickle" or (
                    isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                )
                assert allowed, f"{path}:{node.lineno} may load pickles"


def test_importing_the_world_leaves_accelerator_libraries_alone() -> None:
    code = "import sys, medsafetyworld; print(sorted({'jax', 'flax', 'torch'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_what_other_tools_need_is_loaded_by_nobody_who_did_not_ask() -> None:
    extras = "{'torch', 'transformers', 'transformer_lens', 'lm_eval', 'submitit', 'trackio'}"
    code = (
        "import sys, medsafetyworld, tiny_models, experiments.cli; "
        f"print(sorted({extras} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
