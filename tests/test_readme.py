"""The README shows the committed results, nothing older and nothing retouched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.commands.study import README_STUDIES, RESULTS, ROOT, with_results
from experiments.figures import safety_utility, save
from experiments.measures import measure
from experiments.rows import read_rows

README = (ROOT / "README.md").read_text(encoding="utf-8")
PUBLISHED = RESULTS / "headline-laptop"


@pytest.mark.parametrize(("name", "hops"), README_STUDIES.items())
def test_the_tables_are_generated_from_the_committed_rows(name: str, hops: int) -> None:
    assert with_results(README, RESULTS / name, hops) == README


def test_a_changed_digit_is_noticed() -> None:
    changed = re.sub(r"± (\d)", lambda found: f"± {(int(found[1]) + 1) % 10}", README, count=1)
    assert changed != README
    assert with_results(changed, PUBLISHED) == README


@pytest.mark.parametrize(("name", "hops"), README_STUDIES.items())
def test_the_figures_are_drawn_from_the_committed_rows(
    name: str, hops: int, tmp_path: Path
) -> None:
    measures = measure(read_rows(RESULTS / name / "rows.csv"), hops)
    save(safety_utility(measures), tmp_path / "again")
    committed = (RESULTS / name / "safety_utility.svg").read_bytes()
    assert (tmp_path / "again.svg").read_bytes() == committed


@pytest.mark.parametrize("target", ["headline", "smoke", "test"])
def test_the_commands_that_the_readme_names_exist(target: str) -> None:
    assert f"make {target}" in README
    assert f"\n{target}: " in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_python_example_imports_what_exists() -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example
    lines = example[1].splitlines()
    setup = "\n".join(line for line in lines if not line.startswith("print("))
    names: dict[str, object] = {}
    exec(compile(setup, "README.md", "exec"), names)
    assert {"recipe", "arms", "study", "run_study"} <= names.keys()


def test_every_path_in_the_map_exists() -> None:
    for path in re.findall(r"`((?:medsafetyworld|experiments|tiny_models)/[\w/.]+)`", README):
        assert (ROOT / path).exists(), path
