"""Laws of the notebooks: they run from top to bottom, hold no logic and no stored output.

Two show how a user adds a class of their own: one class, of at most twenty lines, and no more.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS_A_CELL = 300

LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.While, ast.Try)
WITH_A_CLASS = ("05", "06")
LINES_OF_A_CLASS = 20


def load(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks_and_they_are_numbered() -> None:
    numbers = [path.name.split("_")[0] for path in NOTEBOOKS]
    assert numbers == [f"{place:02d}" for place in range(1, len(numbers) + 1)]
    assert numbers


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_is_stored_and_no_logic_lives_here(path: Path) -> None:
    for cell in code(load(path)):
        assert not cell.outputs
        assert cell.execution_count is None
        for node in outside_classes(cell):
            assert not isinstance(node, LOGIC), cell.source


def tree(cell: NotebookNode) -> ast.Module:
    """The code of a cell, without its magic lines."""
    return ast.parse("\n".join("" if line[:1] == "%" else line for line in cell.source.split("\n")))


def classes(cell: NotebookNode) -> list[ast.ClassDef]:
    return [node for node in tree(cell).body if isinstance(node, ast.ClassDef)]


def outside_classes(cell: NotebookNode) -> Iterator[ast.AST]:
    """Every node of a cell's code that is in no class of the top level."""
    for statement in tree(cell).body:
        if not isinstance(statement, ast.ClassDef):
            yield from ast.walk(statement)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_class_is_short_and_stands_only_where_users_add_one(path: Path) -> None:
    made = [each for cell in code(load(path)) for each in classes(cell)]
    assert len(made) == (path.stem[:2] in WITH_A_CLASS)
    for each in made:
        first = min(line.lineno for line in (each, *each.decorator_list))
        assert (each.end_lineno or first) - first < LINES_OF_A_CLASS
        inner = [node for part in each.body for node in ast.walk(part)]
        assert not any(
            isinstance(node, LOGIC) and not isinstance(node, ast.FunctionDef) for node in inner
        )


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = load(path)
    # Without any directory of kernels, "python3" is the ipykernel of this very interpreter.
    kernel = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[])
    )
    client = NotebookClient(
        notebook,
        km=kernel,
        timeout=SECONDS_A_CELL,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    try:
        client.execute()
    finally:
        # The client leaves a kernel that it was given running.
        run_sync(kernel.shutdown_kernel)(now=True)
    shown = [output for cell in code(notebook) for output in cell.outputs]
    assert shown
    assert not any(output.output_type == "error" for output in shown)
    assert any("image/png" in output.get("data", {}) for output in shown)
