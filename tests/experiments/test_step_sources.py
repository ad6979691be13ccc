"""What a user's own step does is part of what is made with it: its name alone says too little."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.commands.emission_request import plan_work
from experiments.recipe import Arm, Cell
from experiments.stages import Context, pretrain_inputs
from experiments.step_sources import step_sources
from medsafetyworld.corpus import Corpus
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.interventions.algebra import REGISTRY, Step

from tiny_recipe import RECIPE

NAME = "sources_test"
CODE = '''
from medsafetyworld.interventions.algebra import Step, intervention


class Picky(Step):
    def drops(self, document):
        return document.index % 2 == {rest}


@intervention("sources_test", source="this test", does={{"removes"}})
class Mine(Picky):
    """Drops every second document."""

    def document(self, world, document):
        return () if self.drops(document) else (document,)
'''


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Forgets afterwards what a test has defined."""
    yield monkeypatch
    REGISTRY.pop(NAME, None)


def define(directory: Path, name: str, rest: int, modules: pytest.MonkeyPatch) -> type[Step]:
    """The step as a module of the user's has it."""
    REGISTRY.pop(NAME, None)
    path = directory / f"{name}.py"
    path.write_text(CODE.format(rest=rest))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    modules.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return REGISTRY[NAME]


def keys(directory: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What pretraining and an emission with the step are known by."""
    the_cell = Cell(RECIPE, Arm("mine", f"filter | {NAME}"), 0, master=7)
    context = Context(the_cell, directory, lambda stage, progress: None)
    corpus = Corpus(context.world, the_cell.corpus_spec, 5)
    work = plan_work(corpus, the_cell.variant, "jsonl", directory / "out", 100)
    return pretrain_inputs(context), work.request


def test_a_step_that_does_something_else_has_another_key(
    tmp_path: Path, modules: pytest.MonkeyPatch
) -> None:
    made = []
    for name, rest in (("sources_one", 0), ("sources_two", 1), ("sources_three", 0)):
        define(tmp_path, name, rest, modules)
        made.append(keys(tmp_path))
    # The second differs in a base class alone, the third only in where it lies.
    assert made[0] == made[2]
    assert made[0][0] != made[1][0]
    assert made[0][1] != made[1][1]
    assert set(made[0][0]["sources"]) == {NAME}


def test_steps_of_the_package_are_known_by_their_text_alone() -> None:
    for each in VARIANTS.values():
        assert step_sources(each.steps) == {}


def test_a_step_whose_source_cannot_be_read_is_refused(
    tmp_path: Path, modules: pytest.MonkeyPatch
) -> None:
    step = define(tmp_path, "sources_gone", 0, modules)()
    (tmp_path / "sources_gone.py").unlink()
    with pytest.raises(SpecError, match="sources_test: the source of a step"):
        step_sources((step,))
