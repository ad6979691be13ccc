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

BANNED_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve",
                  "marshal", "yaml", "tarfile", "zipfile", "code", "runpy"}  # fmt: skip
BANNED_CALLS = {"eval", "exec", "compile", "__import__", "unsafe_load", "full_load", "system",
                "popen", "extractall", "unpack_archive", "read_pickle"}  # fmt: skip


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
    assert not [
        f"{path}:{line} {what}" for path, tree in sources(package) for line, what in dangers(tree)
    ]


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from marshal import loads", "eval('1')", "import os\nos.system('x')",
     "builtins.exec('1')", "np.load(p, allow_pickle=True)", "torch.load(p)",
     "torch.load(p, weights_only=False)", "run(x, shell=True)", "import yaml"],
)  # fmt: skip
def test_the_scan_sees_every_danger(source: str) -> None:
    assert list(dangers(ast.parse(source)))


def dangers(tree: ast.Module) -> list[tuple[int, str]]:
    """Lines of a source that could run what they read."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names if isinstance(node, ast.Import)]
            modules = {name.split(".")[0] for name in [*names, getattr(node, "module", "") or ""]}
            found += [(node.lineno, name) for name in modules & BANNED_MODULES]
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else (
            node.func.id if isinstance(node.func, ast.Name) else "")  # fmt: skip
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        # re.compile and lowered.compile make programs of code, and model.eval() takes no text.
        harmless = called == "compile" or (called == "eval" and not node.args)
        if called in BANNED_CALLS and not (owner is not None and harmless):
            found.append((node.lineno, called))
        flags = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        if flags.get("allow_pickle", False) is not False or flags.get("shell", False) is not False:
            found.append((node.lineno, "allow_pickle or shell"))
        if isinstance(owner, ast.Name) and (owner.id, called) == ("torch", "load"):
            found += [(node.lineno, "torch.load")] * (flags.get("weights_only") is not True)
    return found


def test_importing_the_world_leaves_accelerator_libraries_alone() -> None:
    code = "import sys, medsafetyworld; print(sorted({'jax', 'flax', 'torch'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_what_other_tools_need_is_loaded_by_nobody_who_did_not_ask() -> None:
    extras = {"torch", "transformers", "transformer_lens", "lm_eval", "submitit", "trackio"}
    extras |= {"pyarrow", "datasets"}
    code = (
        "import sys, medsafetyworld, tiny_models, experiments.cli; "
        f"print(sorted({extras} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
