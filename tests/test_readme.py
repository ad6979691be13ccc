"""The README shows the committed results, nothing older and nothing retouched."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.commands.results import README_STUDIES, RESULTS, ROOT, with_results
from experiments.figures import safety_utility, save
from experiments.measures import measure
from experiments.rows import read_rows
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import REGISTRY, parse, variant, write
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.testing import assert_lawful, check_intervention
from medsafetyworld.training_stream import intervene

README = (ROOT / "README.md").read_text(encoding="utf-8")
PUBLISHED = RESULTS / "headline-laptop"
SMOKE = Corpus(build_world(WORLD_PRESETS["smoke"]), CORPUS_PRESETS["smoke"], 0)


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


def test_the_intervention_of_the_readme_is_lawful_and_becomes_part_of_every_variant() -> None:
    section = README.partition("## Interventions")[2].partition("\n## ")[0]
    step, law = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(step.splitlines()) <= 20
    assert len(law.splitlines()) == 1
    world, seen = SMOKE.world, tuple(SMOKE.documents(0))
    names: dict[str, Any] = {
        "assert_lawful": assert_lawful,
        "check_intervention": check_intervention,
        "world": world,
        "documents": seen,
    }
    try:
        exec(compile(step, "README.md", "exec"), names)
        exec(compile(law, "README.md", "exec"), names)
        chain = variant("drop_source(share=0.2) | reflect").chain
        left = len(list(intervene(world, seen, chain)))
        forum = sum(each.source.kind == "forum post" for each in seen)
        assert 0.1 * forum < len(seen) - left < 0.3 * forum
        with pytest.raises(SpecError, match="drop_source: share must be"):
            variant("drop_source(share=2)")
    finally:
        REGISTRY.pop("drop_source", None)


def test_the_variants_of_the_readme_are_variants() -> None:
    section = README.partition("## Interventions")[2].partition("\n## ")[0]
    first = re.search(r"```\n(.*)\n```", section)
    quoted = re.findall(r'"([^"\n]*\|[^"\n]*)"', section)
    assert first
    assert len(quoted) >= 3
    for text in (first[1], *(each.rpartition("mild=")[2] for each in quoted)):
        assert parse(write(parse(text))) == replace(parse(text), name=write(parse(text)))
