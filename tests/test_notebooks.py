"""Laws of the notebooks: they run from top to bottom, hold no logic and no stored output."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS_A_CELL = 300

LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.While, ast.Try)


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
        lines = [line for line in cell.source.splitlines() if not line.startswith("%")]
        for node in ast.walk(ast.parse("\n".join(lines))):
            assert not isinstance(node, LOGIC), cell.source


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
    NotebookClient(
        notebook,
        km=kernel,
        timeout=SECONDS_A_CELL,
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    shown = [output for cell in code(notebook) for output in cell.outputs]
    assert shown
    assert not any(output.output_type == "error" for output in shown)
    if path.stem.startswith("01"):
        assert any("image/png" in output.get("data", {}) for output in shown)
